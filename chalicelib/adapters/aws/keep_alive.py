"""HTTP connections of the standard library's to one origin, kept alive for whoever comes next.

What they carry, and what a failure means, is for stripe_transport and aws_transport to say.
"""

from __future__ import annotations

import os
import select
import ssl
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from math import inf
from urllib.parse import urlsplit

from chalicelib.adapters.aws import http_answer
from chalicelib.adapters.aws.http_answer import Headers

IDLE_MAXIMUM_S = 300.0
"""A connection that was idle for longer is not trusted: AWS's NAT gateways forget it after 350 s."""

LOST = (OSError, HTTPException)
"""What `exchange` raises where there is no answer: whether the request has arrived is not known."""


class NotConnected(OSError):
    """There was no connection, for the reason that is the cause of this: nothing was sent."""


class KeepAlive:
    """Connections to `https://host` (or http, for a local stand-in), for any number of threads.

    TLS is verified against the file that `ca_file` names, or the folder, whose files OpenSSL must find by their names.
    Redirects are not followed, and neither proxies nor .netrc are looked for: whom we talk to is said by one setting
    only. A request is never sent twice from here.
    """

    def __init__(self, origin: str, *, connect_s: float, read_s: float, ca_file: Callable[[], str | None]) -> None:
        # Appending and popping are atomic. The last one used comes first, so that those too many grow old.
        self._idle: list[tuple[HTTPConnection, float]] = []
        parts = urlsplit(origin)
        assert parts.scheme in ("http", "https") and parts.hostname, f"{origin} is no origin"
        self._name, self._port = parts.hostname, parts.port
        self._is_tls = parts.scheme == "https"
        self.host = host_of(origin)
        self._ca_file = ca_file
        self._tls: ssl.SSLContext | None = None
        self.connect_s, self.read_s = connect_s, read_s

    def exchange(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        left_s: Callable[[], float] = lambda: inf,
    ) -> tuple[bytes, int, Headers]:
        """The answer's body, status and headers. Raises LOST, of that NotConnected, and what `left_s` raises.

        `left_s` is asked before connecting and before sending: for how long each may take at most.
        """
        connection = self._take_idle() or self._new_connection()
        try:
            request = self._request(method, path, body or b"", headers)
            self._send(connection, request, left_s)
            with connection.sock.makefile("rb") as stream:
                answer = http_answer.read(stream)
        except BaseException:
            # Whatever is still on its way there must not be taken for the answer to the next request.
            connection.close()
            raise
        if answer.is_last:
            connection.close()
        else:
            self._idle.append((connection, time.time()))
        return answer.body, answer.status, answer.headers

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[0].close()

    def __del__(self) -> None:
        self.close()

    def _send(self, connection: HTTPConnection, request: bytes, left_s: Callable[[], float]) -> None:
        if connection.sock is None:
            connection.timeout = min(self.connect_s, left_s())
            try:
                connection.connect()
            except OSError as error:
                raise NotConnected(f"{type(error).__name__}: {error}") from error
        connection.sock.settimeout(min(self.read_s, left_s()))
        connection.sock.sendall(request)

    def _request(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Head and body at once: http.client would send them one by one, at twice the price of a small request."""
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self.host}",
            "Accept-Encoding: identity",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        head = "\r\n".join(lines)
        if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
            raise ValueError("a line break in a header would begin another one")
        return f"{head}\r\n\r\n".encode("latin-1") + body

    def _take_idle(self) -> HTTPConnection | None:
        while self._idle:
            connection, since = self._idle.pop()
            # By the wall clock: the monotonic one may stand still while Lambda has frozen us.
            if abs(time.time() - since) < IDLE_MAXIMUM_S and not _is_dropped(connection):
                return connection
            connection.close()
        return None

    def _new_connection(self) -> HTTPConnection:
        if not self._is_tls:
            return HTTPConnection(self._name, self._port)
        if self._tls is None:
            # Reading the certificates takes up to 25 ms: once, and only by those who need them.
            trusted = self._ca_file()
            is_folder = trusted is not None and os.path.isdir(trusted)
            self._tls = ssl.create_default_context(
                cafile=None if is_folder else trusted, capath=trusted if is_folder else None
            )
        return HTTPSConnection(self._name, self._port, context=self._tls)


def host_of(url: str) -> str:
    """The value of the header `Host`: with a port only where it is not the usual one."""
    parts = urlsplit(url)
    return parts.netloc.lower().removesuffix(":443" if parts.scheme == "https" else ":80")


def _is_dropped(connection: HTTPConnection) -> bool:
    """Whether the other side has hung up: it was asked nothing, so there should be nothing to read but the end."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
