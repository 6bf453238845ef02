"""Bodies of requests about a bill as it is made and accepted, by themselves: most writes are these."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chalicelib.handlers.api.body import Body
from chalicelib.handlers.api.fields import PLAIN, READABLE, Amount, Text


class NewItem(Body):
    """`unit_price_minor` includes tax at `tax_basis_points` (1900 = 19 %).

    `material`: it is paid whole, whatever the outcome.
    """

    description: Annotated[str, Meta(min_length=1, max_length=200, pattern=READABLE)]
    unit_price_minor: Amount
    quantity: Annotated[int, Meta(ge=1, le=1000)] = 1
    tax_basis_points: Annotated[int, Meta(ge=0, le=10_000)] = 0
    material: bool = False


class NewItems(Body):
    items: Annotated[list[NewItem], Meta(min_length=1, max_length=50)]


class AcceptBill(Body):
    """`rating`: how content the customer is, from 1 to 5; required with a comment.

    `credit_minor`: how much of the bill their credit pays, all of it or nothing; 0: none; left out: as the customer has
    said for all bills, by default none.
    """

    tip_minor: Amount = 0
    credit_minor: Amount | None = None
    rating: Annotated[int, Meta(ge=1, le=5)] | None = None
    comment: Annotated[str, Meta(max_length=1000, pattern=PLAIN)] = ""


class Waive(Body):
    reason: Text
