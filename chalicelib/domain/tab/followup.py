"""Follow-up of unpaid bills: when to remind, when to try the card again, when to stop. The agenda does it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.tab import settlement
from chalicelib.domain.tab.payments import PlanReason
from chalicelib.domain.tab.promise import Consent
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import BETWEEN_REMINDERS, LEASE, Followup, Tab

if TYPE_CHECKING:
    from chalicelib.domain.tab.attempt import Failure
    from chalicelib.domain.tab.draft import Draft
    from chalicelib.domain.tab.policy import Policy

MAXIMUM_TRIES = 4
"""The maximum of automatic charges for one bill. Card networks allow 15 to 20 in 30 days; far fewer are polite."""

TOGETHER = timedelta(minutes=10)
"""What comes back from shares within this time is charged as one, after its message, which waits five minutes."""

_AGAIN = "try_again_later"
_TRANSIENT = frozenset({"insufficient_funds", "processing_error"})

AFTER_REFUSAL = tuple(timedelta(hours=hours) for hours in (1, 6, 24, 48, 96))
"""The delays before a charge is made again after the gateway refused the call, which is not the card's fault."""


def is_followed_up(tab: Tab) -> bool:
    """Whether the balance is followed up: paused while contested or disputed, ended by payment."""
    owed = tab.status == Status.DUE or (tab.fee is not None and tab.status in (Status.NO_SHOW, Status.CANCELED))
    return owed and tab.balance_minor > 0 and tab.due_at is not None and not tab.has_open_dispute


def reminder_at(tab: Tab) -> datetime | None:
    """When the next reminder is sent, outside the quiet hours; None if all were sent or none is wanted."""
    offsets = tab.policy.reminder_offsets_s
    sent = tab.followup.reminders_sent
    if not is_followed_up(tab):
        return None
    if tab.followup.remind_at is not None:
        at = outside_quiet_hours(tab.followup.remind_at, tab.policy)
    elif sent < len(offsets):
        at = _reminder_time(tab, offsets[sent])
    else:
        return None
    return tab.after_pause(_later(at, tab.followup.not_before))


def _reminder_time(tab: Tab, offset_s: int) -> datetime:
    assert tab.due_at is not None, "what is followed up is due"
    return outside_quiet_hours(tab.due_at + timedelta(seconds=offset_s), tab.policy)


def retry_at(tab: Tab) -> datetime | None:
    """When the saved card is tried again; None if it must not be, e.g. after a bank has taken a payment back."""
    if not is_followed_up(tab) or tab.plan is not None or not tab.may_use_card or not _may_charge(tab):
        return None
    if tab.followup.next_try_at is None or any(leg.is_disputed for leg in tab.legs):
        return None
    if tab.fee is not None and tab.fee.take_at is not None:
        # An announced fee is taken at its own time, whatever card is saved meanwhile.
        return None
    return tab.after_pause(_later(tab.followup.next_try_at, tab.followup.not_before))


def _later(at: datetime, not_before: datetime | None) -> datetime:
    return at if not_before is None else max(at, not_before)


def _may_charge(tab: Tab) -> bool:
    return tab.promise.consents_to(Consent.AUTOMATIC_CHARGE if tab.fee is None else Consent.DEPOSIT_AND_FEES)


def charges_by_itself(tab: Tab) -> bool:
    """Whether what is owed is charged without the customer, as far as can be known."""
    return tab.may_use_card and _may_charge(tab)


def outside_quiet_hours(at: datetime, policy: Policy) -> datetime:
    """`at`, or the end of the quiet hours if it falls into them, in the policy's time zone."""
    from zoneinfo import ZoneInfo  # Imported here: a tab that owes nothing is read without it.

    local = at.astimezone(ZoneInfo(policy.time_zone))
    begin, end = policy.quiet_from_hour, policy.quiet_until_hour
    if begin == end:
        return at
    quiet = begin <= local.hour < end if begin < end else local.hour >= begin or local.hour < end
    if not quiet:
        return at
    morning = local.replace(hour=end, minute=0, second=0, microsecond=0)
    if local.hour >= end:
        morning += timedelta(days=1)
    return morning.astimezone(at.tzinfo)


def rests_at_night(draft: Draft) -> bool:
    """Whether now is in the quiet hours; then what is due is postponed until they end."""
    morning = outside_quiet_hours(draft.now, draft.tab.policy)
    if morning == draft.now:
        return False
    draft.update(followup=replace(draft.tab.followup, not_before=morning))
    return True


def forget_old_request(draft: Draft) -> bool:
    """Whether staff asked for the reminder so long ago that the tab is another by now; then the request is dropped."""
    asked_at = draft.tab.followup.remind_at
    if asked_at is None or draft.now < asked_at + BETWEEN_REMINDERS:
        return False
    draft.update(followup=replace(draft.tab.followup, remind_at=None))
    return True


def remind(draft: Draft) -> None:
    """Record a reminder, which is then sent at most once. Other overdue reminders are skipped."""
    tab = draft.tab
    overdue = sum(_reminder_time(tab, offset_s) <= draft.now for offset_s in tab.policy.reminder_offsets_s)
    sent = max(tab.followup.reminders_sent + 1, overdue)
    draft.update(followup=replace(tab.followup, reminders_sent=sent, reminded_at=draft.now, remind_at=None))
    # A balance below the minimum charge, or covered by a hold, cannot be paid on the phone.
    payable = "phone" if settlement.phone_amount_minor(tab) else "counter"
    draft.record("reminded", number=sent, balance_minor=tab.balance_minor, payable=payable)


def collect(draft: Draft) -> None:
    """Collect what is owed without the customer, if they agreed to that, it is due, and no bank disputes it."""
    if not draft.tab.may_charge_automatically:
        return
    is_paused = draft.tab.after_pause(draft.now) != draft.now
    if is_paused or draft.tab.has_open_dispute or (draft.tab.due_at or draft.now) > draft.now:
        resume_later(draft)
    else:
        settlement.start(draft, PlanReason.REVIEW_ENDED)


def resume_later(draft: Draft) -> None:
    """Resume charging later, when the pause ends; retry_at decides whether it may be charged then."""
    next_try_at = max(draft.now, draft.tab.due_at or draft.now)
    draft.update(followup=replace(draft.tab.followup, next_try_at=next_try_at))


def charge_failed(draft: Draft, amount_minor: int, failure: Failure | None) -> None:
    """An automatic charge failed: plan the next by the bank's advice, or leave it to the owner."""
    tab = draft.tab
    tries = tab.followup.tries + 1
    wait = _wait(tab.policy, tries, failure) if _may_charge(tab) else None
    next_try_at = None if wait is None else outside_quiet_hours(draft.now + wait, tab.policy)
    draft.update(followup=replace(tab.followup, tries=tries, refusals=0, next_try_at=next_try_at))
    draft.record("charge_failed", tries=tries, amount_minor=amount_minor, next_try_at=next_try_at)


def charge_refused(draft: Draft, amount_minor: int) -> None:
    """The gateway refused our call without asking the bank, so it does not count as a try of the card."""
    tab = draft.tab
    refusals = tab.followup.refusals + 1
    again_at = None
    if _may_charge(tab) and refusals <= len(AFTER_REFUSAL):
        again_at = outside_quiet_hours(draft.now + AFTER_REFUSAL[refusals - 1], tab.policy)
    draft.update(followup=replace(tab.followup, refusals=refusals, next_try_at=again_at))
    draft.record(
        "charge_refused",
        refusals=refusals,
        amount_minor=amount_minor,
        next_try_at=again_at,
        again_by="us" if again_at else "customer",
    )


def try_new_card(draft: Draft) -> None:
    """A new card was saved for an unpaid bill: try it soon, and count its tries from zero."""
    tab = draft.tab
    next_try_at = draft.now if is_followed_up(tab) else tab.followup.next_try_at
    draft.update(followup=replace(tab.followup, tries=0, refusals=0, next_try_at=next_try_at, charging_end_told=False))


def owe_more(draft: Draft, more_minor: int) -> None:
    """`more_minor` was added to what is owed: it is collected from now on, with reminders from the first.

    What is added within a few minutes is charged as one. A card that was declined for the rest is tried again when its
    bank advised it, not for each addition.
    """
    before = draft.tab.followup
    restart(draft)
    if draft.tab.balance_minor > more_minor and (before.tries or before.refusals):
        charging = ("tries", "refusals", "next_try_at", "not_before", "charging_end_told")
        draft.update(followup=Followup(**{name: getattr(before, name) for name in charging}))
    elif draft.tab.may_charge_automatically:
        together_at = draft.now + TOGETHER
        next_try_at = together_at if before.next_try_at is None else min(before.next_try_at, together_at)
        draft.update(followup=Followup(next_try_at=next_try_at))


class End(Struct, frozen=True):
    """What has ended (charging or reminding), from when the owner should be told, and why it is not charged, a code."""

    at: datetime
    why: str | None
    charging: bool = False
    reminding: bool = False


def end_of_collection(tab: Tab) -> End | None:
    """What part of the follow-up has ended without payment and was not told to the owner yet; None: nothing.

    It is derived from what is still planned, so that the cause of the end does not matter.
    """
    if not is_followed_up(tab) or tab.plan is not None or retry_at(tab) is not None:
        return None
    assert tab.due_at is not None, "what is followed up is due"
    followup = tab.followup
    charging = not followup.charging_end_told and (_may_charge(tab) or followup.tries > 0)
    offsets = tab.policy.reminder_offsets_s
    reminding = not followup.reminding_end_told and bool(offsets) and followup.reminders_sent >= len(offsets)
    if not charging and not reminding:
        return None
    # A customer who has just accepted the bill may be about to pay on the phone.
    at = tab.after_pause(tab.updated_at if reminding or followup.tries else max(tab.due_at + LEASE, tab.updated_at))
    if at is None:
        return None
    return End(at, _why_not_charged(tab) if charging else None, charging=charging, reminding=reminding)


def _why_not_charged(tab: Tab) -> str:
    if tab.balance_minor < tab.minimum_charge_minor:
        return "below_minimum"
    if any(leg.is_disputed for leg in tab.legs):
        return "disputed"
    if tab.card is None:
        return "no_card"
    if tab.card.refused:
        return "card_refused"
    if tab.followup.refusals:
        return "call_refused"
    return "declined" if tab.followup.tries else "unconfirmed"


def tell_end(draft: Draft) -> None:
    """Mark the end as told, and record what the owner is told: once for each end."""
    end = end_of_collection(draft.tab)
    assert end is not None, "something has ended"
    followup = draft.tab.followup
    draft.update(
        followup=replace(
            followup,
            charging_end_told=followup.charging_end_told or end.charging,
            reminding_end_told=followup.reminding_end_told or end.reminding,
        )
    )
    what = "both" if end.charging and end.reminding else "charging" if end.charging else "reminding"
    card = draft.tab.card
    draft.record(
        "collection_ended",
        balance_minor=draft.tab.balance_minor,
        what=what,
        why=end.why,
        decline_code=card.refused if card and end.why == "card_refused" else None,
    )


def _wait(policy: Policy, tries: int, failure: Failure | None) -> timedelta | None:
    """The delay until the next try; None: never. The bank's advice comes first, then the meaning of its code."""
    if tries >= MAXIMUM_TRIES or tries > len(policy.retry_offsets_s):
        return None
    if failure is None or failure.is_final:
        return None
    if failure.advice != _AGAIN and failure.decline_code not in _TRANSIENT:
        return None
    return timedelta(seconds=policy.retry_offsets_s[tries - 1])


def begin_try(draft: Draft) -> None:
    """The next automatic charge has begun: forget its planned time."""
    draft.update(followup=replace(draft.tab.followup, next_try_at=None))


def restart(draft: Draft) -> None:
    """Start counting from zero for a new bill."""
    draft.update(followup=Followup())
