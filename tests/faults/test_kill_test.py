"""The kill test's callers: they repeat requests after a broken connection and wait after temporary refusals."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from devstack.http import HttpError
from devstack.kill_test.caller import Caller, Diary

ANSWER = {"customer_id": "cus_1"}


@contextmanager
def app(*answers: tuple[int, dict[str, Any]] | None) -> Iterator[tuple[str, list[str]]]:
    """A server that answers one request after the other; None: it dies in the middle. Its URL, and the keys it saw."""
    left = list(answers)
    keys: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            keys.append(self.headers["Idempotency-Key"])
            answer = left.pop(0)
            if answer is None:
                self.close_connection = True
                return
            content = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", keys
    finally:
        server.shutdown()
        server.server_close()


def test_a_request_without_an_answer_is_sent_again_under_its_key() -> None:
    """Twice the connection breaks, the third time there is an answer: one key, one acknowledged change."""
    diary = Diary()
    with app(None, None, (201, ANSWER)) as (url, keys):
        answer = Caller(url, "token", diary).post("/customers")

    assert answer == ANSWER
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert (diary.requests, diary.repeated, len(diary.changes)) == (3, 2, 1)


@pytest.mark.parametrize(
    "refusal", [(409, {"code": "contention"}), (409, {"code": "payment_in_progress"}), (503, {"code": "unavailable"})]
)
def test_a_refusal_that_passes_is_waited_out(refusal: tuple[int, dict[str, Any]]) -> None:
    """Somebody else is at it, or a server is gone: the same request, until it is done."""
    diary = Diary()
    with app(refusal, (201, ANSWER)) as (url, keys):
        Caller(url, "token", diary).post("/customers")

    assert len(set(keys)) == 1
    assert diary.asked_again.total() == 1


@pytest.mark.parametrize("refusal", [(409, {"code": "transition_refused"}), (500, {"code": "internal_error"})])
def test_any_other_refusal_fails_the_story(refusal: tuple[int, dict[str, Any]]) -> None:
    """A repeated request that is suddenly refused, and a 500, are what the kill test looks for."""
    diary = Diary()
    with app(refusal) as (url, _), pytest.raises(HttpError):
        Caller(url, "token", diary).post("/customers")

    assert diary.changes == []
