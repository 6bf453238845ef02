"""The dependencies of a use case: all ports together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    # Types only: a start does not load the ports that no adapter of it needs.
    from chalicelib.ports.addresses import Addresses
    from chalicelib.ports.channels import Mailer, Texter
    from chalicelib.ports.clock import Clock
    from chalicelib.ports.deliveries import Deliveries
    from chalicelib.ports.gateway import PaymentGateway
    from chalicelib.ports.ids import Ids
    from chalicelib.ports.links import Links
    from chalicelib.ports.notices import Notices
    from chalicelib.ports.people import People
    from chalicelib.ports.queues import Queues
    from chalicelib.ports.store import TabStore
    from chalicelib.ports.visits import Visits
    from chalicelib.ports.webhooks import Webhooks
    from chalicelib.ports.words import Words


class Deps(Struct, frozen=True):
    """The ports that a use case works with; its first argument.

    `api_url`: where the API is for people outside, "" where nobody said: messages then have no address to opt out by.
    `pages_url`: where the customers' pages are, "" where nobody said: messages then have no link to the tab.
    """

    store: TabStore
    people: People
    deliveries: Deliveries
    notices: Notices
    links: Links
    visits: Visits
    addresses: Addresses
    gateway: PaymentGateway
    clock: Clock
    ids: Ids
    queues: Queues
    mailer: Mailer
    texter: Texter
    words: Words
    webhooks: Webhooks
    api_url: str = ""
    pages_url: str = ""
