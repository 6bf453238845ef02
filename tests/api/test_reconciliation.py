"""The nightly run through its Lambda handler, and the operator's, with the real Stripe adapter."""

from __future__ import annotations

import json
import logging
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.domain.books.differences import REPAIRABLE, Code
from chalicelib.handlers.events import reconciliation

from .world import Shop, World, billed, booking, held, paid, settled

ROOT = Path(__file__).resolve().parents[2]
CLEAN = {"differences": 0, "repaired": 0, "money_mismatch": 0, "complete": True}


def night(world: World, hours: int = 1) -> dict[str, Any]:
    """Time passes, and the nightly run comes; whatever Stripe says after that is not delivered."""
    world.control("clock", {"advance_seconds": hours * 3600})
    event = dict.fromkeys(("id", "account", "region", "detail-type", "source", "time", "version"), "")
    answer: dict[str, Any] = world.client.lambda_.invoke("reconcile", {**event, "detail": {}, "resources": []}).payload
    return answer


def found(caplog: pytest.LogCaptureFixture) -> list[tuple[str, bool]]:
    lines = [vars(record) for record in caplog.records if record.getMessage() == "difference"]
    return [(line["code"], line["repaired"]) for line in lines]


def test_a_day_that_was_heard_of_is_clean(world: World, shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """Paid, held, refunded and disputed, all told by webhook: the figures say how much was compared."""
    ana = shop.customer()
    tab = paid(shop, ana, billed(shop, ana, 8000))
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/refunds", {"amount_minor": 1000, "reason": "cold"}).ok()
    held(shop, ana, booking(shop, ana, hours=30))
    other = paid(shop, ana, billed(shop, ana, 3000), "pm_card_createDispute")
    assert other["payment_state"] == "disputed"
    world.deliver()

    with caplog.at_level(logging.INFO, "chalicelib"):
        figures = night(world)

    # Of the two charges and the dispute.
    fees = {"fees_posted": 3}
    assert figures == {"accounts": 1, "tabs": 3, "in_progress": 0, "payments": 3, "foreign": 0, **fees, **CLEAN}
    (line,) = [vars(record) for record in caplog.records if record.getMessage() == "reconciled"]
    assert (line["levelname"], line["complete"]) == ("INFO", True)
    assert line["metrics"] == {"MoneyMismatches": 0, "DifferencesRepaired": 0, "ReconciliationGaps": 0}


def test_what_was_never_delivered_is_found_and_brought_in(
    world: World, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """A payment on the phone and a refund in the dashboard, of which no webhook came: each is a line in the log."""
    ana = shop.customer()
    tab = paid(shop, ana, billed(shop, ana, 8000))
    (leg,) = tab["legs"]
    waiting = billed(shop, ana, 3000)
    asked = ana.post(f"/v1/tabs/{waiting['tab_id']}/charges", {"mode": "on_session"}).ok()["payment"]
    world.confirm(asked)
    world.at_stripe("refunds", {"payment_intent": leg["payment_id"], "amount": 500})

    with caplog.at_level(logging.INFO, "chalicelib"):
        figures = night(world)

    assert figures == {
        "accounts": 1,
        "tabs": 2,
        "in_progress": 0,
        "payments": 2,
        "foreign": 0,
        "fees_posted": 2,
        "differences": 2,
        "repaired": 2,
        "money_mismatch": 0,
        "complete": True,
    }
    assert sorted(found(caplog)) == [("outcome_not_recorded", True), ("refund_past_us", True)]
    assert shop.seen(waiting)["status"] == "closed"
    assert settled(shop, tab)["paid_minor"] == 7500
    again = night(world)
    assert again == {**again, **CLEAN, "fees_posted": 0}


def test_what_is_for_a_person_is_an_error_in_the_log(
    world: World, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """A payment that bears a tab's name and no attempt of ours: reported each night, and never touched."""
    ana = shop.customer()
    tab = paid(shop, ana, billed(shop, ana, 8000))
    metadata = {"app": "aftertab", "stage": "dev", "merchant": shop.merchant_id, "tab": tab["tab_id"]}
    named = {f"metadata[{name}]": value for name, value in {**metadata, "attempt": "att_x"}.items()}
    method = {"payment_method": "pm_card_visa", "confirm": "true", "return_url": "https://example.test"}
    made = world.at_stripe("payment_intents", {"amount": 900, "currency": "eur", **method, **named})

    with caplog.at_level(logging.INFO, "chalicelib"):
        first = night(world)
        seen = shop.seen(tab)
        second = night(world)

    assert [first["money_mismatch"], second["money_mismatch"]] == [1, 1]

    lines = [vars(record) for record in caplog.records if record.getMessage() == "difference"]
    assert [(line["levelname"], line["code"], line["object_id"]) for line in lines] == [
        ("ERROR", "attempt_missing", made["id"])
    ] * 2
    assert "EUR 9.00 was charged" in lines[0]["text"]
    assert shop.seen(tab) == seen
    assert seen["paid_minor"] == 8000


def test_what_stripe_keeps_is_a_cost_of_the_business(world: World, shop: Shop) -> None:
    """The fee of the charge, and the bank's for the dispute, once each; the customer owes nothing and sees nothing."""
    ana = shop.customer()
    tab = paid(shop, ana, billed(shop, ana, 3000), "pm_card_createDispute")
    before = shop.seen(tab)

    posted = [night(world)["fees_posted"], night(world)["fees_posted"]]

    after = shop.seen(tab)
    assert posted == [2, 0]
    # 1.5 % + 0.25, and 20.00 for the dispute.
    assert after["ledger"]["stripe_fees"] == 45 + 25 + 2000
    assert after["ledger"]["stripe_balance"] == before["ledger"]["stripe_balance"] - 2070
    assert sum(after["ledger"].values()) == 0
    assert {name: after[name] for name in ("balance_minor", "paid_minor", "status")} == {
        name: before[name] for name in ("balance_minor", "paid_minor", "status")
    }
    timeline = f"/v1/tabs/{tab['tab_id']}/timeline?limit=100"
    assert "processing_fee" in [entry["kind"] for entry in shop.staff.get(timeline).ok()["entries"]]
    assert "processing_fee" not in [entry["kind"] for entry in ana.get(timeline).ok()["entries"]]


@pytest.mark.parametrize("path", ["/v1/payment_intents", "/v1/refunds", "/v1/disputes", "/v1/events"])
def test_an_empty_page_that_has_more_ends_that_account_with_a_reason(
    world: World, shop: Shop, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """Stripe's lists do that (the SDK's own paging ends with an IndexError): the others are compared as ever."""
    theirs = str(world.at_stripe("accounts", {"type": "standard", "country": "DE"})["id"])
    world.operator.post("/v1/merchants", {"name": "Spa", "currency": "EUR", "account": theirs}).ok(201)
    ana = shop.customer()
    tab = paid(shop, ana, billed(shop, ana, 8000))
    world.at_stripe("refunds", {"payment_intent": tab["legs"][0]["payment_id"], "amount": 500})
    world.control("faults", {"kind": "empty_page", "path": path, "account": theirs, "count": 1})

    with caplog.at_level(logging.INFO, "chalicelib"):
        first = night(world)
        second = night(world)

    (unread,) = next(vars(record)["unread"] for record in caplog.records if record.getMessage() == "reconciled")
    assert unread == f"Reading {theirs} failed: Stripe answered an empty page of a list that has more."
    assert (first["accounts"], first["repaired"], first["complete"]) == (1, 1, False)
    assert (second["accounts"], second["differences"], second["complete"]) == (2, 0, True)


def test_the_report_is_what_the_docs_say(world: World, shop: Shop) -> None:
    """The operator's report is JSON, has the documented names and no others, and looking alone changes nothing."""
    ana = shop.customer()
    tab = paid(shop, ana, billed(shop, ana, 8000))
    world.at_stripe("refunds", {"payment_intent": tab["legs"][0]["payment_id"], "amount": 500})
    world.control("clock", {"advance_seconds": 3600})
    deps = world.deps

    report = json.loads(json.dumps(reconciliation.by_hand(deps, repair=False)))

    documented = json.loads(_section("## The report").split("```json\n")[1].split("```")[0])
    assert set(report) == set(documented)
    assert {name: type(value) for name, value in report["found"][0].items()} == {
        **{name: type(value) for name, value in documented["found"][0].items()},
        **{name: type(None) for name in ("account", "attempt_id")},
    }
    assert (report["found"][0]["code"], report["found"][0]["repaired"]) == ("refund_past_us", False)
    assert shop.seen(tab) == tab


def test_the_docs_say_of_every_code_what_to_do() -> None:
    """No code without its line, no line without its code, and which are repaired is said right."""
    rows = [line.split("|") for line in _section("## What to do").splitlines() if line.startswith("| `")]
    said = {row[1].strip(" `"): row[3].strip() for row in rows}

    assert set(said) == {code.value for code in Code}
    assert {code for code, repaired in said.items() if repaired == "yes"} == {code.value for code in REPAIRABLE}


def test_a_night_that_is_too_short_goes_on_in_the_next(
    world: World, shop: Shop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five payments of tabs that nobody knows, and time for a few of them a night: each is said once, and it ends."""
    names = {"app": "aftertab", "stage": "dev", "merchant": shop.merchant_id, "attempt": "att_1"}
    metadata = {f"metadata[{name}]": value for name, value in names.items()}
    card = {"payment_method": "pm_card_visa", "confirm": "true", "return_url": "https://example.test"}
    for number in range(5):
        tab = {"metadata[tab]": f"tab_{number}"}
        world.at_stripe("payment_intents", {"amount": 8000, "currency": "eur", **card, **metadata, **tab})
    monkeypatch.setattr("chalicelib.usecases.books.reconcile._BATCH", 1)
    nights = []

    with caplog.at_level(logging.INFO, "chalicelib"):
        while not nights or not nights[-1]["complete"]:
            clock = SimpleNamespace(monotonic=count(step=reconciliation.DAILY_LIMIT_S / 8).__next__)
            monkeypatch.setattr(reconciliation, "time", clock)
            nights.append(night(world, hours=0 if nights else 1))
            assert len(nights) < 20

    assert len(nights) > 1
    assert found(caplog) == [("tab_missing", False)] * 5


def test_the_nightly_run_ends_before_its_lambda_does() -> None:
    """What is under way when the time is over still has a minute."""
    functions = json.loads((ROOT / ".chalice" / "config.json").read_text())["lambda_functions"]

    assert functions["reconcile"]["lambda_timeout"] >= reconciliation.DAILY_LIMIT_S + 60


def _section(heading: str) -> str:
    text = (ROOT / "docs" / "reconciliation.md").read_text()
    return text.split(f"{heading}\n", 1)[1].split("\n## ")[0]
