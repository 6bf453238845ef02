"""Starts reconciliation, daily or for an operator, and writes its result as a JSON report and as log lines."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib import config
from chalicelib.ports.deps import Deps
from chalicelib.usecases.books.reconcile import Finding, Reconciled, Told, reconcile

log = logging.getLogger(__name__)

REPORT_VERSION = 1
LOOK_BACK = timedelta(days=3)
"""A daily run covers three days, so that two in a row may fail. Stripe repeats webhooks for three days as well."""
AT_ONCE = 8
DAILY_LIMIT_S = 840.0
"""The time limit of the daily run: its Lambda has 900 s, and work in progress must still finish."""


def daily(deps: Deps) -> dict[str, Any]:
    """Reconcile the last days, as far as time allows, and return the figures. The log has every difference."""
    ends_at = time.monotonic() + DAILY_LIMIT_S
    since = deps.clock.now() - LOOK_BACK
    result = reconcile(deps, since, at_once=AT_ONCE, has_time=lambda: time.monotonic() < ends_at, resumes=True)
    tell(result)
    return figures(result)


def by_hand(
    deps: Deps,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    repair: bool = True,
    progress: Told = lambda done, total: None,
) -> dict[str, Any]:
    """Reconcile a whole period, however long it takes, and return the report. Raises InvalidInput."""
    since = since or deps.clock.now() - LOOK_BACK
    result = reconcile(deps, since, until, repair=repair, at_once=AT_ONCE, progress=progress)
    tell(result)
    return report(result)


def tell(result: Reconciled) -> None:
    """Log a line for each difference and one for the run; `money_mismatch` counts what is left for a person."""
    for finding in result.findings:
        log.log(logging.INFO if finding.repaired else logging.ERROR, "difference", extra=_finding(finding))
    counted = {
        "MoneyMismatches": len(result.open_findings),
        "DifferencesRepaired": len(result.findings) - len(result.open_findings),
        "ReconciliationGaps": len(result.unread),
    }
    level = logging.INFO if result.is_complete else logging.ERROR
    log.log(level, "reconciled", extra={**figures(result), "unread": result.unread, "metrics": counted})


def figures(result: Reconciled) -> dict[str, Any]:
    left = len(result.open_findings)
    return {
        "accounts": result.accounts,
        "tabs": result.tabs,
        "in_progress": result.in_progress,
        "payments": result.payments,
        "foreign": result.foreign,
        "fees_posted": result.fees_posted,
        "differences": len(result.findings),
        "repaired": len(result.findings) - left,
        "money_mismatch": left,
        "complete": result.is_complete,
    }


def report(result: Reconciled) -> dict[str, Any]:
    """The machine-readable report, as described in docs/reconciliation.md."""
    return {
        "report_version": REPORT_VERSION,
        "stage": config.stage(),
        "since": _instant(result.since),
        "until": _instant(result.until),
        **figures(result),
        "unread": result.unread,
        "found": [_finding(finding) for finding in result.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    difference = finding.difference
    return {
        "code": difference.code.value,
        "text": difference.text,
        "repaired": finding.repaired,
        "account": difference.account,
        "merchant_id": difference.merchant_id,
        "tab_id": difference.tab_id,
        "attempt_id": difference.attempt_id,
        "object_id": difference.object_id,
    }


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
