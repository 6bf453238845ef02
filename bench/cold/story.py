"""The tab that the first requests are about, made by the app itself, and the events that API Gateway would send."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

CARD_TERMS = "0" * 64


class Story:
    """An open tab of a customer with a saved card, three items on it, all promised; `app`: the handler to make it."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._count = 0
        merchant = self._ask("operator", "POST", "/v1/merchants", {}, {"name": "Salon", "currency": "EUR"})
        self._merchant_id = merchant["merchant_id"]
        customer = self._ask("owner", "POST", "/v1/customers", {}, {"reference": "Ana"})
        self._customer_id = customer["customer_id"]
        self._save_card()
        body = {
            "customer_id": self._customer_id,
            "title": "Colour",
            "expected_outcome": "Copper",
            "estimate_minor": 9000,
        }
        tab = self._ask("staff", "POST", "/v1/tabs", {}, body)
        self._tab = {"tab_id": tab["tab_id"]}
        consents = ["cap", "automatic_charge", "card_on_file"]
        sealed = {
            "promise_sha256": tab["promise"]["promise_sha256"],
            "consents": consents,
            "card_terms_sha256": CARD_TERMS,
        }
        self._ask("customer", "POST", "/v1/tabs/{tab_id}/accept_promise", self._tab, sealed)
        items = [{"description": name, "unit_price_minor": 2500} for name in ("Cut", "Colour", "Care")]
        self._ask("staff", "POST", "/v1/tabs/{tab_id}/items", self._tab, {"items": items})

    def looking(self) -> list[dict[str, Any]]:
        """The tab is looked at: one read, no charge."""
        return [self._event("staff", "GET", "/v1/tabs/{tab_id}", self._tab, None)]

    def charging(self) -> list[dict[str, Any]]:
        """The service is completed and the bill accepted, which charges the saved card."""
        return [
            self._event("staff", "POST", "/v1/tabs/{tab_id}/complete", self._tab, {}),
            self._event("customer", "POST", "/v1/tabs/{tab_id}/accept_bill", self._tab, {}),
        ]

    def _save_card(self) -> None:
        from chalicelib import bootstrap
        from chalicelib.domain.tab.payments import Card

        store = bootstrap.get_deps().store
        customer = store.get_customer(self._merchant_id, self._customer_id)
        card = Card(card_id="pm_bench", brand="visa", last4="4242", saved_at=datetime.now(UTC))
        store.update_customer(replace(customer, card=card, version=customer.version + 1))

    def _ask(self, role: str, method: str, route: str, path: dict[str, str], body: Any) -> Any:
        answer = self._app(self._event(role, method, route, path, body), None)
        assert answer["statusCode"] < 300, answer
        return json.loads(answer["body"])

    def _event(self, role: str, method: str, route: str, path: dict[str, str], body: Any) -> dict[str, Any]:
        self._count += 1
        who = {"principalId": f"{role}-1", "role": role}
        if role != "operator":
            who["merchant_id"] = self._merchant_id
        if role == "customer":
            who["customer_id"] = self._customer_id
        return proxy_event(method, route, path, body, key=f"bench-{self._count}", authorizer=who)


def proxy_event(
    method: str,
    route: str,
    path: dict[str, str] | None = None,
    body: Any = None,
    *,
    key: str = "",
    authorizer: Any = None,
) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "User-Agent": "bench"} | ({"Idempotency-Key": key} if key else {})
    return {
        "resource": route,
        "path": route.format(**(path or {})),
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": path,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": route,
            "httpMethod": method,
            "path": f"/dev{route}",
            "stage": "dev",
            "requestId": "bench",
            "identity": {"sourceIp": "127.0.0.1"},
            "authorizer": authorizer or {},
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
