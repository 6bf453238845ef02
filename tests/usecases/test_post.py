"""The post: a message goes out once where that can be known, on a channel that takes it, and only while it holds."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from chalicelib.domain.contact import Channel, Contact, Given, Language, Source
from chalicelib.domain.news.delivery import Delivery, DeliveryState
from chalicelib.domain.news.message import Message, MessageKind, Recipient
from chalicelib.domain.news.rules import SMS_PER_NUMBER, Why
from chalicelib.domain.news.sending import SendingState
from chalicelib.domain.news.table import messages_of
from chalicelib.domain.tab.link import LinkMethod, Scope
from chalicelib.domain.tab.policy import Policy
from chalicelib.ports.channels import ChannelRefused, ChannelUnavailable
from chalicelib.ports.notices import NoticeJob, queue_job_of
from chalicelib.ports.queues import QueueName, QueueUnavailable
from chalicelib.ports.store import DueDelivery, VersionConflict
from chalicelib.ports.webhooks import Answer
from chalicelib.ports.words import MissingValue, Setting, Written
from chalicelib.usecases.links.admit import admit
from chalicelib.usecases.links.tab_links import make_link, want_link
from chalicelib.usecases.news import notices, post
from chalicelib.usecases.news.endpoints import EndpointInput, create_endpoint
from chalicelib.usecases.news.post import LEASE, NotNow, deliver, deliver_each, how_told
from chalicelib.usecases.tab.payment import take_cash
from tests.notices import Receivers
from tests.usecases.fake_gateway import Crash
from tests.usecases.shop import NOON, WITHOUT_CARD, Shop

EMAIL, SMS = "ada@example.com", "+491701234567"
TIMEOUT = ChannelUnavailable("timed out", may_have_taken=True)
THROTTLED = ChannelUnavailable("throttled", may_have_taken=False)


@pytest.fixture
def shop() -> Shop:
    """Ada has both channels, and owes 50.00 of which she was reminded a day after."""
    shop = Shop()
    shop.pump.rests = True
    tell(shop)
    shop.open(*WITHOUT_CARD).serve()
    return shop


def tell(shop: Shop, **more: Any) -> None:
    """Set Ada's contact."""
    before = shop.deps.people.find_contact(shop.merchant_id, shop.customer_id)
    contact = Contact(
        merchant_id=shop.merchant_id,
        customer_id=shop.customer_id,
        name="Ada",
        email=EMAIL,
        phone=SMS,
        consents=(Given(channel=Channel.SMS, at=NOON, source=Source.CUSTOMER),),
        updated_at=NOON,
        version=before.version + 1 if before else 1,
    )
    shop.deps.people.put_contact(replace(contact, **more), before)


def contact_of(shop: Shop) -> Contact:
    found = shop.deps.people.find_contact(shop.merchant_id, shop.customer_id)
    assert found is not None
    return found


def due(shop: Shop) -> Shop:
    shop.accept_bill()
    shop.wait(days=1, hours=1)
    return shop


def message(shop: Shop, kind: MessageKind, to: Recipient = Recipient.CUSTOMER) -> Message:
    """The newest of this kind that follows from the tab's entries."""
    entries = shop.store.list_entries(shop.merchant_id, shop.tab_id, limit=1000, cursor=None).items
    told = [m for e in entries for m in messages_of(shop.merchant_id, shop.customer_id, shop.tab_id, e)]
    return [one for one in told if (one.kind, one.to) == (kind, to)][-1]


def bill(shop: Shop) -> Message:
    return message(shop, MessageKind.BILL_PRESENTED)


def reminder(shop: Shop) -> Message:
    return message(due(shop), MessageKind.REMINDER)


def seen(shop: Shop, of: Message) -> list[tuple[Channel | None, DeliveryState, str | None]]:
    """Its deliveries: channel, state, reason."""
    found = shop.deps.deliveries.find_of(of)
    return [(it.channel, it.state, it.reason) for it in sorted(found, key=lambda it: it.channel or "")]


def sent(shop: Shop) -> tuple[int, int]:
    """How many mails and texts the channels have taken."""
    return len(shop.mails.sent), len(shop.texts.sent)


HANDED_OVER = DeliveryState.HANDED_OVER


# Once


def test_a_message_goes_out_once_however_often_its_job_comes(shop: Shop) -> None:
    """On the first channel; the mark has the provider's id, by which feedback comes back."""
    for _ in range(3):
        deliver(shop.deps, bill(shop))

    assert sent(shop) == (1, 0)
    assert seen(shop, bill(shop)) == [(Channel.EMAIL, HANDED_OVER, None)]
    found = shop.deps.deliveries.find_by_provider_id(Channel.EMAIL, "mail_1")
    assert found is not None
    assert found.message == bill(shop)


def test_two_who_deliver_at_once_send_once(shop: Shop) -> None:
    """The second finds the claim of the first and leaves its job to the queue; a later try finds the mark."""
    refused: list[type[Exception]] = []
    send = shop.mails.send

    def send_while_another_tries(mail: Any) -> str:
        shop.mails.send = send  # type: ignore[method-assign]
        with pytest.raises(NotNow) as busy:
            deliver(shop.deps, bill(shop))
        refused.append(busy.type)
        return send(mail)

    shop.mails.send = send_while_another_tries  # type: ignore[method-assign]
    deliver(shop.deps, bill(shop))
    deliver(shop.deps, bill(shop))

    assert refused == [NotNow]
    assert sent(shop) == (1, 0)


def test_a_claim_that_loses_the_race_is_decided_anew(shop: Shop) -> None:
    """Somebody claims between reading and claiming; without an end to that, the job comes again."""
    put, losses = shop.deps.deliveries.put, [0]

    def lose_first(delivery: Delivery, **more: Any) -> None:
        if not losses[0]:
            losses[0] = 1
            raise VersionConflict("lost")
        put(delivery, **more)

    shop.deps.deliveries.put = lose_first  # type: ignore[method-assign]
    deliver(shop.deps, bill(shop))

    assert sent(shop) == (1, 0)


def test_who_loses_each_race_leaves_the_job_to_the_queue(shop: Shop) -> None:
    """Nothing is sent then."""

    def lose(delivery: Delivery, **more: Any) -> None:
        raise VersionConflict("lost")

    shop.deps.deliveries.put = lose  # type: ignore[method-assign]
    with pytest.raises(NotNow):
        deliver(shop.deps, bill(shop))

    assert sent(shop) == (0, 0)


# The process dies between handing over and marking


def test_a_bill_whose_process_died_is_sent_again_after_the_lease(shop: Shop) -> None:
    """Twice is better than never; before the lease is over, nobody touches it."""
    shop.mails.failures = [Crash()]
    with pytest.raises(Crash):
        deliver(shop.deps, bill(shop))
    with pytest.raises(NotNow):
        deliver(shop.deps, bill(shop))
    assert sent(shop) == (1, 0)

    shop.clock.instant += LEASE
    deliver(shop.deps, bill(shop))
    assert sent(shop) == (2, 0)
    assert seen(shop, bill(shop)) == [(Channel.EMAIL, HANDED_OVER, None)]


def test_a_reminder_whose_process_died_is_given_up(shop: Shop) -> None:
    """Never twice, on no channel; the timeline says that nobody knows."""
    of = reminder(shop)
    shop.mails.failures = [Crash()]
    with pytest.raises(Crash):
        deliver(shop.deps, of)
    shop.clock.instant += LEASE
    tell(shop, email=None)
    deliver(shop.deps, of)
    deliver(shop.deps, of)

    assert sent(shop) == (1, 0)
    assert seen(shop, of) == [(Channel.EMAIL, DeliveryState.GIVEN_UP, None)]


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize(("what", "number"), [("put", 0), ("send", 0), ("put", 1)])
def test_wherever_the_process_dies_a_reminder_goes_out_at_most_once(
    shop: Shop, what: str, number: int, is_after: bool
) -> None:
    """Before and after each write of a delivery and before and after the hand-over."""
    of = reminder(shop)
    crash_at(shop, what, number, is_after)
    with pytest.raises(Crash):
        deliver(shop.deps, of)
    shop.deps.deliveries.__dict__.pop("put", None)
    shop.mails.__dict__.pop("send", None)
    for _ in range(3):
        shop.clock.instant += LEASE
        deliver(shop.deps, of)

    assert sum(sent(shop)) <= 1
    (state,) = [state for _, state, _ in seen(shop, of)]
    assert state in (HANDED_OVER, DeliveryState.GIVEN_UP)
    assert (state == HANDED_OVER) <= (sent(shop) == (1, 0))


def crash_at(shop: Shop, what: str, number: int, after: bool) -> None:
    """The process dies before or after the `number`-th such call."""
    place: Any = shop.mails if what == "send" else shop.deps.deliveries
    real: Callable[..., Any] = getattr(place, what)
    calls = [0]

    def act(*given: Any, **more: Any) -> Any:
        calls[0] += 1
        if calls[0] == number + 1 and not after:
            raise Crash
        answer = real(*given, **more)
        if calls[0] == number + 1:
            raise Crash
        return answer

    setattr(place, what, act)


# Channels that do not take it


def test_the_next_channel_is_tried_where_one_refuses(shop: Shop) -> None:
    """What was refused is recorded and not tried again."""
    shop.mails.failures = [ChannelRefused(ChannelRefused.BAD_ADDRESS)]
    deliver(shop.deps, bill(shop))
    deliver(shop.deps, bill(shop))

    assert sent(shop) == (0, 1)
    assert seen(shop, bill(shop)) == [
        (Channel.EMAIL, DeliveryState.REFUSED, "bad_address"),
        (Channel.SMS, HANDED_OVER, None),
    ]


def test_where_every_channel_refuses_nobody_is_told(shop: Shop) -> None:
    """Recorded; the job is done, and the bill's window need not wait for more."""
    shop.mails.failures = [ChannelRefused(ChannelRefused.REJECTED)]
    shop.texts.failures = [ChannelRefused(ChannelRefused.BAD_ADDRESS)]
    deliver(shop.deps, bill(shop))
    deliver(shop.deps, bill(shop))

    assert sent(shop) == (0, 0)
    assert [state for _, state, _ in seen(shop, bill(shop))] == [DeliveryState.REFUSED] * 2


def test_an_opt_out_at_the_provider_is_the_persons_own(shop: Shop) -> None:
    """It stands in the contact, with its source, and the channel is not tried again."""
    shop.mails.failures = [ChannelRefused(ChannelRefused.REJECTED)]
    shop.texts.failures = [ChannelRefused(ChannelRefused.OPTED_OUT)]
    deliver(shop.deps, bill(shop))

    refused = contact_of(shop).opted_out_of(Channel.SMS)
    assert refused is not None
    assert refused.source == Source.PROVIDER


def test_a_channel_that_is_too_busy_is_tried_again_by_the_queue(shop: Shop) -> None:
    """Nothing was sent, so a reminder comes again as well."""
    of = reminder(shop)
    shop.mails.failures = [THROTTLED]
    with pytest.raises(ChannelUnavailable):
        deliver(shop.deps, of)
    assert seen(shop, of) == [(Channel.EMAIL, DeliveryState.PUT_OFF, "channel_unavailable")]
    deliver(shop.deps, of)

    assert sent(shop) == (1, 0)


def test_a_channel_that_gave_no_answer_may_have_taken_it(shop: Shop) -> None:
    """A bill is sent again, a reminder is not."""
    shop.mails.failures = [TIMEOUT]
    with pytest.raises(ChannelUnavailable):
        deliver(shop.deps, bill(shop))
    deliver(shop.deps, bill(shop))
    assert sent(shop) == (2, 0)

    of = reminder(shop)
    shop.mails.failures = [TIMEOUT]
    deliver(shop.deps, of)
    deliver(shop.deps, of)
    assert sent(shop) == (3, 0)
    assert seen(shop, of) == [(Channel.EMAIL, DeliveryState.GIVEN_UP, None)]


# What is decided right before


def test_what_was_paid_meanwhile_is_not_reminded_of(shop: Shop) -> None:
    """The reason is recorded, once."""
    of = reminder(shop)
    take_cash(shop.deps, shop.tab_id, 50_00, request=shop.request(shop.staff))
    deliver(shop.deps, of)
    deliver(shop.deps, of)

    assert sent(shop) == (0, 0)
    (record,) = shop.deps.deliveries.find_of(of)
    assert (record.state, record.reason, record.version) == (DeliveryState.SUPPRESSED, Why.PAID, 1)


def test_a_payment_between_reading_and_claiming_stops_the_reminder(shop: Shop) -> None:
    """The claim is written only while the tab is as it was read."""
    of = reminder(shop)
    get_merchant = shop.store.get_merchant

    def pay_first(merchant_id: str) -> Any:
        shop.store.get_merchant = get_merchant  # type: ignore[method-assign]
        take_cash(shop.deps, shop.tab_id, 50_00, request=shop.request(shop.staff))
        return get_merchant(merchant_id)

    shop.store.get_merchant = pay_first  # type: ignore[method-assign]
    deliver(shop.deps, of)

    assert sent(shop) == (0, 0)
    assert seen(shop, of) == [(None, DeliveryState.SUPPRESSED, Why.PAID)]


def test_a_night_puts_it_off_and_the_sweep_brings_it_back(shop: Shop) -> None:
    """Due at the end of the night where her number is (Berlin), sent then, and not due any more."""
    of = reminder(shop)
    shop.clock.instant = shop.clock.instant.replace(hour=22)
    morning = shop.clock.instant.replace(hour=7) + timedelta(days=1)
    for _ in range(2):
        deliver(shop.deps, of)
    (record,) = shop.deps.deliveries.find_of(of)
    assert (record.state, record.next_action_at, record.version) == (DeliveryState.PUT_OFF, morning, 1)

    [due_then] = [it for it in shop.store.iter_due(morning) if isinstance(it, DueDelivery)]
    shop.clock.instant = morning
    job = msgspec.json.encode(due_then).decode()
    assert deliver_each(shop.deps, [job, job]) == []

    assert sent(shop) == (1, 0)
    assert not [it for it in shop.store.iter_due(morning) if isinstance(it, DueDelivery)]
    assert seen(shop, of) == [(None, DeliveryState.PUT_OFF, "quiet_hours"), (Channel.EMAIL, HANDED_OVER, None)]


def test_text_messages_of_a_day_are_counted(shop: Shop) -> None:
    """The number's cap holds over all messages of the merchant; the next day it is open again."""
    tell(shop, email=None)
    for number in range(SMS_PER_NUMBER + 1):
        deliver(shop.deps, replace(bill(shop), message_id=f"msg_{number}"))
    assert sent(shop) == (0, SMS_PER_NUMBER)
    assert seen(shop, replace(bill(shop), message_id=f"msg_{SMS_PER_NUMBER}"))[0][2] == Why.TOO_MANY_TO_NUMBER

    shop.clock.instant += timedelta(days=1)
    deliver(shop.deps, replace(bill(shop), message_id="msg_next_day"))
    assert sent(shop) == (0, SMS_PER_NUMBER + 1)


# What is written


class Settings:
    """Words that keep what they were asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[Message, Setting]] = []

    def write(self, message: Message, setting: Setting) -> Written:
        self.asked.append((message, setting))
        return Written(subject="subject", text="text", html="<p>html</p>", sms="sms")


def test_a_mail_has_the_persons_language_and_one_click_to_stop(shop: Shop) -> None:
    """RFC 8058; the same key in each mail; the tab's values as it is now."""
    tell(shop, language=Language.GERMAN, time_zone="Europe/Vienna")
    words = Settings()
    deps = replace(shop.deps, words=words)
    deliver(deps, bill(shop))
    deliver(deps, replace(bill(shop), message_id="msg_2"))

    (message, setting), _ = words.asked
    assert (setting.language, setting.time_zone, setting.currency) == (Language.GERMAN, "Europe/Vienna", "EUR")
    assert message.values["balance_minor"] == 50_00
    key = contact_of(shop).unsubscribe_key
    address = f"https://api.example.com/v1/unsubscribe/{shop.merchant_id}/{shop.customer_id}/{key}"
    assert setting.names == {"merchant": "Salon", "title": "Haircut", "customer": "Ada", "unsubscribe": address}
    for mail in shop.mails.sent:
        assert mail.headers == {
            "List-Unsubscribe": f"<{address}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
        assert (mail.to, mail.sender_name) == (EMAIL, "Salon")


def test_the_owner_reads_the_merchants_language_and_has_nothing_to_stop(shop: Shop) -> None:
    """At the merchant's address, in its zone."""
    merchant = shop.store.get_merchant(shop.merchant_id)
    changed = replace(
        merchant,
        notify_email="olga@example.com",
        language=Language.SPANISH,
        policy=Policy(time_zone="Europe/Madrid"),
        version=merchant.version + 1,
    )
    shop.store.update_merchant(changed)
    words = Settings()
    of = replace(bill(shop), kind=MessageKind.FRAUD_WARNED, to=Recipient.OWNER)
    deliver(replace(shop.deps, words=words), of)

    [(_, setting)] = words.asked
    assert (setting.language, setting.time_zone) == (Language.SPANISH, "Europe/Madrid")
    assert "unsubscribe" not in setting.names
    assert [(mail.to, mail.headers) for mail in shop.mails.sent] == [("olga@example.com", {})]


def test_words_that_lack_a_value_are_a_recorded_refusal_and_nothing_is_lost(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """The job comes again, stands among the dead letters, and is sent once the words are mended."""

    class Broken:
        def write(self, message: Message, setting: Setting) -> Written:
            raise MissingValue("A bill lacks total_minor.")

    job = msgspec.json.encode(bill(shop)).decode()
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert deliver_each(replace(shop.deps, words=Broken()), [job]) == [0]
    assert "lacks total_minor" in caplog.text
    (record,) = shop.deps.deliveries.find_of(bill(shop))
    assert (record.state, record.reason, record.version) == (DeliveryState.REFUSED, "missing_value", 1)

    assert deliver_each(shop.deps, [job]) == []
    assert sent(shop) == (1, 0)


# Batches


def test_a_bad_job_holds_up_no_neighbour(shop: Shop) -> None:
    """One that can't be read, one of a tab that is not there, one whose channel is down: the others are done."""
    good = msgspec.json.encode(bill(shop)).decode()
    gone = msgspec.json.encode(replace(bill(shop), tab_id="tab_gone", message_id="tab_gone.1")).decode()
    shop.mails.failures = [THROTTLED]
    other = msgspec.json.encode(replace(bill(shop), message_id="msg_other")).decode()

    assert deliver_each(shop.deps, ["{", gone, good, other, '{"merchant_id": 1}']) == [0, 1, 2, 4]
    assert sent(shop) == (1, 0)
    assert deliver_each(shop.deps, [good]) == []


def test_a_bill_counts_as_told_when_a_channel_took_it_or_none_is_there() -> None:
    """Not where it was replaced or paid: then it is another message that tells."""
    of = Message(message_id="m", kind=MessageKind.BILL_PRESENTED, to=Recipient.CUSTOMER, merchant_id="mer_1", at=NOON)

    def after(channel: Channel | None, state: DeliveryState, reason: str | None = None) -> str | None:
        return how_told({channel: Delivery(message=of, channel=channel, state=state, at=NOON, reason=reason)})

    assert after(Channel.EMAIL, HANDED_OVER) == "email"
    assert after(Channel.EMAIL, DeliveryState.BOUNCED) == "email"
    assert after(Channel.EMAIL, DeliveryState.REFUSED) == "refused"
    assert after(None, DeliveryState.SUPPRESSED, Why.NO_ADDRESS) == "no_address"
    assert after(None, DeliveryState.SUPPRESSED, Why.SUPERSEDED) is None


def test_a_channel_that_hangs_does_not_outlast_the_function(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be done in time is not begun: a process that is killed leaves claims, and a reminder is given up."""
    bills = [bill(shop)]
    for _ in range(2):
        shop.open(*WITHOUT_CARD).serve()
        bills.append(bill(shop))
    now = [0.0]
    monkeypatch.setattr(post, "monotonic", lambda: now[0])
    send = shop.mails.send

    def slowly(mail: Any) -> str:
        now[0] += 20
        return send(mail)

    monkeypatch.setattr(shop.mails, "send", slowly)
    assert deliver_each(shop.deps, [msgspec.json.encode(one).decode() for one in bills]) == [2]

    assert sent(shop) == (2, 0)
    assert shop.deps.deliveries.find_of(bills[2]) == ()


def test_an_opt_out_while_the_first_mail_is_prepared_is_heard(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key for the mail's own link is a change of the contact, too: who changed it first may have opted out."""
    put = shop.deps.people.put_contact
    out = Given(channel=Channel.EMAIL, at=NOON, source=Source.CUSTOMER)

    def after_an_opt_out(contact: Contact, before: Contact | None) -> None:
        monkeypatch.setattr(shop.deps.people, "put_contact", put)
        tell(shop, opt_outs=(out,), unsubscribe_key="K")
        put(contact, before)

    monkeypatch.setattr(shop.deps.people, "put_contact", after_an_opt_out)
    deps = replace(shop.deps, api_url="https://api.example.com")
    deliver(deps, bill(shop))

    assert len(shop.mails.sent) == 0
    assert sent(shop) == (0, 1)


# Push


def pushing(shop: Shop, *types: str) -> Shop:
    """The merchant tells its customers by its app first, and has a system that receives notices of these types."""
    merchant = shop.store.get_merchant(shop.merchant_id)
    channels = (Channel.PUSH, Channel.EMAIL)
    shop.store.update_merchant(replace(merchant, channels=channels, version=merchant.version + 1))
    given = EndpointInput(url="https://app.example/hook", event_types=types, description="", ordered=False)
    create_endpoint(shop.deps, given, request=shop.request(shop.owner))
    return shop


def test_a_push_is_a_notice_to_the_merchants_system(shop: Shop) -> None:
    """Once, however often its job comes, and without a word or an address in it."""
    tell(pushing(shop, "message.push"))
    shop.open(*WITHOUT_CARD).serve()
    for _ in range(2):
        deliver(shop.deps, bill(shop))
    jobs = shop.queues.take(QueueName.NOTICES)
    notices.work(shop.deps, [waiting.job.body for waiting in jobs] * 2)
    notices.work(shop.deps, [waiting.job.body for waiting in shop.queues.take(QueueName.NOTICES)])

    [pushed] = receivers(shop).taken
    assert (pushed.body["type"], pushed.body["data"]["kind"]) == ("message.push", "bill_presented")
    assert pushed.body["data"]["details"]["total_minor"] == 50_00
    assert seen(shop, bill(shop)) == [(Channel.PUSH, HANDED_OVER, None)]
    assert sent(shop) == (0, 0)


def test_a_push_that_asks_to_pay_is_not_sent_after_the_payment(shop: Shop) -> None:
    """The merchant's system was down when it was handed over, and is up again when nothing is owed any more."""
    tell(pushing(shop, "message.push"))
    shop.open(*WITHOUT_CARD).serve()
    shop.accept_bill()
    shop.wait(days=1, hours=1)
    receivers(shop).answers["https://app.example/hook"] = Answer(status=503)
    deliver(shop.deps, message(shop, MessageKind.REMINDER))
    for _ in range(2):
        notices.work(shop.deps, [waiting.job.body for waiting in shop.queues.take(QueueName.NOTICES)])
    [endpoint] = shop.deps.notices.list_endpoints(shop.merchant_id)
    log = shop.deps.notices.list_sendings(
        shop.merchant_id, endpoint.endpoint_id, NOON, shop.clock.now() + timedelta(days=1), limit=9, cursor=None
    ).items
    [waiting] = [it for it in log if it.state == SendingState.WAITING]
    del receivers(shop).answers["https://app.example/hook"]

    take_cash(shop.deps, shop.tab_id, shop.tab.balance_minor, request=shop.request(shop.staff))
    shop.clock.instant += timedelta(hours=1)
    job = NoticeJob(merchant_id=shop.merchant_id, endpoint_id=endpoint.endpoint_id, notice_id=waiting.notice.notice_id)
    notices.work(shop.deps, [queue_job_of(job).body])

    assert receivers(shop).taken == []
    found = shop.deps.notices.find_sending(shop.merchant_id, endpoint.endpoint_id, waiting.notice.notice_id)
    assert found is not None
    assert (found.state, found.next_action_at) == (SendingState.SUPPRESSED, None)


def test_without_a_system_that_takes_pushes_the_next_channel_is_used(shop: Shop) -> None:
    """No endpoint wants them: the reason is on record."""
    pushing(shop, "tab.closed")
    deliver(shop.deps, bill(shop))

    assert sent(shop) == (1, 0)
    assert (Channel.PUSH, DeliveryState.REFUSED, "no_endpoint") in seen(shop, bill(shop))


def test_a_push_that_the_queue_did_not_take_comes_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message's job fails, and its next try hands it over."""
    pushing(shop)
    shop.clock.instant += timedelta(seconds=1)
    shop.open(*WITHOUT_CARD).serve()

    def unavailable(queue: QueueName, jobs: object) -> None:
        raise QueueUnavailable(queue)

    with monkeypatch.context() as patch:
        patch.setattr(shop.queues, "send", unavailable)
        with pytest.raises(ChannelUnavailable):
            deliver(shop.deps, bill(shop))
    deliver(shop.deps, bill(shop))

    assert seen(shop, bill(shop)) == [(Channel.PUSH, HANDED_OVER, None)]


def receivers(shop: Shop) -> Receivers:
    found = shop.deps.webhooks
    assert isinstance(found, Receivers)
    return found


@pytest.mark.parametrize("phone", ["nonsense", "+999"])
def test_a_number_that_is_none_any_more_is_refused_and_recorded(shop: Shop, phone: str) -> None:
    """It was stored under older rules; the provider does not take it, and the job is done."""
    tell(shop, email=None, phone=phone, time_zone="Mars/Olympus")
    shop.texts.failures = [ChannelRefused(ChannelRefused.BAD_ADDRESS)]
    job = msgspec.json.encode(bill(shop)).decode()

    assert deliver_each(shop.deps, [job]) == []
    assert seen(shop, bill(shop)) == [(Channel.SMS, DeliveryState.REFUSED, "bad_address")]


def test_a_mail_leads_to_the_tab_by_a_link_of_its_own(shop: Shop) -> None:
    """Made as the mail is sent, and told to nobody else; a repeated job sends no second mail."""
    deps = replace(shop.deps, pages_url="https://pages.example.com", words=PlainWords())
    deliver(deps, bill(shop))
    deliver(deps, bill(shop))
    (mail,) = shop.mails.sent
    secret = re.search(r"https://pages\.example\.com/t/(\w+)", mail.text)
    assert secret is not None
    visit = admit(deps, secret[1])
    assert visit.guest is not None and visit.guest.scope == Scope.FULL
    assert [link.method for link in shop.tab.links] == [LinkMethod.MESSAGE]


def test_a_reminder_with_a_link_is_not_sent_after_a_payment(shop: Shop) -> None:
    """The link is a change of the tab, after which it is decided anew."""
    deps = replace(shop.deps, pages_url="https://pages.example.com")
    of = reminder(shop)
    digest = deps.links.digest

    class PaidMeanwhile:
        def __getattr__(self, name: str) -> Any:
            return getattr(shop.deps.links, name)

        def digest(self, secret: str) -> str:
            take_cash(shop.deps, shop.tab_id, shop.tab.balance_minor, request=shop.request(shop.staff))
            return digest(secret)

    deliver(replace(deps, links=PaidMeanwhile()), of)
    assert shop.mails.sent == []
    assert [state for _, state, _ in seen(shop, of)] == [DeliveryState.SUPPRESSED]


def test_who_opens_an_expired_link_has_a_new_one_sent_to_the_customer(shop: Shop) -> None:
    """By mail, and only there; once, though it was asked for three times, two of them at once."""
    deps = replace(shop.deps, pages_url="https://pages.example.com", words=PlainWords())
    request = shop.request(shop.staff)
    old = make_link(deps, shop.tab_id, Scope.VIEW, shop.clock.now() + timedelta(hours=1), request=request).secret
    link_id = admit(deps, old or "").subject
    want_link(deps, shop.tab, link_id)
    assert shop.tab.links_wanted == (), "it is live"
    shop.wait(hours=2)

    before = shop.tab
    want_link(deps, before, link_id)
    want_link(deps, before, link_id)  # Another request that has read the same version.
    want_link(deps, shop.tab, link_id)

    deliver(deps, message(shop, MessageKind.LINK_WANTED))
    (mail,) = [mail for mail in shop.mails.sent if mail.subject == MessageKind.LINK_WANTED]
    assert mail.to == EMAIL
    new = admit(deps, mail.text.rpartition("/")[2])
    assert new.guest is not None and new.guest.scope == Scope.FULL
    assert len(shop.tab.links_wanted) == 1


class PlainWords:
    """The address of the page, and nothing else."""

    def write(self, message: Message, setting: Setting) -> Written:
        page = setting.names.get("page", "")
        return Written(subject=message.kind, text=page, html=page, sms=page)
