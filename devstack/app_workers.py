"""App processes that start in milliseconds: one process imports everything and forks a copy of itself for each worker.

Both ends are here: `fork_on_request` runs in the process that forks, `Workers` in the one that commands it. All workers
listen on the same port, and the kernel gives each new connection to one of them, as API Gateway does with Lambdas.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

STOP_TIMEOUT_S = 10.0


def fork_on_request(serve: Callable[[Callable[[], None]], None]) -> None:
    """Fork and end workers as the lines on standard input say; kill all of them when it is closed.

    `start NAME=VALUE …` forks a worker with these variables added to its environment; the answer on standard output is
    its pid once it listens (0 if it could not). `kill <pid>` kills a worker, `wait <pid>` waits until it has ended by
    itself; the answer is the signal that ended it, or its exit code as a negative number. `serve` calls its argument
    once it listens; it does not return.
    """
    answers = os.dup(1)
    # Everything else that is printed goes to the log.
    os.dup2(2, 1)
    pids: set[int] = set()
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "start":
            pid = os.fork()
            if pid == 0:
                os.environ.update(dict(variable.split("=", 1) for variable in argument.split()))
                _work(serve, answers)
            pids.add(pid)
        elif command in ("kill", "wait"):
            pid = int(argument)
            _answer(answers, _kill(pid) if command == "kill" else _wait(pid))
            pids.discard(pid)
    for pid in pids:
        _kill(pid)


def _work(serve: Callable[[Callable[[], None]], None], answers: int) -> NoReturn:
    # Only the parent reads the commands.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        serve(lambda: _answer(answers, os.getpid()))
    except BaseException:
        traceback.print_exc()
        _answer(answers, 0)
    os._exit(1)


def _answer(answers: int, number: int) -> None:
    os.write(answers, f"{number}\n".encode())


def _kill(pid: int) -> int:
    """Only the parent may kill: it has not waited for the worker yet, so no other process can have the pid."""
    os.kill(pid, signal.SIGKILL)
    return _wait(pid)


def _wait(pid: int) -> int:
    _, status = os.waitpid(pid, 0)
    return -os.waitstatus_to_exitcode(status)


class Workers:
    """The workers of one app. `process`: the process that forks; its standard input and output are pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pids: list[int] = []

    def start(self, **environment: str) -> int:
        """Start another worker, with these variables too, and return its pid once it listens.

        Raises RuntimeError if it does not start.
        """
        pid = self._ask(" ".join(["start", *(f"{name}={value}" for name, value in environment.items())]))
        if pid == 0:
            raise RuntimeError("a worker did not start; see the log of the app")
        self.pids.append(pid)
        return pid

    def kill(self, pid: int) -> None:
        """SIGKILL a worker. Raises RuntimeError if it had already ended."""
        self.pids.remove(pid)
        ended_by = self._ask(f"kill {pid}")
        if ended_by != signal.SIGKILL:
            raise RuntimeError(f"worker {pid} had ended by itself: {ended_by}; see the log of the app")

    def wait(self, pid: int) -> int:
        """Wait until a worker has ended by itself, and return its exit code.

        Raises RuntimeError if a signal ended it.
        """
        self.pids.remove(pid)
        ended_by = self._ask(f"wait {pid}")
        if ended_by > 0:
            raise RuntimeError(f"worker {pid} was ended by signal {ended_by}; see the log of the app")
        return -ended_by

    def close(self) -> None:
        """Kill all workers and the process that forked them. Raises RuntimeError if one had already ended."""
        assert self._process.stdin is not None and self._process.stdout is not None, "they are piped"
        failures = [failure for pid in [*self.pids] if (failure := self._failure(pid)) is not None]
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        if failures:
            raise failures[0]

    def _failure(self, pid: int) -> RuntimeError | None:
        try:
            self.kill(pid)
        except RuntimeError as failure:
            return failure
        return None

    def _ask(self, command: str) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None, "they are piped"
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{command}\n".encode())
            self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the process that forks the app's workers has ended; see the log of the app")
        return int(answer)
