"""The end of a replay: every tab against its row, against what always holds and against Stripe's books; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from devstack.acknowledged import Acknowledged
from devstack.books import differences, money_of_app, money_of_standin
from devstack.invariants import History, Objects, check_books, check_dry, check_tab
from devstack.replay.hotel_clients import Stay
from devstack.replay.plan import Plan

CURRENCY = "EUR"


@dataclass(slots=True)
class Sums:
    """Tabs and their money, in cents. `promised`: the caps. `outstanding`: still owed."""

    tabs: int = 0
    promised: int = 0
    held: int = 0
    captured: int = 0
    released: int = 0
    expired: int = 0
    charged: int = 0
    refunded: int = 0
    waived: int = 0
    outstanding: int = 0

    def add(self, other: Sums) -> None:
        for column in fields(self):
            setattr(self, column.name, getattr(self, column.name) + getattr(other, column.name))


@dataclass(slots=True)
class Audit:
    """`by_end`: sums by end state. `problems`: everything that is not as it must be, in words; empty is a pass."""

    by_end: dict[str, Sums] = field(default_factory=dict)
    total: Sums = field(default_factory=Sums)
    problems: list[str] = field(default_factory=list)


def audit(
    plans: Mapping[int, Plan],
    stays: Mapping[int, Stay],
    tabs: Iterable[tuple[int, dict[str, Any], History | None]],
    books: dict[str, Any],
    objects: Mapping[str, Objects],
    told: Acknowledged,
) -> Audit:
    """Check every row.

    `tabs`: by row number, as the API shows them to staff, some with their history. `books`: the stand-in's sums, by
    tab; `objects`: what those are sums of. `told`: what the API has answered on the way.
    """
    found = Audit()
    seen: dict[int, str] = {}
    for number, tab, history in tabs:
        seen[number] = tab["tab_id"]
        _add(found, tab)
        problems = [
            *_problems(plans[number], tab, books),
            *check_tab(tab, history),
            *check_dry(tab, history),
            *check_books(tab, history, objects.get(tab["tab_id"], Objects())),
            *told.check(tab, history),
        ]
        found.problems += [f"row {number}, {tab['tab_id']}: {problem}" for problem in problems]
    found.problems += told.check_keys()
    for number in sorted(plans):
        stay = stays.get(number)
        if stay is not None and stay.failure:
            found.problems.append(f"row {number}: {stay.failure}")
        if number not in seen:
            found.problems.append(f"row {number} has no tab")
    if len(set(seen.values())) != len(seen):
        found.problems.append("two rows have the same tab")
    if strangers := sorted(set(books["groups"]) - set(seen.values())):
        found.problems.append(f"Stripe has payments of {len(strangers)} tabs that are no row's: {strangers[0]}")
    found.problems += _total_problems(found.total, books)
    return found


def _add(found: Audit, tab: dict[str, Any]) -> None:
    money = money_of_app(tab)
    sums = Sums(
        tabs=1,
        promised=tab["promise"]["cap_minor"],
        held=money.held,
        captured=money.captured,
        released=money.released,
        expired=money.expired,
        charged=money.charged,
        refunded=money.refunded,
        waived=tab["waived_minor"],
        outstanding=tab["balance_minor"],
    )
    end = tab["outcome"] if tab["status"] == "closed" else f"not closed: {tab['status']}"
    found.by_end.setdefault(f"{end}, {tab['payment_state'].replace('_', ' ')}", Sums()).add(sums)
    found.total.add(sums)


def _problems(plan: Plan, tab: dict[str, Any], books: dict[str, Any]) -> list[str]:
    """Where the tab is not what its row says."""
    expected = plan.expected
    problems = [
        text
        for text, is_wrong in (
            (f"it is {tab['status']}, not closed", tab["status"] != "closed"),
            (f"it ended as {tab['outcome']}, its row as {expected.outcome}", tab["outcome"] != expected.outcome),
            (f"paid {tab['paid_minor']}, by its row {expected.paid_minor}", tab["paid_minor"] != expected.paid_minor),
            (
                f"waived {tab['waived_minor']}, by its row {expected.waived_minor}",
                tab["waived_minor"] != expected.waived_minor,
            ),
            (f"a refund of {tab['refund_owed_minor']} is owed", tab["refund_owed_minor"] != 0),
            (f"flagged: {'; '.join(flag['reason'] for flag in tab['flags'])}", bool(tab["flags"])),
        )
        if is_wrong
    ]
    return problems + differences("Stripe", money_of_app(tab), money_of_standin(books, tab["tab_id"], CURRENCY))


def _total_problems(ours: Sums, books: dict[str, Any]) -> list[str]:
    """Everything that Stripe has, whether it bears a tab's id or not, against the sum of our tabs."""
    theirs = [line for account in books["accounts"].values() for line in account.values()]
    names = {name: name for name in ("captured", "released", "expired", "charged", "refunded")}
    names["held"] = "authorized"
    problems = []
    for name, their_name in names.items():
        total = sum(line[their_name] for line in theirs)
        if getattr(ours, name) != total:
            problems.append(f"in total we have {name} {getattr(ours, name)}, Stripe has {total}")
    if live := sum(line["live_holds"] for line in theirs):
        problems.append(f"Stripe still holds {live}")
    return problems
