"""Checks that hold in every test: what the stand-in answers is of Stripe's shape, and nothing secret is logged.

The environment enables the first, so that no test can forget it. A wrong answer fails the test in which it occurs.
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack.stripe_standin import findings
from tests import log_search
from tests.log_search import _nothing_secret_in_the_logs_of_servers as _nothing_secret_in_the_logs_of_servers
from tests.log_search import _nothing_secret_is_logged as _nothing_secret_is_logged

TESTS = Path(__file__).parent


def pytest_configure() -> None:
    log_search.begin()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Of pytest-xdist: a worker has ended."""
    counted = getattr(node, "workeroutput", {}).get(log_search.COUNT, 0)
    setattr(node.config, log_search.COUNT, getattr(node.config, log_search.COUNT, 0) + counted)


def pytest_sessionfinish(session: pytest.Session) -> None:
    log_search.finish(session.config)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    log_search.summary(config, terminalreporter)


# Folders with tests that take seconds each, the slowest first; all others; folders in which no test takes long.
ORDER = ("replay", "e2e", "browser", "faults", "contract", "", "meta", "unit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests begin first and quick ones last: so at the end no process waits long for another's last test."""

    def place(item: pytest.Item) -> int:
        folder = next((name for name in ORDER if name and TESTS / name in item.path.parents), "")
        return ORDER.index(folder)

    items.sort(key=place)


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


@pytest.fixture(autouse=True)
def _logging_is_left_as_it_was() -> Iterator[None]:
    """As on Lambda, the app formats what the handlers write. A test that comes later has other settings, or none."""
    root = logging.getLogger()
    formatters = [(handler, handler.formatter) for handler in root.handlers]
    level = root.level
    yield
    root.setLevel(level)
    for handler, formatter in formatters:
        handler.setFormatter(formatter)


def _assert_of_stripes_shape(folder: Path) -> None:
    found = findings.take(folder)
    assert not found, "not as Stripe's document has it:\n" + "\n".join(found)
