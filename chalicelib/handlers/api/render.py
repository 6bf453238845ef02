"""Maps tabs, and what belongs to them, to the structs of the answers.

Imports within functions are of what many tabs do without: rules of what comes next, of credit and of shares.
"""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING

from chalicelib.domain.tab.actions import Action, allowed_actions
from chalicelib.domain.tab.attempt import Attempt, AttemptState, Failure
from chalicelib.domain.tab.guests import may_confirm
from chalicelib.domain.tab.link import Scope
from chalicelib.domain.tab.needs import Need, needs_of
from chalicelib.domain.tab.promise import Consent, Promise
from chalicelib.domain.trust.terms import LotKind
from chalicelib.handlers.api import action_requests, views

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.domain.tab.actor import Actor
    from chalicelib.domain.tab.bill import Contest, Fee, Item
    from chalicelib.domain.tab.flag import Flag
    from chalicelib.domain.tab.objection import Objection
    from chalicelib.domain.tab.payments import Card, Dispute, Hold, Leg, Plan
    from chalicelib.domain.tab.share import Parent, Share
    from chalicelib.domain.tab.story import TabStory
    from chalicelib.domain.tab.tab import Pause, Tab
    from chalicelib.domain.trust.standing_terms import SealedStanding
    from chalicelib.domain.trust.tiers import Tier
    from chalicelib.handlers.api.agenda import NextActionView


def _next_action(tab: Tab, by: Actor) -> NextActionView | None:
    from chalicelib.handlers.api.agenda import next_action

    return next_action(tab, by)


def _credit(tab: Tab) -> views.TabCreditView:
    from chalicelib.domain.tab import crediting

    earned = [given for given in tab.credits.given if given.kind == LotKind.EARNED]
    return views.TabCreditView(
        would_earn_minor=0 if tab.is_finished else crediting.would_earn_minor(tab),
        earned_minor=sum([given.kept_minor for given in earned]),
        active_at=earned[0].active_at if earned else None,
    )


def _story(story: TabStory) -> views.TabStoryView:
    return views.TabStoryView(
        asked_at=story.asked_at,
        story_id=story.story_id,
        told_at=story.told_at,
        places=list(story.places),
        withdrawn_at=story.withdrawn_at,
    )


def _objection(objection: Objection) -> views.ObjectionView:
    return views.ObjectionView(
        state=objection.state,
        reason=objection.reason,
        at=objection.at,
        decided_at=objection.decided_at,
        answer=objection.answer,
    )


def _sealed_standing(sealed: SealedStanding) -> views.SealedStandingView:
    reason = sealed.reason
    return views.SealedStandingView(
        level=sealed.level,
        reason=views.ReasonView(code=reason.code, count=reason.count, days=reason.days),
        whole_deposit_minor=sealed.whole_deposit_minor,
        cap_is_final=sealed.cap_is_final,
    )


def tiers(of: Iterable[Tier]) -> list[views.TierView]:
    return [views.TierView(percent=tier.percent, measure=tier.measure) for tier in of]


def waiting_payment(tab: Tab) -> Attempt | None:
    """The attempt that waits for the customer; one that takes money before one that holds it."""
    if not tab.attempts:
        return None
    waiting = [attempt for attempt in tab.attempts if attempt.state == AttemptState.AWAITING_CUSTOMER]
    return min(waiting, key=lambda attempt: not attempt.takes_money, default=None)


_TAB_FIELDS = attrgetter(*views.TabFields.__struct_fields__)
_PROMISE_FIELDS = attrgetter(*views.PromiseFields.__struct_fields__)
"""Copied by name, and given by position: Python makes a dictionary of more than fifteen named arguments."""


def tab(tab: Tab, payment: Attempt | None, *, by: Actor, now: datetime, publishable_key: str | None) -> views.TabView:
    """The tab as `by` may see it.

    `payment`: the payment that the answer is about; its secret needs `publishable_key`.
    """
    allowed = allowed_actions(tab, by, now)
    view = views.TabView(
        *_TAB_FIELDS(tab),
        promise=_promise(tab, tab.promise, now),
        items=[*map(_item, tab.items)],
        tier_prices=[
            views.TierPriceView(percent=tier.percent, measure=tier.measure, total_minor=tab.total_at(tier.percent))
            for tier in tab.promise.tiers
        ]
        if tab.has_tiers
        else [],
        refunded_minor=sum([leg.refunded_minor for leg in tab.legs]) if tab.legs else 0,
        deposit=views.DepositView(
            amount_minor=tab.deposit.amount_minor,
            state=tab.deposit.state,
            place_at=tab.deposit.place_at,
            lapses_at=tab.deposit.lapses_at,
        ),
        holds=[*map(_hold, tab.holds)] if tab.holds else [],
        legs=[*map(_leg, tab.legs)] if tab.legs else [],
        shares=[*map(_share, tab.shares)] if tab.shares else [],
        allowed_actions=allowed,
        actions=action_requests.of(tab, allowed),
        needs=[_need(tab, need) for need in needs_of(tab, now)],
    )
    if tab.proposed:
        view.proposed_promise = _promise(tab, tab.proposed, now)
    if tab.fee:
        view.fee = _fee(tab.fee)
    if tab.policy.credits:
        view.credit = _credit(tab)
    if tab.card:
        view.card = card(tab.card, by)
    if tab.plan:
        view.settlement_plan = _plan(tab.plan)
    if tab.contest:
        view.contest = _contest(tab.contest)
    if tab.objection:
        view.objection = _objection(tab.objection)
    if tab.story:
        view.story = _story(tab.story)
    if tab.feedback:
        view.feedback = views.FeedbackView(rating=tab.feedback.rating, comment=tab.feedback.comment)
    if tab.token:
        view.token = tab.token.number
    if tab.parent:
        view.parent = _parent(tab, tab.parent)
    # If the tab is not in the due index, nothing is pending and the agenda need not be computed.
    if tab.next_action_at:
        view.next_action = _next_action(tab, by)
    if by.is_business:
        view.ledger = {account.value: minor for account, minor in tab.balances.items()}
        view.flags = [*map(_flag, tab.flags)]
        view.pause = _pause(tab.pause) if tab.pause else None
    if payment:
        view.payment = _payment(tab, payment, by, publishable_key)
    return view


def _plan(plan: Plan) -> views.PlanView:
    legs = [views.PlannedLegView(operation=leg.operation, amount_minor=leg.amount_minor) for leg in plan.legs]
    return views.PlanView(reason=plan.reason, legs=legs)


def _item(item: Item) -> views.ItemView:
    return views.ItemView(
        item_id=item.item_id,
        description=item.description,
        unit_price_minor=item.unit_price_minor,
        quantity=item.quantity,
        amount_minor=item.amount_minor,
        tax_minor=item.tax_minor,
        voided=item.voided_at is not None,
        material=item.is_material,
    )


def _hold(hold: Hold) -> views.HoldView:
    return views.HoldView(
        payment_id=hold.payment_id,
        amount_minor=hold.amount_minor,
        state=hold.state,
        captured_minor=hold.captured_minor,
        placed_at=hold.placed_at,
        capture_before=hold.capture_before,
    )


def _leg(leg: Leg) -> views.LegView:
    return views.LegView(
        payment_id=leg.payment_id,
        kind=leg.kind,
        amount_minor=leg.amount_minor,
        refunded_minor=leg.refunded_minor,
        refund_pending_minor=leg.refund_pending_minor,
        taken_at=leg.taken_at,
        refunded_elsewhere_minor=leg.elsewhere_minor,
        disputes=[_dispute(dispute) for dispute in leg.disputes],
    )


def _parent(tab: Tab, parent: Parent) -> views.ParentView:
    from chalicelib.domain.tab.sharing import goes_back_at

    return views.ParentView(
        tab_id=parent.tab_id,
        amount_minor=parent.amount_minor,
        returned_minor=parent.returned_minor,
        goes_back_at=goes_back_at(tab),
    )


def _share(share: Share) -> views.ShareView:
    return views.ShareView(
        tab_id=share.tab_id,
        amount_minor=share.amount_minor,
        paid_minor=share.told.paid_minor,
        returned_minor=share.told.returned_minor,
        state=share.state,
    )


_REQUIRED = {Action.ACCEPT_PROMISE: ["promise_sha256", "consents"], Action.SAVE_CARD: ["tab_id"]}
"""Action → the fields that are always required."""


def _need(tab: Tab, need: Need) -> views.NeedView:
    request = action_requests.REQUESTS[need.action]
    path = request.path.format(tab_id=tab.tab_id, customer_id=tab.customer_id)
    return views.NeedView(
        action=need.action,
        why=need.why,
        request=f"{request.method} {path}",
        fields=[*_REQUIRED[need.action], *(["card_terms_sha256"] if Consent.CARD_ON_FILE in need.consents else [])],
        consents=list(need.consents),
        until=need.until,
    )


def _promise(tab: Tab, promise: Promise, now: datetime) -> views.PromiseView:
    accepted = promise.accepted
    return views.PromiseView(
        *_PROMISE_FIELDS(promise),
        # Accepting other limits does not change what was sealed.
        free_cancel_until=tab.promise.free_until(now),
        standing=_sealed_standing(promise.standing) if promise.standing else None,
        tiers=tiers(promise.tiers) if promise.tiers else [],
        # The sealed promise, or else the one that can be sealed.
        promise_sha256=accepted.promise_sha256 if accepted else promise.sha256,
        accepted=views.AcceptedView(
            method=accepted.method, accepted_at=accepted.accepted_at, consents=list(promise.consents)
        )
        if accepted
        else None,
    )


def _dispute(dispute: Dispute) -> views.DisputeView:
    return views.DisputeView(
        dispute_id=dispute.dispute_id,
        amount_minor=dispute.amount_minor,
        withdrawn_minor=max(0, dispute.outstanding_minor),
        returned_minor=dispute.returned_minor,
        state=dispute.state,
        opened_at=dispute.opened_at,
    )


def _pause(pause: Pause) -> views.PauseView:
    return views.PauseView(by=pause.by, at=pause.at, reason=pause.reason, until=pause.until)


def _flag(flag: Flag) -> views.FlagView:
    return views.FlagView(
        flag_id=flag.flag_id,
        kind=flag.kind,
        about=flag.about,
        reason=flag.reason,
        amount_minor=flag.amount_minor,
        raised_at=flag.raised_at,
    )


def _fee(fee: Fee) -> views.FeeView:
    return views.FeeView(
        kind=fee.kind, amount_minor=fee.amount_minor, announced_at=fee.announced_at, take_at=fee.take_at
    )


def _contest(contest: Contest) -> views.ContestView:
    return views.ContestView(
        reason=contest.reason,
        contested_minor=contest.contested_minor,
        contested_at=contest.contested_at,
        deadline_at=contest.deadline_at,
        tier_percent=contest.tier_percent,
    )


NOT_TOLD = frozenset(
    {"fraudulent", "lost_card", "stolen_card", "pickup_card", "merchant_blacklist", "security_violation"}
)
"""Decline codes that the cardholder must not see: https://docs.stripe.com/declines/codes."""


GENERIC = "generic_decline"


def is_the_customer(by: Actor) -> bool:
    """Signed in, or with the link that stands for that. Their card, and how they are reached, is nothing for others."""
    return by.scope not in (Scope.VIEW, Scope.PAY)


def _failure(failure: Failure, by: Actor) -> views.FailureView:
    if failure.decline_code in NOT_TOLD and not by.is_business:
        return views.FailureView(code=failure.code, decline_code=GENERIC, advice=None)
    return views.FailureView(code=failure.code, decline_code=failure.decline_code, advice=failure.advice)


def card(card: Card | None, by: Actor) -> views.CardView | None:
    if card is None or not is_the_customer(by):
        return None
    is_told = by.is_business or card.refused not in NOT_TOLD
    return views.CardView(brand=card.brand, last4=card.last4, refused=card.refused if is_told else GENERIC)


def _payment(tab: Tab, attempt: Attempt, by: Actor, publishable_key: str | None) -> views.PaymentView:
    # The secret allows confirming the payment, so only the customer gets it, and only while the payment waits for them.
    for_customer = needs_publishable_key(attempt, by)
    return views.PaymentView(
        attempt_id=attempt.attempt_id,
        operation=attempt.operation,
        amount_minor=attempt.amount_minor,
        state=attempt.state,
        payment_id=attempt.payment_id,
        failure=_failure(attempt.failure, by) if attempt.failure else None,
        client_secret=attempt.client_secret if for_customer else None,
        page_url=attempt.page_url if for_customer else None,
        publishable_key=publishable_key if for_customer else None,
        account=tab.account if for_customer else None,
    )


def needs_publishable_key(attempt: Attempt, by: Actor) -> bool:
    """Whether `tab` needs the publishable key; reading it creates the gateway, which takes time."""
    return attempt.state == AttemptState.AWAITING_CUSTOMER and may_confirm(attempt, by)
