"""Secrets: a setting has either the secret itself or `ssm:/name`, its name in Parameter Store."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock
from typing import Protocol, cast

log = logging.getLogger(__name__)

_PREFIX = "ssm:"
KEPT_S = 300.0
"""How long a secret is cached. A replaced secret is used for at most this long."""


class Parameters(Protocol):
    """The only method of the SSM client that is used."""

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> dict[str, dict[str, str]]: ...  # noqa: N803


def resolve_secret(value: str, ssm: Parameters | None = None) -> str:
    """The secret that the setting's value is or names. Not cached, because adapters are built once."""
    if not value.startswith(_PREFIX):
        return value
    if ssm is None:
        # Imported here: most settings have the secret itself, so the AWS SDK is not needed.
        import boto3

        from chalicelib.adapters.aws import client as aws

        ssm = cast(Parameters, boto3.client("ssm", config=aws.config(read_s=5)))
    return ssm.get_parameter(Name=value.removeprefix(_PREFIX), WithDecryption=True)["Parameter"]["Value"]


class KeptSecret:
    """A secret that is fetched at the first call, and again after KEPT_S.

    For secrets that are used often and may be replaced while the app runs. `resolve` and `clock` are for tests.
    """

    def __init__(
        self,
        value: str,
        *,
        resolve: Callable[[str], str] = resolve_secret,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._value = value
        self._resolve = resolve
        self._clock = clock
        self._cached: tuple[str, float] | None = None
        self._lock = Lock()

    def __call__(self) -> str:
        """Return the secret. If Parameter Store fails, return the cached one; without one, raise its error."""
        with self._lock:
            now = self._clock()
            if self._cached is None or now - self._cached[1] >= KEPT_S:
                try:
                    self._cached = self._resolve(self._value), now
                except Exception:
                    if self._cached is None:
                        raise
                    log.exception("the secret could not be read again; the one from before stays")
                    self._cached = self._cached[0], now
            return self._cached[0]
