"""Every day and time that a person reads is their own: a business in Tokyo, a minute before midnight and at it."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from .test_charging import bank_says
from .world import Shop, World, billed, booking, held

TOKYO = ZoneInfo("Asia/Tokyo")
TO_MIDNIGHT_S = 6 * 3600
"""A story begins at 09:00 UTC, which is 18:00 in Tokyo; 23:59:59 there is still the same day in UTC, and so is 0:00."""

edges = pytest.mark.parametrize(("seconds", "days"), [(TO_MIDNIGHT_S - 1, 0), (TO_MIDNIGHT_S, 1)], ids=["before", "at"])


@pytest.fixture
def tokyo(world: World) -> Shop:
    return world.shop(time_zone="Asia/Tokyo", quiet_from_hour=0, quiet_until_hour=0)


def instants(world: World, kind: str, name: str) -> dict[str, str]:
    """What each side is told of an instant, as their clock shows it: `08 January 00:00`."""
    return {
        message.to: f"{datetime.fromisoformat(str(message.values[name])).astimezone(TOKYO):%d %B %H:%M}"
        for message in world.messages
        if message.kind == kind
    }


@edges
def test_the_day_of_the_next_try(world: World, tokyo: Shop, seconds: int, days: int) -> None:
    """Declined when the review of a day has ended; tried again two days after that."""
    ana = tokyo.customer()
    world.move(seconds=seconds)
    billed(tokyo, ana, 8000, card="pm_card_visa")
    bank_says(tokyo, ana, "insufficient_funds")

    world.move(days=1)

    assert instants(world, "card_declined", "next_try_at")["customer"].startswith(f"{8 + days:02} January")


@edges
def test_the_last_moment_of_free_cancelling(world: World, tokyo: Shop, seconds: int, days: int) -> None:
    """Two days before the new time, at the same hour; of day and hour, customer and owner read theirs."""
    ana = tokyo.customer()
    tab = held(tokyo, ana, booking(tokyo, ana, hours=72))

    starts_at = world.in_(days=4, seconds=seconds)
    ana.post(f"/v1/tabs/{tab['tab_id']}/reschedule", {"starts_at": starts_at}).ok()

    hour = "00:00" if days else "23:59"
    both = ("customer", "owner")
    assert instants(world, "rescheduled", "starts_at") == dict.fromkeys(both, f"{9 + days:02} January {hour}")
    assert instants(world, "rescheduled", "free_cancel_until") == dict.fromkeys(both, f"{7 + days:02} January {hour}")


@edges
def test_the_days_of_a_fee(world: World, tokyo: Shop, seconds: int, days: int) -> None:
    """Nobody came: due a day later, open to objection for two weeks, and taken back as long."""
    ana = tokyo.customer()
    tab = held(tokyo, ana, booking(tokyo, ana, hours=5))
    world.move(seconds=seconds)

    tokyo.staff.post(f"/v1/tabs/{tab['tab_id']}/no_show").ok()

    for side in ("customer", "owner"):
        assert instants(world, "no_show", "fee_due_at")[side].startswith(f"{6 + days:02} January")
        assert instants(world, "no_show", "final_at")[side].startswith(f"{19 + days:02} January")


def test_a_refusal_names_the_hour_and_the_zone(world: World, tokyo: Shop) -> None:
    """Staff read it at the counter: the service begins at a quarter to midnight, and then there is the grace."""
    ana = tokyo.customer()
    tab = held(tokyo, ana, booking(tokyo, ana, hours=5.75))

    refused = tokyo.staff.post(f"/v1/tabs/{tab['tab_id']}/no_show").problem(409, "transition_refused")

    assert "06 January at 00:00 (Asia/Tokyo)" in refused["detail"]


def test_a_reminder_comes_by_day(world: World) -> None:
    """Unpaid since half past nine in the evening: the reminder that is due a day later waits for the morning there."""
    shop = world.shop(time_zone="Asia/Tokyo")
    ana = shop.customer()
    world.move(hours=3, minutes=30)
    tab = billed(shop, ana, 8000)
    ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill").ok()

    at = datetime.fromisoformat(shop.seen(tab)["next_action"]["at"])

    assert at.astimezone(TOKYO).isoformat() == "2026-01-07T08:00:00+09:00"
    world.move(hours=34, minutes=29)
    assert "reminder" not in [message.kind for message in world.messages]
    world.move(minutes=1)
    (reminder,) = [message for message in world.messages if message.kind == "reminder"]
    assert reminder.at.astimezone(TOKYO).hour == 8


@edges
def test_a_day_of_the_report(world: World, tokyo: Shop, seconds: int, days: int) -> None:
    """A bill whose review ends a day later is expected on that day of theirs."""
    ana = tokyo.customer()
    world.move(seconds=seconds)
    billed(tokyo, ana, 8000, card="pm_card_visa")

    report = tokyo.owner.get("/v1/reports/receivables").ok()

    assert report["expected"] == [{"day": f"2026-01-{6 + days:02}", "amount_minor": 8000}]
