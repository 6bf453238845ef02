"""Checks every answer and webhook of every stand-in against Stripe's own OpenAPI document, in every test.

The environment enables the check, so that no test can forget it. A wrong answer fails the test in which it occurs.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.stripe_standin import findings


def pytest_collection_finish() -> None:
    """Let the garbage collector skip modules and collected tests: scanning them took a sixth of the tests' CPU time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


@pytest.fixture(scope="session", autouse=True)
def _check_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("stripe-check")
    os.environ[findings.FOLDER] = str(folder)
    yield folder
    # What a server did that outlived the last test: by now everything that the run started has ended.
    _assert_of_stripes_shape(folder)


@pytest.fixture(autouse=True)
def _of_stripes_shape(_check_folder: Path) -> Iterator[None]:
    yield
    _assert_of_stripes_shape(_check_folder)


def _assert_of_stripes_shape(folder: Path) -> None:
    found = findings.take(folder)
    assert not found, "not as Stripe's document has it:\n" + "\n".join(found)
