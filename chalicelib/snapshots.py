"""Starting from a snapshot (Lambda SnapStart): many environments begin with the memory of one that was initialized.

What must be each environment's own, or as new as the moment, is made anew before its first request. Whoever keeps such
a thing in memory names a step here. https://docs.aws.amazon.com/lambda/latest/dg/snapstart-uniqueness.html
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any


def after_restore(step: Callable[[], Any]) -> None:
    """Let Lambda take this step when it has restored an environment. Nothing happens where there are no snapshots."""
    try:
        # Part of Lambda's Python runtimes from 3.12 on, and of no package of ours:
        # https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
        from snapshot_restore_py import register_after_restore
    except ImportError:
        return
    register_after_restore(step)


# The waits between tries are drawn from here by the SDKs: environments that fail together must not try again together.
# Ids are drawn from the operating system for each use, which Lambda seeds anew itself.
after_restore(random.seed)
