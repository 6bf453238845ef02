"""The answers of a merchant's figures, and how they are made of the domain's."""

from __future__ import annotations

from datetime import date, datetime

from chalicelib.domain.trust.figures import Figures, Integrity, Outlook
from chalicelib.handlers.api.views import Answer


class OutcomeCount(Answer):
    """How many tabs ended with this percentage of the price as their outcome."""

    percent: int
    tabs: int


class IntegrityView(Answer):
    """How the business kept its promises from `since` to `until`, in counts; `at`: when they were counted.

    `is_enough` false: fewer than 10 tabs or 8 payers, too early to say. `billed`: bills of tabs with an estimate, as
    first presented. `answer_median_s`: seconds until a contest was answered, null where none was.
    `contests_by_default`: nobody answered in time, so the customer was right. `accepted_in_person`: agreements that
    staff recorded. `cap_raises`: higher caps that customers agreed to. `objections`: visits of which the customer said
    that what they count against them is not so, and `objections_upheld`: the business said so as well.
    """

    at: datetime
    since: datetime
    until: datetime
    is_enough: bool
    is_complete: bool
    tabs: int
    payers: int
    billed: int
    at_or_under_estimate: int
    contests: int
    contests_answered: int
    answer_median_s: int | None
    contests_by_default: int
    contests_won: int
    appointments: int
    canceled_by_business: int
    accepted: int
    accepted_in_person: int
    cap_raises: int
    no_shows: int
    no_shows_taken_back: int
    objections: int
    objections_upheld: int
    outcomes: list[OutcomeCount]


class ShownIntegrity(Answer):
    """`integrity` null: the business does not show it, or nothing was counted yet."""

    integrity: IntegrityView | None


class WeekView(Answer):
    """Seven days. What they bring is at least `p10_minor` nine times of ten, `p50_minor` or more half the time, and at
    most `p90_minor` nine times of ten; `booked_minor` was booked for them as the first of all weeks began.
    """

    starts_on: date
    booked_minor: int
    p10_minor: int
    p50_minor: int
    p90_minor: int


class ForecastView(Answer):
    """What will be paid out in the 13 weeks from today on, counted at `at`: less refunds, disputes and the gateway's
    fees, two days after a card was charged. Amounts are in the currency's smallest unit.

    `weeks_known`: whole weeks of history; before there are 13, the last weeks have no band, and their three amounts are
    the same. `held_minor`: held on cards now; it is not in the weeks. `error_minor`: by how much the last four weeks'
    forecasts were off, on average, and `naive_error_minor` the same of the mean of the eight weeks before; null while
    there is too little history.
    """

    at: datetime
    currency: str
    weeks: list[WeekView]
    weeks_known: int
    held_minor: int
    error_minor: int | None
    naive_error_minor: int | None
    is_complete: bool


def integrity(figures: Figures) -> IntegrityView:
    counts: Integrity = figures.integrity
    same = {name: getattr(counts, name) for name in Integrity.__struct_fields__ if name != "outcomes"}
    return IntegrityView(
        at=figures.at,
        is_enough=counts.is_enough,
        is_complete=figures.is_complete,
        outcomes=[OutcomeCount(percent=percent, tabs=tabs) for percent, tabs in sorted(counts.outcomes.items())],
        **same,
    )


def shown(figures: Figures | None) -> ShownIntegrity:
    return ShownIntegrity(integrity=integrity(figures) if figures else None)


def forecast(figures: Figures) -> ForecastView:
    outlook: Outlook = figures.outlook
    return ForecastView(
        at=figures.at,
        currency=outlook.currency,
        weeks=[
            WeekView(**{name: getattr(week, name) for name in WeekView.__struct_fields__}) for week in outlook.weeks
        ],
        weeks_known=outlook.weeks_known,
        held_minor=outlook.held_minor,
        error_minor=outlook.error_minor,
        naive_error_minor=outlook.naive_error_minor,
        is_complete=figures.is_complete,
    )
