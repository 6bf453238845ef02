"""Owns what PaymentIntents and SetupIntents share: client secrets, 3-D Secure steps, payment method types, return
URLs.
"""

from __future__ import annotations

from typing import Any

from . import cards
from .context import Call
from .errors import StripeError, invalid, refused
from .objects import PaymentIntent, PaymentMethod, SetupIntent
from .params import Required, array, boolean, enum, hash_of, integer, nullable, string

AUTOMATIC = hash_of({"enabled": Required(boolean), "allow_redirects": enum("always", "never")})
MANDATE = nullable(
    hash_of(
        {
            "customer_acceptance": Required(
                hash_of(
                    {
                        "type": Required(enum("offline", "online")),
                        "accepted_at": integer,
                        "offline": hash_of({}),
                        "online": hash_of({"ip_address": string, "user_agent": string}),
                    }
                )
            )
        }
    )
)
TYPES = {
    "automatic_payment_methods": AUTOMATIC,
    "allowed_payment_method_types": array(string),
    "excluded_payment_method_types": array(string),
}
CREDENTIAL_USAGE = enum("installment", "recurring", "unscheduled")
THREE_D_SECURE = enum("any", "automatic", "challenge")

# Fields that an answer to a publishable key carries: what a payment sheet needs and nothing of the merchant's.
PUBLIC = {
    "payment_intent": frozenset(
        """
    id object amount amount_details automatic_payment_methods canceled_at cancellation_reason capture_method
    client_secret confirmation_method created currency description excluded_payment_method_types
    last_payment_error livemode next_action payment_method payment_method_configuration_details
    payment_method_types processing receipt_email setup_future_usage shipping status
    """.split()  # noqa: SIM905
    ),
    "setup_intent": frozenset(
        """
    id object automatic_payment_methods cancellation_reason client_secret created description
    excluded_payment_method_types last_setup_error livemode next_action payment_method
    payment_method_configuration_details payment_method_types status usage
    """.split()  # noqa: SIM905
    ),
}


def check_secret(intent: PaymentIntent | SetupIntent, given: str | None, *, required: bool) -> None:
    """Raises unless the client_secret is this intent's. With a secret key it may be left out."""
    word = "PaymentIntent" if intent.object == "payment_intent" else "SetupIntent"
    if given is None:
        if required:
            raise invalid("Missing required param: client_secret.", code="parameter_missing", param="client_secret")
    elif given != intent.client_secret:
        raise refused(
            f"The client_secret provided does not match the client_secret associated with this {word}.",
            code=f"{intent.object}_invalid_parameter",
            param="client_secret",
        )


def choose_types(params: dict[str, Any]) -> dict[str, Any]:
    """The fields that say which payment methods an intent takes. Automatic is the default since 2023-08-16."""
    allowed, named = params.get("allowed_payment_method_types"), params.get("payment_method_types")
    automatic = params.get("automatic_payment_methods")
    given: list[str] = [name for name in ("allowed_payment_method_types", "payment_method_types") if name in params]
    if given and automatic is not None and automatic["enabled"]:
        given.insert(0, "automatic_payment_methods")
    if len(given) > 1:
        raise invalid(f"You may only specify one of these parameters: {', '.join(given)}.", param=given[-1])
    if allowed is not None or named is not None:
        if "card" not in (allowed or named or ()):
            raise invalid(f"The stand-in takes cards only: {given[0]} must contain card.", param=given[0])
        return {"allowed_payment_method_types": allowed, "payment_method_types": allowed or named}
    if automatic is not None and not automatic["enabled"]:
        return {"automatic_payment_methods": None, "payment_method_types": ["card"]}
    redirects = (automatic or {}).get("allow_redirects", "always")
    return {
        "automatic_payment_methods": {"allow_redirects": redirects, "enabled": True},
        "payment_method_types": ["card", "link"],
        "payment_method_configuration_details": {"id": "pmc_1StandInDefault", "parent": None},
    }


def change_types(intent: PaymentIntent | SetupIntent, params: dict[str, Any]) -> None:
    """An update or a confirmation may choose anew."""
    if "allowed_payment_method_types" in params or "payment_method_types" in params:
        intent.automatic_payment_methods = intent.payment_method_configuration_details = None
        for name, value in choose_types(params).items():
            setattr(intent, name, value)


def check_return_url(intent: PaymentIntent | SetupIntent, params: dict[str, Any], *, secret: bool) -> None:
    """An intent open to redirects cannot be confirmed by a server that does not say where to come back to."""
    automatic = intent.automatic_payment_methods
    if (
        secret
        and automatic
        and automatic["allow_redirects"] == "always"
        and not params.get("return_url")
        and not params.get("use_stripe_sdk")
    ):
        word = "PaymentIntent" if intent.object == "payment_intent" else "SetupIntent"
        raise refused(
            f"This {word} is configured to accept payment methods enabled in your Dashboard. Because some of these "
            "payment methods might redirect your customer off of your page, you must provide a `return_url`. If you "
            "don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` "
            "and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment "
            "Intents.",
            param="return_url",
        )


def must_authenticate(call: Call, method: PaymentMethod, *, off_session: bool, requested: str | None) -> bool:
    """Whether the issuer asks for 3-D Secure on a payment with this card."""
    card = cards.BY_FINGERPRINT[method.card.fingerprint]
    if card.sca == "always":
        return True
    if card.sca == "already_set_up":
        return not off_session
    if card.sca == "unless_set_up":
        return not off_session or not call.marked("set_up", method.id)
    return card.sca == "on_request" and requested in ("any", "challenge") and not off_session


def next_action(call: Call, intent: PaymentIntent | SetupIntent, params: dict[str, Any]) -> dict[str, Any]:
    page = f"{call.world.base_url}/3ds/{intent.id}?client_secret={intent.client_secret}"
    if params.get("return_url"):
        return {"redirect_to_url": {"return_url": params["return_url"], "url": page}, "type": "redirect_to_url"}
    return {
        "type": "use_stripe_sdk",
        "use_stripe_sdk": {"source": call.new_id("src"), "stripe_js": page, "type": "three_d_secure_redirect"},
    }


def card_error(why: cards.Decline, **extra: Any) -> StripeError:
    return StripeError(
        402,
        why.message,
        type="card_error",
        code=why.code,
        param=why.param,
        decline_code=why.decline_code,
        advice_code=why.advice_code,
        network_decline_code=why.network_decline_code,
        **extra,
    )


def last_error(error: StripeError) -> dict[str, Any]:
    """What `last_payment_error` keeps of an error: everything but the intent itself."""
    return {name: value for name, value in error.fields.items() if name not in ("payment_intent", "setup_intent")}


AUTHENTICATION_FAILED = {
    "payment_intent": (
        "payment_intent_authentication_failure",
        (
            "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new "
            "PaymentMethod to attempt to fulfill this PaymentIntent again."
        ),
    ),
    "setup_intent": (
        "setup_intent_authentication_failure",
        "The latest attempt to set up the payment method has failed because authentication failed.",
    ),
}
