"""The deposit: how it is secured, declined, renewed and lapses. The agenda decides when to act on it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain import instants
from chalicelib.domain.tab.actor import SYSTEM
from chalicelib.domain.tab.attempt import Attempt, AttemptState, Failure, Operation
from chalicelib.domain.tab.bill import FeeKind
from chalicelib.domain.tab.payments import Deposit, DepositState, Hold
from chalicelib.domain.tab.policy import LapseAction, Policy
from chalicelib.domain.tab.promise import Consent
from chalicelib.domain.tab.status import UNTIL_COMPLETED, Status
from chalicelib.domain.tab.tab import LEASE, Tab

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft

_WAITS_FOR_CUSTOMER = frozenset({DepositState.WANTED, DepositState.REQUIRES_ACTION})
_UNSECURED = frozenset(
    {DepositState.WANTED, DepositState.FAILED, DepositState.LAPSED, DepositState.EXPIRED, DepositState.RELEASED}
)
_CARD_HELPS = _UNSECURED | {DepositState.REQUIRES_ACTION}
_RETRY_ADVICE = "try_again_later"
RETRY_AFTER = timedelta(hours=12)
OWNER_DECIDES_BEFORE = timedelta(hours=24)
"""From this long before the service, the owner decides about a failed deposit."""
ANSWER_BEFORE = timedelta(hours=12)
"""A bank's authentication for a hold must be finished this long before the service."""
ASK_AGAIN = timedelta(minutes=2)
AFTER_REFUSAL = timedelta(hours=6)
"""The delay before a hold is placed again after the gateway refused the call."""
RENEWED_FOR = timedelta(days=30)
"""A hold is renewed until this long after the planned start: a forgotten booking must not hold money for ever."""


def wanted(amount_minor: int, now: datetime, lapse_s: int) -> Deposit:
    """Whether the deposit waits for the customer."""
    if amount_minor == 0:
        return Deposit()
    return Deposit(amount_minor=amount_minor, state=DepositState.WANTED, lapses_at=now + timedelta(seconds=lapse_s))


def may_hold_now(starts_at: datetime | None, now: datetime, policy: Policy) -> bool:
    """Whether a hold placed now would last until the service; otherwise a card must be saved first."""
    return starts_at is None or starts_at - now <= timedelta(seconds=policy.hold_window_s)


def is_unsecured(tab: Tab) -> bool:
    """Whether the customer could still do something to secure the deposit."""
    return tab.deposit.state in _UNSECURED and tab.placing_attempt is None


def is_wanted_by(tab: Tab) -> bool:
    """Whether a hold would still secure something: before the service is over."""
    return tab.deposit.amount_minor > 0 and tab.status in UNTIL_COMPLETED


def secure(draft: Draft) -> None:
    """After the promise was accepted: hold with the saved card, ask for a hold on the phone, or wait for a card."""
    tab = draft.tab
    if not is_wanted_by(tab) or tab.deposit.state not in _CARD_HELPS or tab.placing_attempt is not None:
        return
    # A customer who has just agreed gets the time of a phone payment to confirm it.
    lapses_at = max(tab.deposit.lapses_at or draft.now, draft.now + LEASE)
    draft.update(deposit=replace(tab.deposit, state=DepositState.WANTED, lapses_at=lapses_at))
    if tab.may_use_card:
        card_saved(draft)
    elif may_hold_now(tab.starts_at, draft.now, tab.policy):
        begin_hold(draft, on_session=True)


def begin_hold(draft: Draft, *, on_session: bool) -> Attempt:
    """Write the placement of the hold ahead: with the saved card, or to be confirmed on the phone."""
    tab = draft.tab
    assert on_session or tab.may_use_card, "a hold without the customer needs their consent and a card"
    if not on_session:
        draft.update(deposit=replace(tab.deposit, state=DepositState.PLACING, place_at=None))
    return draft.begin(
        Operation.PLACE_HOLD,
        tab.deposit.amount_minor,
        check_at=draft.now + ASK_AGAIN,
        card_id=None if on_session or tab.card is None else tab.card.card_id,
        customer_present=not on_session and draft.customer_present,
        saves_card=on_session and may_keep_card(tab),
    )


def may_keep_card(tab: Tab) -> bool:
    """Whether the customer agreed that a card they pay with is kept for later charges."""
    return tab.promise.consents_to(Consent.CARD_ON_FILE)


def card_saved(draft: Draft) -> None:
    """A card was saved: place the hold with it at the policy's time, or at once if that has passed."""
    tab = draft.tab
    if not is_wanted_by(tab) or tab.deposit.state not in _CARD_HELPS or not tab.may_use_card:
        return
    ahead = timedelta(seconds=tab.policy.hold_ahead_s)
    place_at = draft.now if tab.starts_at is None else max(draft.now, tab.starts_at - ahead)
    draft.update(
        deposit=replace(tab.deposit, state=DepositState.CARD_SAVED, place_at=place_at, lapses_at=None, failures=0)
    )
    draft.record("deposit_card_saved", place_at=place_at)


def card_removed(draft: Draft) -> bool:
    """The card was removed. Returns whether it was to secure the deposit.

    In that case the deposit must be secured again, and the owner is told.
    """
    tab = draft.tab
    if not is_wanted_by(tab) or tab.deposit.state not in (DepositState.CARD_SAVED, DepositState.FAILED):
        return False
    lapses_at = draft.now + timedelta(seconds=tab.policy.deposit_lapse_s)
    draft.update(deposit=replace(tab.deposit, state=DepositState.WANTED, place_at=None, lapses_at=lapses_at))
    return True


def placement_failed(draft: Draft, failure: Failure | None) -> None:
    """The placement failed: try once more if the bank advises it and time allows."""
    tab = draft.tab
    if tab.live_hold is not None:
        # It was to replace a hold that is still live.
        not_renewed(draft)
        return
    failures = tab.deposit.failures + 1
    again_at = draft.now + RETRY_AFTER
    may_retry = failures == 1 and (failure is None or failure.advice == _RETRY_ADVICE)
    in_time = tab.starts_at is not None and again_at <= tab.starts_at - OWNER_DECIDES_BEFORE
    place_at = again_at if may_retry and in_time else None
    draft.update(deposit=replace(tab.deposit, state=DepositState.FAILED, failures=failures, place_at=place_at))
    _record_failure(draft, place_at)


def _record_failure(draft: Draft, place_at: datetime | None = None) -> None:
    draft.record("deposit_failed", amount_minor=draft.tab.deposit.amount_minor, again_at=place_at)


def not_renewed(draft: Draft, why: str = "refused") -> None:
    """The hold that is about to expire was not renewed: both sides learn of it while something can be done.

    `why`: a code.
    """
    tab = draft.tab
    hold = tab.live_hold
    assert hold is not None, "a hold that is not renewed still stands"
    draft.update(deposit=replace(tab.deposit, state=DepositState.HELD, place_at=None))
    draft.record(
        "hold_not_renewed",
        payment_id=hold.payment_id,
        amount_minor=hold.amount_minor,
        capture_before=hold.capture_before,
        why=why,
    )


def hold_lost(draft: Draft, hold: Hold) -> bool:
    """The last hold of a deposit that is still needed is gone: tell both sides, unless they were told before."""
    return is_wanted_by(draft.tab) and hold.clock_done_for != draft.tab.status


def placement_refused(draft: Draft, attempt: Attempt) -> None:
    """The gateway refused our call without asking a bank: place the hold again later; no other card is needed."""
    tab = draft.tab
    if attempt.is_on_session or tab.live_hold is not None or not is_wanted_by(tab):
        placement_closed(draft)
        return
    place_at = draft.now + AFTER_REFUSAL
    draft.update(deposit=replace(tab.deposit, state=DepositState.CARD_SAVED, place_at=place_at))
    draft.record("placement_refused", again_at=instants.text(place_at))


def placement_closed(draft: Draft) -> None:
    """The payment that asked for the hold was closed without confirmation."""
    tab = draft.tab
    if tab.deposit.state not in (DepositState.PLACING, DepositState.REQUIRES_ACTION):
        return
    if not is_wanted_by(tab):
        state = DepositState.RELEASED if tab.live_hold is None else DepositState.HELD
        draft.update(deposit=replace(tab.deposit, state=state))
    elif tab.live_hold is not None:
        not_renewed(draft)
    else:
        draft.update(deposit=replace(tab.deposit, state=DepositState.FAILED))
        _record_failure(draft)


def asked_of_customer(draft: Draft) -> None:
    """The hold waits for the customer. This changes nothing if the deposit has lapsed or has a card meanwhile."""
    deposit = draft.tab.deposit
    if deposit.state in (DepositState.WANTED, DepositState.PLACING):
        draft.update(deposit=replace(deposit, state=DepositState.REQUIRES_ACTION))


def lapse(draft: Draft) -> None:
    """The deposit was not confirmed in time: keep the booking without it or cancel it, as the policy says."""
    tab = draft.tab
    draft.update(deposit=replace(tab.deposit, state=DepositState.LAPSED, lapses_at=None))
    is_kept = tab.status != Status.BOOKED or tab.policy.deposit_lapse_action != LapseAction.CANCEL
    draft.record(
        "deposit_lapsed",
        action=tab.policy.deposit_lapse_action,
        is_kept=is_kept,
        amount_minor=tab.deposit.amount_minor,
    )
    if not is_kept:
        # Imported here: whether a deposit is secured is asked of every tab that is read, and needs no fees.
        from chalicelib.domain.tab import fees

        draft.move_to(Status.CANCELED, "cancel")
        draft.update(proposed=None)
        draft.record(
            "canceled",
            by_role=SYSTEM.role,
            why="deposit_lapsed",
            reason="",
            **fees.outlook(draft.tab, 0, timedelta(), draft.now),
        )


def renew(draft: Draft) -> bool:
    """Begin a hold to replace the one that is about to expire; False if that is impossible.

    A tab without any activity for that long is left to people.
    """
    tab = draft.tab
    if not tab.may_use_card:
        not_renewed(draft, "no_card")
        return False
    if draft.now >= kept_until(tab):
        not_renewed(draft, "forgotten")
        return False
    draft.update(deposit=replace(tab.deposit, state=DepositState.PLACING))
    return True


def kept_until(tab: Tab) -> datetime:
    """Until when a deposit secures a service that is neither begun nor canceled."""
    return (tab.checked_in_at or tab.starts_at or tab.opened_at) + RENEWED_FOR


def fee_of_canceling(tab: Tab, now: datetime) -> tuple[FeeKind, int]:
    """What canceling costs the customer now: nothing until the cut-off, then the disclosed fee, by the start's."""
    free_until = tab.promise.free_until(now)
    kind = FeeKind.NO_SHOW if tab.starts_at is not None and now > tab.starts_at else FeeKind.LATE_CANCEL
    costs = free_until is not None and now > free_until
    return kind, disclosed_fee_minor(tab, kind) if costs else 0


def waits_with_card(tab: Tab) -> bool:
    """Whether the hold is to be placed later, on the saved card: one that lives now is for another time."""
    place_at = tab.deposit.place_at
    return tab.deposit.state == DepositState.CARD_SAVED and place_at is not None and place_at > tab.updated_at


def is_early(tab: Tab, attempt: Attempt) -> bool:
    """Whether the hold that waits for the customer would end before the service, which was moved since."""
    return attempt.is_on_session and not may_hold_now(tab.starts_at, attempt.created_at, tab.policy)


def moved(draft: Draft) -> None:
    """The start of the service was moved: adapt the deposit.

    A hold that does not last until then is replaced before it is released. If the service is too far ahead for any
    hold, the saved card secures the deposit, and the hold is released.
    """
    tab = draft.tab
    state = tab.deposit.state
    lapses_at = draft.now + timedelta(seconds=tab.policy.deposit_lapse_s)
    if tab.live_hold is not None and state == DepositState.HELD:
        if tab.may_use_card and not may_hold_now(tab.starts_at, draft.now, tab.policy):
            _place_later(draft)
        elif not _lasts(tab):
            _place_anew(draft)
    elif state == DepositState.CARD_SAVED:
        _place_later(draft)
    elif waits_for_customer(tab):
        draft.update(deposit=replace(tab.deposit, lapses_at=lapses_at))
        waiting = tab.placing_attempt
        if waiting is not None and is_early(draft.tab, waiting):
            draft.update(deposit=replace(draft.tab.deposit, state=DepositState.WANTED))
        elif waiting is not None and waiting.state == AttemptState.AWAITING_CUSTOMER:
            draft.update_attempt(waiting, check_at=answer_until(draft.tab, draft.now, waiting))


def _lasts(tab: Tab) -> bool:
    """Whether the hold outlasts the start of the service, with the time that capturing it needs."""
    if tab.live_hold is None or tab.starts_at is None:
        return False
    return tab.live_hold.capture_before - timedelta(seconds=tab.policy.hold_margin_s) >= tab.starts_at


def _place_later(draft: Draft) -> None:
    tab = draft.tab
    assert tab.starts_at is not None, "what was moved has a start"
    place_at = max(draft.now, tab.starts_at - timedelta(seconds=tab.policy.hold_ahead_s))
    draft.update(deposit=replace(tab.deposit, state=DepositState.CARD_SAVED, place_at=place_at, lapses_at=None))
    draft.record("deposit_card_saved", place_at=instants.text(place_at))


def _place_anew(draft: Draft) -> None:
    """The old hold goes once the new one lives."""
    tab = draft.tab
    if tab.may_use_card:
        draft.update(deposit=replace(tab.deposit, state=DepositState.PLACING))
    elif draft.by.is_customer and may_hold_now(tab.starts_at, draft.now, tab.policy):
        begin_hold(draft, on_session=True)
    else:
        not_renewed(draft, "moved")


def want_again(draft: Draft) -> None:
    """A no-show was reversed: if its hold is gone, the saved card secures the deposit again."""
    tab = draft.tab
    if tab.deposit.state == DepositState.RELEASED and tab.live_hold is None and tab.may_use_card:
        draft.update(deposit=replace(tab.deposit, state=DepositState.PLACING, failures=0))


def waits_for_customer(tab: Tab) -> bool:
    return tab.deposit.state in _WAITS_FOR_CUSTOMER and is_wanted_by(tab)


def answer_until(tab: Tab, now: datetime, attempt: Attempt) -> datetime:
    """Until when a hold may be confirmed: until the deposit lapses; to authenticate, until well before the service."""
    if attempt.is_on_session:
        return max(tab.deposit.lapses_at or now, now + LEASE)
    if tab.starts_at is None:
        return now + LEASE
    return max(tab.starts_at - ANSWER_BEFORE, now + LEASE)


def disclosed_fee_minor(tab: Tab, kind: FeeKind) -> int:
    """The fee that the sealed promise discloses; 0 without the customer's consent to it."""
    if not tab.promise.consents_to(Consent.DEPOSIT_AND_FEES):
        return 0
    return tab.promise.no_show_fee_minor if kind == FeeKind.NO_SHOW else tab.promise.late_cancel_fee_minor
