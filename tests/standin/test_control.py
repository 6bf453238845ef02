"""The control plane, the overview, connected accounts, and running the stand-in in other ways."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from devstack.stripe_standin.server import create_app, loopback_socket, serve_in_thread

from .conftest import CARD_ONLY, START, Standin

Pay = Callable[..., Any]
PLATFORM = "acct_1StandInPlatform00"


def test_the_clock_stands_still_and_moves_forward_only(standin: Standin) -> None:
    """It does not run by itself, moves to a time or by seconds, and refuses to go back."""
    assert standin.control("clock")["now"] == "2026-01-05T09:00:00Z"

    assert standin.control("clock", {"advance_seconds": 90})["now"] == "2026-01-05T09:01:30Z"
    assert standin.control("clock", {"to": "2026-01-06T00:00:00+01:00"})["now"] == "2026-01-05T23:00:00Z"

    assert "forward only" in standin.control("clock", {"to": "2026-01-05T22:59:59Z"})["error"]
    assert "error" in standin.control("clock", {"advance_seconds": -1})
    assert "error" in standin.control("clock", {"to": "2026-01-07T00:00:00"})
    assert "error" in standin.control("clock", {})
    assert standin.control("clock")["now"] == "2026-01-05T23:00:00Z"


def test_what_falls_due_on_the_way_happens_in_order_and_at_its_own_time(
    client: stripe.StripeClient, pay: Pay, standin: Standin
) -> None:
    """One long move: the Visa hold placed later but off-session expires first, and each event carries its own
    moment.
    """
    slow = pay(1000, card="pm_card_mastercard", capture_method="manual")
    standin.advance(hours=1)
    fast = pay(1000, customer=client.v1.customers.create({}).id, off_session=True, capture_method="manual")

    standin.advance(days=30)

    canceled = client.v1.events.list({"type": "payment_intent.canceled"}).data[::-1]
    assert [event.data.object.id for event in canceled] == [fast.id, slow.id]
    assert [event.created - START for event in canceled] == [3600 + 410_400, 604_800]


def test_the_books_add_up(client: stripe.StripeClient, pay: Pay, standin: Standin) -> None:
    """authorized = captured + released + expired + live holds; charged and refunded beside it; by tab and filtered."""
    captured = pay(5000, capture_method="manual", metadata={"tab": "tab_1", "app": "a"})
    client.v1.payment_intents.capture(captured.id, {"amount_to_capture": 2000})
    released = pay(700, capture_method="manual", metadata={"tab": "tab_1", "app": "a"})
    client.v1.payment_intents.cancel(released.id)
    pay(900, capture_method="manual", metadata={"tab": "tab_2", "app": "a"})
    standin.advance(days=7)
    pay(1100, capture_method="manual", metadata={"tab": "tab_2", "app": "a"})
    charge = pay(3000, metadata={"tab": "tab_2", "app": "b"})
    client.v1.refunds.create({"payment_intent": charge.id, "amount": 1000})
    with pytest.raises(stripe.CardError):
        pay(4000, card="pm_card_chargeDeclined", metadata={"tab": "tab_2"})

    books = standin.control("books")
    line = books["accounts"][PLATFORM]["eur"]
    assert {name: line[name] for name in ("authorized", "captured", "released", "expired", "live_holds")} == {
        "authorized": 7700,
        "captured": 2000,
        "released": 3700,
        "expired": 900,
        "live_holds": 1100,
    }
    assert (line["charged"], line["refunded"], line["declines_count"]) == (3000, 1000, 1)
    assert line["stripe_fees"] == (30 + 25) + (45 + 25)
    assert books["groups"]["tab_1"]["eur"]["captured"] == 2000
    assert books["groups"]["tab_2"]["eur"]["charged"] == 3000
    only_b = standin.control("books?metadata[app]=b&by=")
    assert only_b["accounts"][PLATFORM]["eur"]["authorized"] == 0
    assert only_b["accounts"][PLATFORM]["eur"]["charged"] == 3000
    assert "groups" not in only_b


def test_the_request_log_tells_what_a_program_asked(client: stripe.StripeClient, pay: Pay, standin: Standin) -> None:
    """Counts by route and status; entries by path, status and what the body contains."""
    intent = pay(1000, metadata={"attempt_id": "att_1"})
    client.v1.payment_intents.retrieve(intent.id)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.capture(intent.id)

    log = standin.control("requests")
    assert log["counts"]["POST /v1/payment_intents 200"] == 1
    assert log["counts"]["POST /v1/payment_intents/{}/capture 400"] == 1
    assert [entry["path"] for entry in standin.control("requests?contains=att_1")["requests"]] == [
        "/v1/payment_intents"
    ]
    refused = standin.control("requests?status=400")["requests"]
    assert [entry["error_code"] for entry in refused] == ["payment_intent_unexpected_state"]
    assert "error" in standin.control("requests?colour=red")
    standin.control("requests", method="DELETE")
    assert standin.control("requests")["total"] == 0


def test_a_connected_account_keeps_to_itself_and_pays_its_platform_a_fee(client: stripe.StripeClient) -> None:
    """Direct charge: the payment lives on the connected account, the application fee on the platform."""
    account = client.v1.accounts.create({"type": "standard", "country": "DE", "email": "salon@example.com"}).id
    theirs = {"stripe_account": account}
    intent = client.v1.payment_intents.create(
        {
            "amount": 10_000,
            "currency": "eur",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "capture_method": "manual",
            "application_fee_amount": 500,
            **CARD_ONLY,
        },
        theirs,
    )
    done = client.v1.payment_intents.capture(
        intent.id,
        {"amount_to_capture": 5000, "application_fee_amount": 250, "expand": ["latest_charge.balance_transaction"]},
        theirs,
    )

    assert done.latest_charge.balance_transaction.net == 5000 - 250 - (75 + 25)
    fee = client.v1.application_fees.list().data[0]
    assert (fee.amount, fee.account, fee.charge) == (250, account, done.latest_charge.id)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.retrieve(intent.id)
    client.v1.refunds.create({"payment_intent": intent.id, "refund_application_fee": True}, theirs)
    assert client.v1.application_fees.retrieve(fee.id).refunded


def test_an_account_that_does_not_exist_is_refused(client: stripe.StripeClient) -> None:
    """Stripe-Account with an unknown id: 403 account_invalid."""
    with pytest.raises(stripe.PermissionError) as refused:
        client.v1.customers.create({"name": "Ada"}, {"stripe_account": "acct_none"})

    assert refused.value.error.code == "account_invalid"


def test_the_overview_shows_holds_with_their_clocks_and_events(
    client: stripe.StripeClient, pay: Pay, standin: Standin
) -> None:
    """The page at / is there, and its data has the hold, how long it lives, and what happened."""
    hold = pay(5000, capture_method="manual")
    standin.advance(days=1)

    with urllib.request.urlopen(standin.base + "/") as page:
        assert b"as they happen" in page.read()
    data = standin.control("overview")

    assert [(row["id"], row["seconds_left"]) for row in data["holds"]] == [(hold.id, 6 * 86400)]
    assert "payment_intent.amount_capturable_updated" in [event["type"] for event in data["events"]]


def test_a_web_page_from_elsewhere_controls_nothing(standin: Standin) -> None:
    """A request that a browser sends for another site's page is refused; the overview's own are served."""

    def move(origin: str) -> int:
        request = urllib.request.Request(
            f"{standin.base}/_control/clock", data=b'{"advance_seconds": 60}', headers={"Origin": origin}
        )
        with urllib.request.urlopen(request) as answer:
            status: int = answer.status
        return status

    with pytest.raises(urllib.error.HTTPError, match="403"):
        move("http://example.com")
    assert move(standin.base) == 200
    assert standin.control("clock")["now"] == "2026-01-05T09:01:00Z"


def test_only_a_publishable_key_is_for_web_pages(standin: Standin) -> None:
    """Answers to a secret key cannot be read by another site's page; those to a publishable key can, as at Stripe."""
    allowed = {}
    for key in ("sk_test_x", "pk_test_x"):
        headers = {"Authorization": f"Bearer {key}", "Origin": "http://example.com"}
        allowed[key] = standin.raw("GET", "/v1/payment_intents/pi_none", headers=headers)[2][
            "Access-Control-Allow-Origin"
        ]

    assert allowed == {"sk_test_x": None, "pk_test_x": "*"}


def test_it_binds_to_the_loopback_interface_only() -> None:
    """Any other address is refused before a socket exists."""
    with pytest.raises(ValueError, match="loopback"):
        loopback_socket(0, "0.0.0.0")


def test_with_real_time_the_clock_runs() -> None:
    """--real-time: the clock advances by itself from where it started."""
    with serve_in_thread(start=START, real_time=True) as base:
        other = Standin(base, None)
        assert other.control("clock")["real_time"] is True
        while other.control("clock")["now"] == "2026-01-05T09:00:00Z":
            pass


def test_health_counts_what_is_there(client: stripe.StripeClient, pay: Pay, standin: Standin) -> None:
    """One call tells that it lives and how much it holds."""
    pay(1000)

    health = standin.control("health")

    assert (health["status"], health["payment_intents"], health["now"]) == ("ok", 1, "2026-01-05T09:00:00Z")


def test_a_seed_makes_ids_repeatable() -> None:
    """Two worlds of the same seed name their objects alike; without one they do not."""
    same = [create_app(start=START, seed=7).standin.world.new_id("pi") for _ in range(2)]
    free = [create_app(start=START).standin.world.new_id("pi") for _ in range(2)]

    assert same[0] == same[1]
    assert free[0] != free[1]


@pytest.mark.parametrize(
    ("method", "call", "body"),
    [
        ("POST", "clock", {"advance_seconds": "soon"}),
        ("POST", "clock", {"expiry_lag_seconds": "x"}),
        ("POST", "webhooks/drain", {"timeout_seconds": "x"}),
        ("POST", "faults", {"rate_limit": "x"}),
        ("POST", "faults", ["slow"]),
        ("DELETE", "faults?id=x", None),
        ("GET", "requests?limit=x", None),
        ("POST", "cards/renew", {"payment_method": "pm_none", "exp_year": "x"}),
        ("POST", "refunds/settle", {}),
    ],
)
def test_a_control_call_that_makes_no_sense_is_told_so(standin: Standin, method: str, call: str, body: Any) -> None:
    """Whoever stages a test is told what was wrong, never answered an empty 500."""
    assert standin.control(call, body, method)["error"]


def test_an_unknown_control_call_lists_the_known(standin: Standin) -> None:
    """So that a stranger finds the way without the documentation."""
    answer = standin.control("clocks")

    assert answer["error"] == "no such call: GET /_control/clocks"
    assert {"GET /_control/clock", "POST /_control/clock", "DELETE /_control/faults"} <= set(answer["calls"])
