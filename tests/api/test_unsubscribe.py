"""The link in a mail: looking changes nothing, one click stops the mails, and nobody else's key does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.contact import Language
from chalicelib.domain.news.message import Message, MessageKind, Recipient
from chalicelib.handlers import logs
from chalicelib.usecases.news.post import deliver

from .world import Caller, Reply, Shop, World

ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = {"content_type": "application/x-www-form-urlencoded"}


@pytest.fixture
def ana(shop: Shop) -> Caller:
    """A customer who has an address."""
    ana = shop.customer()
    ana.put(f"/v1/customers/{ana.customer_id}/contact", {"name": "Ana", "email": "ana@example.com"}).ok()
    return ana


def link(world: World, shop: Shop, ana: Caller) -> str:
    """The path in the mail that she gets."""
    world.deps = replace(world.deps, api_url="https://api.example.com")
    message = Message(
        message_id="msg_1",
        kind=MessageKind.WAIVED,
        to=Recipient.CUSTOMER,
        merchant_id=shop.merchant_id,
        customer_id=ana.customer_id,
        at=world.clock.now(),
    )
    deliver(world.deps, message)
    mails: Any = world.deps.mailer
    (mail,) = mails.sent
    return str(mail.headers["List-Unsubscribe"]).strip("<>").removeprefix("https://api.example.com")


def opt_outs(ana: Caller) -> list[tuple[str, str]]:
    contact = ana.get(f"/v1/customers/{ana.customer_id}/contact").ok()
    return [(given["channel"], given["source"]) for given in contact["opt_outs"]]


def post(world: World, path: str) -> Reply:
    return world.stranger.send("POST", path, ONE_CLICK, headers=FORM)


def test_looking_at_the_link_changes_nothing(world: World, shop: Shop, ana: Caller) -> None:
    """A page with one button, however often a scanner follows the link."""
    path = link(world, shop, ana)

    seen = [world.stranger.get(path) for _ in range(2)]

    assert opt_outs(ana) == []
    for page in seen:
        assert page.status == 200
        assert page.header("Content-Type") == "text/html; charset=utf-8"
        assert page.raw.decode().count("<button>") == 1
        assert "Salon Lisboa" in page.raw.decode()


def test_one_click_stops_the_mails(world: World, shop: Shop, ana: Caller) -> None:
    """As mail programs post it; twice is as once; the customer sees it in the contact, and may allow mails again."""
    path = link(world, shop, ana)

    assert post(world, path).status == 200
    assert post(world, path).status == 200

    assert opt_outs(ana) == [("email", "unsubscribe_link")]
    assert "<button>" not in world.stranger.get(path).raw.decode()
    ana.post(f"/v1/customers/{ana.customer_id}/opt_in", {"channel": "email"}).ok()
    assert opt_outs(ana) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path[:-1] + ("A" if path[-1] != "A" else "B"),
        lambda path: path.rpartition("/")[0] + "/None",
        lambda path: path.replace("/cus_", "/cus_x"),
        lambda path: path.replace("/mer_", "/mer_x"),
    ],
)
def test_a_wrong_address_leads_nowhere(world: World, shop: Shop, ana: Caller, spoil: Callable[[str], str]) -> None:
    """Whatever is wrong with it, the answer is the same page."""
    path = spoil(link(world, shop, ana))

    answers = [world.stranger.get(path, accept_language="de-AT,de"), post(world, path)]

    assert [answer.status for answer in answers] == [404, 404]
    assert "Diese Adresse führt nirgendwohin." in answers[0].raw.decode()
    assert "This address leads nowhere." in answers[1].raw.decode()
    assert opt_outs(ana) == []


def test_after_erasing_the_old_link_leads_nowhere(world: World, shop: Shop, ana: Caller) -> None:
    """Nothing of the person is kept, the key neither."""
    path = link(world, shop, ana)
    ana.send("DELETE", f"/v1/customers/{ana.customer_id}/contact").ok()

    assert post(world, path).status == 404


@pytest.mark.parametrize("language", list(Language))
def test_the_page_speaks_the_persons_language(world: World, shop: Shop, ana: Caller, language: Language) -> None:
    """Arabic from right to left; a business's name is shown as text, whatever is in it."""
    merchant = world.deps.store.get_merchant(shop.merchant_id)
    named = replace(merchant, name="<b>Salon</b>", language=language, version=merchant.version + 1)
    world.deps.store.update_merchant(named)

    page = world.stranger.get(link(world, shop, ana)).raw.decode()

    assert f'<html lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}">' in page
    assert "&lt;b&gt;Salon&lt;/b&gt;" in page
    assert "<b>" not in page


def test_the_key_is_in_no_log_and_handed_to_nobody(
    world: World, shop: Shop, ana: Caller, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by our lines, nor by the browser to a page that is opened from there."""
    path = link(world, shop, ana)
    key = path.rpartition("/")[2]
    assert len(key) == 26

    # pytest has one handler for all tests of a process.
    monkeypatch.setattr(caplog.handler, "formatter", logs.JsonLines())
    with caplog.at_level(logging.DEBUG, logger="chalicelib"):
        page = world.stranger.get(path)
        post(world, path)

    assert ana.customer_id in caplog.text, "the lines carry the ids of the request"
    assert key not in caplog.text
    assert key not in page.raw.decode()
    assert page.header("Referrer-Policy") == "no-referrer"
    assert page.header("Cache-Control") == "no-store"
    assert str(page.header("Content-Security-Policy")).startswith("default-src 'none'")
