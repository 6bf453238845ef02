"""Owns customer sessions: what lets Stripe's own screens in an app show a customer's saved cards. None is stored."""

from __future__ import annotations

from typing import Any

from .context import Call
from .errors import invalid
from .objects import CustomerSession, CustomerSessionComponents
from .params import EXPAND, Fields, Required, array, boolean, enum, hash_of, string

LIFETIME_S = 30 * 60
_SWITCH = enum("disabled", "enabled")
_REDISPLAY = enum("always", "limited", "unspecified")
_FEATURES: Fields = {
    "payment_method_allow_redisplay_filters": array(_REDISPLAY),
    "payment_method_redisplay": _SWITCH,
    "payment_method_remove": _SWITCH,
    "payment_method_save": _SWITCH,
    "payment_method_save_allow_redisplay_override": _REDISPLAY,
}
CREATE: Fields = {
    "components": Required(
        hash_of(
            {"mobile_payment_element": hash_of({"enabled": Required(boolean), "features": hash_of(_FEATURES)})},
        )
    ),
    "customer": string,
    **EXPAND,
}


def check_create(call: Call, params: dict[str, Any]) -> None:
    if "customer" not in params:
        raise invalid("You must provide one of `customer` or `customer_account`.", param="customer")
    if not any(component["enabled"] for component in params["components"].values()):
        raise invalid("You must enable at least one component.", param="components")


def create(call: Call, params: dict[str, Any]) -> CustomerSession:
    customer = call.account.get("customer", params["customer"], "customer")
    element = params["components"]["mobile_payment_element"]
    features = element.get("features")
    given = None if features is None else {name: features.get(name) for name in _FEATURES}
    return CustomerSession(
        client_secret=call.new_id("cuss_secret", 40),
        components=CustomerSessionComponents(
            mobile_payment_element={"enabled": element["enabled"], "features": given if element["enabled"] else None}
        ),
        created=call.now,
        customer=customer.id,
        expires_at=call.now + LIFETIME_S,
    )
