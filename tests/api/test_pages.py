"""The customer's page: read without a change, and what can be sent from it."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from .world import EVERYTHING, Caller, Reply, Shop, World, amounts, billed, booking, settled


@pytest.fixture
def ana(shop: Shop) -> Caller:
    return shop.customer()


FORM = {"content-type": "application/x-www-form-urlencoded"}


class Browser:
    """A browser that has opened a link: reads the page, sends its forms, and follows to pages of ours."""

    def __init__(self, world: World, secret: str, language: str = "en") -> None:
        self.world = world
        self.secret = secret
        self.language = language
        self.cookies: dict[str, str] = {}
        self.page = self.open()

    def open(self, path: str = "", **headers: str) -> Reply:
        path = path or f"/t/{self.secret}?lang={self.language}"
        answer = self.world.client.http.request(
            "GET", path, headers={"host": "salon.example", "user-agent": "browser", **headers}
        )
        self.page = Reply(answer.status_code, answer.headers, answer.body)
        return self.page

    @property
    def text(self) -> str:
        """What can be read on the page."""
        bare = re.sub(r"<(style|script)>.*?</\1>", " ", self.page.raw.decode(), flags=re.S)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", bare)).split())

    @property
    def alike(self) -> str:
        """The page without the address that it was opened by."""
        return self.page.raw.decode().replace(self.secret, "")

    def form(self, act: str) -> dict[str, str]:
        """The hidden fields of this form. AssertionError where the page has none."""
        return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', self._form(act)[2]))

    def _form(self, act: str) -> re.Match[str]:
        """Its address and what is in it."""
        html = self.page.raw.decode()
        pattern = rf'<form method="post" action="([^"]*/{act}(?:\?[^"]*)?)"[^>]*>(.*?)</form>'
        found = re.search(pattern, html, flags=re.S)
        assert found, f"the page has no form {act}: {self.text}"
        return found

    def has(self, act: str) -> bool:
        return f'/{act}"' in self.page.raw.decode()

    def send(self, act: str, fields: dict[str, Any] | None = None, **more: str) -> Reply:
        """Send the form as the page shows it now; follow its redirect where that is ours."""
        body = urlencode({**self.form(act), **(fields or {}), **more}, doseq=True)
        action = urlsplit(self._form(act)[1])
        answer = self.world.client.http.request(
            "POST",
            f"{action.path}?{action.query}",
            headers={
                "host": "salon.example",
                "content-type": "application/x-www-form-urlencoded",
                "user-agent": "browser",
            },
            body=body.encode(),
        )
        self.sent = Reply(answer.status_code, answer.headers, answer.body)
        if self.sent.status == 303:
            to = urlsplit(self.sent.header("Location") or "")
            if to.path.startswith("/t/"):
                self.secret = to.path.split("/")[2]
                self.open(f"{to.path}?{to.query}")
        else:
            self.page = self.sent
        return self.sent


def browser(shop: Shop, tab: dict[str, Any], scope: str = "full", language: str = "en") -> Browser:
    made = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/links", {"scope": scope}).ok(201)
    return Browser(shop.world, made["secret"], language)


def use_page(world: World, address: str) -> None:
    """Pay on Stripe's page as a person does there."""
    answer = world.http.post(
        f"{world.base}{urlsplit(address).path}", data={"number": "4242424242424242", "expiry": "12 / 34", "cvc": "123"}
    )
    assert answer.status_code in (200, 303), answer.text


def test_a_bill_is_read_and_paid_with_a_tip(world: World, shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    guest = browser(shop, tab)
    assert guest.page.status == 200
    assert "€40.00" in guest.text

    guest.send("pay", tip="400")
    assert guest.sent.status == 303, guest.text
    use_page(world, guest.sent.header("Location") or "")
    world.deliver()

    guest.open()
    assert "Paid. Thank you! €44.00" in guest.text
    assert amounts(settled(shop, tab)) == [("charge", 4400)]


def test_what_was_paid_in_the_browser_is_said_when_coming_back(world: World, shop: Shop, ana: Caller) -> None:
    """Before the webhook the page asks Stripe; with the cookie it finds the tab, whose address Stripe never hears."""
    tab = billed(shop, ana, 4000)
    guest = browser(shop, tab)
    guest.send("pay", tip="0")
    page, cookie = guest.sent.header("Location") or "", guest.sent.header("Set-Cookie") or ""
    asked = world.http.get(
        f"{world.base}/v1/checkout/sessions/{page.rpartition('/')[2]}",
        headers={"Authorization": "Bearer sk_test_standin"},
    ).json()
    assert guest.secret not in str(asked)
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie

    back = urlsplit(asked["success_url"])
    assert "Open the link of your tab again" in guest.open(f"{back.path}?{back.query}").raw.decode()
    led = guest.open(f"{back.path}?{back.query}", cookie=cookie.partition(";")[0])
    to = urlsplit(led.header("Location") or "")
    guest.open(f"{to.path}?{to.query}")
    assert "Nothing was paid on the payment page" in guest.text
    use_page(world, page)
    guest.open(f"{to.path}?{to.query}")
    assert "Your payment went through" in guest.text
    world.deliver()
    assert amounts(settled(shop, tab)) == [("charge", 4000)]


def test_who_pays_with_a_token_comes_back_to_their_receipt(world: World, shop: Shop) -> None:
    """Paid, the tab is closed and the token free: the payer has their own link, and the next guest sees nothing."""
    coin = shop.owner.post("/v1/tokens", {"first": 17}).ok(201)["tokens"][0]["secret"]
    new = {"title": "Counter", "expected_outcome": "A drink you enjoy", "estimate_minor": 400, "token": 17}
    tab = shop.staff.post("/v1/tabs", new).ok(201)
    shop.add(tab, 400)
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/complete").ok()
    guest = Browser(world, coin)
    form = {**guest.form("pay"), "tip": "40"}

    guest.send("pay", tip="40")
    page, cookie = guest.sent.header("Location") or "", guest.sent.header("Set-Cookie") or ""
    assert coin not in cookie
    use_page(world, page)
    world.deliver()
    back = urlsplit(
        world.http.get(
            f"{world.base}/v1/checkout/sessions/{page.rpartition('/')[2]}",
            headers={"Authorization": "Bearer sk_test_standin"},
        ).json()["success_url"]
    )
    led = guest.open(f"{back.path}?{back.query}", cookie=cookie.partition(";")[0])
    own = urlsplit(led.header("Location") or "")
    guest.open(f"{own.path}?{own.query}")

    assert "Paid. Thank you! €4.40" in guest.text
    assert guest.has("tip") and not guest.has("contest")
    assert "Nothing is open on this token" in Browser(world, coin).text
    again = world.client.http.post(f"/t/{coin}/pay", headers={"host": "salon.example", **FORM}, body=urlencode(form))
    assert urlsplit(again.headers["Location"]).path == own.path, "the Back button leads there, too"
    assert len(shop.staff.get(f"/v1/tabs/{tab['tab_id']}/links").ok()["links"]) == 1


def test_a_promise_is_agreed_to_and_its_deposit_held(world: World, shop: Shop, ana: Caller) -> None:
    tab = booking(shop, ana, hours=24)
    guest = browser(shop, tab)
    assert " checked" not in guest.page.raw.decode(), "every consent is the customer's own tick"
    guest.send("agree", {"consent": ["cap"]})
    assert guest.sent.status == 409
    assert "Without these ticks it cannot be agreed" in guest.text
    guest.send("agree", {"consent": EVERYTHING})
    use_page(world, guest.sent.header("Location") or "")
    world.deliver()
    seen = shop.seen(tab)
    assert seen["deposit"]["state"] == "held"
    assert seen["promise"]["accepted"]["method"] == "guest_link"
    guest.open()
    assert "Held, not charged" in guest.text


def test_a_card_is_saved_for_a_deposit_that_comes_later(world: World, shop: Shop, ana: Caller) -> None:
    tab = booking(shop, ana, hours=24 * 20)
    guest = browser(shop, tab)
    guest.send("agree", {"consent": EVERYTHING})
    guest.open()
    guest.send("card")
    use_page(world, guest.sent.header("Location") or "")
    world.deliver()
    assert shop.seen(tab)["deposit"]["state"] == "card_saved"


@pytest.mark.parametrize(
    ("fields", "contested_minor"),
    [
        ({"what": "all"}, 4000),
        ({"what": "amount", "amount": "12.50"}, 1250),
        ({"what": "amount", "amount": "12,5"}, None),
    ],
)
def test_a_bill_is_contested(shop: Shop, ana: Caller, fields: dict[str, str], contested_minor: int | None) -> None:
    tab = billed(shop, ana, 3000, 1000)
    guest = browser(shop, tab)
    guest.send("contest", {**fields, "reason": "Not the colour we agreed on."})
    if contested_minor is None:
        assert guest.sent.status == 409
        assert "Please write an amount" in guest.text
        assert "Not the colour we agreed on." in guest.text, "what was typed is not lost"
        return
    assert "The business was told" in guest.text
    contest = shop.seen(tab)["contest"]
    assert (contest["contested_minor"], contest["reason"]) == (contested_minor, "Not the colour we agreed on.")


def test_items_are_contested(shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 3000, 1000)
    item = shop.seen(tab)["items"][1]["item_id"]
    guest = browser(shop, tab)
    guest.send("contest", {"what": "items", "reason": "I had none."})
    assert "Please choose" in guest.text
    guest.send("contest", {"what": "items", "item": [item], "reason": "I had none."})
    assert shop.seen(tab)["contest"]["contested_minor"] == 1000


def test_a_stale_form_does_nothing_and_shows_what_has_changed(shop: Shop, ana: Caller) -> None:
    tab = shop.open(ana, 9000)
    shop.agree(ana, tab, ["cap"])
    shop.complete(tab, 3000)
    guest = browser(shop, tab)
    stale = guest.form("contest")
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/adjust", {"reduction_minor": 500, "reason": "A sorry."}).ok()
    guest.send("contest", {**stale, "what": "all", "reason": "Too dear."})
    assert guest.sent.status == 409
    assert "The tab changed while you were reading" in guest.text
    assert "€25.00" in guest.text
    assert "Too dear." in guest.text
    assert shop.seen(tab)["status"] == "in_review"
    # Sent once more from the page as it is now, it goes through.
    guest.send("contest", what="all", reason="Too dear.")
    assert shop.seen(tab)["contest"]["contested_minor"] == 2500


def test_a_message_that_was_sent_meanwhile_makes_no_form_stale(shop: Shop, ana: Caller) -> None:
    """The version has moved on, and nothing that the customer has decided on."""
    tab = billed(shop, ana, 4000)
    guest = browser(shop, tab)
    browser(shop, tab)
    assert guest.send("contest", what="all", reason="Cold.").status == 303


def test_a_form_that_is_sent_twice_is_done_once(world: World, shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    guest = browser(shop, tab)
    form = guest.form("pay")
    first = guest.send("pay", form, tip="0").header("Location")
    guest.open()
    assert guest.send("pay", form, tip="0").header("Location") == first, "the Back button, and the same form again"
    use_page(world, first or "")
    world.deliver()
    assert amounts(settled(shop, tab)) == [("charge", 4000)]


def test_two_people_on_one_link_pay_once(world: World, shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    one, other = browser(shop, tab), browser(shop, tab)
    first = one.send("pay", tip="0").header("Location") or ""
    second = other.send("pay", tip="400")
    paid = second.header("Location") or ""
    assert first != paid, "the last who asks pays, and the page before is ended first"
    use_page(world, paid)
    assert world.http.get(f"{world.base}{urlsplit(first).path}").status_code == 410
    world.deliver()
    assert amounts(settled(shop, tab)) == [("charge", 4400)]


def test_cash_at_the_counter_is_told(shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    guest = browser(shop, tab)
    guest.send("counter")
    assert "They know that you pay at the counter" in guest.text
    kinds = [entry["kind"] for entry in shop.staff.get(f"/v1/tabs/{tab['tab_id']}/timeline").ok()["entries"]]
    assert kinds[-1] == "cash_announced"


def test_canceling_costs_what_the_page_has_said(world: World, shop: Shop, ana: Caller) -> None:
    tab = booking(shop, ana, hours=26)
    shop.agree(ana, tab)
    guest = browser(shop, tab)
    assert "Canceling now is free." in guest.text
    form = guest.form("cancel")
    world.move(hours=3)
    guest.send("cancel", {**form, "version": str(shop.seen(tab)["version"])})
    assert "Canceling costs something else by now" in guest.text
    assert "Canceling now costs the agreed fee of €10.00." in guest.text
    guest.send("cancel", why="ill")
    assert shop.seen(tab)["status"] == "canceled"


def test_how_it_was_is_told_once(shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    guest = browser(shop, tab)
    guest.send("rate", rating="5", comment="Lovely.")
    assert shop.seen(tab)["feedback"] == {"rating": 5, "comment": "Lovely."}
    guest.open()
    assert not guest.has("rate")


def test_who_says_that_it_is_not_their_tab_sees_no_more_of_it(shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    guest = browser(shop, tab)
    guest.send("disown")
    assert guest.page.status == 404
    assert "€40.00" not in guest.text


def test_a_link_to_look_at_has_no_buttons(shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    guest = browser(shop, tab, "view")
    assert "€40.00" in guest.text
    assert [act for act in ("pay", "accept", "contest", "agree", "cancel") if guest.has(act)] == []


@pytest.mark.parametrize("secret", ["0" * 26, "0" * 25, "0" * 27, "x", "..%2F..", "Z" * 4000, "%00" * 26, "é" * 26])
def test_what_opens_nothing_looks_the_same(world: World, shop: Shop, secret: str) -> None:
    answer = Browser(world, secret)
    assert answer.page.status == 404
    assert "This link opens nothing" in answer.text


def test_a_revoked_and_an_expired_link_look_as_an_unknown_one(world: World, shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    made = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/links", {"scope": "full"}).ok(201)
    ends = {"scope": "full", "expires_at": world.in_(hours=1)}
    short = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/links", ends).ok(201)
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/links/{made['link']['link_id']}/revoke").ok()
    world.move(hours=2)
    unknown, revoked, expired = (Browser(world, secret) for secret in ("0" * 26, made["secret"], short["secret"]))
    assert unknown.alike == revoked.alike == expired.alike
    assert {unknown.page.status, revoked.page.status, expired.page.status} == {404}
    for opened in (unknown, revoked, expired):
        opened.send("renew")
        assert opened.sent.status == 303
        assert "a new one is on its way" in opened.text
    assert unknown.alike == revoked.alike == expired.alike
    assert {unknown.page.status, revoked.page.status, expired.page.status} == {404}
    kinds = [entry["kind"] for entry in shop.staff.get(f"/v1/tabs/{tab['tab_id']}/timeline").ok()["entries"]]
    assert kinds.count("link_wanted") == 1


def test_a_new_link_goes_to_the_address_on_file(world: World, shop: Shop, ana: Caller) -> None:
    """One mail, however often it is asked for; the answer shows no more of it than the page before."""
    shop.staff.put(f"/v1/customers/{ana.customer_id}/contact", {"email": "ana@example.com"}).ok()
    tab = billed(shop, ana, 4000)
    ends = {"scope": "view", "expires_at": world.in_(hours=1)}
    guest = Browser(world, shop.staff.post(f"/v1/tabs/{tab['tab_id']}/links", ends).ok(201)["secret"], "de")
    world.move(hours=2)
    mails: Any = world.deps.mailer
    before = len(mails.sent)
    for _ in range(3):
        guest.open()
        guest.send("renew")
        assert "ist ein neuer unterwegs" in guest.text
        assert "ana" not in guest.page.raw.decode()
        world.pump.run()
    (mail,) = mails.sent[before:]
    assert (mail.to, mail.subject) == ("ana@example.com", "link_wanted")


def test_a_link_that_works_needs_no_new_one(world: World, shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    guest = browser(shop, tab)
    version = shop.seen(tab)["version"]
    answer = world.client.http.request("POST", f"/t/{guest.secret}/renew", headers={**FORM, "host": "salon.example"})
    assert answer.status_code == 303
    guest.open(answer.headers["Location"].removeprefix("http://salon.example"))
    assert guest.page.status == 200
    assert shop.seen(tab)["version"] == version


def test_looking_changes_nothing(world: World, shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    guest = browser(shop, tab)
    before = shop.seen(tab)["version"], len(shop.staff.get(f"/v1/tabs/{tab['tab_id']}/timeline").ok()["entries"])
    for headers in ({}, {"purpose": "prefetch"}, {"sec-purpose": "prefetch;prerender"}, {"user-agent": "scanner"}):
        guest.open(**headers)
        world.client.http.request("HEAD", f"/t/{guest.secret}", headers={"host": "salon.example", **headers})
    after = shop.seen(tab)["version"], len(shop.staff.get(f"/v1/tabs/{tab['tab_id']}/timeline").ok()["entries"])
    assert before == after


def test_a_page_that_has_not_changed_is_not_sent_again(world: World, shop: Shop, ana: Caller) -> None:
    tab = billed(shop, ana, 4000)
    guest = browser(shop, tab)
    tag = guest.page.header("ETag") or ""
    assert guest.open(if_none_match=tag).status == 200, "the header's name is with dashes"
    answer = guest.open(**{"if-none-match": tag})
    assert (answer.status, answer.raw) == (304, b"")
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/adjust", {"reduction_minor": 500, "reason": "A sorry."}).ok()
    assert guest.open(**{"if-none-match": tag}).status == 200
    assert "€35.00" in guest.text


def test_nothing_comes_from_elsewhere_and_nothing_is_kept(shop: Shop, ana: Caller) -> None:
    guest = browser(shop, billed(shop, ana, 4000))
    header = guest.page.header
    assert "default-src 'none'" in (header("Content-Security-Policy") or "")
    assert "unsafe-inline'; img-src" in (header("Content-Security-Policy") or ""), "styles only; the script is named"
    assert header("Cache-Control") == "no-store"
    assert header("Referrer-Policy") == "no-referrer"
    assert "noindex" in (header("X-Robots-Tag") or "")
    assert not re.search(r"(src|href)=.https?://(?!salon\.example)", guest.page.raw.decode())


def test_what_people_wrote_is_text(shop: Shop, ana: Caller) -> None:
    tab = shop.open(ana, 5000, title="<script>alert(1)</script>", limits=["<img src=x onerror=alert(1)>"])
    guest = browser(shop, tab)
    assert "<script>alert" not in guest.page.raw.decode()
    assert "<img src=x" not in guest.page.raw.decode()
    assert "<script>alert(1)</script>" in guest.text


def test_the_browsers_language_is_spoken_until_another_is_chosen(world: World, shop: Shop, ana: Caller) -> None:
    guest = browser(shop, billed(shop, ana, 4000))
    guest.open(f"/t/{guest.secret}", **{"accept-language": "fr-FR,de;q=0.8"})
    assert 'lang="de" dir="ltr"' in guest.page.raw.decode()
    guest.open(f"/t/{guest.secret}?lang=ar", **{"accept-language": "de"})
    assert 'lang="ar" dir="rtl"' in guest.page.raw.decode()


@pytest.mark.parametrize("body", [b"", b"version=1", b"key=a&version=x", b"\xff\xfe", b"key=" + b"a" * 70_000])
def test_a_form_that_is_none_of_ours_is_refused(world: World, shop: Shop, ana: Caller, body: bytes) -> None:
    tab = billed(shop, ana, 4000)
    guest = browser(shop, tab)
    headers = {"host": "salon.example", "content-type": "application/x-www-form-urlencoded"}
    for act in ("pay", "contest", "nothing"):
        answer = world.client.http.request("POST", f"/t/{guest.secret}/{act}", headers=headers, body=body)
        assert answer.status_code in (200, 409)
    assert shop.seen(tab)["version"] == tab["version"] + 1, "only the link was made"


PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_a_business_shows_itself(shop: Shop, ana: Caller) -> None:
    """Its own name, colour, logo, tips and ways to reach it; a picture that lies elsewhere is not loaded."""
    branding = {
        "name": "Salon Iris",
        "colour": "#7a1f5c",
        "logo": PIXEL,
        "phone": "+351 213 456 789",
        "terms_url": "https://salon.example/terms",
        "tip_percents": [7],
    }
    shop.owner.put("/v1/merchant/branding", branding).ok()
    guest = browser(shop, billed(shop, ana, 4000))
    html = guest.page.raw.decode()
    assert "Salon Iris" in guest.text and "Salon Lisboa" not in guest.text
    assert "--main:#7a1f5c" in html and PIXEL in html
    assert "7 % (€2.80)" in guest.text and "15 %" not in guest.text
    assert 'href="tel:+351213456789"' in html and "https://salon.example/terms" in html
    shop.owner.put("/v1/merchant/branding", {"logo": "https://salon.example/logo.png"}).ok()
    guest.open()
    assert "logo.png" not in guest.page.raw.decode()


# A split bill


@pytest.mark.parametrize("language", ["en", "de", "es", "ko", "ar"])
def test_host_and_payer_see_their_side_of_a_split(world: World, shop: Shop, ana: Caller, language: str) -> None:
    """The host's page lists the shares and who has paid; a share's page says what it is, and until when it waits."""
    tab = billed(shop, ana, 4000)
    made = ana.post(f"/v1/tabs/{tab['tab_id']}/split", {"amounts_minor": [1500, 1000]}).ok(201)
    one, other = (Browser(world, share["secret"], language) for share in made["shares"])
    link = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/links", {"scope": "full"}).ok(201)
    host = Browser(world, link["secret"], language)
    assert one.has("pay") and other.has("contest")
    before = host.text

    payment = world.guest(made["shares"][0]["secret"]).post(
        f"/v1/tabs/{made['shares'][0]['tab_id']}/charges", {"mode": "on_session"}
    )
    world.confirm(payment.ok()["payment"])
    world.deliver()
    host.open()

    assert host.text != before
    if language == "en":
        assert "Share 1, €15.00: paid" in host.text and "Share 2, €10.00: not paid yet" in host.text
        assert "Split with others -€25.00" in host.text
        assert "10 % (€1.50)" in host.text, "of the host's own €15.00: the others are asked for tips themselves"
        assert "This is a share of a bill that was split. If it is not paid by" in other.text
        world.move(hours=24, minutes=1)
        world.run_schedule()
        host.open()
        other.open()
        assert "Share 2, €10.00: came back, so it is yours again" in host.text
        assert "went back to whoever split the bill" in other.text and not other.has("pay")
