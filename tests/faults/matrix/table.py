"""All combinations, and for each one that cannot occur the rule that excludes it."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache


class Use(StrEnum):
    """What moves money, or answers a bank. Each is a story in `stories`."""

    HOLD = "hold"
    CAPTURE = "capture"
    RELEASE = "release"
    OFF_SESSION_CHARGE = "off_session_charge"
    ON_SESSION_CHARGE = "on_session_charge"
    PAGE_CHARGE = "page_charge"
    PAGE_HOLD = "page_hold"
    CUSTOMER_GONE = "customer_gone"
    CARD_GONE = "card_gone"
    REFUND = "refund"
    NO_SHOW = "no_show"
    LATE_CANCEL = "late_cancel"
    HOLD_PLACEMENT = "hold_placement"
    AUTOMATIC_CHARGE = "automatic_charge"
    # What is made of several of them.
    HOLD_RENEWAL = "hold_renewal"
    HOLD_EXPIRING = "hold_expiring"
    CHARGE_FIRST = "charge_first"
    TIP = "tip"
    REFUND_OF_TWO = "refund_of_two"
    WAIVED_FEE = "waived_fee"
    REFUND_BESIDE_LOSS = "refund_beside_loss"
    REFUND_RETRIED = "refund_retried"
    # Of a bill that is split. Splitting and taking a split back move what is owed, in one write.
    SPLIT = "split"
    UNSPLIT = "unsplit"
    SHARE_CHARGE = "share_charge"
    SHARE_RETURNED = "share_returned"
    # With the customer's credit, which is written in the same transactions.
    CREDIT_SPENT = "credit_spent"
    CREDIT_REVERSED = "credit_reversed"
    LOWER_TIER = "lower_tier"
    # To a bank: it moves no money, and may be done once all the same.
    EVIDENCE = "evidence"


class Boundary(StrEnum):
    """Where it breaks. The first write is written ahead, the second brings the outcome; the webhook has its own."""

    BEFORE_FIRST_WRITE = "before_first_write"
    AFTER_FIRST_WRITE = "after_first_write"
    BEFORE_EFFECT = "before_effect"
    AFTER_EFFECT = "after_effect"
    BEFORE_SECOND_WRITE = "before_second_write"
    AFTER_SECOND_WRITE = "after_second_write"
    BEFORE_WEBHOOK_WRITE = "before_webhook_write"
    AFTER_WEBHOOK_WRITE = "after_webhook_write"


class Fault(StrEnum):
    """How it breaks.

    `death`: the process is gone. `lambda_timeout`: it is gone too, but what it had under way goes through all the same.
    `lost_answer`, `connection_reset`: twice, for the SDK tries once more by itself. `stored_replay`: the first answer
    is lost, and that second try is answered from what Stripe has stored. `throttling` lasts for a minute.
    `write_answer_lost`: written, and the store could not say so.
    """

    DEATH = "death"
    LAMBDA_TIMEOUT = "lambda_timeout"
    STRIPE_500_BEFORE = "stripe_500_before"
    STRIPE_500_AFTER = "stripe_500_after"
    LOST_ANSWER = "lost_answer"
    CONNECTION_RESET = "connection_reset"
    RATE_LIMIT = "rate_limit_429"
    DECLINE_TRY_AGAIN = "decline_try_again_later"
    DECLINE_NEVER = "decline_do_not_try_again"
    DECLINE_DATA = "decline_confirm_card_data"
    SCA = "sca_required"
    STORED_REPLAY = "stored_replay"
    THROTTLING = "throttling"
    CONFLICT = "transaction_conflict"
    LOST_RACE = "lost_version_race"
    WRITE_ANSWER_LOST = "write_answer_lost"


class Order(StrEnum):
    """When Stripe's webhooks come: while we still wait for the answer, after it, each twice, never, newest first."""

    BEFORE = "before"
    AFTER = "after"
    TWICE = "twice"
    NEVER = "never"
    REORDERED = "reordered"


class Aftershock(StrEnum):
    """What goes wrong next, once a combination's own fault has happened: at the next write or call, anybody's."""

    DEATH_BEFORE_WRITE = "death_before_write"
    DEATH_AFTER_WRITE = "death_after_write"
    WRITE_REFUSED = "write_refused"
    RACE_LOST = "race_lost"
    WRITE_ANSWER_LOST = "write_answer_lost"
    DEATH_BEFORE_CALL = "death_before_call"
    DEATH_AFTER_CALL = "death_after_call"
    CALL_GOES_THROUGH_LATE = "call_goes_through_late"
    CALL_LOST = "call_lost"
    ANSWER_LOST = "answer_lost"
    STRIPE_500_BEFORE = "stripe_500_before"
    STRIPE_500_AFTER = "stripe_500_after"


OF_WRITES = frozenset(
    {
        *(Aftershock.DEATH_BEFORE_WRITE, Aftershock.DEATH_AFTER_WRITE),
        *(Aftershock.WRITE_REFUSED, Aftershock.RACE_LOST, Aftershock.WRITE_ANSWER_LOST),
    }
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination."""

    use: Use
    boundary: Boundary
    fault: Fault
    order: Order

    @property
    def name(self) -> str:
        return f"{self.use}/{self.boundary}/{self.fault}/{self.order}"


ON_PAGE = frozenset({Use.PAGE_CHARGE, Use.PAGE_HOLD})
"""Where the customer is in a browser: a Checkout Session is made, and its payment when they pay."""
ON_SESSION = frozenset({Use.HOLD, Use.ON_SESSION_CHARGE, Use.CUSTOMER_GONE, Use.TIP, Use.SHARE_CHARGE}) | ON_PAGE
SPLITS = frozenset({Use.SPLIT, Use.UNSPLIT})
"""What is one write, of a bill and its shares."""
ASKS_A_BANK = frozenset(
    {
        *(Use.HOLD, Use.OFF_SESSION_CHARGE, Use.ON_SESSION_CHARGE, Use.CUSTOMER_GONE),
        *(Use.LATE_CANCEL, Use.HOLD_PLACEMENT, Use.AUTOMATIC_CHARGE),
        *(Use.HOLD_RENEWAL, Use.CHARGE_FIRST, Use.TIP, Use.CREDIT_SPENT, *ON_PAGE),
        *(Use.SHARE_CHARGE, Use.SHARE_RETURNED),
    }
)
REFUNDS = frozenset(
    {
        *(Use.REFUND, Use.REFUND_OF_TWO, Use.WAIVED_FEE, Use.REFUND_BESIDE_LOSS, Use.REFUND_RETRIED),
        Use.CREDIT_REVERSED,
        Use.LOWER_TIER,
    }
)
LOOKS_UP = frozenset({Use.HOLD, Use.PAGE_HOLD, Use.HOLD_PLACEMENT, Use.HOLD_RENEWAL, Use.EVIDENCE}) | REFUNDS
"""Whose webhook says too little by itself, so that Stripe is asked for the object."""

WEBHOOK = frozenset({Boundary.BEFORE_WEBHOOK_WRITE, Boundary.AFTER_WEBHOOK_WRITE})
BEFORE_WRITE = frozenset({Boundary.BEFORE_FIRST_WRITE, Boundary.BEFORE_SECOND_WRITE, Boundary.BEFORE_WEBHOOK_WRITE})
AFTER_WRITE = frozenset({Boundary.AFTER_FIRST_WRITE, Boundary.AFTER_SECOND_WRITE, Boundary.AFTER_WEBHOOK_WRITE})
DECLINES = frozenset({Fault.DECLINE_TRY_AGAIN, Fault.DECLINE_NEVER, Fault.DECLINE_DATA})
DECLINED_FOR_GOOD = DECLINES - {Fault.DECLINE_TRY_AGAIN}
OF_BANK = DECLINES | {Fault.SCA}
OF_STORE = frozenset({Fault.THROTTLING, Fault.CONFLICT, Fault.LOST_RACE})
UNANSWERED = frozenset({Fault.STRIPE_500_BEFORE, Fault.CONNECTION_RESET, Fault.RATE_LIMIT})
AFTER_THE_FACT = frozenset({Fault.STRIPE_500_AFTER, Fault.LOST_ANSWER, Fault.CONNECTION_RESET, Fault.STORED_REPLAY})


@dataclass(frozen=True, slots=True)
class Rule:
    """Why a combination can't occur."""

    why: str
    excludes: Callable[[Cell], bool]


RULES = (
    Rule(
        "splitting is one write, and asks Stripe nothing",
        lambda cell: (
            cell.use in SPLITS and cell.boundary not in (Boundary.BEFORE_FIRST_WRITE, Boundary.AFTER_FIRST_WRITE)
        ),
    ),
    Rule(
        "a store refuses writes, and nothing else",
        lambda cell: cell.fault in OF_STORE and cell.boundary not in BEFORE_WRITE,
    ),
    Rule(
        "the answer to a write is lost after it",
        lambda cell: cell.fault == Fault.WRITE_ANSWER_LOST and cell.boundary not in AFTER_WRITE,
    ),
    Rule(
        "a bank answers instead of the effect",
        lambda cell: cell.fault in OF_BANK and cell.boundary != Boundary.BEFORE_EFFECT,
    ),
    Rule(
        "no bank is asked: the money is held or taken already",
        lambda cell: cell.fault in OF_BANK and cell.use not in ASKS_A_BANK,
    ),
    Rule(
        "Stripe's trouble is between us and Stripe",
        lambda cell: (
            cell.fault in UNANSWERED | AFTER_THE_FACT
            and cell.boundary not in (Boundary.BEFORE_EFFECT, Boundary.AFTER_EFFECT, Boundary.BEFORE_WEBHOOK_WRITE)
        ),
    ),
    Rule(
        "it happens before the effect",
        lambda cell: cell.fault in UNANSWERED - AFTER_THE_FACT and cell.boundary == Boundary.AFTER_EFFECT,
    ),
    Rule(
        "it happens after the effect",
        lambda cell: cell.fault in AFTER_THE_FACT - UNANSWERED and cell.boundary == Boundary.BEFORE_EFFECT,
    ),
    Rule(
        "looking something up has no effect to be stored or replayed",
        lambda cell: (
            cell.fault in (Fault.STRIPE_500_AFTER, Fault.STORED_REPLAY)
            and cell.boundary == Boundary.BEFORE_WEBHOOK_WRITE
        ),
    ),
    Rule(
        "the webhook says enough: nothing is looked up for it",
        lambda cell: (
            cell.fault in UNANSWERED | AFTER_THE_FACT
            and cell.boundary == Boundary.BEFORE_WEBHOOK_WRITE
            and cell.use not in LOOKS_UP
        ),
    ),
    Rule(
        "nothing is under way there: a time-out is a death",
        lambda cell: cell.fault == Fault.LAMBDA_TIMEOUT and cell.boundary in AFTER_WRITE | {Boundary.AFTER_EFFECT},
    ),
    Rule(
        "no webhook comes, so nothing breaks around it",
        lambda cell: cell.order == Order.NEVER and cell.boundary in WEBHOOK,
    ),
    Rule(
        "the phone has the answer: no webhook comes before ours",
        lambda cell: cell.order == Order.BEFORE and cell.use in ON_SESSION,
    ),
    Rule(
        "the process is gone before the effect: there is no answer for a webhook to come before",
        lambda cell: (
            cell.order == Order.BEFORE
            and cell.fault == Fault.LAMBDA_TIMEOUT
            and cell.boundary == Boundary.BEFORE_EFFECT
        ),
    ),
    Rule(
        "one event alone has no order",
        lambda cell: (
            cell.order == Order.REORDERED
            and (cell.use == Use.CARD_GONE or (cell.use == Use.HOLD_PLACEMENT and cell.fault in DECLINED_FOR_GOOD))
        ),
    ),
    Rule(
        "the webhook has brought the outcome: our second write is not made",
        lambda cell: cell.order == Order.BEFORE and cell.boundary == Boundary.AFTER_SECOND_WRITE,
    ),
    Rule(
        "the answer has brought the outcome: the webhook's write has no version to lose",
        lambda cell: (
            cell.fault == Fault.LOST_RACE
            and cell.boundary == Boundary.BEFORE_WEBHOOK_WRITE
            and cell.order != Order.BEFORE
            and cell.use not in ON_SESSION
        ),
    ),
)


@cache
def every_cell() -> tuple[Cell, ...]:
    return tuple(Cell(*values) for values in itertools.product(Use, Boundary, Fault, Order))


@cache
def excluded_by(cell: Cell) -> Rule | None:
    """The first rule that says that it can't occur."""
    return next((rule for rule in RULES if rule.excludes(cell)), None)


def cells() -> list[Cell]:
    """Those that can occur."""
    return [cell for cell in every_cell() if excluded_by(cell) is None]


def exclusions() -> Counter[str]:
    """How many each rule excludes; where several would, the first counts."""
    return Counter(rule.why for cell in every_cell() if (rule := excluded_by(cell)))


def sample(number: int, seed: int) -> list[Cell]:
    """So many of those that can occur, the same ones for the same seed, with every use and every fault among them."""
    dice = random.Random(seed)
    shuffled = dice.sample(cells(), len(cells()))
    chosen: dict[Cell, None] = {}
    for kind in (*Use, *Fault, *Boundary, *Order):
        chosen.setdefault(next(c for c in shuffled if kind in (c.use, c.fault, c.boundary, c.order)))
    for cell in shuffled:
        if len(chosen) >= number:
            break
        chosen.setdefault(cell)
    return list(chosen)[:number]


def shaken(number: int, seed: int) -> list[tuple[Cell, tuple[Aftershock, ...]]]:
    """So many combinations, each with one to three aftershocks; the same ones for the same seed."""
    dice = random.Random(f"aftershocks {seed}")
    return [
        (cell, tuple(dice.choices(list(Aftershock), k=dice.randint(1, 3)))) for cell in dice.choices(cells(), k=number)
    ]
