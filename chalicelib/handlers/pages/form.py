"""The fields of a form that was sent from a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

_SHARE_OF = "share_"


class Form:
    """The fields of a form."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        return (self._fields.get(name) or [""])[0].strip()

    def all(self, name: str) -> list[str]:
        return self._fields.get(name) or []

    @property
    def given(self) -> dict[str, Any]:
        """What a person typed and chose, to be shown again where the form could not be taken.

        A tip and a consent are chosen anew, on what the page shows now.
        """
        names = (
            "tip_other",
            "amount",
            "reason",
            "objection",
            "comment",
            "why",
            "what",
            "rating",
            "how",
            "parts",
            "amounts",
        )
        share_of = defaultdict(str, self.shares_of_items)
        return {name: self.text(name) for name in names} | {"items": self.all("item"), "share_of": share_of}

    @property
    def shares_of_items(self) -> dict[str, str]:
        """Item → the number of the share that it was put into."""
        return {name.removeprefix(_SHARE_OF): self.text(name) for name in self._fields if name.startswith(_SHARE_OF)}
