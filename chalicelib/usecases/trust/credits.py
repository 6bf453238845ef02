"""A customer's credit: the statement, their wish to have it spent by itself, and inviting friends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.branding import Branding
from chalicelib.domain.contact import SearchBy
from chalicelib.domain.errors import Contention, ReferralRefused
from chalicelib.domain.parties import Customer, Merchant
from chalicelib.domain.tab import crediting
from chalicelib.domain.tab.link import Scope
from chalicelib.domain.trust.credits import CreditAccount, Movement, Referral
from chalicelib.domain.trust.terms import CreditTerms
from chalicelib.ports.store import Page, RecordExists, VersionConflict
from chalicelib.usecases.parties.customers import get_customer
from chalicelib.usecases.tab.listings import of_customer

if TYPE_CHECKING:
    from chalicelib.domain.tab.actor import Actor
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.ports.deps import Deps
    from chalicelib.usecases.tab.requests import Request

_CODE_LENGTH = 10
"""Characters of an invitation's code: 50 random bits. It opens nothing; it can't be guessed to make trouble."""


class Statement(Struct, frozen=True, kw_only=True):
    """The account as it is, and a page of what has happened to it, newest first."""

    account: CreditAccount
    movements: Page[Movement]


class Invitation(Struct, frozen=True, kw_only=True):
    """What the page of a code says: whose business it is, and what both get."""

    merchant: Merchant
    branding: Branding
    terms: CreditTerms


def read_statement(deps: Deps, customer_id: str, *, limit: int, cursor: str | None, by: Actor) -> Statement:
    """Raises NotFound, also for a caller who is another customer; InvalidInput (cursor)."""
    customer = get_customer(deps, customer_id, by=by)
    movements = deps.store.list_credit_movements(customer.merchant_id, customer_id, limit=limit, cursor=cursor)
    return Statement(account=_account(deps, customer), movements=movements)


def find_account_of(deps: Deps, tab: Tab, *, by: Actor) -> CreditAccount | None:
    """The account of the tab's customer, where credit may pay the tab and the caller is that customer."""
    if not crediting.is_payable_with_credit(tab) or by.scope not in (None, Scope.FULL):
        return None
    return deps.store.find_credit_account(tab.merchant_id, tab.customer_id)


def set_spends_by_itself(deps: Deps, customer_id: str, wanted: bool, *, request: Request) -> CreditAccount:
    """Whether the customer's credit is spent for every bill without asking. Raises NotFound, Contention."""
    return _change(deps, customer_id, lambda account: replace(account, spends_by_itself=wanted), request=request)


def get_invitation_code(deps: Deps, customer_id: str, *, request: Request) -> CreditAccount:
    """The account with its code, which is made at the first call. Raises NotFound, ReferralRefused, Contention.

    The inviting customer has a paid tab and the invited one has none, so customers cannot invite each other in a
    circle, however large it is.
    """

    def with_code(account: CreditAccount) -> CreditAccount:
        if account.code is not None:
            return account
        _terms(deps, account.merchant_id)
        if not account.paid_tabs:
            raise ReferralRefused(
                "Friends can be invited after the first visit that was paid. Nothing was made.", why="no_paid_tab"
            )
        return replace(account, code=deps.ids.new_secret()[-_CODE_LENGTH:])

    return _change(deps, customer_id, with_code, request=request)


def take_invitation(deps: Deps, customer_id: str, code: str, *, request: Request) -> CreditAccount:
    """The customer says whose invitation they follow, once, before their first paid tab.

    Raises NotFound (customer), ReferralRefused, Contention.
    """
    customer = get_customer(deps, customer_id, by=request.by)
    referrer = deps.store.find_referrer(code.upper())
    if referrer is None or referrer.merchant_id != customer.merchant_id:
        raise ReferralRefused("There is no invitation with this code. Check it.", why="unknown_code")

    def invited(account: CreditAccount) -> CreditAccount:
        referral = account.referral
        if referral is not None and referral.by_customer_id == referrer.customer_id:
            return account
        _terms(deps, account.merchant_id)
        if why := _why_not_invited(deps, customer, account, referrer.customer_id):
            raise ReferralRefused(_WORDS[why], why=why)
        return replace(account, referral=Referral(by_customer_id=referrer.customer_id, at=deps.clock.now()))

    return _change(deps, customer_id, invited, request=request)


_WORDS = {
    "same_person": "This is your own invitation. Give it to a friend.",
    "already_invited": "Another invitation was taken before, and only the first counts.",
    "not_new": "Invitations are for the first visit, and there was one before.",
    "same_phone": "Another customer has this phone number, so this is not a new customer.",
    "anonymous": "Nobody can come back as this customer. Make a customer first, and open the tab for them.",
}


def _why_not_invited(deps: Deps, customer: Customer, account: CreditAccount, referrer_id: str) -> str | None:
    """A code. Card and device are compared when the first tab is paid, because they are not known before."""
    if referrer_id == customer.customer_id:
        return "same_person"
    if customer.is_anonymous:
        return "anonymous"
    if account.referral is not None:
        return "already_invited"
    if account.paid_tabs or any(
        line.paid_minor for line in of_customer(deps, customer.merchant_id, account.customer_id)
    ):
        return "not_new"
    contact = deps.people.find_contact(customer.merchant_id, customer.customer_id)
    if contact is not None and contact.phone:
        found = deps.people.find_customers(customer.merchant_id, SearchBy.PHONE, contact.phone, limit=2, cursor=None)
        if any(other.customer_id != customer.customer_id for other in found.items):
            return "same_phone"
    return None


def find_invitation(deps: Deps, code: str) -> Invitation | None:
    """None for a code that leads nowhere, or where the business rewards no invitations any more."""
    referrer = deps.store.find_referrer(code.upper())
    if referrer is None:
        return None
    merchant, branding = deps.store.get_merchant_and_branding(referrer.merchant_id)
    terms = merchant.policy.credits
    if terms is None or not terms.referral_minor:
        return None
    return Invitation(merchant=merchant, branding=branding, terms=terms)


def _terms(deps: Deps, merchant_id: str) -> CreditTerms:
    """Raises ReferralRefused where the business rewards no invitations."""
    terms = deps.store.get_merchant(merchant_id).policy.credits
    if terms is None or not terms.referral_minor:
        raise ReferralRefused("This business does not reward invitations. Nothing was changed.", why="not_offered")
    return terms


def _account(deps: Deps, customer: Customer) -> CreditAccount:
    found = deps.store.find_credit_account(customer.merchant_id, customer.customer_id)
    return found or CreditAccount(merchant_id=customer.merchant_id, customer_id=customer.customer_id)


def _change(
    deps: Deps, customer_id: str, change: Callable[[CreditAccount], CreditAccount], *, request: Request
) -> CreditAccount:
    """The account as changed; repeated under the same key it is answered as it is now."""
    customer = get_customer(deps, customer_id, by=request.by)
    before = _account(deps, customer)
    record = deps.store.find_record(request.record_id, deps.clock.now())
    if record is not None:
        request.check_same(record)
        return before
    changed = change(before)
    if changed == before:
        return before
    changed = replace(changed, version=before.version + 1)
    try:
        deps.store.put_credit_account(changed, record=request.new_record(deps, resource_id=customer_id))
    except (VersionConflict, RecordExists):
        raise Contention("This credit is being changed at the same time. Nothing was done; try again.") from None
    return changed
