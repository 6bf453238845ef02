"""The DynamoDB client on the wire, against a server that answers what it is told: errors, tries, signatures.

What it does with answers that are well is what the store's contract tests, the crash tests and the demo run on.
"""

from __future__ import annotations

import json
import ssl
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, HTTPClientError, NoCredentialsError, NoRegionError

from chalicelib.adapters import dynamodb_wire
from chalicelib.adapters.dynamodb_wire import WireClient

KEY = {"pk": {"S": "TAB#1"}, "sk": {"S": "STATE"}}
ITEM = {**KEY, "title": {"S": "Bräune 🍰"}, "version": {"N": "3"}}
HANGS_UP = (0, b"")
"""No answer at all."""


class Server:
    """Gives the answers in their order, (status, body), the last one for ever; `heard`: the requests."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = [(200, json.dumps({"Item": ITEM}).encode())]
        self.checksum: int | None = None
        self.heard: list[tuple[dict[str, str], bytes]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.heard.append((dict(self.headers.items()), body))
                status, answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                checksum = zlib.crc32(answer) if server.checksum is None else server.checksum
                self.send_header("x-amz-crc32", str(checksum))
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def fails(self, *codes: str, status: int = 400, **more: Any) -> None:
        """With these errors first, then as before."""
        prefix = "com.amazonaws.dynamodb.v20120810#"
        errors = [json.dumps({"__type": prefix + code, "message": "said", **more}).encode() for code in codes]
        self.answers = [*((status, error) for error in errors), *self.answers]


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    Thread(target=made.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> WireClient:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    return WireClient(endpoint_url=server.url, region="eu-west-1", connect_s=1, read_s=1, sleep=lambda seconds: None)


def get(client: WireClient) -> Any:
    return client.get_item(TableName="t", Key=KEY, ConsistentRead=True)


def test_a_call_is_what_the_protocol_says(server: Server, client: WireClient) -> None:
    """The request is the JSON of its arguments, under the operation's name; the answer comes back as it is."""
    assert get(client)["Item"] == ITEM

    ((headers, body),) = server.heard
    assert json.loads(body) == {"TableName": "t", "Key": KEY, "ConsistentRead": True}
    assert headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
    assert headers["content-type"] == "application/x-amz-json-1.0"


@pytest.mark.parametrize("token", ["token", None])
def test_a_call_is_signed_as_aws_signs(server: Server, monkeypatch: pytest.MonkeyPatch, token: str | None) -> None:
    """What was sent, its body included, is signed as botocore's own signer would have signed it at that moment."""
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    client = WireClient(endpoint_url=server.url, region="eu-west-1", connect_s=1, read_s=1)
    for version in ("1", "2"):
        client.put_item(TableName="t", Item={**KEY, "title": {"S": "Bräune 🍰"}, "version": {"N": version}})

    for sent, body in server.heard:
        headers = {name.lower(): value for name, value in sent.items()}
        names = ["content-type", "x-amz-date", "x-amz-target"] + (["x-amz-security-token"] if token else [])
        request = AWSRequest("POST", f"{server.url}/", headers={name: headers[name] for name in names}, data=body)
        request.context["timestamp"] = headers["x-amz-date"]
        signer = SigV4Auth(Credentials("testing", "testing", token), "dynamodb", "eu-west-1")
        signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        assert headers.get("x-amz-security-token") == token
        signed = "content-type;host;x-amz-date;" + ("x-amz-security-token;" if token else "") + "x-amz-target"
        assert headers["authorization"] == (
            f"AWS4-HMAC-SHA256 Credential=testing/{headers['x-amz-date'][:8]}/eu-west-1/dynamodb/aws4_request, "
            f"SignedHeaders={signed}, Signature={signature}"
        )


def test_why_a_transaction_was_canceled_is_told(server: Server, client: WireClient) -> None:
    """Reasons come by action, with the item that is in the way; it is not tried again."""
    reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Item": ITEM}]
    server.fails("TransactionCanceledException", CancellationReasons=reasons)

    with pytest.raises(ClientError) as canceled:
        client.transact_write_items(TransactItems=[], ClientRequestToken="t")

    assert canceled.value.response["Error"] == {"Code": "TransactionCanceledException", "Message": "said"}
    assert canceled.value.response["CancellationReasons"] == reasons
    assert canceled.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    ("status", "code"), [(500, "InternalServerError"), (400, "ThrottlingException"), (503, "Anything")]
)
def test_what_may_pass_is_tried_once_more(server: Server, client: WireClient, status: int, code: str) -> None:
    """Throttled or failed over there: the second try is answered, under a signature of its own; a third is not made."""
    server.fails(code, status=status)
    assert get(client)["Item"] == ITEM

    server.fails(code, code, status=status)
    with pytest.raises(ClientError) as failed:
        get(client)

    assert failed.value.response["Error"]["Code"] == code
    assert len(server.heard) == 4


def test_what_is_wrong_is_not_tried_again(server: Server, client: WireClient) -> None:
    """A request that DynamoDB does not understand is our bug."""
    server.fails("ValidationException")

    with pytest.raises(ClientError):
        get(client)

    assert len(server.heard) == 1


def test_a_lost_answer_is_asked_for_once_more(server: Server, client: WireClient) -> None:
    """A connection that breaks may heal; one that doesn't is said to have no answer."""
    server.answers = [HANGS_UP, *server.answers]
    assert get(client)["Item"] == ITEM

    server.answers = [HANGS_UP]
    with pytest.raises(HTTPClientError):
        get(client)

    assert len(server.heard) == 4


@pytest.mark.parametrize("answer", [b'{"Item": {', b"\xff", b"<html>"])
def test_an_answer_that_is_damaged_is_none(server: Server, client: WireClient, answer: bytes) -> None:
    """What can't be read has told nothing: neither that the item is there, nor that it is not."""
    server.answers = [(200, answer)]

    with pytest.raises(HTTPClientError):
        get(client)


def test_an_answer_with_another_checksum_is_none(server: Server, client: WireClient) -> None:
    """DynamoDB says what its answer sums up to."""
    server.checksum = 1

    with pytest.raises(HTTPClientError):
        get(client)


def test_whoever_answers_in_its_place_is_a_failure(server: Server, client: WireClient) -> None:
    """A gateway's error page is no answer of DynamoDB's, and carries its status."""
    server.answers = [(502, b"<html>Bad Gateway</html>")]

    with pytest.raises(ClientError) as failed:
        get(client)

    assert failed.value.response["Error"]["Code"] == "502"
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 502


def test_where_dynamodb_is() -> None:
    """By region, and by partition."""
    assert dynamodb_wire._endpoint("eu-west-1") == "https://dynamodb.eu-west-1.amazonaws.com"
    assert dynamodb_wire._endpoint("cn-north-1") == "https://dynamodb.cn-north-1.amazonaws.com.cn"


def test_whom_to_trust_is_in_the_sdk_that_is_shipped() -> None:
    """The certificates that DynamoDB's own is held against are there, and can be read."""
    assert ssl.create_default_context(cafile=dynamodb_wire._ca_file()).cert_store_stats()["x509_ca"] > 100


def test_without_region_or_credentials_there_is_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said when the client is made, and not as a failure of the database."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")

    with pytest.raises(NoRegionError):
        WireClient(connect_s=1, read_s=1)
    with pytest.raises(NoCredentialsError):
        WireClient(region="eu-west-1", connect_s=1, read_s=1)
