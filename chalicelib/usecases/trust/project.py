"""Keeps visits up to date with the committed entries; the same entries twice change nothing."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from msgspec import Struct

from chalicelib import correlation
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.status import Status
from chalicelib.domain.trust.folds import Gap, begin, fold, visit_of
from chalicelib.domain.trust.visit import Visit
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import VersionConflict, every
from chalicelib.ports.stream import NewEntry
from chalicelib.ports.visits import VisitKey
from chalicelib.usecases.tab.listings import of_merchant
from chalicelib.usecases.trust.names import link_by_card

log = logging.getLogger(__name__)

ROUNDS = 5
"""How often a visit is read again because another run of the relay was first."""
PAGE = 200


def project(deps: Deps, entries: Sequence[NewEntry]) -> set[int]:
    """Fold these entries into their visits; returns the indexes of those whose tab could not be folded.

    What has been folded before is skipped by its seq; where entries before it are missing, all of the tab's are read.
    Raises StoreUnavailable: then some visits may be written, and the same entries can come again.
    """
    of_tab: dict[VisitKey, list[tuple[int, Entry]]] = defaultdict(list)
    for index, new in enumerate(entries):
        if new.tab_id is not None and new.customer_id is not None:
            of_tab[new.merchant_id, new.customer_id, new.tab_id].append((index, new.entry))
    stored = deps.visits.find_visits(of_tab) if of_tab else {}
    failed: set[int] = set()
    for key, indexed in of_tab.items():
        with correlation.about(tab_id=key[2]):
            try:
                _bring_up_to(deps, key, stored, [entry for _, entry in indexed])
            except (KeyError, ValueError, TypeError, AssertionError):
                log.exception("a tab's entries can't be folded", extra={"seq": indexed[0][1].seq})
                failed |= {index for index, _ in indexed}
    return failed


class Filled(Struct, frozen=True):
    """What `fill` did: tabs that were read, visits that were written, and tabs that could not be folded."""

    tabs: int = 0
    written: int = 0
    failed: int = 0


def fill(deps: Deps, merchant_id: str) -> Filled:
    """Write the visits of all of a merchant's tabs, as far as they are behind: of tabs from before there were visits.

    Done again it writes nothing. The relay may go on meanwhile. Raises StoreUnavailable; what was written stays.
    """
    tabs = written = failed = 0
    for status in Status:
        for line in of_merchant(deps, merchant_id, status):
            tabs += 1
            key = (merchant_id, line.customer_id, line.tab_id)
            with correlation.about(tab_id=line.tab_id):
                try:
                    history = list(_history(deps, merchant_id, line.tab_id))
                    written += _bring_up_to(deps, key, deps.visits.find_visits([key]), history)
                except (KeyError, ValueError, TypeError, AssertionError):
                    log.exception("a tab's entries can't be folded")
                    failed += 1
    return Filled(tabs, written, failed)


def _bring_up_to(deps: Deps, key: VisitKey, stored: Mapping[VisitKey, Visit], entries: Sequence[Entry]) -> bool:
    """Whether there was something to write."""
    for _ in range(ROUNDS):
        before = stored.get(key)
        visit = _folded(deps, key, before, entries)
        if before is not None and visit.seq == before.seq:
            return False
        for fingerprint in sorted({*visit.cards} - {*(before.cards if before else ())}):
            # Before the visit says that the card is known: a relay that dies between the two comes again.
            link_by_card(deps, key[0], key[1], fingerprint)
        try:
            deps.visits.put_visit(visit, before)
        except VersionConflict:
            stored = deps.visits.find_visits([key])
        else:
            return True
    # Another run was first each time, and has read the same history; what it has not seen yet comes in its own batch.
    log.warning("a visit was written by others each time")
    return False


def _folded(deps: Deps, key: VisitKey, before: Visit | None, entries: Iterable[Entry]) -> Visit:
    merchant_id, customer_id, tab_id = key
    visit = before or begin(merchant_id, tab_id, customer_id)
    try:
        for entry in sorted(entries, key=lambda entry: entry.seq):
            visit = fold(visit, entry)
    except Gap:
        log.info("entries are missing before those that came: all are read")
        return visit_of(merchant_id, tab_id, customer_id, _history(deps, merchant_id, tab_id))
    return visit


def _history(deps: Deps, merchant_id: str, tab_id: str) -> Iterable[Entry]:
    return every(partial(deps.store.list_entries, merchant_id, tab_id, limit=PAGE))
