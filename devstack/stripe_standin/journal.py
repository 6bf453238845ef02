"""Owns the file of `--state FILE`: frames appended one after another, and read back at the next start.

A frame is whole or not there at all: it carries its length and a checksum, and what follows a broken one is cut off.
Nothing is fsynced: what the process wrote survives the process, and only a machine that loses power forgets more. What
a frame says is `state`'s business.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

logger = logging.getLogger(__name__)
HEAD = struct.Struct("<II")


class Journal:
    def __init__(self, path: Path) -> None:
        """Raises OSError when the file cannot be opened or another stand-in holds it."""
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise OSError(f"cannot keep state in {path}: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise OSError(f"{path} is in use by another stand-in") from None

    def append(self, frame: bytes) -> None:
        os.write(self._file, HEAD.pack(len(frame), zlib.crc32(frame)) + frame)

    def frames(self) -> Iterator[memoryview]:
        """Every whole frame; what follows the last of them is cut off once all are read.

        Raises OSError, and leaves the file alone, where there is no whole frame in it: it is somebody else's.
        """
        size = os.fstat(self._file).st_size
        good = 0
        if size:
            with mmap.mmap(self._file, size, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as whole:
                while good + HEAD.size <= size:
                    length, check = HEAD.unpack_from(whole, good)
                    end = good + HEAD.size + length
                    with whole[good + HEAD.size : end] as frame:
                        if end > size or zlib.crc32(frame) != check:
                            break
                        yield frame
                    good = end
            if not good:
                raise OSError(f"{self.path} holds no state of a stand-in; name another file, or move it away")
        if good < size:
            logger.warning("%s: the last write was cut short; it is dropped", self.path)
            os.ftruncate(self._file, good)

    def clear(self) -> None:
        os.ftruncate(self._file, 0)

    def replace(self, frames: Iterable[bytes]) -> None:
        """Write the file anew, beside the old one, which it then takes the place of."""
        fresh = self.path.with_name(self.path.name + ".new")
        new = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        fcntl.flock(new, fcntl.LOCK_EX | fcntl.LOCK_NB)
        old, self._file = self._file, new
        for frame in frames:
            self.append(frame)
        os.fsync(new)
        os.replace(fresh, self.path)
        os.close(old)

    def close(self) -> None:
        os.close(self._file)
