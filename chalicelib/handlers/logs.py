"""Logs as JSON lines where they are read by machines: on Lambda. Elsewhere whoever runs us sets up logging."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import msgspec

from chalicelib import config, correlation
from chalicelib.handlers import metrics

_OURS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id", "metrics"}


_encode = msgspec.json.Encoder(enc_hook=str).encode


class JsonLines(logging.Formatter):
    """One object a line: what was logged, what was given as `extra`, and the ids of what this is about."""

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
    """Give the handlers that the Lambda runtime has set up our format and level."""
    if not config.runs_on_lambda():
        return
    root = logging.getLogger()
    if not root.handlers:
        # An emulator's runtime brings none.
        root.addHandler(logging.StreamHandler())
    for handler in root.handlers:
        handler.setFormatter(JsonLines())
    root.setLevel(logging.WARNING)
    for name in ("app", "aftertab", "chalicelib"):
        logging.getLogger(name).setLevel(logging.INFO)
