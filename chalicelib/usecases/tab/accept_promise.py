"""Accept the promise: the customer's act, which seals the terms and sets the deposit going."""

from __future__ import annotations

from msgspec import Struct

from chalicelib.domain.tab import commands
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.promise import Acceptance, AcceptanceMethod, Consent
from chalicelib.domain.tab.tab import Role
from chalicelib.ports import Deps
from chalicelib.usecases.tab.attempts import Answer, Request, carry_out


class Agreement(Struct, frozen=True, kw_only=True):
    """What the customer agreed to: the hash they were shown, the consents given, and from where."""

    promise_sha256: str
    consents: tuple[Consent, ...]
    card_terms_sha256: str | None
    ip: str
    user_agent: str


def accept_promise(deps: Deps, tab_id: str, agreement: Agreement, *, request: Request) -> Answer:
    """Seal the promise. The answer's attempt is the hold for the customer to confirm, where one is wanted now.

    Recorded by staff it is `in_person`. Raises PromiseChanged, InvalidInput, TransitionRefused.
    """

    def command(draft: Draft) -> None:
        acceptance = Acceptance(
            subject=request.by.subject,
            method=AcceptanceMethod.APP if request.by.role == Role.CUSTOMER else AcceptanceMethod.IN_PERSON,
            accepted_at=draft.now,
            ip=agreement.ip,
            user_agent=agreement.user_agent,
            promise_sha256=agreement.promise_sha256,
            consents=agreement.consents,
            card_terms_sha256=agreement.card_terms_sha256,
        )
        customer = None
        if Consent.CARD_ON_FILE in agreement.consents and draft.tab.card is None:
            customer = deps.store.get_customer(draft.tab.merchant_id, draft.tab.customer_id)
        commands.accept_promise(draft, acceptance, customer)

    return carry_out(deps, tab_id, request, command)
