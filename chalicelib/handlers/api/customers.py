"""/v1/customers: the business creates customers; customers save and remove their own card."""

from __future__ import annotations

from chalicelib.bootstrap import get_deps
from chalicelib.domain.tab.actions import ROLES, Action
from chalicelib.handlers.api import party_requests, party_views, render_parties, requests
from chalicelib.handlers.api.operations import BUSINESS, CUSTOMER, Call, Reply, Routes, is_replay
from chalicelib.usecases.parties import customers

routes = Routes(__name__)


@routes.operation(
    "POST",
    "/v1/customers",
    roles=BUSINESS,
    body=party_requests.NewCustomer,
    answer=party_views.CustomerView,
    status=201,
)
def create_customer(call: Call[party_requests.NewCustomer]) -> Reply:
    """Create a customer."""
    deps, request = get_deps(), call.request
    replayed = is_replay(deps, request)
    customer = customers.create_customer(
        deps, call.body.reference, allow_same_reference=call.body.allow_same_reference, request=request
    )
    return Reply(body=render_parties.customer(customer, call.by), replayed=replayed)


@routes.operation("GET", "/v1/customers/{customer_id}", roles=BUSINESS | CUSTOMER, answer=party_views.CustomerView)
def get_customer(call: Call[None]) -> Reply:
    """Get a customer. A customer can get only themselves."""
    return Reply(
        body=render_parties.customer(customers.get_customer(get_deps(), call.path["customer_id"], by=call.by), call.by)
    )


@routes.operation(
    "POST",
    "/v1/customers/{customer_id}/setup_intent",
    roles=ROLES[Action.SAVE_CARD],
    body=party_requests.CardSetupRequest,
    answer=party_views.CardSetupView,
    status=201,
)
def prepare_card(call: Call[party_requests.CardSetupRequest]) -> Reply:
    """Prepare saving the customer's card. Their consent is recorded first."""
    terms = customers.CardTerms(
        terms_sha256=call.body.card_terms_sha256,
        tab_id=call.body.tab_id,
        ip=call.ip,
        user_agent=call.user_agent,
    )
    deps = get_deps()
    prepared = customers.prepare_card(deps, call.path["customer_id"], terms, request=call.request)
    body = party_views.CardSetupView(
        setup_id=prepared.setup.setup_id,
        client_secret=prepared.setup.client_secret,
        page_url=prepared.setup.page_url,
        publishable_key=deps.gateway.publishable_key,
        account=prepared.account,
    )
    return Reply(body=body, replayed=prepared.replayed)


@routes.operation(
    "POST", "/v1/customers/{customer_id}/remove_card", roles=BUSINESS | CUSTOMER, answer=party_views.CustomerView
)
def remove_card(call: Call[requests.Nothing]) -> Reply:
    """Remove the saved card: it cannot be charged any more, and deposits that relied on it must be secured again."""
    deps, request = get_deps(), call.request
    replayed = is_replay(deps, request)
    customer = customers.remove_card(deps, call.path["customer_id"], request=request)
    return Reply(body=render_parties.customer(customer, call.by), replayed=replayed)
