"""Stories that random steps reach by luck only: played step by step on the same machine, with all that it watches.

A rule that is broken where a story leads must fail here in every run, not in one of a thousand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.domain.news.message import MessageKind
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.policy import LapseAction, Resolution
from chalicelib.domain.tab.status import Status
from tests.usecases.fake_gateway import CardBehaviour
from tests.usecases.shop import EVERYTHING, WITHOUT_CARD
from tests.usecases.test_random_stories import AnyStory


class Directed:
    """A random story whose steps are chosen: `told.cancel(...)` is that step, and what always holds is looked at."""

    def __init__(self) -> None:
        self._machine = AnyStory()

    def __getattr__(self, name: str) -> Any:
        step = getattr(self._machine, name)
        if not callable(step) or name == "shop":
            return step

        def take(*given: Any, **named: Any) -> None:
            step(*given, **named)
            for always in self._machine.invariants:
                always.function(self._machine)

        return take

    def begin(self, **given: Any) -> None:
        usual = {"starts_in_hours": None, "deposit": 0, "fee": 0, "late_fee": 0, "opens_later": 0, "review_days": 1}
        kept = {"lapse": LapseAction.KEEP_UNSECURED, "card": CardBehaviour.GOOD, "refunds_end": "succeeded"}
        asked = {"time_zone": "UTC", "consents": EVERYTHING, "billed": False, "addresses": True}
        self.open(**{**usual, **kept, **asked, **given})

    def days_pass(self, days: int) -> None:
        """The schedule runs at each hour of them."""
        for _ in range(days * 24):
            self.time_passes(60)
            self.schedule_runs()

    @property
    def taken(self) -> int:
        return sum(payment.kept_minor for payment in self.shop.gateway.payments.values())


@pytest.fixture
def told() -> Iterator[Directed]:
    """Everything heals at its end, and then the money must be right."""
    told = Directed()
    yield told
    told.teardown()


# What was promised


def test_a_far_deposit_is_not_accepted_without_a_card(told: Directed) -> None:
    """In nine days no hold of today lives any more: without a card to be kept nothing could secure it then."""
    told.begin(starts_in_hours=216, deposit=20_00, consents=None)

    told.accept_promise(WITHOUT_CARD)
    assert told.shop.tab.promise.accepted is None
    told.accept_promise(EVERYTHING)

    assert told.shop.tab.promise.accepted is not None


def test_cancelling_for_nothing_is_no_way_round_the_no_show(told: Directed) -> None:
    """Without a late-cancel fee, free until the start: an hour after it the customer cancels, and pays as a no-show."""
    told.begin(starts_in_hours=24, deposit=20_00, fee=15_00, late_fee=0)
    told.time_passes(24 * 60)
    told.time_passes(60)

    told.cancel(told.shop.ada.role)

    assert told.shop.tab.status == Status.CANCELED


def test_a_missed_booking_costs_its_fee_a_day_after_it_was_said(told: Directed) -> None:
    """15.00 of the 20.00 held; the rest goes back, and for two weeks the customer can object."""
    told.begin(starts_in_hours=24, deposit=20_00, fee=15_00)
    told.time_passes(24 * 60)
    told.time_passes(60)
    told.no_show()
    told.schedule_runs()
    taken_at_once = told.taken

    told.days_pass(2)

    assert (taken_at_once, told.taken) == (0, 15_00)
    assert told.shop.tab.status == Status.NO_SHOW


def test_a_service_that_has_begun_is_not_canceled_by_the_customer(told: Directed) -> None:
    """Two hours of work are done and not keyed in: the hold stays."""
    told.begin(starts_in_hours=2, deposit=20_00, fee=15_00)
    told.check_in()

    told.cancel(told.shop.ada.role)

    assert told.shop.tab.status == Status.OPEN


# What nobody answers


def test_a_part_that_is_contested_and_not_answered_is_waived_alone(told: Directed) -> None:
    """Of 50.00 the 20.00 that are contested; the rest is charged as agreed."""
    told.begin(billed=True)
    told.contest(20_00)

    told.nobody_answers_the_contest()

    assert told.taken == 30_00


def test_cash_waits_for_somebody_who_hands_it_back(told: Directed) -> None:
    """20.00 of 50.00 are paid in cash, and the whole is contested: no clock has the money in its hand."""
    told.begin(billed=True, consents=WITHOUT_CARD)
    told.days_pass(2)
    told.cash(20_00)
    told.contest(None)
    told.nobody_answers_the_contest()
    told.days_pass(1)
    assert told.shop.tab.cash_to_return_minor == 20_00

    told.return_cash(None)

    assert told.shop.tab.cash_to_return_minor == 0


# When a card is charged


def test_nothing_is_charged_before_the_promised_start(told: Directed) -> None:
    """Booked in eight days, done today: silence charges on the eighth day."""
    told.begin(starts_in_hours=200, billed=True)

    told.days_pass(8)
    assert told.taken == 0
    told.days_pass(1)

    assert told.taken == 50_00


def test_a_hold_clock_leaves_the_balance_its_review(told: Directed) -> None:
    """Ten days are promised, and the hold ends before: 20.00 are captured then, 30.00 charged on the tenth day."""
    told.begin(deposit=20_00, review_days=10, billed=True)

    told.days_pass(9)
    assert told.taken == 20_00
    told.days_pass(1)

    assert told.taken == 50_00


def test_what_was_agreed_to_be_taken_off_stays_off(told: Directed) -> None:
    """20.00 off after a contest; the bill is taken back, presented again, and 30.00 are charged."""
    told.begin(billed=True)
    told.contest(20_00)
    told.resolve((Resolution.ADJUST, 20_00))
    told.amend()
    told.complete()

    told.days_pass(2)

    assert told.taken == 30_00


def test_who_accepts_the_bill_is_charged_as_present(told: Directed) -> None:
    """The bank's question is answered in the flow, and nobody is chased for it."""
    told.begin(billed=True, card=CardBehaviour.ASKS)

    told.accept_bill(0, None)

    (payment,) = told.shop.gateway.payments.values()
    told.shop.gateway.confirm(payment.payment_id)
    told.shop.deliver_all()
    assert told.taken == 50_00


def test_a_call_that_is_refused_is_not_the_banks_word(told: Directed) -> None:
    """Nothing was taken and no bank was asked: no card is said to be declined, and the call is made again."""
    told.begin(billed=True)
    told.our_call_will_be_refused(Operation.CHARGE)

    told.days_pass(2)

    kinds = told.shop.told
    assert MessageKind.CALL_REFUSED in kinds
    assert MessageKind.CARD_DECLINED not in kinds
    assert told.taken == 50_00
