"""The tax of a split bill: over the bill and its shares it is the bill's, and each has the tax of what is its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import count
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.domain.books.ledger import Account
from chalicelib.domain.errors import DomainError, InvalidInput
from chalicelib.domain.tab import due_steps, sharing
from chalicelib.domain.tab.bill import Item
from chalicelib.domain.tab.commands import bill, payment
from chalicelib.domain.tab.commands import sharing as splitting
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.commands.sharing import Parts
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.share import USUAL_TIME
from chalicelib.domain.tab.tab import Tab
from tests.unit.till import OWNER, STAFF, Till

RATES = (0, 700, 1900)
"""In basis points."""

Mix = dict[int, Fraction]
"""How much of a tab's own part of the bill is taxed at which rate: a model without rounding."""


def digest_for(share_id: str) -> str:
    return f"{share_id:0>64}"


def scaled(mix: Mix, part: Fraction) -> Mix:
    return {rate: amount * part for rate, amount in mix.items()}


def added(one: Mix, other: Mix, sign: int = 1) -> Mix:
    return {rate: one.get(rate, Fraction()) + sign * other.get(rate, Fraction()) for rate in RATES}


class Family:
    """A bill of several tax rates and all its shares, beside the model of what each of them has of which rate."""

    def __init__(self, lines: list[tuple[int, int]]) -> None:
        till = Till()
        inputs = [ItemInput(description="Dish", unit_price_minor=p, tax_basis_points=rate) for p, rate in lines]
        till.do(bill.add_items, inputs).do(bill.complete)
        self.now = till.now
        self.bill_id, self.tax_minor = till.tab.tab_id, till.tab.tax_minor
        self.tabs: dict[str, Tab] = {self.bill_id: till.tab}
        items = zip(till.tab.items, lines, strict=True)
        self.of_item = {item.item_id: {rate: Fraction(price)} for item, (price, rate) in items}
        bill_mix: Mix = {}
        for mix in self.of_item.values():
            bill_mix = added(bill_mix, mix)
        self.mixes: dict[str, Mix] = {self.bill_id: bill_mix}
        self._numbers = count(1)
        self.roundings = len(lines)

    @property
    def bill(self) -> Tab:
        return self.tabs[self.bill_id]

    @property
    def shares(self) -> list[Tab]:
        return [tab for tab in self.tabs.values() if tab.parent is not None]

    def draft(self, tab: Tab) -> Draft:
        return Draft(tab, now=self.now, by=OWNER, new_id=lambda prefix: f"{prefix}_{next(self._numbers)}x")

    def act(self, tab: Tab, command: Callable[..., None], *given: Any) -> bool:
        """Whether it was allowed. What a reduction takes is taken of each rate alike."""
        draft = self.draft(tab)
        try:
            command(draft, *given)
        except DomainError:
            return False
        self.keep(draft)
        after = self.tabs[tab.tab_id]
        if lowered_minor := after.adjusted_minor - tab.adjusted_minor:
            left = Fraction(tab.own_minor - lowered_minor, tab.own_minor)
            self.mixes[tab.tab_id] = scaled(self.mixes[tab.tab_id], left)
            self.roundings += 1
        return True

    def keep(self, draft: Draft) -> None:
        change = due_steps.conclude(draft)
        if change is not None:
            self.tabs |= {one.tab.tab_id: one.tab for one in (change, *change.also)}

    def split(self, parts: Parts) -> None:
        before = self.bill
        if not self.act(before, splitting.split, parts, USUAL_TIME, digest_for):
            return
        made = [self.tabs[share.tab_id] for share in self.bill.shares[-parts.count :]]
        whole = self.mixes[self.bill_id]
        for share in made:
            self.mixes[share.tab_id] = self._taken(whole, share.items, before.own_minor)
            self.mixes[self.bill_id] = added(self.mixes[self.bill_id], self.mixes[share.tab_id], -1)
        self.roundings += len(made)

    def _taken(self, whole: Mix, items: tuple[Item, ...], of_minor: int) -> Mix:
        mix: Mix = {}
        for item in items:
            part = self.of_item.get(item.item_id) or scaled(whole, Fraction(item.amount_minor, of_minor))
            mix = added(mix, part)
        return mix

    def give_back(self, share: Tab) -> None:
        if sharing.goes_back_at(share) is not None:
            draft = self.draft(share)
            sharing.give_back(draft, sharing.Back.TIME)
            self.keep(draft)
        self.tell(self.tabs[share.tab_id])

    def tell(self, share: Tab) -> None:
        if sharing.must_tell(share):
            draft, above = self.draft(share), self.draft(self.bill)
            sharing.tell(draft, above)
            draft.also.append(above)
            self.keep(draft)
        self._moved_back(share.tab_id, {known.tab_id: known for known in self.bill.shares})

    def unsplit(self) -> None:
        drafts = [self.draft(self.tabs[share.tab_id]) for share in self.bill.open_shares]
        if self.act(self.bill, splitting.unsplit, drafts):
            for draft in drafts:
                self._moved_back(draft.tab.tab_id, {})

    def _moved_back(self, share_id: str, known: dict[str, Any]) -> None:
        """What a share has of the bill follows the books; the model says only of which rates that is."""
        mix, own_minor = self.mixes[share_id], self.tabs[share_id].own_minor
        if had := sum(mix.values()):
            left = scaled(mix, Fraction(own_minor) / had)
            self.mixes[self.bill_id] = added(self.mixes[self.bill_id], added(mix, left, -1))
            self.mixes[share_id] = left
            self.roundings += 1

    def problems(self) -> Iterator[str]:
        """Nothing is under way: each report was told."""
        in_books = -sum(tab.balances.get(Account.TAX, 0) for tab in self.tabs.values())
        own = sum(tab.own_tax_minor for tab in self.tabs.values())
        if in_books != own:
            yield f"{in_books} of tax is in the books, {own} is in what remains"
        for tab in self.tabs.values():
            mix = self.mixes[tab.tab_id]
            if sum(mix.values()) != tab.own_minor:
                yield f"the model has {float(sum(mix.values()))} of {tab.tab_id}, the tab {tab.own_minor}"
            exact = sum(amount * rate / (10_000 + rate) for rate, amount in mix.items())
            if abs(tab.own_tax_minor - exact) > Fraction(self.roundings, 2):
                yield f"{tab.tab_id} has {tab.own_tax_minor} of tax, its rates say {float(exact):.2f}"


HALF = Fraction(1, 2)
LINES = st.lists(st.tuples(st.integers(5_00, 40_00), st.sampled_from(RATES)), min_size=3, max_size=5)
WAYS = st.sampled_from(["equally", "by amounts", "by items", "by items"])
STEPS = st.tuples(
    st.sampled_from(["split", "lower", "lower", "take cash", "refund", "give back", "unsplit", "waive"]),
    st.sampled_from([0, 0, 1, 2, 3]),
    st.sampled_from([Fraction(1, 7), HALF, Fraction(1)]),
    WAYS,
)


@example(
    lines=[(25_00, 0), (10_00, 1900), (15_00, 1900)],
    way="by items",
    steps=[("lower", 1, HALF, ""), ("lower", 2, HALF, ""), ("give back", 1, HALF, ""), ("lower", 0, HALF, "")],
)
@example(
    lines=[(10_00, 1900), (15_00, 1900), (25_00, 0)],
    way="by items",
    steps=[("lower", 0, HALF, ""), ("give back", 1, HALF, ""), ("lower", 0, HALF, ""), ("split", 0, HALF, "equally")],
)
@given(lines=LINES, way=WAYS, steps=st.lists(STEPS, min_size=3, max_size=9))
def test_each_has_the_tax_of_what_is_its_own(
    lines: list[tuple[int, int]], way: str, steps: list[tuple[str, int, Fraction, str]]
) -> None:
    """However a bill of several rates is split, paid, lowered, refunded, given back, and split anew."""
    family = Family(lines)

    for what, whose, part, how in [("split", 0, HALF, way), *steps]:
        tab = list(family.tabs.values())[whose % len(family.tabs)]
        if what == "split":
            family.split(parts_of(family.bill, how, part))
        elif what == "lower":
            family.act(tab, bill.adjust, int(tab.own_minor * part), "sorry")
        elif what == "take cash":
            family.act(tab, payment.take_cash, int(tab.balance_minor * part))
        elif what == "refund":
            family.act(tab, payment.refund, None, "sorry")
        elif what == "give back" and tab.parent is not None:
            family.give_back(tab)
        elif what == "unsplit":
            family.unsplit()
        elif what == "waive":
            family.act(tab, bill.waive, "sorry")
        for share in family.shares:
            family.tell(share)

        assert not (problems := list(family.problems())), problems


def parts_of(tab: Tab, way: str, part: Fraction) -> Parts:
    ids = tuple(item.item_id for item in tab.items)
    if way == "by items" and part == 1:
        return Parts(items=(ids[:1], ids[1:]))
    if way == "by items":
        return Parts(items=((ids[0],), (ids[1],)))
    if way == "by amounts":
        first_minor = int(tab.balance_minor * part / 2)
        return Parts(amounts_minor=(first_minor, tab.balance_minor // 3))
    return Parts(equally=4)


def test_a_refund_to_the_host_takes_no_tax_of_items_that_others_pay() -> None:
    """The host keeps what is free of tax: nothing of the tax on the shares is reversed when that is refunded."""
    family = Family([(25_00, 0), (10_00, 1900), (15_00, 1900)])
    _, one, other = (item.item_id for item in family.bill.items)
    family.split(Parts(items=((one,), (other,))))
    before = family.bill.balances

    family.act(family.bill, bill.adjust, 5_00, "sorry")

    after = family.bill.balances
    assert (after[Account.TAX], after[Account.SERVICE_REVENUE]) == (
        before[Account.TAX],
        before[Account.SERVICE_REVENUE] + 5_00,
    )
    assert [share.tax_minor for share in family.bill.shares] == [1_60, 2_39]


def test_items_are_not_split_off_a_bill_that_was_lowered() -> None:
    """Of which items the reduction is, nobody has said; it may be split equally or by amounts."""
    till = Till()
    lines = [ItemInput(description="Dish", unit_price_minor=20_00, tax_basis_points=rate) for rate in (0, 1900)]
    till.do(bill.add_items, lines).do(bill.complete).do(bill.adjust, 5_00, "sorry", by=STAFF)
    ids = [(item.item_id,) for item in till.tab.items]

    with pytest.raises(InvalidInput, match="taken off"):
        till.do(splitting.split, Parts(items=tuple(ids)), USUAL_TIME, digest_for)
