"""Aftertab's side of `make bench-warm`: the app as Lambda calls it. Arguments: the Stripe stand-in, the event's file.

Prints what it can do, then reads commands from stdin (`operation count`), and answers each with the processor seconds
that so many calls took. The file gets the event of a payment, for the peers to take as well.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ |= {
    "AFTERTAB_STAGE": "dev",
    "AFTERTAB_TABLE": "aftertab-dev",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_DEFAULT_REGION": "eu-west-1",
}

import httpx
from table import Table, end, serve
from warm import aws_event, signed

import app as application
from chalicelib import bootstrap
from chalicelib.adapters.addresses import LibraryAddresses
from chalicelib.adapters.dynamodb.deliveries import DynamoDbDeliveries
from chalicelib.adapters.dynamodb.links import DynamoDbLinks
from chalicelib.adapters.dynamodb.notices import DynamoDbNotices
from chalicelib.adapters.dynamodb.people import DynamoDbPeople
from chalicelib.adapters.dynamodb.store import DynamoDbStore, dynamodb_client
from chalicelib.adapters.dynamodb.visits import DynamoDbVisits
from chalicelib.adapters.memory_queues import MemoryQueues
from chalicelib.adapters.stripe.calls import stripe_client
from chalicelib.adapters.stripe.gateway import StripeGateway
from chalicelib.adapters.system import SystemClock, SystemIds
from chalicelib.ports.deps import Deps
from tests.channels import BareWords, Mails, Texts
from tests.notices import Receivers

SECRET = "whsec_bench"
KEY = "sk_test_bench"
CONSENTS = ["cap", "deposit_and_fees", "automatic_charge", "capture_before_expiry", "card_on_file"]
TAB = "/v1/tabs/{tab_id}"
LINES = [
    {"description": description, "unit_price_minor": price, "tax_basis_points": 1900}
    for description, price in (("Cut", 4500), ("Colour", 3500), ("Care", 1500))
]
ONE_MORE = {"items": [{"description": "Shampoo", "unit_price_minor": 900, "tax_basis_points": 1900}]}

Events = Callable[[], dict[str, Any]]
"""Makes the event of one call."""


class Caller:
    """Whoever calls the API, after the authorizer."""

    keys = count()

    def __init__(self, **context: str) -> None:
        self.context = {"principalId": "bench", **context}

    def event(self, method: str, route: str, body: Any = None, **path: str) -> dict[str, Any]:
        raw = None if body is None else json.dumps(body)
        event = aws_event(method, route, raw, {"Idempotency-Key": f"key-{next(self.keys)}"}, **path)
        event["requestContext"]["authorizer"] = self.context
        return event

    def call(self, method: str, route: str, body: Any = None, **path: str) -> Any:
        answer = application.app(self.event(method, route, body, **path), None)
        assert answer["statusCode"] < 300, answer
        return json.loads(answer["body"])


class Salon:
    """A salon with one customer, and her tab with three lines on it."""

    def __init__(self) -> None:
        new = {"name": "Salon Iris", "currency": "EUR", "settlement_currency": "EUR", "policy": {}}
        merchant_id = Caller(role="operator").call("POST", "/v1/merchants", new)["merchant_id"]
        self.staff = Caller(role="staff", merchant_id=merchant_id)
        customer_id = self.staff.call("POST", "/v1/customers", {"reference": "Ana"})["customer_id"]
        self.ana = Caller(role="customer", merchant_id=merchant_id, customer_id=customer_id)
        tab = self.staff.call(
            "POST",
            "/v1/tabs",
            {
                "customer_id": customer_id,
                "title": "Cut and colour",
                "expected_outcome": "Hair cut and coloured.",
                "estimate_minor": 9500,
                "cap_minor": 20000,
            },
        )
        self.tab_id = tab["tab_id"]
        accepted = {"promise_sha256": tab["promise"]["promise_sha256"], "consents": ["cap"]}
        self.ana.call("POST", f"{TAB}/accept_promise", accepted, tab_id=self.tab_id)
        self.staff.call("POST", f"{TAB}/items", {"items": LINES}, tab_id=self.tab_id)

    def pay(self, standin: str) -> dict[str, Any]:
        """The bill is presented, and paid on the phone; Stripe's event of it, which the app has not heard of."""
        self.staff.call("POST", f"{TAB}/complete", tab_id=self.tab_id)
        asked = self.ana.call("POST", f"{TAB}/charges", {"mode": "on_session"}, tab_id=self.tab_id)["payment"]
        confirmed = httpx.post(
            f"{standin}/v1/payment_intents/{asked['payment_id']}/confirm",
            data={"client_secret": asked["client_secret"], "payment_method": "pm_card_visa"},
            headers={"Authorization": f"Bearer {asked['publishable_key']}"},
        )
        assert confirmed.json()["status"] == "succeeded", confirmed.text
        events = httpx.get(f"{standin}/v1/events", headers={"Authorization": f"Bearer {KEY}"}).json()["data"]
        found: dict[str, Any] = next(event for event in events if event["type"] == "payment_intent.succeeded")
        return found


def deps(client: Any, standin: str) -> Deps:
    gateway = StripeGateway(
        stripe_client(KEY, standin), stage="dev", webhook_secrets=lambda: [SECRET], publishable_key="pk_test_bench"
    )
    table = "aftertab-dev"
    return Deps(
        store=DynamoDbStore(client, table),
        people=DynamoDbPeople(client, table),
        deliveries=DynamoDbDeliveries(client, table),
        notices=DynamoDbNotices(client, table),
        links=DynamoDbLinks(client, table, "dev"),
        visits=DynamoDbVisits(client, table),
        addresses=LibraryAddresses(),
        gateway=gateway,
        clock=SystemClock(),
        ids=SystemIds(),
        queues=MemoryQueues(SystemClock()),
        mailer=Mails(),
        texter=Texts(),
        words=BareWords(),
        webhooks=Receivers(),
    )


def main() -> None:
    standin, event_file = sys.argv[1:3]
    open_table, paid_table = Table(), Table()
    stubbed = deps(open_table, standin)
    bootstrap.use(stubbed)
    salon = Salon()
    open_table.is_frozen = True

    bootstrap.use(deps(paid_table, standin))
    paid = Salon().pay(standin)
    Path(event_file).write_text(json.dumps(paid))
    paid_table.is_frozen = True
    seen = {**paid, "id": "evt_seen"}
    paid_table.items["EVENT#platform#evt_seen", "-"] = {"pk": {"S": "EVENT#platform#evt_seen"}, "sk": {"S": "-"}}
    url, server = serve(paid_table)
    over_http = deps(dynamodb_client(url), standin)

    def delivery(event: dict[str, Any]) -> dict[str, Any]:
        payload, signature = signed(event, SECRET)
        return aws_event("POST", "/v1/webhooks/stripe", payload, {"Stripe-Signature": signature})

    numbers = count()
    operations: dict[str, tuple[Deps, Events]] = {
        "get tab": (stubbed, lambda: salon.staff.event("GET", TAB, tab_id=salon.tab_id)),
        "add item": (stubbed, lambda: salon.staff.event("POST", f"{TAB}/items", ONE_MORE, tab_id=salon.tab_id)),
        "webhook": (over_http, lambda: delivery({**paid, "id": f"evt_ours{next(numbers)}"})),
        "webhook again": (over_http, lambda: delivery(seen)),
    }
    try:
        print(json.dumps(list(operations)), flush=True)
        for line in sys.stdin:
            name, _, times = line.strip().rpartition(" ")
            outside, new_event = operations[name]
            bootstrap.use(outside)
            spent_s = handling_s([new_event() for _ in range(int(times))])
            print(json.dumps(spent_s), flush=True)
    finally:
        end(server)


def handling_s(events: list[dict[str, Any]]) -> float:
    """Processor seconds for handling the events, one after the other."""
    began = time.process_time()
    for event in events:
        answer = application.app(event, None)
    spent = time.process_time() - began
    assert answer["statusCode"] < 300, answer
    return spent


if __name__ == "__main__":
    main()
