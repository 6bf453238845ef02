"""The invariants: what is true of every tab's money, whatever goes wrong. One rule for each promise, on plain data.

`Json` is what comes over the wire: a tab as the API shows it to staff, its history as in the timeline (all entries,
oldest first), and Stripe's own objects. Demo, replay, fault matrix, kill test and random walks all use this module. It
shares no code with the app, so it cannot share the app's mistakes. A rule yields problems in words; none means a pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from hashlib import sha256
from itertools import pairwise
from typing import Any

Json = Mapping[str, Any]
History = Sequence[Json]

_SYSTEM = "aftertab"
"""The actors that are no people: the clock and the payment provider."""
_TAKES_MONEY = frozenset({"capture", "charge"})
_MAKES_PAYMENT = frozenset({"place_hold", "charge"})
_NOT_GIVEN_BACK = frozenset({"failed", "canceled"})
_LADDER = timedelta(minutes=2 + 5 + 10 + 30 + 60)
_DEPOSIT_IS_KEPT = timedelta(days=20)
"""At least: thirty days from the start, and a hold lives for a week."""
_HOLD_LIVES = timedelta(days=7)
"""At most, from the day it is placed (https://docs.stripe.com/payments/place-a-hold-on-a-payment-method)."""
_ENDS_SERVICE = frozenset({"bill_presented", "canceled", "no_show"})
_INQUIRIES = frozenset({"inquiry", "inquiry_closed"})
IDLE = timedelta(hours=24)
FEE_NOTICE = timedelta(hours=24)
CONTESTABLE = timedelta(days=14)
_LOWERS_BILL = frozenset({"bill_adjusted", "refund_granted"})
_SENT = frozenset({"handed_over", "delivered", "bounced", "complained"})
_OWED = frozenset({"due", "no_show", "canceled"})
_FINISHED = frozenset({"closed", "canceled", "no_show"})
_DISPUTE_STATES = {
    "warning_needs_response": "inquiry",
    "warning_under_review": "inquiry",
    "warning_closed": "inquiry_closed",
    "needs_response": "open",
    "under_review": "open",
    "won": "won",
    "lost": "lost",
    "prevented": "prevented",
}
_WHOLE = 100
"""Per cent of the price."""
_THREE_DECIMAL = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
_STRIPE_FACTORS = {"ISK": 100, "UGX": 100}
"""Currencies without cents that Stripe takes as if they had some (https://docs.stripe.com/currencies#special-cases)."""
_PAYMENT_FIELDS = (
    *("id", "status", "capture_method", "currency", "metadata"),
    *("amount", "amount_received", "amount_capturable"),
)
_DISPUTE_FIELDS = ("id", "status", "payment_intent", "currency", "amount")
_REFUND_FIELDS = ("id", "status", "payment_intent", "currency", "metadata", "amount")


@dataclass(frozen=True, slots=True)
class Objects:
    """One tab's objects at Stripe. Refunds include those made in the dashboard, without our metadata."""

    payments: Sequence[Json] = ()
    refunds: Sequence[Json] = ()
    disputes: Sequence[Json] = ()


def check_tab(tab: Json, history: History | None = None) -> list[str]:
    """Check what holds at every moment for the tab and, if given, its history."""
    problems = [problem for rule in _OF_TAB for problem in rule(tab)]
    if history is not None:
        problems += [problem for rule in _OF_HISTORY for problem in rule(tab, history)]
    return problems


def check_claims(tab: Json, objects: Objects) -> list[str]:
    """Check our books against Stripe's at any moment (`objects` read after `tab`): we may lag, but never claim more."""
    return list(nothing_is_claimed_that_stripe_has_not(tab, objects))


def check_dry(tab: Json, history: History | None = None) -> list[str]:
    """What holds, besides `check_tab`, when nothing is left to do and no webhook is on its way."""
    problems = [problem for rule in _OF_DRY_TAB for problem in rule(tab)]
    if history is not None:
        problems += [problem for rule in _OF_DRY_HISTORY for problem in rule(tab, history)]
    return problems


def check_books(tab: Json, history: History | None, objects: Objects) -> list[str]:
    """Our books against Stripe's, object by object, when nothing is left to do and no webhook is on its way."""
    problems = [problem for rule in _OF_BOOKS for problem in rule(tab, objects)]
    if history is not None:
        problems += [problem for rule in _OF_ATTEMPTS for problem in rule(tab, history, objects)]
    return problems


def check_everything(tab: Json, history: History | None, objects: Objects) -> list[str]:
    """Check everything, for a tab with nothing left to do."""
    return check_tab(tab, history) + check_dry(tab, history) + check_books(tab, history, objects)


Heard = frozenset[tuple[str, str]]
"""Kinds of messages, each with its recipient."""


def _customer(kind: str) -> Heard:
    return frozenset({(kind, "customer")})


def _owner(kind: str) -> Heard:
    return frozenset({(kind, "owner")})


def _both(kind: str) -> Heard:
    return _customer(kind) | _owner(kind)


NOT_IN_SILENCE: Mapping[str, Heard] = {
    "canceled": _both("canceled"),
    "no_show": _both("no_show"),
    "no_show_taken_back": _customer("no_show_taken_back"),
    "rescheduled": _both("rescheduled"),
    "walked_out": _both("walked_out"),
    "contested": _owner("contested"),
    "contest_overdue": _owner("contest_overdue"),
    "contest_resolved": _customer("contest_resolved"),
    "standing_objected": _owner("standing_objected"),
    "objection_decided": _customer("objection_decided"),
    "credit_active": _customer("credit_active"),
    "story_asked": _customer("story_asked"),
    "deposit_failed": _both("deposit_failed"),
    "hold_not_renewed": _both("hold_ends"),
    "reminded": _customer("reminder"),
    "charge_failed": _customer("card_declined"),
    "collection_ended": _owner("collection_ended"),
    "card_removed": _customer("card_removed"),
    "cash_to_return": _both("cash_to_return"),
    "refund_announced": _customer("refund"),
    "refund_waits_for_bank": _owner("refund_waits"),
    "inquiry_opened": _owner("inquiry"),
    "dispute_opened": _owner("disputed"),
    "dispute_won": _owner("dispute_closed"),
    "dispute_lost": _owner("dispute_closed"),
}
"""Kind of entry → what must be told because of it: by what is promised to people, not by the app's own table."""


def check_told(history: History) -> list[str]:
    """Check what people heard once stream and queues are empty: all that they must, and nothing twice."""
    return [problem for entry in history for problem in _told_wrong(entry)]


def _told_wrong(entry: Json) -> Iterator[str]:
    deliveries = entry["told"]
    heard = {(one["kind"], one["to"]) for one in deliveries}
    for kind, to in sorted(NOT_IN_SILENCE.get(entry["kind"], frozenset()) - heard):
        yield f"the {to} heard no {kind} of entry {entry['seq']}"
    sent = Counter(one["message_id"] for one in deliveries if one["state"] in _SENT)
    for message_id, channels in sent.items():
        if channels > 1:
            yield f"{message_id} went out on {channels} channels"
    for one in deliveries:
        if one["state"] == "claimed":
            yield f"{one['message_id']} is claimed, and nobody sends it"


def by_tab(payments: Iterable[Json], refunds: Iterable[Json], disputes: Iterable[Json] = ()) -> dict[str, Objects]:
    """Stripe's objects by the tab in their metadata; refunds and disputes go with their payment. Strangers' are left
    out.

    Only the fields that the rules read are kept, because a replay has tens of thousands.
    """
    found: dict[str, tuple[list[Json], list[Json], list[Json]]] = {}
    tab_of: dict[str, str] = {}
    for payment in payments:
        if tab_id := _metadata(payment).get("tab"):
            tab_of[payment["id"]] = tab_id
            found.setdefault(tab_id, ([], [], []))[0].append({name: payment[name] for name in _PAYMENT_FIELDS})
    for refund in refunds:
        if tab_id := tab_of.get(refund["payment_intent"]):
            found[tab_id][1].append({name: refund[name] for name in _REFUND_FIELDS})
    for dispute in disputes:
        if tab_id := tab_of.get(dispute["payment_intent"]):
            found[tab_id][2].append({name: dispute[name] for name in _DISPUTE_FIELDS})
    return {tab_id: Objects(*kinds) for tab_id, kinds in found.items()}


# The tab, at every moment


def postings_sum_to_zero(tab: Json) -> Iterator[str]:
    if total := sum(tab["ledger"].values()):
        yield f"the ledger sums to {total}"


def receivable_is_balance(tab: Json) -> Iterator[str]:
    receivable = tab["ledger"].get("customer_receivable", 0)
    if receivable != tab["balance_minor"]:
        yield f"the receivable is {receivable}, the balance {tab['balance_minor']}"
    if tab["balance_minor"] != max(0, tab["amount_due_minor"] - _kept_minor(tab)):
        yield f"the balance is {tab['balance_minor']}, of {tab['amount_due_minor']} {_kept_minor(tab)} is paid"


def captured_within_held(tab: Json) -> Iterator[str]:
    for hold in tab["holds"]:
        if hold["captured_minor"] > hold["amount_minor"]:
            yield f"{hold['captured_minor']} captured of {hold['payment_id']}, which holds {hold['amount_minor']}"
        if (hold["captured_minor"] > 0) != (hold["state"] == "captured"):
            yield f"{hold['payment_id']} is {hold['state']}, and {hold['captured_minor']} of it captured"


def total_within_cap(tab: Json) -> Iterator[str]:
    if tab["total_minor"] > tab["promise"]["cap_minor"]:
        yield f"the total is {tab['total_minor']}, the cap {tab['promise']['cap_minor']}"


def price_is_of_the_outcome(tab: Json) -> Iterator[str]:
    """Of a presented bill: the price of the outcome that the customer chose or contests, else of what silence means.

    By the promise and the items alone; materials are paid whole. The services are rounded once, by less than a step.
    """
    promise, contest = tab["promise"], tab["contest"]
    services = sum(item["amount_minor"] for item in tab["items"] if not item["material"])
    if not promise["tiers"] or not services or tab["presented_at"] is None:
        if tab["price_percent"] != _WHOLE or tab["tier_percent"] is not None:
            yield f"the price is {tab['price_percent']} %, and no outcome is promised or reached"
        return
    said = tab["tier_percent"] if tab["tier_percent"] is not None else promise["silence_percent"]
    percent = said if contest is None or contest["tier_percent"] is None else contest["tier_percent"]
    if percent not in [tier["percent"] for tier in promise["tiers"]] or not tab["price_percent"] == percent <= said:
        yield f"the price is {tab['price_percent']} %, said was {said} %"
    whole = sum(item["amount_minor"] for item in tab["items"])
    if tab["total_minor"] > 0 and abs(
        100 * (tab["total_minor"] + tab["adjusted_minor"] - whole) + (100 - percent) * services
    ) > 50 * (10 if tab["currency"] in _THREE_DECIMAL else 1):
        yield f"the total is {tab['total_minor']}, of {services} for services at {percent} %"


def fee_within_disclosed(tab: Json) -> Iterator[str]:
    if tab["fee"] is None:
        return
    disclosed = tab["promise"][f"{tab['fee']['kind']}_fee_minor"]
    if tab["fee"]["amount_minor"] > disclosed:
        yield f"a fee of {tab['fee']['amount_minor']}, disclosed were {disclosed}"


def no_tip_is_owed(tab: Json) -> Iterator[str]:
    """A tip becomes due only when it is paid, so it is never owed."""
    # A tip that was given back leaves a bill below nothing.
    without_tip = max(0, tab["amount_due_minor"] - tab["tip_minor"])
    if tab["balance_minor"] > without_tip:
        yield f"{tab['balance_minor']} are owed, of a bill of {without_tip} without the tip"


def refunded_within_taken(tab: Json) -> Iterator[str]:
    for leg in tab["legs"]:
        if _given_back_minor(leg) > leg["amount_minor"]:
            yield f"{_given_back_minor(leg)} given back of {leg['payment_id']}, which took {leg['amount_minor']}"


def a_bank_counts_once(tab: Json) -> Iterator[str]:
    """At most what a bank took counts as refunded, and only for lost disputes."""
    for leg in tab["legs"]:
        for dispute in leg["disputes"]:
            of_it = f"of dispute {dispute['dispute_id']} over {dispute['amount_minor']}"
            if dispute["returned_minor"] > max(dispute["amount_minor"], dispute["withdrawn_minor"]):
                yield f"{dispute['returned_minor']} counts as given back {of_it}"
            if dispute["state"] in _INQUIRIES and dispute["withdrawn_minor"]:
                yield f"{dispute['withdrawn_minor']} was taken {of_it}, which only asks"


def bad_debt_is_what_was_lost(tab: Json, history: History) -> Iterator[str]:
    """Bad debt is what was written off, or taken by a bank for good and not owed back anyway."""
    written_off = sum(_posted(entry, "bad_debt") for entry in history if entry["kind"] == "written_off")
    lost = sum(
        dispute["withdrawn_minor"] - dispute["returned_minor"]
        for leg in tab["legs"]
        for dispute in leg["disputes"]
        if dispute["state"] == "lost"
    )
    if tab["ledger"].get("bad_debt", 0) != written_off + lost:
        yield f"bad debt is {tab['ledger'].get('bad_debt', 0)}, {written_off} was written off and {lost} lost to banks"


def surplus_is_owed_back(tab: Json) -> Iterator[str]:
    """Money above the amount due must be recorded as owed back."""
    surplus = max(0, _kept_minor(tab) - tab["amount_due_minor"])
    if surplus != tab["refund_owed_minor"]:
        yield f"{surplus} too much is kept, {tab['refund_owed_minor']} said to be owed back"
    pending = sum(leg["refund_pending_minor"] for leg in tab["legs"])
    payable = -tab["ledger"].get("refund_payable", 0)
    if payable != tab["refund_owed_minor"] + pending:
        yield f"{payable} is payable as refunds, {tab['refund_owed_minor']} owed back and {pending} on its way"


def finished_tab_lets_go(tab: Json) -> Iterator[str]:
    """A live hold on a finished tab is about to be released, or captured for a fee."""
    if tab["status"] in _FINISHED and _live_holds(tab) and tab["next_action"] is None:
        yield f"a hold is still live on a tab that is {tab['status']}, and nothing will be done about it"


# A split bill with its shares, at every moment


def check_split(parent: Json, shares: list[Json]) -> list[str]:
    """What is broken in a bill and all its shares, also those of earlier splits; empty: nothing."""
    return [f"{parent['tab_id']}: {problem}" for problem in _broken_in_split(parent, shares)]


def _broken_in_split(parent: Json, shares: list[Json]) -> Iterator[str]:
    known = {share["tab_id"]: share for share in parent["shares"]}
    # What has left a share, and of which its parent was not told yet.
    under_way = sum(
        share["parent"]["returned_minor"] - known[share["tab_id"]]["returned_minor"]
        for share in shares
        if share["tab_id"] in known
    )
    moved = sum(tab["ledger"].get("shares", 0) for tab in (parent, *shares))
    if moved != under_way:
        yield f"{moved} is between the bill and its shares, {under_way} is under way"
    if under_way < 0:
        yield f"{-under_way} has come back more than once"
    owed = _bill_minor(parent) + sum(_bill_minor(share) + share["adjusted_minor"] for share in shares) + under_way
    # A bill that is amended after its split was taken back is not due.
    bill = parent["total_minor"] if parent["presented_at"] else 0
    if owed != bill:
        yield f"bill and shares are {owed} together, the bill was {bill}"
    for share in shares:
        if share["parent"]["returned_minor"] > share["parent"]["amount_minor"]:
            yield f"more came back of share {share['tab_id']} than it was"
    yield from _wrong_taxes(parent, shares)


def _wrong_taxes(parent: Json, shares: list[Json]) -> Iterator[str]:
    """What was taken off a tab had the tax of items that were on it; the books have reversed that and no more."""
    out = {
        item["item_id"] for share in shares if not share["parent"]["returned_minor"] for item in share["items"]
    }  # No item of the bill, where that was split by amounts.
    for tab in (parent, *shares):
        items = [item for item in tab["items"] if not item["voided"] and item["amount_minor"]]
        reversed_minor = sum(item["tax_minor"] for item in items) - tab["tax_minor"]
        in_books = tab["ledger"].get("tax", 0)
        billed = tab["tax_minor"] if tab["presented_at"] else 0
        if in_books != (reversed_minor if tab["parent"] else -billed):
            yield f"{in_books} of tax is in the books of {tab['tab_id']}, {reversed_minor} of it reversed"
        own = [item for item in items if tab["parent"] or item["item_id"] not in out]
        rates = [Fraction(item["tax_minor"], item["amount_minor"]) for item in own] or [Fraction(0)]
        # By reductions, and by a lower outcome. Each part that was moved may have rounded it once more, and each line
        # of a lower outcome.
        off_minor = sum(item["amount_minor"] for item in items) - tab["total_minor"]
        least, most = (rate(rates) * off_minor for rate in (min, max))
        rounded = len(shares) + (len(items) if tab["price_percent"] < _WHOLE else 0)
        if not least - rounded <= reversed_minor <= most + rounded:
            was_in_it = f"from {float(least)} to {float(most)} was in it"
            yield f"{reversed_minor} of tax was taken off {tab['tab_id']}, {was_in_it}"


def _bill_minor(tab: Json) -> int:
    """What the tab's payer has to pay of the bill, or was forgiven."""
    minor: int = tab["amount_due_minor"] - tab["tip_minor"] + tab["waived_minor"] + tab["written_off_minor"]
    return minor


# Its history, at every moment


def entries_sum_to_the_ledger(tab: Json, history: History) -> Iterator[str]:
    ledger: Counter[str] = Counter()
    for entry in history:
        for posting in entry["postings"]:
            ledger[posting["account"]] += posting["amount_minor"]
        if total := sum(posting["amount_minor"] for posting in entry["postings"]):
            yield f"entry {entry['seq']} ({entry['kind']}) sums to {total}"
    said = {account: minor for account, minor in tab["ledger"].items() if minor}
    told = {account: minor for account, minor in ledger.items() if minor}
    if said != told:
        yield f"the ledger is {said}, its entries say {told}"


def no_entry_is_missing(tab: Json, history: History) -> Iterator[str]:
    numbers = [entry["seq"] for entry in history]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"the entries are numbered {numbers}"


def money_is_taken_once(tab: Json, history: History) -> Iterator[str]:
    """No payment makes two legs, and no payment is posted twice."""
    for what, kinds in (("legs", Counter(leg["payment_id"] for leg in tab["legs"])), ("postings", _taken(history))):
        for payment_id, number in kinds.items():
            if number > 1:
                yield f"{payment_id} has {number} {what}"


def one_attempt_takes_money(tab: Json, history: History) -> Iterator[str]:
    """Checked after every entry of the history, not only at its end."""
    taking: set[str] = set()
    for entry in history:
        details = entry["details"]
        if entry["kind"] == "attempt_begun" and details["operation"] in _TAKES_MONEY:
            taking.add(details["attempt_id"])
            if len(taking) > 1:
                yield f"at entry {entry['seq']} {len(taking)} attempts take money at once: {', '.join(sorted(taking))}"
        elif entry["kind"] == "attempt_ended":
            taking.discard(details["attempt_id"])


def every_attempt_ends_once(tab: Json, history: History) -> Iterator[str]:
    begun = Counter(e["details"]["attempt_id"] for e in history if e["kind"] == "attempt_begun")
    ended = Counter(e["details"]["attempt_id"] for e in history if e["kind"] == "attempt_ended")
    for attempt_id, number in begun.items():
        if number > 1 or ended[attempt_id] > 1:
            yield f"{attempt_id} began {number} times and ended {ended[attempt_id]} times"
    for attempt_id in sorted(ended.keys() - begun.keys()):
        yield f"{attempt_id} ended and never began"


# What was promised


def sealed_texts_are_kept(tab: Json, history: History) -> Iterator[str]:
    """Every accepted text is complete in the timeline and matches its hash; the last one is the tab's promise."""
    sealed = _acceptances(history)
    for entry in sealed:
        if sha256(entry["details"]["text"].encode()).hexdigest() != entry["details"]["promise_sha256"]:
            yield f"the text of entry {entry['seq']} is not the one that was sealed"
    stands = tab["promise"]["promise_sha256"] if tab["promise"]["accepted"] else None
    last = sealed[-1]["details"]["promise_sha256"] if sealed else None
    if stands != last:
        yield f"the promise that stands is {stands}, the one that was accepted last {last}"


def consents_are_those_given(tab: Json, history: History) -> Iterator[str]:
    """The tab's consents are those of all acceptances, no fewer and no more."""
    given: set[str] = set()
    for entry in history:
        if entry["kind"] == "promise_accepted":
            given = set(entry["details"]["consents"])
        elif entry["kind"] == "consents_added":
            given |= set(entry["details"]["consents"])
    accepted = tab["promise"]["accepted"]
    shown = set(accepted["consents"]) if accepted else set()
    if shown != given:
        yield f"the consents are {sorted(shown)}, given were {sorted(given)}"


def only_the_customer_replaces_what_they_sealed(tab: Json, history: History) -> Iterator[str]:
    """An acceptance recorded by staff never replaces a promise that the customer accepted themselves."""
    by_customer = False
    for entry in _acceptances(history):
        in_person = entry["details"]["method"] == "in_person"
        if in_person and by_customer:
            yield f"entry {entry['seq']} replaces in person what the customer had sealed"
        by_customer = by_customer or not in_person


def free_cancelling_lasts_an_hour(tab: Json, history: History) -> Iterator[str]:
    """Cancelling is free for an hour from the first acceptance, unless the service begins earlier."""
    sealed = [entry for entry in _acceptances(history) if entry["details"]["free_cancel_until"]]
    for entry in sealed:
        until = datetime.fromisoformat(entry["details"]["free_cancel_until"])
        least = datetime.fromisoformat(sealed[0]["at"]) + timedelta(hours=1)
        if until < min(least, datetime.fromisoformat(tab["starts_at"])):
            yield f"entry {entry['seq']} ends free cancelling at {until}, within an hour"


def a_far_deposit_keeps_a_card(tab: Json) -> Iterator[str]:
    """A deposit beyond the life of a hold: who accepts it agrees to a card being kept, from which it is held later."""
    accepted = tab["promise"]["accepted"]
    if not accepted or accepted["method"] == "in_person" or not tab["promise"]["deposit_minor"] or not tab["starts_at"]:
        return
    ahead = datetime.fromisoformat(tab["starts_at"]) - datetime.fromisoformat(accepted["accepted_at"])
    if ahead > _HOLD_LIVES and "card_on_file" not in accepted["consents"]:
        yield f"a deposit is accepted {ahead.days} days ahead, and no card may be kept for it"


def what_a_deposit_waits_for_is_said(tab: Json, history: History) -> Iterator[str]:
    """An unsecured deposit without a step in progress tells the customer what to do next."""
    unsecured = tab["deposit"]["state"] in ("wanted", "failed", "lapsed", "expired") and not _live_holds(tab)
    if tab["status"] not in ("booked", "open") or not unsecured:
        return
    placing = any(a.operation == "place_hold" and a.state is None for a in attempts_of(history).values())
    if not placing and not tab["needs"]:
        yield f"the deposit is {tab['deposit']['state']}, and nobody says what it needs"


def customers_cancel_as_promised(tab: Json, history: History) -> Iterator[str]:
    """Cancelling is free until the sealed time, then costs the late-cancel fee, and after the start the no-show fee."""
    seen: list[Json] = []
    for entry in history:
        if entry["kind"] == "canceled" and entry["details"]["by_role"] == "customer":
            if tab["starts_at"] is None or any(earlier["kind"] == "checked_in" for earlier in seen):
                yield f"at entry {entry['seq']} the customer cancels a service that has begun"
            else:
                promised, fee = _cancelling_costs(tab, seen, entry["at"]), entry["details"]["fee_minor"]
                if fee != promised:
                    yield f"cancelling cost {fee} at entry {entry['seq']}, promised were {promised}"
        seen.append(entry)


def clocks_waive_and_people_uphold(tab: Json, history: History) -> Iterator[str]:
    """An unanswered contest is waived, at most the contested amount; only a person upholds a bill."""
    contested = 0
    for before, entry in zip([None, *history], history, strict=False):
        if entry["kind"] == "contested":
            contested = entry["details"]["contested_minor"]
        if entry["kind"] != "contest_resolved" or entry["by"] != _SYSTEM:
            continue
        if entry["details"].get("of") == "tier":
            if entry["details"]["resolution"] != "waive":
                yield f"at entry {entry['seq']} nobody answered, and the outcome was upheld"
        elif entry["details"]["resolution"] != "waive" or before is None or before["kind"] != "waived":
            yield f"at entry {entry['seq']} nobody answered, and the contest was not waived"
        elif before["details"]["amount_minor"] > contested:
            yield f"at entry {before['seq']} {before['details']['amount_minor']} are waived, contested were {contested}"


def cash_is_handed_back_by_people(tab: Json, history: History) -> Iterator[str]:
    """Cash is recorded only by people, never by the clock or the payment provider."""
    for entry in history:
        if entry["kind"] == "cash_returned" and entry["by"] == _SYSTEM:
            yield f"at entry {entry['seq']} cash went back, and nobody handed it over"


def cash_to_return_is_owed_back(tab: Json) -> Iterator[str]:
    in_cash = sum(leg["amount_minor"] - _given_back_minor(leg) for leg in tab["legs"] if leg["kind"] == "cash")
    if not 0 <= tab["cash_to_return_minor"] <= min(in_cash, tab["refund_owed_minor"]):
        yield f"{tab['cash_to_return_minor']} is to be handed back, {in_cash} of cash is kept"


def credit_is_a_part_of_the_bill(tab: Json) -> Iterator[str]:
    """Credit pays no fee, no tip and no share; what is kept of it is at most what is due without the tip."""
    kept = sum(leg["amount_minor"] - _given_back_minor(leg) for leg in tab["legs"] if leg["kind"] == "credit")
    if kept and (tab["fee"] is not None or tab["parent"] is not None):
        yield f"{kept} of credit pays a fee or a share"
    if kept > max(0, tab["amount_due_minor"] - tab["tip_minor"]) + tab["refund_owed_minor"] + tab["written_off_minor"]:
        yield f"{kept} of credit is kept, due are {tab['amount_due_minor']} with a tip of {tab['tip_minor']}"


def credit_is_for_tabs_that_ended_well(tab: Json, history: History) -> Iterator[str]:
    """Nothing is kept of what was earned by a tab that is not fulfilled and paid, was contested, or is disputed."""
    earned = sum(
        (1 if entry["kind"] == "credit_earned" else -1) * entry["details"]["amount_minor"]
        for entry in history
        if entry["kind"] in ("credit_earned", "credit_reversed")
    )
    expired = sum(entry["details"]["amount_minor"] for entry in history if entry["kind"] == "credit_expired")
    if earned <= expired:
        return
    for kind in ("contested", "dispute_opened", "dispute_lost", "written_off"):
        if any(entry["kind"] == kind for entry in history):
            yield f"{earned - expired} of credit is kept, and the tab was {kind.replace('_', ' ')}"
    if tab["outcome"] != "fulfilled" or not tab["paid_minor"]:
        yield f"{earned - expired} of credit was earned by a tab that ended as {tab['outcome']}"
    if not max(0, tab["amount_due_minor"] - tab["tip_minor"]):
        yield f"{earned - expired} of credit is kept of a bill that was given back whole"


def credit_posts_what_it_says(tab: Json, history: History) -> Iterator[str]:
    """The ledger's customer_credit is what the entries gave, less what they took."""
    owed = sum(_credit_moved(entry) for entry in history)
    if tab["ledger"].get("customer_credit", 0) != -owed:
        yield f"customer_credit is {tab['ledger'].get('customer_credit', 0)}, the entries come to {-owed}"


def starts_as_promised(tab: Json) -> Iterator[str]:
    """The service begins when the current promise says, whether it was moved or not."""
    if tab["starts_at"] != tab["promise"]["starts_at"]:
        yield f"it starts at {tab['starts_at']}, promised was {tab['promise']['starts_at']}"


def moved_with_the_customers_yes(tab: Json, history: History) -> Iterator[str]:
    """An accepted appointment is moved only if the customer accepts the new time."""
    accepted = False
    for before, entry in pairwise(history):
        accepted = accepted or before["kind"] == "promise_accepted"
        if entry["kind"] == "rescheduled" and accepted and before["kind"] != "promise_accepted":
            yield f"at entry {entry['seq']} an accepted appointment is moved, and the customer has not said yes"


def disclosed_hold_is_taken_for_the_bill(tab: Json, history: History) -> Iterator[str]:
    """A hold is captured before its expiry only for a presented bill, or as the promise disclosed."""
    consents: set[str] = set()
    presented, last_item_at = False, None
    for entry in history:
        kind, details = entry["kind"], entry["details"]
        if kind in ("promise_accepted", "consents_added"):
            consents = set(details["consents"]) | (consents if kind == "consents_added" else set())
        elif kind in ("bill_presented", "bill_amended"):
            presented = kind == "bill_presented"
        elif kind == "items_added":
            last_item_at = datetime.fromisoformat(entry["at"])
        elif kind == "hold_expiring" and details["action"] != "capture" and "capture_before_expiry" in consents:
            at = datetime.fromisoformat(entry["at"])
            is_idle = last_item_at is not None and at - last_item_at >= IDLE
            if presented or (is_idle and tab["card"] is None and tab["total_minor"] > 0):
                yield f"at entry {entry['seq']} a hold is left to end beside a bill that it was agreed to secure"


def no_show_fee_is_announced_first(tab: Json, history: History) -> Iterator[str]:
    """A no-show's fee is taken a day after its notice; earlier only from a hold that is about to expire."""
    announced_at = None
    for entry in history:
        details = entry["details"]
        if entry["kind"] == "fee_due" and details["fee"] == "no_show":
            announced_at = datetime.fromisoformat(entry["at"])
        elif entry["kind"] == "canceled":
            # The customer saw the fee of a cancellation.
            return
        elif entry["kind"] == "settlement_planned" and details["reason"] == "fee" and announced_at is not None:
            after = datetime.fromisoformat(entry["at"]) - announced_at
            if after < FEE_NOTICE:
                yield f"a no-show's fee is taken {after} after it was announced"


def fee_stays_contestable(tab: Json, history: History) -> Iterator[str]:
    """A tab with a fee closes two weeks after the announcement, unless the fee was waived or written off."""
    announced = [entry["at"] for entry in history if entry["kind"] == "fee_due"]
    # What was written off may still be paid, by the customer's own act.
    is_given_up = any(entry["kind"] == "written_off" for entry in history)
    if tab["status"] == "closed" and tab["fee"] is not None and tab["amount_due_minor"] and announced:
        after = datetime.fromisoformat(tab["closed_at"]) - datetime.fromisoformat(announced[-1])
        if after < CONTESTABLE and not is_given_up:
            yield f"a fee can't be contested any more, {after} after it was announced"


def a_person_is_called_at_the_end_of_the_ladder(tab: Json, history: History) -> Iterator[str]:
    """Only our own lookups use up the ladder (2, 5, 10, 30 and 60 minutes), not repeated events."""
    begun = {e["details"]["attempt_id"]: e["at"] for e in history if e["kind"] == "attempt_begun"}
    for entry in history:
        if entry["kind"] == "flagged" and entry["details"]["flag"] == "outcome_unknown":
            waited = datetime.fromisoformat(entry["at"]) - datetime.fromisoformat(begun[entry["details"]["about"]])
            if waited < _LADDER:
                yield f"{entry['details']['about']} was given up on after {waited}, at entry {entry['seq']}"


def a_deposit_is_not_given_back_and_taken_again(tab: Json, history: History) -> Iterator[str]:
    """Money captured from a hold before the service secures the service; it is refunded if that is canceled."""
    captured: dict[str, datetime] = {}
    for entry in history:
        details = entry["details"]
        if entry["kind"] in _ENDS_SERVICE:
            return
        if entry["kind"] == "captured":
            captured[details["payment_id"]] = datetime.fromisoformat(entry["at"])
        elif _begins(entry, "refund") and details["payment_id"] in captured:
            kept_for = datetime.fromisoformat(entry["at"]) - captured[details["payment_id"]]
            if kept_for < _DEPOSIT_IS_KEPT:
                yield f"the deposit {details['payment_id']} goes back before the service, at entry {entry['seq']}"


def nothing_is_charged_unasked_too_soon(tab: Json, history: History) -> Iterator[str]:
    """Before the promised start money is taken only with the customer's consent; without it, after the review window.

    The consent: accepting the bill, or paying on the phone. A contest or an amended bill withdraws it. The window
    begins when the customer was told of the bill or has seen it. During the review, a hold that is about to expire may
    be captured, but nothing charged.
    """
    starts_at = _instant(tab["starts_at"])
    window = timedelta(seconds=tab["promise"]["review_window_s"])
    with_customer: set[str] = set()
    accepted, is_reviewed, known_since = False, False, None
    for entry in history:
        kind, details, at = entry["kind"], entry["details"], _instant(entry["at"])
        assert at is not None, "an entry has its time"
        if kind == "fee_due":
            return
        if kind == "bill_presented" or (kind == "contest_resolved" and details["resolution"] == "adjust"):
            accepted, is_reviewed, known_since = False, True, None
        elif kind in ("bill_told", "bill_seen"):
            known_since = at
        elif kind in ("bill_accepted", "contested", "bill_amended", "contest_resolved"):
            accepted, is_reviewed = kind == "bill_accepted", False
        elif kind == "review_ended":
            if known_since is None:
                yield f"at entry {entry['seq']} the review ends, and the customer does not know the bill"
            elif at < known_since + window:
                yield f"at entry {entry['seq']} the review ends {known_since + window - at} too soon"
            is_reviewed = False
        elif kind == "attempt_ended" and details["state"] == "succeeded":
            accepted |= details["attempt_id"] in with_customer
        elif kind == "attempt_begun" and details["operation"] in _TAKES_MONEY:
            if details["with_customer"]:
                with_customer.add(details["attempt_id"])
            elif not accepted and starts_at is not None and at < starts_at:
                yield f"at entry {entry['seq']} {details['amount_minor']} are taken unasked before the promised start"
            elif not accepted and is_reviewed and details["operation"] == "charge":
                yield f"at entry {entry['seq']} {details['amount_minor']} are charged while the bill is under review"


def who_accepts_is_charged_as_present(tab: Json, history: History) -> Iterator[str]:
    """Accepting is the customer's own act: what is charged or held at once for it is made with the customer there."""
    accepted = None
    for entry in history:
        details, who_and_when = entry["details"], (entry["by"], entry["at"])
        if entry["kind"] == "bill_accepted" or (entry["kind"] == "promise_accepted" and details["method"] == "app"):
            accepted = who_and_when
        elif _begins(entry, "charge") or _begins(entry, "place_hold"):
            is_there = details["with_customer"] or accepted != who_and_when
            if not is_there:
                yield f"at entry {entry['seq']} {entry['by']} accepts, and the bank is told that nobody is there"


def a_refused_card_is_left_alone(tab: Json, history: History) -> Iterator[str]:
    """After a final decline the card is never used again for a hold or a charge."""
    refused: set[str] = set()
    for entry in history:
        kind, details = entry["kind"], entry["details"]
        if kind == "card_refused":
            refused.add(details["card_id"])
        elif kind == "card_updated":
            refused.discard(details["card_id"])
        elif kind == "attempt_begun" and details["card_id"] in refused:
            yield f"at entry {entry['seq']} {details['card_id']} is tried again, which its bank has refused for good"


def the_higher_price_needs_a_word(tab: Json, history: History) -> Iterator[str]:
    """No clock and nobody of the business makes a bill dearer than the outcome that the customer chose.

    What they did not choose is priced as the promise says silence is. A person may uphold that against a contest.
    """
    if not tab["promise"]["tiers"]:
        return
    chosen: int | None = None
    for entry in history:
        kind, details = entry["kind"], entry["details"]
        if kind == "bill_amended":
            chosen = None
        elif kind == "tier_chosen":
            chosen = details["tier_percent"]
            if entry["by"] == _SYSTEM:
                yield f"at entry {entry['seq']} a clock has chosen an outcome"
        elif kind == "contest_resolved" and details["of"] == "tier":
            is_waived = details["resolution"] == "waive"
            chosen = details["tier_percent"] if is_waived else None
            if not is_waived and entry["by"] == _SYSTEM:
                yield f"at entry {entry['seq']} a clock upholds the outcome against the customer"
    if chosen is not None and tab["presented_at"] is not None and tab["price_percent"] > chosen:
        yield f"the price is {tab['price_percent']} %, the customer chose {chosen} %"


def what_was_taken_off_stays_off(tab: Json, history: History) -> Iterator[str]:
    """A reduction after a contest stays, whatever is amended, added or voided later."""
    off = sum(entry["details"]["amount_minor"] for entry in history if entry["kind"] in _LOWERS_BILL)
    if tab["adjusted_minor"] != off:
        yield f"{tab['adjusted_minor']} are off the bill, agreed on were {off}"


# When the agenda has nothing left to do


_COMES_LATER = ("tell_credit", "expire_credit", "ask_story")


def nothing_is_left_to_do(tab: Json) -> Iterator[str]:
    """A closed tab may still wait, for a year, for what time makes of the credit that it has given."""
    waits = tab["status"] == "closed" and (tab["next_action"] or {}).get("code") in _COMES_LATER
    if tab["next_action"] is not None and not waits and not _flagged(tab, "outcome_unknown"):
        yield f"something is still to happen: {tab['next_action']}"


def taken_within_due(tab: Json) -> Iterator[str]:
    """What was taken minus refunds is at most the amount due, except cash and failed refunds, which a person handles.

    A flag about something else is no excuse, because it would hide what became owed after it.
    """
    surplus = _kept_minor(tab) - tab["amount_due_minor"] - tab["cash_to_return_minor"]
    if surplus > 0 and not _flagged(tab, "refund_by_hand") and tab["payment_state"] != "disputed":
        yield f"{surplus} too much is kept, and nobody is told"


def what_is_owed_by_hand_is_told(tab: Json) -> Iterator[str]:
    """A flag about money that cannot be refunded automatically has the current amount, including later obligations."""
    said = sum(flag["amount_minor"] for flag in tab["flags"] if flag["kind"] == "refund_by_hand")
    owed = tab["refund_owed_minor"] - tab["cash_to_return_minor"]
    if said > owed or (said < owed and tab["payment_state"] != "disputed"):
        yield f"{owed} is owed back, {said} is said to be for a person"


def finished_tab_has_no_live_hold(tab: Json) -> Iterator[str]:
    if tab["status"] in _FINISHED and _live_holds(tab):
        yield "a hold is still live"


def the_owner_hears_of_the_end(tab: Json, history: History) -> Iterator[str]:
    """If an automatically collected bill is still unpaid at the end, the owner has been told, or has paused that."""
    asked = any(entry["kind"] in ("reminded", "charge_failed", "charge_refused") for entry in history)
    told = any(entry["kind"] == "collection_ended" for entry in history)
    unpaid = tab["balance_minor"] and tab["status"] in _OWED and tab["payment_state"] != "disputed"
    if unpaid and asked and not told and tab["next_action"] is None and not tab["pause"]:
        yield f"{tab['balance_minor']} are asked for no more, and the owner does not know"


def no_attempt_is_left_open(tab: Json, history: History) -> Iterator[str]:
    for attempt in attempts_of(history).values():
        if attempt.state is None and not _flagged(tab, "outcome_unknown", attempt.attempt_id):
            yield f"{attempt.attempt_id} ({attempt.operation}) has no outcome, and nobody is told"


# The credit of a merchant's customers


def check_credits(statements: Iterable[Json], histories: Mapping[str, History]) -> list[str]:
    """The statements of all customers (with every movement) against the histories of all tabs, by tab."""
    return list(_wrong_credits(list(statements), histories))


def _wrong_credits(statements: list[Json], histories: Mapping[str, History]) -> Iterator[str]:
    entries = {
        (tab_id, entry["seq"]): entry
        for tab_id, history in histories.items()
        for entry in history
        if entry["kind"] in _CREDIT_MOVES
    }
    for statement in statements:
        who, movements = statement["account"]["customer_id"], sorted(statement["movements"], key=lambda m: m["seq"])
        yield from _wrong_statement(who, statement, movements)
        for moved in movements:
            entry = entries.pop((moved["tab_id"], moved["tab_seq"]), None)
            if entry is None:
                yield f"{who}: movement {moved['seq']} has no entry of its own"
                continue
            kind, _ = _CREDIT_MOVES[entry["kind"]]
            if (moved["kind"], moved["amount_minor"]) != (kind, _credit_moved(entry)):
                yield f"{who}: movement {moved['seq']} is {moved['kind']} {moved['amount_minor']}, its entry not"
            if entry["details"].get("credited_customer_id", who) != who:
                yield f"{who}: movement {moved['seq']} is somebody else's"
        yield from _spent_too_early(who, movements, histories)
    for (tab_id, seq), entry in entries.items():
        yield f"entry {seq} of {tab_id} ({entry['kind']}) is on no statement"


def _wrong_statement(who: str, statement: Json, movements: list[Json]) -> Iterator[str]:
    left = sum(lot["left_minor"] for lot in statement["lots"])
    balance = 0
    for number, moved in enumerate(movements, 1):
        balance += moved["amount_minor"]
        if (moved["seq"], moved["balance_minor"]) != (number, balance):
            yield f"{who}: line {number} is {moved['seq']} with {moved['balance_minor']}, the sum is {balance}"
    if left != balance:
        yield f"{who}: {left} is left in lots, the movements come to {balance}"
    reversed_minor = -sum(moved["amount_minor"] for moved in movements if moved["kind"] == "reversed")
    short = -sum(lot["left_minor"] for lot in statement["lots"] if lot["left_minor"] < 0)
    if short > reversed_minor:
        yield f"{who}: {short} is carried below zero, only {reversed_minor} was ever taken back"


def _spent_too_early(who: str, movements: list[Json], histories: Mapping[str, History]) -> Iterator[str]:
    """After each spending, what is left without credit that is not active yet is not below zero."""
    active_at: dict[tuple[str, int], tuple[str, str]] = {}
    for tab_id, history in histories.items():
        for entry in history:
            if entry["kind"] in ("credit_earned", "credit_returned"):
                active_at[tab_id, entry["seq"]] = (entry["details"]["lot_id"], entry["details"]["active_at"])
    lots: dict[str, tuple[str, int]] = {}
    of_reversal = {
        (tab_id, entry["seq"]): entry["details"]["lot_id"]
        for tab_id, history in histories.items()
        for entry in history
        if entry["kind"] == "credit_reversed"
    }
    balance = 0
    for moved in movements:
        balance += moved["amount_minor"]
        key = (moved["tab_id"], moved["tab_seq"])
        if moved["kind"] in ("earned", "returned") and key in active_at:
            lot_id, at = active_at[key]
            lots[lot_id] = (at, moved["amount_minor"])
        elif moved["kind"] == "reversed" and (lot_id := of_reversal.get(key, "")) in lots:
            at, minor = lots[lot_id]
            lots[lot_id] = (at, minor + moved["amount_minor"])
        elif moved["kind"] == "spent":
            pending = sum(minor for at, minor in lots.values() if _is_later(at, moved["at"]))
            if balance < pending:
                yield f"{who}: movement {moved['seq']} spends what was not active yet"


# Our books and Stripe's


def nothing_is_claimed_that_stripe_has_not(tab: Json, objects: Objects) -> Iterator[str]:
    """Every hold and card payment in our books exists at Stripe, with at least that amount."""
    theirs = {payment["id"]: payment for payment in objects.payments}
    for ours in (*tab["holds"], *_card_legs(tab)):
        payment = theirs.get(ours["payment_id"])
        if payment is None:
            yield f"{ours['payment_id']} is in our books only"
        elif payment["currency"].upper() != tab["currency"]:
            yield f"{payment['id']} is in {payment['currency'].upper()}, the tab in {tab['currency']}"
        elif ours["amount_minor"] > _minor(payment["amount"], payment):
            yield f"we have {ours['amount_minor']} in {payment['id']}, Stripe {_minor(payment['amount'], payment)}"
    for leg in _card_legs(tab):
        payment = theirs.get(leg["payment_id"])
        received = _minor(payment["amount_received"], payment) if payment else 0
        if payment is not None and leg["amount_minor"] > received:
            yield f"we say {leg['amount_minor']} was taken by {payment['id']}, Stripe says {received}"


def every_payment_is_in_the_books(tab: Json, objects: Objects) -> Iterator[str]:
    """Every payment at Stripe is exactly one leg, to the cent, and every hold there is a live hold here."""
    legs = {leg["payment_id"]: leg for leg in _card_legs(tab)}
    holds = {hold["payment_id"]: hold for hold in tab["holds"]}
    for payment in objects.payments:
        is_hold = payment["capture_method"] == "manual"
        leg, hold = legs.get(payment["id"]), holds.get(payment["id"])
        taken = _minor(payment["amount_received"], payment) if payment["status"] == "succeeded" else 0
        held = _minor(payment["amount_capturable"], payment) if payment["status"] == "requires_capture" else 0
        in_leg = leg["amount_minor"] if leg else 0
        in_hold = hold["amount_minor"] if hold and hold["state"] == "live" else 0
        if taken != in_leg:
            yield f"Stripe took {taken} by {payment['id']}, our books say {in_leg}"
        elif leg is not None and leg["kind"] != ("capture" if is_hold else "charge"):
            yield f"{payment['id']} is a {leg['kind']} in our books, and none at Stripe"
        if held != in_hold:
            yield f"Stripe holds {held} in {payment['id']}, our books say {in_hold}"


def every_refund_is_in_the_books(tab: Json, objects: Objects) -> Iterator[str]:
    """The refunds of each payment agree to the cent, except those outside Stripe or by a bank."""
    theirs: Counter[str] = Counter()
    for refund in objects.refunds:
        if refund["status"] not in _NOT_GIVEN_BACK:
            theirs[refund["payment_intent"]] += _minor(refund["amount"], refund)
    for leg in _card_legs(tab):
        ours, at_stripe = _given_back_minor(leg), theirs.pop(leg["payment_id"], 0)
        past_stripe = leg["refunded_elsewhere_minor"] + sum(dispute["returned_minor"] for dispute in leg["disputes"])
        if ours - past_stripe != at_stripe:
            yield f"Stripe gave {at_stripe} back of {leg['payment_id']}, our books say {ours - past_stripe}"
    for payment_id, minor in theirs.items():
        yield f"Stripe gave {minor} back of {payment_id}, which our books don't have"


def every_dispute_is_in_the_books(tab: Json, objects: Objects) -> Iterator[str]:
    """Every dispute and inquiry at Stripe is in our books, by its id, in its state."""
    ours = {dispute["dispute_id"]: dispute for leg in tab["legs"] for dispute in leg["disputes"]}
    for theirs in objects.disputes:
        state = _DISPUTE_STATES[theirs["status"]]
        if theirs["id"] not in ours:
            yield f"dispute {theirs['id']} of {theirs['payment_intent']} is not in our books"
        elif ours[theirs["id"]]["state"] != state:
            yield f"dispute {theirs['id']} is {state}, in our books {ours[theirs['id']]['state']}"


def every_object_has_one_attempt(tab: Json, history: History, objects: Objects) -> Iterator[str]:
    """Every object with our metadata was made by exactly one attempt of that kind and amount, and vice versa."""
    attempts = attempts_of(history)
    makers: Counter[str] = Counter()
    for made in (*objects.payments, *objects.refunds):
        attempt_id = _metadata(made).get("attempt")
        if attempt_id is None:
            continue
        makers[attempt_id] += 1
        attempt = attempts.get(attempt_id)
        if attempt is None:
            yield f"{made['id']} is of {attempt_id}, which is not in the tab's history"
        elif _minor(made["amount"], made) != attempt.amount_minor:
            yield f"{made['id']} is over {_minor(made['amount'], made)}, {attempt_id} over {attempt.amount_minor}"
        elif _metadata(made).get("purpose") != attempt.operation:
            yield f"{made['id']} is for a {_metadata(made).get('purpose')}, {attempt_id} for a {attempt.operation}"
    for attempt_id, number in makers.items():
        if number > 1:
            yield f"{attempt_id} made {number} objects at Stripe"


def every_success_has_one_object(tab: Json, history: History, objects: Objects) -> Iterator[str]:
    """Every attempt that succeeded had its effect at Stripe, with its own amount."""
    payments = {payment["id"]: payment for payment in objects.payments}
    made = {_metadata(one).get("attempt"): one for one in (*objects.payments, *objects.refunds)}
    for attempt in attempts_of(history).values():
        if attempt.state != "succeeded":
            continue
        if attempt.operation in _MAKES_PAYMENT or attempt.operation == "refund":
            done = made.get(attempt.attempt_id)
            minor = _minor(done["amount"], done) if done else 0
            if done and attempt.operation == "charge":
                minor = _minor(done["amount_received"], done)
        else:
            done = payments.get(attempt.payment_id or "")
            minor = attempt.amount_minor if done and done["status"] == "canceled" else 0
            if done and attempt.operation == "capture":
                minor = _minor(done["amount_received"], done)
        if done is None:
            yield f"{attempt.attempt_id} ({attempt.operation}) succeeded, and Stripe has nothing of it"
        elif minor != attempt.amount_minor:
            yield f"{attempt.attempt_id} ({attempt.operation}) is over {attempt.amount_minor}, Stripe did {minor}"


# Matching attempts and objects

_OF_TAB = (
    postings_sum_to_zero,
    receivable_is_balance,
    captured_within_held,
    total_within_cap,
    starts_as_promised,
    fee_within_disclosed,
    price_is_of_the_outcome,
    no_tip_is_owed,
    refunded_within_taken,
    a_bank_counts_once,
    surplus_is_owed_back,
    finished_tab_lets_go,
    cash_to_return_is_owed_back,
    credit_is_a_part_of_the_bill,
    a_far_deposit_keeps_a_card,
)
_OF_HISTORY = (
    entries_sum_to_the_ledger,
    no_entry_is_missing,
    money_is_taken_once,
    one_attempt_takes_money,
    every_attempt_ends_once,
    a_person_is_called_at_the_end_of_the_ladder,
    a_deposit_is_not_given_back_and_taken_again,
    nothing_is_charged_unasked_too_soon,
    a_refused_card_is_left_alone,
    who_accepts_is_charged_as_present,
    what_was_taken_off_stays_off,
    the_higher_price_needs_a_word,
    sealed_texts_are_kept,
    consents_are_those_given,
    only_the_customer_replaces_what_they_sealed,
    free_cancelling_lasts_an_hour,
    what_a_deposit_waits_for_is_said,
    customers_cancel_as_promised,
    clocks_waive_and_people_uphold,
    cash_is_handed_back_by_people,
    moved_with_the_customers_yes,
    disclosed_hold_is_taken_for_the_bill,
    no_show_fee_is_announced_first,
    fee_stays_contestable,
    credit_is_for_tabs_that_ended_well,
    credit_posts_what_it_says,
)
_OF_DRY_TAB = (
    nothing_is_left_to_do,
    taken_within_due,
    what_is_owed_by_hand_is_told,
    finished_tab_has_no_live_hold,
)
_OF_DRY_HISTORY = (no_attempt_is_left_open, the_owner_hears_of_the_end, bad_debt_is_what_was_lost)
_OF_BOOKS = (
    nothing_is_claimed_that_stripe_has_not,
    every_payment_is_in_the_books,
    every_refund_is_in_the_books,
    every_dispute_is_in_the_books,
)
_OF_ATTEMPTS = (every_object_has_one_attempt, every_success_has_one_object)


# Readers of tab and history


@dataclass(slots=True)
class Attempt:
    """An attempt, as the history shows it. `state`: its outcome, None while it is open."""

    attempt_id: str
    operation: str
    amount_minor: int
    payment_id: str | None
    state: str | None = None


def attempts_of(history: History) -> dict[str, Attempt]:
    """The attempts by id, in the order in which they began."""
    found: dict[str, Attempt] = {}
    for entry in history:
        details = entry["details"]
        if entry["kind"] == "attempt_begun":
            found[details["attempt_id"]] = Attempt(
                details["attempt_id"], details["operation"], details["amount_minor"], details["payment_id"]
            )
        elif entry["kind"] == "attempt_ended" and details["attempt_id"] in found:
            found[details["attempt_id"]].state = details["state"]
    return found


def _acceptances(history: History) -> list[Json]:
    return [entry for entry in history if entry["kind"] == "promise_accepted"]


def _cancelling_costs(tab: Json, before: History, at: str) -> int:
    """The fee that the promise disclosed for cancelling at this time, from the history until then."""
    sealed = _acceptances(before)
    free_until = sealed[-1]["details"]["free_cancel_until"] if sealed else None
    consented = any("deposit_and_fees" in entry["details"]["consents"] for entry in sealed)
    if not consented or (free_until and datetime.fromisoformat(at) <= datetime.fromisoformat(free_until)):
        return 0
    is_after_start = datetime.fromisoformat(at) > datetime.fromisoformat(tab["starts_at"])
    fee: int = tab["promise"]["no_show_fee_minor" if is_after_start else "late_cancel_fee_minor"]
    return fee


def _taken(history: History) -> Counter[str]:
    return Counter(entry["details"]["payment_id"] for entry in history if entry["kind"] in ("captured", "charged"))


def _posted(entry: Json, account: str) -> int:
    minor: int = sum(posting["amount_minor"] for posting in entry["postings"] if posting["account"] == account)
    return minor


def _flagged(tab: Json, kind: str, about: str | None = None) -> bool:
    return any(flag["kind"] == kind and about in (None, flag["about"]) for flag in tab["flags"])


_CREDIT_MOVES = {
    "credit_earned": ("earned", 1),
    "credit_returned": ("returned", 1),
    "credit_spent": ("spent", -1),
    "credit_reversed": ("reversed", -1),
    "credit_expired": ("expired", -1),
}
"""Kind of entry → the kind of its movement, and which way it goes."""


def _credit_moved(entry: Json) -> int:
    """What an entry adds to somebody's credit."""
    _, way = _CREDIT_MOVES.get(entry["kind"], ("", 0))
    return way * int(entry["details"]["amount_minor"]) if way else 0


def _begins(entry: Json, operation: str) -> bool:
    return entry["kind"] == "attempt_begun" and bool(entry["details"]["operation"] == operation)


def _live_holds(tab: Json) -> list[Json]:
    return [hold for hold in tab["holds"] if hold["state"] == "live"]


def _card_legs(tab: Json) -> list[Json]:
    return [leg for leg in tab["legs"] if leg["kind"] not in ("cash", "credit")]


def _given_back_minor(leg: Json) -> int:
    """What was refunded or is being refunded."""
    minor: int = leg["refunded_minor"] + leg["refund_pending_minor"]
    return minor


def _kept_minor(tab: Json) -> int:
    return sum(leg["amount_minor"] - _given_back_minor(leg) for leg in tab["legs"])


def _minor(amount: int, made: Json) -> int:
    """Convert an amount of Stripe's to the tab's smallest unit."""
    return amount // _STRIPE_FACTORS.get(made["currency"].upper(), 1)


def _metadata(made: Json) -> Json:
    found: Json = made.get("metadata") or {}
    return found


def _is_later(at: str, than: str) -> bool:
    return datetime.fromisoformat(at) > datetime.fromisoformat(than)


def _instant(at: str | None) -> datetime | None:
    return None if at is None else datetime.fromisoformat(at)
