"""Maps the links of a tab to the structs of the answers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.domain.tab.link import Link
from chalicelib.handlers.api import link_views
from chalicelib.handlers.api.link_views import LinkState

if TYPE_CHECKING:
    from chalicelib.domain.tab.actor import Actor
    from chalicelib.domain.tab.tab import Tab


def links(tab: Tab, now: datetime, by: Actor) -> link_views.LinkList:
    return link_views.LinkList(links=[link(found, tab, now, by) for found in tab.links])


def link(link: Link, tab: Tab, now: datetime, by: Actor) -> link_views.LinkView:
    return link_views.LinkView(
        link_id=link.link_id,
        scope=link.scope,
        state=_state(link, now, tab.closed_at),
        method=link.method,
        # Customers are not told who works at the business.
        made_by=link.made_by if by.is_business or link.made_by == by.subject else None,
        made_at=link.made_at,
        expires_at=link.expires_at,
        revoked_at=link.revoked_at,
    )


def _state(link: Link, now: datetime, closed_at: datetime | None) -> LinkState:
    if link.revoked_at is not None:
        return LinkState.REVOKED
    return LinkState.LIVE if link.is_live(now, closed_at) else LinkState.EXPIRED
