"""/v1/tabs/{tab_id}/split and …/unsplit: a bill in shares, each a tab of its own."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.bootstrap import get_deps
from chalicelib.domain.tab.actions import ROLES, Action
from chalicelib.domain.tab.commands.sharing import Parts
from chalicelib.handlers.api import link_views, render, requests
from chalicelib.handlers.api.operations import Call, Reply, Routes
from chalicelib.handlers.api.replies import answer_reply
from chalicelib.handlers.api.views import TabView
from chalicelib.handlers.pages.address import pages_at
from chalicelib.usecases.tab.split import split_bill, unsplit_bill

routes = Routes(__name__)


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/split",
    roles=ROLES[Action.SPLIT],
    body=requests.SplitBill,
    answer=link_views.SplitView,
    status=201,
    tagged=True,
    moves_money=True,
)
def split(call: Call[requests.SplitBill]) -> Reply:
    """Split what is owed into shares, each a tab of its own with a link for its payer."""
    deps, body, pages = get_deps(), call.body, pages_at(call.http)
    parts = Parts(equally=body.equally, amounts_minor=body.amounts_minor, items=body.items)
    made = split_bill(
        deps,
        call.path["tab_id"],
        parts,
        timedelta(seconds=body.return_after_s),
        credential=call.credential,
        request=call.request,
    )
    return Reply(
        body=link_views.SplitView(
            tab=render.tab(made.tab, None, by=call.by, now=deps.clock.now(), publishable_key=None),
            shares=[
                link_views.NewShareView(
                    tab_id=share.tab_id,
                    amount_minor=share.amount_minor,
                    secret=share.secret,
                    url=pages + share.secret if share.secret else None,
                )
                for share in made.shares
            ],
        ),
        version=made.tab.version,
        replayed=made.replayed,
    )


@routes.operation(
    "POST",
    "/v1/tabs/{tab_id}/unsplit",
    roles=ROLES[Action.UNSPLIT],
    answer=TabView,
    tagged=True,
    moves_money=True,
)
def unsplit(call: Call[requests.Nothing]) -> Reply:
    """Take the open shares back while nothing of them is paid: what they owe is owed on this tab again."""
    return answer_reply(call, unsplit_bill(get_deps(), call.path["tab_id"], request=call.request))
