"""The metrics: their names, units and meaning, and how a log line carries them to CloudWatch.

A log line counts something with its `extra`: `log.info("swept", extra={"metrics": {"TabsAdvanced": 3}})`. On Lambda the
line is written in the embedded metric format, from which CloudWatch makes the metrics: no call, no agent, no package
(docs/decisions/0013).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from chalicelib import config

NAMESPACE = "Aftertab"

METRICS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "PaymentsTaken": ("Count", "money came in: a capture or a charge succeeded"),
        "PaymentsDeclined": ("Count", "a bank said no"),
        "PaymentsUnanswered": ("Count", "a call to Stripe has no answer that can be trusted; the outcome is unknown"),
        "DisputesOpened": ("Count", "a bank takes a payment back"),
        "TabsFlagged": ("Count", "a tab needs a person"),
        "EventsHandled": ("Count", "an event from Stripe is in our books"),
        "EventsRepeated": ("Count", "an event came that was in our books already"),
        "EventsUnclaimed": ("Count", "an event about something of ours that nobody knows, an hour after it happened"),
        "EventsMisplaced": ("Count", "an event from another account than what it names is kept in: not believed"),
        "EventsOfOtherMode": ("Count", "an event of test mode where money is live, or the reverse: not believed"),
        "EventsRefused": ("Count", "an event's signature is wrong"),
        "EventsFailed": ("Count", "an event could not be taken; Stripe sends it again"),
        "EventLagSeconds": ("Seconds", "from the event at Stripe to our books"),
        "TabsDue": ("Count", "a sweep found a tab due and sent it to the queue"),
        "EntriesRelayed": ("Count", "a new entry of a tab was turned into what is told of it"),
        "MessagesMade": ("Count", "a message to a person was put on the queue"),
        "FiguresCounted": ("Count", "a merchant's figures were counted"),
        "FiguresNotCounted": ("Count", "a merchant's figures could not be counted; the next night tries again"),
        "MessagesPosted": ("Count", "a message was handed over, put off or not sent, as its delivery says"),
        "MessagesNotPosted": ("Count", "a message failed; the queue brings it again"),
        "FeedbackNoted": ("Count", "a report on a mail or a text was noted at its delivery"),
        "FeedbackOfOthers": ("Count", "a report on a mail or a text that is none of ours"),
        "TabsAdvanced": ("Count", "a worker did what was due on a tab"),
        "TabsNotAdvanced": ("Count", "a worker failed on a tab; the queue or the next sweep brings it again"),
        "SweepLagSeconds": (
            "Seconds",
            "how long the tab that waited longest had been due; 0 for none",
        ),
        "MoneyMismatches": ("Count", "a difference between our books and Stripe's that needs a person"),
        "DifferencesRepaired": ("Count", "a difference between our books and Stripe's that news of Stripe explained"),
        "ReconciliationGaps": ("Count", "what a reconciliation could not read, or had no time for; 0 for a whole run"),
    }
)


def embedded(values: Mapping[str, float], at: float) -> dict[str, object]:
    """The additional fields that turn a log line into these metrics. `at`: seconds since 1970.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Stage"]],
        "Metrics": [{"Name": name, "Unit": METRICS[name][0]} for name in values],
    }
    return {
        "_aws": {"Timestamp": int(at * 1000), "CloudWatchMetrics": [directive]},
        "Stage": config.stage(),
        **values,
    }
