"""/v1/tabs/{tab_id}/links and /v1/link: the keys to a tab that guests hold."""

from __future__ import annotations

from typing import Any

from chalicelib.bootstrap import get_deps
from chalicelib.domain.tab.actions import ROLES, Action
from chalicelib.handlers.api import fields, link_views, render_links, requests
from chalicelib.handlers.api.operations import BUSINESS, CUSTOMER, GUEST, PAYING_GUEST, Call, Reply, Routes
from chalicelib.handlers.api.replies import answer_reply
from chalicelib.handlers.api.views import TabView
from chalicelib.handlers.pages.address import pages_at
from chalicelib.usecases.links import tab_links
from chalicelib.usecases.links.tab_links import NewLink

routes = Routes(__name__)

_LINKS = "/v1/tabs/{tab_id}/links"


@routes.operation(
    "POST",
    _LINKS,
    roles=BUSINESS | CUSTOMER,
    body=requests.NewLink,
    answer=link_views.NewLinkView,
    status=201,
    tagged=True,
)
def make_link(call: Call[requests.NewLink]) -> Reply:
    """Make a link to the tab for a guest. The address is shown once and stored nowhere."""
    expires_at = fields.instant(call.body.expires_at, "expires_at")
    pages = pages_at(call.http)
    made = tab_links.make_link(get_deps(), call.path["tab_id"], call.body.scope, expires_at, request=call.request)
    return _made(call, made, pages)


@routes.operation("GET", _LINKS, roles=BUSINESS | CUSTOMER, answer=link_views.LinkList, tagged=True)
def list_links(call: Call[None]) -> Reply:
    """List the tab's links: who made them, for what, and whether they work. Never the addresses."""
    deps = get_deps()
    tab = tab_links.get_tab_with_links(deps, call.path["tab_id"], by=call.by)
    return Reply(body=render_links.links(tab, deps.clock.now(), call.by), version=tab.version)


@routes.operation(
    "POST", _LINKS + "/{link_id}/revoke", roles=BUSINESS | CUSTOMER, answer=link_views.LinkList, tagged=True
)
def revoke_link(call: Call[requests.Nothing]) -> Reply:
    """Revoke a link: it opens nothing from now on."""
    deps = get_deps()
    answer = tab_links.revoke_link(deps, call.path["tab_id"], call.path["link_id"], request=call.request)
    body = render_links.links(answer.tab, deps.clock.now(), call.by)
    return Reply(body=body, version=answer.tab.version, replayed=answer.replayed)


@routes.operation(
    "POST",
    _LINKS + "/{link_id}/reissue",
    roles=BUSINESS | CUSTOMER,
    body=requests.ReissueLink,
    answer=link_views.NewLinkView,
    status=201,
    tagged=True,
)
def reissue_link(call: Call[requests.ReissueLink]) -> Reply:
    """Replace a link by a new one of the same scope; the old one opens nothing from now on."""
    expires_at = fields.instant(call.body.expires_at, "expires_at")
    pages = pages_at(call.http)
    made = tab_links.reissue_link(
        get_deps(), call.path["tab_id"], call.path["link_id"], expires_at, request=call.request
    )
    return _made(call, made, pages)


@routes.operation("POST", "/v1/tabs/{tab_id}/disown", roles=ROLES[Action.DISOWN], answer=TabView, tagged=True)
def disown(call: Call[requests.Nothing]) -> Reply:
    """Say that this is not the caller's tab: their link or token opens nothing from now on."""
    return answer_reply(call, tab_links.disown(get_deps(), call.path["tab_id"], request=call.request))


@routes.operation("GET", "/v1/link", roles=GUEST, answer=link_views.VisitView)
def get_link(call: Call[None]) -> Reply:
    """Which tab the caller's link or token opens, and what it allows."""
    by = call.by
    assert by.tab_id and by.customer_id and by.scope, "a guest is one of a tab"
    tab = tab_links.get_tab_with_links(get_deps(), by.tab_id, by=by)
    link = tab.link(by.subject)
    return Reply(
        body=link_views.VisitView(
            tab_id=tab.tab_id,
            customer_id=tab.customer_id,
            scope=by.scope,
            link_id=link.link_id if link else None,
            token=tab.token.number if tab.token and not link else None,
            expires_at=link.ends_at(tab.closed_at) if link else None,
        )
    )


@routes.operation(
    "POST", "/v1/link/take_over", roles=PAYING_GUEST, for_token=True, answer=link_views.NewLinkView, status=201
)
def take_over(call: Call[requests.Nothing]) -> Reply:
    """Take the token's tab over: the guest gets a link of their own, and the token opens the tab no more."""
    pages = pages_at(call.http)
    return _made(call, tab_links.take_over(get_deps(), request=call.request), pages)


def _made(call: Call[Any], made: NewLink, pages: str) -> Reply:
    body = link_views.NewLinkView(
        link=render_links.link(made.link, made.tab, get_deps().clock.now(), call.by),
        secret=made.secret,
        url=pages + made.secret if made.secret else None,
    )
    return Reply(body=body, version=made.tab.version, replayed=made.secret is None)
