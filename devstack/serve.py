"""`make serve`: runs a local stack with one business and one customer, and prints how to use it."""

from __future__ import annotations

import argparse
import io
import json
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path

import segno
from rich.console import Console

from devstack import outbox
from devstack.stack import LOGS, PUBLISHABLE_KEY, ROOT, Ports, Stack, stop_on_signals
from devstack.stories.business import Business

HERE = ROOT / ".devstack"
ENV = "env"
RUNNING = HERE / "serve.json"
CURL_STORY = Path(__file__).with_name("curl_story.sh")
TOKEN_STORY = Path(__file__).with_name("token_story.sh")
"""docs/links.md shows it: a guest who has nothing but a token."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Keep Aftertab's local stack running. All ports are on 127.0.0.1.")
    parser.add_argument("--app-port", type=int, default=8000)
    parser.add_argument("--control-port", type=int, default=8001)
    parser.add_argument("--standin-port", type=int, default=8010)
    parser.add_argument("--aws-port", type=int, default=8020)
    parser.add_argument("--issuer-port", type=int, default=8030)
    given = parser.parse_args()
    ports = Ports(
        app=given.app_port,
        control=given.control_port,
        standin=given.standin_port,
        aws=given.aws_port,
        issuer=given.issuer_port,
    )
    console = Console(highlight=False, soft_wrap=True)
    stop_on_signals()
    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda number, frame: stopped.set())
    with Stack(ports, start=datetime.now(UTC), ticker=True, real_time=True) as stack:
        try:
            cafe = write_env(stack, HERE)
            console.print(_welcome(stack))
            print(_to_scan(bill_to_scan(cafe)))
            stopped.wait()
        finally:
            (HERE / ENV).unlink(missing_ok=True)
            RUNNING.unlink(missing_ok=True)
    console.print("\nThe servers are stopped.")


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
    folder.mkdir(exist_ok=True)
    (folder / ENV).write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    running = {"issuer": stack.issuer.base_url, "merchant_id": cafe.merchant_id, "customer_id": ana.customer_id}
    (folder / RUNNING.name).write_text(json.dumps(running))
    return cafe


def _welcome(stack: Stack) -> str:
    clock = f"{stack.standin.base_url}/_control/clock"
    return f"""[bold]Aftertab is running.[/bold]  Ctrl-C stops it.

  app              {stack.app_url}/v1      its document: {stack.app_url}/v1/openapi.json
  Stripe stand-in  {stack.standin.base_url}
  DynamoDB         {stack.aws_url}
  outbox           {stack.control.base_url}{outbox.PATH}      mails and texts, as a phone shows them
  tokens           make token ROLE=staff|owner|customer|operator
  logs             {LOGS.relative_to(ROOT)}

A walk-in, paid after. Paste this into another shell in this folder:

{CURL_STORY.read_text()}
Time runs by itself, and can be moved; what becomes due follows by itself:

curl -sS {clock} -H 'Content-Type: application/json' -d '{{"advance_seconds": 86400}}'
"""


if __name__ == "__main__":
    main()
