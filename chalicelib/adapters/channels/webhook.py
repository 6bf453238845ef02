"""Notices over HTTP: one try, to an address that was checked when connecting, and within a time that really ends.

A merchant chooses the URL, so the request must not become a way into our own network. The name is resolved once, every
address it leads to is checked, and the connection goes to an address that was checked: a name that changes between
check and connect changes nothing. urllib3 then speaks TLS and HTTP to the name (SNI, certificate, Host).
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from threading import Timer
from urllib.parse import SplitResult, urlsplit

import certifi
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError

from chalicelib.domain.news.signing import headers_of
from chalicelib.ports.webhooks import Answer, NoAnswer, WhyNoAnswer

CONNECT_S = 3.0
"""For each address, and again for TLS."""
TOTAL_S = 10.0
ADDRESSES = 3
"""So many addresses of a name are tried, where no connection can be made."""
USER_AGENT = "aftertab-notices/1"
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
"""All public IPv6 addresses are in here. IPv4-mapped and NAT64 addresses, which lead to IPv4 ones, are not."""
_6TO4 = ipaddress.IPv6Network("2002::/16")
"""Holds an IPv4 address, which a relay would be asked to call."""

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses that a name leads to. Raises OSError."""


def resolve(host: str, port: int) -> list[str]:
    """By the machine's own resolver, in its order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class HttpWebhooks:
    """Implements ports.Webhooks.

    `local`: for the local stack only: loopback addresses may be called, and plain HTTP. `ca_file`: the certificates
    that are trusted. `wall_now_s`: the time that a signature tells, which receivers compare with their own clock.
    """

    def __init__(
        self,
        *,
        local: bool = False,
        resolve: Resolve = resolve,
        ca_file: str | None = None,
        wall_now_s: Callable[[], float] = time.time,
        connect_s: float = CONNECT_S,
        total_s: float = TOTAL_S,
    ) -> None:
        self._local = local
        self._resolve = resolve
        self._ca_file = ca_file or certifi.where()
        self._wall_now_s = wall_now_s
        self._connect_s = connect_s
        self._total_s = total_s

    def check(self, url: str) -> None:
        self._addresses(urlsplit(url))

    def post(self, url: str, notice_id: str, body: bytes, secrets: Sequence[str]) -> Answer:
        parts = urlsplit(url)
        headers = {
            # With its port where the URL has one, and without the brackets' content being touched.
            "Host": parts.netloc,
            "User-Agent": USER_AGENT,
            "Content-Type": "application/json",
            "Connection": "close",
            **headers_of(secrets, notice_id, int(self._wall_now_s()), body),
        }
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        ends_at = time.monotonic() + self._total_s
        with self._connection(parts, ends_at) as connection:
            connection.request("POST", path, body=body, headers=headers, preload_content=False)
            # The status says all, so the answer's body is not read: it may be endless.
            with closing(connection.getresponse()) as answer:
                return Answer(
                    status=answer.status, retry_after_s=self._retry_after_s(answer.headers.get("Retry-After"))
                )

    def _addresses(self, parts: SplitResult) -> list[str]:
        """The addresses that may be called, in the resolver's order. Raises NoAnswer: one bad address spoils all."""
        if parts.scheme != "https" and not (parts.scheme == "http" and self._local):
            raise NoAnswer(WhyNoAnswer.ADDRESS_REFUSED)
        began = time.monotonic()
        try:
            found = list(self._resolve(parts.hostname or "", _port(parts)))
        except (OSError, UnicodeError):
            # The resolver has no time limit of ours: a name whose servers don't answer keeps us waiting.
            hung = time.monotonic() - began >= self._connect_s
            raise NoAnswer(WhyNoAnswer.TIMED_OUT if hung else WhyNoAnswer.UNRESOLVED) from None
        if not found:
            raise NoAnswer(WhyNoAnswer.UNRESOLVED)
        if not all(is_public(address) or (self._local and is_loopback(address)) for address in found):
            raise NoAnswer(WhyNoAnswer.ADDRESS_REFUSED)
        return found[:ADDRESSES]

    @contextmanager
    def _connection(self, parts: SplitResult, ends_at: float) -> Iterator[HTTPConnection]:
        """A connection that is cut when the time is over, whatever it is waiting for then."""
        connection = self._connected(parts, self._addresses(parts), ends_at)
        cut_by_us: list[bool] = []

        def cut() -> None:
            cut_by_us.append(True)
            with suppress(OSError, AttributeError):
                # Unlike close, this ends a read that another thread is waiting in.
                connection.sock.shutdown(socket.SHUT_RDWR)

        # A time-out of a socket is for one read: an answer that comes byte by byte would never meet it.
        timer = Timer(max(0.0, ends_at - time.monotonic()), cut)
        timer.daemon = True
        timer.start()
        try:
            yield connection
            if cut_by_us:
                # http.client takes headers that end with the connection for whole ones.
                raise NoAnswer(WhyNoAnswer.TIMED_OUT)
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            timed_out = cut_by_us or isinstance(error, TimeoutError)
            raise NoAnswer(WhyNoAnswer.TIMED_OUT if timed_out else WhyNoAnswer.BROKEN) from None
        finally:
            timer.cancel()
            connection.close()

    def _connected(self, parts: SplitResult, addresses: Sequence[str], ends_at: float) -> HTTPConnection:
        """To the first of the addresses that takes the connection. Raises NoAnswer."""
        failure = WhyNoAnswer.UNREACHABLE
        for address in addresses:
            left_s = ends_at - time.monotonic()
            if left_s <= 0:
                break
            connection = self._unconnected(parts, address, min(self._connect_s, left_s))
            try:
                connection.connect()
            except (SSLError, ssl.SSLError):
                connection.close()
                raise NoAnswer(WhyNoAnswer.BAD_CERTIFICATE) from None
            except (ConnectTimeoutError, TimeoutError) as error:
                # urllib3 derives one from the other.
                refused = isinstance(error, NewConnectionError)
                failure = WhyNoAnswer.UNREACHABLE if refused else WhyNoAnswer.TIMED_OUT
            except (HTTPError, OSError):
                failure = WhyNoAnswer.UNREACHABLE
            else:
                # From here on the timer watches the time.
                assert connection.sock is not None, "it is connected"
                connection.sock.settimeout(self._total_s)
                return connection
            connection.close()
        raise NoAnswer(failure)

    def _unconnected(self, parts: SplitResult, address: str, connect_s: float) -> HTTPConnection:
        port = _port(parts)
        if parts.scheme == "http":
            return HTTPConnection(address, port, timeout=connect_s)
        # To the address, in the name of the host: its name is what the certificate must be for.
        # https://urllib3.readthedocs.io/en/stable/advanced-usage.html#custom-sni-hostname
        return HTTPSConnection(
            address,
            port,
            timeout=connect_s,
            cert_reqs="CERT_REQUIRED",
            ca_certs=self._ca_file,
            server_hostname=parts.hostname,
        )

    def _retry_after_s(self, text: str | None) -> int | None:
        """The header in seconds: it holds seconds or a date (RFC 9110). None where it says nothing that can be read."""
        if text is None:
            return None
        if text.isascii() and text.isdigit():
            # Longer than any delay that is heard.
            return int(text[:9])
        try:
            at = parsedate_to_datetime(text)
            return max(0, int(at.timestamp() - self._wall_now_s()))
        except (TypeError, ValueError, OverflowError):
            return None


def is_public(address: str) -> bool:
    """Whether anybody's system may be at this address: public, for one receiver, and not a way to another address.

    `is_global` alone is not enough: in Python 3.11 it holds for multicast, NAT64 and IPv4-mapped addresses.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if not ip.is_global or ip.is_multicast or ip.is_reserved or ip.is_unspecified:
        return False
    return isinstance(ip, ipaddress.IPv4Address) or (ip in _GLOBAL_IPV6 and ip not in _6TO4)


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)
