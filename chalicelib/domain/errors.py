"""The refusals of the domain, one class a reason; turning them into HTTP answers is left to the handlers."""

from __future__ import annotations


class DomainError(Exception):
    """Something was asked that the rules refuse. `code` is stable and public; `detail` says what to do.

    `context` holds JSON-able values that help the caller act (limits, current version, allowed actions).
    """

    code = "refused"

    def __init__(self, detail: str, **context: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.context = context


class InvalidInput(DomainError):
    """The request itself is wrong, whatever the tab's state (422)."""

    code = "invalid_input"


class AmountOffStep(InvalidInput):
    """The amount can't be paid in this currency: KWD amounts end in 0."""

    code = "amount_off_step"


class AmountTooLarge(InvalidInput):
    code = "amount_too_large"


class AmountTooSmall(InvalidInput):
    """Not zero, and below what a card payment may be."""

    code = "amount_below_minimum"


class UnknownCurrency(InvalidInput):
    code = "unknown_currency"


class CurrencyMismatch(InvalidInput):
    """One currency a tab (money rule 1)."""

    code = "currency_mismatch"


class NotFound(DomainError):
    """There is no such thing, or it belongs to somebody else: callers can't tell which (404)."""

    code = "not_found"


class Forbidden(DomainError):
    """The caller's role may not do this (403)."""

    code = "forbidden"


class CustomerExists(DomainError):
    """There is a customer with this reference already; `customer_id` is in the context (409)."""

    code = "customer_exists"


class TransitionRefused(DomainError):
    """The tab's status does not allow the command (409)."""

    code = "transition_refused"


class CapExceeded(DomainError):
    """The total would pass the promise's cap: a new promise must be proposed and accepted first (409)."""

    code = "cap_exceeded"


class PromiseNotAccepted(DomainError):
    """It needs a promise that the customer has sealed, with the consent named in the context (409)."""

    code = "consent_missing"


class PromiseChanged(DomainError):
    """The hash the customer agreed to is not the hash of the promise as it stands (409)."""

    code = "promise_changed"


class NothingToPay(DomainError):
    code = "nothing_to_pay"


class NoCard(DomainError):
    """There is no saved card with consent to charge (409)."""

    code = "no_saved_card"


class CardRefused(DomainError):
    """The bank has said that this card must not be tried again; the networks fine whoever does (409)."""

    code = "card_refused"


class PaymentInProgress(DomainError):
    """An attempt that takes money is under way or its outcome unknown; what would change the amount waits (409)."""

    code = "payment_in_progress"


class ExposureExceeded(DomainError):
    """More would be unpaid at once than the policy allows, for the customer or the merchant (409)."""

    code = "exposure_exceeded"


class AccountLost(DomainError):
    """The merchant's own account at the payment provider does not let us in any more (409)."""

    code = "account_lost"


class StaleVersion(DomainError):
    """The caller decided on an older version of the tab than the one that stands (412)."""

    code = "stale_version"


class IdempotencyMismatch(DomainError):
    """The Idempotency-Key was used before, for another request (422)."""

    code = "idempotency_key_reused"


class RequestInProgress(DomainError):
    """The first request with this Idempotency-Key is still under way; `retry_after_s` is in the context (409)."""

    code = "request_in_progress"


class Contention(DomainError):
    """The tab is being changed by too many at once; nothing was done, and trying again is safe (409)."""

    code = "contention"
