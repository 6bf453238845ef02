"""A merchant's figures: its integrity and its outlook, counted from its visits every night and kept until the next."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from itertools import islice

from chalicelib import correlation
from chalicelib.domain.books.outlook import HISTORY, WEEK, outlook_of
from chalicelib.domain.errors import NotFound
from chalicelib.domain.parties import Merchant
from chalicelib.domain.tab.actor import Actor
from chalicelib.domain.trust.figures import Figures
from chalicelib.domain.trust.integrity import integrity_of, stories_of
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import StoreUnavailable, every
from chalicelib.usecases.tab.requests import merchant_of

log = logging.getLogger(__name__)

LONGEST_LEAD = timedelta(days=366)
"""How long before its service a tab is opened at most, in what is counted."""
OLD = timedelta(hours=26)
"""After a night that was left out, an owner's report counts anew."""
MOST_VISITS = 50_000
"""Visits that are read for one merchant; the figures of a larger one are marked as incomplete."""
PAGE = 500


def get_figures(deps: Deps, *, by: Actor) -> Figures:
    """The merchant's figures of last night, or of now where there are none that new. Raises NotFound."""
    merchant_id = merchant_of(by)
    figures = deps.visits.find_figures(merchant_id)
    if figures is not None and deps.clock.now() - figures.at < OLD:
        return figures
    return refresh(deps, deps.store.get_merchant(merchant_id))


def refresh(deps: Deps, merchant: Merchant) -> Figures:
    """Count and keep a merchant's figures."""
    now = deps.clock.now()
    since = now - HISTORY * WEEK - LONGEST_LEAD
    pages = partial(deps.visits.list_visits_by_merchant, merchant.merchant_id, since, now, limit=PAGE)
    visits = list(islice(every(pages), MOST_VISITS + 1))
    counted = visits[:MOST_VISITS]
    figures = Figures(
        merchant_id=merchant.merchant_id,
        at=now,
        integrity=integrity_of(counted, now),
        outlook=outlook_of(counted, currency=merchant.currency, time_zone=merchant.policy.time_zone, now=now),
        is_complete=len(visits) <= MOST_VISITS,
        stories=stories_of(counted, now),
    )
    deps.visits.put_figures(figures)
    return figures


def refresh_all(deps: Deps) -> dict[str, int]:
    """Count and keep the figures of every merchant; one that can't be counted does not hold up the others."""
    counted = failed = 0
    for merchant_id, _ in deps.store.iter_merchants():
        with correlation.about(merchant_id=merchant_id):
            try:
                refresh(deps, deps.store.get_merchant(merchant_id))
                counted += 1
            except (StoreUnavailable, NotFound, ValueError, KeyError, AssertionError):
                log.exception("a merchant's figures could not be counted")
                failed += 1
    log.info("figures counted", extra={"metrics": {"FiguresCounted": counted, "FiguresNotCounted": failed}})
    return {"merchants": counted, "failed": failed}
