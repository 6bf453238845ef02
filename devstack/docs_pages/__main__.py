"""Writes the pages at /docs: the guides as HTML from the Markdown in docs/guides, and the frame of the reference.

They are made here and not when somebody asks for them, so that nothing of the deployed code reads Markdown. The
reference itself is drawn in the browser by Swagger UI, from the document that the deployment serves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from devstack.stack import ROOT

GUIDES = ROOT / "docs" / "guides"
TARGET = ROOT / "chalicelib" / "documentation"
REFERENCE = "reference"
ORDER = ("README", "walk-in", "appointment", "guest", "notices", "errors", "idempotency", "going-live", "clients")
"""The guides as they are read."""
_LAYOUT = Path(__file__).with_name("layout.html")
_REFERENCE = Markup("""<h1>API reference</h1>
<p>Drawn from <a href="v1/openapi.json">the OpenAPI document</a> of this deployment. To send a request from
here, paste a token under “Authorize”. It stays in this page and is forgotten when you close it. What you send is
real.</p>
<div id="reference"><p role="status">The reference is being drawn.</p></div>
<noscript><p>The reference needs JavaScript. The document can be read without it.</p></noscript>""")


def pages() -> dict[str, str]:
    """The text of every page by the name of its file."""
    made = {f"{REFERENCE}.html": _page(REFERENCE, "Reference", _REFERENCE, at_docs=True)}
    for name in ORDER:
        made[f"{_name(name)}.html"] = _page(_name(name), _title(name), _html(GUIDES / f"{name}.md"))
    return made


def _page(name: str, title: str, content: Markup, *, at_docs: bool = False) -> str:
    """`at_docs`: the page's address is /docs, not one below it, which decides what relative addresses are about."""
    base = "docs/" if at_docs else ""
    links = [{"name": REFERENCE, "title": "Reference", "address": "docs" if at_docs else "../docs"}]
    links += [{"name": _name(guide), "title": _title(guide), "address": f"{base}{_name(guide)}"} for guide in ORDER]
    layout = Environment(autoescape=True, undefined=StrictUndefined).from_string(_LAYOUT.read_text(encoding="utf-8"))
    return layout.render(name=name, title=title, content=content, base=base, pages=links) + "\n"


def _name(guide: str) -> str:
    return "guides" if guide == "README" else guide


def _title(guide: str) -> str:
    found = re.match(r"# (.+)", (GUIDES / f"{guide}.md").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"docs/guides/{guide}.md does not begin with its title")
    return found[1]


def _html(guide: Path) -> Markup:
    # Raw HTML in Markdown stays text.
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    blocks = markdown.parse(guide.read_text(encoding="utf-8"))
    for block in blocks:
        block.children = list(_leading_on(block.children or []))
    return Markup(markdown.renderer.render(blocks, markdown.options, {}))  # noqa: S704 -- made by the renderer.


def _leading_on(tokens: Iterable[Token]) -> Iterator[Token]:
    """The text with its links as they are at /docs: of a file that is not served, the name."""
    file = ""
    for token in tokens:
        if token.type == "link_open":
            link = str(token.attrGet("href"))
            address = _address(link)
            file = "" if address else (GUIDES / link).resolve().relative_to(ROOT).as_posix()
            token.attrSet("href", address or "")
        if token.type == "link_close" and file:
            yield Token("text", "", 0, content=" in ")
            yield Token("code_inline", "code", 0, content=file)
        elif token.type != "link_open" or not file:
            yield token


def _address(link: str) -> str | None:
    """Where a link of the repository leads at /docs; None where that is not served, and is in the source alone."""
    if re.match(r"https?:|#", link):
        return link
    if link == "../openapi.json":
        return "../v1/openapi.json"
    guide, dot, anchor = link.partition("#")
    return _name(guide.removesuffix(".md")) + dot + anchor if guide.removesuffix(".md") in ORDER else None


def main() -> None:
    for name, text in pages().items():
        (TARGET / name).write_text(text, encoding="utf-8")
    print(f"wrote {len(ORDER) + 1} pages to {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
