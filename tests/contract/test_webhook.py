"""The adapter that sends notices, against real sockets: whom it calls, what it sends, and that every try ends."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from email.utils import format_datetime
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from standardwebhooks import Webhook

from chalicelib.adapters.channels.webhook import HttpWebhooks, is_public
from chalicelib.domain.news.signing import secret_of
from chalicelib.ports.webhooks import Answer, NoAnswer, WhyNoAnswer
from tests.contract.http_kit import Server, certificate, serving

SECRET = secret_of(bytes(range(32)))
BODY = b'{"type":"tab.closed"}'
PUBLIC = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]


def local(**given: object) -> HttpWebhooks:
    return HttpWebhooks(local=True, **given)  # type: ignore[arg-type]


def post(webhooks: HttpWebhooks, url: str) -> Answer:
    return webhooks.post(url, "tab_1-000001", BODY, [SECRET])


def failure_of(webhooks: HttpWebhooks, url: str) -> WhyNoAnswer:
    with pytest.raises(NoAnswer) as none:
        post(webhooks, url)
    return none.value.failure


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as (found, _):
        yield found


def url_of(server: Server, host: str = "127.0.0.1", path: str = "/hook?a=b") -> str:
    return f"http://{host}:{server.http.server_port}{path}"


def test_a_notice_arrives_signed_and_whole(server: Server) -> None:
    """The body byte for byte, under its id, in the name of the host; the standard's library accepts it."""
    answer = post(local(), url_of(server))

    headers, body = server.last
    assert answer == Answer(status=200)
    assert body == BODY
    assert headers["Host"] == f"127.0.0.1:{server.http.server_port}"
    assert headers["Content-Type"] == "application/json"
    assert headers["webhook-id"] == "tab_1-000001"
    assert [path for _, path in server.heard] == ["/hook?a=b"]
    Webhook(SECRET).verify(body, dict(headers))


@pytest.mark.parametrize("status", [204, 302, 410, 429, 500, 503])
def test_any_status_is_an_answer(server: Server, status: int) -> None:
    """A redirect is none that is followed: the merchant is to name the right URL."""
    server.status, server.headers = status, {"Location": url_of(server, path="/elsewhere")}

    assert post(local(), url_of(server)).status == status
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        (format_datetime(datetime(2026, 3, 2, 12, 5, tzinfo=UTC), usegmt=True), 300),
        (format_datetime(datetime(2026, 3, 2, 11, 0, tzinfo=UTC), usegmt=True), 0),
        ("9" * 400, 999_999_999),
        ("-5", None),
        ("soon", None),
        ("1e3", None),
        ("²", None),
    ],
)
def test_retry_after_is_read_in_both_spellings(server: Server, text: str, seconds: int | None) -> None:
    """Seconds or a date; anything else says nothing."""
    server.status, server.headers = 429, {"Retry-After": text.encode().decode("latin-1")}
    noon = datetime(2026, 3, 2, 12, 0, tzinfo=UTC).timestamp()

    assert post(local(wall_now_s=lambda: noon), url_of(server)) == Answer(status=429, retry_after_s=seconds)


@pytest.mark.parametrize("manner", ["silent", "trickles"])
def test_a_receiver_that_hangs_or_trickles_is_left_in_time(server: Server, manner: str) -> None:
    """The whole try has a deadline: bytes that keep coming don't move it."""
    server.manner = manner
    begun = time.monotonic()

    assert failure_of(local(total_s=0.4), url_of(server)) == WhyNoAnswer.TIMED_OUT
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("manner", ["silent", "trickles"])
def test_the_same_through_tls(tmp_path: Path, manner: str) -> None:
    """Where the socket is wrapped."""
    tls, trusted = certificate(tmp_path, x509.DNSName("localhost"))
    with serving(tls) as (server, _):
        server.manner = manner
        url = f"https://localhost:{server.http.server_port}/"

        assert failure_of(local(ca_file=trusted, total_s=0.4), url) == WhyNoAnswer.TIMED_OUT


def test_an_answer_without_end_is_not_read(server: Server) -> None:
    """The status is all that counts."""
    server.answer = b"x" * 5_000_000

    assert post(local(), url_of(server)) == Answer(status=200)


def test_a_handshake_that_hangs_ends_too(tmp_path: Path) -> None:
    """A port that takes the connection and never speaks TLS."""
    with closing(socket.create_server(("127.0.0.1", 0))) as mute:
        url = f"https://127.0.0.1:{mute.getsockname()[1]}/"

        assert failure_of(local(connect_s=0.3), url) == WhyNoAnswer.TIMED_OUT


@pytest.mark.parametrize(("manner", "failure"), [("reset", WhyNoAnswer.BROKEN), ("half", None)])
def test_a_connection_that_ends_early(server: Server, manner: str, failure: WhyNoAnswer | None) -> None:
    """Without a status there is no answer; with one, the rest does not count."""
    server.manner = manner

    if failure is None:
        assert post(local(), url_of(server)).status == 200
    else:
        assert failure_of(local(), url_of(server)) == failure


def test_what_speaks_no_http_is_broken() -> None:
    """Another protocol's server on that port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(5)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"

        def speak() -> None:
            with closing(server.accept()[0]) as client:
                client.recv(65536)
                client.sendall(b"220 mail.example ESMTP\r\n")

        thread = Thread(target=speak)
        thread.start()
        assert failure_of(local(), url) == WhyNoAnswer.BROKEN
        thread.join()


def test_nobody_there_is_unreachable() -> None:
    """A port that nobody listens on; a name that nobody knows."""
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        port = gone.getsockname()[1]

    assert failure_of(local(), f"http://127.0.0.1:{port}/") == WhyNoAnswer.UNREACHABLE
    assert failure_of(local(), "http://nobody.invalid/") == WhyNoAnswer.UNRESOLVED
    assert failure_of(local(), f"http://{'a' * 70}.example/") == WhyNoAnswer.UNRESOLVED


def test_a_name_whose_servers_do_not_answer_hangs() -> None:
    """As a receiver that does, so that its endpoint rests: ten such tries would outlast the function."""

    def slowly(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    assert failure_of(local(resolve=slowly, connect_s=0.0), "http://slow.example/") == WhyNoAnswer.TIMED_OUT
    assert failure_of(local(resolve=slowly), "http://slow.example/") == WhyNoAnswer.UNRESOLVED


def test_the_next_address_is_tried_where_one_does_not_take_the_connection(server: Server) -> None:
    """A name with an IPv6 address where only IPv4 works, say."""
    webhooks = local(resolve=lambda host, port: ["127.0.0.99", "::1", "127.0.0.1"])

    assert post(webhooks, url_of(server, "receiver.example")).status == 200
    assert server.last[0]["Host"] == f"receiver.example:{server.http.server_port}"


# Whom it may call


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "not an address", ""),
        *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:93.184.215.14", "fe80::1", "fe80::1%eth0"),
        *("fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "ff0e::1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"),
        *("2002:7f00:1::", "2002:5db8:d70e::1", "2001::1", "2001:db8::1", "100::1"),
    ],
)
def test_no_address_that_is_not_public(address: str) -> None:
    """Loopback, private, link-local, multicast, reserved, and whatever leads to another address, public ones too."""
    assert not is_public(address)
    for found in ([address], [PUBLIC[0], address]):
        webhooks = HttpWebhooks(resolve=lambda host, port, found=found: found)  # type: ignore[misc]
        assert failure_of(webhooks, "https://receiver.example/") == WhyNoAnswer.ADDRESS_REFUSED
        with pytest.raises(NoAnswer):
            webhooks.check("https://receiver.example/")


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_called(address: str) -> None:
    """IPv4 and IPv6; checking alone calls nobody."""
    assert is_public(address)
    HttpWebhooks(resolve=lambda host, port: [address]).check("https://receiver.example/")


@pytest.mark.parametrize(
    "url",
    [
        *("https://localhost/", "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/"),
        *("https://127.1/", "https://2130706433/", "https://0x7f.0.0.1/", "https://0/", "https://169.254.169.254/"),
    ],
)
def test_no_spelling_leads_inside(url: str) -> None:
    """The machine's own resolver reads them; what counts is the address that it makes of them."""
    assert failure_of(HttpWebhooks(), url) in (WhyNoAnswer.ADDRESS_REFUSED, WhyNoAnswer.UNRESOLVED)


def test_plain_http_is_for_the_local_stack_only() -> None:
    """Anybody on the way could read and change it."""
    public = HttpWebhooks(resolve=lambda host, port: PUBLIC)

    assert failure_of(public, "http://receiver.example/") == WhyNoAnswer.ADDRESS_REFUSED
    assert failure_of(local(resolve=lambda host, port: ["10.0.0.1"]), "http://receiver.example/") == (
        WhyNoAnswer.ADDRESS_REFUSED
    )


def test_a_name_that_changes_after_the_check_changes_nothing(server: Server) -> None:
    """The name is asked for once; the connection goes to the address that was checked."""
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    asked: list[str] = []

    def changing(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    webhooks = local(resolve=changing)

    assert post(webhooks, url_of(server, "receiver.example")).status == 200
    assert asked == ["receiver.example"]
    assert failure_of(webhooks, url_of(server, "receiver.example")) == WhyNoAnswer.ADDRESS_REFUSED
    assert len(server.heard) == 1


# TLS


def test_the_certificate_must_be_for_the_name(tmp_path: Path) -> None:
    """The connection goes to an address, and SNI, Host and certificate are the name's; Secrets go to nobody else."""
    tls, trusted = certificate(tmp_path, x509.DNSName("receiver.example"))
    asked: list[str | None] = []
    tls.sni_callback = lambda connection, name, context: asked.append(name)
    with serving(tls) as (server, _):
        port = server.http.server_port
        webhooks = local(ca_file=trusted, resolve=lambda host, port: ["127.0.0.1"])

        assert post(webhooks, f"https://receiver.example:{port}/").status == 200
        assert failure_of(webhooks, f"https://other.example:{port}/") == WhyNoAnswer.BAD_CERTIFICATE
        assert failure_of(webhooks, f"https://127.0.0.1:{port}/") == WhyNoAnswer.BAD_CERTIFICATE
        # One that nobody has signed whom the public trusts.
        assert failure_of(local(resolve=lambda host, port: ["127.0.0.1"]), f"https://receiver.example:{port}/") == (
            WhyNoAnswer.BAD_CERTIFICATE
        )
        assert len(server.heard) == 1
        assert asked[0] == "receiver.example"


def test_a_certificate_for_an_address_serves_that_address(tmp_path: Path) -> None:
    """In a URL without a name."""
    tls, trusted = certificate(tmp_path, x509.IPAddress(IPv4Address("127.0.0.1")), x509.IPAddress(IPv6Address("::1")))
    with serving(tls) as (server, base):
        assert post(local(ca_file=trusted), base).status == 200
        assert server.last[0]["Host"] == base.removeprefix("https://")


def test_old_tls_is_refused(tmp_path: Path) -> None:
    """Python's own lower bound."""
    tls, trusted = certificate(tmp_path, x509.DNSName("localhost"))
    tls.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        tls.maximum_version = ssl.TLSVersion.TLSv1_1
    with serving(tls) as (server, _):
        url = f"https://localhost:{server.http.server_port}/"
        assert failure_of(local(ca_file=trusted), url) == WhyNoAnswer.BAD_CERTIFICATE


def test_nothing_secret_is_logged(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Neither secret, URL nor body, at any level, of any library."""
    caplog.set_level(logging.DEBUG)

    post(local(), url_of(server, path="/hook/8f14e45f"))
    server.manner = "reset"
    failure_of(local(), url_of(server, path="/hook/8f14e45f"))

    told = caplog.text + repr([vars(record) for record in caplog.records])
    for secret in (SECRET, SECRET.removeprefix("whsec_"), "8f14e45f", "tab.closed"):
        assert secret not in told
