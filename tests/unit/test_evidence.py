"""Evidence packs: what a draft says by the bank's reason, that each field cites what it says, and Stripe's limits."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.contact import Channel, Contact
from chalicelib.domain.news.delivery import Delivery, DeliveryState
from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.tab import due_steps
from chalicelib.domain.tab.commands import bill, booking, payment, sharing
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.commands.sharing import Parts
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.facts.apply import apply_fact
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.payments import DisputeState
from chalicelib.domain.tab.policy import Resolution
from chalicelib.domain.tab.share import USUAL_TIME
from chalicelib.domain.tab.sharing import tell
from chalicelib.domain.trust.evidence.compelling import PROGRAM, choose, find_earlier, with_tabs
from chalicelib.domain.trust.evidence.draft import Known, _Line, _of_lines, draft_pack
from chalicelib.domain.trust.evidence.fields import LIMITS, MOST_CHARACTERS, MOST_DRAFTED, FileField, TextField
from chalicelib.domain.trust.evidence.pack import EarlierPayment, Lack, Missing, Origin, Pack, PackField
from chalicelib.domain.trust.folds import visit_of
from tests.unit import stories
from tests.unit.till import ADA, ANSWER, CUSTOMER, EVERYTHING, NOON, STAFF, Till

F = TextField
ADDRESS = Contact(merchant_id="mer_1", customer_id="cus_1", name="Ada Quill", email="ada@example.com", updated_at=NOON)


def paid(fingerprint: str | None = "card_a", at: datetime = NOON) -> Till:
    """Accepted on the phone, served, accepted again, paid with the deposit and the card."""
    till = Till(deposit_minor=20_00, now=at).accept(*EVERYTHING, customer=CUSTOMER).hold_placed()
    till.do(bill.add_items, [ItemInput(description="Colour and cut", unit_price_minor=50_00)]).do(bill.complete)
    till.do(bill.accept_bill, 0, by=ADA).captured()
    return till.charged(fingerprint=fingerprint)


def missed() -> Till:
    """A no-show whose fee was charged a day later."""
    till = Till.booked(deposit_minor=0).accept(*EVERYTHING, customer=CUSTOMER).wait(hours=25)
    return till.do(booking.mark_no_show).wait(days=1).charged()


def split_bill() -> tuple[Till, Till]:
    """A bill of 60.00 of which two shares were split off, and the share of 25.00, both paid by card."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(60_00)
    draft_of_bill = till.draft(ADA)
    sharing.split(draft_of_bill, Parts(amounts_minor=(25_00, 15_00)), USUAL_TIME, lambda share_id: f"{share_id:0>64}")
    change = due_steps.conclude(draft_of_bill)
    assert change is not None
    share = Till()
    share.tab, share.entries = change.also[0].tab, list(change.also[0].entries)
    share.do(payment.pay_on_phone, by=replace(ADA, customer_id=share.tab.customer_id)).charged("pi_share")
    told = Draft(change.tab, now=till.now, by=STAFF, new_id=till.new_id)
    tell(share.draft(), told)
    heard = due_steps.conclude(told)
    assert heard is not None
    till.tab, till.entries = heard.tab, [*till.entries, *change.entries, *heard.entries]
    till.do(payment.pay_on_phone, by=ADA).charged()
    return till, share


def pack_of(till: Till, reason: str, *, programs: tuple[str, ...] = (), **given: Any) -> Pack:
    """The draft when the bank disputes the card's payment for this reason."""
    by = till.now + timedelta(days=9)
    leg = till.tab.legs[-1]
    opened = till.fact(
        FactKind.DISPUTE_OPENED,
        "dp_1",
        leg.amount_minor,
        payment_id=leg.payment_id,
        reason=reason,
        respond_by=by,
        programs=programs,
    )
    return draft(till.hear(opened), **given)


def draft(till: Till, **given: Any) -> Pack:
    leg = next(leg for leg in till.tab.legs if leg.disputes)
    what = {
        "tab": till.tab,
        "leg": leg,
        "dispute": leg.disputes[0],
        "entries": till.entries,
        "business": "Café Central",
    }
    return draft_pack(Known(**{**what, "contact": ADDRESS, **given}))


def said(pack: Pack, name: TextField) -> str:
    return pack.text(name) or ""


ALWAYS = {F.CUSTOMER_NAME, F.CUSTOMER_EMAIL_ADDRESS, F.CUSTOMER_PURCHASE_IP, F.PRODUCT_DESCRIPTION, F.SERVICE_DATE}
ALWAYS |= {F.UNCATEGORIZED_TEXT}


@pytest.mark.parametrize(
    ("reason", "more"),
    [
        ("fraudulent", {F.ACCESS_ACTIVITY_LOG}),
        ("unrecognized", {F.ACCESS_ACTIVITY_LOG}),
        ("product_not_received", {F.ACCESS_ACTIVITY_LOG, F.REFUND_POLICY_DISCLOSURE}),
        (
            "product_unacceptable",
            {F.ACCESS_ACTIVITY_LOG, F.REFUND_POLICY_DISCLOSURE, F.REFUND_REFUSAL_EXPLANATION},
        ),
        ("credit_not_processed", {F.REFUND_POLICY_DISCLOSURE, F.REFUND_REFUSAL_EXPLANATION}),
        ("duplicate", {F.DUPLICATE_CHARGE_EXPLANATION}),
        ("subscription_canceled", set()),
        ("a_reason_of_tomorrow", {F.ACCESS_ACTIVITY_LOG, F.REFUND_POLICY_DISCLOSURE, F.REFUND_REFUSAL_EXPLANATION}),
    ],
)
def test_each_reason_calls_for_its_fields(reason: str, more: set[TextField]) -> None:
    """Who paid, what was done, why nothing goes back: by what the bank says is wrong."""
    assert {field.name for field in pack_of(paid(), reason).fields} == ALWAYS | more


def test_what_the_fields_say() -> None:
    """The facts of the tab, as a clerk who never saw us can read them."""
    pack = pack_of(paid(), "product_unacceptable")

    assert said(pack, F.CUSTOMER_NAME) == "Ada Quill"
    assert said(pack, F.CUSTOMER_PURCHASE_IP) == "192.0.2.1"
    assert said(pack, F.SERVICE_DATE) == "2026-03-02"
    assert "Colour and cut (1 × EUR 50.00)" in said(pack, F.PRODUCT_DESCRIPTION)
    assert "from IP address 192.0.2.1 with phone" in said(pack, F.ACCESS_ACTIVITY_LOG)
    assert "they have 24 hours to contest any part of it" in said(pack, F.REFUND_POLICY_DISCLOSURE)
    assert "The customer never contested the bill" in said(pack, F.REFUND_REFUSAL_EXPLANATION)
    history = said(pack, F.UNCATEGORIZED_TEXT)
    assert "the customer accepted the promise in the app. Price: at most EUR 200.00." in history
    assert "EUR 20.00 was taken from the hold (payment pi_hold)." in history
    assert "the customer accepted the bill." in history


def test_capture_and_charge_are_parts_of_one_bill() -> None:
    """Two payments on one day look like one twice; where there is one only, that is said to be missing."""
    both = pack_of(paid(), "duplicate")
    one = pack_of(Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged(), "duplicate")

    assert "together they are EUR 50.00" in said(both, F.DUPLICATE_CHARGE_EXPLANATION)
    assert one.text(F.DUPLICATE_CHARGE_EXPLANATION) is None
    assert Lack.SECOND_PAYMENT in {it.code for it in one.missing}


def test_shares_are_payments_of_one_split_bill() -> None:
    """To a bank each looks like the same bill twice. A share says of what, and where the rest is recorded."""
    till, share = split_bill()
    bill_id = till.tab.tab_id

    pack, of_bill = pack_of(share, "duplicate", contact=None), pack_of(till, "duplicate")

    assert "A share of one bill: EUR 25.00." in said(pack, F.PRODUCT_DESCRIPTION)
    assert f"was split (tab {bill_id}), and this share of EUR 25.00" in said(pack, F.DUPLICATE_CHARGE_EXPLANATION)
    assert Lack.SECOND_PAYMENT not in {it.code for it in pack.missing}
    assert all(bill_id in it.text for it in pack.missing if it.code in (Lack.ACCEPTANCE, Lack.SERVICE))
    explained = said(of_bill, F.DUPLICATE_CHARGE_EXPLANATION)
    assert "the bill was split: 2 shares, EUR 40.00 together." in explained
    assert "EUR 25.00 of a share was paid by a payment of its own." in explained
    assert "EUR 20.00 was charged to the card" in explained


def test_a_fee_is_explained_by_what_was_disclosed() -> None:
    """Whatever the bank's reason, and with the day that was booked."""
    pack = pack_of(missed(), "fraudulent")

    assert "not coming costs EUR 30.00" in said(pack, F.CANCELLATION_POLICY_DISCLOSURE)
    assert "marked as absent" in said(pack, F.CANCELLATION_REBUTTAL)
    assert said(pack, F.SERVICE_DATE) == "2026-03-03"


def test_contest_and_refund_are_told_as_they_were() -> None:
    """Also what speaks for the customer: evidence that hides it is worth nothing."""
    till = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).do(bill.contest, "too short", 20_00, by=ADA)
    till.do(bill.resolve, Resolution.UPHOLD, None, "as agreed").charged()

    told = said(pack_of(till, "product_unacceptable"), F.REFUND_REFUSAL_EXPLANATION)

    assert "the customer contested EUR 20.00 with the business." in told
    assert "the business answered the contest: uphold." in told
    assert "never contested" not in told


def test_messages_are_cited_by_their_entries() -> None:
    """Those to the customer that left; not what was suppressed, and nothing that the owner was told."""
    till = paid()
    bills = [message for message in till.messages if message.kind == "bill_presented"]
    sent, kept = (
        Delivery(message=bills[0], channel=Channel.EMAIL, state=state, at=NOON)
        for state in (DeliveryState.DELIVERED, DeliveryState.SUPPRESSED)
    )

    owners = replace(sent, message=replace(bills[0], kind=MessageKind.DISPUTED, to=Recipient.OWNER))

    told = pack_of(till, "general", deliveries=[sent, kept, owners])

    assert said(told, F.UNCATEGORIZED_TEXT).count("the message '") == 1
    assert "the message 'bill presented' was delivered by email." in said(told, F.UNCATEGORIZED_TEXT)
    assert bills[0].seq in next(field for field in told.fields if field.name == F.UNCATEGORIZED_TEXT).entries
    assert Lack.MESSAGES not in {it.code for it in told.missing}


def test_what_staff_recorded_is_no_trace_of_the_customer() -> None:
    """An acceptance in person has the address of the till: it is neither an IP of the customer's nor their activity."""
    till = Till().accept(*EVERYTHING[:1], by=STAFF)
    till = till.serve(50_00).do(payment.pay_on_phone, by=ADA).charged()
    # As staff record it: no address of the customer's is in it.
    person = replace(till.tab.promise.accepted, method="in_person")  # type: ignore[type-var]
    till.tab = replace(till.tab, promise=replace(till.tab.promise, accepted=person))

    pack = pack_of(till, "fraudulent")

    assert pack.text(F.CUSTOMER_PURCHASE_IP) is None
    assert Lack.ACCEPTED_IN_PERSON in {it.code for it in pack.missing}


def test_what_is_missing_is_said_in_words() -> None:
    """Without contact, acceptance, check-in, files: each with what to do, and where it goes."""
    till = Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged()
    pack = pack_of(till, "fraudulent", contact=None)

    codes = [it.code for it in pack.missing]
    wanted = {Lack.ACCEPTANCE, Lack.NAME, Lack.EMAIL, Lack.SERVICE, Lack.RECEIPT, Lack.MESSAGES, Lack.EARLIER_PAYMENTS}
    assert set(codes) == wanted
    assert len(codes) == len(set(codes))
    assert all(len(it.text) > 20 for it in pack.missing)


def test_the_owners_words_stand_in_place_of_the_drafts() -> None:
    """ "" leaves a field out; a file is no longer missing; and another text is another seal."""
    till, own = paid(), {F.UNCATEGORIZED_TEXT: "winning_evidence", F.CUSTOMER_NAME: ""}
    before = pack_of(till, "general")
    pack = draft(till, answer=replace(ANSWER, texts=own, files={FileField.RECEIPT: "file_1"}))

    assert said(pack, F.UNCATEGORIZED_TEXT) == "winning_evidence"
    assert pack.text(F.CUSTOMER_NAME) is None
    assert Lack.RECEIPT not in {it.code for it in pack.missing}
    assert (pack.dispute_id, pack.files) == ("dp_1", {FileField.RECEIPT: "file_1"})
    assert pack.sha256 != before.sha256 == draft(till).sha256


def test_the_seal_is_over_the_canonical_json_of_what_is_sent() -> None:
    """So that whoever has the pack can calculate it: used payments only, and nothing that is for the owner."""
    used = EarlierPayment(
        tab_id="t", payment_id="pi_1", at=NOON, amount_minor=1, currency="EUR", description="", is_used=True
    )
    fields = {F.SERVICE_DATE: "2026-03-02", F.CUSTOMER_NAME: "Zoë"}
    pack = Pack(
        dispute_id="dp_1",
        fields=tuple(PackField(name=name, text=text, origin=Origin.OWNER) for name, text in fields.items()),
        files={FileField.RECEIPT: "file_1", FileField.CUSTOMER_SIGNATURE: "file_2"},
        earlier=(used, replace(used, payment_id="pi_2", is_used=False)),
        missing=(Missing(code=Lack.NAME, text="…"),),
    )
    sent = (
        '{"dispute":"dp_1","earlier":["pi_1"],"fields":{"customer_name":"Zoë","service_date":"2026-03-02"},'
        '"files":{"customer_signature":"file_2","receipt":"file_1"}}'
    )

    assert pack.sha256 == hashlib.sha256(sent.encode()).hexdigest()


def test_what_does_not_fit_is_left_out_from_the_end_and_counted() -> None:
    """Whole lines; of one that is longer than a page alone, its beginning."""
    room = MOST_DRAFTED - len("\n(and 999 more)")
    lines = [_Line("a" * (room - 6), (2,)), _Line("b" * 5, (1,)), _Line("c", (3,)), _Line("d", (4,))]

    field = _of_lines(F.UNCATEGORIZED_TEXT, lines)
    assert field is not None
    assert field.text == "a" * (room - 6) + "\n" + "b" * 5 + "\n(and 2 more)"
    assert field.entries == (1, 2)
    long = _of_lines(F.UNCATEGORIZED_TEXT, [_Line("a" * (room + 1), (1,)), _Line("b", (2,))], "Head:")
    assert long is not None
    assert (long.text, long.entries) == ("a" * room + "\n(and 1 more)", (1,))
    assert _of_lines(F.UNCATEGORIZED_TEXT, []) is None


def test_nothing_personal_is_left_without_a_contact() -> None:
    """After an erasure the draft has neither name nor address of mail."""
    pack = pack_of(paid(), "fraudulent", contact=None)

    assert {field.origin for field in pack.fields} == {Origin.ENTRIES}
    assert "Ada" not in "".join(field.text for field in pack.fields)


# Compelling evidence


def earlier_visits(*days_before: int, **given: Any) -> list[Any]:
    """Visits whose bills were paid with the same card so many days before the disputed one."""
    tills = [paid(at=NOON - timedelta(days=days), **given) for days in days_before]
    return [visit_of("mer_1", f"tab_{n}", "cus_1", till.entries) for n, till in enumerate(tills)]


def test_earlier_payments_are_those_of_120_to_364_days_before_with_the_same_card() -> None:
    """Both ends included; another card, and what is younger or older, are not."""
    leg = paid().tab.legs[-1]

    found = find_earlier(earlier_visits(119, 120, 200, 364, 365), leg)

    assert [(leg.taken_at - one.at).days for one in found] == [120, 200, 364]
    assert [(one.tab_id, one.payment_id) for one in found] == [(f"tab_{n}", "pi_charge") for n in (1, 2, 3)]
    assert {(one.amount_minor, one.currency) for one in found} == {(30_00, "EUR")}
    assert not find_earlier(earlier_visits(200), replace(leg, fingerprint="card_b"))
    assert not find_earlier(earlier_visits(200), replace(leg, fingerprint=None))


def test_what_a_bank_has_doubted_is_no_evidence() -> None:
    """A dispute, a fraud warning or a whole refund takes a visit out."""
    leg = paid().tab.legs[-1]
    (visit,) = earlier_visits(200)
    disputed = paid(at=NOON - timedelta(days=200)).disputed(FactKind.DISPUTE_OPENED, FactKind.DISPUTE_WON)
    lost = visit_of("mer_1", "tab_d", "cus_1", disputed.entries)

    assert find_earlier([visit], leg)
    assert lost.disputes[0].state == DisputeState.WON
    assert not find_earlier([lost], leg)
    assert not find_earlier([replace(visit, fraud_warned_at=NOON)], leg)
    returned = tuple(replace(one, refunded_minor=one.amount_minor) for one in visit.payments)
    assert not find_earlier([replace(visit, payments=returned)], leg)


def test_earlier_payments_are_told_by_their_tabs() -> None:
    """What it was for, and from where its promise was accepted; what has no tab any more is left out."""
    found = find_earlier(earlier_visits(200, 300), paid().tab.legs[-1])

    (told,) = with_tabs(found, {"tab_1": paid().tab})

    assert (told.tab_id, told.description, told.ip) == ("tab_1", "Haircut", "192.0.2.1")


def test_two_payments_from_the_same_address_are_sent_or_none() -> None:
    """The newest two; without an e-mail address as the second mark there are none."""
    at = datetime(2025, 9, 1, tzinfo=UTC)
    one = EarlierPayment(tab_id="t", payment_id="p1", at=at, amount_minor=1, currency="EUR", description="", ip="a")
    three = [one, replace(one, payment_id="p2", ip="b"), replace(one, payment_id="p3"), replace(one, payment_id="p4")]

    assert [it.payment_id for it in choose(three, "a", "ada@example.com") if it.is_used] == ["p1", "p3"]
    assert not any(it.is_used for it in choose(three, "a", None))
    assert not any(it.is_used for it in choose(three[:2], "a", "ada@example.com"))


def test_visas_programme_is_used_where_the_bank_takes_it() -> None:
    """Elsewhere the earlier payments are told in words only, and the seal does not name them."""
    at = datetime(2025, 9, 1, tzinfo=UTC)
    one = EarlierPayment(
        tab_id="t", payment_id="pi_a", at=at, amount_minor=9_00, currency="EUR", description="Cut", ip="192.0.2.1"
    )
    earlier = [one, replace(one, payment_id="pi_b")]

    taken = pack_of(paid(), "fraudulent", programs=(PROGRAM,), earlier=earlier)
    other = pack_of(paid(), "fraudulent", earlier=earlier)

    assert [it.payment_id for it in taken.used] == ["pi_a", "pi_b"]
    assert other.used == ()
    assert "nobody disputed that: 2025-09-01 EUR 9.00 (pi_a)" in said(other, F.UNCATEGORIZED_TEXT)
    assert taken.sha256 != other.sha256


# Limits


ENDS = [list(make())[-1] for make in stories.STORIES]
CARDS = [till for till in ENDS if any(leg.kind in ("capture", "charge") for leg in till.tab.legs)]
REASONS = [
    "fraudulent",
    "duplicate",
    "product_unacceptable",
    "credit_not_processed",
    "general",
    "subscription_canceled",
]


@settings(max_examples=60, deadline=None)
@given(
    number=st.integers(0, len(CARDS) - 1),
    reason=st.sampled_from(REASONS),
    title=st.sampled_from(["Cut", "ß" * 120]),
    items=st.integers(0, 900),
)
def test_every_field_is_within_stripes_limits_and_cites_entries_that_exist(
    number: int, reason: str, title: str, items: int
) -> None:
    """Of any story of the tests, for any reason, however much is on the bill."""
    till = CARDS[number]
    leg = next(leg for leg in till.tab.legs if leg.kind in ("capture", "charge"))
    disputed = till.fact(FactKind.DISPUTE_OPENED, "dp_9", leg.amount_minor, payment_id=leg.payment_id, reason=reason)
    probe = till.draft()
    apply_fact(probe, disputed)
    tab = replace(probe.tab, title=title)
    dispute = tab.dispute("dp_9")
    assert dispute is not None
    added = [entry for entry in till.entries if entry.kind == "items_added"] * items

    pack = draft_pack(
        Known(tab=tab, leg=leg, dispute=dispute, entries=[*till.entries, *added], contact=ADDRESS, business=title)
    )

    seqs = {entry.seq for entry in till.entries}
    for field in pack.fields:
        assert 0 < len(field.text) <= min(LIMITS[field.name], MOST_DRAFTED)
        assert set(field.entries) <= seqs
        assert bool(field.entries) == (field.origin == Origin.ENTRIES)
    assert pack.characters <= MOST_CHARACTERS
