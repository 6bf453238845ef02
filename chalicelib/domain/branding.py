"""How a business shows itself to its customers: name, colour, logo, how it is reached, its terms."""

from __future__ import annotations

import base64
import binascii
import re

from msgspec import Struct

from chalicelib.domain.errors import InvalidInput

WHITE = "#ffffff"
LEAST_CONTRAST = 4.5
"""Of text and its ground: https://www.w3.org/TR/WCAG22/#contrast-minimum (level AA)."""
LARGEST_LOGO_BYTES = 6 * 1024
"""A logo is part of the page itself, which must reach a phone in one piece, with the bill."""

_COLOUR = re.compile(r"#[0-9a-f]{6}")
_DATA = re.compile(r"data:image/(png|jpeg|webp);base64,([A-Za-z0-9+/]+={0,2})")
_HTTPS = re.compile(r"https://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]{1,5})?(/[!-~]*)?")
_FIRST_BYTES = {
    "png": re.compile(rb"\x89PNG\r\n\x1a\n", re.DOTALL),
    "jpeg": re.compile(rb"\xff\xd8\xff", re.DOTALL),
    "webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}


class Branding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What customers see of a business. `name` None: the merchant's own. `colour`: `#rrggbb`, white text is read on it.

    `logo`: the picture itself as a `data:` address, or an https address of it, which pages do not load. `phone` is
    E.164. `tip_percents`: the tips that are offered beside "no tip" and another amount; none is chosen beforehand.
    `shows_integrity`: customers see, before they accept, how the business kept its promises. `shows_stories`: what
    customers have told can be read, all of it or none. `version` counts changes from 1; 0: nothing was ever set.
    """

    merchant_id: str
    name: str | None = None
    colour: str | None = None
    logo: str | None = None
    email: str | None = None
    phone: str | None = None
    website: str | None = None
    address: str | None = None
    terms_url: str | None = None
    tip_percents: tuple[int, ...] = (5, 10, 15)
    shows_integrity: bool = False
    shows_stories: bool = False
    version: int = 0


def check_colour(text: str) -> str:
    """The colour, lower case. Raises InvalidInput if white text is not readable on it, with one that would do."""
    colour = text.lower()
    if not _COLOUR.fullmatch(colour):
        raise InvalidInput("colour is written #rrggbb, for example #7a1f5c.", field="colour")
    found = contrast(colour, WHITE)
    if found < LEAST_CONTRAST:
        better = _darker(colour)
        raise InvalidInput(
            f"White text on {colour} has a contrast of {found:.1f} to 1, which many people cannot read; it takes "
            f"{LEAST_CONTRAST} to 1. {better} would do.",
            field="colour",
            contrast=round(found, 2),
            suggestion=better,
        )
    return colour


def check_logo(text: str) -> str:
    """Raises InvalidInput if it is neither a small picture nor an https address."""
    if not text.startswith("data:"):
        return check_https(text, "logo")
    match = _DATA.fullmatch(text)
    try:
        picture = base64.b64decode(match[2], validate=True) if match else b""
    except binascii.Error:
        picture = b""
    if match is None or not _FIRST_BYTES[match[1]].match(picture):
        raise InvalidInput(
            "logo is a PNG, JPEG or WebP picture as data:image/…;base64,…, or an https address.", field="logo"
        )
    if len(picture) > LARGEST_LOGO_BYTES:
        raise InvalidInput(
            f"logo has {len(picture)} bytes, and can have {LARGEST_LOGO_BYTES}: it comes with every bill. Make it "
            "smaller, 128 by 128 pixels say, with few colours.",
            field="logo",
            maximum_bytes=LARGEST_LOGO_BYTES,
        )
    return text


def check_https(text: str, field: str) -> str:
    """Raises InvalidInput if it is not an https address of another machine, without a user's name in it."""
    if not _HTTPS.fullmatch(text):
        raise InvalidInput(f"{field} must be an https address, such as https://example.com/terms.", field=field)
    return text


def contrast(one: str, other: str) -> float:
    """From 1 (none) to 21: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _darker(colour: str) -> str:
    """The lightest shade of the colour on which white text is read."""
    channels = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    shades = ("#" + "".join(f"{c * share // 100:02x}" for c in channels) for share in range(99, -1, -1))
    return next(shade for shade in shades if contrast(shade, WHITE) >= LEAST_CONTRAST)
