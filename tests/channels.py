"""The ends of news for tests: e-mails and texts are stored, and words are the bare values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from chalicelib.domain.contact import Language
from chalicelib.domain.news.message import Message
from chalicelib.domain.trust.standing_terms import Reason
from chalicelib.ports.channels import ChannelRefused, Mail, Sms
from chalicelib.ports.words import Setting, Written

T = TypeVar("T")


class Mails:
    """Implements ports.Mailer. `failures`: what the next calls raise."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []
        self.failures: list[BaseException] = []

    def send(self, mail: Mail) -> str:
        _fail(self.failures, self.sent, mail)
        self.sent.append(mail)
        return f"mail_{len(self.sent)}"


class Texts:
    """Implements ports.Texter, as Mails does ports.Mailer."""

    def __init__(self) -> None:
        self.sent: list[Sms] = []
        self.failures: list[BaseException] = []

    def send(self, sms: Sms) -> str:
        _fail(self.failures, self.sent, sms)
        self.sent.append(sms)
        return f"sms_{len(self.sent)}"


def _fail(failures: list[BaseException], sent: list[T], message: T) -> None:
    """Raise the next failure. A channel that may have taken the message has, and so has one whose caller dies."""
    if not failures:
        return
    failure = failures.pop(0)
    if not isinstance(failure, ChannelRefused) and getattr(failure, "may_have_taken", True):
        sent.append(message)
    raise failure


class BareWords:
    """Implements ports.Words: the message's kind and values, in no language."""

    def write_reasons(self, reasons: Sequence[Reason], language: Language) -> Sequence[str]:
        return [f"{reason.code}: {reason.count}" for reason in reasons]

    def write(self, message: Message, setting: Setting) -> Written:
        text = f"{message.kind}: {dict(message.values)}"
        return Written(subject=message.kind, text=text, html=f"<p>{text}</p>", sms=text)
