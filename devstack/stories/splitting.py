"""The story of a bill that three friends split: one pays with a tip, one lets it lie, and the host pays the rest."""

from __future__ import annotations

from devstack.api import Api
from devstack.books import Money
from devstack.invariants import check_split
from devstack.phone import Phone
from devstack.stack import Stack
from devstack.stories.business import Business, Say, StoryFailed, wait_for_morning


def three_friends(stack: Stack, say: Say) -> None:
    """Three friends split a bill: two pay their shares, one lets it lie, and it comes back to the host"""
    wait_for_morning(stack)
    tavern = Business(stack, say, name="Osteria Blu")
    mara = tavern.customer("Mara")
    mara.api.put(f"/customers/{mara.customer_id}/contact", {"name": "Mara", "email": "mara@example.com"})
    new = {"title": "Table 7", "expected_outcome": "An evening you enjoy", "estimate_minor": 9500, "cap_minor": 11000}
    tab = tavern.staff.post("/tabs", {"customer_id": mara.customer_id, **new})
    mara.accept_promise(tab)
    mara.save_card(tab)
    path = f"/tabs/{tab['tab_id']}"
    dishes = {"Antipasti": 2200, "Three pizzas": 4300, "House wine": 3500}
    items = [
        {"description": name, "unit_price_minor": minor, "tax_basis_points": 1900} for name, minor in dishes.items()
    ]
    tavern.staff.post(f"{path}/items", {"items": items})
    tavern.staff.post(f"{path}/complete")
    say("Osteria Blu presents Mara's bill of EUR 100.00, within the EUR 110.00 that were promised at most.")
    tavern.expect_messages(tab, "bill_presented")
    made = mara.api.post(f"{path}/split", {"equally": 3})["shares"]
    amounts = [share["amount_minor"] for share in made]
    if amounts != [3334, 3333, 3333]:
        raise StoryFailed(f"the shares are {amounts}")
    say("She splits it in three: EUR 33.34, 33.33 and 33.33, each a tab of its own with a link and a QR code.")
    first, second, third = (_Friend(stack, tavern, share) for share in made)
    paid = first.pay(tip_minor=500)
    say(f"Ines scans the first and pays EUR 33.34 with a tip of EUR 5.00: {paid}.")
    say("Mara sees that this share is paid; the tip is theirs alone.")
    paid = second.pay()
    say(f"Jo pays the second, EUR 33.33 without a tip: {paid}.")
    states = [share["state"] for share in tavern.tab(tab)["shares"]]
    if states != ["paid", "paid", "open"]:
        raise StoryFailed(f"the shares are {states}")
    say("Kim has put the phone away. A share waits for a day, then what it owes is Mara's again, as it was before:")
    tavern.travel(third.tab, stack.now() + stack.span(hours=24))
    tab = tavern.travel(tab, stack.now() + stack.span(minutes=6))
    tavern.expect_messages(tab, "share_returned")
    say("She is told five minutes before anything is taken, and then her card is charged, as she agreed.")
    tab = tavern.travel(tab, stack.now() + stack.span(minutes=15))
    tavern.expect(
        tab,
        status="closed",
        payment_state="paid",
        money=Money(charged=3333),
        ledger={"service_revenue": -8403, "tax": -1597, "shares": 6667, "stripe_balance": 3333},
    )
    for friend, money, ledger in (
        (first, Money(charged=3834), {"shares": -3334, "tips": -500, "stripe_balance": 3834}),
        (second, Money(charged=3333), {"shares": -3333, "stripe_balance": 3333}),
        (third, Money(), {}),
    ):
        state = "paid" if money.charged else "none"
        tavern.expect(friend.tab, status="closed", payment_state=state, money=money, ledger=ledger)
    if wrong := check_split(tavern.tab(tab), [tavern.tab(friend.tab) for friend in (first, second, third)]):
        raise StoryFailed("; ".join(wrong))
    say("EUR 38.34 + 33.33 + 33.33: the bill of EUR 100.00 and the tip of EUR 5.00, each taken once.")


class _Friend:
    """Whoever has the link of a share. `tab`: the share."""

    def __init__(self, stack: Stack, business: Business, share: dict[str, str]) -> None:
        self.tab = share
        self._api = Api(stack.app, share["secret"], told=business.told)
        self._phone = Phone(stack.standin)

    def pay(self, *, tip_minor: int = 0) -> str:
        """The id of the payment."""
        asked = {"mode": "on_session", "tip_minor": tip_minor}
        payment = self._api.post(f"/tabs/{self.tab['tab_id']}/charges", asked)["payment"]
        self._phone.pay(payment)
        return str(payment["payment_id"])
