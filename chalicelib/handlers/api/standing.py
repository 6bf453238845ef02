"""/v1/customers/{customer_id}/standing: how far a customer is trusted and why, and objecting to it."""

from __future__ import annotations

from chalicelib.bootstrap import get_deps
from chalicelib.domain.tab.actions import ROLES, Action
from chalicelib.handlers.api import party_requests, party_views, render_parties, views
from chalicelib.handlers.api.operations import BUSINESS, CUSTOMER, Call, Reply, Routes
from chalicelib.handlers.api.replies import answer_reply
from chalicelib.usecases.trust import standing

routes = Routes(__name__)

_STANDING = "/v1/customers/{customer_id}/standing"


@routes.operation("GET", _STANDING, roles=BUSINESS | CUSTOMER, answer=party_views.StandingView)
def get_standing(call: Call[None]) -> Reply:
    """Get how far a customer is trusted, with every reason and fact. A customer can get only their own."""
    deps = get_deps()
    found = standing.get_standing(deps, call.path["customer_id"], by=call.by)
    reasons = found.standing.reasons if found.standing else ()
    texts = deps.words.write_reasons(reasons, found.language) if reasons else ()
    return Reply(body=render_parties.standing(found, texts))


@routes.operation(
    "POST",
    f"{_STANDING}/objections",
    roles=ROLES[Action.OBJECT],
    body=party_requests.ObjectToStanding,
    answer=views.TabView,
    tagged=True,
)
def object_to_standing(call: Call[party_requests.ObjectToStanding]) -> Reply:
    """Object to what a tab counts against you. It does not count until a person at the business has decided."""
    answer = standing.object_to_standing(
        get_deps(), call.path["customer_id"], call.body.tab_id, call.body.reason, request=call.request
    )
    return answer_reply(call, answer)


@routes.operation(
    "POST",
    f"{_STANDING}/objections/{{tab_id}}/decide",
    roles=ROLES[Action.DECIDE_OBJECTION],
    body=party_requests.DecideObjection,
    answer=views.TabView,
    tagged=True,
)
def decide_objection(call: Call[party_requests.DecideObjection]) -> Reply:
    """Uphold or refuse a customer's objection. What was upheld never counts; the customer is told either way."""
    body = call.body
    answer = standing.decide_objection(
        get_deps(), call.path["customer_id"], call.path["tab_id"], body.decision, body.reason, request=call.request
    )
    return answer_reply(call, answer)
