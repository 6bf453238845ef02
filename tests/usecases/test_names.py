"""Linking a customer's names: what is written, also when others write at the same time or the process dies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import pytest
from msgspec.structs import replace

from chalicelib.domain.parties import Customer, anonymous
from chalicelib.usecases.parties.contacts import ContactInput, put_contact
from chalicelib.usecases.parties.customers import create_customer
from chalicelib.usecases.trust.names import ROUNDS, link_by_card, link_by_phone
from tests.usecases.shop import NOON, Shop


class Died(BaseException):
    """The process is gone."""


def with_card(shop: Shop, count: int) -> list[str]:
    """So many customers who have used one card, of whom nobody is linked yet."""
    made = [create_customer(shop.deps, f"guest {n}", request=shop.request(shop.staff)) for n in range(count)]
    for customer in made:
        shop.deps.visits.note_card(shop.merchant_id, customer.customer_id, "fp_1", limit=1)
    return [customer.customer_id for customer in made]


def link(shop: Shop, customer_id: str) -> None:
    link_by_card(shop.deps, shop.merchant_id, customer_id, "fp_1")


def is_linked(shop: Shop, customer_id: str) -> bool:
    return shop.deps.visits.find_unlinked(shop.merchant_id, customer_id, "fp_1") is None


def stored(shop: Shop, customer_id: str) -> Customer:
    return shop.store.get_customer(shop.merchant_id, customer_id)


def names(shop: Shop, customer_ids: Collection[str]) -> dict[str, set[str]]:
    return {one: set(stored(shop, one).same_card) for one in customer_ids}


def all_of_each_other(customer_ids: Collection[str]) -> dict[str, set[str]]:
    return {one: set(customer_ids) - {one} for one in customer_ids}


def before_each_write(shop: Shop, monkeypatch: pytest.MonkeyPatch, act: Callable[[int, Customer], None]) -> None:
    """`act` is told the number of the write, from 0, and who is about to be written."""
    update = shop.store.update_customer
    number = 0

    def watched(customer: Customer) -> None:
        nonlocal number
        number += 1
        act(number - 1, customer)
        update(customer)

    monkeypatch.setattr(shop.store, "update_customer", watched)


def reads(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Whom each later read asks for."""
    asked: list[list[str]] = []
    find = shop.store.find_customers

    def watched(merchant_id: str, customer_ids: Collection[str]) -> Mapping[str, Customer]:
        asked.append(list(customer_ids))
        return find(merchant_id, customer_ids)

    monkeypatch.setattr(shop.store, "find_customers", watched)
    return asked


def another_writes(shop: Shop, customer_id: str, name: str = "") -> None:
    """Somebody else changes the customer between our read and our write."""
    before = stored(shop, customer_id)
    more = (*before.same_card, name) if name else before.same_card
    changed = replace(before, reference="changed", same_card=more, version=before.version + 1)
    type(shop.store).update_customer(shop.store, changed)


def test_each_customer_is_written_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all names at a time, and the others are one read."""
    *others, customer_id = with_card(shop, 6)
    written: list[str] = []
    before_each_write(shop, monkeypatch, lambda number, customer: written.append(customer.customer_id))
    asked = reads(shop, monkeypatch)

    link(shop, customer_id)

    assert written == [customer_id, *others]
    assert asked == [[customer_id], others]
    assert names(shop, [customer_id, *others]) == all_of_each_other([customer_id, *others])


@pytest.mark.parametrize("which", range(4))
def test_who_is_changed_meanwhile_is_read_again_alone(which: int, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither change is lost, and what came with theirs is known, too; the first is the customer: all pairs again."""
    *others, customer_id = with_card(shop, 4)
    changed = [customer_id, *others][which]
    before_each_write(
        shop, monkeypatch, lambda number, customer: another_writes(shop, changed, "cus_x") if number == which else None
    )
    asked = reads(shop, monkeypatch)

    link(shop, customer_id)

    assert asked[2:] == [[customer_id, *others] if which == 0 else [customer_id, changed]]
    assert stored(shop, changed).reference == "changed"
    everybody = names(shop, [customer_id, *others])
    assert {one: known - {"cus_x"} for one, known in everybody.items()} == all_of_each_other([customer_id, *others])
    assert "cus_x" in everybody[customer_id] and "cus_x" in everybody[changed]
    assert is_linked(shop, customer_id)


def test_who_is_changed_each_time_is_linked_by_the_next_visit(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The relay does not wait for them, and the card is not noted as linked."""
    other, customer_id = with_card(shop, 2)
    with monkeypatch.context() as patch:
        before_each_write(
            shop, patch, lambda number, customer: another_writes(shop, other) if customer.customer_id == other else None
        )
        asked = reads(shop, patch)
        link(shop, customer_id)
    assert (len(asked), is_linked(shop, customer_id)) == (2 + ROUNDS, False)
    assert names(shop, [customer_id, other]) == {customer_id: {other}, other: set()}

    link(shop, customer_id)

    assert is_linked(shop, customer_id)
    assert names(shop, [customer_id, other]) == all_of_each_other([customer_id, other])


@pytest.mark.parametrize("at", range(5))
def test_a_relay_that_dies_comes_again_and_nothing_is_lost(
    at: int, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any of the four writes, or before it is noted that all are linked."""
    everybody = with_card(shop, 4)
    customer_id = everybody[-1]

    def die(number: int, customer: Customer) -> None:
        if number == at:
            raise Died

    def die_at_last(merchant_id: str, customer_id: str, fingerprint: str) -> None:
        raise Died

    with monkeypatch.context() as patch:
        before_each_write(shop, patch, die)
        if at == len(everybody):
            patch.setattr(shop.deps.visits, "note_linked", die_at_last)
        with pytest.raises(Died):
            link(shop, customer_id)
    assert not is_linked(shop, customer_id)

    link(shop, customer_id)

    assert is_linked(shop, customer_id)
    assert names(shop, everybody) == all_of_each_other(everybody)
    assert {stored(shop, one).version for one in everybody} == {2}, "what was written before is not written again"


def test_who_is_gone_is_left_out(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the read, or between it and the write. A customer who is gone, or nobody in particular, has no names."""
    shop.deps.visits.note_card(shop.merchant_id, "cus_gone", "fp_1", limit=1)
    going, other, customer_id = with_card(shop, 3)
    before_each_write(
        shop, monkeypatch, lambda number, customer: shop.store._customers.pop((shop.merchant_id, going), None) and None
    )

    link(shop, customer_id)

    assert names(shop, [other]) == {other: {going, customer_id}}
    assert is_linked(shop, customer_id)
    nobody = anonymous("cus_nobody", shop.merchant_id, NOON)
    shop.store._customers[shop.merchant_id, nobody.customer_id] = nobody
    for one in ("cus_unknown", nobody.customer_id):
        link(shop, one)
    assert not {"cus_unknown", nobody.customer_id} & {
        *shop.deps.visits.note_card(shop.merchant_id, "cus_new", "fp_1", limit=99)
    }


def test_the_phone_of_many_is_one_write_of_who_gives_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search has read the others; only earlier ones are known to the later, so nobody else is written."""
    given = ContactInput(name="X", email=None, phone="+491701234567", language=None, time_zone=None, sms_consent=False)
    made = [create_customer(shop.deps, f"guest {n}", request=shop.request(shop.staff)) for n in range(4)]
    for customer in made[:3]:
        put_contact(shop.deps, customer.customer_id, given, request=shop.request(shop.staff))
    written: list[str] = []
    before_each_write(shop, monkeypatch, lambda number, customer: written.append(customer.customer_id))
    asked = reads(shop, monkeypatch)

    link_by_phone(shop.deps, stored(shop, made[3].customer_id), "+491701234567")

    assert (written, asked) == ([made[3].customer_id], [])
    assert set(stored(shop, made[3].customer_id).same_phone) == {one.customer_id for one in made[:3]}
