"""The address book on its libraries: what it says of numbers that were stored under older rules."""

from __future__ import annotations

import pytest

from chalicelib.adapters.addresses import LibraryAddresses


@pytest.mark.parametrize("number", ["", "+", "nonsense", "+999", "0170 1234567", "+49" + "1" * 40])
def test_a_number_that_is_none_lies_nowhere(number: str) -> None:
    """A message to such a contact goes by other zones, and is refused by the channel, rather than failing for ever."""
    addresses = LibraryAddresses()

    assert addresses.zones(number) == ()
    assert addresses.country(number) == ""


def test_a_number_lies_in_every_zone_that_it_may() -> None:
    """A German mobile in one, an Australian in several, a satellite phone in none that anybody knows."""
    addresses = LibraryAddresses()

    assert addresses.zones("+491701234567") == ("Europe/Berlin",)
    assert {"Australia/Perth", "Australia/Sydney"} <= set(addresses.zones("+61412345678"))
    assert addresses.zones("+870773111632") == ()
    assert addresses.country("+491701234567") == "DE"
