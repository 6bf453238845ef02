"""/v1/tabs: the bill as it is made and paid. Each route parses the request, calls one use case, renders the answer."""

from __future__ import annotations

from chalicelib.bootstrap import get_deps
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tab.actions import ROLES, Action
from chalicelib.domain.tab.bill import Feedback
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.status import PaymentState, Status
from chalicelib.handlers.api import render, requests, views
from chalicelib.handlers.api.body import ID_PATTERN
from chalicelib.handlers.api.listed import wanted_of
from chalicelib.handlers.api.operations import BUSINESS, CUSTOMER, OPENED, Call, Order, Query, Reply, Routes
from chalicelib.handlers.api.replies import answer_reply
from chalicelib.handlers.api.views import TabView
from chalicelib.usecases.tab import bill, read_tabs
from chalicelib.usecases.tab.bill import accept_bill as accept_bill_use_case
from chalicelib.usecases.tab.bill import complete_service
from chalicelib.usecases.tab.bill import waive as waive_use_case
from chalicelib.usecases.tab.payment import charge_saved_card, pay_on_phone
from chalicelib.usecases.tab.payment_sheet import prepare_payment_sheet

routes = Routes(__name__)


@routes.operation(
    "GET",
    "/v1/tabs",
    roles=BUSINESS | CUSTOMER,
    answer=views.TabList,
    query=(
        Query(name="status", kind=Status, description="Tabs in this status. For the business only."),
        Query(
            name="customer_id",
            kind=str,
            pattern=ID_PATTERN,
            description="Tabs of this customer. Customers always get their own.",
        ),
        Query(
            name="payment_state",
            kind=PaymentState,
            description="Only with this state of the money. A page may then have fewer tabs, or none: `next_cursor` "
            "says whether there are more.",
        ),
        Query(
            name="staff",
            kind=str,
            description="Only what this member of staff has opened: the `sub` of their token, `opened_by` in the "
            "answer. For the business only. A page may then have fewer tabs, as with `payment_state`.",
        ),
        *OPENED,
        Query(name="order", kind=Order, description="By when they were opened; `newest_first` if left out."),
        Query(name="limit", kind=int, minimum=1, maximum=100, default=25, description="How many, at most."),
        Query(name="cursor", kind=str, description="`next_cursor` of the page before, with the same filters."),
    ),
)
def list_tabs(call: Call[None]) -> Reply:
    """List tabs by status or by customer, newest first unless asked otherwise. The list may be a moment behind."""
    given = call.query
    wanted = wanted_of(given)
    page = read_tabs.list_tabs(get_deps(), wanted, limit=given["limit"], cursor=given["cursor"], by=call.by)
    return Reply(body=render.tabs(page, by=call.by))


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/items",
    roles=ROLES[Action.ADD_ITEMS],
    body=requests.NewItems,
    answer=TabView,
    tagged=True,
)
def add_items(call: Call[requests.NewItems]) -> Reply:
    """Add 1 to 50 items to the bill: all of them, or none."""
    items = [
        ItemInput(
            description=item.description,
            unit_price_minor=item.unit_price_minor,
            quantity=item.quantity,
            tax_basis_points=item.tax_basis_points,
            is_material=item.material,
        )
        for item in call.body.items
    ]
    return answer_reply(call, bill.add_items(get_deps(), call.path["tab_id"], items, request=call.request))


@routes.operation(
    "POST", "/v1/tabs/{tab_id}/items/{item_id}/void", roles=ROLES[Action.VOID_ITEM], answer=TabView, tagged=True
)
def void_item(call: Call[requests.Nothing]) -> Reply:
    """Remove an item from the bill. It stays in the history."""
    answer = bill.void_item(get_deps(), call.path["tab_id"], call.path["item_id"], request=call.request)
    return answer_reply(call, answer)


@routes.operation("POST", "/v1/tabs/{tab_id}/complete", roles=ROLES[Action.COMPLETE], answer=TabView, tagged=True)
def complete(call: Call[requests.Nothing]) -> Reply:
    """Complete the service: the bill is presented, the review window begins. No money moves."""
    return answer_reply(call, complete_service(get_deps(), call.path["tab_id"], request=call.request))


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/accept_bill",
    roles=ROLES[Action.ACCEPT_BILL],
    body=requests.AcceptBill,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def accept_bill(call: Call[requests.AcceptBill]) -> Reply:
    """Accept the bill, with a tip if one is given: the deposit is captured first, the balance charged as promised."""
    body = call.body
    feedback = None
    if body.rating is not None:
        feedback = Feedback(rating=body.rating, comment=body.comment)
    elif body.comment:
        raise InvalidInput("A comment needs a rating from 1 to 5.", field="rating")
    answer = accept_bill_use_case(
        get_deps(),
        call.path["tab_id"],
        body.tip_minor,
        feedback,
        credit_minor=body.credit_minor,
        request=call.request,
    )
    return answer_reply(call, answer)


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


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/waive",
    roles=ROLES[Action.WAIVE],
    body=requests.Waive,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def waive(call: Call[requests.Waive]) -> Reply:
    """Waive the whole fee (refunded if it was taken), or what is still owed of a bill."""
    return answer_reply(call, waive_use_case(get_deps(), call.path["tab_id"], call.body.reason, request=call.request))
