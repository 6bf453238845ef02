"""What happens to a tab next: the agenda's route, and who sees which step. Loaded for a tab that something awaits."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from chalicelib.bootstrap import get_deps
from chalicelib.domain.tab import agenda
from chalicelib.domain.tab.actor import Actor
from chalicelib.domain.tab.step import PRIORITY, Step, StepKind
from chalicelib.domain.tab.tab import Tab
from chalicelib.handlers.api.operations import BUSINESS, CUSTOMER, GUEST, Call, Reply, Routes
from chalicelib.handlers.api.views import Answer
from chalicelib.usecases.tab import read_tabs

routes = Routes(__name__)

FOR_BUSINESS_ONLY = frozenset(
    {
        *(StepKind.REFUND_BY_HAND, StepKind.BILL_NOT_TOLD, StepKind.TELL_END),
        *(StepKind.EVIDENCE_DUE, StepKind.SUBMIT_EVIDENCE),
    }
)
"""Steps hidden from customers, as the entries that they write are."""


class NextActionView(Answer):
    """The earliest step that is pending. `code`: what it is, as in the agenda's `what`; `why`: in words."""

    code: StepKind
    at: datetime
    why: str


class PendingView(Answer):
    """A future step: what (a stable word), from when on, and why (a text)."""

    what: StepKind
    at: datetime
    why: str


class AgendaView(Answer):
    """The earliest step comes first."""

    pending: list[PendingView]


@routes.operation("GET", "/v1/tabs/{tab_id}/agenda", roles=BUSINESS | CUSTOMER | GUEST, answer=AgendaView)
def get_agenda(call: Call[None]) -> Reply:
    """What happens to the tab next, when and why."""
    tab = read_tabs.get_tab(get_deps(), call.path["tab_id"], by=call.by)
    pending = sorted(steps_for(tab, call.by), key=lambda step: (step.at, PRIORITY[step.kind]))
    return Reply(body=AgendaView(pending=[PendingView(what=step.kind, at=step.at, why=step.why) for step in pending]))


def next_action(tab: Tab, by: Actor) -> NextActionView | None:
    step = min(steps_for(tab, by), key=lambda step: step.at, default=None)
    return NextActionView(code=step.kind, at=step.at, why=step.why) if step else None


def steps_for(tab: Tab, by: Actor) -> Iterable[Step]:
    """What is pending. How a bank is answered, and what the business is told, is for the business alone."""
    if by.is_business:
        return agenda.steps(tab)
    hidden = {attempt.attempt_id for attempt in tab.attempts if attempt.answers_bank}
    return (step for step in agenda.steps(tab) if step.kind not in FOR_BUSINESS_ONLY and step.subject not in hidden)
