"""Cross-origin requests: which browser apps may read the API's answers, as AFTERTAB_CORS_ORIGINS says.

Every caller sends a bearer token by itself, and no answer depends on a cookie: to let an origin read answers gives it
nothing that it could not get without a browser.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from chalicelib import config
from chalicelib.handlers.api.text import TextResponse

ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match"
EXPOSED_HEADERS = "Allow, ETag, Idempotent-Replayed, Retry-After"
MAXIMUM_AGE_S = 7200
"""How long a browser may remember a preflight's answer. No browser keeps one longer than Chromium, which is this."""


def headers(origin: str | None) -> Mapping[str, str]:
    """Of every answer. `origin`: the request's, None where no browser sent it."""
    allowed = config.cors_origins()
    if not allowed:
        return {}
    if "*" in allowed:
        return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED_HEADERS}
    # Caches must not hand one origin's answer to another.
    if origin not in allowed:
        return {"Vary": "Origin"}
    return {
        "Access-Control-Allow-Origin": origin or "",
        "Access-Control-Expose-Headers": EXPOSED_HEADERS,
        "Vary": "Origin",
    }


def preflight(origin: str | None, methods: str) -> TextResponse:
    """The answer to OPTIONS. `methods`: those of the path, separated by commas."""
    answer = dict(headers(origin))
    if "Access-Control-Allow-Origin" in answer:
        del answer["Access-Control-Expose-Headers"]
        answer |= {
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": str(MAXIMUM_AGE_S),
        }
    return TextResponse("", headers={"Allow": f"{methods}, OPTIONS", **answer}, status_code=int(HTTPStatus.NO_CONTENT))
