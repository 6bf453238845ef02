"""Answering a dispute: read the draft of its evidence, add to it, stage it, and hand it to the bank once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.errors import Contention, InvalidInput, NotFound, StaleVersion
from chalicelib.domain.tab import answering
from chalicelib.domain.tab.actor import Actor
from chalicelib.domain.tab.attempt import Attempt, Operation
from chalicelib.domain.tab.commands.answering import send_evidence
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.payments import Dispute
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.trust.evidence.compelling import OLDEST, find_earlier, with_tabs
from chalicelib.domain.trust.evidence.draft import Known, draft_pack
from chalicelib.domain.trust.evidence.fields import LIMITS, FileField, TextField
from chalicelib.domain.trust.evidence.pack import DisputeAnswer, EarlierPayment, Pack
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import RecordExists, VersionConflict, every
from chalicelib.usecases.tab.carry_out import carry_out
from chalicelib.usecases.tab.requests import Answer, Request, check_visible, merchant_of

PAGE = 200
LONGEST_VISIT = timedelta(days=400)
"""How long before its payment a tab may have been opened, for an earlier payment to be found."""
MOST_EARLIER = 20
"""Earlier payments that are looked at, newest first; two are wanted."""


class Evidence(Struct, frozen=True, kw_only=True):
    """A dispute with the pack that would be sent, or was; `is_sent`: it is what the bank has. None: it was erased.

    `attempt`: the one under way. `version`: of what is stored, counted from 1, which is nothing yet.
    """

    tab: Tab
    dispute: Dispute
    pack: Pack | None
    is_sent: bool
    attempt: Attempt | None
    version: int
    time_zone: str


def get_evidence(deps: Deps, tab_id: str, dispute_id: str, *, by: Actor) -> Evidence:
    """Raises NotFound."""
    tab = _tab(deps, tab_id, by)
    return _evidence(deps, tab, _dispute(tab, dispute_id))


def put_additions(
    deps: Deps,
    tab_id: str,
    dispute_id: str,
    texts: Mapping[TextField, str],
    files: Mapping[FileField, str],
    *,
    request: Request,
) -> Evidence:
    """Replace what the owner adds. Raises NotFound, InvalidInput, StaleVersion, Contention, and EvidenceSubmitted or
    TransitionRefused where the bank takes nothing more.
    """
    for name, text in texts.items():
        if len(text) > LIMITS[name]:
            raise InvalidInput(
                f"{name} has {len(text)} characters; Stripe takes {LIMITS[name]}.", field=f"texts.{name}"
            )
    tab = _tab(deps, tab_id, request.by)
    dispute = _dispute(tab, dispute_id)
    record = deps.store.find_record(request.record_id, deps.clock.now())
    if record is not None:
        request.check_same(record)
        return _evidence(deps, tab, dispute)
    if why := answering.refusal(tab, dispute_id, deps.clock.now()):
        raise why
    before = _stored(deps, tab, dispute_id)
    if request.expected_version not in (None, before.version + 1):
        raise StaleVersion(
            f"The evidence is at version {before.version + 1} by now. Read it again before you change it.",
            version=before.version + 1,
        )
    changed = replace(before, texts=texts, files=files, version=before.version + 1)
    try:
        deps.store.put_dispute_answer(changed, record=request.new_record(deps, tab_id=tab_id))
    except (VersionConflict, RecordExists):
        raise Contention("This evidence is being changed at the same time. Nothing was done; try again.") from None
    return _evidence(deps, tab, dispute)


def stage(deps: Deps, tab_id: str, dispute_id: str, sha256: str, *, request: Request) -> Answer:
    """Put the evidence on the dispute at the gateway, where the bank does not see it yet. Raises what submit raises."""
    return _send(deps, Operation.STAGE_EVIDENCE, tab_id, dispute_id, sha256, request=request)


def submit(deps: Deps, tab_id: str, dispute_id: str, sha256: str, *, request: Request) -> Answer:
    """Hand the evidence to the bank, which is final. `sha256`: the seal of what the owner has read.

    Raises NotFound, EvidenceChanged, EvidenceSubmitted, PaymentInProgress, TransitionRefused, InvalidInput,
    GatewayUnavailable (before anything is written).
    """
    return _send(deps, Operation.SUBMIT_EVIDENCE, tab_id, dispute_id, sha256, request=request)


def _send(deps: Deps, operation: Operation, tab_id: str, dispute_id: str, sha256: str, *, request: Request) -> Answer:
    def command(draft: Draft) -> None:
        dispute = _dispute(draft.tab, dispute_id)
        answer = _stored(deps, draft.tab, dispute_id)
        pack = _draft(deps, draft.tab, dispute, answer)
        send_evidence(draft, operation, _with_charges(deps, draft.tab, pack), sha256, answer)

    return carry_out(deps, tab_id, request, command)


def _evidence(deps: Deps, tab: Tab, dispute: Dispute) -> Evidence:
    answer, attempt = _stored(deps, tab, dispute.dispute_id), answering.open_attempt(tab, dispute.dispute_id)
    # Evidence that somebody has submitted at Stripe itself is not ours to show.
    is_ours = dispute.submitted_by is not None and dispute.submitted_by == answer.sealed_for
    is_sent = is_ours and answer.sealed_at is not None and answer.sealed_at >= (dispute.asked_at or dispute.opened_at)
    merchant = deps.store.get_merchant(tab.merchant_id)
    return Evidence(
        tab=tab,
        dispute=dispute,
        pack=answer.sealed if is_sent or attempt is not None else _draft(deps, tab, dispute, answer),
        is_sent=is_sent,
        attempt=attempt,
        version=answer.version + 1,
        time_zone=merchant.policy.time_zone,
    )


def _draft(deps: Deps, tab: Tab, dispute: Dispute, answer: DisputeAnswer) -> Pack:
    """The draft of now: of the entries that are committed, and of visits, which lag by a second or two."""
    leg = next(leg for leg in tab.legs if leg.dispute(dispute.dispute_id) is not None)
    entries = tuple(every(partial(deps.store.list_entries, tab.merchant_id, tab.tab_id, limit=PAGE)))
    merchant = deps.store.get_merchant(tab.merchant_id)
    known = Known(
        tab=tab,
        leg=leg,
        dispute=dispute,
        entries=entries,
        deliveries=deps.deliveries.list_of_entries(tab.merchant_id, tab.tab_id, 1, entries[-1].seq) if entries else (),
        contact=deps.people.find_contact(tab.merchant_id, tab.customer_id),
        earlier=_earlier(deps, tab, leg.payment_id, leg.taken_at),
        business=merchant.name,
        zone=merchant.policy.time_zone,
        answer=answer,
    )
    return draft_pack(known)


def _earlier(deps: Deps, tab: Tab, payment_id: str, taken_at: datetime) -> tuple[EarlierPayment, ...]:
    """Of the customer under every name that the same card is known by."""
    leg = tab.leg(payment_id)
    if leg is None or leg.fingerprint is None:
        return ()
    try:
        names = (tab.customer_id, *deps.store.get_customer(tab.merchant_id, tab.customer_id).same_card)
    except NotFound:
        names = (tab.customer_id,)
    since = taken_at - OLDEST - LONGEST_VISIT
    visits = [
        visit
        for name in names
        for visit in deps.visits.list_visits_by_customer(tab.merchant_id, name, since)
        if visit.tab_id != tab.tab_id
    ]
    earlier = find_earlier(visits, leg)[:MOST_EARLIER]
    tabs = deps.store.find_tabs({(tab.merchant_id, one.tab_id) for one in earlier}) if earlier else {}
    return with_tabs(earlier, {tab_id: found for (_, tab_id), found in tabs.items()})


def _with_charges(deps: Deps, tab: Tab, pack: Pack) -> Pack:
    """With the ids that the network knows the two earlier payments by. One without makes them no evidence."""
    found = {one.payment_id: deps.gateway.find_charge(tab.account, one.payment_id) for one in pack.used}
    return replace(pack, charges={payment_id: charge for payment_id, charge in found.items() if charge})


def _stored(deps: Deps, tab: Tab, dispute_id: str) -> DisputeAnswer:
    found = deps.store.find_dispute_answer(tab.merchant_id, tab.customer_id, tab.tab_id, dispute_id)
    return found or DisputeAnswer(
        merchant_id=tab.merchant_id, customer_id=tab.customer_id, tab_id=tab.tab_id, dispute_id=dispute_id
    )


def _tab(deps: Deps, tab_id: str, by: Actor) -> Tab:
    tab = deps.store.get_tab(merchant_of(by), tab_id)
    check_visible(deps, tab, by)
    return tab


def _dispute(tab: Tab, dispute_id: str) -> Dispute:
    found = tab.dispute(dispute_id)
    if found is None:
        raise NotFound("This tab has no such dispute.")
    return found
