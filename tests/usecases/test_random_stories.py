"""Random stories: commands, customers, banks, faults, lost events and time in any order, checked by the invariants."""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from chalicelib.domain.errors import CapExceeded, CreditNotAvailable, DomainError, InvalidInput, PaymentInProgress
from chalicelib.domain.news.delivery import DeliveryState
from chalicelib.domain.news.message import Message, MessageKind, Recipient
from chalicelib.domain.tab import agenda, answering
from chalicelib.domain.tab.actions import Action, allowed_actions, is_resolvable
from chalicelib.domain.tab.actor import SYSTEM, Actor, Role
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.commands.booking import Limits, Origin
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.facts.legs import RefundMeans
from chalicelib.domain.tab.followup import outside_quiet_hours
from chalicelib.domain.tab.objection import Decision
from chalicelib.domain.tab.payments import HoldState, LegKind, PlanReason
from chalicelib.domain.tab.policy import LapseAction, Policy, Resolution
from chalicelib.domain.tab.promise import Consent
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Outcome
from chalicelib.domain.trust.credits import Referral
from chalicelib.domain.trust.folds import visit_of
from chalicelib.domain.trust.standing import History, standing_of
from chalicelib.domain.trust.terms import CreditTerms
from chalicelib.domain.trust.tiers import Tier
from chalicelib.usecases.parties.customers import remove_card
from chalicelib.usecases.tab.bill import (
    accept_bill,
    add_items,
    adjust_bill,
    amend_bill,
    choose_tier,
    complete_service,
    contest_bill,
    resolve_contest,
    void_item,
    waive,
    walk_out,
    write_off,
)
from chalicelib.usecases.tab.booking import (
    Agreement,
    accept_promise,
    cancel_tab,
    check_in,
    mark_no_show,
    propose_promise,
    reschedule_tab,
)
from chalicelib.usecases.tab.followup import pause_followup, resume_followup, send_reminder
from chalicelib.usecases.tab.payment import charge_saved_card, give_tip, pay_on_phone, return_cash, take_cash
from chalicelib.usecases.tab.refund import refund_elsewhere, refund_tab, resolve_flag, retry_refund
from chalicelib.usecases.trust.credits import set_spends_by_itself
from chalicelib.usecases.trust.evidence import get_evidence, stage, submit
from chalicelib.usecases.trust.history import read_standing
from chalicelib.usecases.trust.project import project
from chalicelib.usecases.trust.standing import decide_objection, object_to_standing
from devstack import invariants
from tests.usecases.fake_gateway import CLOSE, FIND, CardBehaviour, Crash, Fault, Payment
from tests.usecases.shop import EVERYTHING, WITHOUT_CARD, Shop

CALLS = [*Operation, FIND, CLOSE]
NEXT_OF_BANK: dict[FactKind | None, tuple[FactKind, ...]] = {
    None: (FactKind.INQUIRY_OPENED, FactKind.DISPUTE_OPENED),
    FactKind.INQUIRY_OPENED: (FactKind.INQUIRY_CLOSED, FactKind.DISPUTE_OPENED, FactKind.DISPUTE_PREVENTED),
    FactKind.DISPUTE_OPENED: (FactKind.DISPUTE_WON, FactKind.DISPUTE_LOST, FactKind.DISPUTE_PREVENTED),
}
"""What a bank may do next with a dispute that has come so far; it takes the money when it opens one."""


NEEDED: dict[PlanReason, tuple[Consent, ...]] = {
    PlanReason.ACCEPTED: (),
    PlanReason.REVIEW_ENDED: (Consent.AUTOMATIC_CHARGE,),
    PlanReason.FEE: (Consent.DEPOSIT_AND_FEES,),
    PlanReason.HOLD_EXPIRING: (Consent.CAPTURE_BEFORE_EXPIRY,),
}


VALUE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z|[a-z][a-z0-9_]*|acct_\w+")
"""An instant in UTC, a code, or an account's id."""


TIERS = tuple(Tier(percent=percent, measure=f"as well as {percent}") for percent in (100, 80, 50, 0))


def sealed(extra: set[Consent]) -> tuple[Consent, ...]:
    return tuple(consent for consent in Consent if consent in {*WITHOUT_CARD, *extra})


CREDITS = CreditTerms(rate_basis_points=1000, referral_minor=4_00, referral_least_minor=10_00, expires_s=200 * 86400)
CONSENTS = st.sets(st.sampled_from(EVERYTHING)).map(sealed) | st.just(EVERYTHING)


HERE = Origin(ip="192.0.2.1", user_agent="phone")


class AnyStory(RuleBasedStateMachine):
    """A tab among people who do what they like while things break. `folded`: entries that its visit has."""

    folded = 0

    @initialize(
        starts_in_hours=st.sampled_from([None, None, 2, 24, 72, 200]),
        deposit=st.sampled_from([0, 60, 20_00]),
        fee=st.sampled_from([0, 15_00, 30_00]),
        late_fee=st.sampled_from([0, 10_00]),
        opens_later=st.sampled_from([0, 5]),
        lapse=st.sampled_from(LapseAction),
        review_days=st.sampled_from([1, 10]),
        card=st.sampled_from(CardBehaviour),
        refunds_end=st.sampled_from(["succeeded", "pending"]),
        time_zone=st.sampled_from(["UTC", "Asia/Tokyo"]),
        consents=CONSENTS | st.none(),
        billed=st.booleans(),
        addresses=st.booleans(),
        credit=st.booleans(),
        silence=st.sampled_from([None, None, 80, 50, 0]),
    )
    def open(
        self,
        starts_in_hours: int | None,
        deposit: int,
        fee: int,
        late_fee: int,
        opens_later: int,
        lapse: LapseAction,
        review_days: int,
        card: CardBehaviour,
        refunds_end: str,
        time_zone: str,
        consents: tuple[Consent, ...] | None,
        billed: bool,
        addresses: bool,
        credit: bool = False,
        silence: int | None = None,
    ) -> None:
        policy = Policy(
            deposit_lapse_action=lapse,
            review_window_s=review_days * 86400,
            time_zone=time_zone,
            credits=CREDITS if credit else None,
        )
        self.shop = Shop(policy)
        if credit:
            self.earn_some_and_be_invited()
        if addresses:
            self.shop.give_addresses()
            self.shop.queues.disorder = random.Random(opens_later)
        self.shop.clock.instant += timedelta(hours=opens_later)
        self.shop.gateway.cards["pm_1"] = card
        self.shop.gateway.refunds_end = refunds_end
        fees = {} if starts_in_hours is None else {"no_show_fee_minor": fee, "late_cancel_fee_minor": late_fee}
        tiers = {} if silence is None else {"tiers": TIERS, "silence_percent": silence}
        self.shop.open(starts_in_hours=starts_in_hours, deposit_minor=deposit, **fees, **tiers)
        if consents is not None:
            self.accept_promise(consents)
        if billed:
            # Most of what can happen happens after the service, which may be done before its time.
            if starts_in_hours is not None:
                self.check_in()
            self.shop.serve(50_00)

    def earn_some_and_be_invited(self) -> None:
        """Ada has 5.00 of credit that she can spend, and the next tab that is paid rewards who has invited her."""
        shop = self.shop
        shop.open(*EVERYTHING).serve(50_00).accept_bill()
        self.earlier = shop.tab_id
        shop.deliver_all()
        shop.wait(days=14)
        before = shop.store.credit_accounts[shop.merchant_id, shop.customer_id]
        referral = Referral(by_customer_id="cus_friend", at=shop.clock.now())
        invited = replace(before, referral=referral, version=before.version + 1)
        shop.store.put_credit_account(invited, record=shop.request(shop.ada).new_record(shop.deps))

    # People

    def attempt_action(self, action: Action, by: Actor, act: Callable[[], object]) -> None:
        """What a screen offers works, and what it does not offer changes nothing."""
        before = self.shop.tab
        allowed = action in allowed_actions(before, by, self.shop.clock.now())
        try:
            act()
        except Crash:
            assert allowed
        except (PaymentInProgress, InvalidInput, CapExceeded, CreditNotAvailable):
            # Something that waited for the customer could not be closed, or the input was not what is offered.
            assert allowed or self.shop.tab == before
        except DomainError:
            # Closing what waited on the phone comes first, and with it whatever the clock has brought about meanwhile.
            overtaken = before.taking_attempt is not None and self.shop.tab.status != before.status
            assert overtaken or not allowed, f"{action} was offered and refused"
            assert overtaken or self.shop.tab == before
        else:
            assert allowed, f"{action} was done without being offered"

    def by(self, role: Role) -> Actor:
        return self.shop.ada if role == Role.CUSTOMER else self.shop.staff

    def act(self, action: Action, by: Actor, use_case: Callable[..., object], *given: object) -> None:
        shop = self.shop
        self.attempt_action(action, by, lambda: use_case(shop.deps, shop.tab_id, *given, request=shop.request(by)))

    @rule(consents=CONSENTS)
    def accept_promise(self, consents: tuple[Consent, ...]) -> None:
        self.agree(self.shop.ada, consents)

    @rule()
    def accept_promise_in_person(self) -> None:
        self.agree(self.shop.staff, WITHOUT_CARD)

    def agree(self, by: Actor, consents: tuple[Consent, ...]) -> None:
        shop = self.shop
        agreement = Agreement(
            promise_sha256=(shop.tab.proposed or shop.tab.promise).sha256,
            consents=consents,
            card_terms_sha256="0" * 64,
            ip="192.0.2.1",
            user_agent="phone",
        )

        def accept() -> None:
            accept_promise(shop.deps, shop.tab_id, agreement, request=shop.request(by))
            assert set(consents) <= set(shop.tab.promise.consents), "a consent was given, and not recorded"

        self.attempt_action(Action.ACCEPT_PROMISE, by, accept)

    @rule(cap=st.sampled_from([100_00, 300_00]))
    def propose(self, cap: int) -> None:
        shop = self.shop
        self.attempt_action(
            Action.PROPOSE_PROMISE,
            shop.staff,
            lambda: propose_promise(shop.deps, shop.tab_id, Limits(cap_minor=cap), request=shop.request(shop.staff)),
        )

    @rule(price=st.sampled_from([0, 30, 60, 20_00, 20_01, 50_00]), is_material=st.booleans())
    def add_item(self, price: int, is_material: bool) -> None:
        shop = self.shop
        item = ItemInput(description="Service", unit_price_minor=price, tax_basis_points=1900, is_material=is_material)
        self.attempt_action(
            Action.ADD_ITEMS,
            shop.staff,
            lambda: add_items(shop.deps, shop.tab_id, [item], request=shop.request(shop.staff)),
        )

    @precondition(lambda self: self.shop.tab.items)
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        shop = self.shop
        item = data.draw(st.sampled_from(shop.tab.items))
        self.attempt_action(
            Action.VOID_ITEM,
            shop.staff,
            lambda: void_item(shop.deps, shop.tab_id, item.item_id, request=shop.request(shop.staff)),
        )

    @rule()
    def check_in(self) -> None:
        self.attempt_action(
            Action.CHECK_IN,
            self.shop.staff,
            lambda: check_in(self.shop.deps, self.shop.tab_id, request=self.shop.request(self.shop.staff)),
        )

    @rule()
    def complete(self) -> None:
        self.attempt_action(
            Action.COMPLETE,
            self.shop.staff,
            lambda: complete_service(self.shop.deps, self.shop.tab_id, request=self.shop.request(self.shop.staff)),
        )

    @rule(tip=st.sampled_from([0, 1, 5_00]), credit=st.sampled_from([None, 0, 1, 5_00]))
    def accept_bill(self, tip: int, credit: int | None = 0) -> None:
        self.act(Action.ACCEPT_BILL, self.shop.ada, partial(accept_bill, credit_minor=credit), tip)

    @rule(tip=st.sampled_from([0, 0, 5_00]), credit=st.sampled_from([None, None, 0, 3_00, 5_00]))
    def pay_on_phone(self, tip: int, credit: int | None) -> None:
        self.act(Action.PAY_ON_PHONE, self.shop.ada, partial(pay_on_phone, credit_minor=credit), tip)

    @rule(wanted=st.booleans())
    def wish_for_credit(self, wanted: bool) -> None:
        set_spends_by_itself(self.shop.deps, self.shop.customer_id, wanted, request=self.shop.request(self.shop.ada))

    @precondition(lambda self: hasattr(self, "earlier"))
    @rule(amount=st.sampled_from([None, 1, 25_00]))
    def refund_the_earlier_tab(self, amount: int | None) -> None:
        """The credit that may have been spent meanwhile was earned there."""
        shop = self.shop
        with contextlib.suppress(DomainError, Crash):
            refund_tab(shop.deps, self.earlier, amount, "so", request=shop.request(shop.staff))

    @rule(role=st.sampled_from([Role.CUSTOMER, Role.STAFF]))
    def charge_card(self, role: Role) -> None:
        by = self.by(role)
        self.attempt_action(
            Action.CHARGE_SAVED_CARD,
            by,
            lambda: charge_saved_card(self.shop.deps, self.shop.tab_id, request=self.shop.request(by)),
        )

    @rule(role=st.sampled_from([Role.CUSTOMER, Role.STAFF]))
    def cancel(self, role: Role) -> None:
        by = self.by(role)
        self.attempt_action(
            Action.CANCEL,
            by,
            lambda: cancel_tab(self.shop.deps, self.shop.tab_id, "so", request=self.shop.request(by)),
        )

    @rule()
    def no_show(self) -> None:
        self.attempt_action(
            Action.NO_SHOW,
            self.shop.staff,
            lambda: mark_no_show(self.shop.deps, self.shop.tab_id, request=self.shop.request(self.shop.staff)),
        )

    @rule(hours=st.sampled_from([1, 30, 90, 500]), by_customer=st.booleans())
    def reschedule(self, hours: int, by_customer: bool) -> None:
        shop = self.shop
        who = shop.ada if by_customer else shop.staff
        starts_at = shop.clock.now() + timedelta(hours=hours)
        self.attempt_action(
            Action.RESCHEDULE,
            who,
            lambda: reschedule_tab(shop.deps, shop.tab_id, starts_at, HERE, request=shop.request(who)),
        )

    @rule()
    def walk_out(self) -> None:
        shop = self.shop
        self.attempt_action(
            Action.WALK_OUT, shop.staff, lambda: walk_out(shop.deps, shop.tab_id, request=shop.request(shop.staff))
        )

    @rule()
    def waive(self) -> None:
        self.attempt_action(
            Action.WAIVE,
            self.shop.staff,
            lambda: waive(self.shop.deps, self.shop.tab_id, "so", request=self.shop.request(self.shop.staff)),
        )

    @rule()
    def amend(self) -> None:
        self.act(Action.AMEND, self.shop.staff, amend_bill)

    @rule(contested=st.sampled_from([None, None, 1, 20_00]))
    def contest(self, contested: int | None) -> None:
        self.act(Action.CONTEST, self.shop.ada, contest_bill, "so", contested)

    @precondition(lambda self: self.shop.tab.has_tiers)
    @rule(percent=st.sampled_from([100, 80, 50, 0]))
    def choose_tier(self, percent: int) -> None:
        self.act(Action.CHOOSE_TIER, self.shop.ada, choose_tier, percent)

    @precondition(lambda self: self.shop.tab.has_tiers and self.shop.tab.status == Status.DUE)
    @rule(percent=st.sampled_from([80, 50, 0]))
    def contest_the_outcome(self, percent: int) -> None:
        shop = self.shop
        before = shop.tab
        try:
            contest_bill(shop.deps, shop.tab_id, "so", None, percent, request=shop.request(shop.ada))
        except DomainError:
            assert shop.tab == before
        else:
            assert Action.CONTEST in allowed_actions(before, shop.ada, shop.clock.now())

    @rule(
        how=st.sampled_from(
            [(Resolution.ADJUST, 1), (Resolution.ADJUST, 20_00), (Resolution.UPHOLD, None), (Resolution.WAIVE, None)]
        )
    )
    def resolve(self, how: tuple[Resolution, int | None]) -> None:
        self.act(Action.RESOLVE, self.shop.staff, resolve_contest, *how, "so")

    @rule(amount=st.sampled_from([None, None, 1, 19_99]))
    def cash(self, amount: int | None) -> None:
        self.act(Action.TAKE_CASH, self.shop.staff, take_cash, amount or self.shop.tab.collectable_minor)

    @rule(amount=st.sampled_from([None, None, 1, 20_00]))
    def return_cash(self, amount: int | None) -> None:
        self.act(Action.RETURN_CASH, self.shop.staff, return_cash, amount or self.shop.tab.cash_to_return_minor)

    @rule(amount=st.sampled_from([50, 5_00]))
    def tip(self, amount: int) -> None:
        self.act(Action.TIP, self.shop.ada, give_tip, amount)

    @rule(amount=st.sampled_from([1, 10_00, 20_00]))
    def adjust(self, amount: int) -> None:
        self.act(Action.ADJUST, self.shop.staff, adjust_bill, amount, "so")

    @rule(amount=st.sampled_from([None, 1, 15_00]))
    def refund(self, amount: int | None) -> None:
        self.act(Action.REFUND, self.shop.staff, refund_tab, amount, "so")

    @rule()
    def retry_refund(self) -> None:
        self.act(Action.RETRY_REFUND, self.shop.owner, retry_refund)

    @rule(amount=st.sampled_from([None, 1]))
    def refund_elsewhere(self, amount: int | None) -> None:
        amount = amount or self.shop.tab.refund_by_hand_minor
        self.act(Action.REFUND_ELSEWHERE, self.shop.owner, refund_elsewhere, amount, RefundMeans.CASH, "receipt 7")

    @precondition(lambda self: self.shop.tab.flags)
    @rule(data=st.data())
    def resolve_flag(self, data: st.DataObject) -> None:
        flags = self.shop.tab.flags
        flag = data.draw(st.sampled_from([flag for flag in flags if is_resolvable(flag)] or flags))
        self.act(Action.RESOLVE_FLAG, self.shop.owner, resolve_flag, flag.flag_id, "looked at it")

    @rule()
    def write_off(self) -> None:
        self.act(Action.WRITE_OFF, self.shop.owner, write_off, "so")

    @rule(days=st.none() | st.integers(1, 20))
    def pause_followup(self, days: int | None) -> None:
        until = None if days is None else self.shop.clock.now() + timedelta(days=days)
        self.act(Action.PAUSE_FOLLOWUP, self.shop.staff, pause_followup, "so", until)

    @rule()
    def resume_followup(self) -> None:
        self.act(Action.RESUME_FOLLOWUP, self.shop.staff, resume_followup)

    @rule()
    def send_reminder(self) -> None:
        self.act(Action.SEND_REMINDER, self.shop.staff, send_reminder)

    @rule()
    def object_to_standing(self) -> None:
        shop = self.shop
        self.attempt_action(
            Action.OBJECT,
            shop.ada,
            lambda: object_to_standing(shop.deps, shop.customer_id, shop.tab_id, "so", request=shop.request(shop.ada)),
        )

    @rule(decision=st.sampled_from(Decision))
    def decide_objection(self, decision: Decision) -> None:
        shop = self.shop
        self.attempt_action(
            Action.DECIDE_OBJECTION,
            shop.owner,
            lambda: decide_objection(
                shop.deps, shop.customer_id, shop.tab_id, decision, "so", request=shop.request(shop.owner)
            ),
        )

    @rule(there=st.booleans())
    def card_is_removed(self, there: bool) -> None:
        shop = self.shop
        customer = shop.store.get_customer(shop.merchant_id, shop.customer_id)
        if customer.card is None:
            return
        if there:
            shop.gateway.remove_card_there(customer.card.card_id, customer.customer_ref)
            return
        with contextlib.suppress(Crash):
            remove_card(shop.deps, shop.customer_id, request=shop.request(shop.ada))

    # Customers, banks, networks and time

    @precondition(lambda self: any(payment.state == "paid" for payment in self.shop.gateway.payments.values()))
    @rule(data=st.data(), share=st.sampled_from([1, 2, 3]), is_new=st.booleans())
    def bank_disputes(self, data: st.DataObject, share: int, is_new: bool) -> None:
        """A bank disputes a payment, or a part of it beside others, or goes on with what it has begun."""
        paid = [payment for payment in self.shop.gateway.payments.values() if payment.state == "paid"]
        payment = data.draw(st.sampled_from(paid))
        begun = [dispute for dispute in payment.disputes if dispute.kind in NEXT_OF_BANK]
        left = payment.captured_minor - sum(dispute.amount_minor for dispute in payment.disputes)
        if begun and not is_new:
            dispute = data.draw(st.sampled_from(begun))
            self.bank_goes_on(payment, dispute.dispute_id, data.draw(st.sampled_from(NEXT_OF_BANK[dispute.kind])))
        elif amount := left // share:
            dispute_id = f"dp_{payment.payment_id}_{len(payment.disputes)}"
            self.bank_goes_on(payment, dispute_id, data.draw(st.sampled_from(NEXT_OF_BANK[None])), amount)

    @precondition(lambda self: any(leg.disputes for leg in self.shop.tab.legs))
    @rule(send=st.sampled_from([(Action.STAGE_EVIDENCE, stage), *[(Action.SUBMIT_EVIDENCE, submit)] * 2]))
    def owner_answers_a_bank(self, send: tuple[Action, Callable[..., object]]) -> None:
        """With what they have read; of a dispute that a bank asks about, if there is any."""
        shop, tab, now = self.shop, self.shop.tab, self.shop.clock.now()
        disputes = [dispute for leg in tab.legs for dispute in leg.disputes]
        asked = [one for one in disputes if answering.refusal(tab, one.dispute_id, now) is None]
        dispute = (asked or disputes)[0]
        read = get_evidence(shop.deps, shop.tab_id, dispute.dispute_id, by=shop.owner).pack
        if read is not None:
            self.act(send[0], shop.owner, send[1], dispute.dispute_id, read.sha256)

    def bank_goes_on(self, payment: Payment, dispute_id: str, kind: FactKind, amount: int | None = None) -> None:
        """With the money that moves by it: taken as a dispute opens, given again as it ends well."""
        taken = [dispute for dispute in payment.disputes if dispute.dispute_id == dispute_id and dispute.taken_minor]
        moves = {FactKind.DISPUTE_OPENED: (FactKind.DISPUTE_WITHDRAWN,)}
        if taken:
            moves = dict.fromkeys((FactKind.DISPUTE_WON, FactKind.DISPUTE_PREVENTED), (FactKind.DISPUTE_REINSTATED,))
        self.shop.gateway.dispute(
            payment.payment_id, kind, *moves.get(kind, ()), dispute_id=dispute_id, amount_minor=amount
        )

    @rule(data=st.data(), amount=st.sampled_from([1, 15_00, 50_00]))
    def refunded_past_us(self, data: st.DataObject, amount: int) -> None:
        payments = self.shop.gateway.payments.values()
        paid = [p for p in payments if p.state == "paid" and p.kept_minor >= amount and not p.disputes]
        if paid:
            self.shop.gateway.refund_there(data.draw(st.sampled_from(paid)).payment_id, amount)

    @precondition(lambda self: any(p.state == "authorized" for p in self.shop.gateway.payments.values()))
    @rule(data=st.data())
    def captured_past_us(self, data: st.DataObject) -> None:
        """Somebody at the business takes a hold in the gateway's own pages."""
        held = [payment for payment in self.shop.gateway.payments.values() if payment.state == "authorized"]
        self.shop.gateway.capture_there(data.draw(st.sampled_from(held)).payment_id)

    @rule(times=st.integers(1, 8))
    def bank_is_slow_and_says_so(self, times: int) -> None:
        """That a payment is being processed is told again and again."""
        for payment in [p for p in self.shop.gateway.payments.values() if p.state == "processing"]:
            for _ in range(times):
                self.shop.gateway.tell_again(payment.payment_id)

    @rule(data=st.data(), confirms=st.booleans())
    def phone(self, data: st.DataObject, confirms: bool) -> None:
        payments = self.shop.gateway.payments.values()
        # What was declined without the customer was never handed to the phone.
        waiting = [p for p in payments if p.state == "waiting" or (p.state == "declined" and p.on_session)]
        payment = data.draw(st.sampled_from(waiting)) if waiting else None
        if payment is None:
            return
        if confirms:
            self.shop.gateway.confirm(payment.payment_id, self.shop.card)
        else:
            self.shop.gateway.decline(payment.payment_id)

    @rule()
    def bank_finishes(self) -> None:
        slow = [p for p in self.shop.gateway.payments.values() if p.state == "processing"]
        if slow:
            self.shop.gateway.finish_processing(slow[0].payment_id)

    @rule(state=st.sampled_from(["succeeded", "failed"]))
    def refunds_end(self, state: str) -> None:
        self.shop.gateway.end_refunds(state)

    @rule(card=st.sampled_from(CardBehaviour))
    def card_changes_its_mind(self, card: CardBehaviour) -> None:
        self.shop.gateway.cards["pm_1"] = card

    @rule(call=st.sampled_from(CALLS), fault=st.sampled_from([f for f in Fault if f != Fault.REJECTED]))
    def something_will_break(self, call: str, fault: Fault) -> None:
        self.shop.gateway.fail(call, fault)

    @rule(call=st.sampled_from([Operation.CHARGE, Operation.PLACE_HOLD]))
    def our_call_will_be_refused(self, call: Operation) -> None:
        self.shop.gateway.fail(call, Fault.REJECTED)

    @precondition(lambda self: self.shop.gateway.undelivered)
    @rule(data=st.data(), again=st.booleans(), lost=st.booleans())
    def webhook(self, data: st.DataObject, again: bool, lost: bool) -> None:
        events = self.shop.gateway.undelivered
        event_id = data.draw(st.sampled_from(events))
        if lost and not comes_by_event_alone(self.shop, event_id):
            events.remove(event_id)
            return
        try:
            self.shop.deliver(event_id)
        except Crash:
            return
        if not again:
            events.remove(event_id)

    @rule(minutes=st.sampled_from([1, 2, 10, 60, 24 * 60, 4 * 24 * 60]))
    def time_passes(self, minutes: int) -> None:
        self.shop.clock.instant += timedelta(minutes=minutes)
        self.shop.gateway.expire_holds()

    @precondition(lambda self: self.shop.tab.status == Status.CONTESTED)
    @rule()
    def nobody_answers_the_contest(self) -> None:
        for days in (8, 3):
            self.shop.clock.instant += timedelta(days=days)
            self.schedule_runs()

    @rule()
    def schedule_runs(self) -> None:
        self.shop.gateway.expire_holds()
        try:
            swept = self.shop.wait()
        except Crash:
            return
        assert swept.failed == 0

    @property
    def messages(self) -> list[Message]:
        """What is told of this tab; the one that was paid before has its own."""
        return [message for message in self.shop.messages if message.tab_id == self.shop.tab_id]

    @property
    def payments(self) -> list[Payment]:
        """The tab's, in the gateway's own books."""
        return [payment for payment in self.shop.gateway.payments.values() if payment.tab_id == self.shop.tab_id]

    # What always holds

    @invariant()
    def the_snapshot_is_sound(self) -> None:
        if not hasattr(self, "shop"):
            return
        tab = self.shop.tab
        self.shop.check_always()
        self.shop.check_credits()
        assert tab.next_action_at == agenda.next_action_at(tab), "the index knows what the agenda says"
        if tab.attempts or (tab.live_hold and tab.status == Status.CLOSED):
            assert tab.next_action_at is not None, "whatever lives is in the agenda"
        assert all(attempt.check_at for attempt in tab.attempts)

    @invariant()
    def a_bank_is_said_to_be_answered_only_where_it_is(self) -> None:
        if not hasattr(self, "shop"):
            return
        answered = {dispute.dispute_id: dispute.answers for payment in self.payments for dispute in payment.disputes}
        for dispute in (one for leg in self.shop.tab.legs for one in leg.disputes):
            assert dispute.submitted_at is None or answered[dispute.dispute_id], "nobody has answered it"

    @invariant()
    def nothing_is_held_or_charged_that_was_not_agreed_to(self) -> None:
        if not hasattr(self, "shop"):
            return
        while self.shop.gateway.asked:
            tab, attempt = self.shop.gateway.asked.pop()
            if attempt.operation == Operation.PLACE_HOLD:
                assert tab.promise.consents_to(Consent.DEPOSIT_AND_FEES)
            if attempt.card_id is not None:
                assert tab.promise.consents_to(Consent.CARD_ON_FILE)
            if attempt.takes_money and tab.plan is not None:
                assert tab.promise.consents_to(*NEEDED[tab.plan.reason])

    @invariant()
    def what_is_promised_for_later_can_be_kept(self) -> None:
        """A customer who accepts a deposit beyond a hold's life has agreed to a card being kept for it."""
        if not hasattr(self, "shop"):
            return
        tab = self.shop.tab
        lead = timedelta(0) if tab.starts_at is None else tab.starts_at - tab.opened_at
        if tab.promise.is_sealed_by_customer and tab.deposit.amount_minor:
            within = lead <= timedelta(seconds=tab.policy.hold_window_s)
            assert within or tab.promise.consents_to(Consent.CARD_ON_FILE)

    @invariant()
    def standing_is_what_the_entries_make_it(self) -> None:
        """At each step: as the relay folds one entry after the other, and as anybody can recompute it."""
        if not hasattr(self, "shop"):
            return
        shop, new = self.shop, self.shop.store.stream[self.folded :]
        self.folded += len(new)
        assert project(shop.deps, new) == set()
        mine = [one for one in shop.store.stream if one.customer_id == shop.customer_id]
        recomputed = [
            visit_of(shop.merchant_id, tab_id, shop.customer_id, [one.entry for one in mine if one.tab_id == tab_id])
            for tab_id in dict.fromkeys(one.tab_id for one in mine if one.tab_id is not None)
        ]
        customer = shop.store.get_customer(shop.merchant_id, shop.customer_id)
        now, policy = shop.clock.now(), shop.tab.policy
        assert policy.standing is not None
        assert read_standing(shop.deps, policy, customer, now) == standing_of(
            History(own=recomputed), policy.standing, now
        )

    @invariant()
    def messages_carry_instants_amounts_and_codes(self) -> None:
        """No words and no local dates: which day an instant is, depends on who reads it."""
        if not hasattr(self, "shop"):
            return
        for message in self.messages:
            for name, value in message.values.items():
                assert value is None or isinstance(value, int) or VALUE.fullmatch(value), (message.kind, name, value)

    @invariant()
    def nobody_is_charged_while_they_contest_nor_reminded_at_night(self) -> None:
        if not hasattr(self, "shop"):
            return
        contest, policy = self.shop.tab.contest, self.shop.tab.policy
        if contest is not None and contest.tier_percent is None:
            later = [payment for payment in self.payments if payment.made_at > contest.contested_at]
            assert not [payment for payment in later if not payment.is_hold], "nothing is charged while it is contested"
        for message in self.messages:
            if message.kind == MessageKind.REMINDER:
                assert outside_quiet_hours(message.at, policy) == message.at
        said = [message.message_id for message in self.messages]
        assert len(said) == len(set(said)), "each message has an id of its own"

    def teardown(self) -> None:
        """Everything heals: calls go through, events arrive, time passes; then the money must be right."""
        if not hasattr(self, "shop"):
            return
        shop = self.shop
        shop.gateway.heal()
        if Action.COMPLETE in allowed_actions(shop.tab, shop.staff, shop.clock.now()) and shop.tab.total_minor:
            complete_service(shop.deps, shop.tab_id, request=shop.request(shop.staff))
        if Action.CANCEL in allowed_actions(shop.tab, shop.staff, shop.clock.now()):
            cancel_tab(shop.deps, shop.tab_id, "the end", request=shop.request(shop.staff))
        for number, payment in enumerate(list(shop.gateway.payments.values())):
            for dispute in [dispute for dispute in payment.disputes if dispute.is_open]:
                ends = (FactKind.DISPUTE_WON, FactKind.DISPUTE_LOST)
                self.bank_goes_on(payment, dispute.dispute_id, ends[number % 2])
        for _ in range(120):
            shop.gateway.end_refunds("succeeded")
            for payment in list(shop.gateway.payments.values()):
                if payment.state == "processing":
                    shop.gateway.finish_processing(payment.payment_id)
            shop.gateway.expire_holds()
            shop.deliver_all()
            tab = shop.tab
            if tab.next_action_at is None and not any(leg.refund_pending_minor for leg in tab.legs):
                break
            shop.clock.instant = max(shop.clock.instant, tab.next_action_at or shop.clock.instant)
            assert shop.wait().failed == 0

        tab = shop.tab
        assert tab.next_action_at is None, f"the tab does not come to rest: {tab}"
        assert tab.attempts == ()
        shop.check_at_rest()
        refused = tab.refund_by_hand_minor > 0 or tab.cash_to_return_minor > 0
        self.the_customer_has_what_is_theirs()
        self.those_concerned_heard_of_what_was_lowered()
        self.the_visit_says_what_the_tab_has_come_to()
        if tab.status not in (Status.BOOKED, Status.OPEN):
            # A bill for nothing by silence waits for a customer who was not told of it.
            is_open = tab.live_hold is not None or tab.balance_minor > 0 or refused or tab.awaits_tier
            assert (tab.status == Status.CLOSED) == (not is_open or tab.closed_at is not None)
        self.everybody_hears_of_what_has_happened()
        self.what_is_to_be_told_is_told()
        receipts = {m.message_id for m in self.messages if m.kind == MessageKind.RECEIPT}
        ended = (Outcome.FULFILLED, Outcome.WRITTEN_OFF)
        if tab.status == Status.CLOSED and tab.outcome in ended and tab.receipt_minor:
            assert receipts, "who has paid, all or a part, has a receipt"

    def the_customer_has_what_is_theirs(self) -> None:
        """By the gateway's own books: what we have of each customer's money is no more than is due, or for a person."""
        tab, payments = self.shop.tab, self.payments
        at_bank = sum(dispute.taken_minor for payment in payments for dispute in payment.disputes)
        given_elsewhere = sum(leg.elsewhere_minor for leg in tab.legs)
        without_gateway = (LegKind.CASH, LegKind.CREDIT)
        cash = sum(leg.amount_minor - leg.refunded_minor for leg in tab.legs if leg.kind in without_gateway)
        payments = [payment for payment in payments if payment.tab_id == tab.tab_id]
        ours = sum(payment.kept_minor for payment in payments) + cash - at_bank - given_elsewhere
        by_hand = tab.refund_by_hand_minor + tab.cash_to_return_minor
        assert ours <= tab.amount_due_minor + by_hand, "more is kept than is due"
        returned = sum(dispute.returned_minor for leg in tab.legs for dispute in leg.disputes)
        assert ours >= tab.amount_due_minor - tab.balance_minor - (at_bank - returned), "more went back than was owed"

    def everybody_hears_of_what_has_happened(self) -> None:
        """What may not happen in silence: by the history, and not by the table of news."""
        shop = self.shop
        entries = shop.store.list_entries(shop.merchant_id, shop.tab_id, limit=1000, cursor=None).items
        for entry in entries:
            told = {(message.kind, message.to) for message in self.messages if message.seq == entry.seq}
            assert invariants.NOT_IN_SILENCE.get(entry.kind, frozenset()) <= told, f"{entry.kind} happened in silence"
        gone = sum(leg.refunded_minor + leg.elsewhere_minor for leg in shop.tab.legs)
        kinds = {message.kind for message in self.messages if message.to == Recipient.CUSTOMER}
        back = {
            *(MessageKind.REFUND, MessageKind.WAIVED, MessageKind.BILL_ADJUSTED, MessageKind.CONTEST_RESOLVED),
            *(MessageKind.NO_SHOW_TAKEN_BACK, MessageKind.CANCELED, MessageKind.DEPOSIT_TAKEN, MessageKind.RECEIPT),
            MessageKind.CASH_TO_RETURN,
        }
        assert not gone or kinds & back, "money went back, and the customer heard of nothing that explains it"

    def what_is_to_be_told_is_told(self) -> None:
        """Each message has gone out, once, or it stands there why not, however its jobs came."""
        shop = self.shop
        for _ in range(8):
            # What waits for the morning comes with it, and receipts after their five minutes.
            shop.wait(hours=6)
        ends: dict[str, set[DeliveryState]] = {}
        for tab in shop.store.tabs_of(shop.merchant_id):
            for delivery in shop.deps.deliveries.list_of_entries(shop.merchant_id, tab.tab_id, 1, tab.entry_count):
                ends.setdefault(delivery.message.message_id, set()).add(delivery.state)
        for message in shop.messages:
            states = ends.get(message.message_id, set()) - {DeliveryState.PUT_OFF}
            assert states in ({DeliveryState.HANDED_OVER}, {DeliveryState.SUPPRESSED}), (message.kind, states)
        handed_over = sum(states >= {DeliveryState.HANDED_OVER} for states in ends.values())
        assert len(shop.mails.sent) == handed_over, "a mail went out twice, or without a record"

    def the_visit_says_what_the_tab_has_come_to(self) -> None:
        """As the relay folded it, batch by batch, it is what all entries make; and that agrees with the snapshot."""
        shop, tab = self.shop, self.shop.tab
        shop.pump.run()
        key = (shop.merchant_id, tab.customer_id, shop.tab_id)
        visit = shop.deps.visits.find_visits([key])[key]
        entries = shop.store.list_entries(shop.merchant_id, shop.tab_id, limit=1000, cursor=None).items
        assert visit == visit_of(shop.merchant_id, shop.tab_id, tab.customer_id, entries)
        assert {
            "seq": tab.entry_count,
            "opened_at": tab.opened_at,
            "starts_at": tab.starts_at,
            "total_minor": tab.total_minor if tab.presented_at else 0,
            "price_percent": tab.price_percent if tab.has_tiers else 100,
            "ended_at_percent": tab.ended_at_percent,
            "tip_minor": tab.tip_minor,
            "owed_minor": tab.balance_minor,
            "paid_minor": sum(leg.amount_minor - leg.refunded_minor for leg in tab.legs),
            "written_off_minor": tab.written_off_minor,
            "held_minor": sum(hold.amount_minor for hold in tab.holds if hold.state == HoldState.LIVE),
            "disputes": {one.dispute_id: one.state for leg in tab.legs for one in leg.disputes},
            "contested": tab.contest is not None,
            "outcome": tab.outcome,
            "closed_at": tab.closed_at,
        } == {
            "seq": visit.seq,
            "opened_at": visit.opened_at,
            "starts_at": visit.starts_at,
            "total_minor": visit.total_minor,
            "price_percent": 100 if visit.tier_percent is None else visit.tier_percent,
            "ended_at_percent": visit.ended_at_percent,
            "tip_minor": visit.tip_minor,
            "owed_minor": visit.owed_minor,
            "paid_minor": visit.paid_minor,
            "written_off_minor": visit.written_off_minor,
            "held_minor": visit.held_minor,
            "disputes": {one.dispute_id: one.state for one in visit.disputes},
            "contested": visit.open_contest is not None,
            "outcome": visit.outcome,
            "closed_at": visit.closed_at,
        }
        assert not tab.balance_minor or tab.status == Status.IN_REVIEW or visit.due_at == tab.due_at

    def those_concerned_heard_of_what_was_lowered(self) -> None:
        """The owner of what went back past us, the customer of what was waived."""
        shop = self.shop
        entries = shop.store.list_entries(shop.merchant_id, shop.tab_id, limit=1000, cursor=None).items
        lowered = [entry for entry in entries if entry.kind == "refund_granted" and entry.by == SYSTEM.subject]
        told = [m for m in self.messages if (m.kind, m.to) == (MessageKind.BILL_ADJUSTED, Recipient.OWNER)]
        assert len(told) >= len(lowered), "a bill was lowered, and the owner does not know"
        # A refund of a fee is a waiver in the books, and has its own message.
        kinds = (MessageKind.WAIVED, MessageKind.CONTEST_RESOLVED, MessageKind.REFUND)
        heard = [m for m in self.messages if m.kind in kinds and m.to == Recipient.CUSTOMER]
        waived = [entry for entry in entries if entry.kind == "waived"]
        assert len(heard) >= len(waived), "something was waived, and the customer does not know"


def comes_by_event_alone(shop: Shop, event_id: str) -> bool:
    """Refunds end, and banks dispute, by webhook alone, which the gateway repeats for days: late, never lost."""
    return shop.gateway.events[event_id][0].object_id.startswith(("re_", "dp_"))


TestAnyStory = AnyStory.TestCase
TestAnyStory.settings = settings(
    max_examples=int(__import__("os").environ.get("N", "80")), stateful_step_count=25, report_multiple_bugs=False
)
