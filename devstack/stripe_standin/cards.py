"""Owns the documented test cards: numbers, `pm_card_*` and `tok_*` ids, and how each behaves.

What a decline or a 3-D Secure demand does to an intent is decided in the intents' own modules.
Source: https://docs.stripe.com/testing; advice codes: https://docs.stripe.com/declines/card.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple


class Decline(NamedTuple):
    code: str
    decline_code: str | None
    message: str
    advice_code: str | None = None
    network_decline_code: str | None = None
    blocked: bool = False  # by Radar: the network never saw it


_DECLINED = "Your card was declined."
DECLINES = {
    "generic_decline": Decline("card_declined", "generic_decline", _DECLINED, "try_again_later", "01"),
    "insufficient_funds": Decline(
        "card_declined", "insufficient_funds", "Your card has insufficient funds.", "try_again_later", "51"
    ),
    "lost_card": Decline("card_declined", "lost_card", _DECLINED, "do_not_try_again", "41"),
    "stolen_card": Decline("card_declined", "stolen_card", _DECLINED, "do_not_try_again", "43"),
    "fraudulent": Decline("card_declined", "fraudulent", _DECLINED, "do_not_try_again", None, True),
    "velocity": Decline(
        "card_declined",
        "card_velocity_exceeded",
        "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
        "try_again_later",
        "61",
    ),
    "do_not_honor": Decline("card_declined", "do_not_honor", _DECLINED, "try_again_later", "05"),
    "expired_card": Decline("expired_card", "expired_card", "Your card has expired.", "confirm_card_data", "54"),
    "incorrect_cvc": Decline(
        "incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.", "confirm_card_data", "N7"
    ),
    "incorrect_number": Decline(
        "incorrect_number", "incorrect_number", "Your card number is incorrect.", "confirm_card_data", "14"
    ),
    "processing_error": Decline(
        "processing_error",
        "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
        "try_again_later",
        "96",
    ),
    "authentication_required": Decline(
        "authentication_required",
        "authentication_required",
        "Your card was declined. This transaction requires authentication.",
        None,
        "1A",
    ),
}


class Card(NamedTuple):
    """One test card. `sca` says when the issuer asks for 3-D Secure:

    "" never · "always" on- and off-session, saved or not · "unless_set_up" on-session always, off-session until a
    setup was authenticated · "already_set_up" on-session always, off-session never
    """

    number: str
    names: tuple[str, ...]
    brand: str = "visa"
    funding: str = "credit"
    country: str = "US"
    decline: str = ""
    decline_on: str = "setup charge"
    sca: str = ""
    dispute: str = ""
    refund: str = ""
    cvc_check: str = "pass"
    line1_check: str = "pass"
    zip_check: str = "pass"
    risk: str = "normal"
    bypass_pending: bool = False

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.number)


def fingerprint(number: str) -> str:
    """Stable per number, as Stripe's is: it is also how a stored PaymentMethod finds its behaviour again."""
    return hashlib.blake2b(number.encode(), digest_size=8).hexdigest().upper()


CARDS = (
    Card("4242424242424242", ("visa", "us")),
    Card("4012888888881881", ()),
    Card("4000056655665556", ("visa_debit",), funding="debit"),
    Card("5555555555554444", ("mastercard",), "mastercard"),
    Card("2223003122003222", (), "mastercard"),
    Card("5200828282828210", ("mastercard_debit",), "mastercard", "debit"),
    Card("5105105105105100", ("mastercard_prepaid",), "mastercard", "prepaid"),
    Card("378282246310005", ("amex", "amex_threeDSecureNotSupported"), "amex"),
    Card("371449635398431", (), "amex"),
    Card("6011111111111117", ("discover",), "discover"),
    Card("6011000990139424", (), "discover"),
    Card("3056930009020004", ("diners",), "diners"),
    Card("36227206271667", (), "diners"),
    Card("3566002020360505", ("jcb",), "jcb"),
    Card("6200000000000005", ("unionpay",), "unionpay"),
    # By country: the ones whose numbers the documentation lists for Europe and the larger markets.
    Card("4000000760000002", ("br",), country="BR"),
    Card("4000001240000000", ("ca",), country="CA"),
    Card("4000004840008001", ("mx",), country="MX"),
    Card("4000000400000008", ("at",), country="AT"),
    Card("4000000560000004", ("be",), country="BE"),
    Card("4000002080000001", ("dk",), country="DK"),
    Card("4000002460000001", ("fi",), country="FI"),
    Card("4000002500000003", ("fr",), country="FR"),
    Card("4000002760000016", ("de",), country="DE"),
    Card("4000003720000005", ("ie",), country="IE"),
    Card("4000003800000008", ("it",), country="IT"),
    Card("4000005280000002", ("nl",), country="NL"),
    Card("4000005780000007", ("no",), country="NO"),
    Card("4000006160000005", ("pl",), country="PL"),
    Card("4000006200000007", ("pt",), country="PT"),
    Card("4000007240000007", ("es",), country="ES"),
    Card("4000007520000008", ("se",), country="SE"),
    Card("4000007560000009", ("ch",), country="CH"),
    Card("4000008260000000", ("gb",), country="GB"),
    Card("4000000360000006", ("au",), country="AU"),
    Card("4000003920000003", ("jp",), "visa", country="JP"),
    Card("4000007020000003", ("sg",), country="SG"),
    # Declines
    Card("4000000000000002", ("visa_chargeDeclined", "chargeDeclined"), decline="generic_decline"),
    Card(
        "4000000000009995",
        ("visa_chargeDeclinedInsufficientFunds", "chargeDeclinedInsufficientFunds"),
        decline="insufficient_funds",
    ),
    Card("4000000000009987", ("visa_chargeDeclinedLostCard", "chargeDeclinedLostCard"), decline="lost_card"),
    Card("4000000000009979", ("visa_chargeDeclinedStolenCard", "chargeDeclinedStolenCard"), decline="stolen_card"),
    Card("4000000000000069", ("chargeDeclinedExpiredCard",), decline="expired_card"),
    Card("4000000000000127", ("chargeDeclinedIncorrectCvc",), decline="incorrect_cvc", cvc_check="fail"),
    Card("4000000000000119", ("chargeDeclinedProcessingError",), decline="processing_error"),
    Card(
        "4000000000006975",
        ("visa_chargeDeclinedVelocityLimitExceeded", "chargeDeclinedVelocityLimitExceeded"),
        decline="velocity",
    ),
    Card(
        "4000000000000341",
        ("chargeCustomerFail", "visa_chargeCustomerFail"),
        decline="generic_decline",
        decline_on="charge",
    ),
    # Fraud prevention
    Card("4100000000000019", ("radarBlock",), decline="fraudulent", decline_on="charge", risk="highest"),
    Card("4000000000004954", ("riskLevelHighest",), decline="fraudulent", decline_on="charge", risk="highest"),
    Card("4000000000009235", ("riskLevelElevated",), risk="elevated"),
    Card("4000000000000101", ("cvcCheckFail",), cvc_check="fail"),
    Card("4000000000000036", ("avsZipFail",), zip_check="fail"),
    Card("4000000000000028", ("avsLine1Fail",), line1_check="fail"),
    Card("4000000000000010", ("avsFail",), line1_check="fail", zip_check="fail"),
    Card("4000000000000044", ("avsUnchecked",), line1_check="unavailable", zip_check="unavailable"),
    # Disputes
    Card("4000000000000259", ("createDispute",), dispute="fraudulent"),
    Card("4000000000002685", ("createDisputeProductNotReceived",), dispute="product_not_received"),
    Card("4000000000001976", ("createDisputeInquiry",), dispute="inquiry"),
    Card("4000000000005423", ("createIssuerFraudRecord",), dispute="warning"),
    # Refunds
    Card("4000000000007726", ("pendingRefund",), refund="pending"),
    Card("4000000000005126", ("refundFail",), refund="fail"),
    # Available balance
    Card("4000000000000077", ("bypassPending",), bypass_pending=True),
    Card("4000003720000278", ("bypassPendingInternational",), country="IE", bypass_pending=True),
    # 3-D Secure
    Card("4000002500003155", ("authenticationRequiredOnSetup",), country="FR", sca="unless_set_up"),
    Card("4000002760003184", ("authenticationRequired",), country="DE", sca="always"),
    Card("4000003800000446", ("authenticationRequiredSetupForOffSession",), country="IT", sca="already_set_up"),
    Card(
        "4000008260003178",
        ("authenticationRequiredChargeDeclinedInsufficientFunds",),
        country="GB",
        sca="always",
        decline="insufficient_funds",
        decline_on="charge",
    ),
    Card("4000000000003220", ("threeDSecure2Required", "threeDSecureRequired"), sca="always"),
    Card("4000008400001629", ("threeDSecureRequiredChargeDeclined",), sca="always", decline="generic_decline"),
    Card("4000008400001280", ("threeDSecureRequiredProcessingError",), sca="always", decline="processing_error"),
    Card("4000000000003055", ("threeDSecureOptional",)),
    Card("4000000000003097", ("threeDSecureOptionalProcessingError",)),
)

BY_NUMBER = {card.number: card for card in CARDS}
BY_FINGERPRINT = {card.fingerprint: card for card in CARDS}
BY_NAME = {name: card for card in CARDS for name in card.names}


def named(id: str) -> Card | None:
    """The card behind a `pm_card_*` or `tok_*` id."""
    if id.startswith("pm_card_"):
        return BY_NAME.get(id[8:])
    if id.startswith("tok_"):
        return BY_NAME.get(id[4:])
    return None


def passes_luhn(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number)]
    return (sum(digits[0::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0
