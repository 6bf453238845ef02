"""Starts an emulator of DynamoDB by its name."""

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
"""The environment variable that names the emulator for the store's contract tests."""


@contextmanager
def start(name: str, port: int | None = None, state_dir: Path | None = None) -> Iterator[Emulator]:
    """Run an emulator for as long as the context lasts.

    `state_dir`: for ministack only. Raises what its start raises.
    """
    if name == DYNAMODB_LOCAL:
        assert state_dir is None, "DynamoDB Local runs in memory"
        with dynamodb_local.start(port) as local:
            yield local
    else:
        with ministack.start(port, state_dir) as aws:
            yield aws
