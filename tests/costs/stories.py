"""The measured operations and whole tabs, through the app as deployed, on moto and the stand-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from chalice.test import Client
from moto import mock_aws

import app as application
from chalicelib import bootstrap
from chalicelib.adapters.addresses import LibraryAddresses
from chalicelib.adapters.dynamodb.store import DynamoDbStore
from chalicelib.adapters.memory_queues import MemoryQueues
from chalicelib.adapters.stripe.calls import stripe_client
from chalicelib.adapters.stripe.gateway import StripeGateway
from chalicelib.adapters.stripe.transport import Urllib3Client
from chalicelib.adapters.system import SystemIds
from chalicelib.handlers import keys
from chalicelib.ports.deps import Deps
from chalicelib.ports.stream import NewEntry
from chalicelib.usecases.news.relay import relay
from devstack import dynamodb_table
from devstack.stripe_standin.server import create_app, serve_in_thread
from tests.api.world import (
    AUDIENCE,
    EVERYTHING,
    ISSUER,
    PUBLISHABLE_KEY,
    SECRET_KEY,
    START,
    WEBHOOK_SECRET,
    Caller,
    Reply,
    Shop,
    StandInClock,
    World,
    billed,
    booking,
    held,
    paid,
    serve_issuer,
)
from tests.channels import BareWords, Mails, Texts
from tests.costs.meter import Meter, MeteredClient, Usage
from tests.deliveries import deliveries_beside
from tests.notices import Receivers, notices_beside
from tests.people import links_beside, people_beside
from tests.visits import visits_beside

TABLE = "aftertab-dev"
SETTINGS = {
    "AFTERTAB_STAGE": "dev",
    "AFTERTAB_TABLE": TABLE,
    "AFTERTAB_PUBLIC_URL": "https://aftertab.test",
    "AFTERTAB_JWT_ISSUER": ISSUER,
    "AFTERTAB_JWT_AUDIENCE": AUDIENCE,
    "STRIPE_SECRET_KEY": SECRET_KEY,
    "STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
    "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-west-1",
}


@dataclass
class Story:
    """All of one tab, from opening to the last event: what it used, what it took, in how many requests and events."""

    usage: Usage = field(default_factory=Usage)
    calls: int = 0
    events: int = 0
    taken_minor: tuple[int, ...] = ()


@dataclass
class Measured:
    operations: dict[str, Usage] = field(default_factory=dict)
    stories: dict[str, Story] = field(default_factory=dict)


def measure() -> Measured:
    """Everything, in a world of its own; the same figures every time."""
    with _metered_world() as (world, meter, new_table):
        measured = Measured()
        for act in (_one_by_one, _on_the_phone, _rare, _by_link, _split, _customers_tell):
            act(world, _Clerk(meter, measured.operations))
            new_table()
        for name, tell in _STORIES.items():
            measured.stories[name] = _told(world, meter, tell)
            new_table()
        # Last: banks decide when time goes on, about tabs of a table that would be gone.
        _a_bank_asks(world, _Clerk(meter, measured.operations))
        return measured


@contextmanager
def _metered_world() -> Iterator[tuple[World, Meter, Callable[[], None]]]:
    """The world, what counts in it, and a way to begin again: moto copies all it has for every transaction."""
    meter = Meter()
    send = Urllib3Client.request

    def counted(*args: Any, **kwargs: Any) -> Any:
        meter.add(Usage(stripe=1))
        return send(*args, **kwargs)

    standin = create_app(start=START, seed=1)
    with (
        pytest.MonkeyPatch.context() as patch,
        TemporaryDirectory() as empty_folder,
        serve_issuer() as issuer,
        serve_in_thread(standin) as base,
        httpx.Client() as http,
        mock_aws(),
        mock.patch.object(Urllib3Client, "request", counted),
    ):
        for name, value in {**SETTINGS, "AFTERTAB_JWT_JWKS_URL": issuer.jwks_url, "STRIPE_API_BASE": base}.items():
            patch.setenv(name, value)
        # moto's state is not made for more than one thread.
        patch.setattr("chalicelib.usecases.tab.advance_tab.CALLS_AT_ONCE", 1)
        keys.forget()
        client = boto3.client("dynamodb")
        dynamodb_table.create_with(client, TABLE)
        metered = MeteredClient(client, meter)

        def new_table() -> None:
            client.delete_table(TableName=TABLE)
            dynamodb_table.create_with(client, TABLE)
            metered.forget()

        store = DynamoDbStore(
            metered,  # type: ignore[arg-type]
            TABLE,
            # Numbers are as long as their digits: the same every day.
            clock_for_ttl=lambda: float(START + 1),
            sweep_threads=1,
        )
        clock = StandInClock(standin)
        gateway = StripeGateway(
            stripe_client(SECRET_KEY, base),
            stage="dev",
            webhook_secrets=lambda: [WEBHOOK_SECRET],
            publishable_key=PUBLISHABLE_KEY,
        )
        bootstrap.use(
            Deps(
                store=store,
                people=people_beside(store),
                deliveries=deliveries_beside(store),
                notices=notices_beside(store),
                links=links_beside(store),
                visits=visits_beside(store),
                addresses=LibraryAddresses(),
                gateway=gateway,
                clock=clock,
                ids=SystemIds(),
                queues=MemoryQueues(clock),
                mailer=Mails(),
                texter=Texts(),
                words=BareWords(),
                webhooks=Receivers(),
            )
        )
        try:
            lambda_ = Client(application.app, project_dir=empty_folder)
            yield World(lambda_, bootstrap.get_deps(), issuer, standin, base, clock, http), meter, new_table
        finally:
            bootstrap.use(None)


# Operations, one by one


@dataclass
class _Clerk:
    """Writes down what each operation used, under its name; each name once."""

    meter: Meter
    book: dict[str, Usage]

    def __call__(self, name: str, act: Callable[[], Any]) -> Any:
        assert name not in self.book, f"{name} twice"
        with self.meter.counting() as usage:
            answer = act()
        if isinstance(answer, Reply):
            assert answer.status < 300, (name, answer.raw)
            answer = answer.json
        self.book[name] = usage
        return answer


THREE_ITEMS = {
    "items": [
        {"description": "Cut", "unit_price_minor": 4500, "tax_basis_points": 1900},
        {"description": "Colour", "unit_price_minor": 3500, "tax_basis_points": 1900},
        {"description": "Care", "unit_price_minor": 1500, "tax_basis_points": 1900},
    ]
}


def _promise(tab: dict[str, Any], consents: list[str]) -> dict[str, Any]:
    body = {"promise_sha256": tab["promise"]["promise_sha256"], "consents": consents}
    return body | ({"card_terms_sha256": "ab" * 32} if "card_on_file" in consents else {})


def _new_tab(customer: Caller, **more: Any) -> dict[str, Any]:
    return {
        "customer_id": customer.customer_id,
        "title": "Cut and colour",
        "expected_outcome": "Hair cut and coloured.",
        "estimate_minor": 9500,
        **more,
    }


def _one_by_one(world: World, clerk: _Clerk) -> None:
    """A walk-in whose card is on file, request by request."""
    shop = world.shop()
    customer_id = clerk("add a customer", lambda: shop.staff.post("/v1/customers", {"reference": "Ana"}))["customer_id"]
    ana = world.caller("customer", merchant_id=shop.merchant_id, customer_id=customer_id)
    setup = clerk(
        "ask to save a card",
        lambda: ana.post(f"/v1/customers/{customer_id}/setup_intent", {"card_terms_sha256": "ab" * 32}),
    )
    world.confirm_setup(setup)
    clerk("event: a card was saved", world.deliver)
    tab = clerk("open a tab", lambda: shop.staff.post("/v1/tabs", _new_tab(ana)))
    path = f"/v1/tabs/{tab['tab_id']}"
    clerk("accept the promise", lambda: ana.post(f"{path}/accept_promise", _promise(tab, EVERYTHING)))
    clerk("add three items", lambda: shop.staff.post(f"{path}/items", THREE_ITEMS, key="items"))
    clerk("the same request again", lambda: shop.staff.post(f"{path}/items", THREE_ITEMS, key="items"))
    clerk("complete the service", lambda: shop.staff.post(f"{path}/complete"))
    history = world.deps.store.list_entries(shop.merchant_id, tab["tab_id"], limit=100, cursor=None).items
    news = [
        NewEntry(merchant_id=shop.merchant_id, tab_id=tab["tab_id"], customer_id=customer_id, entry=entry)
        for entry in history
    ]
    clerk("relay: a new tab's entries", lambda: relay(world.deps, news[:-1]))
    clerk("relay: an entry more", lambda: relay(world.deps, news[-1:]))
    clerk("relay: the same entry again", lambda: relay(world.deps, news[-1:]))
    clerk("read a tab", lambda: shop.staff.get(path))
    clerk("read a tab's timeline", lambda: shop.staff.get(f"{path}/timeline"))
    clerk("list open tabs", lambda: shop.staff.get("/v1/tabs?status=in_review"))
    clerk("accept the bill, charged to the saved card", lambda: ana.post(f"{path}/accept_bill", {"tip_minor": 500}))
    paid = _next_event(world, "payment_intent.succeeded")
    clerk("event: a payment we were told of already", lambda: world.webhook(paid))
    world.deliver()
    clerk("refund", lambda: shop.owner.post(f"{path}/refunds", {"amount_minor": 1000, "reason": "a discount"}))
    world.deliver()
    clerk("the schedule, nothing due", world.run_schedule)


def _on_the_phone(world: World, clerk: _Clerk) -> None:
    """A walk-in who pays on the phone: Stripe's event is the first news of the payment."""
    shop = world.shop()
    ana = shop.customer()
    tab = shop.open(ana, 9500)
    path = f"/v1/tabs/{tab['tab_id']}"
    ana.post(f"{path}/accept_promise", _promise(tab, ["cap"])).ok()
    shop.complete(tab, 9500)
    payment = clerk("ask for a payment on the phone", lambda: ana.post(f"{path}/charges", {"mode": "on_session"}))[
        "payment"
    ]
    clerk("ask for the same payment again", lambda: ana.post(f"{path}/charges", {"mode": "on_session"}))
    world.confirm(payment)
    paid = _next_event(world, "payment_intent.succeeded")
    clerk("event: a payment, the first news of it", lambda: world.webhook(paid))
    clerk("the same event again", lambda: world.webhook(paid))
    refunded = world.at_stripe("refunds", {"payment_intent": payment["payment_id"], "amount": 500})
    assert refunded["status"] == "succeeded"
    clerk("event: a refund made in Stripe's dashboard", lambda: world.webhook(_next_event(world, "refund.created")))


def _rare(world: World, clerk: _Clerk) -> None:
    """An appointment with a hold, and what else people do."""
    shop = world.shop()
    ana = shop.customer()
    tab = booking(shop, ana, hours=24)
    path = f"/v1/tabs/{tab['tab_id']}"
    payment = clerk(
        "accept the promise, with a hold", lambda: ana.post(f"{path}/accept_promise", _promise(tab, EVERYTHING))
    )["payment"]
    world.confirm(payment)
    holds = _next_event(world, "payment_intent.amount_capturable_updated")
    clerk("event: a hold was placed", lambda: world.webhook(holds))
    world.deliver()
    world.move(hours=24)
    clerk("check in", lambda: shop.staff.post(f"{path}/check_in"))
    shop.add(tab, 8000)
    shop.staff.post(f"{path}/complete").ok()
    clerk("contest", lambda: ana.post(f"{path}/contest", {"reason": "too short", "contested_minor": 1000}))
    clerk(
        "resolve a contest",
        lambda: shop.staff.post(
            f"{path}/resolve", {"resolution": "adjust", "reduction_minor": 1000, "reason": "agreed"}
        ),
    )
    clerk("accept the bill: capture, then charge", lambda: ana.post(f"{path}/accept_bill", {}))
    world.deliver()
    other = shop.open(ana, 4000)
    shop.agree(ana, other, ["cap"])
    shop.complete(other, 4000)
    clerk("take cash", lambda: shop.staff.post(f"/v1/tabs/{other['tab_id']}/cash", {"amount_minor": 4000}))
    third = booking(shop, ana, hours=100)
    clerk("cancel, free", lambda: ana.post(f"/v1/tabs/{third['tab_id']}/cancel", {"reason": "ill"}))
    clerk("report of what is owed", lambda: shop.owner.get("/v1/reports/receivables"))


def _by_link(world: World, clerk: _Clerk) -> None:
    """Guests; their requests are counted with what the authorizer reads, as if its answer was never kept."""
    shop = world.shop()
    made = clerk("make 24 tokens", lambda: shop.owner.post("/v1/tokens", {"first": 1, "count": 24}))["tokens"]
    new = {"title": "Cut", "expected_outcome": "Hair cut.", "estimate_minor": 9500}
    tab = clerk("open a tab for a guest, with a token", lambda: shop.staff.post("/v1/tabs", {**new, "token": 1}))
    path = f"/v1/tabs/{tab['tab_id']}"
    guest = world.guest(made[0]["secret"])
    clerk("read a tab with a token", lambda: guest.get(path))
    own = clerk("take a token's tab over", lambda: guest.post("/v1/link/take_over"))
    link = clerk("make a link", lambda: shop.staff.post(f"{path}/links", {"scope": "pay"}))
    clerk("read a tab with a link", lambda: world.guest(own["secret"]).get(path))
    clerk("revoke a link", lambda: shop.staff.post(f"{path}/links/{link['link']['link_id']}/revoke"))
    clerk("list the tokens", lambda: shop.staff.get("/v1/tokens"))


def _split(world: World, clerk: _Clerk) -> None:
    """A bill in three shares: one is paid from its page, one goes back by itself, one is taken back."""
    shop = world.shop()
    ana = shop.customer()
    tab = billed(shop, ana, 9500)
    path = f"/v1/tabs/{tab['tab_id']}"
    link = shop.staff.post(f"{path}/links", {"scope": "full"}).ok(201)
    clerk("look at a bill's page", lambda: _look(world, link["secret"]))
    made = clerk("split a bill in three", lambda: ana.post(f"{path}/split", {"equally": 3}))["shares"]
    share, guest = f"/v1/tabs/{made[0]['tab_id']}", world.guest(made[0]["secret"])
    clerk("look at a share's page", lambda: _look(world, made[0]["secret"]))
    page = {"mode": "on_session", "tip_minor": 500, "return_url": "https://aftertab.test/back"}
    payment = clerk("pay a share: ask for Stripe's page", lambda: guest.post(f"{share}/charges", page))["payment"]
    card = {"number": "4242424242424242", "expiry": "12 / 34", "cvc": "123"}
    assert world.http.post(f"{world.base}{urlsplit(payment['page_url']).path}", data=card).status_code < 400
    paid = _next_event(world, "payment_intent.succeeded")
    clerk("event: a share is paid, and its bill is told", lambda: world.webhook(paid))
    world.deliver()
    clerk("take the open shares back", lambda: ana.post(f"{path}/unsplit"))
    ana.post(f"{path}/split", {"equally": 2}).ok(201)
    world.control("clock", {"advance_seconds": 24 * 3600 + 60})
    clerk("the schedule: two shares go back to their bill", world.run_schedule)


def _customers_tell(world: World, clerk: _Clerk) -> None:
    """A story of two weeks after a visit, which anybody reads, and its customer takes back."""
    shop = world.shop(stories={"ask_after_days": 14})
    shop.owner.put("/v1/merchant/branding", {"shows_stories": True}).ok()
    ana = shop.customer()
    tab = paid(shop, ana, billed(shop, ana, 9500))
    world.move(days=14)
    path, told = f"/v1/tabs/{tab['tab_id']}", {"text": "It was done in time.", "places": ["website", "feed"]}
    clerk("tell a story", lambda: ana.post(f"{path}/tell_story", told))
    clerk("read a business's stories", lambda: world.stranger.get(f"/v1/stories/{shop.merchant_id}"))
    clerk("take a story back", lambda: ana.post(f"{path}/withdraw_story"))


def _a_bank_asks(world: World, clerk: _Clerk) -> None:
    """Evidence for two disputes: one is answered by its owner, one by the clock with what they have staged."""
    shop = world.shop(submits_evidence=True)
    ana = shop.customer()
    paths = []
    for _ in range(2):
        tab = paid(shop, ana, billed(shop, ana, 9500))
        world.control("disputes", {"payment_intent": tab["legs"][-1]["payment_id"]})
        world.deliver()
        event = next(one for one in reversed(world.events()) if one["type"] == "charge.dispute.created")
        paths.append(f"/v1/tabs/{tab['tab_id']}/evidence/{event['data']['object']['id']}")
    path, other = paths
    sealed = {"sha256": clerk("read the evidence for a dispute", lambda: shop.owner.get(path))["sha256"]}
    clerk("stage it", lambda: shop.owner.post(f"{path}/stage", sealed))
    clerk("submit it", lambda: shop.owner.post(f"{path}/submit", sealed))
    shop.owner.post(f"{other}/stage", {"sha256": shop.owner.get(other).ok()["sha256"]}).ok()
    world.deliver()
    world.control("clock", {"advance_seconds": 8 * 24 * 3600 + 60})
    clerk("the schedule: staged evidence goes to the bank", world.run_schedule)
    world.deliver()
    assert shop.owner.get(other).ok()["state"] == "submitted"


def _look(world: World, secret: str) -> None:
    answer = world.client.http.request("GET", f"/t/{secret}", headers={"host": "salon.example"})
    assert answer.status_code == HTTPStatus.OK, answer.body


def _next_event(world: World, kind: str) -> dict[str, Any]:
    """The newest of its kind, not delivered by `deliver` any more."""
    event = next(event for event in reversed(world.events()) if event["type"] == kind)
    world._delivered.add(event["id"])
    return event


# Whole stories

Tell = Callable[[World, Shop, Caller], dict[str, Any]]


def _walk_in_card_on_file(world: World, shop: Shop, ana: Caller) -> dict[str, Any]:
    tab = shop.open(ana, 9500)
    path = f"/v1/tabs/{tab['tab_id']}"
    shop.agree(ana, tab, EVERYTHING)
    shop.staff.post(f"{path}/items", THREE_ITEMS).ok()
    shop.staff.post(f"{path}/complete").ok()
    ana.post(f"{path}/accept_bill", {}).ok()
    world.deliver()
    world.sweep()
    return tab


def _walk_in_on_the_phone(world: World, shop: Shop, ana: Caller) -> dict[str, Any]:
    tab = shop.open(ana, 9500)
    path = f"/v1/tabs/{tab['tab_id']}"
    shop.agree(ana, tab, ["cap"])
    shop.staff.post(f"{path}/items", THREE_ITEMS).ok()
    shop.staff.post(f"{path}/complete").ok()
    payment = ana.post(f"{path}/charges", {"mode": "on_session"}).ok()["payment"]
    assert world.confirm(payment)["status"] == "succeeded"
    world.deliver()
    world.sweep()
    return tab


def _appointment(world: World, shop: Shop, ana: Caller) -> dict[str, Any]:
    tab = held(shop, ana, booking(shop, ana, hours=24, estimate_minor=9500))
    path = f"/v1/tabs/{tab['tab_id']}"
    world.move(hours=24)
    shop.staff.post(f"{path}/check_in").ok()
    shop.staff.post(f"{path}/items", THREE_ITEMS).ok()
    shop.staff.post(f"{path}/complete").ok()
    ana.post(f"{path}/accept_bill", {}).ok()
    world.deliver()
    world.sweep()
    return tab


def _no_show(world: World, shop: Shop, ana: Caller) -> dict[str, Any]:
    tab = held(shop, ana, booking(shop, ana, hours=24, estimate_minor=9500))
    world.move(hours=25)
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/no_show").ok()
    world.move(hours=24)
    world.sweep()
    return tab


WALK_IN = "walk-in, card on file: bill accepted and charged in one"
APPOINTMENT = "appointment: hold on the phone, captured, balance charged"
_STORIES: dict[str, Tell] = {
    WALK_IN: _walk_in_card_on_file,
    "walk-in, paid on the phone": _walk_in_on_the_phone,
    APPOINTMENT: _appointment,
    "no-show: the fee captured from the hold, the rest released": _no_show,
}


def _told(world: World, meter: Meter, tell: Tell) -> Story:
    """One story of a customer who has been here before. What the teller looks at on the way is not part of it."""
    shop = world.shop()
    ana = shop.customer()
    if tell is _walk_in_card_on_file:
        shop.save_card(ana)
    story = Story()
    send = Caller.send

    def counted(caller: Caller, method: str, path: str, *args: Any, **kwargs: Any) -> Reply:
        if method == "GET":
            return send(caller, method, path, *args, **kwargs)
        with meter.counting() as usage:
            reply = send(caller, method, path, *args, **kwargs)
        if path == "/v1/webhooks/stripe":
            # The endpoint asks Stripe for the kinds we act on; the stand-in's list has all of them.
            story.events += reply.json["result"] != "ignored"
        else:
            story.calls += 1
        story.usage += usage
        return reply

    def swept(world: World) -> None:
        with meter.counting() as usage, mock.patch.object(Caller, "send", send):
            world.run_schedule()
        story.usage += usage
        world.deliver()

    with mock.patch.object(Caller, "send", counted), mock.patch.object(World, "sweep", swept):
        tab = tell(world, shop, ana)
    tab = shop.seen(tab)
    # A no-show's fee is open to objection for two weeks: the tab closes after that.
    assert (tab["status"], tab["payment_state"]) in (("closed", "paid"), ("no_show", "paid")), tab
    story.taken_minor = tuple(leg["amount_minor"] for leg in tab["legs"])
    return story
