"""Aftertab's HTTP API as its users call it: a client for demo, replay and tests, over HTTP only."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from devstack.acknowledged import Acknowledged
from devstack.http import HttpError, JsonClient, Reply

RETRY_LIMIT = 20
PAGE = 100


@dataclass(slots=True)
class Api:
    """One caller of the API. Every change gets a new Idempotency-Key, unless one is given.

    `counts`: the number of requests, by method and route. `told`: records every answer that shows a tab.
    """

    client: JsonClient
    token: str
    counts: Counter[str] = field(default_factory=Counter)
    told: Acknowledged | None = None
    _keys: Any = field(default_factory=itertools.count)
    _prefix: str = field(default_factory=lambda: uuid.uuid4().hex)

    def get(self, path: str, **query: object) -> Any:
        self.counts[_route("GET", path)] += 1
        answer = self.client.get(f"/v1{path}", headers=self._headers(), **query)
        self._note(answer)
        return answer

    def history(self, tab_id: str) -> list[dict[str, Any]]:
        """Every entry of the tab's timeline, oldest first."""
        entries: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self.get(f"/tabs/{tab_id}/timeline", limit=PAGE, cursor=cursor)
            entries += page["entries"]
            cursor = page["next_cursor"]
            if cursor is None:
                return entries

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        return self._send("POST", path, body, key)

    def put(self, path: str, body: Any, *, key: str | None = None) -> Any:
        return self._send("PUT", path, body, key)

    def _send(self, method: str, path: str, body: Any, key: str | None) -> Any:
        """Send again under the same key while the API answers that others are changing the same thing."""
        self.counts[_route(method, path)] += 1
        key = key or f"{self._prefix}-{next(self._keys)}"
        reply = self.ask(method, path, body, key)
        for _ in range(RETRY_LIMIT):
            if not (reply.status == 409 and reply.body.get("code") == "contention"):
                break
            reply = self.ask(method, path, body, key)
        if not 200 <= reply.status < 300:
            raise HttpError(method, path, reply)
        return reply.body

    def ask(self, method: str, path: str, body: Any, key: str) -> Reply:
        """The answer to one request, whatever it is."""
        headers = self._headers() | {"Idempotency-Key": key}
        reply = self.client.request(method, f"/v1{path}", {} if body is None else body, headers)
        if 200 <= reply.status < 300:
            self._note(reply.body, key)
        return reply

    def _note(self, answer: Any, key: str = "") -> None:
        if self.told is not None and isinstance(answer, dict) and {"tab_id", "version", "legs"} <= answer.keys():
            self.told.note(answer, key=f"{self.token} {key}" if key else "")

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def _route(method: str, path: str) -> str:
    parts = ("{id}" if "_" in part and part[:3] in ("tab", "cus", "itm", "mer") else part for part in path.split("/"))
    return f"{method} {'/'.join(parts)}"
