"""/v1/customers/{customer_id}/credits and …/invitation: what a customer has, and inviting friends."""

from __future__ import annotations

from chalicelib.bootstrap import get_deps
from chalicelib.handlers.api import party_requests, party_views, render_parties, requests
from chalicelib.handlers.api.operations import BUSINESS, CUSTOMER, Call, Query, Reply, Routes, is_replay
from chalicelib.handlers.pages.address import site_of
from chalicelib.usecases.trust import credits

routes = Routes(__name__)


@routes.operation(
    "GET",
    "/v1/customers/{customer_id}/credits",
    roles=BUSINESS | CUSTOMER,
    answer=party_views.CreditStatement,
    query=(
        Query(name="limit", kind=int, minimum=1, maximum=100, default=25, description="How many movements, at most."),
        Query(name="cursor", kind=str, description="`next_cursor` of the page before."),
    ),
)
def get_credits(call: Call[None]) -> Reply:
    """Get a customer's credit: what can be spent now and later, its lots, and what has happened, newest first."""
    deps = get_deps()
    statement = credits.read_statement(
        deps, call.path["customer_id"], limit=call.query["limit"], cursor=call.query["cursor"], by=call.by
    )
    account = render_parties.credit_account(statement.account, deps.clock.now(), site_of(call.http))
    return Reply(body=render_parties.credit_statement(statement, account))


@routes.operation(
    "PUT",
    "/v1/customers/{customer_id}/credits",
    roles=CUSTOMER,
    body=party_requests.CreditWish,
    answer=party_views.CreditAccountView,
)
def set_credits(call: Call[party_requests.CreditWish]) -> Reply:
    """Say whether your credit is spent for every bill by itself. Only the customer says so."""
    deps, request = get_deps(), call.request
    replayed = is_replay(deps, request)
    account = credits.set_spends_by_itself(deps, call.path["customer_id"], call.body.spends_by_itself, request=request)
    return Reply(body=render_parties.credit_account(account, deps.clock.now(), site_of(call.http)), replayed=replayed)


@routes.operation(
    "POST",
    "/v1/customers/{customer_id}/invitation",
    roles=BUSINESS | CUSTOMER,
    answer=party_views.CreditAccountView,
)
def make_invitation(call: Call[requests.Nothing]) -> Reply:
    """Get the customer's invitation for friends; it is made at the first call, after their first paid tab."""
    deps, request = get_deps(), call.request
    replayed = is_replay(deps, request)
    account = credits.get_invitation_code(deps, call.path["customer_id"], request=request)
    return Reply(body=render_parties.credit_account(account, deps.clock.now(), site_of(call.http)), replayed=replayed)


@routes.operation(
    "POST",
    "/v1/customers/{customer_id}/invited",
    roles=BUSINESS | CUSTOMER,
    body=party_requests.TakeInvitation,
    answer=party_views.CreditAccountView,
)
def take_invitation(call: Call[party_requests.TakeInvitation]) -> Reply:
    """Say whose invitation a new customer follows: both get credit after their first paid tab of enough."""
    deps, request = get_deps(), call.request
    replayed = is_replay(deps, request)
    account = credits.take_invitation(deps, call.path["customer_id"], call.body.code, request=request)
    return Reply(body=render_parties.credit_account(account, deps.clock.now(), site_of(call.http)), replayed=replayed)
