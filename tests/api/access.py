"""Who may call what on whose things: the cells of the table that the code, docs/access.md and the walk share.

The operations themselves say which roles and which scopes of links they are for (`Operation.rights`; for actions of a
tab that is the domain's own table). Here that is spread out over every caller and over whose thing is asked for.
`make access` writes docs/access.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from chalicelib.domain.tab.actor import Role
from chalicelib.domain.tab.link import Scope
from chalicelib.handlers.api.operations import Operation, all_operations, may_call

OPERATIONS = all_operations()

TARGET = Path(__file__).resolve().parents[2] / "docs" / "access.md"


class Who(StrEnum):
    """The kinds of callers. A token's guest has the scope `pay`, and no link."""

    NOBODY = "nobody"
    CUSTOMER = "customer"
    VIEW = "link: view"
    PAY = "link: pay"
    FULL = "link: full"
    TOKEN = "token"
    STAFF = "staff"
    OWNER = "owner"
    OPERATOR = "operator"

    @property
    def right(self) -> Role | Scope | None:
        guest = {Who.VIEW: Scope.VIEW, Who.PAY: Scope.PAY, Who.FULL: Scope.FULL, Who.TOKEN: Scope.PAY}
        return guest[self] if self in guest else None if self == Who.NOBODY else Role(self.value)

    @property
    def is_guest(self) -> bool:
        return isinstance(self.right, Scope)


class Whose(StrEnum):
    """Whose thing the path names, as a customer's caller sees it."""

    OWN = "their own"
    OTHER_TAB = "another tab of the same customer"
    OTHER_CUSTOMER = "another customer's of the same merchant"
    OTHER_MERCHANT = "another merchant's"


class Verdict(StrEnum):
    PASSES = "passes"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    NOT_FOUND = "404"


class Cell(Struct, frozen=True):
    operation: Operation
    who: Who
    whose: Whose

    @property
    def verdict(self) -> Verdict:
        """What the rules say: first whether the caller may do this at all, then whether the thing is theirs."""
        operation, right = self.operation, self.who.right
        if not operation.rights:
            return Verdict.PASSES
        if right is None:
            return Verdict.UNAUTHORIZED
        if not may_call(operation, right, has_token=self.who == Who.TOKEN):
            return Verdict.FORBIDDEN
        return Verdict.PASSES if _is_theirs(self.who, self.whose) else Verdict.NOT_FOUND


def _is_theirs(who: Who, whose: Whose) -> bool:
    """A guest's key opens one tab; a customer sees their own tabs; staff and owner all of their merchant's."""
    if whose == Whose.OWN:
        return True
    if whose == Whose.OTHER_MERCHANT or who.is_guest:
        return False
    return who != Who.CUSTOMER or whose == Whose.OTHER_TAB


def kinds_of_things(operation: Operation) -> tuple[Whose, ...]:
    """Whose things a path can name: without an id in it, the caller's merchant decides."""
    if "{tab_id}" in operation.path:
        return tuple(Whose)
    if "{customer_id}" in operation.path and operation.rights:
        return (Whose.OWN, Whose.OTHER_CUSTOMER, Whose.OTHER_MERCHANT)
    if "{endpoint_id}" in operation.path:
        return (Whose.OWN, Whose.OTHER_MERCHANT)
    return (Whose.OWN,)


def cells() -> Iterator[Cell]:
    for operation in sorted(OPERATIONS.values(), key=lambda operation: (operation.path, operation.method)):
        for who in Who:
            for whose in kinds_of_things(operation):
                yield Cell(operation, who, whose)


# docs/access.md

_HEAD = """\
# Who may call what

One row for each operation of the API. `make access` writes this page from the operations themselves: a row says what
the code checks before it reads anything. If an operation is an action on a tab, it says what the
[domain's table of actions](../chalicelib/domain/tab/actions.py) says.
`tests/api/test_access.py` sends a request for every cell.

- **yes**: may call it, for their own data. Anything else is answered with 404, exactly like something that does not
  exist. Own data is: for a guest the one tab that the link or token opens; for a customer their own tabs, contact and
  card at this merchant; for staff and owner everything of their merchant.
- **–**: 403 `forbidden`, whatever the request is about. Without a token or link it is 401.
- **all**: no token is needed; below the table is what protects the operation.

A link's `view`, `pay` and `full` are its [scopes](links.md). A numbered token is a key with the scope `pay`.

"""

_FOOT = """
About the operations for **all**: `health` and `openapi` answer everybody alike. `stripe_webhook` accepts only what
[Stripe has signed](security.md). `show_unsubscribe` and `unsubscribe` have a key in their address, which works for one
customer's e-mails from one merchant. The pages below `/t/` have the link's or token's secret in their address, and
follow the same table.
"""


def page() -> str:
    every = list(cells())
    by_verdict = {verdict: sum(cell.verdict == verdict for cell in every) for verdict in Verdict}
    columns = [who for who in Who if who != Who.NOBODY]
    rows = ["| operation | | " + " | ".join(columns) + " |", "|---|---|" + "---|" * len(columns)]
    for operation in sorted(OPERATIONS.values(), key=lambda operation: (operation.path, operation.method)):
        cells_of_it = ["all" if not operation.rights else _mark(Cell(operation, who, Whose.OWN)) for who in columns]
        rows.append(f"| `{operation.name}` | `{operation.method} {operation.path}` | {' | '.join(cells_of_it)} |")
    count = (
        f"\n{len(every):,} cells: {len(OPERATIONS)} operations, {len(Who)} kinds of callers, and whose data is asked "
        f"for (their own, another tab of the same customer, another customer's, another merchant's, if the path "
        "names any). "
        f"{by_verdict[Verdict.PASSES]:,} pass, {by_verdict[Verdict.UNAUTHORIZED]:,} are 401, "
        f"{by_verdict[Verdict.FORBIDDEN]:,} are 403, {by_verdict[Verdict.NOT_FOUND]:,} are 404.\n"
    )
    return _HEAD + "\n".join(rows) + "\n" + count + _FOOT


def _mark(cell: Cell) -> str:
    return "yes" if cell.verdict == Verdict.PASSES else "–"


if __name__ == "__main__":
    TARGET.write_text(page())
    print(f"wrote {TARGET}")
