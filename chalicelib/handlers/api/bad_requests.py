"""Errors of requests that are wrong before any rule is asked: unreadable, too large, from nobody."""

from __future__ import annotations

from chalicelib.domain.errors import DomainError


class BadRequest(DomainError):
    """The request can't be read at all (400)."""

    code = "bad_request"


class BadCursor(BadRequest):
    code = "bad_cursor"


class BodyNotJson(BadRequest):
    code = "body_not_json"


class IdempotencyKeyMissing(BadRequest):
    code = "idempotency_key_missing"


class Unauthorized(DomainError):
    """The caller is unknown (401). The authorizer answers this earlier; this is a second check."""

    code = "unauthorized"


class BodyTooLarge(DomainError):
    code = "body_too_large"
