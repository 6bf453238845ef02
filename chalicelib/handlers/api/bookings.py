"""/v1/tabs: from opening a tab to the service. Apart from bills.py, so that a payment need not load this."""

from __future__ import annotations

from chalicelib.bootstrap import get_deps
from chalicelib.domain.tab.actions import ROLES, Action
from chalicelib.domain.tab.commands.booking import Limits, Origin, Terms
from chalicelib.handlers.api import fields, requests
from chalicelib.handlers.api.operations import BUSINESS, Call, Reply, Routes
from chalicelib.handlers.api.replies import answer_reply
from chalicelib.handlers.api.views import TabView
from chalicelib.usecases.tab.booking import Agreement, cancel_tab, mark_no_show, reschedule_tab
from chalicelib.usecases.tab.booking import accept_promise as accept_promise_use_case
from chalicelib.usecases.tab.booking import check_in as check_in_use_case
from chalicelib.usecases.tab.booking import open_tab as open_tab_use_case
from chalicelib.usecases.tab.booking import propose_promise as propose_promise_use_case

routes = Routes(__name__)


@routes.operation("POST", "/v1/tabs", roles=BUSINESS, body=requests.NewTab, answer=TabView, status=201, tagged=True)
def open_tab(call: Call[requests.NewTab]) -> Reply:
    """Open a tab: booked if it starts later, otherwise open."""
    body = call.body
    terms = Terms(
        title=body.title,
        expected_outcome=body.expected_outcome,
        estimate_minor=body.estimate_minor,
        cap_minor=body.estimate_minor if body.cap_minor is None else body.cap_minor,
        limits=tuple(body.limits),
        deposit_minor=body.deposit_minor,
        no_show_fee_minor=body.no_show_fee_minor,
        late_cancel_fee_minor=body.late_cancel_fee_minor,
        currency=body.currency,
        starts_at=fields.instant(body.starts_at, "starts_at"),
        terms_version=body.terms_version,
        tiers=None if body.tiers is None else requests.tiers_of(body.tiers),
        silence_percent=body.silence_percent,
    )
    answer = open_tab_use_case(get_deps(), body.customer_id, terms, token=body.token, request=call.request)
    return answer_reply(call, answer)


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/accept_promise",
    roles=ROLES[Action.ACCEPT_PROMISE],
    body=requests.AcceptPromise,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def accept_promise(call: Call[requests.AcceptPromise]) -> Reply:
    """Seal the promise and ask for the deposit; repeated, add consents. Recorded by staff, it counts as in_person."""
    agreement = Agreement(
        promise_sha256=call.body.promise_sha256,
        # Sorted and without duplicates, so that the sealed text does not depend on how it was sent.
        consents=tuple(sorted(set(call.body.consents))),
        card_terms_sha256=call.body.card_terms_sha256,
        ip=call.ip,
        user_agent=call.user_agent,
    )
    return answer_reply(call, accept_promise_use_case(get_deps(), call.path["tab_id"], agreement, request=call.request))


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/propose_promise",
    roles=ROLES[Action.PROPOSE_PROMISE],
    body=requests.ProposePromise,
    answer=TabView,
    tagged=True,
)
def propose_promise(call: Call[requests.ProposePromise]) -> Reply:
    """Propose other limits. A sealed promise stands until the customer accepts the new one."""
    body = call.body
    limits = Limits(
        expected_outcome=body.expected_outcome,
        limits=None if body.limits is None else tuple(body.limits),
        estimate_minor=body.estimate_minor,
        cap_minor=body.cap_minor,
        tiers=None if body.tiers is None else requests.tiers_of(body.tiers),
        silence_percent=body.silence_percent,
    )
    return answer_reply(call, propose_promise_use_case(get_deps(), call.path["tab_id"], limits, request=call.request))


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/reschedule",
    roles=ROLES[Action.RESCHEDULE],
    body=requests.Reschedule,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def reschedule(call: Call[requests.Reschedule]) -> Reply:
    """Move the appointment: at once by the customer while cancelling is free, else with the customer's yes."""
    starts_at = fields.instant(call.body.starts_at, "starts_at")
    assert starts_at is not None, "the body has it"
    origin = Origin(ip=call.ip, user_agent=call.user_agent)
    return answer_reply(call, reschedule_tab(get_deps(), call.path["tab_id"], starts_at, origin, request=call.request))


@routes.operation("POST", "/v1/tabs/{tab_id}/check_in", roles=ROLES[Action.CHECK_IN], answer=TabView, tagged=True)
def check_in(call: Call[requests.Nothing]) -> Reply:
    """Check the customer in: the service begins."""
    return answer_reply(call, check_in_use_case(get_deps(), call.path["tab_id"], request=call.request))


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/cancel",
    roles=ROLES[Action.CANCEL],
    body=requests.Cancel,
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def cancel(call: Call[requests.Cancel]) -> Reply:
    """Cancel the service: free for the business. The customer can cancel before it starts, free until the cut-off."""
    return answer_reply(call, cancel_tab(get_deps(), call.path["tab_id"], call.body.reason, request=call.request))


@routes.operation(
    "POST", "/v1/tabs/{tab_id}/no_show", roles=ROLES[Action.NO_SHOW], answer=TabView, tagged=True, moves_money=True
)
def no_show(call: Call[requests.Nothing]) -> Reply:
    """Record that the customer did not come. The disclosed fee is announced, and taken a day later."""
    return answer_reply(call, mark_no_show(get_deps(), call.path["tab_id"], request=call.request))
