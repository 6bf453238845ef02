"""Queues in memory, for tests: delays by the business clock, and on demand repeated and in another order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from chalicelib.ports.clock import Clock
from chalicelib.ports.queues import Job, QueueName

TRIES = 3
"""After so many failures a job is a dead letter, as `.chalice/resources.json` says of the real queues."""
REPEATED = 0.25
"""The share of jobs that come twice where `disorder` is set."""


class Waiting(Struct):
    """A job on its queue: visible from `at`; `tries` were made and failed."""

    job: Job
    at: datetime
    tries: int = 0


class MemoryQueues:
    """Implements ports.Queues. `disorder`: deliver in a drawn order, and some jobs twice, as SQS may."""

    def __init__(self, clock: Clock, disorder: random.Random | None = None) -> None:
        self._clock = clock
        self.disorder = disorder
        self.waiting: dict[QueueName, list[Waiting]] = {queue: [] for queue in QueueName}
        self.dead: dict[QueueName, list[Job]] = {queue: [] for queue in QueueName}

    def send(self, queue: QueueName, jobs: Sequence[Job]) -> None:
        now = self._clock.now()
        for job in jobs:
            assert 0 <= job.delay_s <= 900, "SQS takes no longer delay"
            assert job.group, "a fair queue needs to know whose job it is"
            self.waiting[queue].append(Waiting(job, now + timedelta(seconds=job.delay_s)))

    def take(self, queue: QueueName, limit: int = 10) -> list[Waiting]:
        """Take up to `limit` visible jobs off the queue. One that fails is given to `fail`."""
        now = self._clock.now()
        visible = [waiting for waiting in self.waiting[queue] if waiting.at <= now]
        if self.disorder is not None:
            self.disorder.shuffle(visible)
        taken = visible[:limit]
        self.waiting[queue] = [waiting for waiting in self.waiting[queue] if all(waiting is not it for it in taken)]
        if self.disorder is not None:
            again = [waiting for waiting in taken if self.disorder.random() < REPEATED]
            self.waiting[queue] += [Waiting(waiting.job, now) for waiting in again]
        return taken

    def fail(self, queue: QueueName, waiting: Waiting) -> None:
        """Put a job back whose handling failed; after TRIES failures it is a dead letter."""
        waiting.tries += 1
        if waiting.tries >= TRIES:
            self.dead[queue].append(waiting.job)
        else:
            self.waiting[queue].append(waiting)

    def next_at(self) -> datetime | None:
        """When the next job of any queue becomes visible; None where all are empty."""
        return min((waiting.at for jobs in self.waiting.values() for waiting in jobs), default=None)
