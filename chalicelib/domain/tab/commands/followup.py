"""Commands about the follow-up of what is owed: pausing, resuming, and reminding the customer now."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.commands.require import require
from chalicelib.domain.tab.tab import Pause

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft

LONGEST_PAUSE = timedelta(days=366)


def pause_followup(draft: Draft, reason: str, until: datetime | None) -> None:
    """Pause reminders and automatic charges, until a time or until somebody resumes them. A pause replaces another.

    A hold that is about to expire is captured all the same, as the promise says. Raises InvalidInput.
    """
    require(draft, Action.PAUSE_FOLLOWUP)
    if until is not None and not draft.now < until <= draft.now + LONGEST_PAUSE:
        raise InvalidInput(
            "until must lie ahead, by a year at most; leave it out for a pause without an end.", field="until"
        )
    draft.update(
        pause=Pause(by=draft.by.subject, at=draft.now, reason=reason, until=until),
        followup=replace(draft.tab.followup, remind_at=None),
    )
    draft.record("followup_paused", until=until, reason=reason)


def resume_followup(draft: Draft) -> None:
    """End a pause of reminders and automatic charges: what has become due meanwhile is done now."""
    require(draft, Action.RESUME_FOLLOWUP)
    draft.update(pause=None)
    draft.record("followup_resumed")


def send_reminder(draft: Draft) -> None:
    """Remind the customer of what is owed now, or when the quiet hours end. It counts as the next planned reminder."""
    require(draft, Action.SEND_REMINDER)
    draft.update(followup=replace(draft.tab.followup, remind_at=draft.now))
    draft.record("reminder_requested")
