"""Messages to customer and owner: kinds and texts. Commands and agenda decide when to send; the notifier delivers."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from chalicelib.domain.money import format_amount
from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.parties import Merchant
from chalicelib.domain.tab.tab import Tab


class Message(Struct, frozen=True, kw_only=True):
    """`message_id` stays the same if a message is sent again, so that the delivery can drop the repetition.

    `customer_id`, `tab_id`: None for what is about the whole business.
    """

    message_id: str
    kind: MessageKind
    to: Recipient
    merchant_id: str
    customer_id: str | None
    tab_id: str | None
    at: datetime
    text: str


def receipt_of(tab: Tab, at: datetime) -> Message:
    """The receipt of a closed tab. Its id contains the amount, so a later payment (a tip) has another receipt."""
    return Message(
        message_id=f"receipt_{tab.tab_id}_{tab.receipt_minor}",
        kind=MessageKind.RECEIPT,
        to=Recipient.CUSTOMER,
        merchant_id=tab.merchant_id,
        customer_id=tab.customer_id,
        tab_id=tab.tab_id,
        at=at,
        text=text_of(MessageKind.RECEIPT, tab, tab.receipt_minor),
    )


def account_lost(merchant: Merchant, at: datetime) -> Message:
    """To the owner: their account at the gateway does not let us in any more."""
    return Message(
        message_id=f"account_lost_{merchant.merchant_id}_{merchant.version}",
        kind=MessageKind.ACCOUNT_LOST,
        to=Recipient.OWNER,
        merchant_id=merchant.merchant_id,
        customer_id=None,
        tab_id=None,
        at=at,
        text=(
            f"{merchant.name}: your Stripe account {merchant.account} is no longer connected. Nothing can be charged, "
            "held or refunded until you connect it again; no new tabs can be opened."
        ),
    )


def text_of(kind: MessageKind, tab: Tab, amount_minor: int = 0, detail: str = "") -> str:
    """The text of a message. A hold is "held, not charged"; only real charges are called charged."""
    amount = format_amount(amount_minor, tab.currency)
    left = _what_is_left(tab)
    match kind:
        case MessageKind.BILL_PRESENTED:
            return f"{tab.title}: your bill is {amount}. Have a look, accept it, or tell us what is wrong."
        case MessageKind.BILL_ADJUSTED:
            return f"{tab.title}: the bill was lowered by {amount}; {left}"
        case MessageKind.WAIVED:
            return f"{tab.title}: {amount} of {'the fee' if tab.fee else 'the bill'} was forgiven; {left}"
        case MessageKind.REMINDER:
            return f"{tab.title}: {amount} is still to be paid. {detail}"
        case MessageKind.CARD_DECLINED:
            return f"{tab.title}: your bank declined {amount}. {detail}"
        case MessageKind.CONFIRMATION_NEEDED:
            return f"{tab.title}: your bank asks you to confirm {amount} on your phone."
        case MessageKind.CANCELED:
            return f"{tab.title}: canceled {detail}"
        case MessageKind.NO_SHOW:
            return f"{tab.title}: nobody came to the appointment. {detail}"
        case MessageKind.NO_SHOW_TAKEN_BACK:
            return f"{tab.title}: the no-show was a mistake and is taken back. {detail}"
        case MessageKind.DEPOSIT_LAPSED:
            return f"{tab.title}: the deposit of {amount} was not confirmed in time. {detail}"
        case MessageKind.DEPOSIT_FAILED:
            return f"{tab.title}: the deposit of {amount} could not be held. {detail}"
        case MessageKind.HOLD_TAKEN:
            return f"{tab.title}: {amount} of the hold were taken before it ended, as agreed. {left}"
        case MessageKind.WALKED_OUT:
            return f"{tab.title}: the bill of {amount} was left unpaid.{detail}"
        case MessageKind.RESCHEDULED:
            return f"{tab.title}: moved {detail}"
        case MessageKind.RESCHEDULE_PROPOSED:
            return f"{tab.title}: another time is proposed, {detail}"
        case MessageKind.HOLD_ENDS:
            return f"{tab.title}: {amount} are held, not charged, until {detail}"
        case MessageKind.PROTECTION_LOST:
            return f"{tab.title}: the deposit of {amount} is not secured any more. {detail}"
        case MessageKind.CARD_REMOVED:
            return f"{tab.title}: your card was removed. {detail}"
        case MessageKind.CARD_GONE:
            return f"{tab.title}: the customer's card was removed. Without another one the bill can't be charged to it."
        case MessageKind.CALL_REFUSED:
            return (
                f"{tab.title}: a payment of {amount} did not work. The fault is ours, and nothing was taken. {detail}"
            )
        case MessageKind.CONTESTED:
            return f"{tab.title}: the customer contests {amount}: {detail}"
        case MessageKind.CONTEST_OVERDUE:
            return f"{tab.title}: the contest is still open. Without your answer {amount} will be forgiven on {detail}."
        case MessageKind.CONTEST_RESOLVED:
            return f"{tab.title}: {detail} {left}"
        case MessageKind.COLLECTION_ENDED:
            return (
                f"{tab.title}: {amount} could not be collected automatically. {detail} "
                "Write it off, or agree on something with the customer."
            )
        case MessageKind.CASH_TO_RETURN:
            return f"{tab.title}: {amount} that was paid in cash {detail}"
        case MessageKind.REFUND:
            return f"{tab.title}: {amount} is on its way back to you."
        case MessageKind.REFUND_FAILED:
            return (
                f"{tab.title}: {amount} is owed back to the customer, and the refund failed. Try it again, or give it "
                "back another way and record that."
            )
        case MessageKind.REFUND_WAITS:
            return (
                f"{tab.title}: a refund of {amount} waits, because the customer's bank has the payment in dispute. Do "
                "not give it back another way: the bank may. Won, it is refunded by itself."
            )
        case MessageKind.DEPOSIT_TAKEN:
            return f"{tab.title}: the deposit of {amount} was taken. It counts towards the bill, or a fee that is due."
        case MessageKind.INQUIRY:
            return (
                f"{tab.title}: the customer's bank asks about a payment of {amount}. Nothing was taken. Answer it in "
                "Stripe, or refund the payment, which ends it."
            )
        case MessageKind.DISPUTED:
            return (
                f"{tab.title}: the customer's bank disputes {amount}. Follow-up and refunds rest until it is decided."
            )
        case MessageKind.DISPUTE_CLOSED:
            return f"{tab.title}: the dispute about {amount} was {detail}."
        case MessageKind.ACCOUNT_LOST:
            raise AssertionError("it is about a merchant, not about a tab: see account_lost")
        case MessageKind.FRAUD_WARNED:
            return f"{tab.title}: the card's bank suspects fraud in a payment of {amount}. {detail}"
        case MessageKind.RECEIPT:
            return f"{tab.title}: paid, {amount} in all. Thank you."


def _what_is_left(tab: Tab) -> str:
    """What is to pay, and what goes back by itself; cash that is to be collected has a message of its own."""
    left = f"{format_amount(tab.balance_minor, tab.currency)} is left to pay."
    back_minor = tab.refund_owed_minor - tab.cash_to_return_minor
    return f"{left} {format_amount(back_minor, tab.currency)} is given back." if back_minor > 0 else left
