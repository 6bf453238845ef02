"""Follow-up of what is unpaid: when to remind, when to try the card again, when to stop; doing it is the agenda's."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from chalicelib.domain.draft import Draft
from chalicelib.domain.messages import MessageKind, Recipient
from chalicelib.domain.promise import Consent
from chalicelib.domain.tab import Failure, Followup, Policy, Status, Tab

MAXIMUM_TRIES = 4
"""Automatic charges for one bill. The card networks cap attempts at 15 to 20 in 30 days; far fewer are polite."""

_NEVER_AGAIN = frozenset({"do_not_try_again", "confirm_card_data"})
_AGAIN = "try_again_later"
_HOPELESS = frozenset({"lost_card", "stolen_card", "pickup_card", "fraudulent", "expired_card"})
_TRANSIENT = frozenset({"insufficient_funds", "processing_error"})


def is_followed_up(tab: Tab) -> bool:
    """Whether the tab's balance is being asked for: paused while contested or disputed, ended by payment."""
    owed = tab.status == Status.DUE or (tab.fee is not None and tab.status in (Status.NO_SHOW, Status.CANCELED))
    return owed and tab.balance_minor > 0 and tab.due_at is not None and not tab.has_open_dispute


def reminder_at(tab: Tab) -> datetime | None:
    """When the next reminder goes out, outside the quiet hours; None where all have, or none is wanted."""
    offsets = tab.policy.reminder_offsets_s
    sent = tab.followup.reminders_sent
    if not is_followed_up(tab) or sent >= len(offsets):
        return None
    assert tab.due_at is not None, "what is followed up is due"
    return outside_quiet_hours(tab.due_at + timedelta(seconds=offsets[sent]), tab.policy)


def retry_at(tab: Tab) -> datetime | None:
    """When the saved card is tried again; None where it is not to be."""
    if not is_followed_up(tab) or tab.plan is not None or not tab.may_use_card or not _may_charge(tab):
        return None
    return tab.followup.next_try_at


def _may_charge(tab: Tab) -> bool:
    return tab.promise.consents_to(Consent.AUTOMATIC_CHARGE if tab.fee is None else Consent.DEPOSIT_AND_FEES)


def outside_quiet_hours(at: datetime, policy: Policy) -> datetime:
    """`at`, or the end of the quiet hours it falls into, in the policy's time zone."""
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


def remind(draft: Draft) -> None:
    """Mark the reminder as sent, then it is: at most once each."""
    sent = draft.tab.followup.reminders_sent + 1
    draft.update(followup=replace(draft.tab.followup, reminders_sent=sent))
    draft.record("reminded", number=sent, balance_minor=draft.tab.balance_minor)
    draft.notify(MessageKind.REMINDER, Recipient.CUSTOMER, draft.tab.balance_minor)


def charge_failed(draft: Draft, amount_minor: int, failure: Failure | None) -> None:
    """An automatic charge failed: plan the next by the bank's advice, or leave it to people."""
    tab = draft.tab
    tries = tab.followup.tries + 1
    wait = _wait(tab.policy, tries, failure)
    next_try_at = None if wait is None else draft.now + wait
    draft.update(followup=replace(tab.followup, tries=tries, next_try_at=next_try_at))
    draft.record("charge_failed", tries=tries, next_try_at=next_try_at.isoformat() if next_try_at else None)
    again = (
        f"We try again on {next_try_at:%d %B}, or pay on your phone." if next_try_at else "Please pay on your phone."
    )
    draft.notify(MessageKind.CARD_DECLINED, Recipient.CUSTOMER, amount_minor, again)
    if next_try_at is None:
        draft.notify(MessageKind.COLLECTION_ENDED, Recipient.OWNER, amount_minor)


def _wait(policy: Policy, tries: int, failure: Failure | None) -> timedelta | None:
    """How long until the next try; None: never. The bank's advice comes first, then what its code is known to mean."""
    if tries >= MAXIMUM_TRIES or tries > len(policy.retry_offsets_s):
        return None
    advice = failure.advice if failure else None
    decline_code = failure.decline_code if failure else None
    if advice in _NEVER_AGAIN or decline_code in _HOPELESS:
        return None
    if advice != _AGAIN and decline_code not in _TRANSIENT:
        return None
    return timedelta(seconds=policy.retry_offsets_s[tries - 1])


def begin_try(draft: Draft) -> None:
    """The next automatic charge is on its way: its time is used up."""
    draft.update(followup=replace(draft.tab.followup, next_try_at=None))


def restart(draft: Draft) -> None:
    """A new bill, a new count."""
    draft.update(followup=Followup())
