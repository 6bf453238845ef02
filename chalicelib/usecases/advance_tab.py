"""Advance what is due: the scheduled run asks the agenda of each due tab and does what it says (design §7)."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor

from msgspec import Struct

from chalicelib import correlation
from chalicelib.domain import agenda
from chalicelib.domain.draft import Draft
from chalicelib.domain.messages import receipt_of
from chalicelib.domain.tab import Tab
from chalicelib.ports import Deps
from chalicelib.usecases.attempts import record_outcome, run

log = logging.getLogger(__name__)


class Swept(Struct, frozen=True):
    """How many tabs a sweep advanced, how many it could not, and how long the one that waited longest had been due."""

    advanced: int
    failed: int
    lag_s: float = 0.0


def advance_due_tabs(deps: Deps, *, at_once: int = 1) -> Swept:
    """Advance every tab whose time has come; one that fails stops nobody else and is tried again by the next sweep.

    `at_once`: how many tabs are advanced side by side. Most of a tab's time is waiting for database and gateway,
    and a sweep has only as long as its Lambda. Raises what the store raises, once all that was found is done.
    """
    done: list[Future[float | None]] = []
    with ThreadPoolExecutor(at_once) as pool:
        for merchant_id, tab_id in deps.store.iter_due(deps.clock.now()):
            done.append(pool.submit(_try_to_advance, deps, merchant_id, tab_id))
    lags_s = [lag_s for future in done if (lag_s := future.result()) is not None]
    return Swept(len(lags_s), len(done) - len(lags_s), max(lags_s, default=0.0))


def _try_to_advance(deps: Deps, merchant_id: str, tab_id: str) -> float | None:
    with correlation.about(tab_id=tab_id):
        try:
            return advance_due_tab(deps, merchant_id, tab_id)
        except Exception:
            log.exception("a due tab could not be advanced")
            return None


def advance_due_tab(deps: Deps, merchant_id: str, tab_id: str) -> float:
    """Do what is due on one tab now; for how many seconds it had been due. The index may lie: its agenda decides."""
    tab = deps.store.get_tab(merchant_id, tab_id)
    advance_tab(deps, tab)
    since = tab.next_action_at
    return 0.0 if since is None else max(0.0, (deps.clock.now() - since).total_seconds())


def advance_tab(deps: Deps, tab: Tab) -> Tab:
    """Do what is due on this tab now: its own agenda decides."""
    tab, begun = record_outcome(deps, tab, lambda draft: None)
    tab = run(deps, tab, begun)
    return _send_receipt(deps, tab) if agenda.due_receipt(tab) else tab


def _send_receipt(deps: Deps, tab: Tab) -> Tab:
    """Sent, then marked as sent: at least once, under an id that tells a second one apart.

    What can't be handed over now is left to the next sweep. Only sweeps send receipts: whoever pays, and the gateway
    that tells of it, need not wait for the post.
    """
    receipt = receipt_of(tab, deps.clock.now())
    try:
        deps.notifier.send(receipt)
    except Exception:
        log.exception("the receipt of %s was not sent", tab.tab_id)
        return tab

    def sent(draft: Draft) -> None:
        if draft.tab.receipt_owed:
            draft.update(receipt_owed=False)
            draft.record("receipt_sent", message_id=receipt.message_id)

    return run(deps, *record_outcome(deps, tab, sent))
