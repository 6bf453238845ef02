"""How requests to Stripe travel: the standard library's connections, kept alive, under an operation's time limit.

The SDK's own choice (requests) costs more processor time than all else that a call does, and a tenth of a second to
import. What a failure means for the attempt that made the call is the gateway's: here it only says "no answer".
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import stripe

from chalicelib.adapters.aws.http_answer import Headers
from chalicelib.adapters.aws.keep_alive import LOST, KeepAlive

log = logging.getLogger(__name__)

LEAST_S = 0.5
"""With less time than this left, a request is not worth starting: it could only end in not knowing."""
deadline: ContextVar[float] = ContextVar("stripe_deadline", default=float("inf"))
"""Until when, by `time.monotonic`, the operation that makes the calls has to be over."""


class KeepAliveClient(stripe.HTTPClient):
    """Talks to one origin, from any number of threads. TLS is verified against `ca_file`.

    A request is never sent twice from here: that is the SDK's to decide, which repeats it under the same key.
    """

    name = "http.client"

    def __init__(self, origin: str, *, connect_s: float, read_s: float, ca_file: str | None = None) -> None:
        super().__init__()
        self._origin = origin
        self._http = KeepAlive(
            origin, connect_s=connect_s, read_s=read_s, ca_file=lambda: ca_file or stripe.ca_bundle_path
        )

    def request(  # type: ignore[override]  # Bytes, as the SDK's own clients return: it decodes them itself.
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[bytes, int, Headers]:
        """The answer's body, status and headers. Raises stripe.APIConnectionError where there was none."""
        assert url.startswith(f"{self._origin}/"), "our key is for one origin only"
        body = post_data.encode() if isinstance(post_data, str) else post_data
        path = url[len(self._origin) :]
        try:
            answer, status, received = self._http.exchange(method.upper(), path, body, headers or {}, _left_s)
        except LOST as error:
            raise _no_answer(error) from error
        # For whoever asks Stripe about it; the events that follow name it, too.
        log.info("stripe answered %d", status, extra={"stripe_request_id": received.get("Request-Id")})
        return answer, status, received

    def close(self) -> None:
        self._http.close()


def _left_s() -> float:
    """What is left of the operation's time. Raises TooLate."""
    left_s = deadline.get() - time.monotonic()
    if left_s < LEAST_S:
        raise TooLate("no time is left for this operation")
    return left_s


class TooLate(OSError):
    """The operation's time is over; nothing was sent."""


def _no_answer(error: Exception) -> stripe.APIConnectionError:
    # A certificate that is wrong now is wrong half a second later, and so is a lack of time.
    hopeless = isinstance(error.__cause__, ssl.SSLCertVerificationError) or isinstance(error, TooLate)
    return stripe.APIConnectionError(  # type: ignore[no-untyped-call]
        f"{type(error).__name__}: {error}", should_retry=not hopeless
    )
