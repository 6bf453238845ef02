"""`make states`: writes docs/states.md, the tables of states, actions, facts and agenda steps, from the code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from chalicelib.domain.tab.actions import POSSIBLE_IN, ROLES, Action
from chalicelib.domain.tab.actor import Role
from chalicelib.domain.tab.agenda import NEEDS_CALL, StepKind
from chalicelib.domain.tab.commands import bill, booking, payment
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.status import TRANSITIONS, PaymentState, Status

TARGET = Path(__file__).resolve().parent.parent / "docs" / "states.md"

STATUSES: Mapping[Status, str] = {
    Status.BOOKED: "The service lies ahead.",
    Status.OPEN: "The service is under way; items are added.",
    Status.IN_REVIEW: "The bill is presented: the customer accepts it, contests it, or lets the window pass.",
    Status.DUE: "The bill is accepted, or its window has passed: it is taken as promised, and followed up.",
    Status.CONTESTED: "The customer says that something is wrong: nothing is charged until that is resolved.",
    Status.CLOSED: "Nothing is owed either way, or it was written off.",
    Status.CANCELED: "Called off; a disclosed fee may be due, which can be contested for 14 days.",
    Status.NO_SHOW: "The customer did not come: for 14 days it can be taken back, and a disclosed fee be contested.",
}

PAYMENT_STATES: Mapping[PaymentState, str] = {
    PaymentState.NONE: "Nothing is due and nothing was paid.",
    PaymentState.OWED: "Something is due and nothing was paid.",
    PaymentState.PARTLY_PAID: "Part of what is due was paid.",
    PaymentState.PAID: "All that is due was paid.",
    PaymentState.REFUND_OWED: "More was taken than is due, or a refund is on its way.",
    PaymentState.DISPUTED: "The customer's bank disputes a payment; comes before everything else.",
    PaymentState.WRITTEN_OFF: "The balance was given up, or a dispute was lost, and not met by what was owed back.",
}

CLOCK: Mapping[str, str] = {
    "review_ended": "the review window ends",
    "nothing_owed": "nothing is owed either way, no hold lives, no attempt is open",
}

FACTS: Mapping[FactKind, str] = {
    FactKind.HOLD_PLACED: "A live hold secures the deposit. Posts nothing.",
    FactKind.HOLD_CAPTURED: "The capture is a leg; the rest of the hold is released by it.",
    FactKind.CHARGED: "The charge is a leg, and a tip in it is due from now on. Paid on the phone during the review, "
    "it accepts the bill.",
    FactKind.AWAITING_CUSTOMER: "It waits for the customer: half an hour while they are there, a day where the bank's "
    "question has to reach them.",
    FactKind.PROCESSING: "The bank takes its time: asked for again by the ladder.",
    FactKind.DECLINED: "With the saved card, it has failed, a tip in it is gone, and the next is planned by the bank's "
    "advice; on the phone they may take another card.",
    FactKind.PAYMENT_CANCELED: "A hold is released, or a payment will not be made.",
    FactKind.PAYMENT_EXPIRED: "The hold's time is over; posts nothing.",
    FactKind.CARD_SAVED: "With consent, the card is the tab's; a deposit that waited for one goes on, and what is "
    "unpaid is tried with it.",
    FactKind.REFUND_PENDING: "Counts as given back; owed to the customer in the books until it has gone.",
    FactKind.REFUNDED: "The money has gone back; given back past us, what is due falls by as much.",
    FactKind.REFUND_FAILED: "The obligation is open again: a person is told, and tries again or gives the money back "
    "elsewhere. Where a bank has the payment in dispute, it decides first.",
    FactKind.INQUIRY_OPENED: "The bank asks, and takes nothing: the owner is told, refunding is possible and ends it.",
    FactKind.INQUIRY_CLOSED: "The bank asks no more; the owner is told.",
    FactKind.DISPUTE_OPENED: "Follow-up and refunds of this payment rest; the owner is told.",
    FactKind.DISPUTE_APPEALED: "A decided dispute is open again.",
    FactKind.DISPUTE_WITHDRAWN: "The bank has taken the money: a receivable, or a loss where the dispute is lost.",
    FactKind.DISPUTE_REINSTATED: "The bank has given it back: the reverse.",
    FactKind.DISPUTE_WON: "A payment like any other again; follow-up and refunds go on.",
    FactKind.DISPUTE_LOST: "What was withdrawn is a loss; what was owed back of it anyway counts as given back, once. "
    "The rest of the payment can be refunded.",
    FactKind.DISPUTE_PREVENTED: "It has ended before it counted as one; what the bank has kept can't be refunded.",
    FactKind.FRAUD_WARNED: "The owner is told, once a payment; by policy it is given back before a dispute begins.",
    FactKind.CUSTOMER_GONE: "Deleted at Stripe, and the cards with it: the next payment or card makes another there.",
    FactKind.CARD_REMOVED: "It is not used any more: a deposit that relied on it is wanted again; both sides are told.",
    FactKind.CARD_UPDATED: "The bank has replaced the card under the same id: its digits change; it is tried again.",
    FactKind.CARD_REFUSED: "The bank has refused the card for good, for another bill: it is not tried any more.",
    FactKind.PROCESSING_FEE: "What Stripe kept of a payment or dispute is a cost; the nightly run brings it.",
}

STEPS: Mapping[StepKind, str] = {
    StepKind.RESOLVE: "Ask for an outcome that nobody told us: after 2, 5, 10, 30, 60 minutes, then a person is told.",
    StepKind.CLOSE_PAYMENT: "Close a payment that waits for the customer: its time is over, or it is no longer wanted.",
    StepKind.HOLD_CLOCK: "A hold is about to expire: renew it, or capture what is on the bill and not contested, where "
    "that was agreed to. The review of the rest goes on.",
    StepKind.RELEASE: "Give back a hold that secures nothing any more.",
    StepKind.REFUND: "Give back what was taken above what is due, newest leg first; cash waits for `return_cash`. "
    "A hold captured before the service is kept for it.",
    StepKind.REFUND_BY_HAND: "Flag what is owed back and can't be refunded by itself, with the amount as it is now.",
    StepKind.END_REVIEW: "The review window ends, never before the promised start: the bill is due, and charged where "
    "that was agreed to.",
    StepKind.CONTEST_OVERDUE: "The contest's deadline has passed: remind the owner.",
    StepKind.CONTEST_DEFAULT: "Nobody has answered the contest: what is contested is waived, the rest is due.",
    StepKind.TAKE_LEG: "Take the next leg of the settlement.",
    StepKind.TAKE_FEE: "Take an announced fee, first from the hold, then from the saved card.",
    StepKind.RETRY_CHARGE: "Try the saved card again, as the bank advised; four times at most, not in quiet hours.",
    StepKind.PLACE_HOLD: "Place the deposit's hold on the saved card.",
    StepKind.LAPSE_DEPOSIT: "Nobody confirmed the deposit: go on unsecured, or cancel, by the policy.",
    StepKind.REMIND: "Remind the customer of what is unpaid; each reminder once, not in quiet hours.",
    StepKind.TELL_END: "Tell the owner that the card is not charged any more, and why; or that no reminder is left.",
    StepKind.CLOSE: "Nothing is owed either way: close the tab.",
    StepKind.SEND_RECEIPT: "Send the receipt, again until it is taken, under one id.",
}

_COMMANDS = {Action.NO_SHOW: "mark_no_show"}


def page() -> str:
    """The whole page, as it is committed."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# States, actions, facts and the agenda"
    yield ""
    yield "Generated from `chalicelib/domain/` by `make states`; a test fails when it is not what the code says."
    yield "A tab has two axes: its `status` is the service and changes by commands and the clock, its `payment_state`"
    yield "is the money and is derived from facts. A screen shows both."
    yield from _section("Status", ("status", "what it means"), ((_code(s), STATUSES[s]) for s in Status))
    yield from _section(
        "Changes of status",
        ("from", "to", "by"),
        ((_code(before), _code(after), _by(names)) for (before, after), names in TRANSITIONS.items()),
    )
    yield from _section(
        "Payment state",
        ("payment state", "what it means"),
        ((_code(state), PAYMENT_STATES[state]) for state in PaymentState),
    )
    yield from _section(
        "Actions: who may do what",
        ("action", "customer", "staff", "owner", "in", "what it does"),
        (
            (
                _code(action),
                *(_mark(role, action) for role in (Role.CUSTOMER, Role.STAFF, Role.OWNER)),
                _where(action),
                _purpose(action),
            )
            for action in Action
        ),
    )
    yield ""
    yield "Operators touch no tab. A fee can be waived in every status and written off while it is owed;"
    yield "what was written off can be paid after all."
    yield "Most actions ask for more than a status: whether one is possible now, the tab's `allowed_actions` says."
    yield from _section(
        "Facts: what the gateway tells us",
        ("fact", "what it does to the tab"),
        ((_code(kind), FACTS[kind]) for kind in FactKind),
    )
    yield ""
    yield "Facts are applied in every status and never refused, each once, in whichever order they come."
    yield from _section(
        "The agenda, most urgent first",
        ("", "step", "asks outside first", "what happens"),
        (
            (str(kind.value), _code(kind.name.lower()), "yes" if kind in NEEDS_CALL else "", STEPS[kind])
            for kind in StepKind
        ),
    )


def _section(title: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = tuple(heads)
    yield from ("", f"## {title}", "")
    yield _row(heads)
    yield _row("---" for _ in heads)
    for row in rows:
        yield _row(row)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _code(name: str) -> str:
    return f"`{name}`"


def _by(names: str) -> str:
    return ", or ".join(CLOCK[name] if name in CLOCK else _code(name) for name in names.split(", "))


def _mark(role: Role, action: Action) -> str:
    return "✓" if role in ROLES[action] else ""


def _where(action: Action) -> str:
    return "every status" if set(POSSIBLE_IN[action]) == set(Status) else ", ".join(map(_code, POSSIBLE_IN[action]))


def _purpose(action: Action) -> str:
    """The first sentence of the command's own documentation."""
    if action == Action.SAVE_CARD:
        return "Prepare saving a card for this tab, for which the promise must consent to its being kept."
    name = _COMMANDS.get(action, action.value)
    command = next(getattr(module, name) for module in (bill, booking, payment) if hasattr(module, name))
    sentence, _, _ = (command.__doc__ or "").partition(". ")
    return sentence.split("\n")[0].rstrip(".") + "."


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
    print(f"wrote {TARGET}")
