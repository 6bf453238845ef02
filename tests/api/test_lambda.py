"""The app as Lambda calls it: API Gateway's events, and which parts of a request are stored."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from chalice.app import APIGateway, Response

import app as application
from chalicelib.handlers.api import problems
from chalicelib.handlers.api.text import TextResponse

from .world import CARD_TERMS, Shop, World, booking


def proxy_event(method: str, resource: str, path: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """What we read of https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html#apigateway-example-event."""
    return {
        "resource": resource,
        "path": resource,
        "httpMethod": method,
        "headers": {"Content-Type": "application/json", "User-Agent": "Aftertab/1.0 (iPhone)"},
        "multiValueHeaders": {},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": path,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": method,
            "path": f"/dev{resource}",
            "stage": "dev",
            "identity": {"sourceIp": "203.0.113.9"},
        },
        "body": None,
        "isBase64Encoded": False,
        **more,
    }


def authorized(event: dict[str, Any], **context: str) -> dict[str, Any]:
    event["requestContext"]["authorizer"] = {"principalId": "ana", "integrationLatency": 3, **context}
    return event


def test_an_event_of_api_gateway_is_read(world: World, shop: Shop) -> None:
    """Headers in any case, a body in base64, the stage in the path: the request is the same."""
    event = proxy_event(
        "POST",
        "/v1/customers",
        body=base64.b64encode(json.dumps({"reference": "Ana"}).encode()).decode(),
        isBase64Encoded=True,
    )
    event["headers"]["IDEMPOTENCY-KEY"] = "k"

    answer = application.app(authorized(event, role="staff", merchant_id=shop.merchant_id), None)

    assert (answer["statusCode"], json.loads(answer["body"])["reference"]) == (201, "Ana")


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("method", "resource", "headers", "status"),
    [
        ("GET", "/v1/tabs/{tab_id}", {}, 200),
        ("GET", "/v1/tabs/{tab_id}", {"Content-Type": "application/json; charset=utf-8"}, 200),
        ("GET", "/v1/tabs/{tab_id}", {"Content-Type": "APPLICATION/JSON;charset=utf-8"}, 200),
        ("GET", "/v1/tabs/{tab_id}", {"content-type": FORM, "Accept": "image/png"}, 200),
        ("POST", "/v1/tabs/{tab_id}/complete", {"content-type": FORM, "Idempotency-Key": "k"}, 415),
        ("POST", "/v1/tabs/{tab_id}/complete", {"Idempotency-Key": "once"}, 200),
        ("POST", "/v1/tabs/{tab_id}/complete", {}, 400),
        ("POST", "/v1/tabs/{tab_id}/no_show", {"Idempotency-Key": "k"}, 409),
        ("DELETE", "/v1/tabs/{tab_id}", {}, 405),
        ("GET", "/v1/nowhere", {}, 405),
    ],
)
def test_every_answer_is_text_and_every_error_a_problem(
    world: World, shop: Shop, method: str, resource: str, headers: dict[str, str], status: int
) -> None:
    """Whether an operation or Chalice itself answers, an error has our shape, and nothing is sent as base64."""
    tab = shop.add(shop.open(shop.customer(), 4000), 4000)
    event = proxy_event(method, resource, {"tab_id": tab["tab_id"]}, headers=headers)

    answer = application.app(authorized(event, role="staff", merchant_id=shop.merchant_id), None)

    assert answer["statusCode"] == status
    assert not answer.get("isBase64Encoded")
    body = json.loads(answer["body"])
    if status >= 400:
        assert answer["headers"]["Content-Type"] == problems.CONTENT_TYPE
        assert (body["status"], bool(body["code"])) == (status, True)


def test_a_method_that_a_route_does_not_have_is_told_which_it_has(shop: Shop) -> None:
    """Chalice's header Allow survives the change of shape."""
    event = proxy_event("DELETE", "/v1/tabs/{tab_id}", {"tab_id": "tab_1"})

    answer = application.app(authorized(event, role="staff", merchant_id=shop.merchant_id), None)

    assert (answer["statusCode"], answer["headers"]["Allow"]) == (405, "GET")


def test_what_no_operation_answers_is_answered(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in the very answering of errors is a 500 of the API's, and not the function's crash."""
    event = proxy_event("GET", "/v1/tabs/{tab_id}", {"tab_id": "tab_1"})
    authorized(event, role="staff", merchant_id=shop.merchant_id)

    def broken(error: Exception) -> None:
        raise RuntimeError("no words")

    monkeypatch.setattr("chalicelib.handlers.api.problems.response_to", broken)
    answer = application.app(event, None)

    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (500, "internal_error")


def test_an_answer_is_what_chalice_makes_of_it() -> None:
    """Without looking for it, an answer of ours has the same shape, headers and text as any of Chalice's."""
    given: Any = {
        "body": '{"é": 1}',
        "headers": {"Content-Type": "application/json", "ETag": '"3"'},
        "status_code": 202,
    }

    assert TextResponse(**given).to_dict() == Response(**given).to_dict(APIGateway().binary_types)


def test_an_event_that_is_no_request_is_answered() -> None:
    """What API Gateway would never send does no harm."""
    answer = application.app({}, None)

    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (500, "internal_error")


@pytest.mark.parametrize(
    "context",
    [
        None,
        {},
        {"principalId": "ana"},
        {"role": "staff"},
        {"principalId": "ana", "role": "admin", "merchant_id": "mer_1"},
    ],
)
def test_without_the_authorizers_word_nobody_gets_in(world: World, context: dict[str, str] | None) -> None:
    """Were a route deployed without its authorizer, or with another, the handler itself answers 401."""
    event = proxy_event("GET", "/v1/merchant")
    if context is not None:
        event["requestContext"]["authorizer"] = context

    answer = application.app(event, None)

    assert answer["statusCode"] == 401
    assert json.loads(answer["body"])["code"] == "unauthorized"


def test_the_authorizer_answers_with_a_policy(world: World, shop: Shop) -> None:
    """A good token gets a policy for all routes, with the claims as strings; a wrong one a policy for none."""
    event = {
        "type": "TOKEN",
        "authorizationToken": f"Bearer {shop.staff.token}",
        "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:api/dev/GET/v1/merchant",
    }

    good = world.client.lambda_.invoke("authorizer", event).payload
    bad = world.client.lambda_.invoke("authorizer", {**event, "authorizationToken": "Bearer x"}).payload

    (allowed,) = good["policyDocument"]["Statement"]
    assert allowed["Resource"] == ["arn:aws:execute-api:eu-west-1:123456789012:api/dev/*/*"]
    assert good["context"] == {"role": "staff", "merchant_id": shop.merchant_id}
    (denied,) = bad["policyDocument"]["Statement"]
    assert (denied["Effect"], denied["Resource"]) == ("Deny", ["*"])
    assert bad["context"]["code"] == "token_invalid"


def test_an_acceptance_keeps_who_agreed_to_what_and_from_where(world: World, shop: Shop) -> None:
    """Subject, words, consents, instant, address and device stand in the tab."""
    ana = shop.customer()
    tab = booking(shop, ana, hours=24)
    event = proxy_event("POST", "/v1/tabs/{tab_id}/accept_promise", {"tab_id": tab["tab_id"]})
    event["headers"]["Idempotency-Key"] = "k"
    consents = ["deposit_and_fees", "cap", "cap"]
    event["body"] = json.dumps({"promise_sha256": tab["promise"]["promise_sha256"], "consents": consents})

    answer = application.app(
        authorized(event, role="customer", merchant_id=shop.merchant_id, customer_id=ana.customer_id or ""), None
    )

    assert answer["statusCode"] == 200
    accepted = world.deps.store.get_tab(shop.merchant_id, tab["tab_id"]).promise.accepted
    assert accepted is not None
    assert (accepted.subject, accepted.method, accepted.accepted_at) == ("ana", "app", world.clock.now())
    assert (accepted.ip, accepted.user_agent) == ("203.0.113.9", "Aftertab/1.0 (iPhone)")
    assert (accepted.promise_sha256, accepted.consents) == (
        tab["promise"]["promise_sha256"],
        ("cap", "deposit_and_fees"),
    )


def test_staff_record_an_acceptance_as_made_in_person(shop: Shop) -> None:
    """What staff record is their word for it, and says so."""
    tab = shop.open(shop.customer(), 4000)

    agreed = shop.agree(shop.staff, tab, ["cap"])

    assert agreed["promise"]["accepted"]["method"] == "in_person"


def test_consent_to_keep_a_card_is_stored_before_the_card(world: World, shop: Shop) -> None:
    """When the phone gets what it needs to save the card, the consent with its words is on record."""
    ana = shop.customer()

    ana.post(f"/v1/customers/{ana.customer_id}/setup_intent", {"card_terms_sha256": CARD_TERMS}).ok(201)

    customer = world.deps.store.get_customer(shop.merchant_id, ana.customer_id or "")
    assert customer.card_consent is not None
    assert (customer.card_consent.terms_sha256, customer.card_consent.given_at) == (CARD_TERMS, world.clock.now())
    assert customer.card is None


def test_a_card_for_a_tab_needs_the_promises_consent(shop: Shop) -> None:
    """A card can't be saved for a tab whose promise was not accepted with that consent."""
    ana = shop.customer()
    tab = booking(shop, ana, hours=21 * 24)
    body = {"card_terms_sha256": CARD_TERMS, "tab_id": tab["tab_id"]}

    ana.post(f"/v1/customers/{ana.customer_id}/setup_intent", body).problem(409, "consent_missing")
    shop.agree(ana, tab)

    assert ana.post(f"/v1/customers/{ana.customer_id}/setup_intent", body).status == 201
