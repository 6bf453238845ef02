"""What every call to Stripe needs: the client, its time limit, what errors mean in general, and pages of listings."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import stripe

from chalicelib.adapters.stripe import facts as stripe_facts
from chalicelib.adapters.stripe import transport
from chalicelib.domain.tab.attempt import Failure
from chalicelib.ports.gateway import GatewayRejected, GatewayUnavailable

_log = logging.getLogger(__name__)

STRIPE_API_BASE = "https://api.stripe.com"
OPERATION_S = 12.0
"""The time limit of one operation of the gateway, including its retries and lookups.

A use case may need two (close one payment, make another), and API Gateway gives up at 29 s.
"""
CONNECT_S = 3.0
READ_S = 10.0
_RETRIES = 1
"""A retry under the same idempotency key repeats nothing.

It mostly helps after a connection died while Lambda slept.
"""

_PAGE = 100
_MAXIMUM_PAGES = 10

_ACCOUNT_GONE = "account_invalid"
"""Our key may not act for this account (any more): https://docs.stripe.com/error-codes#account-invalid."""


def stripe_client(
    secret_key: str,
    api_base: str = "",
    *,
    connect_s: float = CONNECT_S,
    read_s: float = READ_S,
    http: stripe.HTTPClient | None = None,
) -> stripe.StripeClient:
    """A client with bounded time-outs and retries, of the API version that the SDK pins.

    `api_base` empty: Stripe itself. `http`: another HTTP client, for tests. Raises ValueError for another
    `api_base` with anything but a test key.
    """
    base = api_base.rstrip("/") or STRIPE_API_BASE
    if base != STRIPE_API_BASE and not secret_key.startswith(("sk_test_", "rk_test_")):
        raise ValueError(
            f"STRIPE_API_BASE is {api_base}, which is not Stripe, but STRIPE_SECRET_KEY is no test key: "
            "a live key is only sent to Stripe. Leave STRIPE_API_BASE empty, or use a key of test mode (sk_test_…)."
        )
    # Otherwise the SDK writes an id into the home directory, and sends data about the machine and the previous call.
    stripe.enable_telemetry = False
    http = http or transport.Urllib3Client(base, connect_s=connect_s, read_s=read_s)
    return stripe.StripeClient(secret_key, base_addresses={"api": base}, max_network_retries=_RETRIES, http_client=http)


@contextmanager
def operation() -> Iterator[None]:
    """A context with an operation's time limit, which turns general errors into those of the port."""
    token = transport.deadline.set(min(transport.deadline.get(), time.monotonic() + OPERATION_S))
    try:
        yield
    except (stripe.APIConnectionError, stripe.APIError, stripe.RateLimitError) as error:
        raise GatewayUnavailable(described(error)) from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        if code_of(error) == _ACCOUNT_GONE:
            # One business has disconnected its account; our key is still valid for all others.
            raise GatewayRejected(Failure(code=_ACCOUNT_GONE)) from error
        # If Stripe refuses our key, that says nothing about the attempt. As a refusal of the attempt, one badly
        # rotated key would fail every charge until somebody notices.
        _log.error("Stripe refuses our key: %s", described(error))
        raise GatewayUnavailable(described(error)) from error
    except stripe.StripeError as error:
        raise GatewayRejected(stripe_facts.failure_of(body_of(error))) from error
    finally:
        transport.deadline.reset(token)


@contextmanager
def reading() -> Iterator[None]:
    """A context for lookups: a refused lookup says nothing, so the attempt's outcome stays unknown."""
    try:
        yield
    except stripe.StripeError as error:
        raise GatewayUnavailable(described(error)) from error


def options(account: str | None, key: str | None = None) -> stripe.RequestOptions:
    made: stripe.RequestOptions = {}
    if account is not None:
        made["stripe_account"] = account
    if key is not None:
        made["idempotency_key"] = key
    return made


def pages(
    list_page: Callable[..., stripe.ListObject[Any]], params: Mapping[str, Any], options: stripe.RequestOptions
) -> Iterator[dict[str, Any]]:
    """Every object of a listing, newest first. Raises GatewayUnavailable if there are too many."""
    after: dict[str, str] = {}
    for _ in range(_MAXIMUM_PAGES):
        page = list_page({**params, "limit": _PAGE, **after}, options).to_dict()
        yield from page["data"]
        if not page["has_more"]:
            return
        after = _after(page)
    # "No trace" would be wrong, because the rest was not read.
    raise GatewayUnavailable(f"more than {_MAXIMUM_PAGES * _PAGE} objects to look through")


def walk(
    list_page: Callable[..., stripe.ListObject[Any]],
    params: Mapping[str, Any],
    account: str | None,
    begins_after: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Every object of a listing, newest first, without a limit. The time limit applies to each page."""
    after: dict[str, str] = {} if begins_after is None else {"starting_after": begins_after}
    while True:
        with operation(), reading():
            page = list_page({**params, "limit": _PAGE, **after}, options(account)).to_dict()
        yield from page["data"]
        if not page["has_more"]:
            return
        after = _after(page)


def _after(page: Mapping[str, Any]) -> dict[str, str]:
    """The start of the next page. Raises GatewayUnavailable for an empty page with `has_more`."""
    if not page["data"]:
        raise GatewayUnavailable("Stripe answered an empty page of a list that has more")
    return {"starting_after": page["data"][-1]["id"]}


def is_replay(headers: Mapping[str, str] | None) -> bool:
    return any(name.lower() == "idempotent-replayed" and value == "true" for name, value in (headers or {}).items())


def body_of(error: stripe.StripeError) -> Mapping[str, Any]:
    body = error.json_body
    found = body.get("error") if isinstance(body, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def code_of(error: stripe.StripeError) -> str | None:
    return cast("str | None", body_of(error).get("code"))


def described(error: stripe.StripeError) -> str:
    """The error for the log, without Stripe's message, which may quote what was sent."""
    return f"{type(error).__name__} {error.http_status or ''} {code_of(error) or ''} {error.request_id or ''}".strip()


def find_object(
    retrieve: Callable[..., stripe.StripeObject], object_id: str, params: Any, account: str | None
) -> dict[str, Any] | None:
    """The object as it is now; None if Stripe does not know it. Raises GatewayUnavailable."""
    with reading():
        try:
            return retrieve(object_id, params, options(account)).to_dict()
        except stripe.InvalidRequestError as error:
            if error.http_status == 404:
                return None
            raise
