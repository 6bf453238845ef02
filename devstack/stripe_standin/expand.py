"""Owns `expand[]`: which fields hold an id that can be answered as the object, and the copies that carry them.

Whether a path can be expanded is known from the kind of the answer alone, and is checked before the call is executed: a
payment must not be made and then answered as refused.
"""

from __future__ import annotations

import copy
from typing import Any

from . import balance, unplayed
from .context import Call
from .errors import StripeError, invalid

# (kind, field): what is answered there instead of an id. test_schema.py holds it against Stripe's document. A kind in
# capitals is no object of its own but a place in one.
EXPANDABLE: dict[str, dict[str, tuple[str, ...]]] = {
    "application_fee": {"account": ("account",), "balance_transaction": ("balance_transaction",),
                        "charge": ("charge",), "originating_transaction": ("charge",)},
    "balance_transaction": {"source": ("application_fee", "charge", "dispute", "refund")},
    "charge": {"application_fee": ("application_fee",), "balance_transaction": ("balance_transaction",),
               "customer": ("customer",), "failure_balance_transaction": ("balance_transaction",),
               "on_behalf_of": ("account",), "payment_intent": ("payment_intent",), "refunds": ("REFUNDS",)},
    "checkout.session": {"customer": ("customer",), "line_items": ("LINE_ITEMS",),
                         "payment_intent": ("payment_intent",), "setup_intent": ("setup_intent",)},
    "customer": {"invoice_settings": ("INVOICE_SETTINGS",)},
    "dispute": {"charge": ("charge",), "payment_intent": ("payment_intent",)},
    "payment_intent": {"customer": ("customer",), "latest_charge": ("charge",), "on_behalf_of": ("account",),
                       "payment_method": ("payment_method",)},
    "payment_method": {"customer": ("customer",)},
    "price": {"product": ("product",)},
    "product": {"default_price": ("price",)},
    "radar.early_fraud_warning": {"charge": ("charge",), "payment_intent": ("payment_intent",)},
    "refund": {"balance_transaction": ("balance_transaction",), "charge": ("charge",), "customer": ("customer",),
               "failure_balance_transaction": ("balance_transaction",), "payment_intent": ("payment_intent",),
               "payment_method": ("payment_method",)},
    "setup_intent": {"customer": ("customer",), "on_behalf_of": ("account",), "payment_method": ("payment_method",)},
    "INVOICE_SETTINGS": {"default_payment_method": ("payment_method",)},
    "LINE_ITEMS": {},
    "REFUNDS": {"data": ("refund",)},
}  # fmt: skip
MAX_DEPTH = 4


def check(kind: str, many: bool, paths: list[str], *, counts: bool = False) -> None:
    """Raises Stripe's 400 for a path that no answer of this kind (a list of it, when `many`) can expand. `counts`: a
    list's total_count can be.
    """
    for path in paths:
        if many and counts and path == "total_count":
            continue
        parts = path.split(".")
        if len(parts) > MAX_DEPTH + many:
            raise invalid(
                f"You cannot expand more than {MAX_DEPTH} levels of a property (property: {path})", param="expand"
            )
        if many and parts.pop(0) != "data":
            raise _cannot(path)
        kinds: tuple[str, ...] = (kind,)
        for part in parts:
            above = kinds
            kinds = tuple(below for here in above for below in EXPANDABLE.get(here, {}).get(part, ()))
            if not kinds:
                known = (unplayed.expansion(here, part) for here in above)
                raise next((error for error in known if error is not None), _cannot(path))


def _cannot(path: str) -> StripeError:
    return invalid(f"This property cannot be expanded ({path}).", param="expand")


def expand(call: Call, answer: Any, paths: list[str]) -> Any:
    """A copy of `answer` with every path resolved; the paths were checked."""
    tree: dict[str, Any] = {}
    for path in paths:
        node = tree
        for part in path.split("."):
            node = node.setdefault(part, {})
    return _expanded(call, answer, tree)


def _expanded(call: Call, row: Any, tree: dict[str, Any]) -> Any:
    if not tree:
        return row
    if isinstance(row, dict):  # a list
        return {**row, "data": [_expanded(call, item, tree["data"]) for item in row["data"]]} if "data" in tree else row
    row = copy.copy(row)
    for name, below in tree.items():
        value = getattr(row, name, None)
        if name == "refunds":
            value = _first(
                list(call.account.of["refund"].newest_first("charge", row.id)), f"/v1/charges/{row.id}/refunds"
            )
        elif name == "line_items":
            items = call.account.get("checkout.plan", row.id).items
            value = _first(items, f"/v1/checkout/sessions/{row.id}/line_items")
        elif isinstance(value, str):
            value = _found(call, EXPANDABLE[row.object][name] if hasattr(row, "object") else ("payment_method",), value)
        if value is not None:
            setattr(row, name, _expanded(call, value, below) if not isinstance(value, str) else value)
    return row


def _first(rows: list[Any], url: str) -> dict[str, Any]:
    return {"object": "list", "data": rows[:10], "has_more": len(rows) > 10, "url": url}


def _found(call: Call, kinds: tuple[str, ...], id: str) -> Any:
    """The object, or its id where it is gone: Stripe too answers what it still has."""
    for kind in kinds:
        row = (call.world.platform if kind == "account" else call.account).find(kind, id)
        if row is not None:
            return balance.as_of_now(call, row) if kind == "balance_transaction" else row
    return id
