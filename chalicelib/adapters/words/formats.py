"""Amounts, days and times as people read them, in their language and time zone.

Symbols, separators and names are CLDR's, by Babel. How many decimals an amount has is our own currency table's: CLDR
shows none for some currencies of which two are charged.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time, get_datetime_format
from babel.numbers import format_currency, get_currency_symbol

from chalicelib.adapters.words import gsm
from chalicelib.domain.money import currency_of
from chalicelib.ports.words import MissingValue

_ISOLATE, _END = "\u2068", "\u2069"
"""Unicode's isolates: what is between them keeps its own direction and leaves that of its neighbours alone."""
_NOT_SHOWN = re.compile("[\\x00-\\x1f\\x7f-\\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
"""Control characters and those that set a direction: in a name they could turn the words around it."""
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
_LATIN = re.compile("[A-Za-z0-9]")
_DECIMALS = re.compile(r"0\.0+")
_NO_BREAK = "\u00a0"


class Formats:
    """The formats of one language, time zone and currency. In an SMS they are short and in its alphabet if possible."""

    def __init__(self, locale: Locale, time_zone: str, currency: str, *, in_sms: bool = False) -> None:
        self._locale = locale
        self._zone = ZoneInfo(time_zone)
        self._currency = currency
        self._in_sms = in_sms

    def money(self, amount_minor: Any) -> str:
        """`€12.50`, `12,50 €`, `KWD 1.500`: with as many decimals as are charged. Raises MissingValue for no amount."""
        if amount_minor is None:
            raise MissingValue("An amount of the message is missing.")
        exponent = currency_of(self._currency).exponent
        pattern = self._locale.currency_formats["standard"].pattern
        pattern = _DECIMALS.sub("0." + "0" * exponent if exponent else "0", pattern)
        symbol = get_currency_symbol(self._currency, self._locale)
        if self._in_sms and not gsm.fits(symbol) and self._locale.language in gsm.LANGUAGES:
            pattern, symbol = pattern.replace("¤", "¤¤"), self._currency
        if symbol[-1].isalpha():
            # CLDR puts a space between letters and digits; Babel 2.19 leaves it out.
            pattern = re.sub(r"(¤+)(?=[#0])", rf"\1{_NO_BREAK}", pattern)
        # By its text: a value that a template does not have says so when it is shown.
        amount = Decimal(str(amount_minor)).scaleb(-exponent)
        text = format_currency(amount, self._currency, pattern, locale=self._locale, currency_digits=False)
        return self.isolated(text)

    def day(self, at: str | None) -> str:
        """`Thursday, March 5, 2026`; in an SMS `Mar 5`. Raises MissingValue for no instant."""
        local = self._local(at)
        if self._in_sms:
            return self.isolated(format_skeleton("MMMd", local, locale=self._locale))
        return self.isolated(format_date(local, "full", locale=self._locale))

    def moment(self, at: str | None) -> str:
        """Day and time: `Thursday, March 5, 2026, 9:00 AM`; in an SMS `Mar 5, 9:00 AM`. Raises MissingValue."""
        local, locale = self._local(at), self._locale
        time = format_time(local.time(), "short", locale=locale)
        if self._in_sms:
            day, joined = format_skeleton("MMMd", local, locale=locale), get_datetime_format("medium", locale)
        else:
            day, joined = format_date(local, "full", locale=locale), get_datetime_format("full", locale)
        return self.isolated(str(joined).replace("'", "").replace("{1}", day).replace("{0}", time))

    def _local(self, at: str | None) -> datetime:
        if at is None:
            raise MissingValue("A time of the message is missing.")
        return datetime.fromisoformat(str(at)).astimezone(self._zone)

    def name(self, text: str) -> str:
        """A name or a title as it may stand in a sentence: on one line, without a say in its neighbours' direction."""
        return self.isolated(" ".join(_NOT_SHOWN.sub(" ", text).split()))

    def isolated(self, text: str) -> str:
        """The text, kept apart from the direction of its neighbours where they run the other way.

        In an SMS, where each character counts, words that run the same way as ours go without.
        """
        runs_left = bool(_RIGHT_TO_LEFT.search(text))
        if self._locale.text_direction == "rtl":
            turns = not self._in_sms or not runs_left or bool(_LATIN.search(text))
        else:
            turns = runs_left
        return f"{_ISOLATE}{text}{_END}" if turns else text


def shortened(text: str, length: int) -> str:
    """At most so many characters; what is longer ends with three dots, which SMS have and `…` is not among."""
    return text if len(text) <= length else f"{text[: length - 3].rstrip()}..."
