"""Stories of `make demo` in which all goes well, played over HTTP. The expected amounts are literals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from devstack.api import Api
from devstack.books import Money
from devstack.phone import Phone
from devstack.stack import Stack
from devstack.stories.business import Business, Say, StoryFailed, iso
from devstack.stories.by_mail import paid_from_the_mail
from devstack.stories.by_token import scanned_coins
from devstack.stories.followup import week_of_followup
from devstack.stories.problems import ROUGH_STORIES, disputed, unpaid
from devstack.stories.splitting import three_friends
from devstack.stories.systems import outage
from devstack.stories.trust import consultant, regular

Story = Callable[[Stack, Say], None]


def walk_in(stack: Stack, say: Say) -> None:
    """A walk-in, paid on the phone"""
    cafe = Business(stack, say, name="Kaffee Morgen")
    ana = cafe.customer("Ana")
    tab = cafe.staff.post(
        "/tabs",
        {
            "customer_id": ana.customer_id,
            "title": "Table 4",
            "expected_outcome": "Breakfast you enjoy",
            "estimate_minor": 600,
            "cap_minor": 900,
        },
    )
    say(f"Kaffee Morgen opens {tab['tab_id']} for Ana: about EUR 6.00, promised to be EUR 9.00 at most.")
    ana.accept_promise(tab, ["cap"])
    say("Ana accepts the promise on her phone. Nothing is held, nothing is charged.")
    cafe.staff.post(
        f"/tabs/{tab['tab_id']}/items",
        {
            "items": [
                {"description": "Flat white", "unit_price_minor": 380, "tax_basis_points": 700},
                {"description": "Croissant", "unit_price_minor": 270, "tax_basis_points": 700},
            ]
        },
    )
    cafe.staff.post(f"/tabs/{tab['tab_id']}/complete")
    say("A flat white and a croissant later the bill says EUR 6.50. Ana enjoyed it, and adds a tip of EUR 0.50.")
    asked = {"mode": "on_session", "tip_minor": 50}
    payment = ana.api.post(f"/tabs/{tab['tab_id']}/charges", asked)["payment"]
    ana.phone.pay(payment)
    say(f"Her phone confirms {payment['payment_id']}: EUR 7.00 charged.")
    cafe.expect(
        tab,
        status="closed",
        payment_state="paid",
        money=Money(charged=700),
        ledger={"service_revenue": -607, "tax": -43, "tips": -50, "stripe_balance": 700},
    )


def handed_a_token(stack: Stack, say: Say) -> None:
    """ "Just pay me after you've enjoyed your drink": a guest with a token, and no account"""
    bar = Business(stack, say, name="Espresso Lange")
    coins = bar.owner.post("/tokens", {"first": 17, "count": 2})["tokens"]
    say("Espresso Lange has its coins printed: 17 and 18, each with a QR code.")
    new = {"title": "Counter", "expected_outcome": "A drink you enjoy", "estimate_minor": 420, "token": 17}
    tab = bar.staff.post("/tabs", new)
    say(f"The barista hands coin 17 over and opens {tab['tab_id']}. Nobody asks for a name.")
    bar.staff.post(
        f"/tabs/{tab['tab_id']}/items", {"items": [{"description": "Espresso tonic", "unit_price_minor": 420}]}
    )
    bar.staff.post(f"/tabs/{tab['tab_id']}/complete")
    coin = Api(stack.app, coins[0]["secret"], told=bar.told)
    visit = coin.get("/link")
    say(f"The guest enjoyed it and scans the coin: it opens {visit['tab_id']}, to look and to pay.")
    mine = coin.post("/link/take_over")
    guest = Api(stack.app, mine["secret"], told=bar.told)
    say("They take the tab over: the key is on their phone now, and the coin on the counter opens it no more.")
    asked = {"mode": "on_session", "tip_minor": 80}
    payment = guest.post(f"/tabs/{tab['tab_id']}/charges", asked)["payment"]
    Phone(stack.standin).pay(payment)
    say(f"{payment['payment_id']}: EUR 4.20 and a tip of EUR 0.80. Coin 17 is free for the next one.")
    bar.expect(
        tab,
        status="closed",
        payment_state="paid",
        money=Money(charged=500),
        ledger={"service_revenue": -420, "tips": -80, "stripe_balance": 500},
    )
    free = [token["state"] for token in bar.staff.get("/tokens")["tokens"]]
    if free != ["free", "free"]:
        raise StoryFailed(f"the tokens are {free}")


def appointment(stack: Stack, say: Say) -> None:
    """An appointment three weeks ahead: card saved, hold placed two days before, deposit first, balance off-session"""
    salon = Business(stack, say, name="Salon Iris")
    ben = salon.customer("Ben")
    starts_at = stack.now() + stack.span(days=21)
    tab = salon.staff.post(
        "/tabs",
        {
            "customer_id": ben.customer_id,
            "title": "Colour and cut",
            "expected_outcome": "The colour we agreed on, or we do it again",
            "estimate_minor": 7500,
            "cap_minor": 9500,
            "deposit_minor": 2000,
            "no_show_fee_minor": 2000,
            "late_cancel_fee_minor": 1000,
            "starts_at": iso(starts_at),
        },
    )
    say(f"Salon Iris books {tab['tab_id']} for Ben: about EUR 75.00, at most EUR 95.00, deposit EUR 20.00.")
    ben.accept_promise(tab)
    ben.save_card(tab)
    tab = salon.tab(tab)
    say(f"Ben accepts and saves his {tab['card']['brand']} ending in {tab['card']['last4']}. Nothing is held yet.")
    tab = salon.travel(tab, starts_at - stack.span(hours=47))
    (hold,) = tab["holds"]
    say(f"Two days before, EUR 20.00 are held, not charged: {hold['payment_id']}, until {hold['capture_before']}.")
    tab = salon.travel(tab, starts_at)
    salon.staff.post(f"/tabs/{tab['tab_id']}/check_in")
    salon.staff.post(
        f"/tabs/{tab['tab_id']}/items",
        {"items": [{"description": "Colour and cut", "unit_price_minor": 7500, "tax_basis_points": 1900}]},
    )
    salon.staff.post(f"/tabs/{tab['tab_id']}/complete")
    ben.api.post(f"/tabs/{tab['tab_id']}/accept_bill")
    tab = salon.tab(tab)
    say(f"Ben likes it and accepts the bill of EUR 75.00: EUR 20.00 captured from {tab['legs'][0]['payment_id']},")
    say(f"EUR 55.00 charged to his saved card, {tab['legs'][1]['payment_id']}.")
    salon.expect(
        tab,
        status="closed",
        payment_state="paid",
        money=Money(held=2000, captured=2000, charged=5500),
        ledger={"service_revenue": -6303, "tax": -1197, "stripe_balance": 7500},
    )


def no_show(stack: Stack, say: Say) -> None:
    """A no-show: the disclosed fee announced, objected to, lowered, and taken from the hold"""
    studio = Business(stack, say, name="Studio Linden")
    cleo = studio.customer("Cleo")
    starts_at = stack.now() + stack.span(hours=26)
    tab = studio.staff.post(
        "/tabs",
        {
            "customer_id": cleo.customer_id,
            "title": "Massage, 60 minutes",
            "expected_outcome": "A looser back",
            "estimate_minor": 6500,
            "deposit_minor": 3000,
            "no_show_fee_minor": 2000,
            "late_cancel_fee_minor": 1500,
            "starts_at": iso(starts_at),
        },
    )
    say(f"Studio Linden books {tab['tab_id']} for Cleo tomorrow: deposit EUR 30.00, no-show fee EUR 20.00.")
    payment = cleo.accept_promise(tab)["payment"]
    cleo.phone.pay(payment)
    say(f"Cleo accepts and confirms the hold {payment['payment_id']} on her phone: EUR 30.00 held, not charged.")
    tab = studio.travel(tab, starts_at + stack.span(minutes=20))
    tab = studio.staff.post(f"/tabs/{tab['tab_id']}/no_show")
    say("Nobody comes. After the grace of 15 minutes the fee is announced; it is to be taken a day later, not now:")
    studio.expect_messages(tab, "no_show", "no_show")
    cleo.api.post(f"/tabs/{tab['tab_id']}/contest", {"reason": "I stood before a locked door for ten minutes."})
    say("Cleo objects. Nothing is taken while the studio looks at it:")
    studio.expect_messages(tab, "contested")
    tab = studio.travel(tab, stack.now() + stack.span(hours=30))
    studio.staff.post(
        f"/tabs/{tab['tab_id']}/resolve",
        {"resolution": "adjust", "reduction_minor": 1000, "reason": "The bell was broken, and she was late."},
    )
    tab = studio.travel(tab, stack.now() + stack.span(hours=24))
    say("The studio lowers the fee. A day after that was said EUR 10.00 are captured, EUR 20.00 released.")
    studio.expect_messages(tab, "contest_resolved", "receipt")
    say("She could still object, and the studio take the no-show back, until two weeks after it was announced.")
    tab = studio.travel(tab, stack.now() + stack.span(days=14))
    studio.expect(
        tab,
        status="closed",
        payment_state="paid",
        money=Money(held=3000, captured=1000, released=2000),
        ledger={"fees_income": -1000, "stripe_balance": 1000},
    )


def cancellations(stack: Stack, say: Say) -> None:
    """A free and a late cancel"""
    salon = Business(stack, say, name="Salon Iris")
    for name, ahead, fee in (("Dora", 80, 0), ("Emil", 30, 1500)):
        customer = salon.customer(name)
        tab = salon.staff.post(
            "/tabs",
            {
                "customer_id": customer.customer_id,
                "title": "Cut",
                "expected_outcome": "A cut you like",
                "estimate_minor": 4500,
                "deposit_minor": 2500,
                "no_show_fee_minor": 2500,
                "late_cancel_fee_minor": 1500,
                "starts_at": iso(stack.now() + stack.span(hours=ahead)),
            },
        )
        payment = customer.accept_promise(tab)["payment"]
        customer.phone.pay(payment)
        salon.tab(tab)
        say(f"{name} books {tab['tab_id']}, {ahead} hours ahead: EUR 25.00 held in {payment['payment_id']}.")
        if fee:
            say("It is inside the last 48 hours already, so cancelling is free for an hour from here.")
            salon.travel(tab, stack.now() + timedelta(minutes=61))
        customer.api.post(f"/tabs/{tab['tab_id']}/cancel", {"reason": "something came up"})
        if fee:
            say("Emil cancels a minute too late: the disclosed EUR 15.00 are captured, EUR 10.00 released.")
        else:
            say("Dora cancels more than 48 hours before: free, EUR 25.00 released.")
        salon.expect(
            tab,
            # The fee can be contested for two weeks, which this story does not wait for.
            status="canceled" if fee else "closed",
            payment_state="paid" if fee else "none",
            money=Money(held=2500, captured=fee, released=2500 - fee),
            ledger={"fees_income": -1500, "stripe_balance": 1500} if fee else {},
        )


def long_review(stack: Stack, say: Say) -> None:
    """A hold about to expire during a long review"""
    atelier = Business(stack, say, name="Atelier Nord", review_window_s=9 * 24 * 3600)
    finn = atelier.customer("Finn")
    starts_at = stack.now() + stack.span(hours=20)
    tab = atelier.staff.post(
        "/tabs",
        {
            "customer_id": finn.customer_id,
            "title": "Portrait session",
            "expected_outcome": "Three prints you would hang up",
            "estimate_minor": 12000,
            "deposit_minor": 5000,
            "no_show_fee_minor": 5000,
            "starts_at": iso(starts_at),
        },
    )
    payment = finn.accept_promise(tab)["payment"]
    finn.phone.pay(payment)
    tab = atelier.travel(tab, starts_at)
    say(f"Atelier Nord holds EUR 50.00 of Finn's for {tab['tab_id']}: {payment['payment_id']}.")
    atelier.staff.post(f"/tabs/{tab['tab_id']}/check_in")
    atelier.staff.post(
        f"/tabs/{tab['tab_id']}/items", {"items": [{"description": "Portrait session", "unit_price_minor": 12000}]}
    )
    atelier.staff.post(f"/tabs/{tab['tab_id']}/complete")
    tab = atelier.tab(tab)
    say(f"The bill of EUR 120.00 is his to review until {tab['review_ends_at']}; the hold does not last that long.")
    tab = atelier.travel(tab, stack.now() + stack.span(days=6))
    say("A day before the hold expires EUR 50.00 are captured, as the promise disclosed; the review goes on.")
    atelier.expect(
        tab,
        status="in_review",
        payment_state="partly_paid",
        money=Money(held=5000, captured=5000),
        ledger={"service_revenue": -12000, "stripe_balance": 5000, "customer_receivable": 7000},
    )
    tab = atelier.travel(tab, stack.now() + stack.span(days=4))
    say(
        "Finn says nothing. His window ends, and as he agreed the balance of EUR 70.00 is charged: "
        + tab["legs"][1]["payment_id"]
    )
    atelier.expect(
        tab,
        status="closed",
        payment_state="paid",
        money=Money(held=5000, captured=5000, charged=7000),
        ledger={"service_revenue": -12000, "stripe_balance": 12000},
    )


STORIES: tuple[Story, ...] = (
    *(walk_in, handed_a_token, appointment, no_show, cancellations, long_review),
    *ROUGH_STORIES,
    week_of_followup,
    outage,
    paid_from_the_mail,
    three_friends,
    regular,
    consultant,
    scanned_coins,
)

NEED_THE_LOCAL_SERVER: dict[Story, str] = {
    cancellations: "an hour of free cancelling goes by",
    appointment: "three weeks go by",
    no_show: "a fee is taken a day after it was announced, and can be contested for two weeks",
    long_review: "a hold comes near its end, in the bank's time",
    unpaid: "reminders and retries are a minute apart at least",
    disputed: "the bank takes nine days",
    outage: "a till is down for three days",
    week_of_followup: "a week goes by",
    paid_from_the_mail: "its mail is read in the local outbox",
    three_friends: "a share waits for a day",
    scanned_coins: "a browser opens its pages on the local server",
    regular: "two months go by",
}
"""The stories that need the local server: its clock, for the part that takes longer than a minute, or its outbox."""
