"""Maps what happened, and what was told of it to people and systems, to the structs of the answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from chalicelib.domain.news.message import Recipient
from chalicelib.domain.news.sending import Sending, SendingState
from chalicelib.domain.tab.actor import SYSTEM, Actor
from chalicelib.domain.tab.attempt import ANSWERS_A_BANK
from chalicelib.handlers.api import news_views, render
from chalicelib.ports.webhooks import WhyNoAnswer

if TYPE_CHECKING:
    from chalicelib.domain.news.delivery import Delivery
    from chalicelib.domain.news.endpoint import Endpoint
    from chalicelib.domain.tab.entry import Entry
    from chalicelib.ports.store import Page


def endpoint(endpoint: Endpoint) -> news_views.EndpointView:
    return news_views.EndpointView(
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


def notice(sending: Sending) -> news_views.NoticeView:
    is_waiting = sending.state == SendingState.WAITING
    return news_views.NoticeView(
        notice_id=sending.notice.notice_id,
        type=sending.notice.type,
        tab_id=sending.notice.tab_id,
        at=sending.notice.at,
        state=sending.state,
        body=sending.body,
        tried=sending.tried,
        tries=[
            news_views.TryView(at=one.at, status=one.status, failure=WhyNoAnswer(one.failure) if one.failure else None)
            for one in sending.tries
        ],
        next_try_at=sending.next_action_at if is_waiting else None,
    )


_FOR_BUSINESS_ONLY = frozenset(
    {
        "flagged",
        "flag_resolved",
        "fraud_warned",
        "processing_fee",
        "evidence_sealed",
        "evidence_staged",
        "evidence_submitted",
        "evidence_not_sent",
        "evidence_due",
        "pointer_restored",
        "card_refused",
        "collection_ended",
        "followup_paused",
        "followup_resumed",
        "reminder_requested",
        "call_refused",
    }
)
"""Entries hidden from customers: matters of the business, its costs, what it tells a bank, and our own maintenance."""


_FOR_OURSELVES = {"written_off": "reason", "refund_failed": "code"}
"""Details of an entry that only the business sees: the owner's note, and what a bank says about a card."""


def timeline(page: Page[Entry], deliveries: Iterable[Delivery], by: Actor) -> news_views.Timeline:
    visible = [entry for entry in page.items if by.is_business or not _is_for_business_only(entry)]
    deliveries_of: dict[int, list[Delivery]] = {}
    for delivery in deliveries:
        if by.is_business or (delivery.message.to == Recipient.CUSTOMER and render.is_the_customer(by)):
            deliveries_of.setdefault(delivery.message.seq, []).append(delivery)
    return news_views.Timeline(
        entries=[_entry(entry, deliveries_of.get(entry.seq, ()), by) for entry in visible], next_cursor=page.next_cursor
    )


def _is_for_business_only(entry: Entry) -> bool:
    return entry.kind in _FOR_BUSINESS_ONLY or entry.details.get("operation") in ANSWERS_A_BANK


def _delivery(delivery: Delivery) -> news_views.DeliveryView:
    return news_views.DeliveryView(
        message_id=delivery.message.message_id,
        kind=delivery.message.kind,
        to=delivery.message.to,
        channel=delivery.channel,
        state=delivery.state,
        reason=delivery.reason,
        at=delivery.at,
        again_at=delivery.next_action_at,
    )


def _entry(entry: Entry, told: Iterable[Delivery], by: Actor) -> news_views.EntryView:
    postings = [
        news_views.PostingView(account=posting.account, amount_minor=posting.amount_minor) for posting in entry.postings
    ]
    return news_views.EntryView(
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
    if not render.is_the_customer(by):
        details = {name: value for name, value in details.items() if name not in _CARD}
    if entry.kind in _FOR_OURSELVES:
        details.pop(_FOR_OURSELVES[entry.kind], None)
    if details.get("decline_code") in render.NOT_TOLD:
        details |= {"decline_code": render.GENERIC, "advice": None}
    return details
