"""The HTTP client of the Stripe SDK, on urllib3, which the AWS SDK has already loaded. The SDK retries.

Here a failure only means "no answer"; the gateway decides what that means for the attempt.
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
"""With less time left than this, no request is started, because its outcome would probably be unknown."""
CONNECTIONS = 8
"""A connection for each thread of a sweep."""
deadline: ContextVar[float] = ContextVar("stripe_deadline", default=float("inf"))
"""The time, by `time.monotonic`, at which the current operation must end."""


class Urllib3Client(stripe.HTTPClient):
    """A client of one origin, for any number of threads. TLS is verified with `ca_file`, or the SDK's certificates.

    A request is sent once and redirects are not followed. The SDK decides about retries, under the same key.
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
        """The body, status and headers of the answer. Raises stripe.APIConnectionError without one."""
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
            # A wrong certificate is not worth a retry.
            is_hopeless = bool(error.args) and isinstance(error.args[0], ssl.SSLCertVerificationError)
            raise _no_answer(f"{type(error).__name__}: {error}", should_retry=not is_hopeless) from error
        # The id of the call at Stripe; the events that it causes name it, too.
        log.info("stripe answered %d", answer.status, extra={"stripe_request_id": answer.headers.get("Request-Id")})
        return answer.data, answer.status, answer.headers

    def close(self) -> None:
        self._http.clear()


def _no_answer(text: str, *, should_retry: bool) -> stripe.APIConnectionError:
    return stripe.APIConnectionError(text, should_retry=should_retry)  # type: ignore[no-untyped-call]
