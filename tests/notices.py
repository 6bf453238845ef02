"""Both ends of notices for tests: the store that belongs to a store of a test, and receivers that answer as told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from threading import Lock
from typing import Any, NamedTuple

from chalicelib.adapters.dynamodb.notices import DynamoDbNotices
from chalicelib.adapters.dynamodb.store import DynamoDbStore
from chalicelib.adapters.memory_notices import MemoryNotices
from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.ports.notices import Notices
from chalicelib.ports.webhooks import Answer, NoAnswer, WhyNoAnswer


def notices_beside(store: Any) -> Notices:
    """On the same table, or in the same memory."""
    if isinstance(store, DynamoDbStore):
        return DynamoDbNotices(store._client, store._table_name, sleep=lambda seconds: None)
    assert isinstance(store, MemoryStore), f"no store of notices is known beside {type(store).__name__}"
    return MemoryNotices(store)


class Sent(NamedTuple):
    """A notice as it arrived."""

    url: str
    notice_id: str
    body: dict[str, Any]


class Receivers:
    """Implements ports.Webhooks: the merchants' systems. `answers`: by URL, how it answers from now on; else with 200.

    `heard`: every try; `taken`: what was answered with 2xx; `secrets`: those of each try.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer | WhyNoAnswer | Exception] = {}
        self.heard: list[Sent] = []
        self.taken: list[Sent] = []
        self.secrets: list[list[str]] = []
        self._lock = Lock()

    def check(self, url: str) -> None:
        if "private" in url:
            raise NoAnswer(WhyNoAnswer.ADDRESS_REFUSED)

    def post(self, url: str, notice_id: str, body: bytes, secrets: Sequence[str]) -> Answer:
        with self._lock:
            sent = Sent(url, notice_id, json.loads(body))
            self.heard.append(sent)
            self.secrets.append(list(secrets))
            answer = self.answers.get(url, Answer(status=200))
            if isinstance(answer, WhyNoAnswer):
                raise NoAnswer(answer)
            if isinstance(answer, Exception):
                raise answer
            if 200 <= answer.status < 300:
                self.taken.append(sent)
            return answer

    def taken_ids(self, url: str) -> list[str]:
        return [sent.notice_id for sent in self.taken if sent.url == url]
