"""Webhooks: verified, assigned to their tab, applied once, and retried until the tab is found."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib import correlation
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.facts.fact import Fact, FactKind
from chalicelib.domain.tab.payments import Card
from chalicelib.domain.tab.status import Status
from chalicelib.ports.gateway import BadSignature, GatewayEvent, GatewayUnavailable
from chalicelib.usecases.news.events import claim
from chalicelib.usecases.news.take_event import NotYetKnown, take_event
from tests.usecases.fake_gateway import Fault
from tests.usecases.shop import NOON, WITH_CARD, WITHOUT_CARD, Shop


def add_event(shop: Shop, *facts: Fact, **given: object) -> str:
    """An event as the gateway would send it, about nothing in particular."""
    event = GatewayEvent(
        **{  # type: ignore[arg-type]
            "event_id": "evt_x",
            "kind": "payment_intent.succeeded",
            "account": None,
            "occurred_at": shop.clock.now(),
            "object_id": "pi_x",
            "payment_id": "pi_x",
            "is_relevant": True,
            "ours": True,
            "merchant_id": shop.merchant_id,
            "customer_id": None,
            "tab_id": shop.tab_id or "tab_unknown",
            "attempt_id": None,
            "body": {},
            **given,
        }
    )
    shop.gateway.events[event.event_id] = (event, facts)
    return event.event_id


def test_an_unsigned_event_is_refused(shop: Shop) -> None:
    """Nobody but the gateway tells us that money came in."""
    with pytest.raises(BadSignature):
        take_event(shop.deps, b'{"id": "evt_1"}', "forged")


def test_an_event_is_handled_once(shop: Shop) -> None:
    """The second delivery is seen, and changes nothing."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.fail(Operation.CHARGE, Fault.LOST_AFTER)
    shop.accept_bill()
    event_id = shop.gateway.undelivered[-1]

    assert shop.deliver(event_id) == "handled"
    after = shop.tab
    assert shop.deliver(event_id) == "seen"

    assert after.status == Status.CLOSED
    assert shop.tab == after


def test_two_events_about_the_same_payment_post_once(shop: Shop) -> None:
    """Another event id, the same fact: the books count it once."""
    shop.open(*WITH_CARD).serve(50_00).accept_bill()
    payment = shop.tab.legs[0]
    fact = Fact(
        kind=FactKind.CHARGED,
        object_id=payment.payment_id,
        at=NOON,
        amount_minor=50_00,
        attempt_id=payment.attempt_id,
    )

    assert shop.deliver(add_event(shop, fact)) == "handled"

    assert shop.tab.paid_minor == 50_00
    shop.check_books()


def test_an_event_of_ours_about_an_unknown_tab_is_sent_back_in_its_first_hour(shop: Shop) -> None:
    """The tab may be a moment from being written."""
    event_id = add_event(shop, tab_id="tab_unknown")

    with pytest.raises(NotYetKnown):
        shop.deliver(event_id)
    shop.clock.instant += timedelta(minutes=59)
    with pytest.raises(NotYetKnown):
        shop.deliver(event_id)


def test_after_an_hour_it_is_unclaimed_and_not_sent_again(shop: Shop) -> None:
    """Recorded, loudly, and done with."""
    event_id = add_event(shop, tab_id="tab_unknown")
    shop.clock.instant += timedelta(hours=1)

    assert shop.deliver(event_id) == "unclaimed"
    assert shop.deliver(event_id) == "seen"


def test_what_metadata_say_instead_of_a_tab_is_in_no_log(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody with the dashboard can write them, and what they paste may be a link's secret."""
    logged: list[Mapping[str, str]] = []
    module = "chalicelib.usecases.news.take_event"
    monkeypatch.setattr(f"{module}.log.warning", lambda *_, **__: logged.append(correlation.ids()))
    for tab_id in ("tab_unknown", "pasted", "tab_of ada@example.com"):
        with pytest.raises(NotYetKnown):
            shop.deliver(add_event(shop, tab_id=tab_id))

    assert [ids.get("tab_id") for ids in logged] == ["tab_unknown", None, None]


def test_an_event_that_is_not_ours_is_ignored(shop: Shop) -> None:
    """The merchant sells elsewhere too."""
    assert shop.deliver(add_event(shop, ours=False, merchant_id=None, tab_id=None)) == "ignored"


def test_an_event_of_a_kind_we_do_not_act_on_is_ignored(shop: Shop) -> None:
    """Without a look at the books."""
    assert shop.deliver(add_event(shop, is_relevant=False)) == "ignored"


def test_an_event_without_metadata_is_found_by_its_pointer(shop: Shop) -> None:
    """A refund made in the gateway's own dashboard concerns the payment we know."""
    shop.open(*WITH_CARD).serve(50_00).accept_bill()
    payment_id = shop.tab.legs[0].payment_id
    refund = Fact(kind=FactKind.REFUNDED, object_id="re_x", at=NOON, amount_minor=50_00, payment_id=payment_id)
    event_id = add_event(
        shop,
        refund,
        kind="refund.created",
        ours=False,
        merchant_id=None,
        tab_id=None,
        object_id="re_x",
        payment_id=payment_id,
    )

    assert shop.deliver(event_id) == "handled"

    assert shop.tab.paid_minor == 0
    assert "fetch_owner" not in shop.gateway.calls


def test_an_event_without_metadata_or_pointer_asks_for_its_payment(shop: Shop) -> None:
    """The payment itself says whose it is."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.fail(Operation.CHARGE, Fault.CRASH_AFTER)
    shop.crashing(shop.accept_bill)
    event_id = shop.gateway.undelivered[-1]
    event, facts = shop.gateway.events[event_id]
    stripped = replace(event, ours=False, merchant_id=None, tab_id=None, attempt_id=None)
    shop.gateway.events[event_id] = (stripped, facts)

    assert shop.deliver(event_id) == "handled"

    assert shop.tab.status == Status.CLOSED


def test_a_saved_card_belongs_to_the_customer(shop: Shop) -> None:
    """Later tabs use it too."""
    card = Card(card_id="pm_new", brand="visa", last4="1111", saved_at=NOON)
    fact = Fact(kind=FactKind.CARD_SAVED, object_id="seti_1", at=NOON, card=card)

    shop.deliver(add_event(shop, fact, tab_id=None, customer_id=shop.customer_id, payment_id=None))

    assert shop.store.get_customer(shop.merchant_id, shop.customer_id).card == card


def test_an_event_whose_object_can_not_be_fetched_is_sent_again(shop: Shop) -> None:
    """The gateway did not answer: nothing is marked as seen."""
    shop.open(*WITH_CARD).serve(50_00)
    shop.gateway.fail(Operation.CHARGE, Fault.LOST_AFTER)
    shop.accept_bill()
    event_id = shop.gateway.undelivered[-1]
    shop.gateway.is_down = True
    with pytest.raises(GatewayUnavailable):
        shop.deliver(event_id)

    shop.gateway.is_down = False
    assert shop.deliver(event_id) == "handled"


def test_an_event_starts_what_follows_from_it(shop: Shop) -> None:
    """The capture heard by webhook begins the charge of the balance, in the same delivery."""
    shop.open(*WITH_CARD, deposit_minor=20_00).serve(50_00)
    shop.gateway.fail(Operation.CAPTURE, Fault.CRASH_AFTER)
    shop.crashing(shop.accept_bill)

    shop.deliver_all()

    assert shop.tab.status == Status.CLOSED
    assert shop.tab.paid_minor == 50_00


def test_an_event_without_metadata_gets_every_id_from_its_pointer(shop: Shop) -> None:
    """The first of its objects that is known counts: the object itself, its payment, its customer."""
    shop.open(*WITH_CARD).serve(50_00).accept_bill()
    (leg,) = shop.tab.legs
    customer = shop.store.get_customer(shop.merchant_id, shop.customer_id)
    nothing = {"ours": False, "merchant_id": None, "tab_id": None, "object_id": "x", "payment_id": None}

    def claimed(**given: object) -> tuple[str | None, ...]:
        event_id = add_event(shop, **{**nothing, **given})
        event, known = claim(shop.deps, shop.gateway.events[event_id][0])
        assert not known.is_seen
        return event.merchant_id, event.tab_id, event.attempt_id, event.customer_id

    of_payment = (shop.merchant_id, shop.tab_id, leg.attempt_id, None)
    of_customer = (shop.merchant_id, None, None, shop.customer_id)
    assert claimed(object_id=leg.payment_id) == of_payment
    assert claimed(payment_id=leg.payment_id) == of_payment
    assert claimed(payment_id=leg.payment_id, customer_ref=customer.customer_ref) == of_payment
    assert claimed(customer_ref=customer.customer_ref) == of_customer
    assert claimed() == (None, None, None, None)
    assert claimed(payment_id="pi_nobody") == (None, None, None, None)


def test_an_event_that_names_its_tab_is_brought_in_with_one_read(shop: Shop) -> None:
    """The tab comes with the question whether the event was seen."""
    shop.open(*WITHOUT_CARD).serve(50_00)
    fact = Fact(kind=FactKind.CHARGED, object_id="pi_a", at=NOON, amount_minor=20_00)
    event_id = add_event(shop, fact)
    get_tab, reads = shop.store.get_tab, []
    shop.store.get_tab = lambda *asked: (reads.append(asked), get_tab(*asked))[1]  # type: ignore[method-assign]

    assert shop.deliver(event_id) == "handled"

    assert reads == []
    assert shop.tab.paid_minor == 20_00


def test_an_event_that_was_seen_is_not_looked_into(shop: Shop) -> None:
    """Neither its owner nor its object is asked for again."""
    shop.open(*WITH_CARD).serve(50_00).accept_bill()
    event_id = add_event(shop, ours=False, merchant_id=None, tab_id=None, payment_id=shop.tab.legs[0].payment_id)
    assert shop.deliver(event_id) == "handled"
    calls = list(shop.gateway.calls)

    assert shop.deliver(event_id) == "seen"

    assert shop.gateway.calls == calls


def test_an_event_of_a_merchant_without_a_tab_or_customer_is_remembered(shop: Shop) -> None:
    """There is nothing to bring it into."""
    event_id = add_event(shop, tab_id=None, customer_id=None, payment_id=None)

    assert shop.deliver(event_id) == "handled"
    assert shop.deliver(event_id) == "seen"


def test_what_is_sent_back_says_which_event(shop: Shop) -> None:
    """For the log of whoever sends it again."""
    with pytest.raises(NotYetKnown, match="evt_x"):
        shop.deliver(add_event(shop, tab_id="tab_unknown"))
