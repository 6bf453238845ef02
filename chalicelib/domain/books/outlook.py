"""The outlook: what a merchant will receive in each of the next 13 weeks, from its visits (docs/forecast.md). Pure.

Receipts are what arrives: payments less what has gone back of them (refunds, disputes), less the gateway's fees, in the
week in which they are paid out. Held money is no receipt and stands beside them. What was booked as each week began is
counted from what the visits say of that time; the forecast learns from both (`forecast`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from statistics import fmean
from zoneinfo import ZoneInfo

from chalicelib.domain.books.forecast import HORIZONS, RECENT, forecasts
from chalicelib.domain.news.dates import local_date
from chalicelib.domain.tab.payments import LegKind
from chalicelib.domain.trust.figures import Outlook, Week
from chalicelib.domain.trust.visit import Visit

WEEK = timedelta(weeks=1)
HISTORY = 52
"""The weeks that a forecast learns from at most."""
PAYOUT_DELAY = timedelta(days=2)
"""From a card payment to its payout: https://docs.stripe.com/payouts, the shortest of the usual schedules."""
MONTH = 4
"""Weeks that the last month's error is the mean of."""


def outlook_of(visits: Collection[Visit], *, currency: str, time_zone: str, now: datetime) -> Outlook:
    """From the visits of the last year and all that are booked; others would only be ignored.

    Weeks are counted from today, in `time_zone`, forwards and back: so every past week began as today does, and what
    was known of it then compares with what is known now. Today is the first day of the first of the 13.
    """
    visits = [visit for visit in visits if visit.opened_at is not None and visit.currency == currency]
    today = local_date(now, time_zone)
    earliest = min((local_date(_opened(visit), time_zone) for visit in visits), default=today)
    known = min(HISTORY, (today - earliest) // WEEK)
    first = today - known * WEEK

    received = [0] * known
    booked = [[0] * HORIZONS for _ in range(known + 1)]
    begins = [_begins(first + week * WEEK, time_zone) for week in range(known + 1)]
    for visit in visits:
        for at, amount_minor in _receipts(visit):
            week = (local_date(at, time_zone) - first) // WEEK
            if 0 <= week < known:
                received[week] += amount_minor
        due = (local_date(_expected_at(visit), time_zone) - first) // WEEK
        for now_week in range(max(0, min(due, known) - HORIZONS + 1), known + 1):
            horizon = max(0, due - now_week)
            if horizon < HORIZONS:
                booked[now_week][horizon] += _booked_minor(visit, begins[now_week])

    made = list(forecasts(received, booked))
    weeks = tuple(
        Week(
            starts_on=today + horizon * WEEK,
            booked_minor=booked[-1][horizon],
            p10_minor=expected.p10,
            p50_minor=expected.p50,
            p90_minor=expected.p90,
        )
        for horizon, expected in enumerate(made[-1])
    )
    error_minor = naive_error_minor = None
    if known >= RECENT + MONTH:
        past = range(known - MONTH, known)
        error_minor = round(fmean(abs(made[week][0].p50 - received[week]) for week in past))
        naive_error_minor = round(fmean(abs(fmean(received[week - RECENT : week]) - received[week]) for week in past))
    return Outlook(
        currency=currency,
        weeks=weeks,
        weeks_known=known,
        held_minor=sum(visit.held_minor for visit in visits),
        error_minor=error_minor,
        naive_error_minor=naive_error_minor,
    )


def _receipts(visit: Visit) -> Iterator[tuple[datetime, int]]:
    """What a tab has brought, and when; the gateway's fees are taken off its first payment by card."""
    fee_minor = visit.processing_fee_minor
    for payment in visit.payments:
        if payment.means == LegKind.CASH:
            yield payment.at, payment.amount_minor - payment.refunded_minor
        else:
            yield payment.at + PAYOUT_DELAY, payment.amount_minor - payment.refunded_minor - fee_minor
            fee_minor = 0


def _booked_minor(visit: Visit, at: datetime) -> int:
    """What was to be expected of the tab at that time: its bill, or before that its estimate, less what was paid."""
    ended = (visit.canceled_at, visit.no_show_at, visit.closed_at)
    if _opened(visit) >= at or any(end is not None and end < at for end in ended):
        return 0
    has_bill = visit.billed_at is not None and visit.billed_at < at
    whole_minor = visit.presented_minor if has_bill else visit.estimate_minor
    return max(0, whole_minor - sum(payment.amount_minor for payment in visit.payments if payment.at < at))


def _expected_at(visit: Visit) -> datetime:
    return (visit.starts_at or _opened(visit)) + PAYOUT_DELAY


def _opened(visit: Visit) -> datetime:
    assert visit.opened_at is not None, "visits without an opening were left out"
    return visit.opened_at


def _begins(day: date, time_zone: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(time_zone))
