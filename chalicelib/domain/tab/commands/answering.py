"""Commands of an owner who answers a bank: evidence is put on the dispute, or handed to the bank, which is final."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chalicelib.domain.errors import EvidenceChanged, InvalidInput, NotFound
from chalicelib.domain.tab import answering
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.commands.require import require
from chalicelib.domain.trust.evidence.fields import MOST_CHARACTERS

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft
    from chalicelib.domain.tab.payments import Dispute
    from chalicelib.domain.trust.evidence.pack import DisputeAnswer, Pack

ASK_AGAIN = timedelta(minutes=2)
_ACTION = {
    Operation.STAGE_EVIDENCE: Action.STAGE_EVIDENCE,
    Operation.SUBMIT_EVIDENCE: Action.SUBMIT_EVIDENCE,
}


def send_evidence(draft: Draft, operation: Operation, pack: Pack, read_sha256: str, answer: DisputeAnswer) -> None:
    """Seal the pack and write the attempt to send it ahead, in one change with the stored answer.

    `read_sha256`: the seal of what the owner has read. Raises NotFound (dispute), EvidenceChanged, InvalidInput (too
    long), TransitionRefused, PaymentInProgress.
    """
    tab, dispute_id = draft.tab, pack.dispute_id
    if tab.dispute(dispute_id) is None:
        raise NotFound("This tab has no such dispute.")
    if why := answering.refusal(tab, dispute_id, draft.now):
        raise why
    require(draft, _ACTION[operation])
    if read_sha256 != pack.sha256:
        raise EvidenceChanged(
            "The evidence is not as you have read it: something was added, or has happened since. Read it again, and "
            "send the hash of what you have read.",
            sha256=pack.sha256,
        )
    if pack.characters > MOST_CHARACTERS:
        raise InvalidInput(
            f"The texts have {pack.characters} characters together; a bank takes {MOST_CHARACTERS}. Shorten your own.",
            maximum=MOST_CHARACTERS,
        )
    if not pack.characters and not pack.files:
        raise InvalidInput("There is nothing in the evidence. Leave the draft's fields as they are, or write your own.")
    _seal(draft, operation, pack, answer)


def submit_staged(draft: Draft, dispute_id: str, answer: DisputeAnswer | None) -> None:
    """Hand to the bank what the owner has read and staged, as it was sealed then; nothing is drafted anew.

    Where it was changed since, did not arrive or was erased, and after the deadline, the owner is reminded as ever.
    """
    dispute = draft.tab.dispute(dispute_id)
    assert dispute is not None, "it is about a dispute of the tab"
    pack = _staged(answer, dispute)
    if pack is None or answer is None or answering.refusal(draft.tab, dispute_id, draft.now):
        answering.remind_owner(draft, dispute_id)
        return
    answering.note_last_day(draft, dispute_id)
    told: dict[str, Any] = {"by_itself": True, "amount_minor": dispute.amount_minor, "respond_by": dispute.respond_by}
    _seal(draft, Operation.SUBMIT_EVIDENCE, pack, answer, **told)


def _staged(answer: DisputeAnswer | None, dispute: Dispute) -> Pack | None:
    """What is on the dispute; None where the owner has changed it since, or has sealed what did not arrive."""
    if answer is None or answer.sealed_at is None or dispute.staged_at is None:
        return None
    is_newest = answer.version == answer.sealed_version and answer.sealed_at <= dispute.staged_at
    return answer.sealed if is_newest else None


def _seal(draft: Draft, operation: Operation, pack: Pack, answer: DisputeAnswer, **told: Any) -> None:
    """Write ahead the attempt to send the pack, in one change with the stored answer."""
    dispute_id = pack.dispute_id
    leg = next(leg for leg in draft.tab.legs if leg.dispute(dispute_id) is not None)
    draft.record(
        "evidence_sealed",
        dispute_id=dispute_id,
        operation=operation,
        sha256=pack.sha256,
        fields={one.name: list(one.entries) for one in pack.fields},
        files=sorted(pack.files),
        earlier=[one.payment_id for one in pack.used],
        **told,
    )
    attempt = draft.begin(
        operation,
        0,
        check_at=draft.now + ASK_AGAIN,
        payment_id=leg.payment_id,
        dispute_id=dispute_id,
        sealed_sha256=pack.sha256,
    )
    version = answer.version + 1
    draft.answer = replace(
        answer,
        sealed=pack,
        sealed_for=attempt.attempt_id,
        sealed_at=draft.now,
        sealed_version=version,
        version=version,
    )
