"""The sweep: for each due tab, performs the steps that its agenda says are due (design §7)."""

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
    """The number of tabs that a sweep advanced and failed to advance, and the longest time that one had been due."""

    advanced: int
    failed: int
    lag_s: float = 0.0


class Advanced(Struct, frozen=True):
    """A tab after its due steps, and for how many seconds they had been due."""

    tab: Tab
    lag_s: float


def advance_due_tabs(deps: Deps, *, at_once: int = 1) -> Swept:
    """Advance every due tab. A tab that fails does not stop the others; the next sweep tries it again.

    `at_once`: how many tabs are advanced at the same time. Most of the time is waiting for database and gateway,
    and the Lambda's time is limited. Raises what the store raises, after all tabs found so far are done.
    """
    done: list[Future[Advanced | None]] = []
    with ThreadPoolExecutor(at_once) as pool:
        try:
            for merchant_id, tab_id in deps.store.iter_due(deps.clock.now()):
                done.append(pool.submit(_try_to_advance, deps, merchant_id, tab_id))
        finally:
            advanced = [found for future in done if (found := future.result()) is not None]
            # Receipts come last: delivery may be slow, and an expiring hold cannot wait for it.
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
    """Do what is due on one tab, except its receipt. Its agenda decides, because the index may be out of date."""
    tab = deps.store.get_tab(merchant_id, tab_id)
    since = tab.next_action_at
    tab = advance_tab(deps, tab)
    return Advanced(tab, 0.0 if since is None else max(0.0, (deps.clock.now() - since).total_seconds()))


def advance_tab(deps: Deps, tab: Tab) -> Tab:
    """Do what is due on this tab, except its receipt, as its agenda says."""
    tab, begun = record_outcome(deps, tab, lambda draft: None)
    return run(deps, tab, begun)


def send_receipt(deps: Deps, tab: Tab) -> Tab:
    """Send the receipt, then mark it as sent: at least once, under an id by which a second one can be dropped.

    Only sweeps send receipts, so that neither payer nor webhook waits for delivery.
    """
    receipt = receipt_of(tab, deps.clock.now())
    deps.notifier.send(receipt)

    def sent(draft: Draft) -> None:
        # More may have been paid while it was sent, for example a tip, which needs another receipt.
        if draft.tab.receipt_owed and draft.tab.receipt_minor == tab.receipt_minor:
            draft.update(receipt_owed=False)
            draft.record("receipt_sent", message_id=receipt.message_id)

    return run(deps, *record_outcome(deps, tab, sent))
