"""What happens after the money was taken: refunds, disputes, early fraud warnings; and finding things by search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from .conftest import Standin

Pay = Callable[..., Any]


def test_partial_refunds_add_up_and_never_exceed_what_was_captured(client: stripe.StripeClient, pay: Pay) -> None:
    """4.00 and 6.00 of 10.00 are refunded; one cent more is refused, and so is refunding again."""
    intent = pay(1000)

    client.v1.refunds.create({"payment_intent": intent.id, "amount": 400})
    with pytest.raises(stripe.InvalidRequestError) as too_much:
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 601})
    assert "unrefunded amount" in str(too_much.value)
    client.v1.refunds.create({"payment_intent": intent.id, "reason": "requested_by_customer"})

    charge = client.v1.charges.retrieve(intent.latest_charge, {"expand": ["refunds"]})
    assert (charge.amount_refunded, charge.refunded) == (1000, True)
    assert [refund.amount for refund in charge.refunds.data] == [600, 400]
    with pytest.raises(stripe.InvalidRequestError) as again:
        client.v1.refunds.create({"charge": charge.id})
    assert again.value.code == "charge_already_refunded"


def test_a_refund_is_bounded_by_the_capture_and_not_by_the_hold(client: stripe.StripeClient, pay: Pay) -> None:
    """Of a hold of 50.00 captured at 20.00, 20.00 can be refunded and 20.01 cannot."""
    hold = pay(5000, capture_method="manual")
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": hold.id})
    client.v1.payment_intents.capture(hold.id, {"amount_to_capture": 2000})

    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": hold.id, "amount": 2001})

    assert client.v1.refunds.create({"payment_intent": hold.id, "amount": 2000}).status == "succeeded"


def test_a_refund_can_be_pending_and_arrive_later(client: stripe.StripeClient, pay: Pay, standin: Standin) -> None:
    """pm_card_pendingRefund: pending first, succeeded an hour later, told by refund.updated."""
    refund = client.v1.refunds.create({"payment_intent": pay(1000, card="pm_card_pendingRefund").id})
    assert (refund.status, refund.pending_reason) == ("pending", "processing")

    standin.advance(hours=1)

    assert client.v1.refunds.retrieve(refund.id).status == "succeeded"
    assert standin.events("refund.created", "refund.updated") == ["refund.created", "refund.updated"]


def test_a_refund_can_fail_after_it_succeeded(client: stripe.StripeClient, pay: Pay, standin: Standin) -> None:
    """pm_card_refundFail: the bank returns it, the charge counts as not refunded, and it can be refunded again."""
    intent = pay(1000, card="pm_card_refundFail")
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    assert refund.status == "succeeded"

    standin.control("refunds/settle", {"refund": refund.id, "outcome": "fail"})

    failed = client.v1.refunds.retrieve(refund.id, {"expand": ["failure_balance_transaction"]})
    assert (failed.status, failed.failure_reason, failed.failure_balance_transaction.amount) == (
        "failed",
        "unknown",
        1000,
    )
    assert client.v1.charges.retrieve(intent.latest_charge).amount_refunded == 0
    assert "refund.failed" in standin.events()
    assert client.v1.refunds.create({"payment_intent": intent.id}).amount == 1000


def test_fees_and_net_are_on_the_balance_transaction(client: stripe.StripeClient, pay: Pay, standin: Standin) -> None:
    """A euro card payment of 100.00 costs 1.5% + 0.25; it becomes available two days later."""
    intent = pay(10_000, expand=["latest_charge.balance_transaction"])

    moved = intent.latest_charge.balance_transaction
    assert (moved.amount, moved.fee, moved.net, moved.status) == (10_000, 175, 9_825, "pending")
    standin.advance(days=2)
    assert client.v1.balance_transactions.retrieve(moved.id).status == "available"
    assert [row.id for row in client.v1.balance_transactions.list({"source": intent.latest_charge.id}).data] == [
        moved.id
    ]


def test_the_balance_is_what_is_there_and_what_will_be(client: stripe.StripeClient, pay: Pay, standin: Standin) -> None:
    """A payment's net is pending until it is available; one card's is available at once; a refund takes from it."""
    pay(10_000)
    pay(1_000, card="pm_card_bypassPending")

    def now() -> tuple[int, int]:
        found = client.v1.balance.retrieve()
        return found.pending[0].amount, found.available[0].amount

    assert now() == (10_000 - 175, 1_000 - 40)
    standin.advance(days=14)
    client.v1.refunds.create({"payment_intent": pay(2_000).id, "amount": 2_000})
    assert now() == (2_000 - 55 - 2_000, 10_000 - 175 + 1_000 - 40)


# --- disputes


@pytest.mark.parametrize(
    ("evidence", "status", "reinstated"), [("winning_evidence", "won", True), ("losing_evidence", "lost", False)]
)
def test_a_dispute_is_answered_and_decided(
    client: stripe.StripeClient, pay: Pay, standin: Standin, evidence: str, status: str, reinstated: bool
) -> None:
    """createDispute takes the money back at once; the documented evidence texts win or lose it."""
    intent = pay(1000, card="pm_card_createDispute")
    dispute = client.v1.disputes.list({"payment_intent": intent.id}).data[0]
    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "fraudulent", 1000)
    assert client.v1.charges.retrieve(intent.latest_charge).disputed

    client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": evidence}})

    decided = client.v1.disputes.retrieve(dispute.id)
    assert decided.status == status
    assert sum(moved.amount for moved in decided.balance_transactions) == (0 if reinstated else -1000)
    told = standin.events("charge.dispute.created", "charge.dispute.closed", "charge.dispute.funds_reinstated")
    assert told == [
        "charge.dispute.created",
        "charge.dispute.closed",
        *(["charge.dispute.funds_reinstated"] if reinstated else []),
    ]


def test_a_charged_back_charge_cannot_be_refunded_too(client: stripe.StripeClient, pay: Pay) -> None:
    """The money is already gone: charge_disputed."""
    intent = pay(1000, card="pm_card_createDispute")

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent.id})

    assert refused.value.code == "charge_disputed"


def test_an_unanswered_dispute_is_lost_when_its_time_is_over(
    client: stripe.StripeClient, pay: Pay, standin: Standin
) -> None:
    """Nine days without evidence: lost, past due."""
    intent = pay(1000, card="pm_card_createDisputeProductNotReceived")
    dispute = client.v1.disputes.list({"charge": intent.latest_charge}).data[0]

    standin.advance(days=9)

    lost = client.v1.disputes.retrieve(dispute.id)
    assert (lost.status, lost.evidence_details.past_due) == ("lost", True)


def test_an_inquiry_that_is_answered_badly_costs_nothing(
    client: stripe.StripeClient, pay: Pay, standin: Standin
) -> None:
    """Closed either way: no money was taken, so none is lost, and the books say so all along."""
    for end in ("losing_evidence", "close"):
        intent = pay(1000, card="pm_card_createDisputeInquiry")
        inquiry = client.v1.disputes.list({"payment_intent": intent.id}).data[0]
        books = [standin.control("books")["accounts"]["acct_1StandInPlatform00"]["eur"]["disputed"]]
        if end == "close":
            client.v1.disputes.close(inquiry.id)
        else:
            client.v1.disputes.update(inquiry.id, {"evidence": {"uncategorized_text": end}})
        closed = client.v1.disputes.retrieve(inquiry.id)
        books.append(standin.control("books")["accounts"]["acct_1StandInPlatform00"]["eur"]["disputed"])
        assert (closed.status, closed.balance_transactions, books) == ("warning_closed", [], [0, 0])


@pytest.mark.parametrize(
    ("card", "reasons", "eligible"),
    [
        ("pm_card_createMultipleDisputes", ["product_not_received", "fraudulent"], []),
        ("pm_card_createCe3EligibleDispute", ["fraudulent"], ["visa_compelling_evidence_3"]),
        ("pm_card_createComplianceDispute", ["noncompliant"], ["visa_compliance"]),
    ],
)
def test_special_disputes(
    client: stripe.StripeClient, pay: Pay, card: str, reasons: list[str], eligible: list[str]
) -> None:
    """Several of one charge take together what was paid; Visa's programmes are named."""
    intent = pay(1001, card=card)

    opened = client.v1.disputes.list({"payment_intent": intent.id}).data

    assert [dispute.reason for dispute in opened] == reasons
    assert sum(dispute.amount for dispute in opened) == 1001
    assert opened[0].enhanced_eligibility_types == eligible


def test_visas_programme_wants_two_earlier_payments(client: stripe.StripeClient, pay: Pay) -> None:
    """It says what is missing, then that it has all; other disputes do not take it, and a text has its limit."""
    earlier = [pay(900 + n).latest_charge for n in range(2)]
    opened = client.v1.disputes.list({"payment_intent": pay(1000, card="pm_card_createCe3EligibleDispute").id}).data[0]
    same = {
        "customer_purchase_ip": "192.0.2.1",
        "customer_email_address": "a@example.com",
        "product_description": "cut",
    }
    given = {
        "disputed_transaction": {**same, "merchandise_or_services": "services"},
        "prior_undisputed_transactions": [{**same, "charge": str(charge)} for charge in earlier],
    }
    evidence: Any = {"enhanced_evidence": {"visa_compelling_evidence_3": given}, "product_description": "cut"}
    asked = opened.to_dict()["evidence_details"]["enhanced_eligibility"]["visa_compelling_evidence_3"]
    assert (asked["status"], len(asked["required_actions"])) == ("requires_action", 4)

    staged = client.v1.disputes.update(opened.id, {"evidence": evidence, "submit": False}).to_dict()

    told = staged["evidence_details"]["enhanced_eligibility"]["visa_compelling_evidence_3"]
    assert told == {"required_actions": [], "status": "qualified"}
    other = client.v1.disputes.list({"payment_intent": pay(1000, card="pm_card_createDispute").id}).data[0]
    for refused in (evidence, {"uncategorized_text": "x" * 20_001}):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.disputes.update(other.id, {"evidence": refused, "submit": False})


def test_a_dispute_can_be_conceded(client: stripe.StripeClient, pay: Pay) -> None:
    """close: lost, and it takes no more evidence."""
    dispute = client.v1.disputes.list({"payment_intent": pay(1000, card="pm_card_createDispute").id}).data[0]

    assert client.v1.disputes.close(dispute.id).status == "lost"

    with pytest.raises(stripe.InvalidRequestError):
        client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "late"}})


def test_an_inquiry_moves_no_money(client: stripe.StripeClient, pay: Pay) -> None:
    """createDisputeInquiry only asks: no balance transaction, the charge can still be refunded."""
    intent = pay(1000, card="pm_card_createDisputeInquiry")

    inquiry = client.v1.disputes.list({"payment_intent": intent.id}).data[0]

    assert (inquiry.status, inquiry.balance_transactions) == ("warning_needs_response", [])
    assert client.v1.refunds.create({"payment_intent": intent.id}).status == "succeeded"


def test_an_early_fraud_warning_arrives_with_the_charge(
    client: stripe.StripeClient, pay: Pay, standin: Standin
) -> None:
    """createIssuerFraudRecord: the payment succeeds and radar.early_fraud_warning.created follows."""
    intent = pay(1000, card="pm_card_createIssuerFraudRecord")

    warning = client.v1.radar.early_fraud_warnings.list({"payment_intent": intent.id}).data[0]

    assert (warning.actionable, warning.charge) == (True, intent.latest_charge)
    assert standin.events("radar.early_fraud_warning.created") == ["radar.early_fraud_warning.created"]


def test_any_charge_can_be_disputed_by_hand(client: stripe.StripeClient, pay: Pay, standin: Standin) -> None:
    """The control plane disputes a payment made with any card, months later, and decides it."""
    intent = pay(1000)
    standin.advance(days=60)

    opened = standin.control("disputes", {"payment_intent": intent.id, "reason": "product_not_received"})
    assert "error" in standin.control("disputes", {"payment_intent": intent.id})
    standin.control("disputes/decide", {"dispute": opened["id"], "outcome": "won"})

    dispute = client.v1.disputes.retrieve(opened["id"])
    assert (dispute.status, dispute.reason, dispute.payment_intent) == ("won", "product_not_received", intent.id)
    assert "error" in standin.control("disputes/decide", {"dispute": opened["id"], "outcome": "lost"})


def test_a_hold_cannot_be_disputed(pay: Pay, standin: Standin) -> None:
    """Nothing was taken: nothing to take back."""
    hold = pay(1000, capture_method="manual")

    assert "error" in standin.control("disputes", {"payment_intent": hold.id})


def test_a_card_that_was_renewed_is_told(client: stripe.StripeClient, standin: Standin, customer: str) -> None:
    """Only that PaymentMethod changes, and payment_method.automatically_updated says what it was before."""
    saved = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    other = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})

    standin.control("cards/renew", {"payment_method": saved.id, "exp_year": 2040})

    assert client.v1.payment_methods.retrieve(saved.id).card.exp_year == 2040
    assert client.v1.payment_methods.retrieve(other.id).card.exp_year == other.card.exp_year
    event = client.v1.events.list({"type": "payment_method.automatically_updated"}).data[0]
    assert event.data.previous_attributes["card"]["exp_year"] == saved.card.exp_year


# --- search


def test_search_lags_behind_by_a_minute(client: stripe.StripeClient, pay: Pay, standin: Standin) -> None:
    """What was just created is listed but not found; a minute later it is found."""
    intent = pay(1000, metadata={"attempt_id": "att_1"})
    query = {"query": 'metadata["attempt_id"]:"att_1"'}

    assert client.v1.payment_intents.search(query).data == []
    assert client.v1.payment_intents.list().data[0].id == intent.id
    standin.advance(seconds=60)

    assert [found.id for found in client.v1.payment_intents.search(query).data] == [intent.id]


def test_search_speaks_the_query_language(client: stripe.StripeClient, pay: Pay, standin: Standin) -> None:
    """AND, OR, negation, ranges, substrings, null, pages; nonsense is refused."""
    for amount, name in ((1000, "Ada"), (2000, "Bob"), (3000, "Adam")):
        pay(amount, metadata={"who": name}, currency="usd" if name == "Bob" else "eur")
    client.v1.customers.create({"email": "ada@example.com", "name": "Ada Lovelace"})
    standin.advance(seconds=61)

    def amounts(query: str, **more: Any) -> list[int]:
        return [row.amount for row in client.v1.payment_intents.search({"query": query, **more}).data]

    assert amounts('currency:"eur" AND amount>1000') == [3000]
    assert amounts('metadata["who"]:"Ada" OR metadata["who"]:"Bob"') == [2000, 1000]
    assert amounts('-currency:"eur"') == [2000]
    assert amounts("amount>=1000 AND amount<3000") == [2000, 1000]
    assert amounts("metadata['none']:null") == [3000, 2000, 1000]
    first = client.v1.payment_intents.search({"query": 'status:"succeeded"', "limit": 2})
    assert (len(first.data), first.has_more) == (2, True)
    assert amounts('status:"succeeded"', limit=2, page=first.next_page) == [1000]
    assert [row.name for row in client.v1.customers.search({"query": 'name~"lovelace"'}).data] == ["Ada Lovelace"]
    assert len(client.v1.charges.search({"query": 'payment_method_details.card.last4:"4242"'}).data) == 3
    for nonsense in ('colour:"red"', "amount>>3", 'amount>1 AND currency:"eur" OR currency:"usd"', 'status>"a"'):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.payment_intents.search({"query": nonsense})
