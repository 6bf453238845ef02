"""Owns `expand[]`: which fields hold an id that can be answered as the object, and the copies that carry them."""

from __future__ import annotations

import copy
from typing import Any

from .context import Call
from .errors import invalid

_KINDS = {
    "customer": "customer", "payment_method": "payment_method", "default_payment_method": "payment_method",
    "latest_charge": "charge", "charge": "charge", "payment_intent": "payment_intent", "setup_intent": "setup_intent",
    "balance_transaction": "balance_transaction", "failure_balance_transaction": "balance_transaction",
    "application_fee": "application_fee", "originating_transaction": "charge",
}  # fmt: skip
_BY_PREFIX = {"ch": "charge", "re": "refund", "du": "dispute", "fee": "application_fee"}
MAX_DEPTH = 4


def expand(call: Call, answer: Any, paths: list[str]) -> Any:
    """A copy of `answer` with every path resolved. Raises Stripe's 400 for a property that cannot be expanded."""
    tree: dict[str, Any] = {}
    for path in paths:
        parts = path.split(".")
        if len(parts) > MAX_DEPTH + (parts[0] == "data"):
            raise invalid(
                f"You cannot expand more than {MAX_DEPTH} levels of a property (property: {path})", param="expand"
            )
        node = tree
        for part in parts:
            node = node.setdefault(part, {})
    return _expanded(call, answer, tree, "")


def _expanded(call: Call, row: Any, tree: dict[str, Any], path: str) -> Any:
    if not tree:
        return row
    if isinstance(row, dict) and row.get("object") in ("list", "search_result"):
        if set(tree) - {"data"}:
            raise _cannot(path, next(iter(set(tree) - {"data"})))
        return {**row, "data": [_expanded(call, item, tree["data"], f"{path}data.") for item in row["data"]]}
    row = copy.copy(row)
    for name, below in tree.items():
        if name == "refunds" and getattr(row, "object", "") == "charge":
            refunds = list(call.account.of["refund"].newest_first("charge", row.id))
            value: Any = {
                "object": "list",
                "data": refunds[:10],
                "has_more": len(refunds) > 10,
                "url": f"/v1/charges/{row.id}/refunds",
            }
        else:
            if not hasattr(row, name):
                raise _cannot(path, name)
            value = getattr(row, name)
            if isinstance(value, str):
                value = _resolve(call, name, value, path)
            elif value is not None and not hasattr(value, "__struct_fields__"):
                raise _cannot(path, name)
        if value is not None:
            setattr(row, name, _expanded(call, value, below, f"{path}{name}."))
    return row


def _resolve(call: Call, name: str, id: str, path: str) -> Any:
    kind = _KINDS.get(name) or (_BY_PREFIX.get(id.split("_")[0]) if name == "source" else None)
    if kind is None:
        raise _cannot(path, name)
    return call.account.find(kind, id) or id


def _cannot(path: str, name: str) -> Exception:
    return invalid(f"This property cannot be expanded ({path}{name}).", param="expand")
