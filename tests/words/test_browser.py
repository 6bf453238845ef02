"""Mails in a browser: nothing is wider than a small phone, whatever a title is."""

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.adapters.words.writer import Writer
from chalicelib.domain.contact import Language
from chalicelib.domain.news.message import MessageKind
from devstack.chromium import CHROMIUM, QUIETLY
from devstack.words import examples

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium on this machine: apt-get install chromium"
)
UNBROKEN = "Balayage" * 20


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIETLY)
        yield browser.new_page()
        browser.close()


@pytest.mark.parametrize("width", [320, 390])
@pytest.mark.parametrize("language", list(Language))
def test_no_mail_is_wider_than_the_phone(page: Any, language: Language, width: int) -> None:
    """Largest amounts, and a title and names without a place to break them."""
    page.set_viewport_size({"width": width, "height": 600})
    for kind in MessageKind:
        for to in examples.recipients_of(kind):
            message = next(examples.messages(kind, to))
            setting = examples.setting(
                language, kind, currency="KWD", merchant=UNBROKEN, title=UNBROKEN, customer=UNBROKEN
            )
            page.set_content(Writer().write(message, setting).html)

            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide == width, (kind, to)
