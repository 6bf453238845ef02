"""Contests: what a customer's contest stops, and how the business or the deadline resolves it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account
from chalicelib.domain.tab import crediting, fees, followup, settlement
from chalicelib.domain.tab.adjust import announce_what_goes_back, forgive, lower_bill, reprice, what_is_left
from chalicelib.domain.tab.bill import Contest, UntoldBill
from chalicelib.domain.tab.policy import Resolution
from chalicelib.domain.tab.status import Status

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft
    from chalicelib.domain.tab.tab import Tab


def open_contest(draft: Draft, reason: str, contested_minor: int) -> None:
    """Open a contest: stop every automatic charge, tell the owner, and set the deadline."""
    contest = _contest_of(draft, reason, contested_minor)
    draft.move_to(Status.CONTESTED, "contest")
    draft.update(contest=contest, plan=None)
    crediting.note_contest(draft)
    draft.record("contested", reason=reason, contested_minor=contested_minor, deadline_at=contest.deadline_at)


def open_tier_contest(draft: Draft, reason: str, percent: int) -> None:
    """Contest the difference to a lower tier: it is off the bill until a person upholds it; the rest stays due."""
    tab = draft.tab
    contested_minor = tab.total_minor - tab.total_at(percent)
    contest = replace(_contest_of(draft, reason, contested_minor), tier_percent=percent)
    postings = reprice(draft, contest=contest)
    crediting.note_contest(draft)
    draft.record(
        "contested",
        reason=reason,
        contested_minor=contested_minor,
        deadline_at=contest.deadline_at,
        tier_percent=percent,
        postings=postings,
    )
    announce_what_goes_back(draft, tab, "tier")
    settlement.replan(draft)


def resolve_tier(draft: Draft, resolution: Resolution, reason: str, resolved_by: str) -> None:
    """Waived, the contested tier stands. Upheld, the difference is due again, and collected from now on."""
    tab = draft.tab
    assert tab.contest is not None and tab.contest.tier_percent is not None, "the outcome is contested"
    stands = tab.contest.tier_percent if resolution == Resolution.WAIVE else None
    postings = reprice(draft, contest=None, tier_percent=stands)
    more_minor = draft.tab.balance_minor - tab.balance_minor
    is_owed_again = more_minor > 0 and draft.tab.taking_attempt is None
    if is_owed_again:
        draft.update(due_at=not_before_start(draft.tab, draft.now))
    draft.record(
        "contest_resolved",
        resolution=resolution,
        reason=reason,
        of="tier",
        resolved_by=resolved_by,
        due_at=draft.tab.due_at,
        tier_percent=draft.tab.price_percent,
        **what_is_left(draft.tab),
        postings=postings,
    )
    if is_owed_again:
        followup.owe_more(draft, more_minor)
    else:
        settlement.replan(draft)


def _contest_of(draft: Draft, reason: str, contested_minor: int) -> Contest:
    policy = draft.tab.policy
    deadline_at = followup.outside_quiet_hours(draft.now + timedelta(seconds=policy.contest_deadline_s), policy)
    default_at = deadline_at + timedelta(seconds=policy.contest_default_after_s)
    return Contest(
        reason=reason,
        contested_minor=contested_minor,
        contested_at=draft.now,
        deadline_at=deadline_at,
        default_at=followup.outside_quiet_hours(default_at, policy),
        contested_in=draft.tab.status,
    )


def await_customer(draft: Draft) -> None:
    """The last entry says what the bill is now: its review window begins once the customer was told, or has seen it."""
    draft.update(review_ends_at=None, untold_bill=UntoldBill(seq=draft.tab.entry_count, since=draft.now))


def begin_review(draft: Draft) -> None:
    """The customer knows the bill: after the review window it is charged, but never before the promised start."""
    ends_at = not_before_start(draft.tab, draft.now + timedelta(seconds=draft.tab.promise.review_window_s))
    draft.update(review_ends_at=ends_at)
    draft.bill_is_known("The customer knows the bill by now.")


def not_before_start(tab: Tab, at: datetime) -> datetime:
    """`at`, or the promised start if that is later: no automatic charge comes before the promised start."""
    return at if tab.starts_at is None else max(at, tab.starts_at)


def remind_owner(draft: Draft) -> None:
    """Remind the owner after the deadline, and say what will happen without an answer."""
    contest = draft.tab.contest
    assert contest is not None, "a contested tab has its contest"
    draft.update(contest=replace(contest, reminded=True))
    draft.record("contest_overdue", default_at=contest.default_at, contested_minor=_contested_minor(draft.tab))


def resolve(draft: Draft, resolution: Resolution, *, reduction_minor: int = 0, reason: str = "") -> None:
    """Resolve.

    Adjust: lowered and in review again. Uphold: due. Waive: nothing is due, and what was taken is refunded.
    """
    if draft.tab.fee is not None:
        _resolve_fee(draft, resolution, reduction_minor, reason)
        return
    if resolution == Resolution.ADJUST:
        draft.move_to(Status.IN_REVIEW, "resolve")
        lower_bill(draft, reduction_minor, "bill_adjusted", command="resolve", reason=reason)
        draft.update(due_at=None)
    else:
        draft.move_to(Status.DUE, "resolve")
        draft.update(due_at=not_before_start(draft.tab, draft.now))
        if resolution == Resolution.WAIVE:
            forgive(draft, draft.tab.amount_due_minor, Account.GOODWILL, "contest", reason)
    _end(draft, resolution, reason, "business")
    if resolution == Resolution.ADJUST:
        await_customer(draft)
    if resolution == Resolution.UPHOLD:
        _collect(draft)


def resolve_unanswered(draft: Draft) -> None:
    """Without an answer in time, the contested part is waived, and the rest is due and taken as promised.

    The clock never upholds: only a person may decide against the customer (decision 0023).
    """
    if draft.tab.contests_tier:
        resolve_tier(draft, Resolution.WAIVE, "", "deadline")
        return
    contested_minor = _contested_minor(draft.tab)
    if draft.tab.fee is not None:
        _go_on_with_fee(draft, contested_minor, "", timedelta())
        _end(draft, Resolution.WAIVE, "", "deadline")
        return
    draft.move_to(Status.DUE, "resolve")
    draft.update(due_at=not_before_start(draft.tab, draft.now))
    forgive(draft, contested_minor, Account.GOODWILL, "contest", "")
    _end(draft, Resolution.WAIVE, "", "deadline")
    _collect(draft)


def _contested_minor(tab: Tab) -> int:
    """The contested part of what is due, which a refund may have lowered meanwhile; of the outcome: what is off."""
    assert tab.contest is not None, "a contested tab has its contest"
    if tab.contests_tier:
        return tab.contest.contested_minor
    return min(tab.contest.contested_minor, tab.amount_due_minor)


def _end(draft: Draft, resolution: Resolution, reason: str, resolved_by: str) -> None:
    draft.update(contest=None)
    draft.record(
        "contest_resolved",
        resolution=resolution,
        reason=reason,
        of="bill" if draft.tab.fee is None else "fee",
        resolved_by=resolved_by,
        due_at=draft.tab.due_at,
        **what_is_left(draft.tab),
    )


def _collect(draft: Draft) -> None:
    """When a declined card is tried again: as the bank advised, whatever the contest's result."""
    if draft.tab.followup.tries == 0:
        followup.collect(draft)


def _resolve_fee(draft: Draft, resolution: Resolution, reduction_minor: int, reason: str) -> None:
    """Resolve a contest about a fee: lowered or upheld, the fee is taken; waived, it is refunded."""
    if resolution == Resolution.ADJUST:
        _go_on_with_fee(draft, reduction_minor, reason, fees.NOTICE)
    elif resolution == Resolution.WAIVE:
        _go_on_with_fee(draft, draft.tab.amount_due_minor, reason, timedelta())
    else:
        _go_on_with_fee(draft, 0, reason, timedelta())
    _end(draft, resolution, reason, "business")


def _go_on_with_fee(draft: Draft, forgiven_minor: int, reason: str, notice: timedelta) -> None:
    """Return the tab to its status before the contest; the rest of the fee is taken after `notice`."""
    assert draft.tab.contest is not None, "a contested tab has its contest"
    draft.move_to(draft.tab.contest.contested_in, "resolve")
    if forgiven_minor:
        forgive(draft, forgiven_minor, Account.FEES_INCOME, "contest", reason)
    fees.take_later(draft, notice)
