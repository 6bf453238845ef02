"""Sends many requests at the same moment and collects the answers."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any

from devstack.api import Api
from devstack.http import Reply

TRIES = 200
AGAIN_S = 0.02
TRY_AGAIN = frozenset({"contention"})
"""The codes of refusals that mean: nothing was done, send it again."""


@dataclass(frozen=True, slots=True)
class Result:
    """The final answer to one client. `refused`: every 409 it got, by code, including the last one."""

    who: str
    reply: Reply
    tries: int = 1
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def code(self) -> str | None:
        return self.reply.body.get("code") if isinstance(self.reply.body, dict) else None

    @property
    def succeeded(self) -> bool:
        return 200 <= self.reply.status < 300

    @property
    def replayed(self) -> bool:
        return self.reply.headers.get("idempotent-replayed") == "true"

    @property
    def won(self) -> bool:
        """Whether this request changed something."""
        return self.succeeded and not self.replayed


Request = Callable[[], Result]


def post(
    api: Api,
    path: str,
    body: Any = None,
    *,
    key: str,
    who: str,
    again: frozenset[str] = TRY_AGAIN,
) -> Result:
    """POST under the key; repeat while the answer is a 409 with one of the codes in `again`."""
    refused: Counter[str] = Counter()
    for number in itertools.count(1):
        reply = api.ask("POST", path, body, key)
        result = Result(who, reply, number, refused)
        if reply.status == 409:
            refused[str(result.code)] += 1
        if not (reply.status == 409 and result.code in again) or number == TRIES:
            return result
        time.sleep(AGAIN_S)
    raise AssertionError("the last try returns")


class Clients:
    """A thread for each client, each with its own connection, kept from race to race."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._pool = ThreadPoolExecutor(number, thread_name_prefix="client")

    def __enter__(self) -> Clients:
        return self

    def __exit__(self, *raised: object) -> None:
        self._pool.shutdown()

    def at_once(
        self, requests: Sequence[Request], warm: Callable[[], object], delays_s: Sequence[float]
    ) -> list[Result]:
        """Send all requests at the same moment, each after its delay. `warm` opens a thread's connection before."""
        assert len(requests) == self.number, "a barrier waits for everybody"
        barrier = Barrier(self.number)

        def run(request: Request, delay_s: float) -> Result:
            warm()
            barrier.wait()
            time.sleep(delay_s)
            return request()

        return list(self._pool.map(run, requests, delays_s))
