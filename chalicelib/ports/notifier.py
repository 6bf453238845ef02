"""The notifier: delivers messages to people."""

from __future__ import annotations

from typing import Protocol

from chalicelib.domain.news.message import Message


class Notifier(Protocol):
    def send(self, message: Message) -> None:
        """Hand a message over for delivery. Sending the same `message_id` again is harmless. May raise."""
        ...
