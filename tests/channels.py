"""The ends of news for tests: e-mails and texts are stored, and words are the bare values."""

from __future__ import annotations

from chalicelib.domain.news.message import Message
from chalicelib.ports.channels import Mail, Sms
from chalicelib.ports.words import Setting, Written


class Mails:
    """Implements ports.Mailer."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []

    def send(self, mail: Mail) -> str:
        self.sent.append(mail)
        return f"mail_{len(self.sent)}"


class Texts:
    """Implements ports.Texter."""

    def __init__(self) -> None:
        self.sent: list[Sms] = []

    def send(self, sms: Sms) -> str:
        self.sent.append(sms)
        return f"sms_{len(self.sent)}"


class BareWords:
    """Implements ports.Words: the message's kind and values, in no language."""

    def write(self, message: Message, setting: Setting) -> Written:
        text = f"{message.kind}: {dict(message.values)}"
        return Written(subject=message.kind, text=text, html=f"<p>{text}</p>", sms=text)
