"""The projection of visits: the relay folds each entry once, in order, and repairs what it has missed."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.adapters.memory_visits import MemoryVisits
from chalicelib.domain.trust.folds import Gap, begin, fold, visit_of
from chalicelib.domain.trust.visit import Visit
from chalicelib.handlers.events import visits
from chalicelib.ports.store import VersionConflict
from chalicelib.ports.stream import NewEntry
from chalicelib.usecases.trust.project import Filled, fill, project
from tests.usecases.shop import EVERYTHING, Shop


@pytest.fixture
def paid(shop: Shop) -> Shop:
    """A tab whose entries the relay has not seen yet."""
    shop.pump.rests = True
    shop.open(*EVERYTHING).serve(50_00).accept_bill(5_00)
    return shop


def stored(shop: Shop) -> Visit | None:
    key = (shop.merchant_id, shop.customer_id, shop.tab_id)
    return shop.deps.visits.find_visits([key]).get(key)


def recomputed(shop: Shop) -> Visit:
    entries = [new.entry for new in shop.store.stream if new.tab_id == shop.tab_id]
    return visit_of(shop.merchant_id, shop.tab_id, shop.customer_id, entries)


def test_a_visit_holds_what_the_tab_has_come_to(paid: Shop) -> None:
    """The sums of its bill, what was paid of it, and how it ended."""
    project(paid.deps, paid.store.stream)

    visit = stored(paid)
    assert visit is not None and visit.outcome == "fulfilled"
    assert (visit.estimate_minor, visit.cap_minor, visit.method) == (60_00, 200_00, "app")
    assert (visit.total_minor, visit.tip_minor, visit.paid_minor, visit.owed_minor) == (50_00, 5_00, 55_00, 0)
    assert (visit.accepted_at, visit.paid_at) == (paid.tab.opened_at, paid.tab.due_at)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_batches_of_any_size_that_come_twice_make_the_same_visit(paid: Shop, size: int) -> None:
    """The second time nothing is written."""
    stream = paid.store.stream
    for start in range(0, len(stream), size):
        for _ in range(2):
            assert project(paid.deps, stream[start : start + size]) == set()

    before = stored(paid)
    assert before == recomputed(paid)
    assert project(paid.deps, stream) == set()
    assert stored(paid) is before


def test_what_the_relay_has_missed_is_read_again(paid: Shop) -> None:
    """A batch that was given up, or a tab from before there were visits."""
    project(paid.deps, paid.store.stream[-1:])

    assert stored(paid) == recomputed(paid)


def test_the_visits_of_all_tabs_are_filled_in_once(paid: Shop) -> None:
    """After an upgrade: those that no entry has come of since. The second time there is nothing to write."""
    first = paid.tab_id
    paid.open(*EVERYTHING)
    said: list[str] = []

    assert fill(paid.deps, paid.merchant_id) == Filled(tabs=2, written=2)
    assert stored(paid) == recomputed(paid)
    keys = [(paid.merchant_id, paid.customer_id, tab_id) for tab_id in (first, paid.tab_id)]
    assert set(paid.deps.visits.find_visits(keys)) == set(keys)
    assert visits.by_hand(paid.deps, said.append)
    assert said == [f"{paid.merchant_id}: 2 tabs read, 0 visits written, 0 tabs can't be folded"]


def test_of_two_relays_at_once_neither_loses_an_entry(paid: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that comes second reads the first one's visit and goes on from there."""
    stream = paid.store.stream
    put, others = MemoryVisits.put_visit, [stream[:4]]

    def overtaken(self: MemoryVisits, visit: Visit, before: Visit | None) -> None:
        if others:
            project(paid.deps, others.pop())
        put(self, visit, before)

    monkeypatch.setattr(MemoryVisits, "put_visit", overtaken)
    project(paid.deps, stream)

    assert stored(paid) == recomputed(paid)


def test_who_is_overtaken_each_time_leaves_it_to_the_others(paid: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is retried for ever, and nothing is raised: the others have folded the same history."""

    def refuse(*_: Any) -> None:
        raise VersionConflict("tab")

    monkeypatch.setattr(MemoryVisits, "put_visit", refuse)

    assert project(paid.deps, paid.store.stream) == set()


def test_a_tab_that_cannot_be_folded_stops_no_other(paid: Shop) -> None:
    """Its entries are put aside; what belongs to a business, not to a tab, has no visit."""
    first = paid.store.stream[0]
    broken = replace(first, tab_id="tab_broken", entry=replace(first.entry, kind="rated", details={}))
    of_business = NewEntry(merchant_id=paid.merchant_id, tab_id=None, customer_id=None, entry=first.entry)

    assert project(paid.deps, [broken, of_business, *paid.store.stream]) == {0}
    assert stored(paid) == recomputed(paid)


def test_an_entry_out_of_turn_is_not_folded(paid: Shop) -> None:
    """A fold never guesses what lies between."""
    entries = [new.entry for new in paid.store.stream]
    visit = begin(paid.merchant_id, paid.tab_id, paid.customer_id)
    with pytest.raises(Gap):
        fold(visit, entries[1])
