"""An attempt: one recorded call that moves money or answers a bank, and its outcome, which may be unknown (money rules
2 to 6)."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Operation(StrEnum):
    """The operation that an attempt asks of the gateway."""

    PLACE_HOLD = "place_hold"
    CAPTURE = "capture"
    RELEASE = "release"
    CHARGE = "charge"
    REFUND = "refund"
    STAGE_EVIDENCE = "stage_evidence"
    SUBMIT_EVIDENCE = "submit_evidence"


class AttemptState(StrEnum):
    """`pending`: written, perhaps sent. `unknown`: sent, without a clear answer. `awaiting_customer`: on the phone."""

    PENDING = "pending"
    UNKNOWN = "unknown"
    AWAITING_CUSTOMER = "awaiting_customer"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CLOSED = "closed"
    ABANDONED = "abandoned"


OPEN_ATTEMPT_STATES = frozenset({AttemptState.PENDING, AttemptState.UNKNOWN, AttemptState.AWAITING_CUSTOMER})
TAKES_MONEY = frozenset({Operation.CAPTURE, Operation.CHARGE})
ANSWERS_A_BANK = frozenset({Operation.STAGE_EVIDENCE, Operation.SUBMIT_EVIDENCE})
"""Operations on a dispute: evidence is put there, or handed to the bank. They move no money."""


_FINAL_ADVICE = frozenset({"do_not_try_again", "confirm_card_data"})
_FINAL_DECLINES = frozenset(
    {
        *("lost_card", "stolen_card", "pickup_card", "restricted_card", "fraudulent", "expired_card"),
        *("invalid_account", "incorrect_number", "invalid_number", "new_account_information_available"),
        *("transaction_not_allowed", "stop_payment_order"),
        *("revocation_of_authorization", "revocation_of_all_authorizations"),
    }
)
_FINAL_OF_NETWORK = frozenset({"04", "07", "12", "14", "15", "41", "43", "46", "57", "R0", "R1", "R3"})
_FINAL_ADVICE_OF_NETWORK = frozenset({"03", "21"})
"""After these declines a card is never tried again: the networks fine each further try.

Stripe's codes: https://docs.stripe.com/declines/codes. Visa's declines of category 1 ("the issuer will never approve",
a fee for each reattempt since April 2022) and Mastercard's advice codes 03 and 21 ("do not try again"):
https://docs.stripe.com/declines/network-codes.
"""


class Failure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an attempt failed, in the gateway's codes; `advice` says whether and how to try again.

    `network_code`, `network_advice`: the card network's codes, if the gateway passes them on.
    """

    code: str
    decline_code: str | None = None
    advice: str | None = None
    network_code: str | None = None
    network_advice: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether this card must never be tried again, by nobody."""
        return (
            self.advice in _FINAL_ADVICE
            or bool({self.code, self.decline_code} & _FINAL_DECLINES)
            or self.network_code in _FINAL_OF_NETWORK
            or self.network_advice in _FINAL_ADVICE_OF_NETWORK
        )


class Attempt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One recorded call that moves money or answers a bank: all that is sent is fixed before the call is made.

    `payment_id`: the payment it works on; for a new hold or charge it is known once the gateway has answered.
    `card_id`: the card to use without the customer; None lets the customer choose on the phone (on-session).
    `return_url`: on-session, but on the gateway's own page, which returns there; `page_id` and `page_url` are that
    page's, once it is made. Its payment is made, and has an id, only when the customer pays.
    `customer_present`: the customer is in the flow while the saved card is charged, and can answer the bank's question.
    `saves_card`: the card may be kept for later charges. `tip_minor`: the tip in it, which is due only when paid.
    `customer_ref`: the customer at the gateway that it is made for, where it makes a payment. `redone`: how often it
    was prepared again because that customer was gone; nothing had been made. `checks`: how often its outcome was asked
    for. `check_at`: when to ask (again); None when nothing is left to ask. `dispute_id`, `sealed_sha256`: of one that
    answers a bank, the dispute and the hash of the sealed evidence, which is stored beside the tab.
    """

    attempt_id: str
    operation: Operation
    amount_minor: int
    created_at: datetime
    by: str
    state: AttemptState = AttemptState.PENDING
    payment_id: str | None = None
    customer_ref: str | None = None
    redone: int = 0
    card_id: str | None = None
    customer_present: bool = False
    saves_card: bool = False
    tip_minor: int = 0
    check_at: datetime | None = None
    checks: int = 0
    client_secret: str | None = None
    return_url: str | None = None
    page_id: str | None = None
    page_url: str | None = None
    failure: Failure | None = None
    dispute_id: str | None = None
    sealed_sha256: str | None = None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_ATTEMPT_STATES

    @property
    def takes_money(self) -> bool:
        return self.operation in TAKES_MONEY

    @property
    def answers_bank(self) -> bool:
        return self.operation in ANSWERS_A_BANK

    @property
    def makes_payment(self) -> bool:
        """Whether it asks for a new payment; the others work on an existing one."""
        return self.operation in (Operation.CHARGE, Operation.PLACE_HOLD)

    @property
    def is_on_session(self) -> bool:
        """Whether the customer confirms it on the phone, rather than a saved card being used."""
        return self.makes_payment and self.card_id is None

    @property
    def is_on_page(self) -> bool:
        """Whether the customer confirms it on a page of the gateway's, rather than in an app."""
        return self.return_url is not None

    @property
    def is_with_customer(self) -> bool:
        """Whether the customer is present: on the phone, or accepting the bill that the saved card pays."""
        return self.is_on_session or self.customer_present
