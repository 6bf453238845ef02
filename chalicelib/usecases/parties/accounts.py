"""Updates merchants whose account at the gateway was disconnected or connected again."""

from __future__ import annotations

import logging
from datetime import datetime

from msgspec.structs import replace

from chalicelib.domain.parties import Merchant
from chalicelib.domain.tab.actor import SYSTEM
from chalicelib.domain.tab.entry import Entry
from chalicelib.ports.deps import Deps
from chalicelib.ports.gateway import GatewayEvent
from chalicelib.ports.store import VersionConflict
from chalicelib.usecases.tab.attempts import ROUNDS

log = logging.getLogger(__name__)


def note_connection(deps: Deps, event: GatewayEvent) -> bool:
    """Record whether the event's account is connected; False if no merchant has it. An older event changes nothing.

    The owner is told once and must reconnect; until then no tab can be opened, and open tabs wait.
    """
    merchants = [merchant_id for merchant_id, account in deps.store.iter_merchants() if account == event.account]
    for merchant_id in merchants:
        _note(deps, merchant_id, event)
    return bool(merchants)


def _note(deps: Deps, merchant_id: str, event: GatewayEvent) -> None:
    for _ in range(ROUNDS):
        merchant = deps.store.get_merchant(merchant_id)
        if merchant.connection_told_at is not None and merchant.connection_told_at >= event.occurred_at:
            return
        disconnected_at = None if event.is_connected else event.occurred_at
        changed = replace(
            merchant,
            disconnected_at=disconnected_at,
            connection_told_at=event.occurred_at,
            version=merchant.version + 1,
        )
        entry = _entry(changed, deps.clock.now())
        try:
            deps.store.update_merchant(changed, entry=entry)
        except VersionConflict:
            continue
        if disconnected_at is not None:
            log.error("an account is cut off from us", extra={"account": event.account, "merchant_id": merchant_id})
        return


def _entry(merchant: Merchant, now: datetime) -> Entry:
    """The entry of the merchant's history from which the owner's message follows; its number is the version."""
    kind = "account_connected" if merchant.disconnected_at is None else "account_lost"
    return Entry(seq=merchant.version, at=now, kind=kind, by=SYSTEM.subject, details={"account": merchant.account})
