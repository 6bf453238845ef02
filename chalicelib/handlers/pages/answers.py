"""Answers of pages: their headers, the language they are written in, and the form that was sent from one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from chalice.app import Request as HttpRequest
from msgspec import Struct

from chalicelib import bootstrap, config, correlation
from chalicelib.domain.contact import Language
from chalicelib.handlers.api.text import TextResponse
from chalicelib.handlers.pages.form import Form
from chalicelib.ports.deps import Deps
from chalicelib.ports.pages import Scene

log = logging.getLogger(__name__)

MAXIMUM_BODY_BYTES = 64 * 1024


class Asked(Struct, frozen=True, kw_only=True):
    """A request for a page."""

    deps: Deps
    http: HttpRequest

    @property
    def headers(self) -> Mapping[str, str]:
        return self.http.headers

    def query(self, name: str) -> str:
        given: Mapping[str, str] = self.http.query_params or {}
        return str(given.get(name) or "")


def answer_with(http: HttpRequest, page: Callable[[Asked], TextResponse]) -> TextResponse:
    with correlation.about(api_request_id=http.context.get("requestId")):
        try:
            answer = page(Asked(deps=bootstrap.get_deps(), http=http))
        except Exception:
            log.exception("a page could not be shown")
            answer = gone(http, "broken", HTTPStatus.INTERNAL_SERVER_ERROR)
        log.info("answered", extra={"operation": "page", "status": answer.status_code})
    return answer


def gone(http: HttpRequest, why: str, status: HTTPStatus, **values: object) -> TextResponse:
    asked = Asked(deps=None, http=http)  # type: ignore[arg-type]
    scene = Scene(language=language_of(asked, ""), time_zone="UTC", currency="EUR")
    html = bootstrap.get_pages().write("gone", scene, {"why": why, "branding": None, **values})
    return html_answer(html, status)


def language_of(asked: Asked, chosen: str) -> Language:
    """The one that was chosen on the page, else the first of the browser's that we have, else English."""
    known = {language.value: language for language in Language}
    wanted = [chosen, asked.query("lang")]
    wanted += [
        part.partition(";")[0].strip()[:2].lower() for part in asked.headers.get("accept-language", "").split(",")
    ]
    return next((known[code] for code in wanted if code in known), Language.ENGLISH)


def form_of(raw: bytes) -> Form | None:
    """None for what no form of ours has sent."""
    if len(raw) > MAXIMUM_BODY_BYTES:
        return None
    try:
        form = Form(parse_qs(raw.decode(), keep_blank_values=True, max_num_fields=200))
    except ValueError:
        return None
    key, version = form.text("key"), form.text("version")
    is_ours = key.isascii() and 0 < len(key) <= 64 and version.isdecimal() and version.isascii() and len(version) < 10
    return form if is_ours else None


def html_answer(html: str, status: HTTPStatus, tag: str | None = None, *, script: str | None = None) -> TextResponse:
    headers = {"Content-Type": "text/html; charset=utf-8", **headers_of(tag, script)}
    return TextResponse(html, headers=headers, status_code=int(status))


def headers_of_block(kept_s: int) -> dict[str, Any]:
    """Of what other sites may show in a frame: it loads nothing, sends nothing, and no search engine keeps it."""
    return {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors *"
        ),
        "Cache-Control": f"public, max-age={kept_s}",
        "Vary": "Accept-Language",
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex, nofollow, noarchive",
        "X-Content-Type-Options": "nosniff",
        "Strict-Transport-Security": "max-age=31536000",
    }


def headers_of(tag: str | None, script: str | None = None) -> dict[str, Any]:
    """Nothing from elsewhere, nothing kept, found by nobody, and the address told to nobody."""
    scripts = f"script-src 'sha256-{script}'; connect-src 'self'; " if script else ""
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; {scripts}"
            f"form-action 'self' {config.payment_pages()}; base-uri 'none'; frame-ancestors 'none'"
        ),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex, nofollow",
        "X-Content-Type-Options": "nosniff",
        "Strict-Transport-Security": "max-age=31536000",
        "Cross-Origin-Opener-Policy": "same-origin",
        **({"ETag": tag} if tag else {}),
    }


def redirect(to: str, *, cookie: str | None = None) -> TextResponse:
    headers = {**headers_of(None), "Location": to} | ({"Set-Cookie": cookie} if cookie else {})
    return TextResponse("", headers=headers, status_code=int(HTTPStatus.SEE_OTHER))
