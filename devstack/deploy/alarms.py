"""The alarms: what each of them watches, what it means and what to do then, in one table that docs/deploy.md shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OURS = "Aftertab"
"""The namespace of the metrics that the functions write themselves, one dimension: the stage."""

_STAGE = {"Stage": {"Ref": "Stage"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Goes off when `statistic` of `metric` is above `above` in each of `periods` periods of `period_s` seconds.

    `means` and `then` are its description, and what whoever is woken by it reads. `missing`: what no data is taken for.
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


ALARMS = (
    Alarm(
        name="dead-letters",
        namespace="AWS/SQS",
        metric="ApproximateNumberOfMessagesVisible",
        dimensions={"QueueName": {"Fn::GetAtt": ["DeadLetters", "QueueName"]}},
        statistic="Maximum",
        means="A scheduled run failed twice, or could not be called.",
        then="Read the message in the queue and the function's log of that minute; the next run does what it left.",
    ),
    Alarm(
        name="flagged",
        metric="TabsFlagged",
        dimensions=_STAGE,
        means="A tab needs a person: an outcome that Stripe does not tell, a refused attempt, a failed refund.",
        then="The log line 'flagged' has tab and reason; compare the tab with the payment in Stripe's dashboard.",
    ),
    Alarm(
        name="money-mismatch",
        metric="MoneyMismatches",
        dimensions=_STAGE,
        period_s=3600,
        means="Our books and Stripe's differ.",
        then="The reconciliation's log lines name them; docs/reconciliation.md says of each code what to do.",
    ),
    Alarm(
        name="not-reconciled",
        metric="ReconciliationGaps",
        dimensions=_STAGE,
        period_s=86400,
        periods=2,
        missing="breaching",
        means="Two nights in a row the reconciliation did not run, or could not look at everything.",
        then="Its log says what it could not read; make reconcile STAGE=… looks at any period by hand.",
    ),
    Alarm(
        name="webhook-failures",
        metric="EventsFailed",
        dimensions=_STAGE,
        above=3,
        means="Events from Stripe could not be taken. Stripe sends them again for three days.",
        then="Read the webhook function's log; what is lost beyond that the sweep asks Stripe for.",
    ),
    Alarm(
        name="webhook-refused",
        metric="EventsRefused",
        dimensions=_STAGE,
        above=10,
        period_s=900,
        means="Events with a wrong signature: the endpoint's secret is not the stored one, or they are forged.",
        then="Run make doctor; store the endpoint's secret as docs/deploy.md says.",
    ),
    Alarm(
        name="webhook-misplaced",
        metric="EventsMisplaced",
        dimensions=_STAGE,
        means="An account tells of payments that bear the name of another account's tab. Nothing was booked.",
        then="The webhook's log names account and object: ask whoever has that account; reconciliation lists it, too.",
    ),
    Alarm(
        name="stripe-unanswered",
        metric="PaymentsUnanswered",
        dimensions=_STAGE,
        above=10,
        means="Stripe does not answer, or refuses our key. Outcomes are unknown; nothing is charged twice.",
        then="See status.stripe.com; run make doctor, which tries the key. The sweep finds the outcomes by itself.",
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
        then="Is the rule enabled, does the function fail or run out of time? More memory is more speed.",
    ),
    Alarm(
        name="server-errors",
        namespace="AWS/ApiGateway",
        metric="5XXError",
        dimensions={"ApiName": {"Fn::Sub": "aftertab-${Stage}"}, "Stage": {"Ref": "Stage"}},
        above=5,
        means="Requests were answered with 500 or 503.",
        then="The API function's log has each with its request id, the access log has the rest.",
    ),
    Alarm(
        name="table-writes-throttled",
        namespace="AWS/DynamoDB",
        metric="WriteThrottleEvents",
        dimensions={"TableName": {"Ref": "TabTable"}},
        above=10,
        means="DynamoDB turned writes away; callers were told to try again.",
        then="One key is hot, or the account's limit is reached: see the table's metrics by index.",
    ),
    Alarm(
        name="table-reads-throttled",
        namespace="AWS/DynamoDB",
        metric="ReadThrottleEvents",
        dimensions={"TableName": {"Ref": "TabTable"}},
        above=10,
        means="DynamoDB turned reads away; callers were told to try again.",
        then="One key is hot, or the account's limit is reached: see the table's metrics by index.",
    ),
)

OF_EACH_FUNCTION = {
    "errors": (
        "Errors",
        "The function ended without an answer: out of time, out of memory, or it could not start.",
        "Read the end of its log; what it had begun is written down, and the sweep goes on with it.",
    ),
    "throttled": (
        "Throttles",
        "The function was not started: all of its, or the account's, concurrency is in use.",
        "Raise the reservation in config.json, or the account's limit.",
    ),
}
"""Suffix of the name → metric of AWS/Lambda, what it means, what to do."""


def resources(functions: Mapping[str, str]) -> dict[str, Any]:
    """All alarms as resources. `functions`: name → logical id."""
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
