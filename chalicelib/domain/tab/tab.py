"""The tab: one service for one customer, as an immutable value; its sums and states are derived from its fields."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from msgspec import Struct, field

from chalicelib.domain.books.ledger import Account
from chalicelib.domain.money import currency_of, share_minor
from chalicelib.domain.tab.attempt import Attempt, Operation
from chalicelib.domain.tab.bill import Contest, Fee, Feedback, Item, Lowered, UntoldBill
from chalicelib.domain.tab.flag import Flag
from chalicelib.domain.tab.given import TabCredits
from chalicelib.domain.tab.link import BoundToken, Link
from chalicelib.domain.tab.objection import Objection
from chalicelib.domain.tab.payments import Card, Deposit, Dispute, Hold, HoldState, Leg, LegKind, Plan
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.tab.promise import Consent, Promise
from chalicelib.domain.tab.share import Parent, Share
from chalicelib.domain.tab.status import PaymentState, Status
from chalicelib.domain.tab.story import TabStory
from chalicelib.domain.trust.tiers import WHOLE, price_lines

MAXIMUM_ITEMS = 100
LEASE = timedelta(minutes=30)
"""The time for finishing a payment on the phone (money rule 6)."""
BETWEEN_REMINDERS = timedelta(hours=24)
"""Staff may send a reminder themselves, but not two within a day. So long may one wait for the end of quiet hours."""


class Followup(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of the follow-up. `tries`: failed charges of this card; `next_try_at`: when it is charged next.

    `refusals`: how often in a row the gateway refused our call. `not_before`: the end of the quiet hours in which
    something was due. `charging_end_told`, `reminding_end_told`: the owner was told that this has ended. `reminded_at`:
    when the last reminder was sent. `remind_at`: when staff asked for the next one.
    """

    reminders_sent: int = 0
    tries: int = 0
    refusals: int = 0
    next_try_at: datetime | None = None
    not_before: datetime | None = None
    charging_end_told: bool = False
    reminding_end_told: bool = False
    reminded_at: datetime | None = None
    remind_at: datetime | None = None


class Pause(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody at the business has paused the follow-up of a tab. `until` None: until it is resumed."""

    by: str
    at: datetime
    reason: str
    until: datetime | None = None


class Outcome(StrEnum):
    """How a closed tab ended."""

    FULFILLED = "fulfilled"
    CANCELED = "canceled"
    NO_SHOW = "no_show"
    WRITTEN_OFF = "written_off"


class Tab(Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """One service for one customer: a snapshot, replaced as a whole by each change. `version` counts changes from 1.

    `opened_by`: the subject of whoever has opened it (None: before that was kept); a share's is its parent's.
    `account`: the connected account it is kept in (None: the platform's own), `customer_ref`: the customer's id there,
    None where that is gone, until the next payment makes another.
    `minimum_charge_minor`: the least a card may be charged. `statement_suffix`: what the customer's bank statement adds
    to the account's own words (None: nothing). All four are frozen at opening.
    `final_at`: when a no-show, or a cancellation for a fee, can't be objected to or taken back any more.
    `review_ends_at`: None while `untold_bill` says that the customer may not know of the bill.
    `adjusted_minor`: the reductions of a presented bill; they stay when the bill is amended. `lowered_before`: those
    from before a part of the bill went to a share or came back; their tax is known, whatever is on the tab now.
    `tier_percent`: the outcome tier that the customer has chosen, or was granted; None: none, so the price is what
    silence means.
    `receipt_seq`: the last entry that the customer gets a receipt for; it replaces earlier ones. `returned_seq`: the
    same for what is told of shares that came back. `change_id`: the
    change that wrote this version. `flags`: what a person must look at. `links`: the keys to it that guests hold, and
    some that are dead by now. `links_wanted`: when a new link was asked for with an expired one, of the last 24 hours.
    `parent`: of a share, the tab that it is a part of; `shares`: of a split tab, its parts. `credits`: what it has
    given to credit accounts. `objection`: the customer's, to what the tab counts against them.
    `story`: what is known of theirs, once they were asked.

    `dict=True` gives an instance room for its cached sums; they are no fields: no copy or stored form has them.
    """

    tab_id: str
    merchant_id: str
    customer_id: str
    customer_ref: str | None
    account: str | None
    currency: str
    minimum_charge_minor: int
    policy: Policy
    promise: Promise
    statement_suffix: str | None = None
    title: str
    status: Status
    opened_at: datetime
    opened_by: str | None = None
    updated_at: datetime
    version: int = 0
    change_id: str = ""
    entry_count: int = 0
    proposed: Promise | None = None
    starts_at: datetime | None = None
    checked_in_at: datetime | None = None
    presented_at: datetime | None = None
    walked_out_at: datetime | None = None
    review_ends_at: datetime | None = None
    untold_bill: UntoldBill | None = None
    due_at: datetime | None = None
    final_at: datetime | None = None
    closed_at: datetime | None = None
    outcome: Outcome | None = None
    items: tuple[Item, ...] = ()
    tip_minor: int = 0
    fee: Fee | None = None
    adjusted_minor: int = 0
    lowered_before: Lowered = Lowered()
    tier_percent: int | None = None
    waived_minor: int = 0
    written_off_minor: int = 0
    contest: Contest | None = None
    feedback: Feedback | None = None
    followup: Followup = Followup()
    pause: Pause | None = None
    receipt_seq: int = 0
    returned_seq: int = 0
    deposit: Deposit = Deposit()
    card: Card | None = None
    holds: tuple[Hold, ...] = ()
    legs: tuple[Leg, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    plan: Plan | None = None
    balances: Mapping[Account, int] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    links: tuple[Link, ...] = ()
    links_wanted: tuple[datetime, ...] = ()
    token: BoundToken | None = None
    parent: Parent | None = None
    shares: tuple[Share, ...] = ()
    credits: TabCredits = TabCredits()
    objection: Objection | None = None
    story: TabStory | None = None
    next_action_at: datetime | None = None

    # Sums

    @cached_property
    def total_minor(self) -> int:
        """The bill without the tip, at the price of its outcome; a running total during the service, at the whole."""
        return max(0, self._priced_minor - self.adjusted_minor)

    @property
    def tax_minor(self) -> int:
        """The tax in the total; reductions of the bill include their part of the tax."""
        return self._items_tax_minor - self.adjusted_tax_minor

    @property
    def adjusted_tax_minor(self) -> int:
        """The tax in what was taken off: in proportion to the part of the bill that is this tab's own."""
        if not self.adjusted_minor or not (tax_minor := self._items_tax_minor):
            return 0
        before, items_minor = self.lowered_before, self._priced_minor
        off_minor = min(self.adjusted_minor, items_minor) - before.amount_minor
        if not off_minor:
            return before.tax_minor
        return before.tax_minor + share_minor(
            tax_minor - self.moved_tax_minor - before.tax_minor,
            off_minor,
            items_minor - self.moved_minor - before.amount_minor,
            currency_of(self.currency),
        )

    @property
    def _items_tax_minor(self) -> int:
        if (percent := self.price_percent) == WHOLE:
            return sum([item.tax_minor for item in self.items if not item.voided_at])
        return sum([tax_minor for _, tax_minor in self._lines_at(percent)])

    @property
    def own_minor(self) -> int:
        """The part of the bill that is this tab's own: what is not another tab's."""
        return self.total_minor - self.moved_minor

    @property
    def own_tax_minor(self) -> int:
        """The tax in `own_minor`. Over a bill and all its shares these are the tax of the bill."""
        return self.tax_minor - self.moved_tax_minor

    @property
    def amount_due_minor(self) -> int:
        """What the customer must pay in total: nothing before the bill is presented or a fee is due."""
        if self.fee is not None:
            gross = self.fee.amount_minor
        elif self.presented_at is not None:
            gross = self.total_minor + self.tip_minor
        else:
            gross = 0
        # Most bills are not split, and every answer asks for this several times.
        moved_minor = self.moved_minor if self.shares or self.parent is not None else 0
        return gross - self.waived_minor - self.written_off_minor - moved_minor

    @property
    def bill_due_minor(self) -> int:
        """What is due of the bill, without the tip: what was waived, or is another tab's, is not."""
        return max(0, self.amount_due_minor - self.tip_minor)

    @property
    def moved_minor(self) -> int:
        """What of the bill is another tab's: moved to the shares, or from a share back to its parent."""
        if self.parent is not None:
            return self.parent.returned_minor
        return sum([share.out_minor for share in self.shares]) if self.shares else 0

    @property
    def moved_tax_minor(self) -> int:
        """The tax in `moved_minor`."""
        if self.parent is not None:
            return self.parent.returned_tax_minor
        return sum([share.out_tax_minor for share in self.shares]) if self.shares else 0

    @property
    def paid_minor(self) -> int:
        """What was taken minus refunds; a refund counts from its request."""
        # Every answer asks for it several times, and most tabs have no payment yet.
        if not self.legs:
            return 0
        return sum([leg.amount_minor - leg.refunded_minor - leg.refund_pending_minor for leg in self.legs])

    @property
    def receipt_minor(self) -> int:
        """The amount of a receipt: what was paid, as far as it was due; not what will be refunded."""
        return min(self.paid_minor, self.amount_due_minor)

    @property
    def balance_minor(self) -> int:
        """What the customer still owes; never negative."""
        return max(0, self.amount_due_minor - self.paid_minor)

    @property
    def refund_owed_minor(self) -> int:
        """What was taken above what was due and is not being refunded yet."""
        return max(0, self.paid_minor - self.amount_due_minor)

    @property
    def by_credit_minor(self) -> int:
        """What the customer's credit pays of the tab; what came back as credit is not in it."""
        return sum([leg.amount_minor - leg.refunded_minor for leg in self.legs if leg.kind == LegKind.CREDIT])

    @property
    def credit_to_return_minor(self) -> int:
        """The part of what is owed back that was paid with credit, and goes back as credit.

        It is in proportion to what credit paid of the bill, so a refund is neither a way to cash nor a loss of it.
        """
        if LegKind.CREDIT not in [leg.kind for leg in self.legs]:
            return 0
        bill_minor, currency = self.bill_due_minor, currency_of(self.currency)
        above_minor = sum([leg.credit_above_minor(bill_minor, currency) for leg in self.legs])
        return min(self.refund_owed_minor, above_minor)

    @property
    def cash_to_return_minor(self) -> int:
        """The part of what is owed back that was paid in cash, newest payment first.

        Staff hand it over and record it.
        """
        if not self.legs or LegKind.CASH not in [leg.kind for leg in self.legs]:
            return 0
        lost_minor = sum([leg.lost_minor for leg in self.legs])
        owed_minor = self.refund_owed_minor - lost_minor - self.credit_to_return_minor
        in_cash_minor = 0
        for leg in reversed([leg for leg in self.legs if leg.kind != LegKind.CREDIT]):
            part_minor = max(0, min(leg.refundable_minor, owed_minor))
            owed_minor -= part_minor
            in_cash_minor += part_minor if leg.kind == LegKind.CASH else 0
        return in_cash_minor

    @property
    def goes_back_minor(self) -> int:
        """The part of what is owed back that is refunded without anybody's doing."""
        return max(0, self.refund_owed_minor - self.cash_to_return_minor)

    @property
    def refund_by_hand_minor(self) -> int:
        """The part of what is owed back that a person must return, because its refund failed."""
        failed = sum([leg.refundable_minor for leg in self.legs if leg.refund_failure])
        owed_minor = self.refund_owed_minor - self.cash_to_return_minor - self.credit_to_return_minor
        return min(owed_minor, failed) if failed else 0

    @property
    def open_shares(self) -> tuple[Share, ...]:
        """The shares of which something may still come back."""
        return tuple(share for share in self.shares if not share.told.is_over)

    @property
    def payment_state(self) -> PaymentState:
        paid_minor, due_minor, legs = self.paid_minor, self.amount_due_minor, self.legs
        if legs and self.has_open_dispute:
            return PaymentState.DISPUTED
        if paid_minor > due_minor or (legs and any(leg.refund_pending_minor for leg in legs)):
            return PaymentState.REFUND_OWED
        if paid_minor < due_minor:
            return PaymentState.PARTLY_PAID if paid_minor else PaymentState.OWED
        if self.written_off_minor or (legs and any(leg.lost_minor for leg in legs)):
            return PaymentState.WRITTEN_OFF
        return PaymentState.PAID if paid_minor else PaymentState.NONE

    # The outcome's price

    @property
    def has_tiers(self) -> bool:
        """Whether the outcome changes the bill: materials are paid whole."""
        return bool(self.promise.tiers) and any(item.amount_minor and not item.is_material for item in self.items)

    @property
    def price_percent(self) -> int:
        """The share of the services' price that the bill is of.

        Before the bill is presented, and where the outcome changes nothing, the whole. Then the tier that the customer
        says was reached, or else what silence means: never more than they have confirmed.
        """
        if self.presented_at is None or not self.has_tiers:
            return WHOLE
        if self.contest is not None and self.contest.tier_percent is not None:
            return self.contest.tier_percent
        if self.tier_percent is not None:
            return self.tier_percent
        silence = self.promise.silence_percent
        return self.promise.tiers[-1].percent if silence is None else silence

    @property
    def awaits_tier(self) -> bool:
        """Whether the customer still has to say which outcome it was, before the bill is paid or closed."""
        in_review = self.status == Status.IN_REVIEW and self.tier_percent is None
        return in_review and not self.waived_minor and self.has_tiers

    @property
    def contests_tier(self) -> bool:
        """Whether the difference to another tier is contested, while the rest of the bill is collected."""
        return self.contest is not None and self.contest.tier_percent is not None

    @property
    def ended_at_percent(self) -> int | None:
        """The tier at which a finished service was priced; None without tiers, and before its review is over."""
        is_priced = self.status == Status.DUE or self.outcome in (Outcome.FULFILLED, Outcome.WRITTEN_OFF)
        return self.price_percent if is_priced and self.presented_at and self.has_tiers else None

    def total_at(self, percent: int) -> int:
        """The total if it were at this tier."""
        return max(0, sum([amount for amount, _ in self._lines_at(percent)]) - self.adjusted_minor)

    @property
    def _priced_minor(self) -> int:
        if (percent := self.price_percent) == WHOLE:
            return sum([item.amount_minor for item in self.items])
        return sum([amount for amount, _ in self._lines_at(percent)])

    def _lines_at(self, percent: int) -> list[tuple[int, int]]:
        return price_lines(self.items, percent, currency_of(self.currency))

    @property
    def untaxed_lines_minor(self) -> tuple[int, int]:
        """What the lines cost without their tax, before anything was taken off: the services', and with materials."""
        lines = [
            (amount_minor - tax_minor, item.is_material)
            for item, (amount_minor, tax_minor) in zip(self.items, self._lines_at(self.price_percent), strict=True)
        ]
        services_minor = sum([minor for minor, is_material in lines if not is_material])
        return services_minor, sum([minor for minor, _ in lines])

    # Parts

    @property
    def live_hold(self) -> Hold | None:
        """The live hold that expires last."""
        live = [hold for hold in self.holds if hold.state == HoldState.LIVE]
        return max(live, key=lambda hold: hold.capture_before, default=None)

    def hold(self, payment_id: str) -> Hold | None:
        return next((hold for hold in self.holds if hold.payment_id == payment_id), None)

    def leg(self, payment_id: str) -> Leg | None:
        return next((leg for leg in self.legs if leg.payment_id == payment_id), None)

    def dispute(self, dispute_id: str) -> Dispute | None:
        return next((dispute for leg in self.legs if (dispute := leg.dispute(dispute_id)) is not None), None)

    def attempt(self, attempt_id: str | None) -> Attempt | None:
        """The open attempt with this id; closed ones are stored beside the snapshot."""
        return next((attempt for attempt in self.attempts if attempt.attempt_id == attempt_id), None)

    @property
    def taking_attempt(self) -> Attempt | None:
        """The one open attempt that takes money from the customer (money rule 5)."""
        # Asked for by most refusals, and most tabs have no attempt.
        return next((attempt for attempt in self.attempts if attempt.takes_money), None) if self.attempts else None

    @property
    def placing_attempt(self) -> Attempt | None:
        return next((attempt for attempt in self.attempts if attempt.operation == Operation.PLACE_HOLD), None)

    def link(self, link_id: str) -> Link | None:
        return next((link for link in self.links if link.link_id == link_id), None)

    def item(self, item_id: str) -> Item | None:
        return next((item for item in self.items if item.item_id == item_id), None)

    # Consent

    @property
    def accepted(self) -> bool:
        return self.promise.accepted is not None

    @property
    def proposes_other_time(self) -> bool:
        return self.proposed is not None and self.proposed.starts_at != self.starts_at

    def proposal_has_passed(self, now: datetime) -> bool:
        """Whether the proposed promise names another time, which is over: nobody can agree to that any more."""
        starts_at = self.proposed.starts_at if self.proposed else None
        return self.proposes_other_time and starts_at is not None and starts_at <= now

    @property
    def may_use_card(self) -> bool:
        """Whether the tab has a usable card that the customer agreed to keep on file."""
        usable = self.card is not None and self.card.refused is None
        return usable and self.promise.consents_to(Consent.CARD_ON_FILE)

    @property
    def may_charge_automatically(self) -> bool:
        return self.promise.consents_to(Consent.AUTOMATIC_CHARGE)

    @property
    def has_open_dispute(self) -> bool:
        return any(leg.has_open_dispute for leg in self.legs)

    @property
    def collectable_minor(self) -> int:
        """What the customer may still pay: the balance, or what was written off."""
        return self.balance_minor or self.written_off_minor

    @property
    def held_minor(self) -> int:
        return self.live_hold.amount_minor if self.live_hold else 0

    @property
    def hold_expires_at(self) -> datetime | None:
        return self.live_hold.capture_before if self.live_hold else None

    @property
    def charges_from(self) -> datetime | None:
        """The earliest time at which the bill may be charged without the customer; None: at any time.

        Not before the promised start, unless the customer has accepted the bill, which makes it due at once.
        """
        return self.due_at if self.status == Status.DUE else self.starts_at

    @property
    def expected_at(self) -> datetime | None:
        """When the balance will be charged without the customer, if at all."""
        if self.status == Status.IN_REVIEW:
            return self.after_pause(self.review_ends_at) if self.charges_after_review else None
        if self.status == Status.CONTESTED or any(leg.is_disputed for leg in self.legs):
            return None
        if self.fee is not None and self.fee.take_at is not None:
            return self.after_pause(self.fee.take_at) if self.may_use_card or self.live_hold is not None else None
        return self.after_pause(self.followup.next_try_at)

    def after_pause(self, at: datetime | None) -> datetime | None:
        """`at`, or the end of a pause of the follow-up if that is later; None if the pause has no end."""
        if at is None or self.pause is None:
            return at
        return None if self.pause.until is None else max(at, self.pause.until)

    @property
    def charges_after_review(self) -> bool:
        """Whether a bill is charged without the customer when its review window ends."""
        return self.may_charge_automatically and (self.may_use_card or self.live_hold is not None)

    def may_contest_tier(self, percent: int) -> bool:
        """Whether the customer may contest that this one was reached: where silence stood for one that costs more."""
        by_silence = self.status == Status.DUE and self.tier_percent is None and self.has_tiers
        may_change = by_silence and not self.contests_tier and not self.moved_minor and not self.waived_minor
        return may_change and self.total_at(percent) < self.total_minor

    @property
    def is_finished(self) -> bool:
        """Whether the service is over and nothing will be added: canceled, no-show or closed."""
        return self.status in (Status.CANCELED, Status.NO_SHOW, Status.CLOSED)
