"""Owns balance transactions and fees: what each movement of money does to the account's balance.

The stand-in settles in the currency that was presented, so no exchange ever happens. Fees are Stripe's list prices for
online cards in the currency's home market; where a market has none, the US price with 30 smallest units (none in
zero-decimal ones).
"""

from __future__ import annotations

from typing import Any

from . import lists
from .context import Call
from .currencies import ZERO_DECIMAL
from .objects import Balance, BalanceTransaction, FeeDetail
from .params import EXPAND, PAGE, TIME_RANGE, Fields, string

FEES = {"usd": (290, 30), "eur": (150, 25), "gbp": (150, 20), "jpy": (360, 0), "cad": (290, 30), "aud": (170, 30)}
SETTLES_AFTER_SECONDS = 2 * 86400
LIST: Fields = {**PAGE, "created": TIME_RANGE, "currency": string, "source": string, "type": string}
RETRIEVE: Fields = EXPAND


def stripe_fee(amount: int, currency: str) -> int:
    basis_points, fixed = FEES.get(currency, (290, 0 if currency in ZERO_DECIMAL else 30))
    return (amount * basis_points + 5000) // 10000 + fixed


def record(
    call: Call,
    *,
    amount: int,
    currency: str,
    source: str,
    type: str,
    description: str | None = None,
    fee: int = 0,
    application_fee: int = 0,
    at_once: bool = False,
) -> BalanceTransaction:
    details = []
    if application_fee:
        details.append(
            FeeDetail(
                amount=application_fee,
                application=call.world.platform.id.replace("acct_", "ca_"),
                currency=currency,
                description="Application fee",
                type="application_fee",
            )
        )
    if fee:
        details.append(
            FeeDetail(amount=fee, currency=currency, description="Stripe processing fees", type="stripe_fee")
        )
    total = fee + application_fee
    row = BalanceTransaction(
        id=call.new_id("txn"),
        amount=amount,
        available_on=call.now + (0 if at_once else SETTLES_AFTER_SECONDS),
        created=call.now,
        currency=currency,
        description=description,
        fee=total,
        fee_details=details,
        net=amount - total,
        reporting_category="dispute" if type == "adjustment" else type,
        source=source,
        status="available" if at_once else "pending",
        type=type,
    )
    call.put(row)
    return row


def as_of_now(call: Call, row: BalanceTransaction) -> BalanceTransaction:
    """What was pending is available once its day has come."""
    if row.status == "pending" and row.available_on <= call.now:
        row.status = "available"
    return row


def retrieve(call: Call, params: dict[str, Any], id: str) -> BalanceTransaction:
    return as_of_now(call, call.account.get("balance_transaction", id))


def list_all(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    def keep(row: BalanceTransaction) -> bool:
        return all(name not in params or getattr(row, name) == params[name] for name in ("currency", "type"))

    return lists.page(
        call,
        "balance_transaction",
        params,
        "/v1/balance_transactions",
        keep=keep,
        by="source" if "source" in params else None,
        value=params.get("source"),
        render=lambda row: as_of_now(call, row),
    )


def read(call: Call, params: dict[str, Any]) -> Balance:
    """What the account has, and what it will have, by currency."""
    sums: dict[str, dict[str, int]] = {"available": {}, "pending": {}}
    for row in call.account.of["balance_transaction"].oldest_first():
        of = sums[as_of_now(call, row).status]
        of[row.currency] = of.get(row.currency, 0) + row.net
    amounts: dict[str, Any] = {
        status: [
            {"amount": amount, "currency": currency, "source_types": {"card": amount}}
            for currency, amount in sorted(of.items())
        ]
        or [{"amount": 0, "currency": "usd", "source_types": {"card": 0}}]
        for status, of in sums.items()
    }
    return Balance(**amounts)
