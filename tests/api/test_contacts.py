"""Contacts over HTTP: valid and invalid input, permissions, and finding customers by their contact."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from .world import Caller, Shop, World

WHOLE = {
    "name": "  Ada   Müller ",
    "email": "Ada@Example.COM",
    "phone": "+49 (0) 170 1234567",
    "language": "de",
    "time_zone": "Europe/Berlin",
    "sms_consent": True,
}


def path(ana: Caller) -> str:
    return f"/v1/customers/{ana.customer_id}/contact"


def test_a_contact_is_set_and_read(shop: Shop) -> None:
    """In one spelling: spaces, the address's domain, the number in E.164; the consent says when and from where."""
    ana = shop.customer()

    put = ana.put(path(ana), WHOLE)
    seen = shop.staff.get(path(ana)).ok()

    assert put.ok() == seen
    assert (seen["name"], seen["email"], seen["phone"]) == ("Ada Müller", "Ada@example.com", "+491701234567")
    assert (seen["language"], seen["time_zone"], seen["version"]) == ("de", "Europe/Berlin", 1)
    assert [(given["channel"], given["source"]) for given in seen["consents"]] == [("sms", "customer")]
    assert str(put.header("ETag")).startswith('"1-')


def test_a_customer_without_a_contact_has_an_empty_one(shop: Shop) -> None:
    """Version 0, and without an ETag: there is nothing yet that a change could be based on."""
    ana = shop.customer()

    empty = ana.get(path(ana)).ok()

    assert (empty["name"], empty["email"], empty["phone"], empty["version"]) == ("", None, None, 0)
    assert shop.staff.put(path(ana), {"name": "Ada"}).ok()["version"] == 1


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("email", "ada"),
        ("email", "ada@"),
        ("email", "ada@localhost"),
        ("email", "a b@example.com"),
        ("email", "ada@example.com\nBcc: x@example.com"),
        ("phone", "0170 1234567"),
        ("phone", "+49 170"),
        ("phone", "+999 170 1234567"),
        ("phone", "call me"),
        ("time_zone", "Europe/Atlantis"),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", "/etc/localtime"),
        ("language", "tlh"),
        ("name", "A\u0000da"),
    ],
)
def test_what_can_not_be_is_refused_and_named(shop: Shop, field: str, wrong: str) -> None:
    """422 with the field; nothing of the request is kept."""
    ana = shop.customer()

    problem = ana.put(path(ana), {**WHOLE, field: wrong}).problem(422, "invalid_input")

    assert problem["field"] == field
    assert ana.get(path(ana)).ok()["version"] == 0


def test_consent_to_text_messages_belongs_to_one_number(shop: Shop) -> None:
    """None without a number; gone with a new number; recorded by staff it is in person."""
    ana = shop.customer()
    ana.put(path(ana), {"sms_consent": True}).problem(422, "invalid_input")
    ana.put(path(ana), WHOLE).ok()

    changed = shop.staff.put(path(ana), {**WHOLE, "phone": "+4915112345678", "sms_consent": False}).ok()
    again = shop.staff.put(path(ana), {**WHOLE, "phone": "+4915112345678"}).ok()

    assert changed["consents"] == []
    assert [given["source"] for given in again["consents"]] == ["in_person"]


def test_opting_out_and_in_again(shop: Shop) -> None:
    """Twice changes nothing; what the customer refused by themselves, staff can't allow again."""
    ana = shop.customer()
    base = f"/v1/customers/{ana.customer_id}"
    ana.put(path(ana), WHOLE).ok()

    first = ana.post(f"{base}/opt_out", {"channel": "email"}).ok()
    second = shop.staff.post(f"{base}/opt_out", {"channel": "email"}).ok()
    refused = shop.staff.post(f"{base}/opt_in", {"channel": "email"}).problem(403, "forbidden")
    allowed = ana.post(f"{base}/opt_in", {"channel": "email"}).ok()
    by_staff = shop.staff.post(f"{base}/opt_out", {"channel": "sms"}).ok()
    taken_back = shop.staff.post(f"{base}/opt_in", {"channel": "sms"}).ok()

    assert first["opt_outs"] == second["opt_outs"]
    assert refused["channel"] == "email"
    assert allowed["opt_outs"] == []
    assert [given["source"] for given in by_staff["opt_outs"]] == ["in_person"]
    assert taken_back["opt_outs"] == []


def test_a_new_contact_keeps_the_opt_outs(shop: Shop) -> None:
    """Setting the contact again, by staff say, is no way around them."""
    ana = shop.customer()
    ana.put(path(ana), WHOLE).ok()
    ana.post(f"/v1/customers/{ana.customer_id}/opt_out", {"channel": "sms"}).ok()

    assert [given["channel"] for given in shop.staff.put(path(ana), WHOLE).ok()["opt_outs"]] == ["sms"]


def test_erasing_leaves_the_tabs_and_nothing_personal(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """One call; the customer's tabs stay readable; nobody finds them by name any more."""
    caplog.set_level(logging.DEBUG)
    ana = shop.customer()
    ana.put(path(ana), WHOLE).ok()
    tab = shop.open(ana, 2000)

    erased = ana.send("DELETE", path(ana), {}).ok()

    assert (erased["name"], erased["email"], erased["phone"], erased["consents"]) == ("", None, None, [])
    assert shop.staff.get("/v1/customers?name=Ada").ok()["customers"] == []
    assert shop.seen(tab)["tab_id"] == tab["tab_id"]
    told = caplog.text + json.dumps([vars(record) for record in caplog.records], default=str)
    for personal in ("Müller", "Ada@example.com", "+491701234567", "1234567"):
        assert personal not in told, personal


def test_a_stale_version_is_refused(shop: Shop) -> None:
    """If-Match says which contact was edited: somebody else's change is not overwritten unseen."""
    ana = shop.customer()
    shop.staff.put(path(ana), WHOLE).ok()
    ana.put(path(ana), {"name": "Ada"}, if_match='"1"').ok()

    problem = shop.staff.put(path(ana), {"name": "Late"}, if_match='"1"').problem(412, "stale_version")

    assert problem["version"] == 2
    assert ana.get(path(ana)).ok()["name"] == "Ada"


def test_the_same_request_twice_is_done_once(shop: Shop) -> None:
    """Same key, same body: the contact as it is; another body under the key is a 422."""
    ana = shop.customer()

    shop.staff.put(path(ana), WHOLE, key="k").ok()
    assert shop.staff.put(path(ana), WHOLE, key="k").ok()["version"] == 1
    shop.staff.put(path(ana), {"name": "B"}, key="k").problem(422, "idempotency_key_reused")


def test_contacts_of_others_are_not_found(world: World, shop: Shop) -> None:
    """Neither another customer's nor another merchant's; they learn nothing of it."""
    ana, bob = shop.customer(), shop.customer()
    ana.put(path(ana), WHOLE).ok()
    elsewhere = world.shop()

    for caller in (bob, elsewhere.staff, elsewhere.owner):
        caller.get(path(ana)).problem(404, "not_found")
        caller.put(path(ana), WHOLE).problem(404, "not_found")
        caller.send("DELETE", path(ana), {}).problem(404, "not_found")
    assert elsewhere.staff.get("/v1/customers?email=ada@example.com").ok()["customers"] == []


def found(shop: Shop, query: str) -> list[Any]:
    listed: list[Any] = shop.staff.get(f"/v1/customers?{query}").ok()["customers"]
    return [line["customer_id"] for line in listed]


def test_customers_are_found_by_one_thing_at_a_time(shop: Shop) -> None:
    """By name, address, number and reference; with their contact beside them; two at once is a 422."""
    ana, bob = shop.customer(), shop.customer()
    ana.put(path(ana), WHOLE).ok()

    for query in ("name=ada", "email=ada@example.com", "phone=%2B491701234567"):
        assert found(shop, query) == [ana.customer_id], query
    assert set(found(shop, "limit=100")) >= {ana.customer_id, bob.customer_id}
    (line,) = shop.staff.get("/v1/customers?name=müller").ok()["customers"]
    assert line["contact"]["phone"] == "+491701234567"
    assert shop.staff.get("/v1/customers?name=ada&email=x").problem(422, "invalid_input")["field"] == "email"
    shop.staff.get("/v1/customers?phone=0170").problem(422, "invalid_input")


def test_the_same_reference_twice_is_an_offer(shop: Shop) -> None:
    """409 with the customer there is, to be used; said to be somebody else, it is another customer."""
    first = shop.staff.post("/v1/customers", {"reference": "Loyalty 17"}).ok(201)

    problem = shop.staff.post("/v1/customers", {"reference": "loyalty  17"}).problem(409, "customer_exists")
    second = shop.staff.post("/v1/customers", {"reference": "Loyalty 17", "allow_same_reference": True}).ok(201)

    assert problem["customer_id"] == first["customer_id"]
    assert second["customer_id"] != first["customer_id"]
    assert set(found(shop, "reference=Loyalty%2017")) == {first["customer_id"], second["customer_id"]}
