"""A run of the schedule in tests: the sweep fills the queue in memory, and the worker's use case empties it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from chalicelib.adapters.memory_queues import MemoryQueues
from chalicelib.ports.deps import Deps
from chalicelib.ports.queues import QueueName
from chalicelib.ports.store import DueTab
from chalicelib.usecases.tab.advance_tab import advance_each, sweep


class Ran(NamedTuple):
    """The number of tabs that a run of the schedule advanced and failed to advance, and how late the latest was."""

    advanced: int = 0
    failed: int = 0
    lag_s: float = 0.0


def run_schedule(deps: Deps) -> Ran:
    """Sweep, then work until the queue is empty. A tab that fails is left to the next run, which finds it again.

    Raises what the sweep raises, after everything that it has sent is done.
    """
    queues = deps.queues
    assert isinstance(queues, MemoryQueues), "only the queues in memory are emptied here"
    ran = Ran()
    try:
        sweep(deps)
    finally:
        while batch := queues.take(QueueName.DUE):
            worked = advance_each(deps, [msgspec.json.decode(waiting.job.body, type=DueTab) for waiting in batch])
            ran = Ran(ran.advanced + worked.advanced, ran.failed + len(worked.failed), max(ran.lag_s, worked.lag_s))
    return ran
