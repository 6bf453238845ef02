"""Customers: create one, read it, and prepare saving a card with their consent."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.contact import SearchBy
from chalicelib.domain.errors import Contention, CustomerExists, InvalidInput, NotFound
from chalicelib.domain.parties import CardConsent, Customer
from chalicelib.domain.tab.actions import Action, refusal
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.ports.deps import Deps
from chalicelib.ports.gateway import CardSetup, CustomerGone
from chalicelib.ports.store import RecordExists, VersionConflict
from chalicelib.usecases.parties.customer_refs import forget_ref, with_ref
from chalicelib.usecases.tab.requests import Request, check_visible, merchant_of


class CardTerms(Struct, frozen=True, kw_only=True):
    """The card-on-file terms that the customer agreed to (their hash), from where, and for which tab, if any."""

    terms_sha256: str
    tab_id: str | None
    ip: str
    user_agent: str


class PreparedCard(Struct, frozen=True, kw_only=True):
    """What the phone needs to save the card.

    `account`: the gateway account. `replayed`: the request was a repetition.
    """

    setup: CardSetup
    account: str | None
    replayed: bool


def create_customer(deps: Deps, reference: str, *, allow_same_reference: bool = False, request: Request) -> Customer:
    """A customer here and at the gateway. Raises IdempotencyMismatch, NotFound (merchant), CustomerExists.

    `allow_same_reference`: make another customer although one has this reference.
    """
    merchant_id = merchant_of(request.by)
    # Before the record: a customer whom the same request has made meanwhile comes with its record.
    namesake = None if allow_same_reference else _find_namesake(deps, merchant_id, reference)
    record = deps.store.find_record(request.record_id, deps.clock.now())
    if record is None:
        if namesake is not None:
            raise CustomerExists(
                f"Customer {namesake.customer_id} has this reference. Use that one, "
                "or send allow_same_reference if this is somebody else.",
                customer_id=namesake.customer_id,
            )
        merchant = deps.store.get_merchant(merchant_id)
        customer_id = deps.ids.new("cus")
        # Not under the request's key: repeated after a crash it has another id, which the gateway would refuse as
        # another request. What the first try created there is unused and costs nothing.
        customer_ref = deps.gateway.add_customer(merchant.account, merchant_id, customer_id, key=customer_id)
        customer = Customer(
            customer_id=customer_id,
            merchant_id=merchant_id,
            customer_ref=customer_ref,
            reference=reference,
            created_at=deps.clock.now(),
        )
        try:
            deps.store.add_customer(
                customer, account=merchant.account, record=request.new_record(deps, resource_id=customer_id)
            )
        except RecordExists as exists:
            record = exists.record
        else:
            return customer
    request.check_same(record)
    assert record.resource_id is not None, "the same request made a customer"
    return deps.store.get_customer(merchant_id, record.resource_id)


def _find_namesake(deps: Deps, merchant_id: str, reference: str) -> Customer | None:
    found = deps.people.find_customers(merchant_id, SearchBy.REFERENCE, reference, limit=1, cursor=None)
    return next(iter(found.items), None)


def get_customer(deps: Deps, customer_id: str, *, by: Actor) -> Customer:
    """Raises NotFound, also for a caller who is another customer, or another customer's guest."""
    if by.is_customer and customer_id != by.customer_id:
        raise NotFound("There is no such customer.")
    return deps.store.get_customer(merchant_of(by), customer_id)


def remove_card(deps: Deps, customer_id: str, *, request: Request) -> Customer:
    """Remove every saved card of the customer, so that none can be charged.

    A repetition removes no card that was saved since. Raises NotFound, IdempotencyMismatch, Contention.
    """
    customer = get_customer(deps, customer_id, by=request.by)
    record = deps.store.find_record(request.record_id, deps.clock.now())
    if record is not None:
        request.check_same(record)
        return customer
    account = deps.store.get_merchant(customer.merchant_id).account
    card_ids = set(deps.gateway.remove_cards(account, customer, key=request.record_id))
    if customer.card is not None:
        card_ids.add(customer.card.card_id)
    if not card_ids:
        return customer
    # Imported here: the other use cases of customers change no tab.
    from chalicelib.domain.tab.facts.fact import Fact, FactKind
    from chalicelib.usecases.parties.cards import change_card

    customer = replace(customer, card=None, version=customer.version + 1)
    try:
        deps.store.update_customer(customer, record=request.new_record(deps, resource_id=customer_id))
    except (VersionConflict, RecordExists):
        raise Contention("Other requests are changing this customer. Nothing was done; try again.") from None
    for card_id in sorted(card_ids):
        change_card(deps, customer, Fact(kind=FactKind.CARD_REMOVED, object_id=card_id, at=deps.clock.now()))
    return customer


def prepare_card(deps: Deps, customer_id: str, terms: CardTerms, *, request: Request) -> PreparedCard:
    """Store the consent, and return what the phone needs to save a card.

    For a tab, the sealed promise must consent to keeping the card. Raises NotFound, PromiseNotAccepted, Contention,
    IdempotencyMismatch.
    """
    customer = get_customer(deps, customer_id, by=request.by)
    if request.by.role == Role.GUEST and terms.tab_id is None:
        raise InvalidInput("Send the tab_id of the tab that the card is kept for.", field="tab_id")
    tab = None
    if terms.tab_id is not None:
        tab = deps.store.get_tab(customer.merchant_id, terms.tab_id)
        check_visible(deps, tab, request.by)
    record = deps.store.find_record(request.record_id, deps.clock.now())
    replayed = record is not None
    if record is None:
        # Checked only for a new request: a repeated one is answered as before, whatever has happened to the tab.
        if tab and (refused := refusal(tab, Action.SAVE_CARD, request.by, deps.clock.now())):
            raise refused
        record = request.new_record(deps, resource_id=customer_id)
        consent = CardConsent(
            subject=request.by.subject,
            terms_sha256=terms.terms_sha256,
            given_at=deps.clock.now(),
            ip=terms.ip,
            user_agent=terms.user_agent,
        )
        customer = replace(customer, card_consent=consent, version=customer.version + 1)
        try:
            deps.store.update_customer(customer, record=record)
        except (VersionConflict, RecordExists):
            raise Contention("Other requests are changing this customer. Nothing was done; try again.") from None
    else:
        request.check_same(record)
    account = deps.store.get_merchant(customer.merchant_id).account
    # The record's time is part of the key: the caller may reuse theirs after it has expired, and the gateway may
    # remember.
    key = f"{request.record_id}/{int(record.created_at.timestamp())}"

    def add_setup(customer: Customer) -> CardSetup:
        return deps.gateway.add_card_setup(
            account,
            customer,
            terms.tab_id,
            key=f"{key}/{customer.customer_ref}",
            return_url=request.return_url,
        )

    customer = with_ref(deps, account, customer)
    try:
        setup = add_setup(customer)
    except CustomerGone as gone:
        customer = forget_ref(deps, customer.merchant_id, customer.customer_id, gone.customer_ref)
        setup = add_setup(with_ref(deps, account, customer))
    return PreparedCard(setup=setup, account=account, replayed=replayed)
