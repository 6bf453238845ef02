"""What channels report later: it is seen on the delivery, and closes a channel where the person or the address does."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.contact import Channel, Contact, Given, Source
from chalicelib.domain.news.delivery import Delivery, DeliveryState
from chalicelib.domain.news.message import Message, MessageKind, Recipient
from chalicelib.domain.parties import CHANNELS
from chalicelib.handlers.events.feedback import take
from chalicelib.ports.store import VersionConflict
from chalicelib.usecases.news.feedback import UnknownDelivery
from chalicelib.usecases.news.post import deliver
from tests.usecases.shop import NOON, Shop

EMAIL, PHONE = "ada@bücher.example", "+491701234567"


@pytest.fixture
def shop() -> Shop:
    """Ada, who has an address and a number."""
    shop = Shop()
    contact = Contact(
        merchant_id=shop.merchant_id,
        customer_id=shop.customer_id,
        email=EMAIL,
        phone=PHONE,
        consents=(Given(channel=Channel.SMS, at=NOON, source=Source.CUSTOMER),),
        updated_at=NOON,
    )
    shop.deps.people.put_contact(contact, None)
    return shop


def told(shop: Shop, channel: Channel = Channel.EMAIL, to: Recipient = Recipient.CUSTOMER) -> Message:
    """A message that a channel has taken: `mail_1` or `sms_1`."""
    merchant = shop.store.get_merchant(shop.merchant_id)
    first = (channel, *(other for other in CHANNELS if other != channel))
    changed = replace(merchant, channels=first, notify_email="olga@example.com", version=merchant.version + 1)
    shop.store.update_merchant(changed)
    message = Message(
        message_id="msg_1",
        kind=MessageKind.WAIVED,
        to=to,
        merchant_id=shop.merchant_id,
        customer_id=shop.customer_id,
        at=NOON,
        values={},
    )
    deliver(shop.deps, message)
    return message


def mail_event(kind: str, message_id: str = "mail_1", address: str = "ada@xn--bcher-kva.example", **more: Any) -> Any:
    """As SES publishes it."""
    what: dict[str, Any] = {
        "Delivery": {"delivery": {"recipients": [address], "timestamp": "2026-03-02T12:00:01.000Z"}},
        "Bounce": {
            "bounce": {
                "bounceType": "Permanent",
                "bounceSubType": "General",
                "bouncedRecipients": [{"emailAddress": f"Ada <{address}>", "status": "5.1.1"}],
            }
        },
        "Complaint": {"complaint": {"complainedRecipients": [{"emailAddress": address}]}},
        "Reject": {"reject": {"reason": "Bad content"}},
    }.get(kind, {})
    mail = {"messageId": message_id, "destination": [address], "tags": {"merchant": ["mer_1"]}}
    event = {"eventType": kind, "mail": mail, **what}
    for name, value in more.items():
        event[kind.lower()][name] = value
    return event


def sms_event(response: str | None = None) -> Any:
    """As SNS writes it into its delivery log."""
    status = "SUCCESS" if response is None else "FAILURE"
    delivery = {"destination": PHONE, "providerResponse": response or "Message has been accepted by phone carrier"}
    return {"notification": {"messageId": "sms_1"}, "delivery": delivery, "status": status}


def answer(text: str, **more: Any) -> Any:
    """As AWS passes on what somebody answers to a text."""
    return {
        "originationNumber": PHONE,
        "destinationNumber": "+12065550100",
        "messageKeyword": "KEYWORD_1",
        "messageBody": text,
        "inboundMessageId": "in_1",
        "previousPublishedMessageId": "sms_1",
        **more,
    }


def hear(shop: Shop, *events: Any) -> dict[str, int]:
    records = [{"Sns": {"Message": json.dumps(event)}} for event in events]
    return take(shop.deps, {"Records": records})


def state(shop: Shop, message: Message) -> tuple[DeliveryState, str | None]:
    (delivery,) = shop.deps.deliveries.find_of(message)
    return delivery.state, delivery.reason


def refused(shop: Shop, channel: Channel) -> Source | None:
    contact = shop.deps.people.find_contact(shop.merchant_id, shop.customer_id)
    given = contact and contact.opted_out_of(channel)
    return given.source if given else None


@pytest.mark.parametrize(
    ("event", "seen", "closes"),
    [
        (mail_event("Delivery"), (DeliveryState.DELIVERED, None), None),
        (mail_event("Bounce"), (DeliveryState.BOUNCED, "permanent"), Source.UNREACHABLE),
        (mail_event("Bounce", bounceType="Transient"), (DeliveryState.BOUNCED, "transient"), None),
        (mail_event("Complaint"), (DeliveryState.COMPLAINED, None), Source.PROVIDER),
        (mail_event("Complaint", complaintFeedbackType="not-spam"), (DeliveryState.HANDED_OVER, None), None),
        (mail_event("Reject"), (DeliveryState.BOUNCED, "rejected"), None),
        (mail_event("Open"), (DeliveryState.HANDED_OVER, None), None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_became_of_a_mail_is_seen(shop: Shop, event: Any, seen: Any, closes: Source | None) -> None:
    """A hard bounce and a complaint close the channel; what passes by itself does not."""
    message = told(shop)
    hear(shop, event)

    assert state(shop, message) == seen
    assert refused(shop, Channel.EMAIL) == closes


@pytest.mark.parametrize(
    ("event", "seen", "closes"),
    [
        (sms_event(), (DeliveryState.DELIVERED, None), None),
        (sms_event("Phone number is opted out"), (DeliveryState.BOUNCED, "opted_out"), Source.PROVIDER),
        (sms_event("Invalid phone number"), (DeliveryState.BOUNCED, "bad_address"), Source.UNREACHABLE),
        (sms_event("Phone is currently unreachable/unavailable"), (DeliveryState.BOUNCED, "undelivered"), None),
        (answer("STOP"), (DeliveryState.HANDED_OVER, None), Source.PROVIDER),
        (answer(" stop. please"), (DeliveryState.HANDED_OVER, None), Source.PROVIDER),
        (answer("수신거부"), (DeliveryState.HANDED_OVER, None), Source.PROVIDER),
        (answer("don't STOP"), (DeliveryState.HANDED_OVER, None), None),
        (answer("Thank you"), (DeliveryState.HANDED_OVER, None), None),
        (answer("STOP", originationNumber="+491709999999"), (DeliveryState.HANDED_OVER, None), None),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_became_of_a_text_is_seen(shop: Shop, event: Any, seen: Any, closes: Source | None) -> None:
    """STOP counts for the number that it came from, and only where it is the first word."""
    message = told(shop, Channel.SMS)
    hear(shop, event)

    assert state(shop, message) == seen
    assert refused(shop, Channel.SMS) == closes


def test_the_log_of_texts_is_read_as_it_comes(shop: Shop) -> None:
    """CloudWatch packs its lines; texts of other applications in the account are left alone."""
    message = told(shop, Channel.SMS)
    other = {**sms_event(), "notification": {"messageId": "sms_of_others"}}
    lines = {"logEvents": [{"message": json.dumps(line)} for line in (other, sms_event())]}
    packed = base64.b64encode(gzip.compress(json.dumps(lines).encode())).decode()

    assert take(shop.deps, {"awslogs": {"data": packed}}) == {"noted": 1, "of_others": 1}
    assert state(shop, message) == (DeliveryState.DELIVERED, None)


@pytest.mark.parametrize("order", list(itertools.permutations(["Delivery", "Bounce", "Complaint"])))
def test_reports_come_in_any_order_and_twice(shop: Shop, order: tuple[str, ...]) -> None:
    """The worst of them stands in the end."""
    message = told(shop)
    for kind in (*order, *order):
        hear(shop, mail_event(kind))

    assert state(shop, message)[0] == DeliveryState.COMPLAINED


def test_a_report_about_an_old_address_says_nothing_about_the_new(shop: Shop) -> None:
    """The customer has mended it meanwhile."""
    told(shop)
    contact = shop.deps.people.find_contact(shop.merchant_id, shop.customer_id)
    assert contact is not None
    mended = replace(contact, email="ada@example.com", version=contact.version + 1)
    shop.deps.people.put_contact(mended, contact)
    hear(shop, mail_event("Bounce"))

    assert refused(shop, Channel.EMAIL) is None


def test_a_report_that_comes_before_the_mark_comes_again(shop: Shop) -> None:
    """A mail of ours (its tags say so) that no delivery has: the event is not lost. Mails of others are."""
    told(shop)
    with pytest.raises(UnknownDelivery):
        hear(shop, mail_event("Delivery", message_id="mail_2"))
    foreign = mail_event("Delivery", message_id="mail_2")
    foreign["mail"]["tags"] = {}

    assert hear(shop, foreign) == {"noted": 0, "of_others": 1}


def test_a_bounce_of_the_owners_mail_is_seen_and_closes_nothing(shop: Shop) -> None:
    """It is the merchant's own address."""
    message = told(shop, to=Recipient.OWNER)
    hear(shop, mail_event("Bounce", address="olga@example.com"))

    assert state(shop, message)[0] == DeliveryState.BOUNCED
    assert refused(shop, Channel.EMAIL) is None


def test_reports_that_meet_other_writers_are_tried_again(shop: Shop) -> None:
    """A version that somebody else has written meanwhile is read again."""
    message = told(shop)
    put, losses = shop.deps.deliveries.put, [VersionConflict("lost")]

    def lose_once(delivery: Delivery, **more: Any) -> None:
        if losses:
            raise losses.pop()
        put(delivery, **more)

    shop.deps.deliveries.put = lose_once  # type: ignore[method-assign]
    hear(shop, mail_event("Delivery"))

    assert state(shop, message) == (DeliveryState.DELIVERED, None)


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"text"', "{}"])
def test_what_is_no_report_is_left_alone(shop: Shop, body: str) -> None:
    """SNS's own notices, for example; it holds up no other record."""
    told(shop)
    records = [{"Sns": {"Message": text}} for text in (body, json.dumps(mail_event("Delivery")))]

    assert take(shop.deps, {"Records": records}) == {"noted": 1, "of_others": 0}
