"""Stories: the customer tells one and takes it back; everybody may read those that are shown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.domain.errors import Forbidden, NotFound
from chalicelib.domain.tab.actor import Role
from chalicelib.domain.tab.commands import telling
from chalicelib.domain.tab.story import Place
from chalicelib.domain.tab.telling import is_of_business
from chalicelib.ports.store import every
from chalicelib.usecases.tab.attempts import record_outcome
from chalicelib.usecases.tab.carry_out import carry_out
from chalicelib.usecases.tab.requests import Answer, Request, check_visible, merchant_of

if TYPE_CHECKING:
    from chalicelib.domain.branding import Branding
    from chalicelib.domain.parties import Merchant
    from chalicelib.domain.tab.actor import Actor
    from chalicelib.domain.tab.draft import Draft
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.domain.trust.figures import StoryCounts
    from chalicelib.domain.trust.story import Story, Words
    from chalicelib.ports.deps import Deps

MOST_SHOWN, MOST_READ = 100, 1000
"""So many of the newest are read for a request that anybody can send, and shown."""
PAGE = 200


class Published(Struct, frozen=True, kw_only=True):
    """The newest stories of a business that may be shown in a place, and how many were asked and told one.

    `counts` None: they are counted at night, for the first time after this.
    """

    merchant: Merchant
    branding: Branding
    stories: Sequence[Story]
    counts: StoryCounts | None


def tell_story(deps: Deps, tab_id: str, words: Words, *, request: Request) -> Answer:
    """Publish the customer's words where they consent. Raises NotFound, TransitionRefused, Forbidden, InvalidInput.

    Nobody tells a story of a tab that they have served, whoever they have signed in as.
    """

    def command(draft: Draft) -> None:
        entries = every(partial(deps.store.list_entries, draft.tab.merchant_id, tab_id, limit=PAGE))
        if request.by.role == Role.CUSTOMER and is_of_business(request.by.subject, entries):
            raise Forbidden(
                "You have served this visit yourself, so you can't tell a story of it.", role=request.by.role
            )
        telling.tell(draft, words)

    return carry_out(deps, tab_id, request, command)


def withdraw_story(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """Take the story back from all places; its words are erased. Raises NotFound, TransitionRefused, Forbidden."""
    return carry_out(deps, tab_id, request, telling.withdraw)


def get_story(deps: Deps, tab_id: str, *, by: Actor) -> tuple[Tab, Story | None]:
    """What was told; None where nothing was, or it was taken back. Raises NotFound."""
    tab = deps.store.get_tab(merchant_of(by), tab_id)
    check_visible(deps, tab, by)
    story = deps.people.find_story(tab.merchant_id, tab_id)
    return tab, story if story and story.places else None


def find_published(deps: Deps, merchant_id: str, place: Place) -> Published | None:
    """The stories of a business in this place, newest first; None where it shows none, or there is no such business."""
    try:
        merchant, branding = deps.store.get_merchant_and_branding(merchant_id)
    except NotFound:
        return None
    if not branding.shows_stories:
        return None
    newest = islice(deps.people.iter_stories(merchant_id), MOST_READ)
    shown = (story for story in newest if place in story.places)
    figures = deps.visits.find_figures(merchant_id)
    return Published(
        merchant=merchant,
        branding=branding,
        stories=sorted(islice(shown, MOST_SHOWN), key=lambda story: story.told_at, reverse=True),
        counts=figures.stories if figures else None,
    )


def erase_stories(deps: Deps, merchant_id: str, customer_id: str, *, by: Actor) -> None:
    """Take back all that the customer has told, with the words. Raises Contention; done again it goes on."""

    def erase(draft: Draft) -> None:
        telling.erase(draft, by)

    for story in list(deps.people.iter_stories(merchant_id)):
        if story.customer_id == customer_id and story.places:
            record_outcome(deps, deps.store.get_tab(merchant_id, story.tab_id), erase)
