"""The local stack: AWS emulator, Stripe stand-in, token issuer and the app, started in order and stopped together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from devstack import dynamodb_emulators, dynamodb_table, folders, local_queues, ministack, outbox
from devstack.app_workers import Workers
from devstack.http import JsonClient
from devstack.issuer import AUDIENCE, ISSUER, Issuer
from devstack.ministack import free_port

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".devstack" / "logs"
SECRET_KEY = "sk_test_aftertab_local"
PUBLISHABLE_KEY = "pk_test_aftertab_local"
REGION = "eu-west-1"
API_VERSION = "2026-10-28.endive"
EVENTS = (
    "payment_intent.amount_capturable_updated",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "payment_intent.requires_action",
    "payment_intent.processing",
    "setup_intent.succeeded",
    "setup_intent.setup_failed",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "checkout.session.expired",
    "charge.expired",
    "charge.dispute.created",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "radar.early_fraud_warning.created",
    "payment_method.detached",
    "payment_method.automatically_updated",
    "customer.deleted",
    "account.application.authorized",
    "account.application.deauthorized",
)
"""The events that the webhook endpoint of a deployment subscribes to; each delivery costs an invocation."""
START_TIMEOUT_S = 60.0
RECEIPT_DELAY = timedelta(minutes=5)
DEFAULT_START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
"""A Monday morning, when the stories begin."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports; 0 takes a free one."""

    app: int = 0
    control: int = 0
    standin: int = 0
    aws: int = 0
    issuer: int = 0


class Stack:
    """A running local stack; a context manager. All of it listens on 127.0.0.1 only.

    `start`: the first time of the business clock; None: now. `ticker`: fire the schedule every five clock-minutes and
    on every move of the clock; otherwise only `sweep` fires it. `real_time`: let the clock run. `state`: the folder
    from which the contents of the database and of Stripe are loaded, and to which they are written; it is complete once
    the stack has stopped. `logs`: a folder of this stack's own; None: one below .devstack that no other stack has.
    `database`: the name of the emulator (dynamodb_emulators.NAMES). `workers`: the number of
    forked processes that serve on one port, as many Lambdas do; 0: one process, not forked.
    """

    def __init__(
        self,
        ports: Ports = Ports(),
        *,
        start: datetime | None = DEFAULT_START,
        ticker: bool = False,
        real_time: bool = False,
        logs: Path | None = None,
        state: Path | None = None,
        database: str = dynamodb_emulators.MINISTACK,
        workers: int = 0,
        conflicts: bool = False,
    ) -> None:
        self._ports = ports
        self._start = start
        self._ticker = ticker
        self._real_time = real_time
        self._given_logs = logs
        self._state = state
        self._database = database
        self._worker_count = workers
        self._has_conflicts = conflicts
        self._exits = ExitStack()
        self._app: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self._exits.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.close()

    def _begin(self) -> None:
        if self._given_logs is None:
            self.logs = self._exits.enter_context(folders.claimed(LOGS, LOGS))
        else:
            self.logs = self._given_logs
            self.logs.mkdir(parents=True, exist_ok=True)
        self.mails = self.logs / outbox.NAME
        self.mails.unlink(missing_ok=True)
        self.lookups = self.logs / "lookups"
        self.lookups.write_text("")
        standin_port = self._ports.standin or free_port()
        if self._state is not None:
            self._state.mkdir(parents=True, exist_ok=True)
        aws = self._exits.enter_context(self._start_aws())
        self._aws = aws
        self.aws_url = aws.endpoint_url
        if self._has_conflicts:
            self.conflicts = self._start_conflicts()
        self.issuer = self._exits.enter_context(Issuer(self._ports.issuer))
        kept = self._state and self._state / "stripe.db"
        arguments = ["--port", str(standin_port), *(["--state", str(kept)] if kept else [])]
        # A clock with kept state continues from its last time.
        arguments += [] if self._start is None or (kept and kept.exists()) else ["--start", self._start.isoformat()]
        standin = self._spawn("stripe_standin", [*arguments, *(["--real-time"] if self._real_time else [])])
        self.standin = JsonClient(f"http://127.0.0.1:{standin_port}")
        self._exits.callback(self.standin.close)
        wait_for(self.standin, "/_control/health", "the Stripe stand-in", standin, logs=self.logs)
        self._serve()

    def _start_aws(self) -> AbstractContextManager[dynamodb_emulators.Emulator]:
        return dynamodb_emulators.start(self._database, self._ports.aws or None, self._state and self._state / "aws")

    def _serve(self) -> None:
        """Start the app in processes of this machine."""
        self.app_port = self._ports.app or free_port()
        self.control_port = self._ports.control or free_port()
        self.app = JsonClient(self.app_url)
        self.control = JsonClient(f"http://127.0.0.1:{self.control_port}")
        self._environment = self._settings()
        dynamodb_table.create(self.aws_url, self._environment["AFTERTAB_TABLE"], region=REGION)
        local_queues.create_table(self.aws_url, REGION)
        # Before it is started: one that does not answer has to be stopped, too.
        self._exits.callback(self.stop_app)
        self.start_app()

    def _start_conflicts(self) -> JsonClient:
        port = free_port()
        process = self._spawn("dynamodb_conflicts", ["--port", str(port), "--upstream", self.aws_url])
        client = JsonClient(f"http://127.0.0.1:{port}")
        self._exits.callback(client.close)
        wait_for(client, "/_conflicts", "what stands before the database", process, logs=self.logs)
        return client

    def _settings(self) -> dict[str, str]:
        """The app's environment: the settings of a deployment, with the addresses of this stack."""
        queues_url = self._queues_url()
        queues = local_queues.create(queues_url, REGION)
        return {
            **os.environ,
            "AFTERTAB_STAGE": "dev",
            "AFTERTAB_TABLE": "aftertab-dev",
            **{f"AFTERTAB_QUEUE_{queue.upper()}": url for queue, url in queues.items()},
            "AFTERTAB_API_URL": self.app_url,
            "AFTERTAB_CORS_ORIGINS": "*",
            "AFTERTAB_JWT_ISSUER": ISSUER,
            "AFTERTAB_JWT_AUDIENCE": AUDIENCE,
            "AFTERTAB_JWT_JWKS_URL": self.issuer.jwks_url,
            "STRIPE_SECRET_KEY": SECRET_KEY,
            "STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
            "STRIPE_WEBHOOK_SECRET": self._add_webhook(),
            "STRIPE_API_BASE": self.standin.base_url,
            "AWS_ENDPOINT_URL": self.conflicts.base_url if self._has_conflicts else self.aws_url,
            "AWS_ENDPOINT_URL_SQS": queues_url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
        }

    def _queues_url(self) -> str:
        """Where the queues are: DynamoDB Local has none, so an emulator of AWS stands beside it."""
        if self._database == dynamodb_emulators.MINISTACK:
            return self.aws_url
        return self._exits.enter_context(ministack.start()).endpoint_url

    def _add_webhook(self) -> str:
        """Create the webhook endpoint at Stripe, as an operator does once, and return its secret."""
        key = {"Authorization": f"Bearer {SECRET_KEY}"}
        # An endpoint of an earlier run has another port, and its secret is shown only once.
        for old in self.standin.get("/v1/webhook_endpoints", headers=key)["data"]:
            self.standin.checked("DELETE", f"/v1/webhook_endpoints/{old['id']}", None, key)
        hook = self.standin.post_form(
            "/v1/webhook_endpoints",
            {
                "url": f"{self.app_url}/v1/webhooks/stripe",
                "api_version": API_VERSION,
                **{f"enabled_events[{number}]": event for number, event in enumerate(EVENTS)},
            },
            headers=key,
        )
        secret: str = hook["secret"]
        return secret

    def change_webhook(self, fields: dict[str, str]) -> None:
        """Change the endpoint at Stripe, as an operator may in the dashboard."""
        key = {"Authorization": f"Bearer {SECRET_KEY}"}
        (hook,) = self.standin.get("/v1/webhook_endpoints", headers=key)["data"]
        self.standin.post_form(f"/v1/webhook_endpoints/{hook['id']}", fields, headers=key)

    @property
    def environment(self) -> dict[str, str]:
        """The app's environment. A process that has it uses the same table and the same Stripe."""
        return dict(self._environment)

    @property
    def app_url(self) -> str:
        return f"http://127.0.0.1:{self.app_port}"

    # The app, which the crash tests kill and start again

    def start_app(self) -> None:
        """Start the app and wait until it answers."""
        arguments = ["--port", str(self.app_port), "--control-port", str(self.control_port)]
        arguments += ["--folder", str(self.logs), "--lookups", str(self.lookups)]
        arguments += [*(["--ticker"] if self._ticker else []), *(["--forks"] if self._worker_count else [])]
        self._app = self._popen("app_server", arguments, self._environment, piped=self._worker_count > 0)
        if self._worker_count:
            self.workers = Workers(self._app)
            for _ in range(self._worker_count):
                self.workers.start()
        wait_for(self.app, "/v1/health", "the app", self._app, logs=self.logs)

    def restart_worker(self, **environment: str) -> int:
        """Replace all workers by one, with these variables too, and return its pid once it listens."""
        self._hang_up()
        for pid in [*self.workers.pids]:
            self.workers.kill(pid)
        return self.workers.start(**environment)

    def stop_app(self) -> None:
        """Stop the app, as a deployment would. Does nothing if it has ended."""
        self._hang_up()
        if self._app is not None and self._worker_count:
            self.workers.close()
            self._app = None
        elif self._app is not None:
            _end(self._app)
            self._app = None

    def _hang_up(self) -> None:
        self.app.close()
        self.control.close()

    # Stripe

    def at_stripe(self, kind: str) -> Iterator[dict[str, Any]]:
        """Every object of this kind in the platform's own account, newest first: `payment_intents`, `refunds`."""
        key = {"Authorization": f"Bearer {SECRET_KEY}"}
        after = None
        while True:
            page = self.standin.get(f"/v1/{kind}", headers=key, limit=100, starting_after=after)
            yield from page["data"]
            if not page["has_more"]:
                return
            after = page["data"][-1]["id"]

    # Time

    def now(self) -> datetime:
        return datetime.fromisoformat(self.standin.get("/_control/clock")["now"]).astimezone(UTC)

    def span(self, **parts: float) -> timedelta:
        """The real length of a story's duration; here they are equal."""
        return timedelta(**parts)

    def paced(self, policy: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """A merchant's policy, adapted to this stack's time; None if it needs no change."""
        return None

    def move_clock(self, to: datetime) -> None:
        """Move the business clock forward. What becomes due is done when `sweep` is called."""
        self.standin.post("/_control/clock", {"to": to.isoformat()})

    def drain(self) -> None:
        """Wait until every webhook has been delivered and answered. Raises RuntimeError if one cannot be delivered."""
        counts = self.standin.post("/_control/webhooks/drain", {"timeout_seconds": 30})
        if not counts["drained"]:
            raise RuntimeError(f"webhooks are stuck: {counts}; see {self.logs}")

    def sweep(self) -> dict[str, int]:
        """Fire the schedule once, as EventBridge would, and wait for the webhooks that follow."""
        self.drain()
        swept: dict[str, int] = self.control.post("/sweep")
        self.drain()
        return swept

    telling_s = 0.0
    """How long it may take until what was committed is told: `pump` comes back when it is."""

    def await_receipts(self) -> bool:
        """Let the time pass after which receipts go out; False where that takes too long."""
        self.move_clock(self.now() + RECEIPT_DELAY)
        return True

    def pump(self) -> dict[str, int]:
        """Read stream and queues until nothing is left, without firing the schedule."""
        pumped: dict[str, int] = self.control.post("/pump")
        return pumped

    def reconcile(self) -> dict[str, Any]:
        """Fire the nightly reconciliation once, as EventBridge would; its figures."""
        figures: dict[str, Any] = self.control.post("/reconcile")
        return figures

    # People

    def handed_over(self, address: str) -> list[dict[str, Any]]:
        """The mails and texts to this address or number, oldest first."""
        return [line for line in outbox.read(self.mails) if line["to"] == address]

    def report(self, feedback: dict[str, Any]) -> dict[str, int]:
        """Let SES or SNS report what became of a message, or what somebody answered."""
        noted: dict[str, int] = self.control.post("/feedback", feedback)
        return noted

    def discard_state(self) -> None:
        """Kill the database at once, without its writing `state`, which may be gigabytes and is not needed."""
        self._aws.process.kill()

    # Processes

    def _spawn(self, module: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        process = self._popen(module, arguments, dict(os.environ))
        self._exits.callback(_end, process)
        return process

    def _popen(
        self, module: str, arguments: list[str], environment: dict[str, str], *, piped: bool = False
    ) -> subprocess.Popen[bytes]:
        with (self.logs / f"{module}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"devstack.{module}", *arguments],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE if piped else log,
                stderr=log,
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                # Ctrl-C must reach only the parent process, which then stops the servers in their order.
                start_new_session=True,
            )


class StartFailed(RuntimeError):
    """A server of the stack did not start; the text says which, and where its log is."""


def wait_for(
    client: JsonClient, path: str, what: str, process: subprocess.Popen[bytes] | None = None, *, logs: Path = LOGS
) -> Any:
    """Wait for the first good answer of a starting server. Raises StartFailed if it dies or takes too long."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            raise StartFailed(f"{what} ended with {process.returncode} while starting; its log is in {logs}")
        try:
            return client.get(path)
        except OSError:
            time.sleep(0.05)
    raise StartFailed(f"{what} did not answer within {START_TIMEOUT_S:.0f} s; its log is in {logs}")


def stop_on_signals() -> None:
    """Turn SIGTERM, and a closed terminal, into an ordinary exit, so that everything that was started is stopped."""

    def leave(number: int, frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
