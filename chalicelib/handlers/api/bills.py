"""/v1/tabs/{tab_id}/…: contest, resolve, adjust, refund, cash, tip, follow-up, write off: what may follow a bill."""

from __future__ import annotations

from chalicelib.bootstrap import get_deps
from chalicelib.domain.tab.actions import ROLES, Action
from chalicelib.domain.tab.bill import Feedback
from chalicelib.handlers.api import requests
from chalicelib.handlers.api.operations import Call, Reply, Routes
from chalicelib.handlers.api.replies import answer_reply
from chalicelib.handlers.api.views import TabView
from chalicelib.usecases.tab.bill import adjust_bill, amend_bill, contest_bill, resolve_contest, see_bill
from chalicelib.usecases.tab.bill import choose_tier as choose_tier_use_case
from chalicelib.usecases.tab.bill import rate as rate_use_case
from chalicelib.usecases.tab.bill import walk_out as walk_out_use_case
from chalicelib.usecases.tab.bill import write_off as write_off_use_case
from chalicelib.usecases.tab.followup import pause_followup as pause_followup_use_case
from chalicelib.usecases.tab.followup import resume_followup as resume_followup_use_case
from chalicelib.usecases.tab.followup import send_reminder as send_reminder_use_case
from chalicelib.usecases.tab.payment import announce_cash as announce_cash_use_case
from chalicelib.usecases.tab.payment import give_tip
from chalicelib.usecases.tab.payment import return_cash as return_cash_use_case
from chalicelib.usecases.tab.payment import take_cash as take_cash_use_case
from chalicelib.usecases.tab.refund import refund_elsewhere as refund_elsewhere_use_case
from chalicelib.usecases.tab.refund import refund_tab
from chalicelib.usecases.tab.refund import resolve_flag as resolve_flag_use_case
from chalicelib.usecases.tab.refund import retry_refund as retry_refund_use_case

routes = Routes(__name__)


@routes.operation(
    "POST", "/v1/tabs/{tab_id}/walk_out", roles=ROLES[Action.WALK_OUT], answer=TabView, tagged=True, moves_money=True
)
def walk_out(call: Call[requests.Nothing]) -> Reply:
    """Record that the guest left without paying: the bill is presented, the hold captured up to it before it ends."""
    return answer_reply(call, walk_out_use_case(get_deps(), call.path["tab_id"], request=call.request))


@routes.operation("POST", "/v1/tabs/{tab_id}/seen", roles=ROLES[Action.PAY_ON_PHONE], answer=TabView)
def seen(call: Call[requests.Nothing]) -> Reply:
    """Say that the customer has the bill on their screen: its review window begins, unless it has already."""
    return answer_reply(call, see_bill(get_deps(), call.path["tab_id"], request=call.request))


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/amend",
    roles=ROLES[Action.AMEND],
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def amend(call: Call[requests.Nothing]) -> Reply:
    """Take the bill back to change it. Completing the service presents it again."""
    return answer_reply(call, amend_bill(get_deps(), call.path["tab_id"], request=call.request))


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/choose_tier",
    roles=ROLES[Action.CHOOSE_TIER],
    body=requests.ChooseTier,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def choose_tier(call: Call[requests.ChooseTier]) -> Reply:
    """Say which outcome it was: the bill is of that tier from now on. What was paid above it is refunded."""
    return answer_reply(
        call, choose_tier_use_case(get_deps(), call.path["tab_id"], call.body.percent, request=call.request)
    )


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/contest",
    roles=ROLES[Action.CONTEST],
    body=requests.NewContest,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def contest(call: Call[requests.NewContest]) -> Reply:
    """Say that something is wrong: every automatic charge stops until it is resolved."""
    return answer_reply(
        call,
        contest_bill(
            get_deps(),
            call.path["tab_id"],
            call.body.reason,
            call.body.contested_minor,
            call.body.tier_percent,
            request=call.request,
        ),
    )


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/resolve",
    roles=ROLES[Action.RESOLVE],
    body=requests.ResolveContest,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def resolve(call: Call[requests.ResolveContest]) -> Reply:
    """Resolve a contest: the bill is lowered, stands, or is forgiven."""
    return answer_reply(
        call,
        resolve_contest(
            get_deps(),
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
    roles=ROLES[Action.ADJUST],
    body=requests.AdjustBill,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def adjust(call: Call[requests.AdjustBill]) -> Reply:
    """Lower a presented bill. What was taken above it is refunded automatically."""
    return answer_reply(
        call,
        adjust_bill(get_deps(), call.path["tab_id"], call.body.reduction_minor, call.body.reason, request=call.request),
    )


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/refunds",
    roles=ROLES[Action.REFUND],
    body=requests.NewRefund,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def refund(call: Call[requests.NewRefund]) -> Reply:
    """Refund money, all of it if no amount is given: the newest payment first, cash in cash."""
    return answer_reply(
        call,
        refund_tab(get_deps(), call.path["tab_id"], call.body.amount_minor, call.body.reason, request=call.request),
    )


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/retry_refund",
    roles=ROLES[Action.RETRY_REFUND],
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def retry_refund(call: Call[requests.Nothing]) -> Reply:
    """Try a failed refund once more."""
    return answer_reply(call, retry_refund_use_case(get_deps(), call.path["tab_id"], request=call.request))


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/refund_elsewhere",
    roles=ROLES[Action.REFUND_ELSEWHERE],
    body=requests.RefundElsewhere,
    answer=TabView,
    tagged=True,
)
def refund_elsewhere(call: Call[requests.RefundElsewhere]) -> Reply:
    """Record that a failed refund was paid back another way: in cash, or by bank transfer."""
    body = call.body
    answer = refund_elsewhere_use_case(
        get_deps(), call.path["tab_id"], body.amount_minor, body.how, body.reference, request=call.request
    )
    return answer_reply(call, answer)


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/resolve_flag",
    roles=ROLES[Action.RESOLVE_FLAG],
    body=requests.ResolveFlag,
    answer=TabView,
    tagged=True,
)
def resolve_flag(call: Call[requests.ResolveFlag]) -> Reply:
    """Resolve a flag: it stays in the timeline. A flag about money that is still owed back cannot be resolved."""
    answer = resolve_flag_use_case(
        get_deps(), call.path["tab_id"], call.body.flag_id, call.body.note, request=call.request
    )
    return answer_reply(call, answer)


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/cash",
    roles=ROLES[Action.TAKE_CASH],
    body=requests.NewCash,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def take_cash(call: Call[requests.NewCash]) -> Reply:
    """Record cash taken at the till."""
    return answer_reply(
        call, take_cash_use_case(get_deps(), call.path["tab_id"], call.body.amount_minor, request=call.request)
    )


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/return_cash",
    roles=ROLES[Action.RETURN_CASH],
    body=requests.ReturnCash,
    answer=TabView,
    tagged=True,
)
def return_cash(call: Call[requests.ReturnCash]) -> Reply:
    """Record that cash which was owed back has been handed to the customer."""
    return answer_reply(
        call, return_cash_use_case(get_deps(), call.path["tab_id"], call.body.amount_minor, request=call.request)
    )


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/tip",
    roles=ROLES[Action.TIP],
    body=requests.NewTip,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def tip(call: Call[requests.NewTip]) -> Reply:
    """Give a tip after the bill was paid: a separate payment, confirmed on the phone."""
    return answer_reply(call, give_tip(get_deps(), call.path["tab_id"], call.body.tip_minor, request=call.request))


@routes.operation(
    "POST", "/v1/tabs/{tab_id}/announce_cash", roles=ROLES[Action.ANNOUNCE_CASH], answer=TabView, tagged=True
)
def announce_cash(call: Call[requests.Nothing]) -> Reply:
    """Say that the customer pays at the counter: staff are told. No money moves."""
    return answer_reply(call, announce_cash_use_case(get_deps(), call.path["tab_id"], request=call.request))


@routes.operation(
    "POST", "/v1/tabs/{tab_id}/rate", roles=ROLES[Action.RATE], body=requests.Rate, answer=TabView, tagged=True
)
def rate(call: Call[requests.Rate]) -> Reply:
    """Say how it was, once, where that was not said with the acceptance of the bill."""
    feedback = Feedback(rating=call.body.rating, comment=call.body.comment)
    return answer_reply(call, rate_use_case(get_deps(), call.path["tab_id"], feedback, request=call.request))


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/write_off",
    roles=ROLES[Action.WRITE_OFF],
    body=requests.WriteOff,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def write_off(call: Call[requests.WriteOff]) -> Reply:
    """Write off what is owed. A payment that still arrives is booked as a recovery."""
    return answer_reply(
        call, write_off_use_case(get_deps(), call.path["tab_id"], call.body.reason, request=call.request)
    )


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/pause_followup",
    roles=ROLES[Action.PAUSE_FOLLOWUP],
    body=requests.PauseFollowup,
    answer=TabView,
    tagged=True,
)
def pause_followup(call: Call[requests.PauseFollowup]) -> Reply:
    """Pause reminders and automatic charges of what is owed. A hold is captured before it expires all the same."""
    body = call.body
    return answer_reply(
        call,
        pause_followup_use_case(get_deps(), call.path["tab_id"], body.reason, body.until, request=call.request),
    )


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/resume_followup",
    roles=ROLES[Action.RESUME_FOLLOWUP],
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def resume_followup(call: Call[requests.Nothing]) -> Reply:
    """End a pause of the follow-up: reminders and charges that have become due meanwhile are made now."""
    return answer_reply(call, resume_followup_use_case(get_deps(), call.path["tab_id"], request=call.request))


@routes.operation(
    "POST", "/v1/tabs/{tab_id}/send_reminder", roles=ROLES[Action.SEND_REMINDER], answer=TabView, tagged=True
)
def send_reminder(call: Call[requests.Nothing]) -> Reply:
    """Remind the customer of what is owed now, or when the quiet hours end. Once a day at most."""
    return answer_reply(call, send_reminder_use_case(get_deps(), call.path["tab_id"], request=call.request))
