"""Which tabs a listing is of, from its query: the same for the tabs and for their totals."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from chalicelib.handlers.api import fields
from chalicelib.usecases.tab.list_tabs import Wanted


class Order(StrEnum):
    NEWEST_FIRST = "newest_first"
    OLDEST_FIRST = "oldest_first"


def wanted_of(given: Mapping[str, Any]) -> Wanted:
    """`given`: the values of the query by name; those of totals have no order. Raises InvalidInput."""
    return Wanted(
        status=given["status"],
        customer_id=given["customer_id"],
        payment_state=given["payment_state"],
        staff=given["staff"],
        since=fields.instant(given["opened_since"], "opened_since"),
        until=fields.instant(given["opened_until"], "opened_until"),
        oldest_first=given.get("order") == Order.OLDEST_FIRST,
    )
