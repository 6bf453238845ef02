"""The stand-in in a thread of the test process, and the real SDK as its client."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe

from devstack.stripe_standin.packing import encode
from devstack.stripe_standin.server import create_app, serve_in_thread

START = 1_767_603_600  # 2026-01-05T09:00:00Z
SECRET_KEY = "sk_test_standin"
PUBLISHABLE_KEY = "pk_test_standin"


@dataclass
class Standin:
    """What a test holds of the server: where it is, clients for it, and its control plane."""

    base: str
    app: Any

    def client(self, key: str = SECRET_KEY, **options: Any) -> stripe.StripeClient:
        options.setdefault("max_network_retries", 0)
        return stripe.StripeClient(key, base_addresses={"api": self.base}, **options)

    def control(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """A call of the control plane; its 4xx come back as the parsed body, too."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}/_control/{path}", data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            return json.load(refused)

    def advance(self, *, days: float = 0, hours: float = 0, seconds: float = 0) -> Any:
        return self.control("clock", {"advance_seconds": int(days * 86400 + hours * 3600 + seconds)})

    def raw(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, Any, Any]:
        """One bare HTTP call with the secret key: (status, parsed body, headers)."""
        request = urllib.request.Request(
            self.base + path,
            data=body.encode() if method == "POST" else None,
            method=method,
            headers={"Authorization": f"Bearer {SECRET_KEY}", **(headers or {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer), answer.headers
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused), refused.headers

    def events(self, *types: str) -> list[str]:
        """The types of all events so far, oldest first; only those named when any are."""
        found = self.client().v1.events.list({"limit": 100}).data
        return [event.type for event in reversed(found) if not types or event.type in types]


def _watch_refusals(api: Any, broken: list[str]) -> None:
    """Note every call that was refused (400, 404) and left something behind all the same."""
    execute = api._execute

    def watched(call: Any, route: Any, *rest: Any) -> Any:
        before = _everything(api)
        status = 400
        try:
            answer = execute(call, route, *rest)
            status = answer.status
            return answer
        finally:
            if status in (400, 404) and _everything(api) != before:
                broken.append(f"{route.name} was refused and changed something: {rest[1]}")

    api._execute = watched


def _everything(api: Any) -> list[bytes]:
    """Every object of every account, as it would be answered."""
    return [
        encode(row)
        for account in api.world.accounts.values()
        for kind, rows in account.of.items()
        for row in rows.oldest_first()
        if kind != "event"
    ] + [encode(row.id) for account in api.world.accounts.values() for row in account.of["event"].oldest_first()]


@pytest.fixture(scope="session")
def _served() -> Iterator[tuple[Standin, list[str]]]:
    app = create_app(start=START)
    broken: list[str] = []
    _watch_refusals(app.standin.api, broken)
    with serve_in_thread(app) as base:
        yield Standin(base, app), broken


@pytest.fixture
def standin(_served: tuple[Standin, list[str]]) -> Iterator[Standin]:
    """An empty world at 2026-01-05T09:00:00Z. Fails a test in which a refused call changed anything."""
    served, broken = _served
    served.control("reset", {"start": "2026-01-05T09:00:00Z"})
    broken.clear()
    yield served
    assert not broken, "\n".join(broken)


@pytest.fixture
def client(standin: Standin) -> stripe.StripeClient:
    return standin.client()


@pytest.fixture
def customer(client: stripe.StripeClient) -> str:
    return client.v1.customers.create({"email": "ada@example.com", "name": "Ada"}).id


@dataclass
class Receiver:
    """A webhook receiver that remembers what came, and answers what it is told to."""

    url: str
    received: list[tuple[str, bytes]] = field(default_factory=list)
    answer: Callable[[int], int] = lambda number: 200

    def events(self, secret: str) -> list[stripe.Event]:
        """Everything received, its signature verified by the SDK."""
        return [stripe.Webhook.construct_event(body, signature, secret) for signature, body in self.received]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    held: list[Receiver] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            held[0].received.append((self.headers["Stripe-Signature"], body))
            self.send_response(held[0].answer(len(held[0].received)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    held.append(Receiver(f"http://127.0.0.1:{server.server_port}/webhooks"))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield held[0]
    server.shutdown()
    server.server_close()
    thread.join(5)


CARD_ONLY: dict[str, Any] = {"allowed_payment_method_types": ["card"]}


@pytest.fixture
def pay(client: stripe.StripeClient) -> Callable[..., stripe.PaymentIntent]:
    """Create and confirm a payment in one call: `pay(1000, "eur", customer=…, capture_method="manual")`."""

    def make(
        amount: int = 1000, currency: str = "eur", card: str = "pm_card_visa", **more: Any
    ) -> stripe.PaymentIntent:
        options = more.pop("options", {})
        given = {"amount": amount, "currency": currency, "payment_method": card, "confirm": True, **CARD_ONLY, **more}
        return client.v1.payment_intents.create(given, options)

    return make
