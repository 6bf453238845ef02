"""A merchant's integrity figures: how it kept its promises, in counts of its last 90 days (docs/trust.md). Pure.

Counts and not stars: each figure comes with what it is a part of, and each of them can be counted again from visits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from statistics import median

from chalicelib.domain.tab.objection import ObjectionState
from chalicelib.domain.tab.promise import AcceptanceMethod
from chalicelib.domain.trust.figures import Integrity, StoryCounts
from chalicelib.domain.trust.visit import ContestEnd, Visit

PERIOD = timedelta(days=90)
STORIES_PERIOD = timedelta(days=365)
_BY_BUSINESS = "business"
"""Why a tab was canceled, in the words of its entry."""


def integrity_of(visits: Iterable[Visit], until: datetime) -> Integrity:
    """Of those visits that came to something in the 90 days before `until`; shares of a bill count with the bill."""
    since = until - PERIOD
    of_period = [visit for visit in visits if visit.parent_id is None and since < _came_to(visit, since) <= until]
    # Without an estimate nothing was promised, so such a bill neither keeps nor breaks a promise.
    billed = [visit for visit in of_period if visit.billed_at is not None and visit.estimate_minor]
    appointments = [visit for visit in of_period if visit.starts_at is not None]
    accepted = [visit for visit in of_period if visit.accepted_at is not None]
    contests = [contest for visit in of_period for contest in visit.contests]
    answered = [
        contest.answered_at - contest.at
        for contest in contests
        if contest.answered_at is not None and contest.end != ContestEnd.DEFAULT
    ]
    return Integrity(
        since=since,
        until=until,
        tabs=len(of_period),
        payers=len({visit.customer_id for visit in of_period}),
        billed=len(billed),
        at_or_under_estimate=sum(visit.presented_minor <= visit.estimate_minor for visit in billed),
        contests=len(contests),
        contests_answered=len(answered),
        answer_median_s=round(median(answered_in.total_seconds() for answered_in in answered)) if answered else None,
        contests_by_default=sum(contest.end == ContestEnd.DEFAULT for contest in contests),
        contests_won=sum(contest.is_won for contest in contests),
        appointments=len(appointments),
        canceled_by_business=sum(visit.canceled_by == _BY_BUSINESS for visit in appointments),
        accepted=len(accepted),
        accepted_in_person=sum(visit.method == AcceptanceMethod.IN_PERSON for visit in accepted),
        cap_raises=sum(visit.cap_raises for visit in of_period),
        no_shows=sum(visit.no_show_at is not None for visit in of_period),
        no_shows_taken_back=sum(visit.no_shows_taken_back for visit in of_period),
        objections=sum(visit.objection is not None for visit in of_period),
        objections_upheld=sum(visit.objection == ObjectionState.UPHELD for visit in of_period),
        outcomes=Counter(percent for visit in of_period if (percent := visit.ended_at_percent) is not None),
    )


def stories_of(visits: Iterable[Visit], until: datetime) -> StoryCounts:
    """Of those who were asked in the year before `until`: so what is shown stands beside what is not."""
    since = until - STORIES_PERIOD
    asked = [visit for visit in visits if visit.story_asked_at is not None and visit.story_asked_at > since]
    return StoryCounts(
        since=since,
        asked=len(asked),
        told=sum(visit.story_told_at is not None for visit in asked),
        shown=sum(visit.story_is_shown for visit in asked),
    )


def _came_to(visit: Visit, never: datetime) -> datetime:
    """When a bill, a cancellation or a no-show was first known; `never` where none is."""
    return min((at for at in (visit.billed_at, visit.canceled_at, visit.no_show_at) if at is not None), default=never)
