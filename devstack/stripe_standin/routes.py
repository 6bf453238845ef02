"""Owns the table of paths: which function serves what, with which parameters, and what a publishable key may call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import (
    accounts,
    balance,
    catalog,
    charges,
    checkout,
    customer_sessions,
    customers,
    direct_charges,
    disputes,
    endpoints,
    files,
    payment_intents,
    payment_methods,
    refunds,
    search,
    setup_intents,
    tokens,
)
from .params import EXPAND, PAGE, Fields


@dataclass(frozen=True, slots=True)
class Route:
    name: str  # as the request log counts it: "POST /v1/payment_intents/{}/confirm"
    serve: Callable[..., Any]
    fields: Fields
    check: Callable[..., None] | None = None  # rules between parameters, before execution
    publishable: bool = False
    kind: str = ""  # of the object that is answered, or of which a list is
    many: bool = False


ROUTES: dict[tuple[str, str], Route] = {}
_KINDS = {
    "account": "account", "accounts": "account", "application_fees": "application_fee", "balance": "balance",
    "balance_transactions": "balance_transaction", "charges": "charge", "customer_sessions": "customer_session",
    "customers": "customer",
    "disputes": "dispute", "early_fraud_warnings": "radar.early_fraud_warning", "events": "event", "files": "file",
    "line_items": "item", "payment_intents": "payment_intent", "payment_methods": "payment_method",
    "payment_pages": "checkout.session", "prices": "price", "products": "product", "refunds": "refund",
    "sessions": "checkout.session", "setup_intents": "setup_intent", "tokens": "token",
    "webhook_endpoints": "webhook_endpoint",
}  # fmt: skip


def _add(
    method: str,
    path: str,
    serve: Callable[..., Any],
    fields: Fields = EXPAND,
    *,
    check: Callable[..., None] | None = None,
    publishable: bool = False,
) -> None:
    named = [word for word in path.split("/") if word in _KINDS][-1]
    many = method == "GET" and not path.endswith("{}") and path not in ("account", "balance")
    ROUTES[method, path] = Route(f"{method} /v1/{path}", serve, fields, check, publishable, _KINDS[named], many)


_add("POST", "customers", customers.create, customers.CREATE)
_add("GET", "customers", customers.list_all, customers.LIST)
_add("GET", "customers/{}", customers.retrieve)
_add("POST", "customers/{}", customers.update, customers.WRITE)
_add("DELETE", "customers/{}", customers.delete, {})
_add("GET", "customers/{}/payment_methods", customers.list_methods, customers.LIST_METHODS)
_add("GET", "customers/{}/payment_methods/{}", customers.retrieve_method)

_add(
    "POST",
    "customer_sessions",
    customer_sessions.create,
    customer_sessions.CREATE,
    check=customer_sessions.check_create,
)

_add("POST", "payment_methods", payment_methods.create, payment_methods.CREATE, publishable=True)
_add("GET", "payment_methods", payment_methods.list_all, payment_methods.LIST)
_add("GET", "payment_methods/{}", payment_methods.retrieve)
_add("POST", "payment_methods/{}", payment_methods.update, payment_methods.UPDATE)
_add("POST", "payment_methods/{}/attach", payment_methods.attach, payment_methods.ATTACH)
_add("POST", "payment_methods/{}/detach", payment_methods.detach)

_add("POST", "setup_intents", setup_intents.create, setup_intents.CREATE, check=setup_intents.check_create)
_add("GET", "setup_intents", setup_intents.list_all, setup_intents.LIST)
_add("GET", "setup_intents/{}", setup_intents.retrieve, setup_intents.RETRIEVE, publishable=True)
_add("POST", "setup_intents/{}", setup_intents.update, setup_intents.UPDATE)
_add("POST", "setup_intents/{}/confirm", setup_intents.confirm, setup_intents.CONFIRM, publishable=True)
_add("POST", "setup_intents/{}/cancel", setup_intents.cancel, setup_intents.CANCEL)

_add("POST", "payment_intents", payment_intents.create, payment_intents.CREATE, check=payment_intents.check_create)
_add("GET", "payment_intents", payment_intents.list_all, payment_intents.LIST)
_add("GET", "payment_intents/{}", payment_intents.retrieve, payment_intents.RETRIEVE, publishable=True)
_add("POST", "payment_intents/{}", payment_intents.update, payment_intents.UPDATE, check=payment_intents.check_update)
_add("POST", "payment_intents/{}/confirm", payment_intents.confirm, payment_intents.CONFIRM, publishable=True)
_add("POST", "payment_intents/{}/capture", payment_intents.capture, payment_intents.CAPTURE)
_add("POST", "payment_intents/{}/cancel", payment_intents.cancel, payment_intents.CANCEL)

_add("GET", "charges", charges.list_all, charges.LIST)
_add("GET", "charges/{}", charges.retrieve)
_add("POST", "charges/{}", charges.update, charges.UPDATE)
_add("POST", "charges", direct_charges.create, direct_charges.CREATE, check=direct_charges.check_create)
_add("POST", "charges/{}/capture", direct_charges.capture, charges.CAPTURE)

_add("POST", "refunds", refunds.create, refunds.CREATE, check=refunds.check_create)
_add("GET", "refunds", refunds.list_all, refunds.LIST)
_add("GET", "refunds/{}", refunds.retrieve)
_add("POST", "refunds/{}", refunds.update, refunds.UPDATE)
_add("POST", "refunds/{}/cancel", refunds.cancel)

_add("GET", "balance", balance.read)
_add("GET", "balance_transactions", balance.list_all, balance.LIST)
_add("GET", "balance_transactions/{}", balance.retrieve)

_add("GET", "events", endpoints.list_events, endpoints.EVENTS)
_add("GET", "events/{}", endpoints.retrieve_event)
_add("POST", "webhook_endpoints", endpoints.create, endpoints.CREATE, check=endpoints.check_create)
_add("GET", "webhook_endpoints", endpoints.list_all, endpoints.LIST)
_add("GET", "webhook_endpoints/{}", endpoints.retrieve)
_add("POST", "webhook_endpoints/{}", endpoints.update, endpoints.UPDATE, check=endpoints.check_update)
_add("DELETE", "webhook_endpoints/{}", endpoints.delete, {})

_add("GET", "disputes", disputes.list_all, disputes.LIST)
_add("GET", "disputes/{}", disputes.retrieve)
_add("POST", "disputes/{}", disputes.update, disputes.UPDATE)
_add("POST", "disputes/{}/close", disputes.concede)
_add("GET", "radar/early_fraud_warnings", disputes.list_warnings, disputes.LIST)
_add("GET", "radar/early_fraud_warnings/{}", disputes.retrieve_warning)

_add("POST", "checkout/sessions", checkout.create, checkout.CREATE, check=checkout.check_create)
_add("GET", "checkout/sessions", checkout.list_all, checkout.LIST)
_add("GET", "checkout/sessions/{}", checkout.retrieve)
_add("POST", "checkout/sessions/{}", checkout.update, checkout.UPDATE)
_add("POST", "checkout/sessions/{}/expire", checkout.expire)
_add("GET", "checkout/sessions/{}/line_items", checkout.line_items, PAGE)

_add("GET", "payment_pages/{}", checkout.retrieve)
_add("POST", "payment_pages/{}/confirm", checkout.confirm_page, checkout.CONFIRM_PAGE)

_add("POST", "products", catalog.create_product, catalog.CREATE_PRODUCT)
_add("GET", "products", catalog.list_products, catalog.LIST_PRODUCTS)
_add("GET", "products/{}", catalog.retrieve_product)
_add("POST", "products/{}", catalog.update_product, catalog.UPDATE_PRODUCT)
_add("DELETE", "products/{}", catalog.delete_product, {})
_add("POST", "prices", catalog.create_price, catalog.CREATE_PRICE, check=catalog.check_price)
_add("GET", "prices", catalog.list_prices, catalog.LIST_PRICES)
_add("GET", "prices/{}", catalog.retrieve_price)
_add("POST", "prices/{}", catalog.update_price, catalog.UPDATE_PRICE)

_add("POST", "tokens", tokens.create, tokens.CREATE, publishable=True)
_add("GET", "tokens/{}", tokens.retrieve)

_add("POST", "files", files.create, files.CREATE)
_add("GET", "files", files.list_all, files.LIST)
_add("GET", "files/{}", files.retrieve)
_add("GET", "files/{}/contents", files.content, {})

_add("GET", "payment_intents/search", search.payment_intents, search.SEARCH)
_add("GET", "charges/search", search.charges, search.SEARCH)
_add("GET", "customers/search", search.customers, search.SEARCH)

_add("GET", "account", accounts.own)
_add("POST", "accounts", accounts.create, accounts.CREATE)
_add("GET", "accounts", accounts.list_all, accounts.LIST)
_add("GET", "accounts/{}", accounts.retrieve)
_add("POST", "accounts/{}", accounts.update, accounts.UPDATE)
_add("DELETE", "accounts/{}", accounts.delete, {})
_add("GET", "application_fees", accounts.list_fees, accounts.LIST_FEES)
_add("GET", "application_fees/{}", accounts.retrieve_fee)


def find(method: str, path: str) -> tuple[Route | None, list[str]]:
    """The route for a path below /v1/, and the ids in it. Literal paths win over ids."""
    route = ROUTES.get((method, path))
    if route is not None:
        return route, []
    parts = path.split("/")
    first = 2 if parts[0] in ("checkout", "radar") else 1  # checkout/sessions/{} has two words before its id
    ids = parts[first::2]
    parts[first::2] = ["{}"] * len(ids)
    return ROUTES.get((method, "/".join(parts))), ids
