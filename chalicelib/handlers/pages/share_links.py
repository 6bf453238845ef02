"""The links of a bill's shares, for the customer who split it on the page: as an address and as a QR code."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from chalicelib.domain.tab.actor import Actor
from chalicelib.domain.tab.link import derived_secret
from chalicelib.domain.tab.tab import Tab


class ShareLink(Struct, frozen=True):
    """`code`: an SVG."""

    url: str
    code: str


def links_of(tab: Tab, by: Actor, secret: str, pages: str) -> Mapping[str, ShareLink]:
    """By the share's id: those of the open shares that were made with this very link. They are stored nowhere."""
    mine = [share.tab_id for share in tab.open_shares if share.made_by == by.subject]
    return {share_id: _link(pages + derived_secret(secret, share_id)) for share_id in mine}


def _link(url: str) -> ShareLink:
    # Pages without shares never load it.
    import segno

    code = segno.make_qr(url, error="m", boost_error=False)
    return ShareLink(url, str(code.svg_inline(border=4, omitsize=True, dark="#000", light="#fff")))
