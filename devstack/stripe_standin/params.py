"""Owns the vocabulary in which routes declare their parameters, and turns form strings into typed values.

Whatever fails here failed before execution: 400 and never stored under the idempotency key. Names and types are
Stripe's (OpenAPI 2026-05-27 and the typed parameters of the SDK); the rules between parameters live with each
resource.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .errors import StripeError, invalid

Rule = Callable[[Any, str], Any]


class Required:
    """Marks a rule whose parameter must be present."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule


Fields = Mapping[str, Rule | Required]


class Unset:
    """What an explicit empty string means for a parameter that may be unset."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset()


def _empty(name: str) -> StripeError:
    return invalid(
        f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; however "
        f"'{name}' cannot be unset. You should remove '{name}' from your request or supply a non-empty value.",
        code="parameter_invalid_empty",
        param=name,
    )


def string(value: Any, name: str) -> Any:
    if not isinstance(value, str):
        raise invalid(f"Invalid string: {value}", param=name)
    if value == "":
        raise _empty(name)
    if len(value) > 5000:
        raise invalid(
            f"Invalid {name}: must be at most 5000 characters", code="parameter_invalid_string_too_long", param=name
        )
    return value


def integer(value: Any, name: str) -> Any:
    if isinstance(value, str):
        if value == "":
            raise _empty(name)
        digits = value[1:] if value[0] == "-" else value
        if digits.isascii() and digits.isdigit() and len(digits) <= 18:
            return int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        return value
    raise invalid(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)


def boolean(value: Any, name: str) -> Any:
    if value in ("true", True):
        return True
    if value in ("false", False):
        return False
    if value == "":
        raise _empty(name)
    raise invalid(f"Invalid boolean: {value}", param=name)


class _Enum:
    """One of a few words; `allowed` is for the same test as `inner` below."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed

    def __call__(self, value: Any, name: str) -> Any:
        if value in self.allowed:
            return value
        if value == "":
            raise _empty(name)
        *first, last = self.allowed
        listed = f"{', '.join(first)}{',' if len(first) > 1 else ''} or {last}" if first else last
        raise invalid(f"Invalid {name}: must be one of {listed}", param=name)


def enum(*allowed: str) -> Rule:
    return _Enum(allowed)


class _Wrapped:
    """A rule around another: `inner` is what a test reads to compare our parameters with Stripe's."""

    def __init__(self, inner: Rule) -> None:
        self.inner = inner


class _Nullable(_Wrapped):
    def __call__(self, value: Any, name: str) -> Any:
        return UNSET if value == "" else self.inner(value, name)


class _Array(_Wrapped):
    def __call__(self, value: Any, name: str) -> Any:
        if not isinstance(value, list):
            if value == "":
                raise _empty(name)
            raise invalid("Invalid array", param=name)
        return [self.inner(item, f"{name}[{index}]") for index, item in enumerate(value)]


class _Hash:
    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    def __call__(self, value: Any, name: str) -> Any:
        if value == "":
            value = {}
        if not isinstance(value, dict):
            raise invalid("Invalid object", param=name)
        return apply(self.fields, value, name)


def nullable(rule: Rule) -> Rule:
    """An empty string unsets."""
    return _Nullable(rule)


def array(rule: Rule) -> Rule:
    return _Array(rule)


def hash_of(fields: Fields) -> Rule:
    return _Hash(fields)


class _Either:
    """The first rule that takes the value. `options` is for the same test."""

    def __init__(self, *options: Rule) -> None:
        self.options = options

    def __call__(self, value: Any, name: str) -> Any:
        for option in self.options[:-1]:
            try:
                return option(value, name)
            except StripeError:
                continue
        return self.options[-1](value, name)


def either(*options: Rule) -> Rule:
    return _Either(*options)


def metadata(value: Any, name: str) -> Any:
    """50 keys, 40 and 500 characters (https://docs.stripe.com/metadata). '' for a value removes that key."""
    if value == "":
        return UNSET
    if isinstance(value, list):
        value = {str(index): item for index, item in enumerate(value)}
    if not isinstance(value, dict):
        raise invalid("Invalid hash", param=name)
    if len(value) > 50:
        raise invalid("You can specify up to 50 metadata keys", param=name)
    for key, text in value.items():
        if not isinstance(text, str):
            raise invalid(f"Invalid metadata value for key {key}: must be a string", param=f"{name}[{key}]")
        if len(key) > 40:
            raise invalid(f"Metadata keys can be up to 40 characters: {key}", param=f"{name}[{key}]")
        if len(text) > 500:
            raise invalid(
                f"Metadata values can have up to 500 characters, but you passed in a value that is {len(text)} "
                "characters.",
                param=f"{name}[{key}]",
            )
    return value


def merge_metadata(old: dict[str, str], new: Any) -> dict[str, str]:
    if new is UNSET:
        return {}
    merged = {**old, **new}
    kept = {key: value for key, value in merged.items() if value != ""}
    if len(kept) > 50:
        raise invalid("You can specify up to 50 metadata keys", param="metadata")
    return kept


TIME_RANGE = either(integer, hash_of({"gt": integer, "gte": integer, "lt": integer, "lte": integer}))
ADDRESS = hash_of({key: nullable(string) for key in ("city", "country", "line1", "line2", "postal_code", "state")})
BILLING = hash_of(
    {
        "address": nullable(ADDRESS),
        "email": nullable(string),
        "name": nullable(string),
        "phone": nullable(string),
        "tax_id": string,
    }
)
CUSTOMER_SHIPPING = hash_of({"address": Required(ADDRESS), "name": Required(string), "phone": string})
SHIPPING = hash_of(
    {
        "address": Required(ADDRESS),
        "name": Required(string),
        "phone": string,
        "carrier": string,
        "tracking_number": string,
    }
)
EXPAND = {"expand": array(string)}
PAGE = {"limit": integer, "starting_after": string, "ending_before": string, **EXPAND}


def apply(fields: Fields, raw: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Check every parameter against its rule. Raises for the unknown first, as Stripe does, then for the missing."""
    unknown = [name for name in raw if name not in fields]
    if unknown:
        named = [f"{prefix}[{name}]" if prefix else name for name in unknown]
        hint = ""
        if unknown[0] == "payment_method_types" and "allowed_payment_method_types" in fields:
            hint = ". Did you mean allowed_payment_method_types?"
        raise invalid(
            f"Received unknown parameter{'s' if len(named) > 1 else ''}: {', '.join(named)}{hint}",
            code="parameter_unknown",
            param=named[0],
        )
    out: dict[str, Any] = {}
    for name, rule in fields.items():
        if name in raw:
            full = f"{prefix}[{name}]" if prefix else name
            out[name] = (rule.rule if isinstance(rule, Required) else rule)(raw[name], full)
        elif isinstance(rule, Required):
            full = f"{prefix}[{name}]" if prefix else name
            raise invalid(f"Missing required param: {full}.", code="parameter_missing", param=full)
    return out
