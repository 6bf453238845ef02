"""The HTTP client of the Stripe SDK, with servers that answer well, hang up, lie or stay silent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import stripe
from cryptography import x509

from chalicelib.adapters.stripe import transport as stripe_transport
from chalicelib.adapters.stripe.transport import Urllib3Client
from tests.contract.http_kit import Server, certificate, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as (found, _):
        yield found


@pytest.fixture
def client(server: Server) -> Iterator[Urllib3Client]:
    made = Urllib3Client(f"http://127.0.0.1:{server.http.server_port}", connect_s=1, read_s=2)
    yield made
    made.close()


def post(client: Urllib3Client, path: str = "/v1/refunds") -> str:
    body, status, headers = client.request("post", f"{client._origin}{path}", {"Idempotency-Key": "k"}, "amount=5")
    assert (status, headers["request-id"]) == (200, "req_1")
    return body.decode()


def test_one_connection_serves_many_requests(server: Server, client: Urllib3Client) -> None:
    """A connection is used again: a new one costs Stripe's TLS handshake every time."""
    answers = [post(client, f"/v1/{number}") for number in range(5)]

    assert answers == [f"/v1/{number}" for number in range(5)]
    assert server.connections == 1


def test_threads_do_not_get_each_others_answers(server: Server, client: Urllib3Client) -> None:
    """What one thread is charging must never read as what another one has refunded."""
    paths = [f"/v1/{number}" for number in range(200)]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda path: post(client, path), paths)) == paths

    assert server.connections <= 8


@pytest.mark.parametrize("manner", ["hangs up", "says goodbye"])
def test_a_connection_that_was_hung_up_is_not_used_again(server: Server, client: Urllib3Client, manner: str) -> None:
    """Stripe closes what has been idle for a while: that is noticed before a charge is lost on it."""
    server.manner = manner
    post(client)
    assert server.hung_up.wait(5)

    assert post(client, "/v1/next") == "/v1/next"

    assert server.connections == 2
    assert len(server.heard) == 2


@pytest.mark.parametrize("manner", ["reset", "half", "silent"])
def test_no_answer_is_said_and_nothing_is_sent_twice(server: Server, client: Urllib3Client, manner: str) -> None:
    """Reset, cut off, silent: no answer, whose retry is the SDK's to decide; the next request has its own answer."""
    server.manner = manner
    client._read_s = 0.2

    with pytest.raises(stripe.APIConnectionError) as none:
        post(client, "/v1/charge")

    assert none.value.should_retry
    assert [path for _, path in server.heard] == ["/v1/charge"]
    server.manner = ""
    client._read_s = 2
    assert post(client, "/v1/next") == "/v1/next"
    assert server.connections == 2


def test_a_redirect_is_not_followed(server: Server, client: Urllib3Client) -> None:
    """Our key goes where the setting says, and nowhere that an answer says."""
    server.manner = "redirect"

    _, status, _ = client.request("post", f"{client._origin}/v1/refunds", {}, "amount=5")

    assert status == 302
    assert len(server.heard) == 1


def test_a_line_break_in_a_header_is_refused(server: Server, client: Urllib3Client) -> None:
    """It would begin a header of its own, or a request."""
    for value in ("k\r\nStripe-Account: acct_2", "k\n", "k\r"):
        with pytest.raises(ValueError, match="Invalid header value"):
            client.request("post", f"{client._origin}/v1/refunds", {"Idempotency-Key": value}, "amount=5")

    assert server.heard == []


def test_another_origin_gets_nothing(client: Urllib3Client) -> None:
    """Nor one that only begins like ours."""
    with pytest.raises(AssertionError):
        client.request("post", f"{client._origin}.example/v1/refunds", {}, "amount=5")


def test_when_the_operation_is_over_nothing_is_sent(server: Server, client: Urllib3Client) -> None:
    """And it is not tried again: there is even less time then."""
    token = stripe_transport.deadline.set(time.monotonic() + stripe_transport.LEAST_S / 2)
    try:
        with pytest.raises(stripe.APIConnectionError) as late:
            post(client)
    finally:
        stripe_transport.deadline.reset(token)

    assert not late.value.should_retry
    assert server.heard == []


def test_a_certificate_that_is_trusted_lets_us_through(tmp_path: Path) -> None:
    """TLS works at all, and its connection is kept, too."""
    tls, ca_file = certificate(tmp_path, x509.IPAddress(IPv4Address("127.0.0.1")))
    with serving(tls) as (server, origin):
        client = Urllib3Client(origin, connect_s=2, read_s=2, ca_file=ca_file)
        assert [post(client), post(client)] == ["/v1/refunds"] * 2
        client.close()

    assert server.connections == 1


@pytest.mark.parametrize("wrong", ["name", "authority"])
def test_a_certificate_that_is_not_stripes_is_refused_for_good(tmp_path: Path, wrong: str) -> None:
    """Whoever sits in between gets neither key nor request, and is not asked a second time."""
    name = x509.DNSName("stripe.example") if wrong == "name" else x509.IPAddress(IPv4Address("127.0.0.1"))
    tls, ca_file = certificate(tmp_path, name)
    with serving(tls) as (server, origin):
        client = Urllib3Client(origin, connect_s=2, read_s=2, ca_file=ca_file if wrong == "name" else None)
        with pytest.raises(stripe.APIConnectionError) as refused:
            post(client)
        client.close()

    assert not refused.value.should_retry
    assert server.heard == []


def test_a_proxy_of_the_environment_is_gone_through(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the AWS SDK does: in a network that lets nothing else out, both work or neither does."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.http.server_port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    proxied = Urllib3Client("http://stripe.example", connect_s=1, read_s=2)
    direct = Urllib3Client(f"http://127.0.0.1:{server.http.server_port}", connect_s=1, read_s=2)

    assert (post(proxied), post(direct)) == ("http://stripe.example/v1/refunds", "/v1/refunds")
