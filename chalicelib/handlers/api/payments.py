"""What is owed is collected: from hold and saved card, or on the customer's phone."""

from __future__ import annotations

from chalicelib.bootstrap import get_deps
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tab.actions import ROLES, Action
from chalicelib.handlers.api import render, requests, views
from chalicelib.handlers.api.operations import Call, Reply, Routes
from chalicelib.handlers.api.replies import answer_reply
from chalicelib.handlers.api.views import TabView
from chalicelib.usecases.tab.payment import charge_saved_card, pay_on_phone
from chalicelib.usecases.tab.payment_sheet import prepare_payment_sheet

routes = Routes(__name__)


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


@routes.operation(
    "POST", "/v1/tabs/{tab_id}/payment_sheet", roles=ROLES[Action.PAY_ON_PHONE], answer=views.PaymentSheetView
)
def payment_sheet(call: Call[requests.Nothing]) -> Reply:
    """Get all that Stripe's PaymentSheet in an app needs for the payment or hold that waits for the customer."""
    deps = get_deps()
    sheet = prepare_payment_sheet(deps, call.path["tab_id"], request=call.request)
    return Reply(body=render.payment_sheet(sheet, deps.gateway.publishable_key))
