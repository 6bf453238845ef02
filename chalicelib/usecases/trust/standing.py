"""Standing: read it, object to what counts against a customer, and decide about an objection."""

from __future__ import annotations

from msgspec import Struct

from chalicelib.domain.contact import Language
from chalicelib.domain.errors import NotFound
from chalicelib.domain.tab.actor import Actor
from chalicelib.domain.tab.commands import objecting
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.objection import Decision
from chalicelib.domain.tab.policy import Policy
from chalicelib.domain.trust.standing import Standing
from chalicelib.ports.deps import Deps
from chalicelib.usecases.parties.customers import get_customer
from chalicelib.usecases.tab.carry_out import carry_out
from chalicelib.usecases.tab.requests import Answer, Request
from chalicelib.usecases.trust.history import read_standing


class KnownStanding(Struct, frozen=True, kw_only=True):
    """A customer's standing now, None where there is none, by which policy, and the language to say it in."""

    customer_id: str
    standing: Standing | None
    policy: Policy
    language: Language


def get_standing(deps: Deps, customer_id: str, *, by: Actor) -> KnownStanding:
    """Raises NotFound, also for a caller who is another customer."""
    customer = get_customer(deps, customer_id, by=by)
    merchant = deps.store.get_merchant(customer.merchant_id)
    contact = deps.people.find_contact(customer.merchant_id, customer_id)
    return KnownStanding(
        customer_id=customer_id,
        standing=read_standing(deps, merchant.policy, customer, deps.clock.now()),
        policy=merchant.policy,
        language=(contact.language if contact else None) or merchant.language,
    )


def object_to_standing(deps: Deps, customer_id: str, tab_id: str, reason: str, *, request: Request) -> Answer:
    """The customer says that what this tab counts against them is not so. Raises NotFound, TransitionRefused."""

    def command(draft: Draft) -> None:
        _check_owner(draft, customer_id)
        objecting.object_to(draft, reason)

    return carry_out(deps, tab_id, request, command)


def decide_objection(
    deps: Deps, customer_id: str, tab_id: str, decision: Decision, answer: str, *, request: Request
) -> Answer:
    """The owner upholds or refuses the objection. Raises NotFound, TransitionRefused."""

    def command(draft: Draft) -> None:
        _check_owner(draft, customer_id)
        objecting.decide(draft, decision, answer)

    return carry_out(deps, tab_id, request, command)


def _check_owner(draft: Draft, customer_id: str) -> None:
    if draft.tab.customer_id != customer_id:
        raise NotFound("This customer has no such tab.")
