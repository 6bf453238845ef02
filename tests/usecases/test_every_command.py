"""What all commands share: their input is recorded, a repetition is answered, a waiting phone payment is closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from chalicelib.domain.contact import Language
from chalicelib.domain.errors import IdempotencyMismatch, NotFound
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.bill import Feedback
from chalicelib.domain.tab.commands.bill import ItemInput
from chalicelib.domain.tab.commands.booking import Limits
from chalicelib.domain.tab.facts.fact import FactKind
from chalicelib.domain.tab.objection import Decision
from chalicelib.domain.tab.policy import Resolution
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.story import Place
from chalicelib.domain.trust.story import Words
from chalicelib.domain.trust.terms import StoryTerms
from chalicelib.domain.trust.tiers import Tier
from chalicelib.usecases.tab.bill import (
    accept_bill,
    add_items,
    adjust_bill,
    amend_bill,
    choose_tier,
    complete_service,
    contest_bill,
    resolve_contest,
    void_item,
    waive,
    write_off,
)
from chalicelib.usecases.tab.booking import cancel_tab, check_in, mark_no_show, propose_promise
from chalicelib.usecases.tab.followup import pause_followup, resume_followup, send_reminder
from chalicelib.usecases.tab.payment import charge_saved_card, give_tip, pay_on_phone, return_cash, take_cash
from chalicelib.usecases.tab.refund import refund_tab
from chalicelib.usecases.tab.requests import Answer, Request
from chalicelib.usecases.trust.evidence import get_evidence, stage, submit
from chalicelib.usecases.trust.standing import decide_objection, object_to_standing
from chalicelib.usecases.trust.stories import tell_story, withdraw_story
from tests.usecases.shop import WITH_CARD, WITHOUT_CARD, Shop


def opened(shop: Shop) -> None:
    shop.open(*WITHOUT_CARD)


def with_item(shop: Shop) -> None:
    opened(shop)
    add_items(shop.deps, shop.tab_id, [ItemInput(description="Cut", unit_price_minor=50_00)], request=by_staff(shop))


def booked(shop: Shop) -> None:
    shop.open(*WITHOUT_CARD, starts_in_hours=1, no_show_fee_minor=30_00)


def missed(shop: Shop) -> None:
    booked(shop)
    shop.wait(hours=2)
    mark_no_show(shop.deps, shop.tab_id, request=by_staff(shop))


def objected(shop: Shop) -> None:
    missed(shop)
    request = shop.request(shop.ada)
    object_to_standing(shop.deps, shop.customer_id, shop.tab_id, "I was there", request=request)


def in_review(shop: Shop) -> None:
    shop.open(*WITHOUT_CARD).serve(50_00)


def by_outcome(shop: Shop) -> None:
    tiers = tuple(Tier(percent=percent, measure=f"as well as {percent}") for percent in (100, 80, 50))
    shop.open(*WITHOUT_CARD, tiers=tiers, silence_percent=50)
    shop.serve(50_00)


def with_card(shop: Shop) -> None:
    shop.open(*WITH_CARD).serve(50_00)


def due(shop: Shop) -> None:
    in_review(shop)
    shop.accept_bill()


def paused(shop: Shop) -> None:
    due(shop)
    pause_followup(shop.deps, shop.tab_id, "ill", None, request=shop.request(shop.staff))


def contested(shop: Shop) -> None:
    in_review(shop)
    contest_bill(shop.deps, shop.tab_id, "cold", None, request=shop.request(shop.ada))


def paid(shop: Shop) -> None:
    with_card(shop)
    shop.accept_bill()


STORY = Words(text="It was in time.", name="Ada", language=Language.ENGLISH, places=(Place.WEBSITE,))


def asked(shop: Shop) -> None:
    merchant = shop.store.get_merchant(shop.merchant_id)
    policy = replace(merchant.policy, stories=StoryTerms())
    shop.store.update_merchant(replace(merchant, policy=policy, version=merchant.version + 1))
    paid(shop)
    shop.wait(days=14)


def told(shop: Shop) -> None:
    asked(shop)
    tell_story(shop.deps, shop.tab_id, STORY, request=shop.request(shop.ada))


def disputed(shop: Shop) -> None:
    paid(shop)
    shop.gateway.dispute(shop.tab.legs[0].payment_id, FactKind.DISPUTE_OPENED, dispute_id="dp_1")
    shop.deliver_all()


def read(shop: Shop) -> str:
    """The hash of the evidence as the owner reads it, or has read it before it was sent."""
    pack = get_evidence(shop.deps, shop.tab_id, "dp_1", by=shop.owner).pack
    assert pack is not None
    return pack.sha256


def owed_cash(shop: Shop) -> None:
    in_review(shop)
    take_cash(shop.deps, shop.tab_id, 50_00, request=by_staff(shop))
    adjust_bill(shop.deps, shop.tab_id, 8_00, "sorry", request=by_staff(shop))


def by_staff(shop: Shop) -> Request:
    return shop.request(shop.staff)


@dataclass(frozen=True)
class Case:
    """`who` asks `act` of a tab that `given` has made; `entry` is what it writes, with these details among others."""

    given: Callable[[Shop], None]
    act: Callable[[Shop, Request], Answer]
    who: str
    entry: str
    details: dict[str, object]


CASES: dict[str, Case] = {
    "propose_promise": Case(
        opened,
        lambda shop, request: propose_promise(shop.deps, shop.tab_id, Limits(cap_minor=90_00), request=request),
        "staff", "promise_proposed", {"cap_minor": 90_00},
    ),
    "check_in": Case(
        booked, lambda shop, request: check_in(shop.deps, shop.tab_id, request=request), "staff", "checked_in", {},
    ),
    "add_items": Case(
        opened,
        lambda shop, request: add_items(
            shop.deps, shop.tab_id, [ItemInput(description="Wax", unit_price_minor=7_00)], request=request
        ),
        "staff", "items_added", {"total_minor": 7_00},
    ),
    "void_item": Case(
        with_item,
        lambda shop, request: void_item(shop.deps, shop.tab_id, shop.tab.items[0].item_id, request=request),
        "staff", "item_voided", {"amount_minor": 50_00},
    ),
    "complete": Case(
        with_item,
        lambda shop, request: complete_service(shop.deps, shop.tab_id, request=request),
        "staff", "bill_presented", {"total_minor": 50_00},
    ),
    "amend": Case(
        in_review, lambda shop, request: amend_bill(shop.deps, shop.tab_id, request=request),
        "staff", "bill_amended", {},
    ),
    "accept_bill": Case(
        with_card,
        lambda shop, request: accept_bill(shop.deps, shop.tab_id, 4_00, Feedback(rating=4), request=request),
        "ada", "bill_accepted", {"tip_minor": 4_00},
    ),
    "choose_tier": Case(
        by_outcome,
        lambda shop, request: choose_tier(shop.deps, shop.tab_id, 80, request=request),
        "ada", "tier_chosen", {"tier_percent": 80, "total_minor": 40_00},
    ),
    "contest": Case(
        in_review,
        lambda shop, request: contest_bill(shop.deps, shop.tab_id, "cold", 20_00, request=request),
        "ada", "contested", {"reason": "cold", "contested_minor": 20_00},
    ),
    "resolve": Case(
        contested,
        lambda shop, request: resolve_contest(
            shop.deps, shop.tab_id, Resolution.ADJUST, 9_00, "it was", request=request
        ),
        "owner", "bill_adjusted", {"amount_minor": 9_00, "reason": "it was"},
    ),
    "object": Case(
        missed,
        lambda shop, request: object_to_standing(
            shop.deps, shop.customer_id, shop.tab_id, "I was there", request=request
        ),
        "ada", "standing_objected", {"reason": "I was there"},
    ),
    "decide_objection": Case(
        objected,
        lambda shop, request: decide_objection(
            shop.deps, shop.customer_id, shop.tab_id, Decision.UPHOLD, "you were", request=request
        ),
        "owner", "objection_decided", {"decision": "upheld", "answer": "you were"},
    ),
    "tell_story": Case(
        asked,
        lambda shop, request: tell_story(shop.deps, shop.tab_id, STORY, request=request),
        "ada", "story_told", {"places": ["website"]},
    ),
    "withdraw_story": Case(
        told,
        lambda shop, request: withdraw_story(shop.deps, shop.tab_id, request=request),
        "ada", "story_withdrawn", {"why": "customer"},
    ),
    "submit_evidence": Case(
        disputed,
        lambda shop, request: submit(shop.deps, shop.tab_id, "dp_1", read(shop), request=request),
        "owner", "evidence_sealed", {"dispute_id": "dp_1", "operation": "submit_evidence"},
    ),
    "stage_evidence": Case(
        disputed,
        lambda shop, request: stage(shop.deps, shop.tab_id, "dp_1", read(shop), request=request),
        "owner", "evidence_sealed", {"operation": "stage_evidence"},
    ),
    "adjust": Case(
        in_review,
        lambda shop, request: adjust_bill(shop.deps, shop.tab_id, 8_00, "sorry", request=request),
        "staff", "bill_adjusted", {"amount_minor": 8_00, "reason": "sorry"},
    ),
    "refund": Case(
        paid,
        lambda shop, request: refund_tab(shop.deps, shop.tab_id, 6_00, "burnt", request=request),
        "owner", "refund_granted", {"amount_minor": 6_00, "reason": "burnt"},
    ),
    "take_cash": Case(
        in_review,
        lambda shop, request: take_cash(shop.deps, shop.tab_id, 50_00, request=request),
        "staff", "cash_taken", {"amount_minor": 50_00},
    ),
    "return_cash": Case(
        owed_cash,
        lambda shop, request: return_cash(shop.deps, shop.tab_id, 8_00, request=request),
        "staff", "cash_returned", {"amount_minor": 8_00},
    ),
    "tip": Case(
        paid,
        lambda shop, request: give_tip(shop.deps, shop.tab_id, 5_00, request=request),
        "ada", "attempt_begun", {"operation": "charge", "amount_minor": 5_00},
    ),
    "pay_on_phone": Case(
        in_review,
        lambda shop, request: pay_on_phone(shop.deps, shop.tab_id, request=request),
        "ada", "attempt_begun", {"operation": "charge", "amount_minor": 50_00},
    ),
    "charge_saved_card": Case(
        with_card,
        lambda shop, request: charge_saved_card(shop.deps, shop.tab_id, request=request),
        "ada", "attempt_begun", {"operation": "charge", "amount_minor": 50_00},
    ),
    "cancel": Case(
        booked,
        lambda shop, request: cancel_tab(shop.deps, shop.tab_id, "ill", request=request),
        "ada", "canceled", {"reason": "ill", "by_role": "customer"},
    ),
    "no_show": Case(
        lambda shop: (booked(shop), shop.wait(hours=2), None)[-1],
        lambda shop, request: mark_no_show(shop.deps, shop.tab_id, request=request),
        "staff", "no_show", {"fee_minor": 30_00},
    ),
    "waive": Case(
        due, lambda shop, request: waive(shop.deps, shop.tab_id, "kind", request=request),
        "owner", "waived", {"reason": "kind", "amount_minor": 50_00},
    ),
    "write_off": Case(
        due, lambda shop, request: write_off(shop.deps, shop.tab_id, "gone", request=request),
        "owner", "written_off", {"reason": "gone", "amount_minor": 50_00},
    ),
    "pause_followup": Case(
        due, lambda shop, request: pause_followup(shop.deps, shop.tab_id, "ill", None, request=request),
        "staff", "followup_paused", {"reason": "ill", "until": None},
    ),
    "resume_followup": Case(
        paused, lambda shop, request: resume_followup(shop.deps, shop.tab_id, request=request),
        "staff", "followup_resumed", {},
    ),
    "send_reminder": Case(
        due, lambda shop, request: send_reminder(shop.deps, shop.tab_id, request=request),
        "owner", "reminder_requested", {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_was_asked_is_written_once_under_the_name_of_who_asked(shop: Shop, case: Case) -> None:
    """Repeated under its key it is answered again, with the tab, and nothing more is written."""
    case.given(shop)
    request = shop.request(getattr(shop, case.who))
    before = len(shop.kinds())

    answer = case.act(shop, request)
    written = shop.store.list_entries(shop.merchant_id, shop.tab_id, limit=1000, cursor=None).items
    again = case.act(shop, request)

    assert answer.tab == shop.tab
    assert (answer.replayed, again.replayed) == (False, True)
    assert again.tab.tab_id == shop.tab_id
    assert len(shop.kinds()) == len(written)
    entry = next(entry for entry in written[before:] if entry.kind == case.entry)
    assert entry.by == request.by.subject
    assert {name: entry.details[name] for name in case.details} == case.details


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_key_is_for_one_request_and_a_tab_for_its_merchant(shop: Shop, case: Case) -> None:
    """Another body under the same key, another merchant's staff, a tab that does not exist."""
    case.given(shop)
    request = shop.request(getattr(shop, case.who))
    stranger = replace(request, by=replace(request.by, merchant_id="mer_other"))
    with pytest.raises(NotFound):
        case.act(shop, stranger)

    case.act(shop, request)

    with pytest.raises(IdempotencyMismatch):
        case.act(shop, replace(request, request_sha256="other"))


def given_phone(given: Callable[[Shop], None]) -> Callable[[Shop], None]:
    def prepare(shop: Shop) -> None:
        given(shop)
        pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada))

    return prepare


CLOSING: dict[str, Callable[[Shop], None]] = {
    "accept_bill": given_phone(with_card),
    "amend": given_phone(in_review),
    "adjust": given_phone(in_review),
    "take_cash": given_phone(in_review),
    "charge_saved_card": given_phone(with_card),
    "check_in": given_phone(missed),
    "waive": given_phone(due),
    "write_off": given_phone(due),
}


@pytest.mark.parametrize("name", CLOSING)
def test_what_changes_the_amount_closes_the_payment_on_the_phone_first(shop: Shop, name: str) -> None:
    """At the gateway: who looks at the old sheet can't pay what is no longer right (money rule 6)."""
    CLOSING[name](shop)
    (payment,) = shop.gateway.payments.values()
    case = CASES[name]

    case.act(shop, shop.request(getattr(shop, case.who)))

    assert payment.state == "canceled"
    assert all(attempt.operation != Operation.CHARGE or attempt.card_id for attempt in shop.tab.attempts)


def test_a_tip_is_paid_beside_nothing(shop: Shop) -> None:
    """Another tip, before the first was paid, closes the first sheet."""
    paid(shop)
    give_tip(shop.deps, shop.tab_id, 5_00, request=shop.request(shop.ada))
    first = shop.attempt(Operation.CHARGE)

    answer = give_tip(shop.deps, shop.tab_id, 7_00, request=shop.request(shop.ada))

    assert shop.gateway.payments[first.payment_id or ""].state == "canceled"
    assert answer.attempt is not None
    assert (answer.attempt.amount_minor, answer.attempt.tip_minor) == (7_00, 7_00)


def test_a_refund_closes_the_sheet_of_a_tip(shop: Shop) -> None:
    """Who is given money back is not asked for more of it."""
    paid(shop)
    give_tip(shop.deps, shop.tab_id, 5_00, request=shop.request(shop.ada))
    tip = shop.attempt(Operation.CHARGE)

    refund_tab(shop.deps, shop.tab_id, None, "burnt", request=shop.request(shop.owner))

    assert shop.gateway.payments[tip.payment_id or ""].state == "canceled"
    assert shop.tab.paid_minor == 0
    shop.check_books()


def test_a_contest_leaves_the_sheet_to_the_agenda_which_closes_it(shop: Shop) -> None:
    """Recorded at once; resolving it later finds nothing left to close."""
    given_phone(in_review)(shop)
    contest_bill(shop.deps, shop.tab_id, "cold", None, request=shop.request(shop.ada))

    assert [payment.state for payment in shop.gateway.payments.values()] == ["canceled"]
    resolve_contest(shop.deps, shop.tab_id, Resolution.UPHOLD, None, "no", request=shop.request(shop.owner))
    assert shop.tab.status == Status.DUE


def test_the_sheet_of_a_resolved_contest_is_not_the_one_from_before(shop: Shop) -> None:
    """A sheet whose closing got lost is closed before the bill is lowered."""
    given_phone(in_review)(shop)
    shop.gateway.is_down = True
    contest_bill(shop.deps, shop.tab_id, "cold", None, request=shop.request(shop.ada))
    shop.gateway.is_down = False
    shop.wait(minutes=3)

    resolve_contest(shop.deps, shop.tab_id, Resolution.ADJUST, 10_00, "yes", request=shop.request(shop.owner))

    assert [payment.state for payment in shop.gateway.payments.values()] == ["canceled"]
    assert shop.tab.balance_minor == 40_00


def test_the_phone_asks_anew_for_an_amount_that_has_changed(shop: Shop) -> None:
    """The hold was to cover twenty of the fifty and is gone: the sheet for thirty is closed; then it is fifty."""
    shop.open(*WITHOUT_CARD, deposit_minor=20_00)
    hold = shop.attempt(Operation.PLACE_HOLD).payment_id or ""
    shop.gateway.confirm(hold)
    shop.deliver_all()
    shop.serve(50_00)
    first = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada)).attempt
    shop.gateway.payments[hold].capture_before = shop.clock.now()
    shop.gateway.expire_holds()
    shop.deliver_all()

    second = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada)).attempt
    third = pay_on_phone(shop.deps, shop.tab_id, request=shop.request(shop.ada)).attempt

    assert first is not None
    assert second is not None
    assert (first.amount_minor, second.amount_minor) == (30_00, 50_00)
    assert shop.gateway.payments[first.payment_id or ""].state == "canceled"
    assert third == second
