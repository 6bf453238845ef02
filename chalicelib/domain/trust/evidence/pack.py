"""The evidence pack of one dispute: what would be sent, from which entry each part comes, and what is missing.

A draft of it is made anew from entries whenever it is read (`draft.py`); nothing of it is stored. Stored is what its
owner adds, and what was sealed to be sent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct, field

from chalicelib.domain.trust.evidence.fields import FileField, TextField


class Origin(StrEnum):
    """Where a field comes from: entries of the tab, which it cites; the customer's contact; the owner's own words."""

    ENTRIES = "entries"
    CONTACT = "contact"
    OWNER = "owner"


class PackField(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One text. `entries`: the numbers of the tab's entries that it comes from."""

    name: TextField
    text: str
    origin: Origin
    entries: tuple[int, ...] = ()


class EarlierPayment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An earlier payment with the same card that nobody has disputed. `ip`: the customer's address when they accepted
    that tab's promise, None where it is not known. `is_used`: it is one of the two that are sent.
    """

    tab_id: str
    payment_id: str
    at: datetime
    amount_minor: int
    currency: str
    description: str
    ip: str | None = None
    is_used: bool = False


class Lack(StrEnum):
    """What a pack is missing, as a code."""

    ACCEPTANCE = "acceptance"
    ACCEPTED_IN_PERSON = "accepted_in_person"
    NAME = "name"
    EMAIL = "email"
    SERVICE = "service"
    RECEIPT = "receipt"
    SIGNATURE = "signature"
    COMMUNICATION = "communication"
    MESSAGES = "messages"
    EARLIER_PAYMENTS = "earlier_payments"
    SAME_IP = "same_ip"
    SECOND_PAYMENT = "second_payment"


class Missing(Struct, frozen=True, kw_only=True):
    """What would make the pack stronger, in words for its owner. `field`: where it would go."""

    code: Lack
    text: str
    field: str | None = None


class Pack(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is sent to the bank: texts, files (Stripe's ids), and the two earlier payments of Visa's programme.

    `charges`: the gateway's ids of the payments that the programme names, looked up when the pack is sealed.
    """

    dispute_id: str
    fields: tuple[PackField, ...]
    files: Mapping[FileField, str] = {}
    earlier: tuple[EarlierPayment, ...] = ()
    missing: tuple[Missing, ...] = ()
    charges: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: TextField) -> str | None:
        return next((one.text for one in self.fields if one.name == name), None)

    @property
    def used(self) -> tuple[EarlierPayment, ...]:
        return tuple(one for one in self.earlier if one.is_used)

    @property
    def characters(self) -> int:
        return sum(len(one.text) for one in self.fields)

    @property
    def sha256(self) -> str:
        """The seal of what is sent, over its canonical JSON; what is only said to the owner is not in it."""
        sent = {
            "dispute": self.dispute_id,
            "fields": {one.name: one.text for one in self.fields},
            "files": dict(self.files),
            "earlier": [one.payment_id for one in self.used],
        }
        text = json.dumps(sent, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


class DisputeAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is stored of the answer to a dispute, under its customer, so that erasing a person takes it with them.

    `texts`: the owner's own, in place of the draft's; "" leaves a field out. `files`: ids of files uploaded to the
    gateway. `sealed`: what was sealed last, to be sent by the attempt `sealed_for`, at `sealed_at`, in the version
    `sealed_version`. `version` counts changes from 1; 0: nothing is stored.
    """

    merchant_id: str
    customer_id: str
    tab_id: str
    dispute_id: str
    texts: Mapping[TextField, str] = {}
    files: Mapping[FileField, str] = {}
    sealed: Pack | None = None
    sealed_for: str | None = None
    sealed_at: datetime | None = None
    sealed_version: int = 0
    version: int = 0
