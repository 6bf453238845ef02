"""/v1/merchants and /v1/merchant: the operator creates merchants, a merchant's people see and shape their own."""

from __future__ import annotations

import msgspec

from chalicelib.bootstrap import deps
from chalicelib.domain.tab.policy import Policy
from chalicelib.handlers.api import render, requests, views
from chalicelib.handlers.api.operations import BUSINESS, OPERATOR, OWNER, Call, Reply, Routes, is_replay
from chalicelib.usecases.parties import merchants

routes = Routes(__name__)


@routes.operation(
    "POST",
    "/v1/merchants",
    roles=OPERATOR,
    body=requests.NewMerchant,
    answer=views.MerchantView,
    status=201,
)
def create_merchant(call: Call[requests.NewMerchant]) -> Reply:
    """Create a merchant."""
    body = call.body
    new = merchants.NewMerchant(
        name=body.name,
        currency=body.currency,
        settlement_currency=body.settlement_currency,
        account=body.account,
        policy=_policy(body.policy),
    )
    outside, request = deps(), call.request
    replayed = is_replay(outside, request)
    merchant = merchants.create_merchant(outside, new, request=request)
    return Reply(body=render.merchant(merchant), version=merchant.version, replayed=replayed)


@routes.operation("GET", "/v1/merchant", roles=BUSINESS, answer=views.MerchantView, tagged=True)
def get_merchant(call: Call[None]) -> Reply:
    """Get the caller's own merchant."""
    merchant = merchants.get_merchant(deps(), by=call.by)
    return Reply(body=render.merchant(merchant), version=merchant.version)


@routes.operation(
    "PUT",
    "/v1/merchant/policy",
    roles=OWNER,
    body=requests.PolicyInput,
    answer=views.PolicyChanged,
    tagged=True,
)
def set_policy(call: Call[requests.PolicyInput]) -> Reply:
    """Replace the policy, for tabs opened from now on. What is left out gets its default."""
    outside, request = deps(), call.request
    replayed = is_replay(outside, request)
    merchant, warnings = merchants.set_policy(outside, _policy(call.body), request=request)
    body = views.PolicyChanged(merchant=render.merchant(merchant), warnings=warnings)
    return Reply(body=body, version=merchant.version, replayed=replayed)


def _policy(given: requests.PolicyInput) -> Policy:
    return Policy(**msgspec.structs.asdict(given))
