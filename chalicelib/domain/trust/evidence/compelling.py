"""Earlier undisputed payments with the same card: what Visa's Compelling Evidence 3.0 asks for.

Two payments 120 to 364 days before the disputed one, with the same card, not disputed, and the same address on the
network beside one more thing that is the same; here the e-mail address. https://docs.stripe.com/disputes/api/visa-ce3
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.tab.payments import DisputeState, LegKind
from chalicelib.domain.trust.evidence.pack import EarlierPayment

if TYPE_CHECKING:
    from chalicelib.domain.tab.payments import Leg
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.domain.trust.visit import Visit

YOUNGEST, OLDEST = timedelta(days=120), timedelta(days=364)
"""How long before the disputed payment an earlier one was made, in whole days, both included."""
WANTED = 2
"""So many are sent, no more and no fewer."""
PROGRAM = "visa_compelling_evidence_3"
"""Stripe's name in `enhanced_eligibility_types`."""
_HARMLESS = frozenset({DisputeState.INQUIRY_CLOSED, DisputeState.PREVENTED})
_BY_CARD = frozenset({LegKind.CHARGE, LegKind.CAPTURE})


def find_earlier(visits: Iterable[Visit], leg: Leg) -> tuple[EarlierPayment, ...]:
    """The earlier payments with the card of the disputed one, newest first. Their addresses are not known yet.

    Left out is what a bank has disputed or suspected, and what was given back whole.
    """
    if leg.fingerprint is None:
        return ()
    found = [
        EarlierPayment(
            tab_id=visit.tab_id,
            payment_id=paid.payment_id,
            at=paid.at,
            amount_minor=paid.amount_minor,
            currency=visit.currency,
            description="",
        )
        for visit in visits
        if visit.fraud_warned_at is None and all(dispute.state in _HARMLESS for dispute in visit.disputes)
        for paid in visit.payments
        if paid.card == leg.fingerprint
        and paid.means in _BY_CARD
        and paid.refunded_minor < paid.amount_minor
        and _is_in_span(paid.at, leg.taken_at)
    ]
    return tuple(sorted(found, key=lambda one: (one.at, one.payment_id), reverse=True))


def _is_in_span(at: datetime, disputed_at: datetime) -> bool:
    return YOUNGEST <= timedelta(days=(disputed_at - at).days) <= OLDEST


def with_tabs(earlier: Iterable[EarlierPayment], tabs: Mapping[str, Tab]) -> tuple[EarlierPayment, ...]:
    """With what their tabs say: what it was for, and where the customer accepted its promise."""
    return tuple(
        replace(one, description=tabs[one.tab_id].title, ip=customers_ip(tabs[one.tab_id]))
        for one in earlier
        if one.tab_id in tabs
    )


def customers_ip(tab: Tab) -> str | None:
    """The customer's address when they sealed the promise; what staff recorded in person has that of staff."""
    sealed = tab.promise.accepted if tab.promise.is_sealed_by_customer else None
    return sealed.ip if sealed and sealed.ip else None


def choose(earlier: Sequence[EarlierPayment], ip: str | None, email: str | None) -> tuple[EarlierPayment, ...]:
    """The same payments; the newest two that were accepted from the same address are marked, or else none."""
    same = [one.payment_id for one in earlier if ip is not None and one.ip == ip][:WANTED] if email else []
    used = same if len(same) == WANTED else []
    return tuple(replace(one, is_used=one.payment_id in used) for one in earlier)
