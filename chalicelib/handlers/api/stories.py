"""/v1/tabs/{tab_id}/story and /v1/stories/{merchant_id}: telling a story, taking it back, and reading what is shown."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from msgspec import Meta

from chalicelib.bootstrap import get_deps
from chalicelib.domain.contact import Language
from chalicelib.domain.errors import NotFound
from chalicelib.domain.news.dates import local_date
from chalicelib.domain.tab.actions import ROLES, Action
from chalicelib.domain.tab.story import Place
from chalicelib.domain.trust.story import (
    FEWEST_CHARACTERS,
    MOST_CHARACTERS,
    MOST_NAME_CHARACTERS,
    READ_AGAIN_WITHIN,
    Story,
    Words,
)
from chalicelib.handlers.api import views
from chalicelib.handlers.api.body import Body
from chalicelib.handlers.api.fields import PLAIN, READABLE
from chalicelib.handlers.api.operations import BUSINESS, PUBLIC, Call, Reply, Routes
from chalicelib.handlers.api.replies import answer_reply
from chalicelib.handlers.api.views import Answer
from chalicelib.usecases.trust import stories

routes = Routes(__name__)

_TAB = "/v1/tabs/{tab_id}"
KEPT_S = 300
"""For so long an answer of the feed, or the block on a website, may be kept by whoever asked for it."""


class TellStory(Body):
    """The customer's own words, and where they may be shown: each place is a consent of its own.

    `name`: what the customer wants to be called; left out: nothing. `language`: of the text.
    """

    text: Annotated[str, Meta(min_length=FEWEST_CHARACTERS, max_length=MOST_CHARACTERS, pattern=READABLE)]
    places: Annotated[tuple[Place, ...], Meta(min_length=1, max_length=len(Place))]
    name: Annotated[str, Meta(max_length=MOST_NAME_CHARACTERS, pattern=PLAIN)] = ""
    language: Language = Language.ENGLISH


class StoryView(Answer):
    """A story of a verified visit. The business has neither chosen nor changed the words."""

    story_id: str
    text: str
    name: str
    language: Language
    told_on: date


class OwnStoryView(Answer):
    """`story` null: none was told, or it was taken back."""

    story: StoryView | None
    places: list[Place]


class StoryCountsView(Answer):
    """Of everybody who was asked since then: how many, how many told a story, and how many of those are shown."""

    since: datetime
    asked: int
    told: int
    shown: int


class StoriesView(Answer):
    """The newest stories, at most 100. A site that shows them reads them again within `read_again_within_s` and
    removes those that are gone. `counts`: as of last night; null where nothing was counted yet.
    """

    business: str
    stories: list[StoryView]
    counts: StoryCountsView | None
    read_again_within_s: int


@routes.operation("GET", f"{_TAB}/story", roles=BUSINESS | ROLES[Action.TELL_STORY], answer=OwnStoryView)
def get_story(call: Call[None]) -> Reply:
    """Get what the customer has told of this visit, and where it is shown."""
    tab, story = stories.get_story(get_deps(), call.path["tab_id"], by=call.by)
    shown = _view(story, tab.policy.time_zone) if story else None
    return Reply(body=OwnStoryView(story=shown, places=list(story.places) if story else []))


@routes.operation(
    "POST",
    f"{_TAB}/tell_story",
    roles=ROLES[Action.TELL_STORY],
    body=TellStory,
    answer=views.TabView,
    tagged=True,
)
def tell_story(call: Call[TellStory]) -> Reply:
    """Publish your own words about this visit where you consent, in the place of earlier ones."""
    given = call.body
    words = Words(text=given.text, name=given.name, language=given.language, places=given.places)
    return answer_reply(call, stories.tell_story(get_deps(), call.path["tab_id"], words, request=call.request))


@routes.operation(
    "POST", f"{_TAB}/withdraw_story", roles=ROLES[Action.WITHDRAW_STORY], answer=views.TabView, tagged=True
)
def withdraw_story(call: Call[None]) -> Reply:
    """Take the story back from all places: here at once, elsewhere within 24 hours. The words are erased."""
    return answer_reply(call, stories.withdraw_story(get_deps(), call.path["tab_id"], request=call.request))


@routes.operation("GET", "/v1/stories/{merchant_id}", roles=PUBLIC, answer=StoriesView)
def list_stories(call: Call[None]) -> Reply:
    """Get the stories that may be shown anywhere, and how many customers were asked and told one."""
    found = stories.find_published(get_deps(), call.path["merchant_id"], Place.FEED)
    if found is None:
        raise NotFound("There is no such business, or it shows no stories.")
    counts = found.counts
    body = StoriesView(
        business=found.branding.name or found.merchant.name,
        stories=[_view(story, found.merchant.policy.time_zone) for story in found.stories],
        counts=StoryCountsView(since=counts.since, asked=counts.asked, told=counts.told, shown=counts.shown)
        if counts
        else None,
        read_again_within_s=int(READ_AGAIN_WITHIN.total_seconds()),
    )
    return Reply(
        body=body, headers={"Cache-Control": f"public, max-age={KEPT_S}", "X-Robots-Tag": "noindex, noarchive"}
    )


def _view(story: Story, time_zone: str) -> StoryView:
    return StoryView(
        story_id=story.story_id,
        text=story.text,
        name=story.name,
        language=story.language,
        told_on=local_date(story.told_at, time_zone),
    )
