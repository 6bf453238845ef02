"""Owns Checkout Sessions: created, paid on the hosted page, completed when their intent goes through, expired.

The page itself is `pages`; the payment is an ordinary PaymentIntent or SetupIntent, created when somebody first
tries to pay. https://docs.stripe.com/api/checkout/sessions
"""

from __future__ import annotations

import copy
from typing import Any

from msgspec import to_builtins

from . import customers, intents, lists, payment_intents, setup_intents
from .context import Call
from .currencies import check_charge, known
from .errors import invalid, refused
from .objects import CheckoutSession, Price, SessionPlan
from .params import (
    EXPAND,
    PAGE,
    SHIPPING,
    TIME_RANGE,
    Fields,
    Required,
    array,
    boolean,
    enum,
    hash_of,
    integer,
    merge_metadata,
    metadata,
    string,
)

MINUTE, DAY = 60, 86400
PRODUCT = hash_of({"name": Required(string), "description": string, "images": array(string), "metadata": metadata})
PRICE = hash_of({"currency": Required(string), "unit_amount": integer, "product": string, "product_data": PRODUCT})
ITEM = hash_of({"price": string, "price_data": PRICE, "quantity": integer, "metadata": metadata})
INTENT = hash_of({
    "application_fee_amount": integer, "capture_method": payment_intents.CAPTURE_METHOD, "description": string,
    "metadata": metadata, "receipt_email": string, "setup_future_usage": enum("off_session", "on_session"),
    "statement_descriptor": string, "statement_descriptor_suffix": string, "transfer_group": string,
    "on_behalf_of": string, "shipping": SHIPPING,
})  # fmt: skip
CARD_OPTIONS = hash_of(
    {
        "card": hash_of(
            {
                "request_three_d_secure": intents.THREE_D_SECURE,
                "setup_future_usage": enum("off_session", "on_session"),
                "capture_method": enum("manual"),
            }
        )
    }
)
CREATE: Fields = {
    "mode": Required(enum("payment", "setup")), "line_items": array(ITEM), "currency": string, "customer": string,
    "customer_email": string, "customer_creation": enum("always", "if_required"), "client_reference_id": string,
    "success_url": string, "cancel_url": string, "return_url": string, "expires_at": integer, "metadata": metadata,
    "payment_intent_data": INTENT, "setup_intent_data": hash_of({"description": string, "metadata": metadata}),
    "adaptive_pricing": hash_of({"enabled": boolean}), "payment_method_options": CARD_OPTIONS, "locale": string,
    "submit_type": enum("auto", "book", "donate", "pay"), "ui_mode": enum("hosted_page", "embedded_page", "elements"),
    "billing_address_collection": enum("auto", "required"), "allow_promotion_codes": boolean,
    "allowed_payment_method_types": array(string), "excluded_payment_method_types": array(string), **EXPAND,
}  # fmt: skip
UPDATE: Fields = {"metadata": metadata, **EXPAND}
CONFIRM_PAGE: Fields = {"payment_method": Required(string), "expected_amount": integer, **EXPAND}
LIST: Fields = {**PAGE, "customer": string, "payment_intent": string, "created": TIME_RANGE,
                "status": enum("complete", "expired", "open")}  # fmt: skip
_NO_TAX = {"enabled": False, "liability": None, "provider": None, "status": None}
_NO_TEXT = dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance"))


def check_create(call: Call, params: dict[str, Any]) -> None:
    if "success_url" not in params and params.get("ui_mode", "hosted_page") == "hosted_page":
        raise invalid("Missing required param: success_url.", code="parameter_missing", param="success_url")
    if "customer" in params and "customer_email" in params:
        raise invalid("You may only specify one of these parameters: customer, customer_email.", param="customer")
    expires = params.get("expires_at")
    if expires is not None and not call.now + 30 * MINUTE <= expires <= call.now + DAY:
        raise invalid(
            "The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from Checkout Session "
            "creation.",
            param="expires_at",
        )
    if params["mode"] == "setup":
        if "line_items" in params or "payment_intent_data" in params:
            raise invalid("You can not pass `line_items` or `payment_intent_data` in `setup` mode.", param="line_items")
        if "currency" in params:
            params["currency"] = known(params["currency"])
        return
    items = params.get("line_items")
    if not items:
        raise invalid("Missing required param: line_items.", code="parameter_missing", param="line_items")
    priced = [_priced(call, item, f"line_items[{index}]") for index, item in enumerate(items)]
    currency, total = priced[0][0], 0
    for index, (of, amount) in enumerate(priced):
        if of != currency:
            raise invalid("All line items must have the same currency.", param=f"line_items[{index}]")
        total += amount * items[index].get("quantity", 1)
    check_charge(total, currency, "line_items")


def _priced(call: Call, item: dict[str, Any], where: str) -> tuple[str, int]:
    """The currency and the amount of one piece. Raises where a line names no price, two, or one that cannot be paid."""
    if ("price" in item) == ("price_data" in item):
        raise invalid(
            f"You must specify either `price` or `price_data` for {where}.", code="parameter_missing", param=where
        )
    if "price" in item:
        price: Price = call.account.get("price", item["price"], f"{where}[price]")
        if not price.active:
            raise invalid(f"The price specified is inactive: {price.id}.", param=f"{where}[price]")
        if price.type == "recurring":
            raise invalid(
                "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or "
                "use only one-time prices.",
                param=f"{where}[price]",
            )
        return price.currency, price.unit_amount or 0
    data = item["price_data"]
    for name in ("unit_amount", *(() if "product" in data else ("product_data",))):
        if name not in data:
            param = f"{where}[price_data][{name}]"
            raise invalid(f"Missing required param: {param}.", code="parameter_missing", param=param)
    if "product" in data:
        call.account.get("product", data["product"], f"{where}[price_data][product]")
    return known(data["currency"], f"{where}[price_data][currency]"), data["unit_amount"]


def create(call: Call, params: dict[str, Any]) -> CheckoutSession:
    if "customer" in params:
        call.account.get("customer", params["customer"], "customer")
    id = call.new_id("cs_test", 58)
    items = [_line(call, item) for item in params.get("line_items", [])]
    total = sum(item["amount_total"] for item in items)
    paying = params["mode"] == "payment"
    hosted = params.get("ui_mode", "hosted_page") == "hosted_page"
    chosen = intents.choose_types(params)
    session = CheckoutSession(
        id=id,
        adaptive_pricing={"enabled": params.get("adaptive_pricing", {}).get("enabled", True)} if paying else None,
        amount_subtotal=total if paying else None,
        amount_total=total if paying else None,
        automatic_tax=_NO_TAX,
        created=call.now,
        currency=items[0]["currency"] if items else params.get("currency"),
        custom_fields=[],
        custom_text=_NO_TEXT,
        customer=params.get("customer"),
        customer_creation=params.get("customer_creation", "if_required") if paying else None,
        excluded_payment_method_types=params.get("excluded_payment_method_types", []),
        expires_at=params.get("expires_at", call.now + DAY),
        metadata=merge_metadata({}, params.get("metadata", {})),
        mode=params["mode"],
        payment_method_options=params.get("payment_method_options", {}),
        payment_method_types=chosen["payment_method_types"],
        payment_status="unpaid" if paying else "no_payment_required",
        payment_method_configuration_details=chosen.get("payment_method_configuration_details"),
        phone_number_collection={"enabled": False},
        shipping_options=[],
        total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0} if paying else None,
        ui_mode=params.get("ui_mode", "hosted_page"),
        url=f"{call.world.base_url}/c/pay/{id}" if hosted else None,
        client_secret=None if hosted else f"{id}_secret_{call.new_id('', 40)[1:]}",
    )
    for name in ("allowed_payment_method_types", "cancel_url", "success_url", "client_reference_id", "customer_email",
                 "locale", "submit_type", "billing_address_collection", "allow_promotion_codes",
                 "return_url"):  # fmt: skip
        if name in params:
            setattr(session, name, params[name])
    if paying:
        plan = {**params.get("payment_intent_data", {}), "amount": total, "currency": session.currency}
    else:
        plan = {**params.get("setup_intent_data", {}), "usage": "off_session"}
    if "payment_method_options" in params:
        plan["payment_method_options"] = params["payment_method_options"]
    plan["allowed_payment_method_types"] = ["card"]
    if paying and call.before("deferred_intent"):
        session.payment_intent = payment_intents.create(call, _given(plan, session)).id
    call.put(SessionPlan(id=id, items=items, intent=plan))
    call.put(session)
    call.schedule(session.expires_at, "session_expires", id)
    return session


def _given(plan: dict[str, Any], session: CheckoutSession) -> dict[str, Any]:
    """The parameters that the session's intent is made with."""
    given = copy.deepcopy(plan)
    if session.customer is not None:
        given["customer"] = session.customer
    return given


def _line(call: Call, item: dict[str, Any]) -> dict[str, Any]:
    if "price" in item:
        price: Price = call.account.get("price", item["price"])
        name = call.account.get("product", price.product).name
    else:
        data = item["price_data"]
        made = {"id": call.new_id("prod", 14)} if "product" not in data else {"id": data["product"]}
        name = call.account.get("product", made["id"]).name if "product" in data else data["product_data"]["name"]
        # A price of its own, for this session only: it is not among the prices.
        price = Price(
            id=call.new_id("price"), active=False, created=call.now, currency=data["currency"].lower(), metadata={},
            product=made["id"], unit_amount=data["unit_amount"], unit_amount_decimal=str(data["unit_amount"]),
        )  # fmt: skip
    quantity = item.get("quantity", 1)
    amount = (price.unit_amount or 0) * quantity
    return {
        "id": call.new_id("li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price.currency,
        "description": name,
        "quantity": quantity,
        "metadata": item.get("metadata") or {},
        "adjustable_quantity": None,
        "price": to_builtins(price),
    }


def retrieve(call: Call, params: dict[str, Any], id: str) -> CheckoutSession:
    session: CheckoutSession = call.account.get("checkout.session", id)
    return session


def line_items(call: Call, params: dict[str, Any], id: str) -> dict[str, Any]:
    call.account.get("checkout.session", id)
    items = call.account.get("checkout.plan", id).items
    limit = params.get("limit", 10)
    return {"object": "list", "data": items[:limit], "has_more": len(items) > limit,
            "url": f"/v1/checkout/sessions/{id}/line_items"}  # fmt: skip


def update(call: Call, params: dict[str, Any], id: str) -> CheckoutSession:
    session: CheckoutSession = call.account.get("checkout.session", id)
    session.metadata = merge_metadata(session.metadata, params.get("metadata", {}))
    call.put(session)
    return session


def list_all(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    by = "payment_intent" if "payment_intent" in params else "customer" if "customer" in params else None
    return lists.page(
        call, "checkout.session", params, "/v1/checkout/sessions", by=by, value=params.get(by or ""),
        keep=lambda row: params.get("status") in (None, row.status) and params.get("customer") in (None, row.customer),
    )  # fmt: skip


# --- paying


def pay(call: Call, session: CheckoutSession, given: dict[str, Any], *, email: str | None, name: str | None) -> Any:
    """One try at paying the session with what is `given`, payment_method or payment_method_data: the intent
    afterwards. Raises the card's 402.

    The intent is created by the first try and kept for the next ones.
    """
    if session.status != "open":
        raise refused(
            f"This Checkout Session has a status of `{session.status}`.", code="checkout_session_unexpected_state"
        )
    plan: SessionPlan = call.account.get("checkout.plan", session.id)
    wants_customer = session.customer_creation == "always" or plan.intent.get("setup_future_usage")
    if session.customer is None and wants_customer:
        made = {"email": email, "name": name}
        session.customer = customers.create(call, {key: text for key, text in made.items() if text}).id
    session.customer_details = {
        "address": None, "business_name": None, "email": email or session.customer_email, "individual_name": None,
        "name": name, "phone": None, "tax_exempt": "none", "tax_ids": [],
    }  # fmt: skip
    module: Any = payment_intents if session.mode == "payment" else setup_intents
    known_intent = session.payment_intent or session.setup_intent
    if known_intent is None:
        known_intent = module.create(call, _given(plan.intent, session)).id
        setattr(session, "payment_intent" if session.mode == "payment" else "setup_intent", known_intent)
    elif session.customer not in (None, module.retrieve(call, {}, known_intent).customer):
        module.update(call, {"customer": session.customer}, known_intent)
    call.put(session)
    back = f"{call.world.base_url}/c/pay/{session.id}"
    return module.confirm(call, {**given, "return_url": back}, known_intent)


def pay_by_card(
    call: Call, session: CheckoutSession, card: dict[str, Any], *, email: str | None, name: str | None
) -> Any:
    """One try at paying on the hosted page."""
    billing = {key: text for key, text in (("email", email), ("name", name)) if text}
    data = {"type": "card", "card": card, "billing_details": billing}
    return pay(call, session, {"payment_method_data": data}, email=email, name=name)


def confirm_page(call: Call, params: dict[str, Any], id: str) -> CheckoutSession:
    """`POST /v1/payment_pages/{}/confirm`: what Stripe's command-line tool sends to pay as a person would. Nothing
    describes it but that tool's own source; the session is what it answers here.
    """
    session: CheckoutSession = call.account.get("checkout.session", id)
    if params.get("expected_amount", session.amount_total) != session.amount_total:
        raise refused(
            f"The expected_amount is not what is to be paid: {session.amount_total}.", param="expected_amount"
        )
    method = call.account.get("payment_method", params["payment_method"], "payment_method")
    billing = method.billing_details
    pay(call, session, {"payment_method": method.id}, email=billing.email, name=billing.name)
    return call.account.get("checkout.session", id)  # type: ignore[no-any-return]


def intent_went_through(call: Call, intent_id: str) -> None:
    """The session of an intent that succeeded (or now holds the money) is complete."""
    for session in _of_intent(call, intent_id):
        if session.status != "open":
            continue
        session.status, session.url = "complete", None
        if session.mode == "payment" and call.account.get("payment_intent", intent_id).status == "succeeded":
            session.payment_status = "paid"
        call.put(session)
        call.emit("checkout.session.completed", session)


def intent_was_captured(call: Call, intent_id: str) -> None:
    for session in _of_intent(call, intent_id):
        if session.status == "complete" and session.payment_status == "unpaid":
            session.payment_status = "paid"
            call.put(session)


def _of_intent(call: Call, intent_id: str) -> list[CheckoutSession]:
    field = "payment_intent" if intent_id.startswith("pi_") else "setup_intent"
    found = list(call.account.of["checkout.session"].newest_first(field, intent_id))
    return [call.account.get("checkout.session", session.id) for session in found]


def expire(call: Call, params: dict[str, Any], id: str) -> CheckoutSession:
    session: CheckoutSession = call.account.get("checkout.session", id)
    if session.status != "open":
        raise refused(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of '
            f"`{session.status}`."
        )
    _end(call, session)
    return session


def fall_due(call: Call, id: str) -> None:
    session: CheckoutSession | None = call.account.find("checkout.session", id)
    if session is not None and session.status == "open":
        _end(call, session)


def _end(call: Call, session: CheckoutSession) -> None:
    session.status, session.url = "expired", None
    call.put(session)
    if session.payment_intent is not None:
        intent = call.account.get("payment_intent", session.payment_intent)
        if intent.status in payment_intents.OPEN:
            payment_intents.cancel(call, {}, intent.id)
    call.emit("checkout.session.expired", session)
