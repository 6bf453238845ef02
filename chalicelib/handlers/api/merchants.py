"""/v1/merchants and /v1/merchant: operators create merchants; staff see their own, the owner sets its policy."""

from __future__ import annotations

import msgspec

from chalicelib.bootstrap import get_deps
from chalicelib.domain.branding import Branding
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.trust.standing_terms import StandingTerms
from chalicelib.domain.trust.terms import CreditTerms, StoryTerms
from chalicelib.handlers.api import party_requests, party_views, render_parties
from chalicelib.handlers.api.operations import (
    BUSINESS,
    CUSTOMER,
    GUEST,
    OPERATOR,
    OWNER,
    Call,
    Reply,
    Routes,
    is_replay,
)
from chalicelib.usecases.parties import merchants

routes = Routes(__name__)


@routes.operation(
    "POST",
    "/v1/merchants",
    roles=OPERATOR,
    body=party_requests.NewMerchant,
    answer=party_views.MerchantView,
    status=201,
)
def create_merchant(call: Call[party_requests.NewMerchant]) -> Reply:
    """Create a merchant."""
    body = call.body
    new = merchants.NewMerchant(
        name=body.name,
        currency=body.currency,
        settlement_currency=body.settlement_currency,
        account=body.account,
        policy=_policy(body.policy),
    )
    deps, request = get_deps(), call.request
    replayed = is_replay(deps, request)
    merchant = merchants.create_merchant(deps, new, request=request)
    return Reply(body=render_parties.merchant(merchant), version=merchant.version, replayed=replayed)


@routes.operation(
    "GET", "/v1/merchant", roles=BUSINESS | CUSTOMER | GUEST, answer=party_views.MerchantView, tagged=True
)
def get_merchant(call: Call[None]) -> Reply:
    """Get the caller's own merchant; customers and guests see what it shows of itself, and nothing else."""
    merchant, branding = merchants.get_merchant_and_branding(get_deps(), by=call.by)
    shown = render_parties.merchant if call.by.is_business else render_parties.merchant_for_customers
    return Reply(body=shown(merchant, branding), version=merchant.version)


@routes.operation(
    "PUT",
    "/v1/merchant/branding",
    roles=OWNER,
    body=party_requests.BrandingInput,
    answer=party_views.MerchantView,
)
def set_branding(call: Call[party_requests.BrandingInput]) -> Reply:
    """Set how the business shows itself to customers: name, colour, logo, how it is reached, its terms."""
    deps, request, body = get_deps(), call.request, call.body
    replayed = is_replay(deps, request)
    given = Branding(merchant_id=call.by.merchant_id or "", **msgspec.structs.asdict(body))
    merchant, branding = merchants.set_branding(deps, given, request=request)
    return Reply(body=render_parties.merchant(merchant, branding), version=merchant.version, replayed=replayed)


@routes.operation(
    "PUT",
    "/v1/merchant/policy",
    roles=OWNER,
    body=party_requests.PolicyInput,
    answer=party_views.PolicyChanged,
    tagged=True,
)
def set_policy(call: Call[party_requests.PolicyInput]) -> Reply:
    """Replace the policy for tabs opened from now on. Omitted fields get their defaults."""
    deps, request = get_deps(), call.request
    replayed = is_replay(deps, request)
    merchant, warnings = merchants.set_policy(deps, _policy(call.body), request=request)
    body = party_views.PolicyChanged(merchant=render_parties.merchant(merchant), warnings=warnings)
    return Reply(body=body, version=merchant.version, replayed=replayed)


@routes.operation(
    "PUT",
    "/v1/merchant/contact",
    roles=OWNER,
    body=party_requests.MerchantContact,
    answer=party_views.MerchantView,
    tagged=True,
)
def set_merchant_contact(call: Call[party_requests.MerchantContact]) -> Reply:
    """Set where the owner's messages go, the merchant's language, and its channels to customers."""
    deps, request, body = get_deps(), call.request, call.body
    replayed = is_replay(deps, request)
    merchant = merchants.set_contact(deps, body.notify_email, body.language, body.channels, request=request)
    return Reply(body=render_parties.merchant(merchant), version=merchant.version, replayed=replayed)


def _policy(given: party_requests.PolicyInput) -> Policy:
    fields = msgspec.structs.asdict(given)
    fields["credits"] = None if given.credits is None else CreditTerms(**msgspec.structs.asdict(given.credits))
    fields["standing"] = None if given.standing is None else StandingTerms(**msgspec.structs.asdict(given.standing))
    fields["outcome_tiers"] = party_requests.outcome_terms_of(given.outcome_tiers)
    fields["stories"] = None if given.stories is None else StoryTerms(ask_after_days=given.stories.ask_after_days)
    return Policy(**fields)
