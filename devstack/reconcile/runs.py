"""Runs the reconciliation in this process: on the environment's settings, or on a local stack's table and clock."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime

from chalicelib import bootstrap
from chalicelib.handlers.events import reconciliation
from devstack.clock import StandinClock
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
    """What the deployment's own settings would be is taken from its names, where the environment says nothing else."""
    defaults = {
        "AFTERTAB_STAGE": stage,
        "AFTERTAB_TABLE": f"aftertab-{stage}",
        "STRIPE_SECRET_KEY": f"ssm:/aftertab/{stage}/stripe-secret-key",
        # For phones only: nothing is handed to one here.
        "STRIPE_PUBLISHABLE_KEY": "none",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    return reconciliation.by_hand(bootstrap.get_deps(), since, until, repair=repair, progress=progress)


def on_stack(stack: Stack, since: datetime, progress: Callable[[int, int], None] = lambda done, total: None) -> Report:
    """Beside the running app, as a Lambda of its own would."""
    os.environ.update(stack.environment)
    clock = StandinClock(stack.standin.base_url)
    deps = bootstrap.build(clock=clock)
    return reconciliation.by_hand(deps, since, progress=progress)
