"""The stand-in against the vendor's own description: parameters, listed differences, test cards."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from devstack.stripe_standin import conformance, events, objects, routes, versions
from devstack.stripe_standin.expand import EXPANDABLE
from devstack.stripe_standin.params import Required

from .conftest import CARD_ONLY, Standin

# Parameters that we take although the document of 2026-05-27 does not have them, and why. An entry that no route uses
# fails. The first three are in the SDK's typed parameters (2026-10-28.endive), which a test below looks up.
_IN_THE_SDK = "newer than the document; in the SDK's typed parameters"
NEWER = ("allowed_payment_method_types", "setup_credential_usage", "stored_credential_usage")
PARAMETERS = {
    **dict.fromkeys(NEWER, _IN_THE_SDK),
    "payment_method_data.card": "inline cards are documented in prose, for test keys",
}


# Ours and the SDK's.
SHAPES = {
    objects.Account: stripe.Account,
    objects.ApplicationFee: stripe.ApplicationFee,
    objects.BalanceTransaction: stripe.BalanceTransaction,
    objects.Charge: stripe.Charge,
    objects.CheckoutSession: stripe.checkout.Session,
    objects.Customer: stripe.Customer,
    objects.CustomerSession: stripe.CustomerSession,
    objects.Dispute: stripe.Dispute,
    objects.EarlyFraudWarning: stripe.radar.EarlyFraudWarning,
    objects.PaymentIntent: stripe.PaymentIntent,
    objects.PaymentMethod: stripe.PaymentMethod,
    objects.File: stripe.File,
    objects.Price: stripe.Price,
    objects.Product: stripe.Product,
    objects.Refund: stripe.Refund,
    objects.Token: stripe.Token,
    objects.SetupIntent: stripe.SetupIntent,
    objects.WebhookEndpoint: stripe.WebhookEndpoint,
}


def _paths(rule: Any, prefix: str) -> list[str]:
    """The dotted names of every parameter at and below a rule."""
    rule = rule.rule if isinstance(rule, Required) else rule
    found = [prefix]
    for option in getattr(rule, "options", [rule.inner] if hasattr(rule, "inner") else []):
        found += _paths(option, prefix)
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


def _undocumented(route: routes.Route) -> list[str]:
    """The parameters that a route takes and the document does not have for it."""
    method, path = route.name.split(" /v1/")
    operation = conformance.document()["paths"][_template(path)][method.lower()]
    documented: set[str] = set()
    for content in operation.get("requestBody", {}).get("content", {}).values():
        documented |= _documented(content.get("schema", {}))
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query":
            documented |= {parameter["name"], *_documented(parameter["schema"], parameter["name"])}
    return [name for field, rule in route.fields.items() for name in _paths(rule, field) if name not in documented]


def _listed(name: str) -> str | None:
    """The entry of PARAMETERS that a parameter falls under."""
    return next(
        (known for known in PARAMETERS if f".{name}.".endswith(f".{known}.") or name.startswith(known + ".")), None
    )


# The routes that Stripe's document describes: not the ones that only its own tools use, nor a file as it was uploaded.
DOCUMENTED = [
    route
    for route in routes.ROUTES.values()
    if not route.name.endswith("/contents") and not any(path in route.name for path in conformance.UNDOCUMENTED)
]


@pytest.mark.parametrize("route", DOCUMENTED, ids=lambda route: route.name)
def test_every_parameter_taken_is_one_that_stripe_takes(route: routes.Route) -> None:
    """No route accepts a parameter that neither the OpenAPI document nor the list of differences has."""
    assert [name for name in _undocumented(route) if _listed(name) is None] == []


def test_every_listed_parameter_is_taken() -> None:
    """The list holds no parameter that the document has, or that no route takes."""
    used = {_listed(name) for route in DOCUMENTED for name in _undocumented(route)}

    assert set(PARAMETERS) - used == set()


@pytest.mark.parametrize("name", sorted(NEWER))
def test_a_parameter_newer_than_the_document_is_in_the_sdk(name: str) -> None:
    """What the document lacks is in the SDK's typed parameters for the pinned version."""
    module = importlib.import_module("stripe.params._payment_intent_create_params")

    assert f"    {name}: NotRequired" in inspect.getsource(module)


def _expands(kind: str, field: str) -> set[str]:
    """The kinds that the document can answer in place of the id in a field."""
    described = conformance.document()["components"]["schemas"][kind]["properties"][field]
    named = described.get("x-expansionResources", {}).get("oneOf", [])
    return {option["$ref"].rpartition("/")[2] for option in named}


@pytest.mark.parametrize("kind", [kind for kind in EXPANDABLE if kind.islower()])
def test_what_can_be_expanded_here_can_be_expanded_at_stripe(kind: str) -> None:
    """Each field and what is answered there; a refund's customer and card are newer than the document."""
    newer = {field for schema, field in conformance.DIFFERENCES if schema == kind}
    ids = {
        field: set(kinds)
        for field, kinds in EXPANDABLE[kind].items()
        if field not in newer and all(kind.islower() for kind in kinds)
    }

    assert {field: kinds - _expands(kind, field) for field, kinds in ids.items() if kinds - _expands(kind, field)} == {}


def test_the_sdk_and_the_stand_in_speak_the_same_version() -> None:
    """Events carry the version that the SDK is pinned to."""
    assert versions.NEWEST == stripe._api_version._ApiVersion.CURRENT


def test_every_event_sent_is_an_event_of_stripes() -> None:
    """Each type the stand-in sends is in the enum that webhook_endpoints accept."""
    create = conformance.document()["paths"]["/v1/webhook_endpoints"]["post"]["requestBody"]["content"]
    enum = create["application/x-www-form-urlencoded"]["schema"]["properties"]["enabled_events"]["items"]["enum"]

    assert set(enum) >= events.SENT
    typed = inspect.getsource(importlib.import_module("stripe.params._webhook_endpoint_create_params"))
    assert set(re.findall(r'^ +"([a-z_.0-9]+\.[a-z_]+|\*)",$', typed, re.MULTILINE)) | set(enum) == events.TYPES


def _answers(client: stripe.StripeClient, standin: Standin, pay: Callable[..., Any], customer: str) -> list[Any]:
    """An answer for every listed difference, whole as it came over the wire."""
    for usage in ("setup_credential_usage", "stored_credential_usage"):
        pay(1000, payment_method_options={"card": {usage: "unscheduled"}})
    disputed = pay(2000, card="pm_card_createDispute", customer=customer)
    client.v1.refunds.create({"payment_intent": pay(1000, customer=customer, setup_future_usage="off_session").id})
    client.v1.setup_intents.create({"payment_method": "pm_card_visa", "confirm": True, **CARD_ONLY})
    price = {"currency": "eur", "unit_amount": 1250, "product_data": {"name": "Haircut"}}
    item = {"price_data": price, "quantity": 1}
    client.v1.checkout.sessions.create(
        {"mode": "payment", "line_items": [item], "success_url": "http://127.0.0.1:9/", **CARD_ONLY}
    )
    assert disputed.status == "succeeded"
    kinds = ("payment_intents", "setup_intents", "checkout/sessions", "refunds", "disputes")
    return [answered for kind in kinds for answered in standin.raw("GET", f"/v1/{kind}?limit=100")[1]["data"]]


def test_every_listed_difference_is_one(
    client: stripe.StripeClient, standin: Standin, pay: Callable[..., Any], customer: str
) -> None:
    """Without any one entry the check finds fault with an answer; with all of them it finds none."""
    answers = _answers(client, standin, pay, customer)

    idle = []
    for entry in conformance.DIFFERENCES:
        without = conformance.Schemas({key: why for key, why in conformance.DIFFERENCES.items() if key != entry})
        showing = [answer for answer in answers if f"'{entry[1]}'" in str(answer)]
        if not any(entry[1] in problem for answer in showing for problem in without.check_object(answer, "")):
            idle.append(entry)

    assert idle == []
    assert all(conformance.DIFFERENCES.values())
    assert [problem for answer in answers for problem in conformance.schemas().check_object(answer, "")] == []


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_every_field_answered_is_one_that_the_sdk_has(shape: Any) -> None:
    """The SDK's own objects, made for the pinned version, have every field of ours."""
    theirs = SHAPES[shape].__annotations__

    assert [name for name in shape.__struct_fields__ if name not in theirs] == []


def test_the_check_can_fail() -> None:
    """An invented field, a missing one and a wrong type are each found."""
    good = {"id": "re_1", "object": "refund", "amount": 1, "created": 1, "currency": "eur", "charge": None}

    found = conformance.schemas().check_object

    assert found(good, "x") == []
    assert found({**good, "colour": "red"}, "x")
    assert found({**good, "amount": "1"}, "x")
    assert found({key: value for key, value in good.items() if key != "amount"}, "x")
