"""The two parties of a tab as kept by us: merchants with their policy, customers with their saved card."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from chalicelib.domain.tab.payments import Card
from chalicelib.domain.tab.policy import Policy


class Merchant(Struct, frozen=True, kw_only=True):
    """A business. `account`: its connected account at the gateway (None: the platform's own).

    `settlement_currency`: what it is paid out in, None where not known. `version` counts changes from 1.
    """

    merchant_id: str
    name: str
    account: str | None
    currency: str
    settlement_currency: str | None
    policy: Policy
    created_at: datetime
    version: int = 1


class CardConsent(Struct, frozen=True, kw_only=True):
    """The customer's word that the card may be kept: which terms (hash), when, from where."""

    subject: str
    terms_sha256: str
    given_at: datetime
    ip: str
    user_agent: str


class Customer(Struct, frozen=True, kw_only=True):
    """A customer of one merchant. `customer_ref`: the customer's id at the gateway, in the merchant's account.

    `reference` is the merchant's own word for the customer (a loyalty number, say); it goes nowhere else.
    """

    customer_id: str
    merchant_id: str
    customer_ref: str
    reference: str
    created_at: datetime
    card_consent: CardConsent | None = None
    card: Card | None = None
    version: int = 1
