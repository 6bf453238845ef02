"""Writes one transaction to DynamoDB, all or nothing, and finds out whether it was written.

Every item of a transaction has its `change_id`. If a condition fails on an item with our own `change_id`, an earlier
try of ours has succeeded and its answer was lost, so the write is a success.
"""

from __future__ import annotations

import logging
import random
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    ChecksumError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.parsers import ResponseParserError
from msgspec import Struct, field

from chalicelib.adapters.dynamodb import items, table
from chalicelib.adapters.dynamodb.items import Item
from chalicelib.adapters.dynamodb.table import Key
from chalicelib.domain.errors import Contention
from chalicelib.ports.store import IdempotencyRecord, StoreUnavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

log = logging.getLogger(__name__)

MAXIMUM_ACTIONS = 100
"""DynamoDB's limit for one transaction."""
ABSENT = "attribute_not_exists(pk)"
TRIES = 8
LOST_ANSWERS = 2
"""The number of lost answers after which to give up: each costs a time-out, and API Gateway waits only 29 s."""
_BACKOFF_S = 0.025
_BACKOFF_MAXIMUM_S = 0.5

_LOST = (ConnectionError, HTTPClientError, IncompleteReadError, ResponseParserError, ChecksumError)
FAILURES = (ClientError, *_LOST)
_BUSY_REASONS = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
_BUSY_CODES = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)


class Put(Struct, frozen=True):
    """An item to write, and the condition on the stored item (None: no condition)."""

    item: Item
    condition: str | None = None
    values: Item = field(default_factory=dict)


class Check(Struct, frozen=True):
    """A condition on an item that is not written."""

    key: Key
    condition: str
    values: Item


def new_change_id() -> str:
    return f"chg_{secrets.token_hex(16)}"


def versioned(item: Item, base_version: int) -> Put:
    """Put the item if the stored version is `base_version` (0: none is stored)."""
    if base_version == 0:
        return Put(item, ABSENT)
    return Put(item, "version = :base", {":base": {"N": str(base_version)}})


def record_put(record: IdempotencyRecord, wall_now_s: float) -> Put:
    """Put the record if none is stored, or an expired one."""
    return Put(
        items.record_item(record, wall_now_s),
        f"{ABSENT} OR expires_at <= :now",
        {":now": {"S": table.instant(record.created_at)}},
    )


class Refused(Exception):
    """Conditions failed and nothing was written. `failed`: index of the put → the stored item."""

    def __init__(self, failed: dict[int, Item]) -> None:
        super().__init__(f"conditions failed: {sorted(failed)}")
        self.failed = failed


class Transactions:
    """Writes transactions to one table."""

    def __init__(self, client: DynamoDBClient, table_name: str, *, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._table_name = table_name
        self._sleep = sleep

    def write(
        self, puts: Sequence[Put], change_id: str, *, deletes: Sequence[Key] = (), checks: Sequence[Check] = ()
    ) -> None:
        """Write all or nothing. `change_id`: new for each change. Raises Refused, StoreUnavailable, Contention.

        `deletes`: keys of items that go, whatever they are. `checks`: what must hold of others. The first put tells
        whether the change is written.
        """
        count = len(puts) + len(deletes) + len(checks)
        assert count <= MAXIMUM_ACTIONS, f"{count} items in one change, DynamoDB takes {MAXIMUM_ACTIONS}"
        actions: list[Any] = [self._action(put, change_id) for put in puts]
        actions += [{"Delete": {"TableName": self._table_name, "Key": key}} for key in deletes]
        actions += [{"ConditionCheck": self._check(check)} for check in checks]
        # One token for all tries, so that a try that arrives late is not applied a second time.
        token = secrets.token_hex(16)
        lost = 0
        met_others = False
        for number in range(TRIES):
            if number:
                self.back_off(number)
            try:
                self._client.transact_write_items(TransactItems=actions, ClientRequestToken=token)
                return
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code == "TransactionCanceledException":
                    if self._is_ours(error, change_id):
                        return
                    met_others = _reasons(error) == {"TransactionConflict"}
                    continue
                met_others = False
                if code in _BUSY_CODES:
                    continue
                if not _is_server_error(error):
                    raise
            except _LOST:
                met_others = False
            if self._has_landed(puts[0].item, change_id):
                return
            lost += 1
            if lost == LOST_ANSWERS:
                break
        if met_others and not lost:
            # The database works, but other writers of the same items were first each time. (After a lost answer
            # the other writer may be ourselves, so it is not certain that nothing was done.)
            raise Contention("Other requests are changing the same thing. Nothing was done; send the request again.")
        raise StoreUnavailable("the database did not take the change in time")

    def try_together(self, changes: Sequence[tuple[Sequence[Put], str]]) -> list[int]:
        """Write several changes, each with its change_id, in one transaction, in one try.

        Returns the indexes of those that kept it from being written; none: all are written. If the answer is lost, all
        indexes: each is then to be written by itself, and `write` recognises what this try has written after all.
        """
        actions: list[Any] = [self._action(put, change_id) for puts, change_id in changes for put in puts]
        assert len(actions) <= MAXIMUM_ACTIONS, f"{len(actions)} items together, DynamoDB takes {MAXIMUM_ACTIONS}"
        try:
            self._client.transact_write_items(TransactItems=actions, ClientRequestToken=secrets.token_hex(16))
        except (ClientError, *_LOST) as error:
            log.info("%d changes were not written together: %s", len(changes), error)
            reasons: list[Any] = error.response.get("CancellationReasons", []) if isinstance(error, ClientError) else []
            owners = [index for index, (puts, _) in enumerate(changes) for _ in puts]
            # As many reasons as items, in their order; an item that was no hindrance has the code "None".
            hindered = zip(owners, reasons, strict=False)
            return sorted({owner for owner, reason in hindered if reason.get("Code", "None") != "None"}) or [
                *range(len(changes))
            ]
        return []

    def back_off(self, number: int) -> None:
        """Wait before try `number` (from 1), with full jitter, so that conflicting writers do not conflict again."""
        self._sleep(random.uniform(0, min(_BACKOFF_MAXIMUM_S, _BACKOFF_S * 2**number)))

    def _action(self, put: Put, change_id: str) -> Item:
        action: Item = {"TableName": self._table_name, "Item": put.item | {"change_id": {"S": change_id}}}
        if put.condition:
            action |= {"ConditionExpression": put.condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        if put.values:
            action["ExpressionAttributeValues"] = put.values
        return {"Put": action}

    def _check(self, check: Check) -> Item:
        return {
            "TableName": self._table_name,
            "Key": check.key,
            "ConditionExpression": check.condition,
            "ExpressionAttributeValues": check.values,
        }

    @staticmethod
    def _is_ours(error: ClientError, change_id: str) -> bool:
        """True if the cancellation shows that the change is already written; False: try again. Raises Refused."""
        reasons: list[Any] = error.response.get("CancellationReasons", [])
        failed = {
            index: reason.get("Item", {})
            for index, reason in enumerate(reasons)
            if reason.get("Code") == "ConditionalCheckFailed"
        }
        if any(item.get("change_id") == {"S": change_id} for item in failed.values()):
            return True
        # A failed condition is final, whatever other reasons there are.
        if failed:
            raise Refused(failed) from error
        if _reasons(error) <= _BUSY_REASONS:
            return False
        raise error

    def _has_landed(self, item: Item, change_id: str) -> bool:
        """Whether the first item has our change. If not, another try decides; it cannot write twice."""
        with reading():
            answer = self._client.get_item(
                TableName=self._table_name,
                Key={"pk": item["pk"], "sk": item["sk"]},
                ConsistentRead=True,
                ProjectionExpression="change_id",
            )
        return answer.get("Item", {}).get("change_id") == {"S": change_id}


class reading:  # noqa: N801
    """A context that turns botocore's errors into StoreUnavailable, except errors of the request itself."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        raise_if_unavailable(error)


def raise_if_unavailable(error: BaseException | None) -> None:
    """Raises StoreUnavailable if that is what the error means."""
    if isinstance(error, ClientError):
        if error.response["Error"]["Code"] in _BUSY_CODES or _is_server_error(error):
            raise StoreUnavailable("the database is too busy to answer") from error
    elif isinstance(error, _LOST):
        raise StoreUnavailable("the database did not answer in time") from error


def _reasons(error: ClientError) -> set[str]:
    """The codes of the reasons why a transaction was canceled."""
    reasons: list[Any] = error.response.get("CancellationReasons", [])
    return {reason.get("Code", "None") for reason in reasons} - {"None"}


def _is_server_error(error: ClientError) -> bool:
    return error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
