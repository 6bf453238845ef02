"""Disables the garbage collector during a start, which creates no garbage, so that collecting only costs time.

Afterwards it collects, but seldom.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable

_HANDLER = "_HANDLER"
"""The environment variable with the handler of a Lambda function: `module.function`."""
BETWEEN_COLLECTIONS = 10_000
"""New objects that may hold others, before the collector looks at them; Python itself looks after 700 to 2,000.

A request leaves few cycles behind, and what is imported after the start, as Stripe's SDK is for the first payment,
none: looking through its tens of thousands of objects is 4 million instructions of that payment.
"""


def begin() -> None:
    """Call this before any other module of ours is loaded. The module of each function must end with `ready`."""
    if _HANDLER in os.environ:
        gc.disable()


def ready(module: str, prepare: Callable[[str], object] | None = None) -> None:
    """End the start if `module`, which is now loaded, is the one with the function's handler.

    `prepare` runs before, with the function's name: Lambda gives a start more processor time than the first request.
    """
    of, _, function = os.environ.get(_HANDLER, "").rpartition(".")
    if of != module:
        return
    if prepare is not None:
        prepare(function)
    # These objects live as long as the process: the collector need not scan them again.
    gc.freeze()
    gc.set_threshold(BETWEEN_COLLECTIONS)
    gc.enable()
