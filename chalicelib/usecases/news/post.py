"""The post: a message from the queue is decided on, claimed, sent and marked.

The process may die between any two of these. A claim ends with a mark, or with its lease: then a message is sent again,
or given up if its kind is not to be sent twice. A run that finds a live claim leaves the job to the queue.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, date, timedelta
from time import monotonic
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chalicelib import correlation
from chalicelib.domain.contact import Channel, Contact, Source
from chalicelib.domain.news import values
from chalicelib.domain.news.delivery import Delivery, DeliveryState
from chalicelib.domain.news.message import Message, MessageKind, Recipient
from chalicelib.domain.news.notice import push_of
from chalicelib.domain.news.rules import (
    ASKS_TO_PAY,
    AT_MOST_ONCE,
    NO_WAY,
    Counted,
    PutOff,
    Send,
    Suppress,
    decide,
)
from chalicelib.domain.news.table import TELLS_THE_BILL
from chalicelib.domain.parties import Merchant
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.channels import ChannelRefused, ChannelUnavailable, Mail, Sms
from chalicelib.ports.deps import Deps
from chalicelib.ports.notices import NoticeJob, queue_job_of
from chalicelib.ports.queues import QueueName, QueueUnavailable
from chalicelib.ports.store import DueDelivery, VersionConflict
from chalicelib.ports.words import MissingValue, Setting, Written
from chalicelib.usecases.links.story_links import make_story_link
from chalicelib.usecases.links.tab_links import make_for_message
from chalicelib.usecases.news.opt_outs import opt_out, with_key
from chalicelib.usecases.tab.bill import note_bill_told

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
"""Longer than a channel takes, and shorter than the queue waits before a job comes again."""
TRIES = 4
BEGINS_WITHIN_S = 30
"""No job of a batch is begun later: the function has a minute, and a text may take twenty seconds of it."""
MISSING_VALUE = "missing_value"
CHANNEL_UNAVAILABLE = "channel_unavailable"

_TAKEN = frozenset(
    {DeliveryState.HANDED_OVER, DeliveryState.DELIVERED, DeliveryState.BOUNCED, DeliveryState.COMPLAINED}
)
_OVER = _TAKEN | {DeliveryState.GIVEN_UP, DeliveryState.SUPPRESSED}
Found = Mapping[Channel | None, Delivery]
"""What became of a message so far, by channel; None: about all channels."""


class NotNow(Exception):
    """Somebody else is sending the message, or its tab keeps changing: the job has to come again."""


class Scene(Struct, frozen=True):
    """What a message is about and whom it is for, as they are now. `page`: the address of the tab's page for them."""

    tab: Tab | None
    merchant: Merchant
    contact: Contact | None
    page: str = ""


def deliver_each(deps: Deps, jobs: Sequence[str]) -> list[int]:
    """Deliver a batch from the queue `post`; return the indexes of the jobs that have to come again.

    A job is a Message, or the ids of a delivery that was put off (DueDelivery), as JSON.
    """
    failed: list[int] = []
    began = monotonic()
    for index, job in enumerate(jobs):
        if monotonic() - began > BEGINS_WITHIN_S:
            log.warning("a channel is slow: the rest of the batch comes again")
            failed += range(index, len(jobs))
            break
        try:
            message = _message_of(deps, job)
            if message is not None:
                with correlation.about(tab_id=message.tab_id, message_id=message.message_id):
                    deliver(deps, message)
        except NotNow as busy:
            log.info("a message is not delivered now", extra={"why": str(busy)})
            failed.append(index)
        except Exception:
            log.exception("a message was not delivered")
            failed.append(index)
    log.info("posted", extra={"metrics": {"MessagesPosted": len(jobs) - len(failed), "MessagesNotPosted": len(failed)}})
    return failed


def _message_of(deps: Deps, job: str) -> Message | None:
    """None: what was put off is gone, or was sent meanwhile."""
    body = msgspec.json.decode(job)
    if "kind" in body:
        return msgspec.convert(body, Message)
    put_off = deps.deliveries.find_due(msgspec.convert(body, DueDelivery))
    return None if put_off is None or put_off.next_action_at is None else put_off.message


def deliver(deps: Deps, message: Message) -> None:
    """Send the message if it may go, and record what became of it; nothing where that is recorded already.

    Raises NotNow, ChannelUnavailable, MissingValue: the job has to come again. Also what the stores raise.
    """
    for _ in range(TRIES):
        try:
            _deliver(deps, message)
        except VersionConflict:
            continue
        return
    raise NotNow(f"{message.message_id} met other writers each time")


def _deliver(deps: Deps, message: Message) -> None:
    found = {delivery.channel: delivery for delivery in deps.deliveries.find_of(message)}
    _end_stale_claim(deps, message, found)
    if not any(delivery.state in _OVER for delivery in found.values()):
        scene = _read(deps, message)
        decision = _decide(deps, message, scene)
        if isinstance(decision, Send) and (prepared := _prepared(deps, message, scene)) is not scene:
            # The link is a change of the tab, the key one of the contact: others may have changed them before.
            scene = prepared
            decision = _decide(deps, message, scene)
        match decision:
            case PutOff(until, why):
                _record(deps, message, found, DeliveryState.PUT_OFF, why, next_action_at=until)
                return
            case Suppress(why):
                _record(deps, message, found, DeliveryState.SUPPRESSED, why)
            case Send(channels):
                _send(deps, message, scene, channels, found)
    _close(deps, found)
    if message.to == Recipient.CUSTOMER and message.kind in TELLS_THE_BILL:
        how = how_told(found)
        if how is not None:
            # Also where the job comes again: the process may have died before this.
            note_bill_told(deps, message, how)


def _end_stale_claim(deps: Deps, message: Message, found: dict[Channel | None, Delivery]) -> None:
    """A claim whose lease is over has no end: its process died, or got no answer. Raises NotNow before that."""
    now = deps.clock.now()
    for channel, claim in found.items():
        if claim.state != DeliveryState.CLAIMED:
            continue
        if claim.lease_until is not None and claim.lease_until > now:
            raise NotNow(f"{message.message_id} is being sent")
        if message.kind in AT_MOST_ONCE:
            found[channel] = _put(deps, claim, state=DeliveryState.GIVEN_UP, lease_until=None)


def _read(deps: Deps, message: Message) -> Scene:
    """Raises NotFound."""
    tab = deps.store.get_tab(message.merchant_id, message.tab_id) if message.tab_id is not None else None
    contact = None
    if message.customer_id is not None:
        contact = deps.people.find_contact(message.merchant_id, message.customer_id)
    return Scene(tab=tab, merchant=deps.store.get_merchant(message.merchant_id), contact=contact)


def _decide(deps: Deps, message: Message, scene: Scene) -> Send | PutOff | Suppress:
    merchant, contact, now = scene.merchant, scene.contact, deps.clock.now()
    zones: tuple[str, ...] = ()
    counted = Counted()
    if message.to == Recipient.CUSTOMER and contact is not None and contact.phone:
        zones = deps.addresses.zones(contact.phone)
        if Channel.SMS in merchant.channels and contact.consents_to(Channel.SMS):
            country = deps.addresses.country(contact.phone)
            sent = deps.deliveries.sms_counted(merchant.merchant_id, _today(deps), contact.phone, country)
            counted = Counted(*sent)
    return decide(
        message, tab=scene.tab, contact=contact, merchant=merchant, phone_zones=zones, counted=counted, now=now
    )


def _send(
    deps: Deps, message: Message, scene: Scene, channels: Sequence[Channel], found: dict[Channel | None, Delivery]
) -> None:
    """On the first channel that takes it."""
    for channel in channels:
        before = found.get(channel)
        if before is not None and before.state == DeliveryState.REFUSED:
            continue
        written = _write(deps, message, scene, found)
        claim = _claim(deps, message, scene, channel, before)
        try:
            provider_id = _hand_over(deps, message, scene, channel, written)
        except ChannelRefused as refused:
            found[channel] = _put(deps, claim, state=DeliveryState.REFUSED, reason=refused.reason, lease_until=None)
            if refused.reason == ChannelRefused.OPTED_OUT and scene.contact is not None:
                opt_out(deps, scene.contact, channel, Source.PROVIDER)
            continue
        except ChannelUnavailable as unavailable:
            found[channel] = _not_taken(deps, message, claim, unavailable)
            if found[channel].state in _OVER:
                return
            raise
        found[channel] = _put(
            deps, claim, state=DeliveryState.HANDED_OVER, lease_until=None, provider_id=provider_id or None
        )
        return


def _claim(deps: Deps, message: Message, scene: Scene, channel: Channel, before: Delivery | None) -> Delivery:
    """From here until the mark, nobody else sends it on this channel. Raises VersionConflict."""
    now = deps.clock.now()
    claim = Delivery(
        message=message,
        channel=channel,
        state=DeliveryState.CLAIMED,
        at=now,
        lease_until=now + LEASE,
        version=before.version + 1 if before else 1,
    )
    deps.deliveries.put(claim, while_at=scene.tab if message.kind in ASKS_TO_PAY else None)
    return claim


def _not_taken(deps: Deps, message: Message, claim: Delivery, unavailable: ChannelUnavailable) -> Delivery:
    """The claim ends: the channel is tried again where that sends nothing twice that must not be."""
    if not unavailable.may_have_taken:
        return _put(deps, claim, state=DeliveryState.PUT_OFF, reason=CHANNEL_UNAVAILABLE, lease_until=None)
    if message.kind in AT_MOST_ONCE:
        return _put(deps, claim, state=DeliveryState.GIVEN_UP, lease_until=None)
    return _put(deps, claim, lease_until=deps.clock.now())


def _hand_over(deps: Deps, message: Message, scene: Scene, channel: Channel, written: Written) -> str:
    """Returns the provider's id. Raises ChannelRefused, ChannelUnavailable."""
    contact, merchant = scene.contact, scene.merchant
    if channel == Channel.EMAIL:
        to = merchant.notify_email if message.to == Recipient.OWNER else contact and contact.email
        assert to, "there is an address, says the decision"
        return deps.mailer.send(
            Mail(
                to=to,
                sender_name=merchant.name,
                subject=written.subject,
                text=written.text,
                html=written.html,
                headers=_unsubscribe_headers(deps, message, scene),
                tags={"merchant": message.merchant_id, "tab": message.tab_id or "none", "kind": message.kind},
            )
        )
    if channel == Channel.SMS:
        assert contact is not None and contact.phone, "there is a number, says the decision"
        country = deps.addresses.country(contact.phone)
        deps.deliveries.count_sms(merchant.merchant_id, _today(deps), contact.phone, country)
        return deps.texter.send(Sms(to=contact.phone, text=written.sms))
    return _push(deps, message)


def _push(deps: Deps, message: Message) -> str:
    """To the merchant's app, as a notice to the merchant's system. Raises ChannelRefused, ChannelUnavailable."""
    notice = push_of(message)
    endpoints = deps.notices.list_endpoints(message.merchant_id)
    if not any(endpoint.is_enabled and endpoint.wants(notice) for endpoint in endpoints):
        raise ChannelRefused("no_endpoint")
    job = NoticeJob(merchant_id=message.merchant_id, notices=(notice,))
    try:
        deps.queues.send(QueueName.NOTICES, [queue_job_of(job)])
    except QueueUnavailable as error:
        # If it was taken all the same, the second one is the same notice, which is sent once.
        raise ChannelUnavailable(str(error), may_have_taken=False) from error
    return notice.notice_id


def _today(deps: Deps) -> date:
    """The day by which text messages are counted."""
    return deps.clock.now().astimezone(UTC).date()


# Words


def _prepared(deps: Deps, message: Message, scene: Scene) -> Scene:
    """With what its words lead to; the same scene where nothing was made."""
    return _with_page(deps, message, _with_key(deps, message, scene))


def _with_page(deps: Deps, message: Message, scene: Scene) -> Scene:
    """With a link to the tab, for a customer. It goes to the address on file, and is shown nowhere else."""
    if scene.tab is None or message.to != Recipient.CUSTOMER or not deps.pages_url:
        return scene
    if message.kind == MessageKind.STORY_ASKED:
        # A link of its own: it still takes the story back when those to the tab have ended.
        tab, secret = make_story_link(deps, scene.tab)
        return replace(scene, tab=tab, page=f"{deps.pages_url}/s/{secret}")
    tab, secret = make_for_message(deps, scene.tab, scene.contact)
    return replace(scene, tab=tab, page=f"{deps.pages_url}/t/{secret}" if secret else "")


def _with_key(deps: Deps, message: Message, scene: Scene) -> Scene:
    """With the key of the contact's unsubscribe address, made for the first mail."""
    contact = scene.contact
    if message.to != Recipient.CUSTOMER or contact is None or not contact.email or contact.unsubscribe_key is not None:
        return scene
    return replace(scene, contact=with_key(deps, contact))


def _write(deps: Deps, message: Message, scene: Scene, found: dict[Channel | None, Delivery]) -> Written:
    """The message in words. Raises MissingValue, after that is recorded: it is sent once the words are mended."""
    standard = values.of_tab(scene.tab) if scene.tab is not None else {}
    try:
        return deps.words.write(replace(message, values={**standard, **message.values}), _setting(deps, message, scene))
    except MissingValue:
        _record(deps, message, found, DeliveryState.REFUSED, MISSING_VALUE)
        raise


def _setting(deps: Deps, message: Message, scene: Scene) -> Setting:
    merchant, contact, tab = scene.merchant, scene.contact, scene.tab
    is_customer = message.to == Recipient.CUSTOMER
    names = {
        "merchant": merchant.name,
        "title": tab.title if tab else "",
        "customer": contact.name if contact else "",
        "page": scene.page,
        "unsubscribe": _unsubscribe_address(deps, scene) if is_customer else "",
    }
    return Setting(
        language=(is_customer and contact and contact.language) or merchant.language,
        time_zone=(is_customer and contact and contact.time_zone) or merchant.policy.time_zone,
        currency=tab.currency if tab else merchant.currency,
        names={name: text for name, text in names.items() if text},
    )


def _unsubscribe_headers(deps: Deps, message: Message, scene: Scene) -> Mapping[str, str]:
    """One click, by POST: https://www.rfc-editor.org/rfc/rfc8058."""
    address = _unsubscribe_address(deps, scene) if message.to == Recipient.CUSTOMER else ""
    if not address:
        return {}
    return {"List-Unsubscribe": f"<{address}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def _unsubscribe_address(deps: Deps, scene: Scene) -> str:
    contact = scene.contact
    if contact is None or contact.unsubscribe_key is None:
        return ""
    if not deps.api_url:
        return ""
    return f"{deps.api_url}/v1/unsubscribe/{contact.merchant_id}/{contact.customer_id}/{contact.unsubscribe_key}"


# Records


def _put(deps: Deps, before: Delivery, **fields: Any) -> Delivery:
    """Raises VersionConflict."""
    after = replace(before, at=deps.clock.now(), version=before.version + 1, **fields)
    deps.deliveries.put(after)
    return after


def _record(
    deps: Deps,
    message: Message,
    found: dict[Channel | None, Delivery],
    state: DeliveryState,
    reason: str,
    **fields: Any,
) -> None:
    """Record what is about all channels, unless that is what is recorded."""
    before = found.get(None)
    after = Delivery(message=message, channel=None, state=state, at=deps.clock.now(), reason=str(reason))
    after = replace(after, version=before.version + 1 if before else 1, **fields)
    if before is not None and replace(after, at=before.at, version=before.version) == before:
        return
    deps.deliveries.put(after)
    found[None] = after


def _close(deps: Deps, found: dict[Channel | None, Delivery]) -> None:
    """Nothing is to be sent any more: what was put off is not due again."""
    put_off = found.get(None)
    if put_off is not None and put_off.next_action_at is not None:
        found[None] = _put(deps, put_off, next_action_at=None)


def how_told(found: Found) -> str | None:
    """The channel that took the bill, or why the customer has none; None: this bill is not told any more."""
    for channel, delivery in found.items():
        if channel is not None and delivery.state in _TAKEN:
            return channel
    suppressed = found.get(None)
    if suppressed is not None and suppressed.state == DeliveryState.SUPPRESSED:
        return suppressed.reason if suppressed.reason in NO_WAY else None
    return "refused"
