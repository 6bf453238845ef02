"""Whether a message may go, right before it is sent: it still holds, the person may be told it, and now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.contact import Channel, Contact, Given, Source
from chalicelib.domain.news.hours import QuietHours
from chalicelib.domain.news.message import Message, MessageKind, Recipient
from chalicelib.domain.news.rules import (
    ANY_TIME,
    SMS_PER_COUNTRY,
    SMS_PER_NUMBER,
    Counted,
    Decision,
    PutOff,
    Send,
    Suppress,
    Why,
    decide,
)
from chalicelib.domain.news.table import messages_of
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.commands import bill, booking, links, payment
from chalicelib.domain.tab.commands.followup import pause_followup
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.link import Scope
from chalicelib.domain.tab.policy import Policy, Resolution
from chalicelib.domain.tab.tab import Tab
from tests.unit.till import ADA, CUSTOMER, EVERYTHING, MERCHANT, NOON, WITHOUT_CARD, Till

ZONES = available_timezones()
"""Read once: each call looks through the file system."""
CONTACT = Contact(
    merchant_id="mer_1",
    customer_id="cus_1",
    name="Ada",
    email="ada@example.com",
    phone="+491701234567",
    consents=(Given(channel=Channel.SMS, at=NOON, source=Source.CUSTOMER),),
    updated_at=NOON,
)
TOLD_OWNER = replace(MERCHANT, notify_email="olga@example.com")
BOTH = Send((Channel.EMAIL, Channel.SMS))
WAIVED = Message(
    message_id="tab_1.00000009.waived.customer",
    kind=MessageKind.WAIVED,
    to=Recipient.CUSTOMER,
    merchant_id="mer_1",
    customer_id="cus_1",
    tab_id="tab_1",
    seq=9,
    at=NOON,
)
"""It tells what has happened, and stays true."""


def decided(
    message: Message = WAIVED, tab: Tab | None = None, contact: Contact | None = CONTACT, **more: Any
) -> Decision:
    facts = {"merchant": TOLD_OWNER, "phone_zones": (), "counted": Counted(), "now": NOON, **more}
    return decide(message, tab=tab, contact=contact, **facts)


def without(contact: Contact, channel: Channel, source: Source) -> Contact:
    return replace(contact, opt_outs=(*contact.opt_outs, Given(channel=channel, at=NOON, source=source)))


def last(till: Till, kind: MessageKind, to: Recipient = Recipient.CUSTOMER) -> Message:
    """The last message of this kind that follows from what has happened."""
    tab = till.tab
    found = [
        message
        for entry in till.entries
        for message in messages_of(tab.merchant_id, tab.customer_id, tab.tab_id, entry)
        if (message.kind, message.to) == (kind, to)
    ]
    return found[-1]


def of(till: Till, kind: MessageKind, to: Recipient = Recipient.CUSTOMER, *, at: Message | None = None) -> Decision:
    """What is decided about it as the tab is now."""
    return decided(at or last(till, kind, to), till.tab, now=NOON + timedelta(days=1))


# Who may be told, and on which channel


@pytest.mark.parametrize(
    ("contact", "decision"),
    [
        (CONTACT, BOTH),
        (replace(CONTACT, phone=None), Send((Channel.EMAIL,))),
        (replace(CONTACT, email=None), Send((Channel.SMS,))),
        (replace(CONTACT, consents=()), Send((Channel.EMAIL,))),
        (replace(CONTACT, email=None, consents=()), Suppress(Why.NO_CONSENT)),
        (replace(CONTACT, email=None, phone=None), Suppress(Why.NO_ADDRESS)),
        (None, Suppress(Why.NO_ADDRESS)),
        (without(CONTACT, Channel.EMAIL, Source.UNSUBSCRIBE_LINK), Send((Channel.SMS,))),
        (without(CONTACT, Channel.SMS, Source.PROVIDER), Send((Channel.EMAIL,))),
        (without(replace(CONTACT, phone=None), Channel.EMAIL, Source.CUSTOMER), Suppress(Why.OPTED_OUT)),
        (without(replace(CONTACT, phone=None), Channel.EMAIL, Source.UNREACHABLE), Suppress(Why.UNREACHABLE)),
    ],
    ids=str,
)
def test_a_customer_is_told_on_the_channels_that_they_have_and_allow(contact: Contact, decision: Decision) -> None:
    """E-mail needs an address, SMS a number and a consent; nobody is told where they opted out."""
    assert decided(contact=contact) == decision


def test_the_merchant_chooses_the_channels_and_their_order() -> None:
    """Push reaches the merchant's own app, so it needs no address."""
    sms_first = replace(MERCHANT, channels=(Channel.SMS, Channel.EMAIL))
    push = replace(MERCHANT, channels=(Channel.PUSH,))

    assert decided(merchant=sms_first) == Send((Channel.SMS, Channel.EMAIL))
    assert decided(merchant=push, contact=replace(CONTACT, email=None, phone=None)) == Send((Channel.PUSH,))


def test_text_messages_are_capped_by_number_and_country() -> None:
    """E-mail goes on; where there is none the cap is the reason."""
    only_phone = replace(CONTACT, email=None)

    assert decided(counted=Counted(SMS_PER_NUMBER - 1, SMS_PER_COUNTRY - 1)) == BOTH
    assert decided(counted=Counted(SMS_PER_NUMBER, 0)) == Send((Channel.EMAIL,))
    assert decided(contact=only_phone, counted=Counted(SMS_PER_NUMBER, 0)) == Suppress(Why.TOO_MANY_TO_NUMBER)
    assert decided(contact=only_phone, counted=Counted(0, SMS_PER_COUNTRY)) == Suppress(Why.TOO_MANY_TO_COUNTRY)


def test_the_owner_is_told_at_the_merchants_address_at_any_hour() -> None:
    """By e-mail; without an address that is the reason."""
    to_owner = replace(WAIVED, kind=MessageKind.FRAUD_WARNED, to=Recipient.OWNER)

    assert decided(to_owner, now=NOON.replace(hour=3)) == Send((Channel.EMAIL,))
    assert decided(to_owner, merchant=MERCHANT) == Suppress(Why.NO_ADDRESS)


def test_the_owner_hears_of_a_lost_account_unless_it_is_back() -> None:
    """It is about the business, not about a tab."""
    lost = replace(WAIVED, kind=MessageKind.ACCOUNT_LOST, to=Recipient.OWNER, tab_id=None, customer_id=None)

    assert decided(lost, merchant=replace(TOLD_OWNER, disconnected_at=NOON)) == Send((Channel.EMAIL,))
    assert decided(lost) == Suppress(Why.GONE_ON)


# When


def test_a_night_puts_off_until_its_end_in_the_recipients_zone() -> None:
    """Their own; else those of their number; else the merchant's."""
    night = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)
    there = replace(CONTACT, time_zone="America/New_York")
    berlin = replace(MERCHANT, policy=Policy(time_zone="Europe/Berlin"))

    assert decided(now=night) == PutOff(datetime(2026, 3, 3, 8, tzinfo=UTC), Why.QUIET_HOURS)
    assert decided(now=night, contact=there) == BOTH
    assert decided(now=night, phone_zones=("Asia/Tokyo", "America/New_York")) == PutOff(
        datetime(2026, 3, 2, 23, tzinfo=UTC), Why.QUIET_HOURS
    )
    assert decided(now=night, merchant=berlin) == PutOff(datetime(2026, 3, 3, 7, tzinfo=UTC), Why.QUIET_HOURS)


def test_what_answers_the_customers_own_act_goes_by_e_mail_at_any_hour() -> None:
    """A receipt at night goes by e-mail; without an address it waits, because a text message rings."""
    night = NOON.replace(hour=23)
    paid = Till().serve(10_00).do(payment.take_cash, 10_00)
    receipt = last(paid, MessageKind.RECEIPT)

    assert decided(receipt, paid.tab, now=night) == Send((Channel.EMAIL,))
    assert decided(receipt, paid.tab, replace(CONTACT, email=None), now=night) == PutOff(
        datetime(2026, 3, 3, 8, tzinfo=UTC), Why.QUIET_HOURS
    )


def test_a_new_link_comes_at_night_by_e_mail() -> None:
    """Whoever asked for it waits for it."""
    till = Till().do(links.make_link, "cd" * 32, Scope.VIEW, NOON + timedelta(hours=1)).wait(hours=2)
    till.do(links.want_link, till.tab.links[0].link_id)

    assert decided(last(till, MessageKind.LINK_WANTED), till.tab, now=NOON.replace(hour=23)) == Send((Channel.EMAIL,))


def test_who_can_never_be_told_at_a_fit_hour_is_not_told() -> None:
    """Zones without a common hour: recorded, not put off for ever."""
    short = replace(MERCHANT, policy=Policy(quiet_from_hour=15, quiet_until_hour=9))

    decision = decided(merchant=short, phone_zones=("Pacific/Auckland", "Europe/London"))

    assert decision == Suppress(Why.NO_ALLOWED_HOUR)


@settings(max_examples=800, deadline=None, derandomize=True)
@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from([*sorted(ZONES), "Mars/Olympus", "", None]),
    st.lists(st.sampled_from([*sorted(ZONES), "Etc/Unknown"]), max_size=4),
    st.sampled_from([kind for kind in MessageKind if kind not in (*ANY_TIME, MessageKind.ACCOUNT_LOST)]),
    st.integers(0, 23),
    st.integers(0, 23),
)
def test_nothing_is_sent_outside_the_window(
    now: datetime, own: str | None, phone: list[str], kind: MessageKind, begin: int, end: int
) -> None:
    """All kinds that observe it, all zones, unknown ones included: 0 sends; and what is put off may go at its time."""
    policy = Policy(quiet_from_hour=begin, quiet_until_hour=end, time_zone="Europe/Lisbon")
    more: dict[str, Any] = {"merchant": replace(MERCHANT, policy=policy), "phone_zones": phone}
    message, contact = replace(WAIVED, kind=kind, tab_id=None), replace(CONTACT, time_zone=own)
    zones = [own] if own in ZONES else [name for name in phone if name in ZONES] or ["Europe/Lisbon"]

    decision = decided(message, contact=contact, now=now, **more)
    if isinstance(decision, PutOff):
        assert decision.until > now
        now = decision.until
        decision = decided(message, contact=contact, now=now, **more)
    if decision != Suppress(Why.NO_ALLOWED_HOUR):
        assert decision == BOTH
        quiet = QuietHours(begin, end)
        assert not any(quiet.include(now.astimezone(ZoneInfo(str(zone)))) for zone in zones)


# Whether it is still so


def due(**policy: Any) -> Till:
    """A bill of 50.00, due, and reminded of once."""
    till = Till(policy=Policy(**policy)).accept(*WITHOUT_CARD).serve(50_00).accept_bill()
    return till.wait(days=1, hours=1)


def test_nobody_is_reminded_of_what_is_paid_contested_or_paused() -> None:
    """The reminder was due; what has happened since decides."""
    till = due()
    assert of(till, MessageKind.REMINDER) == BOTH

    assert of(due().do(payment.take_cash, 50_00), MessageKind.REMINDER) == Suppress(Why.PAID)
    assert of(due().do(bill.contest, "no", None, by=ADA), MessageKind.REMINDER) == Suppress(Why.CONTESTED)
    assert of(due().do(bill.waive, "sorry"), MessageKind.REMINDER) == Suppress(Why.GONE_ON)
    assert of(due().do(payment.take_cash, 10_00), MessageKind.REMINDER) == BOTH
    assert of(due().do(pause_followup, "holidays", None), MessageKind.REMINDER) == Suppress(Why.PAUSED)


def test_a_dispute_stops_every_request_for_money() -> None:
    """The bank has the payment of a part of the bill; the rest is not asked for meanwhile."""
    till = due()
    reminder = last(till, MessageKind.REMINDER)
    tab = replace(till.tab, legs=disputed().tab.legs)

    assert decided(reminder, tab, now=NOON + timedelta(days=1)) == Suppress(Why.DISPUTED)


def disputed() -> Till:
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).accept_bill().charged()
    return till.disputed(FactKind.DISPUTE_OPENED, FactKind.DISPUTE_WITHDRAWN)


def test_a_reminder_that_waited_for_the_next_is_superseded() -> None:
    """One of the two is enough."""
    till = due()
    first = last(till, MessageKind.REMINDER)
    till.wait(days=3)

    assert of(till, MessageKind.REMINDER, at=first) == Suppress(Why.SUPERSEDED)
    assert of(till, MessageKind.REMINDER) == BOTH


def test_a_bill_is_told_while_it_is_that_bill() -> None:
    """Not one that was taken back, presented again, paid or contested meanwhile."""
    till = Till().serve(50_00)
    first = last(till, MessageKind.BILL_PRESENTED)
    assert of(till, MessageKind.BILL_PRESENTED) == BOTH

    till.do(bill.amend)
    assert of(till, MessageKind.BILL_PRESENTED) == Suppress(Why.SUPERSEDED)
    till.now += timedelta(minutes=1)
    till.serve(5_00)
    assert of(till, MessageKind.BILL_PRESENTED, at=first) == Suppress(Why.SUPERSEDED)
    assert of(till, MessageKind.BILL_PRESENTED) == BOTH
    till.do(bill.contest, "no", None, by=ADA)
    assert of(till, MessageKind.BILL_PRESENTED) == Suppress(Why.CONTESTED)
    paid = Till().serve(50_00).do(payment.take_cash, 50_00)
    assert of(paid, MessageKind.BILL_PRESENTED) == Suppress(Why.PAID)


def test_a_receipt_is_replaced_by_the_next_and_not_by_a_refund() -> None:
    """A tip within minutes makes another; what went back makes none."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).accept_bill().charged()
    first = last(till, MessageKind.RECEIPT)
    assert of(till, MessageKind.RECEIPT) == BOTH

    till.do(payment.tip, 5_00, by=ADA).awaiting(Operation.CHARGE, "pi_tip").charged("pi_tip")
    assert of(till, MessageKind.RECEIPT, at=first) == Suppress(Why.SUPERSEDED)
    assert of(till, MessageKind.RECEIPT) == BOTH
    till.do(payment.refund, 20_00, "sorry").refunded()
    assert of(till, MessageKind.RECEIPT) == BOTH


def test_the_banks_question_is_passed_on_while_it_is_asked() -> None:
    """Answered or ended meanwhile, nobody is sent to confirm anything."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00)
    till.wait(days=2).awaiting(Operation.CHARGE)
    asked = last(till, MessageKind.CONFIRMATION_NEEDED)
    assert of(till, MessageKind.CONFIRMATION_NEEDED) == BOTH

    till.charged("pi_asks")
    assert of(till, MessageKind.CONFIRMATION_NEEDED, at=asked) == Suppress(Why.PAID)


def test_what_was_taken_back_or_answered_meanwhile_is_not_told() -> None:
    """A no-show that was a mistake, a move after which came another, a contest that is resolved."""
    no_show = Till.booked(2).accept(*WITHOUT_CARD).wait(hours=3).do(booking.mark_no_show)
    assert of(no_show, MessageKind.NO_SHOW) == BOTH
    told = last(no_show, MessageKind.NO_SHOW)
    no_show.do(booking.check_in)
    assert of(no_show, MessageKind.NO_SHOW, at=told) == Suppress(Why.GONE_ON)

    contested = Till().serve(50_00).do(bill.contest, "no", None, by=ADA)
    to_owner = last(contested, MessageKind.CONTESTED, Recipient.OWNER)
    assert of(contested, MessageKind.CONTESTED, Recipient.OWNER) == Send((Channel.EMAIL,))
    contested.do(bill.resolve, Resolution.WAIVE, None, "sorry")
    assert of(contested, MessageKind.CONTESTED, Recipient.OWNER, at=to_owner) == Suppress(Why.GONE_ON)
