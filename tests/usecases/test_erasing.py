"""Erasing a person: everything that could be kept of one is looked for afterwards, in every part of the store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from chalicelib.domain.contact import Channel, Language
from chalicelib.domain.parties import CardConsent
from chalicelib.domain.tab.bill import Feedback
from chalicelib.domain.tab.policy import Policy, Resolution
from chalicelib.domain.tab.story import Place
from chalicelib.domain.trust.evidence.fields import TextField
from chalicelib.domain.trust.evidence.pack import DisputeAnswer
from chalicelib.domain.trust.story import Words
from chalicelib.domain.trust.terms import StoryTerms
from chalicelib.usecases.parties.contacts import ContactInput, erase_contact, opt_out, put_contact
from chalicelib.usecases.parties.customers import create_customer
from chalicelib.usecases.tab.bill import contest_bill, rate, resolve_contest
from chalicelib.usecases.tab.booking import accept_promise, cancel_tab
from chalicelib.usecases.tab.payment import take_cash
from chalicelib.usecases.trust.stories import tell_story
from tests.usecases.shop import EVERYTHING, Shop, agreement_to

PERSONAL = {
    "name": "Quillon Marsh",
    "e-mail address": "quillon@marsh.example",
    "phone number": "+491701234599",
    "story": "It was told by Quillon.",
    "evidence": "Marsh Lane 5",
    "reference": "loyalty-Q77",
    "subject": "sub|quillon",
    "IP address": "198.51.100.77",
    "browser": "MarshBrowser/9",
    "reason of a contest": "the mirror broke",
    "comment": "my sister liked it",
    "reason of a cancellation": "my knee hurts",
}
KEPT = {
    "reference": {"_customers"},
    "subject": {"_customers", "_tabs", "_entries", "_records"},
    "IP address": {"_customers", "_tabs", "_records"},
    "browser": {"_customers", "_tabs", "_records"},
    "reason of a contest": {"_entries", "_records"},
    "comment": {"_tabs", "_records"},
    "reason of a cancellation": {"_entries"},
}
"""What stays, and where: as docs/security.md says. Records of requests go after a day."""
PAGE = Path(__file__).resolve().parents[2] / "docs" / "security.md"


def found_in(shop: Shop) -> dict[str, set[str]]:
    """Where each of them is kept now. The stream is what was committed, on its way; nobody keeps it for long."""
    deps, found = shop.deps, {}
    beside = {name: getattr(deps, name) for name in ("people", "deliveries", "notices", "links", "visits", "queues")}
    parts: list[tuple[str, Any]] = [(name, it) for name, it in vars(shop.store).items() if name != "stream"]
    for name, port in beside.items():
        parts += [(name, it) for part, it in vars(port).items() if it is not shop.store and part != "_store"]
    for what, text in PERSONAL.items():
        places = {name for name, it in parts if text in repr(it)}
        if places:
            found[what] = places
    return found


def a_life(shop: Shop) -> None:
    """A customer of whom everything is known that could be: visits, words, a dispute, a story."""
    made = create_customer(shop.deps, PERSONAL["reference"], request=shop.request(shop.staff))
    card_terms = CardConsent(
        subject=PERSONAL["subject"],
        terms_sha256="ab" * 32,
        given_at=shop.clock.now(),
        ip=PERSONAL["IP address"],
        user_agent=PERSONAL["browser"],
    )
    shop.store.update_customer(replace(made, card_consent=card_terms, version=2))
    shop.customer_id = made.customer_id
    shop.ada = replace(shop.ada, subject=PERSONAL["subject"], customer_id=made.customer_id)
    given = ContactInput(
        name=PERSONAL["name"],
        email=PERSONAL["e-mail address"],
        phone=PERSONAL["phone number"],
        language=Language.GERMAN,
        time_zone="Europe/Berlin",
        sms_consent=True,
    )
    put_contact(shop.deps, shop.customer_id, given, request=shop.request(shop.ada))
    opt_out(shop.deps, shop.customer_id, Channel.SMS, request=shop.request(shop.ada))
    for starts_in_hours in (None, 100):
        shop.open(starts_in_hours=starts_in_hours)
        agreement = replace(
            agreement_to(shop.tab, EVERYTHING), ip=PERSONAL["IP address"], user_agent=PERSONAL["browser"]
        )
        accept_promise(shop.deps, shop.tab_id, agreement, request=shop.request(shop.ada))
        if starts_in_hours:
            cancel_tab(shop.deps, shop.tab_id, PERSONAL["reason of a cancellation"], request=shop.request(shop.ada))
            continue
        shop.serve()
        visited = shop.tab_id
        contest_bill(shop.deps, shop.tab_id, PERSONAL["reason of a contest"], None, request=shop.request(shop.ada))
        resolve_contest(shop.deps, shop.tab_id, Resolution.UPHOLD, None, "no", request=shop.request(shop.owner))
        take_cash(shop.deps, shop.tab_id, 50_00, request=shop.request(shop.staff))
        rate(shop.deps, shop.tab_id, Feedback(rating=5, comment=PERSONAL["comment"]), request=shop.request(shop.ada))
    shop.wait(days=14)
    told = Words(text=PERSONAL["story"], name="", language=Language.ENGLISH, places=(Place.FEED,))
    tell_story(shop.deps, visited, told, request=shop.request(shop.ada))
    answer = DisputeAnswer(
        merchant_id=shop.merchant_id,
        customer_id=shop.customer_id,
        tab_id=visited,
        dispute_id="dp_1",
        texts={TextField.BILLING_ADDRESS: PERSONAL["evidence"]},
        version=1,
    )
    shop.store.put_dispute_answer(answer)
    shop.pump.run()


def test_what_stays_of_a_person_who_was_erased_is_what_the_page_says() -> None:
    """Nothing by which they could be reached, or that they told others; the rest is in the books, and on the page."""
    shop = Shop(Policy(stories=StoryTerms()))
    a_life(shop)
    assert found_in(shop).keys() == PERSONAL.keys(), "the search finds all of it"

    erase_contact(shop.deps, shop.customer_id, request=shop.request(shop.owner))

    assert found_in(shop) == KEPT
    table = PAGE.read_text().partition("## What erasing a person leaves")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)
    for what in PERSONAL:
        assert any(what in row for row in rows), f"the page says what becomes of: {what}"
