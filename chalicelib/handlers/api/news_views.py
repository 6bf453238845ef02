"""Bodies of answers about what happened to a tab, and who was told of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chalicelib.domain.contact import Channel
from chalicelib.domain.news.delivery import DeliveryState
from chalicelib.domain.news.endpoint import DisabledBy, EndpointState
from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.news.sending import SendingState
from chalicelib.handlers.api.views import Answer
from chalicelib.ports.webhooks import WhyNoAnswer


class PostingView(Answer):
    account: str
    amount_minor: int


class DeliveryView(Answer):
    """What became of a message on a channel; `channel` null: it was decided before one was chosen.

    `reason`: why it was suppressed, put off (until `again_at`), refused or came back. `at`: when that became so.
    """

    message_id: str
    kind: MessageKind
    to: Recipient
    channel: Channel | None
    state: DeliveryState
    reason: str | None
    at: datetime
    again_at: datetime | None


class EntryView(Answer):
    """One event of the timeline. For customers, `postings` is null, and so is `by` if it was the business.

    Entries that only the business sees are left out for customers, so `seq` may have gaps. `told`: what was said
    because of it, deliberately not said, and why; customers see what was for them.
    """

    seq: int
    at: datetime
    kind: str
    by: str | None
    details: dict[str, Any]
    postings: list[PostingView] | None
    told: list[DeliveryView]


class Timeline(Answer):
    entries: list[EntryView]
    next_cursor: str | None


class EndpointView(Answer):
    """`event_types` empty: all. `failing_since`: since when every try has failed.

    `disabled_by`: the owner, `gone` (the system answered 410), or `failing` (it took nothing for five days).
    """

    endpoint_id: str
    url: str
    event_types: list[str]
    description: str
    ordered: bool
    state: EndpointState
    disabled_by: DisabledBy | None
    disabled_at: datetime | None
    failing_since: datetime | None
    created_at: datetime
    version: int


class EndpointWithSecret(Answer):
    """`secret`: shown this once, and null where the request is a repetition. Rotate it if it was lost."""

    endpoint: EndpointView
    secret: str | None


class EndpointList(Answer):
    endpoints: list[EndpointView]


class Deleted(Answer):
    deleted: str


class TryView(Answer):
    """One try: the HTTP status of the answer, or why there was none."""

    at: datetime
    status: int | None
    failure: WhyNoAnswer | None


class NoticeView(Answer):
    """A notice and what became of it at one endpoint.

    `body`: the text that is signed and sent; empty where it was too large. `tried`: how often; `tries`: the last 20.
    `next_try_at`: null where none is planned. `delivered`, `held`, `given_up`,
    `refused` (too large) and `suppressed` (a push that asks for what is not owed any more) are ends.
    """

    notice_id: str
    type: str
    tab_id: str | None
    at: datetime
    state: SendingState
    body: str
    tried: int
    tries: list[TryView]
    next_try_at: datetime | None


class NoticeList(Answer):
    notices: list[NoticeView]
    next_cursor: str | None


class NoticeData(Answer):
    """`seq`, `version`: of the entry and of the tab it was written with. `details`: amounts, ids and instants."""

    merchant_id: str
    tab_id: str | None = None
    customer_id: str | None = None
    endpoint_id: str | None = None
    seq: int | None = None
    kind: str | None = None
    version: int | None = None
    details: dict[str, Any] = {}


class NoticeBody(Answer):
    """The body of a notice. What happened, and when; ask the API for more."""

    type: str
    timestamp: datetime
    data: NoticeData
