"""How requests to Stripe travel: the standard library's connections, kept alive, under an operation's time limit.

The SDK's own choice (requests) costs more processor time than all else that a call does, and a tenth of a second to
import. What a failure means for the attempt that made the call is the gateway's: here it only says "no answer".
"""

from __future__ import annotations

import logging
import select
import ssl
import time
from collections.abc import Mapping
from contextvars import ContextVar
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import stripe

log = logging.getLogger(__name__)

LEAST_S = 0.5
"""With less time than this left, a request is not worth starting: it could only end in not knowing."""
IDLE_MAXIMUM_S = 300.0
"""A connection that was idle for longer is not trusted: AWS's NAT gateways forget it after 350 s."""

deadline: ContextVar[float] = ContextVar("stripe_deadline", default=float("inf"))
"""Until when, by `time.monotonic`, the operation that makes the calls has to be over."""


class KeepAliveClient(stripe.HTTPClient):
    """Talks to one origin (`https://host`, or http for a local stand-in), from any number of threads.

    Connections are kept for whoever comes next. TLS is verified against `ca_file`. Redirects are not followed, and
    neither proxies nor .netrc are looked for: whom we talk to is said by one setting only. A request is never sent
    twice from here: that is the SDK's to decide, which repeats it under the same idempotency key.
    """

    name = "http.client"

    def __init__(self, origin: str, *, connect_s: float, read_s: float, ca_file: str | None = None) -> None:
        super().__init__()
        # Appending and popping are atomic. The last one used comes first, so that those too many grow old.
        self._idle: list[tuple[HTTPConnection, float]] = []
        parts = urlsplit(origin)
        assert parts.scheme in ("http", "https") and parts.hostname, f"{origin} is no origin"
        self._origin = origin
        self._host, self._port = parts.hostname, parts.port
        self._is_tls = parts.scheme == "https"
        self._ca_file = ca_file or stripe.ca_bundle_path
        self._tls: ssl.SSLContext | None = None
        self._connect_s, self._read_s = connect_s, read_s

    def request(  # type: ignore[override]  # Bytes, as the SDK's own clients return: it decodes them itself.
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[bytes, int, HTTPMessage]:
        """The answer's body, status and headers. Raises stripe.APIConnectionError where there was none."""
        assert url.startswith(f"{self._origin}/"), "our key is for one origin only"
        body = post_data.encode() if isinstance(post_data, str) else post_data
        connection = self._take_idle() or self._new_connection()
        try:
            response = self._exchange(connection, method.upper(), url[len(self._origin) :], headers or {}, body)
            answer = response.read()
            # For whoever asks Stripe about it; the events that follow name it, too.
            stripe_request_id = response.headers.get("Request-Id")
            log.info("stripe answered %d", response.status, extra={"stripe_request_id": stripe_request_id})
        except BaseException as error:
            # Whatever is still on its way there must not be taken for the answer to the next request.
            connection.close()
            if isinstance(error, OSError | HTTPException):
                raise _no_answer(error) from error
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

    def _exchange(
        self, connection: HTTPConnection, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> HTTPResponse:
        if connection.sock is None:
            connection.timeout = min(self._connect_s, _left_s())
            connection.connect()
        connection.sock.settimeout(min(self._read_s, _left_s()))
        connection.request(method, path, body, headers)
        return connection.getresponse()

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
            return HTTPConnection(self._host, self._port)
        if self._tls is None:
            # Reading the certificates takes 25 ms: once, and only by those who talk to Stripe.
            self._tls = ssl.create_default_context(cafile=self._ca_file)
        return HTTPSConnection(self._host, self._port, context=self._tls)


def _left_s() -> float:
    """What is left of the operation's time. Raises TooLate."""
    left_s = deadline.get() - time.monotonic()
    if left_s < LEAST_S:
        raise TooLate("no time is left for this operation")
    return left_s


class TooLate(OSError):
    """The operation's time is over; nothing was sent."""


def _is_dropped(connection: HTTPConnection) -> bool:
    """Whether the other side has hung up: it was asked nothing, so there should be nothing to read but the end."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def _no_answer(error: Exception) -> stripe.APIConnectionError:
    # A certificate that is wrong now is wrong half a second later, and so is a lack of time.
    hopeless = isinstance(error, ssl.SSLCertVerificationError | TooLate)
    return stripe.APIConnectionError(  # type: ignore[no-untyped-call]
        f"{type(error).__name__}: {error}", should_retry=not hopeless
    )
