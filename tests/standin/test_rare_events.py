"""What happens seldom at Stripe and has to be staged: refunds overtaken by disputes, lost accounts, odd events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from .conftest import Receiver, Standin

Pay = Callable[..., Any]


def test_a_second_part_of_a_charge_can_be_disputed(client: stripe.StripeClient, pay: Pay, standin: Standin) -> None:
    """Two disputes of one charge take together no more than was paid."""
    intent = pay(8000)
    standin.control("disputes", {"payment_intent": intent.id, "amount": 3000})
    standin.control("disputes", {"payment_intent": intent.id, "amount": 4000})

    assert (
        "1000 can still be disputed"
        in standin.control("disputes", {"charge": intent.latest_charge, "amount": 1001})["error"]
    )
    assert [row.amount for row in client.v1.disputes.list({"charge": intent.latest_charge}).data] == [4000, 3000]
    assert standin.control("books")["accounts"]["acct_1StandInPlatform00"]["eur"]["disputed"] == 7000


def test_what_no_bank_has_taken_can_still_be_refunded(client: stripe.StripeClient, pay: Pay, standin: Standin) -> None:
    """Of 80.00 with 30.00 lost to a dispute, 50.00 can be given back, and not a cent more."""
    intent = pay(8000)
    dispute = standin.control("disputes", {"payment_intent": intent.id, "amount": 3000})
    standin.control("disputes/decide", {"dispute": dispute["id"], "outcome": "lost"})

    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 5001})
    assert client.v1.refunds.create({"payment_intent": intent.id}).amount == 5000
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_disputed"


@pytest.mark.parametrize("kind", ["dispute", "inquiry"])
def test_a_dispute_can_be_prevented(client: stripe.StripeClient, pay: Pay, standin: Standin, kind: str) -> None:
    """Settled before it counts as a chargeback: it ends as `prevented`, and no money is gone."""
    intent = pay(1000)
    opened = standin.control("disputes", {"payment_intent": intent.id, "kind": kind})

    standin.control("disputes/decide", {"dispute": opened["id"], "outcome": "prevented"})

    ended = client.v1.disputes.retrieve(opened["id"])
    assert (ended.status, sum(moved.amount for moved in ended.balance_transactions)) == ("prevented", 0)
    assert standin.control("books")["accounts"]["acct_1StandInPlatform00"]["eur"]["disputed"] == 0
    assert standin.events("charge.dispute.closed") == ["charge.dispute.closed"]
    standin.advance(days=10)
    assert client.v1.disputes.retrieve(opened["id"]).status == "prevented"


def test_an_inquiry_can_become_a_dispute(client: stripe.StripeClient, pay: Pay, standin: Standin) -> None:
    """Escalated: the money goes now, `charge.dispute.updated` says so, and there are nine days again from here."""
    inquiry = standin.control("disputes", {"payment_intent": pay(1000).id, "kind": "inquiry"})
    standin.advance(days=3)

    standin.control("disputes/decide", {"dispute": inquiry["id"], "outcome": "escalated"})

    dispute = client.v1.disputes.retrieve(inquiry["id"])
    assert (dispute.status, dispute.is_charge_refundable) == ("needs_response", False)
    assert [moved.amount for moved in dispute.balance_transactions] == [-1000]
    assert standin.events("charge.dispute.updated", "charge.dispute.funds_withdrawn") == [
        "charge.dispute.updated",
        "charge.dispute.funds_withdrawn",
    ]
    assert "error" in standin.control("disputes/decide", {"dispute": inquiry["id"], "outcome": "escalated"})
    standin.advance(days=8)
    assert client.v1.disputes.retrieve(inquiry["id"]).status == "needs_response"
    standin.advance(days=1)
    assert client.v1.disputes.retrieve(inquiry["id"]).status == "lost"


def test_a_refund_on_its_way_fails_when_its_charge_is_disputed(
    client: stripe.StripeClient, pay: Pay, standin: Standin
) -> None:
    """`charge_for_pending_refund_disputed`: the customer has the money through the bank, and would have it twice."""
    intent = pay(1000, card="pm_card_pendingRefund")
    refund = client.v1.refunds.create({"payment_intent": intent.id, "amount": 400})

    standin.control("disputes", {"payment_intent": intent.id})

    failed = client.v1.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "charge_for_pending_refund_disputed")
    assert client.v1.charges.retrieve(intent.latest_charge).amount_refunded == 0
    assert standin.events("refund.failed") == ["refund.failed"]


def test_a_refund_fails_for_the_reason_that_was_asked_for(
    client: stripe.StripeClient, pay: Pay, standin: Standin
) -> None:
    """Each documented reason of a card's refund; an invented one is refused."""
    refund = client.v1.refunds.create({"payment_intent": pay(1000).id})

    assert "error" in standin.control("refunds/settle", {"refund": refund.id, "failure_reason": "bad mood"})
    standin.control(
        "refunds/settle", {"refund": refund.id, "outcome": "fail", "failure_reason": "expired_or_canceled_card"}
    )

    assert client.v1.refunds.retrieve(refund.id).failure_reason == "expired_or_canceled_card"


@pytest.mark.parametrize("by", ["control", "delete"])
def test_a_connected_account_can_be_lost(
    client: stripe.StripeClient, standin: Standin, receiver: Receiver, by: str
) -> None:
    """Revoked in their dashboard or deleted by the platform: the platform is told once, and is let in no more."""
    endpoint = client.v1.webhook_endpoints.create(
        {"url": receiver.url, "enabled_events": ["account.application.deauthorized"], "connect": True}
    )
    account = client.v1.accounts.create({"country": "DE"}).id

    if by == "delete":
        assert client.v1.accounts.delete(account).deleted
    else:
        standin.control("accounts/deauthorize", {"account": account})

    assert standin.control("webhooks/drain", {})["drained"]
    told = receiver.events(endpoint.secret)
    assert [(event.account, event.data.object.object) for event in told] == [(account, "application")]
    for call in (
        lambda: client.v1.customers.create({}, {"stripe_account": account}),
        lambda: client.v1.accounts.retrieve(account),
    ):
        with pytest.raises(stripe.PermissionError) as refused:
            call()
        assert refused.value.error.code == "account_invalid"
    assert client.v1.accounts.list().data == []
    assert "error" in standin.control("accounts/deauthorize", {"account": account})


def test_a_customer_deleted_in_the_dashboard_is_missing_everywhere(
    client: stripe.StripeClient, pay: Pay, standin: Standin, customer: str
) -> None:
    """Each call that names them is told `resource_missing`; only retrieving them still answers."""
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    client.v1.customers.delete(customer)

    for call in (
        lambda: pay(1000, customer=customer),
        lambda: client.v1.setup_intents.create({"customer": customer}),
        lambda: client.v1.customers.update(customer, {"name": "Ada"}),
        lambda: client.v1.payment_methods.attach("pm_card_visa", {"customer": customer}),
        lambda: client.v1.payment_methods.list({"customer": customer}),
        lambda: client.v1.customers.payment_methods.list(customer),
        lambda: client.v1.checkout.sessions.create(
            {"mode": "setup", "customer": customer, "currency": "eur", "success_url": "http://127.0.0.1:9/"}
        ),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            call()
        assert refused.value.code == "resource_missing"
    assert client.v1.payment_methods.retrieve(card).customer is None
    assert standin.events("customer.deleted") == ["customer.deleted"]


@pytest.mark.parametrize("shown", ["event_null", "event_expanded"])
def test_an_event_can_leave_a_reference_out_or_spell_it_out(
    client: stripe.StripeClient, pay: Pay, standin: Standin, receiver: Receiver, shown: str
) -> None:
    """The webhook and the list of events say the same; the object itself is as ever."""
    endpoint = client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["charge.dispute.created"]})
    standin.control("faults", {"kind": shown, "path": "charge.dispute", "field": "payment_intent"})
    intent = pay(1000)

    opened = standin.control("disputes", {"payment_intent": intent.id})

    assert standin.control("webhooks/drain", {})["drained"]
    listed = client.v1.events.list({"type": "charge.dispute.created"}).data
    for event in (*receiver.events(endpoint.secret), *listed):
        reference = event.data.object.payment_intent
        assert reference is None if shown == "event_null" else reference.amount == 1000
    assert client.v1.disputes.retrieve(opened["id"]).payment_intent == intent.id
    assert standin.control("faults")["faults"][0]["hits"] == 2  # created, and the money withdrawn


def test_an_event_can_claim_to_be_live(client: stripe.StripeClient, standin: Standin, receiver: Receiver) -> None:
    """As one that was sent to the wrong stage: the event and its object say so."""
    endpoint = client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    standin.control("faults", {"kind": "event_livemode", "path": "customer.created", "count": 1})

    for _ in range(2):
        client.v1.customers.create({})

    assert standin.control("webhooks/drain", {})["drained"]
    claimed = [(event.livemode, event.data.object.livemode) for event in receiver.events(endpoint.secret)]
    assert sorted(claimed) == [(False, False), (True, True)]


def test_a_list_page_can_be_empty_and_not_the_last(client: stripe.StripeClient, standin: Standin) -> None:
    """`has_more` without a row: once, and the next request answers as ever."""
    made = client.v1.customers.create({}).id
    standin.control("faults", {"kind": "empty_page", "path": "/v1/customers", "count": 1})

    empty = client.v1.customers.list()
    full = client.v1.customers.list()

    assert (empty.data, empty.has_more) == ([], True)
    assert [row.id for row in full.data] == [made]
