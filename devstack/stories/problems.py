"""Stories of `make demo` in which something goes wrong. The expected amounts are literals."""

from __future__ import annotations

from typing import Any

from devstack.api import Api
from devstack.books import Money
from devstack.stack import Stack
from devstack.stories.business import Business, Customer, Say, StoryFailed

DAY_S = 24 * 3600


def served(business: Business, customer: Customer, amount_minor: int, *, card: str | None = None) -> dict[str, Any]:
    """A walk-in whose bill is presented. If `card` is given, it is saved with every consent."""
    tab: dict[str, Any] = business.staff.post(
        "/tabs",
        {
            "customer_id": customer.customer_id,
            "title": f"{business.name}, for {customer.name}",
            "expected_outcome": "You are content",
            "estimate_minor": amount_minor,
        },
    )
    customer.accept_promise(tab, None if card else ["cap"])
    if card:
        customer.save_card(tab, card)
    business.staff.post(
        f"/tabs/{tab['tab_id']}/items", {"items": [{"description": "Service", "unit_price_minor": amount_minor}]}
    )
    business.staff.post(f"/tabs/{tab['tab_id']}/complete")
    return business.tab(tab)


def pay(business: Business, customer: Customer, tab: dict[str, Any], card: str = "pm_card_visa") -> None:
    payment = customer.api.post(f"/tabs/{tab['tab_id']}/charges", {"mode": "on_session"})["payment"]
    customer.phone.pay(payment, card)
    business.stack.drain()


def contested(stack: Stack, say: Say) -> None:
    """A contested bill, adjusted and paid"""
    salon = Business(stack, say, name="Salon Iris")
    gia = salon.customer("Gia")
    tab = served(salon, gia, 8000)
    say(
        f"Salon Iris presents EUR 80.00 for {tab['tab_id']}; Gia did not get the treatment for EUR 20.00 that is on it."
    )
    gia.api.post(f"/tabs/{tab['tab_id']}/contest", {"reason": "No treatment was done", "contested_minor": 2000})
    salon.expect_messages(tab, "bill_presented", "contested")
    salon.staff.post(
        f"/tabs/{tab['tab_id']}/resolve",
        {"resolution": "adjust", "reduction_minor": 2000, "reason": "Charged by mistake"},
    )
    say("The salon lowers the bill; Gia reviews it again, is content, gives five stars and pays EUR 60.00.")
    gia.api.post(f"/tabs/{tab['tab_id']}/accept_bill", {"rating": 5, "comment": "Fair."})
    pay(salon, gia, tab)
    stack.sweep()
    salon.expect_messages(tab, "contest_resolved", "receipt")
    salon.expect(
        tab,
        status="closed",
        payment_state="paid",
        money=Money(charged=6000),
        ledger={"service_revenue": -6000, "stripe_balance": 6000},
    )


def unpaid(stack: Stack, say: Say) -> None:
    """A bill nobody pays: reminders, a charge declined for lack of funds, tried again days later, paid"""
    studio = Business(stack, say, name="Studio Nord", reminder_offsets_s=[DAY_S], retry_offsets_s=[2 * DAY_S])
    hal = studio.customer("Hal")
    tab = served(studio, hal, 4500, card="pm_card_visa")
    bank_says(stack, tab, "insufficient_funds")
    say(
        f"Hal says nothing to the bill of EUR 45.00 ({tab['tab_id']}). He agreed to be charged after the review window."
    )
    studio.expect_messages(tab, "bill_presented")
    tab = studio.travel(tab, stack.now() + stack.span(hours=26))
    say("The window ends, and his bank declines for lack of funds. Its advice: try again later.")
    studio.expect_messages(tab, "card_declined")
    tab = studio.travel(tab, stack.now() + stack.span(hours=26))
    studio.expect_messages(tab, "reminder")
    bank_says(stack, tab, None)
    tab = studio.travel(tab, stack.now() + stack.span(hours=26))
    say("Two days after the first try the card is tried again: EUR 45.00 charged.")
    studio.expect_messages(tab, "receipt")
    studio.expect(
        tab,
        status="closed",
        payment_state="paid",
        money=Money(charged=4500),
        ledger={"service_revenue": -4500, "stripe_balance": 4500},
    )


def bank_says(stack: Stack, tab: dict[str, Any], decline: str | None) -> None:
    """Set what the bank of the tab's saved card answers from now on."""
    api = Api(stack.app, stack.issuer.token("owner", merchant_id=tab["merchant_id"]))
    entries = api.get(f"/tabs/{tab['tab_id']}/timeline", limit=100)["entries"]
    card_id = next(entry["details"]["card_id"] for entry in entries if entry["kind"] == "card_saved")
    stack.standin.post("/_control/cards", {"payment_method": card_id, "decline": decline})


def asked_by_the_bank(stack: Stack, say: Say) -> None:
    """The bank asks a question about the automatic charge, answered on the phone"""
    garage = Business(stack, say, name="Garage Lind")
    ida = garage.customer("Ida")
    tab = served(garage, ida, 9900, card="pm_card_authenticationRequired")
    say(f"Ida's bill for {tab['tab_id']} is EUR 99.00; she is silent, and the review window ends.")
    tab = garage.travel(tab, stack.now() + stack.span(hours=24, minutes=10))
    garage.expect_messages(tab, "bill_presented", "confirmation_needed")
    payment = ida.api.get(f"/tabs/{tab['tab_id']}")["payment"]
    ida.phone.pay(payment, "pm_card_authenticationRequired")
    say(f"Her bank wants her word for {payment['payment_id']}: the same payment waits for her, and she confirms it.")
    garage.expect(
        tab,
        status="closed",
        payment_state="paid",
        money=Money(charged=9900),
        ledger={"service_revenue": -9900, "stripe_balance": 9900},
    )


def refunded(stack: Stack, say: Say) -> None:
    """A partial refund over two legs"""
    spa = Business(stack, say, name="Spa Aurora")
    jon = spa.customer("Jon")
    tab = spa.staff.post(
        "/tabs",
        {
            "customer_id": jon.customer_id,
            "title": "Day at the spa",
            "expected_outcome": "A rested Jon",
            "estimate_minor": 12000,
            "deposit_minor": 5000,
        },
    )
    spa.stack.drain()
    jon.phone.pay(jon.accept_promise(tab)["payment"])
    spa.stack.drain()
    spa.staff.post(
        f"/tabs/{tab['tab_id']}/items", {"items": [{"description": "Day ticket", "unit_price_minor": 12000}]}
    )
    spa.staff.post(f"/tabs/{tab['tab_id']}/complete")
    jon.api.post(f"/tabs/{tab['tab_id']}/accept_bill")
    say(f"Jon pays EUR 120.00 for {tab['tab_id']}: EUR 50.00 from the hold, EUR 70.00 from his card.")
    stack.sweep()
    spa.expect_messages(spa.tab(tab), "bill_presented", "receipt")
    spa.staff.post(f"/tabs/{tab['tab_id']}/refunds", {"amount_minor": 9000, "reason": "The sauna was closed"})
    tab = spa.tab(tab)
    shares = " and ".join(f"{leg['refunded_minor'] / 100:.2f} of {leg['payment_id']}" for leg in reversed(tab["legs"]))
    say(f"The sauna was closed: EUR 90.00 go back, the newest payment first: {shares}.")
    spa.expect_messages(tab, "refund")
    spa.expect(
        tab,
        status="closed",
        payment_state="paid",
        money=Money(held=5000, captured=5000, charged=7000, refunded=9000),
        ledger={"service_revenue": -3000, "stripe_balance": 3000},
    )


def disputed(stack: Stack, say: Say) -> None:
    """A dispute, lost"""
    shop = Business(stack, say, name="Kontor Süd")
    kim = shop.customer("Kim")
    tab = served(shop, kim, 3300)
    pay(shop, kim, tab, "pm_card_createDispute")
    tab = shop.tab(tab)
    say(f"Kim pays EUR 33.00 for {tab['tab_id']}, and her bank disputes {tab['legs'][0]['payment_id']} at once.")
    stack.sweep()
    shop.expect_messages(tab, "bill_presented", "disputed", "receipt")
    shop.expect(
        tab,
        status="closed",
        payment_state="disputed",
        money=Money(charged=3300),
        ledger={"service_revenue": -3300, "disputes_receivable": 3300},
    )
    stack.move_clock(stack.now() + stack.span(days=10))
    stack.sweep()
    say("Nobody answers the bank in nine days, and the dispute is lost.")
    shop.expect_messages(tab, "dispute_closed")
    shop.expect(
        tab,
        status="closed",
        payment_state="written_off",
        money=Money(charged=3300),
        ledger={"service_revenue": -3300, "bad_debt": 3300},
    )


def answered(stack: Stack, say: Say) -> None:
    """A dispute, won with what the tab has on record"""
    salon = Business(stack, say, name="Salon Iris")
    lea = salon.customer("Lea")
    tab = served(salon, lea, 6400)
    pay(salon, lea, tab, "pm_card_createDispute")
    tab = salon.tab(tab)
    dispute = tab["legs"][0]["disputes"][0]
    say(f"Lea pays EUR 64.00 for {tab['tab_id']}, and her bank takes it back: dispute {dispute['dispute_id']}.")
    salon.expect_messages(tab, "bill_presented", "disputed", "receipt")
    path = f"/tabs/{tab['tab_id']}/evidence/{dispute['dispute_id']}"
    evidence = salon.owner.get(path)
    cited = {seq for field in evidence["fields"] for seq in field["entries"]}
    say(
        f"The evidence is there with the event: {len(evidence['fields'])} fields, which cite {len(cited)} entries of "
        f"the tab. {len(evidence['missing'])} things are missing; the bank waits until {evidence['respond_by']}."
    )
    words = {"field": "uncategorized_text", "text": "winning_evidence"}
    read = salon.owner.put(path, {"texts": [words]})
    sent = salon.owner.post(f"{path}/submit", {"sha256": read["sha256"]})
    if sent["state"] != "submitted":
        raise StoryFailed(f"the evidence is {sent['state']}, not submitted")
    seal = read["sha256"][:8]
    say(f"The owner adds the words that Stripe's test bank believes, and submits what she has read ({seal}…).")
    salon.expect_messages(tab, "dispute_closed")
    say("Won: the bank gives the money back, and takes no second answer.")
    salon.expect(
        tab,
        status="closed",
        payment_state="paid",
        money=Money(charged=6400),
        ledger={"service_revenue": -6400, "stripe_balance": 6400},
    )


ROUGH_STORIES = (contested, unpaid, asked_by_the_bank, refunded, disputed, answered)
