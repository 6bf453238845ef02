"""Money: the currency table, steps, minimums and rounding."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import (
    AmountOffStep,
    AmountTooLarge,
    AmountTooSmall,
    CurrencyMismatch,
    InvalidInput,
    UnknownCurrency,
)
from chalicelib.domain.money import (
    CURRENCIES,
    check_amount,
    currency_of,
    format_amount,
    minimum_charge_minor,
    share_minor,
)
from chalicelib.domain.tab.commands import bill
from chalicelib.domain.tab.commands.bill import ItemInput
from tests.unit.till import MERCHANT, Till

EUR, JPY, KWD = (currency_of(code) for code in ("EUR", "JPY", "KWD"))
EXPONENTS = {
    0: {"CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"},
    3: {"BHD", "JOD", "KWD", "OMR", "TND"},
}


@pytest.mark.parametrize("code", sorted(CURRENCIES))
def test_each_currency_of_the_table_makes_sense(code: str) -> None:
    """Exponent by ISO 4217, a step that divides minimum and maximum, and room between the two."""
    currency = CURRENCIES[code]

    expected = next((exponent for exponent, codes in EXPONENTS.items() if code in codes), 2)
    assert (currency.code, currency.exponent) == (code, expected)
    assert currency.step_minor == (10 if currency.exponent == 3 else 1)
    assert currency.minimum_minor % currency.step_minor == 0
    assert currency.maximum_minor % currency.step_minor == 0
    assert 0 < 2 * currency.minimum_minor < currency.maximum_minor < 10**8


@pytest.mark.parametrize("code", ["ISK", "UGX"])
def test_what_is_charged_in_hundredths_has_two_digits_less(code: str) -> None:
    """The processor takes these with two decimals of zero: eight digits there are six here."""
    assert currency_of(code).maximum_minor * 100 < 10**8


@pytest.mark.parametrize("code", ["eur", "EURO", "XXX", ""])
def test_an_unknown_currency_is_refused(code: str) -> None:
    """With the list of those that are known."""
    with pytest.raises(UnknownCurrency) as refused:
        currency_of(code)

    assert "EUR" in refused.value.context["supported"]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("amount", "currency", "error"),
    [
        (-1, EUR, InvalidInput),
        (1_005, KWD, AmountOffStep),
        (100_000_000, EUR, AmountTooLarge),
        (99, EUR, AmountTooSmall),
        (99, JPY, AmountTooSmall),
    ],
)
def test_an_amount_that_can_not_be_paid_is_refused(amount: int, currency: object, error: type[InvalidInput]) -> None:
    """Negative, off the step, too large, or below the minimum."""
    with pytest.raises(error, match="tip"):
        check_amount(amount, currency, "tip", minimum_minor=100)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("amount", "currency"), [(0, EUR), (100, EUR), (99_999_999, EUR), (1_010, KWD), (0, KWD), (99_999_999, JPY)]
)
def test_an_amount_that_can_be_paid_is_itself(amount: int, currency: object) -> None:
    """Zero is no payment, and fine."""
    assert check_amount(amount, currency, "tip", minimum_minor=100) == amount  # type: ignore[arg-type]


@given(st.integers(0, 10**8), st.integers(0, 10**5), st.integers(1, 10**5), st.sampled_from(sorted(CURRENCIES)))
def test_a_share_is_rounded_once_half_to_even_to_the_step(amount: int, top: int, bottom: int, code: str) -> None:
    """As exact fractions would be."""
    currency = CURRENCIES[code]

    share = share_minor(amount, top, bottom, currency)

    exact = Fraction(amount * top, bottom * currency.step_minor)
    assert share == round(exact) * currency.step_minor
    assert share % currency.step_minor == 0


@pytest.mark.parametrize(("amount", "share"), [(50, 2), (150, 8), (250, 12), (350, 18), (251, 13)])
def test_halves_go_to_the_even_neighbour(amount: int, share: int) -> None:
    """5 % of 0.50 is 0.02, of 1.50 it is 0.08."""
    assert share_minor(amount, 5, 100, EUR) == share


def test_halves_in_kuwait_go_to_the_even_ten() -> None:
    """1.5 % of KWD 1.000 is 15 fils, rounded to 20; of 3.000 it is 45, rounded to 40."""
    assert share_minor(1_000, 15, 1_000, KWD) == 20
    assert share_minor(3_000, 15, 1_000, KWD) == 40


@pytest.mark.parametrize("code", sorted(CURRENCIES))
def test_the_minimum_is_the_published_one_only_where_payouts_are_in_the_same_currency(code: str) -> None:
    """Elsewhere, and where it is not known, twice that at least."""
    currency = CURRENCIES[code]

    assert minimum_charge_minor(currency, code) == currency.minimum_minor
    assert minimum_charge_minor(currency, None) >= 2 * currency.minimum_minor
    assert minimum_charge_minor(currency, "USD" if code != "USD" else "EUR") >= 2 * currency.minimum_minor


@pytest.mark.parametrize(("code", "worth_half_a_dollar"), [("INR", 48_00), ("BRL", 3_00)])
def test_a_minimum_that_is_low_at_home_is_not_low_abroad(code: str, worth_half_a_dollar: int) -> None:
    """Half a rupee is enough in India alone: paid out in dollars, the charge must be worth half a dollar."""
    assert minimum_charge_minor(currency_of(code), "USD") >= worth_half_a_dollar


@pytest.mark.parametrize(
    ("amount", "code", "text"),
    [
        (12_50, "EUR", "EUR 12.50"),
        (5, "EUR", "EUR 0.05"),
        (1_200, "JPY", "JPY 1200"),
        (1_500, "KWD", "KWD 1.500"),
        (-1_500, "KWD", "-KWD 1.500"),
        (0, "ISK", "ISK 0"),
    ],
)
def test_amounts_for_people(amount: int, code: str, text: str) -> None:
    """With the digits that the currency has."""
    assert format_amount(amount, code) == text


# On a tab


def in_currency(code: str) -> object:
    from msgspec.structs import replace

    return replace(MERCHANT, currency=code, settlement_currency=code)


def test_a_tab_in_yen_has_no_cents() -> None:
    """A bill of 1200 yen, ten per cent of tax included."""
    till = Till(merchant=in_currency("JPY"), cap_minor=5_000, estimate_minor=1_000)  # type: ignore[arg-type]
    till.do(bill.add_items, [ItemInput(description="Tea", unit_price_minor=1_200, tax_basis_points=1_000)])

    assert (till.tab.total_minor, till.tab.tax_minor) == (1_200, 109)
    assert till.tab.minimum_charge_minor == 50


def test_a_tab_in_dinars_keeps_to_the_step() -> None:
    """KWD 1.505 can't be paid; the tax of KWD 1.500 is rounded to ten fils."""
    till = Till(merchant=in_currency("KWD"), cap_minor=50_000, estimate_minor=1_000)  # type: ignore[arg-type]
    with pytest.raises(AmountOffStep):
        till.do(bill.add_items, [ItemInput(description="Tea", unit_price_minor=1_505)])

    till.do(bill.add_items, [ItemInput(description="Tea", unit_price_minor=1_500, tax_basis_points=500)])

    assert till.tab.tax_minor == 70


def test_a_tab_keeps_one_currency() -> None:
    """The merchant's."""
    with pytest.raises(CurrencyMismatch):
        Till(currency="USD")


@pytest.mark.parametrize(
    "given",
    [
        {"deposit_minor": 49},
        {"deposit_minor": 300_00},
        {"estimate_minor": 201_00},
        {"no_show_fee_minor": 10_00},
        {"cap_minor": 10**8},
        {"estimate_minor": -1},
    ],
    ids=str,
)
def test_terms_that_can_not_be_kept_are_refused(given: dict[str, int]) -> None:
    """A deposit too small to hold or more than could be due, an estimate above the cap, a fee without a date."""
    with pytest.raises(InvalidInput):
        Till(**given)
