"""A sending: one notice on its way to one endpoint, its tries, and when the next one is."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.news.notice import MAXIMUM_BODY_BYTES, TEST, Notice, body_of

WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Between the tries, by the example of Standard Webhooks; the last one repeats."""
JITTER = 0.2
LASTS = timedelta(hours=84)
"""The last try is no later than this after the first, and exactly then where all before it fail."""
LONGEST_RETRY_AFTER = timedelta(hours=24)
LEASE = timedelta(seconds=60)
"""A try takes ten seconds. A claim that is older was left by a process that died."""
ON_QUEUE = timedelta(minutes=15)
"""After so long without a try, a sweep sends the job again: it may have been lost."""
KEPT = timedelta(days=30)
MAXIMUM_TRIES_KEPT = 20


class SendingState(StrEnum):
    """`queued`: a job is on its way. `waiting`: for the next try. `claimed`: being sent.

    `held`: not sent, because the endpoint is disabled. `given_up`: every try failed. `refused`: it is too large.
    `suppressed`: it asks a customer for a payment that is not asked for any more. These three, and `delivered`, are
    ends; `held` and `given_up` can be replayed.
    """

    QUEUED = "queued"
    WAITING = "waiting"
    CLAIMED = "claimed"
    DELIVERED = "delivered"
    HELD = "held"
    GIVEN_UP = "given_up"
    REFUSED = "refused"
    SUPPRESSED = "suppressed"


UNDER_WAY = frozenset({SendingState.QUEUED, SendingState.WAITING, SendingState.CLAIMED})
REPLAYABLE = frozenset({SendingState.HELD, SendingState.GIVEN_UP})


class Try(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One try: HTTP's `status`, or the code of why there was none."""

    at: datetime
    status: int | None = None
    failure: str | None = None

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Sending(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`notice`: without its data. `body`: what is sent, byte for byte, at every try.

    `tries`: the last MAXIMUM_TRIES_KEPT; `tried`: the number of all. `scheduled_from`: when its tries began, anew with
    each replay; `failures`: those since then. `next_action_at`: when a sweep looks at it next, None at an end.
    `version` counts from 1.
    """

    endpoint_id: str
    notice: Notice
    body: str
    state: SendingState
    scheduled_from: datetime
    failures: int = 0
    tried: int = 0
    tries: tuple[Try, ...] = ()
    next_action_at: datetime | None = None
    version: int = 1

    @property
    def is_under_way(self) -> bool:
        return self.state in UNDER_WAY

    def may_be_tried(self, now: datetime) -> bool:
        """Whether a job that comes now is to send it: a repeated job, or one that is early, is not."""
        if self.state == SendingState.QUEUED:
            return True
        return self.is_under_way and self.next_action_at is not None and self.next_action_at <= now


def new_sending(notice: Notice, endpoint_id: str, now: datetime, *, is_held: bool = False) -> Sending:
    """A sending in its first state; one that is too large is refused here, and its body is not kept."""
    body = body_of(notice)
    # What it says is in the body, once.
    notice = replace(notice, data={})
    new = Sending(endpoint_id=endpoint_id, notice=notice, body=body, state=SendingState.QUEUED, scheduled_from=now)
    if len(body.encode()) > MAXIMUM_BODY_BYTES:
        return replace(new, body="", state=SendingState.REFUSED)
    if is_held:
        return replace(new, state=SendingState.HELD)
    return replace(new, next_action_at=now + ON_QUEUE)


def _next(sending: Sending, state: SendingState, at: datetime | None, **fields: object) -> Sending:
    return replace(sending, state=state, next_action_at=at, version=sending.version + 1, **fields)


def queued(sending: Sending, now: datetime) -> Sending:
    """A job is sent for it. Its schedule goes on."""
    return _next(sending, SendingState.QUEUED, now + ON_QUEUE)


def replayed(sending: Sending, now: datetime) -> Sending:
    """Sent again, with a schedule that begins anew."""
    return _next(sending, SendingState.QUEUED, now + ON_QUEUE, scheduled_from=now, failures=0)


def claimed(sending: Sending, now: datetime) -> Sending:
    return _next(sending, SendingState.CLAIMED, now + LEASE)


def held(sending: Sending) -> Sending:
    return _next(sending, SendingState.HELD, None)


def suppressed(sending: Sending) -> Sending:
    return _next(sending, SendingState.SUPPRESSED, None)


def put_off(sending: Sending, until: datetime) -> Sending:
    """No try was made; it waits."""
    return _next(sending, SendingState.WAITING, until)


def after_try(sending: Sending, one: Try, *, chance: float, retry_after_s: int | None = None) -> Sending:
    """What follows from a try. `chance`: for the jitter, evenly from 0 to 1. `retry_after_s`: the answer's wish."""
    tries = {"tries": (*sending.tries, one)[-MAXIMUM_TRIES_KEPT:], "tried": sending.tried + 1}
    if one.is_success:
        return _next(sending, SendingState.DELIVERED, None, **tries)
    ends_at = sending.scheduled_from + LASTS
    if one.at >= ends_at or sending.notice.type == TEST:
        return _next(sending, SendingState.GIVEN_UP, None, **tries)
    wait = WAITS[min(sending.failures, len(WAITS) - 1)] * (1 + JITTER * (2 * chance - 1))
    at = min(one.at + wait, ends_at)
    if retry_after_s is not None:
        at = max(at, one.at + min(timedelta(seconds=retry_after_s), LONGEST_RETRY_AFTER))
    return _next(sending, SendingState.WAITING, at, failures=sending.failures + 1, **tries)
