"""JSON log lines on Lambda, where machines read them. Elsewhere the program that runs the app configures logging."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import msgspec

from chalicelib import config, correlation
from chalicelib.handlers import metrics

_OURS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id", "metrics"}


_encode = msgspec.json.Encoder(enc_hook=str).encode


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object: the message, its `extra` fields, and the ids of the current work."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "aws_request_id", None),
        }
        line |= correlation.ids()
        line |= {name: value for name, value in vars(record).items() if name not in _OURS}
        if values := getattr(record, "metrics", None):
            line |= metrics.embedded(values, record.created)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _encode(line).decode()


def configure() -> None:
    """Set our format and level on the log handlers of the Lambda runtime."""
    if not config.runs_on_lambda():
        return
    root = logging.getLogger()
    if not root.handlers:
        # An emulator's runtime has no handler.
        root.addHandler(logging.StreamHandler())
    for handler in root.handlers:
        handler.setFormatter(JsonLines())
    root.setLevel(logging.WARNING)
    for name in ("app", "aftertab", "chalicelib"):
        logging.getLogger(name).setLevel(logging.INFO)
