"""Owns how objects rest: as JSON, compressed against the first of their kind.

An object, the event that tells of it and the stored answer of the call that made it are mostly the same bytes, so what
was packed last is remembered: equal bodies share one copy.
"""

from __future__ import annotations

import zlib

import msgspec

encode = msgspec.json.Encoder().encode
# Fastest, no header; a window of 4 KB holds the dictionary, and a small one is quickly set up.
_LEVEL, _WINDOW, _MEMORY = 1, -12, 5


class Packer:
    """One a world: what was packed with one can be unpacked with that one only."""

    def __init__(self) -> None:
        self.dictionaries: dict[str, bytes] = {}
        self.new_dictionaries: list[tuple[str, bytes]] = []  # since the state was last written
        self._last: dict[str, tuple[bytes, bytes]] = {}

    def pack(self, kind: str, body: bytes) -> bytes:
        last = self._last.get(kind)
        if last is not None and last[0] == body:
            return last[1]
        known = self.dictionaries.get(kind)
        if known is None:
            known = self.dictionaries[kind] = body[-4096:]
            self.new_dictionaries.append((kind, known))
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_DEFAULT_STRATEGY, known)
        packed = packer.compress(body) + packer.flush()
        self._last[kind] = (body, packed)
        return packed

    def unpack(self, kind: str, packed: bytes) -> bytes:
        return zlib.decompressobj(_WINDOW, self.dictionaries[kind]).decompress(packed)
