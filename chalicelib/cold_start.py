"""Disables the garbage collector during a start, which creates no garbage, so that collecting only costs time."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable

_HANDLER = "_HANDLER"
"""The environment variable with the handler of a Lambda function: `module.function`."""


def begin() -> None:
    """Call this before any other module of ours is loaded. The module of each function must end with `ready`."""
    if _HANDLER in os.environ:
        gc.disable()


def ready(module: str, prepare: Callable[[], object] | None = None) -> None:
    """End the start if `module`, which is now loaded, is the one with the function's handler.

    `prepare` runs before: Lambda gives a start more processor time than the first request.
    """
    if os.environ.get(_HANDLER, "").rpartition(".")[0] != module:
        return
    if prepare is not None:
        prepare()
    # These objects live as long as the process: the collector need not scan them again.
    gc.freeze()
    gc.enable()
