"""The text of evidence packs: every field with the entries it cites, and everything that is missing, with its words.

`evidence.txt` was read line by line when it was written: a bank reads it, and the words decide. Where a change alters
it on purpose, write it again, `python -m tests.unit.test_evidence_texts > tests/unit/evidence.txt`, and read the
difference.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.contact import Channel
from chalicelib.domain.news.delivery import Delivery, DeliveryState
from chalicelib.domain.tab.bill import Feedback
from chalicelib.domain.tab.commands import bill, booking, payment, tiers
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.commands.booking import Limits
from chalicelib.domain.tab.policy import Resolution
from chalicelib.domain.tab.promise import AcceptanceMethod
from chalicelib.domain.trust.evidence.compelling import PROGRAM
from chalicelib.domain.trust.evidence.fields import FileField, TextField
from chalicelib.domain.trust.evidence.pack import EarlierPayment, Pack
from chalicelib.domain.trust.tiers import Tier
from tests.golden import numbered, sections
from tests.unit.test_evidence import draft, missed, pack_of, paid, split_bill
from tests.unit.till import ADA, ANSWER, CUSTOMER, EVERYTHING, NOON, OWNER, STAFF, Till, acceptance

TEXTS = Path(__file__).with_name("evidence.txt")
EARLIER = EarlierPayment(
    tab_id="tab_a",
    payment_id="pi_a",
    at=NOON - timedelta(days=200),
    amount_minor=9_00,
    currency="EUR",
    description="Cut",
)
TIERS = (Tier(percent=100, measure="live by 1 March"), Tier(percent=80, measure="live later"))


def a_visit_with_all_that_can_be_said_for_it() -> Pack:
    """Booked, checked in, paid from the hold and by card, told by mail, rated; and the card is known from before."""
    till = Till.booked().accept(*EVERYTHING, customer=CUSTOMER).hold_placed().wait(hours=24).do(booking.check_in)
    colour, wine = (
        ItemInput(description="Colour", unit_price_minor=25_00, quantity=2),
        ItemInput(description="Wine", unit_price_minor=6_00),
    )
    till.do(bill.add_items, [colour, wine])
    till.do(bill.void_item, till.tab.items[-1].item_id).do(bill.complete)
    till.do(bill.accept_bill, 0, by=ADA).captured().charged()
    till.do(bill.rate, Feedback(rating=5), by=ADA)
    (told,) = [message for message in till.messages if message.kind == "bill_presented"]
    sent = Delivery(message=told, channel=Channel.EMAIL, state=DeliveryState.HANDED_OVER, at=till.now)
    return pack_of(till, "product_unacceptable", deliveries=[sent], earlier=[EARLIER])


def a_fee_for_not_coming() -> Pack:
    return pack_of(missed(), "fraudulent")


def a_fee_for_canceling_late() -> Pack:
    till = Till.booked(deposit_minor=0, no_show_fee_minor=0).accept(*EVERYTHING, customer=CUSTOMER)
    return pack_of(till.wait(hours=2).do(booking.cancel, "ill", by=ADA).charged(), "subscription_canceled")


def a_contest_that_was_answered_and_a_part_that_went_back() -> Pack:
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).do(bill.contest, "too short", 20_00, by=ADA)
    till.do(bill.resolve, Resolution.ADJUST, 5_00, "sorry", by=OWNER).wait(days=1).charged()
    till.do(payment.refund, 10_00, "goodwill").refunded()
    return pack_of(till, "credit_not_processed")


def nothing_accepted_and_nobody_known() -> Pack:
    return pack_of(Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged(), "fraudulent", contact=None)


def accepted_at_the_till() -> Pack:
    """What staff recorded in person; the bank's reason is one that nobody knows yet."""
    till = Till().accept(*EVERYTHING[:1], by=STAFF)
    person = replace(till.tab.promise.accepted, method="in_person")  # type: ignore[type-var]
    till.tab = replace(till.tab, promise=replace(till.tab.promise, accepted=person))
    (accepted,) = [entry for entry in till.entries if entry.kind == "promise_accepted"]
    till.entries[till.entries.index(accepted)] = replace(accepted, details=accepted.details | {"method": "in_person"})
    till.serve(50_00).do(bill.accept_bill, 0, by=ADA).do(payment.pay_on_phone, by=ADA).charged()
    return pack_of(till, "a_reason_of_tomorrow")


def a_promise_accepted_anew_on_the_page() -> Pack:
    """From a browser without a name; where the first one was accepted from is not known any more. Nobody contests."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).do(booking.propose_promise, Limits(cap_minor=90_00))
    page = replace(acceptance(till.tab, *EVERYTHING, method=AcceptanceMethod.GUEST_LINK), user_agent="")
    till.do(booking.accept_promise, page, CUSTOMER, by=ADA)
    items = [ItemInput(description=name, unit_price_minor=25_00) for name in ("Cut", "Wash")]
    till.do(bill.add_items, items).do(bill.complete).wait(days=1).charged()
    return pack_of(till, "general", earlier=[EARLIER] * 11, business="")


def cash_and_card_for_one_bill() -> Pack:
    till = Till().accept(*EVERYTHING[:1]).serve(50_00).do(payment.take_cash, 20_00)
    return pack_of(till.do(payment.pay_on_phone, by=ADA).charged(), "duplicate")


def a_price_by_its_outcome() -> Pack:
    """And one payment only where the bank says that it was paid twice."""
    till = Till(tiers=TIERS, silence_percent=80).accept(*EVERYTHING, customer=CUSTOMER).serve(50_00)
    return pack_of(till.do(tiers.choose_tier, 80, by=ADA).do(payment.pay_on_phone, by=ADA).charged(), "duplicate")


def a_share_and_its_bill() -> tuple[Pack, Pack]:
    till, share = split_bill()
    return pack_of(share, "duplicate", contact=None), pack_of(till, "duplicate")


def visas_programme_without_two_payments_from_one_address() -> Pack:
    earlier = [replace(EARLIER, ip="198.51.100.1"), replace(EARLIER, payment_id="pi_b", ip="198.51.100.2")]
    return pack_of(paid(), "fraudulent", programs=(PROGRAM,), earlier=earlier)


def an_owners_own_words_and_files() -> Pack:
    till = paid()
    pack_of(till, "product_unacceptable")
    texts = {TextField.PRODUCT_DESCRIPTION: "A cut and a colour.", TextField.CUSTOMER_PURCHASE_IP: ""}
    files = {FileField.RECEIPT: "file_1", FileField.CUSTOMER_COMMUNICATION: "file_2"}
    return draft(till, answer=replace(ANSWER, texts=texts, files=files), business="")


PACKS: list[Callable[[], Any]] = [
    a_visit_with_all_that_can_be_said_for_it,
    a_fee_for_not_coming,
    a_fee_for_canceling_late,
    a_contest_that_was_answered_and_a_part_that_went_back,
    nothing_accepted_and_nobody_known,
    accepted_at_the_till,
    a_promise_accepted_anew_on_the_page,
    cash_and_card_for_one_bill,
    a_price_by_its_outcome,
    a_share_and_its_bill,
    visas_programme_without_two_payments_from_one_address,
    an_owners_own_words_and_files,
]


def text_of(made: Callable[[], Pack | tuple[Pack, ...]]) -> str:
    lines = [f"# {made.__name__.replace('_', ' ')}"]
    packs = made()
    for pack in packs if isinstance(packs, tuple) else (packs,):
        lines.append("")
        for field in pack.fields:
            cited = f", entries {', '.join(map(str, field.entries))}" if field.entries else ""
            lines += [f"  {field.name} ({field.origin}{cited})", *(f"    {line}" for line in field.text.splitlines())]
        lines += [f"  missing: {it.code} ({it.field or 'no field'})\n    {it.text}" for it in pack.missing]
        lines += [f"  used: {one.payment_id}" for one in pack.used]
    return numbered(re.sub(r"\b[0-9a-f]{64}\b", "<hash>", "\n".join(lines))) + "\n"


@pytest.mark.parametrize("made", PACKS, ids=lambda made: made.__name__)
def test_the_pack_of(made: Callable[[], Any]) -> None:
    """Field by field, and what it lacks."""
    actual = text_of(made)

    assert actual.rstrip().splitlines() == sections(TEXTS)[actual.partition("\n")[0]].splitlines()


if __name__ == "__main__":
    sys.stdout.write("\n".join(text_of(made) for made in PACKS))
