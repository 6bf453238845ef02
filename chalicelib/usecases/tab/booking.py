"""The booking: open a tab, seal its promise, check in, cancel, mark as a no-show."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from chalicelib.domain.errors import Contention
from chalicelib.domain.parties import Customer, Merchant, anonymous
from chalicelib.domain.tab import due_steps
from chalicelib.domain.tab.commands import booking, links
from chalicelib.domain.tab.commands.booking import Limits, Origin, Terms
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.promise import Acceptance, Consent
from chalicelib.domain.trust.fixed_price import latest_tiers
from chalicelib.domain.trust.standing import History, standing_of
from chalicelib.domain.trust.standing_terms import Level
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import RecordExists, VersionConflict
from chalicelib.usecases.tab.attempts import ROUNDS, commit
from chalicelib.usecases.tab.carry_out import carry_out, record_of, replay_of
from chalicelib.usecases.tab.exposure import check_exposure
from chalicelib.usecases.tab.requests import Answer, Request, merchant_of
from chalicelib.usecases.tab.token_binding import get_free_token
from chalicelib.usecases.trust.history import read_history


def open_tab(
    deps: Deps, customer_id: str | None, terms: Terms, *, token: int | None = None, request: Request
) -> Answer:
    """Open a tab: booked if it starts later, otherwise open.

    `customer_id` None: an anonymous customer is made in the same transaction. `token`: the number of one to bind.
    Raises NotFound (no such customer or token), TokenInUse, IdempotencyMismatch, ExposureExceeded, Contention, and what
    booking.open_tab raises.
    """
    merchant_id = merchant_of(request.by)
    for _ in range(ROUNDS):
        merchant, customer, record = deps.store.get_parties_and_record(
            merchant_id, customer_id, request.record_id, deps.clock.now()
        )
        if record is not None:
            break
        draft = _opened(deps, merchant, customer, terms, request)
        if token is not None:
            links.bind_token(draft, get_free_token(deps, merchant_id, token))
        change = due_steps.conclude(draft)
        assert change is not None, "a new tab is a change"
        try:
            return Answer(tab=commit(deps, change, record=record_of(deps, request, change)))
        except RecordExists as exists:
            record = exists.record
            break
        except VersionConflict:
            # Another tab has got the token meanwhile.
            continue
    else:
        raise Contention("Other requests are changing this token. Nothing was done; send the request again.")
    request.check_same(record)
    assert record.tab_id is not None, "the same request made a tab"
    return replay_of(deps, record, deps.store.get_tab(merchant_id, record.tab_id))


def _opened(deps: Deps, merchant: Merchant, customer: Customer | None, terms: Terms, request: Request) -> Draft:
    now = deps.clock.now()
    tab_customer = customer or anonymous(deps.ids.new("cus"), merchant.merchant_id, now)
    levels = None if tab_customer.is_anonymous else merchant.policy.standing
    wants_tiers = terms.tiers or (terms.tiers is None and merchant.policy.outcome_tiers.tiers)
    # A customer who is made by this request has no history yet. Standing and tiers share the read.
    history = read_history(deps, tab_customer, levels, now) if customer and (levels or wants_tiers) else History()
    standing = standing_of(history, levels, now) if levels else None
    draft = booking.open_tab(
        merchant,
        tab_customer,
        terms,
        now=now,
        by=request.by,
        new_id=deps.ids.new,
        latest_tiers=latest_tiers(history, now),
        standing=standing,
    )
    draft.customer = tab_customer if customer is None else None
    check_exposure(
        deps,
        merchant.policy,
        merchant_id=merchant.merchant_id,
        customer_id=tab_customer.customer_id,
        more_minor=terms.estimate_minor,
        currency=merchant.currency,
        level=standing.level if standing else Level.NEW,
    )
    return draft


class Agreement(Struct, frozen=True, kw_only=True):
    """What the customer agreed to: the hash they were shown, the consents given, and from where."""

    promise_sha256: str
    consents: tuple[Consent, ...]
    card_terms_sha256: str | None
    ip: str
    user_agent: str


def accept_promise(deps: Deps, tab_id: str, agreement: Agreement, *, request: Request) -> Answer:
    """Seal the promise. The answer's attempt is the hold that the customer must confirm, if one is wanted now.

    Recorded by staff it is `in_person`. Raises PromiseChanged, InvalidInput, TransitionRefused.
    """

    def command(draft: Draft) -> None:
        acceptance = Acceptance(
            subject=request.by.subject,
            method=booking.method_of(request.by),
            accepted_at=draft.now,
            ip=agreement.ip,
            user_agent=agreement.user_agent,
            promise_sha256=agreement.promise_sha256,
            consents=agreement.consents,
            card_terms_sha256=agreement.card_terms_sha256,
        )
        customer = None
        if Consent.CARD_ON_FILE in agreement.consents and draft.tab.card is None:
            customer = deps.store.get_customer(draft.tab.merchant_id, draft.tab.customer_id)
        booking.accept_promise(draft, acceptance, customer)

    return carry_out(deps, tab_id, request, command)


def propose_promise(deps: Deps, tab_id: str, limits: Limits, *, request: Request) -> Answer:
    """Propose a new promise. Raises InvalidInput and its kinds, FixedPrice, TransitionRefused."""

    def command(draft: Draft) -> None:
        history = History()
        if limits.tiers:
            customer = deps.store.get_customer(draft.tab.merchant_id, draft.tab.customer_id)
            history = read_history(deps, customer, None, draft.now)
        booking.propose_promise(draft, limits, latest_tiers(history, draft.now))

    return carry_out(deps, tab_id, request, command)


def reschedule_tab(deps: Deps, tab_id: str, starts_at: datetime, origin: Origin, *, request: Request) -> Answer:
    """The tab at its new time, or with that proposed. The attempt is a hold for the customer to confirm, where one is.

    Raises InvalidInput, TransitionRefused.
    """
    return carry_out(deps, tab_id, request, lambda draft: booking.reschedule(draft, starts_at, origin))


def check_in(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """Check the customer in; the tab is then open. Raises TransitionRefused, PaymentInProgress."""
    return carry_out(deps, tab_id, request, booking.check_in, closes_payment=True)


def cancel_tab(deps: Deps, tab_id: str, reason: str, *, request: Request) -> Answer:
    """Cancel the tab; it is closed if nothing is owed. Raises TransitionRefused, PaymentInProgress."""
    return carry_out(deps, tab_id, request, lambda draft: booking.cancel(draft, reason))


def mark_no_show(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """Mark a no-show; its fee becomes due. Raises TransitionRefused (not booked, or still within grace)."""
    return carry_out(deps, tab_id, request, booking.mark_no_show)
