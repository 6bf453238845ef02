"""Errors as answers: the HTTP status of each domain error, and its RFC 9457 problem+json body."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import msgspec
from chalice.app import Response

from chalicelib.domain import errors
from chalicelib.domain.errors import DomainError
from chalicelib.handlers.api.bad_requests import BadRequest, BodyTooLarge, Unauthorized
from chalicelib.handlers.api.text import TextResponse
from chalicelib.handlers.api.views import Answer
from chalicelib.ports.gateway import BadSignature, GatewayRejected, GatewayUnavailable
from chalicelib.ports.queues import QueueUnavailable
from chalicelib.ports.store import StoreUnavailable
from chalicelib.usecases.news.take_event import NotYetKnown

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
"""When to try again after a service that we depend on has failed."""


class ProblemError(Answer):
    """One mistake of a request. `pointer`: where in the body it is, a JSON Pointer; `parameter`: of the address."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class Problem(Answer):
    """An RFC 9457 problem. `code` is stable; further fields give details, `version` and `maximum_bytes` among them.

    `errors`: all mistakes of a request that is wrong in itself; `field`: the place of the first.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[ProblemError] | None = None
    field: str | None = None
    retry_after_s: int | None = None
    request_id: str | None = None


STATUS: dict[type[DomainError], HTTPStatus] = {
    BadRequest: HTTPStatus.BAD_REQUEST,
    Unauthorized: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.CustomerExists: HTTPStatus.CONFLICT,
    errors.TooManyEndpoints: HTTPStatus.CONFLICT,
    errors.EndpointDisabled: HTTPStatus.CONFLICT,
    errors.TransitionRefused: HTTPStatus.CONFLICT,
    errors.CapExceeded: HTTPStatus.CONFLICT,
    errors.FixedPrice: HTTPStatus.CONFLICT,
    errors.PromiseNotAccepted: HTTPStatus.CONFLICT,
    errors.PromiseChanged: HTTPStatus.CONFLICT,
    errors.EvidenceChanged: HTTPStatus.CONFLICT,
    errors.EvidenceSubmitted: HTTPStatus.CONFLICT,
    errors.NothingToPay: HTTPStatus.CONFLICT,
    errors.TooManyLinks: HTTPStatus.CONFLICT,
    errors.TokenInUse: HTTPStatus.CONFLICT,
    errors.TokenExists: HTTPStatus.CONFLICT,
    errors.ExposureExceeded: HTTPStatus.CONFLICT,
    errors.NoCard: HTTPStatus.CONFLICT,
    errors.CreditNotAvailable: HTTPStatus.CONFLICT,
    errors.ReferralRefused: HTTPStatus.CONFLICT,
    errors.CardRefused: HTTPStatus.CONFLICT,
    errors.PaymentInProgress: HTTPStatus.CONFLICT,
    errors.RequestInProgress: HTTPStatus.CONFLICT,
    errors.Contention: HTTPStatus.CONFLICT,
    errors.AccountLost: HTTPStatus.CONFLICT,
    errors.StaleVersion: HTTPStatus.PRECONDITION_FAILED,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.IdempotencyMismatch: HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""Status by error class. A subclass has its parent's status unless it is listed. A test finds errors without one."""


def response_to(error: Exception, *, in_body: bool = True) -> TextResponse:
    """The answer to an error, without internal details. `in_body`: where a field is that an error names."""
    if isinstance(error, DomainError):
        status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
        return problem(status, error.code, error.detail, _with_errors(error, in_body))
    if isinstance(error, BadSignature):
        return problem(HTTPStatus.BAD_REQUEST, "bad_signature", "The webhook's signature does not fit its body.")
    if isinstance(error, NotYetKnown):
        return _try_again("not_yet_known", "What the event is about is not on record yet. Send it again.")
    if isinstance(error, GatewayUnavailable | StoreUnavailable | QueueUnavailable):
        log.warning("unavailable: %r", error)
        return _try_again(
            "unavailable", "Something we depend on did not answer. Trying again with the same key is safe."
        )
    if isinstance(error, GatewayRejected) and error.failure.code == "account_invalid":
        return problem(
            HTTPStatus.CONFLICT,
            errors.AccountLost.code,
            "This business's Stripe account is not connected any more. Nothing was charged. Connect it again.",
        )
    if isinstance(error, GatewayRejected):
        log.error("the gateway refused our call: %s", error.failure)
        return problem(
            HTTPStatus.BAD_GATEWAY,
            "gateway_rejected",
            "The payment provider refused our call. The fault is ours, no card's, and nothing was charged. Try again "
            "later; if it stays, tell whoever runs this service.",
        )
    return unexpected(error)


def _with_errors(error: DomainError, in_body: bool) -> Mapping[str, object]:
    """The context, with `errors` as validation has them also where the rules have refused a single field."""
    field = error.context.get("field")
    if not isinstance(error, errors.InvalidInput) or "errors" in error.context or not isinstance(field, str):
        return error.context
    place = {"pointer": "#/" + "/".join(re.findall(r"[^.\[\]]+", field))} if in_body else {"parameter": field}
    return {**error.context, "errors": [{**place, "detail": error.detail}]}


def unexpected(error: Exception) -> TextResponse:
    """A bug in Aftertab: everything goes to the log, nothing to the caller."""
    log.error("unexpected: %r", error, exc_info=error)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong here. It has been recorded."
    )


_RENAMED = {"status": "tab_status"}


def problem(
    status: HTTPStatus, code: str, detail: str, context: Mapping[str, object] = MappingProxyType({})
) -> TextResponse:
    """Includes `context`, and `retry_after_s` also as a header. A tab's `status` is called `tab_status` here."""
    headers: dict[str, Any] = {"Content-Type": CONTENT_TYPE}
    if "retry_after_s" in context:
        headers["Retry-After"] = str(context["retry_after_s"])
    body = {
        **{_RENAMED.get(name, name): value for name, value in context.items() if value is not None},
        "type": f"urn:aftertab:problem:{code}",
        "title": status.phrase,
        "status": int(status),
        "code": code,
        "detail": detail,
    }
    return TextResponse(msgspec.json.encode(body).decode(), headers=headers, status_code=int(status))


def _try_again(code: str, detail: str) -> TextResponse:
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, code, detail, {"retry_after_s": RETRY_AFTER_S})


OTHER_CODES = frozenset(
    {
        "bad_signature",
        "not_yet_known",
        "unavailable",
        "gateway_rejected",
        "internal_error",
        "method_not_allowed",
        # API Gateway says these, and what the authorizer has found (devstack/deploy/gateway_answers.py).
        "token_expired",
        "token_invalid",
        "too_many_requests",
        "unsupported_media_type",
    }
)
"""Problems that are not domain errors."""


_CHALICE_CODES = {405: "method_not_allowed", 415: "unsupported_media_type", 500: "internal_error"}
_CHALICE_DETAILS = {
    405: "This address does not have this method; `Allow` says which it has.",
    415: "Send JSON: Content-Type: application/json.",
}


def of_chalice(response: Response) -> TextResponse:
    """Chalice's own answers (405, 415, 500) in the shape of all other problems."""
    status = HTTPStatus(response.status_code)
    detail = _CHALICE_DETAILS.get(status, status.description or status.phrase)
    dressed = problem(status, _CHALICE_CODES.get(status, "bad_request"), detail)
    # Allow.
    dressed.headers = {**response.headers, **dressed.headers}
    return dressed
