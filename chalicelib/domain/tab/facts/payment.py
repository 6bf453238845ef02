"""Facts about holds and charges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chalicelib.domain import instants
from chalicelib.domain.books.ledger import Account, transfer
from chalicelib.domain.tab import deposit, settlement
from chalicelib.domain.tab.adjust import announce_what_goes_back
from chalicelib.domain.tab.attempt import Attempt, AttemptState, Failure, Operation
from chalicelib.domain.tab.facts.attempt_outcomes import (
    SCA_LEASE,
    attempt_of,
    know_object,
    note_failed,
    note_unknown,
    open_attempt_on,
)
from chalicelib.domain.tab.facts.card import keep_card, refuse_card
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.facts.legs import take
from chalicelib.domain.tab.payments import (
    DepositState,
    Hold,
    HoldState,
    LegKind,
    PlanReason,
)
from chalicelib.domain.tab.status import UNTIL_COMPLETED, Status
from chalicelib.domain.tab.tab import LEASE, Tab

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft


def hold_placed(draft: Draft, fact: Fact) -> None:
    know_object(draft, fact)
    if draft.tab.hold(fact.object_id) is not None:
        return
    assert fact.capture_before is not None, "a placed hold says until when"
    hold = Hold(
        payment_id=fact.object_id,
        attempt_id=fact.attempt_id,
        amount_minor=fact.amount_minor,
        placed_at=fact.at,
        capture_before=fact.capture_before,
        fingerprint=_fingerprint(draft, fact, attempt_of(draft, fact, Operation.PLACE_HOLD)),
    )
    draft.update(holds=(*draft.tab.holds, hold), deposit=replace(draft.tab.deposit, state=DepositState.HELD))
    draft.record(
        "hold_placed",
        payment_id=hold.payment_id,
        amount_minor=hold.amount_minor,
        capture_before=instants.text(hold.capture_before),
        fingerprint=hold.fingerprint,
    )
    keep_card(draft, fact)
    if attempt := attempt_of(draft, fact, Operation.PLACE_HOLD):
        draft.end_attempt(attempt, AttemptState.SUCCEEDED)


def _fingerprint(draft: Draft, fact: Fact, attempt: Attempt | None) -> str | None:
    """That of the card of this payment: as the gateway tells it, or of the saved card that the attempt has used."""
    card = draft.tab.card
    is_saved = attempt is not None and card is not None and attempt.card_id == card.card_id
    return fact.fingerprint or (card.fingerprint if card is not None and is_saved else None)


_ALREADY_CAPTURED = Failure(code="already_captured")


def hold_captured(draft: Draft, fact: Fact) -> None:
    know_object(draft, fact)
    before = draft.tab
    hold = draft.tab.hold(fact.object_id)
    if hold is None:
        # It was captured before we heard that it was placed.
        hold = Hold(
            payment_id=fact.object_id,
            attempt_id=fact.attempt_id,
            amount_minor=fact.amount_minor,
            placed_at=fact.at,
            capture_before=fact.at,
        )
        draft.update(holds=(*draft.tab.holds, hold))
        if attempt := attempt_of(draft, fact, Operation.PLACE_HOLD):
            draft.end_attempt(attempt, AttemptState.SUCCEEDED)
    if hold.captured_minor >= fact.amount_minor:
        return
    draft.update_hold(hold, state=HoldState.CAPTURED, captured_minor=fact.amount_minor)
    draft.update(deposit=replace(draft.tab.deposit, state=DepositState.CAPTURED))
    attempt = open_attempt_on(draft, fact.object_id, Operation.CAPTURE)
    is_ours = attempt is not None and attempt.amount_minor == fact.amount_minor
    if attempt and is_ours:
        _give_tip(draft, attempt)
    take(draft, fact, LegKind.CAPTURE, _why_captured(draft.tab, is_ours))
    if attempt:
        if is_ours:
            draft.end_attempt(attempt, AttemptState.SUCCEEDED)
        else:
            # It was already captured in the dashboard; a hold can be captured once.
            draft.end_attempt(attempt, AttemptState.FAILED, _ALREADY_CAPTURED)
    if attempt := open_attempt_on(draft, fact.object_id, Operation.RELEASE):
        draft.end_attempt(attempt, AttemptState.FAILED, _ALREADY_CAPTURED)
    if not is_ours and before.status not in UNTIL_COMPLETED:
        # Nobody has asked for it, so nothing else says why money comes back.
        announce_what_goes_back(draft, before, "captured_at_gateway")


def _why_captured(tab: Tab, is_ours: bool) -> str:
    if tab.status in UNTIL_COMPLETED:
        # In the dashboard.
        return "before_due"
    if is_ours and tab.plan is not None and tab.plan.reason == PlanReason.HOLD_EXPIRING:
        return "hold_expiring"
    return "due"


def charged(draft: Draft, fact: Fact) -> None:
    know_object(draft, fact)
    if draft.tab.leg(fact.object_id) is not None:
        return
    attempt = attempt_of(draft, fact, Operation.CHARGE)
    if attempt:
        _give_tip(draft, attempt)
    take(draft, fact, LegKind.CHARGE, "due", fingerprint=_fingerprint(draft, fact, attempt))
    keep_card(draft, fact)
    if attempt:
        draft.end_attempt(attempt, AttemptState.SUCCEEDED)
    if attempt is None or not attempt.is_on_session:
        return
    if draft.tab.status == Status.IN_REVIEW:
        # Paying the bill accepts it. A late effect of an abandoned attempt does not.
        draft.move_to(Status.DUE, "accept_bill")
        draft.update(due_at=draft.now)
        settlement.start(draft, PlanReason.ACCEPTED)
    elif (
        draft.tab.status not in (Status.CONTESTED, Status.CLOSED) and draft.tab.plan is None and draft.tab.balance_minor
    ):
        # The customer paid their part on the phone: the rest of the plan comes from the hold. A contest of the
        # bill meanwhile withdraws that.
        settlement.start(draft, PlanReason.ACCEPTED)


def _give_tip(draft: Draft, attempt: Attempt) -> None:
    """The tip in a payment becomes due when it is paid."""
    if not attempt.tip_minor:
        return
    draft.update(tip_minor=draft.tab.tip_minor + attempt.tip_minor)
    draft.record(
        "tip_given",
        tip_minor=attempt.tip_minor,
        postings=transfer(attempt.tip_minor, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.TIPS),
    )
    settlement.tip_paid(draft, attempt.tip_minor)


def awaiting_customer(draft: Draft, fact: Fact) -> None:
    know_object(draft, fact)
    attempt = attempt_of(draft, fact, Operation.CHARGE) or attempt_of(draft, fact, Operation.PLACE_HOLD)
    if attempt is None or (attempt.is_on_page and fact.page_url is None):
        # A payment that was begun on the page is the page's business until it succeeds: they may try again there.
        return
    if attempt.state != AttemptState.AWAITING_CUSTOMER:
        _await_customer(draft, fact, attempt)
    elif attempt.client_secret is None and fact.client_secret is not None:
        # A decline arrived before the answer with the data for the phone.
        draft.update_attempt(attempt, client_secret=fact.client_secret)


def _await_customer(draft: Draft, fact: Fact, attempt: Attempt) -> None:
    if attempt.operation == Operation.PLACE_HOLD:
        until = deposit.answer_until(draft.tab, draft.now, attempt)
        deposit.asked_of_customer(draft)
    else:
        until = draft.now + (LEASE if attempt.is_with_customer else SCA_LEASE)
    draft.call_was_taken(attempt)
    where: dict[str, Any] = {"page_id" if attempt.is_on_page else "payment_id": fact.object_id}
    draft.update_attempt(
        attempt,
        state=AttemptState.AWAITING_CUSTOMER,
        client_secret=fact.client_secret or attempt.client_secret,
        page_url=fact.page_url or attempt.page_url,
        check_at=until,
        failure=fact.failure,
        **where,
    )
    draft.record(
        "awaiting_customer",
        attempt_id=attempt.attempt_id,
        **where,
        operation=attempt.operation,
        amount_minor=attempt.amount_minor,
        with_customer=attempt.is_with_customer,
        until=until,
    )


def processing(draft: Draft, fact: Fact) -> None:
    know_object(draft, fact)
    attempt = attempt_of(draft, fact, Operation.CHARGE)
    if attempt is None:
        return
    attempt, before = replace(attempt, payment_id=fact.object_id), attempt
    # A repetition before the next lookup changes nothing: only our own lookups use up the ladder.
    if before.state == AttemptState.UNKNOWN and before.check_at is not None and before.check_at > draft.now:
        draft.update_attempt(before, payment_id=fact.object_id)
    else:
        note_unknown(draft, attempt)


def declined(draft: Draft, fact: Fact) -> None:
    know_object(draft, fact)
    attempt = attempt_of(draft, fact, Operation.CHARGE) or attempt_of(draft, fact, Operation.PLACE_HOLD)
    if fact.failure is not None and fact.failure.is_final:
        refuse_card(draft, fact.card_id or (attempt.card_id if attempt else None), fact.failure)
    if attempt is None:
        return
    if not attempt.is_on_session and attempt.state != AttemptState.AWAITING_CUSTOMER:
        note_failed(draft, attempt, fact.failure)
        return
    # On the phone the customer may use another card: the payment stays open until its lease ends.
    if attempt.is_on_page and attempt.page_id is None:
        # We have not heard of the page yet, on which they can try again: it is looked up.
        return
    if attempt.state != AttemptState.AWAITING_CUSTOMER:
        _await_customer(draft, fact, attempt)
    elif fact.failure != attempt.failure:
        draft.update_attempt(attempt, failure=fact.failure)
        draft.record(
            "payment_declined",
            attempt_id=attempt.attempt_id,
            code=fact.failure.code if fact.failure else "declined",
        )


def payment_gone(draft: Draft, fact: Fact) -> None:
    """Canceled or expired: a hold has ended, or a payment will not be made."""
    expired = fact.kind == FactKind.PAYMENT_EXPIRED
    hold = draft.tab.hold(fact.object_id)
    if hold is not None and hold.state == HoldState.LIVE:
        is_missed = False
        draft.update_hold(hold, state=HoldState.EXPIRED if expired else HoldState.RELEASED)
        if draft.tab.live_hold is None and not deposit.waits_with_card(draft.tab):
            state = DepositState.EXPIRED if expired else DepositState.RELEASED
            draft.update(deposit=replace(draft.tab.deposit, state=state))
            is_missed = deposit.hold_lost(draft, hold)
        draft.record(
            "hold_expired" if expired else "hold_released",
            payment_id=hold.payment_id,
            amount_minor=hold.amount_minor,
            is_missed=is_missed,
        )
        if attempt := open_attempt_on(draft, fact.object_id, Operation.RELEASE):
            draft.end_attempt(attempt, AttemptState.SUCCEEDED)
        if attempt := open_attempt_on(draft, fact.object_id, Operation.CAPTURE):
            draft.end_attempt(attempt, AttemptState.FAILED, Failure(code="hold_expired" if expired else "hold_gone"))
        return
    attempt = attempt_of(draft, fact, Operation.CHARGE) or attempt_of(draft, fact, Operation.PLACE_HOLD)
    if hold is None and attempt is not None:
        draft.end_attempt(attempt, AttemptState.CLOSED)
        if attempt.operation == Operation.PLACE_HOLD:
            deposit.placement_closed(draft)
        elif not attempt.is_on_session:
            # The customer did not authenticate in time: the card is not charged again without them.
            settlement.card_failed(draft)
