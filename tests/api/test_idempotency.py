"""Idempotency: the same key gives the same answer, and moves money once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest
from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.handlers.api.operations import record_id
from chalicelib.ports.gateway import GatewayUnavailable
from chalicelib.ports.store import StoreUnavailable, TabStore

from .world import CARD_TERMS, Caller, Reply, Shop, World, amounts, billed, booking, paid, settled


def same(first: Reply, again: Reply) -> None:
    """The second answer is the first one, and says that it was given before."""
    assert again.status == first.status
    assert again.json == first.json
    assert again.header("ETag") == first.header("ETag")
    assert (first.header("Idempotent-Replayed"), again.header("Idempotent-Replayed")) == (None, "true")


def records(store: TabStore) -> set[str]:
    assert isinstance(store, MemoryStore)
    return set(store._records)


def test_every_write_that_makes_or_changes_a_thing_is_repeatable(world: World, shop: Shop) -> None:
    """Sent twice with one key, each write answers the same twice and happens once."""
    ana = shop.customer()
    tab = shop.open(ana, 4000)
    path = f"/v1/tabs/{tab['tab_id']}"
    line = {"items": [{"description": "Work", "unit_price_minor": 1000}]}
    agreed = {"promise_sha256": tab["promise"]["promise_sha256"], "consents": ["cap"]}
    writes: list[tuple[Caller, str, str, Any]] = [
        (world.operator, "POST", "/v1/merchants", {"name": "Salon", "currency": "EUR"}),
        (shop.owner, "PUT", "/v1/merchant/policy", {"free_cancel_s": 3600}),
        (shop.staff, "POST", "/v1/customers", {"reference": "Bob"}),
        (ana, "POST", f"/v1/customers/{ana.customer_id}/setup_intent", {"card_terms_sha256": CARD_TERMS}),
        (shop.staff, "POST", "/v1/tabs", {
            "customer_id": ana.customer_id, "title": "Cut", "expected_outcome": "Cut.", "estimate_minor": 100}),
        (ana, "POST", f"{path}/accept_promise", agreed),
        (shop.staff, "POST", f"{path}/items", line),
        (shop.staff, "POST", f"{path}/propose_promise", {"cap_minor": 5000}),
        (shop.staff, "POST", f"{path}/complete", {}),
        (ana, "POST", f"{path}/accept_bill", {"rating": 5}),
    ]  # fmt: skip

    for caller, method, where, body in writes:
        key = world.new_key()
        first = caller.send(method, where, body, key=key)
        assert first.status in (200, 201), (where, first.raw)
        same(first, caller.send(method, where, body, key=key))

    after = shop.seen(tab)
    assert (after["total_minor"], after["feedback"]["rating"], len(after["items"])) == (1000, 5, 1)
    assert len(shop.staff.get("/v1/tabs?status=open").ok()["tabs"]) == 1


def in_review(shop: Shop, ana: Caller) -> dict[str, Any]:
    return billed(shop, ana, 8000)


def contested(shop: Shop, ana: Caller) -> dict[str, Any]:
    tab = billed(shop, ana, 8000)
    ana.post(f"/v1/tabs/{tab['tab_id']}/contest", {"reason": "Too dear."}).ok()
    return tab


def due(shop: Shop, ana: Caller) -> dict[str, Any]:
    tab = billed(shop, ana, 8000)
    shop.world.move(hours=25)
    return tab


def closed(shop: Shop, ana: Caller) -> dict[str, Any]:
    tab = paid(shop, ana, billed(shop, ana, 8000))
    shop.world.sweep()
    return tab


def paused(shop: Shop, ana: Caller) -> dict[str, Any]:
    tab = due(shop, ana)
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/pause_followup", {"reason": "Ill."}).ok()
    return tab


BILLS: dict[str, tuple[Callable[[Shop, Caller], dict[str, Any]], str, Any, Any]] = {
    "amend": (in_review, "staff", {}, None),
    "contest": (in_review, "customer", {"reason": "Too dear."}, {"reason": "Too cheap."}),
    "resolve": (
        contested,
        "staff",
        {"resolution": "adjust", "reduction_minor": 1000, "reason": "Yes."},
        {"resolution": "waive", "reason": "Yes."},
    ),
    "adjust": (in_review, "staff", {"reduction_minor": 1000, "reason": "x"}, {"reduction_minor": 2000, "reason": "x"}),
    "cash": (in_review, "staff", {"amount_minor": 1000}, {"amount_minor": 2000}),
    "write_off": (due, "owner", {"reason": "Gone."}, {"reason": "Went."}),
    "pause_followup": (due, "staff", {"reason": "Ill."}, {"reason": "Away."}),
    "resume_followup": (paused, "staff", {}, None),
    "send_reminder": (due, "staff", {}, None),
    "refunds": (closed, "staff", {"amount_minor": 1000, "reason": "x"}, {"amount_minor": 2000, "reason": "x"}),
    "tip": (closed, "customer", {"tip_minor": 500}, {"tip_minor": 600}),
}
"""The tab it is asked of, by whom, the request, and another one."""


@pytest.mark.parametrize("verb", BILLS)
def test_what_happens_to_a_bill_is_repeatable(world: World, shop: Shop, verb: str) -> None:
    """Sent twice with one key it answers the same twice, happens once and is told once; another body is a 422."""
    make, role, body, other = BILLS[verb]
    ana = shop.customer()
    tab = make(shop, ana)
    caller = {"customer": ana, "staff": shop.staff, "owner": shop.owner}[role]
    path = f"/v1/tabs/{tab['tab_id']}/{verb}"
    world.said()

    first = caller.post(path, body, key="k")
    first.ok()
    told, after = world.said(), shop.seen(tab)
    again = caller.post(path, body, key="k")

    same(first, again)
    assert (shop.seen(tab), world.said()) == (after, [])
    assert len(told) <= 1
    if other is not None:
        caller.post(path, other, key="k").problem(422, "idempotency_key_reused")
    assert (shop.seen(tab), world.said()) == (after, [])


def test_a_refund_that_is_repeated_goes_back_once(world: World, shop: Shop) -> None:
    """Repeated after Stripe's word for it, the refund is answered from its attempt, and is one refund there."""
    ana = shop.customer()
    tab = closed(shop, ana)
    path = f"/v1/tabs/{tab['tab_id']}/refunds"

    first = shop.staff.post(path, {"reason": "x"}, key="k").ok()["payment"]
    world.deliver()
    again = shop.staff.post(path, {"reason": "x"}, key="k")

    assert (again.ok()["payment"], again.header("Idempotent-Replayed")) == (first, "true")
    assert (first["operation"], first["state"]) == ("refund", "succeeded")
    assert [event["type"] for event in world.events()].count("refund.created") == 1
    assert settled(shop, tab)["refunded_minor"] == 8000


def test_a_refund_whose_outcome_is_unknown(world: World, shop: Shop) -> None:
    """While nobody knows whether the money went back the answer is 202, and a second refund waits; then it is one."""
    ana = shop.customer()
    tab = closed(shop, ana)
    path = f"/v1/tabs/{tab['tab_id']}/refunds"
    silence(world)

    asked = shop.staff.post(path, {"amount_minor": 3000, "reason": "x"}, key="k")
    assert asked.ok(202)["payment"]["state"] == "unknown"
    shop.staff.post(path, {"amount_minor": 3000, "reason": "x"}).problem(409, "payment_in_progress")

    bootstrap.use(world.deps)
    world.move(minutes=3)
    assert shop.staff.post(path, {"amount_minor": 3000, "reason": "x"}, key="k").ok()["payment"]["state"] == "succeeded"
    assert settled(shop, tab)["refunded_minor"] == 3000


@pytest.mark.parametrize(
    ("verb", "body"),
    [("adjust", {"reduction_minor": 1000, "reason": "x"}), ("cash", {"amount_minor": 1000}), ("amend", {})],
)
def test_what_changes_the_amount_waits_for_an_unknown_charge(
    world: World, shop: Shop, verb: str, body: dict[str, Any]
) -> None:
    """While a charge may have been made the amount can't change; a contest is recorded all the same."""
    ana = shop.customer()
    shop.save_card(ana)
    tab = shop.open(ana, 8000)
    shop.agree(ana, tab)
    shop.complete(tab, 8000)
    silence(world)
    path = f"/v1/tabs/{tab['tab_id']}"
    ana.post(f"{path}/accept_bill").ok(202)
    before = shop.seen(tab)

    refused = shop.staff.post(f"{path}/{verb}", body)

    refused.problem(409, "transition_refused" if verb == "amend" else "payment_in_progress")
    assert shop.seen(tab) == before
    assert ana.post(f"{path}/contest", {"reason": "Too dear."}).json["status"] == "contested"


def test_a_replay_shows_the_tab_as_that_request_left_it(shop: Shop) -> None:
    """A repeated command without money answers with the tab of then, though it has gone on."""
    tab = shop.open(shop.customer(), 4000)
    path = f"/v1/tabs/{tab['tab_id']}"
    body = {"items": [{"description": "Work", "unit_price_minor": 1000}]}
    first = shop.staff.post(f"{path}/items", body, key="k")
    shop.staff.post(f"{path}/items", body).ok()

    same(first, shop.staff.post(f"{path}/items", body, key="k"))

    assert shop.seen(tab)["total_minor"] == 2000


def test_another_body_under_the_same_key(shop: Shop) -> None:
    """The key of one request is a 422 for another: other body, other path, other order of bytes."""
    tab, other = shop.open(shop.customer(), 4000), shop.open(shop.customer(), 4000)
    path = f"/v1/tabs/{tab['tab_id']}/propose_promise"
    shop.staff.send("POST", path, b'{"cap_minor":5000,"estimate_minor":4500}', key="k").ok()

    shop.staff.send("POST", path, b'{"cap_minor":6000,"estimate_minor":4500}', key="k").problem(
        422, "idempotency_key_reused"
    )
    shop.staff.send("POST", path, b'{"estimate_minor":4500,"cap_minor":5000}', key="k").problem(
        422, "idempotency_key_reused"
    )
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/complete", key="k").problem(422, "idempotency_key_reused")
    elsewhere = f"/v1/tabs/{other['tab_id']}/propose_promise"
    shop.staff.send("POST", elsewhere, b'{"cap_minor":5000,"estimate_minor":4500}', key="k").problem(
        422, "idempotency_key_reused"
    )

    assert shop.seen(tab)["promise"]["cap_minor"] == 5000
    assert shop.seen(other)["version"] == other["version"]


def test_other_things_under_the_same_key(world: World, shop: Shop) -> None:
    """Merchants, policies, customers and cards have the same rule: another body under a used key is a 422."""
    ana = shop.customer()
    setup = f"/v1/customers/{ana.customer_id}/setup_intent"
    pairs: list[tuple[Caller, str, str, Any, Any]] = [
        (world.operator, "POST", "/v1/merchants", {"name": "A", "currency": "EUR"}, {"name": "B", "currency": "EUR"}),
        (shop.owner, "PUT", "/v1/merchant/policy", {"free_cancel_s": 1}, {"free_cancel_s": 2}),
        (shop.staff, "POST", "/v1/customers", {"reference": "A"}, {"reference": "B"}),
        (ana, "POST", setup, {"card_terms_sha256": CARD_TERMS}, {"card_terms_sha256": "b" * 64}),
    ]

    for caller, method, path, body, other in pairs:
        key = world.new_key()
        assert caller.send(method, path, body, key=key).status in (200, 201)
        caller.send(method, path, other, key=key).problem(422, "idempotency_key_reused")

    assert shop.owner.get("/v1/merchant").ok()["policy"]["free_cancel_s"] == 1


def test_another_caller_with_the_same_key(world: World, shop: Shop) -> None:
    """Keys belong to their caller: another person, role or merchant may use the same one for something else."""
    ana = shop.customer()
    first = shop.staff.post("/v1/customers", {"reference": "Bob"}, key="k").ok(201)

    same = {"reference": "Bob", "allow_same_reference": True}
    by_owner = shop.owner.post("/v1/customers", same, key="k").ok(201)
    elsewhere = world.shop().staff.post("/v1/customers", {"reference": "Bob"}, key="k").ok(201)
    ana.post(f"/v1/customers/{ana.customer_id}/setup_intent", {"card_terms_sha256": CARD_TERMS}, key="k").ok(201)

    assert len({made["customer_id"] for made in (first, by_owner, elsewhere)}) == 3


@pytest.mark.parametrize("between", ["#", "\n", "/", " "])
def test_no_caller_can_be_taken_for_another(between: str) -> None:
    """However names and keys are cut, two callers never share a record."""
    ann = Actor(subject="ann", role=Role.STAFF, merchant_id="mer_1")
    long_ann = replace(ann, subject=f"ann{between}k")

    found = {record_id(long_ann, "1"), record_id(ann, f"k{between}1"), record_id(replace(ann, role=Role.OWNER), "1")}

    assert len(found) == 3
    assert all(one.startswith("mer_1#") and len(one) < 120 for one in found)


def test_a_key_expires_after_a_day(world: World, shop: Shop) -> None:
    """After 24 hours of business time a key is as good as new."""
    first = shop.staff.post("/v1/customers", {"reference": "Bob"}, key="k").ok(201)
    world.clock.shift = timedelta(hours=23, minutes=59)
    assert shop.staff.post("/v1/customers", {"reference": "Bob"}, key="k").ok(201) == first

    world.clock.shift = timedelta(hours=24, minutes=1)
    tab = shop.open(shop.customer(), 100)

    assert shop.staff.post(f"/v1/tabs/{tab['tab_id']}/propose_promise", {"cap_minor": 200}, key="k").status == 200


def test_refused_requests_leave_their_key_unused(shop: Shop, store: TabStore) -> None:
    """What changed nothing stores no key: corrected, the request may have the same one."""
    tab = shop.open(shop.customer(), 4000)
    path = f"/v1/tabs/{tab['tab_id']}"
    before = records(store)

    shop.staff.post(f"{path}/items", {"items": []}, key="k").problem(422, "invalid_input")
    too_much = {"items": [{"description": "Work", "unit_price_minor": 4001}]}
    shop.staff.post(f"{path}/items", too_much, key="k").problem(409, "cap_exceeded")
    shop.staff.post(f"{path}/no_show", key="k").problem(409, "transition_refused")
    shop.staff.post(f"{path}/complete", key="k", if_match='"99"').problem(412, "stale_version")
    shop.staff.post("/v1/tabs/tab_nowhere/complete", key="k").problem(404, "not_found")
    assert records(store) == before

    assert shop.staff.post(f"{path}/complete", key="k").status == 200


def bill(shop: Shop, customer: Caller) -> dict[str, Any]:
    shop.save_card(customer)
    tab = shop.open(customer, 4000)
    shop.agree(customer, tab)
    return shop.complete(tab, 4000)


def test_a_repeated_payment_is_made_once(world: World, shop: Shop) -> None:
    """Accepting the bill twice with one key charges once; the replay is rendered from the attempt."""
    ana = shop.customer()
    tab = bill(shop, ana)
    path = f"/v1/tabs/{tab['tab_id']}/accept_bill"

    first = ana.post(path, {}, key="k")
    world.deliver()
    again = ana.post(path, {}, key="k")

    assert (again.status, again.header("Idempotent-Replayed")) == (200, "true")
    assert again.ok()["payment"] == first.ok()["payment"]
    assert amounts(settled(shop, tab)) == [("charge", 4000)]


def test_the_secret_is_handed_out_again(shop: Shop) -> None:
    """A phone that lost the answer repeats the request, and gets the same payment with its secret."""
    ana = shop.customer()
    tab = shop.complete(shop.open(ana, 4000), 4000)
    path = f"/v1/tabs/{tab['tab_id']}/charges"

    first = ana.post(path, {"mode": "on_session"}, key="k").ok()["payment"]
    again = ana.post(path, {"mode": "on_session"}, key="k").ok()["payment"]
    later = ana.post(path, {"mode": "on_session"}, key="another").ok()["payment"]

    assert first["client_secret"]
    assert first == again == later


class Silent:
    """A gateway that does not answer: what it was asked may or may not have happened."""

    def __init__(self, gateway: Any) -> None:
        self._gateway = gateway

    def __getattr__(self, name: str) -> Any:
        if name in ("perform", "find_facts", "close_payment"):
            return self._fail
        return getattr(self._gateway, name)

    def _fail(self, *args: Any) -> Any:
        raise GatewayUnavailable("no answer")


def silence(world: World) -> None:
    bootstrap.use(replace(world.deps, gateway=Silent(world.deps.gateway)))


def test_an_unknown_outcome_is_a_202(world: World, shop: Shop) -> None:
    """While nobody knows what became of a charge the answer is 202 with the attempt, first and repeated."""
    ana = shop.customer()
    tab = bill(shop, ana)
    silence(world)

    first = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill", {}, key="k")
    again = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill", {}, key="k")

    assert first.ok(202)["payment"]["state"] == "unknown"
    assert again.ok(202)["payment"] == first.json["payment"]
    assert again.header("Idempotent-Replayed") == "true"
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/waive", {"reason": "No."}).problem(409, "payment_in_progress")


class Dies(Silent):
    """The process is gone between writing ahead and the answer."""

    def _fail(self, *args: Any) -> Any:
        raise KeyboardInterrupt


def test_a_request_still_under_way_is_a_409(world: World, shop: Shop) -> None:
    """A repeated request whose first one wrote ahead and has not come back: 409 with Retry-After for 30 s, then 202."""
    ana = shop.customer()
    tab = bill(shop, ana)
    path = f"/v1/tabs/{tab['tab_id']}/accept_bill"
    bootstrap.use(replace(world.deps, gateway=Dies(world.deps.gateway)))
    with pytest.raises(KeyboardInterrupt):
        ana.post(path, {}, key="k")

    early = ana.post(path, {}, key="k")
    early.problem(409, "request_in_progress")
    assert early.header("Retry-After") == "30"
    world.clock.shift = timedelta(seconds=31)
    assert ana.post(path, {}, key="k").ok(202)["payment"]["state"] == "pending"

    world.clock.shift = timedelta()
    bootstrap.use(world.deps)
    world.move(minutes=3)
    assert ana.post(path, {}, key="k").ok()["payment"]["state"] == "succeeded"
    assert amounts(settled(shop, tab)) == [("charge", 4000)]


class Forgets:
    """A store that does not answer when a customer is to be kept."""

    def __init__(self, store: TabStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        if name == "add_customer":
            return self._fail
        return getattr(self._store, name)

    def _fail(self, *args: Any, **kwargs: Any) -> None:
        raise StoreUnavailable("throttled")


def test_a_customer_that_was_only_made_at_stripe(world: World, shop: Shop) -> None:
    """Cut off between Stripe and our store, the request is repeated under its key and makes the customer."""
    bootstrap.use(replace(world.deps, store=cast(TabStore, Forgets(world.deps.store))))
    shop.staff.post("/v1/customers", {"reference": "Bob"}, key="k").problem(503, "unavailable")

    bootstrap.use(world.deps)

    assert shop.staff.post("/v1/customers", {"reference": "Bob"}, key="k").status == 201


def test_customers_made_a_day_apart_under_one_key_share_nothing(world: World, shop: Shop) -> None:
    """A key that is used again after it has expired makes another customer, at Stripe as well."""
    first = shop.staff.post("/v1/customers", {"reference": "Bob"}, key="k").ok(201)
    world.clock.shift = timedelta(hours=25)
    second = shop.staff.post("/v1/customers", {"reference": "Eve"}, key="k").ok(201)

    ids = [made["customer_id"] for made in (first, second)]
    assert len({world.deps.store.get_customer(shop.merchant_id, one).customer_ref for one in ids}) == 2


# Versions


def test_the_etag_is_what_if_match_wants(shop: Shop) -> None:
    """A command with the version of the last answer passes; the same version again does not."""
    tab = shop.open(shop.customer(), 4000)
    path = f"/v1/tabs/{tab['tab_id']}"
    tag = shop.staff.get(path).header("ETag") or ""
    assert tag.startswith(f'"{tab["version"]}-')

    assert shop.staff.post(f"{path}/propose_promise", {"cap_minor": 5000}, if_match=tag).status == 200
    shop.staff.post(f"{path}/propose_promise", {"cap_minor": 6000}, if_match=tag).problem(412, "stale_version")
    assert shop.staff.post(f"{path}/propose_promise", {"cap_minor": 6000}, if_match="*").status == 200
    assert shop.staff.post(f"{path}/propose_promise", {"cap_minor": 7000}, if_match='"3"').status == 200


def test_a_replay_does_not_mind_the_version(shop: Shop) -> None:
    """A repeated request answers as before, though its If-Match is stale by its own doing."""
    tab = shop.open(shop.customer(), 4000)
    path, tag = f"/v1/tabs/{tab['tab_id']}/propose_promise", f'"{tab["version"]}"'

    first = shop.staff.post(path, {"cap_minor": 5000}, key="k", if_match=tag)

    same(first, shop.staff.post(path, {"cap_minor": 5000}, key="k", if_match=tag))


def test_the_policy_has_a_version_too(shop: Shop) -> None:
    """Two owners who change the policy from the same state: the second gets a 412."""
    tag = shop.owner.get("/v1/merchant").header("ETag") or ""

    assert shop.owner.put("/v1/merchant/policy", {"free_cancel_s": 60}, if_match=tag).status == 200
    shop.owner.put("/v1/merchant/policy", {"free_cancel_s": 90}, if_match=tag).problem(412, "stale_version")


def test_a_policy_that_outlives_its_hold_is_warned_about(shop: Shop) -> None:
    """Hold, service and review that do not fit into a hold's life are saved with a warning in words."""
    answer = shop.owner.put("/v1/merchant/policy", {"review_window_s": 5 * 24 * 3600}).ok()

    assert "4 days and 18 hours" in answer["warnings"][0]
    assert shop.owner.put("/v1/merchant/policy", {}).ok()["warnings"] == []
    assert booking(shop, shop.customer(), hours=24)["promise"]["review_window_s"] == 24 * 3600


def test_a_key_used_anew_for_a_card_makes_a_new_setup(world: World, shop: Shop) -> None:
    """A key whose record has expired is free again, also for a card, though the gateway may still know the old one."""
    ana = shop.customer()
    path = f"/v1/customers/{ana.customer_id}/setup_intent"
    first = ana.post(path, {"card_terms_sha256": CARD_TERMS}, key="k").ok(201)

    world.clock.shift = timedelta(hours=25)
    again = ana.post(path, {"card_terms_sha256": "b" * 64}, key="k").ok(201)

    assert again["setup_id"] != first["setup_id"]
