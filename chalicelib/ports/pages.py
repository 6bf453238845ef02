"""The pages that customers meet: written in their language from what the handler has read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct

from chalicelib.domain.contact import Language


class Scene(Struct, frozen=True, kw_only=True):
    """What a page is set in. `time_zone`: IANA. `currency`: of every amount on it."""

    language: Language
    time_zone: str
    currency: str


class Pages(Protocol):
    def write(self, page: str, scene: Scene, values: Mapping[str, Any]) -> str:
        """The page `page` in HTML. `values`: by the names that its template uses; missing ones raise."""
        ...

    def script_sha256(self) -> str:
        """The hash of the script on the pages, as a Content-Security-Policy names it."""
        ...

    def read_amount(self, text: str, scene: Scene) -> int | None:
        """What a person wrote as an amount (`7.50`, `7,50`) in the smallest unit; None if it is none."""
        ...
