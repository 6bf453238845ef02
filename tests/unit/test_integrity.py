"""Integrity figures: what they count, of which visits, and when they say something."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.domain.tab.objection import ObjectionState
from chalicelib.domain.tab.promise import AcceptanceMethod
from chalicelib.domain.trust.figures import Integrity
from chalicelib.domain.trust.integrity import PERIOD, integrity_of, stories_of
from chalicelib.domain.trust.visit import Contested, ContestEnd, Visit

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def visit(number: int = 1, *, customer: str = "cus_1", days_ago: float = 10, **more: Any) -> Visit:
    """A walk-in whose bill of 40.00 was as estimated."""
    at = NOW - timedelta(days=days_ago)
    given = {"opened_at": at, "billed_at": at, "estimate_minor": 4000, "presented_minor": 4000, **more}
    return Visit(tab_id=f"tab_{number}", merchant_id="mer_1", customer_id=customer, **given)


def counted(*visits: Visit) -> Integrity:
    return integrity_of(visits, NOW)


def test_a_bill_is_compared_with_its_estimate_as_it_was_first_presented() -> None:
    """Without an estimate nothing was promised."""
    found = counted(visit(), visit(presented_minor=4001), visit(estimate_minor=0), visit(presented_minor=10))
    assert (found.tabs, found.billed, found.at_or_under_estimate) == (4, 3, 2)


def test_contests_are_counted_by_how_they_ended() -> None:
    """The median is of those that a person answered; an open one is in none of the ends."""

    def contest(hours: int | None, end: ContestEnd | None) -> Contested:
        at = NOW - timedelta(days=5)
        return Contested(at=at, amount_minor=1, answered_at=at + hours * HOUR if hours else None, end=end)

    ends = (
        contest(2, ContestEnd.ADJUSTED),
        contest(4, ContestEnd.UPHELD),
        contest(200, ContestEnd.DEFAULT),
        contest(None, None),
    )
    found = counted(visit(contests=ends))
    assert (found.contests, found.contests_answered, found.contests_by_default, found.contests_won) == (4, 2, 1, 2)
    assert found.answer_median_s == 3 * 3600
    assert counted(visit()).answer_median_s is None


def test_appointments_acceptances_caps_and_no_shows() -> None:
    found = counted(
        visit(starts_at=NOW, canceled_at=NOW, canceled_by="business"),
        visit(starts_at=NOW, canceled_at=NOW, canceled_by="customer"),
        visit(starts_at=NOW, canceled_at=NOW, canceled_by="customer"),
        visit(accepted_at=NOW, method=AcceptanceMethod.IN_PERSON, cap_raises=2),
        visit(accepted_at=NOW, method=AcceptanceMethod.APP, no_show_at=NOW),
        visit(accepted_at=NOW, method=AcceptanceMethod.GUEST_LINK),
        visit(no_shows_taken_back=1),
    )
    assert (found.appointments, found.canceled_by_business) == (3, 1)
    assert (found.accepted, found.accepted_in_person, found.cap_raises) == (3, 1, 2)
    assert (found.no_shows, found.no_shows_taken_back) == (1, 1)


def test_objections_that_were_upheld_are_a_hit_for_whoever_records_false_no_shows() -> None:
    found = counted(
        visit(no_show_at=NOW, objection=ObjectionState.UPHELD),
        visit(no_show_at=NOW, objection=ObjectionState.REFUSED),
        visit(no_show_at=NOW, objection=ObjectionState.OPEN),
        visit(),
    )
    assert (found.no_shows, found.objections, found.objections_upheld) == (3, 3, 1)


def test_outcomes_are_those_at_which_reviews_ended() -> None:
    """One that is still under review has no outcome yet, and one without tiers none at all."""
    found = counted(
        visit(tier_percent=80, due_at=NOW),
        visit(tier_percent=80, closed_at=NOW),
        visit(tier_percent=100, due_at=NOW),
        visit(tier_percent=50),
        visit(due_at=NOW),
    )
    assert found.outcomes == {80: 2, 100: 1}


def test_only_what_came_to_something_in_the_period_counts_and_shares_count_with_their_bill() -> None:
    """A booking of long ago whose bill is of this week is this week's; one that is still open is nobody's."""
    long_ago = NOW - timedelta(days=200)
    assert counted(visit(opened_at=long_ago)).tabs == 1
    assert counted(visit(billed_at=None)).tabs == 0
    assert counted(visit(days_ago=PERIOD.days + 1)).tabs == 0
    assert [counted(visit(days_ago=days)).tabs for days in (0, PERIOD.days)] == [1, 0], "from then until now"
    assert (counted().since, counted().until) == (NOW - PERIOD, NOW)
    assert counted(visit(parent_id="tab_9")).tabs == 0


def test_stories_are_of_those_who_were_asked_within_a_year() -> None:
    ago = [NOW - timedelta(days=days) for days in (10, 364, 365)]
    asked = [visit(story_asked_at=at, story_told_at=at) for at in ago]

    found = stories_of([visit(), *asked, visit(story_asked_at=ago[0])], NOW)

    assert (found.since, found.asked, found.told) == (NOW - timedelta(days=365), 3, 2)


def test_it_is_too_early_to_say_with_few_tabs_or_few_people() -> None:
    assert not counted(*[visit(customer=f"cus_{n}") for n in range(9)]).is_enough
    assert not counted(*[visit(customer=f"cus_{n % 7}") for n in range(20)]).is_enough
    assert counted(*[visit(customer=f"cus_{n % 8}") for n in range(10)]).is_enough
