"""Reconciliation, the pure part: compares our records of a tab with the gateway's objects, and words the differences.

A difference that a missed event explains carries the missing facts, so repairing means applying them. Everything else
is for a person; nothing is guessed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from msgspec.structs import replace

from chalicelib.domain.books.differences import OVERDUE_AFTER, REPAIRABLE, Code, Difference, Payment, Records
from chalicelib.domain.books.ledger import Account
from chalicelib.domain.money import format_amount
from chalicelib.domain.tab.attempt import Attempt, AttemptState, Operation
from chalicelib.domain.tab.draft import Draft, check_invariants
from chalicelib.domain.tab.facts.dispute import DISPUTE_STATE, is_forward
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.payments import NOT_AT_GATEWAY, Dispute, Hold, HoldState, Leg, LegKind
from chalicelib.domain.tab.tab import Tab


def known_payments(tab: Tab) -> set[str]:
    """The ids of the payments that the tab names."""
    return {
        *(hold.payment_id for hold in tab.holds),
        *(leg.payment_id for leg in tab.legs if leg.kind not in NOT_AT_GATEWAY),
        *(attempt.payment_id for attempt in tab.attempts if attempt.payment_id),
    }


def known_objects(tab: Tab) -> set[str]:
    """The ids of the gateway's objects that must have a pointer: payments, their refunds and disputes."""
    legs = [leg for leg in tab.legs if leg.kind not in NOT_AT_GATEWAY]
    refunds = {refund_id for leg in legs for refund_id in (*leg.refunds, *leg.pending_refunds)}
    return known_payments(tab) | refunds | {dispute.dispute_id for leg in legs for dispute in leg.disputes}


def needs_reversals(tab: Tab, payment_id: str) -> bool:
    """Whether the tab names refunds or a dispute of the payment, which the gateway must then have, too."""
    leg = tab.leg(payment_id)
    return leg is not None and bool(leg.refunds or leg.pending_refunds or leg.failed_refunds or leg.disputes)


def unposted_fees(records: Records, payments: Iterable[Payment]) -> list[Fact]:
    """The gateway's fees for the payments that are not posted yet. They are costs, not differences."""
    ours = [payment for payment in payments if records.tab and records.tab.leg(payment.payment_id)]
    return [fee for payment in ours for fee in payment.fees if fee.key not in records.fact_keys]


def restore_pointer(draft: Draft, object_id: str) -> None:
    """Restore the object's pointer to its tab."""
    tab = draft.tab
    made_by = [hold.attempt_id for hold in tab.holds if hold.payment_id == object_id]
    made_by += [leg.attempt_id for leg in tab.legs if leg.payment_id == object_id]
    draft.objects.append((object_id, next(iter(made_by), None)))
    draft.record("pointer_restored", object_id=object_id)


def compare(
    records: Records, payments: Mapping[str, Payment | None], pointers: Mapping[str, str | None], now: datetime
) -> list[Difference]:
    """All differences of one tab.

    `payments`: all payments that name the tab, and all that the tab names (None: it does not exist).
    `pointers`: for each of `known_objects`, the tab that its pointer names (None: there is no pointer).
    """
    there = {payment_id: payment for payment_id, payment in payments.items() if payment is not None}
    if records.tab is None:
        return [_of_no_tab(payment) for payment in there.values()]
    looking = _Looking(records, records.tab)
    twice = list(looking.made_twice(there.values()))
    suspects = {difference.object_id for difference in twice}
    differences = [
        *twice,
        *(found for payment_id, one in there.items() if payment_id not in suspects for found in looking.at(one)),
        *(looking.missing(payment_id) for payment_id, one in payments.items() if one is None),
    ]
    # An object that does not exist needs no pointer.
    gone = {found.object_id for found in differences if found.code == Code.OBJECT_MISSING}
    differences += [
        *looking.at_pointers({one: tab_id for one, tab_id in pointers.items() if one not in gone}),
        *looking.at_records(),
        *looking.at_agenda(now),
    ]
    tab = records.tab
    return [
        replace(found, merchant_id=tab.merchant_id, tab_id=tab.tab_id, account=tab.account) for found in differences
    ]


def _of_no_tab(payment: Payment) -> Difference:
    return Difference(
        code=Code.TAB_MISSING,
        text=f"{_said(payment)} names tab {payment.tab_id}, which is not on record.",
        merchant_id=payment.merchant_id,
        tab_id=payment.tab_id,
        attempt_id=payment.attempt_id,
        object_id=payment.payment_id,
    )


_MOVED = frozenset({FactKind.CHARGED, FactKind.HOLD_CAPTURED, FactKind.HOLD_PLACED})
_TAKEN = frozenset({FactKind.CHARGED, FactKind.HOLD_CAPTURED})
_GONE = frozenset({FactKind.PAYMENT_CANCELED, FactKind.PAYMENT_EXPIRED})
_UNPAID = _GONE | {FactKind.DECLINED}
_WORDS = {
    FactKind.HOLD_PLACED: "is held",
    FactKind.HOLD_CAPTURED: "was captured",
    FactKind.CHARGED: "was charged",
    FactKind.AWAITING_CUSTOMER: "waits for the customer",
    FactKind.PROCESSING: "is being processed",
    FactKind.DECLINED: "was declined",
    FactKind.PAYMENT_CANCELED: "was canceled",
    FactKind.PAYMENT_EXPIRED: "has expired",
    FactKind.REFUND_PENDING: "is on its way",
    FactKind.REFUNDED: "was given back",
    FactKind.REFUND_FAILED: "failed",
}


class _Looking:
    """The comparisons for one tab; each yields differences without the tab's ids."""

    def __init__(self, records: Records, tab: Tab) -> None:
        self._records = records
        self._tab = tab

    def _amount(self, amount_minor: int) -> str:
        return format_amount(amount_minor, self._tab.currency)

    # The gateway's objects

    def made_twice(self, payments: Iterable[Payment]) -> Iterator[Difference]:
        """An attempt makes one payment.

        If there are several, the surplus ones are those unknown to the tab, else the later.
        """
        by_attempt: defaultdict[str, list[Payment]] = defaultdict(list)
        for payment in payments:
            if payment.attempt_id and payment.state_fact and payment.state_fact.kind in _MOVED:
                by_attempt[payment.attempt_id].append(payment)
        known_ids = known_payments(self._tab)
        for attempt_id, same_attempt in by_attempt.items():
            if len(same_attempt) == 1:
                continue
            same_attempt.sort(
                key=lambda payment: (payment.payment_id not in known_ids, payment.made_at, payment.payment_id)
            )
            # If the tab has none of them, it is unclear which one it should have.
            first = same_attempt[0] if same_attempt[0].payment_id in known_ids else None
            for payment in same_attempt:
                if payment is not first:
                    others = ", ".join(other.payment_id for other in same_attempt if other is not payment)
                    yield Difference(
                        code=Code.MADE_TWICE,
                        text=f"{_said(payment)} is of attempt {attempt_id}, which has also made {others}.",
                        attempt_id=attempt_id,
                        object_id=payment.payment_id,
                    )

    def at(self, payment: Payment) -> Iterator[Difference]:
        if payment.currency != self._tab.currency:
            yield self._about(
                payment, Code.CURRENCY_DIFFERS, f"{_said(payment)} is in {payment.currency}, not {self._tab.currency}."
            )
            return
        found = self._at_payment(payment)
        if found is not None:
            yield found
        if found is None or found.is_repairable:
            yield from self._at_refunds(payment)
            yield from self._at_disputes(payment)

    def _about(self, payment: Payment, code: Code, text: str, *facts: Fact | None) -> Difference:
        given = tuple(fact for fact in facts if fact is not None) if code in REPAIRABLE else ()
        return Difference(
            code=code, text=text, attempt_id=payment.attempt_id, object_id=payment.payment_id, facts=given
        )

    def _at_payment(self, payment: Payment) -> Difference | None:
        fact, hold, leg = payment.state_fact, self._tab.hold(payment.payment_id), self._tab.leg(payment.payment_id)
        if fact is None:
            return None
        made_by = (leg.attempt_id if leg else None) or (hold.attempt_id if hold else None)
        if made_by and self._records.attempt(made_by) is None:
            text = f"{_said(payment)} is on the tab as made by attempt {made_by}, which is not on record."
            return self._about(payment, Code.ATTEMPT_MISSING, text)
        if fact.kind in _TAKEN:
            return self._at_taken(payment, fact, leg)
        if leg is not None:
            text = f"{_said(payment)}, and the tab has {self._amount(leg.amount_minor)} taken by it."
            return self._about(payment, Code.STATE_DIFFERS, text)
        if fact.kind == FactKind.HOLD_PLACED:
            return self._at_held(payment, fact, hold)
        return self._at_unpaid(payment, fact, hold)

    def _at_taken(self, payment: Payment, fact: Fact, leg: Leg | None) -> Difference | None:
        if leg is None:
            return self._unrecorded(payment, fact)
        if leg.amount_minor == fact.amount_minor:
            return None
        text = (
            f"{self._amount(fact.amount_minor)} {_WORDS[fact.kind]} by {payment.payment_id}; "
            f"the tab has {self._amount(leg.amount_minor)}."
        )
        return self._about(payment, Code.AMOUNT_DIFFERS, text)

    def _at_held(self, payment: Payment, fact: Fact, hold: Hold | None) -> Difference | None:
        if hold is None:
            return self._unrecorded(payment, fact)
        if hold.state != HoldState.LIVE:
            held = f"{self._amount(fact.amount_minor)} is still held by {payment.payment_id}"
            text = f"{held}; for us the hold was {hold.state}."
            return self._about(payment, Code.HOLD_STILL_LIVE, text)
        if hold.amount_minor == fact.amount_minor:
            return None
        text = (
            f"{self._amount(fact.amount_minor)} is held by {payment.payment_id}; "
            f"the tab has {self._amount(hold.amount_minor)}."
        )
        return self._about(payment, Code.AMOUNT_DIFFERS, text)

    def _at_unpaid(self, payment: Payment, fact: Fact, hold: Hold | None) -> Difference | None:
        if hold is not None and hold.state == HoldState.LIVE:
            text = f"The hold {payment.payment_id} over {self._amount(hold.amount_minor)} {_WORDS[fact.kind]}; "
            if fact.kind not in _GONE:
                return self._about(payment, Code.STATE_DIFFERS, text + "for us it is live.")
            ours = next((one for one in self._tab.attempts if one.payment_id == payment.payment_id), None)
            if ours is not None:
                return self._open_attempt(payment, ours, fact)
            return self._about(payment, Code.HOLD_ENDED, text + "for us it is live.", fact)
        attempt = self._maker(payment)
        if attempt is None and payment.attempt_id is not None and self._records.attempt(payment.attempt_id) is None:
            return self._unrecorded(payment, fact)
        # On the phone a decline is not final: the customer may try again until the agenda closes the payment.
        is_over = fact.kind in _GONE or (fact.kind == FactKind.DECLINED and attempt and not attempt.is_on_session)
        if attempt is None or not attempt.is_open or not is_over:
            return None
        return self._open_attempt(payment, attempt, fact)

    def _happened(self, payment: Payment, fact: Fact) -> str:
        if not fact.amount_minor:
            return f"Payment {payment.payment_id} {_WORDS[fact.kind]}"
        return f"{self._amount(fact.amount_minor)} {_WORDS[fact.kind]} by {payment.payment_id}"

    def _maker(self, payment: Payment) -> Attempt | None:
        """The attempt that made the payment: by its metadata, or else the open one that has its id."""
        return self._records.attempt(payment.attempt_id) or next(
            (
                attempt
                for attempt in self._tab.attempts
                if attempt.payment_id == payment.payment_id
                and attempt.operation in (Operation.CHARGE, Operation.PLACE_HOLD)
            ),
            None,
        )

    def _unrecorded(self, payment: Payment, fact: Fact) -> Difference:
        """Money was taken or is held, and the tab has no record of it."""
        text = f"{self._happened(payment, fact)}; the tab has no such payment."
        hold = self._tab.hold(payment.payment_id)
        if hold is not None and fact.kind == FactKind.HOLD_CAPTURED:
            return self._captured(payment, fact, hold)
        attempt = self._maker(payment)
        if attempt is None:
            text += f" It names attempt {payment.attempt_id}, which is not on record."
            return self._about(payment, Code.ATTEMPT_MISSING, text)
        if attempt.is_open:
            return self._open_attempt(payment, attempt, fact)
        if attempt.state == AttemptState.SUCCEEDED and fact.kind != FactKind.HOLD_CAPTURED:
            text += f" Attempt {attempt.attempt_id} is on record as succeeded, with nothing to show for it."
            return self._about(payment, Code.STATE_DIFFERS, text)
        text += f" Attempt {attempt.attempt_id} had ended as {attempt.state}."
        return self._about(payment, Code.EFFECT_AFTER_END, text, fact)

    def _captured(self, payment: Payment, fact: Fact, hold: Hold) -> Difference:
        taken = f"{self._amount(fact.amount_minor)} of the hold {payment.payment_id} was captured"
        if hold.state != HoldState.LIVE:
            return self._about(payment, Code.STATE_DIFFERS, f"{taken}; for us the hold was {hold.state}.")
        ours = [
            attempt
            for attempt in (*self._tab.attempts, *self._records.attempts)
            if attempt.payment_id == payment.payment_id and attempt.operation == Operation.CAPTURE
        ]
        for attempt in ours:
            if attempt.is_open:
                return self._open_attempt(payment, attempt, fact)
        if ours:
            text = f"{taken}; attempt {ours[-1].attempt_id} at that had ended as {ours[-1].state}."
            return self._about(payment, Code.EFFECT_AFTER_END, text, fact)
        return self._about(payment, Code.CAPTURED_PAST_US, f"{taken} by somebody else than us.", fact)

    def _open_attempt(self, payment: Payment, attempt: Attempt, fact: Fact) -> Difference:
        state = attempt.state.replace("_", " the ")
        text = f"{self._happened(payment, fact)}; for us attempt {attempt.attempt_id} is {state}."
        found = self._about(payment, Code.OUTCOME_NOT_RECORDED, text, fact)
        return replace(found, attempt_id=attempt.attempt_id)

    # Its refunds and disputes

    def _at_refunds(self, payment: Payment) -> Iterator[Difference]:
        leg = self._tab.leg(payment.payment_id)
        for fact in payment.refunds:
            found = self._at_refund(fact, leg)
            if found is not None:
                code, text = found
                facts = (fact,) if code in REPAIRABLE else ()
                yield Difference(
                    code=code, text=text, attempt_id=fact.attempt_id, object_id=fact.object_id, facts=facts
                )
        if leg is None or not payment.is_whole:
            return
        there = {fact.object_id for fact in payment.refunds}
        for refund_id, amount_minor in (*leg.refunds.items(), *leg.pending_refunds.items()):
            if refund_id not in there:
                text = f"The tab has {self._amount(amount_minor)} given back by {refund_id}, which does not exist."
                yield Difference(code=Code.OBJECT_MISSING, text=text, object_id=refund_id)

    def _at_refund(self, fact: Fact, leg: Leg | None) -> tuple[Code, str] | None:
        said = f"Refund {fact.object_id} over {self._amount(fact.amount_minor)} {_WORDS[fact.kind]}"
        ours = {} if leg is None else {**leg.refunds, **leg.pending_refunds}
        has_failed = leg is not None and fact.object_id in leg.failed_refunds
        if fact.object_id in ours:
            assert leg is not None, "it is on it"
            if ours[fact.object_id] != fact.amount_minor:
                return Code.AMOUNT_DIFFERS, f"{said}; the tab has {self._amount(ours[fact.object_id])}."
            is_pending = fact.object_id in leg.pending_refunds
            if fact.kind == FactKind.REFUND_FAILED or (is_pending and fact.kind == FactKind.REFUNDED):
                return Code.REFUND_CHANGED, f"{said}; for us it is {'on its way' if is_pending else 'done'}."
            if fact.kind == FactKind.REFUND_PENDING and not is_pending:
                return Code.STATE_DIFFERS, f"{said}; for us it is done."
            return None
        if has_failed:
            return None if fact.kind == FactKind.REFUND_FAILED else (Code.STATE_DIFFERS, f"{said}; for us it failed.")
        if not fact.attempt_id:
            return Code.REFUND_PAST_US, f"{said} by somebody else than us."
        attempt = self._records.attempt(fact.attempt_id)
        if attempt is None:
            return Code.ATTEMPT_MISSING, f"{said}. It names attempt {fact.attempt_id}, which is not on record."
        if attempt.is_open:
            return Code.OUTCOME_NOT_RECORDED, f"Attempt {attempt.attempt_id} (refund) is {attempt.state}; {said}."
        if attempt.state == AttemptState.SUCCEEDED:
            return Code.MADE_TWICE, f"{said}. Its attempt {attempt.attempt_id} has made another one."
        return Code.EFFECT_AFTER_END, f"{said}. Its attempt {attempt.attempt_id} had ended as {attempt.state}."

    def _at_disputes(self, payment: Payment) -> Iterator[Difference]:
        leg = self._tab.leg(payment.payment_id)
        by_dispute: defaultdict[str, list[Fact]] = defaultdict(list)
        for fact in payment.disputes:
            by_dispute[fact.object_id].append(fact)
        for dispute_id, facts in by_dispute.items():
            found = self._at_dispute(dispute_id, facts, leg.dispute(dispute_id) if leg else None)
            if found is not None:
                code, text = found
                given = tuple(facts) if code in REPAIRABLE else ()
                yield Difference(code=code, text=text, object_id=dispute_id, facts=given)
        for dispute in leg.disputes if leg and payment.is_whole else ():
            if dispute.dispute_id not in by_dispute:
                text = f"The tab has {payment.payment_id} disputed by {dispute.dispute_id}, which does not exist."
                yield Difference(code=Code.OBJECT_MISSING, text=text, object_id=dispute.dispute_id)

    def _at_dispute(self, dispute_id: str, facts: list[Fact], ours: Dispute | None) -> tuple[Code, str] | None:
        """The first fact of a dispute is its state; the others are the money that was withdrawn and reinstated."""
        come, *money = facts
        said = f"Dispute {dispute_id} over {self._amount(come.amount_minor)} of {come.payment_id}"
        if ours is None:
            return Code.DISPUTE_NOT_RECORDED, f"{said} is not on the tab."
        if ours.amount_minor != come.amount_minor:
            return Code.AMOUNT_DIFFERS, f"{said}; the tab has {self._amount(ours.amount_minor)}."
        theirs = DISPUTE_STATE[come.kind]
        if theirs != ours.state:
            is_ahead = is_forward(ours.state, theirs) or come.kind == FactKind.DISPUTE_APPEALED
            code = Code.DISPUTE_CHANGED if is_ahead else Code.STATE_DIFFERS
            return code, f"{said} is {theirs}; for us it is {ours.state}."
        moved = {fact.kind: fact.amount_minor for fact in money}
        if moved.get(FactKind.DISPUTE_WITHDRAWN, 0) > ours.withdrawn_minor:
            return Code.DISPUTE_CHANGED, f"{said}: the money was taken back, which the tab does not have."
        if moved.get(FactKind.DISPUTE_REINSTATED, 0) > ours.reinstated_minor:
            return Code.DISPUTE_CHANGED, f"{said}: the money was given to us again, which the tab does not have."
        return None

    # Our records

    def missing(self, payment_id: str) -> Difference:
        hold, leg = self._tab.hold(payment_id), self._tab.leg(payment_id)
        what = "an attempt made"
        if leg is not None:
            what = f"{self._amount(leg.amount_minor)} taken"
        elif hold is not None:
            what = f"{self._amount(hold.amount_minor)} held ({hold.state})"
        text = f"The tab has {what} by {payment_id}, which does not exist at the gateway."
        return Difference(code=Code.OBJECT_MISSING, text=text, object_id=payment_id)

    def at_pointers(self, pointers: Mapping[str, str | None]) -> Iterator[Difference]:
        for object_id, tab_id in pointers.items():
            if tab_id is None:
                text = f"Nothing leads from {object_id} to its tab: news of it would not be understood."
                yield Difference(code=Code.POINTER_MISSING, text=text, object_id=object_id)
            elif tab_id != self._tab.tab_id:
                text = f"{object_id} is on this tab, and its pointer leads to {tab_id}."
                yield Difference(code=Code.POINTER_ELSEWHERE, text=text, object_id=object_id)

    def at_records(self) -> Iterator[Difference]:
        """Compare the snapshot with its history, and the ledger with the tab's money."""
        lost = list(self._lost_rows())
        for what in lost:
            yield Difference(code=Code.RECORD_MISSING, text=what)
        wrong = list(self._wrong_sums(history_is_whole=not lost))
        if wrong:
            yield Difference(code=Code.LEDGER_WRONG, text="; ".join(wrong) + ".")

    def _lost_rows(self) -> Iterator[str]:
        tab, records = self._tab, self._records
        have = {entry.seq for entry in records.entries}
        if lost := sorted(set(range(1, tab.entry_count + 1)) - have):
            yield f"{len(lost)} of {tab.entry_count} entries of its history are gone: the first is number {lost[0]}."
        begun_ids = {str(entry.details["attempt_id"]) for entry in records.entries if entry.kind == "attempt_begun"}
        if lost_attempts := sorted(one for one in begun_ids if records.attempt(one) is None):
            yield f"The record of attempt {', '.join(lost_attempts)} is gone."
        if lost_facts := sorted(_facts_of(tab) - records.fact_keys):
            yield f"The record of fact {', '.join(lost_facts)} is gone."

    def _wrong_sums(self, *, history_is_whole: bool) -> Iterator[str]:
        tab = self._tab
        try:
            check_invariants(tab)
        except AssertionError as broken:
            yield str(broken)
        posted: Counter[Account] = Counter()
        for entry in self._records.entries:
            for posting in entry.postings:
                posted[posting.account] += posting.amount_minor
            if total := sum(posting.amount_minor for posting in entry.postings):
                yield f"entry {entry.seq} ({entry.kind}) sums to {total}"
        for account in Account:
            balance = tab.balances.get(account, 0)
            if history_is_whole and posted[account] != balance:
                yield f"{account} is {self._amount(balance)}, its entries sum to {self._amount(posted[account])}"
        balance, moved = tab.balances.get(Account.STRIPE_BALANCE, 0), _net_minor(tab)
        if balance != moved:
            name = Account.STRIPE_BALANCE
            ours, theirs = self._amount(balance), self._amount(moved)
            yield f"{name} is {ours}, what was taken, given back and paid in fees {theirs}"

    def at_agenda(self, now: datetime) -> Iterator[Difference]:
        at = self._tab.next_action_at
        if at is not None and at < now - OVERDUE_AFTER:
            yield Difference(code=Code.OVERDUE, text=f"Something has been due since {at:%Y-%m-%d %H:%M} UTC.")


def _said(payment: Payment) -> str:
    if payment.state_fact is None:
        return f"Payment {payment.payment_id}"
    amount = (
        f" over {format_amount(payment.state_fact.amount_minor, payment.currency)}"
        if payment.state_fact.amount_minor
        else ""
    )
    return f"Payment {payment.payment_id}{amount} ({_WORDS[payment.state_fact.kind]})"


def _facts_of(tab: Tab) -> set[str]:
    """The keys of the facts that must have been applied for the tab's legs and refunds to exist."""
    kinds = {LegKind.CAPTURE: FactKind.HOLD_CAPTURED, LegKind.CHARGE: FactKind.CHARGED}
    keys = set()
    for leg in tab.legs:
        if leg.kind in NOT_AT_GATEWAY:
            continue
        keys.add(f"{leg.payment_id}:{kinds[leg.kind]}:{leg.amount_minor}")
        keys |= {f"{refund_id}:{FactKind.REFUNDED}:{minor}" for refund_id, minor in leg.refunds.items()}
    return keys


def _net_minor(tab: Tab) -> int:
    """What the tab's payments have added to the gateway's balance."""
    return -tab.balances.get(Account.STRIPE_FEES, 0) + sum(
        leg.amount_minor - sum(leg.refunds.values()) - sum(dispute.outstanding_minor for dispute in leg.disputes)
        for leg in tab.legs
        if leg.kind not in NOT_AT_GATEWAY
    )
