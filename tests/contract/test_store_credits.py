"""Credit accounts in the store: written with the tab that changes them, or not at all, and by one change at a time."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from msgspec.structs import replace

from chalicelib.adapters.dynamodb import store as dynamodb_store
from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tab.draft import Change
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.trust import credits
from chalicelib.domain.trust.credits import (
    CreditAccount,
    CreditChange,
    Lot,
    LotKind,
    Mark,
    Movement,
    MovementKind,
    Referral,
)
from chalicelib.ports.store import RecordExists, Referrer, TabStore, VersionConflict
from tests.contract.conftest import EMULATOR
from tests.contract.store_kit import MERCHANT, NOW, next_change, opening, record
from tests.contract.test_store_races import THREADS, at_once
from tests.visits import visits_beside

LOT = Lot(
    lot_id="lot_1",
    kind=LotKind.EARNED,
    tab_id="tab_1",
    amount_minor=5_00,
    earned_at=NOW,
    active_at=NOW + timedelta(days=14),
    expires_at=NOW + timedelta(days=365),
    spent_minor=1_00,
)
ACCOUNT = CreditAccount(
    merchant_id=MERCHANT,
    customer_id="cus_a",
    currency="EUR",
    lots=(LOT,),
    movement_count=1,
    spends_by_itself=True,
    code="7KQ2M9XH4T",
    referral=Referral(by_customer_id="cus_b", at=NOW, tab_id="tab_1"),
    paid_tabs=2,
    version=1,
)


def movement(seq: int) -> Movement:
    return Movement(
        seq=seq,
        at=NOW,
        kind=MovementKind.EARNED,
        amount_minor=5_00,
        balance_minor=5_00 * seq,
        tab_id="tab_1",
        tab_seq=7,
    )


def change_with(account: CreditAccount, *seqs: int, tab: Tab | None = None) -> Change:
    change = opening() if tab is None else next_change(tab)
    return replace(change, credits=(CreditChange(account=account, movements=tuple(map(movement, seqs))),))


def test_an_account_comes_back_as_it_was_written_with_a_tab(store: TabStore) -> None:
    assert store.find_credit_account(MERCHANT, "cus_a") is None
    store.commit(change_with(ACCOUNT, 1))

    assert store.find_credit_account(MERCHANT, "cus_a") == ACCOUNT
    assert store.find_credit_account("mer_b", "cus_a") is None
    assert store.list_credit_movements(MERCHANT, "cus_a", limit=9, cursor=None).items == (movement(1),)


def test_a_change_on_an_old_version_of_the_account_writes_nothing(store: TabStore) -> None:
    """Of two tabs that spend the same credit one is refused whole: tab, entries and movements."""
    store.commit(change_with(ACCOUNT, 1))
    first, second = store.commit(opening()), store.commit(opening())
    store.commit(change_with(replace(ACCOUNT, version=2), 2, tab=first))

    with pytest.raises(VersionConflict):
        store.commit(change_with(replace(ACCOUNT, version=2), 2, tab=second))

    assert store.get_tab(MERCHANT, second.tab_id) == second
    assert [moved.seq for moved in store.list_credit_movements(MERCHANT, "cus_a", limit=9, cursor=None).items] == [2, 1]


def test_a_new_account_is_made_once(store: TabStore) -> None:
    store.commit(change_with(ACCOUNT))
    with pytest.raises(VersionConflict):
        store.commit(change_with(ACCOUNT))


def test_two_tabs_of_a_batch_may_change_one_account(store: TabStore) -> None:
    """DynamoDB writes an item once in a transaction: each goes alone then, and the second is decided anew."""
    tabs = [store.commit(opening()) for _ in range(2)]

    results = store.commit_each([change_with(ACCOUNT, tab=tab) for tab in tabs])

    assert [type(result) for result in results] == [type(None), VersionConflict]
    assert store.get_tab(MERCHANT, tabs[1].tab_id) == tabs[1]


def test_a_transaction_writes_an_item_once() -> None:
    """Changes that write the same account are in groups of their own; others share one."""
    first, second = change_with(ACCOUNT), change_with(ACCOUNT)
    other = change_with(replace(ACCOUNT, customer_id="cus_b"))
    prepared = [(dynamodb_store._puts_of(change)[0], change.tab.change_id) for change in (first, other, second)]

    groups = [[change_id for _, change_id in group] for group in dynamodb_store._groups(prepared)]

    assert groups == [[first.tab.change_id, other.tab.change_id], [second.tab.change_id]]


def test_the_statement_is_read_newest_first_in_pages(store: TabStore) -> None:
    store.commit(change_with(ACCOUNT, 1, 2, 3))

    first = store.list_credit_movements(MERCHANT, "cus_a", limit=2, cursor=None)
    rest = store.list_credit_movements(MERCHANT, "cus_a", limit=2, cursor=first.next_cursor)

    assert [moved.seq for moved in (*first.items, *rest.items)] == [3, 2, 1]
    assert rest.next_cursor is None
    with pytest.raises(InvalidInput):
        store.list_credit_movements(MERCHANT, "cus_a", limit=2, cursor="bm9uc2Vuc2U")


def test_a_wish_and_a_code_are_put_without_a_tab(store: TabStore) -> None:
    made = record()
    store.put_credit_account(ACCOUNT, record=made)

    assert store.find_credit_account(MERCHANT, "cus_a") == ACCOUNT
    assert store.find_referrer("7KQ2M9XH4T") == Referrer(merchant_id=MERCHANT, customer_id="cus_a")
    assert store.find_referrer("7KQ2M9XH4U") is store.find_referrer("7#K") is None
    with pytest.raises(RecordExists):
        store.put_credit_account(replace(ACCOUNT, version=2), record=made)
    with pytest.raises(VersionConflict):
        store.put_credit_account(ACCOUNT, record=record())


def mark_of(customer_id: str, what: str = "fingerprint", merchant_id: str = MERCHANT) -> Mark:
    sha256 = credits.mark_sha256(MERCHANT, "card", what)
    return Mark(merchant_id=merchant_id, sha256=sha256, customer_id=customer_id)


def test_a_mark_is_shared_once_another_customer_has_it(store: TabStore) -> None:
    """Who has it alone shares it with nobody, before and after it is stored."""
    ada, ben = mark_of("cus_a"), mark_of("cus_b")
    assert not store.is_shared(ada, None)
    for mark in (ada, ada):
        store.commit(replace(opening(), marks=(mark,)))
    assert not store.is_shared(ada, None)
    assert store.is_shared(ben, None), "of a customer who has not paid with it yet"
    store.commit(replace(opening(), marks=(ben,)))

    assert store.is_shared(ada, None) and store.is_shared(ben, None)
    assert not store.is_shared(mark_of("cus_a", "another"), None)
    assert not store.is_shared(mark_of("cus_a", merchant_id="mer_b"), None)


def test_a_mark_is_shared_among_those_who_are_asked_for(store: TabStore) -> None:
    """Whoever else has it does not count; the customer is no other."""
    for customer_id in ("cus_a", "cus_b", "cus_c"):
        store.commit(replace(opening(), marks=(mark_of(customer_id),)))

    assert store.is_shared(mark_of("cus_a"), {"cus_x", "cus_c"})
    assert not store.is_shared(mark_of("cus_a"), {"cus_x", "cus_y"})
    assert not store.is_shared(mark_of("cus_a"), {"cus_a"})
    assert not store.is_shared(mark_of("cus_a"), set())


def test_a_card_is_shared_with_who_has_used_it_in_any_way(store: TabStore) -> None:
    """Held, saved, or paid before there were marks: the store of visits knows it."""
    visits_beside(store).note_card(MERCHANT, "cus_a", "fingerprint", limit=1)

    assert store.is_shared(mark_of("cus_b"), None) and not store.is_shared(mark_of("cus_a"), None)
    assert not store.is_shared(mark_of("cus_b", "another"), None)
    assert not store.is_shared(mark_of("cus_b", merchant_id="mer_b"), None)


def test_a_card_rewards_one_invitation(store: TabStore) -> None:
    """Whoever is second decides again, and then finds the first one's mark. Another card, or merchant, is free."""
    marks = [mark_of("cus_a"), mark_of("cus_b"), mark_of("cus_c", "another"), mark_of("cus_d", merchant_id="mer_b")]
    changes = [replace(opening(), marks=(mark,), rewarded=(mark,)) for mark in marks]

    errors = store.commit_each(changes)

    assert {type(error) for error in errors[:2]} == {VersionConflict, type(None)}
    assert list(errors[2:]) == [None, None]
    first, second = (0, 1) if errors[0] is None else (1, 0)
    assert store.is_shared(marks[second], None) and not store.is_shared(marks[first], None)
    assert store.commit(changes[first]) == changes[first].tab, "after a lost answer it has succeeded"
    with pytest.raises(VersionConflict):
        store.commit(changes[second])


@pytest.mark.parametrize("kind", ["memory", pytest.param(EMULATOR, marks=pytest.mark.ministack)])
def test_of_many_tabs_that_spend_one_credit_at_once_one_wins(request: pytest.FixtureRequest, kind: str) -> None:
    """Nothing is spent twice: the others get VersionConflict, and leave nothing."""
    store: TabStore = MemoryStore() if kind == "memory" else request.getfixturevalue("emulated_store")
    store.commit(change_with(ACCOUNT, 1))
    tabs = [store.commit(opening()) for _ in range(THREADS)]
    spent = replace(credits.spend(ACCOUNT, 4_00, LOT.active_at), version=2)

    results = at_once([partial(store.commit, change_with(spent, 2, tab=tab)) for tab in tabs])

    assert [type(result) for result in results].count(VersionConflict) == THREADS - 1
    assert store.find_credit_account(MERCHANT, "cus_a") == spent
    assert len(store.list_credit_movements(MERCHANT, "cus_a", limit=9, cursor=None).items) == 2
