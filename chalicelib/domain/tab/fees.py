"""A fee, for a no-show or a late cancellation: announced, taken, objected to for two weeks, taken back (decision 0024).

When its time comes is the agenda's, who may do what the actions'.
"""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account, transfer
from chalicelib.domain.money import format_amount
from chalicelib.domain.news import dates
from chalicelib.domain.news.messages import MessageKind, Recipient
from chalicelib.domain.tab import settlement
from chalicelib.domain.tab.bill import Fee, FeeKind
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.payments import PlanReason
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Followup, Tab

NOTICE = timedelta(hours=24)
"""From announcing a no-show's fee to taking it. Who cancels has read what that costs, and needs none."""
OBJECTION_WINDOW = timedelta(days=14)
"""How long a fee can be contested, and a no-show be taken back."""
CHARGED_IN = frozenset({Status.NO_SHOW, Status.CANCELED})
"""Where a fee is asked for. While it is contested it is not."""


def announce(draft: Draft, kind: FeeKind, amount_minor: int, notice: timedelta) -> None:
    """The fee is owed from now on, and taken after `notice`; by the hold clock before that, as far as the hold goes."""
    take_at = draft.now + notice
    fee = Fee(kind=kind, amount_minor=amount_minor, announced_at=draft.now, take_at=take_at)
    draft.update(fee=fee, due_at=take_at, final_at=draft.now + OBJECTION_WINDOW)
    draft.record(
        "fee_due",
        fee=kind,
        amount_minor=amount_minor,
        take_at=take_at.isoformat(),
        contestable_until=(draft.now + OBJECTION_WINDOW).isoformat(),
        postings=transfer(amount_minor, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.FEES_INCOME),
    )


def is_to_be_taken(tab: Tab) -> bool:
    """Whether a fee waits for its time."""
    if tab.fee is None or tab.fee.take_at is None or tab.status not in CHARGED_IN:
        return False
    return tab.balance_minor > 0 and not any(leg.is_disputed for leg in tab.legs)


def take(draft: Draft) -> None:
    """Its time has come: first from the hold, then from the card, as far as the customer agreed to that."""
    assert draft.tab.fee is not None, "a fee is taken where there is one"
    draft.update(fee=replace(draft.tab.fee, take_at=None))
    settlement.start(draft, PlanReason.FEE)


def take_later(draft: Draft, notice: timedelta) -> None:
    """A contest is over: what is left of the fee is taken when it was to be, but after `notice` at least."""
    fee = draft.tab.fee
    assert fee is not None, "what was contested was a fee"
    # A card that has been declined is tried again when the bank's advice says, however the contest ends.
    if draft.tab.followup.tries == 0:
        take_at = max(fee.take_at or draft.now, draft.now + notice)
        draft.update(fee=replace(fee, take_at=take_at), due_at=take_at)


def take_back(draft: Draft) -> None:
    """The customer has come after all: nothing is owed for not coming.

    What was taken is owed back: a card payment goes back at once, a captured hold secures the service as before.
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
        receipt_owed=False,
    )
    draft.record(
        "no_show_taken_back",
        fee_minor=void_minor,
        paid_minor=tab.paid_minor,
        postings=transfer(void_minor, debit=Account.FEES_INCOME, credit=Account.CUSTOMER_RECEIVABLE),
    )
    taken = format_amount(tab.paid_minor, tab.currency)
    detail = (
        f"{taken} was taken: it counts towards your bill, or goes back to you."
        if tab.paid_minor
        else ("Nothing is taken for it.")
    )
    draft.notify(MessageKind.NO_SHOW_TAKEN_BACK, Recipient.CUSTOMER, void_minor, detail)


# What both sides are told


def tell_of_cancellation(draft: Draft, why: str = "") -> None:
    """Who called it off, what that costs, and what one can do. `why`: where it was nobody."""
    by = draft.by
    to_customer = why or ("by the business" if by.is_business else "as you asked")
    to_owner = why or (f"by {by.subject}" if by.is_business else "by the customer")
    draft.notify(MessageKind.CANCELED, Recipient.CUSTOMER, detail=f"{to_customer}. {_cost_to_customer(draft.tab)}")
    draft.notify(MessageKind.CANCELED, Recipient.OWNER, detail=f"{to_owner}. {_cost_to_owner(draft.tab)}")


def tell_of_no_show(draft: Draft) -> None:
    """What it costs, when that is taken, and until when either side can say that it was a mistake."""
    tab = draft.tab
    assert tab.final_at is not None, "a no-show is final some time"
    mistake = f"If it was a mistake, check them in by {dates.day(tab.final_at, tab.policy.time_zone)}."
    draft.notify(MessageKind.NO_SHOW, Recipient.CUSTOMER, detail=_cost_to_customer(tab))
    draft.notify(MessageKind.NO_SHOW, Recipient.OWNER, detail=f"{_cost_to_owner(tab)} {mistake}")


def _cost_to_customer(tab: Tab) -> str:
    held = f" {format_amount(tab.held_minor, tab.currency)} were held, not charged, and are released."
    if tab.fee is None:
        return f"It costs you nothing.{held if tab.live_hold else ''}"
    assert tab.final_at is not None, "a fee can be contested for a while"
    from_hold = ", first from your hold" if tab.live_hold else ""
    until = dates.day(tab.final_at, tab.policy.time_zone)
    return (
        f"The fee of {format_amount(tab.fee.amount_minor, tab.currency)} that you agreed to is due on "
        f"{_due_on(tab)}{from_hold}. If that is not right, tell us by {until}: nothing is taken while we look at it."
    )


def _cost_to_owner(tab: Tab) -> str:
    if tab.fee is None:
        return "It costs the customer nothing."
    return (
        f"The fee of {format_amount(tab.fee.amount_minor, tab.currency)} is due on {_due_on(tab)}; "
        "until then and after you can waive it."
    )


def _due_on(tab: Tab) -> str:
    assert tab.due_at is not None, "a fee is due some time"
    return dates.day(tab.due_at, tab.policy.time_zone)
