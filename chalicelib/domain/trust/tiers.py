"""Outcome tiers: the price steps of a promise, and what a bill costs at each."""

from collections.abc import Sequence

from msgspec import Struct

from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.money import Currency, share_minor
from chalicelib.domain.tab.bill import Item

FEWEST_TIERS, MOST_TIERS = 2, 4
WHOLE = 100
"""Per cent: the first tier is the whole price."""


class Tier(Struct, frozen=True, kw_only=True):
    """A price step. `percent`: the share of the services' price. `measure`: how both can see that it was reached."""

    percent: int
    measure: str


class OutcomeTerms(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A merchant's rules about outcome tiers.

    `tiers`, `silence_percent`: those of a promise that names none of its own. `fixed_price_after`: after so many of a
    customer's last five tabs with tiers at a lower one they get a fixed price; 0: never. What is stored leaves out what
    is at its default, so the defaults stay as they are.
    """

    tiers: tuple[Tier, ...] = ()
    silence_percent: int | None = None
    fixed_price_after: int = 2


def check_tiers(tiers: Sequence[Tier], silence_percent: int | None, where: str = "") -> None:
    """Raises InvalidInput unless these are the tiers of a promise, or none. `where`: what their names begin with.

    Silence can't mean the first tier: nobody pays the whole price of an outcome that they have not confirmed.
    """
    if not tiers:
        if silence_percent is not None:
            raise InvalidInput(f"{where}silence_percent belongs to tiers: give them, or leave it out.")
        return
    percents = [tier.percent for tier in tiers]
    if not FEWEST_TIERS <= len(tiers) <= MOST_TIERS:
        raise InvalidInput(f"A promise has {FEWEST_TIERS} to {MOST_TIERS} tiers, or none.", field=f"{where}tiers")
    if percents[0] != WHOLE or percents[-1] < 0 or percents != sorted(set(percents), reverse=True):
        raise InvalidInput(
            f"{where}tiers must begin with {WHOLE} percent, and each must be lower than the one before, at least 0.",
            field=f"{where}tiers",
        )
    measures = [tier.measure.strip() for tier in tiers]
    if not all(measures) or len(set(measures)) < len(measures):
        raise InvalidInput(
            f"Each of {where}tiers needs a measure of its own, by which both can tell it.", field=f"{where}tiers"
        )
    if silence_percent not in percents[1:]:
        raise InvalidInput(
            f"{where}silence_percent says what is paid where the customer says nothing. It must be one of the lower "
            f"tiers, {', '.join(map(str, percents[1:]))}: silence never confirms the whole price.",
            field=f"{where}silence_percent",
        )


def price_lines(items: Sequence[Item], percent: int, currency: Currency) -> list[tuple[int, int]]:
    """Amount and tax of each item at this share of the price; materials and voided items are as they are.

    The services together are rounded once, half to even, and their lines add up to that. The tax of a line goes with
    its amount, so that it keeps its rate.
    """
    lines, whole_minor, priced_minor = [], 0, 0
    for item in items:
        amount_minor, tax_minor = item.amount_minor, 0 if item.voided_at else item.tax_minor
        if amount_minor and not item.is_material:
            before_minor, whole_minor = priced_minor, whole_minor + amount_minor
            priced_minor = share_minor(whole_minor, percent, WHOLE, currency)
            priced = priced_minor - before_minor
            tax_minor = share_minor(tax_minor, priced, amount_minor, currency)
            amount_minor = priced
        lines.append((amount_minor, tax_minor))
    return lines
