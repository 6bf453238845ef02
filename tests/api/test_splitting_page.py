"""The form on a bill's page that splits it, and the links of the shares that its host finds there."""

from __future__ import annotations

import re

import pytest

from .test_pages import Browser, browser, use_page
from .world import Caller, Shop, World, billed


@pytest.fixture
def ana(shop: Shop) -> Caller:
    return shop.customer()


def links(host: Browser) -> list[str]:
    """The secrets of the shares' links on the page."""
    found = re.findall(r'<a rel="noreferrer" href="[^"]*/t/([^"?]+)" dir="ltr">', host.page.raw.decode())
    return [str(secret) for secret in found]


def test_a_host_splits_a_bill_and_each_pays_from_a_phone(world: World, shop: Shop, ana: Caller) -> None:
    """The links are on the page as often as it is loaded, each with its code, until they are paid."""
    host = browser(shop, billed(shop, ana, 4000, 1001))

    host.send("split", how="equally", parts="2")

    assert "The bill is split. Below is a link for each share." in host.text
    assert "Share 1, €25.01: not paid yet" in host.text and "Share 2, €25.00: not paid yet" in host.text
    first, second = links(host)
    assert host.page.raw.decode().count("<svg") == 2
    payer = Browser(world, first)
    assert "Is something wrong? Say so on the page of a share" in host.text
    assert "This is a share of a bill that was split." in payer.text and links(payer) == []
    payer.send("pay", tip="0")
    use_page(world, payer.sent.header("Location") or "")
    world.deliver()

    host.open()
    assert "Share 1, €25.01: paid" in host.text
    assert links(host) == [second]


def test_by_items_and_by_amounts(shop: Shop, ana: Caller) -> None:
    """What is put into a share goes there; what stays is the host's to pay on the same page."""
    tab = billed(shop, ana, 4000, 1000, 700)
    host = browser(shop, tab)
    one, other, _ = (item["item_id"] for item in tab["items"])

    host.send("split", {f"share_{one}": "2", f"share_{other}": "1"}, how="items")
    assert {text for text in ("€40.00: not paid yet", "€10.00: not paid yet") if text in host.text} == {
        "€40.00: not paid yet",
        "€10.00: not paid yet",
    }
    host.send("unsplit")
    assert "The split is taken back. What was not paid is yours again." in host.text
    host.send("split", how="amounts", amounts="20\r\n5.50\r\n")

    assert "Share 1, €20.00" in host.text and "Share 2, €5.50" in host.text
    assert shop.seen(tab)["balance_minor"] == 31_50


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "Please choose one of the answers."),
        ({"how": "equally", "parts": "two"}, "Please choose one of the answers."),
        ({"how": "equally", "parts": "13"}, "This is no way to split it: make 2 to 12 shares"),
        ({"how": "amounts", "amounts": "ten\n5"}, "Please write an amount such as 5 or 7.50."),
        ({"how": "amounts", "amounts": "50\n5"}, "This is no way to split it"),
        ({"how": "amounts", "amounts": "20\n0.10"}, "Each share, and what stays with you"),
        ({"how": "items"}, "This is no way to split it"),
    ],
)
def test_what_is_no_split_is_said_and_what_was_typed_stays(
    shop: Shop, ana: Caller, fields: dict[str, str], says: str
) -> None:
    """Nothing is done; the form is open again."""
    tab = billed(shop, ana, 4000, 1000)
    host = browser(shop, tab)

    host.send("split", fields)

    assert host.sent.status == 409 and says in host.text
    assert fields.get("amounts", "").replace("\n", " ") in host.text
    assert re.search(r"<details[^>]* open><summary>Split it with others", host.page.raw.decode())
    assert shop.seen(tab)["shares"] == []


def test_links_are_shown_to_whoever_has_split_the_bill(shop: Shop, ana: Caller) -> None:
    """Not with another link of the same tab, and not where the business has split it."""
    tab = billed(shop, ana, 4000)
    host = browser(shop, tab)
    other = browser(shop, tab)

    host.send("split", how="equally", parts="2")
    other.open()

    assert (len(links(host)), links(other)) == (2, [])
    assert "Share 1" in other.text
    assert not browser(shop, tab, "pay").has("split"), "a payer's link splits nothing"


def test_a_double_click_splits_once(shop: Shop, ana: Caller) -> None:
    """The second answer shows the same links."""
    tab = billed(shop, ana, 4000)
    host = browser(shop, tab)
    form = host.form("split")
    page = host.page

    host.send("split", {**form, "how": "equally", "parts": "3"})
    first = links(host)
    host.page = page
    host.send("split", {**form, "how": "equally", "parts": "3"})

    assert links(host) == first and len(first) == 3
