"""What Stripe has and the stand-in does not play is answered 501 with a sentence, never as if it did not exist.

`python -m tests.standin.test_unplayed` writes the names down again, from Stripe's OpenAPI document.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import stripe

from devstack.stripe_standin import conformance, expand, routes, unplayed, versions
from devstack.stripe_standin.params import Required

from .conftest import Standin

FILE = Path(unplayed.__file__).parent / "unplayed.txt"


def _takes(rule: Any, path: list[str]) -> bool:
    """Whether a rule knows the parameter at a path below it."""
    rule = rule.rule if isinstance(rule, Required) else rule
    if not path:
        return True
    inner = [rule.inner] if hasattr(rule, "inner") else list(getattr(rule, "options", []))
    if inner:
        return any(_takes(option, path) for option in inner)
    fields = getattr(rule, "fields", None)
    if fields is None:
        return True  # a free hash, or a rule of its own
    return path[0] in fields and _takes(fields[path[0]], path[1:])


def _names(node: dict[str, Any], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The parameters in a request schema, as paths."""
    found: list[tuple[str, ...]] = []
    for option in node.get("anyOf", [node]):
        if option.get("type") == "array":
            found += _names(option["items"], above)
        for name, inner in option.get("properties", {}).items():
            found += [(*above, name), *_names(inner, (*above, name))]
    return found


def _operations() -> list[tuple[str, str, list[tuple[str, ...]], list[tuple[tuple[str, ...], str]]]]:
    """(method, path, parameters, values of parameters) of all that Stripe documents for /v1."""
    found = []
    for path, methods in conformance.document()["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/v1/") and method in ("get", "post", "delete"):
                names: list[tuple[str, ...]] = []
                values: list[tuple[tuple[str, ...], str]] = []
                for content in operation.get("requestBody", {}).get("content", {}).values():
                    names += _names(content.get("schema", {}))
                    values += _enums(content.get("schema", {}))
                for parameter in operation.get("parameters", []):
                    if parameter["in"] == "query":
                        names += [(parameter["name"],), *_names(parameter["schema"], (parameter["name"],))]
                        values += _enums(parameter["schema"], (parameter["name"],))
                found.append((method.upper(), re.sub(r"\{[^}]+\}", "{}", path), names, values))
    return found


def written() -> str:
    """Every name, one a line; of parameters the highest that is not played."""
    lines = set()
    for method, path, names, values in _operations():
        route = routes.ROUTES.get((method, path.removeprefix("/v1/")))
        if route is None:
            lines.add(f"PATH {method} {path}")
            continue
        ages = [versions.fields(version, route.name, route.fields) for version in (versions.OLDEST, versions.NEWEST)]
        for name in names:
            known = [depth for depth in range(1, len(name) + 1) if any(_known(age, name[:depth]) for age in ages)]
            if len(known) < len(name):
                lines.add(f"PARAMETER {route.name} {'.'.join(name[: len(known) + 1])}")
        for name, value in values:
            allowed = [_allowed(age[name[0]], list(name[1:])) for age in ages if name[0] in age]
            if value and allowed and all(words is not None and value not in words for words in allowed):
                lines.add(f"VALUE {route.name} {'.'.join(name)} {value}")
    for kind, schema in conformance.document()["components"]["schemas"].items():
        if kind in {route.kind for route in routes.ROUTES.values()}:
            for field, described in schema.get("properties", {}).items():
                if "x-expansionResources" in described and field not in expand.EXPANDABLE.get(kind, {}):
                    lines.add(f"EXPANSION {kind} {field}")
    return "".join(f"{line}\n" for line in sorted(lines))


def _allowed(rule: Any, path: list[str]) -> set[str] | None:
    """The values that a rule at a path takes, where it takes a few only."""
    rule = rule.rule if isinstance(rule, Required) else rule
    inner = [rule.inner] if hasattr(rule, "inner") else list(getattr(rule, "options", []))
    if inner:
        found = [_allowed(option, path) for option in inner]
        return next((values for values in found if values is not None), None)
    if not path:
        return set(rule.allowed) if hasattr(rule, "allowed") else None
    fields = getattr(rule, "fields", {})
    return _allowed(fields[path[0]], path[1:]) if path[0] in fields else None


def _enums(node: dict[str, Any], above: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], str]]:
    """Every value that a parameter of a request schema may have, where Stripe lists them."""
    found = [(above, value) for value in node.get("enum", ())]
    for option in node.get("anyOf", ()):
        found += _enums(option, above)
    if "items" in node:
        found += _enums(node["items"], above)
    for name, inner in node.get("properties", {}).items():
        found += _enums(inner, (*above, name))
    return found


def _known(fields: Any, name: tuple[str, ...]) -> bool:
    return name[0] in fields and _takes(fields[name[0]], list(name[1:]))


def test_every_name_that_is_not_played_is_known() -> None:
    """The file is what Stripe's document has and the stand-in has not: paths, parameters, values, expansions."""
    assert FILE.read_text(encoding="utf-8") == written(), "python -m tests.standin.test_unplayed writes it again"


@pytest.mark.parametrize(
    ("method", "path", "form", "named"),
    [
        ("GET", "invoices", "", "GET /v1/invoices"),
        ("POST", "subscriptions/sub_1", "", "POST /v1/subscriptions/{}"),
        ("DELETE", "coupons/x", "", "DELETE /v1/coupons/{}"),
        ("POST", "payment_intents", "amount=900&currency=eur&transfer_data[destination]=acct_1", "transfer_data"),
        ("POST", "customers", "source=tok_visa", "the parameter source"),
        ("POST", "prices", "currency=eur&product=prod_1&tiers_mode=graduated", "tiers_mode"),
        ("POST", "payment_methods", "type=sepa_debit", "sepa_debit for type"),
        ("POST", "checkout/sessions", "mode=subscription", "subscription for mode"),
        ("POST", "checkout/sessions", "mode=payment&line_items[0][adjustable_quantity][enabled]=true", "adjustable"),
        ("GET", "setup_intents?expand[]=data.latest_attempt", "", "expand latest_attempt of setup_intent"),
    ],
)
def test_what_is_not_played_says_so(standin: Standin, method: str, path: str, form: str, named: str) -> None:
    """501, the name, and where to read what is played; nothing happens, and a key stays free."""
    status, body, _ = standin.raw(method, f"/v1/{path}", form, {"Idempotency-Key": "k"})

    assert (status, named in body["error"]["message"]) == (501, True)
    assert body["error"]["message"].endswith("though Stripe does. What it plays is in docs/stripe-standin.md.")
    assert standin.control("health")["idempotency_keys"] == 0


def test_what_does_not_exist_at_stripe_either_is_refused_as_there(standin: Standin) -> None:
    """An invented path, parameter and expansion: 404 and 400 in Stripe's words."""
    client = standin.client()

    assert standin.raw("GET", "/v1/unicorns")[0] == 404
    for given in ({"colour": "red"}, {"expand": ["colour"]}):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.customers.create(given)  # type: ignore[arg-type]
        assert refused.value.http_status == 400


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
