"""A caller that repeats each request under the same key until it is answered, and records the answers."""

from __future__ import annotations

import http.client
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from devstack.acknowledged import Acknowledged
from devstack.http import HttpError, JsonClient, Reply

PATIENCE_S = 180.0
AGAIN_S = 0.05
ASK_AGAIN = frozenset({"contention", "request_in_progress", "payment_in_progress"})
"""Temporary refusals: another process, which may be dead by now, is working on the tab."""


class NotAnswered(Exception):
    """A request had no final answer for PATIENCE_S."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was answered with success: the caller, the request, its key and the answer."""

    caller: Caller
    path: str
    body: Any
    key: str
    answer: dict[str, Any]


@dataclass(slots=True)
class Diary:
    """What all callers did.

    `repeated`: requests sent again after their connection broke. `told`: the answers they got.
    """

    requests: int = 0
    repeated: int = 0
    asked_again: Counter[str] = field(default_factory=Counter)
    changes: list[Change] = field(default_factory=list)
    told: Acknowledged = field(default_factory=Acknowledged)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def answered(self) -> int:
        return self.requests - self.repeated

    def count(self, *, repeated: int = 0, code: str | None = None) -> None:
        with self._lock:
            self.requests += 1
            self.repeated += repeated
            if code:
                self.asked_again[code] += 1

    def keep(self, change: Change) -> None:
        with self._lock:
            self.changes.append(change)


class Caller:
    """A caller with a token. Each request uses a new connection, so that any of the app's processes may get it."""

    def __init__(self, base_url: str, token: str, diary: Diary) -> None:
        self._base_url = base_url
        self.token = token
        self._diary = diary

    def get(self, path: str) -> Any:
        return self._until_answered("GET", path, None, None).body

    def post(self, path: str, body: Any = None) -> Any:
        """Send the request and return the answer. Raises HttpError for a permanent refusal, NotAnswered."""
        key, body = uuid.uuid4().hex, {} if body is None else body
        reply = self._until_answered("POST", path, body, key)
        self._diary.keep(Change(self, path, body, key, reply.body))
        return reply.body

    def repeat(self, change: Change) -> Reply:
        """Send the same request once more. Raises as `post` does."""
        return self._until_answered("POST", change.path, change.body, change.key)

    def _until_answered(self, method: str, path: str, body: Any, key: str | None) -> Reply:
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Idempotency-Key": key} if key else {})
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            client = JsonClient(self._base_url)
            try:
                reply = client.request(method, f"/v1{path}", body, headers)
            except (OSError, http.client.HTTPException):
                self._diary.count(repeated=1)
                time.sleep(AGAIN_S)
                continue
            finally:
                client.close()
            code = reply.body.get("code") if isinstance(reply.body, dict) else None
            passes = (reply.status == 409 and code in ASK_AGAIN) or reply.status == 503
            self._diary.count(code=code if passes else None)
            if not passes:
                if not 200 <= reply.status < 300:
                    raise HttpError(method, path, reply)
                if "legs" in reply.body:
                    self._diary.told.note(reply.body, key=f"{self.token} {key}" if key else "")
                return reply
            time.sleep(AGAIN_S)
        raise NotAnswered(f"{method} {path} under {key} had no final answer for {PATIENCE_S:.0f} s")
