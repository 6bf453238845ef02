"""Owns the event log: what happened, with a snapshot of the object as it was then, kept small and listable.

Who is told, and how, is the business of `webhooks`. 100,000 intents leave 300,000 events, and Stripe lists them for 30
days.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from . import versions
from .objects import EventRow, Request
from .packing import encode
from .store import PLATFORM, Namespace, World

LISTED_FOR_SECONDS = 30 * 86400
NOBODY = Request()  # whatever time or the control plane did

Listener = Callable[[Namespace, EventRow, Any, bytes], None]


class EventLog:
    def __init__(self, world: World) -> None:
        self.world = world
        self.request = NOBODY  # of the call being served: Stripe names it in the event
        # Each is told of every event: the account, the event, the object as shown in it, and that as JSON.
        self.listeners: list[Listener] = []
        # Lets `faults` change what an event says of its object: it answers the object to show, and the livemode.
        self.alter: Callable[[Namespace, str, Any], tuple[Any, bool]] = lambda account, type, row: (row, False)

    def emit(self, account: Namespace, type: str, row: Any, previous: dict[str, Any] | None = None) -> EventRow:
        row, livemode = self.alter(account, type, row)
        body, version = encode(row), self.world.api_version
        shown = versions.rendered(version, account, body)
        event = EventRow(
            id=self.world.new_id("evt"),
            type=type,
            created=self.world.clock.now(),
            of=row.object,
            snapshot=self.world.packer.pack(row.object, body),
            request=self.request,
            api_version=version,
            shown=None if shown is body else self.world.packer.pack(row.object, shown),
            previous=previous,
            livemode=livemode,
        )
        self.world.put(account, event)
        for listener in self.listeners:
            listener(account, event, row, body)
        return event

    def snapshot(self, event: EventRow) -> bytes:
        """The object of the event as it was then, as JSON in the newest version."""
        return self.world.packer.unpack(event.of, event.snapshot)

    def render(
        self, account: Namespace, event: EventRow, snapshot: bytes | None = None, version: str | None = None
    ) -> dict[str, Any]:
        """The event in its own version, or as an endpoint of another version is told. `snapshot`: what `snapshot`
        would answer, if it is at hand.
        """
        version = version or event.api_version
        if event.shown is not None and version == event.api_version:
            shown = self.world.packer.unpack(event.of, event.shown)
        else:
            shown = versions.rendered(version, account, snapshot or self.snapshot(event))
        data: dict[str, Any] = {"object": msgspec.Raw(shown)}
        if event.previous is not None:
            data["previous_attributes"] = event.previous
        shape: dict[str, Any] = {"id": event.id, "object": "event"}
        if account.id != PLATFORM:
            shape["account"] = account.id
        shape.update(
            api_version=version, created=event.created, data=data, livemode=event.livemode,
            pending_webhooks=event.pending, type=event.type, request=event.request,
        )  # fmt: skip
        return shape


# Every type that Stripe has, and '*'; test_schema.py holds the file against the SDK and the document.
TYPES = frozenset((Path(__file__).parent / "event_types.txt").read_text(encoding="utf-8").split())
# Every type that this stand-in sends; a webhook endpoint may subscribe to these, to Stripe's others in vain, or to '*'.
SENT = frozenset(
    """
    account.application.deauthorized account.updated application_fee.created application_fee.refunded
    charge.captured charge.dispute.closed
    charge.dispute.created charge.dispute.funds_reinstated charge.dispute.funds_withdrawn charge.dispute.updated
    charge.expired charge.failed charge.refund.updated charge.refunded charge.succeeded charge.updated
    checkout.session.completed checkout.session.expired customer.created customer.deleted customer.updated
    file.created
    payment_intent.amount_capturable_updated payment_intent.canceled payment_intent.created
    payment_intent.payment_failed payment_intent.requires_action payment_intent.succeeded payment_method.attached
    payment_method.automatically_updated payment_method.detached payment_method.updated
    price.created price.updated product.created product.deleted product.updated
    radar.early_fraud_warning.created refund.created refund.failed refund.updated setup_intent.canceled
    setup_intent.created setup_intent.requires_action setup_intent.setup_failed setup_intent.succeeded
    """.split()  # noqa: SIM905
)
