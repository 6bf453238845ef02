"""Zips that are alike, byte for byte, when what is in them is: in order, without times, owners or modes."""

from __future__ import annotations

import zipfile
from pathlib import Path

_BEGINNING = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o100644 << 16
"""Lambda runs as another user than whoever packs."""


def unpack(archive: Path, tree: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tree)


def pack(tree: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(path for path in tree.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), _BEGINNING)
            entry.external_attr = _READABLE
            opened.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)


def unpacked_bytes(tree: Path) -> int:
    return sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
