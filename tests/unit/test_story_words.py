"""The words of a story: how long they may be, and what becomes of marks that nobody can see."""

from __future__ import annotations

import pytest

from chalicelib.domain.contact import Language
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tab.story import Place
from chalicelib.domain.trust.story import FEWEST_CHARACTERS, MOST_CHARACTERS, MOST_NAME_CHARACTERS, Words, check_words


def words(text: str = "Ana listened.", name: str = "Bo", places: tuple[Place, ...] = (Place.FEED,)) -> Words:
    return Words(text=text, name=name, language=Language.ENGLISH, places=places)


@pytest.mark.parametrize("length", [FEWEST_CHARACTERS, MOST_CHARACTERS])
def test_the_shortest_and_the_longest_are_kept(length: int) -> None:
    given = words("a" * length, "b" * MOST_NAME_CHARACTERS, (Place.FEED, Place.WEBSITE))

    assert check_words(given) == words("a" * length, "b" * MOST_NAME_CHARACTERS, (Place.WEBSITE, Place.FEED))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (words("a" * (FEWEST_CHARACTERS - 1)), "text"),
        (words("a" * (MOST_CHARACTERS + 1)), "text"),
        (words("\u200b" * FEWEST_CHARACTERS), "text"),
        (words(name="b" * (MOST_NAME_CHARACTERS + 1)), "name"),
        (words(places=()), "places"),
    ],
)
def test_what_is_refused_is_named(given: Words, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_words(given)
    assert refused.value.context == {"field": field}
