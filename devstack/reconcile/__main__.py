"""`make reconcile`: compares Stripe's objects of a period with our records.

    python -m devstack.reconcile                                       a stack of its own, and every difference on it
    python -m devstack.reconcile --stage prod --from 2026-03-01        a deployment, with the environment's settings

Alone it is a proof: every kind of difference is made, all of them must be found and nothing else, the safe ones
repaired, and a second run must change nothing. The exit code is 1 where one of that fails; on a stage it is 1 where
something is left for a person or was not read, 2 where nothing could be looked at.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from devstack.books import differences, money_of_app, money_of_standin
from devstack.deploy import account
from devstack.invariants import check_split
from devstack.reconcile.injected_differences import FOREIGN, MINUTES, Expected, Tab, Town, inject
from devstack.reconcile.runs import on_stack, on_stage
from devstack.reconcile.show import Meter, Report, console, figures, show
from devstack.stack import DEFAULT_START, ROOT, Stack, stop_on_signals

REPORT = ROOT / ".devstack" / "reconciliation.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--stage", type=account.stage, help="which deployment; none: a local stack with injected differences"
    )
    parser.add_argument("--from", dest="since", type=_instant, metavar="TIME", help="from when (three days ago)")
    parser.add_argument(
        "--to", dest="until", type=_instant, metavar="TIME", help="until when (a quarter of an hour ago)"
    )
    parser.add_argument("--report", type=Path, default=REPORT, help="where the report goes, as JSON (%(default)s)")
    parser.add_argument("--look-only", action="store_true", help="repair nothing")
    given = parser.parse_args()
    # What is found is shown below, and is in the report.
    logging.getLogger("chalicelib").setLevel(logging.CRITICAL)
    shown = console()
    if given.stage is None:
        stop_on_signals()
        return prove(shown, given.report)
    try:
        with Meter(shown) as meter:
            report = on_stage(given.stage, given.since, given.until, repair=not given.look_only, progress=meter.tell)
    except Exception as error:
        # A missing setting, no rights, an empty period: for a person at a terminal, in a line.
        shown.print(f"reconcile: not done: {escape(str(error) or type(error).__name__)}", soft_wrap=True)
        return 2
    _write(report, given.report)
    show(shown, report)
    shown.print(f"reconcile: {figures(report)}; the report is {given.report}", soft_wrap=True)
    return 0 if report["complete"] and not report["money_mismatch"] else 1


def prove(shown: Console, path: Path) -> int:
    """Inject, find, repair, and look again; a line of figures."""
    with Stack() as stack:
        town = Town(stack)
        clean = inject(town, told=lambda what: shown.print(f"[dim]{what}[/dim]"))
        with Meter(shown) as meter:
            first = on_stack(stack, DEFAULT_START, meter.tell)
        _write(first, path)
        show(shown, first)
        problems = compare(town.expected, first)
        problems += _still_different(town, [expected for expected in town.expected if expected.repaired])
        versions = _versions(town, clean)
        # Else what the first run has written would still be news.
        stack.move_clock(stack.now() + 20 * MINUTES)
        second = on_stack(stack, DEFAULT_START)
        left = [expected for expected in town.expected if not expected.repaired]
        problems += [f"the second time: {problem}" for problem in compare(left, second)]
        if _versions(town, clean) != versions:
            problems.append("the second run has changed tabs that agree")
        stack.sweep()
        problems += _wrong_splits(town)
    for problem in problems:
        shown.print(f"[red]✗[/red] {escape(problem)}", soft_wrap=True)
    safe = sum(expected.repaired for expected in town.expected)
    codes = len({expected.code for expected in town.expected})
    found = Counter(town.expected) & Counter(_found(first))
    shown.print(
        f"reconcile: {len(town.expected)} differences of {codes} kinds injected, {found.total()} found "
        f"({100 * found.total() / len(town.expected):.0f} %), {first['repaired']} of {safe} safe ones repaired, "
        f"{second['repaired']} repaired the second time; {first['tabs']} tabs and {first['payments']} payments, "
        f"{first['foreign']} foreign; {len(problems)} problems",
        soft_wrap=True,
    )
    return 1 if problems else 0


def compare(expected: list[Expected], report: Report) -> list[str]:
    """The differences between the report and what was injected, in words."""
    wanted, found = Counter(expected), Counter(_found(report))
    return [
        *(
            f"not found: {one.code} of {one.whose}, repaired: {one.repaired}"
            for one in sorted((wanted - found).elements())
        ),
        *(f"found: {one.code} of {one.whose}, repaired: {one.repaired}" for one in sorted((found - wanted).elements())),
        *(f"{report['foreign']} foreign payments, not {FOREIGN}" for _ in "1" if report["foreign"] != FOREIGN),
        *(f"not read: {what}" for what in report["unread"]),
    ]


def _found(report: Report) -> list[Expected]:
    return [
        Expected(found["code"], found["tab_id"] or found["merchant_id"], found["repaired"]) for found in report["found"]
    ]


def _still_different(town: Town, repaired: list[Expected]) -> list[str]:
    """The repaired tabs whose books still differ from Stripe's."""
    town.stack.drain()
    books = town.stack.standin.get("/_control/books")
    problems = []
    for expected in repaired:
        tab = town.salon.staff.get(f"/tabs/{expected.whose}") if expected.code != "overdue" else None
        if tab is not None:
            problems += differences(
                f"after {expected.code}, Stripe", money_of_app(tab), money_of_standin(books, expected.whose, "EUR")
            )
    return problems


def _wrong_splits(town: Town) -> list[str]:
    """Bills that do not know what was paid of their shares, or are not one sum with them."""
    staff = town.salon.staff
    edited = {expected.whose for expected in town.expected if expected.code == "ledger_wrong"}
    problems = []
    for made, parts in town.splits:
        bill, *shares = (staff.get(f"/tabs/{tab['tab_id']}") for tab in (made, *parts))
        told = [share["paid_minor"] for share in bill["shares"]]
        true = [share["paid_minor"] - share["tip_minor"] for share in shares]
        if told != true:
            problems.append(f"bill {bill['tab_id']} knows {told} of its shares, which have {true}")
        if not edited & {share["tab_id"] for share in shares}:
            problems += check_split(bill, shares)
    return problems


def _versions(town: Town, tabs: list[Tab]) -> list[int]:
    return [town.salon.staff.get(f"/tabs/{tab['tab_id']}")["version"] for tab in tabs]


def _write(report: Report, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
