"""Fees for a no-show or a late cancellation: announced, taken, contested for two weeks, reversed (decision 0024).

The agenda decides when, `actions` decides who may do what.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account, transfer
from chalicelib.domain.tab import settlement
from chalicelib.domain.tab.bill import Fee, FeeKind
from chalicelib.domain.tab.payments import LegKind, PlanReason
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Followup, Tab

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft

NOTICE = timedelta(hours=24)
"""The notice between announcing and taking a no-show's fee.

A late cancellation needs none: the customer saw its fee.
"""
OBJECTION_WINDOW = timedelta(days=14)
"""How long a fee can be contested and a no-show reversed."""
CHARGED_IN = frozenset({Status.NO_SHOW, Status.CANCELED})
"""The statuses in which a fee is collected; not while it is contested."""


def announce(draft: Draft, kind: FeeKind, amount_minor: int, notice: timedelta) -> None:
    """Make the fee due; it is taken after `notice`, or earlier from a hold that is about to expire."""
    take_at = draft.now + notice
    fee = Fee(kind=kind, amount_minor=amount_minor, announced_at=draft.now, take_at=take_at)
    draft.update(fee=fee, due_at=take_at, final_at=draft.now + OBJECTION_WINDOW)
    draft.record(
        "fee_due",
        fee=kind,
        amount_minor=amount_minor,
        take_at=take_at,
        contestable_until=draft.now + OBJECTION_WINDOW,
        postings=transfer(amount_minor, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.FEES_INCOME),
    )


def is_to_be_taken(tab: Tab) -> bool:
    """Whether a fee waits to be taken."""
    if tab.fee is None or tab.fee.take_at is None or tab.status not in CHARGED_IN:
        return False
    return tab.balance_minor > 0 and not any(leg.is_disputed for leg in tab.legs)


def take(draft: Draft) -> None:
    """Take the fee: first from the hold, then from the card, as far as the customer agreed to that."""
    assert draft.tab.fee is not None, "a fee is taken where there is one"
    draft.update(fee=replace(draft.tab.fee, take_at=None))
    settlement.start(draft, PlanReason.FEE)


def take_later(draft: Draft, notice: timedelta) -> None:
    """After a contest, the rest of the fee is taken at its planned time, but at the earliest after `notice`."""
    fee = draft.tab.fee
    assert fee is not None, "what was contested was a fee"
    # A declined card is tried again when the bank advised, whatever the contest's result.
    if draft.tab.followup.tries == 0:
        take_at = max(fee.take_at or draft.now, draft.now + notice)
        draft.update(fee=replace(fee, take_at=take_at), due_at=take_at)


def take_back(draft: Draft) -> None:
    """The customer has come after all: no fee is owed.

    A card payment of the fee is refunded at once; a captured hold secures the service as before.
    """
    tab = draft.tab
    void_minor = tab.fee.amount_minor - tab.waived_minor if tab.fee else 0
    draft.update(
        fee=None,
        final_at=None,
        due_at=None,
        plan=None,
        waived_minor=0,
        followup=Followup(),
    )
    draft.record(
        "no_show_taken_back",
        fee_minor=void_minor,
        paid_minor=tab.paid_minor,
        paid_is=_paid_is(tab),
        postings=transfer(void_minor, debit=Account.FEES_INCOME, credit=Account.CUSTOMER_RECEIVABLE),
    )


def _paid_is(tab: Tab) -> str:
    """What becomes of what was taken: a captured hold counts towards the bill, a card payment goes back."""
    captured = [leg.kind == LegKind.CAPTURE for leg in tab.legs]
    if not tab.paid_minor:
        return "nothing"
    if not any(captured):
        return "given_back"
    return "counted" if all(captured) else "partly_counted"


def outlook(tab: Tab, fee_minor: int, notice: timedelta, now: datetime) -> dict[str, Any]:
    """What an ended booking will cost, for the entry that ends it: the fee, when it is due and until when contested."""
    return {
        "fee_minor": fee_minor,
        "fee_due_at": now + notice if fee_minor else None,
        "final_at": tab.final_at or (now + OBJECTION_WINDOW if fee_minor else None),
        "held_minor": tab.held_minor,
    }
