"""A notifier that stores the messages it gets, for tests; it can be made to fail."""

from __future__ import annotations

from dataclasses import dataclass, field

from chalicelib.domain.news.message import Message, MessageKind


@dataclass
class Outbox:
    """Implements ports.Notifier. `is_down`: nothing can be handed over."""

    messages: list[Message] = field(default_factory=list)
    is_down: bool = False

    def send(self, message: Message) -> None:
        if self.is_down:
            raise OSError("the mail server does not answer")
        self.messages.append(message)

    def kinds(self) -> list[MessageKind]:
        return [message.kind for message in self.messages]
