"""Advance what is due: the scheduled run asks the agenda of each due tab and does what it says (design §7)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from chalicelib.domain.tab import Tab
from chalicelib.ports import Deps
from chalicelib.usecases.attempts import record_outcome, run

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """How many tabs a sweep advanced, and how many it could not."""

    advanced: int
    failed: int


def advance_due_tabs(deps: Deps) -> Swept:
    """Advance every tab whose time has come; one that fails stops nobody else and is tried again by the next sweep."""
    advanced = failed = 0
    for merchant_id, tab_id in deps.store.iter_due(deps.clock.now()):
        try:
            advance_tab(deps, merchant_id, tab_id)
            advanced += 1
        except Exception:
            log.exception("tab %s could not be advanced", tab_id)
            failed += 1
    return Swept(advanced, failed)


def advance_tab(deps: Deps, merchant_id: str, tab_id: str) -> Tab:
    """Do what is due on one tab now. The index may lie: the tab's own agenda decides."""
    tab = deps.store.get_tab(merchant_id, tab_id)
    tab, begun = record_outcome(deps, tab, lambda draft: None)
    return run(deps, tab, begun)
