"""/v1/tokens: the numbered tokens of a business, and the tabs that they are bound to."""

from __future__ import annotations

import re

from chalicelib.bootstrap import get_deps
from chalicelib.domain.errors import NotFound
from chalicelib.handlers.api import link_views, requests
from chalicelib.handlers.api.operations import BUSINESS, OWNER, Call, Query, Reply, Routes
from chalicelib.handlers.api.replies import answer_reply
from chalicelib.handlers.api.views import TabView
from chalicelib.handlers.pages.address import pages_at
from chalicelib.usecases.links import tokens
from chalicelib.usecases.links.tokens import Listed, NewToken
from chalicelib.usecases.parties.merchants import get_merchant

routes = Routes(__name__)

_NUMBER = re.compile(r"[1-9][0-9]{0,3}")


@routes.operation(
    "POST", "/v1/tokens", roles=OWNER, body=requests.NewTokens, answer=link_views.NewTokensView, status=201
)
def make_tokens(call: Call[requests.NewTokens]) -> Reply:
    """Make numbered tokens, and a sheet of their QR codes. The addresses are shown once and stored nowhere."""
    pages = pages_at(call.http)
    made = tokens.make_tokens(get_deps(), call.body.first, call.body.count, request=call.request)
    return _made(call, made, pages, call.body.sheet)


@routes.operation(
    "GET",
    "/v1/tokens",
    roles=BUSINESS,
    answer=link_views.TokenList,
    query=(
        Query(name="limit", kind=int, minimum=1, maximum=100, default=25, description="How many, at most."),
        Query(name="cursor", kind=str, description="`next_cursor` of the page before."),
    ),
)
def list_tokens(call: Call[None]) -> Reply:
    """List the tokens by number, with the tabs that have them now. Never the addresses."""
    page = tokens.list_tokens(get_deps(), limit=call.query["limit"], cursor=call.query["cursor"], by=call.by)
    return Reply(body=link_views.TokenList(tokens=list(map(_token, page.items)), next_cursor=page.next_cursor))


@routes.operation(
    "POST",
    "/v1/tokens/{number}/replace",
    roles=OWNER,
    body=requests.ReplaceToken,
    answer=link_views.NewTokensView,
    status=201,
)
def replace_token(call: Call[requests.ReplaceToken]) -> Reply:
    """Replace a token that is lost or revoked: a new QR code with the same number; the old one opens nothing."""
    pages = pages_at(call.http)
    replaced = tokens.replace_token(get_deps(), _number(call), request=call.request)
    return _made(call, [replaced], pages, call.body.sheet)


@routes.operation("POST", "/v1/tokens/{number}/revoke", roles=OWNER, answer=link_views.TokenView)
def revoke_token(call: Call[requests.Nothing]) -> Reply:
    """Revoke a token: its QR code opens nothing, until the token is replaced."""
    token, replayed = tokens.revoke_token(get_deps(), _number(call), request=call.request)
    return Reply(body=_token(Listed(token=token, tab=None)), replayed=replayed)


@routes.operation(
    "POST", "/v1/tabs/{tab_id}/bind_token", roles=BUSINESS, body=requests.BindToken, answer=TabView, tagged=True
)
def bind_token(call: Call[requests.BindToken]) -> Reply:
    """Bind a token to the tab: whoever has it may look and pay, until the tab closes or they take it over."""
    return answer_reply(call, tokens.bind_token(get_deps(), call.path["tab_id"], call.body.token, request=call.request))


@routes.operation("POST", "/v1/tabs/{tab_id}/unbind_token", roles=BUSINESS, answer=TabView, tagged=True)
def unbind_token(call: Call[requests.Nothing]) -> Reply:
    """Take the token back from the tab: it opens the tab no more, and is free for another one."""
    return answer_reply(call, tokens.unbind_token(get_deps(), call.path["tab_id"], request=call.request))


def _number(call: Call[object]) -> int:
    text = call.path["number"]
    if not _NUMBER.fullmatch(text):
        raise NotFound("There is no such token.")
    return int(text)


def _made(call: Call[object], made: list[NewToken], pages: str, paper: requests.Paper | None) -> Reply:
    shown = [
        link_views.NewTokenView(
            number=new.token.number,
            secret=new.secret,
            url=pages + new.secret if new.secret else None,
        )
        for new in made
    ]
    addresses = {view.number: view.url for view in shown if view.url is not None}
    sheet = None
    if paper is not None and addresses:
        # Imported here: only this draws QR codes.
        from chalicelib.handlers.api.token_sheet import sheet_of

        sheet = sheet_of(get_merchant(get_deps(), by=call.by).name, addresses, paper)
    return Reply(body=link_views.NewTokensView(tokens=shown, sheet=sheet), replayed=not addresses)


def _token(listed: Listed) -> link_views.TokenView:
    token, tab = listed.token, listed.tab
    taken_over = tab is not None and tab.token is not None and tab.token.taken_over_at is not None
    return link_views.TokenView(
        number=token.number,
        state="revoked" if token.revoked_at else "bound" if tab else "free",
        tab_id=tab.tab_id if tab else None,
        taken_over=taken_over,
        made_at=token.made_at,
        revoked_at=token.revoked_at,
    )
