"""Owns charges made without an intent, as integrations did that are old enough: a token pays, at once or as a hold.

No bank is asked for 3-D Secure here: where one insists, the charge is declined. https://docs.stripe.com/api/charges
"""

from __future__ import annotations

from typing import Any

from . import cards, charges, disputes, intents, payment_intents, payment_methods, refunds, tokens
from .context import Call
from .currencies import check_charge, check_step, known, written
from .errors import invalid, refused
from .objects import Charge, PaymentIntent
from .params import EXPAND, SHIPPING, Fields, Required, boolean, integer, metadata, nullable, string

CREATE: Fields = {
    "amount": Required(integer), "currency": Required(string), "source": string, "capture": boolean,
    "description": nullable(string), "metadata": metadata, "receipt_email": string, "shipping": SHIPPING,
    "statement_descriptor_suffix": string, "transfer_group": string, "application_fee_amount": integer,
    "on_behalf_of": string, **EXPAND,
}  # fmt: skip


def check_create(call: Call, params: dict[str, Any]) -> None:
    params["currency"] = known(params["currency"])
    check_charge(params["amount"], params["currency"])
    payment_intents.check_text(params)
    if "application_fee_amount" in params:
        payment_intents.check_fee(call, params["application_fee_amount"], params["amount"])
    if "source" not in params:
        raise invalid("Must provide source or customer.", code="parameter_missing", param="source")


def create(call: Call, params: dict[str, Any]) -> Charge:
    method = payment_methods.make(call, {"card": {"token": params["source"]}}, param="source")
    holds = params.get("capture") is False
    # The charge of an intent that never was: the same bank, the same rules.
    asked = PaymentIntent(
        id="", amount=params["amount"], amount_details={}, created=call.now, currency=params["currency"],
        client_secret="", metadata={}, payment_method_options={}, payment_method_types=["card"], status="",
        capture_method="manual" if holds else "automatic",
        application_fee_amount=params.get("application_fee_amount"), on_behalf_of=params.get("on_behalf_of"),
    )  # fmt: skip
    payment_intents.write_details(asked, params)
    method.id = tokens.card_of(call, method.card).id
    card = payment_methods.behaviour(method)
    decline = cards.DECLINES["authentication_required"] if card.sca == "always" else cards.DECLINES.get(card.decline)
    if decline is not None:
        charge = charges.decline(call, asked, method, decline, off_session=False)
        call.mark("direct", charge.id)
        raise intents.card_error(decline, charge=charge.id)
    charge = charges.authorize(call, asked, method, hold=holds, off_session=False, authenticated=False)
    call.mark("direct", charge.id)
    if not holds:
        disputes.follow(call, charge)
    return charge


def capture(call: Call, params: dict[str, Any], id: str) -> Charge:
    charge: Charge = call.account.get("charge", id)
    if charge.captured:
        raise refused(f"Charge {id} has already been captured.", code="charge_already_captured")
    if charge.payment_intent is not None:
        raise refused(
            "This uncaptured Charge was created by a PaymentIntent. You must capture the PaymentIntent instead of "
            "capturing the Charge directly. For more information, see https://stripe.com/docs/payments/capture-later."
        )
    before: Any = charge.payment_method_details.card.capture_before
    if charge.status == "failed" or call.now >= before:
        raise refused(
            f"Charge {id} cannot be captured because the charge has expired.", code="charge_expired_for_capture"
        )
    amount = params.get("amount", charge.amount)
    if not 1 <= amount <= charge.amount:
        raise refused(
            f"You cannot capture more than is held, which is {written(charge.amount, charge.currency)}.",
            code="amount_too_large",
            param="amount",
        )
    check_step(amount, charge.currency, "amount")
    if "application_fee_amount" in params:
        payment_intents.check_fee(call, params["application_fee_amount"], amount)
        charge.application_fee_amount = params["application_fee_amount"]
    charges.capture(call, charge, amount)
    if call.before("released_amounts") and amount < charge.amount:
        refunds.release(call, charge, charge.amount - amount)
    disputes.follow(call, charge)
    return charge


def expire(call: Call, id: str) -> None:
    """Nobody captured the hold in time."""
    charge: Charge | None = call.account.find("charge", id)
    if charge is None or charge.captured or charge.status == "failed":
        return
    charges.expire(call, charge)
    if call.before("released_amounts"):
        refunds.release(call, charge, charge.amount)
