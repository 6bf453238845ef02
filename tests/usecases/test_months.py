"""Weeks of a merchant's life (`make months` lives through more), and that what is broken on purpose is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.tab import crediting
from chalicelib.domain.tab.commands import booking
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.trust.standing_terms import Level
from chalicelib.usecases.trust import history
from tests.months.town import Town

DAYS = 45


def lived(days: int = DAYS, seed: int = 5) -> Town:
    town = Town(20, seed)
    town.live(days)
    return town


def test_everything_holds_after_every_act() -> None:
    town = lived()

    town.come_to_rest()

    happened = {what for what, times in town.counts.items() if times}
    assert {
        "opened",
        "choose_tier",
        "refund",
        "split",
        "object",
        "disputes",
        "invited",
        "policy changed",
        "submit_evidence",
        "tell_story",
        "withdraw_story",
    } <= happened
    assert town.books.checked["stories"]
    assert town.books.checked["opened for known"], "somebody has come back"


def test_the_same_seed_gives_the_same_weeks() -> None:
    assert lived(8).counts == lived(8).counts


def kept(tab: Tab, given: Any) -> int:
    """Credit that nobody takes back."""
    return given.kept_minor


def trusting(history: Any, terms: Any, now: Any) -> Any:
    """A standing that forgives everything."""
    return replace(STANDING_OF(history, terms, now), level=Level.TRUSTED)


STANDING_OF = history.standing_of


def whole(standing: Any, terms: Any, deposit_minor: int, **more: Any) -> Any:
    """A deposit that does not fall with trust."""
    return deposit_minor, SEAL(standing, terms, deposit_minor, **more)[1]


SEAL = booking.seal


@pytest.mark.parametrize(
    ("module", "name", "broken", "found"),
    [
        (crediting, "_still_due_minor", kept, "credit is kept|can be spent"),
        (history, "standing_of", trusting, "standing is not what the entries make it"),
        (booking, "seal", whole, "the deposit is not"),
        (Tab, "price_percent", property(lambda tab: 100), "is kept|the price is"),
    ],
)
def test_what_is_broken_is_found(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, broken: Callable[..., Any], found: str
) -> None:
    monkeypatch.setattr(module, name, broken)

    with pytest.raises(AssertionError, match=found):
        lived()
