"""The story of a bill that is told: a mail to the customer and a notice to the business's system, by the deployed app.

Nothing is pumped: the emulator's own event source mappings read its stream and its queues, as Lambda's do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from devstack.deployed_stack import MAIL_SENDER, DeployedStack
from devstack.http import JsonClient
from devstack.receiver import receiver
from devstack.stories.business import Business, StoryFailed

ADA = "ada@example.com"
WAIT_S = 60
LOOK_AGAIN_S = 0.2


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
        wait_for(lambda: [*system.notices], "a notice to the business's system")
        # Raises where the signature is not the endpoint's.
        ((notice_id, notice),) = system.verified(endpoint["secret"])
        if (notice["type"], notice["data"]["tab_id"]) != ("tab.bill_presented", tab["tab_id"]):
            raise StoryFailed(f"the notice is {notice}")
        if ADA in str(notice):
            raise StoryFailed("the notice has contact details in it")
        say(f"{notice['type']} reached {system.url.rpartition(':')[0]}, signed: {notice_id}")
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
