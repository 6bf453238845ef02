"""Reads what a tab's page shows beside the tab, and what became of a payment that its customer comes back from."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from chalicelib.domain.tab.attempt import AttemptState

if TYPE_CHECKING:
    from chalicelib.domain.branding import Branding
    from chalicelib.domain.parties import Merchant
    from chalicelib.domain.tab.entry import Entry
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.ports.deps import Deps


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
    from chalicelib.domain.tab.facts.fact import FactKind  # Imported here: only who comes back from paying needs it.

    kinds = {fact.kind for fact in deps.gateway.find_facts(tab, waiting)}
    if kinds & {FactKind.CHARGED, FactKind.HOLD_PLACED, FactKind.HOLD_CAPTURED}:
        return Outcome.PAID
    return Outcome.PROCESSING if FactKind.PROCESSING in kinds else Outcome.OPEN
