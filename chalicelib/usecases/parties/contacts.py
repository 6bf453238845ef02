"""Contacts: say how a customer is reached, which channels they allow, erase it all, and find customers by it."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain import contact as contacts
from chalicelib.domain.contact import Channel, Contact, Given, Language, SearchBy, Source
from chalicelib.domain.errors import Contention, Forbidden, InvalidInput, StaleVersion
from chalicelib.domain.parties import Customer
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import Page, RecordExists, VersionConflict
from chalicelib.usecases.parties.customers import get_customer
from chalicelib.usecases.tab.requests import Request, merchant_of
from chalicelib.usecases.trust.erasing import erase_answers
from chalicelib.usecases.trust.names import link_by_phone
from chalicelib.usecases.trust.stories import erase_stories

_STAFF_MAY_LIFT = frozenset({Source.IN_PERSON, Source.UNREACHABLE})


class ContactInput(Struct, frozen=True, kw_only=True):
    """A whole contact as it is given, before it is checked. None and "": not given.

    `sms_consent`: the person agrees to text messages; False withdraws it.
    """

    name: str
    email: str | None
    phone: str | None
    language: Language | None
    time_zone: str | None
    sms_consent: bool


class Found(Struct, frozen=True, kw_only=True):
    """A customer in a listing, with their contact where they have one."""

    customer: Customer
    contact: Contact | None


def get_contact(deps: Deps, customer_id: str, *, by: Actor) -> Contact:
    """The customer's contact, empty where none was given. Raises NotFound."""
    customer = get_customer(deps, customer_id, by=by)
    found = deps.people.find_contact(customer.merchant_id, customer_id)
    return found or _empty(deps, customer)


def put_contact(deps: Deps, customer_id: str, given: ContactInput, *, request: Request) -> Contact:
    """Replace the contact whole; opt-outs stay. Raises NotFound, InvalidInput, StaleVersion, Contention.

    A new phone number needs a new consent to text messages, because the old one was for the old number.
    """
    email = deps.addresses.email(given.email) if given.email else None
    phone = deps.addresses.phone(given.phone) if given.phone else None
    _check_zone(given.time_zone)
    if given.sms_consent and phone is None:
        raise InvalidInput("Give the phone number that the consent to text messages is for.", field="phone")
    consent = Given(
        channel=Channel.SMS,
        at=deps.clock.now(),
        source=Source.CUSTOMER if request.by.role == Role.CUSTOMER else Source.IN_PERSON,
        subject=request.by.subject,
    )

    def change(before: Contact) -> Contact:
        changed = before if before.phone == phone else contacts.without_consent(before, Channel.SMS)
        if given.sms_consent:
            changed = contacts.with_consent(changed, consent)
        else:
            changed = contacts.without_consent(changed, Channel.SMS)
        if email != before.email:
            changed = contacts.reachable_again(changed, Channel.EMAIL)
        if phone != before.phone:
            changed = contacts.reachable_again(changed, Channel.SMS)
        if phone is not None and phone != before.phone:
            # Before it is written: a process that dies between the two leaves nobody unknown.
            link_by_phone(deps, get_customer(deps, customer_id, by=request.by), phone)
        return replace(
            contacts.readdressed(changed, email, phone, consent),
            name=" ".join(given.name.split()),
            language=given.language,
            time_zone=given.time_zone,
        )

    return _change(deps, customer_id, change, request=request)


def opt_out(deps: Deps, customer_id: str, channel: Channel, *, request: Request) -> Contact:
    """No more messages on this channel; staff record it when the customer says so. Raises NotFound, Contention."""
    source = Source.CUSTOMER if request.by.role == Role.CUSTOMER else Source.IN_PERSON
    given = Given(channel=channel, at=deps.clock.now(), source=source, subject=request.by.subject)
    return _change(deps, customer_id, lambda before: contacts.opted_out(before, given), request=request)


def opt_in(deps: Deps, customer_id: str, channel: Channel, *, request: Request) -> Contact:
    """Messages on this channel again. Raises NotFound, Contention, Forbidden.

    Staff take back what was said to them, and what a provider said of an address: what a customer has refused, by
    themselves or through their provider, only the customer allows.
    """

    def change(before: Contact) -> Contact:
        said = before.opted_out_of(channel)
        if said is not None and request.by.role != Role.CUSTOMER and said.source not in _STAFF_MAY_LIFT:
            raise Forbidden(
                "The customer has opted out by themselves. Only they can allow this channel again.", channel=channel
            )
        return contacts.opted_in(before, channel)

    return _change(deps, customer_id, change, request=request)


def erase_contact(deps: Deps, customer_id: str, *, request: Request) -> Contact:
    """Erase how the customer is reached, and what they told. The books stay, with what proves them (docs/security.md).

    Raises NotFound, Contention.
    """
    now = deps.clock.now()

    def change(before: Contact) -> Contact:
        # Before it is written: a process that dies between the two is asked again, and leaves nothing behind.
        erase_answers(deps, before.merchant_id, customer_id)
        erase_stories(deps, before.merchant_id, customer_id, by=request.by)
        return contacts.erased(before, now)

    return _change(deps, customer_id, change, request=request)


def list_customers(
    deps: Deps, *, search: tuple[SearchBy, str] | None, limit: int, cursor: str | None, by: Actor
) -> Page[Found]:
    """The merchant's customers, newest first, or those found by one thing. Raises InvalidInput (cursor, number)."""
    merchant_id = merchant_of(by)
    if search is None:
        page = deps.people.list_customers(merchant_id, limit=limit, cursor=cursor)
    else:
        kind, text = search
        text = deps.addresses.phone(text) if kind == SearchBy.PHONE else text
        page = deps.people.find_customers(merchant_id, kind, text, limit=limit, cursor=cursor)
    found = deps.people.find_contacts(merchant_id, [customer.customer_id for customer in page.items])
    return Page(
        items=tuple(Found(customer=one, contact=found.get(one.customer_id)) for one in page.items),
        next_cursor=page.next_cursor,
    )


def _change(deps: Deps, customer_id: str, change: Callable[[Contact], Contact], *, request: Request) -> Contact:
    """The contact as changed; repeated under the same key it is answered as it is now."""
    customer = get_customer(deps, customer_id, by=request.by)
    stored = deps.people.find_contact(customer.merchant_id, customer_id)
    before = stored or _empty(deps, customer)
    record = deps.store.find_record(request.record_id, deps.clock.now())
    if record is not None:
        request.check_same(record)
        return before
    if request.expected_version not in (None, before.version):
        raise StaleVersion(f"The contact is at version {before.version} by now.", version=before.version)
    changed = replace(change(before), updated_at=deps.clock.now(), version=before.version + 1)
    try:
        deps.people.put_contact(changed, stored, record=request.new_record(deps, resource_id=customer_id))
    except (VersionConflict, RecordExists):
        raise Contention("The contact is being changed at the same time. Try again.") from None
    return changed


def _empty(deps: Deps, customer: Customer) -> Contact:
    """Version 0: there is none yet."""
    return Contact(
        merchant_id=customer.merchant_id,
        customer_id=customer.customer_id,
        updated_at=customer.created_at,
        version=0,
    )


def _check_zone(name: str | None) -> None:
    if name is None:
        return
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(
            "There is no such time zone. Use an IANA name, such as Europe/Berlin.", field="time_zone"
        ) from None
