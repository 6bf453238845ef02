"""Writes pages with Jinja2: the words by gettext, amounts and times by Babel, one stylesheet, one small script."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any
from unicodedata import decimal

from babel import Locale
from babel.numbers import NumberFormatError, parse_decimal

from chalicelib.adapters.words.environments import TEMPLATES, environment
from chalicelib.adapters.words.formats import Formats
from chalicelib.domain.money import currency_of
from chalicelib.ports.pages import Scene

_FOLDER = TEMPLATES / "page"
LANGUAGES = (("en", "English"), ("de", "Deutsch"), ("es", "español"), ("ko", "한국어"), ("ar", "العربية"))
"""Each language with its own name for itself, as CLDR has it. Written out: Babel would load the data of all to know."""
_SEPARATORS = {"٫": ".", "٬": ","}
"""Those of Arabic keyboards → those that Babel reads in Arabic."""
_AMOUNT = re.compile(r"[0-9][0-9.,]{0,20}")


class PageWriter:
    """Implements ports.pages.Pages. A template is compiled at its first use in a language."""

    def write(self, page: str, scene: Scene, values: Mapping[str, Any]) -> str:
        formats = _formats(scene)
        return (
            environment(scene.language)
            .get_template(f"page/{page}.html")
            .render(
                values,
                language=scene.language.value,
                direction=formats.direction,
                languages=LANGUAGES,
                money=formats.money,
                moment=formats.moment,
                day=formats.day,
                style=self._style,
                script=self._script,
            )
        )

    def script_sha256(self) -> str:
        return base64.b64encode(hashlib.sha256(self._script.encode()).digest()).decode()

    def read_amount(self, text: str, scene: Scene) -> int | None:
        currency = currency_of(scene.currency)
        # Each digit as the keyboard of a language has it. Python would read more as a number: 1e3, 5_0, NaN.
        text = "".join(str(decimal(sign)) if sign.isdecimal() else _SEPARATORS.get(sign, sign) for sign in text)
        if not _AMOUNT.fullmatch(text):
            return None
        for locale in (Locale.parse(scene.language), Locale.parse("en")):
            try:
                amount = parse_decimal(text, locale=locale, strict=True)
            except NumberFormatError:
                continue
            minor = amount.scaleb(currency.exponent)
            return int(minor) if minor == minor.to_integral_value() and Decimal(0) <= minor < 10**12 else None
        return None

    @cached_property
    def _style(self) -> str:
        return (_FOLDER / "style.css").read_text(encoding="utf-8").strip()

    @cached_property
    def _script(self) -> str:
        return (_FOLDER / "live.js").read_text(encoding="utf-8").strip()


class _Formats:
    """Amounts and times of one scene. Prices and times of day come again and again, and Babel is slow at them."""

    def __init__(self, scene: Scene) -> None:
        locale = Locale.parse(scene.language)
        formats = Formats(locale, scene.time_zone, scene.currency)
        self.direction = locale.text_direction
        self.money = lru_cache(maxsize=2048)(formats.money)
        self.moment = lru_cache(maxsize=512)(lambda at: formats.moment(at.isoformat()))
        self.day = lru_cache(maxsize=512)(lambda at: formats.day(at.isoformat()))


_formats = lru_cache(maxsize=64)(_Formats)
