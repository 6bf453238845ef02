"""A tab's money as the app reports it and as the Stripe stand-in reports it, and the differences between them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Money:
    """What happened to a customer's money, in minor units. `held` = captured + released + expired + still held."""

    held: int = 0
    captured: int = 0
    released: int = 0
    expired: int = 0
    charged: int = 0
    refunded: int = 0


def money_of_app(tab: dict[str, Any]) -> Money:
    """Read the amounts from a tab as the API shows it."""
    holds, legs = tab["holds"], tab["legs"]
    captured = [hold for hold in holds if hold["state"] == "captured"]
    return Money(
        held=sum(hold["amount_minor"] for hold in holds),
        captured=sum(hold["captured_minor"] for hold in holds),
        released=sum(hold["amount_minor"] for hold in holds if hold["state"] == "released")
        + sum(hold["amount_minor"] - hold["captured_minor"] for hold in captured),
        expired=sum(hold["amount_minor"] for hold in holds if hold["state"] == "expired"),
        charged=sum(leg["amount_minor"] for leg in legs if leg["kind"] == "charge"),
        refunded=sum(_refunded_at_stripe(leg) for leg in legs if leg["kind"] != "credit"),
    )


def _refunded_at_stripe(leg: dict[str, Any]) -> int:
    """Without what went back past Stripe, or by the customer's bank."""
    by_bank = sum(dispute["returned_minor"] for dispute in leg["disputes"])
    return int(leg["refunded_minor"] - leg["refunded_elsewhere_minor"] - by_bank)


def money_of_standin(books: dict[str, Any], tab_id: str, currency: str) -> Money:
    """Read the amounts from the stand-in's totals by tab; all zero for a tab that it does not know."""
    line = books["groups"].get(tab_id, {}).get(currency.lower(), {})
    return Money(
        held=line.get("authorized", 0),
        captured=line.get("captured", 0),
        released=line.get("released", 0),
        expired=line.get("expired", 0),
        charged=line.get("charged", 0),
        refunded=line.get("refunded", 0),
    )


def differences(whose: str, expected: Money, found: Money) -> list[str]:
    """The differences, in words; empty if both agree."""
    wanted, has = asdict(expected), asdict(found)
    return [f"{whose} has {name} {has[name]}, expected {wanted[name]}" for name in wanted if wanted[name] != has[name]]
