"""Commands about a story: the customer tells it, tells it anew, and takes it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.commands.require import require
from chalicelib.domain.tab.link import LinkPointer
from chalicelib.domain.tab.story import STORY_KEY
from chalicelib.domain.trust.story import Story, Words, check_words

if TYPE_CHECKING:
    from chalicelib.domain.tab.actor import Actor
    from chalicelib.domain.tab.draft import Draft


def tell(draft: Draft, words: Words) -> None:
    """Publish these words where the customer consents, in the place of what they told before. Raises InvalidInput."""
    require(draft, Action.TELL_STORY)
    words, tab = check_words(words), draft.tab
    assert tab.story is not None, "the customer was asked"
    story_id = tab.story.story_id or draft.new_id("sty")
    draft.story = Story(
        story_id=story_id,
        merchant_id=tab.merchant_id,
        tab_id=tab.tab_id,
        customer_id=tab.customer_id,
        told_at=draft.now,
        text=words.text,
        name=words.name,
        language=words.language,
        places=words.places,
    )
    told = replace(tab.story, story_id=story_id, told_at=draft.now, places=words.places, withdrawn_at=None)
    draft.update(story=told)
    draft.record("story_told", story_id=story_id, places=[place.value for place in words.places])


def withdraw(draft: Draft) -> None:
    """The customer takes their story back, from all places; the words are erased."""
    require(draft, Action.WITHDRAW_STORY)
    _take_back(draft, "customer")


def erase(draft: Draft, by: Actor) -> None:
    """The customer's personal data is erased, and their words with it. Nothing changes where there are none.

    That the business did it stays on record: it could do it to a story that it does not like.
    """
    if draft.tab.story is not None and draft.tab.story.is_shown:
        _take_back(draft, "erased_by_business" if by.is_business else "erased")


def _take_back(draft: Draft, why: str) -> None:
    tab = draft.tab
    assert tab.story is not None and tab.story.story_id is not None, "there is a story"
    assert tab.story.told_at is not None, "it was told"
    draft.story = Story(
        story_id=tab.story.story_id,
        merchant_id=tab.merchant_id,
        tab_id=tab.tab_id,
        customer_id=tab.customer_id,
        told_at=tab.story.told_at,
    )
    draft.update(story=replace(tab.story, places=(), withdrawn_at=draft.now))
    draft.record("story_withdrawn", story_id=tab.story.story_id, why=why)


def make_key(draft: Draft, secret_sha256: str) -> None:
    """A link of the story's own, for the customer: it tells and takes back, and opens nothing else of the tab."""
    tab = draft.tab
    draft.link_pointers.append(
        LinkPointer(sha256=secret_sha256, merchant_id=tab.merchant_id, tab_id=tab.tab_id, subject=STORY_KEY)
    )
    draft.record("story_link_made")
