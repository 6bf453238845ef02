"""Raw bytes wherever strangers can send them: webhook, bearers, cursors, links, forms, cookies, headers, bodies.

Nothing that is sent may be answered with a 5xx or by an exception, and nothing may be let in. Hypothesis makes the
bytes; each is sent as it is and spliced into something good, because what is nearly right goes deepest. `make fuzz`
sends a million; a test run some thousands (RAW_BYTES).
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import app as application
from chalicelib.handlers import bearers
from chalicelib.handlers.api.problems import CONTENT_TYPE

from .test_lambda import FORM, authorized, proxy_event
from .world import Issuer, Shop, World, sign

RAW_BYTES = int(os.environ.get("RAW_BYTES", "6000"))
"""How many inputs are sent in all."""
A_CHUNK = 20
"""So many pieces make an example: Hypothesis takes longer for one than the app for its answer."""

Send = Callable[[bytes], None]


class Town:
    """A shop with a tab, and something good of each kind, to be spoilt."""

    def __init__(self, world: World, shop: Shop, issuer: Issuer) -> None:
        self.world, self.shop = world, shop
        ana = shop.customer()
        tab = shop.open(ana, 4000)
        self.tab_id = tab["tab_id"]
        for _ in range(3):
            shop.open(ana, 4000)
        self.secret = shop.link(tab).token or ""
        self.token = issuer.token("staff", merchant_id=shop.merchant_id).encode()
        self.cursor = shop.staff.get("/v1/tabs?status=open&limit=1").ok()["next_cursor"].encode()
        timeline = shop.staff.get(f"/v1/tabs/{self.tab_id}/timeline?limit=1").ok()
        self.place = (timeline["next_cursor"] or "a").encode()
        world.events()
        self.event = json.dumps(
            {
                "id": "evt_1",
                "object": "event",
                "type": "payment_intent.succeeded",
                "created": 1_767_603_600,
                "livemode": False,
                "api_version": "2026-10-28.endive",
                "data": {
                    "object": {
                        "id": "pi_1",
                        "object": "payment_intent",
                        "amount": 4000,
                        "amount_received": 4000,
                        "currency": "eur",
                        "status": "succeeded",
                        "metadata": {
                            "app": "aftertab",
                            "stage": "dev",
                            "merchant": shop.merchant_id,
                            "tab": self.tab_id,
                        },
                    }
                },
            }
        ).encode()
        self.body = json.dumps(
            {"customer_id": ana.customer_id, "title": "Cut", "expected_outcome": "Hair cut.", "estimate_minor": 4000}
        ).encode()
        self.form = f"key=k&version={tab['version']}&lang=de&reason=No&tip=0&consent=cap".encode()

    # What is sent. Each fails by an exception or an assertion.

    def webhook_body(self, raw: bytes) -> None:
        """Not signed, or for other bytes."""
        answer = self.call("POST", "/v1/webhooks/stripe", raw, {"Stripe-Signature": sign(self.event)})
        assert answer["statusCode"] == (200 if raw == self.event else 400)

    def webhook_signed(self, raw: bytes) -> None:
        """Signed by Stripe, whatever it is."""
        answer = self.call("POST", "/v1/webhooks/stripe", raw, {"Stripe-Signature": sign(raw)})
        # 503: an event of ours about something that is not known yet is sent again.
        assert answer["statusCode"] in (200, 400, 503)

    def webhook_signature(self, raw: bytes) -> None:
        """The event is good, its signature raw."""
        answer = self.call("POST", "/v1/webhooks/stripe", self.event, {"Stripe-Signature": text(raw)})
        assert answer["statusCode"] == 400

    def bearer(self, raw: bytes) -> None:
        if raw in (self.token, self.secret.encode()):
            return
        with pytest.raises(bearers.Refused):
            bearers.read_token(f"Bearer {text(raw)}")

    def authorization(self, raw: bytes) -> None:
        """The whole header: no scheme but Bearer is read."""
        if raw.partition(b" ")[2] == self.token:
            return
        with pytest.raises(bearers.Refused):
            bearers.read_token(text(raw))

    def cursor_of_tabs(self, raw: bytes) -> None:
        query = {"status": ["open"], "limit": ["1"], "cursor": [text(raw)]}
        answer = self.call("GET", "/v1/tabs", query=query)
        assert answer["statusCode"] == (200 if raw == self.cursor else 400 if 0 < len(text(raw)) <= 512 else 422)

    def cursor_of_entries(self, raw: bytes) -> None:
        query = {"limit": ["1"], "cursor": [text(raw)]}
        answer = self.call("GET", "/v1/tabs/{tab_id}/timeline", path={"tab_id": self.tab_id}, query=query)
        assert answer["statusCode"] == (200 if raw == self.place else 400 if 0 < len(text(raw)) <= 512 else 422)

    def link(self, raw: bytes) -> None:
        answer = self.call("GET", "/t/{secret}", path={"secret": text(raw)})
        assert answer["statusCode"] == (200 if raw == self.secret.encode() else 404)

    def form_of_a_page(self, raw: bytes) -> None:
        path = {"secret": self.secret, "act": "contest"}
        answer = self.call("POST", "/t/{secret}/{act}", raw, {"Content-Type": FORM}, path=path)
        # 409 is the page again, with what was wrong.
        assert answer["statusCode"] in (200, 303, 409)

    def act_of_a_page(self, raw: bytes) -> None:
        path = {"secret": self.secret, "act": text(raw)}
        answer = self.call("POST", "/t/{secret}/{act}", self.form, {"Content-Type": FORM}, path=path)
        assert answer["statusCode"] in (200, 303, 409)

    def business_of_a_block(self, raw: bytes) -> None:
        answer = self.call("GET", "/stories/{merchant_id}", path={"merchant_id": text(raw)})
        assert answer["statusCode"] == 404, "this one shows no stories"

    def cookie(self, raw: bytes) -> None:
        answer = self.call("GET", "/back/{mark}", headers={"Cookie": text(raw)}, path={"mark": "a" * 20})
        assert answer["statusCode"] == 200
        assert "Location" not in answer["headers"]

    def unsubscribe_key(self, raw: bytes) -> None:
        path = {"merchant_id": self.shop.merchant_id, "customer_id": "cus_1", "key": text(raw)}
        answer = self.call("GET", "/v1/unsubscribe/{merchant_id}/{customer_id}/{key}", path=path)
        assert answer["statusCode"] == 404

    def body_of_a_write(self, raw: bytes) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": self.world.new_key()}
        # An owner's note changes nothing, so a body that is good by chance can be sent again and again.
        answer = self.call("POST", "/v1/tabs/{tab_id}/adjust", raw, headers, path={"tab_id": self.tab_id})
        assert answer["statusCode"] in (400, 409, 413, 422)

    def headers_of_a_write(self, raw: bytes) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": text(raw), "If-Match": text(raw)}
        path = {"tab_id": self.tab_id}
        answer = self.call(
            "POST", "/v1/tabs/{tab_id}/adjust", b'{"reduction_minor":1,"reason":"No."}', headers, path=path
        )
        assert answer["statusCode"] in (400, 409, 412)

    def identifier(self, raw: bytes) -> None:
        if raw == self.tab_id.encode():
            return
        answer = self.call("GET", "/v1/tabs/{tab_id}", path={"tab_id": text(raw)})
        assert answer["statusCode"] == 404

    def call(
        self,
        method: str,
        resource: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        path: dict[str, str] | None = None,
        query: dict[str, list[str]] | None = None,
    ) -> dict[str, Any]:
        """As API Gateway calls the function, with staff as the caller where one is asked for."""
        event = proxy_event(
            method,
            resource,
            path,
            headers={"Content-Type": "application/json", **(headers or {})},
            body=None if body is None else base64.b64encode(body).decode(),
            isBase64Encoded=body is not None,
            multiValueQueryStringParameters=query,
        )
        authorized(event, role="owner", merchant_id=self.shop.merchant_id)
        answer: dict[str, Any] = application.app(event, None)
        assert answer["statusCode"] < 500 or json.loads(answer["body"])["code"] == "not_yet_known", answer
        if answer["statusCode"] >= 400 and answer["headers"]["Content-Type"] != "text/html; charset=utf-8":
            assert answer["headers"]["Content-Type"] == CONTENT_TYPE
        return answer


def text(raw: bytes) -> str:
    """As headers and paths come: a byte, a character."""
    return raw.decode("latin-1")


TARGETS: dict[str, Callable[[Town], tuple[Send, bytes]]] = {
    "webhook_body": lambda town: (town.webhook_body, town.event),
    "webhook_signed": lambda town: (town.webhook_signed, town.event),
    "webhook_signature": lambda town: (town.webhook_signature, sign(town.event + b" ").encode()),
    "bearer": lambda town: (town.bearer, town.token),
    "bearer_link": lambda town: (town.bearer, town.secret.encode()),
    "authorization": lambda town: (town.authorization, b"Bearer " + town.token),
    "cursor_of_tabs": lambda town: (town.cursor_of_tabs, town.cursor),
    "cursor_of_entries": lambda town: (town.cursor_of_entries, town.place),
    "link": lambda town: (town.link, town.secret.encode()),
    "form_of_a_page": lambda town: (town.form_of_a_page, town.form),
    "act_of_a_page": lambda town: (town.act_of_a_page, b"contest"),
    "business_of_a_block": lambda town: (town.business_of_a_block, town.shop.merchant_id.encode()),
    "cookie": lambda town: (town.cookie, f"tab_{'a' * 20}=0123456789".encode()),
    "unsubscribe_key": lambda town: (town.unsubscribe_key, b"a" * 43),
    "body_of_a_write": lambda town: (town.body_of_a_write, b'{"reduction_minor":100,"reason":"No."}'),
    "headers_of_a_write": lambda town: (town.headers_of_a_write, b'"1"'),
    "identifier": lambda town: (town.identifier, town.tab_id.encode()),
}


_PAGES = frozenset({"link", "form_of_a_page", "act_of_a_page", "business_of_a_block"})
"""Answered with a page, which takes ten times as long to write as a refusal."""


def share_of(target: str) -> int:
    """How many inputs this target gets of RAW_BYTES, a page a fifth of the others."""
    parts = 5 * len(TARGETS.keys() - _PAGES) + len(_PAGES)
    return -(-RAW_BYTES * (1 if target in _PAGES else 5) // parts)


def spliced(good: bytes, piece: bytes) -> bytes:
    """The good thing with this piece in it: where, and in whose place, the piece itself says."""
    at = int.from_bytes(piece[:2]) % (len(good) + 1)
    return good[:at] + piece[2:] + good[at + int.from_bytes(piece[1:2]) % 8 :]


@pytest.mark.parametrize("target", TARGETS)
def test_raw_bytes_are_refused(world: World, shop: Shop, issuer: Issuer, target: str) -> None:
    """Each piece as it is, spliced into the good thing, and the good thing cut off."""
    send, good = TARGETS[target](Town(world, shop, issuer))
    sent = 0

    @settings(
        max_examples=-(-share_of(target) // (3 * A_CHUNK)),
        database=None,
        deadline=None,
        derandomize=RAW_BYTES < 100_000,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.binary(max_size=48), min_size=A_CHUNK, max_size=A_CHUNK))
    def run(pieces: list[bytes]) -> None:
        nonlocal sent
        for piece in pieces:
            for raw in (
                piece,
                spliced(good, piece),
                spliced(good, piece)[: int.from_bytes(piece[:2]) % (len(good) + 8)],
            ):
                send(raw)
                sent += 1

    run()
    assert sent >= share_of(target)
    print(f"{target}: {sent:,} inputs")
