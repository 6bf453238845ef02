"""The pure part of the Stripe adapter: parameters of attempts, byte for byte; objects, events and signatures."""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.adapters.stripe import events, facts, params, payments
from chalicelib.domain.money import CURRENCIES
from chalicelib.domain.tab.attempt import ANSWERS_A_BANK, Attempt, AttemptState, Failure, Operation
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.payments import Card
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.promise import Promise
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.gateway import BadSignature

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
STAMP = int(NOW.timestamp())


def a_tab(**changes: Any) -> Tab:
    promise = Promise(
        expected_outcome="A haircut", limits=(), currency="EUR", estimate_minor=4000, cap_minor=6000,
        deposit_minor=2000, no_show_fee_minor=2000, late_cancel_fee_minor=1000, starts_at=None, free_cancel_until=None,
        no_show_grace_s=900, review_window_s=86400, terms_version="1",
    )  # fmt: skip
    tab = Tab(
        tab_id="tab_1", merchant_id="mer_1", customer_id="cus_1", customer_ref="cus_stripe", account=None,
        currency="EUR", minimum_charge_minor=50, policy=Policy(), promise=promise, title="Haircut", status=Status.OPEN,
        opened_at=NOW, updated_at=NOW,
    )  # fmt: skip
    return replace(tab, **changes)


def an_attempt(operation: Operation, **changes: Any) -> Attempt:
    return replace(
        Attempt(attempt_id="att_1", operation=operation, amount_minor=2000, created_at=NOW, by="usr_1"), **changes
    )


def an_intent(status: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": "pi_1", "object": "payment_intent", "status": status, "amount": 2000, "amount_capturable": 0,
        "amount_received": 0, "currency": "eur", "capture_method": "automatic", "client_secret": "pi_1_secret",
        "latest_charge": None, "last_payment_error": None, "payment_method": None, "setup_future_usage": None,
        "canceled_at": None, "cancellation_reason": None, "metadata": {"app": "aftertab", "attempt": "att_1"},
        **changes,
    }  # fmt: skip


def a_charge(**card: Any) -> dict[str, Any]:
    details = {"brand": "visa", "last4": "4242", **card}
    return {"id": "ch_1", "created": STAMP, "payment_method_details": {"type": "card", "card": details}}


METADATA = (
    '"metadata": {"app": "aftertab", "stage": "dev", "merchant": "mer_1", "tab": "tab_1", '
    '"attempt": "att_1", "purpose": '
)
GOLDEN = {
    "hold on a saved card": (
        an_attempt(Operation.PLACE_HOLD, card_id="pm_1"),
        '{"amount": 2000, "currency": "eur", "customer": "cus_stripe", "capture_method": "manual", '
        '"allowed_payment_method_types": ["card"], ' + METADATA + '"place_hold"}, "expand": ["latest_charge"], '
        '"payment_method": "pm_1", "off_session": true, "confirm": true}',
    ),
    "hold on the phone": (
        an_attempt(Operation.PLACE_HOLD),
        '{"amount": 2000, "currency": "eur", "customer": "cus_stripe", "capture_method": "manual", '
        '"allowed_payment_method_types": ["card"], ' + METADATA + '"place_hold"}, "expand": ["latest_charge"]}',
    ),
    "hold on the phone that saves the card": (
        an_attempt(Operation.PLACE_HOLD, saves_card=True),
        '{"amount": 2000, "currency": "eur", "customer": "cus_stripe", "capture_method": "manual", '
        '"allowed_payment_method_types": ["card"], ' + METADATA + '"place_hold"}, "expand": ["latest_charge"], '
        '"setup_future_usage": "off_session"}',
    ),
    "charge on a saved card": (
        an_attempt(Operation.CHARGE, card_id="pm_1"),
        '{"amount": 2000, "currency": "eur", "customer": "cus_stripe", "capture_method": "automatic", '
        '"allowed_payment_method_types": ["card"], ' + METADATA + '"charge"}, "expand": ["latest_charge"], '
        '"payment_method": "pm_1", "off_session": true, "confirm": true}',
    ),
    "charge on a saved card with the customer there": (
        an_attempt(Operation.CHARGE, card_id="pm_1", customer_present=True),
        '{"amount": 2000, "currency": "eur", "customer": "cus_stripe", "capture_method": "automatic", '
        '"allowed_payment_method_types": ["card"], ' + METADATA + '"charge"}, "expand": ["latest_charge"], '
        '"payment_method": "pm_1", "confirm": true, "use_stripe_sdk": true}',
    ),
    "charge on the phone": (
        an_attempt(Operation.CHARGE),
        '{"amount": 2000, "currency": "eur", "customer": "cus_stripe", "capture_method": "automatic", '
        '"allowed_payment_method_types": ["card"], ' + METADATA + '"charge"}, "expand": ["latest_charge"]}',
    ),
    "charge on a page": (
        an_attempt(Operation.CHARGE, return_url="https://salon.example/paid", saves_card=True),
        '{"mode": "payment", "line_items": [{"price_data": {"currency": "eur", "unit_amount": 2000, "product_data": '
        '{"name": "Haircut"}}, "quantity": 1}], "customer": "cus_stripe", "payment_intent_data": '
        '{"capture_method": "automatic", '
        + METADATA
        + '"charge"}, "setup_future_usage": "off_session"}, '
        + METADATA
        + '"charge"}, "allowed_payment_method_types": ["card"], "success_url": "https://salon.example/paid", '
        '"cancel_url": "https://salon.example/paid", "expires_at": 1767686400, "adaptive_pricing": {"enabled": false}}',
    ),
    "capture": (
        an_attempt(Operation.CAPTURE, payment_id="pi_1"),
        '{"amount_to_capture": 2000, "expand": ["latest_charge"]}',
    ),
    "release": (an_attempt(Operation.RELEASE, payment_id="pi_1"), "{}"),
    "refund": (
        an_attempt(Operation.REFUND, payment_id="pi_1"),
        '{"payment_intent": "pi_1", "amount": 2000, ' + METADATA + '"refund"}}',
    ),
}


@pytest.mark.parametrize(("attempt", "sent"), GOLDEN.values(), ids=GOLDEN.keys())
def test_what_an_attempt_sends_is_pinned(attempt: Attempt, sent: str) -> None:
    """An attempt written before a deploy is replayed after it with the very same parameters, in the same order."""
    assert json.dumps(params.params_of(a_tab(), attempt, "dev")) == sent


MAKES = (Operation.PLACE_HOLD, Operation.CHARGE)


@pytest.mark.parametrize(
    ("operation", "sends_it"),
    [(operation, operation in MAKES) for operation in Operation if operation not in ANSWERS_A_BANK],
)
def test_a_payment_says_whose_it_is_on_the_statement(operation: Operation, sends_it: bool) -> None:
    """Holds and charges, where the tab has a name for it; what works on an existing payment has said it before."""
    sent = params.params_of(a_tab(statement_suffix="Cafe Centr"), an_attempt(operation, payment_id="pi_1"), "dev")

    assert sent.get("statement_descriptor_suffix") == ("Cafe Centr" if sends_it else None)
    assert not [name for name in sent if "email" in name], "nobody has given an address"


@pytest.mark.parametrize("attempt", [attempt for attempt, _ in GOLDEN.values()], ids=GOLDEN.keys())
def test_what_an_attempt_sends_ignores_all_that_changes(attempt: Attempt) -> None:
    """Neither the attempt's progress nor anything that happens to the tab changes what a replay sends."""
    later = replace(
        attempt, state=AttemptState.UNKNOWN, checks=3, check_at=NOW, client_secret="x",
        failure=Failure(code="declined"), payment_id=attempt.payment_id or "pi_learnt",
    )  # fmt: skip
    tab = a_tab(
        status=Status.DUE, version=9, tip_minor=100, minimum_charge_minor=100,
        card=Card(card_id="pm_other", brand="visa", last4="1", saved_at=NOW),
    )  # fmt: skip

    assert params.params_of(tab, later, "dev") == params.params_of(a_tab(), attempt, "dev")
    assert params.idempotency_key(later, "dev") == params.idempotency_key(attempt, "dev")


def test_the_key_names_stage_attempt_and_operation() -> None:
    """The idempotency key is the one that money rule 2 writes ahead, and fits Stripe's 255 characters."""
    attempt = an_attempt(Operation.PLACE_HOLD, attempt_id="att_01JGZ3V5N8Q4R6S7T9W0X2Y4Z6")

    key = params.idempotency_key(attempt, "prod")

    assert key == "prod/att_01JGZ3V5N8Q4R6S7T9W0X2Y4Z6/place_hold"


@pytest.mark.parametrize(
    ("currency", "minor", "wire"),
    [("EUR", 1050, 1050), ("JPY", 1050, 1050), ("KWD", 1050, 1050), ("ISK", 1050, 105000), ("UGX", 1050, 105000)],
)
def test_the_factor_is_stripes_alone(currency: str, minor: int, wire: int) -> None:
    """Only ISK and UGX leave multiplied by a hundred, and they come back divided by it."""
    assert params.to_wire(minor, currency) == wire
    assert params.from_wire(wire, currency.lower()) == minor


def test_every_currency_survives_the_way_there_and_back() -> None:
    """No currency that tabs can be kept in changes an amount on its way to Stripe and back."""
    for code, currency in CURRENCIES.items():
        assert params.from_wire(params.to_wire(currency.maximum_minor, code), code) == currency.maximum_minor


# ---- Intents


def told(intent: dict[str, Any]) -> Any:
    (fact,) = facts.facts_of_intent(intent, NOW + timedelta(hours=1))
    assert fact.object_id == "pi_1"
    assert fact.attempt_id == "att_1"
    return fact


def test_a_hold_says_until_when() -> None:
    """A hold's amount is what can be captured, its end and its time are the charge's."""
    intent = an_intent(
        "requires_capture",
        capture_method="manual",
        amount_capturable=1500,
        latest_charge=a_charge(capture_before=STAMP + 9),
    )

    fact = told(intent)

    assert (fact.kind, fact.amount_minor, fact.at) == (FactKind.HOLD_PLACED, 1500, NOW)
    assert fact.capture_before == NOW + timedelta(seconds=9)
    assert fact.card is None


@pytest.mark.parametrize("charge", [None, "ch_1", a_charge()])
def test_a_hold_without_an_end_is_refused(charge: Any) -> None:
    """No end of a hold is ever made up: without one the object can't be understood."""
    intent = an_intent("requires_capture", capture_method="manual", latest_charge=charge)

    with pytest.raises(ValueError, match="until when"):
        facts.facts_of_intent(intent, NOW)


@pytest.mark.parametrize("status", ["requires_capture", "succeeded"])
def test_a_payment_that_saved_the_card_tells_which(status: str) -> None:
    """The card comes with the payment that attached it to the customer, whether that is a hold or a charge."""
    intent = an_intent(
        status,
        capture_method="manual" if status == "requires_capture" else "automatic",
        setup_future_usage="off_session",
        payment_method="pm_9",
        latest_charge=a_charge(capture_before=STAMP + 9),
    )

    assert told(intent).card == Card(card_id="pm_9", brand="visa", last4="4242", saved_at=NOW)


def test_a_saved_card_that_is_used_is_no_news() -> None:
    """A payment with a card that was saved before does not tell of the card again."""
    intent = an_intent("succeeded", payment_method="pm_9", latest_charge=a_charge())

    assert told(intent).card is None


def test_a_capture_tells_what_was_received_in_all() -> None:
    """A succeeded payment of manual capture is a captured hold, its amount cumulative."""
    intent = an_intent("succeeded", capture_method="manual", amount_received=1200)

    fact = told(intent)

    assert (fact.kind, fact.amount_minor) == (FactKind.HOLD_CAPTURED, 1200)


def test_a_charge_tells_what_was_received() -> None:
    """A succeeded payment of automatic capture is a charge, at the time of Stripe's charge."""
    fact = told(an_intent("succeeded", amount_received=2000, latest_charge=a_charge()))

    assert (fact.kind, fact.amount_minor, fact.at) == (FactKind.CHARGED, 2000, NOW)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("automatic", FactKind.PAYMENT_EXPIRED),
        ("expired", FactKind.PAYMENT_EXPIRED),
        ("abandoned", FactKind.PAYMENT_CANCELED),
        ("requested_by_customer", FactKind.PAYMENT_CANCELED),
        (None, FactKind.PAYMENT_CANCELED),
    ],
)
def test_a_cancellation_nobody_asked_for_is_an_expiry(reason: str | None, kind: FactKind) -> None:
    """Whether a hold expired or was released is told by Stripe's reason, and the time is Stripe's."""
    fact = told(an_intent("canceled", cancellation_reason=reason, canceled_at=STAMP))

    assert (fact.kind, fact.at) == (kind, NOW)


@pytest.mark.parametrize("status", ["requires_payment_method", "requires_confirmation", "requires_action"])
def test_a_payment_that_nobody_tried_waits_for_the_customer(status: str) -> None:
    """An intent without an error waits for the phone, which needs its client secret."""
    fact = told(an_intent(status))

    assert (fact.kind, fact.client_secret, fact.failure) == (FactKind.AWAITING_CUSTOMER, "pi_1_secret", None)


def test_processing_is_not_an_outcome() -> None:
    """A payment in processing is told as such, and can be told again."""
    fact = told(an_intent("processing"))

    assert (fact.kind, fact.key) == (FactKind.PROCESSING, None)


def test_a_question_of_the_bank_is_no_decline() -> None:
    """`authentication_required` keeps the intent for the customer to confirm."""
    error = {"type": "card_error", "code": "authentication_required", "decline_code": "authentication_required"}

    fact = told(an_intent("requires_payment_method", last_payment_error=error))

    assert (fact.kind, fact.client_secret) == (FactKind.AWAITING_CUSTOMER, "pi_1_secret")
    assert fact.failure == Failure(code="authentication_required", decline_code="authentication_required")


def declined(**error: Any) -> Any:
    return told(an_intent("requires_payment_method", last_payment_error={"type": "card_error", **error}))


def test_a_decline_carries_the_banks_advice() -> None:
    """A decline keeps code, decline code and advice: who retries obeys them. On the phone the payment may go on."""
    fact = declined(code="card_declined", decline_code="lost_card", advice_code="do_not_try_again", charge="ch_7")

    assert fact.kind == FactKind.DECLINED
    assert fact.failure == Failure(code="card_declined", decline_code="lost_card", advice="do_not_try_again")
    assert fact.client_secret == "pi_1_secret"


def test_two_declines_of_one_payment_are_two_facts() -> None:
    """Declines are told apart by their charge, failed authentications by the card; the same one is the same fact."""
    first, second = declined(code="card_declined", charge="ch_1"), declined(code="card_declined", charge="ch_2")
    failed = [
        declined(code="payment_intent_authentication_failure", payment_method={"id": pm}) for pm in ("pm_1", "pm_2")
    ]

    assert len({fact.key for fact in (first, second, *failed)}) == 4
    assert declined(code="card_declined", charge="ch_1").key == first.key


def test_a_status_from_the_future_tells_nothing() -> None:
    """A status that we do not know is no fact, rather than a wrong one."""
    assert facts.facts_of_intent(an_intent("requires_reauthorization"), NOW) == ()


# ---- Refunds


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("succeeded", FactKind.REFUNDED),
        ("pending", FactKind.REFUND_PENDING),
        ("requires_action", FactKind.REFUND_PENDING),
        ("failed", FactKind.REFUND_FAILED),
        ("canceled", FactKind.REFUND_FAILED),
    ],
)
def test_a_refund_tells_its_payment_and_amount(status: str, kind: FactKind) -> None:
    """Each status of a refund is one kind of fact, about the refund, naming the payment."""
    refund = {
        "id": "re_1", "status": status, "amount": 50000, "currency": "isk", "payment_intent": {"id": "pi_1"},
        "metadata": {"attempt": "att_2"},
    }  # fmt: skip

    (fact,) = facts.facts_of_refund(refund, NOW)

    assert (fact.kind, fact.object_id, fact.payment_id, fact.amount_minor, fact.attempt_id) == (
        kind, "re_1", "pi_1", 500, "att_2",
    )  # fmt: skip
    assert (fact.failure is not None) == (kind == FactKind.REFUND_FAILED)


# ---- Signatures

SECRET = "whsec_current"
PAYLOAD = b'{"id": "evt_1"}'


def signature(payload: bytes = PAYLOAD, secret: str = SECRET, at: int | str = STAMP) -> str:
    digest = hmac.new(secret.encode(), f"{at}.".encode() + payload, sha256).hexdigest()
    return f"t={at},v1={digest}"


@pytest.mark.parametrize("age_s", [-300, 0, 300])
def test_a_signature_holds_for_five_minutes_both_ways(age_s: int) -> None:
    """What one of our secrets signed within five minutes of the wall clock is accepted."""
    events.check_signature(PAYLOAD, signature(), [SECRET], STAMP + age_s)


@pytest.mark.parametrize("age_s", [-301, 301])
def test_a_signature_out_of_its_time_is_refused(age_s: int) -> None:
    """A signature that is too old, or dated in the future, is worth nothing: it may be replayed."""
    with pytest.raises(BadSignature, match="too old"):
        events.check_signature(PAYLOAD, signature(), [SECRET], STAMP + age_s)


def test_both_secrets_are_good_while_they_are_rotated() -> None:
    """During a rotation either secret signs, and Stripe may send a signature of each."""
    both = signature(secret="whsec_old") + "," + signature().partition(",")[2]

    events.check_signature(PAYLOAD, signature(secret="whsec_old"), [SECRET, "whsec_old"], STAMP)
    events.check_signature(PAYLOAD, both, [SECRET], STAMP)


@pytest.mark.parametrize(
    "header",
    [
        "", "t=,v1=", "nonsense", f"t={STAMP}", signature().replace("v1=", "v0="), signature(secret="whsec_other"),
        signature() + f",t={STAMP + 1}", signature(at="١٢٣"), signature(at="9" * 30), signature(at="-1"), "t=1,v1=é",
    ],
)  # fmt: skip
def test_what_is_not_signed_by_us_is_refused(header: str) -> None:
    """No header but the right one opens the door, and none of the wrong ones breaks it."""
    with pytest.raises(BadSignature):
        events.check_signature(PAYLOAD, header, [SECRET], STAMP)


def test_a_changed_byte_breaks_the_signature() -> None:
    """The signature is over the raw bytes."""
    with pytest.raises(BadSignature):
        events.check_signature(PAYLOAD + b" ", signature(), [SECRET], STAMP)


@pytest.mark.parametrize("secrets", [[], [""], ["  "]])
def test_without_a_secret_nothing_is_signed(secrets: list[str]) -> None:
    """An empty secret, with which anybody could sign, opens nothing."""
    with pytest.raises(BadSignature):
        events.check_signature(PAYLOAD, signature(secret="".join(secrets)), secrets, STAMP)


# ---- Events


def an_event(body: dict[str, Any], kind: str = "payment_intent.succeeded", **changes: Any) -> bytes:
    event = {
        "id": "evt_1", "object": "event", "type": kind, "created": STAMP, "livemode": False, "data": {"object": body},
        **changes,
    }  # fmt: skip
    return json.dumps(event).encode()


OURS = {
    "app": "aftertab", "stage": "dev", "merchant": "mer_1", "customer": "cus_1", "tab": "tab_1", "attempt": "att_1",
}  # fmt: skip


@pytest.mark.parametrize("live", [True, False])
def test_an_event_is_of_our_mode_or_not(live: bool) -> None:
    """Event and object must both be of the mode that the stage works in."""

    def is_ours(of_event: bool, of_object: bool) -> bool:
        payload = an_event(an_intent("succeeded", livemode=of_object), livemode=of_event)
        return events.read_event(payload, "dev", live=live).is_of_our_mode

    assert is_ours(live, live)
    assert not any((is_ours(not live, live), is_ours(live, not live), is_ours(not live, not live)))


def test_an_event_names_its_owner_by_metadata() -> None:
    """An event of ours carries merchant, customer, tab and attempt, and the account it happened in."""
    event = events.read_event(an_event(an_intent("succeeded", metadata=OURS), account="acct_1"), "dev", live=False)

    assert (event.ours, event.is_relevant, event.account) == (True, True, "acct_1")
    assert (event.merchant_id, event.customer_id, event.tab_id, event.attempt_id) == (
        "mer_1",
        "cus_1",
        "tab_1",
        "att_1",
    )
    assert (event.event_id, event.object_id, event.payment_id, event.occurred_at) == ("evt_1", "pi_1", "pi_1", NOW)


@pytest.mark.parametrize("metadata", [{}, None, {**OURS, "app": "other"}, {**OURS, "stage": "prod"}])
def test_another_apps_or_stages_event_is_not_ours(metadata: Any) -> None:
    """Metadata of another app or stage names nobody here, however much it looks like ours."""
    event = events.read_event(an_event(an_intent("succeeded", metadata=metadata)), "dev", live=False)

    assert not event.ours
    assert (event.merchant_id, event.tab_id, event.attempt_id) == (None, None, None)


@pytest.mark.parametrize(
    ("body", "payment_id"),
    [
        ({"id": "re_1", "object": "refund", "payment_intent": "pi_1"}, "pi_1"),
        ({"id": "ch_1", "object": "charge", "payment_intent": {"id": "pi_1"}}, "pi_1"),
        ({"id": "ch_1", "object": "charge", "payment_intent": None}, None),
        ({"id": "seti_1", "object": "setup_intent"}, None),
    ],
)
def test_an_event_about_something_else_names_the_payment(body: dict[str, Any], payment_id: str | None) -> None:
    """Refunds and charges lead to their payment, by which the tab is found."""
    assert events.read_event(an_event(body), "dev", live=False).payment_id == payment_id


@pytest.mark.parametrize("kind", ["payment_intent.created", "charge.succeeded", "customer.updated", "payout.paid"])
def test_an_event_we_do_nothing_about_is_irrelevant(kind: str) -> None:
    """Of the many kinds that an endpoint may be sent, the others are not acted on."""
    assert not events.read_event(an_event({"id": "x", "object": "x"}, kind), "dev", live=False).is_relevant


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"\xff\xfe", b"[]", b"null", b"7", b'{"object": "event"}', an_event({"object": "x", "id": 7}),
        an_event({"id": "pi_1"}, object="v2.core.event"), an_event({"id": "pi_1"}, created="now"),
        an_event({"id": "pi_1"}, data=[]), an_event({"id": "pi_1"}, data={"object": "pi_1"}), an_event({}, id=1),
        an_event({"id": "pi_1"}, created=10**18),
    ],
)  # fmt: skip
def test_signed_nonsense_is_refused(payload: bytes) -> None:
    """Bytes that are no event of Stripe's are refused in one way, whatever is wrong with them."""
    with pytest.raises(BadSignature):
        events.read_event(payload, "dev", live=False)


def test_a_fee_in_another_currency_is_not_ours_to_post() -> None:
    """Stripe settles in the currency of the payout; a tab has one currency, its own."""
    movement = {"id": "txn_1", "created": STAMP, "fee": 75, "currency": "eur"}
    charge = a_charge() | {"balance_transaction": movement}
    here = an_intent("succeeded", created=STAMP, latest_charge=charge)
    abroad = an_intent("succeeded", created=STAMP, currency="sek", latest_charge=charge)

    (fee,) = payments.payment_of(here, "dev").fees

    assert (fee.kind, fee.amount_minor, fee.object_id) == (FactKind.PROCESSING_FEE, 75, "txn_1")
    assert payments.payment_of(abroad, "dev").fees == ()
