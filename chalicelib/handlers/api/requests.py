"""Bodies of requests."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from chalicelib.domain.tab.facts.legs import RefundMeans
from chalicelib.domain.tab.link import Scope
from chalicelib.domain.tab.policy import Resolution
from chalicelib.domain.tab.promise import Consent
from chalicelib.domain.tab.share import FEWEST_SHARES, MOST_SHARES, USUAL_TIME
from chalicelib.domain.token import MAXIMUM_NUMBER, MOST_AT_ONCE
from chalicelib.domain.trust.tiers import MOST_TIERS, WHOLE, Tier
from chalicelib.handlers.api.body import Body
from chalicelib.handlers.api.body import Nothing as Nothing  # Bodies are asked for here, whichever.
from chalicelib.handlers.api.fields import (
    CURRENCY_PATTERN,
    PLAIN,
    READABLE,
    RETURN_URL_PATTERN,
    Amount,
    Id,
    Instant,
    Limits,
    Line,
    Seconds,
    Sha256,
    Text,
)

CurrencyCode = Annotated[
    str,
    Meta(min_length=3, max_length=3, pattern=CURRENCY_PATTERN, description="ISO 4217, upper case.", examples=["EUR"]),
]
ReturnUrl = Annotated[
    str,
    Meta(
        max_length=1000,
        pattern=RETURN_URL_PATTERN,
        description="Pay in a browser: on Stripe's page, whose address is answered as `page_url`, and which leads back "
        "here whatever happens there. Left out: the customer pays in an app, with `client_secret`.",
        examples=["https://example.com/paid"],
    ),
]
TokenNumber = Annotated[int, Meta(ge=1, le=MAXIMUM_NUMBER, examples=[17])]


class Paper(StrEnum):
    """`a4`: 24 on a sheet. `label`: one on a label of 62 mm by 76 mm."""

    A4 = "a4"
    LABEL = "label"


Percent = Annotated[int, Meta(ge=0, le=WHOLE, examples=[80])]


class TierInput(Body):
    """`percent`: the share of the price of everything but materials. `measure`: how both can tell the outcome."""

    percent: Percent
    measure: Line


def tiers_of(given: tuple[TierInput, ...]) -> tuple[Tier, ...]:
    return tuple(Tier(percent=tier.percent, measure=tier.measure) for tier in given)


Tiers = Annotated[
    tuple[TierInput, ...],
    Meta(
        max_length=MOST_TIERS,
        description="The whole price (100) first, then lower ones. `silence_percent`, one of the lower ones, says what "
        "is paid where the customer says nothing.",
    ),
]


class NewTab(Body):
    """`cap_minor`: the highest bill without a new promise; by default the estimate.

    `customer_id`: left out for a guest nobody knows; an anonymous customer is then made with the tab. `token`: the
    number of the one that the guest gets; its QR code shows the tab until that closes. `tiers`: by default the
    policy's; empty: none.
    """

    title: Line
    expected_outcome: Text
    estimate_minor: Amount
    cap_minor: Amount | None = None
    limits: Limits = []
    deposit_minor: Amount = 0
    no_show_fee_minor: Amount = 0
    late_cancel_fee_minor: Amount = 0
    currency: CurrencyCode | None = None
    starts_at: Instant | None = None
    terms_version: Annotated[str, Meta(min_length=1, max_length=40, pattern=READABLE)] = "1"
    customer_id: Id | None = None
    token: TokenNumber | None = None
    tiers: Tiers | None = None
    silence_percent: Percent | None = None


class NewLink(Body):
    """`scope`: view; pay (and view, and tip); full (everything that the customer may do).

    `expires_at`: by default the link ends 30 days after its tab is closed.
    """

    scope: Scope
    expires_at: Instant | None = None


class ReissueLink(Body):
    expires_at: Instant | None = None


class NewTokens(Body):
    """`count` tokens with the numbers from `first` on. `sheet`: the paper that their QR codes are printed on."""

    first: TokenNumber
    count: Annotated[int, Meta(ge=1, le=MOST_AT_ONCE)] = 1
    sheet: Paper | None = None


class ReplaceToken(Body):
    sheet: Paper | None = None


class BindToken(Body):
    token: TokenNumber


class AcceptPromise(Body):
    """`promise_sha256`: the hash of the promise that was shown, from the tab."""

    promise_sha256: Sha256
    consents: Annotated[list[Consent], Meta(max_length=len(Consent))]
    card_terms_sha256: Sha256 | None = None
    return_url: ReturnUrl | None = None


class ProposePromise(Body):
    """Omitted fields keep their values. `tiers`: all of them anew, with `silence_percent`; empty: a fixed price."""

    expected_outcome: Text | None = None
    limits: Limits | None = None
    estimate_minor: Amount | None = None
    cap_minor: Amount | None = None
    tiers: Tiers | None = None
    silence_percent: Percent | None = None


class Rate(Body):
    """`rating`: how content the customer is, from 1 to 5."""

    rating: Annotated[int, Meta(ge=1, le=5)]
    comment: Annotated[str, Meta(max_length=1000, pattern=PLAIN)] = ""


class ChooseTier(Body):
    """`percent`: of the tier whose measure the outcome has reached."""

    percent: Percent


class NewContest(Body):
    """`contested_minor`: how much of the bill is contested; by default all of it.

    `tier_percent`, instead: the customer said nothing in time, and only this lower tier was reached. The difference
    is contested; the rest of the bill stays due.
    """

    reason: Text
    contested_minor: Amount | None = None
    tier_percent: Percent | None = None


class SplitBill(Body):
    """One of the three ways: so many equal shares, what cannot be divided being added to the first; or an amount for
    each share; or the ids of each share's items. What is not shared stays on the tab.

    `return_after_s`: what is not paid by then is owed on the tab again.
    """

    equally: Annotated[int, Meta(ge=FEWEST_SHARES, le=MOST_SHARES, examples=[3])] | None = None
    amounts_minor: Annotated[tuple[Amount, ...], Meta(min_length=FEWEST_SHARES, max_length=MOST_SHARES)] | None = None
    items: Annotated[tuple[tuple[Id, ...], ...], Meta(min_length=FEWEST_SHARES, max_length=MOST_SHARES)] | None = None
    return_after_s: Seconds = int(USUAL_TIME.total_seconds())


class ResolveContest(Body):
    """`reduction_minor`: only for adjust: by how much the bill is lowered."""

    resolution: Resolution
    reason: Text
    reduction_minor: Amount | None = None


class AdjustBill(Body):
    reduction_minor: Amount
    reason: Text


class NewRefund(Body):
    """`amount_minor`: by default everything that can be refunded."""

    reason: Text
    amount_minor: Amount | None = None


class RefundElsewhere(Body):
    """`reference`: the proof, for example the number of a transfer or of a receipt."""

    amount_minor: Amount
    how: RefundMeans
    reference: Text


class ResolveFlag(Body):
    """`note`: what was found and done."""

    flag_id: Id
    note: Text


class NewCash(Body):
    amount_minor: Amount


class ReturnCash(Body):
    """`amount_minor`: the cash that was handed to the customer, of what is owed back in cash."""

    amount_minor: Amount


class NewTip(Body):
    tip_minor: Amount
    return_url: ReturnUrl | None = None


class WriteOff(Body):
    reason: Text


class PauseFollowup(Body):
    """`until`: the end of the pause; left out, it lasts until it is resumed. `reason` is for the business only."""

    reason: Text
    until: Instant | None = None


class NewCharge(Body):
    """`on_session`: the customer confirms on the phone. `off_session`: the hold and the saved card, with consent.

    `tip_minor`: the customer's tip, on_session only; due only when it is paid. `credit_minor`: how much of the bill
    their credit pays first, at once and for good, on_session only; left out: as the customer has said for all bills.
    """

    mode: Literal["on_session", "off_session"]
    tip_minor: Amount = 0
    credit_minor: Amount | None = None
    return_url: ReturnUrl | None = None


class Reschedule(Body):
    starts_at: Instant
    return_url: ReturnUrl | None = None


class Cancel(Body):
    reason: Annotated[str, Meta(max_length=500, pattern=PLAIN)] = ""
