"""Maps merchants, customers, their contacts and credits to the structs of the answers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import asdict

from chalicelib.domain.trust.standing_terms import Level
from chalicelib.handlers.api import party_views, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.domain.branding import Branding
    from chalicelib.domain.contact import Contact, Given
    from chalicelib.domain.parties import Customer, Merchant
    from chalicelib.domain.tab.actor import Actor
    from chalicelib.domain.tab.policy import Policy
    from chalicelib.domain.trust.credits import CreditAccount
    from chalicelib.ports.store import Page
    from chalicelib.usecases.parties.contacts import Found
    from chalicelib.usecases.trust.credits import Statement
    from chalicelib.usecases.trust.standing import KnownStanding


def merchant(merchant: Merchant, branding: Branding | None = None) -> party_views.MerchantView:
    """As the business itself sees it."""
    return party_views.MerchantView(
        merchant_id=merchant.merchant_id,
        name=merchant.name,
        currency=merchant.currency,
        settlement_currency=merchant.settlement_currency,
        disconnected_at=merchant.disconnected_at,
        account=merchant.account,
        policy=_policy(merchant.policy),
        notify_email=merchant.notify_email,
        language=merchant.language,
        channels=merchant.channels,
        version=merchant.version,
        created_at=merchant.created_at,
        branding=_branding(merchant, branding) if branding else None,
    )


def merchant_for_customers(merchant: Merchant, branding: Branding) -> party_views.MerchantView:
    """Written out, so that no field of a merchant is ever shown to customers by accident."""
    return party_views.MerchantView(
        merchant_id=merchant.merchant_id,
        name=branding.name or merchant.name,
        currency=merchant.currency,
        settlement_currency=None,
        disconnected_at=None,
        account=None,
        policy=None,
        notify_email=None,
        language=merchant.language,
        channels=None,
        version=merchant.version,
        created_at=None,
        branding=_branding(merchant, branding),
    )


def _branding(merchant: Merchant, branding: Branding) -> party_views.BrandingView:
    return party_views.BrandingView(
        name=branding.name or merchant.name,
        colour=branding.colour,
        logo=branding.logo,
        email=branding.email,
        phone=branding.phone,
        website=branding.website,
        address=branding.address,
        terms_url=branding.terms_url,
        tip_percents=branding.tip_percents,
        shows_integrity=branding.shows_integrity,
        shows_stories=branding.shows_stories,
    )


def _policy(policy: Policy) -> party_views.PolicyView:
    fields = {name: getattr(policy, name) for name in party_views.PolicyView.__struct_fields__}
    terms = party_views.CreditTermsView.__struct_fields__
    credits = policy.credits and party_views.CreditTermsView(**{name: getattr(policy.credits, name) for name in terms})
    standing = policy.standing and party_views.StandingTermsView(**asdict(policy.standing))
    outcome_tiers = party_views.OutcomeTermsView(
        tiers=render.tiers(policy.outcome_tiers.tiers),
        silence_percent=policy.outcome_tiers.silence_percent,
        fixed_price_after=policy.outcome_tiers.fixed_price_after,
    )
    stories = policy.stories and party_views.StoryTermsView(ask_after_days=policy.stories.ask_after_days)
    return party_views.PolicyView(
        **fields | {"credits": credits, "standing": standing, "outcome_tiers": outcome_tiers, "stories": stories}
    )


def standing(known: KnownStanding, texts: Sequence[str]) -> party_views.StandingView:
    """`texts`: the reasons in words, one each."""
    standing, terms = known.standing, known.policy.standing
    if standing is None or terms is None:
        return party_views.StandingView(
            customer_id=known.customer_id,
            level=None,
            reasons=[],
            deposit_percent=100,
            exposure_percent=100,
            cap_can_be_raised=True,
            changes_at=None,
            facts=[],
        )
    return party_views.StandingView(
        customer_id=known.customer_id,
        level=standing.level,
        reasons=[
            party_views.SaidReasonView(code=reason.code, count=reason.count, days=reason.days, text=text)
            for reason, text in zip(standing.reasons, texts, strict=True)
        ],
        deposit_percent=terms.deposit_percent(standing.level),
        exposure_percent=terms.exposure_percent(standing.level),
        cap_can_be_raised=standing.level != Level.WATCH,
        changes_at=standing.changes_at,
        facts=[party_views.CountedFactView(**asdict(fact)) for fact in standing.facts],
    )


def credit_account(account: CreditAccount, now: datetime, site: str) -> party_views.CreditAccountView:
    """`site`: where pages are, for the address of the customer's invitation."""
    referral = account.referral
    return party_views.CreditAccountView(
        customer_id=account.customer_id,
        currency=account.currency or None,
        active_minor=account.active_minor(now),
        pending_minor=account.pending_minor(now),
        carried_minor=account.carried_minor,
        spends_by_itself=account.spends_by_itself,
        invitation=party_views.InvitationView(code=account.code, url=f"{site}/r/{account.code}")
        if account.code
        else None,
        invited=party_views.InvitedView(
            by_customer_id=referral.by_customer_id,
            at=referral.at,
            rewarded_with_tab_id=referral.tab_id,
            refused=referral.refused,
        )
        if referral
        else None,
        version=account.version,
    )


def credit_statement(statement: Statement, account: party_views.CreditAccountView) -> party_views.CreditStatement:
    lots = party_views.LotView.__struct_fields__
    lines = party_views.MovementView.__struct_fields__
    return party_views.CreditStatement(
        account=account,
        lots=[
            party_views.LotView(**{name: getattr(lot, name) for name in lots})
            for lot in statement.account.lots
            if lot.left_minor
        ],
        movements=[
            party_views.MovementView(**{name: getattr(moved, name) for name in lines})
            for moved in statement.movements.items
        ],
        next_cursor=statement.movements.next_cursor,
    )


def customer(customer: Customer, by: Actor) -> party_views.CustomerView:
    return party_views.CustomerView(
        customer_id=customer.customer_id,
        reference=customer.reference,
        card=render.card(customer.card, by),
        created_at=customer.created_at,
    )


def contact(contact: Contact) -> party_views.ContactView:
    return party_views.ContactView(
        customer_id=contact.customer_id,
        name=contact.name,
        email=contact.email,
        phone=contact.phone,
        language=contact.language,
        time_zone=contact.time_zone,
        consents=[_given(given) for given in contact.consents],
        opt_outs=[_given(given) for given in contact.opt_outs],
        updated_at=contact.updated_at,
        version=contact.version,
    )


def _given(given: Given) -> party_views.GivenView:
    return party_views.GivenView(channel=given.channel, at=given.at, source=given.source)


def customers(page: Page[Found], by: Actor) -> party_views.CustomerList:
    return party_views.CustomerList(
        customers=[
            party_views.CustomerLine(
                customer_id=found.customer.customer_id,
                reference=found.customer.reference,
                card=render.card(found.customer.card, by),
                created_at=found.customer.created_at,
                contact=None if found.contact is None else contact(found.contact),
            )
            for found in page.items
        ],
        next_cursor=page.next_cursor,
    )
