"""Notices on their way: each is sent once, until it is taken; what fails waits, and the owner replays what was held."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.adapters.memory_notices import MemoryNotices
from chalicelib.adapters.memory_queues import MemoryQueues
from chalicelib.domain.errors import (
    Contention,
    EndpointDisabled,
    IdempotencyMismatch,
    InvalidInput,
    NotFound,
    StaleVersion,
    TooManyEndpoints,
)
from chalicelib.domain.news.endpoint import MAXIMUM_ENDPOINTS, DisabledBy, Endpoint
from chalicelib.domain.news.message import Message, MessageKind, Recipient
from chalicelib.domain.news.notice import TEST, Notice, notice_of
from chalicelib.domain.news.sending import LASTS, LEASE, ON_QUEUE, Sending, SendingState
from chalicelib.ports.notices import NoticeJob, queue_job_of
from chalicelib.ports.queues import Job, QueueName, QueueUnavailable
from chalicelib.ports.store import VersionConflict
from chalicelib.ports.webhooks import Answer, WhyNoAnswer
from chalicelib.usecases.news import endpoints, notices
from chalicelib.usecases.news.endpoints import EndpointInput
from chalicelib.usecases.tab.advance_tab import sweep
from tests.news import messages_of_all
from tests.notices import Receivers
from tests.usecases.shop import Shop

URL = "https://till.example/hook"
OTHER_URL = "https://books.example/hook"
DOWN = Answer(status=503)


class Died(BaseException):
    """The process died: nothing that catches exceptions sees it."""


class Tills(Shop):
    """A shop whose systems are told. `chance`: drawn for the jitter."""

    def __init__(self, disorder: random.Random | None = None) -> None:
        super().__init__()
        self.receivers = Receivers()
        self.queues = MemoryQueues(self.clock, disorder)
        self.deps = replace(self.deps, queues=self.queues, webhooks=self.receivers)
        self.chance: Callable[[], float] = lambda: 0.5

    def endpoint(self, url: str = URL, *types: str, ordered: bool = False) -> Endpoint:
        given = EndpointInput(url=url, event_types=types, description="Till", ordered=ordered)
        return endpoints.create_endpoint(self.deps, given, request=self.request(self.owner)).endpoint

    def seen(self, endpoint: Endpoint) -> Endpoint:
        return endpoints.get_endpoint(self.deps, endpoint.endpoint_id, by=self.owner)

    def log(self, endpoint: Endpoint) -> list[Sending]:
        """Everything that was recorded for the endpoint, oldest first."""
        page = endpoints.list_notices(self.deps, endpoint.endpoint_id, limit=1000, cursor=None, by=self.owner)
        return sorted(page.items, key=lambda sending: (sending.notice.at, sending.notice.notice_id))

    def states(self, endpoint: Endpoint) -> Counter[SendingState]:
        return Counter(sending.state for sending in self.log(endpoint))

    def happened(self, tab_id: str = "") -> list[Notice]:
        """The notices of all entries of the tab."""
        page = self.store.list_entries(self.merchant_id, tab_id or self.tab_id, limit=1000, cursor=None)
        return [notice_of(self.merchant_id, self.customer_id, tab_id or self.tab_id, entry) for entry in page.items]

    def tell(self, *told: Notice) -> None:
        """As the relay does."""
        job = NoticeJob(merchant_id=self.merchant_id, notices=told)
        self.queues.send(QueueName.NOTICES, [queue_job_of(job)])

    def work(self, limit: int = 10) -> int:
        """Work on one batch; answers how many jobs it had."""
        batch = self.queues.take(QueueName.NOTICES, limit)
        if batch:
            failed = notices.work(self.deps, [waiting.job.body for waiting in batch], chance=self.chance)
            for index in failed:
                self.queues.fail(QueueName.NOTICES, batch[index])
        return len(batch)

    def work_all(self) -> None:
        """Until no job is visible."""
        for _ in range(2000):
            if not self.work():
                return
        raise AssertionError("the queue does not become empty")

    def let_pass(self, by: timedelta, every: timedelta = timedelta(minutes=5)) -> None:
        """Time passes; the schedule sweeps, and jobs that were delayed come in between."""
        ends = self.clock.instant + by
        while self.clock.instant < ends:
            self.clock.instant = min(self.clock.instant + every, ends)
            sweep(self.deps)
            self.work_all()


@pytest.fixture
def tills() -> Tills:
    return Tills()


def told(tills: Tills, count: int = 3) -> list[Notice]:
    """A tab with some entries, all of which were told."""
    tills.open().serve()
    happened = tills.happened()[:count]
    assert len(happened) == count
    tills.tell(*happened)
    return happened


# Recording and sending


def test_every_entry_reaches_the_endpoints_that_want_it(tills: Tills) -> None:
    """All of them, or the named types; the log has what was sent, byte for byte."""
    everything, closed = tills.endpoint(), tills.endpoint(OTHER_URL, "tab.bill_presented")
    happened = told(tills)
    tills.work_all()

    assert sorted(tills.receivers.taken_ids(URL)) == [notice.notice_id for notice in happened]
    assert [sent.body["type"] for sent in tills.receivers.taken if sent.url == OTHER_URL] == ["tab.bill_presented"]
    assert tills.states(everything) == {SendingState.DELIVERED: 3}
    assert tills.states(closed) == {SendingState.DELIVERED: 1}
    by_id = {sent.notice_id: sent.body for sent in tills.receivers.taken}
    for sending in tills.log(everything):
        assert msgspec.json.decode(sending.body) == by_id[sending.notice.notice_id]
        assert [(one.status, one.failure) for one in sending.tries] == [(200, None)]


def test_nobody_is_told_who_asked_for_nothing(tills: Tills) -> None:
    """No endpoint; one made later; one of another merchant."""
    tills.open()
    tills.tell(*tills.happened())
    tills.work_all()
    tills.clock.instant += timedelta(seconds=1)
    later = tills.endpoint()
    tills.tell(*tills.happened())
    tills.work_all()

    assert tills.receivers.heard == []
    assert tills.log(later) == []


def test_a_repeated_job_sends_nothing_again(tills: Tills) -> None:
    """Neither the news, from a stream that repeats itself, nor a single notice."""
    endpoint = tills.endpoint()
    happened = told(tills)
    tills.work_all()
    tills.tell(*happened)
    job = NoticeJob(merchant_id=tills.merchant_id, endpoint_id=endpoint.endpoint_id, notice_id=happened[0].notice_id)
    tills.queues.send(QueueName.NOTICES, [queue_job_of(job)] * 3)
    tills.work_all()

    assert sorted(tills.receivers.taken_ids(URL)) == [notice.notice_id for notice in happened]


@given(st.integers(min_value=0, max_value=10_000))
@settings(max_examples=40)
def test_repeated_and_reordered_jobs_send_each_notice_once(seed: int) -> None:
    """Whatever order and repetitions the queue draws up; an ordered endpoint also in order."""
    tills = Tills(random.Random(seed))
    tills.endpoint()
    ordered = tills.endpoint(OTHER_URL, ordered=True)
    happened = []
    for _ in range(2):
        tills.open().serve()
        happened += tills.happened()
    for notice in random.Random(seed).sample(happened, len(happened)):
        tills.tell(notice)
    tills.work_all()
    tills.let_pass(timedelta(hours=1))

    ids = sorted(notice.notice_id for notice in happened)
    assert sorted(tills.receivers.taken_ids(URL)) == ids
    for tab_id in {notice.tab_id for notice in happened}:
        of_tab = [one for one in tills.receivers.taken_ids(OTHER_URL) if one.startswith(f"{tab_id}-")]
        assert of_tab == [one for one in ids if one.startswith(f"{tab_id}-")]
    assert set(tills.states(ordered)) == {SendingState.DELIVERED}


@pytest.mark.parametrize("dies", ["before_sending", "after_sending"])
def test_a_process_that_died_leaves_nothing_unsent(tills: Tills, dies: str) -> None:
    """The claim runs out, and the sweep sends the job again: twice only where it died after sending."""
    endpoint = tills.endpoint()
    (notice,) = told(tills, 1)
    tills.work()
    post = tills.receivers.post

    def die(*given: object) -> Answer:
        if dies == "after_sending":
            post(*given)  # type: ignore[arg-type]
        raise Died

    tills.receivers.post = die  # type: ignore[method-assign]
    with pytest.raises(Died):
        tills.work()
    tills.receivers.post = post  # type: ignore[method-assign]
    tills.let_pass(LEASE - timedelta(seconds=1), every=timedelta(seconds=10))
    assert tills.states(endpoint) == {SendingState.CLAIMED: 1}
    tills.let_pass(timedelta(minutes=5))

    assert tills.states(endpoint) == {SendingState.DELIVERED: 1}
    assert tills.receivers.taken_ids(URL) == [notice.notice_id] * (1 if dies == "before_sending" else 2)


def test_jobs_that_the_queue_lost_are_sent_by_the_sweep(tills: Tills) -> None:
    """What is recorded is due until it has come to an end."""
    endpoint = tills.endpoint()
    told(tills)
    tills.work()
    tills.queues.waiting[QueueName.NOTICES].clear()
    tills.let_pass(ON_QUEUE + timedelta(minutes=1))

    assert tills.states(endpoint) == {SendingState.DELIVERED: 3}


def test_one_claim_of_two_is_won(tills: Tills) -> None:
    """Another job has claimed it between this one's read and write: this one sends nothing, and has not failed."""
    tills.endpoint()
    told(tills, 1)
    tills.work()
    put = tills.deps.notices.put_sending

    def lost(sending: Sending, **given: object) -> None:
        tills.deps.notices.put_sending = put  # type: ignore[method-assign]
        raise VersionConflict(sending.notice.notice_id)

    tills.deps.notices.put_sending = lost  # type: ignore[method-assign]
    tills.work()

    assert tills.receivers.heard == []
    assert tills.queues.dead[QueueName.NOTICES] == []


def test_a_job_that_can_not_be_read_fails_alone(tills: Tills) -> None:
    """It comes to the dead letters after its tries; its neighbours are done once."""
    tills.endpoint()
    tills.queues.send(QueueName.NOTICES, [Job(body="{", group="mer")])
    happened = told(tills)
    tills.work_all()

    assert [job.body for job in tills.queues.dead[QueueName.NOTICES]] == ["{"]
    assert sorted(tills.receivers.taken_ids(URL)) == [notice.notice_id for notice in happened]


def test_a_bug_with_one_notice_fails_its_own_job_only(tills: Tills) -> None:
    """The others of the batch are done."""
    endpoint, other = tills.endpoint(), tills.endpoint(OTHER_URL)
    tills.receivers.answers[URL] = RuntimeError("a bug")
    told(tills)
    tills.work_all()

    assert tills.states(other) == {SendingState.DELIVERED: 3}
    assert tills.states(endpoint) == {SendingState.CLAIMED: 3}
    assert len(tills.queues.dead[QueueName.NOTICES]) == 0


# Failures


@pytest.mark.parametrize(
    "answer",
    [Answer(status=500), Answer(status=302), Answer(status=404), WhyNoAnswer.TIMED_OUT, WhyNoAnswer.ADDRESS_REFUSED],
)
def test_what_was_not_taken_is_tried_again(tills: Tills, answer: Answer | WhyNoAnswer) -> None:
    """By a delayed job, seconds later, or a minute where it hung; the log says why."""
    endpoint = tills.endpoint()
    tills.receivers.answers[URL] = answer
    (notice,) = told(tills, 1)
    tills.work_all()
    (waiting,) = tills.log(endpoint)
    tills.receivers.answers.clear()
    if answer == WhyNoAnswer.TIMED_OUT:
        tills.let_pass(timedelta(minutes=2), every=timedelta(seconds=30))
    tills.clock.instant += timedelta(seconds=5)
    tills.work_all()

    assert waiting.state == SendingState.WAITING
    assert tills.receivers.taken_ids(URL) == [notice.notice_id]
    (done,) = tills.log(endpoint)
    status, failure = (answer.status, None) if isinstance(answer, Answer) else (None, answer)
    assert [(one.status, one.failure) for one in done.tries] == [(status, failure), (200, None)]


def test_an_endpoint_that_hangs_holds_no_neighbour_up(tills: Tills) -> None:
    """It is tried once and rests; its other jobs wait and do not count as tried; neighbours are served."""
    hanging, other = tills.endpoint(), tills.endpoint(OTHER_URL)
    tills.receivers.answers[URL] = WhyNoAnswer.TIMED_OUT
    told(tills, 3)
    tills.work()
    tills.work(20)

    assert len([sent for sent in tills.receivers.heard if sent.url == URL]) == 1
    assert tills.states(other) == {SendingState.DELIVERED: 3}
    assert sorted(sending.tried for sending in tills.log(hanging)) == [0, 0, 1]
    tills.receivers.answers.clear()
    tills.let_pass(timedelta(minutes=10))
    assert tills.states(hanging) == {SendingState.DELIVERED: 3}


def test_an_endpoint_that_goes_on_hanging_is_tried_seldom(tills: Tills) -> None:
    """In all batches together, the seldomer the longer it hangs; what was not tried then arrives within its rest."""
    endpoint = tills.endpoint()
    tills.receivers.answers[URL] = WhyNoAnswer.TIMED_OUT
    for _ in range(10):
        told(tills)
    tills.work_all()
    assert len(tills.receivers.heard) == 1
    tills.let_pass(timedelta(hours=10), every=timedelta(minutes=1))
    tried = len(tills.receivers.heard)
    tills.receivers.answers.clear()
    tills.let_pass(timedelta(minutes=20), every=timedelta(minutes=1))

    assert 40 < tried < 80
    assert tills.states(endpoint)[SendingState.DELIVERED] >= 20
    assert tills.seen(endpoint).rests_until is None
    tills.let_pass(timedelta(days=1), every=timedelta(hours=1))
    assert tills.states(endpoint) == {SendingState.DELIVERED: 30}


def test_a_test_is_sent_though_the_endpoint_rests(tills: Tills) -> None:
    """Its owner wants to see whether it answers by now."""
    endpoint = tills.endpoint()
    tills.receivers.answers[URL] = WhyNoAnswer.TIMED_OUT
    told(tills, 1)
    tills.work_all()
    tills.receivers.answers.clear()
    endpoints.send_test(tills.deps, endpoint.endpoint_id, request=tills.request(tills.owner))
    tills.work_all()

    assert [sent.body["type"] for sent in tills.receivers.taken] == [TEST]


def test_retry_after_is_heard(tills: Tills) -> None:
    """A receiver that asks for an hour gets it."""
    endpoint = tills.endpoint()
    tills.receivers.answers[URL] = Answer(status=429, retry_after_s=3600)
    told(tills, 1)
    tills.work_all()
    tills.receivers.answers.clear()
    tills.let_pass(timedelta(minutes=59))
    assert len(tills.receivers.heard) == 1
    tills.let_pass(timedelta(minutes=10))

    assert tills.states(endpoint) == {SendingState.DELIVERED: 1}


def test_gone_ends_it_and_nothing_pending_is_lost(tills: Tills) -> None:
    """410 disables the endpoint at once; enabled again, everything that was held goes out by itself."""
    endpoint = tills.endpoint()
    tills.receivers.answers[URL] = Answer(status=410)
    happened = told(tills, 2)
    tills.work_all()
    gone = tills.seen(endpoint)
    tills.tell(*tills.happened()[2:])
    tills.work_all()
    assert (gone.is_enabled, gone.disabled_by) == (False, DisabledBy.GONE)
    assert len(tills.receivers.heard) == 1
    assert set(tills.states(endpoint)) == {SendingState.HELD}

    tills.receivers.answers.clear()
    endpoints.enable_endpoint(tills.deps, endpoint.endpoint_id, request=tills.request(tills.owner))
    tills.work_all()

    assert sorted(tills.receivers.taken_ids(URL)) == [notice.notice_id for notice in tills.happened()]
    assert len(happened) == 2


def test_a_failing_endpoint_is_disabled_after_days_and_loses_nothing(tills: Tills) -> None:
    """Its owner is warned before; what was given up is replayed, what was held comes by itself."""
    endpoint = tills.endpoint()
    tills.receivers.answers[URL] = DOWN
    told(tills, 1)
    tills.work_all()
    tills.let_pass(timedelta(hours=24 + 8))
    warned = tills.seen(endpoint)
    assert warned.warned_at is not None
    tills.let_pass(timedelta(days=3), every=timedelta(hours=1))
    assert tills.states(endpoint) == {SendingState.GIVEN_UP: 1}
    assert tills.seen(endpoint).is_enabled
    tills.let_pass(timedelta(days=1), every=timedelta(hours=1))
    tills.tell(*tills.happened()[1:2])
    tills.work_all()
    assert tills.seen(endpoint).disabled_by == DisabledBy.FAILING
    tills.tell(*tills.happened()[2:])
    tills.let_pass(timedelta(days=1), every=timedelta(hours=1))
    assert tills.states(endpoint)[SendingState.HELD] == len(tills.happened()) - 1

    tills.receivers.answers.clear()
    with pytest.raises(EndpointDisabled):
        endpoints.replay_since(
            tills.deps,
            endpoint.endpoint_id,
            endpoint.created_at,
            delivered_too=False,
            request=tills.request(tills.owner),
        )
    endpoints.enable_endpoint(tills.deps, endpoint.endpoint_id, request=tills.request(tills.owner))
    tills.work_all()
    endpoints.replay_since(
        tills.deps, endpoint.endpoint_id, endpoint.created_at, delivered_too=False, request=tills.request(tills.owner)
    )
    tills.work_all()

    assert sorted(tills.receivers.taken_ids(URL)) == [notice.notice_id for notice in tills.happened()]


def owner_told(tills: Tills) -> list[Message]:
    """What follows from the entries of the merchant's own history."""
    return [message for message in messages_of_all(tills.store) if message.tab_id is None]


def test_the_owner_is_told_before_an_endpoint_is_disabled_and_when_it_is(tills: Tills) -> None:
    """Once each, with the endpoint's id and the time; never with its URL."""
    endpoint = tills.endpoint()
    tills.receivers.answers[URL] = DOWN
    for _ in range(3):
        # Something happens now and then, so that there are tries until the end.
        told(tills, 1)
        tills.work_all()
        tills.let_pass(timedelta(days=2), every=timedelta(hours=1))

    assert tills.seen(endpoint).disabled_by == DisabledBy.FAILING
    messages = owner_told(tills)
    assert [(one.kind, one.to) for one in messages] == [
        (MessageKind.ENDPOINT_FAILING, Recipient.OWNER),
        (MessageKind.ENDPOINT_DISABLED, Recipient.OWNER),
    ]
    failing, disabled = messages
    assert failing.values["endpoint_id"] == endpoint.endpoint_id
    assert failing.at < disabled.at
    assert str(failing.values["disabled_at"]) <= disabled.at.isoformat()
    assert disabled.values["why"] == "failing"
    assert URL not in repr(messages)


def test_the_owner_is_told_that_a_system_wants_no_more(tills: Tills) -> None:
    """410 leaves no time for a warning."""
    tills.endpoint()
    tills.receivers.answers[URL] = Answer(status=410)
    told(tills)
    tills.work_all()

    assert [(one.kind, one.values["why"]) for one in owner_told(tills)] == [(MessageKind.ENDPOINT_DISABLED, "gone")]


def test_an_owner_who_is_told_twice_is_told_rather_than_never(tills: Tills) -> None:
    """The process dies between telling and writing the endpoint: the next failure tells again."""
    endpoint = tills.endpoint()
    tills.receivers.answers[URL] = Answer(status=410)
    told(tills, 2)
    tills.work()
    put = tills.deps.notices.put_endpoint

    def die(*given: object, **more: object) -> None:
        raise Died

    tills.deps.notices.put_endpoint = die  # type: ignore[method-assign]
    with pytest.raises(Died):
        tills.work()
    tills.deps.notices.put_endpoint = put  # type: ignore[method-assign]
    tills.let_pass(timedelta(minutes=20))

    assert not tills.seen(endpoint).is_enabled
    assert [one.kind for one in owner_told(tills)] == [MessageKind.ENDPOINT_DISABLED] * 2


def test_a_success_ends_the_failing(tills: Tills) -> None:
    """One failure in between is no reason to worry anybody."""
    endpoint = tills.endpoint()
    tills.receivers.answers[URL] = DOWN
    told(tills, 1)
    tills.work_all()
    assert tills.seen(endpoint).failing_since is not None
    tills.receivers.answers.clear()
    tills.let_pass(timedelta(minutes=10))

    assert tills.seen(endpoint).failing_since is None


# The outage


@pytest.mark.parametrize("down", [DOWN, WhyNoAnswer.TIMED_OUT], ids=["503", "hangs"])
@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0, None])
def test_an_endpoint_that_is_down_for_three_days_gets_everything(
    chance: float | None, down: Answer | WhyNoAnswer
) -> None:
    """72 hours down, then up: every id arrives, exactly as logged, once; in order by tab where it is asked for.

    However the jitter falls (None: drawn anew each time), and though the queue repeats and reorders its jobs.
    """
    drawn = random.Random(7)
    tills = Tills(drawn)
    tills.chance = drawn.random if chance is None else lambda: chance
    plain, ordered = tills.endpoint(), tills.endpoint(OTHER_URL, ordered=True)
    for url in (URL, OTHER_URL):
        tills.receivers.answers[url] = down
    begun = tills.clock.instant
    happened: list[Notice] = []
    while tills.clock.instant < begun + timedelta(hours=72):
        # A tab an hour in the first hour, the middle and the end of the outage, its entries told in any order.
        hours = int((tills.clock.instant - begun).total_seconds() // 3600)
        if hours in (0, 35, 71):
            tills.open().serve()
            news = tills.happened()
            happened += news
            for notice in drawn.sample(news, len(news)):
                tills.tell(notice)
            tills.work_all()
        tills.let_pass(timedelta(hours=1), every=timedelta(minutes=15))
    assert tills.receivers.taken == []

    tills.receivers.answers.clear()
    tills.let_pass(LASTS, every=timedelta(minutes=15))

    ids = sorted(notice.notice_id for notice in happened)
    logged = {sending.notice.notice_id: sending.body for sending in tills.log(plain)}
    assert sorted(logged) == ids
    for endpoint, url in ((plain, URL), (ordered, OTHER_URL)):
        assert tills.states(endpoint) == {SendingState.DELIVERED: len(ids)}
        assert sorted(tills.receivers.taken_ids(url)) == ids
    for sent in tills.receivers.taken:
        assert msgspec.json.decode(logged[sent.notice_id]) == sent.body
    for tab_id in {notice.tab_id for notice in happened}:
        in_order = [one for one in tills.receivers.taken_ids(OTHER_URL) if one.startswith(f"{tab_id}-")]
        assert in_order == sorted(in_order)
    assert tills.seen(plain).is_enabled


def test_a_later_notice_waits_for_the_earlier_one_and_for_no_other_tab(tills: Tills) -> None:
    """Where it is asked for: one failing notice holds up its own tab."""
    tills.endpoint(ordered=True)
    first = told(tills, 2)
    tills.open()
    second = tills.happened()
    tills.tell(*second)
    post = tills.receivers.post

    def refuse_the_first(url: str, notice_id: str, body: bytes, secrets: list[str]) -> Answer:
        return DOWN if notice_id == first[0].notice_id else post(url, notice_id, body, secrets)

    tills.receivers.post = refuse_the_first  # type: ignore[assignment,method-assign]
    tills.let_pass(timedelta(hours=1))
    assert tills.receivers.taken_ids(URL) == [notice.notice_id for notice in second]

    tills.receivers.post = post  # type: ignore[method-assign]
    tills.let_pass(timedelta(hours=6))
    assert tills.receivers.taken_ids(URL)[len(second) :] == [notice.notice_id for notice in first]


def test_an_earlier_entry_that_has_not_come_yet_is_sent_first(tills: Tills) -> None:
    """The queue has lost or delayed it: an ordered endpoint's news is completed from the tab's history."""
    tills.endpoint(ordered=True)
    tills.open().serve()
    happened = tills.happened()
    tills.tell(happened[-1])
    tills.work_all()
    tills.let_pass(timedelta(minutes=30))
    tills.tell(*happened)
    tills.work_all()

    assert tills.receivers.taken_ids(URL) == [notice.notice_id for notice in happened]


def test_what_has_left_the_log_is_not_sent_again(tills: Tills) -> None:
    """A tab lives longer than the log: its old entries are not known any more, and are not missing."""
    endpoint = tills.endpoint(ordered=True)
    old = told(tills, 2)
    tills.work_all()
    tills.clock.instant += timedelta(days=31)
    forget = tills.deps.notices
    assert isinstance(forget, MemoryNotices)
    for notice in old:
        # As the database does by its TTL.
        del forget._sendings[tills.merchant_id, endpoint.endpoint_id, notice.notice_id]
    accepted = tills.accept_bill().tab
    tills.tell(*(notice for notice in tills.happened() if notice.at == tills.clock.instant))
    tills.work_all()

    assert accepted.version > 1
    taken = tills.receivers.taken_ids(URL)
    assert len(taken) == len(set(taken)) > len(old)


# The owner's


def test_what_happens_while_it_is_disabled_is_held(tills: Tills) -> None:
    """By the owner, too; enabling it sends everything, in order by tab where that is asked for."""
    endpoint = tills.endpoint(ordered=True)
    endpoints.disable_endpoint(tills.deps, endpoint.endpoint_id, request=tills.request(tills.owner))
    happened = told(tills)
    tills.work()
    # At once, without a job for each.
    assert tills.queues.waiting[QueueName.NOTICES] == []
    tills.let_pass(timedelta(days=2), every=timedelta(hours=6))
    assert tills.states(endpoint) == {SendingState.HELD: 3}

    request = tills.request(tills.owner)
    endpoints.enable_endpoint(tills.deps, endpoint.endpoint_id, request=request)
    endpoints.enable_endpoint(tills.deps, endpoint.endpoint_id, request=request)
    tills.work_all()

    assert tills.receivers.taken_ids(URL) == [notice.notice_id for notice in happened]


def test_an_enabled_endpoint_gets_what_was_held_though_the_queue_was_down(tills: Tills) -> None:
    """The request fails, and repeating it does what is left."""
    endpoint = tills.endpoint()
    endpoints.disable_endpoint(tills.deps, endpoint.endpoint_id, request=tills.request(tills.owner))
    told(tills)
    tills.work_all()
    request = tills.request(tills.owner)
    send = tills.queues.send
    tills.queues.send = unavailable  # type: ignore[method-assign]
    with pytest.raises(QueueUnavailable):
        endpoints.enable_endpoint(tills.deps, endpoint.endpoint_id, request=request)
    tills.queues.send = send  # type: ignore[method-assign]

    endpoints.enable_endpoint(tills.deps, endpoint.endpoint_id, request=request)
    tills.work_all()

    assert tills.states(endpoint) == {SendingState.DELIVERED: 3}


def unavailable(queue: QueueName, jobs: list[Job]) -> None:
    raise QueueUnavailable(queue)


def test_one_notice_is_replayed_under_its_id(tills: Tills) -> None:
    """A delivered one, too; one under way stays as it is."""
    endpoint = tills.endpoint()
    (notice,) = told(tills, 1)
    tills.work_all()
    request = tills.request(tills.owner)
    for _ in range(2):
        endpoints.replay_notice(tills.deps, endpoint.endpoint_id, notice.notice_id, request=request)
    again = endpoints.replay_notice(
        tills.deps, endpoint.endpoint_id, notice.notice_id, request=tills.request(tills.owner)
    )
    tills.work_all()

    assert again.state == SendingState.QUEUED
    assert tills.receivers.taken_ids(URL) == [notice.notice_id] * 2


def test_a_replay_of_a_time_goes_page_by_page(tills: Tills, monkeypatch: pytest.MonkeyPatch) -> None:
    """From then on, delivered ones only where that is asked for; what happens meanwhile is not told twice."""
    monkeypatch.setattr(notices, "PAGE", 2)
    endpoint = tills.endpoint()
    tills.open()
    early = tills.happened()
    tills.tell(*early)
    tills.work_all()
    tills.clock.instant += timedelta(hours=1)
    since = tills.clock.instant
    late = told(tills, 3)
    tills.work_all()
    tills.clock.instant += timedelta(hours=1)

    def replay(*, delivered_too: bool) -> None:
        tills.receivers.taken.clear()
        endpoints.replay_since(
            tills.deps,
            endpoint.endpoint_id,
            since,
            delivered_too=delivered_too,
            request=tills.request(tills.owner),
        )
        tills.work_all()

    replay(delivered_too=False)
    assert tills.receivers.taken == []
    replay(delivered_too=True)
    assert sorted(tills.receivers.taken_ids(URL)) == [notice.notice_id for notice in late]


def test_a_test_goes_to_one_endpoint_once(tills: Tills) -> None:
    """Whatever it wants, even while it is disabled; repeated under one key it is the same test."""
    endpoint, _ = tills.endpoint(URL, "tab.closed"), tills.endpoint(OTHER_URL)
    endpoints.disable_endpoint(tills.deps, endpoint.endpoint_id, request=tills.request(tills.owner))
    request = tills.request(tills.owner)
    first = endpoints.send_test(tills.deps, endpoint.endpoint_id, request=request)
    again = endpoints.send_test(tills.deps, endpoint.endpoint_id, request=request)
    tills.work_all()

    assert first.notice == again.notice
    assert [(sent.url, sent.body["type"]) for sent in tills.receivers.taken] == [(URL, TEST)]


@pytest.mark.parametrize("answer", [Answer(status=410), WhyNoAnswer.TIMED_OUT])
def test_a_failed_test_changes_nothing_of_the_endpoint(tills: Tills, answer: Answer | WhyNoAnswer) -> None:
    """It is tried once, and its answer is in the log."""
    endpoint = tills.endpoint()
    tills.receivers.answers[URL] = answer
    endpoints.send_test(tills.deps, endpoint.endpoint_id, request=tills.request(tills.owner))
    tills.let_pass(timedelta(hours=1))

    assert tills.seen(endpoint) == endpoint
    assert tills.states(endpoint) == {SendingState.GIVEN_UP: 1}
    assert len(tills.receivers.heard) == 1


def test_both_secrets_sign_while_they_are_rotated(tills: Tills) -> None:
    """For a day; each is shown once, in the answer that made it."""
    given = EndpointInput(url=URL, event_types=(), description="", ordered=False)
    request, rotate = tills.request(tills.owner), tills.request(tills.owner)
    made = endpoints.create_endpoint(tills.deps, given, request=request)
    endpoint_id = made.endpoint.endpoint_id
    rotated = endpoints.rotate_secret(tills.deps, endpoint_id, request=rotate)

    assert made.secret and rotated.secret and made.secret != rotated.secret
    assert endpoints.create_endpoint(tills.deps, given, request=request).secret is None
    assert endpoints.rotate_secret(tills.deps, endpoint_id, request=rotate).secret is None
    told(tills, 1)
    tills.work_all()
    tills.let_pass(timedelta(hours=24))
    tills.tell(*tills.happened()[1:2])
    tills.work_all()
    assert tills.receivers.secrets == [[rotated.secret, made.secret], [rotated.secret]]
    for shown in (made, rotated):
        assert shown.secret not in repr(shown)


def test_rotating_too_often_is_refused(tills: Tills) -> None:
    """Each old one signs for a day, and a header has room for so many."""
    endpoint = tills.endpoint()
    for _ in range(4):
        endpoints.rotate_secret(tills.deps, endpoint.endpoint_id, request=tills.request(tills.owner))
    with pytest.raises(InvalidInput):
        endpoints.rotate_secret(tills.deps, endpoint.endpoint_id, request=tills.request(tills.owner))
    tills.clock.instant += timedelta(days=1)
    assert endpoints.rotate_secret(tills.deps, endpoint.endpoint_id, request=tills.request(tills.owner)).secret


def test_an_endpoint_is_made_once_and_there_are_not_too_many(tills: Tills) -> None:
    """Repeated under one key; another request under it is refused."""
    given = EndpointInput(url=URL, event_types=(), description="", ordered=False)
    request = tills.request(tills.owner)
    first = endpoints.create_endpoint(tills.deps, given, request=request)
    assert endpoints.create_endpoint(tills.deps, given, request=request).endpoint == first.endpoint
    with pytest.raises(IdempotencyMismatch):
        endpoints.create_endpoint(tills.deps, given, request=replace(request, request_sha256="other"))
    for _ in range(MAXIMUM_ENDPOINTS - 1):
        tills.endpoint()
    with pytest.raises(TooManyEndpoints):
        tills.endpoint()
    endpoints.delete_endpoint(tills.deps, first.endpoint.endpoint_id, request=tills.request(tills.owner))
    assert tills.endpoint().slot == first.endpoint.slot


def test_two_made_at_once_take_two_places_or_one_tries_again(tills: Tills) -> None:
    """While this request decides on its place, another takes it."""
    new = tills.deps.ids.new

    def overtaken(prefix: str) -> str:
        tills.deps.ids.new = new  # type: ignore[method-assign]
        tills.endpoint()
        return new(prefix)

    tills.deps.ids.new = overtaken  # type: ignore[method-assign]
    with pytest.raises(Contention):
        tills.endpoint()
    assert tills.endpoint().slot == 1


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://a.example/", "https://", "https:///x", "a.example", "https://a.example:99999/", "https://[::1/"),
        *(
            "https://user:key@a.example/",
            "https://a.example/#x",
            "https://münchen.example/",
            "https://private.example/",
        ),
    ],
)
def test_a_url_that_can_not_work_is_refused(tills: Tills, url: str) -> None:
    """No https, no host, credentials in it, letters that no header may have, an address that may not be called."""
    with pytest.raises(InvalidInput) as refused:
        tills.endpoint(url)
    assert refused.value.context["field"] == "url"


def test_an_unknown_type_is_refused(tills: Tills) -> None:
    """With the type's name."""
    with pytest.raises(InvalidInput, match=r"tab\.opend"):
        tills.endpoint(URL, "tab.opend")


def test_an_endpoint_is_updated_on_the_version_that_was_seen(tills: Tills) -> None:
    """Types that are new to it begin now."""
    endpoint = tills.endpoint(URL, "tab.closed")
    tills.clock.instant += timedelta(hours=1)
    given = EndpointInput(url=OTHER_URL, event_types=("tab.closed", "tab.opened"), description="New", ordered=True)
    changed = endpoints.update_endpoint(
        tills.deps, endpoint.endpoint_id, given, request=tills.request(tills.owner, version=1)
    )

    assert (changed.url, changed.ordered, changed.since, changed.version) == (OTHER_URL, True, tills.clock.instant, 2)
    with pytest.raises(StaleVersion):
        endpoints.update_endpoint(
            tills.deps, endpoint.endpoint_id, given, request=tills.request(tills.owner, version=1)
        )


def test_endpoints_of_others_are_not_found(tills: Tills) -> None:
    """Neither read nor changed nor sent to."""
    endpoint = tills.endpoint()
    stranger = replace(tills.owner, merchant_id="mer_other")
    for act in (
        lambda: endpoints.get_endpoint(tills.deps, endpoint.endpoint_id, by=stranger),
        lambda: endpoints.rotate_secret(tills.deps, endpoint.endpoint_id, request=tills.request(stranger)),
        lambda: endpoints.delete_endpoint(tills.deps, endpoint.endpoint_id, request=tills.request(stranger)),
        lambda: endpoints.send_test(tills.deps, endpoint.endpoint_id, request=tills.request(stranger)),
        lambda: endpoints.get_notice(tills.deps, endpoint.endpoint_id, "tab_1-000001", by=stranger),
    ):
        with pytest.raises(NotFound):
            act()
    assert endpoints.list_endpoints(tills.deps, by=stranger) == ()


def test_what_was_under_way_to_a_deleted_endpoint_ends(tills: Tills) -> None:
    """Nothing is sent, and nothing stays due."""
    endpoint = tills.endpoint()
    told(tills)
    tills.work()
    request = tills.request(tills.owner)
    endpoints.delete_endpoint(tills.deps, endpoint.endpoint_id, request=request)
    endpoints.delete_endpoint(tills.deps, endpoint.endpoint_id, request=request)
    tills.work_all()

    assert tills.receivers.heard == []
    assert list(tills.store.iter_due(tills.clock.instant + timedelta(days=99)))[1:] == []


def test_the_log_ends_after_thirty_days(tills: Tills) -> None:
    """By the business clock, whenever the database deletes."""
    endpoint = tills.endpoint()
    (notice,) = told(tills, 1)
    tills.work_all()
    tills.clock.instant += timedelta(days=30, seconds=1)

    assert tills.log(endpoint) == []
    with pytest.raises(NotFound):
        endpoints.get_notice(tills.deps, endpoint.endpoint_id, notice.notice_id, by=tills.owner)


def test_a_time_to_come_can_not_be_replayed(tills: Tills) -> None:
    """It is a mistake of the caller's."""
    endpoint = tills.endpoint()
    with pytest.raises(InvalidInput):
        endpoints.replay_since(
            tills.deps,
            endpoint.endpoint_id,
            tills.clock.instant + timedelta(days=1),
            delivered_too=False,
            request=tills.request(tills.owner),
        )


def test_nothing_secret_is_logged(tills: Tills, caplog: pytest.LogCaptureFixture) -> None:
    """Neither URL nor secret nor body, whatever becomes of a notice."""
    caplog.set_level(logging.DEBUG)
    given = EndpointInput(url="https://till.example/k3y", event_types=(), description="", ordered=False)
    made = endpoints.create_endpoint(tills.deps, given, request=tills.request(tills.owner))
    for answer in (Answer(status=200), DOWN, WhyNoAnswer.TIMED_OUT, RuntimeError("a bug")):
        tills.receivers.answers[given.url] = answer
        told(tills)
        tills.work_all()

    text = caplog.text + repr([vars(record) for record in caplog.records])
    for secret in (made.secret or "-", "k3y", '"timestamp"', "tab.opened"):
        assert secret not in text
