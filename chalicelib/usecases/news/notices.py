"""Notices on their way: news is recorded for each endpoint that wants it, and each record is sent until it is taken.

A sending is claimed by a conditional write before it is sent and marked after it, so a repeated job sends nothing
again, unless the process died between the two. Whatever is under way stands in the index of what is due: a job that was
lost is sent again by the sweep.
"""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from math import ceil

import msgspec
from msgspec.structs import replace

from chalicelib import correlation
from chalicelib.domain.news import endpoint as endpoints
from chalicelib.domain.news import sending as sendings
from chalicelib.domain.news.endpoint import DisabledBy, Endpoint
from chalicelib.domain.news.notice import PUSH, TEST, Notice, message_of_push, notice_of
from chalicelib.domain.news.rules import ASKS_TO_PAY, outdated
from chalicelib.domain.news.sending import Sending, SendingState, Try
from chalicelib.domain.tab.actor import SYSTEM
from chalicelib.domain.tab.entry import Entry
from chalicelib.ports.deps import Deps
from chalicelib.ports.notices import NoticeJob, Replay, queue_job_of
from chalicelib.ports.queues import Job, QueueName, QueueUnavailable
from chalicelib.ports.store import VersionConflict, every
from chalicelib.ports.webhooks import NoAnswer, WhyNoAnswer

log = logging.getLogger(__name__)

ENDPOINTS_AT_ONCE = 10
"""As many as a batch may name: one that hangs delays none of the others."""
BEHIND = timedelta(seconds=30)
"""So long after the next try of an earlier notice, one that waits for it looks again; its success wakes it at once."""
SPREAD = timedelta(minutes=1)
"""Over so long a time after an endpoint's rest its jobs come back."""
LONGEST_DELAY_S = 900
"""The longest delay of a queue. What is to wait longer is found by the sweep."""
PAGE = 100
ROUNDS = 4

Chance = Callable[[], float]

_decode = msgspec.json.Decoder(NoticeJob).decode


def work(deps: Deps, jobs: Sequence[str], *, chance: Chance = random.random) -> list[int]:
    """Do a batch of the queue `notices`; return the indexes of the jobs that failed. `chance`: drawn for the jitter.

    The jobs of one endpoint are done one after the other, those of different endpoints beside each other.
    """
    failed: set[int] = set()
    tries: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for index, text in enumerate(jobs):
        try:
            job = _decode(text)
            if job.notices:
                _record(deps, job.merchant_id, job.notices)
            elif job.endpoint_id is not None and job.replay is not None:
                _replay(deps, job.merchant_id, job.endpoint_id, job.replay)
            elif job.endpoint_id is not None and job.notice_id is not None:
                tries[job.merchant_id, job.endpoint_id].append((index, job.notice_id))
        except Exception:
            log.exception("a job of the queue of notices failed")
            failed.add(index)

    def send(of: tuple[tuple[str, str], list[tuple[int, str]]]) -> set[int]:
        (merchant_id, endpoint_id), named = of
        with correlation.about(merchant_id=merchant_id, endpoint_id=endpoint_id):
            not_done = _send(deps, merchant_id, endpoint_id, sorted({notice_id for _, notice_id in named}), chance)
        return {index for index, notice_id in named if notice_id in not_done}

    if len(tries) == 1:
        failed |= send(next(iter(tries.items())))
    elif tries:
        with ThreadPoolExecutor(min(ENDPOINTS_AT_ONCE, len(tries)), thread_name_prefix="notices") as pool:
            failed = failed.union(*pool.map(send, tries.items()))
    return sorted(failed)


# Recording


def _record(deps: Deps, merchant_id: str, notices: Iterable[Notice]) -> None:
    """Record the notices for every endpoint that wants them, and send a job for each."""
    wanting = deps.notices.list_endpoints(merchant_id)
    now = deps.clock.now()
    jobs: list[Job] = []
    for notice in notices:
        for endpoint in wanting:
            if not endpoint.wants(notice):
                continue
            for one in [*_missing_before(deps, endpoint, notice), notice]:
                sending = sendings.new_sending(one, endpoint.endpoint_id, now, is_held=not endpoint.is_enabled)
                deps.notices.add_sending(sending)
                if sending.state == SendingState.REFUSED:
                    log.warning("a notice is too large to be sent", extra={"type": one.type, "tab_id": one.tab_id})
                if sending.is_under_way:
                    # Again for a repeated job: the process may have died before it had sent it.
                    jobs.append(_job_of(sending))
    deps.queues.send(QueueName.NOTICES, jobs)


def _missing_before(deps: Deps, endpoint: Endpoint, notice: Notice) -> list[Notice]:
    """Earlier notices of the tab that an ordered endpoint wants and that have not come yet: the queue has no order."""
    if not endpoint.ordered or notice.tab_id is None or notice.seq <= 1:
        return []
    tab_id = notice.tab_id
    # What is older may have left the log, so that nobody knows whether it was sent.
    since = deps.clock.now() - sendings.KEPT / 2
    known = {
        it.notice.seq for it in deps.notices.list_sendings_of_tab(endpoint.merchant_id, endpoint.endpoint_id, tab_id)
    }
    found: list[Notice] = []
    for entry in every(partial(deps.store.list_entries, endpoint.merchant_id, tab_id, limit=PAGE)):
        if entry.seq >= notice.seq:
            break
        if entry.seq not in known:
            earlier = notice_of(endpoint.merchant_id, notice.data.get("customer_id"), tab_id, entry)
            if earlier.at >= since and endpoint.wants(earlier):
                found.append(earlier)
    return found


def _replay(deps: Deps, merchant_id: str, endpoint_id: str, replay: Replay) -> None:
    """Send a page of what has happened again, and a job for the page after it."""
    page = deps.notices.list_sendings(
        merchant_id, endpoint_id, replay.since, replay.until, limit=PAGE, cursor=replay.cursor
    )
    now = deps.clock.now()
    jobs: list[Job] = []
    for sending in page.items:
        if sending.state not in replay.states:
            continue
        with suppress(VersionConflict):
            again = sendings.replayed(sending, now)
            deps.notices.put_sending(again)
            jobs.append(_job_of(again))
    if page.next_cursor is not None:
        rest = replace(replay, cursor=page.next_cursor)
        jobs.append(queue_job_of(NoticeJob(merchant_id=merchant_id, endpoint_id=endpoint_id, replay=rest)))
    deps.queues.send(QueueName.NOTICES, jobs)


# Sending


def _send(deps: Deps, merchant_id: str, endpoint_id: str, notice_ids: Sequence[str], chance: Chance) -> set[str]:
    """Try these notices to one endpoint, in this order; return the ids of those whose job failed."""
    failed: set[str] = set()
    for notice_id in notice_ids:
        try:
            # Read anew each time: after the try before it may be disabled, or rest.
            endpoint = deps.notices.find_endpoint(merchant_id, endpoint_id)
            sending = deps.notices.find_sending(merchant_id, endpoint_id, notice_id)
            if sending is not None and sending.may_be_tried(deps.clock.now()):
                _send_one(deps, endpoint, sending, chance)
        except VersionConflict:
            log.info("another job has this notice")
        except Exception:
            log.exception("a notice could not be tried")
            failed.add(notice_id)
    return failed


def _send_one(deps: Deps, endpoint: Endpoint | None, sending: Sending, chance: Chance) -> None:
    """Try it, or put it off. Raises VersionConflict: another job has it."""
    now = deps.clock.now()
    if endpoint is None or not endpoint.receives(sending.notice):
        deps.notices.put_sending(sendings.held(sending))
        return
    if sending.notice.type == PUSH and _asks_in_vain(deps, sending):
        deps.notices.put_sending(sendings.suppressed(sending))
        return
    earlier = _earlier(deps, endpoint, sending)
    if earlier is not None:
        deps.notices.put_sending(sendings.put_off(sending, (earlier.next_action_at or now) + BEHIND))
        return
    if endpoint.rests_until is not None and now < endpoint.rests_until and sending.notice.type != TEST:
        # Without a try: it would hang as well, while the jobs of others wait.
        _wait(deps, sendings.put_off(sending, endpoint.rests_until + SPREAD * chance()))
        return
    secrets = deps.notices.find_secrets(endpoint.merchant_id, endpoint.endpoint_id)
    assert secrets is not None, "an endpoint is written with its secrets"
    sending = sendings.claimed(sending, now)
    deps.notices.put_sending(sending)
    one, retry_after_s = _try(deps, endpoint, sending, secrets.signing(now))
    after = sendings.after_try(sending, one, chance=chance(), retry_after_s=retry_after_s)
    if one.status == GONE and sending.notice.type != TEST:
        after = replace(after, state=SendingState.HELD, next_action_at=None)
    _wait(deps, after)
    log.info("a notice was tried", extra={"notice_id": sending.notice.notice_id, "state": after.state})
    if sending.notice.type != TEST:
        _note_health(deps, endpoint, one)
    if endpoint.ordered and not after.is_under_way:
        _wake_next(deps, endpoint, sending)


GONE = 410


def _asks_in_vain(deps: Deps, sending: Sending) -> bool:
    """Whether it is a push that asks for a payment, and its customer has paid or is left alone meanwhile."""
    message = message_of_push(sending.notice, sending.body)
    if message.kind not in ASKS_TO_PAY or message.tab_id is None:
        return False
    tab = deps.store.get_tab(message.merchant_id, message.tab_id)
    merchant = deps.store.get_merchant(message.merchant_id)
    return outdated(message, tab, merchant, deps.clock.now()) is not None


def _try(deps: Deps, endpoint: Endpoint, sending: Sending, secrets: Sequence[str]) -> tuple[Try, int | None]:
    """The outcome, and after how many seconds the receiver wants to be asked again."""
    try:
        answer = deps.webhooks.post(endpoint.url, sending.notice.notice_id, sending.body.encode(), secrets)
    except NoAnswer as none:
        return Try(at=deps.clock.now(), failure=none.failure), None
    return Try(at=deps.clock.now(), status=answer.status), answer.retry_after_s


def _wait(deps: Deps, sending: Sending) -> None:
    """Write it, and where its next try is soon, send a job for it that comes then: a sweep comes only now and then."""
    deps.notices.put_sending(sending)
    if sending.state != SendingState.WAITING or sending.next_action_at is None:
        return
    delay_s = ceil((sending.next_action_at - deps.clock.now()).total_seconds())
    if delay_s <= LONGEST_DELAY_S:
        # If the queue does not take it, the sweep finds it.
        with suppress(QueueUnavailable):
            deps.queues.send(QueueName.NOTICES, [_job_of(sending, delay_s=max(0, delay_s))])


def _earlier(deps: Deps, endpoint: Endpoint, sending: Sending) -> Sending | None:
    """The first notice of the same tab that is to come before this one and is still under way."""
    if not endpoint.ordered or sending.notice.tab_id is None:
        return None
    of_tab = deps.notices.list_sendings_of_tab(endpoint.merchant_id, endpoint.endpoint_id, sending.notice.tab_id)
    return next((it for it in of_tab if it.notice.seq < sending.notice.seq and it.is_under_way), None)


def _wake_next(deps: Deps, endpoint: Endpoint, sending: Sending) -> None:
    """Send a job for the notice of the tab that has waited for this one."""
    if sending.notice.tab_id is None:
        return
    of_tab = deps.notices.list_sendings_of_tab(endpoint.merchant_id, endpoint.endpoint_id, sending.notice.tab_id)
    following = next((it for it in of_tab if it.notice.seq > sending.notice.seq and it.is_under_way), None)
    if following is None:
        return
    # If another job has it, or the queue does not take it, it comes by itself.
    with suppress(VersionConflict, QueueUnavailable):
        if following.state == SendingState.WAITING:
            following = sendings.queued(following, deps.clock.now())
            deps.notices.put_sending(following)
        deps.queues.send(QueueName.NOTICES, [_job_of(following)])


def _job_of(sending: Sending, *, delay_s: int = 0) -> Job:
    notice = sending.notice
    job = NoticeJob(merchant_id=notice.merchant_id, endpoint_id=sending.endpoint_id, notice_id=notice.notice_id)
    return queue_job_of(job, delay_s=delay_s)


# The endpoint's health


def _note_health(deps: Deps, endpoint: Endpoint, one: Try) -> None:
    """Note what the try says of the endpoint; its owner is told before it is disabled, and when it is."""
    for _ in range(ROUNDS):
        changed = _after(endpoint, one)
        if changed == endpoint:
            return
        _tell_owner(deps, endpoint, changed)
        try:
            deps.notices.put_endpoint(changed)
            return
        except VersionConflict:
            found = deps.notices.find_endpoint(endpoint.merchant_id, endpoint.endpoint_id)
            if found is None:
                return
            endpoint = found


def _after(endpoint: Endpoint, one: Try) -> Endpoint:
    if one.is_success:
        return endpoints.after_success(endpoint)
    if one.status == GONE:
        return endpoints.disabled(endpoint, DisabledBy.GONE, one.at)
    return endpoints.after_failure(endpoint, one.at, hung=one.failure == WhyNoAnswer.TIMED_OUT)


def _tell_owner(deps: Deps, before: Endpoint, after: Endpoint) -> None:
    """Write down that an endpoint fails or was disabled, from which the owner's message follows.

    Before the endpoint itself is written: dying between the two, it is told twice rather than never.
    """
    kind = endpoints.news_of(before, after)
    if kind is None:
        return
    for _ in range(ROUNDS):
        merchant = deps.store.get_merchant(after.merchant_id)
        entry = Entry(
            seq=merchant.version + 1,
            at=deps.clock.now(),
            kind=kind,
            by=SYSTEM.subject,
            details=endpoints.details_of(after),
        )
        with suppress(VersionConflict):
            deps.store.update_merchant(replace(merchant, version=merchant.version + 1), entry=entry)
            return
    raise VersionConflict(after.merchant_id)
