"""What is told because of what was committed: nothing twice, nothing that was not written."""

from __future__ import annotations

from chalicelib.domain.news.message import Message, MessageKind
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.status import Status
from chalicelib.ports.store import StoreUnavailable
from chalicelib.usecases.tab.bill import write_off
from chalicelib.usecases.tab.payment import give_tip, pay_on_phone
from chalicelib.usecases.tab.refund import refund_tab
from tests.usecases.fake_gateway import CardBehaviour, Fault
from tests.usecases.shop import EVERYTHING, WITH_CARD, WITHOUT_CARD, Shop


def receipts(shop: Shop) -> list[Message]:
    return [message for message in shop.messages if message.kind == MessageKind.RECEIPT]


def unpaid(shop: Shop) -> Shop:
    """A bill of 50, due since noon; no card."""
    shop.open(*WITHOUT_CARD).serve(50_00).accept_bill()
    return shop


def test_a_reminder_is_sent_once_however_often_the_schedule_runs(shop: Shop) -> None:
    """Twelve sweeps in the hour that it is due."""
    unpaid(shop).wait(days=1)

    for _ in range(12):
        shop.wait(minutes=5)

    assert shop.told.count(MessageKind.REMINDER) == 1


def test_nothing_is_said_that_was_not_written(shop: Shop) -> None:
    """The store did not take the change: no message about it."""
    unpaid(shop)
    commit = shop.store.commit

    def down(*args: object, **given: object) -> None:
        raise StoreUnavailable

    shop.store.commit = down  # type: ignore[method-assign,assignment]
    assert shop.wait(days=1).failed == 1
    assert MessageKind.REMINDER not in shop.told

    shop.store.commit = commit  # type: ignore[method-assign]
    shop.wait(minutes=5)
    assert shop.told.count(MessageKind.REMINDER) == 1


def test_a_receipt_follows_from_the_payment(shop: Shop) -> None:
    """Once, and nothing of it is left to be done: whoever pays does not wait for the post."""
    shop.open(*WITH_CARD).serve(50_00).accept_bill()

    shop.wait(days=1)

    assert [receipt.values["receipt_minor"] for receipt in receipts(shop)] == [50_00]
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
    assert (second.values["receipt_minor"], second.seq) == (55_00, shop.tab.receipt_seq)


def test_what_is_owed_back_is_not_on_a_receipt(shop: Shop) -> None:
    """50 paid, and 20 refunded before the post: the tab says 30, whatever its entry said."""
    shop.open(*WITH_CARD).serve(50_00).accept_bill()
    shop.gateway.fail(Operation.REFUND, Fault.LOST_AFTER)

    refund_tab(shop.deps, shop.tab_id, 20_00, "a discount", request=shop.request(shop.owner))

    assert shop.tab.receipt_minor == 30_00


def test_who_sends_messages_moves_no_money() -> None:
    """A review of no time ends when the bill is told, by the post; the worker charges, minutes later."""
    shop = Shop(Policy(review_window_s=0))
    shop.open(*EVERYTHING).serve(50_00)
    assert shop.tab.status == Status.DUE
    assert shop.gateway.calls.count(Operation.CHARGE) == 0

    shop.wait(minutes=3)

    assert shop.gateway.calls.count(Operation.CHARGE) == 1
    assert shop.tab.status == Status.CLOSED


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

    assert shop.told == [
        MessageKind.BILL_PRESENTED,
        MessageKind.CARD_DECLINED,
        MessageKind.REMINDER,
        MessageKind.CARD_DECLINED,
        MessageKind.REMINDER,
        MessageKind.RECEIPT,
    ]
    assert shop.gateway.calls.count(Operation.CHARGE) == 3
    shop.check_books()
