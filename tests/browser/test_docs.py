"""/docs in a real browser: the reference is drawn, from this server alone, without an inline script or style."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from devstack.docs_pages.__main__ import pages
from tests.browser.visitor import DESKTOP, SMALL, Visitor

Open = Callable[..., Visitor]
GUIDES = sorted(name.removesuffix(".html") for name in pages() if name != "reference.html")


@pytest.fixture
def read(chromium: Any, site: str) -> Iterator[Open]:
    """Opens a page of /docs in a browser of its own. What the policy blocks is an error on the console."""
    visitors: list[Visitor] = []

    def open_page(path: str = "/docs", **how: Any) -> Visitor:
        visitor = Visitor(chromium, site, **how)
        visitors.append(visitor)
        visitor.page.goto(site + path)
        return visitor

    yield open_page
    for visitor in visitors:
        visitor.close()
    assert [trouble for visitor in visitors for trouble in visitor.troubles] == []


def test_the_reference_is_drawn_and_a_request_sent_from_it(read: Open, site: str) -> None:
    """Each operation has its line; opened, it shows parameters and examples; and all of it asks this server alone."""
    reader = read(size=DESKTOP)
    page = reader.page
    page.locator("#operations-tag-customers").click()
    page.locator("#operations-customers-create_customer .opblock-summary-control").click()
    opened = page.locator("#operations-customers-create_customer .opblock-body")
    opened.locator(".response").first.wait_for()
    document = page.evaluate("fetch('/v1/openapi.json').then((answer) => answer.json())")
    of_customers = {
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
        if operation["tags"] == ["customers"]
    }
    drawn = page.eval_on_selector_all(".opblock-tag-section .opblock", "blocks => blocks.map((block) => block.id)")

    assert {name.removeprefix("operations-customers-") for name in drawn} == of_customers
    assert "Idempotency-Key" in opened.inner_text()
    assert "Ana, card 1207" in opened.inner_text()

    page.locator("#operations-tag-meta").click()
    page.locator("#operations-meta-health .opblock-summary-control").click()
    health = page.locator("#operations-meta-health")
    health.get_by_role("button", name="Try it out").click()
    health.get_by_role("button", name="Execute").click()
    health.locator(".live-responses-table").wait_for()

    assert '"status": "ok"' in health.locator(".live-responses-table").inner_text()
    assert reader.requests[-1] == f"{site}/v1/health"
    assert {url.split("/")[2] for url in reader.requests} == {site.split("/")[2]}

    # axe looks at all that is ours, as on a small phone; what the renderer draws is the renderer's.
    page.evaluate("document.getElementById('reference').remove()")
    page.set_viewport_size({"width": SMALL[0], "height": SMALL[1]})
    assert reader.faults() == []


def test_guides_can_be_read_by_everybody(read: Open, site: str) -> None:
    """On a small phone."""
    reader = read("/docs/guides", size=SMALL)

    for guide in GUIDES:
        reader.page.goto(f"{site}/docs/{guide}")
        assert reader.faults() == [], guide
