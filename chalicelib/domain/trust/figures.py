"""A merchant's figures as counted at one time: for its owner, and for customers as far as it publishes them.

How they are counted: `integrity`, `books/outlook`. Here is only what pages and answers need of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from msgspec import Struct

LEAST_TABS = 10
LEAST_PAYERS = 8
"""Fewer tabs, or tabs of fewer people, say nothing yet, and would show single people."""


class Integrity(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Counts of the tabs that came to something between `since` and `until`.

    `tabs`: with a bill, a cancellation or a no-show; `payers`: different customers of them. `billed`:
    with an estimate and a bill, and `at_or_under_estimate` of those, as first presented. `contests`: those made,
    of which `contests_answered` were answered by a person, after `answer_median_s` (None: none was),
    `contests_by_default` ended because nobody answered, `contests_won` ended for the customer, at least in part.
    `appointments`: with a time, and `canceled_by_business` of those. `accepted`: promises, of which
    `accepted_in_person` were recorded by staff. `cap_raises`: higher caps that customers agreed to. `no_shows`: those
    that stand, and `no_shows_taken_back` beside them. `objections`: tabs of which the customer said that what they
    count against them is not so, and `objections_upheld`: the business says so as well. `outcomes`: tabs with outcome
    tiers by the percentage at which their review ended.
    """

    since: datetime
    until: datetime
    tabs: int = 0
    payers: int = 0
    billed: int = 0
    at_or_under_estimate: int = 0
    contests: int = 0
    contests_answered: int = 0
    answer_median_s: int | None = None
    contests_by_default: int = 0
    contests_won: int = 0
    appointments: int = 0
    canceled_by_business: int = 0
    accepted: int = 0
    accepted_in_person: int = 0
    cap_raises: int = 0
    no_shows: int = 0
    no_shows_taken_back: int = 0
    objections: int = 0
    objections_upheld: int = 0
    outcomes: Mapping[int, int] = {}

    @property
    def is_enough(self) -> bool:
        """Whether the figures say something; otherwise it is too early to say."""
        return self.tabs >= LEAST_TABS and self.payers >= LEAST_PAYERS


class Week(Struct, frozen=True, kw_only=True):
    """Seven days to come. `booked_minor`: what was booked for them as today began. Nine times of ten they bring at
    least `p10_minor`, half the time `p50_minor`, nine times of ten at most `p90_minor`.
    """

    starts_on: date
    booked_minor: int
    p10_minor: int
    p50_minor: int
    p90_minor: int


class Outlook(Struct, frozen=True, kw_only=True):
    """The next 13 weeks, in one currency's smallest unit.

    `weeks_known`: the whole weeks of history behind it; with fewer than 13 the last weeks have no band. `held_minor`:
    held on cards now, which is no receipt. `error_minor`: by how much the forecast of a week's receipts, made as it
    began, was off in the last four weeks, on average; `naive_error_minor`: the same of the mean of the eight weeks
    before. Both None while there is too little history.
    """

    currency: str
    weeks: tuple[Week, ...]
    weeks_known: int
    held_minor: int
    error_minor: int | None = None
    naive_error_minor: int | None = None


class StoryCounts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of those who were asked for a story since then: how many, how many told one, and how many of those are shown."""

    since: datetime
    asked: int = 0
    told: int = 0
    shown: int = 0


class Figures(Struct, frozen=True, kw_only=True):
    """`is_complete`: all of the merchant's visits were counted. `stories` None: they were not counted yet."""

    merchant_id: str
    at: datetime
    integrity: Integrity
    outlook: Outlook
    is_complete: bool = True
    stories: StoryCounts | None = None
