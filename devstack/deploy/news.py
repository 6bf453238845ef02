"""The story of a bill that is told: a mail to the customer and a notice to the business's system, by the deployed app.

Nothing is pumped: the emulator's own event source mappings read its stream and its queues, as Lambda's do.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from devstack.deployed_stack import MAIL_SENDER, DeployedStack
from devstack.http import JsonClient
from devstack.stories.business import Business, StoryFailed

ADA = "ada@example.com"
WAIT_S = 60
LOOK_AGAIN_S = 0.2


@dataclass
class Receiver:
    """A merchant's system: takes every notice, and keeps it as it came."""

    url: str
    notices: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)


@contextmanager
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.notices.append((body, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Receiver(f"http://127.0.0.1:{server.server_address[1]}/notices")
    threading.Thread(target=server.serve_forever, daemon=True, name="receiver").start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def told(stack: DeployedStack, say: Callable[[str], None]) -> None:
    """A bill is told to the customer by mail, and to the business's system by a signed notice"""
    with receiver() as system:
        salon = Business(stack, say, name="Salon Lisboa")
        salon.owner.put("/merchant/contact", {"notify_email": "olga@example.com", "channels": ["email"]})
        endpoint = salon.owner.post("/endpoints", {"url": system.url, "event_types": ["tab.bill_presented"]})
        ana = salon.customer("Ada")
        salon.staff.put(f"/customers/{ana.customer_id}/contact", {"name": "Ada", "email": ADA, "language": "de"})
        tab = salon.staff.post(
            "/tabs",
            {
                "customer_id": ana.customer_id,
                "title": "Haarschnitt",
                "expected_outcome": "Kürzere Haare",
                "estimate_minor": 4000,
            },
        )
        salon.staff.post(
            f"/tabs/{tab['tab_id']}/items", {"items": [{"description": "Schnitt", "unit_price_minor": 4000}]}
        )
        salon.staff.post(f"/tabs/{tab['tab_id']}/complete")
        (mail,) = wait_for(lambda: [mail for mail in mails(stack) if ADA in mail["To"]], "a mail to the customer")
        for text in ("Salon Lisboa", "Haarschnitt", "40,00"):
            if text not in mail["Subject"] + mail["BodyText"]:
                raise StoryFailed(f"the mail does not say {text}: {mail['Subject']}: {mail['BodyText']}")
        say(f"{mail['Source']} wrote to {ADA}: {mail['Subject']}")
        ((body, headers),) = wait_for(lambda: [*system.notices], "a notice to the business's system")
        # Raises where the signature is not the endpoint's.
        Webhook(endpoint["secret"]).verify(body, headers)
        notice: dict[str, Any] = json.loads(body)
        if (notice["type"], notice["data"]["tab_id"]) != ("tab.bill_presented", tab["tab_id"]):
            raise StoryFailed(f"the notice is {notice}")
        if ADA in body.decode():
            raise StoryFailed("the notice has contact details in it")
        say(f"{notice['type']} reached {system.url.rpartition(':')[0]}, signed: {headers['webhook-id']}")
        stack.await_queues()


def mails(stack: DeployedStack) -> list[dict[str, Any]]:
    """SES's inbox on the emulator."""
    found = JsonClient(stack.aws_url).get("/_ministack/ses/messages")["messages"]
    return [mail for of_account in found.values() for mail in of_account]


def wait_for(look: Callable[[], list[Any]], what: str) -> list[Any]:
    """What `look` finds, as soon as it finds something. Raises StoryFailed."""
    deadline = time.monotonic() + WAIT_S
    while not (found := look()):
        if time.monotonic() > deadline:
            raise StoryFailed(f"{what} has not come in {WAIT_S} s")
        time.sleep(LOOK_AGAIN_S)
    return found


def may_send(stack: DeployedStack) -> None:
    """Verify the sender at SES, as whoever deploys does once."""
    stack.client("sesv2").create_email_identity(EmailIdentity=MAIL_SENDER)
