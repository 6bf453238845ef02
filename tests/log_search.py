"""Searches every line that a test run logs for secrets and personal data; a test that logs one fails.

Lines are what a deployment would write: our loggers from INFO, all others from WARNING, formatted as on Lambda. At the
end, the logs that processes of the local stack have written are searched, too.
"""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.handlers import logs
from devstack import log_search
from devstack.stack import LOGS

OURS = ("app", "aftertab", "chalicelib")
NAMES = re.compile(r"\b(?:Ana|Bob|Carl|Ben|Chris|Dora) [A-Z]\w+")
"""Whole names of the people of our tests."""
COUNT = "log_lines_searched"
FOUND = "log_lines_found"


class Collector(logging.Handler):
    """Keeps the lines until they are searched."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logs.JsonLines())
        self.lines: list[str] = []
        self.searched = 0

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING or record.name.split(".")[0] in OURS:
            if hasattr(record, "metrics"):
                # Counts, and the stage, which few tests set.
                record = copy.copy(record)
                del record.metrics
            self.lines.append(self.format(record))

    def take(self) -> list[log_search.Found]:
        """What is forbidden in the lines since the last call."""
        lines, self.lines = self.lines, []
        self.searched += len(lines)
        return [found for line in lines for found in log_search.search(line, NAMES)]


collector = Collector()
_sizes: dict[Path, int] = {}


def begin() -> None:
    """Called once in each process of the run."""
    logging.getLogger().addHandler(collector)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO)
    _sizes.update({path: path.stat().st_size for path in LOGS.glob("*.log")})


@pytest.fixture(autouse=True)
def _nothing_secret_is_logged() -> Iterator[None]:
    yield
    found = collector.take()
    assert found == [], f"this must be in no log: {found}"


@pytest.fixture(scope="session", autouse=True)
def _nothing_secret_in_the_logs_of_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The stacks of tests write below the run's own folder, which is searched when the last test has ended."""
    yield
    lines = [line for path in tmp_path_factory.getbasetemp().rglob("*.log") for line in read(path)]
    collector.searched += len(lines)
    found = [found for line in lines for found in log_search.search(line, NAMES)]
    assert found == [], "this must be in no log of a server"


def read(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines()


def of_processes() -> list[str]:
    """The lines that servers of this run have added to the local stack's logs."""
    lines: list[str] = []
    for path in LOGS.glob("*.log"):
        with path.open(errors="replace") as log:
            was = _sizes.get(path, 0)
            # A log that is shorter than it was has been begun anew.
            log.seek(was if was <= path.stat().st_size else 0)
            lines += log
    return lines


def finish(config: pytest.Config) -> None:
    """A worker hands its count to the process that began the run; that one counts them all, and the servers' logs."""
    output = getattr(config, "workeroutput", None)
    if output is not None:
        output[COUNT] = collector.searched


def summary(config: Any, reporter: Any) -> None:
    lines = of_processes()
    found = [found for line in lines for found in log_search.search(line, NAMES)]
    searched = collector.searched + getattr(config, COUNT, 0)
    reporter.write_line(
        f"{searched:,} log lines of tests and {len(lines):,} of servers were searched for secrets, cards and people: "
        f"{len(found)} found in the servers'."
    )
    for one in found[:20]:
        reporter.write_line(f"  {one.kind}: {one.line}", red=True)
