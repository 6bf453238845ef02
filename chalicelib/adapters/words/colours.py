"""The colours of mails, light and dark. A test holds each pair of text and ground against WCAG 2.2 AA."""

from __future__ import annotations

from msgspec import Struct


class Colours(Struct, frozen=True, kw_only=True):
    """`page` is behind the `card`. `text` and `muted` stand on the card, `muted` on the page, too; `on_accent` on the
    main button. The other button has the accent for its words and its frame, on the card."""

    page: str
    card: str
    line: str
    text: str
    muted: str
    accent: str
    on_accent: str


LIGHT = Colours(
    page="#f3f2ee",
    card="#ffffff",
    line="#dedcd5",
    text="#1c1b19",
    muted="#5c5a55",
    accent="#0f5f4c",
    on_accent="#ffffff",
)
DARK = Colours(
    page="#121311",
    card="#1d1f1c",
    line="#3b3e39",
    text="#f3f2ee",
    muted="#b5b3ac",
    accent="#7fd4ba",
    on_accent="#0b1f19",
)
