"""/v1/customers: the business creates them, they save their card themselves."""

from __future__ import annotations

from chalicelib.bootstrap import deps
from chalicelib.handlers.api import render, requests, views
from chalicelib.handlers.api.operations import BUSINESS, CUSTOMER, Call, Reply, Routes, is_replay
from chalicelib.usecases.parties import customers

routes = Routes(__name__)


@routes.operation(
    "POST", "/v1/customers", roles=BUSINESS, body=requests.NewCustomer, answer=views.CustomerView, status=201
)
def create_customer(call: Call[requests.NewCustomer]) -> Reply:
    """Create a customer."""
    outside, request = deps(), call.request
    replayed = is_replay(outside, request)
    customer = customers.create_customer(outside, call.body.reference, request=request)
    return Reply(body=render.customer(customer, call.by), replayed=replayed)


@routes.operation("GET", "/v1/customers/{customer_id}", roles=BUSINESS | CUSTOMER, answer=views.CustomerView)
def get_customer(call: Call[None]) -> Reply:
    """Get a customer; customers only themselves."""
    return Reply(body=render.customer(customers.get_customer(deps(), call.path["customer_id"], by=call.by), call.by))


@routes.operation(
    "POST",
    "/v1/customers/{customer_id}/setup_intent",
    roles=CUSTOMER,
    body=requests.CardSetupRequest,
    answer=views.CardSetupView,
    status=201,
)
def prepare_card(call: Call[requests.CardSetupRequest]) -> Reply:
    """Prepare saving the customer's own card; their consent is recorded first."""
    terms = customers.CardTerms(
        terms_sha256=call.body.card_terms_sha256,
        tab_id=call.body.tab_id,
        ip=call.ip,
        user_agent=call.user_agent,
    )
    outside = deps()
    prepared = customers.prepare_card(outside, call.path["customer_id"], terms, request=call.request)
    body = views.CardSetupView(
        setup_id=prepared.setup.setup_id,
        client_secret=prepared.setup.client_secret,
        publishable_key=outside.gateway.publishable_key,
        account=prepared.account,
    )
    return Reply(body=body, replayed=prepared.replayed)


@routes.operation(
    "POST", "/v1/customers/{customer_id}/remove_card", roles=BUSINESS | CUSTOMER, answer=views.CustomerView
)
def remove_card(call: Call[requests.Nothing]) -> Reply:
    """Remove the saved card: it can't be charged any more, and deposits that relied on it are wanted again."""
    outside, request = deps(), call.request
    replayed = is_replay(outside, request)
    customer = customers.remove_card(outside, call.path["customer_id"], request=request)
    return Reply(body=render.customer(customer, call.by), replayed=replayed)
