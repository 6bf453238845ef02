"""Which actions are allowed on a tab now, and why not: the source of the commands' refusals and `allowed_actions`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache

from chalicelib.domain import instants
from chalicelib.domain.errors import (
    BillSplit,
    CapExceeded,
    CardRefused,
    DomainError,
    Forbidden,
    NoCard,
    NothingToPay,
    PaymentInProgress,
    PromiseNotAccepted,
    TransitionRefused,
)
from chalicelib.domain.tab import deposit
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.attempt import AttemptState, Operation
from chalicelib.domain.tab.bill import FeeKind
from chalicelib.domain.tab.flag import Flag, FlagKind
from chalicelib.domain.tab.link import LinkMethod, Scope
from chalicelib.domain.tab.objection import ObjectionState
from chalicelib.domain.tab.payments import DisputeState
from chalicelib.domain.tab.promise import Consent
from chalicelib.domain.tab.settlement import phone_amount_minor
from chalicelib.domain.tab.share import FEWEST_SHARES
from chalicelib.domain.tab.status import UNTIL_COMPLETED, Status
from chalicelib.domain.tab.tab import BETWEEN_REMINDERS, Outcome, Tab


class Action(StrEnum):
    ACCEPT_PROMISE = "accept_promise"
    SAVE_CARD = "save_card"
    PROPOSE_PROMISE = "propose_promise"
    RESCHEDULE = "reschedule"
    CHECK_IN = "check_in"
    ADD_ITEMS = "add_items"
    VOID_ITEM = "void_item"
    COMPLETE = "complete"
    WALK_OUT = "walk_out"
    AMEND = "amend"
    ACCEPT_BILL = "accept_bill"
    CHOOSE_TIER = "choose_tier"
    CONTEST = "contest"
    RESOLVE = "resolve"
    PAY_ON_PHONE = "pay_on_phone"
    CHARGE_SAVED_CARD = "charge_saved_card"
    TAKE_CASH = "take_cash"
    RETURN_CASH = "return_cash"
    TIP = "tip"
    ANNOUNCE_CASH = "announce_cash"
    SPLIT = "split"
    UNSPLIT = "unsplit"
    RATE = "rate"
    DISOWN = "disown"
    ADJUST = "adjust"
    REFUND = "refund"
    RETRY_REFUND = "retry_refund"
    REFUND_ELSEWHERE = "refund_elsewhere"
    CANCEL = "cancel"
    NO_SHOW = "no_show"
    WAIVE = "waive"
    WRITE_OFF = "write_off"
    RESOLVE_FLAG = "resolve_flag"
    PAUSE_FOLLOWUP = "pause_followup"
    RESUME_FOLLOWUP = "resume_followup"
    SEND_REMINDER = "send_reminder"
    OBJECT = "object"
    DECIDE_OBJECTION = "decide_objection"
    STAGE_EVIDENCE = "stage_evidence"
    SUBMIT_EVIDENCE = "submit_evidence"
    TELL_STORY = "tell_story"
    WITHDRAW_STORY = "withdraw_story"


_CUSTOMER: frozenset[Role | Scope] = frozenset({Role.CUSTOMER, Scope.FULL})
_PAYER: frozenset[Role | Scope] = _CUSTOMER | {Scope.PAY}
_BUSINESS: frozenset[Role | Scope] = frozenset({Role.STAFF, Role.OWNER})
_OWNER: frozenset[Role | Scope] = frozenset({Role.OWNER})

ROLES: Mapping[Action, frozenset[Role | Scope]] = {
    Action.ACCEPT_PROMISE: _CUSTOMER | _BUSINESS,
    Action.SAVE_CARD: _CUSTOMER,
    Action.PROPOSE_PROMISE: _BUSINESS,
    Action.CHECK_IN: _BUSINESS,
    Action.ADD_ITEMS: _BUSINESS,
    Action.VOID_ITEM: _BUSINESS,
    Action.COMPLETE: _BUSINESS,
    Action.WALK_OUT: _BUSINESS,
    Action.RESCHEDULE: _CUSTOMER | _BUSINESS,
    Action.AMEND: _BUSINESS,
    Action.ACCEPT_BILL: _CUSTOMER,
    Action.CHOOSE_TIER: _CUSTOMER,
    Action.CONTEST: _CUSTOMER,
    Action.RESOLVE: _BUSINESS,
    Action.PAY_ON_PHONE: _PAYER,
    Action.CHARGE_SAVED_CARD: _CUSTOMER | _BUSINESS,
    Action.TAKE_CASH: _BUSINESS,
    Action.RETURN_CASH: _BUSINESS,
    Action.TIP: _PAYER,
    Action.ANNOUNCE_CASH: _PAYER,
    Action.SPLIT: _CUSTOMER | _BUSINESS,
    Action.UNSPLIT: _CUSTOMER | _BUSINESS,
    Action.RATE: _CUSTOMER,
    Action.DISOWN: frozenset(Scope),
    Action.ADJUST: _BUSINESS,
    Action.REFUND: _BUSINESS,
    Action.RETRY_REFUND: _OWNER,
    Action.REFUND_ELSEWHERE: _OWNER,
    Action.CANCEL: _CUSTOMER | _BUSINESS,
    Action.NO_SHOW: _BUSINESS,
    Action.WAIVE: _BUSINESS,
    Action.WRITE_OFF: _OWNER,
    Action.RESOLVE_FLAG: _OWNER,
    Action.PAUSE_FOLLOWUP: _BUSINESS,
    Action.RESUME_FOLLOWUP: _BUSINESS,
    Action.SEND_REMINDER: _BUSINESS,
    Action.OBJECT: _CUSTOMER,
    Action.DECIDE_OBJECTION: _OWNER,
    Action.STAGE_EVIDENCE: _OWNER,
    Action.SUBMIT_EVIDENCE: _OWNER,
    Action.TELL_STORY: _CUSTOMER,
    Action.WITHDRAW_STORY: _CUSTOMER,
}
"""Who may do it: roles, and for guests the scopes of their links. A link of scope `view` allows no action."""


_ABOUT_LEGS = frozenset(
    {
        *(Action.RETURN_CASH, Action.REFUND, Action.RETRY_REFUND, Action.REFUND_ELSEWHERE),
        *(Action.STAGE_EVIDENCE, Action.SUBMIT_EVIDENCE),
    }
)
"""Their further checks refuse them while nothing has been taken."""
_COLLECTING = frozenset({Action.PAY_ON_PHONE, Action.CHARGE_SAVED_CARD, Action.TAKE_CASH})
_FEE_OWED = (Status.DUE, Status.NO_SHOW, Status.CANCELED)
_ONCE_OWED = (Status.IN_REVIEW, Status.DUE, Status.NO_SHOW, Status.CANCELED)

POSSIBLE_IN: Mapping[Action, tuple[Status, ...]] = {
    Action.ACCEPT_PROMISE: UNTIL_COMPLETED,
    Action.SAVE_CARD: tuple(status for status in Status if status != Status.CLOSED),
    Action.PROPOSE_PROMISE: UNTIL_COMPLETED,
    Action.CHECK_IN: (Status.BOOKED, Status.NO_SHOW),
    Action.ADD_ITEMS: (Status.OPEN,),
    Action.VOID_ITEM: (Status.OPEN,),
    Action.COMPLETE: (Status.OPEN,),
    Action.WALK_OUT: (Status.OPEN, Status.IN_REVIEW),
    Action.RESCHEDULE: (Status.BOOKED,),
    Action.AMEND: (Status.IN_REVIEW,),
    Action.ACCEPT_BILL: (Status.IN_REVIEW,),
    Action.CHOOSE_TIER: (Status.IN_REVIEW,),
    Action.CONTEST: _ONCE_OWED,
    Action.RESOLVE: (Status.DUE, Status.CONTESTED),
    Action.PAY_ON_PHONE: _ONCE_OWED,
    Action.CHARGE_SAVED_CARD: _ONCE_OWED,
    Action.TAKE_CASH: _ONCE_OWED,
    Action.RETURN_CASH: tuple(Status),
    Action.TIP: (Status.CLOSED,),
    Action.ANNOUNCE_CASH: _ONCE_OWED,
    Action.SPLIT: (Status.IN_REVIEW, Status.DUE),
    Action.UNSPLIT: (Status.IN_REVIEW, Status.DUE),
    Action.RATE: (Status.IN_REVIEW, Status.DUE, Status.CLOSED),
    Action.DISOWN: tuple(Status),
    Action.ADJUST: (Status.IN_REVIEW, Status.DUE, Status.CLOSED),
    Action.REFUND: tuple(Status),
    Action.RETRY_REFUND: tuple(Status),
    Action.REFUND_ELSEWHERE: tuple(Status),
    Action.CANCEL: UNTIL_COMPLETED,
    Action.NO_SHOW: (Status.BOOKED,),
    Action.WAIVE: (Status.IN_REVIEW, Status.DUE),
    Action.WRITE_OFF: (Status.DUE,),
    Action.RESOLVE_FLAG: tuple(Status),
    Action.PAUSE_FOLLOWUP: (*_ONCE_OWED, Status.CONTESTED),
    Action.RESUME_FOLLOWUP: (*_ONCE_OWED, Status.CONTESTED),
    Action.SEND_REMINDER: _FEE_OWED,
    Action.OBJECT: (*_FEE_OWED, Status.CONTESTED, Status.CLOSED),
    Action.DECIDE_OBJECTION: tuple(Status),
    Action.STAGE_EVIDENCE: tuple(Status),
    Action.SUBMIT_EVIDENCE: tuple(Status),
    Action.TELL_STORY: (Status.CLOSED,),
    Action.WITHDRAW_STORY: (Status.CLOSED,),
}
"""The statuses in which an action may be possible. Waiving or writing off a fee and paying a loss have more."""


def allowed_actions(tab: Tab, actor: Actor, now: datetime) -> list[Action]:
    """The actions that this caller may do to the tab now, in the order of the enumeration."""
    # Every answer needs this, so it uses a table and words no refusals.
    candidates = _candidates(actor.rights, tab.status, tab.fee is not None, tab.written_off_minor > 0, bool(tab.legs))
    return [action for action, refused in candidates if refused is None or refused(tab, actor, now) is None]


def refusal(tab: Tab, action: Action, actor: Actor, now: datetime) -> DomainError | None:
    """Why the action is refused now, or None if it is allowed (apart from its input)."""
    if actor.rights not in ROLES[action]:
        if actor.scope is not None:
            return Forbidden(
                f"This link does not let you {action.replace('_', ' ')}. Ask the business for one that does.",
                role=actor.role,
                scope=actor.scope,
            )
        return Forbidden(f"The role {actor.role} may not {action.replace('_', ' ')}.", role=actor.role)
    allowed = _possible_in(action, tab.fee is not None, tab.written_off_minor > 0)
    if tab.status not in allowed:
        wanted = " or ".join(allowed)
        words = f"To {action}, the tab must be {wanted}; it is {tab.status}."
        return TransitionRefused(words.replace("_", " "), status=tab.status)
    refused = _REFUSALS.get(action)
    why = refused(tab, actor, now) if refused else None
    return why() if why else None


@cache
def _candidates(
    rights: Role | Scope, status: Status, has_fee: bool, has_loss: bool, has_legs: bool
) -> tuple[tuple[Action, Refusal | None], ...]:
    """The actions that role and status allow, each with the further check that may refuse it."""
    return tuple(
        (action, _REFUSALS.get(action))
        for action in Action
        if rights in ROLES[action]
        and status in _possible_in(action, has_fee, has_loss)
        and (has_legs or action not in _ABOUT_LEGS)
    )


def _possible_in(action: Action, has_fee: bool, has_loss: bool) -> tuple[Status, ...]:
    if has_fee and action == Action.WAIVE:
        return tuple(status for status in Status if status != Status.CONTESTED)
    if has_fee and action == Action.WRITE_OFF:
        return _FEE_OWED
    if has_loss and action in _COLLECTING:
        return (*POSSIBLE_IN[action], Status.CLOSED)
    return POSSIBLE_IN[action]


Why = Callable[[], DomainError]
"""Words a refusal; only needed for the caller of a command."""
Refusal = Callable[[Tab, Actor, datetime], Why | None]
"""The further check of an action that role and status allow."""


def _in_progress(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    """A payment in progress must end first. One that waits for the customer is closed by the use case instead."""
    attempt = tab.taking_attempt
    if attempt is None or attempt.state == AttemptState.AWAITING_CUSTOMER:
        return None
    return lambda: PaymentInProgress(
        "A payment on this tab is in progress. Load the tab again in a moment.",
        attempt_id=attempt.attempt_id,
        attempt_state=attempt.state,
    )


def _accept_promise(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    proposed, promise = tab.proposed, tab.promise
    if proposed is None:
        may_add = actor.is_customer and not promise.asks <= set(promise.consents)
        if promise.accepted is not None and not may_add and not deposit.is_unsecured(tab):
            return lambda: TransitionRefused(
                "The promise is already accepted; there is nothing new to accept.", status=tab.status
            )
    elif actor.is_business and promise.is_sealed_by_customer:
        return lambda: Forbidden(
            "The customer accepted the current promise themselves. Only they can accept another one, on their phone.",
            role=actor.role,
        )
    elif tab.proposal_has_passed(now):
        return lambda: TransitionRefused(
            "The proposed time has passed, so the time agreed on before stands. Ask the business for another one.",
            status=tab.status,
        )
    elif proposed.cap_minor < tab.total_minor:
        return lambda: CapExceeded(
            "The tab already has more on it than the proposed promise allows. Propose a new one first.",
            total_minor=tab.total_minor,
            cap_minor=proposed.cap_minor,
        )
    return None


def _save_card(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.promise.consents_to(Consent.CARD_ON_FILE):
        return None
    return lambda: PromiseNotAccepted(
        "The customer has not agreed to keeping their card. They can accept the promise with that consent.",
        consent=Consent.CARD_ON_FILE,
    )


def _check_in(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    return None if tab.status == Status.BOOKED else _in_progress(tab, actor, now)


def _amend(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.parent is not None or tab.moved_minor:
        return _is_split(tab)
    if tab.paid_minor:
        return lambda: TransitionRefused("Part of the bill is paid. Adjust the bill instead.", status=tab.status)
    if tab.waived_minor:
        return lambda: TransitionRefused("The bill is already waived.", status=tab.status)
    return _in_progress(tab, actor, now)


def _accept_bill(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    return _awaits_tier(tab) or _in_progress(tab, actor, now)


def _awaits_tier(tab: Tab) -> Why | None:
    """Nobody pays or accepts a price before they have said which outcome it is of."""
    if not tab.awaits_tier:
        return None
    return lambda: TransitionRefused(
        "The price depends on the outcome, and the customer has not said yet which it was. They choose the tier first "
        "(choose_tier).",
        status=tab.status,
    )


def _choose_tier(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.moved_minor:
        return _is_split(tab)
    if not tab.has_tiers:
        return lambda: TransitionRefused(
            "The price of this tab does not depend on the outcome. Contest what is wrong with it.", status=tab.status
        )
    if tab.waived_minor:
        return lambda: TransitionRefused("The bill is already waived.", status=tab.status)
    return _in_progress(tab, actor, now)


def _resolve(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.status != Status.CONTESTED and not tab.contests_tier:
        return lambda: TransitionRefused("Nothing on this tab is contested.", status=tab.status)
    return _in_progress(tab, actor, now)


def _contest(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    """A contest is recorded at once, even during a payment; it stops every further one (money rule 4)."""
    if tab.contests_tier:
        return lambda: TransitionRefused(
            "The outcome of this tab is contested already. Wait for the answer of the business.", status=tab.status
        )
    if not tab.amount_due_minor and tab.shares and tab.moved_minor:
        return lambda: BillSplit(
            "The whole bill is in its shares, so there is nothing on this tab to contest. Contest a share, by its own "
            "link; or take the split back (unsplit), and contest the bill.",
            status=tab.status,
        )
    if not tab.amount_due_minor:
        return lambda: NothingToPay("Nothing is due on this tab.")
    if (until := tab.final_at) is not None and now >= until:
        return lambda: TransitionRefused(
            f"The fee could be contested until {instants.text(until)}. Ask the business to waive it.",
            status=tab.status,
            contestable_until=instants.text(until),
        )
    return None


def _tip(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.outcome != Outcome.FULFILLED or tab.fee is not None or not tab.total_minor:
        return lambda: TransitionRefused("There was no service to tip for.", status=tab.status)
    return _in_progress(tab, actor, now)


def _adjust(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.fee is not None or tab.total_minor == 0:
        return lambda: TransitionRefused("There is no bill to adjust; a fee can be waived.", status=tab.status)
    if tab.moved_minor and not tab.amount_due_minor:
        return _is_split(tab)
    if tab.written_off_minor or (tab.waived_minor and not tab.balance_minor):
        return lambda: TransitionRefused("The rest of this bill is already waived or written off.", status=tab.status)
    return _in_progress(tab, actor, now)


def refundable_minor(tab: Tab) -> int:
    """The amount that can be refunded: limited by the payments, and by what is due without the bank's part."""
    lost_minor = sum(leg.lost_minor for leg in tab.legs)
    return min(sum(leg.refundable_minor for leg in tab.legs), tab.amount_due_minor - lost_minor)


def _refund(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    nothing = "Nothing was taken that could be refunded."
    if not tab.legs:
        return lambda: NothingToPay(nothing)
    if tab.refund_by_hand_minor:
        return lambda: TransitionRefused(
            "A refund has failed and is still owed. Try it again, or pay it back another way first.",
            status=tab.status,
        )
    if tab.cash_to_return_minor:
        return lambda: TransitionRefused(
            "Cash is already owed back. Hand it over and record that first.", status=tab.status
        )
    if tab.refund_owed_minor and tab.has_open_dispute:
        return lambda: TransitionRefused(
            "Money is already owed back, and the customer's bank disputes the payment. What it does not return is "
            "refunded automatically.",
            status=tab.status,
        )
    if tab.refund_owed_minor and tab.status in UNTIL_COMPLETED:
        return lambda: TransitionRefused(
            "The deposit was taken early and counts towards the bill. Cancel, and it is refunded automatically.",
            status=tab.status,
        )
    if tab.refund_owed_minor:
        return lambda: PaymentInProgress("A refund is already in progress. Load the tab again in a moment.")
    if refundable_minor(tab) <= 0:
        if any(leg.is_disputed for leg in tab.legs):
            return lambda: TransitionRefused(
                "The customer's bank disputes the payment. What the bank takes back cannot be refunded as well.",
                status=tab.status,
            )
        return lambda: NothingToPay(nothing)
    if tab.balance_minor:
        # Lowering the bill would only lower what is still owed; nothing would be refunded.
        return lambda: TransitionRefused(
            "Part of the bill is still owed. Adjust or waive it; what was paid above that is refunded automatically.",
            status=tab.status,
        )
    return _in_progress(tab, actor, now)


def _refund_by_hand(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if any(attempt.operation == Operation.REFUND for attempt in tab.attempts):
        return lambda: PaymentInProgress("A refund is in progress. Load the tab again in a moment.")
    if tab.refund_by_hand_minor:
        return None
    return lambda: NothingToPay("There is no failed refund that is still owed.")


def is_resolvable(flag: Flag) -> bool:
    """A flag about money owed back cannot be resolved by a note; it is removed once the money is returned.

    Nor can a customer's objection, which wants an answer.
    """
    return flag.kind not in (FlagKind.REFUND_BY_HAND, FlagKind.OBJECTION)


def _resolve_flag(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if any(is_resolvable(flag) for flag in tab.flags):
        return None
    if any(flag.kind == FlagKind.OBJECTION for flag in tab.flags):
        return lambda: TransitionRefused(
            "The customer has objected to this tab. Decide about that: the flag goes with your answer.",
            status=tab.status,
        )
    if tab.flags:
        return lambda: TransitionRefused(
            "Money is still owed back. Try the refund again, or pay it back another way and record that.",
            status=tab.status,
        )
    return lambda: TransitionRefused("Nothing on this tab is flagged.", status=tab.status)


def _return_cash(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.cash_to_return_minor:
        return None
    return lambda: NothingToPay("No cash is owed back on this tab.")


def _write_off(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.open_shares:
        return _is_split(tab)
    if tab.contests_tier:
        return _is_contested(tab)
    if tab.balance_minor:
        return _in_progress(tab, actor, now)
    return lambda: NothingToPay("Nothing is owed on this tab.")


def _collect(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.collectable_minor == 0:
        return lambda: NothingToPay("Nothing is owed on this tab.")
    return _in_progress(tab, actor, now)


def _is_contested(tab: Tab) -> Why:
    return lambda: TransitionRefused(
        "The customer contests the outcome. Answer that first (resolve).", status=tab.status
    )


def _pay_on_phone(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if refused := _awaits_tier(tab) or _collect(tab, actor, now):
        return refused
    if phone_amount_minor(tab) == 0:
        if tab.live_hold:
            return lambda: NothingToPay("The hold covers the bill: accept it, and it is captured from the hold.")
        return lambda: NothingToPay(
            "The rest is less than a card may be charged. Take it in cash, or waive it.",
            minimum_minor=tab.minimum_charge_minor,
        )
    return None


def _charge_saved_card(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if refused := _awaits_tier(tab) or _collect(tab, actor, now):
        return refused
    if tab.live_hold is None and tab.card is not None and tab.card.refused:
        # The cardholder is not told the bank's reason, which would warn a thief.
        why = f" ({tab.card.refused})" if actor.is_business else ""
        return lambda: CardRefused(
            f"The bank has refused this card for good{why}: it must not be tried again. Nothing was charged. The "
            "customer can save another card, pay on the phone, or in cash."
        )
    if tab.live_hold is None and not tab.may_use_card:
        return lambda: NoCard("There is no saved card to charge: the customer can pay on the phone.")
    if tab.balance_minor < tab.minimum_charge_minor:
        return lambda: NothingToPay(
            "The rest is less than a card may be charged. Take it in cash, or waive it.",
            minimum_minor=tab.minimum_charge_minor,
        )
    if actor.is_customer:
        return None
    if tab.status == Status.IN_REVIEW:
        return lambda: TransitionRefused("The customer is still reviewing the bill.", status=tab.status)
    if tab.charges_from is not None and now < tab.charges_from and tab.fee is None:
        return lambda: TransitionRefused(
            f"The customer has not accepted the bill, and was promised that the service begins at "
            f"{instants.text(tab.starts_at) if tab.starts_at else ''}: charge it from then on.",
            status=tab.status,
            from_at=instants.text(tab.charges_from) if tab.charges_from else None,
        )
    if any(leg.is_disputed for leg in tab.legs):
        return lambda: TransitionRefused(
            "The customer's bank disputes a payment of this bill. The rest can be paid on the phone or in cash.",
            status=tab.status,
        )
    if tab.fee is not None and tab.fee.take_at is not None and now < (take_at := tab.fee.take_at):
        return lambda: TransitionRefused(
            f"The customer was told that the fee is taken at {instants.text(take_at)}. It is taken then automatically.",
            status=tab.status,
            take_at=instants.text(take_at),
        )
    needed = Consent.AUTOMATIC_CHARGE if tab.fee is None else Consent.DEPOSIT_AND_FEES
    if not tab.promise.consents_to(needed):
        return lambda: PromiseNotAccepted(
            "The customer has not agreed to charges without them. They can pay on the phone.", consent=needed
        )
    return None


def _is_split(tab: Tab) -> Why:
    if tab.parent is not None:
        words = "This is a share of a split bill. Change the tab that was split; its split can be taken back (unsplit)."
    else:
        words = "The bill is split. Take that back first (unsplit), or change the shares."
    return lambda: BillSplit(words, status=tab.status)


def _split(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.parent is not None or tab.open_shares:
        return _is_split(tab)
    if tab.fee is not None:
        return lambda: TransitionRefused("A fee is one person's matter, so it is not split.", status=tab.status)
    if refused := _awaits_tier(tab):
        return refused
    if tab.contests_tier:
        return _is_contested(tab)
    if tab.live_hold is not None:
        return lambda: TransitionRefused(
            "The deposit that is held pays the bill first. Accept the bill; what is still owed then can be split.",
            status=tab.status,
        )
    if not tab.balance_minor:
        return lambda: NothingToPay("Nothing is owed on this tab.")
    if tab.balance_minor < FEWEST_SHARES * tab.minimum_charge_minor:
        return lambda: NothingToPay(
            "What is owed is too little to split: each share must be as much as a card may be charged. Pay it as one.",
            minimum_minor=tab.minimum_charge_minor,
        )
    return _in_progress(tab, actor, now)


def _unsplit(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if not tab.open_shares:
        return lambda: TransitionRefused(
            "No share of this bill is open, so there is no split to take back.", status=tab.status
        )
    if any(share.told.paid_minor for share in tab.open_shares):
        return lambda: TransitionRefused(
            "Part of an open share is paid, so the share stays with its payer. What they do not pay in time comes back "
            "automatically.",
            status=tab.status,
        )
    return None


def _rate(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.feedback is not None:
        return lambda: TransitionRefused("The customer has already said how it was.", status=tab.status)
    if tab.fee is not None or not tab.total_minor:
        return lambda: TransitionRefused("There was no service to rate.", status=tab.status)
    return None


def _reschedule(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if actor.is_business:
        return None
    until = tab.promise.free_until(now) or tab.starts_at
    if not tab.accepted or until is None or now > until:
        return lambda: TransitionRefused(
            "You can move an appointment that you accepted, for as long as cancelling is free. Ask the business.",
            status=tab.status,
            free_until=instants.text(until) if until else None,
        )
    return None


def _walk_out(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.walked_out_at is not None:
        return lambda: TransitionRefused("The guest's departure is already recorded.", status=tab.status)
    if not (tab.total_minor if tab.status == Status.OPEN else tab.balance_minor):
        return lambda: NothingToPay("Nothing is owed on this tab.")
    return _in_progress(tab, actor, now)


def _cancel(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.status == Status.OPEN:
        if not actor.is_business:
            return lambda: TransitionRefused(
                "The service has begun, so only the business can cancel it now. Ask them, or contest the bill.",
                status=tab.status,
            )
        if tab.total_minor:
            return lambda: TransitionRefused("Void the items first, or complete the service.", status=tab.status)
    return _in_progress(tab, actor, now)


def _no_show(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    assert tab.starts_at is not None, "a booked tab has a start"
    from_at = tab.starts_at + timedelta(seconds=tab.promise.no_show_grace_s)
    if now < from_at:
        from chalicelib.domain.news import dates  # Imported here: only a refusal says a time.

        return lambda: TransitionRefused(
            "The customer still has time: a no-show can be recorded from "
            f"{dates.day_and_time(from_at, tab.policy.time_zone)} ({tab.policy.time_zone}).",
            status=tab.status,
            from_at=instants.text(from_at),
        )
    return None


def _waive(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.fee is not None:
        if tab.amount_due_minor == 0:
            return lambda: NothingToPay("The fee is already waived.")
        return _in_progress(tab, actor, now)
    if tab.balance_minor:
        return _in_progress(tab, actor, now)
    return lambda: NothingToPay("Nothing is owed on this tab.")


def _pause_followup(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.balance_minor:
        return None
    return lambda: NothingToPay("Nothing is owed on this tab, so nothing is followed up.")


def _resume_followup(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.after_pause(now) != now:
        return None
    return lambda: TransitionRefused("The follow-up of this tab is not paused.", status=tab.status)


def _send_reminder(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.parent is not None:
        return lambda: TransitionRefused(
            "This is a share of a split bill, and its payer has left no address. What is not paid in time goes back to "
            "the tab that was split.",
            status=tab.status,
        )
    if not tab.balance_minor:
        return lambda: NothingToPay("Nothing is owed on this tab, so there is nothing to remind of.")
    if tab.has_open_dispute:
        return lambda: TransitionRefused(
            "The customer's bank disputes a payment of this bill. Nobody is reminded before the bank has decided.",
            status=tab.status,
        )
    if tab.due_at is None or now < tab.due_at:
        due_at = instants.text(tab.due_at) if tab.due_at else None
        return lambda: TransitionRefused(
            "What is owed is not due yet. Send a reminder from then on.", status=tab.status, from_at=due_at
        )
    if tab.after_pause(now) != now:
        return lambda: TransitionRefused(
            "The follow-up of this tab is paused. Resume it, and then send the reminder.", status=tab.status
        )
    if (attempt := tab.taking_attempt) is not None:
        return lambda: PaymentInProgress(
            "A payment on this tab is in progress. Load the tab again in a moment.",
            attempt_id=attempt.attempt_id,
            attempt_state=attempt.state,
        )
    if tab.followup.remind_at is not None:
        return lambda: TransitionRefused(
            "A reminder is already asked for. It is sent when the quiet hours end.", status=tab.status
        )
    reminded_at = tab.followup.reminded_at
    if reminded_at is not None and now < (from_at := reminded_at + BETWEEN_REMINDERS):
        return lambda: TransitionRefused(
            "The customer was reminded less than a day ago. Send the next reminder later.",
            status=tab.status,
            from_at=instants.text(from_at),
        )
    return None


def counts_against(tab: Tab, now: datetime) -> bool:
    """Whether the tab says something of its customer that may lower their standing (`domain/trust/standing.py`)."""
    missed = tab.status == Status.NO_SHOW or tab.outcome == Outcome.NO_SHOW
    missed |= tab.fee is not None and tab.fee.kind == FeeKind.NO_SHOW
    terms = tab.policy.standing
    debt_at = tab.due_at + timedelta(days=terms.watch_debt_days) if tab.due_at and terms else None
    overdue = tab.balance_minor > 0 and debt_at is not None and debt_at <= now
    lost = any(dispute.state == DisputeState.LOST for leg in tab.legs for dispute in leg.disputes)
    return missed or overdue or lost or tab.written_off_minor > 0


def _object(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.objection is not None:
        return lambda: TransitionRefused(
            "You have objected already, and there is one objection to a tab. Ask the business about its answer.",
            status=tab.status,
        )
    if tab.policy.standing is not None and tab.parent is None and counts_against(tab, now):
        return None
    return lambda: TransitionRefused("Nothing on this tab counts against the customer.", status=tab.status)


def _decide_objection(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.objection is not None and tab.objection.state == ObjectionState.OPEN:
        return None
    return lambda: TransitionRefused("No objection to this tab waits for a decision.", status=tab.status)


def _send_evidence(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    """Whether any dispute of the tab can be answered; which of several is the command's to say."""
    found = [dispute.dispute_id for leg in tab.legs for dispute in leg.disputes]
    if not found:
        return lambda: _nothing_disputed(tab)
    # Imported here: few tabs are disputed.
    from chalicelib.domain.tab import answering

    if any(answering.refusal(tab, dispute_id, now) is None for dispute_id in found):
        return None
    return lambda: answering.refusal(tab, found[-1], now) or _nothing_disputed(tab)


def _nothing_disputed(tab: Tab) -> DomainError:
    return TransitionRefused("No bank disputes a payment of this tab.", status=tab.status)


def _tell_story(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.story is None:
        return lambda: TransitionRefused(
            "The customer has not been asked for a story of this visit. All customers are asked equally long after it.",
            status=tab.status,
        )
    return _is_known_to_business(tab, actor)


def _withdraw_story(tab: Tab, actor: Actor, now: datetime) -> Why | None:
    if tab.story is None or not tab.story.is_shown:
        return lambda: TransitionRefused("No story of this visit is shown anywhere.", status=tab.status)
    return _is_known_to_business(tab, actor)


def _is_known_to_business(tab: Tab, actor: Actor) -> Why | None:
    """A link that staff have made, or were sent perhaps, neither tells a story as the customer nor removes one."""
    link = tab.link(actor.subject) if actor.scope is not None else None
    if link is None or link.method not in _SEEN_BY_BUSINESS:
        return None
    return lambda: Forbidden(
        "This link can't speak for the customer, because somebody at the business made it or may have received it. Use "
        "the link in the message that was sent to the customer before the visit ended.",
        role=actor.role,
        scope=actor.scope,
    )


_SEEN_BY_BUSINESS = (LinkMethod.MADE, LinkMethod.REISSUED, LinkMethod.NEW_ADDRESS)

_REFUSALS: Mapping[Action, Refusal] = {
    Action.ACCEPT_PROMISE: _accept_promise,
    Action.SAVE_CARD: _save_card,
    Action.CHECK_IN: _check_in,
    Action.AMEND: _amend,
    Action.ACCEPT_BILL: _accept_bill,
    Action.CHOOSE_TIER: _choose_tier,
    Action.CONTEST: _contest,
    Action.RESOLVE: _resolve,
    Action.PAY_ON_PHONE: _pay_on_phone,
    Action.CHARGE_SAVED_CARD: _charge_saved_card,
    Action.TAKE_CASH: _collect,
    Action.RETURN_CASH: _return_cash,
    Action.TIP: _tip,
    Action.ANNOUNCE_CASH: _collect,
    Action.SPLIT: _split,
    Action.UNSPLIT: _unsplit,
    Action.RATE: _rate,
    Action.ADJUST: _adjust,
    Action.REFUND: _refund,
    Action.RETRY_REFUND: _refund_by_hand,
    Action.REFUND_ELSEWHERE: _refund_by_hand,
    Action.RESOLVE_FLAG: _resolve_flag,
    Action.CANCEL: _cancel,
    Action.RESCHEDULE: _reschedule,
    Action.WALK_OUT: _walk_out,
    Action.NO_SHOW: _no_show,
    Action.WAIVE: _waive,
    Action.WRITE_OFF: _write_off,
    Action.PAUSE_FOLLOWUP: _pause_followup,
    Action.RESUME_FOLLOWUP: _resume_followup,
    Action.SEND_REMINDER: _send_reminder,
    Action.OBJECT: _object,
    Action.DECIDE_OBJECTION: _decide_objection,
    Action.STAGE_EVIDENCE: _send_evidence,
    Action.SUBMIT_EVIDENCE: _send_evidence,
    Action.TELL_STORY: _tell_story,
    Action.WITHDRAW_STORY: _withdraw_story,
}
