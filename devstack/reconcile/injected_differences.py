"""Injects every kind of difference between our books and Stripe's: over HTTP, in the dashboard, or in the table.

Each is a story in two parts: what was told by webhook and agreed on, then (after `yield`) what nobody told us of, and
the difference that it must be found as.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import boto3

from devstack.api import Api
from devstack.phone import Phone
from devstack.stack import SECRET_KEY, Stack
from devstack.stories.business import Business, Customer, hours, iso
from devstack.stories.problems import bank_says, pay, served

Tab = dict[str, Any]
MINUTES = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, order=True)
class Expected:
    """A difference that must be found. `whose`: the tab, or the merchant if no tab is concerned."""

    code: str
    whose: str
    repaired: bool


class Town:
    """A business, and the means to change things behind the app's back.

    `expected`: the injected differences. `splits`: bills with their shares.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.salon = Business(stack, lambda text: None, name="Salon Iris")
        self.expected: list[Expected] = []
        self.splits: list[tuple[Tab, list[Tab]]] = []
        self._guests = itertools.count(1)
        settings = stack.environment
        self._table = settings["AFTERTAB_TABLE"]
        self._rows = boto3.client(
            "dynamodb",
            endpoint_url=stack.aws_url,
            region_name=settings["AWS_REGION"],
            aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
        )

    def expect(self, whose: Tab | str, *codes: str, repaired: bool = False) -> None:
        name = whose if isinstance(whose, str) else whose["tab_id"]
        self.expected += [Expected(code, name, repaired) for code in codes]

    # Stories

    def customer(self, business: Business | None = None) -> Customer:
        """A customer under a reference of their own: a business has none twice."""
        return (business or self.salon).customer(f"Guest {next(self._guests)}")

    def paid(self, card: str = "pm_card_visa", business: Business | None = None) -> Tab:
        """A bill of 15.00, paid on the phone."""
        business = business or self.salon
        customer = self.customer(business)
        tab = served(business, customer, 1500)
        pay(business, customer, tab, card)
        return business.tab(tab)

    def held(self) -> Tab:
        """A booking for tomorrow with 20.00 held."""
        customer = self.customer()
        tab = self.salon.staff.post(
            "/tabs",
            {
                "customer_id": customer.customer_id,
                "title": "Colour",
                "expected_outcome": "A colour you like",
                "estimate_minor": 7000,
                "deposit_minor": 2000,
                "no_show_fee_minor": 2000,
                "starts_at": iso(self.stack.now() + hours(30)),
            },
        )
        customer.phone.pay(customer.accept_promise(tab, ["cap", "deposit_and_fees"])["payment"])
        return self.salon.tab(tab)

    def refunded(self) -> Tab:
        tab = self.paid()
        self.salon.staff.post(f"/tabs/{tab['tab_id']}/refunds", {"amount_minor": 500, "reason": "cold"})
        return self.salon.tab(tab)

    def split(self) -> tuple[Tab, list[Guest]]:
        """A bill of 15.00 in shares of 10.00 and 5.00: the bill, and who has the shares' links."""
        host = self.customer()
        bill = served(self.salon, host, 1500)
        made = host.api.post(f"/tabs/{bill['tab_id']}/split", {"amounts_minor": [1000, 500]})["shares"]
        guests = [Guest(self, share["tab_id"], share["secret"]) for share in made]
        self.splits.append((bill, [guest.share for guest in guests]))
        return bill, guests

    # Stripe's dashboard

    def in_dashboard(self, path: str, *, account: str | None = None, **fields: Any) -> Any:
        given = {name: str(value) for name, value in fields.items()}
        headers = {"Authorization": f"Bearer {SECRET_KEY}"} | ({"Stripe-Account": account} if account else {})
        return self.stack.standin.post_form(f"/v1/{path}", given, headers=headers)

    def pay_in_dashboard(
        self, amount: int, *, currency: str = "eur", account: str | None = None, **metadata: str
    ) -> Any:
        named = {f"metadata[{name}]": value for name, value in metadata.items()}
        how = {"payment_method": "pm_card_visa", "confirm": "true", "return_url": "https://example.test"}
        return self.in_dashboard("payment_intents", account=account, amount=amount, currency=currency, **how, **named)

    def connect(self, account: str) -> None:
        """A business whose payments are made in its own connected account."""
        operator = Api(self.stack.app, self.stack.issuer.token("operator"))
        operator.post("/merchants", {"name": "Spa Nord", "currency": "EUR", "account": account})

    def at_stripe(self, path: str, **query: str) -> Any:
        return self.stack.standin.get(f"/v1/{path}", headers={"Authorization": f"Bearer {SECRET_KEY}"}, **query)

    def control(self, what: str, /, **body: Any) -> Any:
        return self.stack.standin.post(f"/_control/{what}", body)

    # The table's rows

    def _key(self, pk: str, sk: str) -> dict[str, Any]:
        return {"pk": {"S": pk}, "sk": {"S": sk}}

    def _of(self, tab: Tab) -> str:
        return f"TAB#{tab['merchant_id']}#{tab['tab_id']}"

    def rows(self, tab: Tab) -> list[str]:
        """The sort keys of all rows of the tab."""
        found = self._rows.query(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": self._of(tab)}},
        )
        return [item["sk"]["S"] for item in found["Items"]]

    def delete(self, tab: Tab, prefix: str) -> None:
        """The tab's rows of this kind."""
        for sk in self.rows(tab):
            if sk.startswith(prefix):
                self.delete_row(self._of(tab), sk)

    def delete_row(self, pk: str, sk: str = "-") -> None:
        self._rows.delete_item(TableName=self._table, Key=self._key(pk, sk))

    def edit(self, tab: Tab, part: str, change: Callable[[Any], None]) -> None:
        """Somebody edits a part of the snapshot, which is JSON, in the console."""
        self._edit_row(self._of(tab), "STATE", lambda snapshot: change(snapshot[part]))

    def point_elsewhere(self, object_id: str) -> None:
        self._edit_row(f"STRIPE#platform#{object_id}", "-", lambda pointer: pointer.update(tab_id="tab_" + "0" * 26))

    def _edit_row(self, pk: str, sk: str, change: Callable[[Any], None]) -> None:
        item = self._rows.get_item(TableName=self._table, Key=self._key(pk, sk))["Item"]
        contents = json.loads(item["data"]["S"])
        change(contents)
        self._rows.put_item(TableName=self._table, Item={**item, "data": {"S": json.dumps(contents)}})


class Guest:
    """Whoever has the link of a share. `share`: the share, as it was when it was made."""

    def __init__(self, town: Town, tab_id: str, secret: str) -> None:
        self._town = town
        self._api = Api(town.stack.app, secret, told=town.salon.told)
        self.share: Tab = town.salon.staff.get(f"/tabs/{tab_id}")

    def pay(self, tip_minor: int = 0) -> None:
        """On the phone; whether a webhook tells of it is the town's matter."""
        asked = {"mode": "on_session", "tip_minor": tip_minor}
        Phone(self._town.stack.standin).pay(self._api.post(f"/tabs/{self.share['tab_id']}/charges", asked)["payment"])

    def paid(self) -> Tab:
        """The share once it is paid, with a tip of 1.00, and the webhook has come."""
        self.pay(100)
        return self._town.salon.tab(self.share)


Injection = Callable[[Town], Iterator[None]]


def leg(tab: Tab) -> str:
    payment_id: str = tab["legs"][0]["payment_id"]
    return payment_id


def hold(tab: Tab) -> str:
    payment_id: str = tab["holds"][0]["payment_id"]
    return payment_id


def ours(tab: Tab, attempt_id: str) -> dict[str, str]:
    """Our metadata, as anybody can copy it."""
    names = {"app": "aftertab", "stage": "dev", "merchant": tab["merchant_id"], "tab": tab["tab_id"]}
    return {**names, "attempt": attempt_id, "purpose": "charge"}


# What news explains


def answer_lost(town: Town) -> Iterator[None]:
    """A charge is made, its answer lost, and no webhook comes."""
    customer = town.customer()
    tab = served(town.salon, customer, 1500, card="pm_card_visa")
    yield
    # The SDK asks again once, under the same key.
    town.control("faults", kind="lost_reset", method="POST", path="/v1/payment_intents", count=2)
    customer.api.post(f"/tabs/{tab['tab_id']}/accept_bill")
    town.expect(tab, "outcome_not_recorded", repaired=True)


def paid_unheard(town: Town) -> Iterator[None]:
    """The customer pays on the phone, and no webhook comes."""
    customer = town.customer()
    tab = served(town.salon, customer, 1500)
    yield
    customer.phone.pay(customer.api.post(f"/tabs/{tab['tab_id']}/charges", {"mode": "on_session"})["payment"])
    town.expect(tab, "outcome_not_recorded", repaired=True)


def share_paid_unheard(town: Town) -> Iterator[None]:
    """Both guests of a bill pay their shares; of one nobody tells us. It is that share's, and the bill hears of it."""
    _, (one, other) = town.split()
    other.paid()
    yield
    one.pay(100)
    town.expect(one.share, "outcome_not_recorded", repaired=True)


def share_refunded_in_dashboard(town: Town) -> Iterator[None]:
    """The share that was refunded owes again, and not the bill that it is of."""
    _, (one, _) = town.split()
    share = one.paid()
    yield
    town.in_dashboard("refunds", payment_intent=leg(share), amount=300)
    town.expect(share, "refund_past_us", repaired=True)


def bill_named_for_a_share(town: Town) -> Iterator[None]:
    """A payment made by hand with a share's attempt and the bill's id: the bill knows of no such attempt."""
    bill, (one, _) = town.split()
    share = one.paid()
    yield
    made = town.at_stripe(f"payment_intents/{leg(share)}")
    town.pay_in_dashboard(1000, **{**made["metadata"], "tab": bill["tab_id"]})
    town.expect(bill, "attempt_missing")


def share_ledger_edited(town: Town) -> Iterator[None]:
    _, (one, _) = town.split()
    share = one.paid()
    yield
    town.edit(share, "balances", lambda balances: balances.update(shares=-999))
    town.expect(share, "ledger_wrong")


def confirmed_later(town: Town) -> Iterator[None]:
    """A charge is declined and given up; somebody confirms it in the dashboard with another card."""
    customer = town.customer()
    tab = served(town.salon, customer, 1500, card="pm_card_visa")
    bank_says(town.stack, tab, "insufficient_funds")
    customer.api.post(f"/tabs/{tab['tab_id']}/accept_bill")
    yield
    (made,) = [
        payment
        for payment in town.at_stripe("payment_intents", limit="100")["data"]
        if payment["metadata"].get("tab") == tab["tab_id"]
    ]
    town.in_dashboard(
        f"payment_intents/{made['id']}/confirm", payment_method="pm_card_visa", return_url="https://example.test"
    )
    town.expect(tab, "effect_after_end", repaired=True)


def captured_in_dashboard(town: Town) -> Iterator[None]:
    tab = town.held()
    yield
    town.in_dashboard(f"payment_intents/{hold(tab)}/capture", amount_to_capture=700)
    town.expect(tab, "captured_past_us", repaired=True)


def released_in_dashboard(town: Town) -> Iterator[None]:
    tab = town.held()
    yield
    town.in_dashboard(f"payment_intents/{hold(tab)}/cancel")
    town.expect(tab, "hold_ended", repaired=True)


def refunded_in_dashboard(town: Town) -> Iterator[None]:
    tab = town.paid()
    yield
    town.in_dashboard("refunds", payment_intent=leg(tab), amount=500)
    town.expect(tab, "refund_past_us", repaired=True)


def refund_fails(town: Town) -> Iterator[None]:
    tab = town.refunded()
    yield
    (refund,) = town.at_stripe("refunds", payment_intent=leg(tab))["data"]
    town.control("refunds/settle", refund=refund["id"], outcome="fail")
    town.expect(tab, "refund_changed", repaired=True)


def dispute_unheard(town: Town) -> Iterator[None]:
    tab = town.paid()
    yield
    town.control("disputes", payment_intent=leg(tab))
    town.expect(tab, "dispute_not_recorded", repaired=True)


def dispute_lost(town: Town) -> Iterator[None]:
    tab = town.paid("pm_card_createDispute")
    yield
    (dispute,) = town.at_stripe("disputes", payment_intent=leg(tab))["data"]
    town.control("disputes/decide", dispute=dispute["id"], outcome="lost")
    town.expect(tab, "dispute_changed", repaired=True)


def card_unheard(town: Town) -> Iterator[None]:
    """A card is saved at Stripe, and no webhook comes: the bill would never be charged."""
    customer = town.customer()
    tab = town.salon.staff.post(
        "/tabs",
        {
            "customer_id": customer.customer_id,
            "title": "Colour",
            "expected_outcome": "A colour you like",
            "estimate_minor": 7000,
        },
    )
    customer.accept_promise(tab)
    yield
    customer.save_card(tab)
    town.expect(tab, "event_missed", repaired=True)


def pointer_deleted(town: Town) -> Iterator[None]:
    tab = town.paid()
    yield
    town.delete_row(f"STRIPE#platform#{leg(tab)}")
    town.expect(tab, "pointer_missing", repaired=True)


def nobody_sweeps(town: Town) -> Iterator[None]:
    """The review window has ended more than an hour ago, and the schedule did not come."""
    hasty = Business(town.stack, lambda text: None, name="Imbiss Eck", review_window_s=3600)
    tab = served(hasty, hasty.customer("Ben"), 1500, card="pm_card_visa")
    yield
    town.expect(tab, "overdue", repaired=True)


# What nobody can explain


def snapshot_deleted(town: Town) -> Iterator[None]:
    tab = town.paid()
    yield
    town.delete(tab, "STATE")
    town.expect(tab, "tab_missing")


def all_rows_deleted(town: Town) -> Iterator[None]:
    tab = town.paid()
    yield
    town.delete(tab, "")
    town.expect(tab, "tab_missing")


def merchant_deleted(town: Town) -> Iterator[None]:
    shop = Business(town.stack, lambda text: None, name="Closed for good")
    town.paid(business=shop)
    yield
    town.delete_row("MERCHANTS", shop.merchant_id)
    town.expect(shop.merchant_id, "merchant_missing")


def metadata_copied(town: Town) -> Iterator[None]:
    """A payment made by hand, with our metadata and an attempt that was never made."""
    tab = town.paid()
    yield
    town.pay_in_dashboard(900, **ours(tab, "att_" + "0" * 26))
    town.expect(tab, "attempt_missing")


def paid_in_another_account(town: Town) -> Iterator[None]:
    """The owner of a connected account puts our metadata on a payment to themselves."""
    theirs = town.in_dashboard("accounts", type="standard", country="DE")["id"]
    town.connect(theirs)
    tab = town.paid()
    yield
    town.pay_in_dashboard(1500, account=theirs, **ours(tab, "att_" + "0" * 26))
    town.expect(tab, "account_differs")


def paid_in_another_currency(town: Town) -> Iterator[None]:
    """1500 yen with our metadata for a bill of 15.00 euros."""
    tab = town.paid()
    yield
    town.pay_in_dashboard(1500, currency="jpy", **ours(tab, "att_" + "0" * 26))
    town.expect(tab, "currency_differs")


def made_twice(town: Town) -> Iterator[None]:
    """Two payments with the metadata of one attempt."""
    tab = town.paid()
    yield
    made = town.at_stripe(f"payment_intents/{leg(tab)}")
    town.pay_in_dashboard(1500, **made["metadata"])
    town.expect(tab, "made_twice")


def payment_unknown_there(town: Town) -> Iterator[None]:
    """The tab waits for a payment that Stripe has never heard of."""
    customer = town.customer()
    tab = served(town.salon, customer, 1500)
    yield
    customer.api.post(f"/tabs/{tab['tab_id']}/charges", {"mode": "on_session"})
    town.edit(tab, "attempts", lambda attempts: attempts[0].update(payment_id="pi_of_another_account"))
    town.expect(tab, "object_missing")


def amount_edited(town: Town) -> Iterator[None]:
    tab = town.held()
    yield
    town.edit(tab, "holds", lambda holds: holds[0].update(amount_minor=1999))
    town.expect(tab, "amount_differs")


def dispute_edited(town: Town) -> Iterator[None]:
    tab = town.paid("pm_card_createDispute")
    yield
    town.edit(tab, "legs", lambda legs: legs[0]["disputes"][0].update(state="won"))
    town.expect(tab, "state_differs")


def another_dispute(town: Town) -> Iterator[None]:
    """The tab follows a dispute that does not exist, and not the one that does.

    The withdrawal was posted under the wrong dispute, and is not posted twice: whose it is, a person must say.
    """
    tab = town.paid("pm_card_createDispute")
    yield
    town.edit(tab, "legs", lambda legs: legs[0]["disputes"][0].update(dispute_id="du_other"))
    town.expect(tab, "object_missing", "dispute_changed")
    town.expect(tab, "dispute_not_recorded", repaired=True)


def hold_forgotten(town: Town) -> Iterator[None]:
    """For us the hold is released; at Stripe the customer's money is held."""
    tab = town.held()
    yield
    town.edit(tab, "holds", lambda holds: holds[0].update(state="released"))
    town.expect(tab, "hold_still_live")


def pointer_turned(town: Town) -> Iterator[None]:
    tab = town.paid()
    yield
    town.point_elsewhere(leg(tab))
    town.expect(tab, "pointer_elsewhere")


def history_deleted(town: Town) -> Iterator[None]:
    tab = town.paid()
    yield
    town.delete(tab, "ENTRY#00000001")
    town.expect(tab, "record_missing")


def attempt_deleted(town: Town) -> Iterator[None]:
    """The payment on the tab names an attempt that is not there any more, and the history that it was begun."""
    tab = town.paid()
    yield
    town.delete(tab, "ATTEMPT#")
    town.expect(tab, "attempt_missing", "record_missing")


def fact_deleted(town: Town) -> Iterator[None]:
    tab = town.paid()
    yield
    town.delete(tab, f"FACT#{leg(tab)}")
    town.expect(tab, "record_missing")


def ledger_edited(town: Town) -> Iterator[None]:
    tab = town.paid()
    yield
    town.edit(tab, "balances", lambda balances: balances.update(stripe_balance=1400))
    town.expect(tab, "ledger_wrong")


INJECTIONS: tuple[Injection, ...] = (
    nobody_sweeps,
    answer_lost,
    paid_unheard,
    share_paid_unheard,
    share_refunded_in_dashboard,
    bill_named_for_a_share,
    share_ledger_edited,
    confirmed_later,
    captured_in_dashboard,
    released_in_dashboard,
    refunded_in_dashboard,
    refund_fails,
    dispute_unheard,
    dispute_lost,
    card_unheard,
    pointer_deleted,
    snapshot_deleted,
    all_rows_deleted,
    merchant_deleted,
    metadata_copied,
    paid_in_another_account,
    paid_in_another_currency,
    made_twice,
    payment_unknown_there,
    amount_edited,
    dispute_edited,
    another_dispute,
    hold_forgotten,
    pointer_turned,
    history_deleted,
    attempt_deleted,
    fact_deleted,
    ledger_edited,
)

FOREIGN = 2
"""Payments of somebody else's in the same account."""


def inject(town: Town, *, told: Callable[[str], None] = lambda what: None) -> list[Tab]:
    """Play every story, then what nobody hears of; the tabs that are as they should be."""
    stories = [injection(town) for injection in INJECTIONS]
    for story in stories:
        next(story)
    clean = [town.paid(), town.held(), town.refunded(), town.paid("pm_card_createDispute")]
    bill, (one, other) = town.split()
    clean += [bill, one.paid(), other.share]
    town.stack.sweep()
    told(f"{len(stories) + len(clean)} stories are told, and both books agree")
    town.stack.move_clock(town.stack.now() + timedelta(hours=2, minutes=5))
    town.control("faults", kind="webhook_lose")
    for story in stories:
        for _ in story:
            raise AssertionError("a story has two parts")
    for _ in range(FOREIGN):
        town.pay_in_dashboard(4200)
    town.stack.standin.checked("DELETE", "/_control/faults", None)
    town.stack.move_clock(town.stack.now() + 20 * MINUTES)
    return clean
