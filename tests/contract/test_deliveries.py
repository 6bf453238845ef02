"""The contract of the store of deliveries, against memory, moto and the emulator."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.contact import Channel
from chalicelib.domain.news.delivery import Delivery, DeliveryState
from chalicelib.domain.news.message import Message, MessageKind, Recipient, message_id
from chalicelib.ports.deliveries import Deliveries
from chalicelib.ports.store import DueDelivery, TabStore, VersionConflict
from tests.contract.store_kit import MERCHANT, NOW, opening
from tests.deliveries import deliveries_beside

TAB = "tab_a"
NUMBER = "+491701234567"


@pytest.fixture
def deliveries(store: TabStore) -> Deliveries:
    return deliveries_beside(store)


def message(seq: int = 1, kind: MessageKind = MessageKind.REMINDER, **more: Any) -> Message:
    fields = {
        "message_id": message_id(TAB, seq, kind, Recipient.CUSTOMER),
        "to": Recipient.CUSTOMER,
        "merchant_id": MERCHANT,
        "customer_id": "cus_a",
        "tab_id": TAB,
        "values": {"amount_minor": 1200},
    }
    return Message(kind=kind, seq=seq, at=NOW, **{**fields, **more})


def claimed(of: Message | None = None, channel: Channel | None = Channel.EMAIL, **more: Any) -> Delivery:
    fields = {"state": DeliveryState.CLAIMED, "at": NOW, "lease_until": NOW + timedelta(minutes=1)}
    return Delivery(message=of or message(), channel=channel, **{**fields, **more})


def handed_over(before: Delivery, provider_id: str) -> Delivery:
    state = DeliveryState.HANDED_OVER
    return replace(before, state=state, lease_until=None, provider_id=provider_id, version=before.version + 1)


def test_a_message_has_a_delivery_for_each_channel(deliveries: Deliveries) -> None:
    """They come back as they were put, with their message and nobody else's."""
    mail, sms = claimed(), claimed(channel=Channel.SMS)
    put_off = claimed(channel=None, state=DeliveryState.PUT_OFF, reason="quiet_hours", next_action_at=NOW)
    other = claimed(message(2))
    for one in (mail, sms, put_off, other):
        deliveries.put(one)

    assert sorted(deliveries.find_of(message()), key=lambda it: it.channel or "") == [put_off, mail, sms]
    assert deliveries.find_of(message(2)) == (other,)
    assert deliveries.find_of(message(3)) == ()


def test_only_one_of_two_claims_is_written(deliveries: Deliveries) -> None:
    """A first as well as a next one: the version that the second was decided on is not the stored one."""
    first = claimed()
    deliveries.put(first)
    with pytest.raises(VersionConflict):
        deliveries.put(claimed(lease_until=NOW + timedelta(hours=1)))
    marked = handed_over(first, "mail_1")
    deliveries.put(marked)
    with pytest.raises(VersionConflict):
        deliveries.put(replace(first, state=DeliveryState.GIVEN_UP, version=2))

    assert deliveries.find_of(message()) == (marked,)


def test_a_claim_is_written_only_while_the_tab_is_as_it_was_read(deliveries: Deliveries, store: TabStore) -> None:
    """A payment that is committed in between makes the claim fail; nothing is written then."""
    tab = store.commit(opening())
    of = message(tab_id=tab.tab_id)
    deliveries.put(claimed(of), while_at=tab)
    with pytest.raises(VersionConflict):
        deliveries.put(claimed(of, Channel.SMS), while_at=replace(tab, version=tab.version - 1))
    with pytest.raises(VersionConflict):
        deliveries.put(claimed(of, Channel.SMS), while_at=replace(tab, tab_id="tab_that_is_not_there"))

    assert [it.channel for it in deliveries.find_of(of)] == [Channel.EMAIL]


def test_feedback_finds_the_delivery_by_the_providers_id(deliveries: Deliveries) -> None:
    """As it is now, on its own channel only."""
    mail = claimed()
    deliveries.put(mail)
    mail = handed_over(mail, "0100-abc")
    deliveries.put(mail)
    bounced = replace(mail, state=DeliveryState.BOUNCED, version=3)
    deliveries.put(bounced)

    assert deliveries.find_by_provider_id(Channel.EMAIL, "0100-abc") == bounced
    assert deliveries.find_by_provider_id(Channel.SMS, "0100-abc") is None
    assert deliveries.find_by_provider_id(Channel.EMAIL, "0100-abd") is None
    assert deliveries.find_by_provider_id(Channel.EMAIL, "x#y") is None


def test_deliveries_are_listed_by_the_entries_they_follow_from(deliveries: Deliveries) -> None:
    """From one entry to another, in their order, of this tab only."""
    of = [claimed(message(seq)) for seq in (2, 3, 10, 11)]
    for one in (*reversed(of), claimed(message(3, tab_id="tab_b", message_id="tab_b.00000003.reminder.customer"))):
        deliveries.put(one)

    assert deliveries.list_of_entries(MERCHANT, TAB, 3, 10) == tuple(of[1:3])
    assert deliveries.list_of_entries(MERCHANT, TAB, 12, 99) == ()


def test_what_was_put_off_is_due_at_its_time_and_found_by_that(deliveries: Deliveries, store: TabStore) -> None:
    """About a tab and about a whole business; not before its time, and not after it was sent."""
    about_all = message(
        tab_id=None, customer_id=None, to=Recipient.OWNER, message_id="mer_a.00000003.account_lost.owner"
    )
    put_off = [
        claimed(of, None, state=DeliveryState.PUT_OFF, lease_until=None, next_action_at=NOW + timedelta(minutes=number))
        for number, of in enumerate((message(), about_all, message(2)))
    ]
    for one in put_off:
        deliveries.put(one)
    deliveries.put(replace(put_off[0], next_action_at=None, version=2))

    due = list(store.iter_due(NOW + timedelta(minutes=1)))
    assert due == [DueDelivery(MERCHANT, None, about_all.message_id, "-")]
    assert [deliveries.find_due(one) for one in due if isinstance(one, DueDelivery)] == [put_off[1]]
    assert deliveries.find_due(DueDelivery(MERCHANT, TAB, "none", "-")) is None


def test_text_messages_are_counted_by_number_country_and_day(deliveries: Deliveries) -> None:
    """Each merchant for itself; another number in the same country counts for the country."""
    day, other_day = NOW.date(), NOW.date() + timedelta(days=1)
    for number in (NUMBER, NUMBER, "+491709999999"):
        deliveries.count_sms(MERCHANT, day, number, "DE")

    assert deliveries.sms_counted(MERCHANT, day, NUMBER, "DE") == (2, 3)
    assert deliveries.sms_counted(MERCHANT, day, "+41790000000", "CH") == (0, 0)
    assert deliveries.sms_counted(MERCHANT, other_day, NUMBER, "DE") == (0, 0)
    assert deliveries.sms_counted("mer_b", day, NUMBER, "DE") == (0, 0)
