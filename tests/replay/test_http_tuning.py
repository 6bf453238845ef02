"""The fast header parser gives the same result as http.client's."""

from __future__ import annotations

import http.client
import io

import pytest

from devstack.http_tuning import _parse_headers


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Content-Type: application/json\r\nContent-Length: 12\r\n",
        "Set-Cookie: a=1\r\nset-cookie: b=2; Path=/\r\nX-Empty:\r\nX-Spaces:   in the middle \t\r\n",
        "Date: Mon, 05 Jan 2026 10:00:00 GMT\r\nX-Latin: gr\xfcn\r\n",
        "X-Folded: one\r\n two\r\nX-Next: three\r\n",
    ],
)
def test_headers_are_read_alike(text: str):
    raw = text.encode("iso-8859-1") + b"\r\nbody"
    quick, slow = io.BytesIO(raw), io.BytesIO(raw)

    ours, theirs = _parse_headers(quick), http.client.parse_headers(slow)

    assert [(name, value.rstrip()) for name, value in ours.items()] == [
        (name, value.rstrip()) for name, value in theirs.items()
    ]
    assert ours.get("content-type") == theirs.get("content-type")
    assert ours.get_content_type() == theirs.get_content_type()
    assert quick.read() == slow.read() == b"body"
