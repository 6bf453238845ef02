"""Stories over HTTP and in a browser: told, previewed, consented to by place, read by anybody, taken back."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest

from chalicelib.usecases.links.story_links import make_story_link
from chalicelib.usecases.links.tab_links import make_for_message

from .test_pages import Browser
from .world import Caller, Reply, Shop, World, billed, history, paid

TEXT = "They listened <b>well</b>,\nand the cut was done in time."


@pytest.fixture
def shop(world: World) -> Shop:
    shop = world.shop(stories={"ask_after_days": 14})
    shop.owner.put("/v1/merchant/branding", {"name": "Salon Lisboa", "shows_stories": True}).ok()
    return shop


@pytest.fixture
def ana(shop: Shop) -> Caller:
    return shop.customer()


def asked(shop: Shop, ana: Caller) -> dict[str, Any]:
    """A paid visit of two weeks ago."""
    tab = paid(shop, ana, billed(shop, ana, 6000))
    shop.world.move(days=14)
    return tab


def path(tab: dict[str, Any], verb: str) -> str:
    return f"/v1/tabs/{tab['tab_id']}/{verb}"


def feed(shop: Shop) -> Reply:
    return shop.world.stranger.get(f"/v1/stories/{shop.merchant_id}")


def test_a_story_is_told_read_by_anybody_and_taken_back(world: World, shop: Shop, ana: Caller) -> None:
    tab = asked(shop, ana)
    assert "tell_story" in shop.seen(tab, ana)["allowed_actions"]
    ana.post(path(tab, "tell_story"), {"text": TEXT, "places": []}).problem(422, "invalid_input")
    told = ana.post(path(tab, "tell_story"), {"text": TEXT, "places": ["feed"], "name": "Ana"}).ok()
    assert told["story"]["places"] == ["feed"] and TEXT not in str(told)
    assert ana.get(path(tab, "story")).ok()["story"]["text"] == shop.owner.get(path(tab, "story")).ok()["story"]["text"]

    answer = feed(shop)
    (story,) = answer.ok()["stories"]
    assert (story["text"], story["name"], story["story_id"]) == (TEXT, "Ana", told["story"]["story_id"])
    assert answer.json["business"] == "Salon Lisboa" and answer.json["read_again_within_s"] == 24 * 3600
    assert answer.header("Cache-Control") == "public, max-age=300" and "noarchive" in str(answer.header("X-Robots-Tag"))
    assert tab["tab_id"] not in str(answer.json) and str(ana.customer_id) not in str(answer.json)

    ana.post(path(tab, "withdraw_story")).ok()
    assert feed(shop).ok()["stories"] == []
    assert ana.get(path(tab, "story")).ok() == {"story": None, "places": []}
    assert [entry["kind"] for entry in history(shop, tab)][-2:] == ["story_told", "story_withdrawn"]


def test_who_is_not_the_customer_tells_no_story(shop: Shop, ana: Caller) -> None:
    tab, body = asked(shop, ana), {"text": TEXT, "places": ["feed"]}
    for caller in (shop.staff, shop.owner, shop.link(tab)):
        caller.post(path(tab, "tell_story"), body).problem(403, "forbidden")
    shop.customer("Bob").post(path(tab, "tell_story"), body).problem(404, "not_found")
    shop.world.stranger.get("/v1/stories/mer_nobody").problem(404, "not_found")


class Reader(Browser):
    """A browser on the page of a story."""

    def form(self, act: str) -> dict[str, str]:
        return {name: unescape(value) for name, value in super().form(act).items()}

    def send(self, act: str, fields: dict[str, Any] | None = None, **more: str) -> Reply:
        sent = super().send(act, fields, **more)
        if sent.status == 303:
            self.open((sent.header("Location") or "").removeprefix("http://salon.example"))
        return sent


def test_a_guest_tells_on_the_page_sees_it_first_and_takes_it_back(world: World, shop: Shop, ana: Caller) -> None:
    """By the link of the message that asks everybody, which never expires."""
    tab = asked(shop, ana)
    assert world.said()[-1] == "customer: story_asked"
    _, address = make_story_link(world.deps, world.deps.store.get_tab(shop.merchant_id, tab["tab_id"]))
    reader = Reader(world, address)
    reader.open(f"/s/{address}?lang=en")
    assert "How was it at Salon Lisboa?" in reader.text and "everybody is asked" in reader.text

    reader.send("preview", {"text": TEXT, "name": "Ana"})
    html = reader.page.raw.decode()
    assert "well&lt;/b&gt;" in html and "verified visit" in reader.text
    assert 'type="checkbox" name="place" value="feed"' in html and "checked" not in html
    assert feed(shop).ok()["stories"] == []
    reader.send("tell", {})
    assert reader.page.status == 409 and "Tick at least one place" in reader.text and "well" in reader.text
    reader.send("tell", {"place": "website"})
    assert "It is shown from now on" in reader.text and feed(shop).ok()["stories"] == []

    block = world.stranger.get(f"/stories/{shop.merchant_id}?lang=en")
    assert "They listened &lt;b&gt;well&lt;/b&gt;," in block.raw.decode() and "Ana" in block.raw.decode()
    policy = str(block.header("Content-Security-Policy"))
    assert "default-src 'none'" in policy and "frame-ancestors *" in policy and "form-action 'none'" in policy
    assert "frame-ancestors 'none'" in str(reader.page.header("Content-Security-Policy"))

    world.move(days=400)
    reader.open(f"/s/{address}?lang=en")
    reader.send("withdraw")
    assert "taken back, and its words are erased" in reader.text
    assert "well" not in world.stranger.get(f"/stories/{shop.merchant_id}").raw.decode()
    assert Browser(world, address).page.status == 404, "it opens nothing but the story"


def test_the_tabs_page_leads_to_the_story_of_those_whose_link_was_sent(world: World, shop: Shop, ana: Caller) -> None:
    """A link that staff have made does not: they have seen it."""
    tab = asked(shop, ana)
    _, secret = make_for_message(world.deps, world.deps.store.get_tab(shop.merchant_id, tab["tab_id"]))
    sent = Reader(world, secret)
    assert "Would you tell others?" in sent.text
    sent.send("story")
    assert "How was it at Salon Lisboa?" in sent.text
    made = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/links", {"scope": "full"}).ok(201)["secret"]
    assert not Browser(world, made).has("story")


def test_a_business_that_shows_none_has_no_feed_and_no_block(world: World, shop: Shop) -> None:
    shop.owner.put("/v1/merchant/branding", {}).ok()
    feed(shop).problem(404, "not_found")
    assert world.stranger.get(f"/stories/{shop.merchant_id}").status == 404
    assert world.stranger.get("/s/" + "0" * 26).status == 404
    assert world.stranger.get("/s/nonsense").status == 404
