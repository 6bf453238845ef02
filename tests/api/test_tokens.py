"""Numbered tokens over HTTP: made and printed by the owner, bound by staff, held by a guest until the tab closes."""

from __future__ import annotations

import html
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import segno

from chalicelib.handlers import bearers

from .world import Caller, Shop, World, billed, history, paid, settled


def made(shop: Shop, first: int, count: int = 1, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = shop.owner.post("/v1/tokens", {"first": first, "count": count, **more}).ok(201)
    return answer


def coin(shop: Shop, number: int) -> Caller:
    """Whoever has the token with this number, which is new."""
    return shop.world.guest(made(shop, number)["tokens"][0]["secret"])


def opened(shop: Shop, token: int | None = None, **more: Any) -> dict[str, Any]:
    """A tab for nobody in particular."""
    body = {"title": "Flat white", "expected_outcome": "Two cups.", "estimate_minor": 1500, **more}
    tab: dict[str, Any] = shop.staff.post("/v1/tabs", body | ({"token": token} if token else {})).ok(201)
    return tab


def path(tab: dict[str, Any]) -> str:
    return f"/v1/tabs/{tab['tab_id']}"


def states(shop: Shop) -> dict[int, str]:
    return {token["number"]: token["state"] for token in shop.staff.get("/v1/tokens").ok()["tokens"]}


# The whole story


def test_pay_me_after_you_have_enjoyed_your_drink(world: World, shop: Shop) -> None:
    """A token is handed over, the drink is enjoyed, the guest scans and pays with a tip; the token is free again."""
    guest = coin(shop, 17)
    tab = opened(shop, 17)
    shop.complete(tab, 900)

    visit = guest.get("/v1/link").ok()
    assert (visit["tab_id"], visit["scope"], visit["token"], visit["link_id"]) == (tab["tab_id"], "pay", 17, None)
    asked = guest.post(f"{path(tab)}/charges", {"mode": "on_session", "tip_minor": 100}).ok()["payment"]
    assert world.confirm(asked)["status"] == "succeeded"
    world.deliver()

    done = settled(shop, tab)
    assert (done["status"], done["paid_minor"], done["tip_minor"]) == ("closed", 1000, 100)
    assert states(shop) == {17: "free"}
    guest.get("/v1/link").problem(401, "token_invalid")
    assert opened(shop, 17)["token"] == 17


def test_a_guest_takes_the_tab_over(world: World, shop: Shop) -> None:
    """They get a full link of their own; the token, and so whoever scans it next, opens the tab no more."""
    guest = coin(shop, 17)
    tab = opened(shop, 17)
    context = bearers.read_token(f"Bearer {guest.token}")

    over = guest.post("/v1/link/take_over").ok(201)

    own = world.guest(over["secret"])
    assert (over["link"]["scope"], over["link"]["method"]) == ("full", "taken_over")
    shop.agree(own, tab, ["cap"])
    guest.get(path(tab)).problem(401, "token_invalid")
    assert (context["scope"], context["sub"]) == ("pay", "token_17")
    listed = shop.staff.get("/v1/tokens").ok()["tokens"]
    assert [(token["state"], token["taken_over"]) for token in listed] == [("bound", True)]
    shop.staff.post("/v1/tabs", new_tab(17)).problem(409, "token_in_use")
    own.post("/v1/link/take_over").problem(403, "forbidden")


def new_tab(token: int) -> dict[str, Any]:
    return {"title": "Tea", "expected_outcome": "Tea.", "estimate_minor": 500, "token": token}


# Binding


def test_a_token_in_use_is_refused_with_what_to_do(world: World, shop: Shop) -> None:
    """Which tab has it, and how it comes free: taken back, or that tab closed. Nothing is opened."""
    coin(shop, 17)
    tab = opened(shop, 17)

    refused = shop.staff.post("/v1/tabs", new_tab(17)).problem(409, "token_in_use")

    assert refused["tab_id"] == tab["tab_id"] and "unbind_token" in refused["detail"]
    assert len(shop.staff.get("/v1/tabs?status=open").ok()["tabs"]) == 1
    shop.staff.post(f"{path(tab)}/unbind_token").ok()
    assert states(shop) == {17: "free"}
    other = opened(shop, 17)
    assert (shop.seen(tab)["token"], shop.seen(other)["token"]) == (None, 17)


def test_an_old_guest_sees_nothing_of_the_next_one(world: World, shop: Shop) -> None:
    """The token's next tab is another guest's. What was kept of the token's last answer opens neither."""
    guest = coin(shop, 17)
    tab = opened(shop, 17)
    shop.staff.post(f"{path(tab)}/unbind_token").ok()
    other = opened(shop, 17)

    assert guest.get(path(tab)).problem(404, "not_found")
    assert guest.get("/v1/link").ok()["tab_id"] == other["tab_id"]


def test_a_token_goes_on_to_a_tab_later_and_replaces_its_former_one(shop: Shop) -> None:
    """Bound by staff after the opening; a second one takes the first one's place; both are in the timeline."""
    one, two = coin(shop, 1), coin(shop, 2)
    tab = opened(shop)

    assert shop.staff.post(f"{path(tab)}/bind_token", {"token": 1}).ok()["token"] == 1
    assert one.get(path(tab)).status == 200
    assert shop.staff.post(f"{path(tab)}/bind_token", {"token": 2}).ok()["token"] == 2

    one.get(path(tab)).problem(401, "token_invalid")
    assert two.get(path(tab)).status == 200
    assert states(shop) == {1: "free", 2: "bound"}
    bound = [entry["details"] for entry in history(shop, tab) if entry["kind"] == "token_bound"]
    assert bound == [{"token": 1}, {"token": 2}]


@pytest.mark.parametrize("number", [0, -1, 10_000, "17", 1.5, True])
def test_what_is_no_number_is_refused(shop: Shop, number: Any) -> None:
    """At opening and at binding; a number that no token has is not found."""
    tab = opened(shop)

    shop.staff.post("/v1/tabs", new_tab(number)).problem(422, "invalid_input")
    shop.staff.post(f"{path(tab)}/bind_token", {"token": number}).problem(422, "invalid_input")
    shop.staff.post("/v1/tabs", new_tab(4711)).problem(404, "not_found")
    shop.staff.post(f"{path(tab)}/bind_token", {"token": 4711}).problem(404, "not_found")


def test_a_closed_tab_takes_no_token(world: World, shop: Shop) -> None:
    """There is nothing for a guest to do on it."""
    coin(shop, 17)
    tab = opened(shop)
    shop.complete(tab, 900)
    shop.staff.post(f"{path(tab)}/cash", {"amount_minor": 900}).ok()

    shop.staff.post(f"{path(tab)}/bind_token", {"token": 17}).problem(409, "transition_refused")


def test_two_tabs_at_once_get_the_token_once(world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both saw it free; the second to be written is decided again, and refused."""
    coin(shop, 17)
    commit = world.deps.store.commit
    meanwhile: list[dict[str, Any]] = []

    def slow(change: Any, **more: Any) -> Any:
        if not meanwhile:
            meanwhile.append({})
            meanwhile[0] = opened(shop, 17)
        return commit(change, **more)

    monkeypatch.setattr(world.deps.store, "commit", slow)

    shop.staff.post("/v1/tabs", new_tab(17)).problem(409, "token_in_use")

    assert shop.seen(meanwhile[0])["token"] == 17
    assert len(shop.staff.get("/v1/tabs?status=open").ok()["tabs"]) == 1


# Making, replacing, revoking


def test_tokens_are_made_once_and_listed_without_secrets(world: World, shop: Shop) -> None:
    """The first answer has the addresses, a repetition has null; numbers that exist are refused, all of them."""
    key = world.new_key()

    first = shop.owner.post("/v1/tokens", {"first": 5, "count": 3}, key=key).ok(201)
    again = shop.owner.post("/v1/tokens", {"first": 5, "count": 3}, key=key)
    refused = shop.owner.post("/v1/tokens", {"first": 7, "count": 3}).problem(409, "token_exists")
    listed = shop.staff.get("/v1/tokens?limit=2")

    assert [token["number"] for token in first["tokens"]] == [5, 6, 7]
    assert all(token["url"].endswith("/t/" + token["secret"]) for token in first["tokens"])
    assert len({token["secret"] for token in first["tokens"]}) == 3
    assert [token["secret"] for token in again.ok(201)["tokens"]] == [None, None, None]
    assert again.header("Idempotent-Replayed") == "true"
    assert refused["numbers"] == [7]
    assert [token["number"] for token in listed.ok()["tokens"]] == [5, 6]
    rest = shop.staff.get(f"/v1/tokens?limit=2&cursor={listed.json['next_cursor']}").ok()
    assert ([token["number"] for token in rest["tokens"]], rest["next_cursor"]) == ([7], None)
    assert not any(token["secret"] in listed.raw.decode() for token in first["tokens"])
    assert world.shop().staff.get("/v1/tokens").ok()["tokens"] == []


@pytest.mark.parametrize(
    "body", [{}, {"first": 0}, {"first": 1, "count": 49}, {"first": 1, "count": 0}, {"first": 9999, "count": 2}]
)
def test_bad_ranges_are_refused(shop: Shop, body: dict[str, Any]) -> None:
    """422, and nothing is made."""
    shop.owner.post("/v1/tokens", body).problem(422, "invalid_input")

    assert states(shop) == {}


def test_a_lost_token_is_replaced(world: World, shop: Shop) -> None:
    """The old code opens nothing, the new one opens the tab that has the number; revoked, neither does."""
    lost = coin(shop, 17)
    tab = opened(shop, 17)

    new = world.guest(shop.owner.post("/v1/tokens/17/replace").ok(201)["tokens"][0]["secret"])
    lost.get("/v1/link").problem(401, "token_invalid")
    assert new.get("/v1/link").ok()["tab_id"] == tab["tab_id"]

    assert shop.owner.post("/v1/tokens/17/revoke").ok()["state"] == "revoked"
    new.get("/v1/link").problem(401, "token_invalid")
    assert states(shop) == {17: "revoked"}
    shop.owner.post("/v1/tokens/17/revoke").problem(409, "transition_refused")
    shop.staff.post("/v1/tabs", new_tab(17)).problem(409, "token_in_use")
    shop.staff.post(f"{path(tab)}/unbind_token").ok()
    shop.staff.post("/v1/tabs", new_tab(17)).problem(409, "transition_refused")
    shop.owner.post("/v1/tokens/17/replace").ok(201)
    assert opened(shop, 17)["token"] == 17


@pytest.mark.parametrize("number", ["9", "0", "017", "x", "99999"])
def test_an_unknown_token_is_not_found(shop: Shop, number: str) -> None:
    """Whatever stands for its number in the path; the tokens of another business are unknown, too."""
    coin(shop.world.shop(), 9)

    shop.owner.post(f"/v1/tokens/{number}/replace").problem(404, "not_found")
    shop.owner.post(f"/v1/tokens/{number}/revoke").problem(404, "not_found")


def test_a_free_token_opens_nothing(shop: Shop) -> None:
    """As a wrong one: the API does not say that there is such a token."""
    coin(shop, 17).get("/v1/link").problem(401, "token_invalid")


# The sheet


@pytest.mark.parametrize("paper", ["a4", "label"])
def test_the_sheet_has_a_code_for_each_token(world: World, shop: Shop, paper: str) -> None:
    """Each code says its token's own address; nothing is loaded from elsewhere, and no name becomes a tag."""
    shop = Shop(
        world,
        world.operator.post("/v1/merchants", {"name": "<b>Café & Co", "currency": "EUR"}).ok(201)["merchant_id"],
    )

    answer = made(shop, 9, 3, sheet=paper)

    sheet = answer["sheet"]
    assert "&lt;b&gt;Café &amp; Co" in sheet and "<b>" not in sheet
    outside = set(re.findall(r"https?://[^\s\"'<]+", sheet)) - {"http://www.w3.org/2000/svg"}
    assert outside == set() and "<script" not in sheet and "<img" not in sheet
    drawn = re.findall(r"<svg.*?</svg>", sheet, re.DOTALL)
    numbers = re.findall(r"<strong>(\d+)</strong>", sheet)
    assert numbers == ["9", "10", "11"]
    for svg, token in zip(drawn, answer["tokens"], strict=True):
        assert modules(svg) == [list(row) for row in segno.make_qr(token["url"], error="m", boost_error=False).matrix]
    assert html.unescape(sheet).count(answer["tokens"][0]["secret"]) == 0
    assert made(shop, 20)["sheet"] is None


def modules(svg: str) -> list[list[int]]:
    """The dark squares of a code, read back from its lines: each is a unit high, and drawn along its middle."""
    tree = ET.fromstring(svg.replace("&", "&amp;"))
    size = int(tree.attrib["viewBox"].split()[2]) - 8
    grid = [[0] * size for _ in range(size)]
    line = next(node.attrib["d"] for node in tree.iter() if "stroke" in node.attrib)
    x = y = 0.0
    for kind, first, second in re.findall(r"([Mmh])\s*(-?[\d.]+)(?:[ ,]?(-?[\d.]+))?", line):
        if kind == "M":
            x, y = float(first), float(second)
        elif kind == "m":
            x, y = x + float(first), y + float(second)
        else:
            for at in range(int(x) - 4, int(x) - 4 + int(first)):
                grid[int(y) - 4][at] = 1
            x += float(first)
    return grid


def test_the_code_is_small_enough_to_be_scanned_from_a_coin(world: World, shop: Shop) -> None:
    """With the pages on a domain of their own, a code has 33 squares a side (version 4)."""
    secret = made(shop, 1)["tokens"][0]["secret"]

    assert segno.make_qr(f"https://pay.example.com/t/{secret}", error="m", boost_error=False).version == 4


# Nobody in particular


def test_a_tab_for_nobody_in_particular_has_a_customer_of_its_own(world: World, shop: Shop) -> None:
    """Made in the same transaction, not in the list of customers, unknown to Stripe until they pay."""
    key = world.new_key()
    body = {"title": "Tea", "expected_outcome": "Tea.", "estimate_minor": 500}

    one = shop.staff.post("/v1/tabs", body, key=key).ok(201)
    again = shop.staff.post("/v1/tabs", body, key=key).ok(201)
    other = opened(shop)

    assert again["customer_id"] == one["customer_id"] != other["customer_id"]
    assert shop.staff.get("/v1/customers").ok()["customers"] == []
    assert shop.staff.get(f"/v1/customers/{one['customer_id']}").ok()["reference"] == ""
    assert world.deps.store.get_customer(shop.merchant_id, one["customer_id"]).customer_ref is None
    known = shop.customer()
    assert [line["customer_id"] for line in shop.staff.get("/v1/customers").ok()["customers"]] == [known.customer_id]


def test_a_refused_opening_leaves_no_customer_behind(world: World, shop: Shop) -> None:
    """No tab, no customer: the next one is made with the next tab."""
    coin(shop, 17)
    opened(shop, 17)
    before = dict(world.deps.store._customers)  # type: ignore[attr-defined]

    shop.staff.post("/v1/tabs", new_tab(17)).problem(409, "token_in_use")
    shop.staff.post("/v1/tabs", {**new_tab(17), "currency": "JPY"}).problem(422, "currency_mismatch")

    assert world.deps.store._customers == before  # type: ignore[attr-defined]


def test_a_guest_nobody_knows_secures_pays_and_is_charged_like_anybody(world: World, shop: Shop) -> None:
    """A deposit is held, the bill paid from it and from the card, by a link alone; Stripe has one customer."""
    tab = opened(shop, estimate_minor=4000, deposit_minor=2000)
    guest = shop.link(tab)
    agreed = shop.agree(guest, tab)
    assert world.confirm(agreed["payment"])["status"] == "requires_capture"
    world.deliver()
    shop.complete(tab, 3500)

    done = guest.post(f"{path(tab)}/accept_bill").ok()

    assert (done["status"], done["paid_minor"]) == ("closed", 3500)
    settled(shop, tab)
    made_at_stripe = world.http.get(
        f"{world.base}/v1/customers", headers={"Authorization": "Bearer sk_test_standin"}
    ).json()["data"]
    assert [one["metadata"]["customer"] for one in made_at_stripe] == [tab["customer_id"]]


def test_a_walk_in_pays_on_the_phone_through_a_link(world: World, shop: Shop) -> None:
    """Nobody was asked for a name."""
    tab = opened(shop)
    shop.complete(tab, 900)

    assert paid(shop, shop.link(tab, "pay"), tab)["status"] == "closed"
    assert billed(shop, shop.customer(), 100)["status"] == "in_review"
