"""Reads an answer of HTTP/1.x (RFC 9112) from a connection.

As http.client does, which takes the headers for an e-mail's: that costs more than all the rest of a call.
"""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPException, IncompleteRead
from typing import IO, NamedTuple

_LINE_MAXIMUM_BYTES = 65_536
_HEADERS_MAXIMUM = 100
_WITHOUT_BODY = (204, 304)


class Headers(dict[str, str]):
    """Their names are in lower case, and found in any."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        return super().get(name.lower(), default)


class Answer(NamedTuple):
    """`is_last`: the other side hangs up after it."""

    body: bytes
    status: int
    headers: Headers
    is_last: bool


def read(stream: IO[bytes]) -> Answer:
    """The answer to a GET, POST or DELETE. Raises OSError, and HTTPException where it is cut off or is none."""
    version, status, headers = _head(stream)
    while 100 <= status < 200:
        # That was not the answer yet.
        version, status, headers = _head(stream)
    is_last = version == b"HTTP/1.0" or "close" in (headers.get("connection") or "").lower()
    length = headers.get("content-length")
    if status in _WITHOUT_BODY:
        body = b""
    elif "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            raise HTTPException(f"sent as {headers['transfer-encoding']}")
        body = b"".join(_chunks(stream))
    elif length is not None:
        body = _exactly(stream, _number(length, 10))
    else:
        body, is_last = stream.read(), True
    return Answer(body, status, headers, is_last)


def _head(stream: IO[bytes]) -> tuple[bytes, int, Headers]:
    line = _line(stream)
    version, _, rest = line.partition(b" ")
    if not version.startswith(b"HTTP/1."):
        raise HTTPException(f"no answer of HTTP/1: {line[:80]!r}")
    return version, _number(rest[:3].decode("latin-1"), 10), _headers(stream)


def _headers(stream: IO[bytes]) -> Headers:
    headers: dict[str, str] = {}
    for _ in range(_HEADERS_MAXIMUM + 1):
        line = _line(stream).decode("latin-1")
        if not line:
            return Headers(headers)
        name, colon, value = line.partition(":")
        if not colon:
            raise HTTPException(f"no header: {line[:80]!r}")
        name, value = name.lower(), value.strip(" \t")
        # One that comes twice is a list of values.
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    raise HTTPException(f"more than {_HEADERS_MAXIMUM} headers")


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while size := _number(_line(stream).partition(b";")[0].strip().decode("latin-1"), 16):
        yield _exactly(stream, size)
        if _line(stream):
            raise HTTPException("a chunk is longer than it says")
    _headers(stream)


def _exactly(stream: IO[bytes], count: int) -> bytes:
    found = stream.read(count)
    if len(found) < count:
        raise IncompleteRead(found, count - len(found))
    return found


def _line(stream: IO[bytes]) -> bytes:
    line = stream.readline(_LINE_MAXIMUM_BYTES)
    if not line.endswith(b"\n"):
        raise HTTPException("cut off, or longer than a line may be")
    return line.rstrip(b"\r\n")


def _number(text: str, base: int) -> int:
    # int alone would take signs, spaces and underscores.
    if text.isalnum():
        try:
            return int(text, base)
        except ValueError:
            pass
    raise HTTPException(f"no number: {text[:80]!r}")
