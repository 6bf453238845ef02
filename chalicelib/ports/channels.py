"""Channels to people: e-mail and SMS. Push is a notice to the merchant's system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct


class Mail(Struct, frozen=True, kw_only=True):
    """`to`: an address. `sender_name`: the business. `headers`: for example List-Unsubscribe.

    `tags`: ids by which people at the provider find the message's records here; nothing personal.
    """

    to: str
    sender_name: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str] = {}
    tags: Mapping[str, str] = {}


class Sms(Struct, frozen=True, kw_only=True):
    """`to`: E.164."""

    to: str
    text: str


class ChannelRefused(Exception):
    """The channel will never take this: `reason` is a code. `opted_out`: by the person, at the provider."""

    OPTED_OUT = "opted_out"
    BAD_ADDRESS = "bad_address"
    REJECTED = "rejected"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ChannelUnavailable(Exception):
    """The channel did not take the message now, and may later. `may_have_taken`: nobody knows whether it did."""

    def __init__(self, reason: str, *, may_have_taken: bool) -> None:
        super().__init__(reason)
        self.may_have_taken = may_have_taken


class Mailer(Protocol):
    def send(self, mail: Mail) -> str:
        """Hand over; returns the provider's id. Raises ChannelRefused, ChannelUnavailable."""
        ...


class Texter(Protocol):
    def send(self, sms: Sms) -> str:
        """Hand over; returns the provider's id. Raises ChannelRefused, ChannelUnavailable."""
        ...
