"""A story's own link: made for the message that asks for it, or on the tab's page, and where it leads."""

from __future__ import annotations

from chalicelib.domain.errors import NotFound
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.commands import telling
from chalicelib.domain.tab.story import STORY_KEY
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.deps import Deps
from chalicelib.usecases.tab.attempts import record_outcome


def make_story_link(deps: Deps, tab: Tab, secret: str | None = None) -> tuple[Tab, str]:
    """The tab with a link of its story's own, and the secret; `secret` None: a new one is drawn. Raises Contention.

    A secret that leads to this story already is left as it is.
    """
    secret = secret or deps.ids.new_secret()
    sha256 = deps.links.digest(secret)
    if deps.links.find_pointer(sha256) is None:
        tab, _ = record_outcome(deps, tab, lambda draft: telling.make_key(draft, sha256))
    return tab, secret


def find_teller(deps: Deps, secret: str) -> tuple[Actor, Tab] | None:
    """The actor that the secret of a story's link stands for, and its tab; None where it leads to no story.

    They speak as the tab's customer; the pages let them do nothing but tell the story, and take it back.
    """
    pointer = deps.links.find_pointer(deps.links.digest(secret))
    if pointer is None or pointer.subject != STORY_KEY or pointer.tab_id is None:
        return None
    try:
        tab = deps.store.get_tab(pointer.merchant_id, pointer.tab_id)
    except NotFound:
        return None
    teller = Actor(subject=STORY_KEY, role=Role.CUSTOMER, merchant_id=tab.merchant_id, customer_id=tab.customer_id)
    return teller, tab
