"""Queues between the functions: what is due, what is told to people, what is told to systems."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class QueueName(StrEnum):
    """`due`: tabs to be advanced. `post`: messages for people. `notices`: deliveries to merchants' systems.

    `unrelayed`: records of the stream that the relay could not read, for a person; no function reads it.
    """

    DUE = "due"
    POST = "post"
    NOTICES = "notices"
    UNRELAYED = "unrelayed"


class Job(Struct, frozen=True, kw_only=True):
    """`body`: JSON. `group`: whose job it is (the merchant), so that nobody waits for another's thousands.

    `delay_s`: not before so many seconds have passed, at most 900.
    """

    body: str
    group: str
    delay_s: int = 0


class QueueUnavailable(Exception):
    """The queue did not take all jobs. Some may have been taken, so sending them again may repeat these."""


class Queues(Protocol):
    def send(self, queue: QueueName, jobs: Sequence[Job]) -> None:
        """Put jobs on the queue, any number. Each arrives at least once, in no order. Raises QueueUnavailable."""
        ...
