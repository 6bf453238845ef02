"""Owns connected accounts and application fees: who may be named in `Stripe-Account`, and what a platform earns there.

Only direct charges are played: the charge lives on the connected account, the fee on the platform.
"""

from __future__ import annotations

from typing import Any

from . import lists
from .context import Call
from .errors import StripeError
from .events import EventLog
from .objects import Account, Application, ApplicationFee, Charge, Deleted
from .params import EXPAND, PAGE, TIME_RANGE, Fields, boolean, enum, hash_of, merge_metadata, metadata, string
from .store import PLATFORM, World

_CAPABILITY = hash_of({"requested": boolean})
CREATE: Fields = {
    "type": enum("custom", "express", "standard"),
    "country": string,
    "email": string,
    "metadata": metadata,
    "business_type": string,
    "default_currency": string,
    "business_profile": hash_of({"name": string, "url": string}),
    "capabilities": hash_of({"card_payments": _CAPABILITY, "transfers": _CAPABILITY}),
    **EXPAND,
}
UPDATE: Fields = {name: CREATE[name] for name in ("business_profile", "business_type", "email", "expand", "metadata")}
LIST: Fields = {**PAGE, "created": TIME_RANGE}
LIST_FEES: Fields = {**PAGE, "charge": string, "created": TIME_RANGE}
_HOME = {
    "US": "usd",
    "GB": "gbp",
    "JP": "jpy",
    "CA": "cad",
    "AU": "aud",
    "CH": "chf",
    "SE": "sek",
    "DK": "dkk",
    "NO": "nok",
}


def no_access(id: str) -> StripeError:
    return StripeError(
        403,
        f"The provided key 'sk_test_***' does not have access to account '{id}' (or that account does not "
        "exist). Application access may have been revoked.",
        code="account_invalid",
        before_execution=True,
    )


def create(call: Call, params: dict[str, Any]) -> Account:
    country = params.get("country", "US").upper()
    account = Account(
        id=call.new_id("acct", 16),
        business_type=params.get("business_type"),
        country=country,
        created=call.now,
        business_profile=params.get("business_profile"),
        capabilities={"card_payments": "active", "transfers": "active"},
        controller={"type": "application"},
        default_currency=params.get("default_currency", _HOME.get(country, "eur")),
        email=params.get("email"),
        metadata=merge_metadata({}, params.get("metadata", {})),
        type=params.get("type", "standard"),
    )
    namespace = call.world.open_account(account.id)
    call.world.put(call.world.platform, account)
    call.events.emit(namespace, "account.updated", account)
    return account


def update(call: Call, params: dict[str, Any], id: str) -> Account:
    account: Account | None = call.world.platform.find("account", id)
    if account is None or not reachable(call.world, id):
        raise no_access(id)
    before = {name: getattr(account, name) for name in ("business_profile", "business_type", "email", "metadata")}
    account.metadata = merge_metadata(account.metadata, params.get("metadata", {}))
    for name in ("business_profile", "business_type", "email"):
        if name in params:
            setattr(account, name, params[name])
    call.world.put(call.world.platform, account)
    changed = {name: value for name, value in before.items() if getattr(account, name) != value}
    call.events.emit(call.world.accounts[id], "account.updated", account, changed)
    return account


def retrieve(call: Call, params: dict[str, Any], id: str) -> Account:
    if id == PLATFORM:
        return own(call, params)
    found: Account | None = call.world.platform.find("account", id)
    if found is None or not reachable(call.world, id):
        raise no_access(id)
    return found


def own(call: Call, params: dict[str, Any]) -> Account:
    """`GET /v1/account`: whoever the key (or Stripe-Account) stands for."""
    if call.account.id != PLATFORM:
        return retrieve(call, params, call.account.id)
    return Account(
        id=PLATFORM,
        capabilities={"card_payments": "active"},
        controller={"type": "account"},
        country="US",
        created=0,
        default_currency="usd",
        metadata={},
        email="platform@example.com",
    )


def delete(call: Call, params: dict[str, Any], id: str) -> Deleted:
    """The platform lets go of the account; what happened there stays where it is, out of its reach."""
    if id == PLATFORM or not reachable(call.world, id):
        raise no_access(id)
    deauthorize(call.world, call.events, id)
    return Deleted(id=id, object="account")


def deauthorize(world: World, events: EventLog, id: str) -> None:
    """From now on the account is closed to the platform, which is told in the account's name, for the last time."""
    world.mark(world.platform, "deauthorized", id)
    application = Application(id=PLATFORM.replace("acct_", "ca_"), name="Stand-in platform")
    events.emit(world.accounts[id], "account.application.deauthorized", application)


def reachable(world: World, id: str) -> bool:
    """Whether the platform's key opens this account."""
    return id in world.accounts and id not in world.platform.marks["deauthorized"]


def list_all(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    return lists.page(call, "account", params, "/v1/accounts", keep=lambda row: reachable(call.world, row.id))


def collect_fee(call: Call, charge: Charge, amount: int) -> None:
    fee = ApplicationFee(
        id=call.new_id("fee"),
        account=call.account.id,
        amount=amount,
        application=PLATFORM.replace("acct_", "ca_"),
        charge=charge.id,
        created=call.now,
        currency=charge.currency,
        originating_transaction=charge.id,
        refunds={"object": "list", "data": [], "has_more": False, "url": "/v1/application_fees/refunds"},
    )
    fee.refunds["url"] = f"/v1/application_fees/{fee.id}/refunds"
    charge.application_fee, charge.application = fee.id, fee.application
    call.world.put(call.world.platform, fee)
    call.events.emit(call.world.platform, "application_fee.created", fee)


def refund_fee(call: Call, charge: Charge, amount: int) -> None:
    """The platform gives back its share, in proportion to the refund."""
    fee: ApplicationFee = call.world.platform.get("application_fee", charge.application_fee or "")
    part = fee.amount if charge.refunded else fee.amount * amount // charge.amount_captured
    fee.amount_refunded = min(fee.amount, fee.amount_refunded + part)
    fee.refunded = fee.amount_refunded == fee.amount
    call.world.put(call.world.platform, fee)
    call.events.emit(call.world.platform, "application_fee.refunded", fee)


def retrieve_fee(call: Call, params: dict[str, Any], id: str) -> ApplicationFee:
    fee: ApplicationFee = call.account.get("application_fee", id)
    return fee


def list_fees(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    by = "charge" if "charge" in params else None
    return lists.page(call, "application_fee", params, "/v1/application_fees", by=by, value=params.get("charge"))
