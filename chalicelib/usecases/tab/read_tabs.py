"""Reads tabs: a single one if the caller may see it, listings by status or customer, and timelines."""

from __future__ import annotations

from enum import StrEnum

from chalicelib.domain.branding import Branding
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.news.delivery import Delivery
from chalicelib.domain.parties import Merchant
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.attempt import AttemptState
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import Page, TabSummary
from chalicelib.usecases.tab.attempts import check_visible, merchant_of


def get_tab(deps: Deps, tab_id: str, *, by: Actor) -> Tab:
    """Raises NotFound, also for another merchant's or another customer's tab, and for any but the guest's own."""
    tab = deps.store.get_tab(merchant_of(by), tab_id)
    check_visible(tab, by, deps.clock.now())
    return tab


def read_page(deps: Deps, tab: Tab) -> tuple[Merchant, Branding, tuple[Entry, ...]]:
    """What the page of a tab shows beside it: the business, how it shows itself, and what has happened."""
    entries = deps.store.list_entries(tab.merchant_id, tab.tab_id, limit=100, cursor=None)
    return *deps.store.get_merchant_and_branding(tab.merchant_id), entries.items


class Outcome(StrEnum):
    """Of a payment that waits on the gateway's page, as the gateway has it."""

    PAID = "paid"
    PROCESSING = "processing"
    OPEN = "open"


def find_outcome(deps: Deps, tab: Tab) -> Outcome | None:
    """What became of the payment that waits on the gateway's page; None where none waits. Writes nothing.

    Raises GatewayUnavailable, GatewayRejected.
    """
    waiting = next((a for a in tab.attempts if a.is_on_page and a.state == AttemptState.AWAITING_CUSTOMER), None)
    if waiting is None:
        return None
    kinds = {fact.kind for fact in deps.gateway.find_facts(tab, waiting)}
    if kinds & {FactKind.CHARGED, FactKind.HOLD_PLACED, FactKind.HOLD_CAPTURED}:
        return Outcome.PAID
    return Outcome.PROCESSING if FactKind.PROCESSING in kinds else Outcome.OPEN


def list_tabs(
    deps: Deps, *, status: Status | None, customer_id: str | None, limit: int, cursor: str | None, by: Actor
) -> Page[TabSummary]:
    """List by status or by customer, newest first; customers always get their own. Raises InvalidInput."""
    merchant_id = merchant_of(by)
    if by.role == Role.CUSTOMER:
        if status is not None or customer_id not in (None, by.customer_id):
            raise InvalidInput("Customers list their own tabs: leave out status and customer_id.")
        customer_id = by.customer_id
    if (status is None) == (customer_id is None):
        raise InvalidInput("Give either status or customer_id.")
    if status is not None:
        return deps.store.list_by_status(merchant_id, status, limit=limit, cursor=cursor)
    assert customer_id is not None, "one of the two was given"
    return deps.store.list_by_customer(merchant_id, customer_id, limit=limit, cursor=cursor)


def get_timeline(
    deps: Deps, tab_id: str, *, limit: int, cursor: str | None, by: Actor
) -> tuple[Page[Entry], tuple[Delivery, ...]]:
    """What has happened to the tab, oldest first, and what became of the messages that follow from it.

    Raises NotFound, InvalidInput (cursor).
    """
    tab = get_tab(deps, tab_id, by=by)
    page = deps.store.list_entries(tab.merchant_id, tab_id, limit=limit, cursor=cursor)
    if not page.items:
        return page, ()
    first, last = page.items[0].seq, page.items[-1].seq
    return page, deps.deliveries.list_of_entries(tab.merchant_id, tab_id, first, last)
