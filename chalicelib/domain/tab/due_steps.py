"""Performs the due steps of the agenda, and seals the change. Every command and every fact passes through `conclude`.

Steps that need no call to the gateway are done here; those that need one are written ahead as attempts.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chalicelib.domain.money import format_amount
from chalicelib.domain.tab import (
    agenda,
    answering,
    contest,
    crediting,
    deposit,
    fees,
    followup,
    presenting,
    settlement,
    sharing,
    telling,
)
from chalicelib.domain.tab.actor import SYSTEM
from chalicelib.domain.tab.agenda import NEEDS_CALL
from chalicelib.domain.tab.attempt import Attempt, Operation
from chalicelib.domain.tab.draft import Change, Draft
from chalicelib.domain.tab.facts import legs
from chalicelib.domain.tab.flag import FlagKind
from chalicelib.domain.tab.payments import PlanReason
from chalicelib.domain.tab.promise import Consent
from chalicelib.domain.tab.status import UNTIL_COMPLETED, Status
from chalicelib.domain.tab.step import Step, StepKind
from chalicelib.domain.tab.tab import Outcome, Tab

if TYPE_CHECKING:
    from collections.abc import Collection

    from chalicelib.domain.trust.credits import CreditAccount, Mark

_DECIDED_HERE = frozenset(StepKind) - NEEDS_CALL
"""All other steps. If they need the gateway, they write an attempt ahead."""
_LIMIT = 50


def conclude(draft: Draft) -> Change | None:
    """Perform the due steps that need no call, and seal the change; None if nothing changed.

    A `next_action_at` that differs from the stored one is a change, too, because the index must follow.
    """
    if not draft.is_empty:
        draft.update(updated_at=draft.now)
    if draft.customer_present and draft.base.untold_bill is not None:
        # A customer who acts on the tab has seen its bill.
        presenting.seen(draft)
    pending = advance(draft)
    _note_cash_to_return(draft)
    if draft.is_empty and draft.base.version and agenda.earliest(pending) == draft.tab.next_action_at:
        return None
    also = [conclude(other) for other in draft.also]
    if draft.tab.updated_at != draft.now:
        draft.update(updated_at=draft.now)
        pending = list(agenda.steps(draft.tab))
    return draft.seal(agenda.earliest(pending), tuple(change for change in also if change is not None))


def _note_cash_to_return(draft: Draft) -> None:
    """Both sides learn of cash that is owed back: staff must hand it over."""
    minor = draft.tab.cash_to_return_minor
    if minor > draft.base.cash_to_return_minor:
        draft.record("cash_to_return", amount_minor=minor)


def advance(draft: Draft) -> list[Step]:
    """Perform the due steps that are decided here; return what is pending then."""
    for _ in range(_LIMIT):
        pending = list(agenda.steps(draft.tab))
        step = agenda.most_urgent(pending, draft.now, _DECIDED_HERE)
        if step is None:
            return pending
        _TAKE[step.kind](draft, step)
    raise AssertionError(f"the agenda of {draft.tab.tab_id} does not come to rest")


def still_holds(tab: Tab, attempt: Attempt, now: datetime) -> bool:
    """Whether the tab, as it is now, would begin this same attempt if it did not exist (money rule 4).

    A payment that the customer had to confirm on the phone is never made again without them.
    """
    if attempt.is_on_session:
        return False
    if attempt.answers_bank:
        return answering.still_wanted(tab, attempt, now)
    without = replace(tab, attempts=tuple(a for a in tab.attempts if a.attempt_id != attempt.attempt_id))
    draft = Draft(without, now=now, by=SYSTEM, new_id=lambda prefix: f"{prefix}_probe", accounts=_NoAccounts())
    advance(draft)
    return any(
        (again.operation, again.amount_minor, again.payment_id, again.card_id)
        == (attempt.operation, attempt.amount_minor, attempt.payment_id, attempt.card_id)
        for again in draft.tab.attempts
        if again.attempt_id == "att_probe"
    )


class _NoAccounts:
    """For a draft that is thrown away: what would become of somebody's credit does not matter."""

    def find_credit_account(self, merchant_id: str, customer_id: str) -> CreditAccount | None:
        return None

    def is_shared(self, mark: Mark, among: Collection[str] | None) -> bool:
        return False


# Performing a step


def _take_hold_clock(draft: Draft, step: Step) -> None:
    tab = draft.tab
    hold = tab.live_hold
    assert hold is not None and hold.payment_id == step.subject, "the hold clock runs for the live hold"
    draft.update_hold(hold, clock_done_for=tab.status)
    if tab.plan is not None:
        # The hold is about to be captured anyway, and a balance may have to be charged, too.
        return
    if presenting.is_left_behind(tab, draft.now):
        # The bill is presented, and the clock of a presented bill captures the hold.
        presenting.walk_out(draft)
        return
    if tab.status in UNTIL_COMPLETED:
        if deposit.renew(draft):
            draft.record("hold_renewal", payment_id=hold.payment_id)
            return
    elif tab.promise.consents_to(Consent.CAPTURE_BEFORE_EXPIRY if tab.fee is None else Consent.DEPOSIT_AND_FEES):
        draft.record("hold_expiring", payment_id=hold.payment_id, action="capture")
        settlement.start(draft, PlanReason.HOLD_EXPIRING)
        return
    draft.record(
        "hold_expiring",
        payment_id=hold.payment_id,
        action="none",
        why="no_consent" if tab.balance_minor else "nothing_owed",
        amount_minor=hold.amount_minor,
        capture_before=hold.capture_before,
    )


def _take_end_review(draft: Draft, step: Step) -> None:
    by_silence: dict[str, Any] = {"tier_percent": draft.tab.price_percent} if draft.tab.awaits_tier else {}
    draft.move_to(Status.DUE, "review_ended")
    draft.update(due_at=draft.now)
    draft.record("review_ended", balance_minor=draft.tab.balance_minor, **by_silence)
    crediting.spend_by_itself(draft)
    followup.collect(draft)


def _take_bill_not_told(draft: Draft, step: Step) -> None:
    presenting.flag_untold(draft)


def _take_release(draft: Draft, step: Step) -> None:
    hold = draft.tab.hold(step.subject or "")
    assert hold is not None, "a release names its hold"
    draft.begin(
        Operation.RELEASE, hold.amount_minor, check_at=draft.now + deposit.ASK_AGAIN, payment_id=hold.payment_id
    )


def _take_refund(draft: Draft, step: Step) -> None:
    refund = agenda.next_refund(draft.tab)
    assert refund is not None, "there is something to refund"
    leg, amount_minor = refund.leg, refund.amount_minor
    if leg.lost_minor:
        legs.returned_by_bank(draft, leg, amount_minor)
    else:
        check_at = draft.now + deposit.ASK_AGAIN
        draft.begin(Operation.REFUND, amount_minor, check_at=check_at, payment_id=leg.payment_id)


def _take_refund_by_hand(draft: Draft, step: Step) -> None:
    """Tell the owner the current amount, which includes later obligations and excludes settled ones."""
    tab = draft.tab
    amount_minor = tab.refund_by_hand_minor
    if flag := agenda.by_hand_flag(tab):
        note = "Another amount is owed back by now." if amount_minor else "Nothing is owed back any more."
        draft.lower_flag(flag, note)
    if not amount_minor:
        return
    failures = {leg.payment_id: leg.refund_failure for leg in tab.legs if leg.refund_failure}
    payment_id, why = next(reversed(failures.items()))
    amount = format_amount(amount_minor, tab.currency)
    reason = (
        f"{amount} is owed back, and the refund of {payment_id} failed ({why}). Try it again, or give it back another "
        "way and record that."
    )
    draft.flag(FlagKind.REFUND_BY_HAND, payment_id, reason, amount_minor)


def _take_leg(draft: Draft, step: Step) -> None:
    tab = draft.tab
    assert tab.plan is not None, "a leg belongs to a plan"
    leg = tab.plan.legs[0]
    check_at = draft.now + deposit.ASK_AGAIN
    if leg.operation == Operation.CAPTURE:
        assert tab.live_hold is not None, "a capture needs a live hold"
        what: dict[str, Any] = {"payment_id": tab.live_hold.payment_id}
    else:
        assert tab.may_use_card and tab.card is not None, "a charge of the saved card needs consent and a card"
        until = tab.plan.customer_until
        what = {"card_id": tab.card.card_id, "customer_present": until is not None and draft.now < until}
    # The bill is paid first: what a leg takes above it is the tip.
    tip_minor = min(tab.plan.tip_minor, max(0, leg.amount_minor - tab.balance_minor))
    draft.begin(leg.operation, leg.amount_minor, check_at=check_at, tip_minor=tip_minor, **what)


def _take_fee(draft: Draft, step: Step) -> None:
    fees.take(draft)


def _take_contest_overdue(draft: Draft, step: Step) -> None:
    contest.remind_owner(draft)


def _take_contest_default(draft: Draft, step: Step) -> None:
    contest.resolve_unanswered(draft)


def _take_retry(draft: Draft, step: Step) -> None:
    if followup.rests_at_night(draft):
        return
    followup.begin_try(draft)
    settlement.start(draft, PlanReason.REVIEW_ENDED if draft.tab.fee is None else PlanReason.FEE)


def _take_return_share(draft: Draft, step: Step) -> None:
    sharing.give_back(draft, sharing.Back.TIME)


def _take_remind(draft: Draft, step: Step) -> None:
    if not followup.rests_at_night(draft) and not followup.forget_old_request(draft):
        followup.remind(draft)


def _take_tell_end(draft: Draft, step: Step) -> None:
    followup.tell_end(draft)


def _take_place_hold(draft: Draft, step: Step) -> None:
    deposit.begin_hold(draft, on_session=False)


def _take_lapse(draft: Draft, step: Step) -> None:
    deposit.lapse(draft)


def _take_close(draft: Draft, step: Step) -> None:
    tab = draft.tab
    outcome = {Status.CANCELED: Outcome.CANCELED, Status.NO_SHOW: Outcome.NO_SHOW}.get(tab.status, Outcome.FULFILLED)
    if tab.parent is not None and tab.parent.out_minor == 0:
        outcome = Outcome.CANCELED
    draft.move_to(Status.CLOSED, "nothing_owed")
    draft.update(closed_at=draft.now, outcome=outcome, plan=None)
    # The receipt for a fee went out when the fee was paid.
    draft.record_receipt("closed", 0 if tab.fee else tab.receipt_minor, outcome=outcome, paid_minor=tab.paid_minor)
    for flag in draft.tab.flags:
        if flag.kind == FlagKind.CALL_REFUSED:
            draft.lower_flag(flag, "Nothing is left to be taken or given back.")
    crediting.earn(draft)


def _take_return_credit(draft: Draft, step: Step) -> None:
    crediting.give_back(draft)


def _take_back_credit(draft: Draft, step: Step) -> None:
    crediting.take_back(draft)


def _take_tell_credit(draft: Draft, step: Step) -> None:
    crediting.tell_active(draft)


def _take_expire_credit(draft: Draft, step: Step) -> None:
    crediting.expire(draft)


def _take_evidence_due(draft: Draft, step: Step) -> None:
    assert step.subject is not None, "it names its dispute"
    answering.remind_owner(draft, step.subject)


def _take_ask_story(draft: Draft, step: Step) -> None:
    telling.ask(draft)


_TAKE = {
    StepKind.HOLD_CLOCK: _take_hold_clock,
    StepKind.RELEASE: _take_release,
    StepKind.REFUND: _take_refund,
    StepKind.REFUND_BY_HAND: _take_refund_by_hand,
    StepKind.END_REVIEW: _take_end_review,
    StepKind.BILL_NOT_TOLD: _take_bill_not_told,
    StepKind.CONTEST_OVERDUE: _take_contest_overdue,
    StepKind.CONTEST_DEFAULT: _take_contest_default,
    StepKind.TAKE_LEG: _take_leg,
    StepKind.TAKE_FEE: _take_fee,
    StepKind.RETRY_CHARGE: _take_retry,
    StepKind.RETURN_SHARE: _take_return_share,
    StepKind.REMIND: _take_remind,
    StepKind.TELL_END: _take_tell_end,
    StepKind.PLACE_HOLD: _take_place_hold,
    StepKind.LAPSE_DEPOSIT: _take_lapse,
    StepKind.CLOSE: _take_close,
    StepKind.RETURN_CREDIT: _take_return_credit,
    StepKind.TAKE_BACK_CREDIT: _take_back_credit,
    StepKind.TELL_CREDIT: _take_tell_credit,
    StepKind.EXPIRE_CREDIT: _take_expire_credit,
    StepKind.EVIDENCE_DUE: _take_evidence_due,
    StepKind.ASK_STORY: _take_ask_story,
}
