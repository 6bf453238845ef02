"""The alarms: what each one watches, what it means and what to do. docs/deploy.md shows the same table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OURS = "Aftertab"
"""The namespace of the functions' own metrics. Their only dimension is the stage."""

_STAGE = {"Stage": {"Ref": "Stage"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Goes off when `statistic` of `metric` is above `above` in each of `periods` periods of `period_s` seconds.

    `means` and `then` are its description, which the person on call reads. `missing`: how to treat missing data.
    """

    name: str
    metric: str
    means: str
    then: str
    namespace: str = OURS
    dimensions: Mapping[str, Any]
    statistic: str = "Sum"
    above: float = 0
    period_s: int = 300
    periods: int = 1
    missing: str = "notBreaching"

    @property
    def text(self) -> str:
        return f"{self.means} {self.then}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue's own alarms. `waits`: what its messages are; `reader`: the function that handles them."""

    name: str
    waits: str
    reader: str
    age_s: int
    depth: int
    given_up: str

    def alarms(self) -> tuple[Alarm, Alarm, Alarm]:
        def dimensions(logical_id: str) -> dict[str, Any]:
            return {"QueueName": {"Fn::GetAtt": [f"{self.name.capitalize()}{logical_id}", "QueueName"]}}

        return (
            Alarm(
                name=f"{self.name}-age",
                namespace="AWS/SQS",
                metric="ApproximateAgeOfOldestMessage",
                dimensions=dimensions("Queue"),
                statistic="Maximum",
                above=self.age_s,
                means=f"{self.waits} have waited in the queue for more than {self.age_s // 60} minutes.",
                then=f"Does the function {self.reader} fail, or are there too many? Raise its concurrency in app.py.",
            ),
            Alarm(
                name=f"{self.name}-depth",
                namespace="AWS/SQS",
                metric="ApproximateNumberOfMessagesVisible",
                dimensions=dimensions("Queue"),
                statistic="Maximum",
                above=self.depth,
                periods=3,
                means=f"More than {self.depth:,} {self.waits[0].lower()}{self.waits[1:]} wait in the queue.",
                then=f"If it shrinks, wait. Else see the errors of {self.reader}, or raise its concurrency in app.py.",
            ),
            Alarm(
                name=f"{self.name}-dead-letters",
                namespace="AWS/SQS",
                metric="ApproximateNumberOfMessagesVisible",
                dimensions=dimensions("DeadLetters"),
                statistic="Maximum",
                means=f"The function {self.reader} has failed three times on the same message. {self.given_up}",
                then=f"Its log says why. Once that is mended, make redrive QUEUE={self.name} sends them again.",
            ),
        )


QUEUES = (
    Queue(
        name="due",
        waits="Due tabs",
        reader="worker",
        age_s=900,
        depth=20_000,
        given_up="The next sweep sends the tab again while it is due.",
    ),
    Queue(
        name="post",
        waits="Messages to people",
        reader="post",
        age_s=1800,
        depth=20_000,
        given_up="Somebody was not told.",
    ),
    Queue(
        name="notices",
        waits="Notices to merchants' systems",
        reader="notices",
        age_s=3600,
        depth=20_000,
        given_up="A merchant's system was not told.",
    ),
)

ALARMS = (
    Alarm(
        name="dead-letters",
        namespace="AWS/SQS",
        metric="ApproximateNumberOfMessagesVisible",
        dimensions={"QueueName": {"Fn::GetAtt": ["DeadLetters", "QueueName"]}},
        statistic="Maximum",
        means="A scheduled run failed twice or could not start, or a report on a mail or text failed three times.",
        then="Read the function's log of that minute. The next run catches up. "
        "A report may be an opt-out: make redrive QUEUE=feedback takes it again.",
    ),
    *(alarm for queue in QUEUES for alarm in queue.alarms()),
    Alarm(
        name="relay-dead-letters",
        namespace="AWS/SQS",
        metric="ApproximateNumberOfMessagesVisible",
        dimensions={"QueueName": {"Fn::GetAtt": ["RelayDeadLetters", "QueueName"]}},
        statistic="Maximum",
        means="An entry could not be turned into messages and notices. It was put aside; the others went on.",
        then="The relay's log says why. Once that is mended, make redrive QUEUE=relay relays what was put aside.",
    ),
    Alarm(
        name="relay-behind",
        namespace="AWS/Lambda",
        metric="IteratorAge",
        dimensions={"FunctionName": {"Ref": "Relay"}},
        statistic="Maximum",
        above=900_000,
        means="What was committed a quarter of an hour ago is not relayed yet: messages and notices are late.",
        then="Does the relay fail (its log), or do its queues not answer? The stream keeps entries for 24 hours.",
    ),
    Alarm(
        name="flagged",
        metric="TabsFlagged",
        dimensions=_STAGE,
        means="A tab needs a person: an unknown outcome, an attempt that Stripe refused, or a failed refund.",
        then="The log line 'flagged' names tab and reason. Compare the tab with the payment in Stripe's dashboard.",
    ),
    Alarm(
        name="money-mismatch",
        metric="MoneyMismatches",
        dimensions=_STAGE,
        period_s=3600,
        means="Our books and Stripe's differ.",
        then="The reconciliation's log names the differences; docs/reconciliation.md says what to do for each code.",
    ),
    Alarm(
        name="not-reconciled",
        metric="ReconciliationGaps",
        dimensions=_STAGE,
        period_s=86400,
        periods=2,
        missing="breaching",
        means="Two nights in a row the reconciliation did not run, or could not read everything.",
        then="Its log says what it could not read. make reconcile STAGE=… checks any period by hand.",
    ),
    Alarm(
        name="webhook-failures",
        metric="EventsFailed",
        dimensions=_STAGE,
        above=3,
        means="Events from Stripe could not be processed. Stripe sends them again for three days.",
        then="Read the webhook function's log. The sweep asks Stripe for outcomes whose events are lost.",
    ),
    Alarm(
        name="webhook-refused",
        metric="EventsRefused",
        dimensions=_STAGE,
        above=10,
        period_s=900,
        means="Events have a wrong signature: the stored secret is not the endpoint's, or the events are forged.",
        then="Run make doctor; store the endpoint's secret as docs/deploy.md describes.",
    ),
    Alarm(
        name="webhook-misplaced",
        metric="EventsMisplaced",
        dimensions=_STAGE,
        means="Events of one Stripe account name a tab of another account. Nothing was booked.",
        then="The webhook's log names account and object. Ask the account's owner; reconciliation lists the payments.",
    ),
    Alarm(
        name="stripe-unanswered",
        metric="PaymentsUnanswered",
        dimensions=_STAGE,
        above=10,
        means="Stripe does not answer, or refuses our key. Outcomes are unknown; nothing is charged twice.",
        then="See status.stripe.com; run make doctor, which tries the key. The sweep finds the outcomes automatically.",
    ),
    Alarm(
        name="sweep-lag",
        metric="SweepLagSeconds",
        dimensions=_STAGE,
        statistic="Maximum",
        above=900,
        periods=3,
        missing="breaching",
        means="Tabs have been due for more than a quarter of an hour, or the sweep does not run at all.",
        then="Is the rule enabled? Does the function fail or time out? More memory makes it faster.",
    ),
    Alarm(
        name="server-errors",
        namespace="AWS/ApiGateway",
        metric="5XXError",
        dimensions={"ApiName": {"Fn::Sub": "aftertab-${Stage}"}, "Stage": {"Ref": "Stage"}},
        above=5,
        means="Requests were answered with 500 or 503.",
        then="The API function's log has each one with its request id; the access log has all requests.",
    ),
    Alarm(
        name="table-writes-throttled",
        namespace="AWS/DynamoDB",
        metric="WriteThrottleEvents",
        dimensions={"TableName": {"Ref": "TabTable"}},
        above=10,
        means="DynamoDB refused writes; callers were told to try again.",
        then="One key gets too much traffic, or the account's limit is reached: see the table's metrics by index.",
    ),
    Alarm(
        name="table-reads-throttled",
        namespace="AWS/DynamoDB",
        metric="ReadThrottleEvents",
        dimensions={"TableName": {"Ref": "TabTable"}},
        above=10,
        means="DynamoDB refused reads; callers were told to try again.",
        then="One key gets too much traffic, or the account's limit is reached: see the table's metrics by index.",
    ),
)

OF_EACH_FUNCTION = {
    "errors": (
        "Errors",
        "The function ended without an answer: it ran out of time or memory, or could not start.",
        "Read the end of its log. What it had begun is written down, and the sweep continues it.",
    ),
    "throttled": (
        "Throttles",
        "The function was not started: its concurrency, or the account's, is used up.",
        "Raise the reservation in config.json, or the account's limit.",
    ),
}
"""Suffix of the name → metric of AWS/Lambda, what it means, what to do."""


def resources(functions: Mapping[str, str]) -> dict[str, Any]:
    """All alarms as CloudFormation resources. `functions`: name → logical id."""
    of_functions = [
        Alarm(
            name=f"{name}-{suffix}",
            namespace="AWS/Lambda",
            metric=metric,
            dimensions={"FunctionName": {"Ref": logical_id}},
            means=means,
            then=then,
        )
        for name, logical_id in functions.items()
        for suffix, (metric, means, then) in OF_EACH_FUNCTION.items()
    ]
    return {_logical_id(alarm): _resource(alarm) for alarm in (*ALARMS, *of_functions)}


def _logical_id(alarm: Alarm) -> str:
    return "Alarm" + "".join(part.capitalize() for part in alarm.name.split("-"))


def _resource(alarm: Alarm) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": {"Fn::Sub": f"aftertab-${{Stage}}-{alarm.name}"},
            "AlarmDescription": alarm.text,
            "Namespace": alarm.namespace,
            "MetricName": alarm.metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in alarm.dimensions.items()],
            "Statistic": alarm.statistic,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": alarm.above,
            "Period": alarm.period_s,
            "EvaluationPeriods": alarm.periods,
            "TreatMissingData": alarm.missing,
            "AlarmActions": [{"Ref": "Alarms"}],
            "OKActions": [{"Ref": "Alarms"}],
        },
    }
