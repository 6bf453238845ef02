"""The stand-in against the vendor's own description: parameters, listed differences, test cards."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from devstack.stripe_standin import conformance, events, routes
from devstack.stripe_standin.params import Required

from .conftest import CARD_ONLY, Standin

pytestmark = pytest.mark.skipif(
    not conformance.available(), reason=f"the check against Stripe's document needs {' and '.join(conformance.NEEDS)}"
)

# Parameters that the document of 2026-05-27 does not have and the typed parameters of the SDK do (2026-10-28.endive).
NEWER = {"allowed_payment_method_types", "setup_credential_usage", "stored_credential_usage"}
# What Stripe takes from its own clients and does not document.
CLIENT_ONLY = {"client_secret"}


def _paths(rule: Any, prefix: str) -> list[str]:
    """The dotted names of every parameter below a rule."""
    rule = rule.rule if isinstance(rule, Required) else rule
    while hasattr(rule, "inner"):
        rule = rule.inner
    found = [prefix]
    for name, inner in getattr(rule, "fields", {}).items():
        found += _paths(inner, f"{prefix}.{name}")
    return found


def _documented(node: dict[str, Any], prefix: str = "") -> set[str]:
    """The dotted names in a request schema; `x.*` for a free hash."""
    found: set[str] = set()
    for option in node.get("anyOf", [node]):
        if option.get("type") == "array":
            found |= _documented(option["items"], prefix)
        for name, inner in option.get("properties", {}).items():
            path = f"{prefix}.{name}" if prefix else name
            found.add(path)
            found |= _documented(inner, path)
    return found


def _template(path: str) -> str:
    found = conformance.documented_path("/v1/" + path.replace("{}", "x_1"))
    assert found is not None, path
    return found


@pytest.mark.parametrize("route", routes.ROUTES.values(), ids=lambda route: route.name)
def test_every_parameter_taken_is_one_that_stripe_takes(route: routes.Route) -> None:
    """No route accepts a parameter that neither the OpenAPI document nor the SDK's typed parameters know."""
    method, path = route.name.split(" /v1/")
    operation = conformance.document()["paths"][_template(path)][method.lower()]
    content = operation.get("requestBody", {}).get("content", {}).get("application/x-www-form-urlencoded", {})
    documented = _documented(content.get("schema", {}))
    documented |= {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"}
    ours = [name for field, rule in route.fields.items() for name in _paths(rule, field)]

    unknown = [name for name in ours if name not in documented and name.split(".")[-1] not in NEWER | CLIENT_ONLY]

    # Ranges (created[gte]) and inline cards (payment_method_data[card]) are documented in prose only.
    assert [name for name in unknown if not name.startswith(("payment_method_data.card", "created."))] == []


@pytest.mark.parametrize("name", sorted(NEWER))
def test_a_parameter_newer_than_the_document_is_in_the_sdk(name: str) -> None:
    """What the document lacks is in the SDK's typed parameters for the pinned version."""
    module = importlib.import_module("stripe.params._payment_intent_create_params")

    assert f"    {name}: NotRequired" in inspect.getsource(module)


def test_the_sdk_and_the_stand_in_speak_the_same_version() -> None:
    """Events carry the version that the SDK is pinned to."""
    assert events.API_VERSION == stripe._api_version._ApiVersion.CURRENT


def test_every_event_sent_is_an_event_of_stripes() -> None:
    """Each type the stand-in sends is in the enum that webhook_endpoints accept."""
    create = conformance.document()["paths"]["/v1/webhook_endpoints"]["post"]["requestBody"]["content"]
    enum = create["application/x-www-form-urlencoded"]["schema"]["properties"]["enabled_events"]["items"]["enum"]

    assert set(enum) >= events.SENT


def test_every_listed_difference_from_the_document_is_met(
    client: stripe.StripeClient, standin: Standin, pay: Callable[..., Any]
) -> None:
    """The list of differences holds nothing that no answer shows."""
    pay(1000, payment_method_options={"card": {"setup_credential_usage": "unscheduled"}})
    pay(1000, payment_method_options={"card": {"stored_credential_usage": "unscheduled"}})
    client.v1.setup_intents.create({"payment_method": "pm_card_visa", "confirm": True, **CARD_ONLY})
    price = {"currency": "eur", "unit_amount": 1250, "product_data": {"name": "Haircut"}}
    client.v1.checkout.sessions.create(
        {"mode": "payment", "line_items": [{"price_data": price}], "success_url": "http://127.0.0.1:9/"}
    )

    assert set(conformance.DIFFERENCES) - conformance.met == set()
    assert all(conformance.DIFFERENCES.values())


def test_the_check_can_fail() -> None:
    """An invented field, a missing one and a wrong type are each found."""
    good = {"id": "re_1", "object": "refund", "amount": 1, "created": 1, "currency": "eur", "charge": None}

    assert conformance.check_object(good, "x") == []
    assert conformance.check_object({**good, "colour": "red"}, "x")
    assert conformance.check_object({**good, "amount": "1"}, "x")
    assert conformance.check_object({key: value for key, value in good.items() if key != "amount"}, "x")
