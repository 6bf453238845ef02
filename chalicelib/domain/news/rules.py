"""Whether a message may go, on which channels, and when: decided anew right before it is sent.

Pure: of the tab, the contact and the merchant as they are then. What is asked of a person (payment above all) must
still be true; what merely tells them what has happened goes out whatever happened since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from chalicelib.domain.contact import Channel, Contact, Source
from chalicelib.domain.news import hours
from chalicelib.domain.news.hours import QuietHours
from chalicelib.domain.news.message import Message, MessageKind, Recipient
from chalicelib.domain.parties import Merchant
from chalicelib.domain.tab import followup
from chalicelib.domain.tab.attempt import AttemptState
from chalicelib.domain.tab.objection import ObjectionState
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Tab

SMS_PER_NUMBER = 5
SMS_PER_COUNTRY = 1000
"""The most text messages of a merchant a day (UTC): to a number, and into a country. They bound what a mistake or a
fraud (bookings with numbers that cost the sender much) can cost."""


class Why(StrEnum):
    """Why a message was not sent, or not yet. Codes: people read their words in the client's language."""

    PAID = "paid"
    CONTESTED = "contested"
    DISPUTED = "disputed"
    PAUSED = "paused"
    GONE_ON = "gone_on"
    SUPERSEDED = "superseded"
    NO_ADDRESS = "no_address"
    NO_CONSENT = "no_consent"
    OPTED_OUT = "opted_out"
    OPTED_OUT_IN_PERSON = "opted_out_in_person"
    UNREACHABLE = "unreachable"
    TOO_MANY_TO_NUMBER = "too_many_to_number"
    TOO_MANY_TO_COUNTRY = "too_many_to_country"
    QUIET_HOURS = "quiet_hours"
    NO_ALLOWED_HOUR = "no_allowed_hour"
    OWN_ADDRESS = "own_address"
    GIVEN_AFTERWARDS = "given_afterwards"


NO_WAY = frozenset(
    {
        Why.NO_ADDRESS,
        Why.NO_CONSENT,
        Why.OPTED_OUT,
        Why.OPTED_OUT_IN_PERSON,
        Why.UNREACHABLE,
        Why.TOO_MANY_TO_NUMBER,
        Why.TOO_MANY_TO_COUNTRY,
        Why.NO_ALLOWED_HOUR,
    }
)
"""Reasons that lie with the recipient: there is no channel to them. The others lie with what the message says."""


class Send(Struct, frozen=True):
    """Send it now, on the first of these channels that takes it."""

    channels: tuple[Channel, ...]


class PutOff(Struct, frozen=True):
    """Ask again at `until`."""

    until: datetime
    why: Why


class Suppress(Struct, frozen=True):
    """Do not send it, ever."""

    why: Why


Decision = Send | PutOff | Suppress


class Counted(Struct, frozen=True):
    """How many text messages the merchant has sent today: to this number, and into its country."""

    to_number: int = 0
    to_country: int = 0


AT_MOST_ONCE = frozenset({MessageKind.REMINDER})
"""Kinds that are given up rather than sent twice."""

ASKS_TO_PAY = frozenset(
    {
        MessageKind.BILL_PRESENTED,
        MessageKind.CALL_REFUSED,
        MessageKind.CARD_DECLINED,
        MessageKind.REMINDER,
        MessageKind.SHARE_RETURNED,
        MessageKind.WALKED_OUT,
    }
)
"""Kinds that are claimed only while the tab is as it was read: a payment in between stops them."""

ANY_TIME = frozenset(
    {
        MessageKind.BILL_PRESENTED,
        MessageKind.CARD_REMOVED,
        MessageKind.CONFIRMATION_NEEDED,
        MessageKind.LINK_WANTED,
        MessageKind.RECEIPT,
    }
)
"""Kinds that may go by e-mail in quiet hours: they answer what the customer has just done or taken part in, or they
wait for the customer (docs/decisions/0033). A text message rings, so it never goes then."""


def decide(
    message: Message,
    *,
    tab: Tab | None,
    contact: Contact | None,
    merchant: Merchant,
    phone_zones: Iterable[str],
    counted: Counted,
    now: datetime,
) -> Decision:
    """`tab` None: it is about the whole business. `phone_zones`: where the contact's phone number may lie."""
    why = outdated(message, tab, merchant, now)
    if why is not None:
        return Suppress(why)
    if message.to == Recipient.OWNER:
        # Quiet hours protect customers; a business reads its mail when it likes.
        return Send((Channel.EMAIL,)) if merchant.notify_email else Suppress(Why.NO_ADDRESS)
    if message.kind == MessageKind.STORY_ASKED and _is_own_address(contact, merchant):
        return Suppress(Why.OWN_ADDRESS)
    closed = {channel: _closed(channel, contact, counted) for channel in merchant.channels}
    if (
        message.kind == MessageKind.STORY_ASKED
        and contact is not None
        and tab is not None
        and tab.closed_at is not None
    ):
        # Staff keep the contacts, and could let somebody else tell the customer's story.
        late = [channel for channel in closed if not contact.is_own_or_since(channel, tab.closed_at)]
        closed |= {channel: closed[channel] or Why.GIVEN_AFTERWARDS for channel in late}
    open_ = tuple(channel for channel, why in closed.items() if why is None)
    if not open_:
        # That there is no address says the least.
        whys = [why for why in closed.values() if why not in (None, Why.NO_ADDRESS)]
        return Suppress(whys[0] if whys and whys[0] else Why.NO_ADDRESS)
    policy = merchant.policy
    own_zone = contact.time_zone if contact else None
    zones = hours.zones_of([own_zone], phone_zones, [policy.time_zone])
    allowed = hours.allowed_from(now, zones, QuietHours(policy.quiet_from_hour, policy.quiet_until_hour))
    if allowed == now:
        return Send(open_)
    if message.kind in ANY_TIME and Channel.EMAIL in open_:
        return Send((Channel.EMAIL,))
    return Suppress(Why.NO_ALLOWED_HOUR) if allowed is None else PutOff(allowed, Why.QUIET_HOURS)


def _is_own_address(contact: Contact | None, merchant: Merchant) -> bool:
    """Whether the customer reads the business's own mail: then they are no customer who could tell of it."""
    own = merchant.notify_email
    return bool(own and contact and contact.email and contact.email.casefold() == own.casefold())


_OPT_OUTS = {Source.UNREACHABLE: Why.UNREACHABLE, Source.IN_PERSON: Why.OPTED_OUT_IN_PERSON}
"""That staff recorded an opt-out is told from what the customer did themselves."""


def _closed(channel: Channel, contact: Contact | None, counted: Counted) -> Why | None:
    """Why the customer can't be told on this channel; None: they can."""
    if contact is None:
        return Why.NO_ADDRESS
    refused = contact.opted_out_of(channel)
    if refused is not None:
        return _OPT_OUTS.get(refused.source, Why.OPTED_OUT)
    match channel:
        case Channel.EMAIL:
            return None if contact.email else Why.NO_ADDRESS
        case Channel.SMS:
            if not contact.phone:
                return Why.NO_ADDRESS
            if not contact.consents_to(Channel.SMS):
                return Why.NO_CONSENT
            if counted.to_number >= SMS_PER_NUMBER:
                return Why.TOO_MANY_TO_NUMBER
            return Why.TOO_MANY_TO_COUNTRY if counted.to_country >= SMS_PER_COUNTRY else None
        case Channel.PUSH:
            return None


# Whether what it says is still so


def outdated(message: Message, tab: Tab | None, merchant: Merchant, now: datetime) -> Why | None:
    """Why what the message says is not so any more; None: it still is."""
    if message.kind == MessageKind.ACCOUNT_LOST:
        return None if merchant.disconnected_at else Why.GONE_ON
    if tab is None:
        return None
    if message.kind == MessageKind.REMINDER and tab.after_pause(now) != now:
        return Why.PAUSED
    check = _CHECKS.get((message.kind, message.to)) or _CHECKS.get((message.kind, None))
    return check(message, tab) if check else None


def _no_longer_owed(tab: Tab) -> Why | None:
    """Nobody is asked for money that is paid, or that is being argued about."""
    if tab.has_open_dispute:
        return Why.DISPUTED
    if tab.status == Status.CONTESTED:
        return Why.CONTESTED
    if tab.balance_minor:
        return None
    return Why.PAID if tab.paid_minor else Why.GONE_ON


def _owed(_: Message, tab: Tab) -> Why | None:
    return _no_longer_owed(tab)


def _bill(message: Message, tab: Tab) -> Why | None:
    if (paid := _no_longer_owed(tab)) is not None and tab.presented_at is not None:
        return paid
    # The bill was taken back, or presented again.
    return None if tab.presented_at == message.at else Why.SUPERSEDED


def _reminder(message: Message, tab: Tab) -> Why | None:
    if why := _no_longer_owed(tab):
        return why
    if not followup.is_followed_up(tab):
        return Why.GONE_ON
    number = message.values.get("number")
    is_last = not isinstance(number, int) or number >= tab.followup.reminders_sent
    return None if is_last else Why.SUPERSEDED


def _confirmation(message: Message, tab: Tab) -> Why | None:
    if any(attempt.state == AttemptState.AWAITING_CUSTOMER for attempt in tab.attempts):
        return None
    return Why.PAID if tab.paid_minor and not tab.balance_minor else Why.GONE_ON


def _receipt(message: Message, tab: Tab) -> Why | None:
    if message.seq < tab.receipt_seq:
        return Why.SUPERSEDED
    return None if tab.receipt_minor else Why.GONE_ON


def _share_returned(message: Message, tab: Tab) -> Why | None:
    """One message says it of all that came back with it."""
    return Why.SUPERSEDED if message.seq < tab.returned_seq else _no_longer_owed(tab)


def _rescheduled(message: Message, tab: Tab) -> Why | None:
    starts_at = message.values.get("starts_at")
    is_current = starts_at is not None and datetime.fromisoformat(str(starts_at)) == tab.starts_at
    return None if is_current else Why.SUPERSEDED


def _while(holds: Callable[[Tab], object], otherwise: Why = Why.GONE_ON) -> Callable[[Message, Tab], Why | None]:
    return lambda _, tab: None if holds(tab) else otherwise


def _unsecured(tab: Tab) -> bool:
    return not tab.is_finished and tab.live_hold is None


def _has_open_objection(tab: Tab) -> bool:
    return tab.objection is not None and tab.objection.state == ObjectionState.OPEN


def _awaits_evidence(tab: Tab) -> bool:
    return any(dispute.awaits_answer for leg in tab.legs for dispute in leg.disputes)


_CHECKS: Mapping[tuple[MessageKind, Recipient | None], Callable[[Message, Tab], Why | None]] = {
    (MessageKind.BILL_PRESENTED, None): _bill,
    (MessageKind.REMINDER, None): _reminder,
    (MessageKind.CARD_DECLINED, None): _owed,
    (MessageKind.CALL_REFUSED, Recipient.CUSTOMER): _owed,
    (MessageKind.WALKED_OUT, None): _owed,
    (MessageKind.CONFIRMATION_NEEDED, None): _confirmation,
    (MessageKind.RECEIPT, None): _receipt,
    (MessageKind.STORY_ASKED, None): _while(lambda tab: tab.story and tab.story.told_at is None),
    (MessageKind.CREDIT_ACTIVE, None): _while(lambda tab: any(given.kept_minor for given in tab.credits.given)),
    (MessageKind.SHARE_RETURNED, None): _share_returned,
    (MessageKind.RESCHEDULED, None): _rescheduled,
    (MessageKind.RESCHEDULE_PROPOSED, None): _while(lambda tab: tab.proposes_other_time),
    (MessageKind.NO_SHOW, None): _while(lambda tab: tab.is_finished),
    (MessageKind.DEPOSIT_FAILED, None): _while(_unsecured),
    (MessageKind.DEPOSIT_LAPSED, None): _while(_unsecured),
    (MessageKind.PROTECTION_LOST, None): _while(_unsecured),
    (MessageKind.HOLD_ENDS, None): _while(lambda tab: tab.live_hold),
    (MessageKind.CARD_GONE, None): _while(lambda tab: tab.card is None and not tab.is_finished),
    (MessageKind.CONTESTED, None): _while(lambda tab: tab.status == Status.CONTESTED),
    (MessageKind.EVIDENCE_DUE, None): _while(_awaits_evidence),
    (MessageKind.CONTEST_OVERDUE, None): _while(lambda tab: tab.status == Status.CONTESTED),
    (MessageKind.STANDING_OBJECTED, None): _while(_has_open_objection),
    (MessageKind.COLLECTION_ENDED, None): _while(lambda tab: tab.balance_minor, Why.PAID),
    (MessageKind.CASH_TO_RETURN, None): _while(lambda tab: tab.cash_to_return_minor),
    (MessageKind.REFUND_FAILED, None): _while(lambda tab: tab.refund_by_hand_minor),
    (MessageKind.REFUND_WAITS, None): _while(lambda tab: tab.refund_owed_minor),
}
"""By kind and recipient (None: both), what must still be so. Any other message tells of something that stays true."""
