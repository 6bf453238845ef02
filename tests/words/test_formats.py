"""Amounts, days and times as each language writes them."""

from datetime import UTC, datetime

import pytest
from babel import Locale

from chalicelib.adapters.words.formats import Formats, shortened
from chalicelib.domain.contact import Language
from chalicelib.domain.money import CURRENCIES
from chalicelib.ports.words import MissingValue

AT = "2026-03-05T23:30:00+00:00"


def formats(language: str, currency: str = "EUR", time_zone: str = "UTC", *, in_sms: bool = False) -> Formats:
    return Formats(Locale.parse(language), time_zone, currency, in_sms=in_sms)


def without_marks(text: str) -> str:
    return text.translate(dict.fromkeys((0x200F, 0x2068, 0x2069))).replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("language", "currency", "amount_minor", "text"),
    [
        ("en", "EUR", 123_456, "€1,234.56"),
        ("de", "EUR", 123_456, "1.234,56 €"),
        ("es", "EUR", 123_456, "1.234,56 €"),
        ("ko", "EUR", 123_456, "€1,234.56"),
        ("ar", "EUR", 123_456, "1,234.56 €"),
        ("en", "KWD", 1_500, "KWD 1.500"),
        ("ar", "KWD", 1_500, "1.500 د.ك."),
        ("en", "JPY", 1_200, "¥1,200"),
        ("ko", "KRW", 40_000, "₩40,000"),
        ("en", "ISK", 1_200, "ISK 1,200"),
        # CLDR shows no decimals of these, and Stripe charges two.
        ("en", "HUF", 123_450, "HUF 1,234.50"),
        ("es", "COP", 300_050, "3.000,50 COP"),
        ("en", "CAD", 1_250, "CA$12.50"),
        ("en", "USD", 0, "$0.00"),
    ],
)
def test_an_amount_has_the_decimals_that_are_charged(
    language: str, currency: str, amount_minor: int, text: str
) -> None:
    """Symbols and separators are the language's, decimals our currency table's."""
    assert without_marks(formats(language, currency).money(amount_minor)) == text


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_every_currency_shows_its_decimals(language: Language, currency: str) -> None:
    """For every currency that tabs are kept in: 1,234,567 smallest units are all there."""
    shown = without_marks(formats(language, currency).money(1_234_567))

    exponent = CURRENCIES[currency].exponent
    assert "".join(char for char in shown if char.isdigit()) == "1234567"
    decimals = shown.replace(",", ".").rpartition(".")[2] if exponent else ""
    digits = "".join(char for char in decimals if char.isdigit())
    assert not exponent or digits == "1234567"[-exponent:] or shown.startswith(("د", "ر")) or language == "ar"


def test_an_sms_has_a_code_for_a_symbol_outside_its_alphabet() -> None:
    """The rupee's sign alone would halve what a message holds; Korean is outside the alphabet anyway."""
    assert formats("en", "INR", in_sms=True).money(123_456) == "INR\u00a01,234.56"
    assert formats("de", "INR", in_sms=True).money(123_456) == "1.234,56\u00a0INR"
    assert formats("ko", "KRW", in_sms=True).money(40_000) == "₩40,000"


@pytest.mark.parametrize(
    ("language", "day", "moment", "short_day", "short_moment"),
    [
        ("en", "Friday, March 6, 2026", "Friday, March 6, 2026, 8:30 AM", "Mar 6", "Mar 6, 8:30 AM"),
        ("de", "Freitag, 6. März 2026", "Freitag, 6. März 2026, 08:30", "6. März", "6. März, 08:30"),
        ("es", "viernes, 6 de marzo de 2026", "viernes, 6 de marzo de 2026, 8:30", "6 mar", "6 mar, 8:30"),
        ("ko", "2026년 3월 6일 금요일", "2026년 3월 6일 금요일 오전 8:30", "3월 6일", "3월 6일 오전 8:30"),
        ("ar", "الجمعة، 6 مارس 2026", "الجمعة، 6 مارس 2026، 8:30 ص", "6 مارس", "6 مارس، 8:30 ص"),
    ],
)
def test_days_and_times_are_the_recipients(
    language: str, day: str, moment: str, short_day: str, short_moment: str
) -> None:
    """Half past eleven in the evening in Greenwich is the next morning in Seoul."""
    long, short = (formats(language, time_zone="Asia/Seoul", in_sms=in_sms) for in_sms in (False, True))

    texts = [long.day(AT), long.moment(AT), short.day(AT), short.moment(AT)]

    assert [without_marks(text).replace("\u202f", " ") for text in texts] == [day, moment, short_day, short_moment]


def test_daylight_saving_time_is_the_zones() -> None:
    """The same hour of the day before and after the clocks change."""
    berlin = formats("de", time_zone="Europe/Berlin")

    assert berlin.moment(datetime(2026, 3, 28, 8, tzinfo=UTC).isoformat()).endswith("09:00")
    assert berlin.moment(datetime(2026, 3, 29, 7, tzinfo=UTC).isoformat()).endswith("09:00")


def test_no_amount_and_no_time_are_missing() -> None:
    """None is never shown."""
    with pytest.raises(MissingValue):
        formats("en").money(None)
    with pytest.raises(MissingValue):
        formats("en").day(None)
    with pytest.raises(MissingValue):
        formats("en").moment(None)


def test_a_name_is_shortened_at_its_end() -> None:
    """Three dots, which SMS have."""
    assert shortened("Haircut", 7) == "Haircut"
    assert shortened("Haircut and colour", 12) == "Haircut a..."
