"""The credit account alone: what can be spent when, in which order, what is taken back, carried and lost."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.trust import credits
from chalicelib.domain.trust.credits import MAXIMUM_LOTS, CreditAccount, Lot
from chalicelib.domain.trust.terms import LotKind
from tests.unit.till import NOON

EMPTY = CreditAccount(merchant_id="mer_1", customer_id="cus_1")
LATER = NOON + timedelta(days=14)


def lot(name: str, amount_minor: int, *, after_days: float = 14, until_days: float = 365) -> Lot:
    return Lot(
        lot_id=name,
        kind=LotKind.EARNED,
        tab_id="tab_1",
        amount_minor=amount_minor,
        earned_at=NOON,
        active_at=NOON + timedelta(days=after_days),
        expires_at=NOON + timedelta(days=until_days),
    )


def account(*lots: Lot) -> CreditAccount:
    made = EMPTY
    for one in lots:
        made = credits.add(made, one, "EUR")
    return made


def left(of: CreditAccount) -> dict[str, int]:
    return {one.lot_id: one.left_minor for one in of.lots}


def test_credit_is_pending_then_active_then_expired_by_the_clock_alone() -> None:
    """No job changes it: the same account says something else at another time, to the instant."""
    made = account(lot("a", 5_00))

    def says(at: datetime) -> tuple[int, int]:
        return made.pending_minor(at), made.active_minor(at)

    a_moment = timedelta(microseconds=1)
    expires_at = NOON + timedelta(days=365)
    assert says(LATER - a_moment) == (5_00, 0)
    assert says(LATER) == (0, 5_00)
    assert says(expires_at - a_moment) == (0, 5_00)
    assert says(expires_at) == (0, 0)


def test_what_expires_first_is_spent_first() -> None:
    made = account(lot("late", 5_00, until_days=300), lot("soon", 3_00, until_days=100))

    assert left(credits.spend(made, 4_00, LATER)) == {"late": 4_00, "soon": 0}


def test_the_last_cent_is_spent_too() -> None:
    assert left(credits.spend(account(lot("a", 1)), 1, LATER)) == {"a": 0}


def test_pending_credit_is_not_spent_in_place_of_active_credit() -> None:
    """Though it expires sooner."""
    made = account(lot("active", 5_00), lot("pending", 5_00, after_days=100, until_days=200))

    assert left(credits.spend(made, 5_00, LATER)) == {"active": 0, "pending": 5_00}


def test_a_lot_that_was_forgotten_or_lives_does_not_expire() -> None:
    made = account(lot("a", 5_00))

    assert credits.expire(made, "gone", NOON + timedelta(days=999)) == (made, 0)
    assert credits.expire(made, "a", NOON + timedelta(days=364)) == (made, 0)


def test_more_than_is_active_is_never_spent() -> None:
    """Pending credit is not there yet, and what is carried comes off first."""
    made = account(lot("active", 5_00), lot("pending", 5_00, after_days=100))

    with pytest.raises(AssertionError, match="more is spent"):
        credits.spend(made, 5_01, LATER)


def test_what_is_taken_back_after_it_was_spent_is_carried_and_covered_by_the_next_credit() -> None:
    spent = credits.spend(account(lot("a", 5_00)), 4_00, LATER)
    short, taken_minor = credits.reverse(spent, lot("a", 5_00), 5_00, LATER)

    assert taken_minor == 5_00
    assert (short.balance_minor, short.carried_minor, short.active_minor(LATER)) == (-4_00, 4_00, 0)

    pending = credits.add(short, lot("b", 6_00, after_days=20), "EUR")
    assert pending.active_minor(LATER) == 0
    much_later = NOON + timedelta(days=20)
    assert pending.active_minor(much_later) == 2_00
    assert left(credits.spend(pending, 2_00, much_later)) == {"a": 0, "b": 0}


def test_an_expired_lot_is_not_taken_back_once_more() -> None:
    """What was lost by the clock is not owed because of a refund as well."""
    end = NOON + timedelta(days=365)
    spent = credits.spend(account(lot("a", 5_00)), 2_00, LATER)
    ended, lost_minor = credits.expire(spent, "a", end)
    short, taken_minor = credits.reverse(ended, lot("a", 5_00), 5_00, end)

    assert (lost_minor, taken_minor, short.balance_minor) == (3_00, 2_00, -2_00)


def test_a_lot_that_ends_covers_what_is_carried_before_the_rest_is_lost() -> None:
    spent = credits.spend(account(lot("a", 4_00)), 4_00, LATER)
    short, _ = credits.reverse(spent, lot("a", 4_00), 4_00, LATER)
    both = credits.add(short, lot("b", 6_00, after_days=20, until_days=30), "EUR")

    ended, lost_minor = credits.expire(both, "b", NOON + timedelta(days=30))

    assert (lost_minor, ended.balance_minor, left(ended)) == (2_00, 0, {"a": 0, "b": 0})


def test_lots_that_are_used_up_are_forgotten_and_can_still_be_taken_back() -> None:
    made = EMPTY
    for number in range(MAXIMUM_LOTS + 5):
        made = credits.add(made, lot(f"lot_{number}", 1_00, after_days=0), "EUR")
        made = credits.spend(made, 1_00, NOON)
    assert len(made.lots) <= MAXIMUM_LOTS + 1
    assert made.lot("lot_0") is None

    short, taken_minor = credits.reverse(made, lot("lot_0", 1_00), 1_00, NOON)

    assert (taken_minor, short.balance_minor) == (1_00, -1_00)


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "spend", "reverse", "expire", "wait"]), st.integers(1, 20), st.integers(0, 9)),
    max_size=25,
)


@given(STEPS)
def test_whatever_happens_the_balance_is_what_was_given_less_what_went(steps: list[tuple[str, int, int]]) -> None:
    """Nothing is spent beyond what is active, nothing is paid out, and no lot is short but for what was taken back."""
    made, now, names = EMPTY, NOON, 0
    given: dict[str, Lot] = {}
    added = spent = reversed_ = expired = 0
    for what, amount, which in steps:
        active_minor = made.active_minor(now)
        names_so_far = sorted(given)
        if what == "add":
            days = (now - NOON).days
            one = lot(f"lot_{names:03}", amount, after_days=days + which, until_days=days + which + amount)
            names, given[one.lot_id], added = names + 1, one, added + amount
            made = credits.add(made, one, "EUR")
        elif what == "spend" and active_minor:
            part = min(amount, active_minor)
            made, spent = credits.spend(made, part, now), spent + part
            assert made.active_minor(now) == active_minor - part
        elif what == "reverse" and names_so_far:
            one = given[names_so_far[which % len(names_so_far)]]
            made, taken = credits.reverse(made, one, amount, now)
            reversed_ += taken
            assert made.active_minor(now) <= active_minor
        elif what == "expire" and names_so_far:
            made, lost = credits.expire(made, names_so_far[which % len(names_so_far)], now)
            expired += lost
            assert made.active_minor(now) <= active_minor
        elif what == "wait":
            now += timedelta(days=amount)
        assert made.balance_minor == added - spent - reversed_ - expired
        assert all(one.spent_minor >= 0 and one.reversed_minor <= one.amount_minor for one in made.lots)
        assert made.carried_minor <= reversed_
