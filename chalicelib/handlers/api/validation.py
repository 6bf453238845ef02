"""Reads a body that msgspec has refused: every mistake in it, each with its place, where msgspec stops at the first.

Loaded by requests with a mistake only. What JSON Schema calls an integer is one here too: `2.0` is read as 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.trust.evidence.fields import FILE_ID_PATTERN
from chalicelib.handlers.api import fields
from chalicelib.handlers.api.body import ID_PATTERN

S = TypeVar("S")

MOST_ERRORS = 20
"""What is wrong in more places than this is wrong as a whole."""
_LONGEST_NAME = 80

EXPECTED: Mapping[str, str] = {
    fields.READABLE: "Expected a text with at least one visible character and no control characters, such as Haircut.",
    fields.PLAIN: "Expected a text without control characters, such as Ask for Ada.",
    ID_PATTERN: "Expected an id as an answer has given it, of 1 to 64 letters, digits, hyphens and underscores, "
    "such as cus_06F3K8Q2ZV7M0W4XJ9T5R1N6BC.",
    fields.CURRENCY_PATTERN: "Expected a currency's three letters (ISO 4217), such as EUR.",
    fields.RETURN_URL_PATTERN: "Expected an address without spaces, by https (for localhost also http), "
    "such as https://example.com/paid.",
    fields.SHA256_PATTERN: "Expected a SHA-256 as 64 hexadecimal digits in lower case, as sha256sum prints it.",
    fields.ZONE_PATTERN: "Expected a time zone's IANA name, such as Europe/Berlin.",
    fields.ACCOUNT_PATTERN: "Expected the id of a Stripe account, such as acct_1PqKc2ab.",
    fields.CODE_PATTERN: "Expected an invitation's code of letters and digits, such as 7KQ2M9XH4T.",
    FILE_ID_PATTERN: "Expected the id of a file at Stripe, such as file_1PqKc2ab.",
}
"""What a text must be, in words, for each pattern that a request has."""


def read(kind: type[S], raw: bytes) -> S:
    """The body as `kind`, a struct. Raises InvalidInput, with `errors`; msgspec.DecodeError where it is not JSON."""
    value = _whole(msgspec.json.decode(raw))
    errors = []
    for pointer, detail in _errors(kind, value, "#"):
        errors.append({"pointer": pointer, "detail": detail})
        if len(errors) == MOST_ERRORS:
            break
    if not errors:
        return msgspec.convert(value, kind)
    # The name of a field in the words of the API: items[0].quantity.
    field = _field(errors[0]["pointer"])
    detail = errors[0]["detail"]
    more = f" And {len(errors) - 1} more: see errors." if len(errors) > 1 else ""
    raise InvalidInput((f"{field}: {detail}" if field else detail) + more, field=field or None, errors=errors)


def _whole(value: Any) -> Any:
    """The same with every float that is an integer turned into one. No field of ours is a float."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= 2**53 else value
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    return value


def _errors(kind: Any, value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """Place and text of what is wrong with a value of this type. Nothing where it can be converted."""
    inner = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    origin = get_origin(inner)
    if origin in (Union, UnionType):
        options = [option for option in get_args(inner) if option is not type(None)]
        if len(options) == 1:
            if value is not None:
                yield from _errors(options[0], value, pointer)
            return
    elif origin in (list, tuple) and isinstance(value, list):
        (element, *_) = get_args(inner)
        wrong = False
        for number, one in enumerate(value):
            for error in _errors(element, one, f"{pointer}/{number}"):
                wrong = True
                yield error
        if wrong:
            return
    elif isinstance(inner, type) and issubclass(inner, msgspec.Struct) and isinstance(value, dict):
        yield from _in_struct(inner, value, pointer)
        return
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as wrong_value:
        yield pointer, _in_words(str(wrong_value).partition(" - at `")[0])


def _in_words(wrong: str) -> str:
    for pattern, expected in EXPECTED.items():
        if wrong.endswith(f"matching regex {pattern!r}"):
            return expected
    return wrong.replace("`", "")[:300] + "."


def _in_struct(kind: type[msgspec.Struct], value: dict[str, Any], pointer: str) -> Iterator[tuple[str, str]]:
    types = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        place = f"{pointer}/{field.encode_name}"
        if field.encode_name in value:
            yield from _errors(types[field.name], value[field.encode_name], place)
        elif field.required:
            yield place, "Required, and missing."
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    for name in value:
        if name not in known:
            yield f"{pointer}/{_escaped(name[:_LONGEST_NAME])}", "There is no such field."


def _escaped(name: str) -> str:
    """As RFC 6901 has it."""
    return name.replace("~", "~0").replace("/", "~1")


def _field(pointer: str) -> str:
    """`#/items/0/quantity` as `items[0].quantity`."""
    found = ""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found += f"[{name}]" if name.isdigit() and found else f".{name}" if found else name
    return found[:120]
