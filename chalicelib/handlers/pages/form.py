"""The fields of a form that was sent from a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
        names = ("tip_other", "amount", "reason", "comment", "why", "what", "rating")
        return {name: self.text(name) for name in names} | {"items": self.all("item")}
