"""The local server answers what API Gateway would, over a socket."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from threading import Thread

import pytest
from chalice.config import Config

import app as application
from devstack.local_gateway import make_server


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    before = application.app.__class__
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFTERTAB_STAGE", "dev")
        local = make_server(application.app, Config.create(), "127.0.0.1", 0)
        Thread(target=local.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield int(local.server.server_address[1])
        local.shutdown()
    local.server.server_close()
    application.app.__class__ = before


@pytest.mark.parametrize(
    ("method", "path", "token", "status", "code"),
    [
        ("GET", "/v1/merchant", None, 401, "unauthorized"),
        ("GET", "/v1/merchant", "Bearer nonsense", 401, "token_invalid"),
        ("GET", "/v1/nothing", "Bearer nonsense", 404, "not_found"),
        ("TRACE", "/v1/health", None, 405, "method_not_allowed"),
        ("CONNECT", "/v1/health", None, 405, "method_not_allowed"),
        ("TRACE", "/v1/nothing", None, 404, "not_found"),
    ],
)
def test_refusals_are_problems(port: int, method: str, path: str, token: str | None, status: int, code: str) -> None:
    """Status, code and type as they are in a deployment; no 501 for a method that HTTP knows."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={"Authorization": token} if token else {})
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()

    assert (answer.status, body["status"], body["code"]) == (status, status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_an_answer_without_a_body_keeps_the_connection_usable(port: int) -> None:
    """HEAD has none where GET has, refused or not, and neither has a preflight."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    asked = (("HEAD", "health", 200), ("HEAD", "tabs", 405), ("OPTIONS", "health", 204), ("GET", "health", 200))
    for method, name, status in asked:
        connection.request(method, f"/v1/{name}")
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (status, method == "GET")
    connection.close()
