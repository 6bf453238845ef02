"""Run the contract suite against localstripe and against the stand-in, and print what passes where as a table.

    python3 -m venv /tmp/localstripe && /tmp/localstripe/bin/pip install localstripe==1.15.10
    python bench/localstripe.py --python /tmp/localstripe/bin/python

localstripe lives in an environment of its own: it needs other versions of things than we do. It is started on the
loopback interface, which its own command line does not offer.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVE = """
from aiohttp import web
from localstripe.server import app
web.run_app(app, host="127.0.0.1", port={port}, print=None)
"""


def outcomes(report: Path) -> dict[str, str]:
    found = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 (pytest wrote it a moment ago)
        name = case.get("name", "").replace("[stand-in]", "").replace("[stand-in-", "[")
        kinds = {child.tag for child in case}
        found[name] = "skipped" if "skipped" in kinds else "no" if kinds & {"failure", "error"} else "yes"
    return found


def run(base: str | None) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        environment = {name: value for name, value in os.environ.items() if name != "STRIPE_TEST_KEY"}
        if base:
            environment["STRIPE_CONTRACT_BASE"] = base
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        subprocess.run([*command, "tests/standin/test_contract.py"], cwd=ROOT, env=environment, check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600)  # fmt: skip
        return outcomes(report)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="the interpreter of an environment with localstripe 1.15.10")
    options = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [options.python, "-c", SERVE.format(port=port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        theirs = run(f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait(10)
    ours = run(None)
    print("| what a payment integration relies on | localstripe 1.15.10 | stand-in |")
    print("|---|---|---|")
    for name in ours:
        if ours[name] == "skipped":
            continue
        plain, _, which = name.partition("[")
        detail = which.rstrip("]").replace("-None", "").replace("-", ", ")
        label = plain.removeprefix("test_").replace("_", " ") + (f": {detail}" if which else "")
        print(f"| {label} | {theirs.get(name, 'no')} | {ours[name]} |")
    count = lambda results: sum(value == "yes" for value in results.values())  # noqa: E731
    total = sum(value != "skipped" for value in ours.values())
    print(f"| **{total} in all** | **{count(theirs)}** | **{count(ours)}** |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
