"""A notifier that only logs: there are no channels to customers yet."""

from __future__ import annotations

import logging

from chalicelib.domain.news.message import Message

log = logging.getLogger(__name__)


class LogNotifier:
    """Implements ports.Notifier. The text is not logged, because it is private."""

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
