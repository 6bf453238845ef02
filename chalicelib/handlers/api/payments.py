"""What is owed is collected: from hold and saved card, or on the customer's phone."""

from __future__ import annotations

from datetime import datetime

from chalicelib.bootstrap import get_deps
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tab.actions import ROLES, Action
from chalicelib.domain.tab.attempt import Operation
from chalicelib.handlers.api import requests
from chalicelib.handlers.api.operations import Call, Reply, Routes
from chalicelib.handlers.api.replies import answer_reply
from chalicelib.handlers.api.views import Answer, TabView
from chalicelib.usecases.tab.payment import charge_saved_card, pay_on_phone
from chalicelib.usecases.tab.payment_sheet import PaymentSheet, prepare_payment_sheet

routes = Routes(__name__)


class PaymentSheetView(Answer):
    """What Stripe's PaymentSheet in an app needs, in one answer, for the payment or hold that waits for the customer.

    `customer`, `customer_session_client_secret`: they let it show the customer's saved cards, until `expires_at`; null
    for a guest who may only pay, and before Stripe knows the customer. It works without them.
    """

    payment_id: str
    operation: Operation
    amount_minor: int
    currency: str
    merchant_name: str
    client_secret: str
    publishable_key: str
    account: str | None
    customer: str | None
    customer_session_client_secret: str | None
    expires_at: datetime | None


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/charges",
    roles=ROLES[Action.PAY_ON_PHONE] | ROLES[Action.CHARGE_SAVED_CARD],
    body=requests.NewCharge,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def charge(call: Call[requests.NewCharge]) -> Reply:
    """Collect what is owed: on_session asks the phone (with a tip, if given), off_session uses hold and saved card."""
    if call.body.mode == "off_session":
        if call.body.tip_minor:
            raise InvalidInput("A tip is confirmed on the phone: send it with the mode on_session.", field="tip_minor")
        if call.body.credit_minor:
            raise InvalidInput("Credit is spent with the mode on_session, or with accept.", field="credit_minor")
        return answer_reply(call, charge_saved_card(get_deps(), call.path["tab_id"], request=call.request))
    body = call.body
    answer = pay_on_phone(
        get_deps(), call.path["tab_id"], body.tip_minor, credit_minor=body.credit_minor, request=call.request
    )
    return answer_reply(call, answer)


@routes.operation("POST", "/v1/tabs/{tab_id}/payment_sheet", roles=ROLES[Action.PAY_ON_PHONE], answer=PaymentSheetView)
def payment_sheet(call: Call[requests.Nothing]) -> Reply:
    """Get all that Stripe's PaymentSheet in an app needs for the payment or hold that waits for the customer."""
    deps = get_deps()
    sheet = prepare_payment_sheet(deps, call.path["tab_id"], request=call.request)
    return Reply(body=_sheet(sheet, deps.gateway.publishable_key))


def _sheet(sheet: PaymentSheet, publishable_key: str) -> PaymentSheetView:
    attempt = sheet.attempt
    assert attempt.payment_id and attempt.client_secret, "what waits for the customer in an app has both"
    return PaymentSheetView(
        payment_id=attempt.payment_id,
        operation=attempt.operation,
        amount_minor=attempt.amount_minor,
        currency=sheet.tab.currency,
        merchant_name=sheet.merchant_name,
        client_secret=attempt.client_secret,
        publishable_key=publishable_key,
        account=sheet.tab.account,
        customer=sheet.customer_ref,
        customer_session_client_secret=sheet.session.client_secret if sheet.session else None,
        expires_at=sheet.session.expires_at if sheet.session else None,
    )
