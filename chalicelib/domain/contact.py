"""A customer's contact: how to reach them, in which language and zone, and which channels they allow.

It is kept apart from everything else, so that erasing a person is one delete. How an address or a number
is checked is the address book's (ports/addresses.py).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    # A merchant's policy and profile name channels and languages, so this module is read before theirs.
    from chalicelib.domain.parties import Customer


class Channel(StrEnum):
    """A way to a person. Push reaches the merchant's app, as a notice to the merchant's system."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"


class Language(StrEnum):
    """The languages that messages and pages are written in."""

    ENGLISH = "en"
    GERMAN = "de"
    SPANISH = "es"
    KOREAN = "ko"
    ARABIC = "ar"


class Source(StrEnum):
    """Where a consent, an opt-out or an address came from. `in_person`: staff recorded it.

    `provider`: a complaint, or STOP as the provider passes it on. `unreachable`: the provider says that the address or
    number takes nothing; that ends with the address or number.
    """

    CUSTOMER = "customer"
    IN_PERSON = "in_person"
    UNSUBSCRIBE_LINK = "unsubscribe_link"
    PROVIDER = "provider"
    UNREACHABLE = "unreachable"


class Given(Struct, frozen=True, kw_only=True):
    """A consent, an opt-out or an address: by whom, when, and where it came from."""

    channel: Channel
    at: datetime
    source: Source
    subject: str = ""


class Contact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything personal that is kept of a customer. `phone` is E.164; None and "" mean: not given.

    `language` and `time_zone` None: the merchant's. `consents`: channels that need one and have it (SMS). `opt_outs`:
    channels on which the person does not want to hear from the merchant, or cannot. `unsubscribe_key`: the secret in
    the addresses with which they opt out, made for their first mail. `origins`: who gave the address and the number
    that stand there, and since when they do. `version` counts changes from 1.
    """

    merchant_id: str
    customer_id: str
    name: str = ""
    email: str | None = None
    phone: str | None = None
    language: Language | None = None
    time_zone: str | None = None
    consents: tuple[Given, ...] = ()
    opt_outs: tuple[Given, ...] = ()
    unsubscribe_key: str | None = None
    origins: tuple[Given, ...] = ()
    updated_at: datetime
    version: int = 1

    def consents_to(self, channel: Channel) -> bool:
        return any(consent.channel == channel for consent in self.consents)

    def address(self, channel: Channel) -> str | None:
        """What a channel reaches them by; None where there is none, and for push, whose customers have signed in."""
        return {Channel.EMAIL: self.email, Channel.SMS: self.phone}.get(channel)

    def origin_of(self, channel: Channel) -> Given | None:
        return next((given for given in self.origins if given.channel == channel), None)

    def is_own_or_since(self, channel: Channel, at: datetime) -> bool:
        """Whether the customer gave the channel's address themselves, or it stood there by then."""
        if self.address(channel) is None:
            return True
        origin = self.origin_of(channel)
        if origin is None:
            # It was given before that was kept, so not later than the last change.
            return self.updated_at <= at
        return origin.source == Source.CUSTOMER or origin.at <= at

    def opted_out_of(self, channel: Channel) -> Given | None:
        return next((given for given in self.opt_outs if given.channel == channel), None)


def erased(contact: Contact, now: datetime) -> Contact:
    """The next version, with nothing personal in it: a write that began before the erasure still comes too late."""
    return Contact(
        merchant_id=contact.merchant_id,
        customer_id=contact.customer_id,
        updated_at=now,
        version=contact.version + 1,
    )


def readdressed(contact: Contact, email: str | None, phone: str | None, by: Given) -> Contact:
    """The contact with this address and number, and who gave them. `by`: of any channel.

    What stood there already keeps its origin, unless it was somebody else's word and the customer now says the same.
    """
    origins = []
    for channel, address in ((Channel.EMAIL, email), (Channel.SMS, phone)):
        before = contact.origin_of(channel)
        is_own = before is not None and before.source == Source.CUSTOMER
        if address != contact.address(channel) or (by.source == Source.CUSTOMER and not is_own):
            before = replace(by, channel=channel)
        if address is not None and before is not None:
            origins.append(before)
    return replace(contact, email=email, phone=phone, origins=tuple(origins))


def with_consent(contact: Contact, given: Given) -> Contact:
    """The contact with this consent; an earlier one to the same channel stands."""
    if contact.consents_to(given.channel):
        return contact
    return replace(contact, consents=(*contact.consents, given))


def without_consent(contact: Contact, channel: Channel) -> Contact:
    return replace(contact, consents=tuple(given for given in contact.consents if given.channel != channel))


def opted_out(contact: Contact, given: Given) -> Contact:
    """The contact with this opt-out; an earlier one from the same channel stands, because it says since when."""
    if contact.opted_out_of(given.channel):
        return contact
    return replace(contact, opt_outs=(*contact.opt_outs, given))


def opted_in(contact: Contact, channel: Channel) -> Contact:
    return replace(contact, opt_outs=tuple(given for given in contact.opt_outs if given.channel != channel))


def reachable_again(contact: Contact, channel: Channel) -> Contact:
    """The contact with a new address or number: that the old one took nothing says nothing about it."""
    kept = tuple(it for it in contact.opt_outs if (it.channel, it.source) != (channel, Source.UNREACHABLE))
    return replace(contact, opt_outs=kept)


MAXIMUM_WORDS = 12
"""The maximum number of words of a name that can be searched; each is an item in one transaction."""


class SearchBy(StrEnum):
    """What a customer can be found by."""

    NAME = "name"
    EMAIL = "email"
    PHONE = "phone"
    REFERENCE = "reference"


def searchable(by: SearchBy, text: str) -> str:
    """The text as it is compared: case, width and surplus space do not count."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split()) if by != SearchBy.PHONE else text


def search_values(contact: Contact) -> Iterator[tuple[SearchBy, str]]:
    """Everything the contact is found by: e-mail address, phone number, the whole name and each word of it."""
    if contact.email:
        yield SearchBy.EMAIL, searchable(SearchBy.EMAIL, contact.email)
    if contact.phone:
        yield SearchBy.PHONE, contact.phone
    if name := searchable(SearchBy.NAME, contact.name):
        for text in {name, *name.split()[:MAXIMUM_WORDS]}:
            yield SearchBy.NAME, text


def reference_values(customer: Customer) -> Iterator[tuple[SearchBy, str]]:
    """What a customer is found by without a contact: the merchant's own word for them."""
    if reference := searchable(SearchBy.REFERENCE, customer.reference):
        yield SearchBy.REFERENCE, reference
