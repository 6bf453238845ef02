"""The sweep, which sends what is due, and the worker, which advances it. Other tests cover what happens to each tab."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.tab import due_steps
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.draft import Change, Draft
from chalicelib.domain.tab.status import Status
from chalicelib.ports.queues import QueueName, QueueUnavailable
from chalicelib.ports.store import Due, DueDelivery, DueNotice, DueTab, StoreUnavailable, VersionConflict
from chalicelib.usecases.tab import advance_tab
from chalicelib.usecases.tab.advance_tab import Swept, in_turns, sweep, work
from tests.usecases.fake_gateway import Fault
from tests.usecases.shop import EVERYTHING, WITHOUT_CARD, Shop


@pytest.fixture
def shop() -> Shop:
    return Shop()


class DueStore:
    """A store of which nothing is known but what is due."""

    def __init__(self, *due: Due, fails: bool = False) -> None:
        self._due = due
        self._fails = fails

    def iter_due(self, now: datetime) -> Iterator[Due]:
        yield from self._due
        if self._fails:
            raise StoreUnavailable("a shard did not answer")


def swept(shop: Shop, store: Any) -> Swept:
    return sweep(replace(shop.deps, store=store))


def sent(shop: Shop, queue: QueueName = QueueName.DUE) -> list[tuple[str, Any]]:
    """(group, body) of the jobs that wait in a queue."""
    return [(waiting.job.group, json.loads(waiting.job.body)) for waiting in shop.queues.waiting[queue]]


# The sweep


def test_each_thing_that_is_due_goes_to_its_queue(shop: Shop) -> None:
    """Tabs to the worker, put-off deliveries to the post, notices to the notices; its merchant is its group."""
    store = DueStore(
        DueTab("mer_1", "tab_1"), DueDelivery("mer_2", None, "msg_1", "email"), DueNotice("mer_3", "end_1", "not_1")
    )

    assert swept(shop, store) == Swept(due=1, post=1, notices=1)

    assert sent(shop) == [("mer_1", {"merchant_id": "mer_1", "tab_id": "tab_1"})]
    assert sent(shop, QueueName.POST) == [
        ("mer_2", {"merchant_id": "mer_2", "tab_id": None, "message_id": "msg_1", "channel": "email"})
    ]
    assert sent(shop, QueueName.NOTICES) == [
        ("mer_3", {"merchant_id": "mer_3", "endpoint_id": "end_1", "notice_id": "not_1"})
    ]


def test_merchants_take_turns() -> None:
    """A merchant with many due tabs, found first, does not delay the few of another."""
    many = [DueTab("mer_big", f"tab_{number}") for number in range(5)]
    few = [DueTab("mer_small", "tab_a"), DueTab("mer_small", "tab_b")]

    assert list(in_turns([*many, *few])) == [many[0], few[0], many[1], few[1], *many[2:]]


def test_thousands_are_sent_in_parts_and_all_of_them(shop: Shop) -> None:
    """Each once, the parts side by side, so roughly in turns."""
    due = [DueTab(f"mer_{number % 3}", f"tab_{number}") for number in range(1_234)]

    assert swept(shop, DueStore(*due)) == Swept(due=1_234)

    assert sorted(body["tab_id"] for _, body in sent(shop)) == sorted(each.tab_id for each in due)


def test_a_queue_that_takes_no_jobs_is_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether few are due or many: the schedule fails, an alarm goes off, and the next run sends them again."""

    def full(queue: QueueName, jobs: object) -> None:
        raise QueueUnavailable("no answer")

    monkeypatch.setattr(shop.queues, "send", full)

    for count in (1, 1_000):
        with pytest.raises(QueueUnavailable):
            swept(shop, DueStore(*[DueTab("mer_1", f"tab_{number}") for number in range(count)]))


def test_a_queue_that_takes_no_jobs_does_not_keep_the_others_empty(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What people and systems are to be told is sent although tabs can't be; then the failure is told."""
    send = shop.queues.send

    def due_is_full(queue: QueueName, jobs: Any) -> None:
        if queue == QueueName.DUE:
            raise QueueUnavailable("no answer")
        send(queue, jobs)

    monkeypatch.setattr(shop.queues, "send", due_is_full)
    store = DueStore(
        DueTab("mer_1", "tab_1"), DueDelivery("mer_2", None, "msg_1", "email"), DueNotice("mer_3", "end_1", "not_1")
    )

    with pytest.raises(QueueUnavailable):
        swept(shop, store)

    assert [len(sent(shop, queue)) for queue in (QueueName.DUE, QueueName.POST, QueueName.NOTICES)] == [0, 1, 1]


def test_what_was_found_is_sent_before_a_failing_index_is_told(shop: Shop) -> None:
    """A shard that can't be read fails the sweep, after everything in the others was sent."""
    store = DueStore(DueTab("mer_1", "tab_1"), DueTab("mer_1", "tab_2"), fails=True)

    with pytest.raises(StoreUnavailable):
        swept(shop, store)

    assert [body["tab_id"] for _, body in sent(shop)] == ["tab_1", "tab_2"]


def test_nothing_due_sends_nothing(shop: Shop) -> None:
    """And asks no queue anything."""
    assert swept(shop, DueStore()) == Swept()
    assert sent(shop) == []


# The worker


class CountingStore:
    """Counts the calls to the store, by method. `meanwhile` happens after the first read."""

    def __init__(self, shop: Shop, meanwhile: Any = lambda: None) -> None:
        self._inner = shop.store
        self._meanwhile = meanwhile
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            answer = method(*args, **kwargs)
            if name == "find_tabs":
                self._meanwhile()
            return answer

        return counted


def tabs_in_review(shop: Shop, count: int, *consents: Any) -> list[str]:
    """Tabs whose review window has just ended."""
    tab_ids = []
    for _ in range(count):
        shop.open(*(consents or WITHOUT_CARD)).serve(50_00)
        tab_ids.append(shop.tab_id)
    shop.clock.instant += timedelta(days=2)
    return tab_ids


def jobs(shop: Shop, tab_ids: Sequence[str]) -> list[str]:
    return [json.dumps({"merchant_id": shop.merchant_id, "tab_id": tab_id}) for tab_id in tab_ids]


def statuses(shop: Shop, tab_ids: Sequence[str]) -> list[Status]:
    return [shop.store.get_tab(shop.merchant_id, tab_id).status for tab_id in tab_ids]


def entries(shop: Shop, tab_id: str, kind: str) -> int:
    page = shop.store.list_entries(shop.merchant_id, tab_id, limit=1000, cursor=None)
    return [entry.kind for entry in page.items].count(kind)


def test_a_batch_is_one_read_and_one_write(shop: Shop) -> None:
    """Ten tabs that need no gateway: read together, decided, written together, and not read again."""
    tab_ids = tabs_in_review(shop, 10)
    store: Any = CountingStore(shop)

    assert work(replace(shop.deps, store=store), jobs(shop, tab_ids)) == []

    assert store.calls == {"find_tabs": 1, "commit_each": 1}
    assert set(statuses(shop, tab_ids)) == {Status.DUE}


def test_a_poisoned_tab_stops_none_of_its_neighbours(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """One tab in ten can't be decided: nine are done once, and only its own job has failed."""
    tab_ids = tabs_in_review(shop, 10)
    conclude = due_steps.conclude

    def poisoned(draft: Draft) -> Change | None:
        assert draft.tab.tab_id != tab_ids[3], "poisoned"
        return conclude(draft)

    monkeypatch.setattr(due_steps, "conclude", poisoned)

    assert work(shop.deps, jobs(shop, tab_ids)) == [3]

    assert statuses(shop, tab_ids).count(Status.DUE) == 9
    assert [entries(shop, tab_id, "review_ended") for tab_id in tab_ids] == [1, 1, 1, 0, 1, 1, 1, 1, 1, 1]


def test_a_bad_tab_in_every_batch_ends_with_the_dead_letters(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """One in ten: after three tries it is a dead letter; its neighbours are done once, in the first try."""
    tab_ids = tabs_in_review(shop, 50)
    bad = set(tab_ids[::10])
    conclude = due_steps.conclude

    def poisoned(draft: Draft) -> Change | None:
        assert draft.tab.tab_id not in bad, "poisoned"
        return conclude(draft)

    monkeypatch.setattr(due_steps, "conclude", poisoned)
    sweep(shop.deps)
    while batch := shop.queues.take(QueueName.DUE):
        for index in work(shop.deps, [waiting.job.body for waiting in batch]):
            shop.queues.fail(QueueName.DUE, batch[index])

    assert {json.loads(job.body)["tab_id"] for job in shop.queues.dead[QueueName.DUE]} == bad
    assert [entries(shop, tab_id, "review_ended") for tab_id in tab_ids] == [int(each not in bad) for each in tab_ids]


@pytest.mark.parametrize("job", ["", "{", "[]", '{"merchant_id": "mer_1"}', '{"merchant_id": 1, "tab_id": "#"}'])
def test_a_job_that_names_no_tab_fails_alone(shop: Shop, job: str) -> None:
    """Whoever has put it there: it becomes a dead letter, and the others are done."""
    (tab_id,) = tabs_in_review(shop, 1)

    assert work(shop.deps, [job, *jobs(shop, [tab_id])]) == [0]
    assert statuses(shop, [tab_id]) == [Status.DUE]


def test_a_tab_that_does_not_exist_fails_alone(shop: Shop) -> None:
    """Its job is tried again and becomes a dead letter, which a person sees."""
    tab_ids = tabs_in_review(shop, 2)

    assert work(shop.deps, jobs(shop, ["tab_gone", *tab_ids])) == [0]
    assert set(statuses(shop, tab_ids)) == {Status.DUE}


def test_a_batch_that_arrives_again_changes_nothing(shop: Shop) -> None:
    """SQS delivers at least once, and every sweep sends what still waits: the agenda is asked again."""
    tab_ids = tabs_in_review(shop, 3)
    work(shop.deps, jobs(shop, tab_ids))
    before = [shop.store.get_tab(shop.merchant_id, tab_id) for tab_id in tab_ids]
    store: Any = CountingStore(shop)

    assert work(replace(shop.deps, store=store), jobs(shop, tab_ids)) == []

    assert store.calls == {"find_tabs": 1}
    assert [shop.store.get_tab(shop.merchant_id, tab_id) for tab_id in tab_ids] == before


def test_a_tab_that_is_twice_in_a_batch_is_advanced_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """And if it fails, both of its jobs have failed."""
    (tab_id,) = tabs_in_review(shop, 1)

    store: Any = CountingStore(shop)

    assert work(replace(shop.deps, store=store), jobs(shop, [tab_id, tab_id])) == []
    assert store.calls == {"find_tabs": 1, "commit_each": 1}
    assert entries(shop, tab_id, "review_ended") == 1
    assert work(shop.deps, jobs(shop, ["tab_gone", tab_id, "tab_gone"])) == [0, 2]


def test_a_tab_that_somebody_changes_meanwhile_is_decided_again(shop: Shop) -> None:
    """The others are written all the same, and the changed one on the version that is there then."""
    tab_ids = tabs_in_review(shop, 3)

    def meanwhile() -> None:
        stored = shop.store.get_tab(shop.merchant_id, tab_ids[1])
        draft = Draft(stored, now=shop.clock.now(), by=shop.staff, new_id=shop.deps.ids.new)
        draft.record("looked_at")
        shop.store.commit(draft.seal(stored.next_action_at))

    store: Any = CountingStore(shop, meanwhile)

    assert work(replace(shop.deps, store=store), jobs(shop, tab_ids)) == []

    assert set(statuses(shop, tab_ids)) == {Status.DUE}
    assert [entries(shop, tab_id, "review_ended") for tab_id in tab_ids] == [1, 1, 1]
    assert store.calls["get_tab"] == 1


def test_tabs_that_need_the_gateway_wait_for_it_side_by_side(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two charges are under way at the same time: each waits for the other before it goes on."""
    tab_ids = tabs_in_review(shop, 2, *EVERYTHING)
    meeting = threading.Barrier(2, timeout=20)
    perform = shop.gateway.perform

    def together(tab: Any, attempt: Any) -> Any:
        meeting.wait()
        return perform(tab, attempt)

    monkeypatch.setattr(shop.gateway, "perform", together)

    assert work(shop.deps, jobs(shop, tab_ids)) == []
    assert set(statuses(shop, tab_ids)) == {Status.CLOSED}


def test_what_the_gateway_answers_is_written_together(shop: Shop) -> None:
    """Ten charges: one read, one write before the calls and one after them; no tab is read again."""
    tab_ids = tabs_in_review(shop, 10, *EVERYTHING)
    store: Any = CountingStore(shop)

    assert work(replace(shop.deps, store=store), jobs(shop, tab_ids)) == []

    assert store.calls == {"find_tabs": 1, "commit_each": 2}
    assert set(statuses(shop, tab_ids)) == {Status.CLOSED}
    assert shop.gateway.calls.count(Operation.CHARGE) == 10


def test_an_answer_that_does_not_come_delays_nobody_else(shop: Shop) -> None:
    """One charge of three is lost: its outcome is unknown and asked for later, the others are paid."""
    tab_ids = tabs_in_review(shop, 3, *EVERYTHING)
    shop.gateway.fail(Operation.CHARGE, Fault.LOST_AFTER)

    assert work(shop.deps, jobs(shop, tab_ids)) == []

    (unknown,) = [tab_id for tab_id in tab_ids if shop.store.get_tab(shop.merchant_id, tab_id).attempts]
    assert shop.gateway.calls.count(Operation.CHARGE) == 3
    shop.wait(minutes=2)
    assert set(statuses(shop, tab_ids)) == {Status.CLOSED}
    assert entries(shop, unknown, "charged") == 1


def test_a_webhook_that_is_faster_than_the_worker_wins(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has recorded the charge before the answers are written together: the payment is counted once."""
    tab_ids = tabs_in_review(shop, 3, *EVERYTHING)
    perform = shop.gateway.perform

    def and_tell(tab: Any, attempt: Any) -> Any:
        facts = perform(tab, attempt)
        if tab.tab_id == tab_ids[1]:
            shop.deliver_all()
        return facts

    monkeypatch.setattr(shop.gateway, "perform", and_tell)
    monkeypatch.setattr(advance_tab, "CALLS_AT_ONCE", 1)

    assert work(shop.deps, jobs(shop, tab_ids)) == []

    assert set(statuses(shop, tab_ids)) == {Status.CLOSED}
    assert [entries(shop, tab_id, "charged") for tab_id in tab_ids] == [1, 1, 1]


def test_a_call_that_breaks_our_code_fails_its_tab_only(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its attempt is written ahead, so what became of it is asked for like that of any other."""
    tab_ids = tabs_in_review(shop, 3, *EVERYTHING)
    perform = shop.gateway.perform

    def broken(tab: Any, attempt: Any) -> Any:
        assert tab.tab_id != tab_ids[2], "a bug"
        return perform(tab, attempt)

    monkeypatch.setattr(shop.gateway, "perform", broken)

    assert work(shop.deps, jobs(shop, tab_ids)) == [2]

    assert statuses(shop, tab_ids) == [Status.CLOSED, Status.CLOSED, Status.DUE]
    monkeypatch.undo()
    shop.wait(minutes=2)
    assert set(statuses(shop, tab_ids)) == {Status.CLOSED}


def test_a_batch_that_cannot_be_read_fails_as_a_whole(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was done, and the queue delivers all of it again."""
    tab_ids = tabs_in_review(shop, 2)

    def unavailable(owners: object) -> None:
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(shop.store, "find_tabs", unavailable)

    with pytest.raises(StoreUnavailable):
        work(shop.deps, jobs(shop, tab_ids))
    assert set(statuses(shop, tab_ids)) == {Status.IN_REVIEW}


def test_a_write_that_keeps_failing_fails_its_tab_only(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the store says, the other tabs are written."""
    tab_ids = tabs_in_review(shop, 3)
    commit = shop.store.commit

    def refusing(change: Change, **given: Any) -> Any:
        if change.tab.tab_id == tab_ids[0]:
            raise VersionConflict(change.tab.tab_id)
        return commit(change, **given)

    monkeypatch.setattr(shop.store, "commit", refusing)

    assert work(shop.deps, jobs(shop, tab_ids)) == [0]
    assert statuses(shop, tab_ids) == [Status.IN_REVIEW, Status.DUE, Status.DUE]


def test_the_worker_counts_what_it_did(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """Tabs that it changed, that failed, and how long the latest one had been due."""
    tab_ids = tabs_in_review(shop, 2)
    with caplog.at_level("INFO", "chalicelib.usecases.tab.advance_tab"):
        work(shop.deps, jobs(shop, [*tab_ids, "tab_gone"]))

    (line,) = [record for record in caplog.records if record.getMessage() == "worked"]
    assert vars(line)["metrics"] == {"TabsAdvanced": 2, "TabsNotAdvanced": 1, "SweepLagSeconds": 24 * 3600}
