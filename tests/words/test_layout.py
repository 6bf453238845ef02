"""The mail as a page: contrast, light and dark, nothing from elsewhere."""

import re

import pytest

from chalicelib.adapters.words.colours import DARK, LIGHT, Colours
from chalicelib.adapters.words.environments import TEMPLATES
from chalicelib.adapters.words.writer import Writer
from chalicelib.domain.contact import Language
from chalicelib.domain.news.message import MessageKind
from devstack.words import examples

MAILS = [
    Writer().write(message, examples.setting(language, kind)).html
    for language in (Language.ENGLISH, Language.ARABIC)
    for kind in MessageKind
    for to in examples.recipients_of(kind)
    for message in examples.messages(kind, to)
]


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance of `#rrggbb`."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_all_text_is_readable(colours: Colours) -> None:
    """WCAG 2.2 AA: text 4.5 to 1 on its ground; the frame of a button 3 to 1."""
    for text, ground in (
        (colours.text, colours.card),
        (colours.text, colours.page),
        (colours.muted, colours.card),
        (colours.muted, colours.page),
        (colours.accent, colours.card),
        (colours.on_accent, colours.accent),
    ):
        assert contrast(text, ground) >= 4.5, (text, ground)


def test_contrast_is_computed_as_wcag_does() -> None:
    """Black on white is 21 to 1, the darkest grey that passes on white is #767676."""
    assert round(contrast("#000000", "#ffffff"), 1) == 21
    assert contrast("#767676", "#ffffff") >= 4.5 > contrast("#777777", "#ffffff")


def test_no_colour_stands_outside_the_table() -> None:
    """Colours that the test above does not see are not used."""
    assert not re.search(r"#[0-9a-fA-F]{3,6}\b(?!contest)", (TEMPLATES / "mail.html").read_text())


def test_whatever_has_a_colour_has_one_in_the_dark() -> None:
    """Each element with a colour of its own has a class that the dark scheme changes."""
    html = MAILS[0]
    dark = html[html.index("prefers-color-scheme: dark") : html.index("</style>")]
    changed = set(re.findall(r"\.(\w+) \{", dark))

    coloured = re.findall(r'<(\w+)[^>]*?class="([^"]+)"[^>]*?style="[^"]*?color:#', html)
    assert len(coloured) >= 10
    assert len(coloured) == len(re.findall(r'style="[^"]*?color:#', html))
    for tag, classes in coloured:
        assert set(classes.split()) & changed, (tag, classes)
    assert '<meta name="color-scheme" content="light dark">' in html
    assert '<meta name="supported-color-schemes" content="light dark">' in html


def test_nothing_is_fetched_and_nobody_is_tracked() -> None:
    """No picture, no font, no style sheet from elsewhere; the only addresses are those of the message."""
    for html in MAILS:
        assert not re.search(r"<(img|link|script|iframe|object|form)\b|src=|url\(|@import|background=", html)
        addresses = set(re.findall(r"https?://[^\"'<\s]+", html))
        own = {examples.NAMES["page"], f"{examples.NAMES['page']}#contest", examples.NAMES["unsubscribe"]}
        assert addresses <= own


def test_tables_of_the_layout_are_no_tables_to_a_screen_reader() -> None:
    """The table with facts is one; those that only place things say so."""
    for html in MAILS:
        for table in re.findall(r"<table[^>]*>", html):
            assert ('role="presentation"' in table) != ('class="line"' in table)
        assert html.count("<h1") == 1
        assert "<title>" in html


@pytest.mark.parametrize("html", [MAILS[0], MAILS[-1]], ids=["left to right", "right to left"])
def test_sides_follow_the_direction(html: str) -> None:
    """In Arabic text begins on the right, and the gap in the table of facts is on the left of its labels."""
    is_rtl = 'dir="rtl"' in html

    assert ("text-align:right" in html) == is_rtl
    assert ("text-align:left" in html) != is_rtl
    assert ("padding-left:16px" in html) == is_rtl
