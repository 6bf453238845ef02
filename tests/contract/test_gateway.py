"""The Stripe adapter's contract: real SDK and HTTP, against the stand-in; every operation, outcome, fault and event."""

from __future__ import annotations

import hmac
import json
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, get_args

import pytest
import stripe
from msgspec.structs import replace

from chalicelib.adapters.stripe import calls, params
from chalicelib.adapters.stripe import facts as stripe_facts
from chalicelib.adapters.stripe.calls import stripe_client
from chalicelib.adapters.stripe.gateway import StripeGateway
from chalicelib.domain.books.differences import Payment
from chalicelib.domain.parties import Customer
from chalicelib.domain.tab.attempt import ANSWERS_A_BANK, Attempt, Failure, Operation
from chalicelib.domain.tab.facts.fact import DISPUTE_STATES, Fact, FactKind
from chalicelib.domain.tab.payments import Card
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.trust.evidence.fields import TextField
from chalicelib.domain.trust.evidence.pack import Origin, Pack, PackField
from chalicelib.ports.gateway import BadSignature, CustomerGone, GatewayEvent, GatewayRejected, GatewayUnavailable
from devstack.stripe_standin.server import serve_in_thread
from tests.contract.test_gateway_objects import NOW, STAMP, a_tab, an_attempt

SECRET = "whsec_test"
VISA_WITHOUT_CUSTOMER = timedelta(days=4, hours=18)


@dataclass
class Stage:
    """The stand-in, the gateway under test, and whoever else acts at Stripe: the phone, the dashboard, the clock."""

    base: str
    tab: Tab

    def gateway(self, key: str = "sk_test_stage", **limits: float) -> StripeGateway:
        return StripeGateway(
            stripe_client(key, self.base, **limits),
            stage="dev",
            webhook_secrets=lambda: [SECRET],
            publishable_key="pk_test_stage",
            wall_clock=lambda: STAMP,
        )

    def api(self, key: str = "sk_test_dashboard") -> Any:
        return stripe.StripeClient(key, base_addresses={"api": self.base}).v1

    def control(self, path: str, body: Any = None, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}/_control/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def fault(self, kind: str, **rule: Any) -> None:
        self.control("faults", {"kind": kind, **rule})

    def requests(self, route: str) -> int:
        """How many there were, however they were answered."""
        counts = self.control("requests")["counts"]
        return sum(number for name, number in counts.items() if name.rpartition(" ")[0] == route)

    def a_card(self, name: str = "visa", customer: str | None = None) -> str:
        """A card as it is saved on the tab's customer, without a payment."""
        made = self.api().payment_methods.attach(f"pm_card_{name}", {"customer": customer or self.tab.customer_ref})
        return str(made.id)

    def confirm(self, fact: Fact, card: str = "visa", authenticate: str | None = None) -> None:
        """What the phone's payment sheet does with a client secret; `authenticate`: how the bank's question ends."""
        params = {"client_secret": fact.client_secret, "payment_method": f"pm_card_{card}"}
        try:
            self.api("pk_test_phone").payment_intents.confirm(fact.object_id, params)
        except stripe.CardError:
            assert authenticate is None
        if authenticate:
            self.control("authenticate", {"payment_intent": fact.object_id, "outcome": authenticate})

    def status(self, payment_id: str) -> str:
        return str(self.api().payment_intents.retrieve(payment_id).status)

    def event_bytes(self, kind: str) -> bytes:
        """The newest event of a kind, as it would be delivered."""
        with urllib.request.urlopen(
            urllib.request.Request(
                f"{self.base}/v1/events?type={kind}&limit=1", headers={"Authorization": "Bearer sk_test_dashboard"}
            ),
            timeout=10,
        ) as answer:
            return json.dumps(json.load(answer)["data"][0]).encode()

    def event(self, kind: str) -> GatewayEvent:
        payload = self.event_bytes(kind)
        return self.gateway().read_event(payload, signed(payload))

    def facts_of(self, kind: str) -> tuple[Fact, ...]:
        return self.gateway().facts_of(self.event(kind))


def signed(payload: bytes, at: int = STAMP, secret: str = SECRET) -> str:
    return f"t={at},v1={hmac.new(secret.encode(), f'{at}.'.encode() + payload, sha256).hexdigest()}"


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    with serve_in_thread(start=STAMP) as base:
        yield base


@pytest.fixture
def stage(served: str, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """An empty Stripe, its clock at the tab's opening, with the tab's customer. The SDK's pauses are cut short."""
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.001)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0.001)
    stage = Stage(served, a_tab())
    stage.control("reset", {"start": str(STAMP)})
    customer = stage.gateway().add_customer(None, "mer_1", "cus_1", key="setup")
    stage.tab = a_tab(customer_ref=customer)
    return stage


MOVES_MONEY = [operation for operation in Operation if operation not in ANSWERS_A_BANK]


def one(facts: tuple[Fact, ...]) -> Fact:
    (fact,) = facts
    return fact


def after_its_payment(facts: tuple[Fact, ...]) -> Fact:
    """What has become of a charge past us, told after the charge itself; evidence is a fact of its own."""
    paid, fact = (fact for fact in facts if fact.kind not in (FactKind.EVIDENCE_STAGED, FactKind.EVIDENCE_SUBMITTED))
    assert (paid.kind, paid.object_id, paid.attempt_id) == (FactKind.CHARGED, fact.payment_id, "att_charge")
    return fact


def place_hold(stage: Stage, card: str = "visa", amount_minor: int = 2000, tab: Tab | None = None) -> Fact:
    attempt = an_attempt(
        Operation.PLACE_HOLD, attempt_id="att_hold", card_id=stage.a_card(card), amount_minor=amount_minor
    )
    fact = one(stage.gateway().perform(tab or stage.tab, attempt))
    assert fact.kind == FactKind.HOLD_PLACED
    return fact


def charge(stage: Stage, card: str = "visa", amount_minor: int = 2000, tab: Tab | None = None) -> Fact:
    attempt = an_attempt(
        Operation.CHARGE, attempt_id="att_charge", card_id=stage.a_card(card), amount_minor=amount_minor
    )
    fact = one(stage.gateway().perform(tab or stage.tab, attempt))
    assert fact.kind == FactKind.CHARGED
    return fact


def on(payment: Fact, operation: Operation, **changes: Any) -> Attempt:
    """An attempt on an existing payment."""
    return an_attempt(operation, attempt_id=f"att_{operation}", payment_id=payment.object_id, **changes)


# ---- Placing holds and charging


def test_a_hold_on_a_saved_card_is_placed_at_once(stage: Stage) -> None:
    """A hold without the customer is one call, and its end is what the bank says: 4 d 18 h for this Visa."""
    fact = place_hold(stage)

    assert (fact.amount_minor, fact.attempt_id, fact.at) == (2000, "att_hold", NOW)
    assert fact.capture_before == NOW + VISA_WITHOUT_CUSTOMER
    assert stage.status(fact.object_id) == "requires_capture"


@pytest.mark.parametrize("operation", [Operation.PLACE_HOLD, Operation.CHARGE])
def test_a_payment_on_the_phone_waits_for_the_customer(stage: Stage, operation: Operation) -> None:
    """Without a card the payment is prepared, not made: the phone gets a client secret to finish it with."""
    fact = one(stage.gateway().perform(stage.tab, an_attempt(operation)))

    assert (fact.kind, fact.attempt_id) == (FactKind.AWAITING_CUSTOMER, "att_1")
    assert fact.client_secret
    assert stage.status(fact.object_id) == "requires_payment_method"


def test_a_charge_on_a_saved_card_is_taken_at_once(stage: Stage) -> None:
    """A charge without the customer is one call, and tells what was received."""
    fact = charge(stage)

    assert (fact.amount_minor, fact.attempt_id, fact.at, fact.card) == (2000, "att_charge", NOW, None)
    assert stage.status(fact.object_id) == "succeeded"


@pytest.mark.parametrize(
    ("card", "failure"),
    [
        (
            "chargeDeclined",
            Failure(code="card_declined", decline_code="generic_decline", advice="try_again_later", network_code="01"),
        ),
        (
            "chargeDeclinedInsufficientFunds",
            Failure(
                code="card_declined", decline_code="insufficient_funds", advice="try_again_later", network_code="51"
            ),
        ),
        (
            "chargeDeclinedLostCard",
            Failure(code="card_declined", decline_code="lost_card", advice="do_not_try_again", network_code="41"),
        ),
        (
            "chargeDeclinedExpiredCard",
            Failure(code="expired_card", decline_code="expired_card", advice="confirm_card_data", network_code="54"),
        ),
    ],
)
@pytest.mark.parametrize("operation", [Operation.PLACE_HOLD, Operation.CHARGE])
def test_a_decline_is_a_fact(stage: Stage, operation: Operation, card: str, failure: Failure) -> None:
    """A bank's no is an outcome, with its code and advice, and not an error."""
    fact = one(stage.gateway().perform(stage.tab, an_attempt(operation, card_id=f"pm_card_{card}")))

    assert (fact.kind, fact.failure, fact.attempt_id) == (FactKind.DECLINED, failure, "att_1")
    assert fact.object_id.startswith("pi_")
    assert fact.occurrence.startswith("ch_")


@pytest.mark.parametrize("operation", [Operation.PLACE_HOLD, Operation.CHARGE])
def test_a_question_of_the_bank_keeps_the_payment(stage: Stage, operation: Operation) -> None:
    """`authentication_required` leaves a payment that the customer can finish: the same one, on the phone."""
    card = stage.a_card("authenticationRequired")

    asked = one(stage.gateway().perform(stage.tab, an_attempt(operation, card_id=card)))
    stage.confirm(asked, "authenticationRequired", authenticate="succeed")
    found = one(stage.gateway().find_facts(stage.tab, an_attempt(operation, payment_id=asked.object_id)))

    assert (asked.kind, asked.failure and asked.failure.code) == (
        FactKind.AWAITING_CUSTOMER,
        "authentication_required",
    )
    assert found.kind == (FactKind.HOLD_PLACED if operation == Operation.PLACE_HOLD else FactKind.CHARGED)
    assert found.object_id == asked.object_id


def _detach(stage: Stage, card_id: str) -> str:
    stage.api().payment_methods.detach(card_id)
    return card_id


UNUSABLE_CARDS: dict[str, Callable[[Stage], str]] = {
    "detached": lambda stage: _detach(stage, stage.a_card()),
    "never was": lambda stage: "pm_never_was",
    "somebody else's": lambda stage: stage.a_card(customer=stage.api().customers.create({}).id),
}


@pytest.mark.parametrize("card_of", UNUSABLE_CARDS.values(), ids=UNUSABLE_CARDS.keys())
def test_a_card_that_is_gone_is_told_as_removed(stage: Stage, card_of: Callable[[Stage], str]) -> None:
    """A saved card that the customer no longer has: no bug of ours, no bank's answer, and no payment is left."""
    card_id = card_of(stage)
    fact = one(stage.gateway().perform(stage.tab, an_attempt(Operation.CHARGE, card_id=card_id)))

    assert (fact.kind, fact.object_id, fact.attempt_id) == (FactKind.CARD_REMOVED, card_id, "att_1")
    assert len(stage.api().payment_intents.list().data) == 0


def test_what_is_made_carries_our_metadata(stage: Stage) -> None:
    """Payments and refunds name app, stage, merchant, tab, attempt and purpose, by which events find their tab."""
    paid = charge(stage)
    refund = one(stage.gateway().perform(stage.tab, on(paid, Operation.REFUND)))

    assert stage.api().payment_intents.retrieve(paid.object_id).metadata.to_dict() == {
        "app": "aftertab", "stage": "dev", "merchant": "mer_1", "tab": "tab_1", "attempt": "att_charge",
        "purpose": "charge",
    }  # fmt: skip
    assert stage.api().refunds.retrieve(refund.object_id).metadata.to_dict()["attempt"] == "att_refund"


def test_a_connected_account_keeps_its_own_payments(stage: Stage) -> None:
    """A tab of a connected account is paid there: the platform's own account never sees the payment."""
    account = stage.api().accounts.create({"type": "standard", "country": "DE"}).id
    customer = stage.gateway().add_customer(account, "mer_1", "cus_1", key="connected")
    tab = replace(stage.tab, account=account, customer_ref=customer)
    attempt = an_attempt(Operation.CHARGE, card_id="pm_card_visa")

    fact = one(stage.gateway().perform(tab, attempt))

    assert one(stage.gateway().find_facts(tab, attempt)) == fact
    assert stage.gateway().find_facts(stage.tab, replace(attempt, payment_id=fact.object_id)) == ()


# ---- Amounts


@pytest.mark.parametrize(
    ("currency", "minor", "wire"),
    [("KWD", 1500, 1500), ("JPY", 1200, 1200), ("ISK", 1200, 120000), ("UGX", 9000, 900000)],
)
def test_amounts_are_ours_on_both_ways(stage: Stage, currency: str, minor: int, wire: int) -> None:
    """Stripe gets its own units, and every fact of hold, capture, charge and refund comes back in ours."""
    tab = replace(stage.tab, currency=currency)
    hold, paid = place_hold(stage, amount_minor=minor, tab=tab), charge(stage, amount_minor=minor, tab=tab)
    half = minor // 2

    captured = one(stage.gateway().perform(tab, on(hold, Operation.CAPTURE, amount_minor=half)))
    refunded = one(stage.gateway().perform(tab, on(paid, Operation.REFUND, amount_minor=half)))

    assert [fact.amount_minor for fact in (hold, paid, captured, refunded)] == [minor, minor, half, half]
    assert stage.api().payment_intents.retrieve(paid.object_id).amount == wire


def test_an_amount_below_the_minimum_is_refused(stage: Stage) -> None:
    """What Stripe won't charge is our bug, and told with its code: nothing moved."""
    with pytest.raises(GatewayRejected) as refused:
        stage.gateway().perform(stage.tab, an_attempt(Operation.CHARGE, amount_minor=10, card_id=stage.a_card()))

    assert refused.value.failure.code == "amount_too_small"


# ---- Capture, release


def test_a_capture_takes_a_part(stage: Stage) -> None:
    """Capturing less than the hold takes that, and is told of the hold's payment."""
    hold = place_hold(stage)

    fact = one(stage.gateway().perform(stage.tab, on(hold, Operation.CAPTURE, amount_minor=1200)))

    assert (fact.kind, fact.amount_minor, fact.object_id) == (FactKind.HOLD_CAPTURED, 1200, hold.object_id)


def test_a_release_lets_the_hold_go(stage: Stage) -> None:
    """Releasing cancels the payment: nothing was taken."""
    hold = place_hold(stage)

    fact = one(stage.gateway().perform(stage.tab, on(hold, Operation.RELEASE)))

    assert (fact.kind, fact.object_id, fact.attempt_id) == (FactKind.PAYMENT_CANCELED, hold.object_id, "att_hold")


def _capture(stage: Stage, hold: Fact) -> None:
    stage.api().payment_intents.capture(hold.object_id, {"amount_to_capture": 700})


def _cancel(stage: Stage, hold: Fact) -> None:
    stage.api().payment_intents.cancel(hold.object_id)


def _expire(stage: Stage, hold: Fact) -> None:
    stage.control("clock", {"advance_seconds": int(VISA_WITHOUT_CUSTOMER.total_seconds()) + 1})


@pytest.mark.parametrize("operation", [Operation.CAPTURE, Operation.RELEASE])
@pytest.mark.parametrize(
    ("before", "kind", "amount_minor"),
    [
        (_capture, FactKind.HOLD_CAPTURED, 700),
        (_cancel, FactKind.PAYMENT_CANCELED, 0),
        (_expire, FactKind.PAYMENT_EXPIRED, 0),
    ],
)
def test_a_hold_that_is_over_says_how_it_ended(
    stage: Stage, operation: Operation, before: Callable[[Stage, Fact], None], kind: FactKind, amount_minor: int
) -> None:
    """Capturing or releasing what is captured, released or expired already tells that, instead of failing."""
    hold = place_hold(stage)
    before(stage, hold)

    fact = one(stage.gateway().perform(stage.tab, on(hold, operation)))

    assert (fact.kind, fact.amount_minor, fact.object_id) == (kind, amount_minor, hold.object_id)


def test_a_hold_the_bank_let_go_of_has_expired(stage: Stage) -> None:
    """Past its end a hold can't be captured, even while Stripe has not canceled it yet."""
    hold = place_hold(stage)
    stage.control("clock", {"expiry_lag_seconds": 3600})
    late = place_hold_again(stage)
    _expire(stage, hold)

    fact = one(stage.gateway().perform(stage.tab, on(late, Operation.CAPTURE)))

    assert stage.status(late.object_id) == "requires_capture"
    assert (fact.kind, fact.object_id, fact.attempt_id) == (FactKind.PAYMENT_EXPIRED, late.object_id, "att_late")


def place_hold_again(stage: Stage) -> Fact:
    attempt = an_attempt(Operation.PLACE_HOLD, attempt_id="att_late", card_id=stage.a_card())
    return one(stage.gateway().perform(stage.tab, attempt))


def test_more_than_the_hold_is_refused(stage: Stage) -> None:
    """Capturing above the hold is our bug; the hold stands."""
    hold = place_hold(stage)

    with pytest.raises(GatewayRejected) as refused:
        stage.gateway().perform(stage.tab, on(hold, Operation.CAPTURE, amount_minor=2001))

    assert refused.value.failure.code == "amount_too_large"
    assert stage.status(hold.object_id) == "requires_capture"


def test_a_bank_that_refuses_the_capture_leaves_the_hold(stage: Stage) -> None:
    """A 402 is a decline of a new payment only: of a capture it is a refusal, and the hold stands."""
    hold = place_hold(stage)
    stage.fault("fail_before", path="/v1/payment_intents/{}/capture", status=402)

    with pytest.raises(GatewayRejected):
        stage.gateway().perform(stage.tab, on(hold, Operation.CAPTURE))

    assert stage.status(hold.object_id) == "requires_capture"


@pytest.mark.parametrize("operation", [Operation.CAPTURE, Operation.RELEASE, Operation.REFUND])
def test_a_payment_that_never_was_is_refused(stage: Stage, operation: Operation) -> None:
    """Working on a payment that does not exist is our bug."""
    with pytest.raises(GatewayRejected) as refused:
        stage.gateway().perform(stage.tab, an_attempt(operation, payment_id="pi_never_was"))

    assert refused.value.failure.code == "resource_missing"


# ---- Refunds


def test_a_refund_gives_back_a_part(stage: Stage) -> None:
    """A refund that goes through at once is refunded, and names its payment."""
    paid = charge(stage)

    fact = one(stage.gateway().perform(stage.tab, on(paid, Operation.REFUND, amount_minor=500)))

    assert (fact.kind, fact.amount_minor, fact.payment_id) == (FactKind.REFUNDED, 500, paid.object_id)
    assert (fact.attempt_id, fact.object_id[:3]) == ("att_refund", "re_")


def test_a_pending_refund_is_told_as_pending(stage: Stage) -> None:
    """A refund on its way is pending, until its event says that it has arrived."""
    paid = charge(stage, "pendingRefund")

    asked = one(stage.gateway().perform(stage.tab, on(paid, Operation.REFUND)))
    stage.control("refunds/settle", {"refund": asked.object_id})
    arrived = one(stage.facts_of("refund.updated"))

    assert (asked.kind, arrived.kind) == (FactKind.REFUND_PENDING, FactKind.REFUNDED)
    assert (arrived.object_id, arrived.payment_id) == (asked.object_id, paid.object_id)


def test_a_refund_may_fail_later(stage: Stage) -> None:
    """A refund that the bank sends back is told by its event, with the reason."""
    paid = charge(stage)
    asked = one(stage.gateway().perform(stage.tab, on(paid, Operation.REFUND)))
    stage.control("refunds/settle", {"refund": asked.object_id, "outcome": "fail"})

    fact = one(stage.facts_of("refund.failed"))

    assert (fact.kind, fact.object_id, fact.failure) == (
        FactKind.REFUND_FAILED,
        asked.object_id,
        Failure(code="unknown"),
    )


def test_old_news_of_a_refund_tells_what_it_is_now(stage: Stage) -> None:
    """`refund.created` that comes after the refund has failed does not bring the refund back to life."""
    paid = charge(stage)
    asked = one(stage.gateway().perform(stage.tab, on(paid, Operation.REFUND)))
    stage.control("refunds/settle", {"refund": asked.object_id, "outcome": "fail"})

    assert one(stage.facts_of("refund.created")).kind == FactKind.REFUND_FAILED


def test_a_replayed_refund_is_not_old_news(stage: Stage) -> None:
    """A refund that has arrived since the first answer is told as refunded."""
    attempt = on(charge(stage, "pendingRefund"), Operation.REFUND)
    asked = one(stage.gateway().perform(stage.tab, attempt))
    stage.control("refunds/settle", {"refund": asked.object_id})

    fact = one(stage.gateway().perform(stage.tab, attempt))

    assert (asked.kind, fact.kind) == (FactKind.REFUND_PENDING, FactKind.REFUNDED)


def test_a_refund_above_what_was_paid_is_refused(stage: Stage) -> None:
    """Giving back more than was taken is our bug."""
    paid = charge(stage)

    with pytest.raises(GatewayRejected):
        stage.gateway().perform(stage.tab, on(paid, Operation.REFUND, amount_minor=2001))


def test_a_refund_that_is_there_already_is_found(stage: Stage) -> None:
    """Where Stripe has forgotten the key, the refund that the attempt made is found instead of refused or repeated."""
    paid = charge(stage)
    attempt = on(paid, Operation.REFUND)
    first = one(stage.gateway().perform(stage.tab, attempt))
    stage.control("clock", {"advance_seconds": 25 * 3600})

    assert one(stage.gateway().perform(stage.tab, attempt)) == first


# ---- Replays


def replayed(stage: Stage, attempt: Attempt) -> tuple[Fact, Fact]:
    first, second = (one(stage.gateway().perform(stage.tab, attempt)) for _ in range(2))
    return first, second


@pytest.mark.parametrize("operation", [Operation.PLACE_HOLD, Operation.CHARGE])
@pytest.mark.parametrize("card", ["pm_card_visa", "pm_card_chargeDeclined", "pm_card_authenticationRequired", None])
def test_performing_twice_makes_one_payment(stage: Stage, operation: Operation, card: str | None) -> None:
    """Calling again under the same key makes no second payment, and tells the same."""
    first, second = replayed(stage, an_attempt(operation, card_id=card))

    assert first == second
    assert len(stage.api().payment_intents.list().data) == 1


@pytest.mark.parametrize("operation", [Operation.CAPTURE, Operation.RELEASE])
def test_ending_a_hold_twice_ends_it_once(stage: Stage, operation: Operation) -> None:
    """A repeated capture or release tells the same as the first."""
    first, second = replayed(stage, on(place_hold(stage), operation, amount_minor=900))

    assert first == second


def test_refunding_twice_refunds_once(stage: Stage) -> None:
    """A repeated refund is the same refund."""
    first, second = replayed(stage, on(charge(stage), Operation.REFUND, amount_minor=900))

    assert first == second
    assert len(stage.api().refunds.list().data) == 1


@pytest.mark.parametrize("card", ["pm_card_authenticationRequired", None])
def test_a_replayed_answer_is_not_old_news(stage: Stage, card: str | None) -> None:
    """What Stripe replays is the first answer, a refusal's too; we tell how the payment stands by now."""
    attempt = an_attempt(Operation.CHARGE, card_id=card)
    asked = one(stage.gateway().perform(stage.tab, attempt))
    stage.confirm(asked)

    fact = one(stage.gateway().perform(stage.tab, attempt))

    assert (asked.kind, fact.kind) == (FactKind.AWAITING_CUSTOMER, FactKind.CHARGED)


def test_a_key_with_other_parameters_pays_nothing_twice(stage: Stage) -> None:
    """Should our parameters ever change under a key, the payment that the first call made is told; no other is made."""
    attempt = an_attempt(Operation.CHARGE, card_id=stage.a_card())
    first = one(stage.gateway().perform(stage.tab, attempt))

    again = one(stage.gateway().perform(stage.tab, replace(attempt, amount_minor=3000)))

    assert (again, again.amount_minor) == (first, 2000)
    assert len(stage.api().payment_intents.list().data) == 1


def test_a_key_that_made_something_else_is_refused(stage: Stage) -> None:
    """A key that is taken by another call is our bug, and a person must look."""
    stage.api().customers.create({}, {"idempotency_key": "dev/att_1/charge"})

    with pytest.raises(GatewayRejected) as refused:
        stage.gateway().perform(stage.tab, an_attempt(Operation.CHARGE))

    assert refused.value.failure.code == "idempotency_error"


# ---- No answer to trust


def test_an_answer_lost_once_is_asked_for_again(stage: Stage) -> None:
    """One lost answer is healed by one retry under the same key, within the same call."""
    stage.fault("lost_reset", path="/v1/payment_intents", method="POST", count=1)

    fact = one(stage.gateway().perform(stage.tab, an_attempt(Operation.CHARGE, card_id="pm_card_visa")))

    assert fact.kind == FactKind.CHARGED
    assert len(stage.api().payment_intents.list().data) == 1


NO_ANSWER: dict[str, dict[str, Any]] = {
    "reset after it happened": {"kind": "lost_reset", "count": 2},
    "500 after it happened": {"kind": "fail_after", "count": 1},
    "time-out after it happened": {"kind": "lost_timeout", "count": 2, "seconds": 5},
}


@pytest.mark.parametrize("operation", [Operation.PLACE_HOLD, Operation.CHARGE])
@pytest.mark.parametrize("rule", NO_ANSWER.values(), ids=NO_ANSWER.keys())
def test_a_lost_payment_is_found_again(stage: Stage, operation: Operation, rule: dict[str, Any]) -> None:
    """After no answer the outcome is unknown, and looking for the attempt finds its payment without knowing its id."""
    attempt = an_attempt(operation, card_id=stage.a_card())
    stage.fault(path="/v1/payment_intents", method="POST", **rule)

    with pytest.raises(GatewayUnavailable):
        stage.gateway(read_s=0.3).perform(stage.tab, attempt)

    found = one(stage.gateway().find_facts(stage.tab, attempt))
    assert found.kind == (FactKind.HOLD_PLACED if operation == Operation.PLACE_HOLD else FactKind.CHARGED)
    assert (found.attempt_id, found.amount_minor) == ("att_1", 2000)


def test_a_lost_decline_is_found_again(stage: Stage) -> None:
    """A decline whose answer was lost is found as well."""
    attempt = an_attempt(Operation.CHARGE, card_id="pm_card_chargeDeclined")
    stage.fault("lost_reset", path="/v1/payment_intents", method="POST", count=2)

    with pytest.raises(GatewayUnavailable):
        stage.gateway().perform(stage.tab, attempt)

    assert one(stage.gateway().find_facts(stage.tab, attempt)).kind == FactKind.DECLINED


def test_a_lost_capture_is_found_again(stage: Stage) -> None:
    """A capture whose answer was lost is seen on its payment."""
    attempt = on(place_hold(stage), Operation.CAPTURE, amount_minor=900)
    stage.fault("lost_reset", path="/v1/payment_intents/{}/capture", count=2)

    with pytest.raises(GatewayUnavailable):
        stage.gateway().perform(stage.tab, attempt)

    found = one(stage.gateway().find_facts(stage.tab, attempt))
    assert (found.kind, found.amount_minor) == (FactKind.HOLD_CAPTURED, 900)


def test_a_lost_refund_is_found_again(stage: Stage) -> None:
    """A refund whose answer was lost is found among those of its payment, and is not taken for another one."""
    paid = charge(stage)
    stage.api().refunds.create({"payment_intent": paid.object_id, "amount": 100})
    attempt = on(paid, Operation.REFUND, amount_minor=500)
    stage.fault("lost_reset", path="/v1/refunds", method="POST", count=2)

    with pytest.raises(GatewayUnavailable):
        stage.gateway().perform(stage.tab, attempt)

    found = one(stage.gateway().find_facts(stage.tab, attempt))
    assert (found.kind, found.amount_minor) == (FactKind.REFUNDED, 500)


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "reset_before", "count": 2},
        {"kind": "fail_before", "count": 2},
        {"kind": "fail_before", "status": 409, "count": 2},
        {"kind": "rate_limit", "count": 1},
    ],
    ids=["reset", "500", "409", "429"],
)
def test_what_never_happened_leaves_no_trace(stage: Stage, rule: dict[str, Any]) -> None:
    """A reset, a 5xx, a conflict, a rate limit: the outcome is unknown; a look finds nothing, and a replay pays."""
    attempt = an_attempt(Operation.CHARGE, card_id=stage.a_card())
    stage.fault(path="/v1/payment_intents", method="POST", **rule)

    with pytest.raises(GatewayUnavailable):
        stage.gateway().perform(stage.tab, attempt)

    assert stage.gateway().find_facts(stage.tab, attempt) == ()
    assert one(stage.gateway().perform(stage.tab, attempt)).kind == FactKind.CHARGED


def test_an_operation_never_takes_longer_than_its_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its time-outs and retries, an operation gives up when its own time is over, before API Gateway does."""
    assert 2 * calls.OPERATION_S < 25
    monkeypatch.setattr(calls, "OPERATION_S", 0.8)
    stage.fault("slow", path="/v1/payment_intents", method="POST", seconds=3)
    before = stage.requests("POST /v1/payment_intents")

    with pytest.raises(GatewayUnavailable):
        stage.gateway(read_s=60).perform(stage.tab, an_attempt(Operation.CHARGE))

    assert stage.requests("POST /v1/payment_intents") - before <= 1


def test_without_time_nothing_is_sent(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """With hardly any time left a call is not made: it could only end in not knowing whether it went through."""
    monkeypatch.setattr(calls, "OPERATION_S", 0.3)
    before = stage.control("requests")["total"]

    with pytest.raises(GatewayUnavailable):
        stage.gateway().perform(stage.tab, an_attempt(Operation.CHARGE))

    assert stage.control("requests")["total"] == before


@pytest.mark.parametrize("operation", MOVES_MONEY)
def test_with_a_bad_key_neither_a_call_nor_a_look_tells_anything(stage: Stage, operation: Operation) -> None:
    """A key that Stripe refuses fails no attempt: its outcome is unknown until the key is mended."""
    client = stripe.StripeClient("sk_nonsense", base_addresses={"api": stage.base})
    gateway = StripeGateway(client, stage="dev", webhook_secrets=lambda: [SECRET], publishable_key="pk_test_stage")
    attempt = an_attempt(operation, payment_id="pi_1", card_id="pm_1")

    with pytest.raises(GatewayUnavailable):
        gateway.perform(stage.tab, attempt)
    with pytest.raises(GatewayUnavailable):
        gateway.find_facts(stage.tab, attempt)


@pytest.mark.parametrize("operation", MOVES_MONEY)
def test_an_account_that_revoked_us_refuses_the_call_and_not_our_key(
    stage: Stage, operation: Operation, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing was done, which is known; a look tells nothing; and no alarm says that our key is bad."""
    tab = replace(stage.tab, account="acct_nobody")
    attempt = an_attempt(operation, payment_id="pi_1", card_id="pm_1")

    with pytest.raises(GatewayRejected) as refused:
        stage.gateway().perform(tab, attempt)
    with pytest.raises(GatewayUnavailable):
        stage.gateway().find_facts(tab, attempt)

    assert refused.value.failure == Failure(code="account_invalid")
    assert "key" not in caplog.text


# ---- Looking up


def test_a_hold_that_stands_is_no_trace_of_its_end(stage: Stage) -> None:
    """Before a capture or release has happened, looking for it finds nothing."""
    hold = place_hold(stage)

    assert stage.gateway().find_facts(stage.tab, on(hold, Operation.CAPTURE)) == ()
    assert stage.gateway().find_facts(stage.tab, on(hold, Operation.RELEASE)) == ()


def test_a_payment_that_is_gone_leaves_no_trace(stage: Stage) -> None:
    """A payment that Stripe does not know is no trace, not an error."""
    attempt = an_attempt(Operation.CHARGE, payment_id="pi_never_was")

    assert stage.gateway().find_facts(stage.tab, attempt) == ()


def test_a_look_goes_through_all_pages(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt's payment is found behind many others of the same customer."""
    attempt = an_attempt(Operation.CHARGE)
    first = one(stage.gateway().perform(stage.tab, attempt))
    for number in range(4):
        stage.gateway().perform(stage.tab, replace(attempt, attempt_id=f"att_later_{number}"))
    monkeypatch.setattr(calls, "_PAGE", 2)

    assert one(stage.gateway().find_facts(stage.tab, attempt)) == first


def test_a_look_that_was_not_finished_has_not_found_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are more payments than we look through, the outcome stays unknown: it may be among the rest."""
    for number in range(5):
        stage.gateway().perform(stage.tab, an_attempt(Operation.CHARGE, attempt_id=f"att_later_{number}"))
    monkeypatch.setattr(calls, "_PAGE", 2)
    monkeypatch.setattr(calls, "_MAXIMUM_PAGES", 2)

    with pytest.raises(GatewayUnavailable):
        stage.gateway().find_facts(stage.tab, an_attempt(Operation.CHARGE))


def test_a_look_allows_for_clocks_that_differ(stage: Stage) -> None:
    """A payment stamped a little before its attempt, by Stripe's clock, is found all the same."""
    attempt = an_attempt(Operation.CHARGE, created_at=NOW + timedelta(minutes=4))
    stage.gateway().perform(stage.tab, attempt)

    assert one(stage.gateway().find_facts(stage.tab, attempt)).kind == FactKind.AWAITING_CUSTOMER


# ---- Closing


@pytest.mark.parametrize("known", [True, False], ids=["id known", "id not known"])
def test_a_payment_that_waits_can_be_closed(stage: Stage, known: bool) -> None:
    """Closing cancels the payment, so that it can't be made any more."""
    attempt = an_attempt(Operation.CHARGE)
    waiting = one(stage.gateway().perform(stage.tab, attempt))

    fact = one(
        stage.gateway().close_payment(stage.tab, replace(attempt, payment_id=waiting.object_id) if known else attempt)
    )

    assert (fact.kind, fact.object_id, fact.attempt_id) == (FactKind.PAYMENT_CANCELED, waiting.object_id, "att_1")
    assert stage.status(waiting.object_id) == "canceled"


@pytest.mark.parametrize(
    ("operation", "kind", "status"),
    [
        (Operation.CHARGE, FactKind.CHARGED, "succeeded"),
        (Operation.PLACE_HOLD, FactKind.HOLD_PLACED, "requires_capture"),
    ],
)
def test_closing_what_was_made_meanwhile_adopts_it(
    stage: Stage, operation: Operation, kind: FactKind, status: str
) -> None:
    """A payment that the customer has confirmed is told, and stands: a hold is not released by closing it."""
    attempt = an_attempt(operation)
    waiting = one(stage.gateway().perform(stage.tab, attempt))
    stage.confirm(waiting)

    fact = one(stage.gateway().close_payment(stage.tab, replace(attempt, payment_id=waiting.object_id)))

    assert (fact.kind, stage.status(waiting.object_id)) == (kind, status)


def test_closing_twice_tells_the_same(stage: Stage) -> None:
    """A payment that is closed already is told as closed."""
    attempt = an_attempt(Operation.CHARGE)
    waiting = one(stage.gateway().perform(stage.tab, attempt))

    first, second = (
        one(stage.gateway().close_payment(stage.tab, replace(attempt, payment_id=waiting.object_id))) for _ in range(2)
    )

    assert first == second


@pytest.mark.parametrize(
    ("operation", "kind"),
    [(Operation.CHARGE, FactKind.CHARGED), (Operation.PLACE_HOLD, FactKind.PAYMENT_CANCELED)],
)
def test_confirming_while_it_is_closed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, operation: Operation, kind: FactKind
) -> None:
    """Between our look and our cancellation a charge wins and is adopted; a hold loses and is released."""
    attempt = an_attempt(operation)
    waiting = one(stage.gateway().perform(stage.tab, attempt))
    look = StripeGateway._find_payment

    def look_then_confirm(gateway: StripeGateway, tab: Tab, attempt: Attempt) -> Any:
        found = look(gateway, tab, attempt)
        stage.confirm(waiting)
        return found

    monkeypatch.setattr(StripeGateway, "_find_payment", look_then_confirm)

    assert one(stage.gateway().close_payment(stage.tab, attempt)).kind == kind


def test_closing_what_was_never_made_finds_nothing(stage: Stage) -> None:
    """An attempt without a trace has nothing to close."""
    assert stage.gateway().close_payment(stage.tab, an_attempt(Operation.CHARGE)) == ()


# ---- Customers and cards


def a_customer(stage: Stage) -> Customer:
    return Customer(
        customer_id="cus_1", merchant_id="mer_1", customer_ref=stage.tab.customer_ref, reference="r", created_at=NOW
    )


def test_the_same_key_makes_one_customer(stage: Stage) -> None:
    """Adding a customer again under the same key is the same customer."""
    first, second = (stage.gateway().add_customer(None, "mer_1", "cus_2", key="k") for _ in range(2))

    assert first == second
    assert stage.api().customers.retrieve(first).metadata.to_dict()["customer"] == "cus_2"


def test_a_customer_session_shows_saved_cards_and_changes_none(stage: Stage) -> None:
    """A secret for half an hour, once for a key; the screen shows every card of ours, saves none and removes none."""
    ref = stage.tab.customer_ref or ""

    one_, two = (stage.gateway().add_customer_session(None, ref, key="k") for _ in range(2))

    assert one_ == two
    assert one_.client_secret.startswith("cuss_secret_")
    assert one_.expires_at == NOW + timedelta(minutes=30)
    features = params.customer_session(ref)["components"]["mobile_payment_element"]["features"]
    switches = {name: features[f"payment_method_{name}"] for name in ("redisplay", "save", "remove")}
    assert switches == {"redisplay": "enabled", "save": "disabled", "remove": "disabled"}


def test_a_customer_who_is_gone_gets_no_session(stage: Stage) -> None:
    """CustomerGone says who; another mistake stays a refusal of ours."""
    ref = stage.tab.customer_ref or ""
    stage.api().customers.delete(ref)

    with pytest.raises(CustomerGone) as gone:
        stage.gateway().add_customer_session(None, ref, key="k")

    assert gone.value.customer_ref == ref


def save_card(stage: Stage, card: str = "visa") -> str:
    setup = stage.gateway().add_card_setup(None, a_customer(stage), "tab_1", key="k")
    params = {"client_secret": setup.client_secret, "payment_method": f"pm_card_{card}"}
    try:
        stage.api("pk_test_phone").setup_intents.confirm(setup.setup_id, params)
    except stripe.CardError:
        assert card != "visa"
    return setup.setup_id


def test_a_saved_card_is_told_with_what_people_know_it_by(stage: Stage) -> None:
    """A saved card's event names customer and tab, and tells brand and last four digits, which it does not carry."""
    setup_id = save_card(stage)

    event = stage.event("setup_intent.succeeded")
    fact = one(stage.gateway().facts_of(event))

    assert (event.ours, event.customer_id, event.tab_id) == (True, "cus_1", "tab_1")
    assert (fact.kind, fact.object_id) == (FactKind.CARD_SAVED, setup_id)
    assert fact.card is not None
    assert (fact.card.brand, fact.card.last4, fact.card.saved_at) == ("visa", "4242", NOW)
    assert (
        one(
            stage.gateway().perform(stage.tab, an_attempt(Operation.CHARGE, card_id=fact.card.card_id))
        ).kind == FactKind.CHARGED
    )  # fmt: skip


def test_a_card_that_was_removed_again_is_not_told(stage: Stage) -> None:
    """A card that was detached before its event came is of no use, and not told as saved."""
    save_card(stage)
    fact = one(stage.facts_of("setup_intent.succeeded"))
    assert fact.card is not None
    stage.api().payment_methods.detach(fact.card.card_id)

    assert stage.facts_of("setup_intent.succeeded") == ()


def test_a_card_that_could_not_be_saved_tells_nothing(stage: Stage) -> None:
    """A failed setup is known, and changes nothing: the customer may try another card."""
    save_card(stage, "chargeDeclined")

    assert stage.event("setup_intent.setup_failed").is_relevant
    assert stage.facts_of("setup_intent.setup_failed") == ()


def a_saved_card(stage: Stage, name: str = "visa") -> Customer:
    """The customer with a card that Stripe has attached to them."""
    method = stage.api().payment_methods.retrieve(stage.a_card(name))
    card = Card(card_id=method.id, brand=method.card.brand, last4=method.card.last4, saved_at=NOW)
    return replace(a_customer(stage), card=card)


def owner_of(stage: Stage, card_id: str) -> str | None:
    method = stage.api().payment_methods.retrieve(card_id).to_dict()
    return None if method["customer"] is None else str(method["customer"])


def test_a_removed_card_is_detached(stage: Stage) -> None:
    """A card that the customer removes is no customer's any more, and can't be charged."""
    customer = a_saved_card(stage)
    assert customer.card is not None
    assert owner_of(stage, customer.card.card_id) == customer.customer_ref

    stage.gateway().remove_cards(None, customer, key="k")

    assert owner_of(stage, customer.card.card_id) is None
    refused = one(stage.gateway().perform(stage.tab, an_attempt(Operation.CHARGE, card_id=customer.card.card_id)))
    assert (refused.kind, refused.object_id) == (FactKind.CARD_REMOVED, customer.card.card_id)


@pytest.mark.parametrize("keys", [("k", "k"), ("k", "l")])
def test_a_card_is_removed_once(stage: Stage, keys: tuple[str, str]) -> None:
    """Removing it again, under the same key or another, is as good as the first time."""
    customer = a_saved_card(stage)
    for key in keys:
        stage.gateway().remove_cards(None, customer, key=key)

    assert stage.facts_of("payment_method.detached")
    assert len(stage.api().events.list({"type": "payment_method.detached"}).data) == 1


def test_every_card_of_the_customer_is_removed(stage: Stage) -> None:
    """Whichever we know of: Stripe says which there are, and the answer names them."""
    customer = a_saved_card(stage)
    assert customer.card is not None
    second = stage.api().payment_methods.attach("pm_card_mastercard", {"customer": customer.customer_ref}).id

    removed = stage.gateway().remove_cards(None, replace(customer, card=None), key="k")

    assert sorted(removed) == sorted([customer.card.card_id, second])
    assert {owner_of(stage, card_id) for card_id in removed} == {None}
    assert stage.gateway().remove_cards(None, customer, key="l") == ()


def test_a_card_detached_meanwhile_is_as_good_as_removed(stage: Stage) -> None:
    """Somebody was quicker, between the listing and the call."""
    customer = a_saved_card(stage)
    assert customer.card is not None
    stage.fault("fail_after", path="/v1/payment_methods/{}/detach", status=400)

    assert stage.gateway().remove_cards(None, customer, key="k") == (customer.card.card_id,)


def test_a_card_is_removed_in_its_own_account(stage: Stage) -> None:
    """A connected merchant's card is detached there."""
    account = stage.api().accounts.create({"type": "standard", "country": "DE"}).id
    ref = stage.gateway().add_customer(account, "mer_1", "cus_1", key="connected")
    there = {"stripe_account": account}
    method = stage.api().payment_methods.attach("pm_card_visa", {"customer": ref}, there)
    card = Card(card_id=method.id, brand="visa", last4="4242", saved_at=NOW)

    stage.gateway().remove_cards(account, replace(a_customer(stage), customer_ref=ref, card=card), key="k")

    assert stage.api().payment_methods.retrieve(method.id, {}, there).customer is None


def test_a_removal_that_is_not_answered_is_unavailable(stage: Stage) -> None:
    """While Stripe does not answer, nobody claims that the card is gone."""
    customer = a_saved_card(stage)
    stage.fault("fail_before", path="/v1/payment_methods", status=503)

    with pytest.raises(GatewayUnavailable):
        stage.gateway().remove_cards(None, customer, key="k")


def test_a_removal_that_is_refused_is_not_taken_for_done(stage: Stage) -> None:
    """Where Stripe refuses and the card is still the customer's, that is an error and no silence."""
    customer = a_saved_card(stage)
    stage.fault("fail_before", path="/v1/payment_methods/{}/detach", status=400)

    with pytest.raises(GatewayRejected):
        stage.gateway().remove_cards(None, customer, key="k")


# ---- Events


def test_a_confirmed_hold_is_told_by_its_event(stage: Stage) -> None:
    """The event of a hold says neither its end nor the saved card: both are fetched."""
    waiting = one(stage.gateway().perform(stage.tab, an_attempt(Operation.PLACE_HOLD, saves_card=True)))
    stage.confirm(waiting)

    fact = one(stage.facts_of("payment_intent.amount_capturable_updated"))

    assert (fact.kind, fact.amount_minor, fact.attempt_id) == (FactKind.HOLD_PLACED, 2000, "att_1")
    assert fact.capture_before == NOW + timedelta(days=7)
    assert fact.card is not None
    assert (fact.card.brand, fact.card.last4) == ("visa", "4242")


def test_old_news_of_a_hold_tells_what_it_is_now(stage: Stage) -> None:
    """A hold's event that comes after its capture or release tells of that: no dead hold is taken for a live one."""
    hold = place_hold(stage)
    stage.gateway().perform(stage.tab, on(hold, Operation.CAPTURE, amount_minor=900))

    fact = one(stage.facts_of("payment_intent.amount_capturable_updated"))

    assert (fact.kind, fact.amount_minor) == (FactKind.HOLD_CAPTURED, 900)


def test_a_payment_on_the_phone_is_told_by_its_event(stage: Stage) -> None:
    """A charge that the customer confirmed is told with the card it saved."""
    waiting = one(stage.gateway().perform(stage.tab, an_attempt(Operation.CHARGE, saves_card=True)))
    stage.confirm(waiting)

    fact = one(stage.facts_of("payment_intent.succeeded"))

    assert (fact.kind, fact.amount_minor, fact.object_id) == (FactKind.CHARGED, 2000, waiting.object_id)
    assert fact.card is not None


def test_event_and_look_tell_the_same_fact(stage: Stage) -> None:
    """Whoever brings the news, the key is the same: nothing is posted twice."""
    hold = place_hold(stage)
    captured = one(stage.gateway().perform(stage.tab, on(hold, Operation.CAPTURE, amount_minor=900)))
    found = one(stage.gateway().find_facts(stage.tab, on(hold, Operation.CAPTURE)))

    assert {captured.key, found.key, one(stage.facts_of("payment_intent.succeeded")).key} == {captured.key}


def test_a_decline_on_the_phone_is_told_each_time(stage: Stage) -> None:
    """Two cards declined for one payment are two facts; a failed authentication is one as well."""
    waiting = one(stage.gateway().perform(stage.tab, an_attempt(Operation.CHARGE)))
    keys = []
    for card, authenticate in (("chargeDeclined", None), ("chargeDeclined", None), ("authenticationRequired", "fail")):
        stage.confirm(waiting, card, authenticate)
        fact = one(stage.facts_of("payment_intent.payment_failed"))
        assert (fact.kind, fact.object_id) == (FactKind.DECLINED, waiting.object_id)
        keys.append(fact.key)

    assert len(set(keys)) == 3


def test_a_question_on_the_phone_waits_for_its_answer(stage: Stage) -> None:
    """`requires_action` says that the customer is at it."""
    waiting = one(stage.gateway().perform(stage.tab, an_attempt(Operation.CHARGE)))
    params = {"client_secret": waiting.client_secret, "payment_method": "pm_card_authenticationRequired"}
    stage.api("pk_test_phone").payment_intents.confirm(waiting.object_id, params)

    assert one(stage.facts_of("payment_intent.requires_action")).kind == FactKind.AWAITING_CUSTOMER


def test_old_news_of_processing_tells_what_it_is_now(stage: Stage) -> None:
    """`processing` that comes after the payment went through does not make its outcome unknown again."""
    charge(stage)
    event = stage.event("payment_intent.succeeded")
    old = replace(event, kind="payment_intent.processing", body={**event.body, "status": "processing"})

    assert one(stage.gateway().facts_of(old)).kind == FactKind.CHARGED


def test_an_expired_hold_is_told_by_both_its_events(stage: Stage) -> None:
    """Stripe tells an expiry of the charge, the payment, or both: each is the same fact."""
    hold = place_hold(stage)
    _expire(stage, hold)

    by_charge, by_payment = one(stage.facts_of("charge.expired")), one(stage.facts_of("payment_intent.canceled"))

    assert by_charge.kind == by_payment.kind == FactKind.PAYMENT_EXPIRED
    assert by_charge.key == by_payment.key
    assert by_charge.attempt_id == by_payment.attempt_id == "att_hold"


def test_a_refund_from_the_dashboard_finds_its_owner(stage: Stage) -> None:
    """A refund that somebody made by hand carries nothing of ours: its payment does."""
    paid = charge(stage)
    stage.api().refunds.create({"payment_intent": paid.object_id, "amount": 300})

    event = stage.event("refund.created")
    owned = stage.gateway().fetch_owner(event)
    fact = after_its_payment(stage.gateway().facts_of(owned))

    assert not event.ours
    assert (owned.ours, owned.tab_id, owned.attempt_id) == (True, "tab_1", "att_charge")
    assert (fact.kind, fact.amount_minor, fact.payment_id) == (FactKind.REFUNDED, 300, paid.object_id)
    assert fact.attempt_id is None


def test_our_own_refund_is_told_without_its_payment(stage: Stage) -> None:
    """Of a refund that we made the payment is known: it is not asked for."""
    paid = charge(stage)
    stage.gateway().perform(stage.tab, on(paid, Operation.REFUND))
    before = stage.control("requests")["counts"]

    assert one(stage.facts_of("refund.created")).kind == FactKind.REFUNDED
    asked = Counter(stage.control("requests")["counts"]) - Counter(before)
    assert not [route for route in asked if "payment_intents" in route]
    assert [route for route in asked if "refunds" in route]


def test_another_apps_payment_stays_theirs(stage: Stage) -> None:
    """A payment without our metadata, and a refund of it, are not ours even after asking."""
    params = {"amount": 500, "currency": "eur", "confirm": True, "payment_method": "pm_card_visa"}
    theirs = stage.api().payment_intents.create({**params, "allowed_payment_method_types": ["card"]})
    stage.api().refunds.create({"payment_intent": theirs.id})

    assert not stage.event("payment_intent.succeeded").ours
    assert not stage.gateway().fetch_owner(stage.event("refund.created")).ours


def test_an_event_without_a_payment_is_left_as_it_is(stage: Stage) -> None:
    """What is about no payment has no owner to ask for, and no call is made."""
    save_card(stage)
    event = replace(stage.event("setup_intent.succeeded"), ours=False)

    assert stage.gateway().fetch_owner(event) == event


def test_an_event_whose_object_is_gone_tells_nothing(stage: Stage) -> None:
    """An event of an object that Stripe no longer knows tells nothing, and finds no owner."""
    place_hold(stage)
    event = stage.event("payment_intent.amount_capturable_updated")
    gone = replace(event, object_id="pi_gone", payment_id="pi_gone", ours=False)

    assert stage.gateway().facts_of(gone) == ()
    assert stage.gateway().fetch_owner(gone) == gone


def test_asking_about_an_event_in_vain_is_unavailable(stage: Stage) -> None:
    """An event that can't be asked about now is not swallowed: it must be delivered again."""
    place_hold(stage)
    event = stage.event("payment_intent.amount_capturable_updated")
    stage.fault("fail_before", path="/v1/payment_intents", method="GET")

    with pytest.raises(GatewayUnavailable):
        stage.gateway().facts_of(event)


def test_an_event_is_read_without_a_call(stage: Stage) -> None:
    """Reading an event verifies it and names its owner, offline."""
    place_hold(stage)
    payload = stage.event_bytes("payment_intent.amount_capturable_updated")
    gateway = StripeGateway(
        stripe_client("sk_test_x", "http://127.0.0.1:9"), stage="dev", webhook_secrets=lambda: ["whsec_old", SECRET],
        publishable_key="pk_test_x", wall_clock=lambda: STAMP,
    )  # fmt: skip

    event = gateway.read_event(payload, signed(payload))

    assert (event.ours, event.merchant_id, event.tab_id, event.attempt_id) == (True, "mer_1", "tab_1", "att_hold")


@pytest.mark.parametrize("spoil", ["tampered", "old", "future", "another secret"])
def test_a_forged_event_is_not_read(stage: Stage, spoil: str) -> None:
    """An event that was changed, kept back, dated ahead or signed by somebody else is refused."""
    place_hold(stage)
    payload = stage.event_bytes("payment_intent.amount_capturable_updated")
    signature = {
        "tampered": signed(payload),
        "old": signed(payload, STAMP - 301),
        "future": signed(payload, STAMP + 301),
        "another secret": signed(payload, secret="whsec_other"),
    }[spoil]
    if spoil == "tampered":
        payload = payload.replace(b"2000", b"2001")

    with pytest.raises(BadSignature):
        stage.gateway().read_event(payload, signature)


# ---- Disputes


PACK = Pack(dispute_id="du_1", fields=(PackField(name=TextField.UNCATEGORIZED_TEXT, text="paid", origin=Origin.OWNER),))


def disputed(stage: Stage, evidence: str | None = None) -> Fact:
    """A charge that the customer's bank disputes at once; then decided by the evidence, where some is given."""
    paid = charge(stage, "createDispute")
    if evidence:
        (dispute,) = stage.api().disputes.list({"payment_intent": paid.object_id}).data
        stage.api().disputes.update(dispute.id, {"evidence": {"uncategorized_text": evidence}})
    return paid


@pytest.mark.parametrize(
    ("event", "kind", "evidence"),
    [
        ("created", FactKind.DISPUTE_OPENED, None),
        ("funds_withdrawn", FactKind.DISPUTE_WITHDRAWN, None),
        ("funds_reinstated", FactKind.DISPUTE_REINSTATED, "winning_evidence"),
        ("closed", FactKind.DISPUTE_WON, "winning_evidence"),
        ("closed", FactKind.DISPUTE_LOST, "losing_evidence"),
    ],
)
def test_a_dispute_is_told_step_by_step(stage: Stage, event: str, kind: FactKind, evidence: str | None) -> None:
    """Each of a dispute's events is its fact, about the payment, with its amount, after the payment's own."""
    paid = disputed(stage, evidence)

    read = stage.event(f"charge.dispute.{event}")
    fact = after_its_payment(stage.gateway().facts_of(read))

    assert (fact.kind, fact.payment_id, fact.amount_minor) == (kind, paid.object_id, 2000)
    assert fact.object_id == read.object_id
    assert fact.object_id.startswith("du_")
    assert (fact.attempt_id, fact.at) == (None, read.occurred_at)


def test_the_facts_of_a_dispute_are_told_apart(stage: Stage) -> None:
    """Opened, withdrawn, won and reinstated are four keys; the same event again is the same key."""
    disputed(stage, "winning_evidence")
    kinds = [f"charge.dispute.{name}" for name in ("created", "funds_withdrawn", "closed", "funds_reinstated")]

    keys = [after_its_payment(stage.facts_of(kind)).key for kind in kinds]

    assert len(set(keys)) == 4
    assert [after_its_payment(stage.facts_of(kind)).key for kind in kinds] == keys


def test_evidence_is_staged_and_submitted_under_its_attempts_keys(stage: Stage) -> None:
    """Staged, the bank has nothing; submitted, it has; a replay repeats neither; a second answer is refused."""
    paid = disputed(stage)
    (dispute,) = stage.api().disputes.list({"payment_intent": paid.object_id}).data
    staging, submitting, late = (
        replace(on(paid, operation, dispute_id=dispute.id, amount_minor=0), attempt_id=f"att_{n}")
        for n, operation in enumerate((Operation.STAGE_EVIDENCE, *[Operation.SUBMIT_EVIDENCE] * 2))
    )
    gateway = stage.gateway()

    def count() -> int:
        return stage.api().disputes.retrieve(dispute.id).evidence_details.submission_count

    staged = gateway.answer_bank(stage.tab, staging, PACK)[0]
    assert (staged.kind, staged.attempt_id, count()) == (FactKind.EVIDENCE_STAGED, "att_0", 0)
    assert gateway.find_facts(stage.tab, submitting)[0].attempt_id == "att_0"
    for _ in range(2):
        told = gateway.answer_bank(stage.tab, submitting, PACK)
        assert (told[0].kind, told[0].attempt_id, count()) == (FactKind.EVIDENCE_SUBMITTED, "att_1", 1)
        assert [fact.kind for fact in told[1:]] == [FactKind.DISPUTE_OPENED, FactKind.DISPUTE_WITHDRAWN]

    with pytest.raises(GatewayRejected) as refused:
        gateway.answer_bank(stage.tab, late, PACK)
    assert refused.value.facts[0].attempt_id == "att_1"
    assert gateway.find_facts(stage.tab, late)[0].kind == FactKind.EVIDENCE_SUBMITTED
    event = stage.facts_of("charge.dispute.updated")[-1]
    assert (event.kind, event.attempt_id) == (FactKind.EVIDENCE_SUBMITTED, "att_1")
    assert gateway.find_charge(None, paid.object_id) == dispute.charge
    assert gateway.find_charge(None, "pi_none") is None


def test_a_dispute_carries_nothing_of_ours(stage: Stage) -> None:
    """Its event is not ours by its own metadata, but names the payment, whose metadata is."""
    paid = disputed(stage)

    event = stage.event("charge.dispute.created")
    owned = stage.gateway().fetch_owner(event)

    assert (event.ours, event.is_relevant, event.payment_id) == (False, True, paid.object_id)
    assert (owned.ours, owned.merchant_id, owned.tab_id, owned.attempt_id) == (True, "mer_1", "tab_1", "att_charge")


def test_an_inquiry_is_told_and_takes_no_money(stage: Stage) -> None:
    """Its beginning and its end; refunding the charge stays possible."""
    paid = charge(stage, "createDisputeInquiry")
    assert stage.event("charge.dispute.created").body["status"] == "warning_needs_response"
    opened = after_its_payment(stage.facts_of("charge.dispute.created"))
    assert (opened.kind, opened.amount_minor, opened.refundable) == (FactKind.INQUIRY_OPENED, 2000, True)

    (inquiry,) = stage.api().disputes.list({"payment_intent": paid.object_id}).data
    stage.api().disputes.update(inquiry.id, {"evidence": {"uncategorized_text": "winning_evidence"}})

    assert stage.event("charge.dispute.closed").body["status"] == "warning_closed"
    assert after_its_payment(stage.facts_of("charge.dispute.closed")).kind == FactKind.INQUIRY_CLOSED


def test_every_status_of_a_dispute_says_something() -> None:
    """The SDK's enumeration, value by value: one that is added there fails here until somebody says what it means."""
    (values, _) = get_args(stripe.Dispute.__annotations__["status"])

    assert set(get_args(values)) == set(stripe_facts.DISPUTE_STATUSES)


def test_a_dispute_lost_in_part_says_what_came_back() -> None:
    """Of 80.00 taken, 30.00 came back: the movements say so; in another currency than the dispute's they can't."""
    moved = [{"amount": -8000, "currency": "eur", "fee": 0}, {"amount": 3000, "currency": "eur", "fee": 0}]
    lost = {
        "id": "du_1", "status": "lost", "amount": 8000, "currency": "eur", "created": 1, "payment_intent": "pi_1",
        "is_charge_refundable": False, "balance_transactions": moved,
    }  # fmt: skip

    told = stripe_facts.facts_of_dispute_now(lost)
    assert [(fact.kind, fact.amount_minor) for fact in told] == [
        (FactKind.DISPUTE_LOST, 8000),
        (FactKind.DISPUTE_WITHDRAWN, 8000),
        (FactKind.DISPUTE_REINSTATED, 3000),
    ]

    foreign = {**lost, "balance_transactions": [{**one, "currency": "usd"} for one in moved]}
    assert [fact.amount_minor for fact in stripe_facts.facts_of_dispute_now(foreign)] == [8000, 8000, 8000]


@pytest.mark.parametrize("currency", ["isk", "jpy"])
def test_a_dispute_in_another_unit(stage: Stage, currency: str) -> None:
    """A dispute's amount comes in Stripe's unit and is told in ours."""
    paid = charge(stage, "createDispute", 2000, tab=replace(stage.tab, currency=currency.upper()))

    assert after_its_payment(stage.facts_of("charge.dispute.created")).amount_minor == paid.amount_minor == 2000


def test_a_dispute_that_has_changed_tells_all_that_is_true_of_it(stage: Stage) -> None:
    """`charge.dispute.updated` does not say what has changed: everything is told again, after the charge."""
    paid = disputed(stage, "no evidence at all")

    told = stage.facts_of("charge.dispute.updated")

    assert [fact.kind for fact in told][:3] == [
        FactKind.CHARGED,
        FactKind.DISPUTE_OPENED,
        FactKind.DISPUTE_WITHDRAWN,
    ]
    assert {fact.payment_id for fact in told[1:]} == {paid.object_id}


# ---- Saved cards that go or change


def test_a_detached_card_names_whose_it_was(stage: Stage) -> None:
    """The event of a detached card carries nothing of ours and no customer: whose it was is in what changed."""
    customer = a_saved_card(stage)
    assert customer.card is not None
    stage.gateway().remove_cards(None, customer, key="k")

    event = stage.event("payment_method.detached")
    fact = one(stage.gateway().facts_of(event))

    assert (event.ours, event.is_relevant, event.payment_id) == (False, True, None)
    assert event.customer_ref == customer.customer_ref
    assert (fact.kind, fact.object_id) == (FactKind.CARD_REMOVED, customer.card.card_id)


def test_a_renewed_card_names_whose_it_is(stage: Stage) -> None:
    """A card that the bank renewed is told under its id, with what people know it by, for its customer."""
    customer = a_saved_card(stage)
    assert customer.card is not None
    stage.control("cards/renew", {"payment_method": customer.card.card_id, "exp_year": 2040})

    event = stage.event("payment_method.automatically_updated")
    fact = one(stage.gateway().facts_of(event))

    assert (event.ours, event.is_relevant, event.customer_ref) == (False, True, customer.customer_ref)
    assert (fact.kind, fact.object_id) == (FactKind.CARD_UPDATED, customer.card.card_id)
    assert fact.card is not None
    assert (fact.card.card_id, fact.card.brand, fact.card.last4) == (customer.card.card_id, "visa", "4242")


def test_only_news_of_cards_names_a_customer(stage: Stage) -> None:
    """A payment's event has its tab by metadata or pointer: its customer is not looked at."""
    charge(stage)

    assert stage.event("payment_intent.succeeded").customer_ref is None


# ---- The client


@pytest.mark.parametrize("key", ["sk_live_1", "rk_live_1", "", "sk_test"])
def test_a_live_key_is_only_sent_to_stripe(key: str) -> None:
    """With anything but a test key, an address that is not Stripe's is refused before anything is sent."""
    with pytest.raises(ValueError, match="test key"):
        stripe_client(key, "http://127.0.0.1:8010")


@pytest.mark.parametrize("base", ["", "https://api.stripe.com", "https://api.stripe.com/"])
def test_a_live_key_may_go_to_stripe(base: str) -> None:
    """Stripe's own address is the default, and may be named."""
    assert stripe_client("sk_live_1", base)


# ---- What there is

AGO, AHEAD = NOW - timedelta(days=1), NOW + timedelta(days=1)


def there(stage: Stage, payment_id: str) -> Payment:
    """The payment as the gateway finds it, once it is listed as well."""
    assert payment_id in {payment.payment_id for payment in stage.gateway().iter_payments(None, AGO, AHEAD)}
    found = stage.gateway().find_payment(None, payment_id)
    assert found is not None
    return found


def test_a_payment_is_found_with_what_is_ours_of_it(stage: Stage) -> None:
    """Whose it is, and what it is now; listed or asked for, the same."""
    fact = charge(stage)

    (listed,) = stage.gateway().iter_payments(None, AGO, AHEAD)

    assert listed == there(stage, fact.object_id)
    assert (listed.merchant_id, listed.tab_id, listed.attempt_id) == ("mer_1", "tab_1", "att_charge")
    assert (listed.currency, listed.state_fact, listed.is_whole) == ("EUR", fact, True)


def test_a_payment_of_another_stage_or_app_is_not_ours(stage: Stage) -> None:
    """It is listed, and bears no name of ours."""
    for metadata in ({"app": "aftertab", "stage": "prod", "tab": "tab_1"}, {"tab": "tab_1"}):
        stage.api().payment_intents.create({"amount": 500, "currency": "eur", "metadata": metadata})

    found = list(stage.gateway().iter_payments(None, AGO, AHEAD))

    assert [(one.merchant_id, one.tab_id, one.attempt_id) for one in found] == [(None, None, None)] * 2


def test_what_became_of_a_payment_is_told_as_facts(stage: Stage) -> None:
    """Waiting, held, captured and released: the same facts that its events would have told."""
    waiting = one(stage.gateway().perform(stage.tab, an_attempt(Operation.CHARGE)))
    hold = place_hold(stage)
    assert there(stage, waiting.object_id).state_fact == waiting
    assert there(stage, hold.object_id).state_fact == hold

    stage.control("clock", {"advance_seconds": 3600})
    stage.api().payment_intents.capture(hold.object_id, {"amount_to_capture": 700})
    captured = there(stage, hold.object_id).state_fact

    assert captured is not None
    assert (captured.kind, captured.amount_minor) == (FactKind.HOLD_CAPTURED, 700)
    assert captured.at == NOW + timedelta(hours=1)
    assert captured.key == one(stage.facts_of("payment_intent.succeeded")).key


def test_refunds_come_with_their_payment(stage: Stage) -> None:
    """Listed, the payment says that there are some; asked for, it has all of them, ours and the dashboard's."""
    fact = charge(stage)
    ours = one(stage.gateway().perform(stage.tab, on(fact, Operation.REFUND, amount_minor=300)))
    stage.api().refunds.create({"payment_intent": fact.object_id, "amount": 200})

    (listed,) = stage.gateway().iter_payments(None, AGO, AHEAD)
    found = there(stage, fact.object_id)

    assert (listed.is_whole, listed.refunds) == (False, ())
    assert found.is_whole
    assert found.refunds[0] == ours
    assert [(refund.amount_minor, refund.attempt_id) for refund in found.refunds] == [
        (300, "att_refund"),
        (200, None),
    ]
    assert [one.payment_id for one in stage.gateway().iter_reversals(None, AGO, AHEAD)] == [fact.object_id] * 2


@pytest.mark.parametrize("outcome", [None, "won", "lost", "prevented"])
def test_a_dispute_tells_all_that_its_events_told(stage: Stage, outcome: str | None) -> None:
    """The same facts, by their keys: whoever brings them second changes nothing."""
    fact = charge(stage)
    dispute = stage.control("disputes", {"payment_intent": fact.object_id})
    kinds = ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    if outcome:
        stage.control("disputes/decide", {"dispute": dispute["id"], "outcome": outcome})
        kinds += ["charge.dispute.closed"] + ([] if outcome == "lost" else ["charge.dispute.funds_reinstated"])

    found = there(stage, fact.object_id)

    told = [after_its_payment(stage.facts_of(kind)) for kind in kinds]
    # Of how far it has come, the last word; and all its money.
    last = [fact for fact in told if fact.kind in DISPUTE_STATES][-1]
    money = [fact for fact in told if fact.kind not in DISPUTE_STATES]
    assert [dispute.key for dispute in found.disputes] == [fact.key for fact in (last, *money)]
    assert [one.payment_id for one in stage.gateway().iter_reversals(None, AGO, AHEAD)] == [fact.object_id]


def test_an_inquiry_is_found_with_its_payment(stage: Stage) -> None:
    """The bank asks, takes nothing, and leaves the charge refundable."""
    fact = charge(stage)
    stage.control("disputes", {"payment_intent": fact.object_id, "kind": "inquiry"})

    (inquiry,) = there(stage, fact.object_id).disputes

    assert (inquiry.kind, inquiry.refundable) == (FactKind.INQUIRY_OPENED, True)


def test_what_stripe_keeps_comes_with_its_payment(stage: Stage) -> None:
    """The fee of the charge is listed with it, the bank's for a dispute found with that; a refund costs nothing."""
    fact = charge(stage)
    stage.gateway().perform(stage.tab, on(fact, Operation.REFUND, amount_minor=300))
    (listed,) = stage.gateway().iter_payments(None, AGO, AHEAD)
    stage.control("disputes", {"payment_intent": fact.object_id})

    found = there(stage, fact.object_id)

    assert [(fee.kind, fee.amount_minor, fee.payment_id) for fee in found.fees] == [
        (FactKind.PROCESSING_FEE, 55, fact.object_id),
        (FactKind.PROCESSING_FEE, 2000, fact.object_id),
    ]
    assert listed.fees == found.fees[:1]
    assert found.fees[0].object_id.startswith("txn_")


def test_a_payment_that_does_not_exist_is_none(stage: Stage) -> None:
    """Which is an answer, unlike a look-up that fails."""
    assert stage.gateway().find_payment(None, "pi_nowhere") is None
    stage.fault("fail_before", method="GET")
    with pytest.raises(GatewayUnavailable):
        stage.gateway().find_payment(None, "pi_nowhere")


def test_the_period_includes_its_beginning_and_not_its_end(stage: Stage) -> None:
    """Two runs that follow each other see everything once."""
    charge(stage)
    second = timedelta(seconds=1)
    gateway = stage.gateway()

    assert len(list(gateway.iter_payments(None, NOW, NOW + second))) == 1
    assert list(gateway.iter_payments(None, NOW - second, NOW)) == []
    assert len(list(gateway.iter_events(None, NOW, NOW + second))) == 1
    assert list(gateway.iter_events(None, NOW - second, NOW)) == []


def test_events_are_listed_as_they_would_be_delivered(stage: Stage) -> None:
    """Newest first, those that we act on, with their owners: also what nobody has delivered."""
    charge(stage)
    fact = place_hold(stage)
    payload = stage.event_bytes("payment_intent.amount_capturable_updated")
    delivered = stage.gateway().read_event(payload, signed(payload))

    listed = list(stage.gateway().iter_events(None, AGO, AHEAD))

    assert [event.kind for event in listed] == [
        "payment_intent.amount_capturable_updated",
        "payment_intent.succeeded",
    ]
    assert listed[0] == delivered
    assert (listed[0].ours, listed[0].tab_id, listed[0].payment_id) == (True, "tab_1", fact.object_id)


def test_every_page_is_walked(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pages there are: a walk that stopped early would read as a clean book."""
    monkeypatch.setattr(calls, "_PAGE", 2)
    monkeypatch.setattr(calls, "_MAXIMUM_PAGES", 1)
    made = [stage.api().payment_intents.create({"amount": 500, "currency": "eur"}).id for _ in range(5)]

    listed = [payment.payment_id for payment in stage.gateway().iter_payments(None, AGO, AHEAD)]

    assert listed == made[::-1]
    assert stage.requests("GET /v1/payment_intents") == 3


def test_a_connected_account_is_walked_by_itself(stage: Stage) -> None:
    """Its payments and events are its own, and its events name it as when they are delivered."""
    account = str(stage.api().accounts.create({}).id)
    customer = stage.gateway().add_customer(account, "mer_2", "cus_2", key="setup")
    tab = replace(stage.tab, account=account, customer_ref=customer)
    stage.gateway().perform(tab, an_attempt(Operation.CHARGE))
    charge(stage)

    (payment,) = stage.gateway().iter_payments(account, AGO, AHEAD)
    stage.api().payment_intents.cancel(payment.payment_id, {}, {"stripe_account": account})
    (event,) = stage.gateway().iter_events(account, AGO, AHEAD)

    assert stage.gateway().find_payment(account, payment.payment_id) is not None
    assert stage.gateway().find_payment(None, payment.payment_id) is None
    assert (event.account, event.payment_id) == (account, payment.payment_id)


# ---- Pages: Checkout Sessions


BACK = "https://salon.example/paid"


def make_page(stage: Stage, operation: Operation = Operation.CHARGE) -> tuple[Attempt, Fact]:
    attempt = an_attempt(
        attempt_id="att_page",
        operation=operation,
        amount_minor=2000,
        return_url=BACK,
        customer_ref=stage.tab.customer_ref,
        saves_card=True,
    )
    made = one(stage.gateway().perform(stage.tab, attempt))
    assert (made.kind, made.attempt_id) == (FactKind.AWAITING_CUSTOMER, attempt.attempt_id)
    assert made.page_url is not None
    return replace(attempt, page_id=made.object_id, page_url=made.page_url), made


def use_page(stage: Stage, page_id: str, card: str = "visa") -> None:
    method = stage.api().payment_methods.create({"type": "card", "card": {"token": f"tok_{card}"}})
    request = urllib.request.Request(
        f"{stage.base}/v1/payment_pages/{page_id}/confirm",
        data=f"payment_method={method.id}".encode(),
        headers={"Authorization": "Bearer sk_test_dashboard"},
    )
    urllib.request.urlopen(request, timeout=10).close()


@pytest.mark.parametrize(
    ("operation", "kind"), [(Operation.CHARGE, FactKind.CHARGED), (Operation.PLACE_HOLD, FactKind.HOLD_PLACED)]
)
def test_a_page_that_was_used_is_its_payment(stage: Stage, operation: Operation, kind: FactKind) -> None:
    attempt, made = make_page(stage, operation)
    assert stage.gateway().find_facts(stage.tab, attempt) == (made,)
    use_page(stage, made.object_id)
    found = one(stage.gateway().find_facts(stage.tab, attempt))
    assert (found.kind, found.amount_minor, found.attempt_id) == (kind, 2000, attempt.attempt_id)
    assert found.card is not None
    # Closing comes too late, and says so.
    assert one(stage.gateway().close_payment(stage.tab, attempt)) == found


def test_a_page_is_made_once_and_found_without_its_id(stage: Stage) -> None:
    attempt, made = make_page(stage)
    assert one(stage.gateway().perform(stage.tab, attempt)).object_id == made.object_id
    assert one(stage.gateway().find_facts(stage.tab, replace(attempt, page_id=None))).object_id == made.object_id
    other = replace(attempt, attempt_id="att_other", page_id=None)
    assert stage.gateway().find_facts(stage.tab, other) == ()


def test_a_closed_page_is_canceled(stage: Stage) -> None:
    attempt, made = make_page(stage)
    closed = one(stage.gateway().close_payment(stage.tab, attempt))
    assert (closed.kind, closed.object_id) == (FactKind.PAYMENT_CANCELED, made.object_id)
    assert one(stage.facts_of("checkout.session.expired")).object_id == made.object_id
    with pytest.raises(urllib.error.HTTPError):
        use_page(stage, made.object_id)


def test_a_page_that_stripe_has_lost_is_canceled(stage: Stage) -> None:
    attempt, _ = make_page(stage)
    gone = replace(attempt, page_id="cs_test_gone")
    assert one(stage.gateway().find_facts(stage.tab, gone)).kind == FactKind.PAYMENT_CANCELED
    assert one(stage.gateway().close_payment(stage.tab, gone)).kind == FactKind.PAYMENT_CANCELED
