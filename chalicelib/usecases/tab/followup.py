"""Use cases of staff about the follow-up of what is owed."""

from __future__ import annotations

from datetime import datetime

from chalicelib.domain.tab.commands import followup
from chalicelib.ports.deps import Deps
from chalicelib.usecases.tab.carry_out import carry_out
from chalicelib.usecases.tab.requests import Answer, Request


def pause_followup(deps: Deps, tab_id: str, reason: str, until: datetime | None, *, request: Request) -> Answer:
    """Pause reminders and automatic charges. Raises TransitionRefused, NothingToPay, InvalidInput."""
    return carry_out(deps, tab_id, request, lambda draft: followup.pause_followup(draft, reason, until))


def resume_followup(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """End a pause; what is due by now is done at once. Raises TransitionRefused."""
    return carry_out(deps, tab_id, request, followup.resume_followup)


def send_reminder(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """Remind the customer, outside the quiet hours. Raises TransitionRefused, NothingToPay, PaymentInProgress."""
    return carry_out(deps, tab_id, request, followup.send_reminder)
