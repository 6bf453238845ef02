"""The bill as it is made and accepted. Each route parses the request, calls one use case, renders the answer."""

from __future__ import annotations

from chalicelib.bootstrap import get_deps
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tab.actions import ROLES, Action
from chalicelib.domain.tab.bill import Feedback
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.handlers.api import bill_requests
from chalicelib.handlers.api.body import Nothing
from chalicelib.handlers.api.operations import Call, Reply, Routes
from chalicelib.handlers.api.replies import answer_reply
from chalicelib.handlers.api.views import TabView
from chalicelib.usecases.tab import bill
from chalicelib.usecases.tab.bill import accept_bill as accept_bill_use_case
from chalicelib.usecases.tab.bill import complete_service
from chalicelib.usecases.tab.bill import waive as waive_use_case

routes = Routes(__name__)


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/items",
    roles=ROLES[Action.ADD_ITEMS],
    body=bill_requests.NewItems,
    answer=TabView,
    tagged=True,
)
def add_items(call: Call[bill_requests.NewItems]) -> Reply:
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
def void_item(call: Call[Nothing]) -> Reply:
    """Remove an item from the bill. It stays in the history."""
    answer = bill.void_item(get_deps(), call.path["tab_id"], call.path["item_id"], request=call.request)
    return answer_reply(call, answer)


@routes.operation("POST", "/v1/tabs/{tab_id}/complete", roles=ROLES[Action.COMPLETE], answer=TabView, tagged=True)
def complete(call: Call[Nothing]) -> Reply:
    """Complete the service: the bill is presented, the review window begins. No money moves."""
    return answer_reply(call, complete_service(get_deps(), call.path["tab_id"], request=call.request))


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/accept_bill",
    roles=ROLES[Action.ACCEPT_BILL],
    body=bill_requests.AcceptBill,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def accept_bill(call: Call[bill_requests.AcceptBill]) -> Reply:
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
    "/v1/tabs/{tab_id}/waive",
    roles=ROLES[Action.WAIVE],
    body=bill_requests.Waive,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def waive(call: Call[bill_requests.Waive]) -> Reply:
    """Waive the whole fee (refunded if it was taken), or what is still owed of a bill."""
    return answer_reply(call, waive_use_case(get_deps(), call.path["tab_id"], call.body.reason, request=call.request))
