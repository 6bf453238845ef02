"""The dashboard: payments first, then events and sweep, queues and news, then API, functions and table."""

from __future__ import annotations

import json
from typing import Any

from devstack.deploy.alarms import OURS
from devstack.deploy.alarms import QUEUES as WATCHED

QUEUES = tuple(queue.name for queue in WATCHED)
_WIDTH, _HEIGHT = 12, 6
_FULL = "aftertab-${Stage}"


def resource(functions: list[str]) -> dict[str, Any]:
    """`functions`: their names without the common prefix."""
    widgets = [_widget(number, title, metrics) for number, (title, metrics) in enumerate(_graphs(functions).items())]
    return {
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {
            "DashboardName": {"Fn::Sub": _FULL},
            "DashboardBody": {"Fn::Sub": json.dumps({"widgets": widgets})},
        },
    }


def _graphs(functions: list[str]) -> dict[str, list[list[Any]]]:
    """Title → metrics in CloudWatch's form: namespace, metric, dimensions …, options."""
    lambdas = [("FunctionName", f"{_FULL}-{name}") for name in functions]
    api = [("ApiName", _FULL), ("Stage", "${Stage}")]
    table = [("TableName", "${TabTable}")]
    queues = [("QueueName", f"{_FULL}-{queue}") for queue in QUEUES]
    return {
        "Payments": [_ours("PaymentsTaken"), _ours("PaymentsDeclined"), _ours("PaymentsUnanswered")],
        "For a person": [_ours("TabsFlagged"), _ours("MoneyMismatches"), _ours("DisputesOpened")],
        "Events from Stripe": [
            _ours("EventsHandled"),
            _ours("EventsRepeated"),
            _ours("EventsFailed"),
            _ours("EventsRefused"),
        ],
        "Events: seconds from Stripe to our books": [
            _ours("EventLagSeconds", stat="p50"),
            _ours("EventLagSeconds", stat="p99"),
        ],
        "Sweep: tabs": [_ours("TabsAdvanced"), _ours("TabsNotAdvanced")],
        "Sweep: seconds that the oldest due tab has waited": [_ours("SweepLagSeconds", stat="Maximum")],
        "Queues: messages that wait": [
            _line("AWS/SQS", "ApproximateNumberOfMessagesVisible", [name]) for name in queues
        ],
        "Queues: seconds that the oldest message has waited": [
            _line("AWS/SQS", "ApproximateAgeOfOldestMessage", [name], stat="Maximum") for name in queues
        ],
        "Dead letters": [
            _line(
                "AWS/SQS", "ApproximateNumberOfMessagesVisible", [("QueueName", f"{name}-dead-letters")], stat="Maximum"
            )
            for name in (_FULL, *(f"{_FULL}-{queue}" for queue in ("relay", *QUEUES)))
        ],
        "News: entries relayed, messages made and delivered": [
            _ours("EntriesRelayed"),
            _ours("MessagesMade"),
            _ours("MessagesPosted"),
            _ours("MessagesNotPosted"),
        ],
        "Figures: merchants counted each night": [_ours("FiguresCounted"), _ours("FiguresNotCounted")],
        "Relay: milliseconds that it is behind": [
            _line("AWS/Lambda", "IteratorAge", [("FunctionName", f"{_FULL}-relay")], stat="Maximum")
        ],
        "API: requests": [_line("AWS/ApiGateway", name, api) for name in ("Count", "4XXError", "5XXError")],
        "API: milliseconds": [_line("AWS/ApiGateway", "Latency", api, stat=stat) for stat in ("p50", "p95", "p99")],
        "Functions: milliseconds, p99": [_line("AWS/Lambda", "Duration", [name], stat="p99") for name in lambdas],
        "Functions: errors and throttles": [
            _line("AWS/Lambda", metric, [name]) for metric in ("Errors", "Throttles") for name in lambdas
        ],
        "Table: units": [
            _line("AWS/DynamoDB", metric, table)
            for metric in ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits")
        ],
        "Table: throttled": [
            _line("AWS/DynamoDB", metric, table) for metric in ("ReadThrottleEvents", "WriteThrottleEvents")
        ],
    }


def _ours(metric: str, stat: str = "Sum") -> list[Any]:
    return _line(OURS, metric, [("Stage", "${Stage}")], stat=stat)


def _line(namespace: str, metric: str, dimensions: list[tuple[str, str]], stat: str = "Sum") -> list[Any]:
    return [namespace, metric, *(part for dimension in dimensions for part in dimension), {"stat": stat}]


def _widget(number: int, title: str, metrics: list[list[Any]]) -> dict[str, Any]:
    return {
        "type": "metric",
        "x": _WIDTH * (number % 2),
        "y": _HEIGHT * (number // 2),
        "width": _WIDTH,
        "height": _HEIGHT,
        "properties": {
            "title": title,
            "metrics": metrics,
            "region": "${AWS::Region}",
            "period": 300,
            "view": "timeSeries",
        },
    }
