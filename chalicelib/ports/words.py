"""The words of a message: chosen by kind, channel and language, never composed in the domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from chalicelib.domain.contact import Language

if TYPE_CHECKING:
    from chalicelib.domain.news.message import Message
    from chalicelib.domain.trust.standing_terms import Reason


class Setting(Struct, frozen=True, kw_only=True):
    """What the words are set in. `currency`: of every amount in the message. `time_zone`: the recipient's (IANA).

    `names`: `merchant`, `title` (of the tab), `customer` where known, and addresses of pages: `page`, `unsubscribe`.
    """

    language: Language
    time_zone: str
    currency: str
    names: Mapping[str, str]


class Written(Struct, frozen=True, kw_only=True):
    """A message in words: `subject`, `text` and `html` of a mail, `sms` ("" for an owner, who gets mails only)."""

    subject: str
    text: str
    html: str
    sms: str


class MissingValue(Exception):
    """The message lacks a value that its words need: a bug, so the message is not sent half empty."""


class Words(Protocol):
    def write_reasons(self, reasons: Sequence[Reason], language: Language) -> Sequence[str]:
        """The reasons of a standing, one sentence each."""
        ...

    def write(self, message: Message, setting: Setting) -> Written:
        """Raises MissingValue."""
        ...
