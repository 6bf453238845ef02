"""Advance what is due: the scheduled run asks the agenda of each due tab and does what it says (design §7)."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor

from msgspec import Struct

from chalicelib import correlation
from chalicelib.domain.news.messages import receipt_of
from chalicelib.domain.tab import agenda
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.deps import Deps
from chalicelib.usecases.tab.attempts import record_outcome, run

log = logging.getLogger(__name__)


class Swept(Struct, frozen=True):
    """How many tabs a sweep advanced, how many it could not, and how long the one that waited longest had been due."""

    advanced: int
    failed: int
    lag_s: float = 0.0


class Advanced(Struct, frozen=True):
    """A tab after what was due on it, and for how many seconds that had been due."""

    tab: Tab
    lag_s: float


def advance_due_tabs(deps: Deps, *, at_once: int = 1) -> Swept:
    """Advance every tab whose time has come; one that fails stops nobody else and is tried again by the next sweep.

    `at_once`: how many tabs are advanced side by side. Most of a tab's time is waiting for database and gateway,
    and a sweep has only as long as its Lambda. Raises what the store raises, once all that was found is done.
    """
    done: list[Future[Advanced | None]] = []
    with ThreadPoolExecutor(at_once) as pool:
        try:
            for merchant_id, tab_id in deps.store.iter_due(deps.clock.now()):
                done.append(pool.submit(_try_to_advance, deps, merchant_id, tab_id))
        finally:
            advanced = [found for future in done if (found := future.result()) is not None]
            # Last: whoever delivers them may be slow, and a hold that is about to expire can't wait for the post.
            for found in advanced:
                if agenda.due_receipt(found.tab):
                    pool.submit(_try_to_send_receipt, deps, found.tab)
    return Swept(len(advanced), len(done) - len(advanced), max((found.lag_s for found in advanced), default=0.0))


def _try_to_advance(deps: Deps, merchant_id: str, tab_id: str) -> Advanced | None:
    with correlation.about(tab_id=tab_id):
        try:
            return advance_due_tab(deps, merchant_id, tab_id)
        except Exception:
            log.exception("a due tab could not be advanced")
            return None


def _try_to_send_receipt(deps: Deps, tab: Tab) -> None:
    with correlation.about(tab_id=tab.tab_id):
        try:
            send_receipt(deps, tab)
        except Exception:
            log.exception("the receipt was not sent, or not marked as sent: the next sweep sends it")


def advance_due_tab(deps: Deps, merchant_id: str, tab_id: str) -> Advanced:
    """Do what is due on one tab now, but for its receipt. The index may lie: its own agenda decides."""
    tab = deps.store.get_tab(merchant_id, tab_id)
    since = tab.next_action_at
    tab = advance_tab(deps, tab)
    return Advanced(tab, 0.0 if since is None else max(0.0, (deps.clock.now() - since).total_seconds()))


def advance_tab(deps: Deps, tab: Tab) -> Tab:
    """Do what is due on this tab now, but for its receipt: its own agenda decides."""
    tab, begun = record_outcome(deps, tab, lambda draft: None)
    return run(deps, tab, begun)


def send_receipt(deps: Deps, tab: Tab) -> Tab:
    """Sent, then marked as sent: at least once, under an id that tells a second one apart.

    Only sweeps send receipts: whoever pays, and the gateway that tells of it, need not wait for the post.
    """
    receipt = receipt_of(tab, deps.clock.now())
    deps.notifier.send(receipt)

    def sent(draft: Draft) -> None:
        # More may have been paid while it was sent, a tip say: that wants another receipt.
        if draft.tab.receipt_owed and draft.tab.receipt_minor == tab.receipt_minor:
            draft.update(receipt_owed=False)
            draft.record("receipt_sent", message_id=receipt.message_id)

    return run(deps, *record_outcome(deps, tab, sent))
