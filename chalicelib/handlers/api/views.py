"""The body of a tab's answer. Bodies of other answers are in modules of their own beside this one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.attempt import AttemptState, Operation
from chalicelib.domain.tab.bill import FeeKind
from chalicelib.domain.tab.flag import FlagKind
from chalicelib.domain.tab.objection import ObjectionState
from chalicelib.domain.tab.payments import DepositState, DisputeState, HoldState, LegKind, PlanReason
from chalicelib.domain.tab.promise import AcceptanceMethod, Consent
from chalicelib.domain.tab.share import ShareState
from chalicelib.domain.tab.status import PaymentState, Status
from chalicelib.domain.tab.story import Place
from chalicelib.domain.tab.tab import Outcome
from chalicelib.domain.trust.standing_terms import Level, ReasonCode


class Answer(msgspec.Struct, gc=False, kw_only=True):
    """A response's body: a tree, of which the garbage collector need not look for cycles."""


class TierView(Answer):
    """An outcome tier: its share of the price of everything but materials, and how both can tell it."""

    percent: int
    measure: str


class CardView(Answer):
    """`refused`: the decline code after which the card must not be tried again; null while it may be tried."""

    brand: str
    last4: str
    refused: str | None


class AcceptedView(Answer):
    method: AcceptanceMethod
    accepted_at: datetime
    consents: list[Consent]


class ReasonView(Answer):
    """`count`: of visits, no-shows, debts or disputes; `days`: over how many. 0 where the reason has none."""

    code: ReasonCode
    count: int
    days: int


class SealedStandingView(Answer):
    """What the customer's standing has changed in this promise, for good.

    `whole_deposit_minor`: what somebody new is asked for. `cap_is_final`: no higher cap can be proposed.
    """

    level: Level
    reason: ReasonView
    whole_deposit_minor: int
    cap_is_final: bool


class TabStoryView(Answer):
    """Whether the customer was asked for a story, has told one, and where it is shown. The words: GET …/story."""

    asked_at: datetime
    story_id: str | None
    told_at: datetime | None
    places: list[Place]
    withdrawn_at: datetime | None


class ObjectionView(Answer):
    """`reason`: the customer's words, `answer`: the business's. While it is open, nothing counts against them."""

    state: ObjectionState
    reason: str
    at: datetime
    decided_at: datetime | None
    answer: str


class PromiseFields(Answer):
    """What an answer calls as the promise itself does."""

    expected_outcome: str
    limits: tuple[str, ...]
    estimate_minor: int
    cap_minor: int
    deposit_minor: int
    no_show_fee_minor: int
    late_cancel_fee_minor: int
    starts_at: datetime | None
    no_show_grace_s: int
    review_window_s: int
    terms_version: str
    silence_percent: int | None
    fixed_price: bool
    needs: tuple[Consent, ...]


class PromiseView(PromiseFields, kw_only=True):
    """`needs`: the consents that the customer must give to accept it. `standing`: null for nobody in particular.

    `free_cancel_until`: until when cancelling is free; before the acceptance, as if it were accepted now.
    `tiers`: the prices by outcome; `silence_percent`: the one that is paid where the customer says nothing.
    `fixed_price`: there are none because of the customer's last tabs.
    """

    free_cancel_until: datetime | None
    standing: SealedStandingView | None
    tiers: list[TierView]
    promise_sha256: str
    accepted: AcceptedView | None


class ItemView(Answer):
    item_id: str
    description: str
    unit_price_minor: int
    quantity: int
    amount_minor: int
    tax_minor: int
    voided: bool
    material: bool


class FeeView(Answer):
    """`take_at`: when it will be taken; null once that has begun. It can be contested until the tab's `final_at`."""

    kind: FeeKind
    amount_minor: int
    announced_at: datetime
    take_at: datetime | None


class DepositView(Answer):
    amount_minor: int
    state: DepositState
    place_at: datetime | None
    lapses_at: datetime | None


class HoldView(Answer):
    """Money held, not charged."""

    payment_id: str
    amount_minor: int
    state: HoldState
    captured_minor: int
    placed_at: datetime
    capture_before: datetime


class LegView(Answer):
    """Money that was taken. `refunded_minor`: everything that went back, also in Stripe's dashboard or by the bank."""

    payment_id: str
    kind: LegKind
    amount_minor: int
    refunded_minor: int
    refunded_elsewhere_minor: int
    refund_pending_minor: int
    taken_at: datetime
    disputes: list[DisputeView]


class DisputeView(Answer):
    """The customer's bank disputes a payment, or only inquires about it.

    `withdrawn_minor`: what it has of the money now. `returned_minor`: of that, what was owed back to the customer
    anyway and counts as refunded.
    """

    dispute_id: str
    amount_minor: int
    withdrawn_minor: int
    returned_minor: int
    state: DisputeState
    opened_at: datetime


class FlagView(Answer):
    """Something that a person at the business must look at. `about`: the id of the object concerned.

    `amount_minor`: what is owed back by hand, if that is the reason.
    """

    flag_id: str
    kind: FlagKind
    about: str
    reason: str
    amount_minor: int
    raised_at: datetime


class PauseView(Answer):
    """The follow-up is paused: no reminders and no automatic charges. `until` null: until somebody resumes it."""

    by: str
    at: datetime
    reason: str
    until: datetime | None


class ContestView(Answer):
    """`tier_percent`: only the difference to this tier is contested, and off the bill meanwhile; null: an amount is."""

    reason: str
    contested_minor: int
    contested_at: datetime
    deadline_at: datetime
    tier_percent: int | None


class TierPriceView(Answer):
    """What the bill comes to at a tier, materials and reductions included."""

    percent: int
    measure: str
    total_minor: int


class FeedbackView(Answer):
    rating: int
    comment: str


class PlannedLegView(Answer):
    operation: Operation
    amount_minor: int


class PlanView(Answer):
    reason: PlanReason
    legs: list[PlannedLegView]


NextAction = Annotated[
    Any,
    msgspec.Meta(
        extra_json_schema={"anyOf": [{"$ref": "#/components/schemas/NextActionView"}, {"type": "null"}]},
    ),
]
"""An `agenda.NextActionView` or None: that module is imported for a tab that something awaits."""


class ActionView(Answer):
    """What the caller may do now, and the request for it. `body`: the fields that make it this action."""

    action: Action
    method: Literal["POST"]
    path: str
    body: dict[str, str]


ActionViews = Annotated[
    msgspec.Raw,
    msgspec.Meta(extra_json_schema={"type": "array", "items": {"$ref": "#/components/schemas/ActionView"}}),
]
"""A list of them, as JSON already."""


class FailureView(Answer):
    code: str
    decline_code: str | None
    advice: str | None


class PaymentView(Answer):
    """One attempt to move money. For the customer, while it waits for them: `client_secret` in an app, `page_url` (the
    page at Stripe to send the browser to) where they gave a `return_url`.
    """

    attempt_id: str
    operation: Operation
    amount_minor: int
    state: AttemptState
    payment_id: str | None
    failure: FailureView | None
    client_secret: str | None
    page_url: str | None
    publishable_key: str | None
    account: str | None


class NeedView(Answer):
    """A step that the promise still needs from the customer, and what it takes.

    `request`: the method and path; `fields`: those of its body; `consents`: those that have to be given, or were, for
    it. `until`: how long it is waited for.
    """

    action: Action
    why: str
    request: str
    fields: list[str]
    consents: list[Consent]
    until: datetime | None


class ShareView(Answer):
    """A share of a split bill. `paid_minor`: without the tip. `returned_minor`: what is owed on the split tab again."""

    tab_id: str
    amount_minor: int
    paid_minor: int
    returned_minor: int
    state: ShareState


class ParentView(Answer):
    """The tab that this one is a share of. `goes_back_at`: when what is not paid by then is owed there again."""

    tab_id: str
    amount_minor: int
    returned_minor: int
    goes_back_at: datetime | None


class TabCreditView(Answer):
    """`would_earn_minor`: what this tab earns if it is paid as it is now, before the limit by month. `earned_minor`:
    what it has earned, less what was taken back; it can be spent from `active_at` on.
    """

    would_earn_minor: int
    earned_minor: int
    active_at: datetime | None


class TabFields(Answer):
    """What an answer calls as the tab itself does."""

    tab_id: str
    merchant_id: str
    customer_id: str
    title: str
    status: Status
    payment_state: PaymentState
    outcome: Outcome | None
    version: int
    currency: str
    total_minor: int
    tax_minor: int
    tip_minor: int
    adjusted_minor: int
    price_percent: int
    tier_percent: int | None
    waived_minor: int
    written_off_minor: int
    amount_due_minor: int
    paid_minor: int
    balance_minor: int
    refund_owed_minor: int
    cash_to_return_minor: int
    opened_at: datetime
    starts_at: datetime | None
    checked_in_at: datetime | None
    presented_at: datetime | None
    walked_out_at: datetime | None
    review_ends_at: datetime | None
    due_at: datetime | None
    final_at: datetime | None
    closed_at: datetime | None


class TabView(TabFields, kw_only=True):
    """A tab as its caller sees it. `ledger`, `flags` and `pause` are for the business, null for customers.

    `cash_to_return_minor`: of what is owed back, the part that staff hand over in cash. `review_ends_at`: null until
    the customer knows the bill.
    `price_percent`: the tier that the bill is of now: 100 before it is presented and without tiers; the one that
    silence means until the customer chooses. `tier_percent`: the one that they chose, or were granted after a contest;
    null: none. `tier_prices`: what the tab comes to at each; empty where the outcome changes nothing.
    `final_at`: until then a no-show can be reversed and a fee contested. `token`: the number of the one that is bound
    to it. `parent`: of a share; `shares`: of a split bill. `card` is null for guests who may only look or pay.
    """

    promise: PromiseView
    items: list[ItemView]
    tier_prices: list[TierPriceView]
    refunded_minor: int
    deposit: DepositView
    holds: list[HoldView]
    legs: list[LegView]
    shares: list[ShareView]
    allowed_actions: list[Action]
    actions: ActionViews
    needs: list[NeedView]
    # What most tabs do not have.
    proposed_promise: PromiseView | None = None
    fee: FeeView | None = None
    credit: TabCreditView | None = None
    card: CardView | None = None
    settlement_plan: PlanView | None = None
    contest: ContestView | None = None
    objection: ObjectionView | None = None
    story: TabStoryView | None = None
    feedback: FeedbackView | None = None
    ledger: dict[str, int] | None = None
    flags: list[FlagView] | None = None
    token: int | None = None
    parent: ParentView | None = None
    pause: PauseView | None = None
    next_action: NextAction = None
    payment: PaymentView | None = None
