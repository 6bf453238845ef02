"""What a bank statement says of a business: its name, as card networks can carry it."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.parties import statement_suffix_of


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("Salon Iris", "Salon Iris"),
        ("Café Central", "Cafe Centr"),
        ("Größe & Söhne", "Grosse & S"),
        ("  Two   words ", "Two words"),
        ('The "Best" <Cut>', "The Best C"),
        ("Łódź*Øst", "LodzOst"),
        ("北京 Tea", "Tea"),
        ("北京", None),
        ("1234", None),
        ("*", None),
    ],
)
def test_a_name_becomes_what_a_statement_can_carry(name: str, suffix: str | None) -> None:
    """Accents go, what is forbidden goes, ten characters stay; without a Latin letter there is nothing to say."""
    assert statement_suffix_of(name) == suffix


@given(name=st.text(max_size=60))
def test_whatever_the_name_stripe_takes_it(name: str) -> None:
    """The rules of https://docs.stripe.com/get-started/account/statement-descriptors, with the longest prefix."""
    suffix = statement_suffix_of(name)

    if suffix is None:
        return
    assert 1 <= len(suffix) <= 22 - 10 - len("* ")
    assert suffix == suffix.strip()
    assert set(suffix) & set(string.ascii_letters)
    assert suffix.isascii()
    assert suffix.isprintable()
    assert not set(suffix) & set("<>\\'\"*")
