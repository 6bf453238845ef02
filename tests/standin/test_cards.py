"""The documented test cards: what each does when it is charged, saved, or asked for 3-D Secure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from .conftest import CARD_ONLY, PUBLISHABLE_KEY, Standin

Pay = Callable[..., Any]
ON_SESSION = {"return_url": "https://example.com/back"}

DECLINES = [
    ("pm_card_chargeDeclined", "card_declined", "generic_decline", "try_again_later"),
    ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline", "try_again_later"),
    ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds", "try_again_later"),
    ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds", "try_again_later"),
    ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card", "do_not_try_again"),
    ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card", "do_not_try_again"),
    ("pm_card_visa_chargeDeclinedVelocityLimitExceeded", "card_declined", "card_velocity_exceeded", "try_again_later"),
    ("pm_card_radarBlock", "card_declined", "fraudulent", "do_not_try_again"),
    ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card", "confirm_card_data"),
    ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc", "confirm_card_data"),
    ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error", "try_again_later"),
]


@pytest.mark.parametrize(("card", "code", "decline_code", "advice"), DECLINES)
def test_a_declined_card_answers_402_with_the_reason_and_the_intent(
    client: stripe.StripeClient, pay: Pay, standin: Standin, card: str, code: str, decline_code: str, advice: str
) -> None:
    """Every kind of decline carries code, decline_code, advice_code, the failed charge and the reopened intent."""
    with pytest.raises(stripe.CardError) as declined:
        pay(1000, card=card)

    error = declined.value.error
    assert (declined.value.http_status, error.code, error.decline_code, error.advice_code) == (
        402,
        code,
        decline_code,
        advice,
    )
    intent = client.v1.payment_intents.retrieve(error.payment_intent.id, {"expand": ["latest_charge"]})
    assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
    assert intent.last_payment_error.decline_code == decline_code
    assert intent.latest_charge.id == error.charge
    assert (intent.latest_charge.status, intent.latest_charge.paid) == ("failed", False)
    assert standin.events("charge.failed", "payment_intent.payment_failed") == [
        "charge.failed",
        "payment_intent.payment_failed",
    ]


def test_after_a_decline_another_card_pays_the_same_intent(client: stripe.StripeClient, pay: Pay) -> None:
    """A declined intent is open: confirming it with a good card succeeds and clears the error."""
    with pytest.raises(stripe.CardError) as declined:
        pay(1000, card="pm_card_chargeDeclined")

    paid = client.v1.payment_intents.confirm(
        declined.value.error.payment_intent.id, {"payment_method": "pm_card_mastercard"}
    )

    assert (paid.status, paid.last_payment_error) == ("succeeded", None)


def test_a_card_that_declines_after_being_saved(client: stripe.StripeClient, pay: Pay, customer: str) -> None:
    """chargeCustomerFail is saved without complaint and declines every later charge."""
    saved = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})

    with pytest.raises(stripe.CardError) as declined:
        pay(1000, card=saved.id, customer=customer, off_session=True)

    assert declined.value.code == "card_declined"
    assert client.v1.payment_methods.retrieve(saved.id).customer == customer


def test_a_card_that_declines_cannot_be_saved(client: stripe.StripeClient, customer: str) -> None:
    """Attaching a card that always declines is refused with the bank's reason."""
    with pytest.raises(stripe.CardError) as declined:
        client.v1.payment_methods.attach("pm_card_chargeDeclined", {"customer": customer})

    assert declined.value.code == "card_declined"
    assert client.v1.customers.payment_methods.list(customer).data == []


@pytest.mark.parametrize(
    ("number", "brand", "last4"),
    [
        ("4242424242424242", "visa", "4242"),
        ("5555555555554444", "mastercard", "4444"),
        ("378282246310005", "amex", "0005"),
    ],
)
def test_a_documented_number_makes_the_card_it_documents(
    client: stripe.StripeClient, number: str, brand: str, last4: str
) -> None:
    """card[number] resolves to brand, last four digits and the checks that were possible."""
    method = client.v1.payment_methods.create(
        {
            "type": "card",
            "card": {"number": number, "exp_month": 12, "exp_year": 2031, "cvc": "1234" if brand == "amex" else "123"},
        }
    )

    assert (method.card.brand, method.card.last4, method.card.checks.cvc_check) == (brand, last4, "pass")


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ({"number": "4242424242424241", "exp_month": 1, "exp_year": 2030}, "incorrect_number"),
        ({"number": "4242424242424242", "exp_month": 13, "exp_year": 2030}, "invalid_expiry_month"),
        ({"number": "4242424242424242", "exp_month": 1, "exp_year": 2020}, "invalid_expiry_year"),
        ({"number": "4242424242424242", "exp_month": 1, "exp_year": 2030, "cvc": "99"}, "invalid_cvc"),
        ({"number": "4111111111111111", "exp_month": 1, "exp_year": 2030}, "card_declined"),
    ],
)
def test_card_data_that_cannot_be_right_is_refused(
    client: stripe.StripeClient, card: dict[str, Any], code: str
) -> None:
    """Wrong check digit, dates, security code, and numbers that are no test card each answer their own code."""
    with pytest.raises(stripe.CardError) as refused:
        client.v1.payment_methods.create({"type": "card", "card": card})

    assert refused.value.code == code


# Every PaymentMethod id and every number of https://docs.stripe.com/testing that a server can use: in-person and
# captcha cards left out.
DOCUMENTED_IDS = """
    visa visa_debit mastercard mastercard_debit mastercard_prepaid amex discover diners jcb unionpay
    visa_cartesBancaires mastercard_cartesBancaires visa_debit_eftposAuCoBranded mastercard_debit_eftposAuCoBranded
    us ar br ca cl co cr ec mx pa py pe uy at be bg by cy cz dk fi fr de gr hu ie it lv lt lu mt nl no pl pt ro si sk es
    se ch gb gb_debit gb_mastercard au cn hk in jp my nz sg tw th_credit th_debit
    debit_visaFsaProductCode debit_visaHsaProductCode mastercard_debit_mastercardFsaProductCode
    visa_chargeDeclined visa_chargeDeclinedInsufficientFunds visa_chargeDeclinedLostCard visa_chargeDeclinedStolenCard
    chargeDeclinedExpiredCard chargeDeclinedIncorrectCvc chargeDeclinedProcessingError
    visa_chargeDeclinedVelocityLimitExceeded chargeCustomerFail
    radarBlock riskLevelHighest riskLevelElevated cvcCheckFail avsZipFail cvcCheckFailElevatedRisk
    avsZipFailElevatedRisk avsLine1Fail avsFail avsUnchecked
    createDispute createDisputeProductNotReceived createDisputeInquiry createIssuerFraudRecord createMultipleDisputes
    createCe3EligibleDispute createComplianceDispute pendingRefund refundFail bypassPending bypassPendingInternational
    authenticationRequiredOnSetup authenticationRequired authenticationRequiredSetupForOffSession
    authenticationRequiredChargeDeclinedInsufficientFunds threeDSecure2Required threeDSecureRequiredChargeDeclined
    threeDSecureRequiredProcessingError threeDSecureOptional threeDSecureOptionalProcessingError
    amex_threeDSecureNotSupported
""".split()  # noqa: SIM905
DOCUMENTED_NUMBERS = """
    4242424242424242 4000056655665556 5555555555554444 2223003122003222 5200828282828210 5105105105105100
    378282246310005 371449635398431 6011111111111117 6011000990139424 3056930009020004 36227206271667 3566002020360505
    6200000000000005 4000002500001001 5555552500001001 4000050360000001 5555050360000080 4000000320000021
    3530111333300000 4000051230000072 5200828282828897 4000000000000002 4000000000009995
    4000000000009987 4000000000009979 4000000000000069 4000000000000127 4000000000000119 4000000000006975
    4000000000000341 4100000000000019 4000000000004954 4000000000009235 4000000000000101 4000000000000036
    4000058400307872 4000058400306072 4000000000000028 4000000000000010 4000000000000044 4000000000000259
    4000000000002685 4000000000001976 4000000000005423 4000000404000079 4000000404000038 4000008400000779
    4000000000007726 4000000000005126 4000000000000077 4000003720000278 4000002500003155 4000002760003184
    4000003800000446 4000008260003178 4000000000003220 4000008400001629 4000008400001280 4000000000003055
    4000000000003097 4000582600000094 4000582600000045 4000582600000102 4000582600000110
""".split()  # noqa: SIM905


def test_every_documented_id_is_a_card(client: stripe.StripeClient) -> None:
    """An intent takes each `pm_card_` id; its `tok_` twin makes a PaymentMethod of the same card."""
    for name in DOCUMENTED_IDS:
        intent = client.v1.payment_intents.create(
            {"amount": 1000, "currency": "eur", "payment_method": f"pm_card_{name}", "expand": ["payment_method"]}
        )
        twin = client.v1.payment_methods.create({"type": "card", "card": {"token": f"tok_{name}"}})
        assert intent.payment_method.card.fingerprint == twin.card.fingerprint, name


def test_every_documented_number_is_a_card(client: stripe.StripeClient) -> None:
    """Each has a right check digit and makes a PaymentMethod of its last four digits."""
    for number in DOCUMENTED_NUMBERS:
        made = client.v1.payment_methods.create(
            {"type": "card", "card": {"number": number, "exp_month": 12, "exp_year": 2034}}
        )
        assert made.card.last4 == number[-4:]


@pytest.mark.parametrize(
    ("card", "param"),
    [
        ("pm_card_chargeDeclinedExpiredCard", "exp_month"),
        ("pm_card_chargeDeclinedIncorrectCvc", "cvc"),
        ("pm_card_visa_chargeDeclined", None),
    ],
)
def test_a_decline_names_the_field_to_blame(pay: Pay, card: str, param: str | None) -> None:
    """So that a form can show it there."""
    with pytest.raises(stripe.CardError) as declined:
        pay(1000, card=card)

    assert declined.value.param == param


# --- 3-D Secure


def test_an_insufficient_card_that_was_set_up_is_not_asked_again_and_declines(
    client: stripe.StripeClient, pay: Pay, standin: Standin, customer: str
) -> None:
    """authenticationRequiredChargeDeclinedInsufficientFunds: set up or not, its payments end in insufficient_funds."""
    card = "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds"
    setup = client.v1.setup_intents.create(
        {"customer": customer, "payment_method": card, "confirm": True, **CARD_ONLY, **ON_SESSION}
    )
    standin.control("authenticate", {"setup_intent": setup.id, "outcome": "succeed"})

    with pytest.raises(stripe.CardError) as declined:
        pay(1000, card=setup.payment_method, customer=customer, off_session=True)

    assert declined.value.error.decline_code == "insufficient_funds"


def test_a_3d_secure_lookup_that_fails_declines_without_asking(pay: Pay) -> None:
    """The required one: card_declined at once. The optional one: only where 3-D Secure was asked for."""
    with pytest.raises(stripe.CardError) as declined:
        pay(1000, card="pm_card_threeDSecureRequiredProcessingError", **ON_SESSION)
    assert declined.value.code == "card_declined"

    card = "pm_card_threeDSecureOptionalProcessingError"
    assert pay(1000, card=card, **ON_SESSION).status == "succeeded"
    with pytest.raises(stripe.CardError) as declined:
        pay(1000, card=card, payment_method_options={"card": {"request_three_d_secure": "any"}}, **ON_SESSION)
    assert declined.value.code == "processing_error"


@pytest.mark.parametrize(
    ("card", "status"),
    [
        ("pm_card_threeDSecureOptional", "requires_action"),
        ("pm_card_visa", "succeeded"),  # not enrolled
        ("pm_card_amex_threeDSecureNotSupported", "succeeded"),
    ],
)
def test_3d_secure_is_asked_for_where_the_merchant_wants_it_and_the_card_can(pay: Pay, card: str, status: str) -> None:
    """request_three_d_secure=any asks the holder of an enrolled card only; without it nobody is asked."""
    wanted = {"payment_method_options": {"card": {"request_three_d_secure": "any"}}}

    assert pay(1000, card=card, **wanted, **ON_SESSION).status == status
    assert pay(1000, card=card, **ON_SESSION).status == "succeeded"


def test_with_manual_confirmation_the_server_confirms_again(
    client: stripe.StripeClient, pay: Pay, standin: Standin
) -> None:
    """After 3-D Secure the intent requires confirmation: nothing is taken until the server says so, and then once."""
    intent = pay(1000, card="pm_card_threeDSecure2Required", confirmation_method="manual", **ON_SESSION)
    standin.control("authenticate", {"payment_intent": intent.id, "outcome": "succeed"})
    waiting = client.v1.payment_intents.retrieve(intent.id)
    assert (waiting.status, waiting.amount_received) == ("requires_confirmation", 0)

    assert client.v1.payment_intents.confirm(intent.id, ON_SESSION).status == "succeeded"


def test_off_session_authentication_required_keeps_the_intent_for_the_customer(
    client: stripe.StripeClient, pay: Pay, standin: Standin, customer: str
) -> None:
    """Off-session it declines with authentication_required; the same intent is then confirmed on-session and paid."""
    saved = client.v1.payment_methods.attach("pm_card_authenticationRequired", {"customer": customer})
    with pytest.raises(stripe.CardError) as declined:
        pay(2500, card=saved.id, customer=customer, off_session=True, capture_method="manual")
    error = declined.value.error
    assert (error.code, error.decline_code) == ("authentication_required", "authentication_required")
    kept = error.payment_intent
    assert kept.status == "requires_payment_method"
    assert kept.last_payment_error.payment_method.id == saved.id

    asked = client.v1.payment_intents.confirm(kept.id, {"payment_method": saved.id, **ON_SESSION})
    assert asked.status == "requires_action"
    assert asked.next_action.redirect_to_url.return_url == ON_SESSION["return_url"]
    standin.control("authenticate", {"payment_intent": kept.id, "outcome": "succeed"})

    paid = client.v1.payment_intents.retrieve(kept.id, {"expand": ["latest_charge"]})
    assert (paid.status, paid.amount_capturable) == ("requires_capture", 2500)
    assert paid.latest_charge.payment_method_details.card.three_d_secure.result == "authenticated"


def test_failed_authentication_reopens_the_intent(client: stripe.StripeClient, pay: Pay, standin: Standin) -> None:
    """When the customer fails 3-D Secure the intent asks for a payment method again and says why."""
    intent = pay(2500, card="pm_card_threeDSecure2Required", **ON_SESSION)
    assert intent.status == "requires_action"

    standin.control("authenticate", {"payment_intent": intent.id, "outcome": "fail"})

    failed = client.v1.payment_intents.retrieve(intent.id)
    assert (failed.status, failed.payment_method) == ("requires_payment_method", None)
    assert failed.last_payment_error.code == "payment_intent_authentication_failure"
    assert standin.events("payment_intent.requires_action", "payment_intent.payment_failed") == [
        "payment_intent.requires_action",
        "payment_intent.payment_failed",
    ]


def test_a_card_that_counts_as_set_up_asks_only_on_session(
    client: stripe.StripeClient, pay: Pay, customer: str
) -> None:
    """authenticationRequiredSetupForOffSession pays off-session at once, and on-session only after 3-D Secure."""
    card = "pm_card_authenticationRequiredSetupForOffSession"
    saved = client.v1.payment_methods.attach(card, {"customer": customer})

    assert pay(1000, card=saved.id, customer=customer, off_session=True).status == "succeeded"
    assert pay(1000, card=saved.id, customer=customer, **ON_SESSION).status == "requires_action"


def test_a_card_that_must_be_set_up_pays_off_session_once_its_setup_was_authenticated(
    client: stripe.StripeClient, pay: Pay, standin: Standin, customer: str
) -> None:
    """authenticationRequiredOnSetup declines off-session until a SetupIntent with it was authenticated."""
    saved = client.v1.payment_methods.attach("pm_card_authenticationRequiredOnSetup", {"customer": customer})
    with pytest.raises(stripe.CardError):
        pay(1000, card=saved.id, customer=customer, off_session=True)

    setup = client.v1.setup_intents.create(
        {"customer": customer, "payment_method": saved.id, "confirm": True, "usage": "off_session", **CARD_ONLY}
    )
    assert setup.status == "requires_action"
    standin.control("authenticate", {"setup_intent": setup.id, "outcome": "succeed"})

    assert client.v1.setup_intents.retrieve(setup.id).status == "succeeded"
    assert pay(1000, card=saved.id, customer=customer, off_session=True).status == "succeeded"


def test_authentication_does_not_save_a_card_from_its_bank(
    client: stripe.StripeClient, pay: Pay, standin: Standin
) -> None:
    """A card may be authenticated and still be declined for insufficient funds."""
    intent = pay(1000, card="pm_card_authenticationRequiredChargeDeclinedInsufficientFunds", **ON_SESSION)

    standin.control("authenticate", {"payment_intent": intent.id, "outcome": "succeed"})

    declined = client.v1.payment_intents.retrieve(intent.id)
    assert (declined.status, declined.last_payment_error.decline_code) == (
        "requires_payment_method",
        "insufficient_funds",
    )


def test_error_on_requires_action_declines_instead_of_asking(pay: Pay) -> None:
    """A caller that cannot handle 3-D Secure is answered 402 authentication_not_handled."""
    with pytest.raises(stripe.CardError) as declined:
        pay(1000, card="pm_card_threeDSecure2Required", error_on_requires_action=True)

    assert declined.value.error.decline_code == "authentication_not_handled"


def test_a_phone_confirms_with_the_publishable_key_and_the_client_secret(
    client: stripe.StripeClient, standin: Standin
) -> None:
    """The mobile SDK's way: publishable key and client_secret confirm; the answer hides what is the merchant's."""
    intent = client.v1.payment_intents.create(
        {
            "amount": 1500,
            "currency": "eur",
            "metadata": {"tab": "tab_1"},
            "automatic_payment_methods": {"enabled": True},
        }
    )
    phone = standin.client(PUBLISHABLE_KEY)

    paid = phone.v1.payment_intents.confirm(
        intent.id, {"client_secret": intent.client_secret, "payment_method": "pm_card_visa", "use_stripe_sdk": True}
    )

    assert paid.status == "succeeded"
    assert "metadata" not in paid.to_dict()
    assert client.v1.payment_intents.retrieve(intent.id).amount_received == 1500


def test_a_publishable_key_can_do_nothing_without_the_secret_of_the_intent(
    client: stripe.StripeClient, standin: Standin
) -> None:
    """Without the right client_secret it reads and confirms nothing, and server calls are not for it at all."""
    intent = client.v1.payment_intents.create({"amount": 1500, "currency": "eur", **CARD_ONLY})
    phone = standin.client(PUBLISHABLE_KEY)

    with pytest.raises(stripe.InvalidRequestError):
        phone.v1.payment_intents.retrieve(intent.id)
    with pytest.raises(stripe.InvalidRequestError) as wrong:
        phone.v1.payment_intents.confirm(
            intent.id, {"client_secret": intent.client_secret + "x", "payment_method": "pm_card_visa"}
        )
    assert wrong.value.code == "payment_intent_invalid_parameter"
    with pytest.raises(stripe.AuthenticationError):
        phone.v1.payment_intents.create({"amount": 1500, "currency": "eur"})
    assert client.v1.payment_intents.retrieve(intent.id).status == "requires_payment_method"
