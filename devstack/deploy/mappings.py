"""The event source mappings: how Lambda reads the queues and the table's stream. Chalice's own lack most of this."""

from __future__ import annotations

import json
from typing import Any

Resources = dict[str, dict[str, Any]]

DEV_CONCURRENCY = 2
"""How many batches of a queue dev handles at once: the least that Lambda takes, for a fresh account has ten in all."""
ENTRIES = json.dumps({"eventName": ["INSERT"], "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "ENTRY#"}]}}}})
"""The filter of the stream. What it leaves out invokes nothing and costs nothing."""
RELAY_RETRIES = 50
"""A record that can't be relayed is put aside by the relay itself. These are for queues that do not answer a while, and
for a process that dies; what is left after them goes to the relay's dead letters, as its place in the stream."""


def of_queue(logical_id: str, properties: dict[str, Any], stage: str) -> Resources:
    """A queue's reader: a batch's failures come again, its other messages are done."""
    queue = properties["Queue"]["Fn::Sub"].rpartition(":")[2]
    concurrency = properties["ScalingConfig"]["MaximumConcurrency"]
    return _mapping(
        logical_id,
        {
            "EventSourceArn": {"Fn::GetAtt": [f"{queue.capitalize()}Queue", "Arn"]},
            "BatchSize": properties["BatchSize"],
            "MaximumBatchingWindowInSeconds": properties["MaximumBatchingWindowInSeconds"],
            "ScalingConfig": {"MaximumConcurrency": concurrency if stage == "prod" else DEV_CONCURRENCY},
        },
    )


def of_stream(logical_id: str, properties: dict[str, Any]) -> Resources:
    """The stream's reader. A batch that fails as a whole is halved, so that its other half is done."""
    return _mapping(
        logical_id,
        {
            "EventSourceArn": {"Fn::GetAtt": [properties["Stream"], "StreamArn"]},
            "BatchSize": properties["BatchSize"],
            "MaximumBatchingWindowInSeconds": properties["MaximumBatchingWindowInSeconds"],
            "StartingPosition": properties["StartingPosition"],
            "FilterCriteria": {"Filters": [{"Pattern": ENTRIES}]},
            "BisectBatchOnFunctionError": True,
            "MaximumRetryAttempts": RELAY_RETRIES,
            "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": [f"{logical_id}DeadLetters", "Arn"]}}},
        },
    )


def _mapping(logical_id: str, properties: dict[str, Any]) -> Resources:
    return {
        f"{logical_id}Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": {"Ref": logical_id},
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                **properties,
            },
        }
    }
