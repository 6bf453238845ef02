"""/v1/tabs/{tab_id}/…: what happens to a bill once it is presented, beside its being accepted and paid."""

from __future__ import annotations

from chalicelib.bootstrap import deps
from chalicelib.handlers.api import schemas
from chalicelib.handlers.api.operations import BUSINESS, CUSTOMER, OWNER, Call, Reply, Routes
from chalicelib.handlers.api.replies import answer_reply
from chalicelib.handlers.api.schemas import TabView
from chalicelib.usecases.tab.adjust_bill import adjust_bill
from chalicelib.usecases.tab.amend_bill import amend_bill
from chalicelib.usecases.tab.contest_bill import contest_bill
from chalicelib.usecases.tab.give_tip import give_tip
from chalicelib.usecases.tab.refund_tab import refund_tab
from chalicelib.usecases.tab.resolve_contest import resolve_contest
from chalicelib.usecases.tab.take_cash import take_cash as take_cash_use_case
from chalicelib.usecases.tab.write_off import write_off as write_off_use_case

routes = Routes(__name__)


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/amend",
    roles=BUSINESS,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def amend(call: Call[schemas.Nothing]) -> Reply:
    """Take the bill back to change it; completing the service presents it again."""
    return answer_reply(call, amend_bill(deps(), call.path["tab_id"], request=call.request))


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/contest",
    roles=CUSTOMER,
    body=schemas.NewContest,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def contest(call: Call[schemas.NewContest]) -> Reply:
    """Say that something is wrong: every automatic charge stops until it is resolved."""
    return answer_reply(
        call,
        contest_bill(deps(), call.path["tab_id"], call.body.reason, call.body.contested_minor, request=call.request),
    )


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/resolve",
    roles=BUSINESS,
    body=schemas.ResolveContest,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def resolve(call: Call[schemas.ResolveContest]) -> Reply:
    """Resolve a contest: the bill is lowered, stands, or is forgiven."""
    return answer_reply(
        call,
        resolve_contest(
            deps(),
            call.path["tab_id"],
            call.body.resolution,
            call.body.reduction_minor,
            call.body.reason,
            request=call.request,
        ),
    )


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/adjust",
    roles=BUSINESS,
    body=schemas.AdjustBill,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def adjust(call: Call[schemas.AdjustBill]) -> Reply:
    """Lower a presented bill; what was taken above it is refunded by itself."""
    return answer_reply(
        call,
        adjust_bill(deps(), call.path["tab_id"], call.body.reduction_minor, call.body.reason, request=call.request),
    )


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/refunds",
    roles=BUSINESS,
    body=schemas.NewRefund,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def refund(call: Call[schemas.NewRefund]) -> Reply:
    """Give money back, all of it where no amount is given: newest leg first, cash in cash."""
    return answer_reply(
        call, refund_tab(deps(), call.path["tab_id"], call.body.amount_minor, call.body.reason, request=call.request)
    )


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/cash",
    roles=BUSINESS,
    body=schemas.NewCash,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def take_cash(call: Call[schemas.NewCash]) -> Reply:
    """Record cash taken at the till."""
    return answer_reply(
        call, take_cash_use_case(deps(), call.path["tab_id"], call.body.amount_minor, request=call.request)
    )


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/tip",
    roles=CUSTOMER,
    body=schemas.NewTip,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def tip(call: Call[schemas.NewTip]) -> Reply:
    """Give a tip after the bill was paid: a payment of its own, confirmed on the phone."""
    return answer_reply(call, give_tip(deps(), call.path["tab_id"], call.body.tip_minor, request=call.request))


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/write_off",
    roles=OWNER,
    body=schemas.WriteOff,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def write_off(call: Call[schemas.WriteOff]) -> Reply:
    """Give up what is owed; a payment that still comes is a recovery."""
    return answer_reply(call, write_off_use_case(deps(), call.path["tab_id"], call.body.reason, request=call.request))
