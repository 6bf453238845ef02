"""A tab and its history as the API shows them to staff, without HTTP: the input of devstack.invariants."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.attempt import Attempt
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.trust.credits import CreditAccount
from chalicelib.handlers.api import render, render_news, render_parties
from chalicelib.ports.store import TabStore
from chalicelib.usecases.trust.credits import Statement


def shown(tab: Tab, now: datetime, payment: Attempt | None = None) -> dict[str, Any]:
    view: dict[str, Any] = msgspec.json.decode(
        msgspec.json.encode(render.tab(tab, payment, by=_staff(tab), now=now, publishable_key=None))
    )
    return view


def history(store: TabStore, tab: Tab) -> list[dict[str, Any]]:
    """All entries, oldest first."""
    page = store.list_entries(tab.merchant_id, tab.tab_id, limit=10_000, cursor=None)
    entries: list[dict[str, Any]] = msgspec.json.decode(
        msgspec.json.encode(render_news.timeline(page, (), _staff(tab)).entries)
    )
    return entries


def statement(store: TabStore, account: CreditAccount, now: datetime) -> dict[str, Any]:
    """A customer's credit with all its movements."""
    page = store.list_credit_movements(account.merchant_id, account.customer_id, limit=10_000, cursor=None)
    view = render_parties.credit_statement(
        Statement(account=account, movements=page),
        render_parties.credit_account(account, now, "https://pay.example.com"),
    )
    shown: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(view))
    return shown


def _staff(tab: Tab) -> Actor:
    return Actor(subject="auditor", role=Role.STAFF, merchant_id=tab.merchant_id)
