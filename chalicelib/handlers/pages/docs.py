"""/docs: the reference and the guides for those who write apps: files that come with the code.

They are the same for everybody and hold nothing of anybody. What they load is theirs: no other server is asked, and
neither script nor style stands in a page.
"""

from __future__ import annotations

import functools
import hashlib
from http import HTTPStatus
from pathlib import Path
from typing import Any

from chalice.app import Request as HttpRequest

from chalicelib.domain.errors import NotFound
from chalicelib.handlers.api import problems
from chalicelib.handlers.api.text import TextResponse

_FOLDER = Path(__file__).resolve().parents[2] / "documentation"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_REFERENCE = "reference"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    # Asked for again after each deployment, and answered with 304 where it is the same.
    "Cache-Control": "public, max-age=300",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Strict-Transport-Security": "max-age=31536000",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def reference(http: HttpRequest) -> TextResponse:
    """The page that draws the OpenAPI document."""
    return _answer(http, _REFERENCE)


def show(http: HttpRequest, name: str) -> TextResponse:
    """A guide, or what the pages load. 404 for all else."""
    return _answer(http, name) if name != _REFERENCE else _unknown()


def _answer(http: HttpRequest, name: str) -> TextResponse:
    if (path := _files().get(name)) is None:
        return _unknown()
    text, tag = _read(path)
    headers: dict[str, Any] = {**_HEADERS, "Content-Type": f"{_TYPES[path.suffix]}; charset=utf-8", "ETag": tag}
    if http.headers.get("if-none-match") == tag:
        return TextResponse("", headers=headers, status_code=int(HTTPStatus.NOT_MODIFIED))
    return TextResponse(text, headers=headers, status_code=int(HTTPStatus.OK))


def _unknown() -> TextResponse:
    return problems.response_to(NotFound("There is no such page. /docs lists the pages that exist."))


@functools.cache
def _files() -> dict[str, Path]:
    """What may be asked for, by name: a page without its ending, anything else with it."""
    found = [path for path in _FOLDER.rglob("*") if path.suffix in _TYPES]
    return {path.stem if path.suffix == ".html" else path.name: path for path in found}


@functools.cache
def _read(path: Path) -> tuple[str, str]:
    """The text, and its ETag."""
    raw = path.read_bytes()
    return raw.decode(), f'"{hashlib.sha256(raw).hexdigest()[:16]}"'
