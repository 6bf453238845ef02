"""The examples of answers in the OpenAPI document: what the API answers in one small story, with steady ids.

`make examples` writes them; a test plays the story again and compares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.adapters.system import SystemIds
from chalicelib.adapters.words.writer import Writer
from chalicelib.domain.tab.link import SECRET_LENGTH
from chalicelib.handlers.api.operations import Operation, all_operations

from .world import CARD_TERMS, EVERYTHING, Caller, Reply, World, billed, paid

TARGET = Path(__file__).resolve().parents[2] / "chalicelib" / "handlers" / "api" / "answer_examples.json"
_OF_STRIPE = re.compile(r"\b(pi|pm|seti|cs_test|ch|re|cus|cuss|du)_(?!0{6})[A-Za-z0-9]{8,}(_secret_[A-Za-z0-9]+)?")
_SESSION = re.compile(r"cuss_secret_[A-Za-z0-9]+")
_ROUTES = [
    (operation.method, re.compile(re.sub(r"{\w+}", "[^/]+", operation.path)), operation)
    for operation in all_operations().values()
]


class SameIds(SystemIds):
    """Ids in the order in which they are asked for; secrets are drawn as ever."""

    def __init__(self) -> None:
        self._made = 0

    def new(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}_{self._made:026}"


class Recorder:
    """Sends requests, and keeps the first answer of each struct, and of each status of a refusal."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.answers: dict[str, Any] = {}

    def send(self, caller: Caller, method: str, path: str, body: Any = None, **headers: str) -> Any:
        reply: Reply = caller.send(method, path, body, headers=headers)
        name = "Problem" if reply.status >= 400 else _answer_of(_operation(method, path))
        self.answers.setdefault(name, reply.json)
        return reply.json


def play(world: World) -> dict[str, Any]:
    """Name of the struct → an answer of it."""
    world.deps = replace(world.deps, ids=SameIds(), words=Writer())
    bootstrap.use(world.deps)
    recorder = Recorder(world)
    send = recorder.send
    shop = world.shop()
    staff, owner = shop.staff, shop.owner
    send(world.stranger, "GET", "/v1/health")
    send(owner, "PUT", "/v1/merchant/branding", {"colour": "#7a1f5c", "email": "hello@example.com"})
    send(owner, "PUT", "/v1/merchant/policy", {"free_cancel_s": 172800})
    made = send(staff, "POST", "/v1/customers", {"reference": "Ana, card 1207"})
    ana = world.caller("customer", merchant_id=shop.merchant_id, customer_id=made["customer_id"])
    customer = f"/v1/customers/{ana.customer_id}"
    send(ana, "PUT", f"{customer}/contact", {"name": "Ana", "email": "ana@example.com", "language": "en"})
    send(staff, "GET", "/v1/customers")
    send(ana, "GET", f"{customer}/standing")
    endpoint = send(owner, "POST", "/v1/endpoints", {"url": "https://example.com/hooks/aftertab"})["endpoint"]
    at_endpoint = f"/v1/endpoints/{endpoint['endpoint_id']}"
    send(owner, "GET", at_endpoint)
    send(owner, "GET", "/v1/endpoints")
    send(owner, "POST", f"{at_endpoint}/test", {})
    send(owner, "GET", f"{at_endpoint}/notices")
    send(owner, "POST", "/v1/tokens", {"first": 17, "count": 1})
    send(owner, "GET", "/v1/tokens")

    tab = shop.open(ana, 8000, cap_minor=10000, deposit_minor=2000, starts_at=world.in_(hours=30))
    path = f"/v1/tabs/{tab['tab_id']}"
    send(ana, "POST", f"{customer}/setup_intent", {"card_terms_sha256": CARD_TERMS})
    send(staff, "POST", f"{path}/items", {"items": [{"description": "Cut", "unit_price_minor": "55", "price": 1}]})
    accepted = ana.post(
        f"{path}/accept_promise",
        {
            "promise_sha256": tab["promise"]["promise_sha256"],
            "consents": EVERYTHING,
            "card_terms_sha256": CARD_TERMS,
        },
    ).json
    send(ana, "POST", f"{path}/payment_sheet", {})
    world.confirm(accepted["payment"])
    world.deliver()
    send(staff, "GET", f"{path}/agenda")
    world.move(hours=30)
    staff.post(f"{path}/check_in").ok()
    items = [{"description": "Colour", "unit_price_minor": 5500, "tax_basis_points": 2300}]
    staff.post(f"{path}/items", {"items": items}).ok()
    staff.post(f"{path}/complete").ok()
    send(staff, "GET", path)
    guest = world.guest(send(staff, "POST", f"{path}/links", {"scope": "full"})["secret"])
    send(guest, "GET", "/v1/link")
    send(staff, "GET", f"{path}/links")
    send(staff, "GET", f"{path}/timeline?limit=5")
    send(staff, "GET", "/v1/tabs?status=in_review")
    send(owner, "GET", "/v1/reports/receivables")
    send(staff, "GET", "/v1/reports/totals?status=in_review")
    send(owner, "GET", "/v1/reports/forecast")
    send(owner, "GET", "/v1/reports/integrity")
    send(owner, "PUT", "/v1/merchant/branding", {"shows_integrity": True})
    send(ana, "GET", "/v1/merchant/integrity")

    bill = shop.complete(shop.open(ana, 4000), 4000)
    send(ana, "POST", f"/v1/tabs/{bill['tab_id']}/split", {"equally": 2})
    _dispute(recorder, paid(shop, ana, billed(shop, ana, 6000)), owner)
    send(owner, "POST", "/v1/tokens/17/revoke", {})
    send(owner, "DELETE", at_endpoint)
    _earn_and_invite(recorder)
    _tell_a_story(recorder)
    event = {"id": "evt_1", "object": "event", "type": "payout.paid", "data": {"object": {"id": "po_1"}}}
    recorder.answers["WebhookView"] = world.webhook(event | {"livemode": False, "created": 1}).json
    return _steady(recorder.answers)


def _dispute(recorder: Recorder, tab: dict[str, Any], owner: Caller) -> None:
    """A bank disputes what was paid for this tab."""
    world = recorder.world
    payment_id = tab["legs"][0]["payment_id"]
    opened = world.control("disputes", {"payment_intent": payment_id, "reason": "product_unacceptable"})
    world.deliver()
    recorder.send(owner, "GET", f"/v1/tabs/{tab['tab_id']}/evidence/{opened['id']}")


def _earn_and_invite(recorder: Recorder) -> None:
    """Another business, which gives credit: a visit is paid, two weeks later its customer invites a friend."""
    world = recorder.world
    shop = world.shop(credits={"rate_basis_points": 500, "referral_minor": 500, "referral_least_minor": 2000})
    eva = shop.customer("Eva")
    paid(shop, eva, billed(shop, eva, 6000))
    world.move(days=14)
    recorder.send(eva, "POST", f"/v1/customers/{eva.customer_id}/invitation", {})
    recorder.send(shop.staff, "GET", f"/v1/customers/{eva.customer_id}/credits")


def _tell_a_story(recorder: Recorder) -> None:
    """A third business, which asks its customers for stories, and shows them."""
    world = recorder.world
    shop = world.shop(stories={"ask_after_days": 14})
    shop.owner.put("/v1/merchant/branding", {"shows_stories": True}).ok()
    mia = shop.customer("Mia")
    tab = paid(shop, mia, billed(shop, mia, 6000))
    world.move(days=14)
    path = f"/v1/tabs/{tab['tab_id']}"
    told = {"text": "They listened, and the cut was done in time.", "places": ["website", "feed"], "name": "Mia"}
    mia.post(f"{path}/tell_story", told).ok()
    recorder.send(mia, "GET", f"{path}/story")
    shop.owner.get("/v1/reports/integrity").ok()
    recorder.send(world.stranger, "GET", f"/v1/stories/{shop.merchant_id}")


def missing(answers: dict[str, Any]) -> Iterator[str]:
    """The structs of answers that have no example."""
    for operation in all_operations().values():
        if operation.answer is not None and operation.answer.__name__ not in answers:
            yield f"{operation.name} answers {operation.answer.__name__}"


def text(answers: dict[str, Any]) -> str:
    return json.dumps(dict(sorted(answers.items())), indent=1, ensure_ascii=False) + "\n"


def _operation(method: str, path: str) -> Operation:
    return next(o for its, pattern, o in _ROUTES if its == method and pattern.fullmatch(path.split("?")[0]))


def _answer_of(operation: Operation) -> str:
    assert operation.answer is not None, operation.name
    return operation.answer.__name__


def _steady(answers: dict[str, Any]) -> dict[str, Any]:
    """The same with every id of Stripe's and every secret replaced by one that is always the same."""
    seen: dict[str, str] = {}

    def replaced(match: re.Match[str]) -> str:
        number = seen.setdefault(match[0].partition("_secret_")[0], f"{len(seen) + 1:024}")
        return f"{match[1]}_{number}" + ("_secret_0000" if match[2] else "")

    found: dict[str, Any] = json.loads(_SESSION.sub("cuss_secret_0000", _OF_STRIPE.sub(replaced, json.dumps(answers))))
    _hide(found)
    return found


def _hide(node: Any) -> None:
    if isinstance(node, list):
        for inner in node:
            _hide(inner)
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "secret" and value:
                node[name] = "0123456789ABCDEFGHJKMNPQRS" if not value.startswith("whsec") else "whsec_…"
            elif name == "next_cursor" and value:
                node[name] = "0123456789ABCDEFGHJKMNPQRS" + value[SECRET_LENGTH:]
            elif name == "url" and "/r/" in str(value):
                node |= {"url": "https://pay.example.com/r/7KQ2M9XH4T", "code": "7KQ2M9XH4T"}
            elif name == "url" and "/t/" in str(value):
                node[name] = "https://pay.example.com/t/0123456789ABCDEFGHJKMNPQRS"
            if name == "sha256" and value:
                # Over texts that name payments by their ids.
                node[name] = "0" * 64
            _hide(value)
