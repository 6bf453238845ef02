"""Owns the delivery of events: signed as Stripe signs, promptly, at least once, again with back-off until a 2xx.

Which events exist is decided elsewhere. Signatures and back-off go by the wall clock, because receivers check the
signature's age against theirs; everything inside the event goes by the business clock.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httptools

from .events import EventLog
from .objects import EventRow, WebhookEndpoint
from .packing import encode
from .store import PLATFORM, Namespace, World

RETRY_AFTER_SECONDS = (0.2, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
GIVES_UP_AFTER_ATTEMPTS = 60
CONNECTIONS_PER_ENDPOINT = 8
TIMEOUT_SECONDS = 20.0


def sign(secret: str, body: bytes, at: int) -> str:
    """The Stripe-Signature header (https://docs.stripe.com/webhooks/signature)."""
    digest = hmac.digest(secret.encode(), b"%d." % at + body, "sha256").hex()
    return f"t={at},v1={digest}"


class Delivery:
    """One event on its way to one endpoint."""

    __slots__ = ("account", "attempts", "body", "event", "last_status", "timer")

    def __init__(self, account: Namespace, event: EventRow, body: bytes) -> None:
        self.account = account
        self.event = event
        self.body = body
        self.attempts = 0
        self.last_status: int | str | None = None
        self.timer: asyncio.TimerHandle | None = None


class _Connection(asyncio.Protocol):
    """One keep-alive connection to a receiver, one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.waiter: asyncio.Future[int] | None = None
        self.parser: Any = None
        self.status = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_exception(ConnectionError("the receiver closed the connection"))

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self.waiter is not None and not self.waiter.done():
                self.waiter.set_exception(ConnectionError(str(error)))

    def on_message_complete(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            if not self.parser.should_keep_alive() and self.transport is not None:
                self.transport.close()
                self.transport = None
            self.waiter.set_result(self.parser.get_status_code())

    async def send(self, request: bytes) -> int:
        assert self.transport is not None
        self.parser = httptools.HttpResponseParser(self)
        loop = asyncio.get_running_loop()
        self.waiter = loop.create_future()
        self.transport.write(request)
        too_late = loop.call_later(TIMEOUT_SECONDS, self._give_up)
        try:
            return await self.waiter
        finally:
            too_late.cancel()

    def _give_up(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_exception(TimeoutError())


class _Queue:
    """What one endpoint has still to receive."""

    def __init__(self, owner: str, endpoint: WebhookEndpoint) -> None:
        self.owner = owner
        self.endpoint = endpoint
        self.ready: deque[Delivery] = deque()
        self.backing_off: dict[int, Delivery] = {}
        self.in_flight = 0
        self.workers = 0
        self.idle: list[_Connection] = []

    def close(self) -> None:
        for connection in self.idle:
            if connection.transport is not None:
                connection.transport.close()
        self.idle.clear()


class Webhooks:
    def __init__(self, world: World, events: EventLog) -> None:
        self.world = world
        self.events = events
        self.loop: asyncio.AbstractEventLoop | None = None
        self.delivered = 0
        self.failed = 0
        self.attempts = 0
        self._queues: dict[tuple[str, str], _Queue] = {}
        self._idle = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        # Lets `faults` lose, delay, duplicate or reorder: it answers the waits after which copies are to be sent.
        self.plan: Callable[[Namespace, EventRow], list[float]] = lambda account, event: [0.0]
        self.log: deque[dict[str, Any]] = deque(maxlen=1000)
        self.on_idle: Callable[[], None] = lambda: None  # the journal writes down what was acknowledged
        events.listeners.append(self.enqueue)

    # --- who is told ------------------------------------------------------------------------------------------------

    def _endpoints(self, account: Namespace, type: str) -> list[tuple[Namespace, WebhookEndpoint]]:
        found = [(account, row) for row in account.of["webhook_endpoint"].oldest_first() if row.application is None]
        if account.id != PLATFORM:
            platform = self.world.platform
            found += [
                (platform, row) for row in platform.of["webhook_endpoint"].oldest_first() if row.application is not None
            ]
        return [
            (owner, row)
            for owner, row in found
            if row.status == "enabled" and ("*" in row.enabled_events or type in row.enabled_events)
        ]

    def enqueue(self, account: Namespace, event: EventRow, row: Any, snapshot: bytes) -> None:
        endpoints = self._endpoints(account, event.type)
        if not endpoints:
            return
        event.pending = len(endpoints)
        bodies: dict[str | None, bytes] = {}
        for owner, endpoint in endpoints:
            version = endpoint.api_version
            if version not in bodies:
                bodies[version] = encode(self.events.render(account, event, snapshot, version))
            queue = self._queues.get((owner.id, endpoint.id))
            if queue is None:
                queue = self._queues[owner.id, endpoint.id] = _Queue(owner.id, endpoint)
            queue.endpoint = endpoint
            for copy, wait in enumerate(self.plan(account, event)):
                delivery = Delivery(account, event, bodies[version])
                if copy:
                    event.pending += 1
                if wait == float("inf"):
                    # Lost: stays undelivered for good, as an event does whose receiver was down for three days.
                    self.failed += 1
                    continue
                if wait > 0:
                    self._later(queue, delivery, wait)
                else:
                    queue.ready.append(delivery)
            self._work(queue)

    def redeliver(self, account: Namespace, event: EventRow) -> int:
        """Send an event again to whoever subscribes now (a person presses "resend"; a restart finds it undelivered)."""
        before = self.counts()["pending"]
        event.pending = 0
        self.enqueue(account, event, None, self.events.snapshot(event))
        return self.counts()["pending"] - before

    # --- how --------------------------------------------------------------------------------------------------------

    def _work(self, queue: _Queue) -> None:
        if self.loop is None:
            self.loop = asyncio.get_running_loop()
        self._idle.clear()
        while queue.workers < CONNECTIONS_PER_ENDPOINT and queue.workers - queue.in_flight < len(queue.ready):
            queue.workers += 1
            task = self.loop.create_task(self._worker(queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _worker(self, queue: _Queue) -> None:
        connection: _Connection | None = queue.idle.pop() if queue.idle else None
        try:
            while queue.ready:
                delivery = queue.ready.popleft()
                if not self._alive(queue, delivery):
                    self._acknowledge(delivery)
                    continue
                queue.in_flight += 1
                self.attempts += 1
                delivery.attempts += 1
                try:
                    connection = await self._send(queue, delivery, connection)
                finally:
                    queue.in_flight -= 1
                self._outcome(queue, delivery)
        finally:
            queue.workers -= 1
            if connection is not None and connection.transport is not None:
                queue.idle.append(connection)
            self._note_idle()

    async def _send(self, queue: _Queue, delivery: Delivery, connection: _Connection | None) -> _Connection | None:
        """One attempt. Returns the connection to use next, None when it is gone."""
        while True:
            reused = connection is not None and connection.transport is not None
            try:
                if connection is None or connection.transport is None or connection.transport.is_closing():
                    reused = False
                    parts = urlsplit(queue.endpoint.url)
                    _, connection = await asyncio.get_running_loop().create_connection(
                        _Connection, parts.hostname or "127.0.0.1", parts.port or 80
                    )
                delivery.last_status = await connection.send(self._request(queue.endpoint, delivery.body))
                return connection
            except (OSError, TimeoutError) as error:
                if connection is not None and connection.transport is not None:
                    connection.transport.close()
                connection = None
                if reused and isinstance(error, ConnectionError):
                    continue  # the receiver closed an idle connection just then: that is no failed attempt
                delivery.last_status = type(error).__name__
                return None

    def _request(self, endpoint: WebhookEndpoint, body: bytes) -> bytes:
        parts = urlsplit(endpoint.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = (
            f"POST {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n"
            f"Content-Type: application/json; charset=utf-8\r\nAccept: */*\r\nCache-Control: no-cache\r\n"
            f"Stripe-Signature: {sign(endpoint.secret, body, int(time.time()))}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _outcome(self, queue: _Queue, delivery: Delivery) -> None:
        status = delivery.last_status
        if isinstance(status, int) and 200 <= status < 300:
            self.delivered += 1
            self._acknowledge(delivery)
            return
        self.log.append(
            {
                "event": delivery.event.id,
                "type": delivery.event.type,
                "url": queue.endpoint.url,
                "attempt": delivery.attempts,
                "outcome": status,
            }
        )
        if delivery.attempts >= GIVES_UP_AFTER_ATTEMPTS:
            self.failed += 1
            return
        self._later(queue, delivery, RETRY_AFTER_SECONDS[min(delivery.attempts, len(RETRY_AFTER_SECONDS)) - 1])

    def _acknowledge(self, delivery: Delivery) -> None:
        delivery.event.pending -= 1
        if delivery.event.pending <= 0:
            self.world.changes.acknowledged.append((delivery.account.id, delivery.event.id))

    def _alive(self, queue: _Queue, delivery: Delivery) -> bool:
        """Neither was the world emptied nor the endpoint deleted or disabled since."""
        owner = self.world.accounts.get(queue.owner)
        same_world = self.world.accounts.get(delivery.account.id) is delivery.account
        endpoint = owner.find("webhook_endpoint", queue.endpoint.id) if owner is not None else None
        if not same_world or endpoint is None or endpoint.status != "enabled":
            return False
        queue.endpoint = endpoint
        return True

    def _later(self, queue: _Queue, delivery: Delivery, wait: float) -> None:
        if self.loop is None:
            self.loop = asyncio.get_running_loop()
        self._idle.clear()
        queue.backing_off[id(delivery)] = delivery
        delivery.timer = self.loop.call_later(wait, self._again, queue, delivery)

    def _again(self, queue: _Queue, delivery: Delivery) -> None:
        if queue.backing_off.pop(id(delivery), None) is not None:
            queue.ready.append(delivery)
            self._work(queue)

    def retry_now(self) -> None:
        """Everything that waits is tried again: called when the business clock moves, as time for a retry has then
        passed.
        """
        for queue in self._queues.values():
            for delivery in list(queue.backing_off.values()):
                if delivery.timer is not None:
                    delivery.timer.cancel()
                self._again(queue, delivery)

    def forget(self, owner: str, endpoint: str) -> None:
        """A deleted endpoint receives nothing more."""
        queue = self._queues.pop((owner, endpoint), None)
        if queue is not None:
            for delivery in [*queue.ready, *queue.backing_off.values()]:
                delivery.event.pending -= 1
                if delivery.timer is not None:
                    delivery.timer.cancel()
            queue.ready.clear()
            queue.backing_off.clear()
            queue.close()
            self._note_idle()

    # --- what is known about it -------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        in_flight = sum(queue.in_flight for queue in self._queues.values())
        ready = sum(len(queue.ready) for queue in self._queues.values())
        waiting = sum(len(queue.backing_off) for queue in self._queues.values())
        return {
            "pending": in_flight + ready + waiting,
            "in_flight": in_flight,
            "ready": ready,
            "backing_off": waiting,
            "delivered": self.delivered,
            "failed": self.failed,
            "attempts": self.attempts,
        }

    def _note_idle(self) -> None:
        if not any(queue.in_flight or queue.ready or queue.backing_off for queue in self._queues.values()):
            self._idle.set()
            self.on_idle()

    async def drain(self, timeout: float) -> bool:
        """Wait until nothing is in flight or waiting; False when the time ran out first."""
        self._note_idle()
        try:
            async with asyncio.timeout(timeout):
                while self.counts()["pending"]:
                    self._idle.clear()
                    self._note_idle()
                    await self._idle.wait()
            return True
        except TimeoutError:
            return False

    async def close(self) -> None:
        for queue in self._queues.values():
            queue.ready.clear()
            for delivery in queue.backing_off.values():
                if delivery.timer is not None:
                    delivery.timer.cancel()
            queue.backing_off.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for queue in self._queues.values():
            queue.close()

    def reset(self) -> None:
        for key in list(self._queues):
            self.forget(*key)
        self.delivered = self.failed = self.attempts = 0
        self.log.clear()
