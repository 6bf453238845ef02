"""The customer's page, misused: stale forms, forms sent twice or by hand, and guests who may do less."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.ports.store import StoreUnavailable

from .test_pages import Browser, browser, use_page
from .world import Caller, Shop, World, amounts, billed, booking, settled

ACTS = ["agree", "accept", "pay", "tip", "contest", "cancel", "card", "rate", "counter", "take_over"]


@pytest.fixture
def ana(shop: Shop) -> Caller:
    return shop.customer()


def with_token(shop: Shop, ana: Caller, **more: Any) -> tuple[dict[str, Any], str]:
    """An open tab that has a token, and the token's secret."""
    made = shop.owner.post("/v1/tokens", {"first": 1, "count": 1}).ok(201)["tokens"][0]
    return shop.open(ana, 5000, token=made["number"], **more), str(made["secret"])


def by_hand(guest: Browser, act: str, form: dict[str, str], **more: Any) -> int:
    """Send what a page has no form for, with the hidden fields of any other; the status."""
    answer = guest.world.client.http.request(
        "POST",
        f"/t/{guest.secret}/{act}",
        headers={"host": "salon.example", "content-type": "application/x-www-form-urlencoded"},
        body=urlencode({**form, **more}, doseq=True).encode(),
    )
    return int(answer.status_code)


def test_a_form_for_other_items_of_the_same_price_is_stale(shop: Shop, ana: Caller) -> None:
    """The sum is the same, the bill is another: it was not agreed to."""
    tab = shop.open(ana, 9000)
    shop.agree(ana, tab, ["cap"])
    shop.complete(tab, 3000)
    guest = browser(shop, tab)
    seen = guest.form("pay")
    item = shop.seen(tab)["items"][0]["item_id"]
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/amend").ok()
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/items/{item}/void").ok()
    shop.complete(tab, 3000)
    guest.send("pay", seen, tip="0")
    assert guest.sent.status == 409
    assert "The tab changed while you were reading" in guest.text
    assert shop.seen(tab)["payment"] is None


def test_a_form_that_takes_nothing_takes_nothing_once_a_card_is_saved(world: World, shop: Shop, ana: Caller) -> None:
    """The page said "pay on Stripe's page". Meanwhile the app has saved a card, which accepting would charge."""
    tab = shop.open(ana, 9000)
    shop.agree(ana, tab, ["cap", "card_on_file"])
    shop.complete(tab, 3000)
    guest = browser(shop, tab)
    seen = guest.form("pay")
    shop.save_card(ana, tab=tab)
    assert by_hand(guest, "accept", seen, tip="0") == 409
    assert shop.seen(tab)["status"] == "in_review"


def test_taking_over_twice_leads_to_the_same_tab(shop: Shop, ana: Caller) -> None:
    """A double click: the browser shows the second answer only, and the token is dead by then."""
    tab, secret = with_token(shop, ana)
    guest = Browser(shop.world, secret)
    form = guest.form("take_over")
    first = guest.send("take_over").header("Location")
    assert first and secret not in first
    again = Browser(shop.world, secret)
    assert "Nothing is open on this token" in again.text
    again.page = guest.page
    headers = {"host": "salon.example", "content-type": "application/x-www-form-urlencoded"}
    answer = shop.world.client.http.request(
        "POST", f"/t/{secret}/take_over", headers=headers, body=urlencode(form).encode()
    )
    assert (answer.status_code, answer.headers.get("Location")) == (303, first)
    assert len(shop.staff.get(f"/v1/tabs/{tab['tab_id']}/links").ok()["links"]) == 1
    other = form | {"key": "page_of_somebody_else"}
    answer = shop.world.client.http.request(
        "POST", f"/t/{secret}/take_over", headers=headers, body=urlencode(other).encode()
    )
    assert answer.status_code == 200
    assert b"Nothing is open on this token" in answer.body


def test_canceling_twice_does_not_say_that_nothing_was_done(world: World, shop: Shop, ana: Caller) -> None:
    tab = booking(shop, ana, hours=26)
    shop.agree(ana, tab)
    world.move(hours=3)
    guest = browser(shop, tab)
    form = guest.form("cancel")
    assert form["fee"] == "1000"
    assert guest.send("cancel", form).status == 303
    assert by_hand(guest, "cancel", form) == 303, "the same form again is the same cancellation"
    assert shop.seen(tab)["fee"]["amount_minor"] == 1000


@pytest.mark.parametrize("scope", ["view", "pay"])
def test_who_may_do_less_does_no_more_by_hand(shop: Shop, ana: Caller, scope: str) -> None:
    """Every form sent by hand, on a bill, on a booking and on a paid tab."""
    allowed = {"view": set(), "pay": {"pay", "tip", "counter"}}[scope]
    for tab in (billed(shop, ana, 3000, card="pm_card_visa"), booking(shop, ana, hours=24)):
        guest = browser(shop, tab, scope)
        form = guest.form("disown")
        more = {
            "promise": tab["promise"]["promise_sha256"],
            "consent": ["cap", "deposit_and_fees", "card_on_file"],
            "what": "all",
            "reason": "By hand.",
            "rating": "1",
            "fee": "0",
            "tip": "0",
            "tip_other": "5",
        }
        before = shop.seen(tab)
        for act in ACTS:
            if act not in allowed:
                assert by_hand(guest, act, form, **{**more, "key": f"page_{act}"}) == 409, act
        after = shop.seen(tab)
        assert {**before, "version": 0} == {**after, "version": 0}


@pytest.mark.parametrize("amount", ["sNaN", "NaN", "1e999999999", "1e3", "5_0", "-5", "Infinity", "9" * 40, "5,", ""])
def test_what_is_no_amount_is_asked_for_again(shop: Shop, ana: Caller, amount: str) -> None:
    guest = browser(shop, billed(shop, ana, 4000))
    guest.send("pay", tip="other", tip_other=amount)
    assert (guest.sent.status, "Please write an amount" in guest.text) == (409, True)


@pytest.mark.parametrize("tip", ["²", "-1", "1e3", " ", "9" * 13, "٣٣x"])
def test_what_is_no_choice_of_a_tip_is_asked_for_again(shop: Shop, ana: Caller, tip: str) -> None:
    guest = browser(shop, billed(shop, ana, 4000))
    guest.send("pay", tip=tip)
    assert (guest.sent.status, "Please choose" in guest.text) == (409, True)


def test_digits_of_an_arabic_keyboard_are_an_amount(shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    guest = browser(shop, tab, language="ar")
    guest.send("contest", what="amount", amount="٧٫٥٠", reason="بارد")
    assert shop.seen(tab)["contest"]["contested_minor"] == 750


def test_what_was_chosen_and_typed_is_not_lost(shop: Shop, ana: Caller) -> None:
    """A form that could not be taken comes back as it was, but for the tip: that stays a choice of its own."""
    tab = billed(shop, ana, 3000, 1000)
    item = shop.seen(tab)["items"][1]["item_id"]
    guest = browser(shop, tab)
    guest.send("contest", {"what": "items", "item": [item], "reason": ""})
    html = guest.page.raw.decode()
    assert re.findall(r'value="([^"]*)" (?:required )?checked', html) == ["items", item]
    guest.send("rate", {"rating": "", "comment": "A long story."})
    assert "A long story." in guest.page.raw.decode()


def test_an_ended_payment_page_is_not_led_to(world: World, shop: Shop, ana: Caller) -> None:
    """The Back button, long after: the same form again, whose page is dead by now."""
    tab = billed(shop, ana, 4000)
    guest = browser(shop, tab)
    form = guest.form("pay")
    first = guest.send("pay", form, tip="0").header("Location") or ""
    other = browser(shop, tab).send("pay", tip="400").header("Location") or ""
    assert by_hand(guest, "pay", form, tip="0") == 409
    use_page(world, other)
    assert first != other
    world.deliver()
    assert amounts(settled(shop, tab)) == [("charge", 4400)]


def test_the_page_looks_for_changes_at_its_own_address(shop: Shop, ana: Caller) -> None:
    """Not at the address of a form that was refused, which has no page, and without what was said once."""
    guest = browser(shop, billed(shop, ana, 4000))
    guest.send("contest", what="items", reason="")
    html = guest.page.raw.decode()
    assert f'data-at="http://salon.example/t/{guest.secret}?lang=en"' in html
    assert " data-typed" in html
    guest.open()
    assert " data-typed" not in guest.page.raw.decode()


def test_a_page_does_not_say_that_nothing_was_charged_where_it_does_not_know(
    shop: Shop, ana: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who accepts is charged before the outcome is written. Where that fails, only the sweep can tell."""
    tab = billed(shop, ana, 3000, card="pm_card_visa")
    guest = browser(shop, tab)
    store = type(shop.world.deps.store)
    commit, done = store.commit, []

    def fails_after_the_charge(self: Any, *given: Any, **more: Any) -> Any:
        done.append(given)
        if len(done) > 1:
            raise StoreUnavailable("gone")
        return commit(self, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(store, "commit", fails_after_the_charge)
        guest.send("accept", tip="0")
    assert guest.sent.status == 409
    assert "othing was charged" not in guest.text
    assert "We are asking the bank about €30.00" in guest.text
    shop.world.deliver()
    assert amounts(settled(shop, tab)) == [("charge", 3000)]


def test_who_may_not_agree_has_no_form_to_agree_with(shop: Shop, ana: Caller) -> None:
    """They read what is promised; a form would only be refused."""
    tab, secret = with_token(shop, ana)
    for guest in (Browser(shop.world, secret), browser(shop, tab, "view")):
        assert "What we agree on" in guest.text
        assert not guest.has("agree")
    assert browser(shop, tab).has("agree")


def test_who_has_just_paid_is_not_asked_to_pay_again(world: World, shop: Shop, ana: Caller) -> None:
    """Back from Stripe's page before its webhook: the tab does not know of the payment yet."""
    tab = billed(shop, ana, 4000)
    guest = browser(shop, tab)
    guest.send("pay", tip="0")
    use_page(world, guest.sent.header("Location") or "")
    guest.open(f"/t/{guest.secret}?lang=en&back=1")
    assert "Your payment went through" in guest.text
    assert "A payment page is open" not in guest.text
    assert [act for act in ("pay", "accept", "counter") if guest.has(act)] == []
    assert guest.has("contest")
