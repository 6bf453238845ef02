"""Owns faults on demand: which of the coming requests or webhooks go wrong, how, and how often.

The wire (`api`) and the delivery (`webhooks`) ask here and act; nothing here touches an object.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec

from .objects import EventRow
from .store import Namespace

REQUEST_KINDS = frozenset(
    {
        "fail_before",  # an error answer, and nothing happened; not stored under the key: execution never began
        "fail_after",  # it happened and is stored as this error: a replay of the key answers the same 500
        "lost_timeout",  # it happened; the answer never comes (the connection stays open for `seconds`, then drops)
        "lost_reset",  # it happened; the connection is reset instead of an answer
        "reset_before",  # nothing happened; the connection is reset
        "slow",  # `seconds` before executing; meanwhile the key is in use (409)
        "slow_after",  # `seconds` between executing and answering
        "rate_limit",  # 429
        "empty_page",  # a list answers no row and `has_more`: true, as Stripe's lists sometimes do
    }
)
WEBHOOK_KINDS = frozenset({"webhook_lose", "webhook_delay", "webhook_duplicate", "webhook_reorder"})
# What an event says, in its webhook and in the list of events alike; the object itself stays as it is.
EVENT_KINDS = frozenset(
    {
        "event_null",  # `field` of its object is null
        "event_expanded",  # `field` of its object holds the whole object instead of the id
        "event_livemode",  # it claims to come from live mode
    }
)
KINDS = REQUEST_KINDS | WEBHOOK_KINDS | EVENT_KINDS


class Fault(msgspec.Struct, kw_only=True):
    """One rule. It acts on the requests that match, from the `skip`-th on, `count` times, each with `probability`."""

    kind: str
    id: int = 0
    count: int | None = None  # None: until removed
    skip: int = 0
    probability: float = 1.0
    seed: int | None = None
    method: str | None = None
    path: str | None = (
        None  # prefix of the request's path; "{}" matches one id; for webhooks and events: prefix of the event's type
    )
    account: str | None = None
    contains: str | None = None  # anywhere in the form-encoded body
    field: str | None = None  # of the object in an event
    seconds: float = 0.0
    status: int = 500
    copies: int = 2
    hits: int = 0
    seen: int = 0
    dice: Any = None

    def shown(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__struct_fields__ if name != "dice"}


def _path_matches(pattern: str, path: str) -> bool:
    wanted, have = pattern.strip("/").split("/"), path.strip("/").split("/")
    if len(wanted) > len(have):
        return False
    return all(
        part in ("{}", "*") or part == given or (index == len(wanted) - 1 and given.startswith(part))
        for index, (part, given) in enumerate(zip(wanted, have, strict=False))
    )


class Faults:
    def __init__(self) -> None:
        self.rules: list[Fault] = []
        self._next = 1

    def add(self, fault: Fault) -> Fault:
        """Raises ValueError for a kind that does not exist, and for one that lacks its field."""
        if fault.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(sorted(KINDS))}")
        if fault.kind in ("event_null", "event_expanded") and fault.field is None:
            raise ValueError(f"{fault.kind} needs the `field` of the object")
        fault.id, self._next = self._next, self._next + 1
        fault.dice = random.Random(fault.seed)
        self.rules.append(fault)
        return fault

    def remove(self, id: int | None = None) -> int:
        kept = [] if id is None else [rule for rule in self.rules if rule.id != id]
        removed, self.rules = len(self.rules) - len(kept), kept
        return removed

    def _take(self, rule: Fault) -> bool:
        """This request matches: does it also fall within skip, count and probability?"""
        if rule.count is not None and rule.hits >= rule.count:
            return False
        rule.seen += 1
        if rule.seen <= rule.skip or (rule.probability < 1 and rule.dice.random() >= rule.probability):
            return False
        rule.hits += 1
        return True

    def for_request(self, method: str, path: str, account: str, body: str) -> Fault | None:
        for rule in self.rules:
            if (
                rule.kind in REQUEST_KINDS
                and (rule.method is None or rule.method.upper() == method)
                and (rule.path is None or _path_matches(rule.path, path))
                and rule.account in (None, account)
                and (rule.contains is None or rule.contains in body)
                and self._take(rule)
            ):
                return rule
        return None

    def for_event(self, account: Namespace, type: str, fields: tuple[str, ...]) -> list[Fault]:
        """The rules that change what an event of an object with these fields says."""
        return [
            rule
            for rule in self.rules
            if rule.kind in EVENT_KINDS
            and (rule.path is None or type.startswith(rule.path))
            and rule.account in (None, account.id)
            and (rule.field is None or rule.field in fields)
            and self._take(rule)
        ]

    def for_webhook(self, account: Namespace, event: EventRow) -> list[float]:
        """The waits in seconds, one a copy, after which this event is sent; infinity: never."""
        waits = [0.0]
        for rule in self.rules:
            if (
                rule.kind in WEBHOOK_KINDS
                and (rule.path is None or event.type.startswith(rule.path))
                and rule.account in (None, account.id)
                and self._take(rule)
            ):
                if rule.kind == "webhook_lose":
                    return [float("inf")]
                if rule.kind == "webhook_duplicate":
                    waits = waits * max(2, rule.copies)
                elif rule.kind == "webhook_delay":
                    waits = [wait + rule.seconds for wait in waits]
                elif rule.kind == "webhook_reorder":
                    # Later ones overtake: each is held for a random part of `seconds`.
                    waits = [wait + rule.dice.random() * (rule.seconds or 0.5) for wait in waits]
        return waits
