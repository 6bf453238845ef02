"""Fills in, for an operator, the visits of tabs from before there were visits."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.ports.deps import Deps
from chalicelib.usecases.trust.project import fill


def by_hand(deps: Deps, say: Callable[[str], None]) -> bool:
    """A line for each merchant; whether all of their tabs could be folded. Raises StoreUnavailable."""
    failed = 0
    for merchant_id, _ in deps.store.iter_merchants():
        done = fill(deps, merchant_id)
        say(f"{merchant_id}: {done.tabs} tabs read, {done.written} visits written, {done.failed} tabs can't be folded")
        failed += done.failed
    return not failed
