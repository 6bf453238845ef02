"""The promise: what the customer agrees to before the service, its hash, and the consents given."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import fields

from chalicelib.domain.errors import InvalidInput, PromiseChanged
from chalicelib.domain.trust.standing_terms import SealedStanding
from chalicelib.domain.trust.tiers import Tier


class Consent(StrEnum):
    """What a customer consents to, each separately."""

    CAP = "cap"
    DEPOSIT_AND_FEES = "deposit_and_fees"
    AUTOMATIC_CHARGE = "automatic_charge"
    CAPTURE_BEFORE_EXPIRY = "capture_before_expiry"
    CARD_ON_FILE = "card_on_file"


class AcceptanceMethod(StrEnum):
    """How a promise was accepted. `in_person` is recorded by staff, and never permits off-session charges."""

    APP = "app"
    GUEST_LINK = "guest_link"
    IN_PERSON = "in_person"


LEAST_FREE_CANCELLING = timedelta(hours=1)
"""How long cancelling is free after the promise was accepted, however late the booking was made (decision 0022)."""

OFF_SESSION_CONSENTS = frozenset({Consent.AUTOMATIC_CHARGE, Consent.CARD_ON_FILE, Consent.CAPTURE_BEFORE_EXPIRY})


class Acceptance(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An acceptance: who accepted which text, when, and from where.

    `free_cancel_until`: the instant that cancelling is free until, as it came out when the promise was accepted.
    """

    subject: str
    method: AcceptanceMethod
    accepted_at: datetime
    ip: str
    user_agent: str
    promise_sha256: str
    consents: tuple[Consent, ...]
    card_terms_sha256: str | None = None
    free_cancel_until: datetime | None = None


class Promise(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The terms of one tab. Amounts are in its currency; `free_cancel_until` is None if cancelling is always free.

    `no_show_grace_s`, `review_window_s`: seconds after `starts_at`, and after the bill is presented.
    `deposit_needs_card`: the service is too far ahead for a hold at booking, so a card has to be kept until then.
    `standing`: what the customer's standing has changed of the terms; None where there is none.
    `tiers`: the price steps by outcome, the whole price first; `silence_percent`: the one that silence means.
    `fixed_price`: it has none because of the customer's last tabs (two of five).
    `accepted`: the acceptance that sealed it; `added`: later ones, each of further consents to the same words.
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
    deposit_needs_card: bool = False
    standing: SealedStanding | None = None
    tiers: tuple[Tier, ...] = ()
    silence_percent: int | None = None
    fixed_price: bool = False
    accepted: Acceptance | None = None
    added: tuple[Acceptance, ...] = ()

    @property
    def text(self) -> str:
        """The canonical JSON of the terms: sorted keys, no spaces, UTC instants, no acceptance.

        Terms added later are omitted at their default, so that older promises keep their hash.
        """
        terms = {name: getattr(self, name) for name in _TERMS}
        return _canonical({name: term for name, term in terms.items() if name not in _LATER or term != _LATER[name]})

    @property
    def sha256(self) -> str:
        """The seal: the hash of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def consents(self) -> tuple[Consent, ...]:
        """All consents of all acceptances, sorted by name."""
        if self.accepted is None:
            return ()
        given = set(self.accepted.consents)
        for later in self.added:
            given.update(later.consents)
        return tuple(sorted(given))

    @property
    def card_terms_sha256(self) -> str | None:
        """The hash of the card-on-file terms, if they were agreed to."""
        given = (*self.added, self.accepted) if self.accepted else ()
        return next((one.card_terms_sha256 for one in given if one.card_terms_sha256), None)

    def consents_to(self, *consents: Consent) -> bool:
        """Whether the promise is sealed with all of these consents."""
        return self.accepted is not None and (
            set(consents) <= set(self.accepted.consents) or set(consents) <= set(self.consents)
        )

    @property
    def needs(self) -> tuple[Consent, ...]:
        """The consents that are required to accept it."""
        needs: tuple[Consent, ...] = (Consent.CAP,)
        if self.asks_deposit_or_fee:
            needs += (Consent.DEPOSIT_AND_FEES,)
        if self.deposit_needs_card:
            needs += (Consent.CARD_ON_FILE,)
        return needs

    @property
    def asks(self) -> frozenset[Consent]:
        """The consents that it can use: the required and the optional ones."""
        return frozenset(
            {*self.needs, Consent.AUTOMATIC_CHARGE, Consent.CARD_ON_FILE}
            | ({Consent.CAPTURE_BEFORE_EXPIRY} if self.deposit_minor else set())
        )

    @property
    def is_sealed_by_customer(self) -> bool:
        return self.accepted is not None and self.accepted.method != AcceptanceMethod.IN_PERSON

    def free_until(self, now: datetime) -> datetime | None:
        """Until when cancelling is free for the customer; None if it is always free.

        Once accepted, it is the sealed time. Before, it is what accepting at `now` would seal: the cut-off,
        but an hour from now at least. That hour ends when the service begins, unless it has begun already.
        """
        if self.accepted is not None:
            return self.accepted.free_cancel_until or self.free_cancel_until
        if self.free_cancel_until is None or self.starts_at is None:
            return None
        an_hour_on = now + LEAST_FREE_CANCELLING
        return max(self.free_cancel_until, an_hour_on if now >= self.starts_at else min(an_hour_on, self.starts_at))

    @property
    def asks_deposit_or_fee(self) -> bool:
        return bool(self.deposit_minor or self.no_show_fee_minor or self.late_cancel_fee_minor)

    def check_acceptance(self, acceptance: Acceptance) -> None:
        """Raises PromiseChanged if another text was agreed to, InvalidInput if a required consent is missing."""
        if acceptance.promise_sha256 != self.sha256:
            raise PromiseChanged(
                "The promise has changed since it was shown. Show it again, and send the hash of the current one.",
                promise_sha256=self.sha256,
            )
        in_person = acceptance.method == AcceptanceMethod.IN_PERSON
        # Staff cannot record the consent to keeping a card; the customer must give it on the phone.
        needed = set(self.needs) - (OFF_SESSION_CONSENTS if in_person else set())
        if missing := sorted(needed - set(self.consents) - set(acceptance.consents)):
            raise InvalidInput(f"Accepting this promise needs the consents {', '.join(missing)}.", missing=missing)
        if in_person and OFF_SESSION_CONSENTS & set(acceptance.consents):
            raise InvalidInput(
                "An acceptance recorded in person can't consent to charges without the customer: leave those out."
            )
        if Consent.CARD_ON_FILE in acceptance.consents and not acceptance.card_terms_sha256:
            raise InvalidInput(
                "Consent to keep the card needs card_terms_sha256, the hash of the words that were shown."
            )


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Struct):
        # Without what is at its default, as it is stored: a term that is added later leaves older seals as they are.
        named = {field.name: (getattr(value, field.name), field.default) for field in fields(type(value))}
        return {name: term for name, (term, default) in named.items() if term != default}
    raise TypeError(f"{value!r} has no canonical form")


_TERMS = tuple(field.name for field in fields(Promise) if field.name not in ("accepted", "added"))
_LATER: dict[str, object] = {
    "deposit_needs_card": False,
    "standing": None,
    "tiers": (),
    "silence_percent": None,
    "fixed_price": False,
}
"""Terms added after the first promises, with the value that means the same as their absence."""
# Created once, because creating the encoder takes longest.
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain).encode
