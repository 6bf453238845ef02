"""What a payment integration relies on, written with the SDK alone, so that it runs unchanged against Stripe
itself.

pytest tests/standin/test_contract.py                              the stand-in STRIPE_TEST_KEY=sk_test_… pytest
tests/standin/test_contract.py    the stand-in, then Stripe's test mode STRIPE_CONTRACT_BASE=http://127.0.0.1:8420
pytest …                another server that plays Stripe (bench/localstripe.py)

Nothing here moves a clock, receives a webhook or uses the control plane: Stripe offers none of these to a test.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from .conftest import Standin

# Older players of Stripe know neither name of this parameter's; they are asked without it, so that the rest can be
# compared.
CARD: dict[str, Any] = {} if os.environ.get("STRIPE_CONTRACT_BASE") else {"allowed_payment_method_types": ["card"]}
DAY = 86400
NO_KEY = "Stripe's test mode needs a key: set STRIPE_TEST_KEY=sk_test_… to run the contract against Stripe itself"


TEST_KEY = os.environ.get("STRIPE_TEST_KEY", "")


@pytest.fixture(params=["stand-in", "stripe"] if TEST_KEY else ["stand-in"])
def api(request: pytest.FixtureRequest) -> Iterator[stripe.StripeClient]:
    """A client of whatever is held to the contract."""
    elsewhere = os.environ.get("STRIPE_CONTRACT_BASE")
    if request.param == "stripe":
        assert TEST_KEY.startswith(("sk_test_", "rk_test_")), "the contract is for test keys only"
        yield stripe.StripeClient(TEST_KEY, max_network_retries=2)
    elif elsewhere:
        yield stripe.StripeClient("sk_test_12345", base_addresses={"api": elsewhere}, max_network_retries=0)
    else:
        standin: Standin = request.getfixturevalue("standin")
        yield standin.client()


@pytest.fixture
def person(api: stripe.StripeClient) -> str:
    return api.v1.customers.create({"name": "Ada", "email": "ada@example.com"}).id


def pay(api: stripe.StripeClient, amount: int = 1000, card: str = "pm_card_visa", **more: Any) -> Any:
    options = more.pop("options", {})
    given = {"amount": amount, "currency": "eur", "payment_method": card, "confirm": True, **CARD, **more}
    return api.v1.payment_intents.create(given, options)


def refused(code: str | None = None, kind: type[stripe.StripeError] = stripe.InvalidRequestError) -> Any:
    """The call is refused with this code (None: any)."""
    return pytest.raises(kind, check=lambda error: code is None or error.code == code)


def test_a_payment_succeeds_in_one_call(api: stripe.StripeClient) -> None:
    """create with confirm: succeeded, received, with a paid charge and its balance transaction."""
    intent = pay(api, expand=["latest_charge"])

    assert (intent.status, intent.amount_received, intent.amount_capturable) == ("succeeded", 1000, 0)
    assert (intent.latest_charge.paid, intent.latest_charge.captured) == (True, True)


def test_create_then_confirm(api: stripe.StripeClient) -> None:
    """Without a card it waits for one; with one, for confirmation; confirmed, it succeeds."""
    intent = api.v1.payment_intents.create({"amount": 1000, "currency": "eur", **CARD})
    assert intent.status == "requires_payment_method"
    updated = api.v1.payment_intents.update(intent.id, {"payment_method": "pm_card_visa"})
    assert updated.status == "requires_confirmation"

    assert api.v1.payment_intents.confirm(intent.id).status == "succeeded"


def test_a_hold_is_captured_in_part(api: stripe.StripeClient) -> None:
    """20.00 of 50.00: received 20.00, nothing refunded, nothing capturable."""
    hold = pay(api, 5000, capture_method="manual")
    assert (hold.status, hold.amount_capturable) == ("requires_capture", 5000)

    done = api.v1.payment_intents.capture(hold.id, {"amount_to_capture": 2000, "expand": ["latest_charge"]})

    assert (done.status, done.amount_received, done.amount_capturable) == ("succeeded", 2000, 0)
    assert (done.latest_charge.amount_captured, done.latest_charge.amount_refunded) == (2000, 0)


def test_a_hold_is_captured_once(api: stripe.StripeClient) -> None:
    """The second capture is refused."""
    hold = pay(api, 5000, capture_method="manual")
    api.v1.payment_intents.capture(hold.id)

    with refused("payment_intent_unexpected_state"):
        api.v1.payment_intents.capture(hold.id)


def test_a_capture_stays_within_the_hold(api: stripe.StripeClient) -> None:
    """A cent more than was authorized is refused, and the hold stays."""
    hold = pay(api, 5000, capture_method="manual")

    with refused():
        api.v1.payment_intents.capture(hold.id, {"amount_to_capture": 5001})

    assert api.v1.payment_intents.retrieve(hold.id).status == "requires_capture"


def test_a_hold_says_until_when(api: stripe.StripeClient) -> None:
    """capture_before is on the charge: about seven days for an on-session hold."""
    hold = pay(api, 5000, capture_method="manual", expand=["latest_charge"])

    lives = hold.latest_charge.payment_method_details.card.capture_before - hold.latest_charge.created
    assert 6 * DAY < lives <= 7 * DAY


def test_an_off_session_visa_hold_lives_less_than_five_days(api: stripe.StripeClient, person: str) -> None:
    """4 days 18 hours."""
    saved = api.v1.payment_methods.attach("pm_card_visa", {"customer": person}).id

    hold = pay(api, 5000, saved, customer=person, off_session=True, capture_method="manual", expand=["latest_charge"])

    lives = hold.latest_charge.payment_method_details.card.capture_before - hold.latest_charge.created
    assert 4 * DAY < lives <= 5 * DAY


def test_a_hold_is_released_with_a_reason(api: stripe.StripeClient) -> None:
    """Cancel: canceled, reason kept, nothing captured or refunded."""
    hold = pay(api, 5000, capture_method="manual")

    gone = api.v1.payment_intents.cancel(
        hold.id, {"cancellation_reason": "requested_by_customer", "expand": ["latest_charge"]}
    )

    assert (gone.status, gone.cancellation_reason) == ("canceled", "requested_by_customer")
    assert (gone.latest_charge.captured, gone.latest_charge.amount_refunded) == (False, 0)


def test_a_released_hold_cannot_be_captured(api: stripe.StripeClient) -> None:
    """Capturing what was canceled is refused, with the intent inside the error."""
    hold = pay(api, 5000, capture_method="manual")
    api.v1.payment_intents.cancel(hold.id)

    with refused("payment_intent_unexpected_state") as error:
        api.v1.payment_intents.capture(hold.id)

    assert error.value.error.payment_intent.status == "canceled"


def test_what_succeeded_cannot_be_canceled(api: stripe.StripeClient) -> None:
    """It can only be refunded."""
    intent = pay(api)

    with refused("payment_intent_unexpected_state"):
        api.v1.payment_intents.cancel(intent.id)


def test_what_succeeded_cannot_be_confirmed_again(api: stripe.StripeClient) -> None:
    """Confirming twice does not pay twice."""
    intent = pay(api)

    with refused("payment_intent_unexpected_state"):
        api.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})


def test_the_amount_of_a_hold_is_fixed(api: stripe.StripeClient) -> None:
    """Updating the amount after authorization is refused."""
    hold = pay(api, 5000, capture_method="manual")

    with refused("payment_intent_unexpected_state"):
        api.v1.payment_intents.update(hold.id, {"amount": 6000})


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
    ],
)
def test_declines(api: stripe.StripeClient, card: str, code: str, decline_code: str | None) -> None:
    """402 with code and decline_code, the failed charge, and the intent open for another card."""
    with refused(code, stripe.CardError) as declined:
        pay(api, card=card)

    error = declined.value.error
    assert decline_code is None or error.decline_code == decline_code
    assert error.charge.startswith("ch_")
    assert error.payment_intent.status == "requires_payment_method"
    again = api.v1.payment_intents.confirm(error.payment_intent.id, {"payment_method": "pm_card_visa"})
    assert again.status == "succeeded"


def test_a_decline_comes_with_advice(api: stripe.StripeClient) -> None:
    """advice_code says whether trying again makes sense."""
    with refused(kind=stripe.CardError) as declined:
        pay(api, card="pm_card_visa_chargeDeclinedLostCard")

    assert declined.value.error.advice_code == "do_not_try_again"


def test_a_card_that_declines_after_it_was_saved(api: stripe.StripeClient, person: str) -> None:
    """chargeCustomerFail attaches and declines."""
    saved = api.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": person}).id

    with refused("card_declined", stripe.CardError):
        pay(api, card=saved, customer=person, off_session=True)


def test_authentication_required_off_session(api: stripe.StripeClient, person: str) -> None:
    """402 authentication_required; the same intent then asks the customer on-session."""
    saved = api.v1.payment_methods.attach("pm_card_authenticationRequired", {"customer": person}).id

    with refused("authentication_required", stripe.CardError) as declined:
        pay(api, card=saved, customer=person, off_session=True)

    kept = declined.value.error.payment_intent
    assert kept.status == "requires_payment_method"
    asked = api.v1.payment_intents.confirm(kept.id, {"payment_method": saved, "return_url": "https://example.com/"})
    assert (asked.status, asked.next_action.type) == ("requires_action", "redirect_to_url")


def test_three_d_secure_on_session(api: stripe.StripeClient) -> None:
    """A card that requires it leads to requires_action with somewhere to go."""
    intent = pay(api, card="pm_card_threeDSecure2Required", return_url="https://example.com/")

    assert intent.status == "requires_action"
    assert intent.next_action.redirect_to_url.url


def test_a_card_that_counts_as_set_up_pays_off_session(api: stripe.StripeClient, person: str) -> None:
    """authenticationRequiredSetupForOffSession: no question asked."""
    card = "pm_card_authenticationRequiredSetupForOffSession"
    saved = api.v1.payment_methods.attach(card, {"customer": person}).id

    assert pay(api, card=saved, customer=person, off_session=True).status == "succeeded"


def test_a_payment_can_save_its_card(api: stripe.StripeClient, person: str) -> None:
    """setup_future_usage attaches the card, which then pays off-session."""
    pay(api, customer=person, setup_future_usage="off_session")
    saved = api.v1.customers.payment_methods.list(person).data

    assert len(saved) == 1
    assert pay(api, card=saved[0].id, customer=person, off_session=True).status == "succeeded"


def test_a_setup_intent_saves_a_card(api: stripe.StripeClient, person: str) -> None:
    """usage=off_session, confirmed: succeeded and attached."""
    setup = api.v1.setup_intents.create(
        {"customer": person, "payment_method": "pm_card_visa", "confirm": True, "usage": "off_session", **CARD}
    )

    assert setup.status == "succeeded"
    assert [method.id for method in api.v1.customers.payment_methods.list(person).data] == [setup.payment_method]


def test_a_succeeded_setup_intent_is_closed(api: stripe.StripeClient) -> None:
    """It can be neither canceled nor confirmed again."""
    setup = api.v1.setup_intents.create({"payment_method": "pm_card_visa", "confirm": True, **CARD})

    with refused("setup_intent_unexpected_state"):
        api.v1.setup_intents.cancel(setup.id)


def test_off_session_does_not_go_with_setting_up(api: stripe.StripeClient, person: str) -> None:
    """off_session and setup_future_usage together are refused."""
    saved = api.v1.payment_methods.attach("pm_card_visa", {"customer": person}).id

    with refused():
        pay(api, card=saved, customer=person, off_session=True, setup_future_usage="off_session")


def test_a_detached_card_is_spent(api: stripe.StripeClient, person: str) -> None:
    """It may not be used again."""
    saved = api.v1.payment_methods.attach("pm_card_visa", {"customer": person}).id
    api.v1.payment_methods.detach(saved)

    with refused():
        pay(api, card=saved, customer=person, off_session=True)


def test_a_saved_card_pays_for_its_customer_only(api: stripe.StripeClient, person: str) -> None:
    """Without its customer, or with another one, it is refused."""
    saved = api.v1.payment_methods.attach("pm_card_visa", {"customer": person}).id
    other = api.v1.customers.create({"name": "other"}).id

    with refused():
        pay(api, card=saved)
    with refused():
        pay(api, card=saved, customer=other)


def test_a_card_used_once_without_a_customer_is_spent(api: stripe.StripeClient) -> None:
    """Reusing the PaymentMethod of a past payment is refused."""
    used = pay(api).payment_method

    with refused():
        pay(api, card=used)


def test_lists_by_customer_and_time(api: stripe.StripeClient, person: str) -> None:
    """A customer's payments since a moment: what a lost answer left behind is found."""
    intent = pay(api, customer=person, metadata={"attempt_id": "att_1"})

    found = api.v1.payment_intents.list({"customer": person, "created": {"gte": intent.created}}).data
    later = api.v1.payment_intents.list({"customer": person, "created": {"gt": intent.created + DAY}}).data

    assert [row.metadata["attempt_id"] for row in found] == ["att_1"]
    assert later == []


def test_lists_page_by_cursor(api: stripe.StripeClient, person: str) -> None:
    """Newest first, has_more, starting_after."""
    made = [pay(api, customer=person).id for _ in range(3)]

    first = api.v1.payment_intents.list({"customer": person, "limit": 2})
    rest = api.v1.payment_intents.list({"customer": person, "limit": 2, "starting_after": first.data[-1].id})

    assert [row.id for row in first.data] == made[:0:-1]
    assert (first.has_more, [row.id for row in rest.data], rest.has_more) == (True, made[:1], False)


def test_a_repeated_key_pays_once(api: stripe.StripeClient, person: str) -> None:
    """Same key, same parameters: the same intent."""
    key = str(uuid.uuid4())

    first = pay(api, customer=person, options={"idempotency_key": key})
    again = pay(api, customer=person, options={"idempotency_key": key})

    assert again.id == first.id
    assert len(api.v1.payment_intents.list({"customer": person}).data) == 1


def test_a_declined_key_stays_declined(api: stripe.StripeClient) -> None:
    """The decline is the key's answer: no second charge."""
    key, charges = str(uuid.uuid4()), set()
    for _ in range(2):
        with refused("card_declined", stripe.CardError) as declined:
            pay(api, card="pm_card_visa_chargeDeclined", options={"idempotency_key": key})
        charges.add(declined.value.error.charge)

    assert len(charges) == 1


def test_a_key_does_not_take_other_parameters(api: stripe.StripeClient) -> None:
    """idempotency_error."""
    key = str(uuid.uuid4())
    pay(api, options={"idempotency_key": key})

    with refused(kind=stripe.IdempotencyError):
        pay(api, 2000, options={"idempotency_key": key})


def test_a_key_is_free_again_after_a_validation_error(api: stripe.StripeClient) -> None:
    """A 400 before execution is not stored."""
    key = str(uuid.uuid4())
    with refused():
        pay(api, colour="red", options={"idempotency_key": key})

    assert pay(api, options={"idempotency_key": key}).status == "succeeded"


WRONG: dict[str, tuple[dict[str, Any], str | None]] = {
    "an unknown parameter": ({"colour": "red"}, "parameter_unknown"),
    "payment_method_types": ({"payment_method_types": ["card"]}, None),
    "too little": ({"amount": 10}, "amount_too_small"),
    "too much": ({"amount": 100_000_000}, "amount_too_large"),
    "no such currency": ({"currency": "xxx"}, None),
    "KWD not ending in 0": ({"currency": "kwd", "amount": 1005}, None),
    "no such customer": ({"customer": "cus_none"}, "resource_missing"),
    "no such payment method": ({"payment_method": "pm_none"}, "resource_missing"),
    "no such capture method": ({"capture_method": "someday"}, None),
    "statement text without a letter": ({"statement_descriptor_suffix": "12345"}, None),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_right_is_refused(api: stripe.StripeClient, wrong: str) -> None:
    """400 with the documented code."""
    more, code = WRONG[wrong]

    with refused(code):
        pay(api, **more)


def test_a_missing_amount_is_named(api: stripe.StripeClient) -> None:
    """parameter_missing with param."""
    with refused("parameter_missing") as error:
        api.v1.payment_intents.create({"currency": "eur"})

    assert error.value.param == "amount"


def test_redirects_need_a_return_url(api: stripe.StripeClient) -> None:
    """With automatic payment methods a server must say where to come back to."""
    with refused():
        api.v1.payment_intents.create(
            {"amount": 1000, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True}
        )


def test_refunds_add_up_to_what_was_captured(api: stripe.StripeClient) -> None:
    """4.00 and the rest; then no more."""
    intent = pay(api)
    assert api.v1.refunds.create({"payment_intent": intent.id, "amount": 400}).status == "succeeded"

    with refused():
        api.v1.refunds.create({"payment_intent": intent.id, "amount": 601})
    assert api.v1.refunds.create({"payment_intent": intent.id}).amount == 600
    with refused("charge_already_refunded"):
        api.v1.refunds.create({"payment_intent": intent.id})


def test_a_hold_cannot_be_refunded(api: stripe.StripeClient) -> None:
    """Nothing was taken: it can only be canceled."""
    hold = pay(api, 5000, capture_method="manual")

    with refused():
        api.v1.refunds.create({"payment_intent": hold.id})


def test_expansion_reaches_the_fees(api: stripe.StripeClient) -> None:
    """latest_charge.balance_transaction of a captured hold: amount, fee and net add up."""
    hold = pay(api, 5000, capture_method="manual")

    done = api.v1.payment_intents.capture(hold.id, {"expand": ["latest_charge.balance_transaction"]})

    moved = done.latest_charge.balance_transaction
    assert moved.net == moved.amount - moved.fee


def test_metadata_merges(api: stripe.StripeClient, person: str) -> None:
    """Keys not named stay, '' removes."""
    api.v1.customers.update(person, {"metadata": {"a": "1", "b": "2"}})

    after = api.v1.customers.update(person, {"metadata": {"a": "", "c": "3"}})

    assert after.metadata.to_dict() == {"b": "2", "c": "3"}


def test_a_deleted_customer_reads_as_deleted(api: stripe.StripeClient, person: str) -> None:
    """And cannot be charged."""
    api.v1.customers.delete(person)

    assert api.v1.customers.retrieve(person).deleted
    with refused("resource_missing"):
        api.v1.payment_intents.create({"amount": 1000, "currency": "eur", "customer": person})


def test_events_tell_what_happened(api: stripe.StripeClient) -> None:
    """created, charge.succeeded and succeeded are in the event log, with the intent inside."""
    intent = pay(api)

    wanted = {"payment_intent.created", "charge.succeeded", "payment_intent.succeeded"}
    types: set[str] = set()
    for _ in range(10):  # Stripe's log is written a moment later
        types = {
            event.type
            for event in api.v1.events.list({"limit": 50, "created": {"gte": intent.created}}).data
            if intent.id in (event.data.object.id, getattr(event.data.object, "payment_intent", None))
        }
        if types >= wanted:
            break
        time.sleep(0.5)

    assert types >= wanted


def test_a_checkout_session_can_be_expired_once(api: stripe.StripeClient) -> None:
    """Open with a url; expired without one; expiring again is refused."""
    price = {"currency": "eur", "unit_amount": 1250, "product_data": {"name": "Haircut"}}
    made = api.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [{"price_data": price, "quantity": 2}],
            "success_url": "https://example.com/",
            "adaptive_pricing": {"enabled": False},
        }
    )
    assert (made.status, made.payment_status, made.amount_total) == ("open", "unpaid", 2500)

    gone = api.v1.checkout.sessions.expire(made.id)

    assert (gone.status, gone.url) == ("expired", None)
    with refused():
        api.v1.checkout.sessions.expire(made.id)


def test_the_contract_runs_against_stripe_too() -> None:
    """Without a key this says so; with one, every test above ran against Stripe's test mode as well."""
    if not TEST_KEY:
        pytest.skip(NO_KEY)
