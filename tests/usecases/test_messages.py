"""Messages: at most once, receipts at least once, whatever fails between decision and delivery."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from chalicelib.domain.news.message import MessageKind
from chalicelib.domain.news.messages import Message
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.status import Status
from chalicelib.ports.store import StoreUnavailable
from chalicelib.usecases.tab.advance_tab import advance_due_tabs, send_receipt
from chalicelib.usecases.tab.bill import write_off
from chalicelib.usecases.tab.payment import give_tip, pay_on_phone
from chalicelib.usecases.tab.refund import refund_tab
from tests.usecases.fake_gateway import CardBehaviour, Crash, Fault
from tests.usecases.shop import EVERYTHING, WITH_CARD, WITHOUT_CARD, Shop


def receipts(shop: Shop) -> list[Message]:
    return [message for message in shop.outbox.messages if message.kind == MessageKind.RECEIPT]


def unpaid(shop: Shop) -> Shop:
    """A bill of 50, due since noon; no card."""
    shop.open(*WITHOUT_CARD).serve(50_00).accept_bill()
    return shop


def test_a_reminder_is_sent_once_however_often_the_schedule_runs(shop: Shop) -> None:
    """Twelve sweeps in the hour that it is due."""
    unpaid(shop).wait(days=1)

    for _ in range(12):
        shop.wait(minutes=5)

    assert shop.outbox.kinds().count(MessageKind.REMINDER) == 1


def test_a_reminder_that_could_not_be_handed_over_is_lost_and_not_sent_twice(shop: Shop) -> None:
    """Marked before sending: at most once; the next one goes out at its own time."""
    unpaid(shop)
    shop.outbox.is_down = True
    assert shop.wait(days=1).failed == 0

    shop.outbox.is_down = False
    shop.wait(minutes=5)
    assert MessageKind.REMINDER not in shop.outbox.kinds()

    shop.wait(days=2)
    assert shop.outbox.kinds().count(MessageKind.REMINDER) == 1


def test_nothing_is_said_that_was_not_written(shop: Shop) -> None:
    """The store did not take the change: no message about it."""
    unpaid(shop)
    commit = shop.store.commit

    def down(*args: object, **given: object) -> None:
        raise StoreUnavailable

    shop.store.commit = down  # type: ignore[method-assign,assignment]
    assert shop.wait(days=1).failed == 1
    assert MessageKind.REMINDER not in shop.outbox.kinds()

    shop.store.commit = commit  # type: ignore[method-assign]
    shop.wait(minutes=5)
    assert shop.outbox.kinds().count(MessageKind.REMINDER) == 1


def test_a_process_that_dies_while_sending_does_not_send_again(shop: Shop) -> None:
    """The mark is on record."""
    unpaid(shop)
    send = shop.outbox.send

    def dies(message: Message) -> None:
        raise Crash("sending")

    shop.outbox.send = dies  # type: ignore[method-assign]
    with pytest.raises(Crash):
        shop.wait(days=1)

    shop.outbox.send = send  # type: ignore[method-assign]
    shop.wait(minutes=5)
    assert MessageKind.REMINDER not in shop.outbox.kinds()


def test_a_receipt_is_sent_once_when_all_goes_well(shop: Shop) -> None:
    """By the first sweep: who pays does not wait for the post."""
    shop.open(*WITH_CARD).serve(50_00).accept_bill()
    assert receipts(shop) == []
    shop.wait(minutes=5)
    assert len(receipts(shop)) == 1

    shop.wait(days=1)

    assert [message.text for message in receipts(shop)] == ["Haircut: paid, EUR 50.00 in all. Thank you."]
    assert shop.tab.next_action_at is None


def test_a_receipt_that_could_not_be_handed_over_is_sent_by_the_next_sweep(shop: Shop) -> None:
    """The payment stands meanwhile, and so does the tab in the agenda."""
    shop.outbox.is_down = True
    shop.open(*WITH_CARD).serve(50_00).accept_bill()
    assert shop.tab.status == Status.CLOSED
    assert shop.wait(minutes=5).failed == 0
    assert receipts(shop) == []

    shop.outbox.is_down = False
    shop.wait(minutes=5)

    assert len(receipts(shop)) == 1
    assert shop.tab.next_action_at is None


def test_a_receipt_whose_mark_got_lost_comes_again_under_the_same_id(shop: Shop) -> None:
    """Sent, and then the process died: at least once, and whoever delivers can drop the second."""
    shop.open(*WITH_CARD).serve(50_00).accept_bill()
    send = shop.outbox.send

    def sends_and_dies(message: Message) -> None:
        send(message)
        if message.kind == MessageKind.RECEIPT:
            raise Crash("after sending")

    shop.outbox.send = sends_and_dies  # type: ignore[method-assign]
    shop.crashing(lambda: send_receipt(shop.deps, shop.tab))
    shop.outbox.send = send  # type: ignore[method-assign]
    shop.wait(minutes=5)

    first, second = receipts(shop)
    assert first.message_id == second.message_id
    assert shop.tab.next_action_at is None


def test_a_tip_has_a_receipt_of_its_own(shop: Shop) -> None:
    """55 in all, under another id."""
    shop.open(*WITH_CARD).serve(50_00).accept_bill()
    shop.wait(minutes=5)
    answer = give_tip(shop.deps, shop.tab_id, 5_00, request=shop.request(shop.ada))
    assert answer.attempt is not None

    shop.gateway.confirm(answer.attempt.payment_id or "")
    shop.deliver_all()
    shop.wait(minutes=5)

    first, second = receipts(shop)
    assert first.message_id != second.message_id
    assert "EUR 55.00" in second.text


def meanwhile(shop: Shop, happens: Callable[[], object]) -> None:
    """The next message is handed over only after this has happened."""
    send = shop.outbox.send

    def sends(message: Message) -> None:
        shop.outbox.send = send  # type: ignore[method-assign]
        happens()
        send(message)

    shop.outbox.send = sends  # type: ignore[method-assign]


def test_a_tip_while_the_receipt_is_sent_has_a_receipt_of_its_own(shop: Shop) -> None:
    """The one that is on its way says 50; what was paid meanwhile must not be marked as told."""
    shop.open(*WITH_CARD).serve(50_00).accept_bill()

    def tips() -> None:
        answer = give_tip(shop.deps, shop.tab_id, 5_00, request=shop.request(shop.ada))
        assert answer.attempt is not None
        shop.gateway.confirm(answer.attempt.payment_id or "")
        shop.deliver_all()

    meanwhile(shop, tips)
    shop.wait(minutes=5)
    assert shop.tab.receipt_owed
    shop.wait(minutes=5)

    first, second = (receipt.text for receipt in receipts(shop))
    assert (first, second) == (
        "Haircut: paid, EUR 50.00 in all. Thank you.",
        "Haircut: paid, EUR 55.00 in all. Thank you.",
    )
    assert shop.tab.next_action_at is None


def test_two_sweeps_at_once_mark_a_receipt_once(shop: Shop) -> None:
    """Sent twice, under one id, and written down once."""
    shop.open(*WITH_CARD).serve(50_00).accept_bill()

    meanwhile(shop, lambda: send_receipt(shop.deps, shop.tab))
    shop.wait(minutes=5)

    assert len({receipt.message_id for receipt in receipts(shop)}) == 1
    entries = shop.store.list_entries(shop.merchant_id, shop.tab_id, limit=100, cursor=None).items
    assert [entry.kind for entry in entries].count("receipt_sent") == 1


def test_a_receipt_is_not_for_what_goes_back(shop: Shop) -> None:
    """50 paid, and 20 refunded before the post: the gateway has not answered, and still the receipt says 30."""
    shop.open(*WITH_CARD).serve(50_00).accept_bill()
    shop.gateway.fail(Operation.REFUND, Fault.LOST_AFTER)
    refund_tab(shop.deps, shop.tab_id, 20_00, "a discount", request=shop.request(shop.owner))

    shop.wait(minutes=1)

    (receipt,) = receipts(shop)
    assert receipt.text == "Haircut: paid, EUR 30.00 in all. Thank you."


def test_nobody_is_thanked_for_what_is_owed_back_to_them(shop: Shop) -> None:
    """All of it is refunded before the post, and the refund fails days later: no receipt says that 50 were paid."""
    shop.open(*WITH_CARD).serve(50_00).accept_bill()
    shop.gateway.refunds_end = "failed"
    refund_tab(shop.deps, shop.tab_id, 50_00, "all of it", request=shop.request(shop.owner))
    shop.wait(minutes=5)
    shop.deliver_all()

    shop.wait(days=1)

    assert shop.tab.refund_owed_minor == 50_00
    assert receipts(shop) == []


def test_a_hold_clock_does_not_wait_for_the_post(shop: Shop) -> None:
    """All that is due is done before the first receipt goes out."""
    shop.open(*WITH_CARD).serve(50_00).accept_bill()
    first = shop.tab_id
    shop.open(*EVERYTHING).serve(30_00)
    second = shop.tab_id
    shop.clock.instant += timedelta(days=1)
    seen: list[Status] = []

    meanwhile(shop, lambda: seen.append(shop.store.get_tab(shop.merchant_id, second).status))
    advance_due_tabs(shop.deps)

    assert receipts(shop)[0].tab_id == first
    assert seen == [Status.CLOSED]


def test_a_recovery_has_its_receipt(shop: Shop) -> None:
    """Given up, and paid after all."""
    unpaid(shop)
    write_off(shop.deps, shop.tab_id, "gone", request=shop.request(shop.owner))
    assert receipts(shop) == []
    answer = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    assert answer.attempt is not None

    shop.gateway.confirm(answer.attempt.payment_id or "")
    shop.deliver_all()
    shop.wait(minutes=5)

    assert len(receipts(shop)) == 1


def test_a_tip_before_the_post_is_on_the_one_receipt(shop: Shop) -> None:
    """Paid and tipped within minutes: one message, of both."""
    shop.open(*WITH_CARD).serve(50_00).accept_bill()
    answer = give_tip(shop.deps, shop.tab_id, 5_00, request=shop.request(shop.ada))
    assert answer.attempt is not None
    shop.gateway.confirm(answer.attempt.payment_id or "")
    shop.deliver_all()

    shop.wait(minutes=5)

    (receipt,) = receipts(shop)
    assert "EUR 55.00" in receipt.text


def test_the_whole_follow_up_of_a_bill_that_is_paid_in_the_end(shop: Shop) -> None:
    """Presented, declined for lack of funds, reminded, declined again, reminded, tried a third time: paid, receipt."""
    shop.gateway.cards["pm_1"] = CardBehaviour.NO_MONEY
    shop.open(*EVERYTHING).serve(50_00)
    shop.wait(days=1)
    shop.wait(days=1)
    shop.wait(days=1)
    shop.gateway.cards["pm_1"] = CardBehaviour.GOOD
    shop.wait(days=1)
    shop.wait(days=2)
    shop.wait(days=30)

    assert shop.outbox.kinds() == [
        MessageKind.BILL_PRESENTED,
        MessageKind.CARD_DECLINED,
        MessageKind.REMINDER,
        MessageKind.CARD_DECLINED,
        MessageKind.REMINDER,
        MessageKind.RECEIPT,
    ]
    assert shop.gateway.calls.count(Operation.CHARGE) == 3
    shop.check_books()
