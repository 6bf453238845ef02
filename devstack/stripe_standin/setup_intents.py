"""Owns the SetupIntent's state machine: saving a card for later, with the customer's authentication where the bank
asks.
"""

from __future__ import annotations

import contextlib
from typing import Any

from . import cards, intents, lists, payment_methods
from .context import Call
from .errors import StripeError, invalid, refused
from .objects import PaymentMethod, SetupIntent
from .params import EXPAND, PAGE, TIME_RANGE, Fields, boolean, enum, hash_of, merge_metadata, metadata, nullable, string

OPTIONS = nullable(
    hash_of(
        {
            "card": hash_of(
                {
                    "network": string,
                    "request_three_d_secure": intents.THREE_D_SECURE,
                    "setup_credential_usage": intents.CREDENTIAL_USAGE,
                }
            )
        }
    )
)
SHARED: Fields = {
    "customer": string,
    "description": nullable(string),
    "metadata": metadata,
    "payment_method": string,
    "payment_method_data": hash_of(payment_methods.DATA),
    "payment_method_options": OPTIONS,
    "allowed_payment_method_types": intents.TYPES["allowed_payment_method_types"],
    "excluded_payment_method_types": intents.TYPES["excluded_payment_method_types"],
    **EXPAND,
}
CONFIRMING: Fields = {"return_url": string, "use_stripe_sdk": boolean, "mandate_data": intents.MANDATE}
CREATE: Fields = {
    **SHARED,
    **CONFIRMING,
    "automatic_payment_methods": intents.AUTOMATIC,
    "confirm": boolean,
    "on_behalf_of": string,
    "usage": enum("off_session", "on_session"),
}
UPDATE: Fields = SHARED
CONFIRM: Fields = {
    "client_secret": string,
    "payment_method": string,
    "payment_method_data": hash_of(payment_methods.DATA),
    "payment_method_options": OPTIONS,
    "allowed_payment_method_types": intents.TYPES["allowed_payment_method_types"],
    **CONFIRMING,
    **EXPAND,
}
CANCEL: Fields = {"cancellation_reason": enum("abandoned", "duplicate", "requested_by_customer"), **EXPAND}
RETRIEVE: Fields = {"client_secret": string, **EXPAND}
LIST: Fields = {**PAGE, "customer": string, "payment_method": string, "created": TIME_RANGE}
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
_DEFAULT_OPTIONS = {"card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}}


def unexpected_state(intent: SetupIntent, message: str) -> StripeError:
    return refused(message, code="setup_intent_unexpected_state", setup_intent=intent)


def check_create(call: Call, params: dict[str, Any]) -> None:
    if not params.get("confirm"):
        for name in CONFIRMING:
            if params.get(name):
                raise invalid(f"You must set `confirm` to `true` when passing `{name}`.", param=name)
    intents.choose_types(params)


def create(call: Call, params: dict[str, Any]) -> SetupIntent:
    customer = params.get("customer")
    if customer is not None:
        call.account.get("customer", customer, "customer")
    id = call.new_id("seti")
    intent = SetupIntent(
        id=id,
        client_secret=f"{id}_secret_{call.new_id('', 32)[1:]}",
        created=call.now,
        customer=customer,
        metadata={},
        payment_method_options=_DEFAULT_OPTIONS,
        status="requires_payment_method",
        usage=params.get("usage", "off_session"),
        on_behalf_of=params.get("on_behalf_of"),
        **intents.choose_types(params),
    )
    _write(intent, params)
    if params.get("confirm"):
        if not payment_methods.named_in(params):
            raise refused(
                "You cannot confirm this SetupIntent because it's missing a payment method. Update the SetupIntent "
                "with a payment method and then confirm it again.",
                code="setup_intent_unexpected_state",
            )
        intents.check_return_url(intent, params, secret=call.secret)
    method = payment_methods.from_intent_params(call, params, customer=customer)
    if method is not None:
        intent.payment_method, intent.status = method.id, "requires_confirmation"
    call.put(intent)
    call.emit("setup_intent.created", intent)
    if params.get("confirm") and method is not None:
        _attempt(call, intent, method, params)
    return intent


def _write(intent: SetupIntent, params: dict[str, Any]) -> None:
    intents.change_types(intent, params)
    if "metadata" in params:
        intent.metadata = merge_metadata(intent.metadata, params["metadata"])
    if "description" in params:
        intent.description = params["description"] or None
    card = (params.get("payment_method_options") or {}).get("card")
    if card:
        intent.payment_method_options = {"card": {**intent.payment_method_options["card"], **card}}


def retrieve(call: Call, params: dict[str, Any], id: str) -> SetupIntent:
    intent: SetupIntent = call.account.get("setup_intent", id, "intent")
    intents.check_secret(intent, params.get("client_secret"), required=not call.secret)
    return intent


def update(call: Call, params: dict[str, Any], id: str) -> SetupIntent:
    intent: SetupIntent = call.account.get("setup_intent", id, "intent")
    if intent.status not in OPEN and set(params) - {"metadata", "description", "expand"}:
        raise unexpected_state(
            intent, f"You cannot update this SetupIntent because it has a status of {intent.status}."
        )
    customer: Any = params.get("customer", intent.customer)
    if "customer" in params:
        call.account.get("customer", customer, "customer")
    merge_metadata(intent.metadata, params.get("metadata", {}))
    method = payment_methods.from_intent_params(call, params, customer=customer)
    intent.customer = customer
    if method is not None:
        intent.payment_method, intent.status, intent.next_action = method.id, "requires_confirmation", None
    _write(intent, params)
    call.put(intent)
    return intent


def confirm(call: Call, params: dict[str, Any], id: str) -> SetupIntent:
    intent: SetupIntent = call.account.get("setup_intent", id, "intent")
    intents.check_secret(intent, params.get("client_secret"), required=not call.secret)
    if intent.status == "succeeded":
        raise unexpected_state(intent, "You cannot confirm this SetupIntent because it has already succeeded.")
    if intent.status not in OPEN:
        raise unexpected_state(
            intent,
            f"You cannot confirm this SetupIntent because it has a status of {intent.status}. Only a "
            f"SetupIntent with one of the following statuses may be confirmed: {', '.join(OPEN)}.",
        )
    if intent.payment_method is None and not payment_methods.named_in(params):
        raise unexpected_state(
            intent,
            "You cannot confirm this SetupIntent because it's missing a payment method. Update the "
            "SetupIntent with a payment method and then confirm it again.",
        )
    intents.check_return_url(intent, params, secret=call.secret)
    method = payment_methods.from_intent_params(call, params, customer=intent.customer)
    if method is None:
        method = payment_methods.usable(call, intent.payment_method, customer=intent.customer)
    _write(intent, params)
    intent.payment_method = method.id
    _attempt(call, intent, method, params)
    return intent


def _attempt(call: Call, intent: SetupIntent, method: PaymentMethod, params: dict[str, Any]) -> None:
    card = payment_methods.behaviour(method)
    intent.latest_attempt = call.new_id("setatt")
    # The card that counts as set up already asks for nothing on saving; the others that ask on payments ask here too.
    if card.sca in ("always", "unless_set_up"):
        intent.status, intent.next_action = "requires_action", intents.next_action(call, intent, params)
        intent.last_setup_error = None
        call.put(intent)
        call.emit("setup_intent.requires_action", intent)
    else:
        _finish(call, intent, method, authenticated=False)


def authenticate(call: Call, intent: SetupIntent, *, succeeds: bool) -> None:
    if intent.status != "requires_action":
        raise unexpected_state(
            intent, f"This SetupIntent has a status of {intent.status}: there is nothing to authenticate."
        )
    method: PaymentMethod = call.account.get("payment_method", intent.payment_method)
    intent.next_action = None
    if succeeds:
        # Declined after authentication: the intent's status and event tell, as there is no caller to be told.
        with contextlib.suppress(StripeError):
            _finish(call, intent, method, authenticated=True)
        return
    code, message = intents.AUTHENTICATION_FAILED["setup_intent"]
    _failed(call, intent, refused(message, code=code, payment_method=method))


def _failed(call: Call, intent: SetupIntent, error: StripeError) -> None:
    intent.status, intent.payment_method, intent.next_action = "requires_payment_method", None, None
    intent.last_setup_error = intents.last_error(error)
    call.put(intent)
    call.emit("setup_intent.setup_failed", intent)


def _finish(call: Call, intent: SetupIntent, method: PaymentMethod, *, authenticated: bool) -> None:
    card = payment_methods.behaviour(method)
    if card.decline and "setup" in card.decline_on:
        error = intents.card_error(cards.DECLINES[card.decline], payment_method=method)
        _failed(call, intent, error)
        error.fields["setup_intent"] = intent
        raise error
    if intent.customer is not None:
        payment_methods.attach_to(call, method, intent.customer)
    if authenticated:
        call.mark("set_up", method.id)
    intent.status, intent.last_setup_error, intent.next_action = "succeeded", None, None
    call.put(intent)
    call.emit("setup_intent.succeeded", intent)


def cancel(call: Call, params: dict[str, Any], id: str) -> SetupIntent:
    intent: SetupIntent = call.account.get("setup_intent", id, "intent")
    if intent.status not in OPEN:
        raise unexpected_state(
            intent,
            f"You cannot cancel this SetupIntent because it has a status of {intent.status}. Only a "
            f"SetupIntent with one of the following statuses may be canceled: {', '.join(OPEN)}.",
        )
    intent.status, intent.next_action = "canceled", None
    intent.cancellation_reason = params.get("cancellation_reason")
    call.put(intent)
    call.emit("setup_intent.canceled", intent)
    return intent


def list_all(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    by = "customer" if "customer" in params else "payment_method" if "payment_method" in params else None
    return lists.page(
        call,
        "setup_intent",
        params,
        "/v1/setup_intents",
        by=by,
        value=params.get(by or ""),
        keep=lambda row: all(
            name not in params or getattr(row, name) == params[name] for name in ("customer", "payment_method")
        ),
    )
