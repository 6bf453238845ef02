"""The outlook: what of visits is a receipt, in which week, and what was booked as a week began."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from chalicelib.domain.books.outlook import PAYOUT_DELAY, outlook_of
from chalicelib.domain.tab.payments import LegKind
from chalicelib.domain.trust.figures import Outlook
from chalicelib.domain.trust.visit import Held, Paid, Visit

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def visit(opened_at: datetime, **more: Any) -> Visit:
    return Visit(tab_id="tab_1", merchant_id="mer_1", customer_id="cus_1", currency="EUR", opened_at=opened_at, **more)


def paid(at: datetime, amount_minor: int, means: LegKind = LegKind.CHARGE, **more: Any) -> Paid:
    return Paid(payment_id=f"pi_{at}", means=means, at=at, amount_minor=amount_minor, **more)


def outlook(*visits: Visit) -> Outlook:
    return outlook_of(visits, currency="EUR", time_zone="Europe/Lisbon", now=NOW)


def cafe(weeks: int, a_week_minor: int = 70_000) -> list[Visit]:
    """Walk-ins of every day, paid within the hour: nothing is ever booked ahead."""
    return [
        visit(at, estimate_minor=0, payments=(paid(at, a_week_minor // 7, LegKind.CASH),), closed_at=at)
        for at in (NOW - DAY * day for day in range(1, weeks * 7 + 1))
    ]


def test_a_cafe_without_bookings_expects_what_it_takes() -> None:
    """Nothing is booked, and still it is known what a week brings."""
    found = outlook(*cafe(30))
    assert found.weeks_known == 30
    assert [week.booked_minor for week in found.weeks] == [0] * 13
    assert {week.p50_minor for week in found.weeks} == {70_000}
    assert (found.error_minor, found.naive_error_minor) == (0, 0)


def test_thirteen_weeks_from_today_with_what_is_booked_for_each() -> None:
    """A service counts when it is paid out; what was paid or called off is not booked, and what is overdue is due."""
    opened = NOW - 3 * DAY
    found = outlook(
        visit(opened, starts_at=NOW + 20 * DAY, estimate_minor=8000),
        visit(opened, starts_at=NOW + 20 * DAY, estimate_minor=500, payments=(paid(opened, 200),)),
        visit(opened, starts_at=NOW + 20 * DAY, estimate_minor=9999, canceled_at=opened),
        visit(opened, starts_at=NOW + 400 * DAY, estimate_minor=9999),
        visit(opened, starts_at=opened, billed_at=opened, estimate_minor=50, presented_minor=70),
        visit(NOW, starts_at=NOW + 20 * DAY, estimate_minor=9999),
    )
    assert [week.starts_on for week in found.weeks] == [date(2026, 6, 10) + 7 * DAY * week for week in range(13)]
    booked = {week: found.weeks[week].booked_minor for week in range(13) if found.weeks[week].booked_minor}
    assert booked == {0: 70, (20 + PAYOUT_DELAY.days) // 7: 8300}


def test_receipts_are_less_what_went_back_and_less_fees_when_they_are_paid_out() -> None:
    """Cash is there at once; a card's payment of the last day before a week began belongs to that week."""
    edge = NOW - 7 * DAY
    history = cafe(20)
    by_cash = visit(edge - DAY, payments=(paid(edge - DAY, 7000, LegKind.CASH, refunded_minor=1000),))
    by_card = visit(edge - DAY, payments=(paid(edge - DAY, 7000),), processing_fee_minor=300)
    usual = outlook(*history).weeks[0].p50_minor
    assert outlook(*history, by_cash).weeks[0].p50_minor == usual + 6000 // 8
    with_card = outlook(*history, by_card)
    assert with_card.weeks[0].p50_minor == round(usual + 6700 / 8)
    assert (with_card.error_minor, with_card.naive_error_minor) == (round(6700 / 4), round(6700 / 4))


def test_held_money_is_apart_and_other_currencies_are_left_out() -> None:
    hold = Held(payment_id="pi_h", amount_minor=2500, capture_before=NOW + DAY)
    other = Visit(tab_id="t", merchant_id="m", customer_id="c", currency="USD", opened_at=NOW - DAY, holds=(hold,))
    found = outlook(visit(NOW - DAY, holds=(hold,)), other)
    assert found.held_minor == 2500
    assert {week.p50_minor for week in found.weeks} == {0}


def test_who_has_no_visits_has_thirteen_empty_weeks() -> None:
    found = outlook()
    assert len(found.weeks) == 13 and found.weeks_known == 0
    assert found.error_minor is None and found.naive_error_minor is None
