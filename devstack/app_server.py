"""Serves app.py with Chalice's own local server, on the local stack's clock, and fires its schedule.

    python -m devstack.app_server --port 8000 --control-port 8001 --folder .devstack

The control port takes `POST /sweep` and `POST /reconcile` (fire that schedule now), and `POST /pump`. A sweep and a
pump read stream and queues until nothing is left, and answer the counts. `POST /feedback` takes what SES or SNS would
report of a message, and `GET /_outbox` shows the mails and texts that were sent. With `--ticker` the sweep also fires
every five clock-minutes and on every move of the clock, and stream and queues are read twice a second. With `--forks`
it serves nothing itself, but forks workers that do, as commanded on standard input. Settings come from the environment,
as in Lambda.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import json
import logging
import os
import pkgutil
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from chalice.cli.factory import CLIFactory
from chalice.local import ThreadedHTTPServer
from msgspec.structs import replace

import chalicelib
from chalicelib import bootstrap
from devstack import local_queues, outbox, pump
from devstack.app_workers import fork_on_request
from devstack.clock import StandinClock
from devstack.crash import with_crashes
from devstack.http_tuning import before_each_request, send_answers_in_one_packet, use_fast_header_parser
from devstack.local_gateway import Handler, make_server
from devstack.local_queues import DelayedQueues
from devstack.lookup_log import with_lookups
from devstack.outbox import LocalOutbox
from devstack.pump import Pump

TICK = timedelta(minutes=5)
POLL_S = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--control-port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="of this stack: its outbox, the pump's lock")
    parser.add_argument("--ticker", action="store_true")
    parser.add_argument("--forks", action="store_true")
    parser.add_argument("--lookups", type=Path, help="where the attempts go that had to be asked about, one a line")
    given = parser.parse_args()

    use_fast_header_parser()
    send_answers_in_one_packet(Handler)
    # The backlog of connections that wait; the default of five is too short when 32 clients connect at once.
    ThreadedHTTPServer.request_queue_size = 128
    clock = StandinClock(os.environ["STRIPE_API_BASE"])
    before_each_request(Handler, clock.forget)
    deps = bootstrap.build(clock=clock)
    if given.lookups:
        deps = with_lookups(deps, given.lookups)

    database = local_queues.client("dynamodb", os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_REGION"])
    queues = DelayedQueues(deps.queues, database, clock)
    sent = given.folder / outbox.NAME
    local = LocalOutbox(sent, clock)
    deps = replace(deps, queues=queues, mailer=local.mailer, texter=local.texter)

    import app as functions

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    factory = CLIFactory(os.getcwd(), environ=os.environ)
    config = factory.create_config_obj(chalice_stage_name="dev")
    # Imported objects live as long as the process: the garbage collector need not scan them again.
    gc.collect()
    gc.freeze()

    def serve(is_ready: Callable[[], None]) -> None:
        # Here, because each forked worker has its own environment.
        bootstrap.use(with_crashes(deps))
        pumping = pump.pump_of(functions, queues, given.folder / "pump.lock")
        sweep = Sweeper(functions.sweep, pumping)
        acts: dict[str, Callable[..., Any]] = {
            "/sweep": sweep.fire,
            "/pump": pumping.run,
            "/reconcile": Sweeper(functions.reconcile).fire,
            "/feedback": lambda report: functions.feedback(_from_topic(report), None),
        }
        control = ThreadedHTTPServer(("127.0.0.1", given.control_port), _control(acts, sent, clock))
        threading.Thread(target=control.serve_forever, daemon=True, name="control").start()
        if given.ticker:
            threading.Thread(target=_tick, args=(clock, sweep, pumping), daemon=True, name="ticker").start()
        server = make_server(functions.app, config, "127.0.0.1", given.port)
        is_ready()
        server.serve_forever()

    if given.forks:
        _import_what_requests_would()
        assert deps.gateway.publishable_key, "asking for it makes the gateway, and imports what it needs"
        ThreadedHTTPServer.allow_reuse_port = True
        fork_on_request(serve)
    else:
        serve(lambda: None)


def _import_what_requests_would() -> None:
    """Import all that is deployed, and what it needs of Stripe's SDK, once instead of in each forked worker."""
    for module in pkgutil.walk_packages(chalicelib.__path__, "chalicelib."):
        importlib.import_module(module.name)
    for name in ("customer", "setup_intent", "payment_method", "payment_intent", "refund", "charge"):
        for part in (f"stripe._{name}", f"stripe._{name}_service"):
            if importlib.util.find_spec(part):
                importlib.import_module(part)
    importlib.import_module("jwt")


class Sweeper:
    """Fires a schedule as EventBridge does, through the Lambda handler; one at a time. Then `pump` does what follows.

    It does not use chalice.test.Client, which changes the process's environment while it is open and so would disturb
    requests that are served at the same time.
    """

    def __init__(self, handler: Any, pump: Pump | None = None) -> None:
        self._handler = handler
        self._pump = pump
        self._lock = threading.Lock()

    def fire(self) -> Any:
        event = {
            "version": "0",
            "source": "aws.events",
            "detail-type": "Scheduled Event",
            "resources": [],
            "detail": {},
            "account": "123456789012",
            "region": "eu-west-1",
            "time": "2026-01-05T09:00:00Z",
            "id": "local",
        }
        with self._lock:
            answer = self._handler(event, None)
        return answer if self._pump is None else self._pump.run()


def _tick(clock: StandinClock, sweep: Sweeper, pumping: Pump) -> None:
    last = clock.now()
    while True:
        time.sleep(POLL_S)
        try:
            clock.forget()
            now = clock.now()
            if now - last >= TICK:
                last = now
                sweep.fire()
            else:
                pumping.run()
        except Exception:
            logging.getLogger(__name__).exception("the schedule could not be fired")


def _from_topic(report: Any) -> dict[str, Any]:
    """A report of SES or SNS as the topic hands it to a function."""
    message: dict[str, Any] = {"Message": json.dumps(report), "Subject": None, "MessageAttributes": {}}
    return {"Records": [{"EventSource": "aws:sns", "Sns": message}]}


def _control(acts: Mapping[str, Callable[..., Any]], sent: Path, clock: StandinClock) -> type[BaseHTTPRequestHandler]:
    class Control(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            act = acts.get(self.path)
            given = json.loads(body) if body else None
            answer = (act(given) if given else act()) if act else {"error": f"POST {' or '.join(acts)}"}
            self._answer(200 if act else 404, "application/json", json.dumps(answer).encode())

        def do_GET(self) -> None:
            if self.path != outbox.PATH:
                return self._answer(404, "application/json", json.dumps({"error": f"GET {outbox.PATH}"}).encode())
            page = outbox.page(outbox.read(sent))
            return self._answer(200, "text/html; charset=utf-8", page.encode())

        def _answer(self, status: int, media: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    send_answers_in_one_packet(Control)
    before_each_request(Control, clock.forget)
    return Control


if __name__ == "__main__":
    main()
