"""Owns PaymentMethods: made from a test card or a token, attached, detached, and whether one may be used for a
payment.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from . import cards, lists
from .context import Call
from .errors import StripeError, invalid, missing, refused
from .objects import (
    Address,
    BillingDetails,
    CardChecks,
    Networks,
    PaymentMethod,
    PaymentMethodCard,
    ThreeDSecureUsage,
    Token,
)
from .params import (
    BILLING,
    EXPAND,
    PAGE,
    UNSET,
    Fields,
    Required,
    apply,
    enum,
    hash_of,
    integer,
    merge_metadata,
    metadata,
    string,
)

REDISPLAY = enum("always", "limited", "unspecified")


def _card(value: Any, name: str) -> Any:
    # `either` would answer for the second form only: a missing exp_month must not read "missing token" or the reverse.
    if isinstance(value, dict) and "token" in value:
        return apply({"token": Required(string)}, value, name)
    return apply(
        {
            "number": Required(string),
            "exp_month": Required(integer),
            "exp_year": Required(integer),
            "cvc": string,
        },
        value if isinstance(value, dict) else {},
        name,
    )


CREATE: Fields = {
    "type": Required(enum("card")),
    "card": Required(_card),
    "billing_details": BILLING,
    "metadata": metadata,
    "allow_redisplay": REDISPLAY,
    **EXPAND,
}
DATA: Fields = {
    "type": Required(enum("card")),
    "card": Required(_card),
    "billing_details": BILLING,
    "metadata": metadata,
    "allow_redisplay": REDISPLAY,
}
UPDATE: Fields = {
    "billing_details": BILLING,
    "metadata": metadata,
    "allow_redisplay": REDISPLAY,
    "card": hash_of({"exp_month": integer, "exp_year": integer}),
    **EXPAND,
}
ATTACH: Fields = {"customer": Required(string), **EXPAND}
LIST: Fields = {**PAGE, "customer": string, "type": string, "allow_redisplay": string}
_SUPPORTED = ThreeDSecureUsage()
_DISPLAYED = {"amex": "american_express", "diners": "diners_club", "unionpay": "union_pay"}


@lru_cache(maxsize=4096)
def _shared_card(number: str, month: int, year: int, cvc: bool, line1: bool, zip: bool) -> PaymentMethodCard:
    """Equal cards share one struct: 100,000 PaymentMethods of ten cards need ten of these."""
    card = cards.BY_NUMBER[number]
    # A check is null until something was given to check, and 'unchecked' until the bank was asked (first payment or
    # setup).
    checks = CardChecks(
        address_line1_check=card.line1_check if line1 else None,
        address_postal_code_check=card.zip_check if zip else None,
        cvc_check=card.cvc_check if cvc else None,
    )
    return PaymentMethodCard(
        brand=card.brand,
        checks=checks,
        country=card.country,
        display_brand=_DISPLAYED.get(card.brand, card.brand),
        exp_month=month,
        exp_year=year,
        fingerprint=card.fingerprint,
        funding=card.funding,
        last4=card.last4,
        networks=Networks(available=[card.brand]),
        three_d_secure_usage=_SUPPORTED,
    )


def behaviour(method: PaymentMethod) -> cards.Card:
    return cards.BY_FINGERPRINT[method.card.fingerprint]


def make(call: Call, params: dict[str, Any], *, param: str = "card[token]") -> PaymentMethod:
    """A new PaymentMethod from checked parameters. Raises the card errors that Stripe raises before any bank
    is asked.
    """
    given = params["card"]
    today = datetime.fromtimestamp(call.now, UTC)
    if "token" in given:
        card, month, year, cvc = _of_token(call, given["token"], today.year + 4, param)
    else:
        number = given["number"].replace(" ", "").replace("-", "")
        if not number.isdigit() or not 12 <= len(number) <= 19 or not cards.passes_luhn(number):
            raise _card_error("incorrect_number", "Your card number is incorrect.", "number")
        known = cards.BY_NUMBER.get(number)
        if known is None:
            raise _card_error(
                "card_declined",
                "Your card was declined. Your request was in test mode, but used a non test "
                "card. For a list of valid test cards, visit: https://stripe.com/docs/testing.",
                "",
                decline_code="test_mode_live_card",
            )
        card, month, year, cvc = known, given["exp_month"], given["exp_year"], "cvc" in given
        if not 1 <= month <= 12:
            raise _card_error("invalid_expiry_month", "Your card's expiration month is invalid.", "exp_month")
        if year < 100:
            year += 2000
        if (year, month) < (today.year, today.month) or year > today.year + 50:
            raise _card_error("invalid_expiry_year", "Your card's expiration year is invalid.", "exp_year")
        if cvc and len(given["cvc"]) not in ((4, 3) if card.brand == "amex" else (3,)):
            raise _card_error("invalid_cvc", "Your card's security code is invalid.", "cvc")
    billing = _billing(params.get("billing_details", {}))
    address = billing.address
    return PaymentMethod(
        id=call.new_id("pm"),
        created=call.now,
        billing_details=billing,
        metadata=merge_metadata({}, params.get("metadata", {})),
        card=_shared_card(card.number, month, year, cvc, bool(address.line1), bool(address.postal_code)),
        allow_redisplay=params.get("allow_redisplay", "unspecified"),
    )


def _of_token(call: Call, id: str, year: int, param: str) -> tuple[cards.Card, int, int, bool]:
    """The card behind a token, its expiry, and whether a security code came with it. A token that a caller made is used
    up; the documented test tokens are not.
    """
    card = cards.named(id)
    if card is not None:
        return card, 12, year, True
    token: Token | None = call.account.find("token", id)
    if token is None:
        raise missing("token", id, param=param)
    if token.used:
        raise refused(f"You cannot use a Stripe token more than once: {id}.", code="token_already_used")
    token.used = True
    call.put(token)
    made = token.card
    return cards.BY_FINGERPRINT[made.fingerprint], made.exp_month, made.exp_year, made.cvc_check is not None


_NO_ADDRESS = Address()
_NO_BILLING = BillingDetails(address=_NO_ADDRESS)


def _billing(given: dict[str, Any]) -> BillingDetails:
    if not given:
        return _NO_BILLING
    address = given.get("address") or {}
    return BillingDetails(
        address=Address(**{key: value or None for key, value in address.items()}) if address else _NO_ADDRESS,
        **{key: value or None for key, value in given.items() if key != "address"},
    )


def _card_error(code: str, message: str, param: str, *, decline_code: str | None = None) -> StripeError:
    return StripeError(402, message, type="card_error", code=code, param=param or None, decline_code=decline_code)


def create(call: Call, params: dict[str, Any]) -> PaymentMethod:
    method = make(call, params)
    call.put(method)
    return method


def usable(call: Call, id: str, *, customer: str | None = None, param: str = "payment_method") -> PaymentMethod:
    """The PaymentMethod an intent may use; a `pm_card_*` id becomes a fresh one, as at Stripe.

    Raises when it belongs to another customer or was spent.
    """
    card = cards.named(id) if id.startswith("pm_card_") else None
    if card is not None:
        year = datetime.fromtimestamp(call.now, UTC).year + 1
        method = PaymentMethod(
            id=call.new_id("pm"),
            created=call.now,
            billing_details=_NO_BILLING,
            metadata={},
            card=_shared_card(card.number, 8, year, False, False, False),
        )
        call.put(method)
        return method
    found: PaymentMethod | None = call.account.find("payment_method", id)
    if found is None:
        raise missing("PaymentMethod", id, param=param)
    if call.marked("spent", id):
        raise refused(
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared "
            "with a connected account without Customer attachment, or was detached from a Customer. It may not be "
            "used again. To use a PaymentMethod multiple times, you must attach it to a Customer first.",
            param=param,
        )
    if found.customer is not None and found.customer != customer:
        if customer is None:
            raise refused(
                "The payment method you provided is attached to a customer so for security purposes you must provide "
                "the customer in the request.",
                param=param,
            )
        raise refused(
            f"The customer does not have a payment method with the ID {id}. The payment method must be attached to "
            "the customer.",
            code="resource_missing",
            param=param,
        )
    return found


def attach_to(call: Call, method: PaymentMethod, customer: str) -> None:
    if method.customer == customer:
        return
    method.customer = customer
    call.put(method)
    call.emit("payment_method.attached", method)


def release(call: Call, method: PaymentMethod) -> None:
    previous = method.customer
    method.customer = None
    call.mark("spent", method.id)
    call.put(method)
    holder = call.account.find("customer", previous)
    if holder is not None and holder.invoice_settings.default_payment_method == method.id:
        holder.invoice_settings = type(holder.invoice_settings)()
        call.put(holder)
    call.emit("payment_method.detached", method, {"customer": previous})


def attach(call: Call, params: dict[str, Any], id: str) -> PaymentMethod:
    customer = params["customer"]
    call.account.get("customer", customer, "customer")
    existing: PaymentMethod | None = call.account.find("payment_method", id)
    if existing is not None and existing.customer == customer:
        return existing
    if existing is not None and existing.customer is not None:
        raise refused(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
            param="payment_method",
        )
    method = usable(call, id)
    card = behaviour(method)
    if card.decline and "setup" in card.decline_on:
        decline = cards.DECLINES[card.decline]
        raise StripeError(
            402,
            decline.message,
            type="card_error",
            code=decline.code,
            param=decline.param,
            decline_code=decline.decline_code,
            advice_code=decline.advice_code,
            network_decline_code=decline.network_decline_code,
        )
    attach_to(call, method, customer)
    return method


def detach(call: Call, params: dict[str, Any], id: str) -> PaymentMethod:
    method: PaymentMethod = call.account.get("payment_method", id)
    if method.customer is None:
        raise refused(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            code="payment_method_unexpected_state",
            param="payment_method",
        )
    release(call, method)
    return method


def retrieve(call: Call, params: dict[str, Any], id: str) -> PaymentMethod:
    row: PaymentMethod = call.account.get("payment_method", id)
    return row


def update(call: Call, params: dict[str, Any], id: str) -> PaymentMethod:
    method: PaymentMethod = call.account.get("payment_method", id)
    if method.customer is None:
        raise refused(
            "You must save this PaymentMethod to a customer before you can update it.",
            code="payment_method_unexpected_state",
            param="payment_method",
        )
    if "billing_details" in params:
        method.billing_details = _billing(params["billing_details"])
    if "metadata" in params:
        method.metadata = merge_metadata(method.metadata or {}, params["metadata"])
    if "allow_redisplay" in params:
        method.allow_redisplay = params["allow_redisplay"]
    call.put(method)
    call.emit("payment_method.updated", method)
    return method


def renew(call: Call, method: PaymentMethod, month: int, year: int) -> None:
    """The bank issued the card anew and its network told us: same number, later date."""
    before = {"exp_month": method.card.exp_month, "exp_year": method.card.exp_year}
    # The struct is shared with every PaymentMethod of this card: only this one is renewed.
    method.card = copy.copy(method.card)
    method.card.exp_month, method.card.exp_year = month, year
    call.put(method)
    call.emit("payment_method.automatically_updated", method, {"card": before})


def list_all(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    if "customer" not in params:
        # Stripe lists only what has no customer then, and those of Treasury at that: nothing here.
        return {"object": "list", "data": [], "has_more": False, "url": "/v1/payment_methods"}
    call.account.get("customer", params["customer"], "customer")
    return lists.page(
        call,
        "payment_method",
        params,
        "/v1/payment_methods",
        by="customer",
        value=params["customer"],
        keep=lambda row: wanted(row, params),
    )


def wanted(row: PaymentMethod, params: dict[str, Any]) -> bool:
    """The filters that both lists of a customer's PaymentMethods take."""
    return row.type == params.get("type", row.type) and params.get("allow_redisplay") in (None, row.allow_redisplay)


def named_in(params: dict[str, Any]) -> bool:
    """Whether the parameters of an intent's call name a PaymentMethod, in either way."""
    return "payment_method_data" in params or bool(params.get("payment_method"))


def from_intent_params(call: Call, params: dict[str, Any], *, customer: str | None) -> PaymentMethod | None:
    """The PaymentMethod that an intent's create, update or confirm names, by id or by inline data."""
    if params.get("payment_method") and "payment_method_data" in params:
        raise invalid(
            "You may only specify one of these parameters: payment_method, payment_method_data.", param="payment_method"
        )
    if "payment_method_data" in params:
        return create(call, params["payment_method_data"])
    id = params.get("payment_method")
    if id is None or id is UNSET:
        return None
    return usable(call, id, customer=customer)
