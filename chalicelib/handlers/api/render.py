"""Maps domain types (tab, promise, merchant, customer) to the structs of the answers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from chalicelib.domain.branding import Branding
from chalicelib.domain.contact import Contact, Given
from chalicelib.domain.news.delivery import Delivery
from chalicelib.domain.news.endpoint import Endpoint
from chalicelib.domain.news.message import Recipient
from chalicelib.domain.news.sending import Sending, SendingState
from chalicelib.domain.parties import Customer, Merchant
from chalicelib.domain.tab import agenda, crediting, sharing
from chalicelib.domain.tab.actions import Action, allowed_actions
from chalicelib.domain.tab.actor import SYSTEM, Actor
from chalicelib.domain.tab.attempt import Attempt, AttemptState, Failure
from chalicelib.domain.tab.bill import Contest, Fee
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.flag import Flag
from chalicelib.domain.tab.guests import may_confirm
from chalicelib.domain.tab.link import Link, Scope
from chalicelib.domain.tab.needs import Need, needs_of
from chalicelib.domain.tab.payments import Card, Dispute
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.promise import Consent, Promise
from chalicelib.domain.tab.tab import Pause, Tab
from chalicelib.domain.trust.credits import CreditAccount, LotKind
from chalicelib.handlers.api import action_requests, views
from chalicelib.ports.store import Page, TabSummary
from chalicelib.ports.webhooks import WhyNoAnswer
from chalicelib.usecases.books.receivables import Receivables
from chalicelib.usecases.parties.contacts import Found
from chalicelib.usecases.tab.payment_sheet import PaymentSheet
from chalicelib.usecases.trust.credits import Statement


def merchant(merchant: Merchant, branding: Branding | None = None) -> views.MerchantView:
    """As the business itself sees it."""
    return views.MerchantView(
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


def merchant_for_customers(merchant: Merchant, branding: Branding) -> views.MerchantView:
    """Written out, so that no field of a merchant is ever shown to customers by accident."""
    return views.MerchantView(
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


def _branding(merchant: Merchant, branding: Branding) -> views.BrandingView:
    return views.BrandingView(
        name=branding.name or merchant.name,
        colour=branding.colour,
        logo=branding.logo,
        email=branding.email,
        phone=branding.phone,
        website=branding.website,
        address=branding.address,
        terms_url=branding.terms_url,
        tip_percents=branding.tip_percents,
    )


def _policy(policy: Policy) -> views.PolicyView:
    fields = {name: getattr(policy, name) for name in views.PolicyView.__struct_fields__}
    terms = views.CreditTermsView.__struct_fields__
    credits = policy.credits and views.CreditTermsView(**{name: getattr(policy.credits, name) for name in terms})
    return views.PolicyView(**fields | {"credits": credits})


def _credit(tab: Tab) -> views.TabCreditView:
    earned = [given for given in tab.credits.given if given.kind == LotKind.EARNED]
    return views.TabCreditView(
        would_earn_minor=0 if tab.is_finished else crediting.would_earn_minor(tab),
        earned_minor=sum([given.kept_minor for given in earned]),
        active_at=earned[0].active_at if earned else None,
    )


def credit_account(account: CreditAccount, now: datetime, site: str) -> views.CreditAccountView:
    """`site`: where pages are, for the address of the customer's invitation."""
    referral = account.referral
    return views.CreditAccountView(
        customer_id=account.customer_id,
        currency=account.currency or None,
        active_minor=account.active_minor(now),
        pending_minor=account.pending_minor(now),
        carried_minor=account.carried_minor,
        spends_by_itself=account.spends_by_itself,
        invitation=views.InvitationView(code=account.code, url=f"{site}/r/{account.code}") if account.code else None,
        invited=views.InvitedView(
            by_customer_id=referral.by_customer_id,
            at=referral.at,
            rewarded_with_tab_id=referral.tab_id,
            refused=referral.refused,
        )
        if referral
        else None,
        version=account.version,
    )


def credit_statement(statement: Statement, account: views.CreditAccountView) -> views.CreditStatement:
    lots = views.LotView.__struct_fields__
    lines = views.MovementView.__struct_fields__
    return views.CreditStatement(
        account=account,
        lots=[
            views.LotView(**{name: getattr(lot, name) for name in lots})
            for lot in statement.account.lots
            if lot.left_minor
        ],
        movements=[
            views.MovementView(**{name: getattr(moved, name) for name in lines}) for moved in statement.movements.items
        ],
        next_cursor=statement.movements.next_cursor,
    )


def customer(customer: Customer, by: Actor) -> views.CustomerView:
    return views.CustomerView(
        customer_id=customer.customer_id,
        reference=customer.reference,
        card=_card(customer.card, by),
        created_at=customer.created_at,
    )


def links(tab: Tab, now: datetime, by: Actor) -> views.LinkList:
    return views.LinkList(links=[link(found, tab, now, by) for found in tab.links])


def link(link: Link, tab: Tab, now: datetime, by: Actor) -> views.LinkView:
    return views.LinkView(
        link_id=link.link_id,
        scope=link.scope,
        state=link.state(now, tab.closed_at),
        method=link.method,
        # Who works at the business is not told to its customers.
        made_by=link.made_by if by.is_business or link.made_by == by.subject else None,
        made_at=link.made_at,
        expires_at=link.expires_at,
        revoked_at=link.revoked_at,
    )


def contact(contact: Contact) -> views.ContactView:
    return views.ContactView(
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


def _given(given: Given) -> views.GivenView:
    return views.GivenView(channel=given.channel, at=given.at, source=given.source)


def customers(page: Page[Found], by: Actor) -> views.CustomerList:
    return views.CustomerList(
        customers=[
            views.CustomerLine(
                customer_id=found.customer.customer_id,
                reference=found.customer.reference,
                card=_card(found.customer.card, by),
                created_at=found.customer.created_at,
                contact=None if found.contact is None else contact(found.contact),
            )
            for found in page.items
        ],
        next_cursor=page.next_cursor,
    )


def endpoint(endpoint: Endpoint) -> views.EndpointView:
    return views.EndpointView(
        endpoint_id=endpoint.endpoint_id,
        url=endpoint.url,
        event_types=list(endpoint.event_types),
        description=endpoint.description,
        ordered=endpoint.ordered,
        state=endpoint.state,
        disabled_by=endpoint.disabled_by,
        disabled_at=endpoint.disabled_at,
        failing_since=endpoint.failing_since,
        created_at=endpoint.created_at,
        version=endpoint.version,
    )


def notice(sending: Sending) -> views.NoticeView:
    is_waiting = sending.state == SendingState.WAITING
    return views.NoticeView(
        notice_id=sending.notice.notice_id,
        type=sending.notice.type,
        tab_id=sending.notice.tab_id,
        at=sending.notice.at,
        state=sending.state,
        body=sending.body,
        tried=sending.tried,
        tries=[
            views.TryView(at=one.at, status=one.status, failure=WhyNoAnswer(one.failure) if one.failure else None)
            for one in sending.tries
        ],
        next_try_at=sending.next_action_at if is_waiting else None,
    )


def tabs(page: Page[TabSummary]) -> views.TabList:
    fields = views.TabLine.__struct_fields__
    return views.TabList(
        tabs=[views.TabLine(**{name: getattr(line, name) for name in fields}) for line in page.items],
        next_cursor=page.next_cursor,
    )


def waiting_payment(tab: Tab) -> Attempt | None:
    """The attempt that waits for the customer; one that takes money before one that holds it."""
    if not tab.attempts:
        return None
    waiting = [attempt for attempt in tab.attempts if attempt.state == AttemptState.AWAITING_CUSTOMER]
    return min(waiting, key=lambda attempt: not attempt.takes_money, default=None)


def tab(tab: Tab, payment: Attempt | None, *, by: Actor, now: datetime, publishable_key: str | None) -> views.TabView:
    """The tab as `by` may see it.

    `payment`: the payment that the answer is about; its secret needs `publishable_key`.
    """
    # If the tab is not in the due index, nothing is pending and the agenda need not be computed.
    next_step = min(agenda.steps(tab), key=lambda step: step.at, default=None) if tab.next_action_at else None
    allowed = allowed_actions(tab, by, now)
    return views.TabView(
        tab_id=tab.tab_id,
        merchant_id=tab.merchant_id,
        customer_id=tab.customer_id,
        title=tab.title,
        status=tab.status,
        payment_state=tab.payment_state,
        outcome=tab.outcome,
        version=tab.version,
        currency=tab.currency,
        promise=_promise(tab, tab.promise, now),
        proposed_promise=_promise(tab, tab.proposed, now) if tab.proposed else None,
        items=[
            views.ItemView(
                item_id=item.item_id,
                description=item.description,
                unit_price_minor=item.unit_price_minor,
                quantity=item.quantity,
                amount_minor=item.amount_minor,
                tax_minor=item.tax_minor,
                voided=item.voided_at is not None,
            )
            for item in tab.items
        ],
        total_minor=tab.total_minor,
        tax_minor=tab.tax_minor,
        tip_minor=tab.tip_minor,
        fee=_fee(tab.fee) if tab.fee else None,
        adjusted_minor=tab.adjusted_minor,
        waived_minor=tab.waived_minor,
        written_off_minor=tab.written_off_minor,
        amount_due_minor=tab.amount_due_minor,
        paid_minor=tab.paid_minor,
        balance_minor=tab.balance_minor,
        refund_owed_minor=tab.refund_owed_minor,
        cash_to_return_minor=tab.cash_to_return_minor,
        refunded_minor=sum([leg.refunded_minor for leg in tab.legs]),
        credit=_credit(tab) if tab.policy.credits else None,
        deposit=views.DepositView(
            amount_minor=tab.deposit.amount_minor,
            state=tab.deposit.state,
            place_at=tab.deposit.place_at,
            lapses_at=tab.deposit.lapses_at,
        ),
        holds=[
            views.HoldView(
                payment_id=hold.payment_id,
                amount_minor=hold.amount_minor,
                state=hold.state,
                captured_minor=hold.captured_minor,
                placed_at=hold.placed_at,
                capture_before=hold.capture_before,
            )
            for hold in tab.holds
        ],
        legs=[
            views.LegView(
                payment_id=leg.payment_id,
                kind=leg.kind,
                amount_minor=leg.amount_minor,
                refunded_minor=leg.refunded_minor,
                refund_pending_minor=leg.refund_pending_minor,
                taken_at=leg.taken_at,
                refunded_elsewhere_minor=leg.elsewhere_minor,
                disputes=[_dispute(dispute) for dispute in leg.disputes],
            )
            for leg in tab.legs
        ],
        card=_card(tab.card, by),
        settlement_plan=views.PlanView(
            reason=tab.plan.reason,
            legs=[
                views.PlannedLegView(operation=leg.operation, amount_minor=leg.amount_minor) for leg in tab.plan.legs
            ],
        )
        if tab.plan
        else None,
        contest=_contest(tab.contest) if tab.contest else None,
        feedback=views.FeedbackView(rating=tab.feedback.rating, comment=tab.feedback.comment) if tab.feedback else None,
        ledger={account.value: minor for account, minor in tab.balances.items()} if by.is_business else None,
        flags=[_flag(flag) for flag in tab.flags] if by.is_business else None,
        token=tab.token.number if tab.token else None,
        parent=views.ParentView(
            tab_id=tab.parent.tab_id,
            amount_minor=tab.parent.amount_minor,
            returned_minor=tab.parent.returned_minor,
            goes_back_at=sharing.goes_back_at(tab),
        )
        if tab.parent
        else None,
        shares=[
            views.ShareView(
                tab_id=share.tab_id,
                amount_minor=share.amount_minor,
                paid_minor=share.told.paid_minor,
                returned_minor=share.told.returned_minor,
                state=share.state,
            )
            for share in tab.shares
        ],
        pause=_pause(tab.pause) if tab.pause and by.is_business else None,
        opened_at=tab.opened_at,
        starts_at=tab.starts_at,
        checked_in_at=tab.checked_in_at,
        presented_at=tab.presented_at,
        walked_out_at=tab.walked_out_at,
        review_ends_at=tab.review_ends_at,
        due_at=tab.due_at,
        final_at=tab.final_at,
        closed_at=tab.closed_at,
        next_action=views.NextActionView(code=_code(next_step), at=next_step.at, why=next_step.why)
        if next_step
        else None,
        allowed_actions=allowed,
        actions=action_requests.of(tab, allowed),
        needs=[_need(tab, need) for need in needs_of(tab, now)],
        payment=_payment(tab, payment, by, publishable_key) if payment else None,
    )


def _code(step: agenda.Step) -> views.StepCode:
    return views.StepCode[step.kind.name]


_REQUESTS = {
    Action.ACCEPT_PROMISE: ("POST /v1/tabs/{tab_id}/accept_promise", ["promise_sha256", "consents"]),
    Action.SAVE_CARD: ("POST /v1/customers/{customer_id}/setup_intent", ["tab_id"]),
}
"""Action → method, path and the fields that are always required."""


def _need(tab: Tab, need: Need) -> views.NeedView:
    request, fields = _REQUESTS[need.action]
    return views.NeedView(
        action=need.action,
        why=need.why,
        request=request.format(tab_id=tab.tab_id, customer_id=tab.customer_id),
        fields=[*fields, *(["card_terms_sha256"] if Consent.CARD_ON_FILE in need.consents else [])],
        consents=list(need.consents),
        until=need.until,
    )


def _promise(tab: Tab, promise: Promise, now: datetime) -> views.PromiseView:
    accepted = promise.accepted
    return views.PromiseView(
        expected_outcome=promise.expected_outcome,
        limits=list(promise.limits),
        estimate_minor=promise.estimate_minor,
        cap_minor=promise.cap_minor,
        deposit_minor=promise.deposit_minor,
        no_show_fee_minor=promise.no_show_fee_minor,
        late_cancel_fee_minor=promise.late_cancel_fee_minor,
        starts_at=promise.starts_at,
        # Accepting other limits does not change what was sealed.
        free_cancel_until=tab.promise.free_until(now),
        no_show_grace_s=promise.no_show_grace_s,
        review_window_s=promise.review_window_s,
        terms_version=promise.terms_version,
        needs=list(promise.needs),
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
    )


_FOR_BUSINESS_ONLY = frozenset(
    {
        "flagged",
        "flag_resolved",
        "fraud_warned",
        "processing_fee",
        "pointer_restored",
        "card_refused",
        "collection_ended",
        "followup_paused",
        "followup_resumed",
        "reminder_requested",
        "call_refused",
    }
)
"""Entries hidden from customers: matters of the business, its costs, and our own maintenance."""
_FOR_OURSELVES = {"written_off": "reason", "refund_failed": "code"}
"""Details of an entry that only the business sees: the owner's note, and what a bank says about a card."""
_NOT_TOLD = frozenset(
    {"fraudulent", "lost_card", "stolen_card", "pickup_card", "merchant_blacklist", "security_violation"}
)
"""Decline codes that the cardholder must not see: https://docs.stripe.com/declines/codes."""
_GENERIC = "generic_decline"


def timeline(page: Page[Entry], deliveries: Iterable[Delivery], by: Actor) -> views.Timeline:
    seen = [entry for entry in page.items if by.is_business or entry.kind not in _FOR_BUSINESS_ONLY]
    told: dict[int, list[Delivery]] = {}
    for delivery in deliveries:
        if by.is_business or (delivery.message.to == Recipient.CUSTOMER and _is_the_customer(by)):
            told.setdefault(delivery.message.seq, []).append(delivery)
    return views.Timeline(
        entries=[_entry(entry, told.get(entry.seq, ()), by) for entry in seen], next_cursor=page.next_cursor
    )


def _is_the_customer(by: Actor) -> bool:
    """Signed in, or with the link that stands for that. Their card, and how they are reached, is nothing for others."""
    return by.scope not in (Scope.VIEW, Scope.PAY)


def _delivery(delivery: Delivery) -> views.DeliveryView:
    return views.DeliveryView(
        message_id=delivery.message.message_id,
        kind=delivery.message.kind,
        to=delivery.message.to,
        channel=delivery.channel,
        state=delivery.state,
        reason=delivery.reason,
        at=delivery.at,
        again_at=delivery.next_action_at,
    )


def _entry(entry: Entry, told: Iterable[Delivery], by: Actor) -> views.EntryView:
    postings = [
        views.PostingView(account=posting.account, amount_minor=posting.amount_minor) for posting in entry.postings
    ]
    return views.EntryView(
        seq=entry.seq,
        at=entry.at,
        kind=entry.kind,
        by=entry.by if by.is_business or entry.by in (by.subject, SYSTEM.subject) else None,
        details=dict(entry.details) if by.is_business else _for_customer(entry, by),
        postings=postings if by.is_business else None,
        told=[_delivery(delivery) for delivery in sorted(told, key=lambda one: one.at)],
    )


_CARD = ("card_id", "brand", "last4")


def _for_customer(entry: Entry, by: Actor) -> dict[str, Any]:
    details = dict(entry.details)
    if not _is_the_customer(by):
        details = {name: value for name, value in details.items() if name not in _CARD}
    if entry.kind in _FOR_OURSELVES:
        details.pop(_FOR_OURSELVES[entry.kind], None)
    if details.get("decline_code") in _NOT_TOLD:
        details |= {"decline_code": _GENERIC, "advice": None}
    return details


def _failure(failure: Failure, by: Actor) -> views.FailureView:
    if failure.decline_code in _NOT_TOLD and not by.is_business:
        return views.FailureView(code=failure.code, decline_code=_GENERIC, advice=None)
    return views.FailureView(code=failure.code, decline_code=failure.decline_code, advice=failure.advice)


def agenda_of(tab: Tab) -> views.AgendaView:
    pending = sorted(agenda.steps(tab), key=lambda step: (step.at, step.kind))
    return views.AgendaView(pending=[views.PendingView(what=_code(step), at=step.at, why=step.why) for step in pending])


def receivables(report: Receivables) -> views.ReceivablesView:
    return views.ReceivablesView(
        currency=report.currency,
        at=report.at,
        total_minor=report.total_minor,
        ageing=dict(report.ageing),
        expected=[views.ExpectedView(day=day, amount_minor=minor) for day, minor in report.expected.items()],
        expiring_holds=[
            views.ExpiringHoldView(
                tab_id=hold.tab_id,
                customer_id=hold.customer_id,
                held_minor=hold.held_minor,
                capture_before=hold.capture_before,
            )
            for hold in report.expiring_holds
        ],
        exposure=[
            views.ExposureView(customer_id=customer_id, amount_minor=minor)
            for customer_id, minor in report.exposure.items()
        ],
        is_complete=report.is_complete,
    )


def _card(card: Card | None, by: Actor) -> views.CardView | None:
    if card is None or not _is_the_customer(by):
        return None
    is_told = by.is_business or card.refused not in _NOT_TOLD
    return views.CardView(brand=card.brand, last4=card.last4, refused=card.refused if is_told else _GENERIC)


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


def payment_sheet(sheet: PaymentSheet, publishable_key: str) -> views.PaymentSheetView:
    attempt = sheet.attempt
    assert attempt.payment_id and attempt.client_secret, "what waits for the customer in an app has both"
    return views.PaymentSheetView(
        payment_id=attempt.payment_id,
        operation=attempt.operation,
        amount_minor=attempt.amount_minor,
        currency=sheet.tab.currency,
        merchant_name=sheet.merchant_name,
        client_secret=attempt.client_secret,
        publishable_key=publishable_key,
        account=sheet.tab.account,
        customer=sheet.customer_ref,
        customer_session_client_secret=sheet.session.client_secret if sheet.session else None,
        expires_at=sheet.session.expires_at if sheet.session else None,
    )


def needs_publishable_key(attempt: Attempt | None, by: Actor) -> bool:
    """Whether `tab` needs the publishable key; reading it creates the gateway, which takes time."""
    return attempt is not None and attempt.state == AttemptState.AWAITING_CUSTOMER and may_confirm(attempt, by)
