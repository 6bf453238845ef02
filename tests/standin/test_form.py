"""The wire's form encoding: whatever the SDK encodes, the stand-in reads back as it was meant."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st
from stripe._encode import _api_encode

from devstack.stripe_standin.form import parse

NAMES = st.text("abcdefghij_", min_size=1, max_size=6)
TEXTS = st.text(max_size=12)
VALUES = st.recursive(
    TEXTS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3), st.dictionaries(NAMES, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)  # a loaded machine is not a wrong answer
@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_what_the_sdk_encodes_is_read_back(params: dict[str, Any]) -> None:
    """Nested hashes, lists, hashes in lists, empty strings, any character: the same tree comes out."""
    wire = urlencode(list(_api_encode(params)))

    assert parse(wire) == params


def test_lists_come_in_three_spellings() -> None:
    """`a[]=`, `a[0]=` and hashes by index are all lists, in their order."""
    assert parse("a[]=x&a[]=y") == {"a": ["x", "y"]}
    assert parse("a[1]=y&a[0]=x") == {"a": ["x", "y"]}
    assert parse("a[0][b]=1&a[1][b]=2") == {"a": [{"b": "1"}, {"b": "2"}]}


def test_numbers_as_names_stay_names() -> None:
    """metadata[2026]=x is a key called 2026, not the first item of a list."""
    assert parse("metadata[2026]=x&metadata[7]=y") == {"metadata": {"2026": "x", "7": "y"}}
