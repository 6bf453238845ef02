"""`make bench-load`: walk-ins over real HTTP, as many at once as there are users, then a look at every tab's books.

Against the local server, or with `--deployed DIR` against what `make package` has written, deployed on the emulator.
Everything is on this machine and shares its processors: the rate says what all of it can do together, and the shares
say who does it. Fails where a request failed, or where a tab does not come out as it must.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from devstack.deploy.artifacts import Artifacts
from devstack.deployed_stack import DeployedStack
from devstack.end_state import run_until_idle
from devstack.invariants import Objects, by_tab, check_everything, check_tab
from devstack.stack import Stack
from devstack.stories.business import Business, Customer

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LOCUST = ROOT / ".venv-bench" / "bin" / "locust"
WHO = {
    "devstack.app_server": "app",
    # Its Lambdas run in folders of this name.
    "ministack-lambda": "app",
    "ministack": "DynamoDB's emulator",
    "devstack.stripe_standin": "Stripe's stand-in",
    "locust": "load",
}
"""By what is in a process's command line."""
PATIENCE = 5
STATUSES = ("booked", "open", "in_review", "due", "contested", "closed", "canceled", "no_show")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-load")
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2, help="processes of the app")
    parser.add_argument("--deployed", type=Path, metavar="DIR", help="deploy this package on the emulator instead")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        logs = Path(folder) / "logs"
        stack = (
            DeployedStack(Artifacts(given.deployed), logs=logs)
            if given.deployed
            else Stack(logs=logs, workers=given.workers)
        )
        with stack:
            salon = Business(stack, lambda line: None, name="Salon Iris")
            customers = [salon.customer(f"Customer {number}") for number in range(given.users)]
            before = Counter(dict(cpu_s()))
            said = load(stack, salon, customers, Path(folder), users=given.users, seconds=given.seconds)
            drain(stack)
            spent = Counter(dict(cpu_s())) - before
            spent["load"] = said.pop("cpu_s")
            problems, tabs = check(stack, salon)
    return tell(said["rows"], spent, problems, tabs)


def load(
    stack: Stack, salon: Business, customers: list[Customer], folder: Path, *, users: int, seconds: int
) -> dict[str, Any]:
    """What locust says of it: its rows of figures, and what it used of the processor itself."""
    url = urlsplit(stack.app_url)
    given = {
        "staff": salon.staff.token,
        "customers": [{"customer_id": one.customer_id, "token": one.api.token} for one in customers],
        "stripe": stack.standin.base_url,
        "prefix": url.path,
    }
    (folder / "given.json").write_text(json.dumps(given))
    command = [str(LOCUST), "--headless", "--json", "--only-summary", "--loglevel", "ERROR", "--stop-timeout", "30"]
    command += ["--locustfile", str(HERE / "locustfile.py"), "--host", f"{url.scheme}://{url.netloc}"]
    command += ["--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds}s"]
    environment = {**os.environ, "AFTERTAB_LOAD": str(folder / "given.json")}
    children = os.times()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=HERE, check=False)
    after = os.times()
    used = after.children_user + after.children_system - children.children_user - children.children_system
    return {"rows": json.loads(done.stdout), "cpu_s": used}


def drain(stack: Stack) -> None:
    """Wait for the last event; a deployed function that starts cold on a busy machine takes its time over it."""
    for _ in range(PATIENCE - 1):
        with suppress(RuntimeError):
            return stack.drain()
    return stack.drain()


def cpu_s() -> Iterator[tuple[str, float]]:
    """Processor seconds so far of each kind of process that this one has started, those that ended left out."""
    found: Counter[str] = Counter()
    parents: dict[int, int] = {}
    used: dict[int, tuple[str, float]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_text()
        except OSError:
            continue
        parents[int(entry.name)] = int(fields[1])
        ticks = int(fields[11]) + int(fields[12])
        who = next((name for part, name in WHO.items() if part in command), "")
        used[int(entry.name)] = (who, ticks / os.sysconf("SC_CLK_TCK"))
    for pid, (who, seconds) in used.items():
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid() and who:
            found[who] += seconds
    yield from found.items()


def check(stack: Stack, salon: Business) -> tuple[list[str], Counter[str]]:
    """What is wrong with the salon's tabs once they have come to rest, and how many are in which status.

    Nobody moves a deployed app's clock: what was given up in the middle is looked at as it stands there.
    """
    get = salon.owner.get
    ids = [line["tab_id"] for status in STATUSES for line in pages(get, f"/tabs?status={status}&limit=100", "tabs")]
    is_movable = not isinstance(stack, DeployedStack)
    tabs = run_until_idle(stack, dict.fromkeys(ids, get)) if is_movable else {one: get(f"/tabs/{one}") for one in ids}
    objects = by_tab(stack.at_stripe("payment_intents"), stack.at_stripe("refunds"))
    problems = []
    for tab_id, tab in tabs.items():
        history = list(pages(get, f"/tabs/{tab_id}/timeline?limit=100", "entries"))
        is_at_rest = is_movable or tab["next_action"] is None
        books = objects.get(tab_id, Objects())
        found = check_everything(tab, history, books) if is_at_rest else check_tab(tab, history)
        problems += [f"{tab_id}: {problem}" for problem in found]
    return problems, Counter(f"{tab['status']}/{tab['payment_state']}" for tab in tabs.values())


def pages(get: Any, path: str, rows: str) -> Iterator[dict[str, Any]]:
    cursor = ""
    while True:
        page = get(path + cursor)
        yield from page[rows]
        if page["next_cursor"] is None:
            return
        cursor = f"&cursor={page['next_cursor']}"


def tell(rows: list[dict[str, Any]], spent: Counter[str], problems: list[str], tabs: Counter[str]) -> int:
    print(f"{'request':22} {'count':>7} {'failed':>7} {'p50 ms':>7} {'p95 ms':>7} {'p99 ms':>7}")
    times: Counter[float] = Counter()
    for row in rows:
        of_row = Counter({float(ms): count for ms, count in row["response_times"].items()})
        times += of_row
        print(
            f"{row['name']:22} {row['num_requests']:7} {row['num_failures']:7} "
            + " ".join(f"{percentile(of_row, part):7.0f}" for part in (0.5, 0.95, 0.99))
        )
    everyone = sum(spent.values())
    shares = ", ".join(f"{who} {100 * used / everyone:.0f} %" for who, used in spent.most_common())
    print(f"of {everyone:.0f} s of processor time: {shares}")
    for problem in problems[:20]:
        print(f"  {problem}", file=sys.stderr)
    total, failed = sum(row["num_requests"] for row in rows), sum(row["num_failures"] for row in rows)
    seconds = max(row["last_request_timestamp"] for row in rows) - min(row["start_time"] for row in rows)
    marks = ", ".join(f"p{100 * part:.0f} {percentile(times, part):.0f} ms" for part in (0.5, 0.95, 0.99))
    print(
        f"bench-load: {total / seconds:.1f} requests/s, {marks}, {failed} errors in {total}; "
        f"{sum(tabs.values())} tabs ({', '.join(f'{count} {name}' for name, count in tabs.most_common())}), "
        f"{len(problems)} problems"
    )
    return 1 if failed or problems or not total else 0


def percentile(times: Counter[float], part: float) -> float:
    """Milliseconds that this part of the requests took at most."""
    wanted, seen = part * times.total(), 0
    for ms in sorted(times):
        seen += times[ms]
        if seen >= wanted:
            return ms
    return 0.0


if __name__ == "__main__":
    sys.exit(main())
