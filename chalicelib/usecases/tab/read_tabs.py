"""Reads a tab if the caller may see it, and its timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.usecases.tab.requests import check_visible, merchant_of

if TYPE_CHECKING:
    from chalicelib.domain.news.delivery import Delivery
    from chalicelib.domain.tab.actor import Actor
    from chalicelib.domain.tab.entry import Entry
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.ports.deps import Deps
    from chalicelib.ports.store import Page


def get_tab(deps: Deps, tab_id: str, *, by: Actor) -> Tab:
    """Raises NotFound, also for another merchant's or another customer's tab, and for any but the guest's own."""
    tab = deps.store.get_tab(merchant_of(by), tab_id)
    check_visible(deps, tab, by)
    return tab


def get_timeline(
    deps: Deps, tab_id: str, *, limit: int, cursor: str | None, by: Actor
) -> tuple[Page[Entry], tuple[Delivery, ...]]:
    """What has happened to the tab, oldest first, and what became of the messages that follow from it.

    Raises NotFound, InvalidInput (cursor).
    """
    tab = get_tab(deps, tab_id, by=by)
    page = deps.store.list_entries(tab.merchant_id, tab_id, limit=limit, cursor=cursor)
    if not page.items:
        return page, ()
    first, last = page.items[0].seq, page.items[-1].seq
    return page, deps.deliveries.list_of_entries(tab.merchant_id, tab_id, first, last)
