"""Runs the reconciliation in this process: on the environment's settings, or on a local stack's table and clock."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime

from chalicelib import bootstrap
from chalicelib.handlers.events import reconciliation
from devstack.clock import StandinClock
from devstack.deploy import account
from devstack.reconcile.show import Report
from devstack.stack import Stack


def on_stage(
    stage: str,
    since: datetime | None,
    until: datetime | None,
    *,
    repair: bool,
    progress: Callable[[int, int], None],
) -> Report:
    """As the deployment's own function would, from this machine."""
    account.use_settings_of(stage)
    return reconciliation.by_hand(bootstrap.get_deps(), since, until, repair=repair, progress=progress)


def on_stack(stack: Stack, since: datetime, progress: Callable[[int, int], None] = lambda done, total: None) -> Report:
    """Beside the running app, as a Lambda of its own would."""
    os.environ.update(stack.environment)
    clock = StandinClock(stack.standin.base_url)
    deps = bootstrap.build(clock=clock)
    return reconciliation.by_hand(deps, since, progress=progress)
