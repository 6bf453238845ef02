"""`make serve`: runs a local stack with one business and one customer, and prints how to use it.

A second one in the same folder gets ports and files of its own, and says which.
"""

from __future__ import annotations

import argparse
import io
import json
import signal
import socket
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import segno
from rich.console import Console
from rich.markup import escape

from devstack import outbox
from devstack.folders import claimed
from devstack.ministack import HOST, free_port
from devstack.stack import PUBLISHABLE_KEY, ROOT, Ports, Stack, stop_on_signals
from devstack.stories.business import Business

HERE = ROOT / ".devstack"
ENV = "env"
OTHERS = HERE / "serve"
"""The folder of a second running stack is .devstack/serve-2."""
RUNNING = "serve.json"
CURL_STORY = Path(__file__).with_name("curl_story.sh")
TOKEN_STORY = Path(__file__).with_name("token_story.sh")
"""docs/links.md shows it: a guest who has nothing but a token."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Keep Aftertab's local stack running. All ports are on 127.0.0.1.")
    parser.add_argument("--app-port", type=int, default=8000)
    parser.add_argument("--control-port", type=int, default=8001)
    parser.add_argument("--standin-port", type=int, default=8010)
    parser.add_argument("--aws-port", type=int, default=8020)
    parser.add_argument("--issuer-port", type=int, default=8030)
    given = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    stop_on_signals()
    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda number, frame: stopped.set())
    wanted = {
        "app": given.app_port,
        "control": given.control_port,
        "standin": given.standin_port,
        "aws": given.aws_port,
        "issuer": given.issuer_port,
    }
    with claimed(HERE, OTHERS) as folder:
        ports = Ports(**{name: free_or_other(name, port, console.print) for name, port in wanted.items()})
        console.print("Starting DynamoDB, Stripe's stand-in, a token issuer and the app …")
        stack = Stack(ports, start=datetime.now(UTC), ticker=True, real_time=True, logs=folder / "logs")
        try:
            with stack:
                try:
                    cafe = write_env(stack, folder)
                    console.print(_welcome(stack, folder))
                    print(_to_scan(bill_to_scan(cafe)))
                    stopped.wait()
                finally:
                    (folder / ENV).unlink(missing_ok=True)
                    (folder / RUNNING).unlink(missing_ok=True)
        except (RuntimeError, OSError) as failure:
            console.print(f"[red]The stack did not start:[/red] {escape(str(failure))}")
            console.print("What had been started is stopped again.")
            return 1
    console.print("\nThe servers are stopped.")
    return 0


def free_or_other(name: str, port: int, say: Callable[[str], None]) -> int:
    """The port itself, or a free one where something else listens on it; says so then."""
    with socket.socket() as probe:
        # As a server binds it: a port whose last connections are still ending is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            other = free_port()
            say(f"Port {port} ({name}) is taken; {other} is used instead.")
            return other
    return port


def bill_to_scan(cafe: Business) -> str:
    """Present a guest's bill; return the address of a link to it."""
    new = {"title": "Table 7", "expected_outcome": "A drink you enjoy", "estimate_minor": 700}
    path = f"/tabs/{cafe.staff.post('/tabs', new)['tab_id']}"
    ordered = [
        {"description": "Flat white", "unit_price_minor": 380},
        {"description": "Croissant", "unit_price_minor": 270},
    ]
    cafe.staff.post(f"{path}/items", {"items": ordered})
    cafe.staff.post(f"{path}/complete")
    return str(cafe.staff.post(f"{path}/links", {"scope": "full"})["url"])


def _to_scan(address: str) -> str:
    code = io.StringIO()
    segno.make_qr(address).terminal(code, compact=True)
    return f"A guest's bill, as they see it:  {address}\n\n{code.getvalue()}"


def write_env(stack: Stack, folder: Path) -> Business:
    """Create a business, a customer and their tokens; write them to a file for the shell and one for `make token`.

    Returns the business.
    """
    cafe = Business(stack, lambda text: None, name="Kaffee Morgen")
    ana = cafe.customer("Ana")
    values = {
        "API": f"{stack.app_url}/v1",
        "PHONE": stack.standin.base_url,
        "PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "MERCHANT_ID": cafe.merchant_id,
        "CUSTOMER_ID": ana.customer_id,
        "STAFF": cafe.staff.token,
        "OWNER": cafe.owner.token,
        "CUSTOMER": ana.api.token,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ENV).write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    running = {"issuer": stack.issuer.base_url, "merchant_id": cafe.merchant_id, "customer_id": ana.customer_id}
    (folder / RUNNING).write_text(json.dumps(running))
    return cafe


def _welcome(stack: Stack, folder: Path) -> str:
    clock = f"{stack.standin.base_url}/_control/clock"
    place = folder.relative_to(ROOT)
    token = "make token ROLE=staff|owner|customer|operator" + ("" if folder == HERE else f" ARGS=--folder={place}")
    story = CURL_STORY.read_text().replace(f"{HERE.name}/{ENV}", f"{place}/{ENV}")
    return f"""[bold]Aftertab is running.[/bold]  Ctrl-C stops it.

  app              {stack.app_url}/v1      guides and reference: {stack.app_url}/docs
  Stripe stand-in  {stack.standin.base_url}
  DynamoDB         {stack.aws_url}
  outbox           {stack.control.base_url}{outbox.PATH}      mails and texts, as a phone shows them
  tokens           {token}
  logs             {place}/logs

A walk-in, paid after. Paste this into another shell in this folder:

{story}
Time runs by itself, and can be moved; what becomes due follows by itself:

curl -sS {clock} -H 'Content-Type: application/json' -d '{{"advance_seconds": 86400}}'
"""


if __name__ == "__main__":
    sys.exit(main())
