"""Owns the PaymentIntent's state machine: which call is legal in which status, and where it leads.

The charge that a transition makes is `charges`' business; which card wants what is `cards`'.
https://docs.stripe.com/payments/paymentintents/lifecycle
"""

from __future__ import annotations

import contextlib
import copy
import re
from typing import Any

from . import cards, charges, disputes, intents, lists, payment_methods, refunds
from .context import Call
from .currencies import check_charge, check_step, known, written
from .errors import StripeError, invalid, refused
from .objects import PaymentIntent, PaymentMethod
from .params import (
    EXPAND,
    PAGE,
    SHIPPING,
    TIME_RANGE,
    UNSET,
    Fields,
    Required,
    boolean,
    either,
    enum,
    hash_of,
    integer,
    merge_metadata,
    metadata,
    nullable,
    string,
)

IF_AVAILABLE = enum("if_available", "never")
OPTIONS = nullable(
    hash_of(
        {
            "card": nullable(
                hash_of(
                    {
                        "capture_method": enum("", "manual"),
                        "network": string,
                        "request_three_d_secure": intents.THREE_D_SECURE,
                        "request_extended_authorization": IF_AVAILABLE,
                        "request_incremental_authorization": IF_AVAILABLE,
                        "request_multicapture": IF_AVAILABLE,
                        "request_overcapture": IF_AVAILABLE,
                        "require_cvc_recollection": boolean,
                        "setup_future_usage": enum("", "none", "off_session", "on_session"),
                        "setup_credential_usage": intents.CREDENTIAL_USAGE,
                        "stored_credential_usage": intents.CREDENTIAL_USAGE,
                    }
                )
            )
        }
    )
)
CAPTURE_METHOD = enum("automatic", "automatic_async", "manual")
USAGE = enum("", "off_session", "on_session")
SHARED: Fields = {
    "customer": string, "description": nullable(string), "metadata": metadata, "payment_method": nullable(string),
    "payment_method_data": hash_of(payment_methods.DATA), "payment_method_options": OPTIONS,
    "receipt_email": nullable(string), "setup_future_usage": USAGE, "shipping": nullable(SHIPPING),
    "statement_descriptor": string, "statement_descriptor_suffix": nullable(string), "transfer_group": string,
    "excluded_payment_method_types": intents.TYPES["excluded_payment_method_types"],
    "allowed_payment_method_types": intents.TYPES["allowed_payment_method_types"], **EXPAND,
}  # fmt: skip
CONFIRMING: Fields = {
    "off_session": either(boolean, enum("one_off", "recurring")), "return_url": string, "use_stripe_sdk": boolean,
    "error_on_requires_action": boolean, "mandate_data": intents.MANDATE,
}  # fmt: skip
CREATE: Fields = {
    "amount": Required(integer),
    "currency": Required(string),
    "application_fee_amount": integer,
    "automatic_payment_methods": intents.AUTOMATIC,
    "capture_method": CAPTURE_METHOD,
    "confirm": boolean,
    "confirmation_method": enum("automatic", "manual"),
    "on_behalf_of": string,
    **SHARED,
    **CONFIRMING,
}
UPDATE: Fields = {
    "amount": integer,
    "currency": string,
    "application_fee_amount": nullable(integer),
    "capture_method": CAPTURE_METHOD,
    **SHARED,
}
CONFIRM: Fields = {
    "client_secret": string,
    "payment_method": string,
    "payment_method_data": hash_of(payment_methods.DATA),
    "payment_method_options": OPTIONS,
    "receipt_email": nullable(string),
    "setup_future_usage": USAGE,
    "shipping": nullable(SHIPPING),
    "capture_method": CAPTURE_METHOD,
    "amount_to_confirm": integer,
    "allowed_payment_method_types": intents.TYPES["allowed_payment_method_types"],
    **CONFIRMING,
    **EXPAND,
}
CAPTURE: Fields = {
    "amount_to_capture": integer,
    "application_fee_amount": integer,
    "final_capture": boolean,
    "metadata": metadata,
    "statement_descriptor": string,
    "statement_descriptor_suffix": string,
    **EXPAND,
}
CANCEL: Fields = {
    "cancellation_reason": enum("abandoned", "duplicate", "fraudulent", "requested_by_customer"),
    **EXPAND,
}
RETRIEVE: Fields = {"client_secret": string, **EXPAND}
LIST: Fields = {**PAGE, "customer": string, "created": TIME_RANGE}

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing")
_DEFAULT_CARD_OPTIONS = {
    "installments": None,
    "mandate_options": None,
    "network": None,
    "request_three_d_secure": "automatic",
}
_DEFAULT_OPTIONS = {"card": _DEFAULT_CARD_OPTIONS}
_DETAILS: dict[str, Any] = {"tip": {}}


def unexpected_state(intent: PaymentIntent, message: str) -> StripeError:
    return refused(message, code="payment_intent_unexpected_state", payment_intent=intent)


# --- rules between parameters ---------------------------------------------------------------------------------------


def check_create(call: Call, params: dict[str, Any]) -> None:
    """What can be refused before anything is looked up: Stripe does not store these answers under the key."""
    params["currency"] = known(params["currency"])
    check_charge(params["amount"], params["currency"])
    if not params.get("confirm"):
        for name in ("off_session", "return_url", "error_on_requires_action", "mandate_data"):
            if params.get(name):
                raise invalid(f"You must set `confirm` to `true` when passing `{name}`.", param=name)
    check_text(params)
    fee = params.get("application_fee_amount")
    if fee is not None:
        check_fee(call, fee, params["amount"])
    intents.choose_types(params)


def check_update(call: Call, params: dict[str, Any], id: str) -> None:
    if "currency" in params:
        params["currency"] = known(params["currency"])
    check_text(params)


def check_fee(call: Call, fee: int, amount: int) -> None:
    if not call.connected:
        raise invalid(
            "Can only apply an application_fee_amount when the PaymentIntent is attempting a direct payment (using an "
            "OAuth key or Stripe-Account header) or destination payment (using `transfer_data[destination]`).",
            param="application_fee_amount",
        )
    if fee < 0 or fee > amount:
        raise invalid(
            "The application_fee_amount must be at least 0 and at most the amount of the payment.",
            param="application_fee_amount",
        )


def check_text(params: dict[str, Any]) -> None:
    if params.get("statement_descriptor"):
        raise invalid(
            "Some of the PaymentMethods associated with this PaymentIntent do not support the `statement_descriptor` "
            "parameter. Please use the `statement_descriptor_suffix` parameter for cards instead.",
            code="payment_intent_invalid_parameter",
            param="statement_descriptor",
        )
    suffix = params.get("statement_descriptor_suffix")
    if suffix:
        if len(suffix) > 22:
            raise invalid(
                "The statement descriptor suffix must be at most 22 characters.", param="statement_descriptor_suffix"
            )
        if not re.search(r"[A-Za-z]", suffix):
            raise invalid(
                "The statement descriptor suffix must contain at least one letter.", param="statement_descriptor_suffix"
            )
        if re.search(r"""[<>\\'"*]""", suffix):
            raise invalid(
                "The statement descriptor suffix must not contain any of these characters: < > \\ ' \" *",
                param="statement_descriptor_suffix",
            )
    card = (params.get("payment_method_options") or {}).get("card") or {}
    if card.get("stored_credential_usage") and (params.get("setup_future_usage") or card.get("setup_future_usage")):
        raise invalid(
            "`payment_method_options[card][stored_credential_usage]` cannot be used with `setup_future_usage`.",
            param="payment_method_options[card][stored_credential_usage]",
        )


# --- calls ----------------------------------------------------------------------------------------------------------


def create(call: Call, params: dict[str, Any]) -> PaymentIntent:
    customer = params.get("customer")
    if customer is not None:
        call.account.get("customer", customer, "customer")
    id = call.new_id("pi")
    intent = PaymentIntent(
        id=id,
        amount=params["amount"],
        amount_details=_DETAILS,
        created=call.now,
        currency=params["currency"],
        client_secret=f"{id}_secret_{call.new_id('', 25)[1:]}",
        customer=customer,
        capture_method=params.get(
            "capture_method", "automatic" if call.before("capture_method") else "automatic_async"
        ),
        metadata={},
        payment_method_options=_DEFAULT_OPTIONS,
        confirmation_method=params.get("confirmation_method", "automatic"),
        status="requires_payment_method",
        on_behalf_of=params.get("on_behalf_of"),
        application_fee_amount=params.get("application_fee_amount"),
        **intents.choose_types(params),
    )
    _write(intent, params)
    if params.get("confirm"):
        # Refused before anything exists: an intent that could never be confirmed leaves no trace.
        if not payment_methods.named_in(params):
            raise refused(
                "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update "
                "the PaymentIntent with a payment method and then confirm it again, or confirm it again directly "
                "with a payment method or ConfirmationToken.",
                code="payment_intent_unexpected_state",
            )
        intents.check_return_url(intent, params, secret=call.secret)
        _check_off_session(intent, params)
    method = payment_methods.from_intent_params(call, params, customer=customer)
    if method is not None:
        intent.payment_method, intent.status = method.id, "requires_confirmation"
    call.put(intent)
    call.emit("payment_intent.created", intent)
    if params.get("confirm") and method is not None:
        _attempt(call, intent, method, params)
    return intent


def _write(intent: PaymentIntent, params: dict[str, Any]) -> None:
    intents.change_types(intent, params)
    write_details(intent, params)
    options = params.get("payment_method_options")
    if options is not None:
        card = (options or {}).get("card")
        kept = {
            key: value
            for key, value in {**intent.payment_method_options["card"], **(card or {})}.items()
            if value != ""
        }
        intent.payment_method_options = {"card": kept if card else _DEFAULT_CARD_OPTIONS}


def write_details(intent: PaymentIntent, params: dict[str, Any]) -> None:
    """What the merchant says of the payment."""
    if "metadata" in params:
        intent.metadata = merge_metadata(intent.metadata, params["metadata"])
    for name in (
        "description",
        "receipt_email",
        "shipping",
        "statement_descriptor_suffix",
        "transfer_group",
        "setup_future_usage",
        "excluded_payment_method_types",
    ):
        if name in params:
            setattr(intent, name, params[name] or None)


def retrieve(call: Call, params: dict[str, Any], id: str) -> PaymentIntent:
    intent: PaymentIntent = call.account.get("payment_intent", id, "intent")
    intents.check_secret(intent, params.get("client_secret"), required=not call.secret)
    return intent


def update(call: Call, params: dict[str, Any], id: str) -> PaymentIntent:
    intent: PaymentIntent = call.account.get("payment_intent", id, "intent")
    for name in (
        "amount",
        "currency",
        "capture_method",
        "payment_method",
        "payment_method_data",
        "customer",
        "application_fee_amount",
        "setup_future_usage",
        "payment_method_options",
    ):
        if name in params and intent.status not in OPEN:
            raise unexpected_state(
                intent,
                f"This PaymentIntent's {name} could not be updated because it has a status of {intent.status}. You may "
                f"only update the {name} of a PaymentIntent with one of the following statuses: {', '.join(OPEN)}.",
            )
    # All that can be wrong comes first: what is refused has changed nothing.
    customer: Any = params.get("customer", intent.customer)
    if "customer" in params:
        call.account.get("customer", customer, "customer")
    currency, amount = params.get("currency", intent.currency), params.get("amount", intent.amount)
    if "amount" in params or "currency" in params:
        check_charge(amount, currency)
    fee = params.get("application_fee_amount", UNSET)
    if fee is not UNSET:
        check_fee(call, fee, amount)
    merge_metadata(intent.metadata, params.get("metadata", {}))
    method = payment_methods.from_intent_params(call, params, customer=customer)
    intent.amount, intent.currency, intent.customer = amount, currency, customer
    if "application_fee_amount" in params:
        intent.application_fee_amount = None if fee is UNSET else fee
    if "capture_method" in params:
        intent.capture_method = params["capture_method"]
    _write(intent, params)
    if method is not None:
        intent.payment_method = method.id
        if intent.status == "requires_payment_method":
            intent.status = "requires_confirmation"
    if method is not None or "amount" in params:
        if (
            intent.status == "requires_action"
        ):  # what the customer was asked to authenticate is no longer what will happen
            intent.status, intent.next_action = "requires_confirmation", None
    elif params.get("payment_method") is UNSET:
        intent.payment_method, intent.status = None, "requires_payment_method"
    call.put(intent)
    return intent


def confirm(call: Call, params: dict[str, Any], id: str) -> PaymentIntent:
    intent: PaymentIntent = call.account.get("payment_intent", id, "intent")
    intents.check_secret(intent, params.get("client_secret"), required=not call.secret)
    if intent.status in ("succeeded", "requires_capture"):
        raise unexpected_state(
            intent,
            "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.",
        )
    if intent.status not in OPEN:
        raise unexpected_state(
            intent,
            f"You cannot confirm this PaymentIntent because it has a status of {intent.status}. Only "
            f"a PaymentIntent with one of the following statuses may be confirmed: {', '.join(OPEN)}.",
        )
    if not call.secret:
        if "off_session" in params or "amount_to_confirm" in params:
            raise invalid("This parameter cannot be used with a publishable key.", param="off_session")
        if intent.confirmation_method == "manual":
            raise refused(
                "This PaymentIntent's confirmation_method is `manual`: it can only be confirmed with a secret key.",
                code="payment_intent_invalid_parameter",
            )
    if params.get("amount_to_confirm", intent.amount) != intent.amount:
        raise refused(
            f"The amount_to_confirm does not match the amount of this PaymentIntent ({intent.amount}).",
            param="amount_to_confirm",
            payment_intent=intent,
        )
    if intent.payment_method is None and not payment_methods.named_in(params):
        raise unexpected_state(
            intent,
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can "
            "either update the PaymentIntent with a payment method and then confirm it again, or "
            "confirm it again directly with a payment method or ConfirmationToken.",
        )
    intents.check_return_url(intent, params, secret=call.secret)
    _check_off_session(intent, params, params.get("setup_future_usage"))
    method = payment_methods.from_intent_params(call, params, customer=intent.customer)
    if method is None:
        method = payment_methods.usable(call, intent.payment_method, customer=intent.customer)
    _write(intent, params)
    if "capture_method" in params:
        intent.capture_method = params["capture_method"]
    intent.payment_method = method.id
    _attempt(call, intent, method, params)
    return intent


def _check_off_session(intent: PaymentIntent, params: dict[str, Any], usage: str | None = None) -> None:
    if params.get("off_session") and (usage or intent.setup_future_usage):
        raise refused(
            "You cannot confirm with the `off_session` parameter when `setup_future_usage` is also set on the "
            "PaymentIntent because you cannot set up future usages when processing payments off-session.",
            param="off_session",
        )


# --- transitions ----------------------------------------------------------------------------------------------------


def _attempt(call: Call, intent: PaymentIntent, method: PaymentMethod, params: dict[str, Any]) -> None:
    """One try at the payment. Raises the 402 with the intent inside when the bank says no."""
    off_session = bool(params.get("off_session"))
    call.mark("off_session", intent.id, off_session)
    intent.next_action = None
    requested = intent.payment_method_options["card"].get("request_three_d_secure")
    if call.marked("authenticated", f"{intent.id} {method.id}"):
        call.mark("authenticated", f"{intent.id} {method.id}", False)
        _settle(call, intent, method, authenticated=True)
        return
    if payment_methods.behaviour(method).sca == "fails_on_request" and requested in ("any", "challenge"):
        _declined(call, intent, method, cards.DECLINES["processing_error"])
    if not intents.must_authenticate(call, method, off_session=off_session, requested=requested):
        _settle(call, intent, method, authenticated=False)
    elif off_session:
        _declined(call, intent, method, cards.DECLINES["authentication_required"])
    elif params.get("error_on_requires_action"):
        _declined(
            call,
            intent,
            method,
            cards.Decline(
                "authentication_required",
                "authentication_not_handled",
                "This payment required an authentication action to complete, but `error_on_requires_action` was set. "
                "When you're ready, you can upgrade your integration to handle actions at "
                "https://stripe.com/docs/payments/payment-intents/upgrade-to-handle-actions.",
            ),
        )
    else:
        intent.status = "requires_action"
        intent.next_action = intents.next_action(call, intent, params)
        intent.last_payment_error = None
        call.put(intent)
        call.emit("payment_intent.requires_action", intent)


def authenticate(call: Call, intent: PaymentIntent, *, succeeds: bool) -> None:
    """The customer finished the 3-D Secure step, one way or the other."""
    if intent.status != "requires_action":
        raise unexpected_state(
            intent, f"This PaymentIntent has a status of {intent.status}: there is nothing to authenticate."
        )
    method: PaymentMethod = call.account.get("payment_method", intent.payment_method)
    intent.next_action = None
    if succeeds and intent.confirmation_method == "manual":
        # The server finishes the payment: it confirms once more.
        call.mark("authenticated", f"{intent.id} {method.id}")
        intent.status = "requires_confirmation"
        call.put(intent)
        return
    if succeeds:
        # Declined after authentication: the intent's status and event tell, as there is no caller to be told.
        with contextlib.suppress(StripeError):
            _settle(call, intent, method, authenticated=True)
        return
    code, message = intents.AUTHENTICATION_FAILED["payment_intent"]
    error = refused(message, code=code, payment_method=method)
    intent.status, intent.payment_method = "requires_payment_method", None
    intent.last_payment_error = intents.last_error(error)
    call.put(intent)
    call.emit("payment_intent.payment_failed", intent)


def _settle(call: Call, intent: PaymentIntent, method: PaymentMethod, *, authenticated: bool) -> None:
    decline = call.world.bank_says.get(method.id, payment_methods.behaviour(method).decline)
    if decline:
        _declined(call, intent, method, cards.DECLINES[decline])
    options = intent.payment_method_options["card"]
    hold = intent.capture_method == "manual" or options.get("capture_method") == "manual"
    off_session = call.marked("off_session", intent.id)
    charge = charges.authorize(call, intent, method, hold=hold, off_session=off_session, authenticated=authenticated)
    intent.latest_charge, intent.last_payment_error, intent.next_action = charge.id, None, None
    usage = options.get("setup_future_usage", intent.setup_future_usage)
    if usage in ("off_session", "on_session") and intent.customer is not None:
        payment_methods.attach_to(call, method, intent.customer)
        if authenticated:
            call.mark("set_up", method.id)
    elif method.customer is None:
        call.mark("spent", method.id)
    if hold:
        intent.status, intent.amount_capturable = "requires_capture", intent.amount
        call.put(intent)
        call.emit("payment_intent.amount_capturable_updated", intent)
    else:
        intent.status, intent.amount_received = "succeeded", intent.amount
        call.put(intent)
        call.emit("payment_intent.succeeded", intent)
        disputes.follow(call, charge)


def _declined(call: Call, intent: PaymentIntent, method: PaymentMethod, why: cards.Decline) -> None:
    charge = charges.decline(call, intent, method, why, off_session=call.marked("off_session", intent.id))
    error = intents.card_error(why, charge=charge.id, payment_method=copy.copy(method))
    intent.status, intent.payment_method, intent.next_action = "requires_payment_method", None, None
    intent.latest_charge, intent.last_payment_error = charge.id, intents.last_error(error)
    call.put(intent)
    call.emit("payment_intent.payment_failed", intent)
    error.fields["payment_intent"] = intent
    raise error


def capture(call: Call, params: dict[str, Any], id: str) -> PaymentIntent:
    intent: PaymentIntent = call.account.get("payment_intent", id, "intent")
    if intent.status != "requires_capture":
        raise unexpected_state(
            intent,
            f"This PaymentIntent could not be captured because it has a status of {intent.status}. "
            "Only a PaymentIntent with one of the following statuses may be captured: "
            "requires_capture.",
        )
    charge = call.account.get("charge", intent.latest_charge)
    if call.now >= charge.payment_method_details.card.capture_before:
        raise refused(
            "The charge can't be captured because the authorization has expired. Auth and capture charges must be "
            "captured within a set number of days.",
            code="charge_expired_for_capture",
            payment_intent=intent,
            charge=charge.id,
        )
    amount = params.get("amount_to_capture", intent.amount_capturable)
    if amount < 1:
        raise refused(
            "This value must be greater than or equal to 1.",
            code="parameter_invalid_integer",
            param="amount_to_capture",
        )
    if amount > intent.amount_capturable:
        raise refused(
            "The payment could not be captured because the requested capture amount is greater than the amount you "
            f"can capture for this charge ({written(intent.amount_capturable, intent.currency)}).",
            code="amount_too_large",
            param="amount_to_capture",
            payment_intent=intent,
        )
    check_step(amount, intent.currency, "amount_to_capture")
    if params.get("final_capture") is False:
        raise refused(
            "`final_capture` can only be set to false when multicapture is available for this payment.",
            param="final_capture",
            payment_intent=intent,
        )
    if "application_fee_amount" in params:
        check_fee(call, params["application_fee_amount"], amount)
    check_text(params)
    if "metadata" in params:
        intent.metadata = merge_metadata(intent.metadata, params["metadata"])
    if "application_fee_amount" in params:
        intent.application_fee_amount = charge.application_fee_amount = params["application_fee_amount"]
    if "statement_descriptor_suffix" in params:
        intent.statement_descriptor_suffix = charge.statement_descriptor_suffix = params["statement_descriptor_suffix"]
    charges.capture(call, charge, amount)
    if call.before("released_amounts") and amount < charge.amount:
        refunds.release(call, charge, charge.amount - amount)
    intent.status, intent.amount_capturable, intent.amount_received = "succeeded", 0, amount
    call.put(intent)
    call.emit("payment_intent.succeeded", intent)
    disputes.follow(call, charge)
    return intent


def cancel(call: Call, params: dict[str, Any], id: str) -> PaymentIntent:
    intent: PaymentIntent = call.account.get("payment_intent", id, "intent")
    if intent.status not in CANCELABLE:
        raise unexpected_state(
            intent,
            f"You cannot cancel this PaymentIntent because it has a status of {intent.status}. Only a "
            "PaymentIntent with one of the following statuses may be canceled: "
            f"{', '.join(CANCELABLE)}.",
        )
    if any(row.status == "open" for row in call.account.of["checkout.session"].newest_first("payment_intent", id)):
        raise unexpected_state(
            intent,
            "You cannot cancel the PaymentIntent for a Checkout Session. Expire the Checkout Session instead.",
        )
    _end(call, intent, params.get("cancellation_reason"))
    return intent


def _end(call: Call, intent: PaymentIntent, reason: str | None) -> None:
    if call.before("released_amounts") and intent.status == "requires_capture":
        held = call.account.get("charge", intent.latest_charge)
        refunds.release(call, held, held.amount)
    intent.status, intent.amount_capturable, intent.next_action = "canceled", 0, None
    intent.canceled_at, intent.cancellation_reason = call.now, reason
    call.put(intent)
    call.emit("payment_intent.canceled", intent)


def expire_hold(call: Call, id: str) -> None:
    """The authorization ran out."""
    intent: PaymentIntent | None = call.account.find("payment_intent", id)
    if intent is None or intent.status != "requires_capture":
        return
    charges.expire(call, call.account.get("charge", intent.latest_charge))
    _end(call, intent, "expired")


def list_all(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    by = "customer" if "customer" in params else None
    return lists.page(call, "payment_intent", params, "/v1/payment_intents", by=by, value=params.get("customer"))
