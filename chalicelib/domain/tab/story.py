"""What a tab knows of its customer's story, without the words: those are apart (`domain/trust/story.py`)."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

STORY_KEY = "story_key"
"""The subject of whoever holds a story's own link: it opens nothing but the story, and never expires."""


class Place(StrEnum):
    """Where a story may be shown: in the block on the business's website, or in the feed that anybody may read."""

    WEBSITE = "website"
    FEED = "feed"


class TabStory(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a tab knows of its story, without the words. `places`: where it is shown; none once it is taken back."""

    asked_at: datetime
    story_id: str | None = None
    told_at: datetime | None = None
    places: tuple[Place, ...] = ()
    withdrawn_at: datetime | None = None

    @property
    def is_shown(self) -> bool:
        return bool(self.places)
