"""Which emulator of DynamoDB things run on, by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack import dynamodb_local, ministack
from devstack.dynamodb_local import DynamoDbLocal
from devstack.ministack import Ministack

Emulator = Ministack | DynamoDbLocal
MINISTACK, DYNAMODB_LOCAL = "ministack", "dynamodb-local"
NAMES = (MINISTACK, DYNAMODB_LOCAL)
VARIABLE = "AFTERTAB_TEST_EMULATOR"
"""Names the one that the store's contract tests run on."""


@contextmanager
def start(name: str, port: int | None = None, state_dir: Path | None = None) -> Iterator[Emulator]:
    """An emulator for as long as the context lasts; `state_dir` is ministack's. Raises what starting it raises."""
    if name == DYNAMODB_LOCAL:
        assert state_dir is None, "DynamoDB Local runs in memory"
        with dynamodb_local.start(port) as local:
            yield local
    else:
        with ministack.start(port, state_dir) as aws:
            yield aws
