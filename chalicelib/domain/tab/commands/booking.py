"""Commands before the service: open a tab, seal its promise, check in, cancel, mark a no-show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain import instants
from chalicelib.domain.errors import AccountLost, CurrencyMismatch, FixedPrice, InvalidInput, TransitionRefused
from chalicelib.domain.money import check_amount, currency_of, minimum_charge_minor
from chalicelib.domain.parties import Customer, Merchant, statement_suffix_of
from chalicelib.domain.tab import deposit, fees
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.bill import FeeKind
from chalicelib.domain.tab.commands.require import require
from chalicelib.domain.tab.draft import Draft, NewId
from chalicelib.domain.tab.promise import Acceptance, AcceptanceMethod, Promise
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.trust.fixed_price import TABS_LOOKED_AT, gets_fixed_price
from chalicelib.domain.trust.standing import Standing, seal
from chalicelib.domain.trust.tiers import Tier, check_tiers

if TYPE_CHECKING:
    from chalicelib.domain.tab.policy import Policy

MAXIMUM_LEAD = timedelta(days=3 * 366)


class Terms(Struct, frozen=True, kw_only=True):
    """The terms of a new tab. Amounts are in the merchant's currency; fees and `starts_at` are for bookings.

    `tiers`: None for the policy's, empty for none.
    """

    title: str
    expected_outcome: str
    estimate_minor: int
    cap_minor: int
    limits: tuple[str, ...] = ()
    deposit_minor: int = 0
    no_show_fee_minor: int = 0
    late_cancel_fee_minor: int = 0
    currency: str | None = None
    starts_at: datetime | None = None
    terms_version: str = "1"
    tiers: tuple[Tier, ...] | None = None
    silence_percent: int | None = None


class Origin(Struct, frozen=True, kw_only=True):
    """From where somebody agreed."""

    ip: str
    user_agent: str


class Limits(Struct, frozen=True, kw_only=True):
    """The changes of a new promise; None keeps the current value. `tiers`, empty for none, bring `silence_percent`."""

    expected_outcome: str | None = None
    limits: tuple[str, ...] | None = None
    estimate_minor: int | None = None
    cap_minor: int | None = None
    tiers: tuple[Tier, ...] | None = None
    silence_percent: int | None = None


def open_tab(
    merchant: Merchant,
    customer: Customer,
    terms: Terms,
    *,
    now: datetime,
    by: Actor,
    new_id: NewId,
    latest_tiers: Sequence[int] = (),
    standing: Standing | None = None,
) -> Draft:
    """Create a tab: booked if `starts_at` is given, else open. Nothing is promised until the customer accepts.

    `standing`: the customer's, which the promise names with what it changes; None: of nobody in particular.
    `latest_tiers`: at which the customer's last tabs with tiers ended, in percent, the newest first.

    Raises AccountLost; FixedPrice (tiers were given, and the customer's last tabs speak against them); InvalidInput and
    its kinds: amounts off step, below the minimum or too large, another currency, a start that has passed, a deposit
    above everything it could be for.
    """
    if merchant.disconnected_at is not None:
        raise AccountLost(
            "This business's Stripe account is not connected any more, so nothing could be charged. "
            "Connect it again, then open the tab.",
            account=merchant.account,
        )
    if terms.currency is not None and terms.currency != merchant.currency:
        raise CurrencyMismatch(
            f"This merchant's tabs are kept in {merchant.currency}, not {terms.currency}.", currency=merchant.currency
        )
    currency = currency_of(merchant.currency)
    minimum = minimum_charge_minor(currency, merchant.settlement_currency)
    check_amount(terms.estimate_minor, currency, "estimate_minor")
    check_amount(terms.cap_minor, currency, "cap_minor")
    check_amount(terms.deposit_minor, currency, "deposit_minor", minimum_minor=minimum)
    check_amount(terms.no_show_fee_minor, currency, "no_show_fee_minor", minimum_minor=minimum)
    check_amount(terms.late_cancel_fee_minor, currency, "late_cancel_fee_minor", minimum_minor=minimum)
    if terms.estimate_minor > terms.cap_minor:
        raise InvalidInput("estimate_minor can't be above cap_minor.")
    if terms.deposit_minor > max(terms.cap_minor, terms.no_show_fee_minor, terms.late_cancel_fee_minor):
        raise InvalidInput("deposit_minor is more than could ever be due: lower it, or raise cap_minor.")
    if terms.starts_at is None and (terms.no_show_fee_minor or terms.late_cancel_fee_minor):
        raise InvalidInput("A no-show or late-cancel fee belongs to a booking: give starts_at.")
    if terms.starts_at is not None:
        _check_start(terms.starts_at, now)

    policy = merchant.policy
    if customer.is_anonymous:
        # Nobody can come back as this customer, so what they earned could never be spent.
        policy = replace(policy, credits=None)
    deposit_minor, sealed = terms.deposit_minor, None
    if standing is not None and policy.standing is not None:
        deposit_minor, sealed = seal(
            standing, policy.standing, deposit_minor, currency=currency.code, minimum_minor=minimum
        )
        if not (terms.deposit_minor or policy.exposure_per_customer_minor or sealed.cap_is_final):
            # It changes nothing, so the promise need not name it.
            sealed = None
    tiers, silence_percent, fixed_price = _tiers_of(terms, policy, latest_tiers)
    promise = Promise(
        expected_outcome=terms.expected_outcome,
        limits=terms.limits,
        currency=currency.code,
        estimate_minor=terms.estimate_minor,
        cap_minor=terms.cap_minor,
        deposit_minor=deposit_minor,
        no_show_fee_minor=terms.no_show_fee_minor,
        late_cancel_fee_minor=terms.late_cancel_fee_minor,
        starts_at=terms.starts_at,
        free_cancel_until=None,
        no_show_grace_s=policy.no_show_grace_s,
        review_window_s=policy.review_window_s,
        terms_version=terms.terms_version,
        standing=sealed,
        tiers=tiers,
        silence_percent=silence_percent,
        fixed_price=fixed_price,
    )
    if terms.starts_at is not None:
        promise = _at(promise, terms.starts_at, now, policy)
    tab = Tab(
        tab_id=new_id("tab"),
        merchant_id=merchant.merchant_id,
        customer_id=customer.customer_id,
        customer_ref=customer.customer_ref,
        account=merchant.account,
        currency=currency.code,
        minimum_charge_minor=minimum,
        statement_suffix=statement_suffix_of(merchant.name),
        # The policy's tiers are in the promise by now, or they are not this tab's.
        policy=replace(policy, outcome_tiers=replace(policy.outcome_tiers, tiers=(), silence_percent=None)),
        promise=promise,
        title=terms.title,
        status=Status.OPEN if terms.starts_at is None else Status.BOOKED,
        opened_at=now,
        opened_by=by.subject,
        updated_at=now,
        starts_at=terms.starts_at,
        deposit=deposit.wanted(deposit_minor, now, policy.deposit_lapse_s),
    )
    draft = Draft(tab, now=now, by=by, new_id=new_id)
    draft.record(
        "opened",
        status=tab.status,
        promise_sha256=promise.sha256,
        currency=tab.currency,
        starts_at=tab.starts_at,
    )
    return draft


def _tiers_of(terms: Terms, policy: Policy, latest_tiers: Sequence[int]) -> tuple[tuple[Tier, ...], int | None, bool]:
    """The tiers, what silence means, and whether there are none because of the customer's last tabs."""
    if terms.tiers is not None or terms.silence_percent is not None:
        check_tiers(terms.tiers or (), terms.silence_percent)
        _check_offer(terms.tiers or (), latest_tiers, policy)
        return terms.tiers or (), terms.silence_percent, False
    usual = policy.outcome_tiers
    if usual.tiers and gets_fixed_price(latest_tiers, usual.fixed_price_after):
        return (), None, True
    return usual.tiers, usual.silence_percent, False


def _check_offer(tiers: Sequence[Tier], latest_tiers: Sequence[int], policy: Policy) -> None:
    """Raises FixedPrice: after two of five tabs at lower tiers the price does not depend on the outcome any more."""
    after = policy.outcome_tiers.fixed_price_after
    if tiers and gets_fixed_price(latest_tiers, after):
        raise FixedPrice(
            f"{after} or more of this customer's last {TABS_LOOKED_AT} tabs with tiers ended at a "
            "lower one, so they get a fixed price. Leave the tiers empty, or change fixed_price_after in the policy.",
            latest_percents=list(latest_tiers),
            fixed_price_after=after,
        )


def _check_start(starts_at: datetime, now: datetime) -> None:
    if not now < starts_at <= now + MAXIMUM_LEAD:
        raise InvalidInput(
            "starts_at must lie ahead, by three years at most; leave it out for a service that starts now."
        )


def _at(promise: Promise, starts_at: datetime, now: datetime, policy: Policy) -> Promise:
    """The promise of a service that begins then, with the cut-off and the need for a card that follow from it."""
    free_until = None
    # Cancelling after the start counts as a no-show: without a late-cancel fee, cancelling is free until then.
    if promise.late_cancel_fee_minor:
        free_until = starts_at - timedelta(seconds=policy.free_cancel_s)
    elif promise.no_show_fee_minor:
        free_until = starts_at
    needs_card = promise.deposit_minor > 0 and not deposit.may_hold_now(starts_at, now, policy)
    return replace(promise, starts_at=starts_at, free_cancel_until=free_until, deposit_needs_card=needs_card)


def method_of(by: Actor) -> AcceptanceMethod:
    """How the caller's own acceptance counts. One that staff record was given in person."""
    methods = {Role.CUSTOMER: AcceptanceMethod.APP, Role.GUEST: AcceptanceMethod.GUEST_LINK}
    return methods.get(by.role, AcceptanceMethod.IN_PERSON)


def accept_promise(draft: Draft, acceptance: Acceptance, customer: Customer | None) -> None:
    """Seal the proposed promise, or the first one; then secure the deposit.

    On a sealed promise: further consents are added, and the deposit is secured again. `customer`: the
    customer's record, for a card already on file. Raises PromiseChanged, InvalidInput, Forbidden (staff, for what the
    customer sealed).
    """
    require(draft, Action.ACCEPT_PROMISE)
    tab = draft.tab
    promise = tab.proposed or tab.promise
    promise.check_acceptance(acceptance)
    if promise.accepted is None:
        _seal(draft, promise, acceptance)
    elif set(acceptance.consents) - set(promise.consents):
        draft.update(promise=replace(promise, added=(*promise.added, acceptance)))
        draft.record(
            "consents_added",
            promise_sha256=acceptance.promise_sha256,
            method=acceptance.method,
            consents=list(acceptance.consents),
        )
    elif not deposit.is_unsecured(tab):
        raise InvalidInput(
            "The promise is already accepted with these consents; there is nothing new to record.",
            consents=list(promise.consents),
        )
    if draft.tab.card is None and customer is not None and customer.card is not None:
        draft.update(card=customer.card)
    deposit.secure(draft)


def _seal(draft: Draft, promise: Promise, acceptance: Acceptance) -> None:
    """Record who accepted, and the whole text, so that it stays in the timeline when a later promise replaces it."""
    # The hour of free cancelling starts only once: accepting other limits later does not start another.
    is_moved = promise.starts_at != draft.tab.starts_at
    free_until = (promise if is_moved else draft.tab.promise).free_until(draft.now)
    draft.update(promise=replace(promise, accepted=replace(acceptance, free_cancel_until=free_until)), proposed=None)
    draft.record(
        "promise_accepted",
        promise_sha256=acceptance.promise_sha256,
        method=acceptance.method,
        consents=list(acceptance.consents),
        free_cancel_until=instants.text(free_until) if free_until else None,
        text=promise.text,
    )
    if is_moved:
        _move(draft, promise.starts_at)


def _move(draft: Draft, starts_at: datetime | None) -> None:
    """Move the start of the service with everything that depends on it."""
    assert starts_at is not None, "a booking is moved to a time"
    before = draft.tab.starts_at
    draft.update(starts_at=starts_at)
    free_until = draft.tab.promise.free_until(draft.now)
    draft.record("rescheduled", before=before, starts_at=starts_at, free_cancel_until=free_until)
    deposit.moved(draft)


def reschedule(draft: Draft, starts_at: datetime, origin: Origin) -> None:
    """Move the appointment. The customer's own word moves it at once, and what is sealed is sealed for the new time.

    Staff move at once what the customer has not accepted yet; else they propose it, and it is moved when the customer
    accepts. So is what needs more consents than they gave: a hold that far ahead needs a saved card. Raises
    InvalidInput.
    """
    require(draft, Action.RESCHEDULE)
    _check_start(starts_at, draft.now)
    tab = draft.tab
    if starts_at == tab.starts_at:
        raise InvalidInput("The appointment already begins at starts_at.", field="starts_at")
    sealed = tab.promise.accepted
    promise = replace(tab.proposed or tab.promise, accepted=None, added=())
    promise = _at(promise, starts_at, draft.now, tab.policy)
    if sealed is None:
        draft.update(promise=promise)
        draft.record("promise_proposed", promise_sha256=promise.sha256, cap_minor=promise.cap_minor)
        _move(draft, starts_at)
        return
    own_word = not draft.by.is_business and tab.proposed is None
    if own_word and set(promise.needs) <= set(tab.promise.consents):
        acceptance = replace(
            sealed,
            subject=draft.by.subject,
            method=method_of(draft.by),
            accepted_at=draft.now,
            ip=origin.ip,
            user_agent=origin.user_agent,
            promise_sha256=promise.sha256,
            consents=tab.promise.consents,
            card_terms_sha256=tab.promise.card_terms_sha256,
        )
        _seal(draft, promise, acceptance)
        deposit.secure(draft)
        return
    draft.update(proposed=promise)
    draft.record(
        "promise_proposed",
        promise_sha256=promise.sha256,
        cap_minor=promise.cap_minor,
        before=tab.starts_at,
        starts_at=starts_at,
    )


def propose_promise(draft: Draft, limits: Limits, latest_tiers: Sequence[int] = ()) -> None:
    """Propose other limits. A sealed promise stands until the customer accepts the new one.

    `latest_tiers`: as in `open_tab`. Raises InvalidInput, FixedPrice.
    """
    require(draft, Action.PROPOSE_PROMISE)
    tab = draft.tab
    given = {
        name: value
        for name in ("expected_outcome", "limits", "estimate_minor", "cap_minor")
        if (value := getattr(limits, name)) is not None
    }
    proposed = replace(tab.promise, accepted=None, added=(), **given)
    new_start = tab.proposed.starts_at if tab.proposed and tab.proposes_other_time else None
    if new_start is not None and not tab.proposal_has_passed(draft.now):
        # A new time that was proposed stays proposed beside other limits.
        proposed = _at(proposed, new_start, draft.now, tab.policy)
    currency = currency_of(tab.currency)
    check_amount(proposed.estimate_minor, currency, "estimate_minor")
    check_amount(proposed.cap_minor, currency, "cap_minor")
    if proposed.estimate_minor > proposed.cap_minor:
        raise InvalidInput("estimate_minor can't be above cap_minor.")
    if proposed.cap_minor > tab.promise.cap_minor and proposed.standing and proposed.standing.cap_is_final:
        raise TransitionRefused(
            "The customer's standing when this promise was made does not allow a higher cap. Put what goes beyond it "
            "on another tab, with a promise of its own for the customer to accept.",
            status=tab.status,
            cap_minor=tab.promise.cap_minor,
        )
    if limits.tiers is not None or limits.silence_percent is not None:
        tiers = proposed.tiers if limits.tiers is None else limits.tiers
        check_tiers(tiers, limits.silence_percent)
        _check_offer(tiers, latest_tiers, tab.policy)
        proposed = replace(
            proposed,
            tiers=tiers,
            silence_percent=limits.silence_percent,
            fixed_price=proposed.fixed_price and not tiers,
        )
    if proposed.cap_minor < tab.total_minor:
        raise InvalidInput(f"cap_minor can't be below what is already on the tab ({tab.total_minor}).")
    if tab.accepted:
        draft.update(proposed=proposed)
    else:
        draft.update(promise=proposed)
    draft.record("promise_proposed", promise_sha256=proposed.sha256, cap_minor=proposed.cap_minor)


def check_in(draft: Draft) -> None:
    """Check the customer in. This also reverses a mistaken no-show: its fee is dropped, or refunded if it was taken."""
    require(draft, Action.CHECK_IN)
    was_no_show = draft.tab.status == Status.NO_SHOW
    draft.move_to(Status.OPEN, "check_in")
    if was_no_show:
        fees.take_back(draft)
    draft.update(checked_in_at=draft.now, proposed=_without_other_time(draft.tab))
    draft.record("checked_in")
    if was_no_show:
        deposit.want_again(draft)


def _without_other_time(tab: Tab) -> Promise | None:
    """What is proposed, for the time that stands; None if only another time was."""
    if tab.proposed is None or not tab.proposes_other_time:
        return tab.proposed
    stands = tab.promise
    proposed = replace(
        tab.proposed,
        starts_at=stands.starts_at,
        free_cancel_until=stands.free_cancel_until,
        deposit_needs_card=stands.deposit_needs_card,
    )
    return None if proposed.sha256 == stands.sha256 else proposed


def cancel(draft: Draft, reason: str) -> None:
    """Cancel the service: free for the business; for the customer free until the cut-off, then for the disclosed fee.

    The fee is the late-cancel fee before `starts_at`, and the no-show fee after it.
    """
    require(draft, Action.CANCEL)
    tab = draft.tab
    kind, fee_minor = deposit.fee_of_canceling(tab, draft.now)
    fee_minor = 0 if draft.by.is_business else fee_minor
    draft.move_to(Status.CANCELED, "cancel")
    draft.update(proposed=None)
    draft.record(
        "canceled",
        by_role=draft.by.role,
        why="business" if draft.by.is_business else "customer",
        reason=reason,
        **fees.outlook(draft.tab, fee_minor, timedelta(), draft.now),
    )
    if fee_minor:
        # Whoever cancels has seen the fee, so it need not be announced.
        fees.announce(draft, kind, fee_minor, timedelta())


def mark_no_show(draft: Draft) -> None:
    """Mark a no-show: the disclosed fee is announced and taken a day later.

    For two weeks the customer may contest it, and staff may reverse the no-show.
    """
    require(draft, Action.NO_SHOW)
    fee_minor = deposit.disclosed_fee_minor(draft.tab, FeeKind.NO_SHOW)
    draft.move_to(Status.NO_SHOW, "no_show")
    draft.update(proposed=None, final_at=draft.now + fees.OBJECTION_WINDOW)
    draft.record("no_show", **fees.outlook(draft.tab, fee_minor, fees.NOTICE, draft.now))
    if fee_minor:
        fees.announce(draft, FeeKind.NO_SHOW, fee_minor, fees.NOTICE)
