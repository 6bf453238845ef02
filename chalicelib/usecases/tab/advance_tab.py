"""The sweep sends what is due to its queue; the worker performs the steps that the agendas of due tabs say are due.

Every sweep sends what is still due, so a tab may wait in the queue more than once. That is harmless, because the worker
asks the agenda again, and it costs little: the queue `due` keeps a job for half an hour only, so that at most six jobs
of a tab wait, however far the workers are behind. A job that was dropped is sent again by the next sweep.
"""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime

import msgspec
from msgspec import Struct

from chalicelib import correlation
from chalicelib.domain.tab import agenda, due_steps
from chalicelib.domain.tab.actor import SYSTEM
from chalicelib.domain.tab.attempt import Attempt, AttemptState
from chalicelib.domain.tab.draft import Change, Draft
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.deps import Deps
from chalicelib.ports.queues import Job, QueueName, QueueUnavailable
from chalicelib.ports.store import Due, DueDelivery, DueNotice, DueTab, StoreUnavailable
from chalicelib.usecases.tab.attempts import Outcome, commit_each, needs_customer_ref, perform, record_outcome, run

log = logging.getLogger(__name__)

CALLS_AT_ONCE = 8
"""The tabs of a batch that wait for the gateway at the same time. What needs no gateway is done before, together."""
SENT_AT_ONCE = 10
SENDERS = 8
"""How a sweep sends: so many jobs in a call, by so many threads."""
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
    StoreUnavailable or QueueUnavailable at the end, after everything that can be sent is sent.
    """
    found: dict[QueueName, list[Due]] = defaultdict(list)
    failure: StoreUnavailable | QueueUnavailable | None = None
    try:
        for due in deps.store.iter_due(deps.clock.now()):
            found[_QUEUE_OF[type(due)]].append(due)
    except StoreUnavailable as error:
        failure = error
    for queue, all_due in found.items():
        try:
            _send(deps, queue, [Job(body=_encode(due).decode(), group=due.merchant_id) for due in in_turns(all_due)])
        except QueueUnavailable as error:
            failure = error
    swept = Swept(**{queue.value: len(all_due) for queue, all_due in found.items()})
    # The worker measures how late each tab is. A sweep that finds nothing says that nothing is late.
    log.info("swept", extra={"metrics": {"TabsDue": swept.due, "SweepLagSeconds": 0.0}})
    if failure is not None:
        raise failure
    return swept


_encode = msgspec.json.Encoder().encode


def _send(deps: Deps, queue: QueueName, jobs: Sequence[Job]) -> None:
    """Send the jobs ten a call, some calls at a time, because a hundred thousand jobs are ten thousand calls.

    Small parts keep the order: the last of them is not far behind the first that is under way.
    """
    parts = [jobs[start : start + SENT_AT_ONCE] for start in range(0, len(jobs), SENT_AT_ONCE)]
    if len(parts) == 1:
        deps.queues.send(queue, jobs)
        return
    with ThreadPoolExecutor(min(SENDERS, len(parts))) as pool:
        # `list`, so that an error of a part is raised here; the others are sent all the same.
        list(pool.map(lambda part: deps.queues.send(queue, part), parts))


def in_turns(all_due: Iterable[Due]) -> Iterator[Due]:
    """The first of each merchant, then the second of each merchant, and so on."""
    by_merchant: dict[str, list[Due]] = defaultdict(list)
    for due in all_due:
        by_merchant[due.merchant_id].append(due)
    turns = deque(iter(due_of_one) for due_of_one in by_merchant.values())
    while turns:
        due_of_one = turns.popleft()
        for due in due_of_one:
            yield due
            turns.append(due_of_one)
            break


class Worked(Struct, frozen=True):
    """What became of a batch.

    `advanced`: the number of tabs that were changed. `lag_s`: the longest time that one of them had been due.
    """

    advanced: int
    failed: frozenset[DueTab]
    lag_s: float


def work(deps: Deps, jobs: Sequence[str]) -> list[int]:
    """Advance the tabs of a batch from the queue `due`; return the indexes of the jobs that failed.

    A tab that fails does not stop the others. Raises StoreUnavailable if the tabs can't be read; then nothing is done.
    """
    named = [_named(job) for job in jobs]
    worked = advance_each(deps, [due for due in named if due is not None])
    counted = {"TabsAdvanced": worked.advanced, "TabsNotAdvanced": len(worked.failed), "SweepLagSeconds": worked.lag_s}
    log.info("worked", extra={"metrics": counted})
    return [index for index, due in enumerate(named) if due is None or due in worked.failed]


_decode = msgspec.json.Decoder(DueTab).decode


def _named(job: str) -> DueTab | None:
    """The tab that a job names; None if it names none, which is nobody else's fault."""
    try:
        return _decode(job)
    except msgspec.MsgspecError:
        log.exception("a job of the queue `due` names no tab")
        return None


def advance_each(deps: Deps, all_due: Iterable[DueTab]) -> Worked:
    """Do what is due on each of these tabs.

    All tabs are read in one request; what their agendas decide is written in one transaction; the gateway is called for
    several tabs at a time; its answers are written in one transaction. What goes another way (a lost race, a second
    call, a tab that can't be read) is done for each tab alone, at the end.
    """
    now = deps.clock.now()
    wanted = list(dict.fromkeys(all_due))
    read = deps.store.find_tabs([(due.merchant_id, due.tab_id) for due in wanted])
    cases = [_Case(due, read.get((due.merchant_id, due.tab_id))) for due in wanted]
    _record_together(deps, cases)
    _side_by_side(lambda case: _call(deps, case), [case for case in cases if case.begun and case.outcome is None])
    _record_together(deps, cases)
    _side_by_side(lambda case: _finish(deps, case), [case for case in cases if not case.is_done(now)])
    advanced = [case for case in cases if case.has_changed]
    lags = [(now - at).total_seconds() for case in advanced if case.before and (at := case.before.next_action_at)]
    return Worked(
        advanced=len(advanced),
        failed=frozenset(case.due for case in cases if case.has_failed),
        lag_s=max(lags, default=0.0),
    )


def _nothing(draft: Draft) -> None:
    """The outcome of no call: the agenda only does what is due."""


class _Case:
    """A tab of a batch on its way.

    `tab`: as it was read or written last; None if it could not be read with the others. `outcome`: what is still to be
    recorded on it. `begun`: attempts that were written ahead and are still to be performed. `called`: the attempt that
    was performed.
    """

    def __init__(self, due: DueTab, tab: Tab | None) -> None:
        self.due = due
        self.before = self.tab = tab
        self.outcome: Outcome | None = _nothing
        self.begun: tuple[Attempt, ...] = ()
        self.called: Attempt | None = None
        self.has_failed = False

    def is_done(self, now: datetime) -> bool:
        if self.has_failed:
            return True
        if self.tab is None or self.outcome is not None:
            return False
        return self.is_unanswered or not (self.begun or agenda.due_call(self.tab, now))

    @property
    def is_unanswered(self) -> bool:
        """Whether the gateway gave no answer: then it is not called again for this tab, as in `run`."""
        called = self.tab.attempt(self.called.attempt_id) if self.tab and self.called else None
        return called is not None and called.state == AttemptState.UNKNOWN

    @property
    def has_changed(self) -> bool:
        return not self.has_failed and self.tab != self.before


def _record_together(deps: Deps, cases: Iterable[_Case]) -> None:
    """Write each case's outcome and what its agenda decides then, all in one go.

    Cases that can't be decided or written like that keep their outcome, and `_finish` says why.
    """
    changes: list[tuple[_Case, Change]] = []
    for case in cases:
        if case.tab is None or case.outcome is None or case.has_failed:
            continue
        with suppress(Exception):
            draft = Draft(case.tab, now=deps.clock.now(), by=SYSTEM, new_id=deps.ids.new, accounts=deps.store)
            case.outcome(draft)
            change = due_steps.conclude(draft)
            if change is None:
                case.outcome = None
            else:
                changes.append((case, change))
    if not changes:
        return
    for (case, change), is_written in zip(changes, commit_each(deps, [change for _, change in changes]), strict=True):
        if is_written:
            case.tab, case.outcome, case.begun = change.tab, None, case.begun + change.begun


def _call(deps: Deps, case: _Case) -> None:
    assert case.tab is not None, "what was begun was read before"
    if needs_customer_ref(case.tab, case.begun[0]):
        return
    case.called, *rest = case.begun
    case.outcome, case.begun = perform(deps, case.tab, case.called), tuple(rest)


def _finish(deps: Deps, case: _Case) -> None:
    """Do alone what could not be done with the others, until nothing is due on the tab."""
    tab = case.tab or deps.store.get_tab(case.due.merchant_id, case.due.tab_id)
    if case.outcome is not None:
        tab, more = record_outcome(deps, tab, case.outcome)
        case.tab, case.outcome, case.begun = tab, None, case.begun + more
    if not case.is_unanswered:
        case.tab = run(deps, tab, case.begun)


def _side_by_side(act: Callable[[_Case], None], cases: Sequence[_Case]) -> None:
    """Do it for each case, some at a time. One that raises has failed, and the others go on."""

    def attempt(case: _Case) -> None:
        with correlation.about(tab_id=case.due.tab_id):
            try:
                act(case)
            except Exception:
                log.exception("a due tab could not be advanced")
                case.has_failed = True

    if len(cases) == 1:
        attempt(cases[0])
    elif cases:
        with ThreadPoolExecutor(min(CALLS_AT_ONCE, len(cases))) as pool:
            list(pool.map(attempt, cases))


def advance_tab(deps: Deps, tab: Tab) -> Tab:
    """Do what is due on this tab, as its agenda says."""
    return run(deps, *record_outcome(deps, tab, _nothing))
