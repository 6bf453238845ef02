"""Reading tabs: listings in pages, the timeline, and what each caller may see."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import InvalidInput, NotFound
from chalicelib.domain.tab.actor import Actor
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.status import Status
from chalicelib.usecases.parties.customers import create_customer
from chalicelib.usecases.tab.bill import add_items, void_item
from chalicelib.usecases.tab.booking import cancel_tab
from chalicelib.usecases.tab.list_tabs import Wanted, list_tabs
from chalicelib.usecases.tab.payment import pay_on_phone
from chalicelib.usecases.tab.read_page import Outcome, find_outcome
from chalicelib.usecases.tab.read_tabs import get_tab, get_timeline
from tests.usecases.shop import WITH_CARD, WITHOUT_CARD, Shop


def listed(
    shop: Shop, by: Actor, *, status: Status | None = None, customer_id: str | None = None, limit: int = 10
) -> list[str]:
    """The ids of all that is listed, over as many pages as it takes."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = list_tabs(shop.deps, Wanted(status=status, customer_id=customer_id), limit=limit, cursor=cursor, by=by)
        assert len(page.items) <= limit
        found += [line.tab_id for line in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


def three_tabs(shop: Shop) -> list[str]:
    """Two of Ada's, of which the second is canceled, and one of Bob's; an hour apart."""
    tabs = [shop.open().tab_id]
    shop.clock.instant += timedelta(hours=1)
    tabs.append(shop.open().tab_id)
    cancel_tab(shop.deps, shop.tab_id, "rain", request=shop.request(shop.staff))
    shop.clock.instant += timedelta(hours=1)
    ada, shop.customer_id = shop.customer_id, create_customer(
        shop.deps, "Bob", request=shop.request(shop.staff)
    ).customer_id  # fmt: skip
    tabs.append(shop.open().tab_id)
    shop.customer_id = ada
    return tabs


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_staff_list_by_status_or_by_customer(shop: Shop, limit: int) -> None:
    """The newest first, whatever the page size."""
    first, canceled, bobs = three_tabs(shop)

    assert listed(shop, shop.staff, status=Status.OPEN, limit=limit) == [bobs, first]
    assert listed(shop, shop.staff, status=Status.CLOSED, limit=limit) == [canceled]
    assert listed(shop, shop.staff, customer_id=shop.customer_id, limit=limit) == [canceled, first]


def test_customers_list_their_own_and_nothing_else(shop: Shop) -> None:
    """With or without their own name; not by status, which would count others too."""
    first, canceled, _ = three_tabs(shop)

    assert listed(shop, shop.ada) == [canceled, first]
    assert listed(shop, shop.ada, customer_id=shop.customer_id) == [canceled, first]
    with pytest.raises(InvalidInput):
        listed(shop, shop.ada, status=Status.OPEN)
    with pytest.raises(InvalidInput):
        listed(shop, shop.ada, customer_id="cus_bob")
    with pytest.raises(InvalidInput):
        listed(shop, shop.ada, status=Status.OPEN, customer_id=shop.customer_id)


def test_staff_list_by_one_of_the_two(shop: Shop) -> None:
    """Not by neither, not by both."""
    with pytest.raises(InvalidInput):
        listed(shop, shop.staff)
    with pytest.raises(InvalidInput):
        listed(shop, shop.staff, status=Status.OPEN, customer_id=shop.customer_id)


def test_nobody_lists_another_merchants_tabs(shop: Shop) -> None:
    """An operator has no tabs at all."""
    three_tabs(shop)

    assert listed(shop, replace(shop.staff, merchant_id="mer_other"), status=Status.OPEN) == []
    with pytest.raises(NotFound):
        listed(shop, replace(shop.staff, merchant_id=None), status=Status.OPEN)


def test_the_timeline_page_by_page(shop: Shop) -> None:
    """The oldest first, every entry once, numbered from 1."""
    shop.open(*WITHOUT_CARD).serve(50_00).accept_bill()

    entries = []
    cursor: str | None = None
    while True:
        page, _ = get_timeline(shop.deps, shop.tab_id, limit=2, cursor=cursor, by=shop.ada)
        assert len(page.items) <= 2
        entries += page.items
        cursor = page.next_cursor
        if cursor is None:
            break

    assert [entry.kind for entry in entries] == shop.kinds()
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert shop.tab.entry_count == len(entries)


def test_a_timeline_is_seen_by_whom_the_tab_is_seen_by(shop: Shop) -> None:
    """Neither another customer's nor another merchant's."""
    shop.open()

    for by in (replace(shop.ada, customer_id="cus_eve"), replace(shop.staff, merchant_id="mer_other")):
        with pytest.raises(NotFound):
            get_timeline(shop.deps, shop.tab_id, limit=10, cursor=None, by=by)
        with pytest.raises(NotFound):
            get_tab(shop.deps, shop.tab_id, by=by)
    assert get_tab(shop.deps, shop.tab_id, by=shop.ada).tab_id == shop.tab_id


def test_a_voided_item_counts_nothing_any_more(shop: Shop) -> None:
    """It stays in the list, with when it was voided; again, it changes nothing."""
    shop.open()
    lines = [ItemInput(description=name, unit_price_minor=10_00) for name in ("Cut", "Wax")]
    added = add_items(shop.deps, shop.tab_id, lines, request=shop.request(shop.staff)).tab

    answer = void_item(shop.deps, shop.tab_id, added.items[1].item_id, request=shop.request(shop.staff))
    again = void_item(shop.deps, shop.tab_id, added.items[1].item_id, request=shop.request(shop.staff))

    assert answer.tab.total_minor == 10_00
    assert [item.voided_at is not None for item in answer.tab.items] == [False, True]
    assert again.tab == answer.tab
    with pytest.raises(NotFound):
        void_item(shop.deps, shop.tab_id, "itm_none", request=shop.request(shop.staff))


@pytest.mark.parametrize(
    ("state", "outcome"),
    [("waiting", Outcome.OPEN), ("processing", Outcome.PROCESSING), ("paid", Outcome.PAID)],
)
def test_what_became_of_a_payment_on_the_page_is_the_gateways_word(shop: Shop, state: str, outcome: Outcome) -> None:
    """A slow bank is neither paid nor still open: it is not to be paid again, nor said to have gone through."""
    shop.open(*WITH_CARD).serve(50_00)
    pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    on_page = tuple(replace(attempt, return_url="https://shop.example/back") for attempt in shop.tab.attempts)
    for payment in shop.gateway.payments.values():
        payment.state = state

    assert find_outcome(shop.deps, shop.tab) is None, "what waits on the phone is no page's"
    assert find_outcome(shop.deps, replace(shop.tab, attempts=on_page)) == outcome
