"""Advance what is due: the scheduled run asks the agenda of each due tab and does what it says (design §7)."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
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


def advance_due_tabs(deps: Deps, *, at_once: int = 1) -> Swept:
    """Advance every tab whose time has come; one that fails stops nobody else and is tried again by the next sweep.

    `at_once`: how many tabs are advanced side by side. Most of a tab's time is waiting for database and gateway,
    and a sweep has only as long as its Lambda. Raises what the store raises, once all that was found is done.
    """
    done: list[Future[bool]] = []
    with ThreadPoolExecutor(at_once) as pool:
        for merchant_id, tab_id in deps.store.iter_due(deps.clock.now()):
            done.append(pool.submit(_is_advanced, deps, merchant_id, tab_id))
    advanced = sum(future.result() for future in done)
    return Swept(advanced, len(done) - advanced)


def _is_advanced(deps: Deps, merchant_id: str, tab_id: str) -> bool:
    try:
        advance_tab(deps, merchant_id, tab_id)
    except Exception:
        log.exception("tab %s could not be advanced", tab_id)
        return False
    return True


def advance_tab(deps: Deps, merchant_id: str, tab_id: str) -> Tab:
    """Do what is due on one tab now. The index may lie: the tab's own agenda decides."""
    tab = deps.store.get_tab(merchant_id, tab_id)
    tab, begun = record_outcome(deps, tab, lambda draft: None)
    return run(deps, tab, begun)
