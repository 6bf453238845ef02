"""A person with a browser: of some size, language and colour scheme, with a keyboard only or without scripts."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe

_FOCUSED = """(() => {
    const at = document.activeElement;
    const label = at.labels && at.labels.length ? at.labels[0].innerText : "";
    return (label || at.innerText || at.getAttribute("aria-label") || "").trim();
})()"""
"""The name of the element that the keyboard is at."""

PHONE, SMALL, DESKTOP = (390, 844), (320, 640), (1280, 900)


def path_of(key: str) -> str:
    """Of the page that a link's secret opens, or the path itself."""
    return key if key.startswith("/") else f"/t/{key}"


class Visitor:
    """`troubles`: errors of scripts, and requests that no page of ours should make."""

    def __init__(
        self,
        chromium: Any,
        site: str,
        *,
        size: tuple[int, int] = PHONE,
        language: str = "en",
        dark: bool = False,
        scripts: bool = True,
        clock: bool = False,
    ) -> None:
        """`clock`: the test can move the page's time."""
        self.language = language
        self.troubles: list[str] = []
        self.context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            locale=language,
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        if clock:
            self.page.clock.install()
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.site = site
        self._site = urlsplit(site).netloc
        self.requests: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("request", self._see)

    def _hear(self, said: Any) -> None:
        if said.type == "error" and "404" not in said.text:
            self.troubles.append(said.text)

    def _see(self, request: Any) -> None:
        self.requests.append(request.url)
        from_ours = urlsplit(request.frame.url).netloc == self._site
        if from_ours and request.resource_type != "document" and urlsplit(request.url).netloc != self._site:
            self.troubles.append(f"a page of ours asks {request.url}")

    def close(self) -> None:
        self.context.close()

    @property
    def text(self) -> str:
        return " ".join(self.page.locator("body").inner_text().split())

    def look(self, secret: str, *, size: tuple[int, int], dark: bool, language: str) -> None:
        """Open the link again with another size, colour scheme and language: a new window would cost a second."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self.page.goto(f"{self.site}{path_of(secret)}?lang={language}")

    def faults(self) -> list[str]:
        """What axe finds against WCAG 2.2 AA, with the elements; and what can only be scrolled to sideways."""
        found = Axe().run(
            self.page,
            options={
                "runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"],
                "resultTypes": ["violations"],
            },
        )
        faults = [
            f"{violation['id']}: {node['html'][:120]}"
            for violation in found.response["violations"]
            for node in violation["nodes"]
        ]
        if self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            faults.append("it is wider than the screen")
        return faults

    def tab_to(self, name: str, *, most: int = 60) -> None:
        """Go on with the keyboard alone to the element with this name. AssertionError where it can't be reached."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            focused = self.page.evaluate(_FOCUSED)
            if name in focused:
                return
        raise AssertionError(f"the keyboard does not come to {name!r}")
