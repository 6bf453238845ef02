"""HTTP connections of the standard library's to one origin, kept alive for whoever comes next.

What they carry, and what a failure means, is for stripe_transport to say.
"""

from __future__ import annotations

import select
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from math import inf
from urllib.parse import urlsplit

IDLE_MAXIMUM_S = 300.0
"""A connection that was idle for longer is not trusted: AWS's NAT gateways forget it after 350 s."""

LOST = (OSError, HTTPException)
"""What `exchange` raises where there is no answer: whether the request has arrived is not known."""


class KeepAlive:
    """Connections to `https://host` (or http, for a local stand-in), for any number of threads.

    TLS is verified against the file that `ca_file` names. Redirects are not followed, and neither proxies nor .netrc
    are looked for: whom we talk to is said by one setting only. A request is never sent twice from here.
    """

    def __init__(self, origin: str, *, connect_s: float, read_s: float, ca_file: Callable[[], str | None]) -> None:
        # Appending and popping are atomic. The last one used comes first, so that those too many grow old.
        self._idle: list[tuple[HTTPConnection, float]] = []
        parts = urlsplit(origin)
        assert parts.scheme in ("http", "https") and parts.hostname, f"{origin} is no origin"
        self.host = parts.netloc
        self._name, self._port = parts.hostname, parts.port
        self._is_tls = parts.scheme == "https"
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
    ) -> tuple[bytes, int, HTTPMessage]:
        """The answer's body, status and headers. Raises LOST, and what `left_s` raises.

        `left_s` is asked before connecting and before sending: for how long each may take at most.
        """
        connection = self._take_idle() or self._new_connection()
        try:
            request = self._request(method, path, body or b"", headers)
            with closing(self._send(connection, method, request, left_s)) as response:
                response.begin()
                answer = response.read()
        except BaseException:
            # Whatever is still on its way there must not be taken for the answer to the next request.
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._idle.append((connection, time.time()))
        return answer, response.status, response.headers

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[0].close()

    def __del__(self) -> None:
        self.close()

    def _send(
        self, connection: HTTPConnection, method: str, request: bytes, left_s: Callable[[], float]
    ) -> HTTPResponse:
        if connection.sock is None:
            connection.timeout = min(self.connect_s, left_s())
            connection.connect()
        connection.sock.settimeout(min(self.read_s, left_s()))
        connection.sock.sendall(request)
        return HTTPResponse(connection.sock, method=method)

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
            # Reading the certificates takes 25 ms: once, and only by those who need them.
            self._tls = ssl.create_default_context(cafile=self._ca_file())
        return HTTPSConnection(self._name, self._port, context=self._tls)


def _is_dropped(connection: HTTPConnection) -> bool:
    """Whether the other side has hung up: it was asked nothing, so there should be nothing to read but the end."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
