"""The part of a merchant's figures that customers see. Apart from the counting, which no page has to load."""

from __future__ import annotations

from chalicelib.domain.branding import Branding
from chalicelib.domain.tab.actor import Actor
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.trust.figures import Figures, Integrity
from chalicelib.ports.deps import Deps
from chalicelib.usecases.tab.requests import merchant_of


def find_published(deps: Deps, *, by: Actor) -> Figures | None:
    """The figures of last night, if the owner shows them; None if not, or where none were counted yet."""
    _, branding = deps.store.get_merchant_and_branding(merchant_of(by))
    return deps.visits.find_figures(branding.merchant_id) if branding.shows_integrity else None


def find_shown_integrity(deps: Deps, tab: Tab, branding: Branding) -> Integrity | None:
    """What the page of a tab shows of it while there is something to agree to; None where nothing is shown."""
    has_agreed = tab.promise.accepted is not None and tab.proposed is None
    if has_agreed or not branding.shows_integrity:
        return None
    figures = deps.visits.find_figures(tab.merchant_id)
    return figures.integrity if figures else None
