"""A tab and its history as the API shows them to staff, without HTTP: the input of devstack.invariants."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.attempt import Attempt
from chalicelib.domain.tab.tab import Tab
from chalicelib.handlers.api import render
from chalicelib.ports.store import TabStore


def shown(tab: Tab, now: datetime, payment: Attempt | None = None) -> dict[str, Any]:
    view: dict[str, Any] = msgspec.to_builtins(render.tab(tab, payment, by=_staff(tab), now=now, publishable_key=None))
    return view


def history(store: TabStore, tab: Tab) -> list[dict[str, Any]]:
    """All entries, oldest first."""
    page = store.list_entries(tab.merchant_id, tab.tab_id, limit=10_000, cursor=None)
    entries: list[dict[str, Any]] = msgspec.to_builtins(render.timeline(page, (), _staff(tab)).entries)
    return entries


def _staff(tab: Tab) -> Actor:
    return Actor(subject="auditor", role=Role.STAFF, merchant_id=tab.merchant_id)
