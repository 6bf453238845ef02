"""Measure the Stripe stand-in against itself as it was at a commit: memory, pairs a second, and a start with a state.

    make bench-standin        or   python -m bench.standin [--intents 100000] [--clients 16] [--base 80861af]

Both servers run at once and are asked in turns, so that whatever else the machine does hits both; figures are medians
of the rounds' ratios. A pair is a create and a confirm with idempotency keys, and three webhooks, delivered. A server
is one thread: the pairs that it makes in a second of its own processor time are what it can do at most, and those in a
second of the wall, printed beside it, depend on who else is at work. The clients are bare keep-alive connections in
this one process, as is the webhook receiver: what is measured is the stand-in and not the SDK. Ends with 1 where a
figure is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from statistics import median

import httptools

ROOT = Path(__file__).resolve().parent.parent
BASE = "80861af"
# What is promised, as a part of what the base needs or does.
MEMORY, RATE, START = 0.5, 1.0, 0.5
ROUND = 1000  # pairs
ROUNDS = 5  # at the beginning and at the end
# Makes a state in the tree that it runs in, without a server between: pairs as the clients make them.
FILL = """
import asyncio, json, sys
from pathlib import Path
from devstack.stripe_standin.server import create_app

api = create_app(start=1767603600, state=Path(sys.argv[1])).standin.api

async def call(path, body, key):
    sent = []
    async def receive():
        return {"type": "http.request", "body": body.encode()}
    async def send(message):
        sent.append(message)
    headers = [(b"authorization", b"Bearer sk_test_bench"), (b"idempotency-key", key.encode())]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    await api(scope, receive, send)
    assert sent[0]["status"] == 200, sent[1]["body"]
    return json.loads(sent[1]["body"])["id"]

async def main():
    for number in range(int(sys.argv[2])):
        form = f"amount=1000&currency=eur&allowed_payment_method_types[]=card&metadata[tab]=tab_{number}"
        intent = await call("/v1/payment_intents", form, f"{number}/create")
        await call(f"/v1/payment_intents/{intent}/confirm", "payment_method=pm_card_visa", f"{number}/confirm")

asyncio.run(main())
"""


class Client(asyncio.Protocol):
    """One keep-alive connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.done.set_result(self.parser.get_status_code())

    async def call(self, method: str, path: str, body: str = "", key: str = "") -> dict:
        self.parser, self.body = httptools.HttpResponseParser(self), b""
        self.done = asyncio.get_running_loop().create_future()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sk_test_bench\r\n"
        if key:
            head += f"Idempotency-Key: {key}\r\n"
        self.transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        status = await self.done
        if status != 200:
            raise RuntimeError(f"{method} {path}: {status} {self.body.decode()}")
        return json.loads(self.body)


class Receiver(asyncio.Protocol):
    """A webhook endpoint that counts and says 200."""

    received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        Receiver.received += 1
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_seconds(pid: int) -> float:
    """Processor time of the server so far: what it costs, whoever else uses the machine meanwhile."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spawn(tree: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """A stand-in of this tree, once it accepts connections, and the line that says so."""
    command = [sys.executable, "-m", "devstack.stripe_standin", "--port", "0", *arguments]
    running = subprocess.Popen(command, cwd=tree, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    return running, running.stdout.readline()


@contextmanager
def served(tree: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    running, line = spawn(tree, *arguments)
    try:
        yield running, int(line.split("http://127.0.0.1:")[1].split()[0])
    finally:
        running.terminate()
        running.wait(30)


class Side:
    """One of the two servers, with its clients and what it has made so far."""

    def __init__(self, name: str, pid: int, clients: list[Client]) -> None:
        self.name, self.pid, self.clients = name, pid, clients
        self.customers: list[str] = []
        self.made = 0

    async def pairs(self, count: int) -> tuple[float, float]:
        """Make so many, webhooks delivered. Returns pairs a second, and the server's processor time a pair in ms."""
        until, used, started = self.made + count, cpu_seconds(self.pid), time.perf_counter()
        await asyncio.gather(*(self._work(client, until) for client in self.clients))
        await self.clients[0].call("POST", "/_control/webhooks/drain", '{"timeout_seconds": 60}')
        return count / (time.perf_counter() - started), (cpu_seconds(self.pid) - used) * 1000 / count

    async def _work(self, client: Client, until: int) -> None:
        while self.made < until:
            self.made += 1
            number = self.made
            customer = self.customers[number % len(self.customers)]
            form = (
                f"amount=1000&currency=eur&customer={customer}&allowed_payment_method_types[]=card"
                f"&metadata[tab]=tab_{number}"
            )
            intent = await client.call("POST", "/v1/payment_intents", form, f"{self.pid}/{number}/create")
            path = f"/v1/payment_intents/{intent['id']}/confirm"
            await client.call("POST", path, "payment_method=pm_card_visa", f"{self.pid}/{number}/confirm")

    async def list_ms(self) -> float:
        started = time.perf_counter()
        for _ in range(200):
            await self.clients[0].call("GET", f"/v1/payment_intents?customer={self.customers[0]}&limit=10")
        return (time.perf_counter() - started) * 5


async def open_side(name: str, pid: int, port: int, clients: int, hook: str) -> Side:
    loop = asyncio.get_running_loop()
    connections = [(await loop.create_connection(Client, "127.0.0.1", port))[1] for _ in range(clients)]
    side = Side(name, pid, connections)
    await connections[0].call("POST", "/v1/webhook_endpoints", f"url={hook}&enabled_events[]=*")
    for number in range(200):
        made = await connections[0].call("POST", "/v1/customers", f"name=c{number}")
        side.customers.append(made["id"])
    return side


async def rounds(sides: list[Side], count: int) -> float:
    """Some rounds of each in turns, printed. Returns the median of the ratios of their pairs a second."""
    ratios = []
    for _ in range(count):
        costs = {}
        for side in sides:
            rate, costs[side.name] = await side.pairs(ROUND)
            speed = f"{1000 / costs[side.name]:>7.0f} pairs a second of its processor, {rate:.0f} of the wall"
            print(f"{side.name:>5} {side.made:>8} intents {speed}", flush=True)
        ratios.append(costs["base"] / costs["now"])
    return median(ratios)


async def load(options: argparse.Namespace, running: dict[str, tuple[int, int]]) -> dict[str, float]:
    """The figures of the two servers while they fill."""
    receiver = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0)
    hook = f"http://127.0.0.1:{receiver.sockets[0].getsockname()[1]}/hook"
    sides = [await open_side(name, pid, port, options.clients, hook) for name, (pid, port) in running.items()]
    early = await rounds(sides, ROUNDS)
    while (left := options.intents - ROUNDS * ROUND - sides[0].made) > 0:
        for side in sides:
            await side.pairs(min(left, 5 * ROUND))
    late = await rounds(sides, ROUNDS)
    memory = {side.name: resident_mb(side.pid) for side in sides}
    for side in sides:
        listed = f"10 of a customer's intents listed in {await side.list_ms():.2f} ms"
        print(f"{side.name:>5} {memory[side.name]:.0f} MB; {listed}")
    return {"early": early, "late": late, "memory": memory["now"] / memory["base"]}


def start_ratio(trees: dict[str, Path], folder: Path, intents: int) -> float:
    """The processor time until each accepts connections, with a state of so many intents that it wrote itself."""
    for name, tree in trees.items():
        subprocess.run([sys.executable, "-c", FILL, folder / f"{name}.state", str(intents)], cwd=tree, check=True)
    ratios = []
    for _ in range(3):
        used = {}
        for name, tree in trees.items():
            began = time.perf_counter()
            running, line = spawn(tree, "--state", str(folder / f"{name}.state"))
            assert line, f"{name} did not start"
            used[name], wall = cpu_seconds(running.pid), time.perf_counter() - began
            running.terminate()
            running.wait(30)
            took = f"{used[name]:.2f} s of its processor, {wall:.2f} of the wall"
            print(f"{name:>5} started with {intents} intents in {took}", flush=True)
        ratios.append(used["now"] / used["base"])
    return median(ratios)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.standin", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--intents", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--base", default=BASE, help="the commit to compare with")
    options = parser.parse_args()
    archive = subprocess.run(
        ["git", "archive", options.base, "devstack/__init__.py", "devstack/stripe_standin"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="bench-standin-") as made:
        folder = Path(made)
        with tarfile.open(fileobj=BytesIO(archive)) as packed:
            packed.extractall(folder / "base", filter="data")
        trees = {"base": folder / "base", "now": ROOT}
        with served(trees["base"]) as (base, base_port), served(trees["now"]) as (now, now_port):
            running = {"base": (base.pid, base_port), "now": (now.pid, now_port)}
            found = asyncio.run(load(options, running))
        found["start"] = start_ratio(trees, folder, options.intents)
    print(f"{os.cpu_count()} cores, {options.clients} clients, Python {sys.version.split()[0]}, against {options.base}")
    figures = (
        (f"memory at {options.intents} intents", found["memory"], found["memory"] <= MEMORY, f"at most {MEMORY}"),
        ("pairs a second at the start", found["early"], found["early"] >= RATE, f"at least {RATE}"),
        (f"pairs a second at {options.intents}", found["late"], found["late"] >= RATE, f"at least {RATE}"),
        (f"start with a state of {options.intents}", found["start"], found["start"] <= START, f"at most {START}"),
    )
    for name, ratio, kept, promise in figures:
        print(f"{name}: x {ratio:.2f} ({promise}): {'kept' if kept else 'MISSED'}")
    return 0 if all(kept for _, _, kept, _ in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
