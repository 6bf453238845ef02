"""Reads listings page by page, for use cases that need all unfinished tabs of a merchant or a customer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from chalicelib.domain.tab.status import Status
from chalicelib.ports.store import every

if TYPE_CHECKING:
    from chalicelib.ports.deps import Deps
    from chalicelib.ports.store import TabSummary

UNFINISHED = tuple(status for status in Status if status != Status.CLOSED)
PAGE = 1000
"""Nearly all who list here read to the end. A line takes some 360 bytes, and DynamoDB ends a page at 1 MB anyway."""


def of_merchant(deps: Deps, merchant_id: str, status: Status) -> Iterator[TabSummary]:
    """Every tab of the merchant in this status, the newest first."""
    return every(partial(deps.store.list_by_status, merchant_id, status, limit=PAGE))


def unfinished_of_merchant(deps: Deps, merchant_id: str) -> Iterator[TabSummary]:
    """Every tab of the merchant that is not closed, one status after another."""
    for status in UNFINISHED:
        yield from of_merchant(deps, merchant_id, status)


def of_customer(deps: Deps, merchant_id: str, customer_id: str) -> Iterator[TabSummary]:
    """Every tab of the customer, the newest first."""
    return every(partial(deps.store.list_by_customer, merchant_id, customer_id, limit=PAGE))


def unfinished_of_customer(deps: Deps, merchant_id: str, customer_id: str) -> Iterator[TabSummary]:
    """Every tab of the customer that is not closed, the newest first."""
    return (line for line in of_customer(deps, merchant_id, customer_id) if line.status != Status.CLOSED)
