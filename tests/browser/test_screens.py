"""Pictures of the twelve states for docs/pages.md, and the test that says when they are not of today's page.

    make screenshots

takes them anew. Pixels differ from machine to machine, so what is compared is what they are made of: templates,
stylesheet and the English words.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.adapters.words.environments import TEMPLATES
from chalicelib.domain.tab.link import derived_secret
from tests.api.world import Shop, World
from tests.browser.test_pages import STATES, open_all
from tests.browser.visitor import DESKTOP, PHONE, SMALL, Visitor, path_of

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pages"
MADE_OF = PICTURES / "made-of.sha256"
TAKE = "AFTERTAB_SCREENSHOTS"
"""Set by `make screenshots`: where the pictures of all sizes go; those of a phone go to docs/pages, too."""
SIZES = {"320": SMALL, "390": PHONE, "1280": DESKTOP}
ALSO = {"bill": ({"dark": True}, {"language": "ar"})}
"""Looks beside the plain one, of a phone."""


def made_of() -> str:
    """A digest of all that a page is made of."""
    files = sorted(path for path in (TEMPLATES / "page").iterdir() if path.is_file())
    return hashlib.sha256(b"\n".join(path.read_bytes() for path in files)).hexdigest()


def test_the_pictures_are_of_todays_page() -> None:
    assert MADE_OF.read_text().strip() == made_of(), (
        "The page has changed since its pictures were taken: run `make screenshots`, look at docs/pages, commit."
    )
    assert {path.stem for path in PICTURES.glob("*.png")} == {*STATES, "bill-dark", "bill-ar"}


ADDRESS = "https://salon.example"


class SteadyIds:
    """The same ids and secrets every time: a picture with a link in it changes only where its page does."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):026}"

    def new_secret(self) -> str:
        return derived_secret("pictures", str(next(self._numbers)))

    def new_signing_key(self) -> bytes:
        return bytes(32)


@pytest.fixture
def steady(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address, ids and secrets that are the same on every machine."""
    monkeypatch.setenv("AFTERTAB_PAGES_URL", ADDRESS)
    world.deps = replace(world.deps, ids=SteadyIds())
    bootstrap.use(world.deps)


@pytest.fixture
def visit(chromium: Any, site: str, steady: None) -> Iterator[Callable[..., Visitor]]:
    """Opens a link at the steady address, which leads to the app."""
    visitors: list[Visitor] = []

    def answer(route: Any) -> None:
        if route.request.resource_type == "fetch":
            # The open page looks for changes: there are none.
            route.fulfill(status=304)
        else:
            route.fulfill(response=route.fetch(url=route.request.url.replace(ADDRESS, site)))

    def open_link(secret: str, **how: Any) -> Visitor:
        visitor = Visitor(chromium, ADDRESS, **how)
        visitors.append(visitor)
        visitor.context.route(f"{ADDRESS}/**", answer)
        visitor.page.goto(f"{ADDRESS}{path_of(secret)}?lang={visitor.language}")
        return visitor

    yield open_link
    for visitor in visitors:
        # An open page may be looking for changes just now.
        visitor.context.unroute_all(behavior="ignoreErrors")
        visitor.close()
    assert [trouble for visitor in visitors for trouble in visitor.troubles] == []


if TAKE in os.environ:

    @pytest.mark.parametrize("state", STATES)
    def test_take_pictures(shop: Shop, visit: Callable[..., Visitor], state: str) -> None:
        secret = STATES[state](shop, shop.customer())
        folder = Path(os.environ[TAKE])
        for name, size in SIZES.items():
            visitor = visit(secret, size=size)
            visitor.page.screenshot(path=folder / f"{state}-{name}.png", full_page=True)
            open_all(visitor)
            visitor.page.screenshot(path=folder / f"{state}-{name}-unfolded.png", full_page=True)
        visit(secret).page.screenshot(path=PICTURES / f"{state}.png", full_page=True)
        for look in ALSO.get(state, ()):
            suffix = "dark" if "dark" in look else look["language"]
            visit(secret, **look).page.screenshot(path=PICTURES / f"{state}-{suffix}.png", full_page=True)
        MADE_OF.write_text(made_of() + "\n")
