"""/docs: files that are the same for everybody, made from the guides, with nothing from elsewhere in them."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import urljoin

from devstack.docs_pages.__main__ import TARGET, pages

from .world import World

VENDORED = TARGET / "swagger-ui"


def address_of(file: str) -> str:
    return "/docs" if file == "reference.html" else f"/docs/{file.removesuffix('.html')}"


def test_every_address_on_every_page_leads_to_something(world: World) -> None:
    """Links, styles, scripts and pictures: relative, so that a stage may stand before them."""
    wanted = {
        (address_of(file), found)
        for file, text in pages().items()
        for found in re.findall(r'(?:href|src)="([^"#]+)', text)
    }
    wanted |= {("/docs/docs.css", found) for found in re.findall(r"url\(([^)]+)\)", (TARGET / "docs.css").read_text())}

    assert len(wanted) > 100
    assert [found for _, found in wanted if re.match(r"/|https?:", found)] == []
    for address in {urljoin(page, found) for page, found in wanted}:
        assert world.stranger.get(address).status == 200, address


def test_everything_is_asked_of_this_server_alone(world: World) -> None:
    """Neither script nor style in a page, and no other server."""
    answer = world.stranger.get("/docs")

    policy = str(answer.header("Content-Security-Policy"))
    assert policy.startswith("default-src 'self'; ")
    assert not re.search(r"unsafe|data:|https?:|\*", policy)
    assert answer.header("Content-Type") == "text/html; charset=utf-8"


def test_what_a_browser_has_is_not_sent_again(world: World) -> None:
    """The renderer is 1.7 MB."""
    address = "/docs/swagger-ui-bundle.js"
    tag = str(world.stranger.get(address).header("ETag"))

    again = world.stranger.get(address, if_none_match=tag)
    assert (again.status, again.raw) == (304, b"")


def test_nothing_else_is_served(world: World) -> None:
    """Only names of files that are there: no path, no licence, no source."""
    for name in ("reference", "README.md", "LICENSE", "..", "%2e%2e%2fapp.py", "docs.py", "nothing"):
        world.stranger.get(f"/docs/{name}").problem(404, "not_found")


def test_the_pages_are_as_the_guides_are_now() -> None:
    """Run `make guides`."""
    assert {name: (TARGET / name).read_text() for name in pages()} == pages()
    assert {path.name for path in TARGET.glob("*.html")} == set(pages())


def test_no_page_has_a_script_or_style_in_it() -> None:
    """The policy would not let them run."""
    for text in pages().values():
        assert not re.search(r"<script(?! src=)|<style| style=| on\w+=|javascript:", text)


def test_the_renderer_is_as_it_came() -> None:
    """The files, their licences and their checksums."""
    noted = dict(re.findall(r"\| `(\S+)` \| `([0-9a-f]{64})` \|", (VENDORED / "README.md").read_text()))

    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDORED.iterdir()}
    del found["README.md"]
    assert found == noted
