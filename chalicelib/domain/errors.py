"""The domain's refusals, one class for each reason. Handlers turn them into HTTP answers."""

from __future__ import annotations


class DomainError(Exception):
    """A request that the rules refuse. `code` is stable and public; `detail` says what to do.

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
    """The amount cannot be paid in this currency, for example a KWD amount that does not end in 0."""

    code = "amount_off_step"


class AmountTooLarge(InvalidInput):
    code = "amount_too_large"


class AmountTooSmall(InvalidInput):
    """The amount is not zero and below the minimum card charge."""

    code = "amount_below_minimum"


class UnknownCurrency(InvalidInput):
    code = "unknown_currency"


class CurrencyMismatch(InvalidInput):
    """The currency is not the tab's; a tab has one currency (money rule 1)."""

    code = "currency_mismatch"


class NotFound(DomainError):
    """It does not exist, or belongs to somebody else; callers cannot tell which (404)."""

    code = "not_found"


class Forbidden(DomainError):
    """The caller's role may not do this (403)."""

    code = "forbidden"


class CustomerExists(DomainError):
    """There is a customer with this reference already; `customer_id` is in the context (409)."""

    code = "customer_exists"


class TooManyEndpoints(DomainError):
    """The merchant has as many endpoints as it may have; `maximum` is in the context (409)."""

    code = "too_many_endpoints"


class EndpointDisabled(DomainError):
    """Nothing is sent to a disabled endpoint (409)."""

    code = "endpoint_disabled"


class TransitionRefused(DomainError):
    """The tab's status does not allow the command (409)."""

    code = "transition_refused"


class BillSplit(TransitionRefused):
    """The bill is in shares, or the tab is one: it is done there, or once the split is taken back (409)."""

    code = "bill_split"


class CapExceeded(DomainError):
    """The total would exceed the promise's cap: a new promise must be proposed and accepted first (409)."""

    code = "cap_exceeded"


class FixedPrice(DomainError):
    """The customer's last tabs speak against outcome tiers; `latest_percents` is in the context (409)."""

    code = "fixed_price"


class PromiseNotAccepted(DomainError):
    """It needs a promise that the customer has sealed, with the consent named in the context (409)."""

    code = "consent_missing"


class PromiseChanged(DomainError):
    """The hash that the customer agreed to is not the hash of the current promise (409)."""

    code = "promise_changed"


class EvidenceChanged(DomainError):
    """The evidence is not what the owner has read any more; its `sha256` is in the context (409)."""

    code = "evidence_changed"


class EvidenceSubmitted(DomainError):
    """The bank has the answer to this dispute already, and takes no second one (409)."""

    code = "evidence_submitted"


class NothingToPay(DomainError):
    code = "nothing_to_pay"


class CreditNotAvailable(DomainError):
    """Less of the bill can be paid with credit; `spendable_minor` is in the context (409)."""

    code = "credit_not_available"


class ReferralRefused(DomainError):
    """An invitation can't be given or taken; `why` is in the context (409)."""

    code = "referral_refused"


class NoCard(DomainError):
    """There is no saved card with consent to charge (409)."""

    code = "no_saved_card"


class CardRefused(DomainError):
    """The bank has said that this card must not be tried again; card networks fine further tries (409)."""

    code = "card_refused"


class PaymentInProgress(DomainError):
    """A payment is in progress or its outcome is unknown; changes of the amount must wait (409)."""

    code = "payment_in_progress"


class TooManyLinks(DomainError):
    """The tab has as many live links as it can have (409)."""

    code = "too_many_links"


class TokenInUse(DomainError):
    """The token is bound to another tab that is not closed; `tab_id` is in the context (409)."""

    code = "token_in_use"


class TokenExists(DomainError):
    """There are tokens with these numbers already; `numbers` are in the context (409)."""

    code = "token_exists"

    @classmethod
    def of(cls, numbers: list[int]) -> TokenExists:
        return cls(
            f"There are tokens with these numbers already: {', '.join(map(str, numbers))}. Nothing was made. "
            "Choose other numbers, or replace a token that is lost.",
            numbers=numbers,
        )


class ExposureExceeded(DomainError):
    """More would be unpaid at once than the policy allows, for the customer or the merchant (409)."""

    code = "exposure_exceeded"


class AccountLost(DomainError):
    """The merchant's account at the payment provider is not connected any more (409)."""

    code = "account_lost"


class StaleVersion(DomainError):
    """The caller decided on an older version of the tab than the current one (412)."""

    code = "stale_version"


class IdempotencyMismatch(DomainError):
    """The Idempotency-Key was used for another request (422)."""

    code = "idempotency_key_reused"


class RequestInProgress(DomainError):
    """The first request with this Idempotency-Key is still under way; `retry_after_s` is in the context (409)."""

    code = "request_in_progress"


class Contention(DomainError):
    """The request kept losing to concurrent writers. Nothing was done; trying again is safe (409)."""

    code = "contention"
