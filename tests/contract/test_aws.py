"""boto3's client with our settings against real sockets: what is tried again, and what a failure is to the store."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import exceptions
from cryptography import x509

from chalicelib.adapters.aws import client as aws
from chalicelib.adapters.dynamodb import writes as dynamodb_writes
from chalicelib.adapters.dynamodb.store import SWEEP_THREADS
from chalicelib.usecases.tab.advance_tab import CALLS_AT_ONCE
from tests.contract.http_kit import Server, certificate, serving

KEY = {"pk": {"S": "TAB#ü"}, "sk": {"S": "-"}}


@pytest.fixture(autouse=True)
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "test")
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr("time.sleep", lambda _: None)


def client_of(url: str) -> Any:
    return boto3.client("dynamodb", endpoint_url=url, config=aws.config(connect_s=0.3, read_s=0.3))


def get(client: Any) -> Any:
    return client.get_item(TableName="t", Key=KEY)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as (found, _):
        found.answer = b'{"Item":{"pk":{"S":"TAB#\\u00fc"}}}'
        yield found


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    with closing(client_of(f"http://127.0.0.1:{server.http.server_port}")) as made:
        yield made


def test_calls_share_a_connection(server: Server, client: Any) -> None:
    """A new one would cost DynamoDB's TLS handshake every time."""
    answers = [get(client)["Item"] for _ in range(3)]

    assert answers == [{"pk": {"S": "TAB#ü"}}] * 3
    assert len(server.heard) == 3
    assert server.connections == 1


def test_an_error_of_dynamodbs_is_botocores(server: Server, client: Any) -> None:
    """Its code, and what its description knows of it."""
    server.status, server.answer = 400, b'{"__type":"com.amazonaws#TransactionCanceledException","Message":"m",'
    server.answer += b'"CancellationReasons":[{"Code":"ConditionalCheckFailed","Item":{"pk":{"S":"a"}}}]}'

    with pytest.raises(client.exceptions.TransactionCanceledException) as canceled:
        client.transact_write_items(TransactItems=[])

    (reason,) = canceled.value.response["CancellationReasons"]
    assert reason == {"Code": "ConditionalCheckFailed", "Item": {"pk": {"S": "a"}}}
    assert len(server.heard) == 1


def test_a_server_error_is_tried_twice(server: Server, client: Any) -> None:
    """By botocore, with a signature of its own for each try."""
    server.status, server.answer = 500, b'{"__type":"InternalServerError"}'

    with pytest.raises(exceptions.ClientError, match="InternalServerError"):
        get(client)

    assert len(server.heard) == 2


@pytest.mark.parametrize(
    ("manner", "kind"),
    [
        ("silent", exceptions.ReadTimeoutError),
        ("reset", exceptions.ConnectionClosedError),
        ("half", exceptions.ConnectionClosedError),
    ],
)
def test_a_lost_answer_is_botocores_error_and_tried_twice(
    server: Server, client: Any, manner: str, kind: type[Exception]
) -> None:
    """Whether the request was carried out is not known; that is what the store's writes are prepared for."""
    server.manner = manner

    with pytest.raises(kind) as lost:
        get(client)

    assert isinstance(lost.value, dynamodb_writes._LOST)
    assert len(server.heard) == 2
    assert server.connections == 2


def test_an_answer_that_comes_the_second_time_is_one(server: Server, client: Any) -> None:
    """The caller hears nothing of the first one, and the connection that lost it is not used again."""
    server.manner = "reset"
    client.meta.events.register("needs-retry", lambda **_: setattr(server, "manner", ""))

    assert get(client)["Item"]
    assert server.connections == 2


def test_nobody_there_is_botocores_error() -> None:
    """A port that nobody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        port = gone.getsockname()[1]

    with pytest.raises(exceptions.EndpointConnectionError) as lost:
        get(client_of(f"http://127.0.0.1:{port}"))

    assert isinstance(lost.value, dynamodb_writes._LOST)


def test_a_server_that_does_not_shake_hands_is_botocores_error() -> None:
    """Somebody listens, and does not shake hands."""
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as silent,
        pytest.raises(exceptions.ReadTimeoutError) as lost,
    ):
        get(client_of(f"https://127.0.0.1:{silent.getsockname()[1]}"))

    assert isinstance(lost.value, dynamodb_writes._LOST)


def test_certificates_are_those_that_botocore_trusts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own, or those of the settings; whoever else sits in between gets no request."""
    tls, ca_file = certificate(tmp_path, x509.IPAddress(IPv4Address("127.0.0.1")))
    with serving(tls) as (server, url):
        server.answer = b"{}"
        with pytest.raises(exceptions.SSLError) as lost:
            get(client_of(url))
        assert isinstance(lost.value, dynamodb_writes._LOST)
        assert server.heard == []

        monkeypatch.setenv("AWS_CA_BUNDLE", ca_file)
        with closing(client_of(url)) as trusting:
            get(trusting)

        assert len(server.heard) == 1


def test_all_tries_of_a_few_calls_end_before_api_gateway_gives_up() -> None:
    """29 s for everything: a request that makes four calls to a silent database still answers."""
    config: Any = aws.config()

    tries = config.retries["total_max_attempts"]

    assert 4 * tries * (config.connect_timeout + config.read_timeout) <= 28


@pytest.mark.parametrize("threads", [aws.CONNECTIONS])
def test_every_thread_of_the_sweep_keeps_its_connection(server: Server, client: Any, threads: int) -> None:
    """urllib3 throws away the connections that its pool has no room for, and each new one is a TLS handshake."""
    assert threads >= CALLS_AT_ONCE + SWEEP_THREADS

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: get(client), range(4 * threads)))

    assert server.connections <= threads


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}, ("k", "s", "t")),
        ({"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}, ("k", "s", None)),
        ({"AWS_ACCESS_KEY_ID": "k"}, (None, None, None)),
        ({}, (None, None, None)),
    ],
)
def test_credentials_are_the_functions_own_or_botocores_to_find(
    environment: dict[str, str], expected: tuple[str | None, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As botocore's first place to look, all or nothing: after a snapshot there are none, and they are renewed."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert aws.credentials() == expected
