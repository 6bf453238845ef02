"""Faults of DynamoDB below a real store, which the store must repair or detect.

The same combinations as in memory, one layer further down: throttling and conflicts are answers to a transaction, and a
lost answer is the time-out of one that was written.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from tests.faults.matrix.table import Fault

_CODES = {Fault.THROTTLING: "ThrottlingError", Fault.CONFLICT: "TransactionConflict"}


class TroubledClient:
    """A DynamoDB client that fails when told to, once."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._refuses: Fault | None = None
        self._loses = False

    def refuse_next(self, fault: Fault) -> None:
        """The next transaction is answered with this, and not done."""
        self._refuses = fault

    def lose_next_answer(self) -> None:
        """The next transaction is done, and not answered."""
        self._loses = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def transact_write_items(self, **request: Any) -> Any:
        fault, self._refuses = self._refuses, None
        if fault is not None:
            reasons = [{"Code": _CODES[fault]}]
            error = {"Code": "TransactionCanceledException", "Message": ""}
            raise ClientError({"Error": error, "CancellationReasons": reasons}, "TransactWriteItems")  # type: ignore[typeddict-unknown-key]
        answer = self._client.transact_write_items(**request)
        loses, self._loses = self._loses, False
        if loses:
            raise ReadTimeoutError(endpoint_url="https://dynamodb")
        return answer
