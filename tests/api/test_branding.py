"""What a business shows of itself: set by the owner, seen by customers and guests, who see nothing else of it."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import pytest

from chalicelib.domain.branding import WHITE, check_colour, contrast
from chalicelib.domain.errors import InvalidInput

from .world import Shop, World

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\x00" * 100).decode()
WHOLE = {
    "name": "Café Lisboa",
    "colour": "#7A1F5C",
    "logo": f"data:image/png;base64,{PNG}",
    "email": "hello@Example.com",
    "phone": "+351 21 342 7000",
    "website": "https://lisboa.example.com",
    "address": "Rua Augusta 1\nLisboa",
    "terms_url": "https://lisboa.example.com/terms?lang=pt",
    "tip_percents": [10, 20],
    "shows_integrity": True,
    "shows_stories": True,
}


def test_customers_and_guests_see_what_the_business_shows(world: World, shop: Shop) -> None:
    """Name, colour, logo, contact, terms; in one spelling."""
    shop.owner.put("/v1/merchant/branding", WHOLE).ok()
    ana = shop.customer()
    guest = shop.link(shop.open(ana, 100), "view")

    for caller in (ana, guest):
        seen = caller.get("/v1/merchant").ok()
        assert seen["name"] == "Café Lisboa"
        assert seen["branding"] == WHOLE | {
            "colour": "#7a1f5c",
            "email": "hello@example.com",
            "phone": "+351213427000",
        }
    assert shop.staff.get("/v1/merchant").ok()["name"] == "Salon Lisboa"


def test_customers_and_guests_see_nothing_else_of_it(world: World, shop: Shop) -> None:
    """Neither account nor policy, nor where the owner's messages go, nor since when it has been here."""
    shop.owner.put("/v1/merchant/contact", {"notify_email": "owner@example.com"}).ok()
    ana = shop.customer()
    guest = shop.link(shop.open(ana, 100))

    for caller in (ana, guest):
        seen = caller.get("/v1/merchant").ok()
        shown = {name for name, value in seen.items() if value is not None}
        assert shown == {"merchant_id", "name", "currency", "language", "version", "branding"}
        assert {name for name, value in seen["branding"].items() if value is not None} == {
            *("name", "tip_percents", "shows_integrity", "shows_stories")
        }
        assert "owner@example.com" not in caller.get("/v1/merchant").raw.decode()
    assert shop.staff.get("/v1/merchant").ok()["policy"]["review_window_s"] == 86400


def test_branding_is_replaced_whole(world: World, shop: Shop) -> None:
    """What is left out is removed; the same request again changes nothing."""
    shop.owner.put("/v1/merchant/branding", WHOLE).ok()
    key = world.new_key()

    shop.owner.put("/v1/merchant/branding", {"colour": "#000000"}, key=key).ok()
    again = shop.owner.put("/v1/merchant/branding", {"colour": "#000000"}, key=key)

    assert again.header("Idempotent-Replayed") == "true"
    found = shop.owner.get("/v1/merchant").ok()["branding"]
    assert (found["colour"], found["logo"], found["name"]) == ("#000000", None, "Salon Lisboa")


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("colour", "#fff"),
        ("colour", "purple!"),
        ("colour", "#ffd700"),
        ("logo", "http://example.com/logo.png"),
        ("logo", "https://user@example.com/logo.png"),
        ("logo", "javascript:alert(1)"),
        ("logo", "data:image/svg+xml;base64," + PNG),
        ("logo", "data:image/jpeg;base64," + PNG),
        ("logo", "data:image/png;base64,AAAA"),
        ("logo", "data:image/png;base64," + PNG[:-1]),
        ("logo", "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"x" * 6200).decode()),
        ("logo", ""),
        ("email", "hello"),
        ("phone", "12345"),
        ("website", "https://localhost"),
        ("website", "https://example.com/\n"),
        ("terms_url", "ftp://example.com/terms"),
        ("terms_url", "https://example.com/ü"),
        ("name", " "),
        ("address", "\x00"),
    ],
)
def test_bad_input_is_refused_by_field(shop: Shop, field: str, wrong: Any) -> None:
    """422 with the field; what was set stays."""
    shop.owner.put("/v1/merchant/branding", WHOLE).ok()
    before = shop.owner.get("/v1/merchant").ok()

    refused = shop.owner.put("/v1/merchant/branding", {**WHOLE, field: wrong}).problem(422, "invalid_input")

    assert refused["field"] == field
    assert shop.owner.get("/v1/merchant").ok() == before


def test_a_colour_that_is_too_light_is_answered_with_one_that_does(shop: Shop) -> None:
    """The text says how much is missing, and the suggestion is accepted."""
    refused = shop.owner.put("/v1/merchant/branding", {"colour": "#ffd700"}).problem(422, "invalid_input")

    assert refused["contrast"] == 1.4 and refused["suggestion"] in refused["detail"]
    shop.owner.put("/v1/merchant/branding", {"colour": refused["suggestion"]}).ok()


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#767676", "#ffffff", 4.54),
        ("#0000ff", "#ffffff", 8.59),
        ("#ff0000", "#ffffff", 4.0),
    ],
)
def test_contrast_is_wcags(one: str, other: str, ratio: float) -> None:
    """Known values of WCAG's formula, the two greys at its limit among them."""
    assert round(contrast(one, other), 2) == ratio == round(contrast(other, one), 2)


def test_every_suggestion_is_readable() -> None:
    """For colours all over the cube: accepted where white is read on them, else refused with one that is accepted."""
    steps = range(0, 256, 51)
    for red, green, blue in itertools.product(steps, steps, steps):
        colour = f"#{red:02x}{green:02x}{blue:02x}"
        if contrast(colour, WHITE) >= 4.5:
            assert check_colour(colour) == colour
        else:
            with pytest.raises(InvalidInput) as refused:
                check_colour(colour)
            assert check_colour(str(refused.value.context["suggestion"]))
