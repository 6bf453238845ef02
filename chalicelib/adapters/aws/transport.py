"""How requests to AWS travel: in place of urllib3 under botocore's endpoint, over the connections that Stripe has.

Only that: what is signed, what a failure is called, and whether it is tried again, stays botocore's.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, cast

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)

from chalicelib.adapters.aws.keep_alive import LOST, KeepAlive, NotConnected


class KeepAliveSession:
    """What botocore's URLLib3Session is to an endpoint, for a service of one origin whose answers fit into memory."""

    def __init__(self, origin: str, *, connect_s: float, read_s: float, ca_file: Callable[[], str]) -> None:
        self._origin = origin.rstrip("/")
        self._http = KeepAlive(self._origin, connect_s=connect_s, read_s=read_s, ca_file=ca_file)

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Raises botocore's errors for what is no answer: all are ones that it tries again."""
        url = request.url
        assert url.startswith(f"{self._origin}/"), f"signed for {url}, and connected to {self._origin}"
        body, prepared = cast(bytes, request.body), cast(Mapping[str, str | bytes], request.headers)
        headers = {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in prepared.items()
            if name != "Content-Length"  # It is said already.
        }
        try:
            body, status, received = self._http.exchange(request.method, url[len(self._origin) :], body, headers)
        except LOST as error:
            raise _no_answer(error, url) from error
        return AWSResponse(url, status, cast(Any, dict(received)), _Body(body))

    def close(self) -> None:
        self._http.close()


class _Body(bytes):
    """As botocore reads what it was answered."""

    def stream(self) -> tuple[bytes]:
        return (self,)


def _no_answer(error: OSError | HTTPException, url: str) -> Exception:
    reason = error.__cause__ if isinstance(error, NotConnected) else error
    if isinstance(reason, ssl.SSLError):
        return SSLError(endpoint_url=url, error=reason)
    if isinstance(error, NotConnected):
        kind = ConnectTimeoutError if isinstance(reason, TimeoutError) else EndpointConnectionError
        return kind(endpoint_url=url, error=reason)
    if isinstance(error, TimeoutError):
        return ReadTimeoutError(endpoint_url=url, error=error)
    return ConnectionClosedError(endpoint_url=url, error=error, request=None)
