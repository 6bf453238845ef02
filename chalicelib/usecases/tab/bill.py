"""The bill: items, presenting, accepting, contesting, adjusting, waiving, writing off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chalicelib.domain.tab import presenting
from chalicelib.domain.tab.commands import bill, tiers
from chalicelib.domain.trust.standing_terms import Level
from chalicelib.usecases.tab.attempts import record_outcome
from chalicelib.usecases.tab.carry_out import carry_out

if TYPE_CHECKING:
    from chalicelib.domain.news.message import Message
    from chalicelib.domain.tab.bill import Feedback
    from chalicelib.domain.tab.commands.bill import ItemInput
    from chalicelib.domain.tab.draft import Draft
    from chalicelib.domain.tab.policy import Resolution
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.ports.deps import Deps
    from chalicelib.usecases.tab.requests import Answer, Request


def add_items(deps: Deps, tab_id: str, items: Sequence[ItemInput], *, request: Request) -> Answer:
    """Add all items, or none. Raises CapExceeded, ExposureExceeded, InvalidInput and its kinds, TransitionRefused."""

    from chalicelib.usecases.tab.exposure import check_exposure  # Imported here: only items add to what is owed.

    def command(draft: Draft) -> None:
        bill.add_items(draft, items)
        tab = draft.tab
        check_exposure(
            deps,
            tab.policy,
            merchant_id=tab.merchant_id,
            customer_id=tab.customer_id,
            more_minor=tab.total_minor - draft.base.total_minor,
            currency=tab.currency,
            # As the customer stood when the promise was made: what began is not stopped by what came since.
            level=tab.promise.standing.level if tab.promise.standing else Level.NEW,
        )

    return carry_out(deps, tab_id, request, command)


def void_item(deps: Deps, tab_id: str, item_id: str, *, request: Request) -> Answer:
    """Remove the item from the bill; it stays in the history. Raises NotFound, TransitionRefused."""
    return carry_out(deps, tab_id, request, lambda draft: bill.void_item(draft, item_id))


def complete_service(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """Present the bill; the tab is then in review. Raises TransitionRefused."""
    return carry_out(deps, tab_id, request, bill.complete)


def see_bill(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """The customer has seen the bill, so its review window begins. Seen again, nothing changes."""
    return carry_out(deps, tab_id, request, bill.see)


def note_bill_told(deps: Deps, message: Message, how: str) -> Tab:
    """The customer was told of the bill, or can't be (`how`): its review window begins. Noted again, nothing changes.

    `message`: one of the kinds in TELLS_THE_BILL. Raises NotFound, Contention, and what the store raises. What has
    become due meanwhile is the worker's: whoever delivers messages has no key to the gateway.
    """
    from chalicelib.domain.news.table import TELLS_THE_BILL  # Imported here: only who delivers messages needs it.

    assert message.tab_id is not None and message.kind in TELLS_THE_BILL, "it tells of a bill"
    tab = deps.store.get_tab(message.merchant_id, message.tab_id)
    return record_outcome(deps, tab, lambda draft: presenting.told(draft, message.seq, how))[0]


def walk_out(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """The tab in review, with what is owed. Raises TransitionRefused, NothingToPay, PaymentInProgress."""
    return carry_out(deps, tab_id, request, bill.walk_out, closes_payment=True)


def amend_bill(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """Take the bill back; the tab is open again. Raises TransitionRefused, PaymentInProgress."""
    return carry_out(deps, tab_id, request, bill.amend, closes_payment=True)


def accept_bill(
    deps: Deps,
    tab_id: str,
    tip_minor: int,
    feedback: Feedback | None = None,
    *,
    credit_minor: int | None = None,
    request: Request,
) -> Answer:
    """Accept the bill and take what can be taken. The answer's attempt is the first leg.

    `credit_minor`: what the customer's credit pays of it first; None: as they have said for all bills. Raises
    TransitionRefused, PaymentInProgress, CreditNotAvailable, InvalidInput and its kinds (the tip).
    """
    return carry_out(
        deps,
        tab_id,
        request,
        lambda draft: bill.accept_bill(draft, tip_minor, feedback, credit_minor=credit_minor),
        closes_payment=True,
    )


def rate(deps: Deps, tab_id: str, feedback: Feedback, *, request: Request) -> Answer:
    """Record how content the customer was. Raises TransitionRefused."""
    return carry_out(deps, tab_id, request, lambda draft: bill.rate(draft, feedback))


def choose_tier(deps: Deps, tab_id: str, percent: int, *, request: Request) -> Answer:
    """The customer says which outcome it was. Raises InvalidInput, TransitionRefused, PaymentInProgress."""
    return carry_out(deps, tab_id, request, lambda draft: tiers.choose_tier(draft, percent), closes_payment=True)


def contest_bill(
    deps: Deps,
    tab_id: str,
    reason: str,
    contested_minor: int | None,
    tier_percent: int | None = None,
    *,
    request: Request,
) -> Answer:
    """Contest the bill; `contested_minor` None means all of it. `tier_percent`: only the difference to that tier.

    Raises TransitionRefused, InvalidInput.
    """
    return carry_out(deps, tab_id, request, lambda draft: bill.contest(draft, reason, contested_minor, tier_percent))


def resolve_contest(
    deps: Deps, tab_id: str, resolution: Resolution, reduction_minor: int | None, reason: str, *, request: Request
) -> Answer:
    """Resolve the contest; the tab is then in review again, or due.

    Raises TransitionRefused, InvalidInput, PaymentInProgress.
    """
    return carry_out(
        deps,
        tab_id,
        request,
        lambda draft: bill.resolve(draft, resolution, reduction_minor, reason),
        closes_payment=True,
    )


def adjust_bill(deps: Deps, tab_id: str, reduction_minor: int, reason: str, *, request: Request) -> Answer:
    """Lower the bill. Raises TransitionRefused, InvalidInput, PaymentInProgress."""
    return carry_out(
        deps, tab_id, request, lambda draft: bill.adjust(draft, reduction_minor, reason), closes_payment=True
    )


def waive(deps: Deps, tab_id: str, reason: str, *, request: Request) -> Answer:
    """Waive what is owed; a fee that was taken is refunded. Raises NothingToPay, TransitionRefused."""
    return carry_out(deps, tab_id, request, lambda draft: bill.waive(draft, reason), closes_payment=True)


def write_off(deps: Deps, tab_id: str, reason: str, *, request: Request) -> Answer:
    """Write off what is owed and close the tab. Raises TransitionRefused, NothingToPay, PaymentInProgress."""
    return carry_out(deps, tab_id, request, lambda draft: bill.write_off(draft, reason), closes_payment=True)
