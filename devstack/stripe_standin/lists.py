"""Owns Stripe's list object: newest first, cursors by id, `created` ranges. Which rows are candidates, the caller
says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .context import Call
from .errors import invalid, missing

_BOUNDS: dict[str, Callable[[int, int], bool]] = {
    "gt": lambda created, bound: created > bound,
    "gte": lambda created, bound: created >= bound,
    "lt": lambda created, bound: created < bound,
    "lte": lambda created, bound: created <= bound,
}


def page(
    call: Call,
    kind: str,
    params: dict[str, Any],
    url: str,
    *,
    by: str | None = None,
    value: str | None = None,
    keep: Callable[[Any], bool] | None = None,
    render: Callable[[Any], Any] | None = None,
) -> dict[str, Any]:
    """One page of a collection. Raises the documented 400 for a cursor that does not exist or a limit outside 1–100."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise invalid(
            "Invalid integer: limit must be between 1 and 100", code="parameter_invalid_integer", param="limit"
        )
    after, before = params.get("starting_after"), params.get("ending_before")
    rows = call.account.of[kind]
    for name, cursor in (("starting_after", after), ("ending_before", before)):
        if cursor is not None and cursor not in rows:
            raise missing(kind, cursor, param=name)
    created = params.get("created")
    ranges = {"gte": created, "lte": created} if isinstance(created, int) else created or {}
    oldest_wanted = max(ranges.get("gte", 0), ranges.get("gt", -1) + 1)

    found: list[Any] = []
    # `starting_after` walks towards older rows; `ending_before` wants the ones just newer than the cursor, so
    # everything newer is collected and the page is cut from its old end.
    wanted = limit + 1 if before is None else None
    for row in rows.newest_first(by, value, before=after, after=before):
        if row.created < oldest_wanted:
            break  # created never decreases along a collection: the clock moves forward only
        if all(_BOUNDS[name](row.created, bound) for name, bound in ranges.items()) and (keep is None or keep(row)):
            found.append(row)
            if wanted is not None and len(found) == wanted:
                break
    more: dict[str, int] = {}
    if call.before("total_count") and "total_count" in params.get("expand", ()):
        more["total_count"] = sum(
            all(_BOUNDS[name](row.created, bound) for name, bound in ranges.items()) and (keep is None or keep(row))
            for row in rows.newest_first(by, value)
        )
    has_more = len(found) > limit
    found = found[:limit] if before is None else found[-limit:]
    return {
        "object": "list",
        "data": [render(row) for row in found] if render else found,
        "has_more": has_more,
        "url": url,
        **more,
    }
