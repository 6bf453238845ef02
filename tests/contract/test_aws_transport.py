"""Calls to AWS over our own connections, under botocore: what goes out, what is tried again, and what a failure is."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session
from botocore.session import Session
from cryptography import x509

from chalicelib.adapters.aws import client as aws
from chalicelib.adapters.aws.transport import KeepAliveSession
from chalicelib.adapters.dynamodb import writes as dynamodb_writes
from tests.contract.http_kit import Server, certificate, serving

KEY = {"pk": {"S": "TAB#ü"}, "sk": {"S": "-"}}


@pytest.fixture(autouse=True)
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "test")
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("time.sleep", lambda _: None)


def client_of(url: str) -> Any:
    retries: Any = {"mode": "standard", "total_max_attempts": 2}
    config = Config(connect_timeout=0.3, read_timeout=0.3, retries=retries, parameter_validation=False)
    return aws.client("dynamodb", endpoint_url=url, region="eu-west-1", config=config)


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


def test_what_was_signed_is_what_was_sent(server: Server, client: Any) -> None:
    """botocore's own signer, given what has arrived, makes the signature that came with it."""
    get(client)

    headers, body = server.last
    assert json.loads(body) == {"TableName": "t", "Key": KEY}
    names = headers["Authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"host", "x-amz-date", "x-amz-security-token", "x-amz-target"} <= set(names)
    arrived = AWSRequest("POST", f"http://{headers['Host']}/", {name: headers[name] for name in names}, body)
    arrived.context = {"timestamp": headers["X-Amz-Date"]}
    signer = SigV4Auth(Credentials("test", "test", "test"), "dynamodb", "eu-west-1")
    signature = signer.signature(signer.string_to_sign(arrived, signer.canonical_request(arrived)), arrived)
    assert headers["Authorization"].endswith(f"Signature={signature}")


ITEM: dict[str, Any] = {
    "pk": {"S": "ü"},
    "n": {"N": "-1.5"},
    "b": {"BOOL": False},
    "none": {"NULL": True},
    "set": {"SS": ["a", "b"]},
    "map": {"M": {"list": {"L": [{"S": ""}, {"M": {}}]}}},
}


@pytest.mark.parametrize(
    ("method", "request_", "answer"),
    [
        ("get_item", {"TableName": "t", "Key": KEY}, {"Item": ITEM}),
        ("put_item", {"TableName": "t", "Item": ITEM}, {"Attributes": ITEM}),
        (
            "batch_get_item",
            {"RequestItems": {"t": {"Keys": [KEY, KEY], "ConsistentRead": True}}},
            {"Responses": {"t": [ITEM, ITEM]}, "UnprocessedKeys": {"t": {"Keys": [KEY]}}},
        ),
        (
            "query",
            {"TableName": "t", "ExclusiveStartKey": KEY, "ExpressionAttributeValues": ITEM},
            {"Items": [ITEM], "LastEvaluatedKey": KEY, "Count": 1},
        ),
        (
            "transact_write_items",
            {
                "TransactItems": [{"Put": {"TableName": "t", "Item": ITEM, "ExpressionAttributeValues": ITEM}}],
                "ClientRequestToken": "x",
            },
            {},
        ),
    ],
)
def test_items_go_out_and_come_in_as_with_botocores_own_client(
    server: Server, client: Any, method: str, request_: dict[str, Any], answer: dict[str, Any]
) -> None:
    """Byte for byte what its own description of the service makes of them, for every call that the store makes."""
    server.answer = json.dumps(answer).encode()
    theirs = Session().create_client("dynamodb", "eu-west-1", endpoint_url=client.meta.endpoint_url)

    told, sent = [], []
    for one in (client, theirs):
        found = getattr(one, method)(**request_)
        del found["ResponseMetadata"]
        told.append(found)
        sent.append(server.last[1])

    assert told == [answer, answer]
    assert sent[0] == sent[1]


def test_bytes_are_not_stored(server: Server, client: Any) -> None:
    """They would have to be encoded, which is left out: nothing is sent."""
    with pytest.raises(TypeError, match="bytes"):
        client.put_item(TableName="t", Item={"pk": {"B": b"x"}})

    assert server.heard == []


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


def test_a_connection_that_takes_too_long_is_botocores_error() -> None:
    """Somebody listens, and does not shake hands."""
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as silent,
        pytest.raises(exceptions.ConnectTimeoutError) as lost,
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


def test_a_proxy_is_gone_through_by_botocores_own_means(
    server: Server, monkeypatch: pytest.MonkeyPatch, client: Any
) -> None:
    """Ours goes straight to where the endpoint says, and takes over only where that is right."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.http.server_port}")
    proxied = client_of("http://dynamodb.example")

    assert get(proxied)["Item"]

    assert server.heard[-1][1] == "http://dynamodb.example/"
    assert isinstance(proxied._endpoint.http_session, URLLib3Session)
    assert isinstance(client._endpoint.http_session, KeepAliveSession)
