"""`make states`: writes docs/states.md, the tables of states, actions, facts and agenda steps, from the code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from chalicelib.domain.tab.actions import POSSIBLE_IN, ROLES, Action
from chalicelib.domain.tab.actor import Role
from chalicelib.domain.tab.agenda import NEEDS_CALL
from chalicelib.domain.tab.commands import bill, booking, followup, links, objecting, payment, sharing, telling, tiers
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.link import Scope
from chalicelib.domain.tab.status import TRANSITIONS, PaymentState, Status
from chalicelib.domain.tab.step import PRIORITY, StepKind

TARGET = Path(__file__).resolve().parent.parent / "docs" / "states.md"

STATUSES: Mapping[Status, str] = {
    Status.BOOKED: "The service lies ahead.",
    Status.OPEN: "The service is under way; items are added.",
    Status.IN_REVIEW: "The bill is presented: the customer accepts it, contests it, or lets the review window pass. "
    "The window begins once they know the bill.",
    Status.DUE: "The bill is accepted, or its review window has passed: it is charged as promised, and followed up.",
    Status.CONTESTED: "The customer says that something is wrong: nothing is charged until that is resolved.",
    Status.CLOSED: "Nothing is owed either way, or it was written off.",
    Status.CANCELED: "The service was canceled; a disclosed fee may be due, and can be contested for 14 days.",
    Status.NO_SHOW: "The customer did not come; for 14 days this can be reversed, and a disclosed fee contested.",
}

PAYMENT_STATES: Mapping[PaymentState, str] = {
    PaymentState.NONE: "Nothing is due and nothing was paid.",
    PaymentState.OWED: "Something is due and nothing was paid.",
    PaymentState.PARTLY_PAID: "Part of what is due was paid.",
    PaymentState.PAID: "All that is due was paid.",
    PaymentState.REFUND_OWED: "More was taken than is due, or a refund is in progress.",
    PaymentState.DISPUTED: "The customer's bank disputes a payment; this state overrides all others.",
    PaymentState.WRITTEN_OFF: "The balance was written off, or a dispute was lost beyond what was owed back.",
}

CLOCK: Mapping[str, str] = {
    "review_ended": "the review window ends",
    "nothing_owed": "nothing is owed either way, no hold lives, no attempt is open",
}

FACTS: Mapping[FactKind, str] = {
    FactKind.HOLD_PLACED: "A live hold secures the deposit. Posts nothing.",
    FactKind.HOLD_CAPTURED: "The capture becomes a leg, and releases the rest of the hold.",
    FactKind.CHARGED: "The charge becomes a leg, and a tip in it becomes due. Paid on the phone during the review, "
    "it accepts the bill.",
    FactKind.AWAITING_CUSTOMER: "The payment waits for the customer: half an hour if they are present, a day if the "
    "bank's request must reach them first.",
    FactKind.PROCESSING: "The bank is not done yet: the outcome is looked up again, at growing intervals.",
    FactKind.DECLINED: "With the saved card: the charge and its tip have failed, and the next try follows the bank's "
    "advice. On the phone: the customer may use another card.",
    FactKind.PAYMENT_CANCELED: "A hold is released, or a payment will not be made.",
    FactKind.PAYMENT_EXPIRED: "The hold has expired. Posts nothing.",
    FactKind.CARD_SAVED: "With consent, the tab keeps the card; a deposit that waited for a card continues, and "
    "what is unpaid is charged to it.",
    FactKind.REFUND_PENDING: "Counts as refunded; the books still owe it to the customer until it has succeeded.",
    FactKind.REFUNDED: "The money was refunded. A refund in the dashboard lowers what is due by the same amount.",
    FactKind.REFUND_FAILED: "The obligation is open again: a person is told, and tries again or returns the money "
    "another way. If the payment is disputed, the bank decides first.",
    FactKind.INQUIRY_OPENED: "The bank asks about the payment and takes nothing; the owner is told. A refund is "
    "possible and ends it.",
    FactKind.INQUIRY_CLOSED: "The bank has closed its inquiry; the owner is told.",
    FactKind.DISPUTE_OPENED: "Follow-up and refunds of this payment pause; the owner is told.",
    FactKind.DISPUTE_APPEALED: "A decided dispute is open again.",
    FactKind.DISPUTE_WITHDRAWN: "The bank has taken the money. It is a receivable, or a loss if the dispute is lost.",
    FactKind.DISPUTE_REINSTATED: "The bank has returned the money, which reverses that.",
    FactKind.DISPUTE_WON: "The payment is normal again; follow-up and refunds continue.",
    FactKind.DISPUTE_LOST: "What was withdrawn is a loss; the part that was owed back anyway counts as refunded, once. "
    "The rest of the payment can be refunded.",
    FactKind.DISPUTE_PREVENTED: "The dispute ended before it counted; what the bank has kept cannot be refunded.",
    FactKind.EVIDENCE_STAGED: "Our evidence is on the dispute; the bank does not see it yet.",
    FactKind.EVIDENCE_SUBMITTED: "The bank has an answer, from us or from somebody else, and takes no second one.",
    FactKind.FRAUD_WARNED: "The owner is told, once for each payment; the policy may refund it before a dispute.",
    FactKind.CUSTOMER_GONE: "Customer and cards were deleted at Stripe; the next payment creates a new customer.",
    FactKind.CARD_REMOVED: "The card is not used any more; its deposit must be secured again; both sides are told.",
    FactKind.CARD_UPDATED: "The bank has replaced the card under the same id: its digits change; it is tried again.",
    FactKind.CARD_REFUSED: "The bank has refused the card for good, on another tab: it is not tried any more.",
    FactKind.PROCESSING_FEE: "Stripe's fee for a payment or dispute is a cost; the nightly reconciliation posts it.",
}

STEPS: Mapping[StepKind, str] = {
    StepKind.RESOLVE: "Look up an unknown outcome: after 2, 5, 10, 30, 60 minutes; then a person is told.",
    StepKind.CLOSE_PAYMENT: "Close a payment that waits for the customer: its time is over, or it is no longer needed.",
    StepKind.HOLD_CLOCK: "A hold is about to expire: renew it, or capture the uncontested bill from it, if "
    "that was agreed to. The review of the rest continues.",
    StepKind.RELEASE: "Release a hold that secures nothing any more.",
    StepKind.RETURN_CREDIT: "An amount that was paid with credit and is owed back becomes credit again, in "
    "proportion to what "
    "the credit paid.",
    StepKind.REFUND: "Refund what was taken above what is due, newest leg first; cash waits for `return_cash`. "
    "A hold captured before the service is kept for it.",
    StepKind.REFUND_BY_HAND: "Flag the current amount that is owed back and cannot be refunded automatically.",
    StepKind.TAKE_BACK_CREDIT: "The tab was refunded, or disputed at the bank: the credit that it earned is taken "
    "back, in "
    "proportion or all of it, even if it was spent.",
    StepKind.END_REVIEW: "The review window ends, never before the promised start: the bill is due, and charged if "
    "that was agreed to.",
    StepKind.BILL_NOT_TOLD: "A day after the bill was presented, no channel has taken its message, and the customer "
    "has not seen it: flag the tab. Its review window does not begin by itself.",
    StepKind.CONTEST_OVERDUE: "The contest's deadline has passed: remind the owner.",
    StepKind.CONTEST_DEFAULT: "The contest was not answered: the contested part is waived, the rest is due.",
    StepKind.TAKE_LEG: "Take the next leg of the settlement.",
    StepKind.TAKE_FEE: "Take an announced fee, first from the hold, then from the saved card.",
    StepKind.RETRY_CHARGE: "Try the saved card again, as the bank advised: four tries at most, with the first; not "
    "in quiet hours.",
    StepKind.PLACE_HOLD: "Place the deposit's hold on the saved card.",
    StepKind.LAPSE_DEPOSIT: "The deposit was not confirmed: continue without it, or cancel, by the policy.",
    StepKind.RETURN_SHARE: "A share was not paid in time: the split tab owes its amount again.",
    StepKind.REMIND: "Remind the customer of what is unpaid, as planned or as staff asked; each reminder once, "
    "not in quiet hours.",
    StepKind.TELL_END: "Tell the owner that the card is not charged any more, and why; or that no reminder is left.",
    StepKind.CLOSE: "Nothing is owed either way, and no share is open: close the tab.",
    StepKind.TELL_CREDIT: "Credit that this tab earned can be spent from now on: tell its customer.",
    StepKind.ASK_STORY: "The visit ended as many days ago as the policy says: ask for a story, as every customer is "
    "asked.",
    StepKind.EXPIRE_CREDIT: "Credit that this tab earned and that was not spent in time expires.",
    StepKind.TELL_PARENT: "Tell the split tab what was paid of its share, what came back, and that it has ended. "
    "Both tabs "
    "are written in one transaction.",
    StepKind.EVIDENCE_DUE: "A day before a bank's deadline, if the bank has no answer yet: remind the owner.",
    StepKind.SUBMIT_EVIDENCE: "A day before a bank's deadline, if the policy says so: submit the evidence that the "
    "owner has "
    "read and staged.",
}

_COMMANDS = {
    Action.NO_SHOW: "mark_no_show",
    Action.OBJECT: "object_to",
    Action.DECIDE_OBJECTION: "decide",
    Action.TELL_STORY: "tell",
    Action.WITHDRAW_STORY: "withdraw",
}
_SAME_COMMAND = {
    Action.STAGE_EVIDENCE: "Put the sealed evidence on the dispute, where the bank does not see it yet.",
    Action.SUBMIT_EVIDENCE: "Hand the sealed evidence to the bank, which takes one answer.",
}
"""Of actions that share a command, `send_evidence`."""


def page() -> str:
    """The whole page, as it is committed."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# States, actions, facts and the agenda"
    yield ""
    yield "Generated from `chalicelib/domain/` by `make states`; a test fails if the page and the code differ."
    yield "A tab has two states. `status` is the state of the service; commands and the clock change it."
    yield "`payment_state`"
    yield "is the state of the money; it is derived from facts. A screen should show both."
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
        ("action", "customer", "link: pay", "link: full", "staff", "owner", "in", "what it does"),
        (
            (
                _code(action),
                *(_mark(role, action) for role in (Role.CUSTOMER, Scope.PAY, Scope.FULL, Role.STAFF, Role.OWNER)),
                _where(action),
                _purpose(action),
            )
            for action in Action
        ),
    )
    yield ""
    yield "A guest's link of scope `view` allows no action, only reading."
    yield "Operators have no access to tabs. A fee can be waived in every status, and written off while it is owed;"
    yield "an amount that was written off can still be paid."
    yield "Most actions have more conditions than the status: the tab's `allowed_actions` says which are possible now."
    yield from _section(
        "Facts: what the gateway tells us",
        ("fact", "what it does to the tab"),
        ((_code(kind), FACTS[kind]) for kind in FactKind),
    )
    yield ""
    yield "Facts are applied in every status and in any order, each once. They are never refused."
    yield from _section(
        "The agenda, most urgent first",
        ("", "step", "needs a call first", "what happens"),
        ((str(PRIORITY[kind]), _code(kind), "yes" if kind in NEEDS_CALL else "", STEPS[kind]) for kind in StepKind),
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


def _mark(role: Role | Scope, action: Action) -> str:
    return "✓" if role in ROLES[action] else ""


def _where(action: Action) -> str:
    return "every status" if set(POSSIBLE_IN[action]) == set(Status) else ", ".join(map(_code, POSSIBLE_IN[action]))


def _purpose(action: Action) -> str:
    """The first sentence of the command's own documentation."""
    if action == Action.SAVE_CARD:
        return "Prepare saving a card for this tab; the promise must include consent to saving it."
    if action in _SAME_COMMAND:
        return _SAME_COMMAND[action]
    name = _COMMANDS.get(action, action.value)
    command = next(
        getattr(module, name)
        for module in (bill, booking, payment, followup, links, sharing, objecting, telling, tiers)
        if hasattr(module, name)
    )
    sentence, _, _ = (command.__doc__ or "").partition(". ")
    return sentence.split("\n")[0].rstrip(".") + "."


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
    print(f"wrote {TARGET}")
