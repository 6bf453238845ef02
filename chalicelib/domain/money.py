"""Money: currencies, amounts and rounding. The card processor's own units are left to its adapter.

An amount is an int in the currency's smallest unit (ISO 4217 exponent), never a float.
"""

from __future__ import annotations

from msgspec import Struct

from chalicelib.domain.errors import AmountOffStep, AmountTooLarge, AmountTooSmall, InvalidInput, UnknownCurrency

MAXIMUM_DIGITS = 8
"""A card charge has at most eight digits (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts)."""


class Currency(Struct, frozen=True):
    """`exponent`: digits after the decimal point (ISO 4217). `step_minor`: every amount is a multiple of it.

    `minimum_minor`: the minimum card charge if the merchant is paid out in this same currency.
    `maximum_minor`: the most.
    """

    code: str
    minimum_minor: int

    @property
    def exponent(self) -> int:
        return 0 if self.code in _ZERO_DECIMAL else 3 if self.code in _THREE_DECIMAL else 2

    @property
    def step_minor(self) -> int:
        """Three-decimal currencies are charged with a last digit of 0."""
        return 10 if self.exponent == 3 else 1

    @property
    def maximum_minor(self) -> int:
        digits = MAXIMUM_DIGITS - 2 if self.code in _COUNTED_WITH_CENTS else MAXIMUM_DIGITS
        most = int("9" * digits)
        return most - most % self.step_minor


# Published minimum charges (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts). A currency that
# the page does not list must be worth at least US$0.50; those are below, with a minimum well above that.
_PUBLISHED_MINIMUMS = {
    "USD": 50, "AED": 200, "AUD": 50, "BGN": 100, "BRL": 50, "CAD": 50, "CHF": 50, "CZK": 1500, "DKK": 250, "EUR": 50,
    "GBP": 30, "HKD": 400, "HUF": 17500, "INR": 50, "JPY": 50, "MXN": 1000, "MYR": 200, "NOK": 300, "NZD": 50,
    "PLN": 200, "RON": 200, "SEK": 300, "SGD": 50, "THB": 1000,
}  # fmt: skip
_CONSERVATIVE_MINIMUMS = {
    "BHD": 250, "JOD": 400, "KWD": 200, "OMR": 250, "TND": 2000,
    "CLP": 600, "ISK": 100, "KRW": 1000, "PYG": 5000, "UGX": 2500, "VND": 15000, "XAF": 400, "XOF": 400, "XPF": 70,
    "ILS": 250, "ZAR": 1200, "TRY": 2500, "PHP": 3500, "TWD": 2000, "SAR": 250, "COP": 300000,
}  # fmt: skip
_MINIMUMS_ABROAD = {"BRL": 400, "INR": 6000}
"""Currencies whose published minimum is worth a few US cents: enough only for a payout in this same currency."""
_ZERO_DECIMAL = frozenset({
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF",
    "XPF",
})  # fmt: skip
_THREE_DECIMAL = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
_COUNTED_WITH_CENTS = frozenset({"ISK", "UGX"})
"""Currencies without decimals today, for which the limit of eight digits still counts two."""


CURRENCIES: dict[str, Currency] = {
    code: Currency(code, minimum) for code, minimum in (_PUBLISHED_MINIMUMS | _CONSERVATIVE_MINIMUMS).items()
}


def currency_of(code: str) -> Currency:
    """The currency with this upper-case ISO 4217 code. Raises UnknownCurrency."""
    try:
        return CURRENCIES[code]
    except KeyError:
        raise UnknownCurrency(
            f"{code!r} is not a currency that tabs can be kept in; use an upper-case ISO 4217 code such as EUR.",
            supported=sorted(CURRENCIES),
        ) from None


def minimum_charge_minor(currency: Currency, settlement_currency: str | None) -> int:
    """The minimum card charge for a merchant paid out in `settlement_currency` (None: not known).

    The published minimum belongs to the payout currency. If that is another or unknown one, we use twice our own
    minimum: the published ones are worth between US$0.28 and US$0.70, except two that are far below.
    """
    if settlement_currency == currency.code:
        return currency.minimum_minor
    return _MINIMUMS_ABROAD.get(currency.code, 2 * currency.minimum_minor)


def check_amount(amount_minor: int, currency: Currency, what: str, *, minimum_minor: int = 0) -> int:
    """Return the amount if it is valid: 0, or from the minimum to the maximum, a multiple of the currency's step.

    Raises InvalidInput, AmountOffStep, AmountTooSmall or AmountTooLarge, naming `what`.
    """
    if amount_minor < 0:
        raise InvalidInput(f"{what} must be 0 or more, in the smallest unit of {currency.code}.")
    if amount_minor % currency.step_minor:
        raise AmountOffStep(
            f"{what} must be a multiple of {currency.step_minor} in {currency.code}.", step_minor=currency.step_minor
        )
    if amount_minor > currency.maximum_minor:
        raise AmountTooLarge(
            f"{what} can be at most {currency.maximum_minor} in {currency.code}.", maximum_minor=currency.maximum_minor
        )
    if 0 < amount_minor < minimum_minor:
        raise AmountTooSmall(
            f"{what} must be 0 or at least {minimum_minor}: a card can't be charged less in {currency.code}.",
            minimum_minor=minimum_minor,
        )
    return amount_minor


def share_minor(amount_minor: int, numerator: int, denominator: int, currency: Currency) -> int:
    """`amount × numerator / denominator`, rounded once, half to even, to the currency's step."""
    whole, rest = divmod(amount_minor * numerator, denominator * currency.step_minor)
    twice, one = 2 * rest, denominator * currency.step_minor
    rounded_up = twice > one or (twice == one and whole % 2 == 1)
    return (whole + rounded_up) * currency.step_minor


def format_amount(amount_minor: int, currency_code: str) -> str:
    """The amount as people read it: `EUR 12.50`, `JPY 1200`, `-KWD 1.500`."""
    exponent = currency_of(currency_code).exponent
    whole, rest = divmod(abs(amount_minor), 10**exponent)
    digits = f"{whole}.{rest:0{exponent}d}" if exponent else f"{whole}"
    return f"{'-' if amount_minor < 0 else ''}{currency_code} {digits}"
