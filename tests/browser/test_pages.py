"""The customer's page in a real browser: readable for everybody, by keyboard, without scripts, and alive while open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.domain.tab.tab import Tab
from chalicelib.usecases.links.story_links import make_story_link
from tests.api.world import Caller, Shop, World, amounts, billed, booking, held, paid, settled
from tests.browser.visitor import DESKTOP, PHONE, SMALL, Visitor

Visit = Callable[..., Visitor]
TIERED = {
    "tiers": [
        {"percent": 100, "measure": "It stands straight on the day we agreed on."},
        {"percent": 80, "measure": "It stands straight up to two weeks later."},
        {"percent": 50, "measure": "It stands, and is not straight."},
    ],
    "silence_percent": 80,
}


@pytest.fixture
def ana(shop: Shop) -> Caller:
    return shop.customer()


def link(shop: Shop, tab: dict[str, Any], scope: str = "full") -> str:
    made = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/links", {"scope": scope}).ok(201)
    return str(made["secret"])


def promised(shop: Shop, ana: Caller) -> str:
    limits = ["Washing and drying", "More than two colours"]
    return link(shop, booking(shop, ana, hours=24 * 20, limits=limits))


def is_booked(shop: Shop, ana: Caller) -> str:
    tab = booking(shop, ana, hours=24)
    held(shop, ana, tab)
    return link(shop, tab)


def is_open(shop: Shop, ana: Caller) -> str:
    tab = shop.open(ana, 5000)
    shop.agree(ana, tab, ["cap"])
    shop.add(tab, 1800, 1200)
    return link(shop, tab)


def in_review(shop: Shop, ana: Caller) -> str:
    return link(shop, billed(shop, ana, 1800, 1200, 950))


def by_outcome(shop: Shop, ana: Caller) -> str:
    """A bill whose price the customer says: 80 % by silence; the wood is paid whole."""
    tab = shop.open(ana, 20000, title="Bookshelf", expected_outcome="A shelf of oak.", **TIERED)
    shop.agree(ana, tab, ["cap"])
    shop.add(tab, 12000)
    shop.add(tab, 4000, material=True)
    return link(shop, shop.complete(tab))


def with_card(shop: Shop, ana: Caller) -> str:
    return link(shop, billed(shop, ana, 1800, 1200, card="pm_card_visa"))


def is_contested(shop: Shop, ana: Caller) -> str:
    tab = billed(shop, ana, 4000)
    ana.post(f"/v1/tabs/{tab['tab_id']}/contest", {"reason": "Not the colour we agreed on."}).ok()
    return link(shop, tab)


def is_paid(shop: Shop, ana: Caller) -> str:
    tab = billed(shop, ana, 4000)
    asked = ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session", "tip_minor": 400}).ok()["payment"]
    shop.world.confirm(asked)
    shop.world.deliver()
    return link(shop, tab)


def is_missed(shop: Shop, ana: Caller) -> str:
    tab = booking(shop, ana, hours=24)
    held(shop, ana, tab)
    shop.world.move(hours=25)
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/no_show").ok()
    return link(shop, tab)


def with_token(shop: Shop, ana: Caller) -> str:
    return link(shop, billed(shop, ana, 4000), "pay")


def split(shop: Shop, ana: Caller) -> tuple[str, list[dict[str, Any]]]:
    """A bill over which three share, of whom the first has paid: the link that it was split with, and the shares."""
    tab = billed(shop, ana, 1800, 1200, 950)
    secret = link(shop, tab)
    host = shop.world.guest(secret)
    shares = host.post(f"/v1/tabs/{tab['tab_id']}/split", {"amounts_minor": [1500, 1000]}).ok(201)["shares"]
    guest = shop.world.guest(shares[0]["secret"])
    shop.world.confirm(guest.post(f"/v1/tabs/{shares[0]['tab_id']}/charges", {"mode": "on_session"}).ok()["payment"])
    shop.world.deliver()
    return secret, shares


def is_split(shop: Shop, ana: Caller) -> str:
    return split(shop, ana)[0]


def is_a_share(shop: Shop, ana: Caller) -> str:
    return str(split(shop, ana)[1][1]["secret"])


def with_credit(shop: Shop, ana: Caller) -> str:
    """A bill that credit can pay a part of: what an earlier visit has earned, and what this one will."""
    shop = shop.world.shop(credits={"rate_basis_points": 500})
    ana = shop.customer()
    paid(shop, ana, billed(shop, ana, 12000))
    shop.world.move(days=14)
    return link(shop, billed(shop, ana, 1800, 1200))


def is_asked(shop: Shop, *, told: bool = False) -> tuple[Shop, Tab]:
    """Two weeks after a visit to a business that asks for stories; with one that was told."""
    shop = shop.world.shop(stories={"ask_after_days": 14})
    shop.owner.put("/v1/merchant/branding", {"name": "Salon Lisboa", "shows_stories": True}).ok()
    ana = shop.customer()
    made = paid(shop, ana, billed(shop, ana, 4000))
    shop.world.move(days=14)
    body = {"text": "They listened.\n\nThe cut was done in time.", "places": ["website", "feed"], "name": "Ana"}
    if told:
        ana.post(f"/v1/tabs/{made['tab_id']}/tell_story", body).ok()
    return shop, shop.world.deps.store.get_tab(shop.merchant_id, made["tab_id"])


def tells(shop: Shop, ana: Caller) -> str:
    shop, tab = is_asked(shop)
    return f"/s/{make_story_link(shop.world.deps, tab)[1]}"


def shows_stories(shop: Shop, ana: Caller) -> str:
    """The block on the business's website."""
    shop, _ = is_asked(shop, told=True)
    shop.world.pump.run()
    shop.owner.get("/v1/reports/integrity").ok()
    return f"/stories/{shop.merchant_id}"


def opens_nothing(shop: Shop, ana: Caller) -> str:
    return "0" * 26


STATES: dict[str, Callable[[Shop, Caller], str]] = {
    "promised": promised,
    "booked": is_booked,
    "open": is_open,
    "bill": in_review,
    "bill-by-outcome": by_outcome,
    "bill-with-card": with_card,
    "contested": is_contested,
    "paid": is_paid,
    "missed": is_missed,
    "to-pay-only": with_token,
    "split": is_split,
    "share": is_a_share,
    "credit": with_credit,
    "story": tells,
    "stories": shows_stories,
    "nothing": opens_nothing,
}
"""The most important states → the secret of a link to one in it."""


LOOKS = (
    (PHONE, False, "en"),
    (PHONE, True, "ar"),
    (SMALL, False, "ko"),
    (DESKTOP, True, "de"),
    (DESKTOP, False, "es"),
)
"""Size, whether it is dark, language."""


def open_all(visitor: Visitor) -> None:
    """Unfold everything that is folded, so that it is looked at as well."""
    visitor.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")


@pytest.mark.parametrize("state", STATES)
def test_every_state_is_readable_for_everybody(shop: Shop, ana: Caller, visit: Visit, state: str) -> None:
    """axe finds nothing, on a phone and on a desktop, light and dark, in five languages, from left and from right."""
    secret = STATES[state](shop, ana)
    visitor = visit(secret)
    found = {}
    for size, dark, language in LOOKS:
        visitor.look(secret, size=size, dark=dark, language=language)
        faults = visitor.faults() if (size, language) == (PHONE, "en") else []
        open_all(visitor)
        if faults := faults + visitor.faults():
            found[size, dark, language] = faults
    assert found == {}


def test_the_first_screen_says_what_matters(shop: Shop, ana: Caller, visit: Visit) -> None:
    """Business, state and amount are within the first 600 pixels of a phone; the bill comes in one request."""
    visitor = visit(link(shop, billed(shop, ana, 1800, 1200, 950)))
    for what in (visitor.page.locator("header"), visitor.page.locator("h1"), visitor.page.locator(".figure").first):
        box = what.bounding_box()
        assert box is not None and box["y"] + box["height"] < 600
    assert len(visitor.requests) == 1


def fill_stripes_page(page: Any) -> None:
    page.fill("#number", "4242 4242 4242 4242")
    page.fill("#expiry", "12 / 34")
    page.fill("#cvc", "123")
    page.click("#pay")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_bill_is_paid_with_a_tip(
    world: World, shop: Shop, ana: Caller, visit: Visit, site: str, scripts: bool
) -> None:
    """From the link to the receipt, over Stripe's page and back, with a script and without one."""
    tab = billed(shop, ana, 4000)
    visitor = visit(link(shop, tab), scripts=scripts)
    page = visitor.page
    page.get_by_label("10 %").check()
    page.get_by_role("button", name="Pay €40.00").click()
    fill_stripes_page(page)
    page.wait_for_url(f"{site}/t/**")
    assert "Your payment went through" in visitor.text
    world.deliver()
    page.get_by_role("link", name="Load the page again").click()
    page.get_by_text("Paid. Thank you!").wait_for()
    assert "Paid. Thank you! €44.00" in visitor.text
    assert amounts(settled(shop, tab)) == [("charge", 4400)]


def test_the_outcome_is_chosen_with_the_keyboard_and_no_script_and_then_paid(
    shop: Shop, ana: Caller, visit: Visit
) -> None:
    """Nothing is preselected: Enter without a choice sends nothing."""
    visitor = visit(by_outcome(shop, ana), scripts=False)
    keys = visitor.page.keyboard
    assert visitor.page.locator("input[name=tier]:checked").count() == 0
    visitor.tab_to("It stands straight on the day")
    for _ in range(2):
        keys.press("ArrowDown")
    visitor.tab_to("This is how it was")
    keys.press("Enter")
    visitor.page.wait_for_url("**done=chosen**")
    assert "By the outcome: 50 % of the price -€60.00" in visitor.text.replace("\N{MINUS SIGN}", "-")
    assert visitor.page.get_by_role("button", name="Pay €100.00").is_visible()


def test_a_story_is_told_with_the_keyboard_after_it_was_seen(shop: Shop, ana: Caller, visit: Visit) -> None:
    """No place is ticked beforehand, and the preview is as readable as the rest. These pages have no script."""
    visitor = visit(tells(shop, ana))
    keys = visitor.page.keyboard
    visitor.tab_to("In your own words")
    keys.type("It was done in time.")
    visitor.tab_to("See how it will look")
    keys.press("Enter")
    visitor.page.get_by_text("This is how it will look").wait_for()
    assert visitor.page.locator("input[name=place]:checked").count() == 0
    assert visitor.faults() == []
    visitor.tab_to("On the website of Salon Lisboa")
    keys.press("Space")
    visitor.tab_to("Publish it")
    keys.press("Enter")
    visitor.page.wait_for_url("**done=told**")
    assert "It is shown: On the website of Salon Lisboa" in visitor.text
    open_all(visitor)
    assert visitor.faults() == []


def test_half_of_a_bill_is_contested_with_the_keyboard_alone(shop: Shop, ana: Caller, visit: Visit) -> None:
    tab = billed(shop, ana, 3000, 1000)
    visitor = visit(link(shop, tab))
    keys = visitor.page.keyboard
    visitor.tab_to("Something is wrong")
    keys.press("Enter")
    visitor.tab_to("All of it")
    for _ in range(2):
        keys.press("ArrowDown")
    visitor.tab_to("How much")
    keys.type("20.00")
    visitor.tab_to("What happened?")
    keys.type("Not the colour we agreed on.")
    visitor.tab_to("Tell them")
    keys.press("Enter")
    visitor.page.wait_for_url("**done=contested**")
    assert "The business was told" in visitor.text
    assert shop.seen(tab)["contest"]["contested_minor"] == 2000


def test_a_bill_is_split_by_items_with_the_keyboard_alone(shop: Shop, ana: Caller, visit: Visit) -> None:
    """Without a script; each share's link is there to be given away, with its code."""
    tab = billed(shop, ana, 3000, 1000, 500)
    visitor = visit(link(shop, tab), scripts=False)
    keys = visitor.page.keyboard
    visitor.tab_to("Split it with others")
    keys.press("Enter")
    visitor.tab_to("In equal shares")
    keys.press("ArrowDown")
    for share in ("1", "2"):
        keys.press("Tab")
        keys.type(f"Share {share}")
    visitor.tab_to("Split the bill")
    keys.press("Enter")
    visitor.page.wait_for_url("**done=split**")
    assert "Share 1, €30.00: not paid yet" in visitor.text and "Share 2, €10.00: not paid yet" in visitor.text
    visitor.tab_to("Code of share 2, to scan")
    keys.press("Enter")
    assert visitor.page.locator("li svg").last.is_visible()


def test_an_open_page_shows_what_changes_and_says_so(shop: Shop, ana: Caller, visit: Visit) -> None:
    """Items appear while it is open; who is writing is not interrupted, but told."""
    tab = shop.open(ana, 5000)
    shop.agree(ana, tab, ["cap"])
    visitor = visit(link(shop, tab), clock=True)
    shop.add(tab, 1800)
    visitor.page.clock.run_for(4000)
    visitor.page.get_by_role("cell", name="€18.00").first.wait_for()
    assert visitor.page.locator("#said").inner_text() == "This page has changed."


def test_who_is_writing_is_not_interrupted(shop: Shop, ana: Caller, visit: Visit) -> None:
    tab = billed(shop, ana, 3000)
    visitor = visit(link(shop, tab), clock=True)
    visitor.page.get_by_text("Something is wrong").click()
    visitor.page.get_by_label("What happened?").fill("Half of it was")
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/adjust", {"reduction_minor": 500, "reason": "A sorry."}).ok()
    visitor.page.clock.run_for(4000)
    visitor.page.wait_for_selector("#stale:not([hidden])")
    assert visitor.page.get_by_label("What happened?").input_value() == "Half of it was"


def test_a_receipt_prints_without_what_is_for_the_screen(shop: Shop, ana: Caller, visit: Visit) -> None:
    visitor = visit(is_paid(shop, ana))
    visitor.page.emulate_media(media="print")
    assert visitor.page.get_by_text("This is not my tab").is_hidden()
    assert visitor.page.get_by_text("In all").is_visible()
