"""SMS: which characters fit into GSM-7 (3GPP TS 23.038, 6.2.1), and into how many segments a text is cut."""

from __future__ import annotations

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
"""Each of these takes two places."""
LANGUAGES = frozenset({"en", "de", "es"})
"""Our languages that are written in GSM-7, most of the time."""
_PLAIN = str.maketrans({"\u00a0": " ", "\u202f": " ", "’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "…": "..."})


def fits(text: str) -> bool:
    return all(one in _BASIC or one in _EXTENDED for one in text)


_VOWEL_SIGNS = dict.fromkeys(range(0x064B, 0x0653))
"""Arabic writes its short vowels only where a word could be misread; in an SMS each of them is a character."""


def plain(text: str) -> str:
    """The text with plain spaces, quotes and dashes, and without vowel signs.

    One no-break space would halve what a segment holds.
    """
    return text.translate(_PLAIN).translate(_VOWEL_SIGNS)


def segments(text: str) -> int:
    """How many messages the network makes of it: 160 places (153 each of several), or 70 (67) in UCS-2."""
    if fits(text):
        places, one, each = sum(2 if char in _EXTENDED else 1 for char in text), 160, 153
    else:
        places, one, each = len(text.encode("utf-16-be")) // 2, 70, 67
    return 1 if places <= one else -(-places // each)
