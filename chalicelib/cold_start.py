"""The garbage collector during a start: nothing that a start makes is garbage, so looking for it only takes time."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable

_HANDLER = "_HANDLER"
"""In the environment of every Lambda function: `module.function`."""


def begin() -> None:
    """Before anything else of ours is loaded. Every module that is a function's must end with `ready`."""
    if _HANDLER in os.environ:
        gc.disable()


def ready(module: str, prepare: Callable[[], object] | None = None) -> None:
    """`module` is loaded, and if it is the function's own, the start is over.

    `prepare` runs before: at a start Lambda gives us more of the processor than it does for the first request.
    """
    if os.environ.get(_HANDLER, "").rpartition(".")[0] != module:
        return
    if prepare is not None:
        prepare()
    # What is there now stays: it need never be looked through again.
    gc.freeze()
    gc.enable()
