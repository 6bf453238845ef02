"""The sweep sends what is due to its queue; the worker performs the steps that the agendas of due tabs say are due.

Every sweep sends what is still due, so a tab may wait in the queue more than once. That is harmless, because the worker
asks the agenda again, and it costs little: the queue `due` keeps a job for half an hour only, so that at most six jobs
of a tab wait, however far the workers are behind. A job that was dropped is sent again by the next sweep.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, islice, zip_longest

import msgspec
from msgspec import Struct

from chalicelib import correlation
from chalicelib.domain.tab import agenda
from chalicelib.domain.tab.actor import SYSTEM
from chalicelib.domain.tab.attempt import Attempt
from chalicelib.domain.tab.draft import Change, Draft
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.deps import Deps
from chalicelib.ports.queues import Job, QueueName
from chalicelib.ports.store import Due, DueDelivery, DueNotice, DueTab, StoreUnavailable
from chalicelib.usecases.tab.attempts import commit_each, record_outcome, run

log = logging.getLogger(__name__)

CALLS_AT_ONCE = 8
"""The tabs of a batch that wait for the gateway at the same time. What needs no gateway is done before, together."""
_QUEUE_OF: Mapping[type[Due], QueueName] = {
    DueTab: QueueName.DUE,
    DueDelivery: QueueName.POST,
    DueNotice: QueueName.NOTICES,
}


class Swept(Struct, frozen=True):
    """The number of jobs that a sweep has sent, by queue."""

    due: int = 0
    post: int = 0
    notices: int = 0


def sweep(deps: Deps) -> Swept:
    """Send everything that is due to its queue, as JSON of its ids.

    Merchants take turns in the queue, so that thousands of due tabs of one do not delay ten of another. Raises
    QueueUnavailable, and what the store raises, after all that was found is sent.
    """
    found: dict[QueueName, list[Due]] = defaultdict(list)
    unread: StoreUnavailable | None = None
    try:
        for due in deps.store.iter_due(deps.clock.now()):
            found[_QUEUE_OF[type(due)]].append(due)
    except StoreUnavailable as error:
        unread = error
    for queue, all_due in found.items():
        deps.queues.send(queue, [Job(body=_encode(due).decode(), group=due.merchant_id) for due in in_turns(all_due)])
    swept = Swept(**{queue.value: len(all_due) for queue, all_due in found.items()})
    # The worker measures how late each tab is. A sweep that finds nothing says that nothing is late.
    log.info("swept", extra={"metrics": {"TabsDue": swept.due, "SweepLagSeconds": 0.0}})
    if unread is not None:
        raise unread
    return swept


_encode = msgspec.json.Encoder().encode


def in_turns(all_due: Iterable[Due]) -> Iterator[Due]:
    """The first of each merchant, then the second of each merchant, and so on."""
    by_merchant: dict[str, list[Due]] = defaultdict(list)
    for due in all_due:
        by_merchant[due.merchant_id].append(due)
    return (due for due in chain.from_iterable(zip_longest(*by_merchant.values())) if due is not None)


class Worked(Struct, frozen=True):
    """What became of a batch: each tab as it is now, or None where advancing it failed.

    `advanced`: the number of tabs that were changed. `lag_s`: the longest time that one of them had been due.
    """

    tabs: Mapping[DueTab, Tab | None]
    advanced: int
    lag_s: float

    @property
    def failed(self) -> frozenset[DueTab]:
        return frozenset(due for due, tab in self.tabs.items() if tab is None)


def work(deps: Deps, jobs: Sequence[str]) -> list[int]:
    """Advance the tabs of a batch from the queue `due`; return the indexes of the jobs that failed.

    A tab that fails does not stop the others. Raises StoreUnavailable if the tabs can't be read; then nothing is done.
    """
    named = [_decode(job) for job in jobs]
    worked = advance_each(deps, named)
    counted = {"TabsAdvanced": worked.advanced, "TabsNotAdvanced": len(worked.failed), "SweepLagSeconds": worked.lag_s}
    log.info("worked", extra={"metrics": counted})
    return [index for index, due in enumerate(named) if due in worked.failed]


_decode = msgspec.json.Decoder(DueTab).decode


def advance_each(deps: Deps, all_due: Iterable[DueTab]) -> Worked:
    """Do what is due on each of these tabs.

    All tabs are read in one request, and what is decided without the gateway is written in one transaction. Only tabs
    that need the gateway, or could not be written with the others, are then advanced one by one.
    """
    now = deps.clock.now()
    wanted = list(dict.fromkeys(all_due))
    found = deps.store.find_tabs([(due.merchant_id, due.tab_id) for due in wanted])
    before = {DueTab(*owner): tab for owner, tab in found.items()}
    written = _written_together(deps, before)
    after: dict[DueTab, Tab | None] = {due: tab for due, (tab, _) in written.items()}

    def advance(due: DueTab) -> Tab | None:
        with correlation.about(tab_id=due.tab_id):
            try:
                if due in written:
                    return run(deps, *written[due])
                return advance_tab(deps, deps.store.get_tab(due.merchant_id, due.tab_id))
            except Exception:
                log.exception("a due tab could not be advanced")
                return None

    left = [due for due in wanted if due not in written or written[due][1] or agenda.due_call(written[due][0], now)]
    if len(left) == 1:
        after[left[0]] = advance(left[0])
    elif left:
        with ThreadPoolExecutor(min(CALLS_AT_ONCE, len(left))) as pool:
            after |= zip(left, pool.map(advance, left), strict=True)
    advanced = [due for due, tab in after.items() if tab is not None and tab != before.get(due)]
    lags = [(now - at).total_seconds() for due in advanced if due in before and (at := before[due].next_action_at)]
    return Worked(tabs=after, advanced=len(advanced), lag_s=max(lags, default=0.0))


def _written_together(deps: Deps, tabs: Mapping[DueTab, Tab]) -> dict[DueTab, tuple[Tab, tuple[Attempt, ...]]]:
    """Decide what is due on each tab, and write it all in one go; return each tab with the attempts that it began.

    Tabs are left out if they can't be decided or written like that: they are to be advanced one by one, which says why.
    """
    done: dict[DueTab, tuple[Tab, tuple[Attempt, ...]]] = {}
    changes: dict[DueTab, Change] = {}
    for due, tab in tabs.items():
        with suppress(Exception):
            change = agenda.conclude(Draft(tab, now=deps.clock.now(), by=SYSTEM, new_id=deps.ids.new))
            if change is None:
                done[due] = tab, ()
            else:
                changes[due] = change
    for (due, change), is_written in zip(changes.items(), commit_each(deps, list(changes.values())), strict=True):
        if is_written:
            done[due] = change.tab, change.begun
    return done


def advance_tab(deps: Deps, tab: Tab) -> Tab:
    """Do what is due on this tab, as its agenda says."""
    return run(deps, *record_outcome(deps, tab, lambda draft: None))


def advance_due_tabs(deps: Deps) -> Worked:
    """Advance every due tab in this process, without the queue.

    Raises what the store raises, after all tabs found so far are done.
    """
    unread: StoreUnavailable | None = None
    due: list[DueTab] = []
    try:
        due.extend(found for found in deps.store.iter_due(deps.clock.now()) if isinstance(found, DueTab))
    except StoreUnavailable as error:
        unread = error
    waiting = iter(due)
    batches = []
    while batch := list(islice(waiting, 10)):
        batches.append(advance_each(deps, batch))
    tabs = {found: tab for worked in batches for found, tab in worked.tabs.items()}
    if unread is not None:
        raise unread
    lag_s = max((worked.lag_s for worked in batches), default=0.0)
    return Worked(tabs=tabs, advanced=sum(worked.advanced for worked in batches), lag_s=lag_s)
