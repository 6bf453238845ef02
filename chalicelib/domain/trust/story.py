"""A story: a customer's own words about a visit, published only where they have consented, until they take it back.

Everybody is asked alike (`domain/tab/telling.py`), and the business can neither choose nor change what was told. The
words are kept apart from the tab and its entries, so that they can be erased.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, timedelta

from msgspec import Struct

from chalicelib.domain.contact import Language
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tab.story import Place

FEWEST_CHARACTERS, MOST_CHARACTERS, MOST_NAME_CHARACTERS = 10, 1000, 60
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
READ_AGAIN_WITHIN = timedelta(hours=24)
"""Whoever shows stories elsewhere reads them again within this time, so what was taken back is gone everywhere then."""


class Words(Struct, frozen=True, kw_only=True):
    """What the customer tells. `name`: what they want to be called, "" for nothing. `language`: of the text."""

    text: str
    name: str
    language: Language
    places: tuple[Place, ...]


class Story(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The words themselves. One that was taken back has none, and no places."""

    story_id: str
    merchant_id: str
    tab_id: str
    customer_id: str
    told_at: datetime
    text: str = ""
    name: str = ""
    language: Language = Language.ENGLISH
    places: tuple[Place, ...] = ()


def check_words(words: Words) -> Words:
    """The words as they are kept, without control characters, which a form may carry. Raises InvalidInput."""
    text = _CONTROL.sub("", words.text.replace("\r\n", "\n")).strip()
    name = " ".join(_CONTROL.sub("", words.name).split())
    if not FEWEST_CHARACTERS <= len(text) <= MOST_CHARACTERS or not _can_be_seen(text):
        raise InvalidInput(f"A story has {FEWEST_CHARACTERS} to {MOST_CHARACTERS} characters.", field="text")
    if len(name) > MOST_NAME_CHARACTERS:
        raise InvalidInput(f"name has at most {MOST_NAME_CHARACTERS} characters.", field="name")
    if not words.places:
        raise InvalidInput("Say where the story may be shown: each place needs its own consent.", field="places")
    name = name if _can_be_seen(name) else ""
    return Words(text=text, name=name, language=words.language, places=in_order(words.places))


def _can_be_seen(text: str) -> bool:
    """Whether there is more than spaces and marks that have no shape, of which an empty story could be made."""
    return any(letter.isprintable() and not letter.isspace() for letter in text)


def in_order(places: Collection[Place]) -> tuple[Place, ...]:
    return tuple(place for place in Place if place in places)
