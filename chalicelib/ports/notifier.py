"""The notifier: how people are told."""

from __future__ import annotations

from typing import Protocol

from chalicelib.domain.news.messages import Message


class Notifier(Protocol):
    def send(self, message: Message) -> None:
        """Hand the message over for delivery. Sending one with the same `message_id` again is harmless. May raise."""
        ...
