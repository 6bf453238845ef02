"""API Gateway's own answers, in the form of all other problems: one table for the template and for the local server.

Types and what they stand for:
https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from msgspec import Struct

CONTENT_TYPE = "application/problem+json"
MAXIMUM_BODY_BYTES = 10_000_000
"""What API Gateway takes; what the API takes is less."""
_BEARER = {"WWW-Authenticate": "Bearer"}
_RETRY = {"Retry-After": "5"}
_NOT_FOUND = "There is no such address."
_LOST = "Trying again with the same key is safe."


class GatewayAnswer(Struct, frozen=True):
    """`code`, `detail`: texts, or variables of the request's context. `headers`: more of them."""

    status: HTTPStatus
    code: str
    detail: str
    headers: Mapping[str, str] = {}


_UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE
_UNCHECKED = GatewayAnswer(_UNAVAILABLE, "unavailable", "The token could not be checked. Try again.", _RETRY)
_UNKNOWN = GatewayAnswer(HTTPStatus.NOT_FOUND, "not_found", _NOT_FOUND)

GATEWAY_ANSWERS: Mapping[str, GatewayAnswer] = {
    "UNAUTHORIZED": GatewayAnswer(
        HTTPStatus.UNAUTHORIZED, "unauthorized", "Send a token: Authorization: Bearer …", _BEARER
    ),
    # The authorizer denies all or nothing, and says why. What a role may not is refused by the operation, with 403.
    "ACCESS_DENIED": GatewayAnswer(
        HTTPStatus.UNAUTHORIZED,
        "$context.authorizer.code",
        "$context.authorizer.detail",
        {"WWW-Authenticate": 'Bearer error="invalid_token"'},
    ),
    # An unknown path; with an Authorization header it is taken for one of AWS's own signatures, and that for a bad one.
    "MISSING_AUTHENTICATION_TOKEN": _UNKNOWN,
    "INVALID_SIGNATURE": _UNKNOWN,
    "EXPIRED_TOKEN": _UNKNOWN,
    "RESOURCE_NOT_FOUND": _UNKNOWN,
    "DEFAULT_4XX": _UNKNOWN,
    "BAD_REQUEST_BODY": GatewayAnswer(HTTPStatus.BAD_REQUEST, "bad_request", "The request can't be read."),
    "BAD_REQUEST_PARAMETERS": GatewayAnswer(HTTPStatus.BAD_REQUEST, "bad_request", "The request can't be read."),
    "INVALID_API_KEY": GatewayAnswer(HTTPStatus.FORBIDDEN, "forbidden", "This request is not let through."),
    "WAF_FILTERED": GatewayAnswer(HTTPStatus.FORBIDDEN, "forbidden", "This request is not let through."),
    "REQUEST_TOO_LARGE": GatewayAnswer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", "The body is too large."),
    "UNSUPPORTED_MEDIA_TYPE": GatewayAnswer(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Send JSON: Content-Type: application/json."
    ),
    "THROTTLED": GatewayAnswer(
        HTTPStatus.TOO_MANY_REQUESTS, "too_many_requests", "Too many requests at once. Try again.", {"Retry-After": "1"}
    ),
    "QUOTA_EXCEEDED": GatewayAnswer(
        HTTPStatus.TOO_MANY_REQUESTS, "too_many_requests", "Too many requests. Try again later.", _RETRY
    ),
    "INTEGRATION_FAILURE": GatewayAnswer(_UNAVAILABLE, "unavailable", f"The answer got lost. {_LOST}", _RETRY),
    "INTEGRATION_TIMEOUT": GatewayAnswer(
        HTTPStatus.GATEWAY_TIMEOUT, "unavailable", f"The answer took too long. {_LOST}", _RETRY
    ),
    # The issuer's keys cannot be fetched: a temporary error that is not the caller's fault.
    "AUTHORIZER_FAILURE": _UNCHECKED,
    "AUTHORIZER_CONFIGURATION_ERROR": _UNCHECKED,
    "API_CONFIGURATION_ERROR": GatewayAnswer(
        HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong here. It has been recorded."
    ),
    "DEFAULT_5XX": GatewayAnswer(
        HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong here. It has been recorded."
    ),
}
"""Type of gateway response → the answer."""

AUTHORIZER_CODES = frozenset({"token_expired", "token_invalid"})
"""What the authorizer's `code` can be."""
THROTTLE_HEADERS: Mapping[str, str] = {
    "RateLimit-Policy": '"all";q=${ThrottleRate};w=1',
    "RateLimit": '"all";r=0;t=1',
}
"""Of a 429: what is allowed a second, all callers together, and that nothing of it is left. The only moment at which
anybody knows: API Gateway tells its functions nothing about its buckets (decision 0040)."""

_OPEN = {
    "Content-Type": CONTENT_TYPE,
    # They say nothing about anybody, so that every browser may read them, whatever CorsOrigins is.
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate",
}


def of_template(kind: str) -> dict[str, Any]:
    """The gateway response as the template has it."""
    answer = GATEWAY_ANSWERS[kind]
    headers: dict[str, Any] = {name: f"'{value}'" for name, value in {**_OPEN, **answer.headers}.items()}
    if kind == "THROTTLED":
        headers |= {
            name: {"Fn::Sub": f"'{value}'"} if "${" in value else f"'{value}'"
            for name, value in THROTTLE_HEADERS.items()
        }
    return {
        "statusCode": int(answer.status),
        "responseParameters": {f"gatewayresponse.header.{name}": value for name, value in headers.items()},
        "responseTemplates": {"application/json": json.dumps(_body(answer), ensure_ascii=False)},
    }


def rendered(kind: str, context: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body as API Gateway would send them. `context`: `requestId`, `authorizer.code` and so on."""
    answer = GATEWAY_ANSWERS[kind]
    text = json.dumps(_body(answer), ensure_ascii=False)
    body = re.sub(r"\$context\.([\w.]+)", lambda named: context.get(named[1], ""), text)
    return int(answer.status), {**_OPEN, **answer.headers}, body.encode()


def _body(answer: GatewayAnswer) -> dict[str, Any]:
    return {
        "type": f"urn:aftertab:problem:{answer.code}",
        "title": answer.status.phrase,
        "status": int(answer.status),
        "code": answer.code,
        "detail": answer.detail,
        "request_id": "$context.requestId",
    }
