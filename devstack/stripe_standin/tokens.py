"""Owns tokens made by a caller: a card's details, to be used once, by whoever may not see the card itself."""

from __future__ import annotations

from typing import Any

from . import payment_methods
from .context import Call
from .objects import CardToken, PaymentMethodCard, Token
from .params import EXPAND, Fields, Required, hash_of, integer, nullable, string

CREATE: Fields = {
    "card": Required(
        hash_of(
            {
                "number": Required(string),
                "exp_month": Required(integer),
                "exp_year": Required(integer),
                "cvc": string,
                "name": nullable(string),
            }
        )
    ),
    **EXPAND,
}


def create(call: Call, params: dict[str, Any]) -> Token:
    given = dict(params["card"])
    name = given.pop("name", None) or None
    method = payment_methods.make(call, {"card": given})
    token = Token(id=call.new_id("tok"), card=card_of(call, method.card, name), created=call.now)
    call.put(token)
    return token


def card_of(call: Call, card: PaymentMethodCard, name: str | None = None) -> CardToken:
    """The legacy card object."""
    return CardToken(
        id=call.new_id("card"), brand=_BRANDS.get(card.brand, card.brand.title()), country=card.country,
        cvc_check=card.checks.cvc_check if card.checks else None, exp_month=card.exp_month, exp_year=card.exp_year,
        fingerprint=card.fingerprint, funding=card.funding, last4=card.last4, name=name,
    )  # fmt: skip


_BRANDS = {"amex": "American Express", "diners": "Diners Club", "jcb": "JCB", "mastercard": "MasterCard"}


def retrieve(call: Call, params: dict[str, Any], id: str) -> Token:
    token: Token = call.account.get("token", id)
    return token
