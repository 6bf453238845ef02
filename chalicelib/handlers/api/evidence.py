"""/v1/tabs/{tab_id}/evidence/{dispute_id}: read the evidence for a dispute, add to it, stage it, submit it once."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from chalicelib.bootstrap import get_deps
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tab.actions import ROLES, Action
from chalicelib.domain.tab.answering import REMIND_BEFORE
from chalicelib.handlers.api import evidence_views as views
from chalicelib.handlers.api.operations import BUSINESS, OWNER, Call, Reply, Routes, is_replay
from chalicelib.usecases.trust import evidence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.usecases.tab.requests import Request
    from chalicelib.usecases.trust.evidence import Evidence

routes = Routes(__name__)

_EVIDENCE = "/v1/tabs/{tab_id}/evidence/{dispute_id}"


@routes.operation("GET", _EVIDENCE, roles=BUSINESS, answer=views.EvidenceView, tagged=True)
def get_evidence(call: Call[None]) -> Reply:
    """Get the evidence for a dispute: drafted from the tab's entries, each of which it cites, and what is missing."""
    return _reply(evidence.get_evidence(get_deps(), call.path["tab_id"], call.path["dispute_id"], by=call.by))


@routes.operation("PUT", _EVIDENCE, roles=OWNER, body=views.PutEvidence, answer=views.EvidenceView, tagged=True)
def put_evidence(call: Call[views.PutEvidence]) -> Reply:
    """Set what the owner adds: texts in place of the draft's ("" leaves one out), and files uploaded to Stripe."""
    deps, request = get_deps(), call.request
    texts = {one.field: one.text for one in call.body.texts}
    files = {one.field: one.file_id for one in call.body.files}
    _check_once("texts", len(texts), call.body.texts)
    _check_once("files", len(files), call.body.files)
    replayed = is_replay(deps, request)
    tab_id, dispute_id = call.path["tab_id"], call.path["dispute_id"]
    return _reply(evidence.put_additions(deps, tab_id, dispute_id, texts, files, request=request), replayed=replayed)


@routes.operation(
    "POST",
    f"{_EVIDENCE}/stage",
    roles=ROLES[Action.STAGE_EVIDENCE],
    body=views.SendEvidence,
    answer=views.EvidenceView,
    moves_money=True,
)
def stage_evidence(call: Call[views.SendEvidence]) -> Reply:
    """Put the evidence on the dispute at Stripe, where the dashboard shows it; the bank does not see it yet."""
    request = _unversioned(call.request)
    answer = evidence.stage(get_deps(), call.path["tab_id"], call.path["dispute_id"], call.body.sha256, request=request)
    return _sent(call, replayed=answer.replayed)


@routes.operation(
    "POST",
    f"{_EVIDENCE}/submit",
    roles=ROLES[Action.SUBMIT_EVIDENCE],
    body=views.SendEvidence,
    answer=views.EvidenceView,
    moves_money=True,
)
def submit_evidence(call: Call[views.SendEvidence]) -> Reply:
    """Submit the evidence to the bank, which takes one answer: this is final."""
    request = _unversioned(call.request)
    answer = evidence.submit(
        get_deps(), call.path["tab_id"], call.path["dispute_id"], call.body.sha256, request=request
    )
    return _sent(call, replayed=answer.replayed)


def _unversioned(request: Request) -> Request:
    """What was read is said by its hash, which an If-Match about the tab would not be."""
    return replace(request, expected_version=None)


def _sent(call: Call[views.SendEvidence], *, replayed: bool) -> Reply:
    """As it is now; 202 while it is not known whether it has arrived."""
    found = evidence.get_evidence(get_deps(), call.path["tab_id"], call.path["dispute_id"], by=call.by)
    reply = _reply(found, replayed=replayed)
    pending = found.attempt is not None
    return Reply(body=reply.body, replayed=replayed, status=HTTPStatus.ACCEPTED if pending else None)


def _check_once(name: str, kept: int, given: Iterable[object]) -> None:
    if kept != len(list(given)):
        raise InvalidInput(f"Give each field once in {name}.", field=name)


def _reply(found: Evidence, *, replayed: bool = False) -> Reply:
    return Reply(body=_view(found), version=found.version, replayed=replayed)


def _view(found: Evidence) -> views.EvidenceView:
    dispute, pack, tab = found.dispute, found.pack, found.tab
    payment_id = next(leg.payment_id for leg in tab.legs if leg.dispute(dispute.dispute_id) is not None)
    awaited = dispute.respond_by if dispute.awaits_answer else None
    return views.EvidenceView(
        tab_id=tab.tab_id,
        dispute_id=dispute.dispute_id,
        payment_id=payment_id,
        amount_minor=dispute.amount_minor,
        currency=tab.currency,
        reason=dispute.reason,
        dispute_state=dispute.state,
        state=_state(found),
        respond_by=dispute.respond_by,
        respond_by_local=_local(dispute.respond_by, found.time_zone),
        remind_at=awaited - REMIND_BEFORE if awaited and not dispute.reminded else None,
        time_zone=found.time_zone,
        staged_at=dispute.staged_at,
        submitted_at=dispute.submitted_at,
        is_ours=found.is_sent,
        sha256=pack.sha256 if pack else None,
        characters=pack.characters if pack else 0,
        fields=[
            views.EvidenceFieldView(field=one.name, text=one.text, origin=one.origin, entries=list(one.entries))
            for one in (pack.fields if pack else ())
        ],
        files=[
            views.EvidenceFileView(field=field, file_id=file_id)
            for field, file_id in (pack.files if pack else {}).items()
        ],
        earlier_payments=[
            views.EarlierPaymentView(
                tab_id=one.tab_id,
                payment_id=one.payment_id,
                paid_at=one.at,
                amount_minor=one.amount_minor,
                is_used=one.is_used,
            )
            for one in (pack.earlier if pack else ())
        ],
        missing=[
            views.MissingView(code=one.code, text=one.text, field=one.field) for one in (pack.missing if pack else ())
        ],
    )


def _state(found: Evidence) -> views.EvidenceState:
    dispute = found.dispute
    if dispute.submitted_at is not None:
        return views.EvidenceState.SUBMITTED
    if found.attempt is not None:
        return views.EvidenceState.SENDING
    if not dispute.awaits_answer or (dispute.respond_by is not None and get_deps().clock.now() >= dispute.respond_by):
        return views.EvidenceState.CLOSED
    return views.EvidenceState.DRAFT if dispute.staged_at is None else views.EvidenceState.STAGED


def _local(at: datetime | None, time_zone: str) -> str | None:
    """RFC 3339 with the business's own offset: the hour that its clock shows."""
    return None if at is None else at.astimezone(ZoneInfo(time_zone)).isoformat(timespec="seconds")
