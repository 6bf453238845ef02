"""Starts and stops the AWS emulator, on loopback only."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LOGS = Path(__file__).resolve().parents[1] / ".devstack" / "logs"
HOST = "127.0.0.1"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
KEEP_TIMEOUT_S = 600.0
"""The time for an emulator to write its state: half a gigabyte after 15,000 bookings."""
_TRIES = 3
_RUN = "import gc, runpy; gc.set_threshold(100_000, 20, 1_000); runpy.run_module('uvicorn', run_name='__main__')"
"""Disables the emulator's garbage collector: its tables are millions of dicts without cycles."""
_SERVED = ("ministack.app:app", "--http", "httptools", "--loop", "uvloop", "--lifespan", "on", "--no-access-log")
"""Its application on a server with a compiled parser: the one it brings reads a request longer than it answers one."""


@dataclass(frozen=True, slots=True)
class Ministack:
    """A running emulator: its process, and where its AWS answers."""

    process: subprocess.Popen[bytes]
    endpoint_url: str


@contextmanager
def start(port: int | None = None, state_dir: Path | None = None, *, guarded: bool = False) -> Iterator[Ministack]:
    """An emulator on `port`, or on a free one, for as long as the context lasts.

    `state_dir`: where its state is read from and, when it is stopped, written to; without one it begins empty.
    `guarded`: who calls it needs the right to, as on AWS: a function may do what its role's policy says. Raises
    RuntimeError where it does not start, its log in the message.
    """
    process, endpoint_url = _start(port, state_dir, guarded)
    try:
        yield Ministack(process, endpoint_url)
    finally:
        _end(process, STOP_TIMEOUT_S if state_dir is None else KEEP_TIMEOUT_S)


def _start(port: int | None, state_dir: Path | None, guarded: bool) -> tuple[subprocess.Popen[bytes], str]:
    # A free port may be taken before the emulator binds it, so try another one; a requested port is not replaced.
    for remaining in reversed(range(_TRIES if port is None else 1)):
        chosen = port or free_port()
        process, log = _spawn(chosen, state_dir, guarded)
        try:
            _wait_until_healthy(process, chosen, log)
            return process, f"http://{HOST}:{chosen}"
        except BaseException as error:
            _end(process)
            if not (remaining and isinstance(error, RuntimeError)):
                raise
    raise AssertionError("the last try returns or raises")


def _spawn(port: int, state_dir: Path | None, guarded: bool) -> tuple[subprocess.Popen[bytes], Path]:
    LOGS.mkdir(parents=True, exist_ok=True)
    log_path = LOGS / f"ministack-{port}.log"
    # Only our settings: it must not get the developer's proxy, endpoint or credentials.
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "VIRTUAL_ENV") if name in os.environ}
    environment |= {
        # Otherwise it would listen on every interface, and open MQTT on 8883.
        "BIND_HOST": HOST,
        "IOT_MTLS_ENABLED": "0",
        "GATEWAY_PORT": str(port),
        "LOG_LEVEL": "WARNING",
        "LAMBDA_EXECUTOR": "local",
        "AUTH": str(guarded).lower(),
    }
    if state_dir is not None:
        environment |= {"PERSIST_STATE": "1", "STATE_DIR": str(state_dir)}
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, *_SERVED, "--host", HOST, "--port", str(port), "--log-level", "warning"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C must reach only the parent process: the emulator must outlive the app that writes to it.
            start_new_session=True,
        )
    return process, log_path


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _is_healthy(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the AWS emulator did not start on port {port}:\n{_end_of(log)}")
        time.sleep(0.05)
    # The healthy server may be another process that took the port first; ours then ends at once.
    try:
        code = process.wait(timeout=0.1)
    except subprocess.TimeoutExpired:
        return
    raise RuntimeError(f"the AWS emulator ended with {code} on port {port}:\n{_end_of(log)}")


def _is_healthy(port: int) -> bool:
    # Without the environment's proxy, which cannot reach our loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{HOST}:{port}/_ministack/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes], timeout_s: float = STOP_TIMEOUT_S) -> None:
    process.terminate()
    try:
        process.wait(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
