"""Injects one fault, once, at one boundary: around the store's writes and around the call that moves money.

Each process (a request, a sweep, a webhook's Lambda) has a store and a way to Stripe of its own, named by its lane; the
trap knows which lane acts, and so which write is the first.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import stripe

from chalicelib.domain.errors import Contention
from chalicelib.domain.tab.actor import SYSTEM
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.draft import Change, Draft
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.store import IdempotencyRecord, SeenEvent, StoreUnavailable, TabStore
from devstack.stripe_standin.faults import Fault as StandInFault
from devstack.stripe_standin.standin import StandIn
from tests.faults.matrix.table import OF_WRITES, ON_PAGE, WEBHOOK, Aftershock, Boundary, Cell, Fault

STRIPE = "http://stripe.test"
SDK_TRIES = 2
"""The adapter lets the SDK try once more by itself."""
THROTTLED_FOR = timedelta(seconds=60)


class Lane(StrEnum):
    REQUEST = "request"
    SWEEP = "sweep"
    WEBHOOK = "webhook"


class Died(BaseException):
    """The process is gone: nothing may catch it, as nothing could."""


PATHS = {
    Operation.PLACE_HOLD: "/v1/payment_intents",
    Operation.CHARGE: "/v1/payment_intents",
    Operation.CAPTURE: "/v1/payment_intents/{}/capture",
    Operation.RELEASE: "/v1/payment_intents/{}/cancel",
    Operation.REFUND: "/v1/refunds",
    Operation.SUBMIT_EVIDENCE: "/v1/disputes/{}",
}
PAGES = "/v1/checkout/sessions"
MAKES_PAYMENT = frozenset({Operation.PLACE_HOLD, Operation.CHARGE})
_AT_STRIPE = {
    Fault.STRIPE_500_BEFORE: ("fail_before", SDK_TRIES),
    Fault.STRIPE_500_AFTER: ("fail_after", 1),
    Fault.LOST_ANSWER: ("lost_reset", SDK_TRIES),
    Fault.CONNECTION_RESET: ("lost_reset", SDK_TRIES),
    Fault.RATE_LIMIT: ("rate_limit", 1),
    Fault.STORED_REPLAY: ("lost_reset", 1),
}
"""What the stand-in is asked to do, and how often. Asked again, it answers a 500 that it has stored by itself."""
BANK_SAYS = {
    Fault.DECLINE_TRY_AGAIN: "insufficient_funds",
    Fault.DECLINE_NEVER: "lost_card",
    Fault.DECLINE_DATA: "expired_card",
    Fault.SCA: "authentication_required",
}
"""A decline for each advice (https://docs.stripe.com/declines/codes), and the bank's question."""


@dataclass
class Trap:
    """One cell's fault. `operation`: the attempt it is about; `acting`: the lane that has written it ahead. `entry`:
    what is written, where it is about a write alone.

    `landed`: the first write stands. `under_way`: calls whose process is gone, and that go through all the same.
    `at_stripe`: what the stand-in is to do. `below`: makes DynamoDB itself fail, if there is one. `aftershocks`
    follow, in their order; `shaken` have happened.
    """

    cell: Cell
    operation: Operation
    clock: Callable[[], datetime]
    entry: str | None = None
    armed: bool = False
    fired: bool = False
    acting: Lane | None = None
    landed: bool = False
    effect_seen: bool = False
    under_way: list[Call] = field(default_factory=list)
    at_stripe: StandInFault | None = None
    throttled_until: datetime | None = None
    below: Below | None = None
    aftershocks: list[Aftershock] = field(default_factory=list)
    shaken: int = 0

    @property
    def path(self) -> str:
        """Where the call goes that the fault is about."""
        return PAGES if self.cell.use in ON_PAGE else PATHS[self.operation]

    def arm(self, standin: StandIn) -> None:
        self.armed = True
        cell = self.cell
        if cell.boundary in (Boundary.BEFORE_EFFECT, Boundary.AFTER_EFFECT) and cell.fault in _AT_STRIPE:
            kind, count = _AT_STRIPE[cell.fault]
            if cell.fault == Fault.CONNECTION_RESET and cell.boundary == Boundary.BEFORE_EFFECT:
                kind = "reset_before"
            contains = f"={self.operation}" if self.operation in MAKES_PAYMENT else None
            rule = StandInFault(kind=kind, count=count, method="POST", path=self.path, contains=contains)
            self.at_stripe = standin.faults.add(rule)

    @contextmanager
    def while_handling_webhook(self, standin: StandIn) -> Iterator[None]:
        """Stripe's trouble at the webhook is trouble with what is looked up for it, by that process alone."""
        cell = self.cell
        if not self.armed or cell.boundary != Boundary.BEFORE_WEBHOOK_WRITE or cell.fault not in _AT_STRIPE:
            yield
            return
        if self.at_stripe is None:
            kind = "reset_before" if cell.fault == Fault.CONNECTION_RESET else _AT_STRIPE[cell.fault][0]
            self.at_stripe = StandInFault(kind=kind, count=_AT_STRIPE[cell.fault][1], method="GET")
        standin.faults.rules.append(self.at_stripe)
        try:
            yield
        finally:
            standin.faults.rules.remove(self.at_stripe)

    def is_at(self, boundary: Boundary) -> bool:
        return self.armed and not self.fired and self.cell.boundary == boundary

    def fire(self) -> Fault:
        self.fired = True
        return self.cell.fault

    def aftershock(self, *, at_write: bool) -> Aftershock | None:
        """What happens at this write or call, if it is the turn of one of those."""
        if not self.aftershocks or not self.has_fired or (self.aftershocks[0] in OF_WRITES) != at_write:
            return None
        self.shaken += 1
        return self.aftershocks.pop(0)

    def take_under_way(self) -> list[Call]:
        taken, self.under_way = self.under_way, []
        return taken

    @property
    def has_fired(self) -> bool:
        """That the fault has really happened, wherever it is made to."""
        return self.fired if self.at_stripe is None else self.at_stripe.hits == self.at_stripe.count


class Below(Protocol):
    """What can go wrong below a store, with its next write."""

    def refuse_next(self, fault: Fault) -> None: ...

    def lose_next_answer(self) -> None: ...


class TrappedStore:
    """A store that breaks where its trap says; everything else is the inner one's."""

    def __init__(self, inner: TabStore, trap: Trap, lane: Lane) -> None:
        self._inner = inner
        self._trap = trap
        self._lane = lane

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def commit(self, change: Change, *, record: IdempotencyRecord | None = None, event: SeenEvent | None = None) -> Tab:
        which = self._which(change, event)
        if which == Write.FIRST:
            self._trap.acting = self._lane
        with self._shaken(change.tab):
            self._before(which, lambda: self._inner.commit(change, record=record, event=event), change.tab)
            if self._loses_answer_below(which):
                return self._inner.commit(change, record=record, event=event)
            tab = self._inner.commit(change, record=record, event=event)
            if which == Write.FIRST:
                self._trap.landed = True
        self._after(which)
        return tab

    def commit_each(self, changes: Sequence[Change]) -> list[Exception | None]:
        return [self._try_to_commit(change) for change in changes]

    def _try_to_commit(self, change: Change) -> Exception | None:
        try:
            self.commit(change)
        except Exception as error:
            return error
        return None

    def add_event(self, event: SeenEvent) -> None:
        which = self._which(None, event)
        with self._shaken(None):
            self._before(which, lambda: self._inner.add_event(event), None)
            self._inner.add_event(event)
        self._after(which)

    def _loses_answer_below(self, which: Write | None) -> bool:
        """Whether DynamoDB's own answer gets lost, so that the store has to find out whether it has written."""
        trap = self._trap
        if trap.below is None or which is None or not trap.is_at(_AFTER[which]) or trap.cell.fault == Fault.DEATH:
            return False
        trap.fire()
        trap.landed = trap.landed or which == Write.FIRST
        trap.below.lose_next_answer()
        return True

    @contextmanager
    def _shaken(self, tab: Tab | None) -> Iterator[None]:
        shock = self._trap.aftershock(at_write=True)
        if shock == Aftershock.DEATH_BEFORE_WRITE:
            raise Died
        if shock == Aftershock.WRITE_REFUSED:
            raise StoreUnavailable("refused")
        if shock == Aftershock.RACE_LOST and tab is not None:
            somebody_writes_first(self._inner, tab, self._trap.clock())
        yield
        if shock == Aftershock.DEATH_AFTER_WRITE:
            raise Died
        if shock == Aftershock.WRITE_ANSWER_LOST:
            raise StoreUnavailable("the answer was lost")

    def _which(self, change: Change | None, event: SeenEvent | None) -> Write | None:
        """A webhook's process may write ahead what follows from its news: then it depends on what the cell is about."""
        trap = self._trap
        if not trap.armed:
            return None
        if event is not None and trap.cell.boundary in WEBHOOK:
            return Write.WEBHOOK
        if change is None:
            return None
        if trap.entry is not None:
            return Write.FIRST if any(entry.kind == trap.entry for entry in change.entries) else None
        if trap.effect_seen:
            return Write.SECOND if self._lane == trap.acting else None
        return Write.FIRST if any(attempt.operation == trap.operation for attempt in change.begun) else None

    def _before(self, which: Write | None, write: Callable[[], object], tab: Tab | None) -> None:
        trap = self._trap
        if trap.throttled_until is not None and trap.clock() < trap.throttled_until:
            raise StoreUnavailable("throttled")
        if which is None or not trap.is_at(_BEFORE[which]) or trap.cell.fault not in _OF_WRITES:
            return
        if tab is None and trap.cell.fault == Fault.LOST_RACE:
            # An event that says nothing new has no version to lose; the next one may.
            return
        match trap.fire():
            case Fault.DEATH:
                raise Died
            case Fault.LAMBDA_TIMEOUT:
                write()
                trap.landed = trap.landed or which == Write.FIRST
                raise Died
            case Fault.THROTTLING | Fault.CONFLICT if trap.below is not None and tab is not None:
                trap.below.refuse_next(trap.cell.fault)
            case Fault.THROTTLING:
                trap.throttled_until = trap.clock() + THROTTLED_FOR
                raise StoreUnavailable("throttled")
            case Fault.CONFLICT:
                raise Contention("others were first each time")
            case Fault.LOST_RACE:
                assert tab is not None, "a race is lost over a version"
                somebody_writes_first(self._inner, tab, trap.clock())

    def _after(self, which: Write | None) -> None:
        if which is None or not self._trap.is_at(_AFTER[which]):
            return
        if self._trap.fire() == Fault.DEATH:
            raise Died
        raise StoreUnavailable("the answer was lost")


class Write(StrEnum):
    FIRST = "first"
    SECOND = "second"
    WEBHOOK = "webhook"


_BEFORE = {
    Write.FIRST: Boundary.BEFORE_FIRST_WRITE,
    Write.SECOND: Boundary.BEFORE_SECOND_WRITE,
    Write.WEBHOOK: Boundary.BEFORE_WEBHOOK_WRITE,
}
_AFTER = {
    Write.FIRST: Boundary.AFTER_FIRST_WRITE,
    Write.SECOND: Boundary.AFTER_SECOND_WRITE,
    Write.WEBHOOK: Boundary.AFTER_WEBHOOK_WRITE,
}
_OF_WRITES = frozenset({Fault.DEATH, Fault.LAMBDA_TIMEOUT, Fault.THROTTLING, Fault.CONFLICT, Fault.LOST_RACE})


def somebody_writes_first(store: TabStore, tab: Tab, now: datetime) -> None:
    """A harmless change by somebody else, so that the version that was read is not the latest any more."""
    stored = store.get_tab(tab.merchant_id, tab.tab_id)
    draft = Draft(stored, now=now, by=SYSTEM, new_id=lambda prefix: f"{prefix}_somebody{stored.version}")
    draft.record("looked_at")
    store.commit(draft.seal(stored.next_action_at))


@dataclass(frozen=True, slots=True)
class Call:
    """What goes over the wire to Stripe."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


class InProcess(stripe.HTTPClient):
    """Takes what the SDK sends to the stand-in in this process: no socket, and the trap on the way."""

    name = "in process"

    def __init__(self, standin: StandIn, trap: Trap, lane: Lane, after_call: Callable[[], None]) -> None:
        super().__init__()
        self._standin = standin
        self._trap = trap
        self._lane = lane
        self._after_call = after_call

    def close(self) -> None:
        pass

    def request(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None, **_: Any
    ) -> tuple[bytes, int, Mapping[str, str]]:
        parts = urlsplit(url)
        sent = Call(method.upper(), parts.path, parts.query, headers, post_data or "")
        trap = self._trap
        concerned = trap.armed and self._lane == trap.acting and _is_effect(sent, trap)
        shock = trap.aftershock(at_write=False)
        if shock is not None:
            self._shake(shock, sent)
        if concerned:
            self._before_effect(sent)
        reply = call(self._standin, sent)
        self._standin.world.bank_says.clear()
        if concerned:
            trap.effect_seen = True
        self._after_call()
        if concerned and trap.cell.fault == Fault.DEATH and trap.is_at(Boundary.AFTER_EFFECT):
            trap.fire()
            raise Died
        if shock == Aftershock.DEATH_AFTER_CALL:
            raise Died
        if reply is None or shock == Aftershock.ANSWER_LOST:
            raise stripe.APIConnectionError("no answer", should_retry=shock is None)
        return reply.body, reply.status, reply.headers

    def _shake(self, shock: Aftershock, sent: Call) -> None:
        match shock:
            case Aftershock.DEATH_BEFORE_CALL:
                raise Died
            case Aftershock.CALL_GOES_THROUGH_LATE:
                self._trap.under_way.append(sent)
                raise Died
            case Aftershock.CALL_LOST:
                raise stripe.APIConnectionError("not sent", should_retry=False)
            case Aftershock.STRIPE_500_BEFORE:
                self._standin.faults.add(StandInFault(kind="fail_before", count=SDK_TRIES))
            case Aftershock.STRIPE_500_AFTER:
                self._standin.faults.add(StandInFault(kind="fail_after", count=1))

    def _before_effect(self, sent: Call) -> None:
        trap = self._trap
        if not trap.is_at(Boundary.BEFORE_EFFECT):
            return
        if trap.cell.fault == Fault.DEATH:
            trap.fire()
            raise Died
        if trap.cell.fault == Fault.LAMBDA_TIMEOUT:
            trap.fire()
            trap.under_way.append(sent)
            raise Died
        if trap.cell.fault in BANK_SAYS:
            (card,) = parse_qs(sent.body).get("payment_method", [""])
            if card:
                trap.fire()
                self._standin.world.bank_says[card] = BANK_SAYS[trap.cell.fault]


def _is_effect(sent: Call, trap: Trap) -> bool:
    path, wanted = sent.path.split("/"), trap.path.split("/")
    same = len(path) == len(wanted) and all(part in ("{}", given) for part, given in zip(wanted, path, strict=True))
    of_its_kind = trap.operation not in MAKES_PAYMENT or f"={trap.operation}" in sent.body
    return sent.method == "POST" and same and of_its_kind


def call(standin: StandIn, sent: Call) -> Reply | None:
    """The stand-in's answer; None if it hung up instead."""
    scope = {
        "type": "http",
        "method": sent.method,
        "path": sent.path,
        "query_string": sent.query.encode(),
        "headers": [(name.lower().encode(), str(value).encode()) for name, value in sent.headers.items()],
    }
    answered: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": sent.body.encode()}

    async def send(message: Any) -> None:
        answered.append(message)

    _run(standin.api(scope, receive, send))
    if not answered:
        return None
    start, body = answered
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return Reply(start["status"], CaseInsensitive(headers), body["body"])


class CaseInsensitive(dict[str, str]):
    """Header names, as HTTP has them; the SDK asks for them in lower case."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


def _run(coroutine: Coroutine[Any, Any, None]) -> None:
    """To its end, without an event loop: the stand-in serves a call in one go, unless it is asked to be slow."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("the stand-in waits for something")
