"""The two parties of a tab: merchants with their policy, customers with their saved card."""

from __future__ import annotations

import unicodedata
from datetime import datetime

from msgspec import Struct

from chalicelib.domain.contact import Channel, Language
from chalicelib.domain.tab.payments import Card
from chalicelib.domain.tab.policy import Policy

_SPELLED_OUT = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D"}
)
"""Latin letters that Unicode does not decompose."""
_SUFFIX_LENGTH = 10
"""The length left for the name: a statement has 22 characters, with a prefix of at most 10 and `* ` between."""
_NOT_ON_STATEMENTS = frozenset("<>\\'\"*")


def statement_suffix_of(name: str) -> str | None:
    """A business's name in the characters that bank statements allow; None if none of it is allowed.

    Latin letters without accents, a letter at least, none of the forbidden characters:
    https://docs.stripe.com/get-started/account/statement-descriptors.
    """
    plain = unicodedata.normalize("NFKD", name.translate(_SPELLED_OUT)).encode("ascii", "ignore").decode()
    allowed = "".join(one for one in plain if one.isprintable() and one not in _NOT_ON_STATEMENTS)
    suffix = " ".join(allowed.split())[:_SUFFIX_LENGTH].strip()
    return suffix if any(one.isalpha() for one in suffix) else None


CHANNELS = (Channel.EMAIL, Channel.SMS)
"""A merchant's channels until its owner chooses."""


class Merchant(Struct, frozen=True, kw_only=True):
    """A business. `account`: its connected account at the gateway (None: the platform's own).

    `settlement_currency`: what it is paid out in, None if not known. `disconnected_at`: since when its account does
    not let us in, None if it does; `connection_told_at`: when the last news of that happened. `notify_email`: where the
    owner's messages go. `language`: of those, and of messages to customers who have chosen none. `channels`: the ways
    to customers, in this order: the next where one is closed or takes nothing. `version` counts changes from 1.
    """

    merchant_id: str
    name: str
    account: str | None
    currency: str
    settlement_currency: str | None
    policy: Policy
    created_at: datetime
    disconnected_at: datetime | None = None
    connection_told_at: datetime | None = None
    notify_email: str | None = None
    language: Language = Language.ENGLISH
    channels: tuple[Channel, ...] = CHANNELS
    version: int = 1


class CardConsent(Struct, frozen=True, kw_only=True):
    """The customer's consent to keeping the card: the hash of the terms, when, and from where."""

    subject: str
    terms_sha256: str
    given_at: datetime
    ip: str
    user_agent: str


class Customer(Struct, frozen=True, kw_only=True):
    """A customer of one merchant. `customer_ref`: the customer's id at the gateway, in the merchant's account;
    None where that is gone, until the next payment or card makes another.

    `reference` is the merchant's own word for the customer (a loyalty number, say); it goes nowhere else.
    `same_card`, `same_phone`: others of this merchant's customers who are known to be the same person, by a card, and
    earlier ones, by a phone number (`domain/trust/names.py`). `is_anonymous`: made with a tab that was opened for
    nobody in particular; left out of the list of customers.
    """

    customer_id: str
    merchant_id: str
    customer_ref: str | None
    reference: str
    created_at: datetime
    card_consent: CardConsent | None = None
    card: Card | None = None
    is_anonymous: bool = False
    same_card: tuple[str, ...] = ()
    same_phone: tuple[str, ...] = ()
    version: int = 1


def anonymous(customer_id: str, merchant_id: str, now: datetime) -> Customer:
    """The customer of a tab that is opened for nobody in particular. The gateway gets to know them when they pay."""
    return Customer(
        customer_id=customer_id,
        merchant_id=merchant_id,
        customer_ref=None,
        reference="",
        created_at=now,
        is_anonymous=True,
    )
