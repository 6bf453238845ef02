"""Stories of trust that is earned: a regular whose deposit falls away, and a consultant paid by the outcome."""

from __future__ import annotations

from typing import Any

from devstack.books import Money
from devstack.stack import Stack
from devstack.stories.business import Business, Customer, Say, StoryFailed, iso


def regular(stack: Stack, say: Say) -> None:
    """A regular whose deposit falls away, and who pays a part with credit"""
    standing = {"known_visits": 1, "trusted_visits": 3, "trusted_over_days": 30}
    salon = Business(stack, say, name="Salon Iris", standing=standing, credits={"rate_basis_points": 500})
    gina = salon.customer("Gina")
    say("Salon Iris asks for a deposit of EUR 20.00, and trusts whoever comes and pays: half of it after one visit,")
    say("nothing after three within more than a month. A paid visit earns 5 % of it, to be spent two weeks later.")
    for number, deposit_minor in enumerate((2000, 1000, 1000), start=1):
        tab = _booked(salon, gina, deposit_minor)
        _served(salon, gina, tab)
        gina.api.post(f"/tabs/{tab['tab_id']}/accept_bill")
        say(
            f"Visit {number}, {tab['tab_id']}: EUR {deposit_minor / 100:.2f} held, the bill of EUR 60.00 paid, "
            "EUR 3.00 earned."
        )
        salon.expect(
            tab,
            status="closed",
            payment_state="paid",
            money=Money(held=deposit_minor, captured=deposit_minor, charged=6000 - deposit_minor),
            ledger={
                "service_revenue": -6000,
                "stripe_balance": 6000,
                "loyalty_expense": 300,
                "customer_credit": -300,
            },
        )
        salon.travel(tab, stack.now() + stack.span(days=20))
    tab = _booked(salon, gina, 0)
    (reason,) = gina.api.get(f"/customers/{gina.customer_id}/standing")["reasons"]
    say(f"The fourth, {tab['tab_id']}: no deposit at all, and Gina can read why: {reason['text']}.")
    _served(salon, gina, tab)
    account = gina.api.get(f"/customers/{gina.customer_id}/credits")["account"]
    if account["active_minor"] != 900:
        raise StoryFailed(f"Gina can spend {account['active_minor']}, not 900")
    asked = {"mode": "on_session", "credit_minor": 900}
    gina.phone.pay(gina.api.post(f"/tabs/{tab['tab_id']}/charges", asked)["payment"])
    say("Gina pays EUR 9.00 of it with what her visits have earned, and EUR 51.00 on her phone. That earns EUR 2.55.")
    salon.expect(
        tab,
        status="closed",
        payment_state="paid",
        money=Money(charged=5100),
        ledger={"service_revenue": -6000, "stripe_balance": 5100, "loyalty_expense": 255, "customer_credit": 645},
    )
    left = gina.api.get(f"/customers/{gina.customer_id}/credits")["account"]
    if (left["active_minor"], left["pending_minor"]) != (0, 255):
        raise StoryFailed(
            f"Gina has {left['active_minor']} to spend and {left['pending_minor']} to come, not 0 and 255"
        )


def _booked(salon: Business, gina: Customer, deposit_minor: int) -> dict[str, Any]:
    """A cut tomorrow, for which a deposit of EUR 20.00 is wanted and `deposit_minor` is asked."""
    tab = salon.staff.post(
        "/tabs",
        {
            "customer_id": gina.customer_id,
            "title": "Cut",
            "expected_outcome": "A cut you like",
            "estimate_minor": 6000,
            "cap_minor": 7000,
            "deposit_minor": 2000,
            "no_show_fee_minor": 2000,
            "starts_at": iso(salon.stack.now() + salon.stack.span(hours=26)),
        },
    )
    if tab["promise"]["deposit_minor"] != deposit_minor:
        raise StoryFailed(f"the deposit is {tab['promise']['deposit_minor']}, not {deposit_minor}")
    payment = gina.accept_promise(tab)["payment"]
    if payment is not None:
        gina.phone.pay(payment)
    return salon.tab(tab)


def _served(salon: Business, gina: Customer, tab: dict[str, Any]) -> None:
    salon.travel(tab, salon.stack.now() + salon.stack.span(hours=26))
    path = f"/tabs/{tab['tab_id']}"
    salon.staff.post(f"{path}/check_in")
    salon.staff.post(f"{path}/items", {"items": [{"description": "Cut", "unit_price_minor": 6000}]})
    salon.staff.post(f"{path}/complete")


def consultant(stack: Stack, say: Say) -> None:
    """A consultant, paid 80 % by agreement"""
    office = Business(stack, say, name="Beratung Falk")
    hugo = office.customer("Hugo")
    tiers = [
        {"percent": 100, "measure": "The site is live by 1 March."},
        {"percent": 80, "measure": "The site is live by 15 March."},
        {"percent": 50, "measure": "The site is live in April."},
    ]
    tab = office.staff.post(
        "/tabs",
        {
            "customer_id": hugo.customer_id,
            "title": "New website",
            "expected_outcome": "A site that sells, live by 1 March",
            "estimate_minor": 520_000,
            "cap_minor": 550_000,
            "tiers": tiers,
            "silence_percent": 80,
        },
    )
    say(f"Falk promises Hugo a website, {tab['tab_id']}: 100 % if it is live by 1 March, 80 % by 15 March, 50 % later.")
    hugo.accept_promise(tab)
    hugo.save_card(tab)
    say("Hugo agrees: if he says nothing, 80 % are paid. Hosting is paid whole, whatever the outcome.")
    path = f"/tabs/{tab['tab_id']}"
    items = [
        {"description": "Website", "unit_price_minor": 500_000, "tax_basis_points": 1900},
        {"description": "Hosting, a year", "unit_price_minor": 20_000, "tax_basis_points": 1900, "material": True},
    ]
    office.staff.post(f"{path}/items", {"items": items})
    office.staff.post(f"{path}/complete")
    prices = [price["total_minor"] for price in office.tab(tab)["tier_prices"]]
    if prices != [520_000, 420_000, 270_000]:
        raise StoryFailed(f"the outcomes cost {prices}")
    say("It went live on 9 March. The bill asks Hugo which outcome it was: EUR 5,200.00, 4,200.00 or 2,700.00.")
    office.expect_messages(tab, "bill_presented")
    hugo.api.post(f"{path}/choose_tier", {"percent": 80})
    say("He says 80 %, as it was. Nobody has to argue, and Falk is told:")
    office.expect_messages(tab, "tier_chosen")
    hugo.api.post(f"{path}/accept_bill")
    say("He accepts, and his saved card pays EUR 4,200.00: 80 % of the website, and the hosting.")
    office.expect(
        tab,
        status="closed",
        payment_state="paid",
        money=Money(charged=420_000),
        ledger={"service_revenue": -352_941, "tax": -67_059, "stripe_balance": 420_000},
    )
