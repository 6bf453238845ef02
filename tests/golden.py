"""Golden files: reviewed texts with which output is compared. Ids in them are numbered in order of appearance."""

from __future__ import annotations

import re
from pathlib import Path

_GENERATED_ID = re.compile(r"\b(att|itm|csh|flg|msg|chg|tab|mer|cus|cust|pi|re|evt|seti)_\d+\b")


def numbered(text: str) -> str:
    """Number the ids in order of appearance, so that other ids do not matter."""
    names: dict[str, str] = {}
    counts: dict[str, int] = {}

    def name(match: re.Match[str]) -> str:
        if match[0] not in names:
            counts[match[1]] = counts.get(match[1], 0) + 1
            names[match[0]] = f"{match[1]}-{counts[match[1]]}"
        return names[match[0]]

    return _GENERATED_ID.sub(name, text)


def sections(path: Path) -> dict[str, str]:
    """The sections of a golden file, by heading (`# …`)."""
    found = re.split(r"(?m)^(?=# )", path.read_text())
    return {section.partition("\n")[0]: section.rstrip() for section in found if section.strip()}
