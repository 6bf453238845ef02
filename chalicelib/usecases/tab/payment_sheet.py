"""Everything that the SDK's payment screen in the customer's app needs, for the payment that waits for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.domain.errors import NothingToPay
from chalicelib.domain.tab.attempt import Attempt, AttemptState
from chalicelib.domain.tab.guests import may_confirm
from chalicelib.domain.tab.link import Scope
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.gateway import CustomerGone, CustomerSession
from chalicelib.usecases.tab.requests import Request, check_visible, merchant_of

if TYPE_CHECKING:
    from chalicelib.ports.deps import Deps


class PaymentSheet(Struct, frozen=True, kw_only=True):
    """`customer_ref`, `session`: None where the screen shows no saved cards."""

    tab: Tab
    attempt: Attempt
    merchant_name: str
    customer_ref: str | None
    session: CustomerSession | None


def prepare_payment_sheet(deps: Deps, tab_id: str, *, request: Request) -> PaymentSheet:
    """The waiting payment, or else the waiting hold. Changes nothing here; the session is made at the gateway.

    Raises NotFound, NothingToPay (none waits that this caller may confirm in an app).
    """
    by = request.by
    tab = deps.store.get_tab(merchant_of(by), tab_id)
    check_visible(deps, tab, by)
    waiting = [
        attempt
        for attempt in tab.attempts
        if attempt.state == AttemptState.AWAITING_CUSTOMER and not attempt.is_on_page and may_confirm(attempt, by)
    ]
    if not waiting:
        raise NothingToPay(
            f"No payment waits in the app. Ask for one first: POST /v1/tabs/{tab_id}/charges, on_session and without "
            "return_url."
        )
    attempt = min(waiting, key=lambda attempt: not attempt.takes_money)
    merchant, branding = deps.store.get_merchant_and_branding(tab.merchant_id)
    customer_ref = None if by.scope == Scope.PAY else attempt.customer_ref or tab.customer_ref
    session = None
    if customer_ref is not None:
        try:
            session = deps.gateway.add_customer_session(tab.account, customer_ref, key=request.record_id)
        except CustomerGone:
            customer_ref = None
    return PaymentSheet(
        tab=tab,
        attempt=attempt,
        merchant_name=branding.name or merchant.name,
        customer_ref=customer_ref,
        session=session,
    )
