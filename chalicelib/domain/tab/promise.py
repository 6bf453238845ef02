"""The promise: what the customer agreed to before the service, its seal, and the consents given with it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import fields

from chalicelib.domain.errors import InvalidInput, PromiseChanged


class Consent(StrEnum):
    """What a customer agrees to, each by itself (design §4, Promise)."""

    CAP = "cap"
    DEPOSIT_AND_FEES = "deposit_and_fees"
    AUTOMATIC_CHARGE = "automatic_charge"
    CAPTURE_BEFORE_EXPIRY = "capture_before_expiry"
    CARD_ON_FILE = "card_on_file"


class AcceptanceMethod(StrEnum):
    """How it was accepted. `in_person` is the staff's word for it, and never permits off-session charges."""

    APP = "app"
    GUEST_LINK = "guest_link"
    IN_PERSON = "in_person"


OFF_SESSION_CONSENTS = frozenset({Consent.AUTOMATIC_CHARGE, Consent.CARD_ON_FILE, Consent.CAPTURE_BEFORE_EXPIRY})


class Acceptance(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who sealed which words, when, from where."""

    subject: str
    method: AcceptanceMethod
    accepted_at: datetime
    ip: str
    user_agent: str
    promise_sha256: str
    consents: tuple[Consent, ...]
    card_terms_sha256: str | None = None


class Promise(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The terms of one tab. Amounts in the tab's currency; `free_cancel_until` is None where cancelling costs nothing.

    `no_show_grace_s`, `review_window_s`: seconds after `starts_at`, and after the bill is presented.
    """

    expected_outcome: str
    limits: tuple[str, ...]
    currency: str
    estimate_minor: int
    cap_minor: int
    deposit_minor: int
    no_show_fee_minor: int
    late_cancel_fee_minor: int
    starts_at: datetime | None
    free_cancel_until: datetime | None
    no_show_grace_s: int
    review_window_s: int
    terms_version: str
    accepted: Acceptance | None = None

    @property
    def sha256(self) -> str:
        """The seal, over the canonical JSON of the terms: sorted keys, no spaces, UTC instants, no acceptance."""
        terms = {name: getattr(self, name) for name in _TERMS}
        return hashlib.sha256(_canonical(terms).encode()).hexdigest()

    def consents_to(self, *consents: Consent) -> bool:
        """Whether the customer has sealed this promise with all of these consents."""
        return self.accepted is not None and set(consents) <= set(self.accepted.consents)

    @property
    def asks_deposit_or_fee(self) -> bool:
        return bool(self.deposit_minor or self.no_show_fee_minor or self.late_cancel_fee_minor)

    def check_acceptance(self, acceptance: Acceptance) -> None:
        """Raises PromiseChanged where other words were agreed to, InvalidInput where a needed consent is missing."""
        if acceptance.promise_sha256 != self.sha256:
            raise PromiseChanged(
                "The promise is not the one that was shown. Show it again and send the hash of what stands now.",
                promise_sha256=self.sha256,
            )
        needed = {Consent.CAP} | ({Consent.DEPOSIT_AND_FEES} if self.asks_deposit_or_fee else set())
        if missing := sorted(needed - set(acceptance.consents)):
            raise InvalidInput(f"Accepting this promise needs the consents {', '.join(missing)}.", missing=missing)
        if acceptance.method == AcceptanceMethod.IN_PERSON and OFF_SESSION_CONSENTS & set(acceptance.consents):
            raise InvalidInput(
                "An acceptance recorded in person can't consent to charges without the customer: leave those out."
            )
        if Consent.CARD_ON_FILE in acceptance.consents and not acceptance.card_terms_sha256:
            raise InvalidInput(
                "Consent to keep the card needs card_terms_sha256, the hash of the words that were shown."
            )


def _instant(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"{value!r} has no canonical form")


_TERMS = tuple(field.name for field in fields(Promise) if field.name != "accepted")
# Made once: it is what composing it takes the longest.
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_instant).encode
