"""Random stories of a split bill: its host and whoever has a share do what they like while things break."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from functools import partial

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from chalicelib.domain.errors import DomainError
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.commands.sharing import Parts
from chalicelib.domain.tab.promise import Consent
from chalicelib.domain.tab.tab import Tab
from chalicelib.usecases.tab.bill import add_items, complete_service
from chalicelib.usecases.tab.split import split_bill, unsplit_bill
from devstack import invariants
from tests import views
from tests.usecases.fake_gateway import CardBehaviour, Crash
from tests.usecases.shop import EVERYTHING, WITHOUT_CARD, Shop, payer_of
from tests.usecases.test_random_stories import AnyStory

LINES = [(20_00, 0), (10_01, 700), (20_00, 1900)]
"""Prices and rates of tax."""
TIMES = st.sampled_from([timedelta(minutes=15), timedelta(hours=24), timedelta(days=7)])


class AnySplit(AnyStory):
    """Each rule of a tab's story is about the bill or one of its shares, whichever somebody looks at."""

    @initialize(
        card=st.sampled_from(CardBehaviour),
        refunds_end=st.sampled_from(["succeeded", "pending"]),
        consents=st.sampled_from([WITHOUT_CARD, EVERYTHING]),
        accepts=st.booleans(),
    )
    def open(self, card: CardBehaviour, refunds_end: str, consents: tuple[Consent, ...], accepts: bool) -> None:  # type: ignore[override]
        self.shop = shop = Shop()
        self.host = shop.ada
        shop.gateway.refunds_end = refunds_end
        shop.open(*consents)
        self.bill_id = shop.tab_id
        items = [ItemInput(description="Dish", unit_price_minor=p, tax_basis_points=rate) for p, rate in LINES]
        add_items(shop.deps, shop.tab_id, items, request=shop.request(shop.staff))
        complete_service(shop.deps, shop.tab_id, request=shop.request(shop.staff))
        shop.pump.run()
        self.split_it("equally", timedelta(hours=24), self.host)
        shop.gateway.cards["pm_1"] = card
        if accepts:
            self.accept_bill(0, None)

    def family(self) -> tuple[Tab, list[Tab]]:
        """The bill, and all shares that were ever made of it."""
        shop = self.shop
        tabs = [shop.store.get_tab(merchant_id, tab_id) for merchant_id, tab_id in shop.store._tabs]
        bill = next(tab for tab in tabs if tab.tab_id == self.bill_id)
        return bill, [tab for tab in tabs if tab.parent is not None]

    @rule(which=st.sampled_from([None, None, 0, 1, 2, -1, -2]))
    def look_at(self, which: int | None) -> None:
        """The next ones act on the bill, or on this share."""
        shares = self.family()[1]
        if which is None or not -len(shares) <= which < len(shares):
            self.shop.tab_id, self.shop.ada = self.bill_id, self.host
        else:
            self.show(shares[which])

    def show(self, share: Tab) -> None:
        self.shop.tab_id = share.tab_id
        self.shop.ada = payer_of(share)

    @rule(way=st.sampled_from(["equally", "by amounts", "by items"]), time=TIMES, role=st.sampled_from(Role))
    def split(self, way: str, time: timedelta, role: Role) -> None:
        self.look_at(None)
        self.split_it(way, time, self.host if role == Role.CUSTOMER else self.shop.staff)

    def split_it(self, way: str, time: timedelta, by: Actor) -> None:
        owed_minor, items = self.shop.tab.balance_minor, [(item.item_id,) for item in self.shop.tab.items]
        parts = {
            "equally": Parts(equally=3),
            "by amounts": Parts(amounts_minor=(owed_minor // 3, owed_minor // 4)),
            "by items": Parts(items=tuple(items[-2:])),
        }[way]
        self.act(Action.SPLIT, by, partial(split_bill, credential="theirs"), parts, time)

    @rule()
    def unsplit(self) -> None:
        """Offered as far as the bill knows: a share may be contested, or being paid."""
        self.look_at(None)
        before = self.family()
        try:
            unsplit_bill(self.shop.deps, self.bill_id, request=self.shop.request(self.shop.staff))
        except DomainError:
            assert before[1] == self.family()[1]
        except Crash:
            pass

    @rule(there=st.booleans())
    def card_is_removed(self, there: bool) -> None:
        self.look_at(None)
        super().card_is_removed(there=there)

    @rule(wanted=st.booleans())
    def wish_for_credit(self, wanted: bool) -> None:
        self.look_at(None)
        super().wish_for_credit(wanted=wanted)

    @rule(tip=st.sampled_from([0, 2_00]))
    def a_share_is_paid(self, tip: int) -> None:
        """From end to end: of the ways through a story it is the one that is gone most."""
        owing = [share for share in self.family()[1] if share.balance_minor]
        if owing:
            self.show(owing[0])
            with contextlib.suppress(Crash):
                self.pay_on_phone(tip, None)
            for payment in self.payments:
                if payment.state == "waiting":
                    self.shop.gateway.confirm(payment.payment_id)

    @rule(hours=st.sampled_from([1, 23, 25]))
    def time_of_the_shares_ends(self, hours: int) -> None:
        self.shop.clock.instant += timedelta(hours=hours)
        self.schedule_runs()

    @invariant()
    def bill_and_shares_are_one_sum(self) -> None:
        if hasattr(self, "shop"):
            (bill, shares), now = self.family(), self.shop.clock.now()
            problems = invariants.check_split(views.shown(bill, now), [views.shown(share, now) for share in shares])
            assert not problems, "; ".join(problems)

    def the_visit_says_what_the_tab_has_come_to(self) -> None:
        """A share's bill is its parent's: its visit says what is owed and what was paid."""
        tab = self.shop.tab
        if tab.parent is None:
            super().the_visit_says_what_the_tab_has_come_to()
            return
        self.shop.pump.run()
        key = (tab.merchant_id, tab.customer_id, tab.tab_id)
        visit = self.shop.deps.visits.find_visits([key])[key]
        paid_minor = sum(leg.amount_minor - leg.refunded_minor for leg in tab.legs)
        assert (visit.seq, visit.owed_minor, visit.paid_minor) == (tab.entry_count, tab.balance_minor, paid_minor)

    def teardown(self) -> None:
        """The shares come to rest first: what comes back may be taken on the bill."""
        if not hasattr(self, "shop"):
            return
        for share in self.family()[1]:
            self.show(share)
            super().teardown()
        self.look_at(None)
        super().teardown()
        assert not self.shop.tab.open_shares, "a share is at rest, and its bill does not know"
        self.bill_and_shares_are_one_sum()


TestAnySplit = AnySplit.TestCase
TestAnySplit.settings = settings(max_examples=40, stateful_step_count=20, report_multiple_bugs=False)
