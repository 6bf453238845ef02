"""Webhooks: the way to a merchant's system over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class WhyNoAnswer(StrEnum):
    """Why there was no answer. The delivery log shows these codes.

    `address_refused`: the name leads to an address that is not public, or to none that may be called. `unresolved`: the
    name is unknown. `unreachable`: no connection. `bad_certificate`: TLS failed. `timed_out`: no whole answer in time.
    `broken`: the connection ended, or what came is no HTTP.
    """

    ADDRESS_REFUSED = "address_refused"
    UNRESOLVED = "unresolved"
    UNREACHABLE = "unreachable"
    BAD_CERTIFICATE = "bad_certificate"
    TIMED_OUT = "timed_out"
    BROKEN = "broken"


class Answer(Struct, frozen=True, kw_only=True):
    """`status`: HTTP's. `retry_after_s`: what a Retry-After header asks for, 0 or more."""

    status: int
    retry_after_s: int | None = None


class NoAnswer(Exception):
    """The system may have taken the notice, unless no connection was made."""

    def __init__(self, failure: WhyNoAnswer) -> None:
        super().__init__(failure)
        self.failure = failure


class Webhooks(Protocol):
    def check(self, url: str) -> None:
        """Whether the URL's name leads to addresses that may be called. Raises NoAnswer; nobody is called."""
        ...

    def post(self, url: str, notice_id: str, body: bytes, secrets: Sequence[str]) -> Answer:
        """Send a notice once, signed with each secret. Redirects are answers, not followed. Raises NoAnswer."""
        ...
