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
    param: str | None = None  # of the card, where it is to blame


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
    "expired_card": Decline(
        "expired_card", "expired_card", "Your card has expired.", "confirm_card_data", "54", param="exp_month"
    ),
    "incorrect_cvc": Decline(
        "incorrect_cvc",
        "incorrect_cvc",
        "Your card's security code is incorrect.",
        "confirm_card_data",
        "N7",
        param="cvc",
    ),
    "incorrect_number": Decline(
        "incorrect_number",
        "incorrect_number",
        "Your card number is incorrect.",
        "confirm_card_data",
        "14",
        param="number",
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
    setup was authenticated · "already_set_up" on-session always, off-session never · "on_request" where the merchant
    asks for it · "fails_on_request" the same, and asking ends in an error
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


_VISA_BY_COUNTRY = {
    "AR": "4000000320000021", "BR": "4000000760000002", "CA": "4000001240000000", "CL": "4000001520000001",
    "CO": "4000001700000003", "CR": "4000001880000005", "EC": "4000002180000000", "MX": "4000004840008001",
    "PA": "4000005910000000", "PY": "4000006000000066", "PE": "4000006040000068", "UY": "4000008580000003",
    "AT": "4000000400000008", "BE": "4000000560000004", "BG": "4000001000000000", "BY": "4000001120000005",
    "CY": "4000001960000008", "CZ": "4000002030000002", "DK": "4000002080000001", "FI": "4000002460000001",
    "FR": "4000002500000003", "DE": "4000002760000016", "GR": "4000003000000030", "HU": "4000003480000005",
    "IE": "4000003720000005", "IT": "4000003800000008", "LV": "4000004280000005", "LT": "4000004400000000",
    "LU": "4000004420000006", "MT": "4000004700000007", "NL": "4000005280000002", "NO": "4000005780000007",
    "PL": "4000006160000005", "PT": "4000006200000007", "RO": "4000006420000001", "SA": "4000006820000007",
    "SI": "4000007050000006", "SK": "4000007030000001", "ES": "4000007240000007", "SE": "4000007520000008",
    "CH": "4000007560000009", "GB": "4000008260000000", "AU": "4000000360000006", "CN": "4000001560000002",
    "HK": "4000003440000004", "IN": "4000003560000008", "JP": "4000003920000003", "MY": "4000004580000002",
    "NZ": "4000005540000008", "SG": "4000007020000003", "TW": "4000001580000008",
}  # fmt: skip
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
    # Co-branded: whoever asks for nothing is charged by the international network.
    Card("4000002500001001", ("visa_cartesBancaires",), country="FR"),
    Card("5555552500001001", ("mastercard_cartesBancaires",), "mastercard", country="FR"),
    Card("4000050360000001", ("visa_debit_eftposAuCoBranded",), funding="debit", country="AU"),
    Card("5555050360000080", ("mastercard_debit_eftposAuCoBranded",), "mastercard", "debit", "AU"),
    # By country
    *(Card(number, (country.lower(),), country=country) for country, number in _VISA_BY_COUNTRY.items()),
    Card("4000058260000005", ("gb_debit",), funding="debit", country="GB"),
    Card("5555558265554449", ("gb_mastercard",), "mastercard", country="GB"),
    Card("3530111333300000", (), "jcb", country="JP"),
    Card("4000007640000003", ("th_credit",), country="TH"),
    Card("4000057640000008", ("th_debit",), funding="debit", country="TH"),
    # Health savings and flexible spending accounts
    Card("4000051230000072", ("debit_visaFsaProductCode", "debit_visaHsaProductCode"), funding="debit"),
    Card("5200828282828897", ("mastercard_debit_mastercardFsaProductCode",), "mastercard", "debit"),
    # Declines
    Card("4000000000000002", ("visa_chargeDeclined", "chargeDeclined"), decline="generic_decline"),
    Card(
        "4000000000009995",
        ("visa_chargeDeclinedInsufficientFunds", "chargeDeclinedInsufficientFunds"),
        decline="insufficient_funds",
    ),
    Card("4000000000009987", ("visa_chargeDeclinedLostCard", "chargeDeclinedLostCard"), decline="lost_card"),
    Card("4000000000009979", ("visa_chargeDeclinedStolenCard", "chargeDeclinedStolenCard"), decline="stolen_card"),
    Card(
        "4000000000000069", ("chargeDeclinedExpiredCard", "tok_visa_chargeDeclinedExpiredCard"), decline="expired_card"
    ),
    Card(
        "4000000000000127",
        ("chargeDeclinedIncorrectCvc", "tok_visa_chargeDeclinedIncorrectCvc"),
        decline="incorrect_cvc",
        cvc_check="fail",
    ),
    Card(
        "4000000000000119",
        ("chargeDeclinedProcessingError", "tok_visa_chargeDeclinedProcessingError"),
        decline="processing_error",
    ),
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
    Card("4000058400307872", ("cvcCheckFailElevatedRisk",), cvc_check="fail", risk="elevated"),
    Card("4000058400306072", ("avsZipFailElevatedRisk",), zip_check="fail", risk="elevated"),
    Card("4000000000000010", ("avsFail",), line1_check="fail", zip_check="fail"),
    Card("4000000000000044", ("avsUnchecked",), line1_check="unavailable", zip_check="unavailable"),
    # Disputes
    Card("4000000000000259", ("createDispute",), dispute="fraudulent"),
    Card("4000000000002685", ("createDisputeProductNotReceived",), dispute="product_not_received"),
    Card("4000000000001976", ("createDisputeInquiry",), dispute="inquiry"),
    Card("4000000000005423", ("createIssuerFraudRecord",), dispute="warning"),
    Card("4000000404000079", ("createMultipleDisputes",), dispute="multiple"),
    Card("4000000404000038", ("createCe3EligibleDispute",), dispute="visa_compelling_evidence_3"),
    Card("4000008400000779", ("createComplianceDispute",), dispute="visa_compliance"),
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
        sca="unless_set_up",
        decline="insufficient_funds",
        decline_on="charge",
    ),
    Card("4000000000003220", ("threeDSecure2Required", "threeDSecureRequired"), sca="always"),
    Card("4000008400001629", ("threeDSecureRequiredChargeDeclined",), sca="always", decline="generic_decline"),
    # The lookup fails, so nobody is asked: the payment is declined at once.
    Card("4000008400001280", ("threeDSecureRequiredProcessingError",), decline="generic_decline"),
    Card("4000000000003055", ("threeDSecureOptional",), sca="on_request"),
    Card("4000000000003097", ("threeDSecureOptionalProcessingError",), sca="fails_on_request"),
    # Challenges of mobile SDKs; here the customer is asked in the same way by all of them.
    Card("4000582600000094", (), sca="always"),
    Card("4000582600000045", (), sca="always"),
    Card("4000582600000102", (), sca="always"),
    Card("4000582600000110", (), sca="always"),
)

BY_NUMBER = {card.number: card for card in CARDS}
BY_FINGERPRINT = {card.fingerprint: card for card in CARDS}
# A name stands for `pm_card_<name>` and `tok_<name>`; a few exist as tokens only.
BY_ID = {
    id: card
    for card in CARDS
    for name in card.names
    for id in ([name] if name.startswith("tok_") else [f"pm_card_{name}", f"tok_{name}"])
}


def named(id: str) -> Card | None:
    """The card behind a `pm_card_*` or `tok_*` id."""
    return BY_ID.get(id)


def passes_luhn(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number)]
    return (sum(digits[0::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0
