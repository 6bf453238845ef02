"""Makes Python's own HTTP client and server cheaper where the local stack spends its time; nothing here is deployed."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from email.message import Message
from http.server import BaseHTTPRequestHandler
from typing import Any


def use_fast_header_parser() -> None:
    """Parse the headers of HTTP messages line by line.

    http.client hands them to the parser of e-mails. It was a fifth of the CPU that the app spent on a replay: for each
    of its requests it asks DynamoDB, Stripe and the clock several things over HTTP.
    """
    http.client.parse_headers = _parse_headers  # type: ignore[assignment]


def send_answers_in_one_packet(handler: type[BaseHTTPRequestHandler]) -> None:
    """Answer in one packet. Sent in two, the second waits for the first to be acknowledged, up to 40 ms."""
    handler.disable_nagle_algorithm = True
    handler.wbufsize = 1 << 16


def before_each_request(handler: type[BaseHTTPRequestHandler], act: Callable[[], None]) -> None:
    """Have `act` called, in the thread that serves it, before each request of this handler is looked at."""
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
                # Folded or malformed: rare, and the mail parser knows what to make of it.
                return _with_mail_parser(lines, _class)
            continue
        message.set_raw(name, value.strip(" \t\r\n"))
    return message


def _with_mail_parser(lines: list[bytes], kind: type[Message]) -> Message:
    import io

    parsed: Message = _in_full(io.BytesIO(b"".join(lines)), _class=kind)
    return parsed
