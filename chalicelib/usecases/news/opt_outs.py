"""Opt-outs without signing in: by the link in a mail, by answering STOP, or as a provider reports them."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from msgspec.structs import replace

from chalicelib.domain import contact as contacts
from chalicelib.domain.contact import Channel, Contact, Given, Source
from chalicelib.domain.errors import Contention, NotFound
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import VersionConflict

TRIES = 5


def find_by_key(deps: Deps, merchant_id: str, customer_id: str, key: str) -> Contact:
    """The contact that the address in a mail leads to. Raises NotFound, the same for a wrong key and no contact."""
    contact = deps.people.find_contact(merchant_id, customer_id)
    expected = contact.unsubscribe_key if contact else None
    # Compared in full even where there is nothing to compare with, so that both take the same time.
    if not hmac.compare_digest((expected or "").encode(), key.encode()) or not expected or contact is None:
        raise NotFound("This address leads nowhere: it is wrong, or the person's data were erased.")
    return contact


def unsubscribe(deps: Deps, merchant_id: str, customer_id: str, key: str) -> Contact:
    """No more e-mail to this person. Repeated, it changes nothing. Raises NotFound, Contention."""
    contact = find_by_key(deps, merchant_id, customer_id, key)
    return opt_out(deps, contact, Channel.EMAIL, Source.UNSUBSCRIBE_LINK)


def opt_out(deps: Deps, contact: Contact, channel: Channel, source: Source, *, address: str | None = None) -> Contact:
    """The contact without the channel. `address`: only if it is still this one that they have. Raises Contention."""
    given = Given(channel=channel, at=deps.clock.now(), source=source)

    def without(contact: Contact) -> Contact | None:
        if contact.opted_out_of(channel) or (address is not None and address != contact.address(channel)):
            return None
        return replace(contacts.opted_out(contact, given), updated_at=given.at)

    return _change(deps, contact, without)


def with_key(deps: Deps, contact: Contact) -> Contact:
    """The contact with the key of its unsubscribe address, which is made for the first mail. Raises Contention."""
    return _change(
        deps,
        contact,
        lambda now: None if now.unsubscribe_key is not None else replace(now, unsubscribe_key=deps.ids.new_secret()),
    )


def _change(deps: Deps, contact: Contact, change: Callable[[Contact], Contact | None]) -> Contact:
    """The contact as `change` made it of the newest version; None leaves it as it is. Raises Contention."""
    for _ in range(TRIES):
        changed = change(contact)
        if changed is None:
            return contact
        changed = replace(changed, version=contact.version + 1)
        try:
            deps.people.put_contact(changed, contact)
        except VersionConflict:
            contact = deps.people.find_contact(contact.merchant_id, contact.customer_id) or contact
        else:
            return changed
    raise Contention("The contact is being changed at the same time. Try again.")
