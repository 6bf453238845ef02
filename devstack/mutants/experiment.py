"""A replacement of pytest's run loop: runs every test once and records its lines, then tries the mutants."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any

import pytest

from devstack.mutants.plan import HOLDER, Mutant
from devstack.mutants.results import KILLED, SURVIVED, TIMED_OUT, UNTESTED, UNTRIED, Results, Verdict

EXAMPLES = 15
"""The number of examples of each property test, the same ones every time."""
AT_MOST = 250
"""The maximum number of tests on one mutant. If only a later test would notice, the mutant counts as a survivor."""
CONTROLS = 10
NOBODY, BROKEN = -1, -2
"""The answers of a fork if no test noticed, and if it failed to try."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A running fork. `answer`: the pipe for the number of the test that noticed. `until`: its deadline."""

    mutant: Mutant
    answer: int
    until: float


class Experiment:
    """The pytest plugin. `waiting`: the mutants without a verdict."""

    def __init__(self, mutants: list[Mutant], results: Results, *, workers: int) -> None:
        self.waiting = [mutant for mutant in mutants if mutant.name not in results.verdicts]
        self.results = results
        self.workers = workers
        self.tests: list[pytest.Item] = []
        self.seconds: list[float] = []
        self.breadth: list[int] = []
        self.tests_of: dict[tuple[str, int], set[int]] = defaultdict(set)
        self.kills: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
        self._has_failed = False

    # Hooks of pytest

    def pytest_sessionstart(self) -> None:
        # After the conftests, which load the profile of the ordinary run, and before the tests read it. Imported here
        # because pytest wants to be the first to import a plugin.
        from hypothesis import HealthCheck, Phase, settings

        settings.register_profile(
            "mutants",
            derandomize=True,
            deadline=None,
            database=None,
            max_examples=EXAMPLES,
            phases=(Phase.explicit, Phase.generate),  # Only failing counts, so examples are not shrunk.
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("mutants")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._has_failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise pytest.UsageError("The tests can't be collected: mend that first.")
        self.tests = session.items
        self._watch()
        self._try_all()
        return True

    def _passes(self, test: int) -> bool:
        self._has_failed = False
        item = self.tests[test]
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return not self._has_failed

    # Recording lines

    def _watch(self) -> None:
        """Run every test on the unchanged code: all must pass; record which of our lines each one runs."""
        paths = {str(Path(mutant.path).absolute()): mutant.path for mutant in self.waiting}
        for test, item in enumerate(self.tests):
            lines: set[tuple[str, int]] = set()
            began = time.process_time()
            with _traced(_tracer(paths, lines)):
                passes = self._passes(test)
            self.seconds.append(time.process_time() - began)
            if not passes:
                raise pytest.UsageError(f"{item.nodeid} fails on the code as it is: mend that first.")
            self.breadth.append(len(lines))
            for line in lines:
                self.tests_of[line].add(test)

    # Trying mutants

    def _try_all(self) -> None:
        gc.collect()
        gc.freeze()  # Otherwise a fork would copy the memory of every object whose reference count it touches.
        self._try_controls()
        print(f"\n{len(self.tests)} tests pass; {len(self.waiting)} mutants to try", flush=True)
        todo = self._with_tests()
        trials: dict[int, Trial] = {}
        for done in range(1, len(self.waiting) + 1):
            while len(trials) < self.workers and (next_one := next(todo, None)):
                pid, trial = self._fork(*next_one)
                trials[pid] = trial
            if not trials:
                return
            pid = _wait_for_any(trials)
            trial = trials.pop(pid)
            self.results.add(trial.mutant, self._verdict(trial))
            if done % 200 == 0:
                print(f"{done} of {len(self.waiting)} tried, {time.strftime('%H:%M:%S')}", flush=True)

    def _try_controls(self) -> None:
        """Replace functions by themselves: if a test notices that, the tests notice the replacement, not the change."""
        for mutant in self.waiting[:: max(1, len(self.waiting) // CONTROLS)][:CONTROLS]:
            pid, trial = self._fork(mutant.unchanged, self._tests_for(mutant, None))
            os.waitpid(pid, 0)
            verdict = self._verdict(trial)
            if verdict.what != SURVIVED:
                raise pytest.UsageError(f"{trial.mutant.name} {verdict.what} ({verdict.by}): the check itself is broken.")

    def _with_tests(self) -> Iterator[tuple[Mutant, list[int]]]:
        """The mutants with their tests. Mutants that no test runs get their verdict at once."""
        numbers = {item.nodeid: test for test, item in enumerate(self.tests)}
        for mutant in self.waiting:
            last_time = numbers.get(self.results.killers.get(mutant.name, ""))
            if tests := self._tests_for(mutant, last_time):
                yield mutant, tests
            else:
                self.results.add(mutant, Verdict(UNTESTED))

    def _tests_for(self, mutant: Mutant, last_time: int | None) -> list[int]:
        """The tests that run the changed statement.

        First the test that noticed it last time, then those that noticed others in this function. Then the first case
        of every test function before the second cases, because cases of one function are alike; fast tests first.
        """
        found = set().union(*(self.tests_of.get((mutant.path, line), ()) for line in mutant.lines))
        kills = self.kills[mutant.path, mutant.function]
        turns: dict[int, int] = {}
        cases: Counter[str] = Counter()
        for test in sorted(found, key=self.seconds.__getitem__):
            function = self.tests[test].nodeid.partition("[")[0]
            turns[test] = cases[function]
            cases[function] += 1
        in_turns = sorted(found, key=lambda test: (turns[test], self.seconds[test]))
        focused = sorted(found, key=lambda test: (self.breadth[test], self.seconds[test]))
        rank = {test: place for place, test in enumerate(focused)}
        rank = {test: min(rank[test], place) for place, test in enumerate(in_turns)}
        return sorted(found, key=lambda test: (test != last_time, -kills[test], rank[test]))[:AT_MOST]

    def _fork(self, mutant: Mutant, tests: list[int]) -> tuple[int, Trial]:
        budget_s = 5 + int(10 * sum(self.seconds[test] for test in tests))
        answer, tell = os.pipe()
        pid = os.fork()
        if pid:
            os.close(tell)
            # The wall-clock limit is far longer than the CPU limit, because other processes use the CPU, too.
            return pid, Trial(mutant, answer, time.monotonic() + 30 * budget_s)
        try:  # In the fork: whatever happens, it must end here and not return into the parent's code.
            resource.setrlimit(resource.RLIMIT_CPU, (budget_s, budget_s + 1))
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            _change(mutant)
            killer = next((test for test in tests if not self._passes(test)), NOBODY)
            os.write(tell, killer.to_bytes(4, "big", signed=True))
        except BaseException:
            os.write(tell, BROKEN.to_bytes(4, "big", signed=True))
        finally:
            os._exit(0)

    def _verdict(self, trial: Trial) -> Verdict:
        told = os.read(trial.answer, 4)
        os.close(trial.answer)
        if not told:  # Killed by one of the two time limits.
            return Verdict(TIMED_OUT)
        test = int.from_bytes(told, "big", signed=True)
        if test == BROKEN:
            return Verdict(UNTRIED)
        if test == NOBODY:
            return Verdict(SURVIVED)
        self.kills[trial.mutant.path, trial.mutant.function][test] += 1
        return Verdict(KILLED, self.tests[test].nodeid)


@contextmanager
def _traced(tracer: Any) -> Iterator[None]:
    """Trace this thread and the threads that it starts, for example those of a sweep."""
    sys.settrace(tracer)
    threading.settrace(tracer)
    try:
        yield
    finally:
        sys.settrace(None)
        threading.settrace(None)


def _tracer(paths: dict[str, str], lines: set[tuple[str, int]]) -> Any:
    def on_line(frame: FrameType, event: str, _: object) -> Any:
        lines.add((paths[frame.f_code.co_filename], frame.f_lineno))
        return on_line

    def on_call(frame: FrameType, event: str, _: object) -> Any:
        return on_line(frame, event, None) if frame.f_code.co_filename in paths else None

    return on_call


def _wait_for_any(trials: dict[int, Trial]) -> int:
    """Wait for the next fork to end; kill those whose wall-clock time is up."""
    while True:
        pid, _ = os.waitpid(-1, os.WNOHANG)
        if pid in trials:
            return pid
        for late, trial in trials.items():
            if time.monotonic() > trial.until:
                os.kill(late, signal.SIGKILL)
        time.sleep(0.002)


def _change(mutant: Mutant) -> None:
    """Put the mutant's code into the function object itself, so that every reference to it runs the mutant."""
    module = vars(sys.modules[mutant.module])
    namespace = dict(module)
    exec(compile(mutant.source(), mutant.path, "exec"), namespace)  # noqa: S102  # Our own code, with one change.
    owner, _, name = mutant.function.rpartition(".")
    function = _plain(vars(module[owner])[name] if owner else module[name])
    changed = _plain(vars(namespace[HOLDER])[name] if owner else namespace[name])
    function.__code__ = changed.__code__
    function.__defaults__ = changed.__defaults__
    function.__kwdefaults__ = changed.__kwdefaults__


def _plain(function: object) -> FunctionType:
    if isinstance(function, property):
        function = function.fget
    assert isinstance(function, FunctionType), "only functions and properties are mutated"
    return function
