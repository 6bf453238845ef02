"""Our reading of HTTP's answers against http.client's: the same where that reads one, and an error where it is cut."""

from __future__ import annotations

from http.client import HTTPException, HTTPResponse
from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.aws import http_answer

names = st.sampled_from(["Date", "X-Amzn-RequestId", "x-amz-crc32", "SERVER", "Set-Cookie", "X"])
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
bodies = st.binary(max_size=200)


def theirs(text: bytes) -> Any:
    class Socket:
        def makefile(self, mode: str) -> BytesIO:
            return BytesIO(text)

    response = HTTPResponse(Socket(), method="POST")  # type: ignore[arg-type]
    response.begin()
    body = response.read()
    # It leaves the spaces after a value, which RFC 9110 has as no part of it.
    headers = {
        name.lower(): ", ".join(value.strip() for value in response.headers.get_all(name, ()))
        for name in response.headers
    }
    return body, response.status, headers, response.will_close


def ours(text: bytes) -> Any:
    body, status, headers, is_last = http_answer.read(BytesIO(text))
    return body, status, dict(headers), is_last


def framed(body: bytes, how: str, cuts: list[int]) -> tuple[str, bytes]:
    """The header that tells the body's length, and the body as it is sent."""
    if how == "length":
        return f"content-length: {len(body)}\r\n", body
    if how == "to the end":
        return "", body
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    chunks = [body[begin:end] for begin, end in pairwise(edges) if begin < end]
    sent = b"".join(b"%X;a=b\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return "Transfer-Encoding: chunked\r\n", sent + b"0\r\nTrailer: x\r\n\r\n"


@given(
    version=st.sampled_from(["1.1", "1.1", "1.0"]),
    status=st.sampled_from([200, 204, 302, 304, 400, 500]),
    reason=values,
    headers=st.lists(st.tuples(names, values) | st.just(("Connection", "close")), max_size=6),
    body=bodies,
    how=st.sampled_from(["length", "chunks", "to the end"]),
    cuts=st.lists(st.integers(0, 1000), max_size=3),
    is_continued=st.booleans(),
)
def test_an_answer_is_read_as_the_standard_library_reads_it(
    version: str,
    status: int,
    reason: str,
    headers: list[tuple[str, str]],
    body: bytes,
    how: str,
    cuts: list[int],
    is_continued: bool,
) -> None:
    """Body, status, headers, and whether the connection is good for another one: all four."""
    length, sent = framed(b"" if status in (204, 304) else body, how, cuts)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    text = f"HTTP/{version} {status} {reason}\r\n{lines}{length}\r\n".encode() + sent
    if is_continued:
        text = b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" + text

    read = ours(text)

    expected = theirs(text)
    assert read[:3] == expected[:3]
    # One that http.client would use again may be given up here, as those of HTTP/1.0 are, but not the other way round.
    assert read[3] or not expected[3]
    assert read[3] == expected[3] or version == "1.0" or how == "to the end"


@given(st.sampled_from(["length", "chunks"]), st.binary(min_size=1, max_size=40), st.integers(1, 1000))
def test_an_answer_that_is_cut_off_is_none(how: str, body: bytes, missing: int) -> None:
    """Wherever it ends too early: half of an answer must not be taken for one."""
    length, sent = framed(body, how, [3])
    text = f"HTTP/1.1 200 OK\r\nServer: x\r\n{length}\r\n".encode() + sent

    with pytest.raises(HTTPException):
        ours(text[: -min(missing, len(text))])


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2_0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n0123456789",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_refused(text: bytes) -> None:
    """Nonsense, a length that is none, an encoding that was not asked for, and no end of headers."""
    with pytest.raises(HTTPException):
        ours(text)


def test_a_header_is_found_in_any_case() -> None:
    """As RFC 9110 has it, and as those ask for them who read the answers."""
    headers = http_answer.read(BytesIO(b"HTTP/1.1 204 No Content\r\nRequest-Id: req_1\r\n\r\n")).headers

    assert headers["request-ID"] == "req_1"
    assert "REQUEST-ID" in headers
    assert headers.get("Request-Id") == "req_1"
    assert headers.get("Retry-After") is None
