"""Steps after a restore from a snapshot (Lambda SnapStart): many environments start with a copy of the same memory.

State that must be unique to an environment, or current, is created again before its first request. The module that
holds such state registers a step here. https://docs.aws.amazon.com/lambda/latest/dg/snapstart-uniqueness.html
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

try:
    # Part of Lambda's Python runtimes from 3.12 on, and of no package of ours:
    # https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
    from snapshot_restore_py import register_after_restore
except ImportError:
    register_after_restore = None


def after_restore(step: Callable[[], Any]) -> None:
    """Register a step that Lambda runs after it has restored an environment. Without snapshots it never runs."""
    if register_after_restore is not None:
        register_after_restore(step)


# The SDKs draw their retry delays from `random`: environments that fail together must not retry together.
# Ids are drawn from the operating system, which Lambda seeds again itself.
after_restore(random.seed)
