"""Owns search: Stripe's query language over payment intents, charges and customers, and its lag.

What was created less than a minute ago (of the business clock) is not found yet, as Stripe warns: a caller that
reads after it writes must use a list. What changed meanwhile is matched as it is now; Stripe might still match it
as it was.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from .context import Call
from .errors import invalid
from .params import EXPAND, Fields, Required, integer, string

LAG_SECONDS = 60
SEARCH: Fields = {"query": Required(string), "limit": integer, "page": string, **EXPAND}

_FIELDS = {
    "payment_intent": {"amount", "created", "currency", "customer", "status"},
    "charge": {"amount", "created", "currency", "customer", "disputed", "refunded", "status",
               "payment_method_details.card.brand", "payment_method_details.card.last4",
               "payment_method_details.card.exp_month", "payment_method_details.card.exp_year",
               "payment_method_details.card.fingerprint"},
    "customer": {"created", "email", "name", "phone"},
}  # fmt: skip
_NUMERIC = {"amount", "created", "payment_method_details.card.exp_month", "payment_method_details.card.exp_year"}
_CLAUSE = re.compile(
    r"""\s*(?P<minus>-)?(?P<field>metadata\[(?P<quote>["'])(?P<key>.*?)(?P=quote)\]|[a-z_.0-9]+)
        \s*(?P<op><=|>=|:|~|<|>)\s*(?P<value>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|-?\d+|null|true|false)\s*""",
    re.X,
)
_JOIN = re.compile(r"(AND|OR)\b", re.I)
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}

Test = Callable[[Any], bool]


def parse(kind: str, query: str) -> Test:
    """A predicate for the query. Raises Stripe's 400 for what the language does not have."""
    tests: list[Test] = []
    joined: set[str] = set()
    at = 0
    while True:
        match = _CLAUSE.match(query, at)
        if match is None:
            raise invalid(f"We were unable to parse your search query near: {query[at : at + 40]!r}", param="query")
        tests.append(_clause(kind, match))
        at = match.end()
        if at >= len(query):
            break
        join = _JOIN.match(query, at)
        if join is None:
            raise invalid(f"We were unable to parse your search query near: {query[at : at + 40]!r}", param="query")
        joined.add(join.group().upper())
        at = join.end()
    if len(joined) > 1:
        raise invalid("You cannot combine AND and OR in the same query.", param="query")
    return (
        (lambda row: any(test(row) for test in tests))
        if joined == {"OR"}
        else (lambda row: all(test(row) for test in tests))
    )


def _clause(kind: str, match: re.Match[str]) -> Test:
    field, key, op, text = match["field"], match["key"], match["op"], match["value"]
    if key is None and field not in _FIELDS[kind]:
        raise invalid(f"Field `{field}` is an unsupported search field for resource `{kind}s`.", param="query")
    value: str | None = None if text == "null" else text[1:-1].replace('\\"', '"') if text[0] in "\"'" else text

    def read(row: Any) -> Any:
        if key is not None:
            return row.metadata.get(key)
        for part in field.split("."):
            row = getattr(row, part)
        return row

    if op in _ORDER or (field in _NUMERIC and value is not None):
        if field not in _NUMERIC or value is None or not value.lstrip("-").isdigit():
            raise invalid(f"Field `{field}` does not support the operator `{op}` with this value.", param="query")
        compare: Callable[[Any, Any], bool] = _ORDER.get(op, operator.eq)
        wanted = int(value)
        test: Test = lambda row: compare(read(row), wanted)  # noqa: E731
    elif op == "~":
        if value is None or len(value) < 3:
            raise invalid("Substring matches need at least 3 characters.", param="query")
        part = value.lower()
        test = lambda row: part in str(read(row) or "").lower()  # noqa: E731
    else:
        test = lambda row: _equal(read(row), value)  # noqa: E731
    return (lambda row: not test(row)) if match["minus"] else test


def _equal(have: Any, wanted: str | None) -> bool:
    if have is None or wanted is None:
        return have is wanted
    if isinstance(have, bool):
        return have is (wanted == "true")
    return str(have).lower() == wanted.lower()


def _search(call: Call, params: dict[str, Any], kind: str, url: str) -> dict[str, Any]:
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise invalid(
            "Invalid integer: limit must be between 1 and 100", code="parameter_invalid_integer", param="limit"
        )
    test = parse(kind, params["query"])
    visible = call.now - LAG_SECONDS
    page = params.get("page")
    rows = call.account.of[kind]
    if page is not None and page not in rows:
        raise invalid("Invalid page token.", param="page")
    found: list[Any] = []
    more = False
    for row in rows.newest_first(before=page):
        if row.created <= visible and test(row):
            if len(found) == limit:
                more = True
                break
            found.append(row)
    return {
        "object": "search_result",
        "data": found,
        "has_more": more,
        "url": url,
        "next_page": found[-1].id if more else None,
    }


def payment_intents(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    return _search(call, params, "payment_intent", "/v1/payment_intents/search")


def charges(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    return _search(call, params, "charge", "/v1/charges/search")


def customers(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    return _search(call, params, "customer", "/v1/customers/search")
