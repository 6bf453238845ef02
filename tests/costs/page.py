"""Writes docs/remote-calls.md and budget.json, and compares a measurement with the budget."""

from __future__ import annotations

import json
from pathlib import Path

from tests.costs.meter import ROOT, Usage
from tests.costs.stories import Measured, Story

PAGE = ROOT / "docs" / "remote-calls.md"
BUDGET = Path(__file__).with_name("budget.json")
GROWTH = 1.05
"""What a figure may grow to before the test fails."""

# List prices in US dollars: us-east-1, on demand, first tier, as published in November 2024 and since.
RRU = 0.125e-6  # https://aws.amazon.com/dynamodb/pricing/on-demand/
WRU = 0.625e-6
API_CALL = 3.50e-6  # https://aws.amazon.com/api-gateway/pricing/ (REST)
INVOCATION = 0.20e-6  # https://aws.amazon.com/lambda/pricing/
GB_SECOND = 16.6667e-6
INVOCATION_S = 0.15
"""Assumed: mostly waiting for DynamoDB and Stripe."""
INVOCATION_GB = 1.0
STRIPE_SHARE, STRIPE_FIXED = 0.029, 0.30  # https://stripe.com/pricing (US cards), of every successful charge

_NAMES = {"GetItem": "Get", "BatchGetItem": "BatchGet", "TransactWriteItems": "TransactWrite", "PutItem": "Put"}


_OPERATIONS = """\
# Remote calls

`make remote-calls` writes this page. `tests/costs` fails if the page is out of date, or if a figure is more than 5%
over its budget (`tests/costs/budget.json`, which `make remote-calls` lowers and only a person raises). The calls are
counted through the app as it is deployed, against the table as it is defined. Capacity units (RCU, WCU) follow
DynamoDB's published rules: a consistent read costs 1 for every 4 KB, for each item of a batch separately; a write in
a transaction costs 2 for every 1 KB; each index adds 1 if the attributes that it has change, or 2 if its key changes.

## Operations

| operation | DynamoDB | RCU | WCU, with the indexes | Stripe |
|---|---|---|---|---|
{rows}

A message costs the request nothing: it follows from an entry that the transaction writes anyway. When a promise is
accepted, the second read is the customer's saved card.
"""

_TABS = """
## Whole tabs

All calls for one tab, from the opening to the last event, for a customer who has been here before. Two things are left
out: reads for the app's own screens (1 `Get` each), and the schedule's search for due tabs (64 queries and 32 RCU every
five minutes, for one tab as for ten thousand). What the worker then does for the tab is included.

| tab | requests to us | events | DynamoDB | of them transactions | RCU | WCU | Stripe |
|---|---|---|---|---|---|---|---|
{rows}
"""

_DOLLARS = """
## Dollars for 1,000 tabs

The prices are AWS's list prices for us-east-1, on demand (DynamoDB $0.125 and $0.625 a million read and write
units, API Gateway REST $3.50 and Lambda $0.20 a million requests, $16.67 a million GB-seconds), without free
tiers, storage, logs and traffic. Lambda's times are assumed, not measured: {milliseconds} ms at 1 GB for each
request and event, and as much again for the authorizer of each request, as if API Gateway never cached its
answer. Stripe's fees are 2.9% + $0.30 of each charge (US cards), with the amounts taken as dollars.

| 1,000 tabs | taken | DynamoDB | API Gateway | Lambda | AWS in all | Stripe's fees |
|---|---|---|---|---|---|---|
{rows}
"""


def page(measured: Measured) -> str:
    operations, stories = measured.operations.items(), measured.stories.items()
    return (
        _OPERATIONS.format(rows="\n".join(_operation_row(name, usage) for name, usage in operations))
        + _TABS.format(rows="\n".join(_tab_row(name, story) for name, story in stories))
        + _DOLLARS.format(
            milliseconds=f"{INVOCATION_S * 1000:.0f}",
            rows="\n".join(_dollar_row(name, story) for name, story in stories),
        )
    )


def _operation_row(name: str, usage: Usage) -> str:
    rcu = _number(usage.rcu + usage.schedule_rcu)
    return _row(name, _requests(usage), rcu, _number(usage.wcu), usage.stripe)


def _tab_row(name: str, story: Story) -> str:
    used = story.usage
    units = _number(used.rcu), _number(used.wcu)
    return _row(name, story.calls, story.events, used.dynamodb, used.transactions, *units, used.stripe)


def _dollar_row(name: str, story: Story) -> str:
    aws = _aws(story)
    dollars = [f"${amount:.2f}" for amount in (*aws, sum(aws))]
    return _row(name, f"${sum(story.taken_minor) * 10:,}", *dollars, f"${_fees(story):,.0f}")


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _aws(story: Story) -> tuple[float, float, float]:
    """Dollars for 1,000 such tabs: database, API gateway, functions."""
    invocations = 2 * story.calls + story.events
    return (
        1000 * (story.usage.rcu * RRU + story.usage.wcu * WRU),
        1000 * (story.calls + story.events) * API_CALL,
        1000 * invocations * (INVOCATION + INVOCATION_S * INVOCATION_GB * GB_SECOND),
    )


def _fees(story: Story) -> float:
    return 1000 * sum(minor / 100 * STRIPE_SHARE + STRIPE_FIXED for minor in story.taken_minor)


def _requests(usage: Usage) -> str:
    requests = {"Query": usage.schedule} if usage.schedule else {}
    return ", ".join(
        f"{number} {_NAMES.get(name, name)}" if number > 1 else _NAMES.get(name, name)
        for name, number in (requests | usage.requests).items()
    )


def _number(units: float) -> str:
    return f"{units:g}"


# The budget


def figures(measured: Measured) -> dict[str, dict[str, float]]:
    """Every figure that has a budget, by what it is of."""
    of_operations = {
        name: _figures(usage, usage.schedule, usage.schedule_rcu) for name, usage in measured.operations.items()
    }
    return of_operations | {name: _figures(story.usage) for name, story in measured.stories.items()}


def _figures(usage: Usage, schedule: int = 0, schedule_rcu: float = 0) -> dict[str, float]:
    return {
        "dynamodb": usage.dynamodb + schedule,
        "rcu": usage.rcu + schedule_rcu,
        "wcu": usage.wcu,
        "stripe": usage.stripe,
    }


def budget() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads(BUDGET.read_text()) if BUDGET.exists() else {}
    return found


def lowered(old: dict[str, dict[str, float]], new: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """The budget after a measurement: what has fallen is kept, what has grown is left for a person to raise."""
    return {
        name: {what: min(figure, old.get(name, {}).get(what, figure)) for what, figure in row.items()}
        for name, row in new.items()
    }


def excesses(old: dict[str, dict[str, float]], new: dict[str, dict[str, float]]) -> list[str]:
    """What has grown by more than it may, in words."""
    return [
        f"{name}: {what} is {figure:g}, the budget {old[name][what]:g}"
        for name, row in new.items()
        for what, figure in row.items()
        if figure > old[name][what] * GROWTH
    ]
