"""Owns the assembly: one world with its clock, events, keys, webhooks, faults and log, and what happens as time
passes.
"""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from typing import Any

from . import checkout, direct_charges, disputes, payment_intents, refunds, versions
from .api import Api
from .clock import Clock, rfc3339
from .context import Call
from .errors import StripeError
from .events import EventLog
from .expand import expand
from .faults import Faults
from .idempotency import Keys
from .journal import Journal
from .objects import EventRow
from .request_log import RequestLog
from .state import State
from .store import PLATFORM, Namespace, World
from .webhooks import Webhooks


class StandIn:
    def __init__(
        self,
        *,
        start: int | None = None,
        real_time: bool = False,
        seed: int | None = None,
        state: Path | None = None,
        api_version: str | None = None,
    ) -> None:
        """Raises OSError when `state` cannot be used, ValueError when `start` lies before where its clock stands or
        `api_version` is not played.
        """
        try:
            version = versions.known(api_version or versions.NEWEST)
        except StripeError as error:
            raise ValueError(str(error)) from None
        self.world = World(Clock(start, real_time=real_time), seed=seed, api_version=version)
        self.events = EventLog(self.world)
        self.keys = Keys()
        self.log = RequestLog()
        self.faults = Faults()
        self.webhooks = Webhooks(self.world, self.events)
        self.webhooks.plan = self.faults.for_webhook
        self.events.alter = self._alter
        self.api = Api(self.world, self.events, self.keys, self.log, self.faults, self.commit)
        self.events.listeners.append(self._follow_sessions)
        self.checker: Any = None  # set by `--check`
        # A later --start moves a kept clock; what then falls due is told by webhook, so the loop must be running first.
        self._move_to: int | None = None
        self.state: State | None = None
        if state is not None:
            journal = Journal(state)
            try:
                self.state = State(journal, self.world, self.keys)
                known = self.state.load() > 0
            except OSError:
                journal.close()
                raise
            if known and start is not None:
                if start < self.world.clock.now():
                    journal.close()
                    stands = rfc3339(self.world.clock.now())
                    raise ValueError(f"the clock in {state} stands at {stands}: --start lies before it")
                self._move_to = start
            if api_version is not None:
                self.world.api_version = version
            self.webhooks.on_idle = self.commit
        self._ticker: asyncio.Task[None] | None = None

    def call(self, account: Namespace) -> Call:
        """A call that no client made: time or a person made it."""
        return Call(self.world, self.events, account, True, account.id != PLATFORM, version=self.world.api_version)

    def _alter(self, account: Namespace, type: str, row: Any) -> tuple[Any, bool]:
        """What an event shows of its object where a fault was asked for: a changed copy, and the livemode it claims."""
        rules = self.faults.for_event(account, type, row.__struct_fields__) if self.faults.rules else []
        livemode = False
        for rule in rules:
            if rule.kind == "event_expanded":
                row = expand(self.call(account), row, [str(rule.field)])
            else:
                row = copy.copy(row)
                livemode = livemode or rule.kind == "event_livemode"
                field = "livemode" if rule.kind == "event_livemode" else str(rule.field)
                if field in row.__struct_fields__:
                    setattr(row, field, True if rule.kind == "event_livemode" else None)
        return row, livemode

    def commit(self) -> None:
        """A call is over: what it changed comes to rest, and is kept."""
        changes = self.world.settle()
        if self.state is not None:
            self.state.write(changes)
        else:
            self.keys.finished.clear()

    def move_clock(self, to: int) -> int:
        """Raises ValueError for a step back."""
        fired = self.world.clock.advance(to, self._fire)
        self.keys.prune(to)
        self.webhooks.retry_now()
        self.commit()
        return fired

    def _fire(self, account: str, kind: str, id: str) -> None:
        namespace = self.world.accounts.get(account)
        if namespace is None:
            return
        call = self.call(namespace)
        if kind == "hold_expires":
            payment_intents.expire_hold(call, id)
        elif kind == "charge_expires":
            direct_charges.expire(call, id)
        elif kind == "refund_pending":
            refunds.settle(call, id)
        elif kind == "refund_fail":
            refunds.fail(call, id)
        elif kind == "session_expires":
            checkout.fall_due(call, id)
        elif kind == "dispute_due":
            disputes.fall_due(call, id)

    def _follow_sessions(self, account: Namespace, event: EventRow, row: Any, body: bytes) -> None:
        """A session ends with its intent, however that came about: page, 3-D Secure, capture."""
        if not len(account.of["checkout.session"]):
            return
        if event.type in (
            "payment_intent.succeeded",
            "payment_intent.amount_capturable_updated",
            "setup_intent.succeeded",
        ):
            checkout.intent_went_through(self.call(account), row.id)
            if event.type == "payment_intent.succeeded":
                checkout.intent_was_captured(self.call(account), row.id)

    def reset(self, start: int | None = None) -> None:
        """An empty world. Endpoints, keys, faults and events go too; the clock stays unless told where to start."""
        self.webhooks.reset()
        real_time = self.world.clock.real_time
        now = self.world.clock.now()
        self.world.empty()
        self.world.clock = Clock(now if start is None else start, real_time=real_time)
        self.keys.clear()
        self.api.rate_limit = None
        self.faults.remove()
        self.log.clear()
        if self.state is not None:
            self.state.clear()
            self.commit()

    async def run(self) -> None:
        """Background work while the server is up: in real time, things fall due by themselves."""
        if self.state is not None:
            for account in self.world.accounts.values():
                for event in account.of["event"].oldest_first():
                    if event.pending > 0:  # at least once: what was under way when the process died is sent again
                        self.webhooks.redeliver(account, event)
        if self._move_to is not None:
            self.move_clock(self._move_to)
        if self.world.clock.real_time:
            self._ticker = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            due = self.world.clock.next_due()
            if due is not None and due <= self.world.clock.now():
                self.move_clock(self.world.clock.now())

    def abandon(self) -> None:
        """It will not be served after all: let go of the state."""
        if self.state is not None:
            self.state.journal.close()
            self.state = None

    async def close(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        await self.webhooks.close()
        self.commit()
        self.abandon()
