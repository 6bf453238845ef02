"""Owns webhook endpoints and the listing of events: what a caller may ask about them. Delivery is `webhooks`'
business.
"""

from __future__ import annotations

import copy
from typing import Any
from urllib.parse import urlsplit

from msgspec import UNSET

from . import lists, versions
from .context import Call
from .errors import invalid, missing
from .events import LISTED_FOR_SECONDS, TYPES
from .objects import Deleted, EventRow, WebhookEndpoint
from .params import (
    EXPAND,
    PAGE,
    TIME_RANGE,
    Fields,
    Required,
    array,
    boolean,
    merge_metadata,
    metadata,
    nullable,
    string,
)

CREATE: Fields = {
    "url": Required(string),
    "enabled_events": Required(array(string)),
    "api_version": string,
    "connect": boolean,
    "description": nullable(string),
    "metadata": metadata,
    **EXPAND,
}
UPDATE: Fields = {
    "url": string,
    "enabled_events": array(string),
    "description": nullable(string),
    "metadata": metadata,
    "disabled": boolean,
    **EXPAND,
}
EVENTS: Fields = {**PAGE, "type": string, "types": array(string), "created": TIME_RANGE, "delivery_success": boolean}
LIST: Fields = PAGE
MAX_ENDPOINTS = 16


def check_create(call: Call, params: dict[str, Any]) -> None:
    _check(params)
    if "api_version" in params:
        versions.known(params["api_version"], "api_version")


def check_update(call: Call, params: dict[str, Any], id: str) -> None:
    _check(params)


def _check(params: dict[str, Any]) -> None:
    _check_url(params.get("url"))
    for index, name in enumerate(params.get("enabled_events", [])):
        # A mistyped event would be one that never comes.
        if name not in TYPES:
            raise invalid(
                f"Invalid enabled_events[{index}]: {name} is no type of event", param=f"enabled_events[{index}]"
            )


def _check_url(url: str | None) -> None:
    if url is None:
        return
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise invalid(
            "Invalid URL: An explicit scheme (such as https) must be provided.", code="url_invalid", param="url"
        )
    # Test data has no business leaving the machine, whatever a configuration says.
    if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise invalid(
            "Invalid URL: the stand-in delivers over plain http to the loopback interface only.",
            code="url_invalid",
            param="url",
        )


def create(call: Call, params: dict[str, Any]) -> WebhookEndpoint:
    if len(call.account.of["webhook_endpoint"]) >= MAX_ENDPOINTS:
        raise invalid(f"You have reached the maximum of {MAX_ENDPOINTS} test webhook endpoints.", param="url")
    endpoint = WebhookEndpoint(
        id=call.new_id("we"),
        api_version=params.get("api_version"),
        created=call.now,
        application="ca_1StandInPlatform00" if params.get("connect") else None,
        description=params.get("description") or None,
        enabled_events=params["enabled_events"],
        metadata=merge_metadata({}, params.get("metadata", {})),
        secret=call.new_id("whsec", 32),
        url=params["url"],
    )
    call.put(endpoint)
    return endpoint


def without_secret(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Stripe shows the secret once, on creation."""
    shown = copy.copy(endpoint)
    shown.secret = UNSET
    return shown


def retrieve(call: Call, params: dict[str, Any], id: str) -> WebhookEndpoint:
    return without_secret(call.account.get("webhook_endpoint", id))


def update(call: Call, params: dict[str, Any], id: str) -> WebhookEndpoint:
    endpoint: WebhookEndpoint = call.account.get("webhook_endpoint", id)
    for name in ("url", "enabled_events", "description"):
        if name in params:
            setattr(endpoint, name, params[name] or None)
    if "metadata" in params:
        endpoint.metadata = merge_metadata(endpoint.metadata, params["metadata"])
    if "disabled" in params:
        endpoint.status = "disabled" if params["disabled"] else "enabled"
    call.put(endpoint)
    return without_secret(endpoint)


def delete(call: Call, params: dict[str, Any], id: str) -> Deleted:
    call.account.get("webhook_endpoint", id)
    call.world.remove(call.account, "webhook_endpoint", id)
    return Deleted(id=id, object="webhook_endpoint")


def list_all(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    return lists.page(call, "webhook_endpoint", params, "/v1/webhook_endpoints", render=without_secret)


def _matches(event: EventRow, wanted: list[str]) -> bool:
    return any(event.type == name or (name.endswith("*") and event.type.startswith(name[:-1])) for name in wanted)


def list_events(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    if "type" in params and "types" in params:
        raise invalid("You may only specify one of these parameters: type, types.", param="type")
    wanted = params.get("types") or ([params["type"]] if "type" in params else [])
    since = call.now - LISTED_FOR_SECONDS
    success = params.get("delivery_success")

    def keep(event: EventRow) -> bool:
        return (
            event.created >= since
            and (not wanted or _matches(event, wanted))
            and (success is None or (event.pending == 0) == success)
        )

    return lists.page(
        call, "event", params, "/v1/events", keep=keep, render=lambda row: call.events.render(call.account, row)
    )


def retrieve_event(call: Call, params: dict[str, Any], id: str) -> dict[str, Any]:
    event: EventRow = call.account.get("event", id)
    if event.created < call.now - LISTED_FOR_SECONDS:
        raise missing("event", id)
    return call.events.render(call.account, event)
