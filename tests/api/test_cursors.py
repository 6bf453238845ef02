"""Cursors: signed, and good for the listing that they were made for alone."""

from __future__ import annotations

import base64

import pytest

from chalicelib.domain.tab.link import SECRET_LENGTH, derived_secret
from chalicelib.handlers.api import paging

from .world import Caller, Shop, World


@pytest.fixture
def listed(shop: Shop) -> tuple[str, str]:
    """A listing of more than a page, and the cursor of its second page."""
    ana = shop.customer()
    for _ in range(3):
        shop.open(ana, 1000)
    path = "/v1/tabs?status=open&limit=1"
    return path, str(shop.staff.get(path).ok()["next_cursor"])


def refused(caller: Caller, address: str) -> None:
    problem = caller.get(address).problem(400, "bad_cursor")
    assert problem["parameter"] == "cursor"
    assert "Start again without it." in problem["detail"]


def test_it_leads_on_whoever_of_the_business_asks_and_with_any_limit(shop: Shop, listed: tuple[str, str]) -> None:
    """The limit is no filter, and a listing of the business is the same for all of it."""
    _, cursor = listed

    assert len(shop.owner.get(f"/v1/tabs?status=open&limit=7&cursor={cursor}").ok()["tabs"]) == 2


@pytest.mark.parametrize("at", [0, SECRET_LENGTH - 1, SECRET_LENGTH, -1])
def test_an_altered_one_is_refused(shop: Shop, listed: tuple[str, str], at: int) -> None:
    """One letter of the signature or of the position."""
    path, cursor = listed
    letters = list(cursor)
    letters[at] = "A" if letters[at] != "A" else "B"

    refused(shop.staff, f"{path}&cursor={''.join(letters)}")


def test_one_that_a_stranger_has_made_is_refused(shop: Shop, listed: tuple[str, str]) -> None:
    """Who knows how a position is written still cannot sign it; nor is the store's own cursor one."""
    path, cursor = listed
    position = base64.urlsafe_b64encode(b"123456" + b"2026-01-01T00:00:00Z#tab_x").decode().rstrip("=")

    for forged in (
        cursor[SECRET_LENGTH:],
        "0" * SECRET_LENGTH + cursor[SECRET_LENGTH:],
        cursor[:SECRET_LENGTH] + position,
    ):
        refused(shop.staff, f"{path}&cursor={forged}")
    refused(shop.staff, f"{path}&cursor=%C3%A9{cursor[1:]}")


def test_where_no_key_was_made_yet_nothing_is_signed(world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A business without a key is no business whose key can be guessed."""
    signed: list[str] = []
    monkeypatch.setattr(paging, "derived_secret", lambda key, text: signed.append(text) or derived_secret(key, text))
    ana, path = shop.customer(), "/v1/tabs?status=open&limit=1"
    for _ in range(2):
        shop.open(ana, 1000)
    position = str(shop.staff.get(path).ok()["next_cursor"])[SECRET_LENGTH:]

    for guessed in ("None", ""):
        refused(world.shop().staff, f"{path}&cursor={derived_secret(guessed, signed[-1])}{position}")


def test_it_is_good_for_no_other_listing(shop: Shop, listed: tuple[str, str]) -> None:
    """Other filters, another operation, another tab's timeline."""
    path, cursor = listed
    tab = shop.staff.get(path).ok()["tabs"][0]["tab_id"]

    for other in ("&order=oldest_first", "&payment_state=none", "&opened_since=2020-01-01T00:00:00Z"):
        refused(shop.staff, f"{path}{other}&cursor={cursor}")
    for operation in (f"/v1/tabs/{tab}/timeline", "/v1/tokens"):
        refused(shop.staff, f"{operation}?cursor={cursor}")
    refused(shop.owner, f"/v1/customers?cursor={cursor}")


def test_it_is_good_for_no_other_merchant_and_no_other_customer(world: World, shop: Shop) -> None:
    """Each merchant has a key of its own, and a customer's listing is theirs."""
    ana, ben, other = shop.customer(), shop.customer(), world.shop()
    for whose, where in ((ana, shop), (ben, shop), (other.customer(), other)):
        for _ in range(2):
            where.open(whose, 1000)
    path = "/v1/tabs?limit=1"
    cursor = ana.get(path).ok()["next_cursor"]

    refused(ben, f"{path}&cursor={cursor}")
    of_shop = shop.staff.get(f"{path}&status=open").ok()["next_cursor"]
    refused(other.staff, f"{path}&status=open&cursor={of_shop}")


def test_without_its_key_it_is_void_and_a_new_one_is_made(world: World, shop: Shop, listed: tuple[str, str]) -> None:
    """How keys are replaced: the merchant's is deleted."""
    path, cursor = listed
    world.deps.store._cursor_keys.clear()  # type: ignore[attr-defined]

    refused(shop.staff, f"{path}&cursor={cursor}")
    renewed = shop.staff.get(path).ok()["next_cursor"]
    assert renewed != cursor
    assert len(shop.staff.get(f"{path}&cursor={renewed}").ok()["tabs"]) == 1
