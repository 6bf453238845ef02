"""What must be in no log: keys, secrets of payments, bearers, links, cards, and what leads to a person.

Used by the tests, which search every line that a run logs, and by `make deploy-local` for the functions' logs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_LINK_CHARACTERS = "0-9A-HJKMNP-TV-Z"

FORBIDDEN: Mapping[str, str] = {
    "stripe_key": r"\b[sr]k_(?:test|live)_\w+",
    "webhook_secret": r"\bwhsec_[\w+/=]+",
    "client_secret": r"\b(?:pi|seti|cs|cuss|src)_\w*?_?secret_\w+",
    "jwt": r"\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*",
    "bearer": r"(?i:\bbearer\s+)(?!realm|error|or\b|token\b|…)[\w.~+/-]{8,}",
    # The secret of a link or token. An id has its kind before it, and an underscore.
    "link": rf"(?<![\w-])[{_LINK_CHARACTERS}]{{26}}(?![\w-])",
    "card_number": r"(?<![\d.-])(?:4\d{15}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|6\d{15})(?![\d-])",
    "card_code": r"(?i:\bcv[cv]2?\b)\W{1,4}\d{3,4}\b",
    "aws_key": r"\bA[KS]IA[A-Z0-9]{16}\b",
    "private_key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "email": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "phone": r"(?<![\w+])\+[1-9]\d{7,14}\b",
}
"""Kind of what is forbidden → a pattern for it."""

ANY = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in FORBIDDEN.items()))

# What every match has in it, in small letters or as a pattern. To look for these first takes a twentieth of the time.
_HINTS = ("k_test_", "k_live_", "whsec_", "secret_", "eyj", "bearer", "cvc", "cvv", "akia", "asia", "private key", "@")
_LONG = re.compile(rf"(?<![\w-])[{_LINK_CHARACTERS}]{{26}}|(?<![\d.-])[2-6]\d{{14}}")
_PHONE = re.compile(r"\+[1-9]")


class Found(NamedTuple):
    """`line` is where it was, with the finding itself cut out: the report must not spread it."""

    kind: str
    line: str


def search(line: str, names: re.Pattern[str] | None = None) -> Iterator[Found]:
    """What must not be in this line. `names`: of people, where they are known."""
    for match in ANY.finditer(line) if may_hold_one(line) else ():
        kind = str(match.lastgroup)
        if kind != "card_number" or _is_card(match[0]):
            yield Found(kind, _cut(line, match))
    if names is not None:
        for match in names.finditer(line):
            yield Found("name", _cut(line, match))


def may_hold_one(line: str) -> bool:
    """A quick look: False where no pattern can match."""
    small = line.lower()
    return any(map(small.__contains__, _HINTS)) or bool(_LONG.search(line) or _PHONE.search(line))


def _cut(line: str, match: re.Match[str]) -> str:
    return f"{line[: match.start()][-120:]}[{match[0][:4]}…, {len(match[0])} characters]{line[match.end() :][:120]}"


def _is_card(digits: str) -> bool:
    """By the check digit: https://www.iso.org/standard/70484.html, annex B (Luhn)."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(number - 9 * (number > 9) for number in doubled) % 10 == 0
