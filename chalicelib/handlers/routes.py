"""Every route: its method, its path, and the function that serves it. Its module is imported when it is first called.

A start registers over a hundred routes, and a request needs one of them: therefore these tables hold nothing but
strings. What an operation takes, answers and allows is declared at its function (`operations.Routes`); a test holds
both together.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module

from chalice.app import Chalice, Response

from chalicelib import bootstrap, config
from chalicelib.handlers.authorizer import authorizer

Serve = Callable[..., Response]
"""Takes the request, and the values of its path by name."""

ROUTES = (
    ("POST", "/v1/merchants", "api.merchants:create_merchant"),
    ("GET", "/v1/merchant", "api.merchants:get_merchant"),
    ("PUT", "/v1/merchant/branding", "api.merchants:set_branding"),
    ("PUT", "/v1/merchant/policy", "api.merchants:set_policy"),
    ("PUT", "/v1/merchant/contact", "api.merchants:set_merchant_contact"),
    ("POST", "/v1/customers", "api.customers:create_customer"),
    ("GET", "/v1/customers", "api.contacts:list_customers"),
    ("GET", "/v1/customers/{customer_id}", "api.customers:get_customer"),
    ("POST", "/v1/customers/{customer_id}/setup_intent", "api.customers:prepare_card"),
    ("POST", "/v1/customers/{customer_id}/remove_card", "api.customers:remove_card"),
    ("GET", "/v1/customers/{customer_id}/contact", "api.contacts:get_contact"),
    ("PUT", "/v1/customers/{customer_id}/contact", "api.contacts:put_contact"),
    ("DELETE", "/v1/customers/{customer_id}/contact", "api.contacts:erase_contact"),
    ("POST", "/v1/customers/{customer_id}/opt_out", "api.contacts:opt_out"),
    ("POST", "/v1/customers/{customer_id}/opt_in", "api.contacts:opt_in"),
    ("GET", "/v1/customers/{customer_id}/credits", "api.credits:get_credits"),
    ("PUT", "/v1/customers/{customer_id}/credits", "api.credits:set_credits"),
    ("POST", "/v1/customers/{customer_id}/invitation", "api.credits:make_invitation"),
    ("POST", "/v1/customers/{customer_id}/invited", "api.credits:take_invitation"),
    ("GET", "/v1/customers/{customer_id}/standing", "api.standing:get_standing"),
    ("POST", "/v1/customers/{customer_id}/standing/objections", "api.standing:object_to_standing"),
    ("POST", "/v1/customers/{customer_id}/standing/objections/{tab_id}/decide", "api.standing:decide_objection"),
    ("POST", "/v1/tabs", "api.bookings:open_tab"),
    ("GET", "/v1/tabs", "api.listing:list_tabs"),
    ("GET", "/v1/tabs/{tab_id}", "api.reading:get_tab"),
    ("GET", "/v1/tabs/{tab_id}/timeline", "api.timeline:get_timeline"),
    ("GET", "/v1/tabs/{tab_id}/agenda", "api.agenda:get_agenda"),
    ("GET", "/v1/tabs/{tab_id}/evidence/{dispute_id}", "api.evidence:get_evidence"),
    ("PUT", "/v1/tabs/{tab_id}/evidence/{dispute_id}", "api.evidence:put_evidence"),
    ("POST", "/v1/tabs/{tab_id}/evidence/{dispute_id}/stage", "api.evidence:stage_evidence"),
    ("POST", "/v1/tabs/{tab_id}/evidence/{dispute_id}/submit", "api.evidence:submit_evidence"),
    ("POST", "/v1/tabs/{tab_id}/accept_promise", "api.bookings:accept_promise"),
    ("POST", "/v1/tabs/{tab_id}/propose_promise", "api.bookings:propose_promise"),
    ("POST", "/v1/tabs/{tab_id}/reschedule", "api.bookings:reschedule"),
    ("POST", "/v1/tabs/{tab_id}/check_in", "api.bookings:check_in"),
    ("POST", "/v1/tabs/{tab_id}/items", "api.tabs:add_items"),
    ("POST", "/v1/tabs/{tab_id}/items/{item_id}/void", "api.tabs:void_item"),
    ("POST", "/v1/tabs/{tab_id}/complete", "api.tabs:complete"),
    ("POST", "/v1/tabs/{tab_id}/accept_bill", "api.tabs:accept_bill"),
    ("POST", "/v1/tabs/{tab_id}/charges", "api.payments:charge"),
    ("POST", "/v1/tabs/{tab_id}/payment_sheet", "api.payments:payment_sheet"),
    ("POST", "/v1/tabs/{tab_id}/cancel", "api.bookings:cancel"),
    ("POST", "/v1/tabs/{tab_id}/no_show", "api.bookings:no_show"),
    ("POST", "/v1/tabs/{tab_id}/waive", "api.tabs:waive"),
    ("POST", "/v1/tabs/{tab_id}/walk_out", "api.bills:walk_out"),
    ("POST", "/v1/tabs/{tab_id}/seen", "api.bills:seen"),
    ("POST", "/v1/tabs/{tab_id}/amend", "api.bills:amend"),
    ("POST", "/v1/tabs/{tab_id}/choose_tier", "api.bills:choose_tier"),
    ("POST", "/v1/tabs/{tab_id}/contest", "api.bills:contest"),
    ("POST", "/v1/tabs/{tab_id}/resolve", "api.bills:resolve"),
    ("POST", "/v1/tabs/{tab_id}/adjust", "api.bills:adjust"),
    ("POST", "/v1/tabs/{tab_id}/refunds", "api.bills:refund"),
    ("POST", "/v1/tabs/{tab_id}/retry_refund", "api.bills:retry_refund"),
    ("POST", "/v1/tabs/{tab_id}/refund_elsewhere", "api.bills:refund_elsewhere"),
    ("POST", "/v1/tabs/{tab_id}/resolve_flag", "api.bills:resolve_flag"),
    ("POST", "/v1/tabs/{tab_id}/cash", "api.bills:take_cash"),
    ("POST", "/v1/tabs/{tab_id}/return_cash", "api.bills:return_cash"),
    ("POST", "/v1/tabs/{tab_id}/tip", "api.bills:tip"),
    ("POST", "/v1/tabs/{tab_id}/announce_cash", "api.bills:announce_cash"),
    ("POST", "/v1/tabs/{tab_id}/rate", "api.bills:rate"),
    ("POST", "/v1/tabs/{tab_id}/write_off", "api.bills:write_off"),
    ("POST", "/v1/tabs/{tab_id}/pause_followup", "api.bills:pause_followup"),
    ("POST", "/v1/tabs/{tab_id}/resume_followup", "api.bills:resume_followup"),
    ("POST", "/v1/tabs/{tab_id}/send_reminder", "api.bills:send_reminder"),
    ("POST", "/v1/tabs/{tab_id}/split", "api.shares:split"),
    ("POST", "/v1/tabs/{tab_id}/unsplit", "api.shares:unsplit"),
    ("GET", "/v1/tabs/{tab_id}/story", "api.stories:get_story"),
    ("POST", "/v1/tabs/{tab_id}/tell_story", "api.stories:tell_story"),
    ("POST", "/v1/tabs/{tab_id}/withdraw_story", "api.stories:withdraw_story"),
    ("POST", "/v1/tabs/{tab_id}/links", "api.links:make_link"),
    ("GET", "/v1/tabs/{tab_id}/links", "api.links:list_links"),
    ("POST", "/v1/tabs/{tab_id}/links/{link_id}/revoke", "api.links:revoke_link"),
    ("POST", "/v1/tabs/{tab_id}/links/{link_id}/reissue", "api.links:reissue_link"),
    ("POST", "/v1/tabs/{tab_id}/disown", "api.links:disown"),
    ("GET", "/v1/link", "api.links:get_link"),
    ("POST", "/v1/link/take_over", "api.links:take_over"),
    ("POST", "/v1/tokens", "api.tokens:make_tokens"),
    ("GET", "/v1/tokens", "api.tokens:list_tokens"),
    ("POST", "/v1/tokens/{number}/replace", "api.tokens:replace_token"),
    ("POST", "/v1/tokens/{number}/revoke", "api.tokens:revoke_token"),
    ("POST", "/v1/tabs/{tab_id}/bind_token", "api.tokens:bind_token"),
    ("POST", "/v1/tabs/{tab_id}/unbind_token", "api.tokens:unbind_token"),
    ("POST", "/v1/endpoints", "api.endpoints:create_endpoint"),
    ("GET", "/v1/endpoints", "api.endpoints:list_endpoints"),
    ("GET", "/v1/endpoints/{endpoint_id}", "api.endpoints:get_endpoint"),
    ("PUT", "/v1/endpoints/{endpoint_id}", "api.endpoints:update_endpoint"),
    ("DELETE", "/v1/endpoints/{endpoint_id}", "api.endpoints:delete_endpoint"),
    ("POST", "/v1/endpoints/{endpoint_id}/disable", "api.endpoints:disable_endpoint"),
    ("POST", "/v1/endpoints/{endpoint_id}/enable", "api.endpoints:enable_endpoint"),
    ("POST", "/v1/endpoints/{endpoint_id}/rotate_secret", "api.endpoints:rotate_secret"),
    ("POST", "/v1/endpoints/{endpoint_id}/test", "api.endpoints:send_test_notice"),
    ("GET", "/v1/endpoints/{endpoint_id}/notices", "api.endpoints:list_notices"),
    ("GET", "/v1/endpoints/{endpoint_id}/notices/{notice_id}", "api.endpoints:get_notice"),
    ("POST", "/v1/endpoints/{endpoint_id}/notices/{notice_id}/replay", "api.endpoints:replay_notice"),
    ("POST", "/v1/endpoints/{endpoint_id}/replay", "api.endpoints:replay_since"),
    ("GET", "/v1/reports/receivables", "api.reports:get_receivables"),
    ("GET", "/v1/reports/totals", "api.reports:get_totals"),
    ("GET", "/v1/reports/forecast", "api.figures:get_forecast"),
    ("GET", "/v1/reports/integrity", "api.figures:get_integrity"),
    ("GET", "/v1/merchant/integrity", "api.figures:get_published_integrity"),
)
"""Behind the authorizer. Bodies are JSON."""

JSON, FORM, ANYTHING = "application/json", "application/x-www-form-urlencoded", ""
PUBLIC_ROUTES = (
    ("GET", "/v1/health", "api.service:health", ANYTHING),
    ("GET", "/v1/openapi.json", "api.service:openapi", ANYTHING),
    ("GET", "/v1/stories/{merchant_id}", "api.stories:list_stories", ANYTHING),
    ("GET", "/v1/unsubscribe/{merchant_id}/{customer_id}/{key}", "api.unsubscribe:show_unsubscribe", ANYTHING),
    ("POST", "/v1/unsubscribe/{merchant_id}/{customer_id}/{key}", "api.unsubscribe:unsubscribe", ANYTHING),
    ("POST", "/v1/webhooks/stripe", "events.stripe_webhook:stripe_webhook", JSON),
    ("GET", "/t/{secret}", "pages.routes:show", ANYTHING),
    ("POST", "/t/{secret}/{act}", "pages.routes:act", FORM),
    ("GET", "/back/{mark}", "pages.routes:back", ANYTHING),
    ("GET", "/r/{code}", "pages.routes:invitation", ANYTHING),
    ("GET", "/docs", "pages.docs:reference", ANYTHING),
    ("GET", "/docs/{name}", "pages.docs:show", ANYTHING),
    ("GET", "/s/{secret}", "pages.stories:show", ANYTHING),
    ("POST", "/s/{secret}/{act}", "pages.stories:act", FORM),
    ("GET", "/stories/{merchant_id}", "pages.stories:block", ANYTHING),
)
"""Without the authorizer: the answer is public, the request is signed, or a secret is in the address. Last the type of
the body. Whatever is answered to GET is answered to HEAD, too: browsers, crawlers and uptime checks ask so."""


def register(app: Chalice) -> None:
    """Tell Chalice of all routes. Nothing that serves them is imported."""
    for method, path, target in ROUTES:
        # A request without a body has no content type to be wrong.
        content_types = [JSON] if method in ("POST", "PUT") else []
        app.route(path, methods=[method], name=target, content_types=content_types, authorizer=authorizer)(
            _view(app, target)
        )
    for method, path, target, content_type in PUBLIC_ROUTES:
        methods = ["GET", "HEAD"] if method == "GET" else [method]
        app.route(path, methods=methods, name=target, content_types=[content_type] if content_type else [])(
            _view(app, target)
        )


def _view(app: Chalice, target: str) -> Callable[..., Response]:
    def view(**path: str) -> Response:
        request = app.current_request
        response = serving(target)(request, **path)
        if request is not None and request.method == "HEAD":
            response.body = ""
        return response

    return view


@functools.cache
def serving(target: str) -> Serve:
    """The function that serves a route; `target`: its module below `handlers`, a colon, its name."""
    module, _, name = target.partition(":")
    serve: Serve = getattr(import_module(f"chalicelib.handlers.{module}"), name)
    return serve


def load(*modules: str) -> None:
    """Import the modules of these routes now; without a name, all of them."""
    for _, _, target, *_ in ROUTES + PUBLIC_ROUTES:
        if not modules or target.partition(":")[0] in modules:
            serving(target)


_FIRST = {"app": "api.reading", "webhook": "events.stripe_webhook", "pages": "pages.routes"}
"""What most requests of a function are served by."""


def prepare(function: str) -> None:
    """At the start of a function, import what most of its requests need; for a snapshot, where nobody waits, all."""
    if config.starts_from_snapshot():
        load()
    elif function in _FIRST:
        load(_FIRST[function])
    bootstrap.prepare()
