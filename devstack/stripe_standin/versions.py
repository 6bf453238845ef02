"""Owns API versions: which there are, which are played, and in what an older one differs from the newest.

A request is served in the version that its `Stripe-Version` header names, or in the account's. The code knows the
newest version only; for an older one the table below changes the parameters on the way in and the objects on the way
out, and a call asks it where it behaves differently. Each difference names its source, and each is played by
tests/standin/test_versions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from .errors import StripeError
from .packing import encode
from .params import Fields, array, enum, hash_of, string
from .store import Namespace

# Every version that Stripe has, the oldest first; test_versions.py holds the file against the SDK.
ALL = tuple((Path(__file__).parent / "api_versions.txt").read_text(encoding="utf-8").split())
NEWEST = ALL[-1]
OLDEST = "2020-08-27"  # the oldest that is played: before it, customers, sources and orders were others
UNPLAYED = frozenset({"2025-03-01.dashboard"})
PLAYED = tuple(version for version in ALL[ALL.index(OLDEST) :] if version not in UNPLAYED)
_AGE = {version: age for age, version in enumerate(ALL)}
_CHANGELOG = "https://docs.stripe.com/changelog/"
_NODE = "stripe-node's CHANGELOG.md, "


class Difference(NamedTuple):
    """What was otherwise before a version."""

    since: str  # the first version that is as the newest
    before: str
    after: str
    source: str
    # Parameters that an older version takes besides or otherwise, by route.
    fields: Mapping[str, Fields] = {}
    # Turns an older version's checked parameters into the newest's, in place, by route.
    accept: Mapping[str, Callable[[dict[str, Any]], None]] = {}
    # Turns the newest's object into an older version's, in place, by kind; Namespace: where the object lives.
    show: Mapping[str, Callable[[Namespace, dict[str, Any]], None]] = {}
    # What a field's schema was, by (schema, field), where Stripe's document is of a newer version.
    schema: Mapping[tuple[str, str], dict[str, Any]] = {}


def _renamed(name: str, names: Mapping[str, str]) -> Callable[..., None]:
    def rename(*given: Any) -> None:
        body = given[-1]
        if body.get(name) in names:
            body[name] = names[body[name]]

    return rename


def _default(name: str, value: Any) -> Callable[..., None]:
    def fill(*given: Any) -> None:
        given[-1].setdefault(name, value)

    return fill


def _moved(old: str, new: str) -> Callable[..., None]:
    def move(*given: Any) -> None:
        body = given[-1]
        if old in body:
            body[new] = body.pop(old)

    return move


def _expired_is_automatic(account: Namespace, intent: dict[str, Any]) -> None:
    if intent.get("cancellation_reason") == "expired":
        intent["cancellation_reason"] = "automatic"


def _listed(rows: list[dict[str, Any]], url: str) -> dict[str, Any]:
    return {"object": "list", "data": rows[:10], "has_more": len(rows) > 10, "url": url}


def _charges(account: Namespace, intent: dict[str, Any]) -> None:
    rows = account.of["charge"].newest_first("payment_intent", intent["id"])
    charges = [msgspec.json.decode(encode(row)) for row in rows]
    for charge in charges:
        _refunds(account, charge)
    intent["charges"] = _listed(charges, f"/v1/charges?payment_intent={intent['id']}")


def _refunds(account: Namespace, charge: dict[str, Any]) -> None:
    if "refunds" not in charge:
        rows = account.of["refund"].newest_first("charge", charge["id"])
        refunds = [msgspec.json.decode(encode(row)) for row in rows]
        charge["refunds"] = _listed(refunds, f"/v1/charges/{charge['id']}/refunds")


def _shipped_before(account: Namespace, session: dict[str, Any]) -> None:
    for name in ("shipping_cost", "shipping_details"):
        session.pop(name, None)
    session.update(shipping=None, shipping_rate=None)


def _card_only(params: dict[str, Any]) -> None:
    if not {"payment_method_types", "allowed_payment_method_types", "automatic_payment_methods"} & set(params):
        params["payment_method_types"] = ["card"]


_TYPES: Fields = {"payment_method_types": array(string)}
_UI_MODES = {"hosted": "hosted_page", "embedded": "embedded_page", "custom": "elements"}
_OLD_UI_MODES = {new: old for old, new in _UI_MODES.items()}
_FEATURES: Fields = {"features": array(hash_of({"name": string}))}
_ANYTHING: dict[str, Any] = {}
_NULL = {"type": "null"}

DIFFERENCES: dict[str, Difference] = {
    "payment_method_types": Difference(
        "2026-09-30.endive",
        "the parameter payment_method_types sets how an intent or a session can be paid",
        "it is unknown; allowed_payment_method_types takes its place",
        _NODE + "23.0.0",
        fields=dict.fromkeys(
            (
                "POST /v1/payment_intents",
                "POST /v1/payment_intents/{}",
                "POST /v1/payment_intents/{}/confirm",
                "POST /v1/setup_intents",
                "POST /v1/setup_intents/{}",
                "POST /v1/checkout/sessions",
            ),
            _TYPES,
        ),
    ),
    "ui_mode": Difference(
        "2026-03-25.dahlia",
        "a session's ui_mode is hosted, embedded or custom",
        "hosted_page, embedded_page or elements; the old names fail",
        _NODE + "21.0.0; https://docs.stripe.com/changelog/dahlia",
        fields={"POST /v1/checkout/sessions": {"ui_mode": enum(*_UI_MODES)}},
        accept={"POST /v1/checkout/sessions": _renamed("ui_mode", _UI_MODES)},
        show={"checkout.session": _renamed("ui_mode", _OLD_UI_MODES)},
        schema={("checkout.session", "ui_mode"): {"enum": list(_UI_MODES)}},
    ),
    "cancellation_reason": Difference(
        "2025-03-31.basil",
        "an intent whose authorization ran out has the cancellation_reason automatic",
        "expired",
        _CHANGELOG + "basil/2025-03-31/remove-refund-from-partial-capture-and-payment-cancellation-flow",
        show={"payment_intent": _expired_is_automatic},
    ),
    "released_amounts": Difference(
        "2025-03-31.basil",
        "a Refund is made for what a capture leaves and for what a cancellation or expiry releases: it counts in"
        " amount_refunded and causes charge.refunded; the capture's balance transaction is of the whole hold, the"
        " refund's of the rest",
        "no Refund is made, amount_refunded stays, the balance transaction is of what was captured",
        _CHANGELOG + "basil/2025-03-31/remove-refund-from-partial-capture-and-payment-cancellation-flow",
    ),
    "invoice": Difference(
        "2025-03-31.basil",
        "intents and charges have an invoice (here always null)",
        "they have none",
        _NODE + "18.0.0",
        show=dict.fromkeys(("payment_intent", "charge"), _default("invoice", None)),
        schema=dict.fromkeys([("payment_intent", "invoice"), ("charge", "invoice")], _NULL),
    ),
    "shipping_details": Difference(
        "2025-03-31.basil",
        "a session has shipping_details (here always null)",
        "they are in collected_information",
        _NODE + "18.0.0",
        show={"checkout.session": _default("shipping_details", None)},
        schema={("checkout.session", "shipping_details"): _NULL},
    ),
    "total_count": Difference(
        "2025-03-31.basil",
        "the total_count of a list can be expanded",
        "it cannot be expanded",
        _CHANGELOG + "basil",
        schema={("LIST", "total_count"): {"type": "integer"}},
    ),
    "capture_method": Difference(
        "2024-04-10",
        "the default capture_method of an intent is automatic",
        "automatic_async",
        _CHANGELOG + "2024-04-10",
    ),
    "marketing_features": Difference(
        "2024-04-10",
        "a product's marketing_features are called features",
        "marketing_features",
        _NODE + "15.0.0",
        fields=dict.fromkeys(("POST /v1/products", "POST /v1/products/{}"), _FEATURES),
        accept=dict.fromkeys(("POST /v1/products", "POST /v1/products/{}"), _moved("features", "marketing_features")),
        show={"product": _moved("marketing_features", "features")},
        schema={("product", "features"): {"type": "array"}, ("product", "marketing_features"): {}},
    ),
    "automatic_payment_methods": Difference(
        "2023-08-16",
        "an intent without settings of payment methods takes only cards",
        "it takes the methods that the Dashboard enables (automatic_payment_methods)",
        "https://docs.stripe.com/upgrades/manage-payment-methods",
        accept=dict.fromkeys(("POST /v1/payment_intents", "POST /v1/setup_intents"), _card_only),
    ),
    "charges": Difference(
        "2022-11-15",
        "an intent has the list of its charges",
        "it has latest_charge only",
        _CHANGELOG + "2022-11-15; Stripe's OpenAPI document of 2020-08-27",
        show={"payment_intent": _charges},
        schema={("payment_intent", "charges"): _ANYTHING},
    ),
    "refunds": Difference(
        "2022-11-15",
        "a charge has the list of its refunds",
        "on expansion only",
        _CHANGELOG + "2022-11-15; Stripe's OpenAPI document of 2020-08-27",
        show={"charge": _refunds},
    ),
    "deferred_intent": Difference(
        "2022-08-01",
        "a session in payment mode makes its PaymentIntent when it is created",
        "when somebody pays",
        _CHANGELOG + "2022-08-01/deferred-paymentintent-checkout-session",
    ),
    "customer_creation": Difference(
        "2022-08-01",
        "a session in payment mode always creates a customer, unless customer_creation is if_required",
        "if_required is the default",
        _CHANGELOG + "2022-08-01/default-customer-creation-checkout-session",
        accept={
            "POST /v1/checkout/sessions": lambda params: (
                _default("customer_creation", "always")(params)
                if params.get("mode") == "payment" and "customer" not in params
                else None
            )
        },
    ),
    "shipping": Difference(
        "2022-08-01",
        "a session has shipping and shipping_rate (here always null)",
        "it has shipping_cost and, until 2025-03-31.basil, shipping_details",
        _NODE + "10.0.0; Stripe's OpenAPI document of 2020-08-27",
        show={
            "checkout.session": _shipped_before,
        },
        schema={
            ("checkout.session", "shipping"): _NULL,
            ("checkout.session", "shipping_rate"): _NULL,
            ("checkout.session", "shipping_cost"): _ANYTHING,
        },
    ),
}


def served(asked: str | None, account: str) -> str:
    """The version that a request is served in: the one it asks for, or else its account's.

    Raises Stripe's 400 for one that does not exist, and 501 for one that does and is not played.
    """
    if asked is None or asked == account:
        return account
    return known(asked)


def known(version: str, param: str | None = None) -> str:
    """The version. Raises as `served` does."""
    if version in PLAYED:
        return version
    if version in _AGE or version.partition(".")[2] == "preview":
        raise StripeError(
            501,
            f"The stand-in does not know what API version {version} was like: it plays {OLDEST} to {NEWEST}, without "
            "previews.",
            before_execution=True,
        )
    raise StripeError(400, f"Invalid Stripe API version: {version}", param=param, before_execution=True)


@cache
def before(version: str, difference: str) -> bool:
    """Whether a version is older than the one that brought a difference."""
    return _AGE[version] < _AGE[DIFFERENCES[difference].since]


@cache
def of(version: str) -> tuple[Difference, ...]:
    """In what a version differs from the newest, the latest difference first."""
    return tuple(row for name, row in DIFFERENCES.items() if before(version, name))


def fields(version: str, route: str, newest: Fields) -> Fields:
    """The parameters that a route takes in a version."""
    if version == NEWEST:
        return newest
    taken = dict(newest)
    for row in of(version):
        taken.update(row.fields.get(route, {}))
    return taken


def accept(version: str, route: str, params: dict[str, Any]) -> None:
    """Turn a version's checked parameters into the newest's."""
    for row in of(version):
        if route in row.accept:
            row.accept[route](params)


def show(version: str, account: Namespace, body: Any) -> Any:
    """An answer of the newest version, as plain data, in an older version's words: objects in it and in lists, too. An
    event keeps the version it was made in.
    """
    if isinstance(body, list):
        return [show(version, account, item) for item in body]
    if not isinstance(body, dict) or body.get("object") == "event":
        return body
    shown = {name: show(version, account, value) for name, value in body.items()}
    for row in of(version):
        if shown.get("object") in row.show:
            row.show[shown["object"]](account, shown)
    return shown


def rendered(version: str, account: Namespace, body: bytes) -> bytes:
    """The same of an answer as JSON."""
    if not of(version):
        return body
    return encode(show(version, account, msgspec.json.decode(body)))
