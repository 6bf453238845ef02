"""Asking for a story: all customers are asked, happy or not, the same time after a fulfilled visit (docs/trust.md)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.domain.tab.promise import AcceptanceMethod
from chalicelib.domain.tab.story import TabStory
from chalicelib.domain.tab.tab import Outcome, Tab

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft
    from chalicelib.domain.tab.entry import Entry

_BUSINESS_ALONE = frozenset({"opened", "checked_in", "items_added", "item_voided", "bill_presented", "cash_taken"})
"""Kinds of entries of what only the business does."""


def asks_at(tab: Tab) -> datetime | None:
    """When the customer is asked; None where nobody is. Nothing else decides it, so nobody can pick whom to ask."""
    terms = tab.policy.stories
    if terms is None or tab.story is not None or tab.parent is not None or tab.closed_at is None:
        return None
    if tab.outcome != Outcome.FULFILLED:
        return None
    return tab.closed_at + timedelta(days=terms.ask_after_days)


def ask(draft: Draft) -> None:
    draft.update(story=TabStory(asked_at=draft.now))
    draft.record("story_asked")


def is_of_business(subject: str, entries: Iterable[Entry]) -> bool:
    """Whether this person has served the tab: who works here tells no story of it, whoever else they sign in as."""
    return any(
        entry.by == subject
        and (
            entry.kind in _BUSINESS_ALONE
            or (entry.kind == "promise_accepted" and entry.details.get("method") == AcceptanceMethod.IN_PERSON)
        )
        for entry in entries
    )
