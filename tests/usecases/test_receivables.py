"""Unpaid amounts: their limits, and the owner's report of receivables."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import ExposureExceeded
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.status import Status
from chalicelib.ports.store import TabSummary
from chalicelib.usecases.books import receivables as receivables_module
from chalicelib.usecases.books.receivables import ExpiringHold, Receivables, age_of, receivables
from chalicelib.usecases.parties.customers import create_customer, remove_card
from chalicelib.usecases.tab import listings
from chalicelib.usecases.tab.bill import add_items, amend_bill, contest_bill, write_off
from chalicelib.usecases.tab.booking import mark_no_show, open_tab
from chalicelib.usecases.tab.payment import pay_on_phone, take_cash
from tests.unit.till import terms
from tests.usecases.fake_gateway import CardBehaviour
from tests.usecases.shop import EVERYTHING, NOON, WITHOUT_CARD, Shop

ONE_CUSTOMER = Policy(exposure_per_customer_minor=100_00)
ONE_BUSINESS = Policy(exposure_per_merchant_minor=100_00)


def add(shop: Shop, price: int) -> None:
    item = ItemInput(description="Service", unit_price_minor=price)
    add_items(shop.deps, shop.tab_id, [item], request=shop.request(shop.staff))


def another_customer(shop: Shop) -> str:
    return create_customer(shop.deps, "Bob", request=shop.request(shop.staff)).customer_id


# Limits


@pytest.mark.parametrize("policy", [ONE_CUSTOMER, ONE_BUSINESS], ids=["customer", "business"])
def test_a_tab_is_opened_up_to_the_limit_and_not_beyond(policy: Policy) -> None:
    """50 are unpaid of at most 100: an estimate of 50 fits, a cent more does not."""
    shop = Shop(policy)
    shop.open(*WITHOUT_CARD).serve(50_00)

    with pytest.raises(ExposureExceeded) as refused:
        shop.open(estimate_minor=50_01)
    assert refused.value.context == {"limit_minor": 100_00, "unpaid_minor": 50_00}
    assert refused.value.code == "exposure_exceeded"

    shop.open(estimate_minor=50_00)


@pytest.mark.parametrize("policy", [ONE_CUSTOMER, ONE_BUSINESS], ids=["customer", "business"])
def test_items_are_added_up_to_the_limit_and_not_beyond(policy: Policy) -> None:
    """What is on other tabs counts, and what is on this one; refused, nothing is added."""
    shop = Shop(policy)
    shop.open(*WITHOUT_CARD).serve(50_00)
    shop.open(estimate_minor=10_00)
    add(shop, 30_00)

    with pytest.raises(ExposureExceeded):
        add(shop, 20_01)
    assert shop.tab.total_minor == 30_00

    add(shop, 20_00)
    assert shop.tab.total_minor == 50_00


def test_another_customers_debt_is_not_this_ones() -> None:
    """But the business's limit counts them all."""
    for policy, fits in ((ONE_CUSTOMER, True), (ONE_BUSINESS, False)):
        shop = Shop(policy)
        shop.open(*WITHOUT_CARD).serve(90_00)
        shop.customer_id = another_customer(shop)
        if fits:
            shop.open()
        else:
            with pytest.raises(ExposureExceeded):
                shop.open()


def test_what_is_paid_makes_room_again() -> None:
    """In part, or whole; a bill that was written off is no exposure any more."""
    shop = Shop(ONE_CUSTOMER)
    shop.open(*WITHOUT_CARD).serve(90_00).accept_bill()
    first = shop.tab_id
    take_cash(shop.deps, first, 50_00, request=shop.request(shop.staff))
    with pytest.raises(ExposureExceeded):
        shop.open(estimate_minor=60_01)
    shop.open(estimate_minor=60_00)

    write_off(shop.deps, first, "gone", request=shop.request(shop.owner))

    shop.open(estimate_minor=100_00)


def test_a_contested_bill_still_counts() -> None:
    """Saying that something is wrong is not paying."""
    shop = Shop(ONE_CUSTOMER)
    shop.open(*WITHOUT_CARD).serve(90_00)
    contest_bill(shop.deps, shop.tab_id, "bad", None, request=shop.request(shop.ada))

    with pytest.raises(ExposureExceeded):
        shop.open()


def test_no_limit_is_no_limit(shop: Shop) -> None:
    """Zero."""
    for _ in range(3):
        shop.open(*WITHOUT_CARD, estimate_minor=200_00).serve(200_00)


def test_a_repeated_opening_is_answered_though_the_limit_is_reached_by_now() -> None:
    """The first request made the tab; its repetition opens nothing."""
    shop = Shop(ONE_CUSTOMER)
    request = shop.request(shop.staff)
    first = open_tab(shop.deps, shop.customer_id, terms(), request=request)
    shop.open(*WITHOUT_CARD).serve(90_00)

    again = open_tab(shop.deps, shop.customer_id, terms(), request=request)

    assert again.tab.tab_id == first.tab.tab_id


# The report


def report(shop: Shop) -> Receivables:
    return receivables(shop.deps, by=shop.owner)


def test_nothing_is_owed_in_an_empty_shop(shop: Shop) -> None:
    """Every bracket is there, at zero."""
    said = report(shop)

    assert said.ageing == {"not_due": 0, "up_to_7_days": 0, "8_to_30_days": 0, "31_to_90_days": 0, "over_90_days": 0}
    assert (said.total_minor, said.expected, said.expiring_holds, said.exposure) == (0, {}, (), {})
    assert said.is_complete


@pytest.mark.parametrize(
    ("age", "bracket"),
    [
        (None, "not_due"),
        (timedelta(seconds=-1), "not_due"),
        (timedelta(0), "up_to_7_days"),
        (timedelta(days=7, hours=23), "up_to_7_days"),
        (timedelta(days=8), "8_to_30_days"),
        (timedelta(days=30, hours=23), "8_to_30_days"),
        (timedelta(days=31), "31_to_90_days"),
        (timedelta(days=90, hours=23), "31_to_90_days"),
        (timedelta(days=91), "over_90_days"),
    ],
    ids=str,
)
def test_a_bill_ages_from_the_day_it_fell_due(shop: Shop, age: timedelta | None, bracket: str) -> None:
    """Whole days, by bracket."""
    shop.open(*WITHOUT_CARD)
    (line,) = shop.store.list_by_status(shop.merchant_id, Status.OPEN, limit=10, cursor=None).items

    due: TabSummary = replace(line, due_at=None if age is None else NOON - age)

    assert age_of(due, NOON) == bracket


def test_the_report_adds_up_what_is_owed(shop: Shop) -> None:
    """A bill under review, one due for ten days and partly paid, a fee of today; what is paid or given up is gone."""
    shop.open(*WITHOUT_CARD).serve(90_00).accept_bill()
    take_cash(shop.deps, shop.tab_id, 20_00, request=shop.request(shop.staff))
    shop.open(*WITHOUT_CARD).serve(11_00).accept_bill()
    write_off(shop.deps, shop.tab_id, "gone", request=shop.request(shop.owner))
    shop.open(*EVERYTHING).serve(10_00).accept_bill()
    shop.clock.instant += timedelta(days=9)
    shop.open(*WITHOUT_CARD, starts_in_hours=23, no_show_fee_minor=30_00)
    booked = shop.tab_id
    shop.clock.instant += timedelta(days=1)
    mark_no_show(shop.deps, booked, request=shop.request(shop.staff))
    shop.open(*WITHOUT_CARD).serve(40_00)

    said = report(shop)

    assert said.total_minor == 70_00 + 30_00 + 40_00
    assert said.ageing["8_to_30_days"] == 70_00
    assert said.ageing["not_due"] == 30_00 + 40_00
    assert sum(said.ageing.values()) == said.total_minor
    assert said.exposure == {shop.customer_id: 140_00}


def test_what_is_expected_when(shop: Shop) -> None:
    """At the window's end with consent and a card, at the next try of a declined one; nothing without."""
    shop.open(*WITHOUT_CARD).serve(1_00)
    shop.open(*EVERYTHING).serve(20_00)
    shop.gateway.cards["pm_1"] = CardBehaviour.TRY_LATER
    shop.open(*EVERYTHING).serve(30_00).accept_bill()

    said = report(shop)

    assert said.expected == {(NOON + timedelta(days=1)).date(): 20_00, (NOON + timedelta(days=2)).date(): 30_00}


@pytest.mark.parametrize(("hours", "days"), [(2.99, 1), (3, 2)])
def test_what_is_expected_is_by_the_merchants_days(hours: float, days: int) -> None:
    """In Tokyo a new day begins at three in the afternoon, UTC."""
    shop = Shop(Policy(time_zone="Asia/Tokyo"))
    shop.wait(hours=hours)
    shop.open(*EVERYTHING).serve(20_00)

    assert report(shop).expected == {NOON.date() + timedelta(days=days): 20_00}


def test_nothing_is_expected_of_a_contest_or_of_a_card_that_is_gone(shop: Shop) -> None:
    """Neither will be charged by itself."""
    shop.open(*EVERYTHING).serve(20_00)
    contest_bill(shop.deps, shop.tab_id, "bad", None, request=shop.request(shop.ada))
    assert report(shop).expected == {}

    shop.open(*EVERYTHING).serve(30_00)
    remove_card(shop.deps, shop.customer_id, request=shop.request(shop.ada))
    assert report(shop).expected == {}


def test_a_bill_that_was_taken_back_is_neither_owed_nor_expected(shop: Shop) -> None:
    """It is a running total again: exposure, and no receivable."""
    shop.open(*EVERYTHING).serve(20_00)
    amend_bill(shop.deps, shop.tab_id, request=shop.request(shop.staff))

    said = report(shop)

    assert (said.total_minor, said.expected) == (0, {})
    assert said.exposure == {shop.customer_id: 20_00}


def test_holds_that_expire_within_two_days(shop: Shop) -> None:
    """The one that was placed five days ago, not today's; the soonest first."""
    shop.open(*WITHOUT_CARD, deposit_minor=20_00)
    old = shop.tab_id
    shop.gateway.confirm(shop.tab.attempts[0].payment_id or "")
    shop.deliver_all()
    shop.clock.instant += timedelta(days=5)
    shop.open(*WITHOUT_CARD, deposit_minor=30_00)
    shop.gateway.confirm(shop.tab.attempts[0].payment_id or "")
    shop.deliver_all()

    (hold,) = report(shop).expiring_holds

    assert (hold.tab_id, hold.held_minor) == (old, 20_00)
    assert hold.capture_before == NOON + timedelta(days=7)


def test_exposure_is_by_customer_the_largest_first(shop: Shop) -> None:
    """Two customers, three tabs."""
    ada = shop.customer_id
    shop.open(*WITHOUT_CARD).serve(10_00)
    shop.open(*WITHOUT_CARD).serve(20_00)
    shop.customer_id = bob = another_customer(shop)
    shop.open()
    add(shop, 99_00)

    assert list(report(shop).exposure.items()) == [(bob, 99_00), (ada, 30_00)]


def test_a_paid_bill_leaves_the_report(shop: Shop) -> None:
    """At once."""
    shop.open(*WITHOUT_CARD).serve(50_00)
    answer = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    assert answer.attempt is not None
    assert report(shop).total_minor == 50_00

    shop.gateway.confirm(answer.attempt.payment_id or "")
    shop.deliver_all()

    assert report(shop).total_minor == 0


@pytest.mark.parametrize(
    ("policy", "whose"), [(ONE_CUSTOMER, "for this customer: "), (ONE_BUSINESS, "for this business: ")]
)
def test_the_refusal_says_whose_limit_it_is(policy: Policy, whose: str) -> None:
    """And how high, in the currency."""
    shop = Shop(policy)

    with pytest.raises(ExposureExceeded) as refused:
        shop.open(estimate_minor=100_01)

    assert f"{whose}at most EUR 100.00" in refused.value.detail


def test_the_report_is_of_this_merchant_at_this_instant(shop: Shop) -> None:
    """Sums of several tabs in one bracket and on one day; every hold with whose it is, the soonest first."""
    for price in (10_00, 20_00):
        shop.open(*EVERYTHING).serve(price)
    holds = []
    for later, deposit in ((0, 30_00), (1, 40_00)):
        shop.clock.instant += timedelta(hours=later)
        shop.open(*WITHOUT_CARD, deposit_minor=deposit)
        shop.gateway.confirm(shop.tab.attempts[0].payment_id or "")
        shop.deliver_all()
        holds.append(ExpiringHold(
            tab_id=shop.tab_id,
            customer_id=shop.customer_id,
            held_minor=deposit,
            capture_before=shop.clock.instant + timedelta(days=7),
        ))  # fmt: skip
    shop.clock.instant = holds[1].capture_before - timedelta(hours=48)

    said = report(shop)

    assert (said.currency, said.at, said.is_complete) == ("EUR", shop.clock.instant, True)
    assert said.expiring_holds == tuple(holds)
    assert said.ageing["not_due"] == 30_00
    assert said.expected == {(NOON + timedelta(days=1)).date(): 30_00}


@pytest.mark.parametrize(("tabs", "is_complete"), [(2, True), (3, False), (4, False)])
def test_a_report_of_too_many_tabs_says_that_it_is_not_all(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tabs: int, is_complete: bool
) -> None:
    """It reads as many as it may and one more, and counts no more than it may."""
    monkeypatch.setattr(receivables_module, "MOST_TABS", 2)
    monkeypatch.setattr(listings, "PAGE", 1)
    for _ in range(tabs):
        shop.open(*WITHOUT_CARD).serve(10_00)

    said = report(shop)

    assert (said.is_complete, said.total_minor) == (is_complete, 20_00)
