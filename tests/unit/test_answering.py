"""Answering a bank: once, in time, with what was sealed; and never said to be submitted when it was not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import EvidenceChanged, EvidenceSubmitted, Forbidden, PaymentInProgress, TransitionRefused
from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.tab import due_steps
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.actor import SYSTEM, Actor
from chalicelib.domain.tab.attempt import AttemptState, Failure, Operation
from chalicelib.domain.tab.commands import payment
from chalicelib.domain.tab.commands.answering import send_evidence, submit_staged
from chalicelib.domain.tab.facts.attempt_outcomes import LADDER, note_absent, note_rejected, note_unknown
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.payments import Dispute
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.step import StepKind
from chalicelib.domain.trust.evidence.pack import DisputeAnswer
from tests.unit.till import ADA, ANSWER, NOON, OWNER, PACK, STAFF, Till

SUBMIT, STAGE = Operation.SUBMIT_EVIDENCE, Operation.STAGE_EVIDENCE


def asked(kind: FactKind = FactKind.DISPUTE_OPENED, days: float = 9) -> Till:
    """A bill of 50 was paid on the phone; the bank asks, and takes an answer for so many days."""
    till = Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged()
    return asks(till, kind, days)


def asks(till: Till, kind: FactKind, days: float = 9) -> Till:
    by = till.now + timedelta(days=days)
    return till.hear(till.fact(kind, "dp_1", 50_00, payment_id="pi_charge", reason="fraudulent", respond_by=by))


def send(till: Till, operation: Operation = SUBMIT, *, by: Actor = OWNER, read: str | None = None) -> Till:
    return till.do(send_evidence, operation, PACK, PACK.sha256 if read is None else read, ANSWER, by=by)


def taken(till: Till, operation: Operation = SUBMIT, **given: Any) -> Till:
    """The gateway has it."""
    kind = FactKind.EVIDENCE_SUBMITTED if operation == SUBMIT else FactKind.EVIDENCE_STAGED
    attempt_id = till.open(operation).attempt_id
    return till.hear(till.fact(kind, "dp_1", payment_id="pi_charge", **{"attempt_id": attempt_id, **given}))


def dispute(till: Till) -> Dispute:
    found = till.tab.dispute("dp_1")
    assert found is not None
    return found


def test_evidence_submitted_once() -> None:
    """It is written ahead with its seal, known as submitted only when the gateway says so, and then for good."""
    till = send(asked())

    attempt = till.open(SUBMIT)
    assert (attempt.amount_minor, attempt.dispute_id, attempt.sealed_sha256) == (0, "dp_1", PACK.sha256)
    assert dispute(till).submitted_at is None
    with pytest.raises(PaymentInProgress) as under_way:
        send(till)
    assert under_way.value.context == {"attempt_id": attempt.attempt_id, "attempt_state": "pending"}

    taken(till)

    assert (dispute(till).submitted_at, dispute(till).submitted_by) == (till.now, attempt.attempt_id)
    assert till.closed[attempt.attempt_id].state == AttemptState.SUCCEEDED
    with pytest.raises(EvidenceSubmitted) as answered:
        send(till)
    assert answered.value.context == {"submitted_at": "2026-03-02T12:00:00Z"}
    assert not till.allows(Action.SUBMIT_EVIDENCE, OWNER)
    assert StepKind.EVIDENCE_DUE not in till.planned
    once = list(till.entries)
    submitted = till.fact(FactKind.EVIDENCE_SUBMITTED, "dp_1", attempt_id=attempt.attempt_id)
    assert till.hear(submitted).entries == once


def test_evidence_staged_as_often_as_wanted() -> None:
    """The bank does not see it, so it can be staged again, and then submitted."""
    till = taken(send(asked(), STAGE), STAGE)
    assert (dispute(till).staged_at, dispute(till).submitted_at) == (till.now, None)

    taken(send(taken(send(till, STAGE), STAGE)))

    assert dispute(till).submitted_at == till.now


def test_what_is_submitted_is_what_was_read() -> None:
    """Another hash than that of the pack as it is now is refused, and the current one is named."""
    with pytest.raises(EvidenceChanged) as refused:
        send(asked(), read="0" * 64)

    assert refused.value.context == {"sha256": PACK.sha256}


def test_only_the_owner_submits() -> None:
    till = asked()

    assert till.allows(Action.SUBMIT_EVIDENCE, OWNER)
    assert not till.allows(Action.SUBMIT_EVIDENCE, STAFF)
    with pytest.raises(Forbidden):
        send(till, by=STAFF)


def test_a_bank_that_takes_no_answer_gets_none() -> None:
    """Without a deadline, after it, after the decision and in an appeal there is nothing to be sent here."""
    silent = Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged().disputed(FactKind.DISPUTE_OPENED)
    late = asked().wait(days=9)
    lost = asks(asked(), FactKind.DISPUTE_LOST)
    appealed = asks(asks(asked(), FactKind.DISPUTE_LOST).wait(hours=1), FactKind.DISPUTE_APPEALED)

    for till in (silent, late, lost, appealed):
        assert not till.allows(Action.SUBMIT_EVIDENCE, OWNER)
        with pytest.raises(TransitionRefused):
            send(till)


def test_an_inquiry_that_becomes_a_dispute_is_answered_anew() -> None:
    """What answered the inquiry is no answer to the dispute, however late its news comes."""
    till = taken(send(asked(FactKind.INQUIRY_OPENED)), occurrence="inquiry")
    assert dispute(till).submitted_at is not None

    asks(till.wait(days=2), FactKind.DISPUTE_OPENED)
    till.hear(till.fact(FactKind.EVIDENCE_SUBMITTED, "dp_1", occurrence="inquiry"))

    assert dispute(till).submitted_at is None
    taken(send(till))
    assert dispute(till).submitted_at == till.now


def test_submitted_at_stripe_itself() -> None:
    """Evidence from the dashboard counts; ours, still on its way, was too late, and that is not called a success."""
    till = send(asked())
    attempt = till.open(SUBMIT)

    taken(till, attempt_id=None)

    assert (dispute(till).submitted_at, dispute(till).submitted_by) == (till.now, None)
    assert till.closed[attempt.attempt_id].state == AttemptState.FAILED


def test_a_lost_answer_is_asked_for_and_made_again_while_it_is_wanted() -> None:
    """By the ladder, like any other call; and never after the bank's time, or once it asks something else."""
    till = send(asked(days=1)).end(note_unknown, SUBMIT)
    attempt = till.open(SUBMIT)

    assert (attempt.state, attempt.check_at) == (AttemptState.UNKNOWN, till.now + LADDER[0])
    assert due_steps.still_holds(till.tab, attempt, till.now)
    assert not due_steps.still_holds(till.tab, attempt, till.now + timedelta(days=1))
    inquiry = send(asked(FactKind.INQUIRY_OPENED)).end(note_unknown, SUBMIT)
    asks(inquiry.wait(minutes=1), FactKind.DISPUTE_OPENED)
    assert not due_steps.still_holds(inquiry.tab, inquiry.open(SUBMIT), inquiry.now)


@pytest.mark.parametrize("end", ["absent", "rejected"])
def test_evidence_that_did_not_arrive_is_not_said_to_have(end: str) -> None:
    """The owner is told, and can send it again; nothing is flagged as a payment that was refused."""
    till = send(asked())
    if end == "absent":
        till.end(note_unknown, SUBMIT).end(note_absent, SUBMIT)
    else:
        till.end(note_rejected, SUBMIT, Failure(code="file_missing"))

    assert dispute(till).submitted_at is None
    assert (MessageKind.EVIDENCE_DUE, Recipient.OWNER) in till.told
    assert not till.tab.flags
    assert till.allows(Action.SUBMIT_EVIDENCE, OWNER)


def test_nobody_is_reminded_while_evidence_is_on_its_way() -> None:
    till = asked()
    assert StepKind.EVIDENCE_DUE in till.planned

    assert StepKind.EVIDENCE_DUE not in send(till).planned


def test_the_owner_is_reminded_a_day_before_the_deadline_once() -> None:
    """Also where the tab is closed for long; not where the bank has the answer, nor once its time is over."""
    till = asked()
    assert till.planned[StepKind.EVIDENCE_DUE] == till.now + timedelta(days=8)

    till.wait(days=8).wait(hours=2)

    assert till.told.count((MessageKind.EVIDENCE_DUE, Recipient.OWNER)) == 1
    (due,) = [entry.details for entry in till.entries if entry.kind == "evidence_due"]
    assert due == {
        "dispute_id": "dp_1",
        "amount_minor": 50_00,
        "respond_by": "2026-03-11T12:00:00Z",
        "is_staged": False,
    }
    assert MessageKind.EVIDENCE_DUE not in [kind for kind, _ in taken(send(asked())).wait(days=8).told]
    assert MessageKind.EVIDENCE_DUE not in [kind for kind, _ in asked().wait(days=10).told]


def staged(*, submits_itself: bool = True) -> Till:
    """Paid, disputed, and staged by the owner, where the policy submits that by itself, or does not."""
    till = Till(policy=Policy(submits_evidence=submits_itself)).serve(50_00)
    till = asks(till.do(payment.pay_on_phone, by=ADA).charged(), FactKind.DISPUTE_OPENED)
    return taken(send(till, STAGE), STAGE)


SEALED = replace(ANSWER, sealed=PACK, sealed_for="att_1", sealed_at=NOON, sealed_version=1, version=1)
"""The stored answer after staging."""


def test_what_the_owner_has_staged_is_submitted_a_day_before_the_deadline() -> None:
    """As it was sealed when they read it, and told to them; once, whatever becomes of it."""
    till = staged()
    assert till.planned == {StepKind.SUBMIT_EVIDENCE: till.now + timedelta(days=8)}

    till.wait(days=8).do(submit_staged, "dp_1", SEALED, by=SYSTEM)

    attempt = till.open(SUBMIT)
    assert (attempt.dispute_id, attempt.sealed_sha256) == ("dp_1", PACK.sha256)
    assert [message for message in till.told if message[1] == Recipient.OWNER][-1][0] == MessageKind.EVIDENCE_SENT
    till.end(note_rejected, SUBMIT, Failure(code="invalid"))
    assert till.planned == {}, "the owner was told, and has a day left"
    assert (MessageKind.EVIDENCE_DUE, Recipient.OWNER) in till.told
    assert till.allows(Action.SUBMIT_EVIDENCE, OWNER)


@pytest.mark.parametrize(
    "stored",
    [
        None,
        replace(SEALED, sealed=None, sealed_version=0, version=2),
        replace(SEALED, version=2),
        replace(SEALED, sealed_at=NOON + timedelta(days=1)),
    ],
    ids=["nothing", "erased", "changed since", "staged anew and refused"],
)
def test_what_the_owner_has_not_read_or_did_not_arrive_is_not_submitted(stored: DisputeAnswer | None) -> None:
    """They are reminded, as where the policy says nothing."""
    till = staged().wait(days=8).do(submit_staged, "dp_1", stored, by=SYSTEM)

    assert not till.tab.attempts
    assert till.planned == {}
    assert (MessageKind.EVIDENCE_DUE, Recipient.OWNER) in till.told


def test_nothing_is_submitted_by_itself_that_nobody_staged_or_where_the_policy_says_nothing() -> None:
    unread = Till(policy=Policy(submits_evidence=True)).serve(50_00)
    unread = asks(unread.do(payment.pay_on_phone, by=ADA).charged(), FactKind.DISPUTE_OPENED)
    asked_anew = asks(staged(), FactKind.DISPUTE_OPENED)

    assert set(unread.planned) == set(staged(submits_itself=False).planned) == {StepKind.EVIDENCE_DUE}
    assert set(asked_anew.planned) == {StepKind.SUBMIT_EVIDENCE}
    assert StepKind.SUBMIT_EVIDENCE not in taken(send(staged())).planned
    late = staged().wait(days=10).do(submit_staged, "dp_1", SEALED, by=SYSTEM)
    assert (late.tab.attempts, late.planned) == ((), {})
