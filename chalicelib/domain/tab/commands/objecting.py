"""Commands about what a tab says of its customer: they object to it, and the owner decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.commands.require import require
from chalicelib.domain.tab.flag import FlagKind
from chalicelib.domain.tab.objection import Decision, Objection

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft


def object_to(draft: Draft, reason: str) -> None:
    """Object to what this tab counts against the customer: it counts no more until the owner has decided."""
    require(draft, Action.OBJECT)
    draft.update(objection=Objection(reason=reason, at=draft.now))
    draft.record("standing_objected", reason=reason)
    draft.flag(
        FlagKind.OBJECTION,
        "objection",
        "The customer says that what this tab counts against them is not so. It does not count until you decide.",
    )


def decide(draft: Draft, decision: Decision, answer: str) -> None:
    """Uphold or refuse the objection. What was upheld never counts; what was refused counts again, and is final."""
    require(draft, Action.DECIDE_OBJECTION)
    objection = draft.tab.objection
    assert objection is not None, "there is an objection to decide about"
    draft.update(objection=replace(objection, state=decision.state, decided_at=draft.now, answer=answer))
    draft.record("objection_decided", decision=decision.state, answer=answer)
    draft.lower_flags(FlagKind.OBJECTION, "objection", f"The objection was {decision.state}.")
