"""A dispute's evidence over HTTP, against the stand-in by the real SDK: read, added to, staged, submitted once."""

from __future__ import annotations

from typing import Any

import pytest

from .test_changes_made_in_stripe import the_dispute
from .world import SECRET_KEY, Caller, Shop, World, billed, history, paid

CE3 = "visa_compelling_evidence_3"


@pytest.fixture
def ana(shop: Shop) -> Caller:
    ana = shop.customer()
    ana.put(f"/v1/customers/{ana.customer_id}/contact", {"name": "Ana Reis", "email": "ana@example.com"}).ok()
    return ana


def disputed(world: World, shop: Shop, ana: Caller, **more: Any) -> str:
    """80.00, paid on the phone; then the bank takes it back. Returns the path of its evidence."""
    return asked(world, paid(shop, ana, billed(shop, ana, 8000)), **more)


def asked(world: World, tab: dict[str, Any], **more: Any) -> str:
    world.control("disputes", {"payment_intent": tab["legs"][-1]["payment_id"], **more})
    world.deliver()
    world.pump.run()
    return f"/v1/tabs/{tab['tab_id']}/evidence/{the_dispute(world)}"


def accepted(shop: Shop, ana: Caller, price_minor: int) -> dict[str, Any]:
    """A bill that she accepts and her saved card pays; so its card is known."""
    tab = billed(shop, ana, price_minor, card="pm_card_visa")
    ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill", {"tip_minor": 0}).ok()
    return shop.seen(tab)


def send(shop: Shop, path: str, verb: str, key: str | None = None) -> Any:
    body = {"sha256": shop.owner.get(path).ok()["sha256"]}
    return shop.owner.post(f"{path}/{verb}", body, key=key)


def at_bank(world: World, path: str) -> dict[str, Any]:
    """The dispute as Stripe has it."""
    headers = {"Authorization": f"Bearer {SECRET_KEY}"}
    found: dict[str, Any] = world.http.get(f"{world.base}/v1/disputes/{path.split('/')[-1]}", headers=headers).json()
    return found


def test_a_dispute_is_answered_and_won(world: World, shop: Shop, ana: Caller) -> None:
    """The draft is there with the event; the owner adds, stages and submits; won, the money is back."""
    path = disputed(world, shop, ana, reason="product_unacceptable")

    draft = shop.owner.get(path)
    evidence = draft.ok()
    assert (evidence["state"], evidence["reason"]) == ("draft", "product_unacceptable")
    told = {field["field"]: field for field in evidence["fields"]}
    seqs = {entry["seq"]: entry for entry in history(shop, {"tab_id": evidence["tab_id"]})}
    assert told["customer_name"] == {
        "field": "customer_name", "text": "Ana Reis", "origin": "contact", "entries": []
    }  # fmt: skip
    (sealed,) = told["customer_purchase_ip"]["entries"]
    assert seqs[sealed]["kind"] == "promise_accepted"
    assert all(seq in seqs for field in told.values() for seq in field["entries"])
    assert {"receipt", "communication"} <= {it["code"] for it in evidence["missing"]}

    body = {"texts": [{"field": "uncategorized_text", "text": "winning_evidence"}]}
    changed = shop.owner.put(path, body, **{"If-Match": str(draft.header("etag"))}).ok()
    shop.owner.put(path, body, **{"If-Match": str(draft.header("etag"))}).problem(412, "stale_version")
    stale = shop.owner.post(f"{path}/submit", {"sha256": evidence["sha256"]}).problem(409, "evidence_changed")
    assert stale["sha256"] == changed["sha256"]
    assert send(shop, path, "stage").ok()["state"] == "staged"
    assert at_bank(world, path)["status"] == "needs_response"

    submitted = send(shop, path, "submit", key="once")

    assert (submitted.ok()["state"], submitted.ok()["is_ours"]) == ("submitted", True)
    assert submitted.ok()["sha256"] == changed["sha256"]
    again = send(shop, path, "submit", key="once")
    assert (again.ok()["state"], again.header("Idempotent-Replayed")) == ("submitted", "true")
    send(shop, path, "submit").problem(409, "evidence_submitted")
    shop.owner.put(path, body).problem(409, "evidence_submitted")
    world.deliver()
    assert at_bank(world, path)["evidence_details"]["submission_count"] == 1
    assert shop.seen(evidence)["ledger"]["stripe_balance"] == 8000
    assert shop.owner.get(path).ok()["dispute_state"] == "won"
    kinds = [entry["kind"] for entry in history(shop, evidence)]
    assert kinds.count("evidence_submitted") == 1


@pytest.mark.parametrize("kind", ["fail_before", "lost_reset"])
def test_a_lost_answer_is_no_submission_and_no_second_one(world: World, shop: Shop, ana: Caller, kind: str) -> None:
    """Whether it was taken is not known, so nobody is told that it was; looked up, it was once, and only once."""
    path = disputed(world, shop, ana)
    fault = {"kind": kind, "path": "/v1/disputes/*", "method": "POST", "count": 2}
    world.control("faults", fault | ({"status": 500} if kind == "fail_before" else {}))

    unknown = send(shop, path, "submit", key="mine")

    assert (unknown.status, unknown.json["state"], unknown.json["submitted_at"]) == (202, "sending", None)
    assert send(shop, path, "submit", key="mine").status == 202
    send(shop, path, "submit", key="another").problem(409, "payment_in_progress")
    shop.owner.put(path, {}).problem(409, "payment_in_progress")
    assert _awaited(ana, path.split("/")[3]) == []
    world.http.delete(f"{world.base}/_control/faults")
    world.control("clock", {"advance_seconds": 150})
    world.sweep()
    seen = shop.owner.get(path).ok()
    assert (seen["state"], seen["is_ours"]) == ("submitted", True)
    assert at_bank(world, path)["evidence_details"]["submission_count"] == 1


def test_a_refused_submission_is_not_one(world: World, shop: Shop, ana: Caller) -> None:
    """A file that Stripe does not know: nothing went to the bank, the owner hears it, and can send it without."""
    path = disputed(world, shop, ana)
    shop.owner.put(path, {"files": [{"field": "receipt", "file_id": "file_1nowhere"}]}).ok()
    world.said()

    refused = send(shop, path, "submit").ok()

    assert (refused["state"], refused["submitted_at"]) == ("draft", None)
    assert "owner: evidence_due" in world.said()
    shop.owner.put(path, {}).ok()
    assert send(shop, path, "submit").ok()["state"] == "submitted"


def test_answered_in_the_dashboard(world: World, shop: Shop, ana: Caller) -> None:
    """It counts as submitted, and is not called ours, even if we have staged it; the outcome is recorded as ever."""
    path = disputed(world, shop, ana)
    send(shop, path, "stage").ok()
    world.at_stripe(f"disputes/{path.split('/')[-1]}", {"evidence[uncategorized_text]": "losing_evidence"})
    world.deliver()

    seen = shop.owner.get(path).ok()

    assert (seen["state"], seen["is_ours"], seen["dispute_state"]) == ("submitted", False, "lost")
    send(shop, path, "submit").problem(409, "evidence_submitted")


def test_the_owner_alone_answers_and_customers_see_nothing(world: World, shop: Shop, ana: Caller) -> None:
    """Staff may read it; what is told a bank is in no timeline of the customer's."""
    path = disputed(world, shop, ana)
    sha = shop.staff.get(path).ok()["sha256"]
    refused = shop.staff.post(f"{path}/submit", {"sha256": sha}).problem(403, "forbidden")
    assert refused["detail"] == "The role staff may not do this. Use a token of one that may: owner."
    shop.staff.put(path, {}).problem(403, "forbidden")
    ana.get(path).problem(403, "forbidden")
    shop.owner.get(path.replace("du_", "du_none")).problem(404, "not_found")
    tab_id = path.split("/")[3]
    assert shop.staff.get(f"/v1/tabs/{tab_id}").ok()["next_action"]["code"] == "evidence_due"
    assert _awaited(ana, tab_id) == []
    secret = ana.post(f"/v1/tabs/{tab_id}/links", {"scope": "full"}).ok(201)["secret"]
    page = world.client.http.request("GET", f"/t/{secret}", headers={"host": "salon.example"}).body.decode()
    assert "So far" in page and "a payment is looked up" not in page
    send(shop, path, "submit").ok()

    seen = ana.get(f"/v1/tabs/{tab_id}/timeline?limit=100").ok()["entries"]
    assert not [entry for entry in seen if "evidence" in f"{entry['kind']}{entry['details']}"]
    actions = {one["action"]: one["path"] for one in shop.owner.get(f"/v1/tabs/{tab_id}").ok()["actions"]}
    assert "submit_evidence" not in actions


def _awaited(ana: Caller, tab_id: str) -> list[str]:
    """What she reads of what comes next: whether a bank was answered would show in it."""
    step = ana.get(f"/v1/tabs/{tab_id}").ok()["next_action"]
    return [
        *([step["code"]] if step else []),
        *(it["what"] for it in ana.get(f"/v1/tabs/{tab_id}/agenda").ok()["pending"]),
    ]


def test_the_deadline_is_told_in_the_owners_zone_and_a_day_before(world: World, shop: Shop, ana: Caller) -> None:
    """Nine days from the dispute; after it there is nothing to be sent."""
    shop.owner.put("/v1/merchant/policy", {"time_zone": "Asia/Tokyo"}).ok()
    path = disputed(world, shop, ana)
    seen = shop.owner.get(path).ok()
    assert (seen["time_zone"], seen["respond_by_local"][-6:]) == ("Asia/Tokyo", "+09:00")
    world.said()

    world.move(days=8, minutes=1)

    assert world.said().count("owner: evidence_due") == 1
    assert shop.owner.get(path).ok()["remind_at"] is None
    world.move(days=1)
    assert shop.owner.get(path).ok()["state"] == "closed"
    send(shop, path, "submit").problem(409, "transition_refused")


def test_two_earlier_payments_go_to_visa(world: World, shop: Shop, ana: Caller) -> None:
    """With the same card and from the same address, 120 to 364 days before; named to Stripe by their charges."""
    for days in (60, 140):
        accepted(shop, ana, 5000)
        world.move(days=days)
    path = asked(world, accepted(shop, ana, 8000), eligible=CE3)

    earlier = shop.owner.get(path).ok()["earlier_payments"]
    assert [(one["amount_minor"], one["is_used"]) for one in earlier] == [(5000, True), (5000, True)]
    assert send(shop, path, "submit").ok()["state"] == "submitted"

    told = at_bank(world, path)
    prior = told["evidence"]["enhanced_evidence"][CE3]["prior_undisputed_transactions"]
    assert len({one["charge"] for one in prior}) == 2
    assert told["evidence_details"]["enhanced_eligibility"][CE3]["status"] == "qualified"


def test_erasing_a_customer_takes_the_evidence_along(world: World, shop: Shop, ana: Caller) -> None:
    """What was written and sealed about them is gone; that it was submitted, and its hash, stay in the books."""
    path = disputed(world, shop, ana)
    shop.owner.put(path, {"texts": [{"field": "billing_address", "text": "Rua Nova 1"}]}).ok()
    sealed = send(shop, path, "submit").ok()["sha256"]

    shop.owner.send("DELETE", f"/v1/customers/{ana.customer_id}/contact").ok()

    seen = shop.owner.get(path).ok()
    assert (seen["state"], seen["fields"], seen["sha256"]) == ("submitted", [], None)
    stored = world.deps.store.list_dispute_answers(shop.merchant_id, str(ana.customer_id))
    assert [(one.texts, one.sealed) for one in stored] == [({}, None)]
    entries = history(shop, {"tab_id": path.split("/")[3]})
    assert sealed in [entry["details"].get("sha256") for entry in entries]
    assert "Rua Nova" not in str(entries)


def test_a_dispute_after_the_credit_was_spent(world: World, ana: Caller) -> None:
    """What the disputed visit has earned is taken back though it is spent (decision 43), won or not."""
    shop = world.shop(credits={"rate_basis_points": 1000})
    eva = shop.customer("Eva")
    first = paid(shop, eva, billed(shop, eva, 8000))
    world.move(days=15)
    second = billed(shop, eva, 5000)
    eva.post(f"/v1/tabs/{second['tab_id']}/charges", {"mode": "on_session", "credit_minor": 800}).ok()
    path = asked(world, first)
    shop.owner.put(path, {"texts": [{"field": "uncategorized_text", "text": "winning_evidence"}]}).ok()
    send(shop, path, "submit").ok()
    world.deliver()

    account = shop.staff.get(f"/v1/customers/{eva.customer_id}/credits").ok()["account"]

    assert shop.owner.get(path).ok()["dispute_state"] == "won"
    assert (account["active_minor"], account["carried_minor"]) == (0, 800)


@pytest.mark.parametrize(
    "body",
    [
        {"texts": [{"field": "receipt", "text": "x"}]},
        {"texts": [{"field": "customer_name", "text": "x" * 5001}]},
        {"texts": [{"field": "customer_name", "text": "a"}, {"field": "customer_name", "text": "b"}]},
        {"files": [{"field": "receipt", "file_id": "../file_1"}]},
    ],
)
def test_what_stripe_would_refuse_is_refused(world: World, shop: Shop, ana: Caller, body: dict[str, Any]) -> None:
    path = disputed(world, shop, ana)

    shop.owner.put(path, body).problem(422, "invalid_input")


def test_with_every_consent_the_pack_says_where_it_was_accepted(world: World, shop: Shop, ana: Caller) -> None:
    """Also what the customer agreed to by tapping: the log names the address and the browser."""
    path = asked(world, accepted(shop, ana, 8000))

    fields = {field["field"]: field["text"] for field in shop.owner.get(path).ok()["fields"]}

    assert "accepted the written promise" in fields["access_activity_log"]
    assert fields["customer_purchase_ip"] in fields["access_activity_log"]


@pytest.fixture
def hands_over(world: World) -> Shop:
    """A shop whose staged evidence goes to the bank a day before the deadline."""
    return world.shop(submits_evidence=True)


def staged(world: World, shop: Shop) -> str:
    """The path of evidence that the owner has read and staged."""
    path = disputed(world, shop, shop.customer())
    assert send(shop, path, "stage").ok()["state"] == "staged"
    return path


def test_staged_evidence_goes_to_the_bank_a_day_before_its_deadline(world: World, hands_over: Shop) -> None:
    """What was staged, word by word, once; the owner hears of it, and it is shown as theirs."""
    path = staged(world, hands_over)
    sha = hands_over.owner.get(path).ok()["sha256"]
    world.said()
    world.move(days=8, minutes=-1)
    assert at_bank(world, path)["evidence_details"]["submission_count"] == 0

    for _ in range(2):
        world.move(minutes=5)

    seen = hands_over.owner.get(path).ok()
    assert (seen["state"], seen["is_ours"], seen["sha256"]) == ("submitted", True, sha)
    assert at_bank(world, path)["evidence_details"]["submission_count"] == 1
    said = world.said()
    assert (said.count("owner: evidence_sent"), said.count("owner: evidence_due")) == (1, 0)


def test_what_was_changed_since_it_was_staged_does_not_go_by_itself(world: World, hands_over: Shop) -> None:
    """Nobody has read it together: the owner is reminded instead, and can still submit."""
    path = staged(world, hands_over)
    hands_over.owner.put(path, {"texts": [{"field": "uncategorized_text", "text": "They were content."}]}).ok()
    world.said()

    world.move(days=8, minutes=5)

    assert hands_over.owner.get(path).ok()["state"] == "staged"
    assert "owner: evidence_due" in world.said()
    assert send(hands_over, path, "submit").ok()["state"] == "submitted"


@pytest.mark.parametrize("verb", ["submit", "submit, and no answer comes", "put"])
def test_an_owner_who_is_faster_than_the_clock_is_not_overtaken(
    world: World, hands_over: Shop, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """They submit, or change it, between the clock's reading and its writing: it decides anew, and sends nothing."""
    path = staged(world, hands_over)
    world.control("clock", {"advance_seconds": 8 * 24 * 3600 + 60})
    find, acts = world.deps.store.find_dispute_answer, []

    def find_and_be_late(*ids: str) -> Any:
        found = find(*ids)
        if not acts:
            acts.append(verb)
            if verb == "put":
                hands_over.owner.put(path, {}).ok()
                return found
            if verb != "submit":
                lost = {"kind": "lost_reset", "path": "/v1/disputes/*", "method": "POST", "count": 2}
                world.control("faults", lost)
            assert send(hands_over, path, "submit").status == (200 if verb == "submit" else 202)
        return found

    monkeypatch.setattr(world.deps.store, "find_dispute_answer", find_and_be_late)
    world.sweep()
    world.http.delete(f"{world.base}/_control/faults")
    world.move(minutes=3)

    assert acts == [verb]
    assert at_bank(world, path)["evidence_details"]["submission_count"] == (0 if verb == "put" else 1)
    kinds = [entry["kind"] for entry in history(hands_over, {"tab_id": path.split("/")[3]})]
    assert kinds.count("evidence_submitted") == (0 if verb == "put" else 1)
    assert ("evidence_due" in kinds) == (verb == "put")
