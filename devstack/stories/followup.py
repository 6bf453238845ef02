"""The story of a week of follow-up, as two customers read it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from devstack.stack import Stack
from devstack.stories.business import Business, Customer, Say, StoryFailed, wait_for_morning, what_became_of

PRICE = 4800
MAIL, PHONE = "lena@example.com", "+34612345678"


def week_of_followup(stack: Stack, say: Say) -> None:
    """A week of follow-up in two languages: Lena stops the mails with one click, Luis answers STOP"""
    studio = Business(stack, say, name="Estudio Sur", time_zone="Europe/Madrid")
    lena, luis = studio.customer("Lena"), studio.customer("Luis")
    _contact(lena, {"email": MAIL, "language": "de", "time_zone": "Europe/Berlin"})
    _contact(luis, {"phone": PHONE, "language": "es", "sms_consent": True})
    wait_for_morning(stack)
    say("Lena left her e-mail address and reads German; Luis left his number, agreed to texts, and reads Spanish.")
    tabs = {customer.name: _served(studio, customer) for customer in (lena, luis)}
    _read(stack, say, "Lena", MAIL, 1)
    _read(stack, say, "Luis", PHONE, 1)

    _travel(studio, days=2, hours=2)
    say("Neither has paid, and a day after the bill was due both are reminded, by day where they live.")
    mail = _read(stack, say, "Lena", MAIL, 2)
    text = _read(stack, say, "Luis", PHONE, 2)

    link = mail["headers"]["List-Unsubscribe"].strip("<>")
    httpx.get(link).raise_for_status()
    _expect(lena, [])
    say("Lena's mail program looks at the link to stop such mails: looking changes nothing.")
    httpx.post(link, data={"List-Unsubscribe": "One-Click"}).raise_for_status()
    _expect(lena, [("email", "unsubscribe_link")])
    say("She clicks “unsubscribe”: it posts, and she gets no more mails.")
    answer = {"originationNumber": PHONE, "messageKeyword": "STOP", "messageBody": "STOP"}
    stack.report({**answer, "previousPublishedMessageId": text["id"]})
    _expect(luis, [("sms", "provider")])
    say("Luis answers STOP. AWS passes it on, and he gets no more texts.")

    _travel(studio, days=6)
    say("The week goes by. What both would have been told stands in the timeline, and why something was not sent:")
    for name, tab in tabs.items():
        told = [one for entry in studio.staff.history(tab["tab_id"]) for one in entry["told"]]
        to_customer = [one for one in told if one["to"] == "customer"]
        for one in to_customer:
            say(f"  {name}: {one['kind']} ({what_became_of(one)})")
        reasons = [one["reason"] for one in to_customer if one["kind"] == "reminder"]
        if reasons != [None, "opted_out", "opted_out"]:
            raise StoryFailed(f"{name} was reminded of {tab['tab_id']} like this: {reasons}")
    sent = len(stack.handed_over(MAIL)), len(stack.handed_over(PHONE))
    if sent != (2, 2):
        raise StoryFailed(f"{sent} mails and texts were sent, not two of each")
    for name, tab in tabs.items():
        studio.staff.post(f"/tabs/{tab['tab_id']}/cash", {"amount_minor": PRICE})
        closed = studio.tab(tab)
        if (closed["status"], closed["payment_state"]) != ("closed", "paid"):
            raise StoryFailed(f"{name}'s tab is {closed['status']}/{closed['payment_state']}, not closed and paid")
    say("Both pay in cash at their next visit; nobody was bothered meanwhile.")


def _contact(customer: Customer, fields: dict[str, Any]) -> None:
    customer.api.put(f"/customers/{customer.customer_id}/contact", {"name": customer.name, **fields})


def _served(studio: Business, customer: Customer) -> dict[str, Any]:
    terms = {
        "customer_id": customer.customer_id,
        "title": "Yoga",
        "expected_outcome": "An hour of yoga",
        "estimate_minor": PRICE,
    }
    tab: dict[str, Any] = studio.staff.post("/tabs", terms)
    customer.accept_promise(tab, ["cap"])
    item = {"description": "Class", "unit_price_minor": PRICE}
    studio.staff.post(f"/tabs/{tab['tab_id']}/items", {"items": [item]})
    studio.staff.post(f"/tabs/{tab['tab_id']}/complete")
    return studio.tab(tab)


def _travel(studio: Business, **by: float) -> None:
    """Day by day, with a sweep each: it does what has become due."""
    until = studio.stack.now() + timedelta(**by)
    while studio.stack.now() < until:
        studio.stack.move_clock(min(until, studio.stack.now() + timedelta(days=1)))
        studio.stack.sweep()


def _read(stack: Stack, say: Say, name: str, address: str, count: int) -> dict[str, Any]:
    """The newest message, as its reader sees it."""
    stack.pump()
    lines = stack.handed_over(address)
    if len(lines) != count:
        raise StoryFailed(f"{name} has got {len(lines)} messages, not {count}")
    line = lines[-1]
    if line["channel"] == "email":
        body = [part for part in line["text"].split("\n--")[0].splitlines() if part.strip()]
        say(f"  {name} reads: {line['subject']}")
        for part in body:
            say(f"    | {part}")
    else:
        say(f"  {name} reads: {line['text']}")
    return line


def _expect(customer: Customer, refused: list[tuple[str, str]]) -> None:
    contact = customer.api.get(f"/customers/{customer.customer_id}/contact")
    found = [(given["channel"], given["source"]) for given in contact["opt_outs"]]
    if found != refused:
        raise StoryFailed(f"{customer.name} has refused {found}, not {refused}")
