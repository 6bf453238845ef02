"""Stripe's own tools, unmodified, each in the version that it speaks by itself: Python, Node, and the command line.

They come from the Python lock file and from npm, at the versions below. Without npm these tests are skipped, but for
the one in Python; where CI is set they must run.
"""

from __future__ import annotations

import json
import os
import subprocess
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import pytest
import stripe

from devstack.stripe_standin import versions
from devstack.stripe_standin.server import serve_in_thread
from tests import npm

from .conftest import CARD_ONLY, START, Receiver, Standin

NODE_SDK, CLI = "23.1.0", "1.52.0"
# What the command line's own fixtures were written for: it names no version, so the account's counts.
CLI_VERSION = "2026-08-26.dahlia"
WALK_IN = [["StripeCardError", "card_declined", "requires_payment_method"], "succeeded", 2400 - 61]
APPOINTMENT = ["succeeded", "requires_capture", 3000, "succeeded", "canceled", "succeeded"]
TOLD = ["payment_intent.canceled", *["payment_intent.succeeded"] * 3, "setup_intent.succeeded"]


@pytest.fixture(scope="session")
def vendor() -> Path:
    """The folder with the tools of npm."""
    packages = (f"stripe@{NODE_SDK}", f"@stripe/cli@{CLI}")
    return npm.installed(f"vendor-node-{NODE_SDK}-cli-{CLI}", *packages, why="Stripe's tools come from npm")


@pytest.fixture
def command_line(vendor: Path, tmp_path: Path) -> Any:
    """`stripe trigger`, as a developer types it; answers what it printed."""
    found = [path for path in (vendor / "@stripe").glob("cli-*/bin/stripe*") if path.is_file()]
    if not found:
        pytest.skip("npm has no command-line tool of Stripe's for this machine")
    environment = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "STRIPE_CLI_TELEMETRY_OPTOUT": "1"}

    def trigger(base: str, event: str, *more: str) -> str:
        key = "sk_test_" + "51StandInStandInStandIn"
        ran = subprocess.run(
            [found[0], "trigger", event, "--api-base", base, "--api-key", key, *more],
            env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return ran.stdout + ran.stderr

    return trigger


def test_the_python_library_plays_the_walk_in_and_the_appointment(standin: Standin, receiver: Receiver) -> None:
    """The newest one that is locked, in its own version: what it is answered, and what it is told, signed."""
    client = standin.client()
    endpoint = client.v1.webhook_endpoints.create(
        {"url": receiver.url, "enabled_events": sorted(set(TOLD)), "api_version": versions.NEWEST}  # type: ignore[typeddict-item]
    )
    walk_in = client.v1.payment_intents.create({"amount": 2400, "currency": "eur", **CARD_ONLY})
    with pytest.raises(stripe.CardError) as declined:
        client.v1.payment_intents.confirm(walk_in.id, {"payment_method": "pm_card_chargeDeclined"})
    expanded: Any = {"payment_method": "pm_card_visa", "expand": ["latest_charge.balance_transaction"]}
    paid = client.v1.payment_intents.confirm(walk_in.id, expanded, {"idempotency_key": "walk-in"})
    customer = client.v1.customers.create({"name": "Ada", "email": "ada@example.com"}).id
    setup = client.v1.setup_intents.create(
        {"customer": customer, "payment_method": "pm_card_visa", "usage": "off_session", "confirm": True, **CARD_ONLY}
    )
    off: Any = {"customer": customer, "payment_method": setup.payment_method, "off_session": True, "confirm": True}
    hold: Any = {"amount": 5000, "currency": "eur", "capture_method": "manual", **off, **CARD_ONLY}
    held = client.v1.payment_intents.create(hold)
    captured = client.v1.payment_intents.capture(held.id, {"amount_to_capture": 3000})
    rest = client.v1.payment_intents.create({"amount": 1200, "currency": "eur", **off, **CARD_ONLY})
    released = client.v1.payment_intents.cancel(client.v1.payment_intents.create(hold).id)
    refund = client.v1.refunds.create({"payment_intent": rest.id, "amount": 200})

    assert standin.control("webhooks/drain", {})["drained"]
    assert paid.last_response.headers["Stripe-Version"] == stripe._api_version._ApiVersion.CURRENT == versions.NEWEST
    net = paid.latest_charge.balance_transaction.net
    assert [declined.value.code, paid.status, net] == ["card_declined", *WALK_IN[1:]]
    told = [setup.status, held.status, captured.amount_received, rest.status, released.status, refund.status]
    assert told == APPOINTMENT
    assert sorted(event.type for event in receiver.events(endpoint.secret)) == TOLD
    assert installed("stripe") == stripe.VERSION


def test_the_node_library_plays_the_walk_in_and_the_appointment(standin: Standin, vendor: Path) -> None:
    """The same stories, told by stripe-node in its own version, webhooks verified by it."""
    script = Path(__file__).parent / "vendor" / "stories.mjs"
    ran = subprocess.run(
        ["node", script, standin.base, vendor], capture_output=True, text=True, timeout=120, check=False
    )

    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["version"] == versions.NEWEST
    assert found["walk_in"] == WALK_IN
    assert found["appointment"] == APPOINTMENT
    assert found["listed"] == [5000, 1200, 5000]
    assert found["told"] == [[type, versions.NEWEST] for type in TOLD]


# `stripe trigger` with what it makes happen. Others need what the stand-in does not play, and are told so (below).
TRIGGERS = (
    "account.application.deauthorized", "account.updated", "charge.captured", "charge.dispute.closed",
    "charge.dispute.created", "charge.dispute.updated", "charge.failed", "charge.refund.updated", "charge.refunded",
    "charge.succeeded", "checkout.session.completed", "checkout.session.expired", "customer.created",
    "customer.deleted", "customer.updated", "payment_intent.amount_capturable_updated", "payment_intent.canceled",
    "payment_intent.created", "payment_intent.payment_failed", "payment_intent.requires_action",
    "payment_intent.succeeded", "payment_method.attached", "payment_method.detached", "price.created", "price.updated",
    "product.created", "product.deleted", "product.updated", "setup_intent.canceled", "setup_intent.created",
    "setup_intent.setup_failed", "setup_intent.succeeded",
)  # fmt: skip


def test_the_command_line_triggers_what_is_played(command_line: Any) -> None:
    """Each event that its fixtures make happens here, too."""
    missing = []
    with serve_in_thread(start=START, api_version=CLI_VERSION) as base:
        for event in TRIGGERS:
            standin = Standin(base, None)
            standin.control("reset", {})
            printed = command_line(base, event)
            accounts = [row["id"] for row in standin.raw("GET", "/v1/accounts")[1]["data"]]
            happened = set(standin.events())
            for account in accounts:
                listed = standin.raw("GET", "/v1/events", headers={"Stripe-Account": account})[1]["data"]
                happened |= {row["type"] for row in listed}
            told = standin.control("overview")["events"]
            if "Trigger succeeded" not in printed or event not in happened | {row["type"] for row in told}:
                missing.append((event, printed))

    assert missing == []


def test_the_command_line_names_a_version_of_its_own(command_line: Any) -> None:
    """An older one for what its fixture was written for: a SetupIntent that needs no return_url."""
    with serve_in_thread(start=START) as base:
        refused = command_line(base, "setup_intent.requires_action")
        printed = command_line(base, "setup_intent.requires_action", "--api-version", "2022-11-15")
        events = Standin(base, None).events("setup_intent.requires_action")

    assert "return_url" in refused
    assert ("Trigger succeeded" in printed, events) == (True, ["setup_intent.requires_action"])


def test_the_command_line_is_told_what_is_not_played(command_line: Any) -> None:
    """Not an answer that looks like success, and not one that blames the caller."""
    with serve_in_thread(start=START, api_version=CLI_VERSION) as base:
        for event, named in (("invoice.paid", "/v1/invoice"), ("payment_link.created", "/v1/payment_links")):
            printed = command_line(base, event)
            assert "status=501" in printed
            assert f"The stand-in does not play POST {named}" in printed
