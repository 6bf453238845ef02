"""Owns what one API call carries to the code that serves it: the account, the key's powers, and the world to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import versions
from .events import NOBODY, EventLog
from .objects import Request
from .store import Namespace, World
from .versions import NEWEST


@dataclass(slots=True)
class Call:
    world: World
    events: EventLog
    account: Namespace
    secret: bool = True  # False: a publishable key, which may act only with an intent's client_secret
    connected: bool = False  # the Stripe-Account header was sent
    request: Request = NOBODY
    version: str = NEWEST

    @property
    def now(self) -> int:
        return self.world.clock.now()

    def before(self, difference: str) -> bool:
        """Whether the call is of a version that lacks one of the differences in `versions`."""
        return versions.before(self.version, difference)

    def put(self, row: Any) -> None:
        self.world.put(self.account, row)

    def emit(self, type: str, row: Any, previous: dict[str, Any] | None = None) -> None:
        self.events.emit(self.account, type, row, previous)

    def mark(self, name: str, id: str, on: bool = True) -> None:
        self.world.mark(self.account, name, id, on)

    def marked(self, name: str, id: str) -> bool:
        return id in self.account.marks[name]

    def schedule(self, when: int, kind: str, id: str) -> None:
        self.world.schedule(when, self.account, kind, id)

    def new_id(self, prefix: str, length: int = 24) -> str:
        return self.world.new_id(prefix, length)
