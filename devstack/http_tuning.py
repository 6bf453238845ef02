"""Tunes Python's HTTP client and server for the local stack, which spends much of its time there; never deployed."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from email.message import Message
from http.server import BaseHTTPRequestHandler
from typing import Any


def use_fast_header_parser() -> None:
    """Parse the headers of HTTP messages line by line.

    http.client uses the e-mail parser for them, which took a fifth of the app's CPU in a replay: each request of the
    app makes several HTTP calls to DynamoDB, Stripe and the clock.
    """
    http.client.parse_headers = _parse_headers  # type: ignore[assignment]


def send_answers_in_one_packet(handler: type[BaseHTTPRequestHandler]) -> None:
    """Send each answer in one packet. In two, the second waits up to 40 ms for the first to be acknowledged."""
    handler.disable_nagle_algorithm = True
    handler.wbufsize = 1 << 16


def before_each_request(handler: type[BaseHTTPRequestHandler], act: Callable[[], None]) -> None:
    """Call `act` before each request of this handler is parsed, in the thread that serves it."""
    parse_request = handler.parse_request

    def first(self: BaseHTTPRequestHandler) -> bool:
        act()
        return parse_request(self)

    handler.parse_request = first  # type: ignore[method-assign]


_in_full: Any = http.client.parse_headers


def _parse_headers(fp: Any, _class: type[Message] = http.client.HTTPMessage) -> Message:
    lines = http.client._read_headers(fp)  # type: ignore[attr-defined]
    message = _class()
    for line in lines:
        name, colon, value = line.decode("iso-8859-1").partition(":")
        if not colon or name[:1] in " \t":
            if line.strip():
                # Folded or malformed, which is rare: leave it to the e-mail parser.
                return _with_mail_parser(lines, _class)
            continue
        message.set_raw(name, value.strip(" \t\r\n"))
    return message


def _with_mail_parser(lines: list[bytes], kind: type[Message]) -> Message:
    import io

    parsed: Message = _in_full(io.BytesIO(b"".join(lines)), _class=kind)
    return parsed
