"""The agenda: what must happen next to a tab, and when. It is the only mechanism for time.

`steps` lists everything that is pending on a snapshot. `due_steps` performs what is due.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain

from msgspec import Struct

from chalicelib.domain.tab import answering, crediting, deposit, fees, followup, presenting, sharing, telling
from chalicelib.domain.tab.attempt import Attempt, AttemptState, Operation
from chalicelib.domain.tab.flag import Flag, FlagKind
from chalicelib.domain.tab.payments import NOT_AT_GATEWAY, DepositState, Hold, HoldState, Leg, LegKind
from chalicelib.domain.tab.status import UNTIL_COMPLETED, Status
from chalicelib.domain.tab.step import PRIORITY, Step, StepKind
from chalicelib.domain.tab.tab import Tab

NEEDS_CALL = frozenset({StepKind.RESOLVE, StepKind.CLOSE_PAYMENT, StepKind.TELL_PARENT, StepKind.SUBMIT_EVIDENCE})
"""Steps that begin with a call to the gateway, or need another tab."""


def steps(tab: Tab) -> Iterator[Step]:
    """Everything pending on the tab, in no order. A step without a time of its own is due at `updated_at`."""
    yield from _attempt_steps(tab)
    yield from _hold_steps(tab)
    yield from _money_steps(tab)
    yield from _deposit_steps(tab)
    yield from _people_steps(tab)
    yield from _share_steps(tab)
    yield from _credit_steps(tab)
    yield from _evidence_steps(tab)
    if at := telling.asks_at(tab):
        yield Step(StepKind.ASK_STORY, at, "the customer is asked for a story, as everybody is")
    if _may_close(tab):
        yield Step(StepKind.CLOSE, _closes_at(tab), "nothing is owed either way")


def next_action_at(tab: Tab) -> datetime | None:
    return earliest(steps(tab))


def due_call(tab: Tab, now: datetime) -> Step | None:
    """The due step that asks the gateway first, or needs another tab, if any."""
    return most_urgent(chain(_attempt_steps(tab), _share_steps(tab), _evidence_steps(tab)), now, NEEDS_CALL)


def earliest(pending: Iterable[Step]) -> datetime | None:
    return min((step.at for step in pending), default=None)


def most_urgent(pending: Iterable[Step], now: datetime, among: Collection[StepKind]) -> Step | None:
    """The first due step of these kinds, by priority and then by time."""
    due = [step for step in pending if step.at <= now and step.kind in among]
    return min(due, key=lambda step: (PRIORITY[step.kind], step.at)) if due else None


def _attempt_steps(tab: Tab) -> Iterator[Step]:
    for attempt in tab.attempts:
        if attempt.state in (AttemptState.PENDING, AttemptState.UNKNOWN) and attempt.check_at:
            yield Step(StepKind.RESOLVE, attempt.check_at, "the outcome of a payment is asked for", attempt.attempt_id)
        if attempt.state == AttemptState.AWAITING_CUSTOMER:
            assert attempt.check_at is not None, "who waits for a customer waits until some time"
            at, why = attempt.check_at, "the customer's time to confirm the payment ends"
            if _no_longer_wanted(tab, attempt):
                at, why = tab.updated_at, "the payment asked of the customer is no longer wanted"
            elif attempt.takes_money and (clock_at := _hold_clock_at(tab)):
                at = min(at, clock_at)
            yield Step(StepKind.CLOSE_PAYMENT, at, why, attempt.attempt_id)


def _no_longer_wanted(tab: Tab, attempt: Attempt) -> bool:
    if attempt.customer_ref is not None and attempt.customer_ref != tab.customer_ref:
        # Its customer is gone at the gateway: it cannot be confirmed, and the next one is made for a new customer.
        return True
    if attempt.operation == Operation.PLACE_HOLD:
        return (
            not deposit.is_wanted_by(tab) or tab.deposit.state == DepositState.LAPSED or deposit.is_early(tab, attempt)
        )
    return attempt.amount_minor > tab.collectable_minor + attempt.tip_minor or tab.status == Status.CONTESTED


def _hold_clock_at(tab: Tab) -> datetime | None:
    hold = tab.live_hold
    if hold is None or hold.clock_done_for == tab.status:
        return None
    # A hold that is shorter than the margin would be renewed the moment it is placed, and so would its successor.
    half_its_life = hold.placed_at + (hold.capture_before - hold.placed_at) / 2
    at = max(hold.capture_before - timedelta(seconds=tab.policy.hold_margin_s), half_its_life)
    if tab.status in UNTIL_COMPLETED or tab.charges_from is None:
        # The hold clock then places another hold.
        return at
    return max(at, tab.charges_from)


def _hold_steps(tab: Tab) -> Iterator[Step]:
    wanted = tab.live_hold
    for hold in tab.holds:
        if hold.state != HoldState.LIVE or _is_worked_on(tab, hold):
            continue
        if hold is not wanted:
            yield Step(StepKind.RELEASE, tab.updated_at, "a newer hold has taken its place", hold.payment_id)
        elif _serves_nothing(tab):
            yield Step(StepKind.RELEASE, tab.updated_at, "the hold secures nothing any more", hold.payment_id)
        elif (at := _hold_clock_at(tab)) and tab.taking_attempt is None:
            yield Step(StepKind.HOLD_CLOCK, at, "the hold is about to expire", hold.payment_id)


def _is_worked_on(tab: Tab, hold: Hold) -> bool:
    return any(
        attempt.payment_id == hold.payment_id and attempt.operation in (Operation.CAPTURE, Operation.RELEASE)
        for attempt in tab.attempts
    )


def _serves_nothing(tab: Tab) -> bool:
    if tab.status == Status.BOOKED and deposit.waits_with_card(tab):
        return True
    if tab.status in (Status.BOOKED, Status.OPEN, Status.CONTESTED):
        return False
    if tab.plan is not None or tab.awaits_tier:
        return False
    # A balance below the minimum charge cannot be captured: it is paid in cash, or waived.
    residue = tab.status != Status.IN_REVIEW and tab.balance_minor < tab.minimum_charge_minor
    return tab.balance_minor == 0 or tab.status == Status.CLOSED or residue


def _money_steps(tab: Tab) -> Iterator[Step]:
    if not any(attempt.operation == Operation.REFUND for attempt in tab.attempts):
        yield from _refund_steps(tab)
    if tab.status == Status.IN_REVIEW and tab.review_ends_at:
        yield Step(StepKind.END_REVIEW, tab.review_ends_at, "the review window ends")
    if tab.untold_bill is not None and not tab.untold_bill.flagged:
        at = tab.untold_bill.since + presenting.TOLD_WITHIN
        yield Step(StepKind.BILL_NOT_TOLD, at, "the owner is told that the customer does not know the bill")
    if _takes_leg(tab):
        yield Step(StepKind.TAKE_LEG, tab.updated_at, "what is owed is taken as promised")
    if fees.is_to_be_taken(tab) and tab.plan is None and tab.taking_attempt is None:
        assert tab.fee is not None and tab.fee.take_at is not None, "a fee that is to be taken has its time"
        if take_at := tab.after_pause(tab.fee.take_at):
            yield Step(StepKind.TAKE_FEE, take_at, "the announced fee is taken")


def _takes_leg(tab: Tab) -> bool:
    return bool(tab.plan and tab.plan.legs) and tab.taking_attempt is None and tab.placing_attempt is None


def _refund_steps(tab: Tab) -> Iterator[Step]:
    if tab.refund_owed_minor and (refund := next_refund(tab)):
        yield Step(StepKind.REFUND, refund.at, "more was taken than was due")
    flag = by_hand_flag(tab)
    if tab.refund_by_hand_minor != (flag.amount_minor if flag else 0):
        yield Step(StepKind.REFUND_BY_HAND, tab.updated_at, "what can't be refunded by itself is for a person")


class _Refund(Struct, frozen=True):
    leg: Leg
    amount_minor: int
    at: datetime


def next_refund(tab: Tab) -> _Refund | None:
    """Refunds, newest leg first, each at most what is left of the leg.

    What the customer's bank has taken back for good is not refunded by us. A leg whose refund has failed is left to a
    person, because the same refund would fail again. So is cash, which staff must hand over.
    """
    for leg in reversed(tab.legs):
        if leg.lost_minor:
            return _Refund(leg, min(leg.lost_minor, tab.refund_owed_minor), tab.updated_at)
    owed_minor = tab.refund_owed_minor - tab.cash_to_return_minor - tab.credit_to_return_minor
    refunds = [
        _Refund(leg, min(leg.refundable_minor, owed_minor), _refund_at(tab, leg))
        for leg in reversed(tab.legs)
        if owed_minor and leg.refundable_minor and not leg.refund_failure and leg.kind not in NOT_AT_GATEWAY
    ]
    # Payments that a bank suspects go back first, because a dispute would cost more.
    return min(refunds, key=lambda refund: (refund.at, refund.leg.fraud_warning is None), default=None)


def _refund_at(tab: Tab, leg: Leg) -> datetime:
    """When a refund is due: at once, or when the gateway is asked again because it waits for a bank.

    A hold that was captured in the dashboard before the service secures the service as long as the hold would have:
    refunded at once, it would have to be charged again when a fee or the bill is due.
    """
    if leg.kind == LegKind.CAPTURE and tab.status in UNTIL_COMPLETED:
        return deposit.kept_until(tab)
    return leg.refund_again_at or tab.updated_at


def by_hand_flag(tab: Tab) -> Flag | None:
    return next((flag for flag in tab.flags if flag.kind == FlagKind.REFUND_BY_HAND), None)


def _deposit_steps(tab: Tab) -> Iterator[Step]:
    if not deposit.is_wanted_by(tab) or (tab.placing_attempt is not None and not deposit.waits_for_customer(tab)):
        return
    state, place_at = tab.deposit.state, tab.deposit.place_at
    if deposit.waits_for_customer(tab):
        if tab.deposit.lapses_at and tab.live_hold is None:
            yield Step(StepKind.LAPSE_DEPOSIT, tab.deposit.lapses_at, "nobody has confirmed the deposit")
    elif tab.may_use_card and state == DepositState.PLACING:
        yield Step(StepKind.PLACE_HOLD, tab.updated_at, "the deposit is held on the saved card")
    elif tab.may_use_card and place_at and state in (DepositState.CARD_SAVED, DepositState.FAILED):
        yield Step(StepKind.PLACE_HOLD, place_at, "the deposit is held on the saved card")


def _people_steps(tab: Tab) -> Iterator[Step]:
    """The time limits of what customer and business say and decide."""
    if tab.contest is not None and (tab.status == Status.CONTESTED or tab.contests_tier):
        if not tab.contest.reminded:
            yield Step(StepKind.CONTEST_OVERDUE, tab.contest.deadline_at, "the owner is reminded of the contest")
        elif tab.taking_attempt is None:
            yield Step(
                StepKind.CONTEST_DEFAULT, tab.contest.default_at, "nobody has answered: what is contested is waived"
            )
    # What is about to be taken needs no follow-up, whose times would have to be moved out of the quiet hours.
    if tab.taking_attempt is None and not _takes_leg(tab):
        if retry_at := followup.retry_at(tab):
            yield Step(StepKind.RETRY_CHARGE, retry_at, "the saved card is tried again")
        if remind_at := followup.reminder_at(tab):
            yield Step(StepKind.REMIND, remind_at, "the customer is reminded of what is unpaid")
        if end := followup.end_of_collection(tab):
            yield Step(StepKind.TELL_END, end.at, "the owner is told what is not collected automatically any more")


def _share_steps(tab: Tab) -> Iterator[Step]:
    if tab.parent is None:
        return
    if at := sharing.goes_back_at(tab):
        yield Step(StepKind.RETURN_SHARE, at, "the share goes back to the tab that was split")
    if sharing.must_tell(tab):
        yield Step(StepKind.TELL_PARENT, tab.updated_at, "the split tab learns of its share", tab.parent.tab_id)


def _credit_steps(tab: Tab) -> Iterator[Step]:
    if tab.credit_to_return_minor:
        yield Step(StepKind.RETURN_CREDIT, tab.updated_at, "what was paid with credit goes back as credit")
    if not tab.credits.given:
        return
    if crediting.is_to_be_taken_back(tab):
        yield Step(StepKind.TAKE_BACK_CREDIT, tab.updated_at, "the tab has not earned its credit after all")
    if at := crediting.tells_at(tab):
        yield Step(StepKind.TELL_CREDIT, at, "the customer is told of credit that can be spent")
    if at := crediting.expires_at(tab):
        yield Step(StepKind.EXPIRE_CREDIT, at, "credit that nobody has spent expires")


def _evidence_steps(tab: Tab) -> Iterator[Step]:
    for dispute, at in answering.reminders(tab):
        kind, why = StepKind.EVIDENCE_DUE, "the owner is reminded that the bank awaits an answer"
        if answering.submits_itself(tab, dispute):
            kind, why = StepKind.SUBMIT_EVIDENCE, "the evidence that the owner has staged goes to the bank"
        yield Step(kind, at, why, dispute.dispute_id)


def _may_close(tab: Tab) -> bool:
    return (
        tab.status in (Status.IN_REVIEW, Status.DUE, Status.CANCELED, Status.NO_SHOW)
        and tab.balance_minor == 0
        and tab.refund_owed_minor == 0
        and not tab.awaits_tier
        and not tab.contests_tier
        and not any(leg.refund_pending_minor for leg in tab.legs)
        and tab.live_hold is None
        and not tab.attempts
        and not tab.open_shares
    )


def _closes_at(tab: Tab) -> datetime:
    """The end of the time in which a no-show can be reversed and a fee contested."""
    is_open_to_change = tab.status == Status.NO_SHOW or tab.amount_due_minor > 0
    return max(tab.updated_at, tab.final_at) if tab.final_at and is_open_to_change else tab.updated_at
