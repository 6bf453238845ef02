"""What must hold of a merchant's tabs and customers at every moment of the months, recomputed from entries alone."""

from __future__ import annotations

from collections import Counter, defaultdict

from chalicelib.domain.books.ledger import Account
from chalicelib.domain.parties import Customer
from chalicelib.domain.tab.entry import Entry
from chalicelib.domain.tab.payments import DisputeState
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.trust.credits import CreditAccount
from chalicelib.domain.trust.folds import visit_of
from chalicelib.domain.trust.integrity import integrity_of
from chalicelib.domain.trust.standing import History, Standing, standing_of
from chalicelib.domain.trust.standing_terms import Level
from chalicelib.domain.trust.terms import LotKind
from chalicelib.domain.trust.visit import Visit
from chalicelib.usecases.books.reconcile import reconcile
from chalicelib.usecases.trust.figures import refresh
from chalicelib.usecases.trust.history import read_standing
from devstack import invariants
from tests import views
from tests.usecases.shop import NOON, Shop


class Books:
    """Reads the stream as anybody could who has the entries, and compares with what the system says."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.checked: Counter[str] = Counter()
        self._read = 0
        self._entries: dict[str, list[Entry]] = defaultdict(list)
        self._tabs_of: dict[str, dict[str, None]] = defaultdict(dict)
        self._visits: dict[str, Visit] = {}
        self._touched: set[str] = set()

    def _follow(self) -> None:
        """Take in what was written since."""
        new = self.shop.store.stream[self._read :]
        self._read += len(new)
        for one in new:
            if one.tab_id is not None and one.customer_id is not None:
                self._entries[one.tab_id].append(one.entry)
                self._tabs_of[one.customer_id][one.tab_id] = None
                self._visits.pop(one.tab_id, None)
                self._touched.add(one.customer_id)

    # One tab

    def check(self, tab_id: str) -> None:
        """The tab's own books, and that we claim nothing which the gateway has not."""
        shop = self.shop
        self._follow()
        tab = shop.store.get_tab(shop.merchant_id, tab_id)
        shown, history = views.shown(tab, shop.clock.now()), views.history(shop.store, tab)
        _none_of(
            invariants.check_tab(shown, history)
            + invariants.check_claims(shown, shop.gateway.objects(tab_id))
            + self._price_in_sealed(tab)
            + self._split(tab)
            + self._answered(tab)
        )
        self.checked["tabs"] += 1

    def _price_in_sealed(self, tab: Tab) -> list[str]:
        """What the gateway kept of an outcome's bill is at most its highest sealed tier that the customer let stand."""
        if not tab.promise.tiers or tab.presented_at is None or tab.parent is not None:
            return []
        sealed = tab.promise.tiers
        chosen = [entry.details["tier_percent"] for entry in self._entries[tab.tab_id] if entry.kind == "tier_chosen"]
        percent = max([*chosen, tab.promise.silence_percent or sealed[-1].percent])
        services = sum(item.amount_minor for item in tab.items if not item.is_material)
        materials = sum(item.amount_minor for item in tab.items if item.is_material)
        most = -(-services * percent // 100) + materials + tab.tip_minor
        kept = sum(leg.amount_minor - leg.refunded_minor - leg.refund_pending_minor for leg in tab.legs)
        kept -= tab.refund_owed_minor
        return [f"{tab.tab_id}: {kept} is kept, confirmed were {most} ({percent} %)"] if kept > most else []

    def _split(self, tab: Tab) -> list[str]:
        shop, now = self.shop, self.shop.clock.now()
        if not tab.shares:
            return []
        shares = [shop.store.get_tab(shop.merchant_id, share.tab_id) for share in tab.shares]
        return invariants.check_split(views.shown(tab, now), [views.shown(share, now) for share in shares])

    # One customer

    def standing_of(self, customer_id: str) -> Standing | None:
        """By all entries of all their names."""
        self.shop.pump.run()
        self._follow()
        customer, policy = self._customer(customer_id), self.shop.store.get_merchant(self.shop.merchant_id).policy
        if policy.standing is None:
            return None
        history = History(
            own=self._visits_of(customer_id),
            same_card=[visit for other in customer.same_card for visit in self._visits_of(other)],
            same_phone=[visit for other in customer.same_phone for visit in self._visits_of(other)],
        )
        return standing_of(history, policy.standing, self.shop.clock.now())

    def opened(self, tab: Tab, whole_minor: int, standing: Standing | None) -> None:
        """The deposit is what the terms ask of this level, and no more."""
        self._follow()
        if standing is None:
            assert tab.promise.standing is None and tab.promise.deposit_minor == whole_minor, "trusted all alike"
            return
        sealed = tab.promise.standing
        if sealed is None:
            # It changes nothing, so the promise does not name it.
            assert not whole_minor and standing.level != Level.WATCH, f"{tab.tab_id} does not name the standing"
            return
        assert tab.policy.standing is not None
        percent = tab.policy.standing.deposit_percent(standing.level)
        asked_minor = whole_minor * percent // 100
        assert sealed.level == standing.level, f"{tab.tab_id} is sealed for {sealed.level}, not {standing.level}"
        assert tab.promise.deposit_minor == asked_minor, f"{tab.tab_id}: the deposit is not {asked_minor}"
        self.checked[f"opened for {standing.level}"] += 1

    def check_touched(self) -> None:
        """Standing and credit of everybody about whom something was written since the last time."""
        self.shop.pump.run()
        self._follow()
        touched, self._touched = self._touched, set()
        policy = self.shop.store.get_merchant(self.shop.merchant_id).policy
        for customer_id in sorted(touched):
            customer = self._customer(customer_id)
            if not customer.is_anonymous:
                said = read_standing(self.shop.deps, policy, customer, self.shop.clock.now())
                assert said == self.standing_of(customer_id), f"{customer_id}: standing is not what the entries make it"
                self._same_names(customer)
                self.checked["standings"] += 1
            account = self.shop.store.find_credit_account(self.shop.merchant_id, customer_id)
            if account is not None:
                _none_of(self._credit_from_bad_tabs(account))
                self.checked["credit accounts"] += 1

    def _same_names(self, customer: Customer) -> None:
        """Who has used a card of theirs is known to them."""
        cards = {card for visit in self._visits_of(customer.customer_id) for card in visit.cards}
        others = {
            other
            for other, tabs in self._tabs_of.items()
            if other != customer.customer_id
            and not self._customer(other).is_anonymous
            and any(cards & {*self._visit(other, tab_id).cards} for tab_id in tabs)
        }
        assert others == {*customer.same_card}, f"{customer.customer_id}: other names of the same card"

    def _credit_from_bad_tabs(self, account: CreditAccount) -> list[str]:
        """Nothing that can be spent was earned by a tab that was refunded whole, disputed or not paid."""
        now, wrong = self.shop.clock.now(), []
        for lot in account.lots:
            if lot.kind == LotKind.RETURNED or lot.left_minor <= 0 or not lot.is_active(now):
                continue
            tab = self.shop.store.get_tab(account.merchant_id, lot.tab_id)
            disputes = [dispute for leg in tab.legs for dispute in leg.disputes]
            if any(dispute.state in (DisputeState.OPEN, DisputeState.LOST) for dispute in disputes):
                wrong.append(f"{lot.lot_id}: {lot.left_minor} can be spent, and {tab.tab_id} is disputed")
            if not tab.paid_minor:
                wrong.append(f"{lot.lot_id}: {lot.left_minor} can be spent, and {tab.tab_id} was given back whole")
        return wrong

    # All of it

    def _answered(self, tab: Tab) -> list[str]:
        """A bank is said to be answered only where it is."""
        there = {one.dispute_id: one for paid in self.shop.gateway.payments.values() for one in paid.disputes}
        ours = [dispute for leg in tab.legs for dispute in leg.disputes if dispute.submitted_at is not None]
        return [f"{one.dispute_id} is not answered" for one in ours if not there[one.dispute_id].is_answered]

    def check_all(self, *, at_rest: bool = False) -> None:
        """Every tab, every statement of credit, and the sum of all ledgers."""
        shop = self.shop
        shop.pump.run()
        self._follow()
        sums: Counter[Account] = Counter()
        for tab in shop.store.tabs_of(shop.merchant_id):
            sums.update(tab.balances)
            if at_rest:
                shown, history = views.shown(tab, shop.clock.now()), views.history(shop.store, tab)
                _none_of(invariants.check_everything(shown, history, shop.gateway.objects(tab.tab_id)))
            else:
                self.check(tab.tab_id)
        assert sum(sums.values()) == 0, f"the ledgers sum to {sum(sums.values())}"
        shop.check_credits()
        self._figures()
        self._stories()
        self.checked["whole books"] += 1

    def _figures(self) -> None:
        """What is published of the merchant can be counted again from the entries."""
        shop = self.shop
        counted = refresh(shop.deps, shop.store.get_merchant(shop.merchant_id)).integrity
        visits = [self._visit(customer_id, tab_id) for customer_id, tabs in self._tabs_of.items() for tab_id in tabs]
        assert counted == integrity_of(visits, counted.until), "the integrity figures are not those of the entries"

    def _stories(self) -> None:
        """Where a story is shown is where its customer has last agreed, and what was taken back has no words."""
        shop = self.shop
        for tab_id, entries in self._entries.items():
            places: list[str] = []
            for entry in entries:
                if entry.kind in ("story_told", "story_withdrawn"):
                    places = entry.details.get("places", [])
            story = shop.deps.people.find_story(shop.merchant_id, tab_id)
            assert list(story.places if story else ()) == places, f"{tab_id}: its story is not where it may be"
            assert story is None or bool(story.text) == bool(places), f"{tab_id}: words without a place"
            self.checked["stories"] += story is not None

    def check_against_the_gateway(self) -> None:
        """The nightly comparison finds nothing, over all months."""
        found = reconcile(self.shop.deps, NOON, repair=False)
        assert not found.findings, found.findings
        self.checked["payments compared"] += len(self.shop.gateway.payments)

    def _customer(self, customer_id: str) -> Customer:
        return self.shop.store.get_customer(self.shop.merchant_id, customer_id)

    def _visits_of(self, customer_id: str) -> list[Visit]:
        return [self._visit(customer_id, tab_id) for tab_id in self._tabs_of[customer_id]]

    def _visit(self, customer_id: str, tab_id: str) -> Visit:
        if tab_id not in self._visits:
            entries = self._entries[tab_id]
            self._visits[tab_id] = visit_of(self.shop.merchant_id, tab_id, customer_id, entries)
        return self._visits[tab_id]


def _none_of(problems: list[str]) -> None:
    assert not problems, "; ".join(problems)
