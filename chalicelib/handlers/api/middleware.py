"""What is done to every answer on its way out, whichever route gave it."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from chalice.app import Response

from chalicelib import config
from chalicelib.handlers.api import cors
from chalicelib.handlers.api.text import TextResponse


def dress(event: Any, get_response: Callable[[Any], Response]) -> Response:
    """Middleware: what all answers of the API have in common with those that Chalice gives by itself (405, 415, 500).

    They get the shape of all other problems, and a preflight's 405 becomes the answer to it. Every answer of the API
    says which origin may read it.
    """
    response = get_response(event)
    if isinstance(response, TextResponse) and not config.cors_origins():
        return response
    # What API Gateway would never send is no request.
    if event is None or not event.path.startswith("/v1/"):
        return response if isinstance(response, TextResponse) else _of_chalice(response)
    origin = event.headers.get("origin")
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED and event.method == "OPTIONS":
        return cors.preflight(origin, str(response.headers["Allow"]))
    if not isinstance(response, TextResponse):
        response = _of_chalice(response)
    response.headers |= cors.headers(origin)
    return response


def _of_chalice(response: Response) -> TextResponse:
    from chalicelib.handlers.api import problems  # Imported here: few requests have one.

    return problems.of_chalice(response)
