"""Links over HTTP: what guests may do with one, who makes and revokes them, and what a wrong one tells: nothing."""

from __future__ import annotations

import io
import json
import logging
import re
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.handlers import bearers, logs
from chalicelib.handlers.api.operations import all_operations

from .world import CARD_TERMS, DEPOSIT, Caller, Reply, Shop, World, billed, history, paid, settled

REFUSED = {
    "type": "urn:aftertab:problem:token_invalid",
    "title": "Unauthorized",
    "status": 401,
    "code": "token_invalid",
    "detail": "This token or link is not accepted. Sign in again, or ask for a new link.",
    "request_id": "local",
}
SECRET = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


def path(tab: dict[str, Any]) -> str:
    return f"/v1/tabs/{tab['tab_id']}"


def made(caller: Caller, tab: dict[str, Any], scope: str = "full", **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = caller.post(f"{path(tab)}/links", {"scope": scope, **more}).ok(201)
    return answer


def is_refused(reply: Reply) -> bool:
    """By the authorizer, and so before any code of the route."""
    return (reply.status, reply.json) == (401, REFUSED)


# What they open


def test_a_guest_sees_the_tab_and_what_its_link_allows(world: World, shop: Shop) -> None:
    """GET /v1/link says which tab it is; the tab is the customer's view of it, without the books."""
    tab = shop.open(shop.customer(), 4000)
    guest = shop.link(tab, "pay")

    visit = guest.get("/v1/link").ok()
    seen = guest.get(path(tab)).ok()

    assert (visit["tab_id"], visit["scope"], visit["token"], visit["expires_at"]) == (tab["tab_id"], "pay", None, None)
    assert (seen["tab_id"], seen["ledger"], seen["flags"]) == (tab["tab_id"], None, None)
    assert guest.get(f"{path(tab)}/agenda").status == guest.get(f"{path(tab)}/timeline").status == 200


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("view", set()),
        ("pay", {"pay_on_phone", "announce_cash"}),
        (
            "full",
            {
                *("save_card", "accept_bill", "contest", "pay_on_phone", "charge_saved_card", "announce_cash"),
                *("split", "rate"),
            },
        ),
    ],
)
def test_the_scope_is_what_a_guest_may_do(shop: Shop, scope: str, allowed: set[str]) -> None:
    """`allowed_actions` are the scope's, a full link's are the customer's own; all other actions answer 403."""
    ana = shop.customer()
    tab = billed(shop, ana, 4000, card="pm_card_visa")
    guest = shop.link(tab, scope)

    assert set(guest.get(path(tab)).ok()["allowed_actions"]) == allowed | {"disown"}
    assert set(shop.seen(tab, ana)["allowed_actions"]) >= allowed
    bodies: dict[str, Any] = {
        "accept_bill": {},
        "contest": {"reason": "Too short."},
        "cancel": {},
        "tip": {"tip_minor": 100},
        "accept_promise": {"promise_sha256": tab["promise"]["promise_sha256"], "consents": ["cap"]},
    }
    for action, body in bodies.items():
        if scope != "full" and (scope, action) != ("pay", "tip"):
            guest.post(f"{path(tab)}/{action}", body).problem(403, "forbidden")
    if scope == "view":
        guest.post(f"{path(tab)}/charges", {"mode": "on_session"}).problem(403, "forbidden")
    if scope != "full":
        guest.post(f"{path(tab)}/charges", {"mode": "off_session"}).problem(403, "forbidden")


def test_a_full_link_is_as_good_as_the_app(world: World, shop: Shop) -> None:
    """Accept with every consent, save a card, be served, accept the bill with a tip: paid, and the books agree."""
    tab = shop.open(shop.customer(), 8000, starts_at=world.in_(days=10), **DEPOSIT)
    guest = shop.link(tab)

    agreed = shop.agree(guest, tab)
    need = next(need for need in agreed["needs"] if need["action"] == "save_card")
    assert need["request"] == f"POST /v1/customers/{tab['customer_id']}/setup_intent"
    terms = {"card_terms_sha256": CARD_TERMS, "tab_id": tab["tab_id"]}
    setup = guest.post(f"/v1/customers/{tab['customer_id']}/setup_intent", terms).ok(201)
    assert world.confirm_setup(setup)["status"] == "succeeded"
    world.deliver()
    world.move(days=9)
    tab = shop.complete(shop.seen(tab), 6000)
    done = guest.post(f"{path(tab)}/accept_bill", {"tip_minor": 500}).ok()

    assert (done["status"], done["paid_minor"]) == ("closed", 6500)
    settled(shop, tab)


def test_an_acceptance_by_link_says_so(world: World, shop: Shop) -> None:
    """Method guest_link, with the link's id as the subject, the address it came from, the browser and the time."""
    tab = shop.open(shop.customer(), 4000)
    answer = made(shop.staff, tab)

    shop.agree(world.guest(answer["secret"]), tab)

    accepted = world.deps.store.get_tab(shop.merchant_id, tab["tab_id"]).promise.accepted
    assert accepted is not None
    assert (accepted.method, accepted.subject) == ("guest_link", answer["link"]["link_id"])
    assert (accepted.ip, accepted.user_agent, accepted.accepted_at) == ("127.0.0.1", "test", world.clock.now())


def test_moving_an_appointment_by_link_counts_as_accepted_by_link(world: World, shop: Shop) -> None:
    """The customer's own word moves it, and what is sealed then says by which means."""
    tab = shop.open(shop.customer(), 8000, starts_at=world.in_(days=10), **DEPOSIT)
    guest = shop.link(tab)
    shop.agree(guest, tab)

    guest.post(f"{path(tab)}/reschedule", {"starts_at": world.in_(days=11)}).ok()

    accepted = world.deps.store.get_tab(shop.merchant_id, tab["tab_id"]).promise.accepted
    assert accepted is not None and accepted.method == "guest_link"


def test_a_guest_sees_no_other_tab(world: World, shop: Shop) -> None:
    """Nor does a guest save a card for one, or for nobody's tab; test_access.py walks every route."""
    ana = shop.customer()
    tab, other = shop.open(ana, 4000), shop.open(ana, 5000)
    guest = shop.link(tab)
    setup = f"/v1/customers/{ana.customer_id}/setup_intent"
    guest.post(setup, {"card_terms_sha256": CARD_TERMS, "tab_id": other["tab_id"]}).problem(404, "not_found")
    guest.post(setup, {"card_terms_sha256": CARD_TERMS}).problem(422, "invalid_input")
    guest.post("/v1/customers/cus_x/setup_intent", {"card_terms_sha256": CARD_TERMS}).problem(404, "not_found")


def test_two_people_on_one_link_pay_once(world: World, shop: Shop) -> None:
    """Both phones get the same payment; when one has paid, there is nothing left for the other."""
    tab = billed(shop, shop.customer(), 4000)
    secret = made(shop.staff, tab, "pay")["secret"]
    one, two = world.guest(secret), world.guest(secret)

    first = one.post(f"{path(tab)}/charges", {"mode": "on_session"}).ok()["payment"]
    second = two.post(f"{path(tab)}/charges", {"mode": "on_session"}).ok()["payment"]
    assert first == second
    world.confirm(first)
    world.deliver()

    two.post(f"{path(tab)}/charges", {"mode": "on_session"}).problem(409, "transition_refused")
    assert settled(shop, tab)["paid_minor"] == 4000


def test_a_friends_card_is_not_kept(world: World, shop: Shop) -> None:
    """Who may only pay gets a payment that saves no card, though the customer agreed that theirs is kept.

    Neither do they get the secret of a payment that would save one, nor of a hold, nor see the customer's card.
    """
    ana = shop.customer()
    shop.save_card(ana)
    tab = shop.open(ana, 4000)
    shop.agree(ana, tab)
    tab = shop.complete(tab, 4000)
    friend = shop.link(tab, "pay")
    hers = ana.post(f"{path(tab)}/charges", {"mode": "on_session"}).ok()["payment"]

    seen = friend.get(path(tab)).ok()
    theirs = friend.post(f"{path(tab)}/charges", {"mode": "on_session"}).ok()["payment"]

    assert (seen["payment"]["client_secret"], seen["card"]) == (None, None)
    assert theirs["payment_id"] != hers["payment_id"] and theirs["client_secret"]
    assert world.confirm(theirs, "pm_card_mastercard")["status"] == "succeeded"
    world.deliver()
    assert shop.seen(tab, ana)["card"]["brand"] == "visa"
    assert settled(shop, tab)["paid_minor"] == 4000


def test_only_a_full_link_shows_the_customers_card(world: World, shop: Shop) -> None:
    """Neither the tab nor its timeline tells it to who may only look or pay, a token's finder for example."""
    ana = shop.customer()
    tab = shop.open(ana, 4000)
    shop.agree(ana, tab)
    shop.save_card(ana, tab=tab)
    shop.complete(tab, 4000)

    def told(guest: Caller) -> bool:
        return "4242" in (guest.get(path(tab)).raw + guest.get(f"{path(tab)}/timeline?limit=100").raw).decode()

    assert [told(shop.link(tab, scope)) for scope in ("view", "pay", "full")] == [False, False, True]
    assert told(ana)
    own, others = (
        [entry["details"] for entry in guest.get(f"{path(tab)}/timeline?limit=100").ok()["entries"]]
        for guest in (shop.link(tab), shop.link(tab, "pay"))
    )
    assert any("last4" in details for details in own) and not any("last4" in details for details in others)


def test_only_a_full_link_confirms_a_hold(world: World, shop: Shop) -> None:
    """The deposit waits for the customer: its secret is not for a guest who may pay the bill."""
    ana = shop.customer()
    tab = shop.open(ana, 8000, starts_at=world.in_(hours=24), **DEPOSIT)
    shop.agree(ana, tab)

    secrets = [
        shop.link(tab, scope).get(path(tab)).ok()["payment"]["client_secret"] for scope in ("view", "pay", "full")
    ]

    assert secrets[:2] == [None, None] and secrets[2]


# Making, listing, revoking


def test_the_secret_is_told_once_and_listed_never(world: World, shop: Shop) -> None:
    """The answer has it, in the address of the page; the list has ids, scope and state; a repetition has null."""
    tab = shop.open(shop.customer(), 4000)
    key = world.new_key()

    first = shop.staff.post(f"{path(tab)}/links", {"scope": "view"}, key=key)
    again = shop.staff.post(f"{path(tab)}/links", {"scope": "view"}, key=key)
    listed = shop.staff.get(f"{path(tab)}/links")

    secret = first.ok(201)["secret"]
    assert SECRET.fullmatch(secret) and first.json["url"].endswith(f"/t/{secret}")
    assert (again.ok(201)["secret"], again.json["url"], again.json["link"]) == (None, None, first.json["link"])
    assert again.header("Idempotent-Replayed") == "true"
    assert listed.ok()["links"] == [first.json["link"]]
    assert secret not in (listed.raw + json.dumps([shop.seen(tab), history(shop, tab)]).encode()).decode()
    assert (first.json["link"]["state"], first.json["link"]["method"]) == ("live", "made")


@pytest.mark.parametrize(
    ("environment", "begins"),
    [
        ({}, "http://localhost/t/"),
        ({"AFTERTAB_API_URL": "https://api.example.com/"}, "https://api.example.com/t/"),
        ({"AFTERTAB_API_URL": "https://api.example.com", "AFTERTAB_PAGES_URL": "https://p.ex"}, "https://p.ex/t/"),
        ({"AFTERTAB_PAGES_URL": "http://127.0.0.1:8000"}, "http://127.0.0.1:8000/t/"),
    ],
)
def test_addresses_begin_where_the_pages_are(
    shop: Shop, environment: dict[str, str], begins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the settings, or else where the API was reached."""
    tab = shop.open(shop.customer(), 4000)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    answer = made(shop.staff, tab)

    assert answer["url"] == begins + answer["secret"]


def test_no_address_without_https(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong setting is our mistake, and no secret is drawn that nobody would be told."""
    tab = shop.open(shop.customer(), 4000)
    monkeypatch.setenv("AFTERTAB_PAGES_URL", "http://pay.example.com")

    assert shop.staff.post(f"{path(tab)}/links", {"scope": "view"}).status == 500

    assert shop.staff.get(f"{path(tab)}/links").ok()["links"] == []


def test_a_revoked_link_opens_nothing_at_once(world: World, shop: Shop) -> None:
    """API Gateway keeps what the authorizer said for a minute. The tab is asked again, so that does not matter."""
    tab = shop.open(shop.customer(), 4000)
    answer = made(shop.staff, tab)
    guest = world.guest(answer["secret"])
    context = bearers.read_token(f"Bearer {answer['secret']}")
    assert guest.get(path(tab)).status == 200

    listed = shop.staff.post(f"{path(tab)}/links/{answer['link']['link_id']}/revoke").ok()

    assert [link["state"] for link in listed["links"]] == ["revoked"]
    assert is_refused(guest.get(path(tab)))
    with_cached_answer(world, context, f"/v1/tabs/{tab['tab_id']}", tab["tab_id"])
    shop.staff.post(f"{path(tab)}/links/{answer['link']['link_id']}/revoke").ok()
    shop.staff.post(f"{path(tab)}/links/lnk_nowhere/revoke").problem(404, "not_found")


def with_cached_answer(world: World, context: dict[str, str], route: str, tab_id: str) -> None:
    """The route itself, called as API Gateway calls it with an answer of the authorizer's that it has kept."""
    import app as application

    subject = context["sub"]
    event = {
        "resource": "/v1/tabs/{tab_id}",
        "path": route,
        "httpMethod": "GET",
        "headers": {},
        "multiValueHeaders": {},
        "multiValueQueryStringParameters": None,
        "pathParameters": {"tab_id": tab_id},
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
        "requestContext": {
            "httpMethod": "GET",
            "resourcePath": "/v1/tabs/{tab_id}",
            "identity": {"sourceIp": "127.0.0.1"},
            "authorizer": {**{name: value for name, value in context.items() if name != "sub"}, "principalId": subject},
        },
    }
    answer = application.app(event, None)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (404, "not_found")


def test_a_reissued_link_replaces_the_old_one(world: World, shop: Shop) -> None:
    """Same scope, another secret; the old one is dead. An expired link is reissued, too; a revoked one is not."""
    tab = shop.open(shop.customer(), 4000)
    old = made(shop.staff, tab, "pay", expires_at=world.in_(hours=1))
    world.move(hours=2)

    new = shop.staff.post(f"{path(tab)}/links/{old['link']['link_id']}/reissue").ok(201)

    assert (new["link"]["scope"], new["link"]["method"]) == ("pay", "reissued")
    assert is_refused(world.guest(old["secret"]).get(path(tab)))
    assert world.guest(new["secret"]).get(path(tab)).status == 200
    shop.staff.post(f"{path(tab)}/links/{old['link']['link_id']}/reissue").problem(409, "transition_refused")


def test_customers_make_links_to_their_own_tabs(world: World, shop: Shop) -> None:
    """And revoke them; who made them is told to the business, and to whoever it was."""
    ana, bob = shop.customer(), shop.customer("Bob")
    tab = shop.open(ana, 4000)
    by_staff, by_ana = made(shop.staff, tab)["link"], made(ana, tab, "pay")["link"]

    assert [link["made_by"] for link in ana.get(f"{path(tab)}/links").ok()["links"]] == [None, by_ana["made_by"]]
    assert shop.staff.get(f"{path(tab)}/links").ok()["links"] == [by_staff, by_ana]
    bob.post(f"{path(tab)}/links", {"scope": "view"}).problem(404, "not_found")
    bob.get(f"{path(tab)}/links").problem(404, "not_found")
    bob.post(f"{path(tab)}/links/{by_ana['link_id']}/revoke").problem(404, "not_found")
    ana.post(f"{path(tab)}/links/{by_staff['link_id']}/revoke").ok()


def test_a_tab_has_twenty_live_links_at_most(shop: Shop) -> None:
    """More are refused until one is revoked; of the dead ones only so many are kept that there are twenty in all."""
    tab = shop.open(shop.customer(), 4000)
    first, *_ = [made(shop.staff, tab, "view")["link"] for _ in range(20)]

    shop.staff.post(f"{path(tab)}/links", {"scope": "view"}).problem(409, "too_many_links")
    shop.staff.post(f"{path(tab)}/links/{first['link_id']}/revoke").ok()
    newest = made(shop.staff, tab)["link"]

    listed = shop.staff.get(f"{path(tab)}/links").ok()["links"]
    assert len(listed) == 20 and listed[-1] == newest and first["link_id"] not in {link["link_id"] for link in listed}
    kinds = [entry["kind"] for entry in history(shop, tab)]
    assert (kinds.count("link_made"), kinds.count("link_revoked")) == (21, 1)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"scope": "owner"},
        {"scope": None},
        {"scope": "view", "expires_at": "2020-01-01T00:00:00Z"},
        {"scope": "view", "expires_at": "2099-01-01T00:00:00Z"},
        {"scope": "view", "expires_at": "2026-02-01"},
        {"scope": "view", "secret": "0" * 26},
    ],
)
def test_bad_bodies_are_refused(shop: Shop, body: dict[str, Any]) -> None:
    """422, and no link is made."""
    tab = shop.open(shop.customer(), 4000)

    shop.staff.post(f"{path(tab)}/links", body).problem(422, "invalid_input")

    assert shop.staff.get(f"{path(tab)}/links").ok()["links"] == []


# Their end


def test_a_link_expires(world: World, shop: Shop) -> None:
    """At the instant that was asked for; the list says so."""
    tab = shop.open(shop.customer(), 4000)
    guest = shop.link(tab, "view", expires_at=world.in_(hours=1))
    assert guest.get(path(tab)).status == 200

    world.move(hours=1)

    assert is_refused(guest.get(path(tab)))
    assert [link["state"] for link in shop.staff.get(f"{path(tab)}/links").ok()["links"]] == ["expired"]


def test_links_die_thirty_days_after_their_tab(world: World, shop: Shop) -> None:
    """The receipt can be read and a tip given for a month; then the link opens nothing, and no new one is made."""
    tab = billed(shop, shop.customer(), 4000)
    guest = shop.link(tab)
    paid(shop, guest, tab)
    world.move(days=29)
    assert guest.get("/v1/link").ok()["expires_at"] is not None
    assert guest.get(path(tab)).ok()["allowed_actions"] == ["tip", "rate", "disown"]

    world.move(days=1)

    assert is_refused(guest.get(path(tab)))
    shop.staff.post(f"{path(tab)}/links", {"scope": "view"}).problem(409, "transition_refused")


# Wrong ones


def wrong_secrets(secret: str) -> dict[str, str]:
    return {
        "unknown": "0" * 26,
        "truncated": secret[:-1],
        "over-long": secret + "0",
        "very long": secret * 100,
        "lower case": secret.lower(),
        "with a letter that is none": "I" + secret[1:],
        "with a line break": secret + "\n",
        "one character off": ("1" if secret[0] == "0" else "0") + secret[1:],
        "not ASCII": "é" * 26,
    }


def test_wrong_links_open_nothing(world: World, shop: Shop) -> None:
    """Whatever is wrong with a link, the answer is that of every wrong token, on every route."""
    tab = shop.open(shop.customer(), 4000)
    dead = made(shop.staff, tab)
    shop.staff.post(f"{path(tab)}/links/{dead['link']['link_id']}/revoke").ok()
    expired = made(shop.staff, tab, expires_at=world.in_(hours=1))
    world.move(hours=1)
    wrong = wrong_secrets(made(shop.staff, tab)["secret"]) | {"revoked": dead["secret"], "expired": expired["secret"]}

    for kind, secret in wrong.items():
        for route in ("/v1/link", path(tab), "/v1/tabs", "/v1/merchant"):
            assert is_refused(world.guest(secret).get(route)), kind


class Counting:
    """Counts the calls of a store by name."""

    def __init__(self, store: Any, calls: list[str]) -> None:
        self._store = store
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self._calls.append(name)
            return found(*args, **kwargs)

        return call


@pytest.fixture
def calls(world: World) -> list[str]:
    """The calls to the stores of tabs, people and links from now on."""
    from msgspec.structs import replace

    from chalicelib import bootstrap

    made_calls: list[str] = []
    deps = world.deps
    bootstrap.use(
        replace(
            deps,
            store=Counting(deps.store, made_calls),
            people=Counting(deps.people, made_calls),
            links=Counting(deps.links, made_calls),
        )
    )
    return made_calls


def test_a_wrong_link_costs_the_same_reads_as_a_good_one(world: World, shop: Shop, calls: list[str]) -> None:
    """Unknown, expired, revoked, good: one pointer and one tab. What cannot be a link is refused before any read."""
    tab = shop.open(shop.customer(), 4000)
    dead = made(shop.staff, tab)
    shop.staff.post(f"{path(tab)}/links/{dead['link']['link_id']}/revoke").ok()
    expired = made(shop.staff, tab, expires_at=world.in_(hours=1))
    good = made(shop.staff, tab)
    world.move(hours=1)

    def reads(secret: str) -> list[str]:
        calls.clear()
        with suppress(bearers.Refused):
            bearers.read_token(f"Bearer {secret}")
        return list(calls)

    same = reads(good["secret"])
    assert same == ["digest", "find_pointer", "get_tab"]
    for secret in (expired["secret"], dead["secret"], "0" * 26):
        assert reads(secret) == same
    for kind in ("truncated", "over-long", "very long", "lower case", "with a line break"):
        assert reads(wrong_secrets(good["secret"])[kind]) == [], kind


def test_a_link_of_another_stage_opens_nothing(world: World, shop: Shop) -> None:
    """Its secret is found under another hash, even if the tables were one."""
    from msgspec.structs import replace

    from chalicelib import bootstrap
    from tests.people import links_beside

    tab = shop.open(shop.customer(), 4000)
    guest = shop.link(tab)
    assert guest.get(path(tab)).status == 200

    bootstrap.use(replace(world.deps, links=links_beside(world.deps.store, "prod")))

    assert is_refused(guest.get(path(tab)))


def test_without_the_database_no_link_is_taken(world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authorizer fails, which API Gateway makes a 503 of, and says nothing about the link."""
    from chalicelib.ports.store import StoreUnavailable

    guest = shop.link(shop.open(shop.customer(), 4000))

    def down(sha256: str) -> None:
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(world.deps.links, "find_pointer", down)

    guest.get("/v1/link").problem(503, "unavailable")


# Nothing is changed by looking, nothing is logged


def test_looking_changes_nothing(world: World, shop: Shop, calls: list[str]) -> None:
    """Every GET of the API, by everybody who may, leads to reads only, and so does a HEAD where there is one."""
    ana = shop.customer()
    tab = billed(shop, ana, 4000)
    link = made(shop.staff, tab)["link"]
    paying = shop.link(tab, "pay")
    paying.post(f"{path(tab)}/charges", {"mode": "on_session"}).ok()
    callers = [ana, shop.staff, shop.owner, paying, shop.link(tab), shop.link(tab, "view"), world.operator]
    ids = {"tab_id": tab["tab_id"], "customer_id": str(ana.customer_id), "link_id": link["link_id"]}
    calls.clear()

    for operation in all_operations().values():
        if operation.method == "GET":
            route = re.sub(r"{(\w+)}", lambda name: ids.get(name[1], "1"), operation.path)
            for caller in callers:
                if not operation.roles or caller.role in operation.roles:
                    caller.get(route)
                    assert (caller.send("HEAD", route).status == 405) == bool(operation.roles)

    assert {name for name in calls if not name.startswith(("get_", "find_", "list_", "iter_", "digest"))} == set()
    assert len(calls) > 20


@pytest.mark.parametrize(
    "pasted", ["7ZKQ0W3M5R8T1V4X6Y9BCDFGHJ", "ana@example.com", "4242424242424242", "+4915112345678"]
)
def test_what_somebody_writes_in_place_of_an_id_is_in_no_log(
    world: World, shop: Shop, caplog: pytest.LogCaptureFixture, pasted: str
) -> None:
    """A link's secret in the path instead of the header, an address instead of a customer's id."""
    caplog.handler.setFormatter(logs.JsonLines())

    for path in ("/v1/tabs/{}", "/v1/customers/{}", "/v1/customers/{}/contact", "/v1/tabs/{}/timeline"):
        shop.staff.get(path.format(pasted)).problem(404, "not_found")

    assert caplog.text.count("answered") == 4
    assert pasted not in caplog.text


def test_no_log_line_has_a_secret(world: World, shop: Shop) -> None:
    """Of the whole log, as it is on Lambda, at the lowest level: made, used, refused, revoked, failed."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logs.JsonLines())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        tab = shop.open(shop.customer(), 4000)
        answer = made(shop.staff, tab)
        guest = world.guest(answer["secret"])
        shop.agree(guest, tab)
        guest.post(f"{path(tab)}/tip", {"tip_minor": 100}).problem(409, "transition_refused")
        guest.get("/v1/tabs").problem(403, "forbidden")
        again = shop.staff.post(f"{path(tab)}/links/{answer['link']['link_id']}/reissue").ok(201)
        guest.get("/v1/link")
        for secret in wrong_secrets(again["secret"]).values():
            world.guest(secret).get("/v1/link")
        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(world.deps.store, "get_tab", lambda *ids: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                world.guest(again["secret"]).get("/v1/link")
    finally:
        root.removeHandler(handler)
        root.setLevel(before)

    text = written.getvalue()
    assert "token refused" in text and answer["link"]["link_id"] in text + json.dumps(history(shop, tab))
    for secret in (answer["secret"], again["secret"]):
        for part in (secret, secret[:-1], secret.lower(), world.deps.links.digest(secret)):
            assert part not in text


def test_secrets_are_drawn_each_time(shop: Shop) -> None:
    """No two are the same, and none follows from the id of the link or the tab."""
    tab = shop.open(shop.customer(), 4000)

    secrets = [made(shop.staff, tab, "view")["secret"] for _ in range(10)]

    assert len({secret[at : at + 10] for secret in secrets for at in (0, 16)}) == 20


def test_a_link_never_outlives_what_was_asked(world: World, shop: Shop) -> None:
    """Its own end, or its tab's, whichever comes first."""
    tab = billed(shop, shop.customer(), 4000)
    ends = world.clock.now() + timedelta(hours=3)
    guest = shop.link(tab, expires_at=ends.isoformat())
    paid(shop, guest, tab)

    assert guest.get("/v1/link").ok()["expires_at"] == ends.isoformat().replace("+00:00", "Z")
