"""Presenting the bill: because the service is done, or because the guest has left without paying."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.tab import contest, followup
from chalicelib.domain.tab.adjust import bill_postings
from chalicelib.domain.tab.bill import Lowered
from chalicelib.domain.tab.flag import FlagKind
from chalicelib.domain.tab.promise import Consent
from chalicelib.domain.tab.status import Status
from chalicelib.domain.trust.tiers import WHOLE

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft
    from chalicelib.domain.tab.tab import Tab

IDLE_FOR = timedelta(hours=24)
"""If nothing was added to the tab for this long and its hold is about to expire, the customer has left."""


def present(draft: Draft, command: str) -> None:
    """The total is final; its review window begins once the customer was told of it, or has seen it."""
    draft.move_to(Status.IN_REVIEW, command)
    items_minor = sum(item.amount_minor for item in draft.tab.items)
    draft.update(
        presented_at=draft.now,
        proposed=None,
        # What was taken off a bill can't be more than is left on it, whatever was voided since.
        adjusted_minor=min(draft.tab.adjusted_minor, items_minor),
        lowered_before=Lowered(),
    )
    tab = draft.tab
    followup.restart(draft)
    draft.record(
        "bill_presented",
        command=command,
        total_minor=tab.total_minor,
        tax_minor=tab.tax_minor,
        review_s=tab.promise.review_window_s,
        after_review="charged" if tab.charges_after_review else "due",
        **({"whole_minor": tab.total_at(WHOLE), "silence_percent": tab.price_percent} if tab.awaits_tier else {}),
        postings=bill_postings(tab.total_minor - tab.tax_minor, tab.tax_minor),
    )
    contest.await_customer(draft)


def told(draft: Draft, seq: int, how: str) -> None:
    """The customer was told of a bill, by the message that follows from entry `seq`. An older bill's changes nothing.

    `how`: the channel that took it; or why nothing can be sent to the customer, who then has to look at the tab.
    """
    untold = draft.tab.untold_bill
    if untold is None or seq < untold.seq:
        return
    contest.begin_review(draft)
    draft.record("bill_told", how=how, review_ends_at=draft.tab.review_ends_at)


def seen(draft: Draft) -> None:
    """The customer has seen the bill; nothing changes where they knew it."""
    if draft.tab.untold_bill is None:
        return
    contest.begin_review(draft)
    draft.record("bill_seen", review_ends_at=draft.tab.review_ends_at)


TOLD_WITHIN = timedelta(hours=24)
"""If nothing was heard of a bill's message for this long, a person must look."""


def flag_untold(draft: Draft) -> None:
    """The window does not begin by itself: nobody is charged for a bill that they may not know of."""
    untold = draft.tab.untold_bill
    assert untold is not None, "only a bill that was not told is flagged"
    draft.update(untold_bill=replace(untold, flagged=True))
    reason = "The customer could not be told of the bill. Tell them yourself; it is not charged before they know it."
    draft.flag(FlagKind.BILL_NOT_TOLD, "bill", reason)


def walk_out(draft: Draft) -> None:
    """The guest is gone: the bill is presented where it was not, and both hear what becomes of hold and bill."""
    if draft.tab.status == Status.OPEN:
        present(draft, "walk_out")
    tab = draft.tab
    draft.update(walked_out_at=draft.now)
    draft.record(
        "walked_out",
        balance_minor=tab.balance_minor,
        held_minor=tab.held_minor,
        taken_minor=min(tab.held_minor, tab.balance_minor) if discloses_capture(tab) else 0,
        capture_before=tab.hold_expires_at,
    )


def is_left_behind(tab: Tab, now: datetime) -> bool:
    """Whether the guest of an open tab has left it, as far as a clock can tell, and its hold may be captured for it.

    A hold that a saved card can renew is renewed instead: work may take weeks.
    """
    if tab.status != Status.OPEN or not tab.total_minor or tab.may_use_card or not discloses_capture(tab):
        return False
    return now - max(item.added_at for item in tab.items) >= IDLE_FOR


def discloses_capture(tab: Tab) -> bool:
    return tab.promise.consents_to(Consent.CAPTURE_BEFORE_EXPIRY)
