"""Fixtures: the app behind Chalice's own local server, on a store in memory, and a Chromium to look at it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest
from chalice.config import Config
from chalice.local import ChaliceRequestHandler, LocalDevServer

import app as application
from devstack.chromium import CHROMIUM, QUIETLY
from tests.api.conftest import (  # noqa: F401
    empty_folder,
    http,
    issuer,
    make_world,
    settings,
    shop,
    standin,
    store,
    world,
)
from tests.api.world import World
from tests.browser.visitor import Visitor, path_of


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine, so no page is looked at: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIETLY)
        yield running
        running.close()


@pytest.fixture
def site(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:  # noqa: F811
    """The app's address."""
    monkeypatch.setattr(ChaliceRequestHandler, "log_message", lambda *args: None)
    config = Config.create(project_dir=str(world.client._project_dir), chalice_stage="dev")
    server = LocalDevServer(application.app, config, "127.0.0.1", 0)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server.server_port}"
    server.shutdown()
    server.server.server_close()
    thread.join()


@pytest.fixture
def visit(chromium: Any, site: str) -> Iterator[Callable[..., Visitor]]:
    """Opens a link in a browser of its own. An error of a script, or a request to elsewhere, fails the test."""
    visitors: list[Visitor] = []

    def open_link(secret: str, **how: Any) -> Visitor:
        """`secret`: of a link to a tab, or another page's path."""
        visitor = Visitor(chromium, site, **how)
        visitors.append(visitor)
        visitor.page.goto(f"{site}{path_of(secret)}?lang={visitor.language}")
        return visitor

    yield open_link
    for visitor in visitors:
        visitor.close()
    assert [trouble for visitor in visitors for trouble in visitor.troubles] == []
