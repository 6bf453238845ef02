"""Measure the Stripe stand-in: create+confirm pairs a second while it fills, webhooks and event log on, and its memory.

    python bench/standin.py [--intents 100000] [--clients 16] [--every 10000] [--state FILE]

The clients are bare keep-alive connections in this one process, as is the webhook receiver, so that what is measured is
the stand-in and not the SDK. Each pair is two requests with idempotency keys and three webhooks. Ends with 1 where a
promise is broken, which on a busy machine says more of the machine: the server's own processor time a pair does not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httptools

ROOT = Path(__file__).resolve().parent.parent
PAIRS_A_SECOND, FLAT, MEMORY_MB = 300, 0.9, 1000


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


async def run(options: argparse.Namespace, port: int, pid: int) -> bool:
    """Whether the stand-in is as fast, as flat and as small as docs/stripe-standin.md says."""
    loop = asyncio.get_running_loop()
    receiver = await loop.create_server(Receiver, "127.0.0.1", 0)
    hook = receiver.sockets[0].getsockname()[1]
    clients = []
    for _ in range(options.clients):
        _, client = await loop.create_connection(Client, "127.0.0.1", port)
        clients.append(client)
    await clients[0].call("POST", "/v1/webhook_endpoints", f"url=http://127.0.0.1:{hook}/hook&enabled_events[]=*")
    customers = [(await clients[0].call("POST", "/v1/customers", f"name=c{n}"))["id"] for n in range(200)]
    made = 0

    async def work(client: Client, until: int, mark: str) -> None:
        nonlocal made
        while made < until:
            made += 1
            number = made
            customer = customers[number % len(customers)]
            intent = await client.call(
                "POST",
                "/v1/payment_intents",
                f"amount=1000&currency=eur&customer={customer}&allowed_payment_method_types[]=card&metadata[tab]=tab_{number}",
                f"{mark}/{number}/create",
            )
            await client.call(
                "POST",
                f"/v1/payment_intents/{intent['id']}/confirm",
                "payment_method=pm_card_visa",
                f"{mark}/{number}/confirm",
            )

    print(f"{'intents':>8} {'pairs/s':>8} {'webhooks/s':>10} {'server CPU ms/pair':>18} {'memory MB':>9}")
    marks = [1000, *range(options.every, options.intents + 1, options.every)]
    first: tuple[float, float] | None = None
    rate = cost = memory = 0.0
    for until in marks:
        before, started, heard, used = made, time.perf_counter(), Receiver.received, cpu_seconds(pid)
        await asyncio.gather(*(work(client, until, str(pid)) for client in clients))
        await clients[0].call("POST", "/_control/webhooks/drain", '{"timeout_seconds": 60}')
        spent = time.perf_counter() - started
        rate = (made - before) / spent
        cost = (cpu_seconds(pid) - used) * 1000 / (made - before)
        first = first or (rate, cost)
        heard = Receiver.received - heard
        memory = resident_mb(pid)
        print(f"{made:>8} {rate:>8.0f} {heard / spent:>10.0f} {cost:>18.2f} {memory:>9.0f}", flush=True)
    assert first is not None
    flat = rate / first[0]
    print(f"at the end against the first 1,000: rate x {flat:.2f}, cost x {cost / first[1]:.2f}")
    started = time.perf_counter()
    for _ in range(200):
        await clients[0].call("GET", f"/v1/payment_intents?customer={customers[0]}&limit=10")
    print(f"list by customer, 10 of {made // len(customers)}: {(time.perf_counter() - started) * 5:.2f} ms")
    return rate >= PAIRS_A_SECOND and flat >= FLAT and memory < MEMORY_MB


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--intents", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--every", type=int, default=10_000)
    parser.add_argument("--state", default=None, help="also keep a journal in this file")
    options = parser.parse_args()
    command = [sys.executable, "-m", "devstack.stripe_standin", "--port", "0"]
    if options.state:
        command += ["--state", options.state]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline().split("http://127.0.0.1:")[1].split()[0])
        kept = asyncio.run(run(options, port, server.pid))
    finally:
        server.terminate()
        server.wait(10)
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores (load {load:.1f}), {options.clients} clients, Python {sys.version.split()[0]}")
    promise = f"at least {PAIRS_A_SECOND} pairs/s, the last at least {FLAT} of the first, less than {MEMORY_MB} MB"
    print(f"{promise}: {'kept' if kept else 'BROKEN'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
