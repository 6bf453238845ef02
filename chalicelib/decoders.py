"""Decoders of JSON, each made when it is first needed: a start makes none, and a request those of its own kinds."""

from __future__ import annotations

from threading import Lock
from typing import Any

import msgspec

_made: dict[type[Any], msgspec.json.Decoder[Any]] = {}
_making = Lock()


def decoder_of(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    """The decoder of a struct, for any number of threads.

    One at a time is made: if two threads make the first decoders of the same structs at the same time, one sees a
    half-built type of the other, and the process dies (SIGSEGV in msgspec 0.22). Decoders that are made can be used
    meanwhile, because all that they reach was built with them.
    """
    found = _made.get(kind)
    if found is None:
        with _making:
            found = _made.get(kind)
            if found is None:
                found = _made[kind] = msgspec.json.Decoder(kind)
    return found
