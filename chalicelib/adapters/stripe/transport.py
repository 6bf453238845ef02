"""How requests to Stripe travel: urllib3, which the AWS SDK has loaded already, under the SDK's retries.

What a failure means for the attempt that made the call is the gateway's to say: here it only means "no answer".
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import stripe
import urllib3

log = logging.getLogger(__name__)

LEAST_S = 0.5
"""With less time than this left, a request is not worth starting: it could only end in not knowing."""
CONNECTIONS = 8
"""Kept for the threads that call Stripe at once: the sweep's."""
deadline: ContextVar[float] = ContextVar("stripe_deadline", default=float("inf"))
"""Until when, by `time.monotonic`, the operation that makes the calls has to be over."""


class Urllib3Client(stripe.HTTPClient):
    """Talks to one origin, from any number of threads. TLS is verified against `ca_file`, or the SDK's certificates.

    A request is sent once and no redirect is followed: the SDK decides about retries, under the same idempotency key.
    """

    name = "urllib3"

    def __init__(self, origin: str, *, connect_s: float, read_s: float, ca_file: str | None = None) -> None:
        super().__init__()
        self._origin = origin
        self._connect_s, self._read_s = connect_s, read_s
        parts = urlsplit(origin)
        proxy = None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
        pools: dict[str, Any] = {"maxsize": CONNECTIONS, "retries": False, "ca_certs": ca_file or stripe.ca_bundle_path}
        self._http = urllib3.ProxyManager(proxy, **pools) if proxy else urllib3.PoolManager(**pools)

    def request(  # type: ignore[override]  # Bytes, as the SDK's own clients return: it decodes them itself.
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """The answer's body, status and headers. Raises stripe.APIConnectionError if there was none."""
        assert url.startswith(f"{self._origin}/"), "our key is for one origin only"
        left_s = deadline.get() - time.monotonic()
        if left_s < LEAST_S:
            raise _no_answer("no time is left for this operation", should_retry=False)
        timeout = urllib3.Timeout(connect=min(self._connect_s, left_s), read=min(self._read_s, left_s))
        try:
            answer = self._http.request(
                method.upper(), url, body=post_data, headers=headers, timeout=timeout, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            # A certificate that is wrong now is wrong half a second later.
            is_hopeless = bool(error.args) and isinstance(error.args[0], ssl.SSLCertVerificationError)
            raise _no_answer(f"{type(error).__name__}: {error}", should_retry=not is_hopeless) from error
        # For whoever asks Stripe about it; the events that follow name it, too.
        log.info("stripe answered %d", answer.status, extra={"stripe_request_id": answer.headers.get("Request-Id")})
        return answer.data, answer.status, answer.headers

    def close(self) -> None:
        self._http.clear()


def _no_answer(text: str, *, should_retry: bool) -> stripe.APIConnectionError:
    return stripe.APIConnectionError(text, should_retry=should_retry)  # type: ignore[no-untyped-call]
