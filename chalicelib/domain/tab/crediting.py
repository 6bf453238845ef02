"""What a tab does to its customer's credit: it is paid with it, gives it back, earns it, and loses what it earned.

Each is posted to the tab's ledger and written on the customer's account in the same change. Lots and what is left of
them are the account's (`domain/trust/credits.py`). The policy's terms are those of the tab's opening.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account, transfer
from chalicelib.domain.errors import CreditNotAvailable, InvalidInput
from chalicelib.domain.money import check_amount, currency_of, format_amount, share_minor
from chalicelib.domain.tab.facts import legs
from chalicelib.domain.tab.given import GivenCredit
from chalicelib.domain.tab.payments import DisputeState
from chalicelib.domain.tab.promise import AcceptanceMethod
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Outcome, Tab
from chalicelib.domain.trust import credits
from chalicelib.domain.trust.credits import CreditAccount, Lot, Mark, MovementKind
from chalicelib.domain.trust.terms import CreditTerms, LotKind

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft

_HARMLESS = frozenset({DisputeState.INQUIRY, DisputeState.INQUIRY_CLOSED})
"""The bank only asks, so nothing is disputed."""


# Spending


def is_payable_with_credit(tab: Tab) -> bool:
    """Whether credit may pay of this tab: a presented bill of a known customer; never a fee, nor a share."""
    has_bill = tab.status in (Status.IN_REVIEW, Status.DUE) and tab.fee is None and tab.parent is None
    return has_bill and tab.policy.credits is not None and tab.balance_minor > 0


def spendable_minor(tab: Tab, account: CreditAccount, now: datetime) -> int:
    """The most credit that can pay of this bill now: what stays is nothing, or as much as a card may be charged."""
    if not is_payable_with_credit(tab) or account.currency != tab.currency:
        return 0
    most = min(account.active_minor(now), _without_tip_minor(tab))
    if 0 < tab.balance_minor - most < tab.minimum_charge_minor:
        most = max(0, min(most, tab.balance_minor - tab.minimum_charge_minor))
    return most


def _without_tip_minor(tab: Tab) -> int:
    """What is owed of the bill: a tip is given, not paid with what was given."""
    return min(tab.balance_minor, tab.bill_due_minor)


def spend(draft: Draft, credit_minor: int | None) -> None:
    """Pay `credit_minor` of the bill with the customer's credit, as they chose: before hold and card.

    None: they chose nothing, so it is spent where they have said once that they always want that. Raises
    CreditNotAvailable, InvalidInput and its kinds.
    """
    tab = draft.tab
    if credit_minor is None:
        spend_by_itself(draft)
    elif credit_minor:
        check_amount(credit_minor, currency_of(tab.currency), "credit_minor")
        account = draft.credit_account(tab.customer_id)
        _check_spendable(tab, account, credit_minor, draft.now)
        _spend(draft, account, credit_minor)


def spend_by_itself(draft: Draft) -> None:
    """Pay with credit where the customer has said that they always want that."""
    if not is_payable_with_credit(draft.tab):
        return
    account = draft.credit_account(draft.tab.customer_id)
    if account.spends_by_itself and (amount_minor := spendable_minor(draft.tab, account, draft.now)):
        _spend(draft, account, amount_minor)


def _check_spendable(tab: Tab, account: CreditAccount, credit_minor: int, now: datetime) -> None:
    most_minor = spendable_minor(tab, account, now)
    if credit_minor <= most_minor and not 0 < tab.balance_minor - credit_minor < tab.minimum_charge_minor:
        return
    most = format_amount(most_minor, tab.currency)
    if credit_minor <= most_minor:
        raise InvalidInput(
            "After the credit, what is left to pay must be nothing, or "
            f"{format_amount(tab.minimum_charge_minor, tab.currency)} at least, because a card can't be charged less.",
            spendable_minor=most_minor,
        )
    raise CreditNotAvailable(
        f"Nothing was paid: at most {most} of this bill can be paid with credit now. Some may have been spent on "
        "another bill meanwhile.",
        spendable_minor=most_minor,
    )


def _spend(draft: Draft, account: CreditAccount, amount_minor: int) -> None:
    legs.take_credit(draft, draft.new_id("crd"), amount_minor)
    draft.move_credit(credits.spend(account, amount_minor, draft.now), MovementKind.SPENT, -amount_minor)


# Credit that goes back


def give_back(draft: Draft) -> None:
    """Credit goes back as credit, in proportion to what it paid of the bill; it can be spent again at once."""
    tab = draft.tab
    left_minor = tab.credit_to_return_minor
    for leg in reversed(tab.legs):
        if part_minor := min(left_minor, leg.credit_above_minor(tab.bill_due_minor, currency_of(tab.currency))):
            left_minor -= part_minor
            lot = _new_lot(draft, LotKind.RETURNED, part_minor, pending_s=0)
            draft.update_leg(leg, refunds={**leg.refunds, lot.lot_id: part_minor})
            _give(draft, tab.customer_id, lot, Account.CUSTOMER_RECEIVABLE, payment_id=leg.payment_id)


# Earning


def net_minor(tab: Tab) -> int:
    """The service that is paid with money, without materials, tax and tips: what a rate is of."""
    return _net_part_minor(tab, 1, 1)


def _net_part_minor(tab: Tab, numerator: int, denominator: int) -> int:
    """A part of the net service, rounded once. What was taken off the bill was taken off all lines alike."""
    with_money = max(0, tab.bill_due_minor - tab.by_credit_minor)
    services_minor, all_minor = tab.untaxed_lines_minor
    if not with_money or not tab.total_minor or not all_minor:
        return 0
    untaxed = (tab.total_minor - tab.tax_minor) * services_minor
    whole = tab.total_minor * all_minor
    return share_minor(with_money * untaxed, numerator, denominator * whole, currency_of(tab.currency))


def would_earn_minor(tab: Tab) -> int:
    """What the tab earns if it is paid as it is now, before the limit by month."""
    terms = tab.policy.credits
    if terms is None or tab.fee is not None or tab.parent is not None or _is_forfeited(tab):
        return 0
    if not terms.rate_basis_points or net_minor(tab) < terms.least_minor:
        return 0
    earned = _net_part_minor(tab, terms.rate_basis_points, 10_000)
    return min(earned, terms.per_tab_minor) if terms.per_tab_minor else earned


def note_contest(draft: Draft) -> None:
    """A contested tab earns nothing, however the contest ends: credit is what a satisfied customer earns."""
    if draft.tab.policy.credits is not None:
        draft.update(credits=replace(draft.tab.credits, contested=True))


def earn(draft: Draft) -> None:
    """The tab is closed, fulfilled and paid: it earns what the policy says, and what an invitation earns both."""
    tab = draft.tab
    terms = tab.policy.credits
    if terms is None or tab.outcome != Outcome.FULFILLED or tab.parent is not None or not tab.paid_minor:
        return
    account = draft.credit_account(tab.customer_id)
    if account.currency not in ("", tab.currency):
        # The business keeps its tabs in another currency by now: one account has one.
        return
    draft.put_credit_account(replace(account, paid_tabs=account.paid_tabs + 1))
    amount_minor = would_earn_minor(tab)
    if terms.per_month_minor:
        lots = account.earned_since(draft.now - credits.MONTH, LotKind.EARNED)
        this_month_minor = sum([lot.amount_minor - lot.reversed_minor for lot in lots])
        amount_minor = min(amount_minor, max(0, terms.per_month_minor - this_month_minor))
    if amount_minor:
        lot = _new_lot(draft, LotKind.EARNED, amount_minor, pending_s=terms.pending_s)
        _give(draft, tab.customer_id, lot, Account.LOYALTY_EXPENSE)
    _reward_invitation(draft, terms)
    draft.marks += marks_of(tab)


def _new_lot(draft: Draft, kind: LotKind, amount_minor: int, *, pending_s: int) -> Lot:
    terms = draft.tab.policy.credits or CreditTerms()
    active_at = draft.now + timedelta(seconds=pending_s)
    return Lot(
        lot_id=draft.new_id("lot"),
        kind=kind,
        tab_id=draft.tab.tab_id,
        amount_minor=amount_minor,
        earned_at=draft.now,
        active_at=active_at,
        expires_at=max(active_at, draft.now + timedelta(seconds=terms.expires_s)),
    )


def _give(draft: Draft, customer_id: str, lot: Lot, debit: Account, **details: str) -> None:
    """Put a lot on an account, and remember on the tab what it has given. `details`: more of the entry."""
    given = GivenCredit(
        lot_id=lot.lot_id,
        customer_id=customer_id,
        kind=lot.kind,
        amount_minor=lot.amount_minor,
        kept_minor=lot.amount_minor,
        net_minor=net_minor(draft.tab),
        active_at=lot.active_at,
        expires_at=lot.expires_at,
    )
    draft.update(credits=replace(draft.tab.credits, given=(*draft.tab.credits.given, given)))
    is_back = lot.kind == LotKind.RETURNED
    draft.record(
        "credit_returned" if is_back else "credit_earned",
        lot_id=lot.lot_id,
        credited_customer_id=customer_id,
        source=lot.kind,
        amount_minor=lot.amount_minor,
        active_at=lot.active_at,
        expires_at=lot.expires_at,
        postings=transfer(lot.amount_minor, debit=debit, credit=Account.CUSTOMER_CREDIT),
        **details,
    )
    account = credits.add(draft.credit_account(customer_id), lot, draft.tab.currency)
    draft.move_credit(account, MovementKind.RETURNED if is_back else MovementKind.EARNED, lot.amount_minor)


# Invitations


def _reward_invitation(draft: Draft, terms: CreditTerms) -> None:
    """Both get their sum with the friend's first paid tab of at least so much; never for the same card or device."""
    tab = draft.tab
    friend = draft.credit_account(tab.customer_id)
    referral = friend.referral
    if referral is None or not referral.is_open or not terms.referral_minor or _is_forfeited(tab):
        return
    net = net_minor(tab)
    if not net or net < terms.referral_least_minor:
        return
    refused = _why_not_rewarded(draft, terms, draft.credit_account(referral.by_customer_id))
    ended = replace(referral, refused=refused) if refused else replace(referral, tab_id=tab.tab_id)
    draft.put_credit_account(replace(friend, referral=ended))
    if refused:
        draft.record("referral_refused", why=refused, referrer_id=referral.by_customer_id)
        return
    # Of two friends who pay with one card at the same moment, neither knows of the other yet.
    draft.rewarded += tuple(mark for kind, mark in _marks(tab) if kind == "card")
    for customer_id in (tab.customer_id, referral.by_customer_id):
        lot = _new_lot(draft, LotKind.REFERRAL, terms.referral_minor, pending_s=terms.pending_s)
        _give(draft, customer_id, lot, Account.LOYALTY_EXPENSE)


def _why_not_rewarded(draft: Draft, terms: CreditTerms, referrer: CreditAccount) -> str | None:
    """A code, or None.

    One other customer who has paid with the card is enough, and hundreds are no excuse: if a company's card did not
    count, whoever has paid under enough names with one card would be rewarded for each further name. A friend who is
    new can pay with their own. A device may be a whole café's, so only that of those who invited counts, however many
    share it.
    """
    invited_by = {referrer.customer_id, *([referrer.referral.by_customer_id] if referrer.referral else [])}
    for kind, mark in _marks(draft.tab):
        if draft.is_shared(mark, among=None if kind == "card" else invited_by):
            return f"same_{kind}"
    if referrer.currency not in ("", draft.tab.currency):
        return "other_currency"
    rewarded = referrer.earned_since(draft.now - credits.MONTH, LotKind.REFERRAL)
    # Their own, for having been invited, does not count.
    as_referrer = [lot for lot in rewarded if referrer.referral is None or lot.tab_id != referrer.referral.tab_id]
    return "too_many" if terms.referrals_per_month and len(as_referrer) >= terms.referrals_per_month else None


def wants_card(tab: Tab, payment_id: str | None) -> bool:
    """Whether it must be known which card a payment was made with: friends who are invited pay with their own."""
    terms = tab.policy.credits
    return terms is not None and terms.referral_minor > 0 and tab.leg(payment_id or "") is None


def marks_of(tab: Tab) -> tuple[Mark, ...]:
    """The cards that paid the tab, and the device that its promise was accepted from."""
    return tuple(mark for _, mark in _marks(tab))


def _marks(tab: Tab) -> Iterator[tuple[str, Mark]]:
    seen = [("card", leg.fingerprint) for leg in tab.legs if leg.fingerprint]
    accepted = tab.promise.accepted
    # What staff record in person comes from their own device.
    if accepted is not None and accepted.method != AcceptanceMethod.IN_PERSON and accepted.user_agent:
        seen.append(("device", f"{accepted.ip}\n{accepted.user_agent}"))
    for kind, value in dict.fromkeys(seen):
        yield kind, Mark(tab.merchant_id, credits.mark_sha256(tab.merchant_id, kind, value), tab.customer_id)


# Losing what was earned


def is_to_be_taken_back(tab: Tab) -> bool:
    return any(_still_due_minor(tab, given) < given.kept_minor for given in tab.credits.given)


def take_back(draft: Draft) -> None:
    """Take back what the tab has not earned after all, spent or not: a refund in proportion, a dispute all of it."""
    for given in draft.tab.credits.given:
        kept_minor = _still_due_minor(draft.tab, given)
        if kept_minor == given.kept_minor:
            continue
        account = draft.credit_account(given.customer_id)
        _keep(draft, replace(given, kept_minor=kept_minor, expires_at=given.expires_at if kept_minor else None))
        taken_minor = 0
        if given.expires_at is not None:
            account, taken_minor = credits.reverse(
                account, _lot_of(draft.tab, given), given.kept_minor - kept_minor, draft.now
            )
        if taken_minor:
            _lose(draft, given, account, MovementKind.REVERSED, taken_minor)


def _lot_of(tab: Tab, given: GivenCredit) -> Lot:
    """The lot as it was given, for an account that has forgotten it because it was used up."""
    assert given.expires_at is not None, "what has expired is lost already"
    return Lot(
        lot_id=given.lot_id,
        kind=given.kind,
        tab_id=tab.tab_id,
        amount_minor=given.amount_minor,
        earned_at=given.active_at,
        active_at=given.active_at,
        expires_at=given.expires_at,
    )


def _still_due_minor(tab: Tab, given: GivenCredit) -> int:
    """What of a lot the tab still earns; never more than what is kept."""
    if given.kind == LotKind.RETURNED:
        return given.kept_minor
    if _is_forfeited(tab):
        return 0
    net = net_minor(tab)
    if net >= given.net_minor:
        return given.kept_minor
    if given.kind == LotKind.REFERRAL:
        least_minor = tab.policy.credits.referral_least_minor if tab.policy.credits else 0
        return given.kept_minor if net and net >= least_minor else 0
    still = share_minor(given.amount_minor, net, given.net_minor, currency_of(tab.currency))
    return min(still, given.kept_minor)


def _is_forfeited(tab: Tab) -> bool:
    """Disputed at the bank or contested: whatever comes of it, credit is what a satisfied customer earns."""
    disputed = any(dispute.state not in _HARMLESS for leg in tab.legs for dispute in leg.disputes)
    return disputed or tab.credits.contested


# Telling


def tells_at(tab: Tab) -> datetime | None:
    """When the customer is told of credit that can be spent from then on."""
    return min((given.active_at for given in _untold(tab)), default=None)


def tell_active(draft: Draft) -> None:
    """The customer learns what they can spend by now; who has invited them has no tab here, and reads a statement."""
    ready = [given for given in _untold(draft.tab) if given.active_at <= draft.now]
    for given in ready:
        _keep(draft, replace(given, is_told=True))
    draft.record(
        "credit_active",
        amount_minor=sum([given.kept_minor for given in ready]),
        expires_at=min(given.expires_at for given in ready if given.expires_at),
    )


def _untold(tab: Tab) -> list[GivenCredit]:
    return [
        given
        for given in tab.credits.given
        if given.kind != LotKind.RETURNED and given.customer_id == tab.customer_id
        if given.kept_minor and given.expires_at and not given.is_told
    ]


# Expiring


def expires_at(tab: Tab) -> datetime | None:
    """When the next lot of this tab expires."""
    return min((given.expires_at for given in tab.credits.given if given.expires_at), default=None)


def expire(draft: Draft) -> None:
    """Lots that nobody has spent in time are lost, and the business owes them no more."""
    for given in draft.tab.credits.given:
        if given.expires_at is None or given.expires_at > draft.now:
            continue
        before = draft.credit_account(given.customer_id)
        account, lost_minor = credits.expire(before, given.lot_id, draft.now)
        _keep(draft, replace(given, expires_at=None))
        if lost_minor:
            _lose(draft, given, account, MovementKind.EXPIRED, lost_minor)
        elif account != before:
            draft.put_credit_account(account)


def _keep(draft: Draft, given: GivenCredit) -> None:
    others = draft.tab.credits.given
    kept = tuple(given if one.lot_id == given.lot_id else one for one in others)
    draft.update(credits=replace(draft.tab.credits, given=kept))


def _lose(draft: Draft, given: GivenCredit, account: CreditAccount, kind: MovementKind, amount_minor: int) -> None:
    draft.record(
        "credit_reversed" if kind == MovementKind.REVERSED else "credit_expired",
        lot_id=given.lot_id,
        credited_customer_id=given.customer_id,
        amount_minor=amount_minor,
        postings=transfer(amount_minor, debit=Account.CUSTOMER_CREDIT, credit=Account.LOYALTY_EXPENSE),
    )
    draft.move_credit(account, kind, -amount_minor)
