"""Concurrent writes: on the emulator, whose conditional writes are safe under threads, and in memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.adapters.dynamodb.store import DynamoDbStore
from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.store import (
    EventAlreadySeen,
    FactsAlreadyApplied,
    RecordExists,
    SeenEvent,
    TabStore,
    VersionConflict,
)
from chalicelib.usecases.tab.advance_tab import work
from tests.contract.conftest import EMULATOR
from tests.contract.store_kit import MERCHANT, add_items, next_change, opening, record
from tests.usecases.shop import EVERYTHING, Shop

THREADS = 16
ROUNDS = 10


@pytest.fixture(params=["memory", pytest.param(EMULATOR, marks=pytest.mark.ministack)])
def store(request: pytest.FixtureRequest) -> TabStore:
    if request.param == "memory":
        return MemoryStore()
    emulated: DynamoDbStore = request.getfixturevalue("emulated_store")
    return emulated


@pytest.fixture(autouse=True)
def _eager_switching() -> Iterator[None]:
    """Threads change places as often as Python lets them, so that what lacks a lock shows."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each call returned or raised, all of them begun at the same moment."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_one_of_many_changes_to_a_version_wins(store: TabStore) -> None:
    """Sixteen changes decided on one version: one is committed, fifteen raise VersionConflict and leave nothing."""
    tab = store.commit(opening())
    for _ in range(ROUNDS):
        changes = [next_change(tab, add_items(100 + n)) for n in range(THREADS)]

        results = at_once([partial(store.commit, change) for change in changes])

        (tab,) = [result for result in results if isinstance(result, Tab)]
        assert [type(result) for result in results].count(VersionConflict) == THREADS - 1
        assert store.get_tab(MERCHANT, tab.tab_id) == tab
    assert len(store.list_entries(MERCHANT, tab.tab_id, limit=99, cursor=None).items) == tab.entry_count


def test_one_of_many_requests_with_one_key_wins(store: TabStore) -> None:
    """The same key for sixteen new tabs: one tab is made, and everybody else is shown the record of it."""
    changes = [opening() for _ in range(THREADS)]
    first = record()
    records = [replace(first, tab_id=change.tab.tab_id) for change in changes]

    results = at_once(
        [partial(store.commit, change, record=made) for change, made in zip(changes, records, strict=True)]
    )

    (winner,) = [result for result in results if isinstance(result, Tab)]
    refusals = [result for result in results if isinstance(result, RecordExists)]
    assert len(refusals) == THREADS - 1
    assert {refused.record.tab_id for refused in refusals} == {winner.tab_id}
    (row,) = store.list_by_customer(MERCHANT, "cus_a", limit=99, cursor=None).items
    assert row.tab_id == winner.tab_id


def test_one_delivery_of_an_event_is_applied(store: TabStore) -> None:
    """The same event delivered sixteen times, for sixteen tabs even: it is applied once."""
    tabs = [store.commit(opening()) for _ in range(THREADS)]
    changes = [next_change(tab) for tab in tabs]
    event = SeenEvent(account=None, event_id="evt_1")

    results = at_once([partial(store.commit, change, event=event) for change in changes])

    assert [type(result) for result in results].count(Tab) == 1
    assert [type(result) for result in results].count(EventAlreadySeen) == THREADS - 1


def test_a_fact_brought_by_many_is_applied_once_and_nothing_else_is_lost(store: TabStore) -> None:
    """Sixteen who all bring one fact and a note of their own, reloading when refused: one fact, sixteen notes."""
    tab = store.commit(opening())

    def note(draft: Draft) -> None:
        draft.record("noted", with_fact=False)

    def note_with_fact(draft: Draft) -> None:
        draft.record("noted", with_fact=True)
        draft.fact_keys.append("f")

    def bring() -> bool:
        with_fact = True
        while True:
            change = next_change(store.get_tab(MERCHANT, tab.tab_id), note_with_fact if with_fact else note)
            try:
                store.commit(change)
            except VersionConflict:
                continue
            except FactsAlreadyApplied:
                with_fact = False
            else:
                return with_fact

    results = at_once([bring] * THREADS)

    assert results.count(True) == 1
    assert results.count(False) == THREADS - 1
    assert store.get_tab(MERCHANT, tab.tab_id).version == 1 + THREADS
    entries = store.list_entries(MERCHANT, tab.tab_id, limit=99, cursor=None).items
    assert [entry.seq for entry in entries] == list(range(1, THREADS + 2))
    assert [entry.details.get("with_fact") for entry in entries].count(True) == 1


def test_batches_that_share_tabs_leave_one_winner_for_each_tab(store: TabStore) -> None:
    """Six workers write the same ten tabs together: each tab has one change more, and nobody is told of two."""
    tabs = [store.commit(opening()) for _ in range(10)]
    for _ in range(ROUNDS // 2):
        batches = [[next_change(tab, add_items(100 + n)) for tab in tabs] for n in range(6)]

        results = at_once([partial(store.commit_each, batch) for batch in batches])

        for index, tab in enumerate(tabs):
            errors = [result[index] for result in results]
            assert [type(error) for error in errors].count(VersionConflict) == 5, errors
            (winner,) = [number for number, error in enumerate(errors) if error is None]
            tabs[index] = store.get_tab(MERCHANT, tab.tab_id)
            assert tabs[index] == batches[winner][index].tab


def test_a_batch_that_several_workers_get_at_once_charges_each_tab_once(
    store: TabStore,
) -> None:
    """SQS delivers at least once, and a second sweep sends what still waits: four workers, ten charges."""
    shop = Shop()
    shop.open(*EVERYTHING).serve(50_00)
    tabs = [replace(shop.tab, tab_id=f"tab_race{number}") for number in range(10)]
    for tab in tabs:
        store.commit(replace(opening(), tab=replace(tab, version=1), entries=()))
    shop.clock.instant += timedelta(days=2)
    deps = replace(shop.deps, store=store)
    jobs = [json.dumps({"merchant_id": tab.merchant_id, "tab_id": tab.tab_id}) for tab in tabs]

    results = at_once([partial(work, deps, jobs)] * 4)

    assert results == [[]] * 4
    assert shop.gateway.calls.count(Operation.CHARGE) == 10
    found = store.find_tabs([(tab.merchant_id, tab.tab_id) for tab in tabs])
    assert {(tab.status, tab.paid_minor) for tab in found.values()} == {(Status.CLOSED, 50_00)}
