"""The world of an API test: callers with tokens, the stand-in's events and clock, the customer's phone."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import jwt
import msgspec
from chalice.test import Client
from cryptography.hazmat.primitives.asymmetric import rsa

from chalicelib.adapters.memory_queues import MemoryQueues
from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.domain.news.message import Message
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.handlers.api import openapi
from chalicelib.handlers.api.operations import all_operations
from chalicelib.ports.deps import Deps
from chalicelib.ports.queues import QueueName
from chalicelib.usecases.tab.attempts import outcome_of, record_outcome
from devstack.invariants import check_tab
from devstack.stripe_standin.server import App
from tests.news import Pump, messages_of_all
from tests.pump import TICK, empty

ISSUER = "https://issuer.test"
AUDIENCE = "aftertab-test"
WEBHOOK_SECRET = "whsec_test_secret"
SECRET_KEY = "sk_test_standin"
PUBLISHABLE_KEY = "pk_test_standin"
START = 1_767_603_600  # Monday, 2026-01-05T09:00:00Z
CARD_TERMS = hashlib.sha256(b"We keep your card for this salon.").hexdigest()
EVERYTHING = ["cap", "deposit_and_fees", "automatic_charge", "capture_before_expiry", "card_on_file"]


class Issuer:
    """A token issuer that serves its public keys on loopback; `fetches` counts the requests for them."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = "key-1"
        self.jwks_url = ""
        self.fetches = 0
        self._signed: dict[Any, tuple[float, str]] = {}

    def jwks(self) -> bytes:
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return json.dumps({"keys": [{**jwk, "kid": self.kid, "alg": "RS256", "use": "sig"}]}).encode()

    def claims(self, role: str, *, merchant_id: str | None = None, customer_id: str | None = None) -> dict[str, Any]:
        now = int(time.time())
        ids = {"merchant_id": merchant_id, "customer_id": customer_id}
        return {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": f"{role}-{customer_id or merchant_id or 'root'}",
            "iat": now,
            "exp": now + 600,
            "role": role,
            **{name: value for name, value in ids.items() if value},
        }

    def sign(self, claims: dict[str, Any], **options: Any) -> str:
        options = {"key": self.key, "algorithm": "RS256", "headers": {"kid": self.kid}} | options
        return jwt.encode(claims, **options)

    def token(self, role: str, **ids: str | None) -> str:
        """The same for some minutes: a test asks for its caller again and again, and a signature takes its time."""
        whose = (self.key, self.kid, role, *sorted(ids.items()))
        until, token = self._signed.get(whose, (0.0, ""))
        if time.time() > until:
            token = self.sign(self.claims(role, **ids))
            self._signed[whose] = (time.time() + 300, token)
        return token


@contextmanager
def serve_issuer() -> Iterator[Issuer]:
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.fetches += 1
            body = issuer.jwks()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    issuer.jwks_url = f"http://127.0.0.1:{server.server_port}/jwks.json"
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class StandInClock:
    """The business clock, read from the stand-in, so that holds expire there and here at the same time."""

    app: App
    shift: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.app.standin.world.clock.now(), UTC) + self.shift


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), None)

    def ok(self, status: int = 200) -> Any:
        assert self.status == status, (self.status, self.raw.decode())
        return self.json

    def problem(self, status: int, code: str) -> Any:
        """Check that the answer is this problem document, in the right shape, and return it."""
        assert self.status == status, (self.status, self.raw.decode())
        assert self.header("Content-Type") == "application/problem+json"
        body = self.json
        assert (body["code"], body["status"]) == (code, status), body
        assert body["type"] == f"urn:aftertab:problem:{code}"
        assert body["title"]
        assert body["detail"]
        return body


@dataclass
class Caller:
    """A caller with a token. Every write gets a new key unless one is given."""

    world: World
    token: str | None
    role: str = ""
    customer_id: str | None = None

    def get(self, path: str, **headers: str) -> Reply:
        return self.send("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Reply:
        return self.send("POST", path, {} if body is None else body, key=key, headers=headers)

    def put(self, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Reply:
        return self.send("PUT", path, {} if body is None else body, key=key, headers=headers)

    def send(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        sent = {"user-agent": "test"}
        if self.token is not None:
            sent["authorization"] = f"Bearer {self.token}"
        if method in ("POST", "PUT", "DELETE"):
            sent |= {"content-type": "application/json", "idempotency-key": key or self.world.new_key()}
        sent |= {name.replace("_", "-").lower(): value for name, value in (headers or {}).items()}
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        answer = self.world.client.http.request(
            method, path, headers={name: value for name, value in sent.items() if value}, body=raw
        )
        reply = Reply(answer.status_code, answer.headers, answer.body)
        check_documented(method, path, reply)
        return reply


_DOCUMENT = openapi.document()
_CODES = frozenset(_DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]["enum"])
_ROUTES = [
    (operation.method, re.compile(re.sub(r"{\w+}", "[^/]+", operation.path)), operation)
    for operation in all_operations().values()
]


def check_documented(method: str, path: str, reply: Reply) -> None:
    """Check that the OpenAPI document describes this answer, with its shape."""
    for its_method, pattern, operation in _ROUTES:
        if its_method != method or not pattern.fullmatch(path.split("?")[0]):
            continue
        promised = _DOCUMENT["paths"][operation.path][method.lower()]["responses"]
        assert str(reply.status) in promised, (operation.name, reply.status, reply.raw)
        if reply.header("Content-Type") == "application/problem+json":
            assert reply.json["code"] in _CODES, reply.raw
            assert b"regex" not in reply.raw, "nobody is told a regular expression"
        if reply.status < 300 and operation.answer is not None:
            msgspec.json.decode(reply.raw, type=operation.answer)
        return


@dataclass
class World:
    """One app with its own store."""

    client: Client
    deps: Deps
    issuer: Issuer
    standin: App
    base: str
    clock: StandInClock
    http: httpx.Client
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _delivered: set[str] = field(default_factory=set)
    _said: int = 0

    def __post_init__(self) -> None:
        self.pump = Pump(self.deps)
        # What is tried on the real store has no stream.
        self.pump.rests = not isinstance(self.deps.store, MemoryStore)

    def new_key(self) -> str:
        return f"key-{next(self._numbers)}"

    # Callers

    def caller(self, role: str, *, merchant_id: str | None = None, customer_id: str | None = None) -> Caller:
        token = self.issuer.token(role, merchant_id=merchant_id, customer_id=customer_id)
        return Caller(self, token, role, customer_id)

    @property
    def operator(self) -> Caller:
        return self.caller("operator")

    def guest(self, secret: str, customer_id: str | None = None) -> Caller:
        """Whoever has this link or token."""
        return Caller(self, secret, "guest", customer_id)

    @property
    def stranger(self) -> Caller:
        return Caller(self, None)

    def shop(self, currency: str = "EUR", *, settles: bool = True, **policy: Any) -> Shop:
        body = {"name": "Salon Lisboa", "currency": currency, "policy": policy}
        if settles:
            body["settlement_currency"] = currency
        merchant = self.operator.post("/v1/merchants", body).ok(201)
        return Shop(self, merchant["merchant_id"])

    # The phone

    def confirm(self, payment: dict[str, Any], card: str = "pm_card_visa") -> dict[str, Any]:
        """Confirm a payment or hold as Stripe's SDK on the customer's phone does; returns Stripe's answer."""
        return self._confirm("payment_intents", payment["payment_id"], payment, card)

    def confirm_setup(self, setup: dict[str, Any], card: str = "pm_card_visa") -> dict[str, Any]:
        return self._confirm("setup_intents", setup["setup_id"], setup, card)

    def _confirm(self, kind: str, object_id: str, given: dict[str, Any], card: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {given['publishable_key']}"}
        if given.get("account"):
            headers["Stripe-Account"] = given["account"]
        answer = self.http.post(
            f"{self.base}/v1/{kind}/{object_id}/confirm",
            data={"client_secret": given["client_secret"], "payment_method": card},
            headers=headers,
        )
        body: dict[str, Any] = answer.json()
        return body

    def control(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.http.post(f"{self.base}/_control/{path}", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def at_stripe(self, path: str, data: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
        """Do something in Stripe's dashboard: a POST with our secret key, without our metadata."""
        answer = self.http.post(
            f"{self.base}/v1/{path}", data=data or {}, headers={"Authorization": f"Bearer {SECRET_KEY}", **headers}
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def at_stripe_refunded(self, payment_id: str) -> int:
        """The refunded amount of the payment at Stripe, without failed refunds."""
        answer = self.http.get(
            f"{self.base}/v1/refunds",
            params={"payment_intent": payment_id, "limit": 100},
            headers={"Authorization": f"Bearer {SECRET_KEY}"},
        )
        return sum(refund["amount"] for refund in answer.json()["data"] if refund["status"] != "failed")

    # Messages

    @property
    def messages(self) -> list[Message]:
        """What is told because of everything that was committed since the last call of `said`."""
        return messages_of_all(self.deps.store)[self._said :]

    def said(self) -> list[str]:
        """The messages since the last call: recipient and kind."""
        messages = self.messages
        self._said += len(messages)
        return [f"{message.to}: {message.kind}" for message in messages]

    # Stripe's events

    def events(self) -> list[dict[str, Any]]:
        """All events, oldest first."""
        answer = self.http.get(
            f"{self.base}/v1/events", params={"limit": 100}, headers={"Authorization": f"Bearer {SECRET_KEY}"}
        )
        return list(reversed(answer.json()["data"]))

    def deliver(self) -> list[str]:
        """Deliver all new events until none is left; returns the app's result for each."""
        said = []
        while new := [event for event in self.events() if event["id"] not in self._delivered]:
            for event in new:
                self._delivered.add(event["id"])
                said.append(self.webhook(event).ok()["result"])
        return said

    def webhook(self, event: dict[str, Any] | bytes, **headers: str) -> Reply:
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        return Caller(self, None).send(
            "POST", "/v1/webhooks/stripe", payload, headers={"stripe_signature": sign(payload)} | headers
        )

    # Time

    def move(self, **by: float) -> None:
        """Let the post arrive, move time, deliver Stripe's events, and run the schedule."""
        self.pump.run()
        self.control("clock", {"advance_seconds": int(timedelta(**by).total_seconds())})
        self.deliver()
        self.sweep()

    def sweep(self) -> dict[str, int]:
        """Run the schedule and what it sets off, then deliver Stripe's events."""
        swept = self.run_schedule()
        self.deliver()
        self.pump.run()
        return swept

    def run_schedule(self) -> dict[str, int]:
        """Call the schedule's function, and the worker until its queue is empty: how many tabs it did and gave up."""
        invoke = self.client.lambda_.invoke
        invoke("sweep", TICK)
        advanced, failed = empty(self.queues, QueueName.DUE, lambda event: invoke("worker", event).payload)
        return {"advanced": advanced, "failed": failed}

    @property
    def queues(self) -> MemoryQueues:
        assert isinstance(self.deps.queues, MemoryQueues)
        return self.deps.queues

    def in_(self, **by: float) -> str:
        """A time relative to now, as it is sent."""
        return (self.clock.now() + timedelta(**by)).isoformat()


@dataclass
class Shop:
    """One merchant with its staff, owner and customers."""

    world: World
    merchant_id: str

    @property
    def staff(self) -> Caller:
        return self.world.caller("staff", merchant_id=self.merchant_id)

    @property
    def owner(self) -> Caller:
        return self.world.caller("owner", merchant_id=self.merchant_id)

    def customer(self, reference: str = "Ana") -> Caller:
        made = self.staff.post("/v1/customers", {"reference": reference, "allow_same_reference": True}).ok(201)
        return self.world.caller("customer", merchant_id=self.merchant_id, customer_id=made["customer_id"])

    def open(self, customer: Caller, estimate_minor: int, **more: Any) -> dict[str, Any]:
        body = {
            "customer_id": customer.customer_id,
            "title": "Cut and colour",
            "expected_outcome": "Hair cut and coloured.",
            "estimate_minor": estimate_minor,
            **more,
        }
        tab: dict[str, Any] = self.staff.post("/v1/tabs", body).ok(201)
        return tab

    def link(self, tab: dict[str, Any], scope: str = "full", **more: Any) -> Caller:
        """A guest with a new link to the tab."""
        made = self.staff.post(f"/v1/tabs/{tab['tab_id']}/links", {"scope": scope, **more}).ok(201)
        return self.world.guest(made["secret"], tab["customer_id"])

    def add(self, tab: dict[str, Any], *prices_minor: int, **more: Any) -> dict[str, Any]:
        lines = [{"description": "Work", "unit_price_minor": price, **more} for price in prices_minor]
        added: dict[str, Any] = self.staff.post(f"/v1/tabs/{tab['tab_id']}/items", {"items": lines}).ok()
        return added

    def complete(self, tab: dict[str, Any], *prices_minor: int) -> dict[str, Any]:
        """Add items with these prices and present the bill, of which the customer is told."""
        if tab["status"] == "booked":
            self.staff.post(f"/v1/tabs/{tab['tab_id']}/check_in").ok()
        if prices_minor:
            self.add(tab, *prices_minor)
        self.staff.post(f"/v1/tabs/{tab['tab_id']}/complete").ok()
        self.world.pump.run()
        return self.seen(tab)

    def seen(self, tab: dict[str, Any], caller: Caller | None = None) -> dict[str, Any]:
        found: dict[str, Any] = (caller or self.staff).get(f"/v1/tabs/{tab['tab_id']}").ok()
        return found

    def agree(self, customer: Caller, tab: dict[str, Any], consents: list[str] | None = None) -> dict[str, Any]:
        """The customer accepts the current promise with all consents."""
        consents = EVERYTHING if consents is None else consents
        promise = tab["proposed_promise"] or tab["promise"]
        body = {"promise_sha256": promise["promise_sha256"], "consents": consents}
        if "card_on_file" in consents:
            body["card_terms_sha256"] = CARD_TERMS
        agreed: dict[str, Any] = customer.post(f"/v1/tabs/{tab['tab_id']}/accept_promise", body).ok()
        return agreed

    def save_card(self, customer: Caller, card: str = "pm_card_visa", tab: dict[str, Any] | None = None) -> None:
        body = {"card_terms_sha256": CARD_TERMS} | ({"tab_id": tab["tab_id"]} if tab else {})
        setup = customer.post(f"/v1/customers/{customer.customer_id}/setup_intent", body).ok(201)
        if self.world.confirm_setup(setup, card)["status"] != "succeeded":
            self.world.control("authenticate", {"setup_intent": setup["setup_id"]})
        self.world.deliver()
        assert customer.get(f"/v1/customers/{customer.customer_id}").ok()["card"] is not None


def sign(payload: bytes, *, secret: str = WEBHOOK_SECRET, at: float | None = None) -> str:
    """Sign as Stripe does: https://docs.stripe.com/webhooks#verify-manually."""
    stamp = int(time.time() if at is None else at)
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


# Helpers of stories

DEPOSIT = {"deposit_minor": 2000, "no_show_fee_minor": 1500, "late_cancel_fee_minor": 1000}


def booking(shop: Shop, customer: Caller, *, hours: float, estimate_minor: int = 8000, **more: Any) -> dict[str, Any]:
    starts_at = shop.world.in_(hours=hours)
    return shop.open(customer, estimate_minor, starts_at=starts_at, **{**DEPOSIT, **more})


def held(shop: Shop, customer: Caller, tab: dict[str, Any], consents: list[str] | None = None) -> dict[str, Any]:
    """The customer accepts and confirms the hold on the phone."""
    agreed = shop.agree(customer, tab, consents)
    assert (agreed["payment"]["operation"], agreed["payment"]["state"]) == ("place_hold", "awaiting_customer")
    assert shop.world.confirm(agreed["payment"])["status"] == "requires_capture"
    shop.world.deliver()
    tab = shop.seen(tab)
    assert tab["deposit"]["state"] == "held"
    return tab


def billed(shop: Shop, customer: Caller, *prices_minor: int, card: str | None = None) -> dict[str, Any]:
    """A walk-in's bill in review. `card`: saved before, with every consent; otherwise only the cap is accepted."""
    if card:
        shop.save_card(customer, card)
    tab = shop.open(customer, sum(prices_minor))
    shop.agree(customer, tab, EVERYTHING if card else ["cap"])
    return shop.complete(tab, *prices_minor)


def paid(shop: Shop, customer: Caller, tab: dict[str, Any], card: str = "pm_card_visa") -> dict[str, Any]:
    """Pay what is owed on the phone."""
    asked = customer.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"}).ok()["payment"]
    assert shop.world.confirm(asked, card)["status"] == "succeeded"
    shop.world.deliver()
    return shop.seen(tab)


def disputed(world: World, tab_id: str, merchant_id: str) -> str:
    """A bank disputes a payment of this tab, as if Stripe had told both; returns the dispute's id."""
    deps, payment_id, dispute_id = world.deps, f"pi_{tab_id}", f"du_{tab_id}"
    about: dict[str, Any] = {"at": deps.clock.now(), "amount_minor": 100}
    facts = (
        Fact(kind=FactKind.CHARGED, object_id=payment_id, **about),
        Fact(
            kind=FactKind.DISPUTE_OPENED,
            object_id=dispute_id,
            payment_id=payment_id,
            respond_by=deps.clock.now() + timedelta(days=9),
            **about,
        ),
    )
    record_outcome(deps, deps.store.get_tab(merchant_id, tab_id), outcome_of(facts))
    return dispute_id


def amounts(tab: dict[str, Any]) -> list[tuple[str, int]]:
    """The legs: amount and kind."""
    return [(leg["kind"], leg["amount_minor"]) for leg in tab["legs"]]


def history(shop: Shop, tab: dict[str, Any]) -> list[dict[str, Any]]:
    """All entries of the tab, oldest first."""
    page: dict[str, Any] = shop.staff.get(f"/v1/tabs/{tab['tab_id']}/timeline?limit=100").ok()
    assert page["next_cursor"] is None, "no story here is longer"
    return list(page["entries"])


def settled(shop: Shop, tab: dict[str, Any]) -> dict[str, Any]:
    """The tab after all events. Its books agree with themselves, the invariants and Stripe's."""
    world = shop.world
    world.deliver()
    tab = shop.seen(tab)
    assert check_tab(tab, history(shop, tab)) == []
    assert sum(tab["ledger"].values()) == 0
    assert tab["ledger"].get("customer_receivable", 0) == tab["balance_minor"]
    books = world.http.get(f"{world.base}/_control/books", params={"metadata[tab]": tab["tab_id"]}).json()
    theirs = books["groups"].get(tab["tab_id"], {}).get(tab["currency"].lower(), {})
    net = theirs.get("captured", 0) + theirs.get("charged", 0) - theirs.get("refunded", 0)
    # The nightly reconciliation posts Stripe's fees.
    assert net == tab["ledger"].get("stripe_balance", 0) + tab["ledger"].get("stripe_fees", 0) == tab["paid_minor"]
    live = sum(hold["amount_minor"] for hold in tab["holds"] if hold["state"] == "live")
    assert theirs.get("live_holds", 0) == live
    return tab
