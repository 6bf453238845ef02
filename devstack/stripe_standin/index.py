"""Owns the finding of rows by a text: an id, or a field that lists filter on.

An entry takes eight bytes: the hash of the text, above the position of the row. A dict would take a hundred and more,
and the text besides. Two texts may share a hash, so whoever finds a position compares the row.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable

_POSITION_BITS = 28  # 268 million rows: memory ends before
_POSITION = (1 << _POSITION_BITS) - 1
_HASH = (1 << (64 - _POSITION_BITS)) - 1
_BUCKETS = 256  # short arrays, because an entry is inserted in order


class Index:
    """Sorted by hash, then by position: the rows of one text lie together, the oldest first."""

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets: dict[int, array[int]] = {}

    def add(self, text: str, at: int) -> None:
        """Does nothing where the entry is there already."""
        hashed = hash(text)
        entry = (hashed & _HASH) << _POSITION_BITS | at
        bucket = self._bucket(hashed)
        where = bisect_left(bucket, entry)
        if where == len(bucket) or bucket[where] != entry:
            bucket.insert(where, entry)

    def fill(self, texts: Iterable[str | None]) -> None:
        """Take in the texts of all rows, by position, into an empty index. None: a row without one."""
        buckets: list[list[int]] = [[] for _ in range(_BUCKETS)]
        for at, text in enumerate(texts):
            if text is not None:
                hashed = hash(text)
                buckets[hashed % _BUCKETS].append((hashed & _HASH) << _POSITION_BITS | at)
        self._buckets = {key: array("Q", sorted(entries)) for key, entries in enumerate(buckets) if entries}

    def discard(self, text: str, at: int) -> None:
        hashed = hash(text)
        entry = (hashed & _HASH) << _POSITION_BITS | at
        bucket = self._bucket(hashed)
        where = bisect_left(bucket, entry)
        if where < len(bucket) and bucket[where] == entry:
            del bucket[where]

    def newest_first(self, text: str, *, below: int = _POSITION, above: int = -1) -> list[int]:
        """The positions strictly between the two bounds. Some may be those of another text."""
        hashed = hash(text)
        bucket = self._buckets.get(hashed % _BUCKETS)
        if bucket is None:
            return []
        base = (hashed & _HASH) << _POSITION_BITS
        first, end = bisect_left(bucket, base + above + 1), bisect_left(bucket, base | below)
        return [entry & _POSITION for entry in reversed(bucket[first:end])] if first < end else []

    def _bucket(self, hashed: int) -> array[int]:
        bucket = self._buckets.get(hashed % _BUCKETS)
        if bucket is None:
            bucket = self._buckets[hashed % _BUCKETS] = array("Q")
        return bucket
