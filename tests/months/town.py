"""Months of a merchant's life: hundreds of customers with habits of their own, staff, banks, a clock moved by hand.

Days pass one after the other. People do what their screens offer them, as often as their habits say; events of the
bank come late, twice and in another order; the merchant changes its policy. After each act the books of the tab are
checked, and what `checks.py` holds of the customer.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.contact import Language
from chalicelib.domain.errors import DomainError
from chalicelib.domain.tab.actions import Action, allowed_actions, is_resolvable
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.attempt import Failure
from chalicelib.domain.tab.bill import Item
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.commands.booking import Terms
from chalicelib.domain.tab.commands.sharing import Parts
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.facts.legs import RefundMeans
from chalicelib.domain.tab.objection import Decision
from chalicelib.domain.tab.payments import Card
from chalicelib.domain.tab.policy import Policy, Resolution
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.story import Place
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.trust.standing_terms import StandingTerms
from chalicelib.domain.trust.story import Words
from chalicelib.domain.trust.terms import CreditTerms, StoryTerms
from chalicelib.domain.trust.tiers import Tier
from chalicelib.usecases.parties.contacts import ContactInput, erase_contact, put_contact
from chalicelib.usecases.parties.customers import create_customer
from chalicelib.usecases.parties.merchants import get_merchant, set_policy
from chalicelib.usecases.tab import bill, payment, refund
from chalicelib.usecases.tab.booking import accept_promise, cancel_tab, check_in, mark_no_show, open_tab
from chalicelib.usecases.tab.split import split_bill, unsplit_bill
from chalicelib.usecases.trust import evidence
from chalicelib.usecases.trust.credits import get_invitation_code, set_spends_by_itself, take_invitation
from chalicelib.usecases.trust.standing import decide_objection, object_to_standing
from chalicelib.usecases.trust.stories import tell_story, withdraw_story
from tests.months.checks import Books
from tests.usecases.fake_gateway import CardBehaviour, Payment
from tests.usecases.shop import EVERYTHING, NOON, WITHOUT_CARD, Shop, agreement_to, payer_of

CREDITS = CreditTerms(
    rate_basis_points=500,
    per_tab_minor=8_00,
    referral_minor=5_00,
    referral_least_minor=20_00,
    expires_s=60 * 86400,
)
STANDING = StandingTerms(trusted_visits=4, trusted_over_days=30)
TIERS = tuple(Tier(percent=percent, measure=f"as good as {percent}") for percent in (100, 80, 50, 0))
POLICIES = (
    Policy(credits=CREDITS, standing=STANDING, exposure_per_customer_minor=400_00, stories=StoryTerms()),
    Policy(credits=replace(CREDITS, rate_basis_points=1000), standing=STANDING, exposure_per_customer_minor=400_00),
    Policy(credits=None, standing=StandingTerms(), exposure_per_customer_minor=0),
    Policy(credits=CREDITS, standing=None),
)
"""What the merchant changes between; the first holds for most of the time."""


NOTHING = 5.0
"""How often nobody does anything, beside the wishes for what is offered."""


class Habits(Struct, frozen=True, kw_only=True):
    """How a customer behaves: probabilities. `tier`: what they say of an outcome, most of the time."""

    shows_up: float = 0.97
    answers: float = 0.8
    saves_card: float = 0.7
    contests: float = 0.02
    disputes: float = 0.004
    has_money: float = 0.97
    tier: int = 100


KINDS = (
    (62, Habits()),
    (15, Habits(shows_up=0.3, answers=0.3)),
    (10, Habits(has_money=0.5, answers=0.5)),
    (8, Habits(contests=0.3, disputes=0.3)),
    (5, Habits(tier=50)),
)


class Person(Struct, kw_only=True):
    customer_id: str
    card: Card
    habits: Habits


class Town:
    """A merchant with `customers` customers. `seed`: the same gives the same months."""

    def __init__(self, customers: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.shop = Shop(POLICIES[0])
        self.shop.give_addresses()
        self.books = Books(self.shop)
        self.counts: Counter[str] = Counter()
        self.people: dict[str, Person] = {}
        self.open: list[str] = []
        """Tabs on which people still act: those that are not over, and those that ended lately."""
        self.ended: dict[str, int] = {}
        self.day = 0
        for _ in range(customers):
            self.somebody_new()

    # Time

    def live(self, days: int) -> None:
        for _ in range(days):
            self.day += 1
            self._a_day()
            if self.day % 30 == 0:
                self.books.check_all()

    def _a_day(self) -> None:
        chance = self.random.random
        if chance() < 0.05:
            self._policy_changes()
        if chance() < 0.15:
            self.somebody_new(invited=chance() < 0.7)
        if chance() < 0.05:
            self._another_name()
        if chance() < 0.1:
            self._says_a_number()
        if chance() < 0.03:
            self._is_forgotten()
        for _ in range(self.random.randint(1, 2 + len(self.people) // 12)):
            self._somebody_comes()
        for _ in range(3):
            for tab_id in list(self.open):
                if chance() < 0.5:
                    self._somebody_acts(tab_id)
            self._banks_act()
            self._post_arrives()
            self.shop.gateway.expire_holds()
            assert self.shop.wait(hours=8).failed == 0
        self.books.check_touched()
        self.open = [tab_id for tab_id in self.open if self._goes_on(tab_id)]

    def _goes_on(self, tab_id: str) -> bool:
        if self.tab(tab_id).status == Status.CLOSED:
            self.ended.setdefault(tab_id, self.day)
        return self.day - self.ended.get(tab_id, self.day) < 20

    def come_to_rest(self) -> None:
        """Everything heals: banks decide, events arrive, and what is planned happens. Then the money must be right."""
        shop = self.shop
        shop.gateway.heal()
        for tab in shop.store.tabs_of(shop.merchant_id):
            if tab.status in (Status.BOOKED, Status.OPEN):
                self.do(tab.tab_id, Action.COMPLETE if tab.total_minor else Action.CANCEL)
        for number, paid in enumerate(list(shop.gateway.payments.values())):
            for dispute in [one for one in paid.disputes if one.is_open]:
                self._bank_decides(paid, dispute.dispute_id, won=number % 2 == 0)
        for _ in range(40):
            self._post_arrives(all_of_it=True)
            shop.gateway.end_refunds("succeeded")
            for slow in [one for one in shop.gateway.payments.values() if one.state == "processing"]:
                shop.gateway.finish_processing(slow.payment_id)
            shop.gateway.expire_holds()
            assert shop.wait(days=3).failed == 0
        self._post_arrives(all_of_it=True)
        self.books.check_all(at_rest=True)
        self.books.check_against_the_gateway()

    # People

    def somebody_new(self, *, invited: bool = False) -> None:
        shop = self.shop
        number = len(self.people)
        customer = create_customer(shop.deps, f"customer {number}", request=shop.request(shop.staff))
        card = Card(card_id=f"pm_of_{number}", brand="visa", last4="4242", saved_at=NOON)
        (habits,) = self.random.choices([one for _, one in KINDS], [weight for weight, _ in KINDS])
        if self.random.random() < habits.saves_card:
            shop.store.update_customer(replace(customer, card=card, version=2))
            shop.gateway.attached_cards.append(card.card_id)
        person = Person(customer_id=customer.customer_id, card=card, habits=habits)
        if invited and self.people:
            self._is_invited(person)
        self.people[person.customer_id] = person

    def _another_name(self) -> None:
        """Somebody comes as a new customer, and pays with the card that they have always had."""
        known = self.random.choice(list(self.people.values()))
        self.somebody_new()
        *_, last = self.people.values()
        last.card, last.habits = known.card, known.habits
        customer = self.shop.store.get_customer(self.shop.merchant_id, last.customer_id)
        if customer.card is not None:
            self.shop.store.update_customer(replace(customer, card=known.card, version=customer.version + 1))
        self.counts["other names"] += 1

    def _says_a_number(self) -> None:
        """Some customers have a phone together, or one has two names."""
        shop, person = self.shop, self.random.choice(list(self.people.values()))
        number = f"+43 660 12345{self.random.randint(10, 10 + len(self.people) // 3):02}"
        given = ContactInput(
            name="X", email=None, phone=number, language=None, time_zone=None, sms_consent=self.random.random() < 0.5
        )
        self._try("number", lambda: put_contact(shop.deps, person.customer_id, given, request=shop.request(shop.staff)))

    def _is_forgotten(self) -> None:
        shop, person = self.shop, self.random.choice(list(self.people.values()))
        self._try("erased", lambda: erase_contact(shop.deps, person.customer_id, request=shop.request(shop.owner)))

    def _is_invited(self, person: Person) -> None:
        shop = self.shop
        friend = self.random.choice(list(self.people.values()))
        self._try("invited", lambda: self._invite(friend, person, shop))

    def _invite(self, friend: Person, person: Person, shop: Shop) -> None:
        host, guest = self.by(friend.customer_id), self.by(person.customer_id)
        code = get_invitation_code(shop.deps, friend.customer_id, request=shop.request(host)).code
        assert code is not None
        take_invitation(shop.deps, person.customer_id, code, request=shop.request(guest))

    def by(self, customer_id: str) -> Actor:
        merchant_id = self.shop.merchant_id
        return Actor(subject=customer_id, role=Role.CUSTOMER, merchant_id=merchant_id, customer_id=customer_id)

    def _policy_changes(self) -> None:
        shop = self.shop
        policy = self.random.choices(POLICIES, (6, 2, 1, 1))[0]
        version = get_merchant(shop.deps, by=shop.owner).version
        set_policy(shop.deps, policy, request=shop.request(shop.owner, version=version))
        self.counts["policy changed"] += 1

    def _somebody_comes(self) -> None:
        """A walk-in, or a booking for later, perhaps priced by its outcome."""
        shop, chance = self.shop, self.random.random
        person = self.random.choice(list(self.people.values()))
        is_booking, has_tiers = chance() < 0.5, chance() < 0.3
        starts_at = shop.clock.now() + timedelta(hours=self.random.choice([3, 20, 70, 200])) if is_booking else None
        terms = Terms(
            title="Service",
            expected_outcome="As wished",
            estimate_minor=60_00,
            cap_minor=150_00,
            deposit_minor=self.random.choice([0, 20_00]),
            no_show_fee_minor=15_00 if is_booking else 0,
            late_cancel_fee_minor=5_00 if is_booking else 0,
            starts_at=starts_at,
            tiers=TIERS if has_tiers else (),
            silence_percent=self.random.choice([80, 50]) if has_tiers else None,
        )
        if chance() < 0.1:
            self._try("credit by itself", lambda: self._wishes_for_credit(person))
        before = self.books.standing_of(person.customer_id)

        def come() -> None:
            request = shop.request(shop.staff)
            tab = open_tab(shop.deps, person.customer_id, terms, request=request).tab
            self.open.append(tab.tab_id)
            self.books.opened(tab, terms.deposit_minor, before)

        self._try("opened", come)

    def _wishes_for_credit(self, person: Person) -> None:
        wanted, request = self.random.random() < 0.7, self.shop.request(self.by(person.customer_id))
        set_spends_by_itself(self.shop.deps, person.customer_id, wanted, request=request)

    # What screens offer

    @property
    def tabs(self) -> int:
        return len(self.shop.store.tabs_of(self.shop.merchant_id))

    def tab(self, tab_id: str) -> Tab:
        return self.shop.store.get_tab(self.shop.merchant_id, tab_id)

    def _somebody_acts(self, tab_id: str) -> None:
        tab, now = self.tab(tab_id), self.shop.clock.now()
        wishes = self._wishes(tab)
        offered = sorted({action for by in self._around(tab) for action in allowed_actions(tab, by, now)} & {*wishes})
        wanted = self.random.choices([*offered, None], [*(wishes[action] for action in offered), NOTHING])[0]
        if wanted is not None:
            self.do(tab_id, wanted)

    def _around(self, tab: Tab) -> list[Actor]:
        return [self._customer(tab), self.shop.staff, self.shop.owner]

    def _customer(self, tab: Tab) -> Actor:
        if tab.parent is None:
            return self.by(tab.customer_id)
        return payer_of(tab)

    def _habits(self, tab: Tab) -> Habits:
        person = self.people.get(tab.customer_id)
        return person.habits if person else Habits()

    def _wishes(self, tab: Tab) -> dict[Action, float]:
        """How much more often one thing is done than another."""
        habits, is_before = self._habits(tab), tab.status == Status.BOOKED
        starts = is_before and tab.starts_at is not None and tab.starts_at <= self.shop.clock.now()
        there = self.random.random() < habits.shows_up
        return {
            Action.ACCEPT_PROMISE: 20 * habits.answers,
            Action.CHECK_IN: 30 if starts and there else 0,
            Action.NO_SHOW: 30 if starts and not there else 0,
            Action.CANCEL: 0.4 if is_before else 0,
            Action.ADD_ITEMS: 20 if not tab.items else 2,
            Action.VOID_ITEM: 0.3 if tab.items else 0,
            Action.COMPLETE: 10 if tab.items else 0,
            Action.ACCEPT_BILL: 30 * habits.answers,
            Action.CHOOSE_TIER: 60 * habits.answers if tab.awaits_tier else 1,
            Action.CONTEST: 10 * habits.contests,
            Action.RESOLVE: 5,
            Action.AMEND: 0.1,
            Action.PAY_ON_PHONE: 5 * habits.answers,
            Action.CHARGE_SAVED_CARD: 2,
            Action.TAKE_CASH: 1,
            Action.RETURN_CASH: 5,
            Action.TIP: 0.05,
            Action.SPLIT: 0.5,
            Action.UNSPLIT: 0.3,
            Action.ADJUST: 0.03,
            Action.REFUND: 0.05,
            Action.RETRY_REFUND: 1,
            Action.REFUND_ELSEWHERE: 1,
            Action.WAIVE: 0.1,
            Action.WRITE_OFF: 0.3,
            Action.RESOLVE_FLAG: 2,
            Action.OBJECT: 2 if tab.objection is None else 0,
            Action.DECIDE_OBJECTION: 5,
            Action.STAGE_EVIDENCE: 1,
            Action.SUBMIT_EVIDENCE: 2,
            Action.TELL_STORY: 3,
            Action.WITHDRAW_STORY: 0.5,
        }

    def do(self, tab_id: str, action: Action) -> None:
        """As whoever may do it; refusals are counted, and change nothing."""
        tab, now = self.tab(tab_id), self.shop.clock.now()
        who = [by for by in self._around(tab) if action in allowed_actions(tab, by, now)]
        if who:
            self._try(action.value, lambda: self._act(tab, action, self.random.choice(who)))
            self.books.check(tab_id)

    def _act(self, tab: Tab, action: Action, by: Actor) -> None:
        shop, pick = self.shop, self.random.choice
        deps, tab_id, request = shop.deps, tab.tab_id, shop.request(by)
        credit_minor = pick([None, None, 0, 1_00]) if by.role == Role.CUSTOMER else None
        acts: dict[Action, Callable[[], object]] = {
            Action.ACCEPT_PROMISE: lambda: self._accept(tab, by),
            Action.CHECK_IN: lambda: check_in(deps, tab_id, request=request),
            Action.NO_SHOW: lambda: mark_no_show(deps, tab_id, request=request),
            Action.CANCEL: lambda: cancel_tab(deps, tab_id, "so", request=request),
            Action.ADD_ITEMS: lambda: bill.add_items(deps, tab_id, self._items(), request=request),
            Action.VOID_ITEM: lambda: bill.void_item(deps, tab_id, self._item(tab).item_id, request=request),
            Action.COMPLETE: lambda: bill.complete_service(deps, tab_id, request=request),
            Action.ACCEPT_BILL: lambda: bill.accept_bill(
                deps, tab_id, pick([0, 0, 3_00]), credit_minor=credit_minor, request=request
            ),
            Action.CHOOSE_TIER: lambda: bill.choose_tier(deps, tab_id, self._tier(tab), request=request),
            Action.CONTEST: lambda: self._contest(tab, request.by),
            Action.RESOLVE: lambda: self._resolve(tab, by),
            Action.AMEND: lambda: bill.amend_bill(deps, tab_id, request=request),
            Action.PAY_ON_PHONE: lambda: self._pay_on_phone(tab, by, credit_minor),
            Action.CHARGE_SAVED_CARD: lambda: payment.charge_saved_card(deps, tab_id, request=request),
            Action.TAKE_CASH: lambda: payment.take_cash(deps, tab_id, tab.collectable_minor, request=request),
            Action.RETURN_CASH: lambda: payment.return_cash(deps, tab_id, tab.cash_to_return_minor, request=request),
            Action.TIP: lambda: payment.give_tip(deps, tab_id, 2_00, request=request),
            Action.SPLIT: lambda: self._split(tab, by),
            Action.UNSPLIT: lambda: unsplit_bill(deps, tab_id, request=request),
            Action.ADJUST: lambda: bill.adjust_bill(deps, tab_id, pick([1, 10_00]), "so", request=request),
            Action.REFUND: lambda: refund.refund_tab(deps, tab_id, pick([None, None, 5_00]), "so", request=request),
            Action.RETRY_REFUND: lambda: refund.retry_refund(deps, tab_id, request=request),
            Action.REFUND_ELSEWHERE: lambda: refund.refund_elsewhere(
                deps, tab_id, tab.refund_by_hand_minor, RefundMeans.CASH, "receipt", request=request
            ),
            Action.WAIVE: lambda: bill.waive(deps, tab_id, "so", request=request),
            Action.WRITE_OFF: lambda: bill.write_off(deps, tab_id, "so", request=request),
            Action.RESOLVE_FLAG: lambda: self._resolve_flag(tab, by),
            Action.OBJECT: lambda: object_to_standing(deps, tab.customer_id, tab_id, "so", request=request),
            Action.TELL_STORY: lambda: tell_story(deps, tab_id, self._words(), request=request),
            Action.WITHDRAW_STORY: lambda: withdraw_story(deps, tab_id, request=request),
            Action.DECIDE_OBJECTION: lambda: decide_objection(
                deps, tab.customer_id, tab_id, pick(list(Decision)), "so", request=request
            ),
            Action.STAGE_EVIDENCE: lambda: self._answer_bank(tab, by, evidence.stage),
            Action.SUBMIT_EVIDENCE: lambda: self._answer_bank(tab, by, evidence.submit),
        }
        acts[action]()

    def _accept(self, tab: Tab, by: Actor) -> None:
        is_customer = by.role == Role.CUSTOMER
        consents = EVERYTHING if is_customer and self.random.random() < self._habits(tab).saves_card else WITHOUT_CARD
        accept_promise(self.shop.deps, tab.tab_id, agreement_to(tab, consents), request=self.shop.request(by))
        self._phone(tab)

    def _items(self) -> list[ItemInput]:
        pick = self.random.choice
        return [
            ItemInput(
                description="Work",
                unit_price_minor=pick([60, 20_00, 35_01, 50_00]),
                tax_basis_points=pick([0, 700, 1900]),
                is_material=self.random.random() < 0.2,
            )
            for _ in range(self.random.randint(1, 3))
        ]

    def _item(self, tab: Tab) -> Item:
        return self.random.choice([item for item in tab.items if not item.voided_at] or list(tab.items))

    def _tier(self, tab: Tab) -> int:
        usual = self._habits(tab).tier
        return usual if self.random.random() < 0.8 else self.random.choice([100, 80, 50, 0])

    def _words(self) -> Words:
        places = self.random.choice([(Place.WEBSITE,), (Place.FEED,), (Place.WEBSITE, Place.FEED)])
        return Words(text="It was as it was.", name="", language=Language.ENGLISH, places=places)

    def _contest(self, tab: Tab, by: Actor) -> None:
        percent = self.random.choice([80, 50, 0]) if tab.has_tiers and self.random.random() < 0.7 else None
        request = self.shop.request(by)
        bill.contest_bill(self.shop.deps, tab.tab_id, "not so", None, percent, request=request)

    def _resolve(self, tab: Tab, by: Actor) -> None:
        how, minor = self.random.choice(
            [(Resolution.ADJUST, 5_00), (Resolution.UPHOLD, None), (Resolution.WAIVE, None)]
        )
        bill.resolve_contest(self.shop.deps, tab.tab_id, how, minor, "so", request=self.shop.request(by))

    def _split(self, tab: Tab, by: Actor) -> None:
        parts = Parts(equally=self.random.randint(2, 3))
        request = self.shop.request(by)
        split_bill(self.shop.deps, tab.tab_id, parts, timedelta(hours=24), credential="theirs", request=request)
        self.open += [share.tab_id for share in self.tab(tab.tab_id).shares if share.tab_id not in self.open]

    def _resolve_flag(self, tab: Tab, by: Actor) -> None:
        flags = [flag for flag in tab.flags if is_resolvable(flag)]
        if flags:
            request = self.shop.request(by)
            refund.resolve_flag(self.shop.deps, tab.tab_id, flags[0].flag_id, "looked at it", request=request)

    def _answer_bank(self, tab: Tab, by: Actor, send: Callable[..., object]) -> None:
        """What the owner has read, of the last dispute that the bank asks about."""
        shop = self.shop
        (*_, asked) = [one.dispute_id for leg in tab.legs for one in leg.disputes if one.awaits_answer]
        read = evidence.get_evidence(shop.deps, tab.tab_id, asked, by=by).pack
        assert read is not None, "who can send it has a draft of it"
        send(shop.deps, tab.tab_id, asked, read.sha256, request=shop.request(by))

    def _pay_on_phone(self, tab: Tab, by: Actor, credit_minor: int | None) -> None:
        request = self.shop.request(by)
        payment.pay_on_phone(self.shop.deps, tab.tab_id, 0, credit_minor=credit_minor, request=request)
        self._phone(tab)

    def _phone(self, tab: Tab) -> None:
        """Whoever is asked on the phone confirms, or their bank declines, or they put it away."""
        person = self.people.get(tab.customer_id)
        for asked in [one for one in self.shop.gateway.payments.values() if one.tab_id == tab.tab_id]:
            if asked.state == "waiting" and self.random.random() < 0.9:
                if self.random.random() < self._habits(tab).has_money:
                    self.shop.gateway.confirm(asked.payment_id, person.card if person else None)
                else:
                    self.shop.gateway.decline(asked.payment_id, Failure(code="card_declined"))

    def _try(self, what: str, act: Callable[[], object]) -> None:
        try:
            act()
        except DomainError as refused:
            self.counts[f"{what} refused: {type(refused).__name__}"] += 1
        else:
            self.counts[what] += 1

    # Banks and the post

    def _banks_act(self) -> None:
        gateway, chance = self.shop.gateway, self.random.random
        for person in self.people.values():
            behaviour = CardBehaviour.GOOD if chance() < person.habits.has_money else CardBehaviour.NO_MONEY
            gateway.cards[person.card.card_id] = behaviour
        gateway.refunds_end = self.random.choice(["succeeded", "succeeded", "pending"])
        if chance() < 0.3:
            gateway.end_refunds("succeeded" if chance() < 0.9 else "failed")
        lately = self.shop.clock.now() - timedelta(days=60)
        for paid in list(gateway.payments.values()):
            if paid.state != "paid" or paid.made_at < lately:
                continue
            begun = [dispute for dispute in paid.disputes if dispute.is_open]
            if begun and chance() < 0.1:
                self._bank_decides(paid, begun[0].dispute_id, won=chance() < 0.5)
            elif not paid.disputes and paid.kept_minor and chance() < self._habits(self.tab(paid.tab_id)).disputes / 20:
                gateway.dispute(paid.payment_id, FactKind.DISPUTE_OPENED, FactKind.DISPUTE_WITHDRAWN)
                self.counts["disputes"] += 1

    def _bank_decides(self, paid: Payment, dispute_id: str, *, won: bool) -> None:
        kinds = [FactKind.DISPUTE_WON, FactKind.DISPUTE_REINSTATED] if won else [FactKind.DISPUTE_LOST]
        self.shop.gateway.dispute(paid.payment_id, *kinds, dispute_id=dispute_id)

    def _post_arrives(self, *, all_of_it: bool = False) -> None:
        """In any order, some later, some twice."""
        waiting = self.shop.gateway.undelivered
        self.random.shuffle(waiting)
        kept = [] if all_of_it else [one for one in waiting if self.random.random() < 0.1]
        now = [one for one in waiting if one not in kept]
        waiting[:] = []
        for event_id in now:
            for _ in range(2 if self.random.random() < 0.05 else 1):
                self.shop.deliver(event_id)
        waiting += kept
