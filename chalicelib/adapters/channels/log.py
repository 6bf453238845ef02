"""The notifier that only logs: nobody is written to before a business has channels, and consent to use them."""

from __future__ import annotations

import logging

from chalicelib.domain.news.messages import Message

log = logging.getLogger(__name__)


class LogNotifier:
    """Implements ports.Notifier. The text stays out of the log: it is between a business and its customer."""

    def send(self, message: Message) -> None:
        log.info(
            "message",
            extra={
                "message_id": message.message_id,
                "kind": message.kind.value,
                "to": message.to.value,
                "tab_id": message.tab_id,
            },
        )
