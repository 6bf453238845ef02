"""Ids and secrets."""

from __future__ import annotations

from typing import Protocol


class Ids(Protocol):
    def new(self, prefix: str) -> str:
        """`<prefix>_` and 26 Crockford characters: 48 bits of milliseconds, 80 random."""
        ...

    def new_secret(self) -> str:
        """The secret of a link or a token: 26 Crockford characters, all random (130 bits)."""
        ...

    def new_signing_key(self) -> bytes:
        """32 random bytes, which notices are signed with."""
        ...
