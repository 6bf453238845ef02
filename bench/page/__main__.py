"""`make bench-page`: what the customer's page costs the customer, and us.

1. The first view of a bill on the wire, compressed, and the requests that it takes.
2. When the bill can be read on a throttled phone (Chromium, processor four times slower, slow 4G), beside the same bill
   in a React page built from Vite's template that fetches it from our API. Both begin with cold functions: the page's
   own, and for the API's bearer the authorizer's and the API's, one after the other, as API Gateway calls them.
   Interleaved.
3. Processor time of writing a page, once all is read, beside that of `GET /v1/tabs/{id}`.
4. What the functions of both execute from their start until each has answered once, counted by valgrind: printed
   beside, because the times of (2) also tell of what else the machine does.
5. Thousands of GETs and HEADs, with the headers of prefetchers and scanners: writes to the table.

The functions run from the package (`make package`). Fails where a figure is missed. `--rounds N` (of 2), `--gets N`
(of 5), `--without-instructions`. Needs Chromium, Node and npm.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from tempfile import NamedTemporaryFile
from threading import Lock, Thread
from typing import Any

from bench.cold.backend import Backend
from bench.instructions import instructions
from bench.warm.warm import aws_event
from devstack.chromium import CHROMIUM, QUIETLY
from devstack.package import archive

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PROBE = HERE.parent / "cold" / "probe.py"
WORK = ROOT / ".devstack" / "bench" / "page"
SPA = WORK / "spa"
PYTHON = os.path.realpath(sys.executable)
"""The interpreter itself, outside its virtual environment: functions see their bundle and the standard library."""
LARGEST_BYTES = 14 * 1024
MOST_OF_SPA = 0.35
MOST_OF_GET = 2.0
SLOW_4G = {"offline": False, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 750e3 / 8, "latency": 150}
"""As Lighthouse has it: 1.6 Mbit/s down, 750 kbit/s up, 150 ms."""
SLOWER = 4
BILL = "€39.50"
READABLE = f"""
(() => {{
  const look = () => {{
    if (document.body && document.body.innerText.includes("{BILL}")) console.log("readable " + performance.now());
    else requestAnimationFrame(look);
  }};
  requestAnimationFrame(look);
}})();
"""
"""Notes when the amount is on the screen, counted from the beginning of the navigation."""
VISITORS: tuple[dict[str, str], ...] = (
    {},
    {"Purpose": "prefetch"},
    {"Sec-Purpose": "prefetch;prerender"},
    {"User-Agent": "Mozilla/5.0 (compatible; LinkScanner/2.0)"},
    {"X-Moz": "prefetch", "If-None-Match": "*"},
)


class CountingBackend(Backend):
    """Counts what is written to the table."""

    writes = 0

    def dynamodb(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        self.writes += operation in ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")
        return super().dynamodb(operation, request)


class Function:
    """A function's process. `stop` makes the next request a cold start."""

    def __init__(self, tree: Path, handler: str, environment: dict[str, str]) -> None:
        # Isolated, without site-packages, and writing no bytecode: Lambda's disk is read-only.
        self._alone = [PYTHON, "-I", "-S", "-B"]
        self._of = [str(tree), handler]
        self._command = [*self._alone, str(HERE / "function.py"), *self._of]
        self._environment = environment | {
            "AWS_LAMBDA_FUNCTION_NAME": "bench",
            "_HANDLER": handler,
            "LAMBDA_TASK_ROOT": str(tree),
            "AWS_DATA_PATH": "$LAMBDA_TASK_ROOT/aws_models",
            "PYTHONTZPATH": f"{tree}/tzdata/zoneinfo",
        }
        self._process: subprocess.Popen[str] | None = None
        self._lock = Lock()

    def ask(self, times: int = 1, **asked: Any) -> tuple[Any, float]:
        """The answer to the last of so many equal requests, and the processor seconds of all of them."""
        with self._lock:
            if self._process is None:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    env=self._environment,
                )
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps({**asked, "times": times}) + "\n")
            self._process.stdin.flush()
            answered = json.loads(self._process.stdout.readline())
        return answered["answer"], answered["cpu_s"]

    def instructions(self, event: dict[str, Any]) -> int:
        """Of a process that starts and answers this."""
        with NamedTemporaryFile("w", suffix=".json") as file:
            json.dump([event], file)
            file.flush()
            return instructions([*self._alone, str(PROBE), *self._of, file.name], self._environment)

    def stop(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                self._process = None


@dataclass(frozen=True)
class Functions:
    """Of the package."""

    api: Function
    pages: Function
    authorizer: Function

    def stop(self) -> None:
        for function in (self.api, self.pages, self.authorizer):
            function.stop()


@dataclass(frozen=True)
class Bill:
    """A presented bill, and the secret of a link to it."""

    tab_id: str
    guest: dict[str, str]
    secret: str


def make_bill(api: Function) -> Bill:
    keys = itertools.count()

    def call(context: dict[str, str], method: str, route: str, body: Any = None, **path: str) -> Any:
        event = aws_event(method, route, json.dumps(body or {}), {"Idempotency-Key": f"key-{next(keys)}"}, **path)
        event["requestContext"]["authorizer"] = {"principalId": "bench", **context}
        answer, _ = api.ask(event=event)
        assert answer["statusCode"] < 300, answer
        return json.loads(answer["body"])

    merchant = call({"role": "operator"}, "POST", "/v1/merchants", {"name": "Salon Iris", "currency": "EUR"})
    staff = {"role": "staff", "merchant_id": merchant["merchant_id"]}
    opened = {"title": "Colour and cut", "expected_outcome": "The colour we agreed on.", "estimate_minor": 4000}
    tab = call(staff, "POST", "/v1/tabs", opened)
    lines = [
        {"description": name, "unit_price_minor": minor}
        for name, minor in (("Cut", 1800), ("Colour", 1200), ("Care", 950))
    ]
    where = {"tab_id": tab["tab_id"]}
    call(staff, "POST", "/v1/tabs/{tab_id}/items", {"items": lines}, **where)
    call(staff, "POST", "/v1/tabs/{tab_id}/complete", **where)
    link = call(staff, "POST", "/v1/tabs/{tab_id}/links", {"scope": "full"}, **where)
    guest = {
        "principalId": link["link"]["link_id"],
        "role": "guest",
        "merchant_id": merchant["merchant_id"],
        "customer_id": tab["customer_id"],
        "tab_id": tab["tab_id"],
        "scope": "full",
    }
    return Bill(tab["tab_id"], guest, link["secret"])


def page_event(bill: Bill, method: str = "GET", **headers: str) -> dict[str, Any]:
    return aws_event(method, "/t/{secret}", None, {"Host": "salon.example", **headers}, secret=bill.secret)


def api_event(bill: Bill) -> dict[str, Any]:
    event = aws_event("GET", "/v1/tabs/{tab_id}", None, None, tab_id=bill.tab_id)
    event["requestContext"]["authorizer"] = bill.guest
    return event


def bearer_event(bill: Bill) -> dict[str, Any]:
    """What API Gateway asks the authorizer."""
    arn = "arn:aws:execute-api:eu-west-1:123456789012:bench/dev/GET/v1/tabs/x"
    return {"type": "TOKEN", "methodArn": arn, "authorizationToken": f"Bearer {bill.secret}"}


@contextlib.contextmanager
def gateway(functions: Functions, bill: Bill) -> Iterator[str]:
    """What stands before the functions: compresses as API Gateway does; serves the React page's files."""
    files = {
        f"/{path.relative_to(SPA / 'dist')}": path.read_bytes() for path in (SPA / "dist").rglob("*") if path.is_file()
    }
    kinds = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path in files:
                self.reply(200, {"Content-Type": kinds[Path(path).suffix], "Cache-Control": "max-age=60"}, files[path])
                return
            if path.startswith("/t/"):
                answer, _ = functions.pages.ask(event=page_event(bill))
                self.reply(answer["statusCode"], answer["headers"], answer["body"].encode())
                return
            if path.startswith("/v1/"):
                allowed, _ = functions.authorizer.ask(event=bearer_event(bill))
                assert allowed["principalId"] == bill.guest["principalId"], allowed
                answer, _ = functions.api.ask(event=api_event(bill))
                self.reply(answer["statusCode"], answer["headers"], answer["body"].encode())
                return
            self.reply(404, {}, b"")

        def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            sent = gzip.compress(body, 6)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def build_spa() -> None:
    """Vite's template for React with one fetch, built for production."""
    if shutil.which("npm") is None:
        raise SystemExit("The React page needs Node and npm: install nodejs and npm.")
    if not (SPA / "node_modules").exists():
        shutil.copytree(HERE / "spa", SPA, dirs_exist_ok=True)
        quietly = ["--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(["npm", "install", *quietly], cwd=SPA, check=True)
    shutil.copytree(HERE / "spa", SPA, dirs_exist_ok=True)
    subprocess.run(["npm", "run", "build"], cwd=SPA, check=True, stdout=subprocess.DEVNULL)


def readable_ms(browser: Any, address: str) -> tuple[float, int]:
    """When the amount is on the screen of a new phone, and how many requests were made until then."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.emulateNetworkConditions", SLOW_4G)
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.add_init_script(READABLE)
    with page.expect_console_message(lambda said: said.text.startswith("readable "), timeout=60_000) as said:
        page.goto(address, wait_until="commit")
    found = said.value.text.split()[1]
    context.close()
    return float(found), len(asked)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-page", description=__doc__)
    parser.add_argument("--package", type=Path, default=ROOT / "dist" / "dev", help="what make package wrote")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--gets", type=int, default=10_000)
    parser.add_argument("--without-instructions", action="store_true", help="leave valgrind out, which takes a minute")
    given = parser.parse_args()
    if CHROMIUM is None:
        raise SystemExit("Pages are looked at in Chromium, which is not there: apt-get install chromium")
    build_spa()
    from playwright.sync_api import sync_playwright

    kept = True

    def say(what: str, figure: str, goal: str, *, holds: bool) -> None:
        nonlocal kept
        kept &= holds
        print(f"{what:<44} {figure:>28}   {goal:<12} {'kept' if holds else 'MISSED'}", flush=True)

    with contextlib.closing(CountingBackend()) as backend:
        functions = Functions(
            *(Function(tree, handler, environment(backend.url)) for tree, handler in unpacked(given.package))
        )
        try:
            bill = make_bill(functions.api)
            with gateway(functions, bill) as site, sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIETLY)
                answer, _ = functions.pages.ask(event=page_event(bill))
                bytes_sent = len(gzip.compress(answer["body"].encode(), 6))
                say(
                    "first view of a bill, compressed",
                    f"{bytes_sent:,} bytes",
                    "<= 14,336",
                    holds=bytes_sent <= LARGEST_BYTES,
                )
                ours: list[float] = []
                theirs: list[float] = []
                requests = 0
                for _ in range(given.rounds):
                    functions.stop()
                    ms, requests = readable_ms(browser, f"{site}/t/{bill.secret}")
                    ours.append(ms)
                    functions.stop()
                    ms, _ = readable_ms(browser, f"{site}/index.html#{bill.tab_id}.{bill.secret}")
                    theirs.append(ms)
                browser.close()
            say("requests of the first view", f"{requests}", "1", holds=requests == 1)
            ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
            figure = f"{median(ours):.0f} / {median(theirs):.0f} ms = {ratio:.2f}"
            say("readable, of the React page's, both cold", figure, f"<= {MOST_OF_SPA}", holds=ratio <= MOST_OF_SPA)
            ratio, page_ms, get_ms = processor_time(functions, bill)
            figure = f"{page_ms:.2f} / {get_ms:.2f} ms = {ratio:.2f}"
            say("written in processor time, of GET a tab", figure, f"<= {MOST_OF_GET}", holds=ratio <= MOST_OF_GET)
            if not given.without_instructions:
                page = functions.pages.instructions(page_event(bill))
                tab = functions.api.instructions(api_event(bill))
                allowed = functions.authorizer.instructions(bearer_event(bill))
                figure = f"{page / 1e6:,.0f} / {(tab + allowed) / 1e6:,.0f} million = {page / (tab + allowed):.2f}"
                print(f"{'executed, of authorizer and GET a tab':<44} {figure:>28}")
            backend.writes = 0
            times = given.gets // (2 * len(VISITORS))
            for headers in VISITORS:
                for method in ("GET", "HEAD"):
                    answer, _ = functions.pages.ask(times, event=page_event(bill, method, **headers))
                    assert answer["statusCode"] in (200, 304), answer
            made = times * 2 * len(VISITORS)
            say(f"writes of {made:,} GETs and HEADs", f"{backend.writes}", "0", holds=backend.writes == 0)
        finally:
            functions.stop()
    return 0 if kept else 1


def processor_time(functions: Functions, bill: Bill) -> tuple[float, float, float]:
    """The median ratio of interleaved rounds, and both in milliseconds."""
    calls, rounds = 200, 7

    def write() -> float:
        return functions.pages.ask(calls, secret=bill.secret)[1]

    def get() -> float:
        return functions.api.ask(calls, event=api_event(bill))[1]

    write(), get()
    pairs = [(write(), get()) for _ in range(rounds)]
    ratio = median(one / other for one, other in pairs)
    return ratio, median(one for one, _ in pairs) / calls * 1e3, median(other for _, other in pairs) / calls * 1e3


def unpacked(package: Path) -> Iterator[tuple[Path, str]]:
    """Tree and handler of the API, the pages and the authorizer."""
    for bundle, *handlers in (
        ("deployment.zip", "app.app", "app.pages"),
        ("authorizer.zip", "chalicelib.handlers.authorizer.authorizer"),
    ):
        tree = WORK / bundle.removesuffix(".zip")
        shutil.rmtree(tree, ignore_errors=True)
        archive.unpack(package / bundle, tree)
        yield from ((tree, handler) for handler in handlers)


def environment(backend_url: str) -> dict[str, str]:
    return {
        **os.environ,
        "AFTERTAB_STAGE": "dev",
        "AFTERTAB_TABLE": "aftertab-dev",
        "AFTERTAB_JWT_ISSUER": "https://issuer.example.com",
        "AFTERTAB_JWT_AUDIENCE": "aftertab",
        "AFTERTAB_JWT_JWKS_URL": "https://issuer.example.com/jwks.json",
        "AWS_ENDPOINT_URL": backend_url,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "STRIPE_SECRET_KEY": "sk_test_bench",
        "STRIPE_PUBLISHABLE_KEY": "pk_test_bench",
        "STRIPE_WEBHOOK_SECRET": "whsec_bench",
        "STRIPE_API_BASE": backend_url,
    }


if __name__ == "__main__":
    sys.exit(main())
