"""Bad input to the routes of a presented bill, kind by kind: a stable code, the right 4xx, and nothing changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.ports.store import TabStore

from .test_bad_input import everything
from .world import Caller, Shop, World, billed, booking, paid

VERBS: dict[str, dict[str, Any]] = {
    "amend": {},
    "contest": {"reason": "Too dear."},
    "resolve": {"resolution": "uphold", "reason": "As agreed."},
    "adjust": {"reduction_minor": 1000, "reason": "It faded."},
    "refunds": {"reason": "It faded."},
    "retry_refund": {},
    "refund_elsewhere": {"amount_minor": 1000, "how": "bank_transfer", "reference": "Transfer 7"},
    "resolve_flag": {"flag_id": "flg_nowhere", "note": "Seen to."},
    "cash": {"amount_minor": 1000},
    "tip": {"tip_minor": 500},
    "write_off": {"reason": "Moved away."},
    "pause_followup": {"reason": "Away for a month."},
    "resume_followup": {},
    "send_reminder": {},
}
"""Each with a body that is right in itself."""
BY_CUSTOMER = {"contest", "tip"}


@pytest.fixture
def ana(shop: Shop) -> Caller:
    return shop.customer()


@pytest.fixture
def tab(shop: Shop, ana: Caller) -> dict[str, Any]:
    """A bill of 80.00 under review."""
    return billed(shop, ana, 8000)


@pytest.fixture(autouse=True)
def nothing_changed(store: TabStore, tab: dict[str, Any], world: World) -> Iterator[None]:
    """Whatever a test of this file sends, the store is the same afterwards, and nobody is told of anything."""
    assert isinstance(store, MemoryStore)
    world.said()
    before = everything(store)
    yield
    assert everything(store) == before
    assert world.said() == []


def sender(shop: Shop, ana: Caller, verb: str) -> Caller:
    return ana if verb in BY_CUSTOMER else shop.owner


def send(shop: Shop, ana: Caller, tab: dict[str, Any], verb: str, body: Any, **headers: str) -> Any:
    return sender(shop, ana, verb).post(f"/v1/tabs/{tab['tab_id']}/{verb}", body, **headers)


# What is wrong in itself

BODIES: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "amend: unknown field": ("amend", {"reason": "x"}, "reason"),
    "contest: unknown field": ("contest", {"reason": "x", "photo": "y"}, "photo"),
    "contest: no reason": ("contest", {}, "reason"),
    "contest: reason of another type": ("contest", {"reason": 5}, "reason"),
    "contest: empty reason": ("contest", {"reason": ""}, "reason"),
    "contest: nothing to read": ("contest", {"reason": " \n"}, "reason"),
    "contest: endless reason": ("contest", {"reason": "x" * 501}, "reason"),
    "contest: control character": ("contest", {"reason": "x\x00"}, "reason"),
    "contest: negative": ("contest", {"reason": "x", "contested_minor": -1}, "contested_minor"),
    "contest: text for an amount": ("contest", {"reason": "x", "contested_minor": "100"}, "contested_minor"),
    "contest: float for an amount": ("contest", {"reason": "x", "contested_minor": 100.5}, "contested_minor"),
    "contest: bool for an amount": ("contest", {"reason": "x", "contested_minor": True}, "contested_minor"),
    "contest: more than JSON can say": ("contest", {"reason": "x", "contested_minor": 2**64}, "contested_minor"),
    "contest: nothing": ("contest", {"reason": "x", "contested_minor": 0}, None),
    "contest: more than the bill": ("contest", {"reason": "x", "contested_minor": 8001}, None),
    "resolve: unknown field": ("resolve", {"resolution": "uphold", "reason": "x", "by": "me"}, "by"),
    "resolve: no resolution": ("resolve", {"reason": "x"}, "resolution"),
    "resolve: unknown resolution": ("resolve", {"resolution": "ignore", "reason": "x"}, "resolution"),
    "resolve: no reason": ("resolve", {"resolution": "uphold"}, "reason"),
    "resolve: negative": (
        "resolve", {"resolution": "adjust", "reason": "x", "reduction_minor": -1}, "reduction_minor"
    ),
    "adjust: unknown field": ("adjust", {"reduction_minor": 1, "reason": "x", "currency": "EUR"}, "currency"),
    "adjust: no amount": ("adjust", {"reason": "x"}, "reduction_minor"),
    "adjust: no reason": ("adjust", {"reduction_minor": 1}, "reason"),
    "adjust: null": ("adjust", {"reduction_minor": None, "reason": "x"}, "reduction_minor"),
    "adjust: negative": ("adjust", {"reduction_minor": -1, "reason": "x"}, "reduction_minor"),
    "adjust: nothing": ("adjust", {"reduction_minor": 0, "reason": "x"}, None),
    "adjust: more than the bill": ("adjust", {"reduction_minor": 8001, "reason": "x"}, None),
    "refund: unknown field": ("refunds", {"reason": "x", "payment_id": "pi_1"}, "payment_id"),
    "refund: no reason": ("refunds", {"amount_minor": 100}, "reason"),
    "refund: negative": ("refunds", {"amount_minor": -1, "reason": "x"}, "amount_minor"),
    "refund: text": ("refunds", {"amount_minor": "all", "reason": "x"}, "amount_minor"),
    "cash: unknown field": ("cash", {"amount_minor": 100, "given_minor": 200}, "given_minor"),
    "cash: no amount": ("cash", {}, "amount_minor"),
    "cash: negative": ("cash", {"amount_minor": -100}, "amount_minor"),
    "cash: float": ("cash", {"amount_minor": 1.5}, "amount_minor"),
    "cash: nothing": ("cash", {"amount_minor": 0}, None),
    "cash: more than is owed": ("cash", {"amount_minor": 8001}, None),
    "tip: unknown field": ("tip", {"tip_minor": 100, "to": "Bea"}, "to"),
    "tip: no amount": ("tip", {}, "tip_minor"),
    "tip: negative": ("tip", {"tip_minor": -1}, "tip_minor"),
    "tip: text": ("tip", {"tip_minor": "5 %"}, "tip_minor"),
    "elsewhere: no reference": (
        "refund_elsewhere", {"amount_minor": 1, "how": "cash"}, "reference",
    ),
    "elsewhere: by pigeon": (
        "refund_elsewhere", {"amount_minor": 1, "how": "pigeon", "reference": "7"}, "how",
    ),
    "elsewhere: a fraction": (
        "refund_elsewhere", {"amount_minor": 1.5, "how": "cash", "reference": "7"}, "amount_minor",
    ),
    "flag: no note": ("resolve_flag", {"flag_id": "flg_1"}, "note"),
    "flag: no id": ("resolve_flag", {"note": "Seen to."}, "flag_id"),
    "write-off: unknown field": ("write_off", {"reason": "x", "amount_minor": 1}, "amount_minor"),
    "write-off: no reason": ("write_off", {}, "reason"),
    "write-off: empty reason": ("write_off", {"reason": ""}, "reason"),
    "pause: no reason": ("pause_followup", {}, "reason"),
    "pause: endless reason": ("pause_followup", {"reason": "x" * 1001}, "reason"),
    "pause: no instant": ("pause_followup", {"reason": "x", "until": "tomorrow"}, "until"),
    "pause: a day without a time": ("pause_followup", {"reason": "x", "until": "2030-01-01"}, "until"),
    "pause: until a time gone by": ("pause_followup", {"reason": "x", "until": "2020-01-01T00:00:00Z"}, "until"),
    "pause: for decades": ("pause_followup", {"reason": "x", "until": "2090-01-01T00:00:00Z"}, "until"),
    "accept: rating of 0": ("accept_bill", {"rating": 0}, "rating"),
    "accept: rating of 6": ("accept_bill", {"rating": 6}, "rating"),
    "accept: half a star": ("accept_bill", {"rating": 4.5}, "rating"),
    "accept: rating in words": ("accept_bill", {"rating": "good"}, "rating"),
    "accept: comment without a rating": ("accept_bill", {"comment": "Nice."}, "rating"),
    "accept: endless comment": ("accept_bill", {"rating": 5, "comment": "x" * 1001}, "comment"),
    "accept: control character": ("accept_bill", {"rating": 5, "comment": "\x1b[2J"}, "comment"),
    "accept: comment of another type": ("accept_bill", {"rating": 5, "comment": ["Nice."]}, "comment"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BODIES)
def test_a_request_that_is_wrong_in_itself(shop: Shop, ana: Caller, tab: dict[str, Any], kind: str) -> None:
    """Each kind of wrong value is a 422, and names the field where the request itself is wrong."""
    verb, body, field = BODIES[kind]
    caller = ana if verb == "accept_bill" else sender(shop, ana, verb)

    found = caller.post(f"/v1/tabs/{tab['tab_id']}/{verb}", body).problem(422, "invalid_input")

    assert found.get("field") == field


@pytest.mark.parametrize(
    ("verb", "field"), [("contest", "contested_minor"), ("adjust", "reduction_minor"), ("cash", "amount_minor")]
)
def test_amounts_no_card_can_pay(shop: Shop, ana: Caller, tab: dict[str, Any], verb: str, field: str) -> None:
    """An amount above what can be paid at all is told as such."""
    send(shop, ana, tab, verb, {**VERBS[verb], field: 10**8}).problem(422, "amount_too_large")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("body", [b"{", b"reason=x", b"\xff"])
def test_what_is_not_json(shop: Shop, ana: Caller, tab: dict[str, Any], verb: str, body: bytes) -> None:
    """What is not JSON is a 400."""
    path = f"/v1/tabs/{tab['tab_id']}/{verb}"
    sender(shop, ana, verb).send("POST", path, body).problem(400, "body_not_json")


# Who, which, and which version


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_tab(shop: Shop, ana: Caller, verb: str) -> None:
    """A tab nobody knows is a 404, whatever is asked of it."""
    send(shop, ana, {"tab_id": "tab_nowhere"}, verb, VERBS[verb]).problem(404, "not_found")


@pytest.mark.parametrize("what", ["timeline", "agenda"])
def test_an_unknown_tab_has_no_history(shop: Shop, ana: Caller, what: str) -> None:
    """Neither timeline nor agenda of a tab that is not there, or is another customer's."""
    shop.staff.get(f"/v1/tabs/tab_nowhere/{what}").problem(404, "not_found")


def test_an_unknown_customer_has_no_card(shop: Shop) -> None:
    """Removing the card of a customer nobody knows is a 404."""
    shop.staff.post("/v1/customers/cus_nowhere/remove_card").problem(404, "not_found")
    shop.staff.post("/v1/customers/cus_nowhere/remove_card", {"card": 1}).problem(422, "invalid_input")


@pytest.mark.parametrize("verb", VERBS)
def test_a_stale_version(shop: Shop, ana: Caller, tab: dict[str, Any], verb: str) -> None:
    """If-Match with an older version is a 412 that says which one stands."""
    stale = f'"{tab["version"] - 1}"'

    answer = send(shop, ana, tab, verb, VERBS[verb], if_match=stale)

    assert answer.problem(412, "stale_version")["version"] == tab["version"]


@pytest.mark.parametrize("verb", VERBS)
def test_no_idempotency_key(shop: Shop, ana: Caller, tab: dict[str, Any], verb: str) -> None:
    """Without an Idempotency-Key it is a 400."""
    send(shop, ana, tab, verb, VERBS[verb], idempotency_key="").problem(400, "idempotency_key_missing")


def test_staff_give_nothing_up(shop: Shop, tab: dict[str, Any]) -> None:
    """Writing off is the owner's, and so is seeing to what a person must see to."""
    for verb in ("write_off", "retry_refund", "refund_elsewhere", "resolve_flag"):
        shop.staff.post(f"/v1/tabs/{tab['tab_id']}/{verb}", VERBS[verb]).problem(403, "forbidden")
    shop.staff.get("/v1/reports/receivables").problem(403, "forbidden")


def test_another_customer_of_the_same_merchant(world: World, shop: Shop, tab: dict[str, Any], store: TabStore) -> None:
    """Another customer finds neither the tab nor its history, and can't remove somebody else's card."""
    bob = world.caller("customer", merchant_id=shop.merchant_id, customer_id="cus_bob")

    for verb in sorted(BY_CUSTOMER):
        bob.post(f"/v1/tabs/{tab['tab_id']}/{verb}", VERBS[verb]).problem(404, "not_found")
    for what in ("timeline", "agenda"):
        bob.get(f"/v1/tabs/{tab['tab_id']}/{what}").problem(404, "not_found")
    bob.post(f"/v1/customers/{tab['customer_id']}/remove_card").problem(404, "not_found")


# What the table of transitions does not have

NOTHING_FAILED = {
    "retry_refund": "nothing_to_pay", "refund_elsewhere": "nothing_to_pay", "resolve_flag": "transition_refused",
}  # fmt: skip
REFUSED_IN: dict[str, dict[str, str]] = {
    "booked": dict.fromkeys(VERBS, "transition_refused") | NOTHING_FAILED | {"refunds": "nothing_to_pay"},
    "open": dict.fromkeys(VERBS, "transition_refused") | NOTHING_FAILED | {"refunds": "nothing_to_pay"},
    "in_review": NOTHING_FAILED | {
        "resolve": "transition_refused", "refunds": "nothing_to_pay", "tip": "transition_refused",
        "write_off": "transition_refused", "resume_followup": "transition_refused",
        "send_reminder": "transition_refused",
    },
    "due": NOTHING_FAILED | {
        "amend": "transition_refused", "resolve": "transition_refused", "refunds": "nothing_to_pay",
        "tip": "transition_refused", "resume_followup": "transition_refused",
    },
    "contested": NOTHING_FAILED | {
        "amend": "transition_refused", "contest": "transition_refused", "adjust": "transition_refused",
        "refunds": "nothing_to_pay", "cash": "transition_refused", "tip": "transition_refused",
        "write_off": "transition_refused", "resume_followup": "transition_refused",
        "send_reminder": "transition_refused",
    },
    "closed": NOTHING_FAILED | {
        "amend": "transition_refused", "contest": "transition_refused", "resolve": "transition_refused",
        "cash": "transition_refused", "write_off": "transition_refused",
        "pause_followup": "transition_refused", "resume_followup": "transition_refused",
        "send_reminder": "transition_refused",
    },
    "canceled": dict.fromkeys(VERBS, "transition_refused")
    | NOTHING_FAILED
    | dict.fromkeys(("refunds", "cash", "contest", "pause_followup", "send_reminder"), "nothing_to_pay"),
}  # fmt: skip


class TestTransitions:
    @pytest.fixture(params=REFUSED_IN)
    def tab(self, request: pytest.FixtureRequest, world: World, shop: Shop, ana: Caller) -> dict[str, Any]:
        """A tab in the status that the parameter names."""
        status = request.param
        if status in ("booked", "canceled"):
            made = booking(shop, ana, hours=24)
            if status == "canceled":
                # Something is still to be released, or it would be closed at once.
                world.confirm(shop.agree(ana, made)["payment"])
                world.deliver()
                world.control("faults", {"kind": "fail_before", "path": "/v1/payment_intents/{}/cancel", "status": 503})
                made = shop.staff.post(f"/v1/tabs/{made['tab_id']}/cancel").ok(202)
                world.http.delete(f"{world.base}/_control/faults")
        elif status == "open":
            made = shop.add(shop.open(ana, 8000), 8000)
        else:
            made = billed(shop, ana, 8000)
            if status == "due":
                world.move(hours=25)
            elif status == "contested":
                ana.post(f"/v1/tabs/{made['tab_id']}/contest", VERBS["contest"]).ok()
            elif status == "closed":
                paid(shop, ana, made)
                world.sweep()
        found = shop.seen(made)
        assert found["status"] == status
        return found

    def test_what_a_tab_does_not_have(self, shop: Shop, ana: Caller, tab: dict[str, Any]) -> None:
        """In each status what the table does not have is a 409 with its code, and `allowed_actions` agrees."""
        refused = REFUSED_IN[tab["status"]]
        names = {"refunds": "refund", "cash": "take_cash"}

        for verb, code in refused.items():
            send(shop, ana, tab, verb, VERBS[verb]).problem(409, code)

        allowed = {*shop.seen(tab, shop.owner)["allowed_actions"], *shop.seen(tab, ana)["allowed_actions"]}
        assert {names.get(verb, verb) for verb in VERBS if verb not in refused} <= allowed
        assert {names.get(verb, verb) for verb in refused}.isdisjoint(allowed)


class TestContested:
    @pytest.fixture
    def tab(self, shop: Shop, ana: Caller) -> dict[str, Any]:
        """80.00, contested."""
        made = billed(shop, ana, 8000)
        contested: dict[str, Any] = ana.post(f"/v1/tabs/{made['tab_id']}/contest", VERBS["contest"]).ok()
        return contested

    @pytest.mark.parametrize(
        "body",
        [
            {"resolution": "adjust"},
            {"resolution": "adjust", "reduction_minor": 0},
            {"resolution": "adjust", "reduction_minor": 8001},
            {"resolution": "uphold", "reduction_minor": 100},
            {"resolution": "waive", "reduction_minor": 100},
        ],
    )
    def test_resolutions_that_do_not_fit(self, shop: Shop, tab: dict[str, Any], body: dict[str, Any]) -> None:
        """Adjusting needs a figure within the bill; upholding and waiving take none."""
        answer = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/resolve", {"reason": "x", **body})

        answer.problem(422, "invalid_input")

    def test_nobody_charges_a_contested_bill(self, shop: Shop, ana: Caller, tab: dict[str, Any]) -> None:
        """While it is contested neither side can have the card charged, nor can it be accepted or forgiven past it."""
        path = f"/v1/tabs/{tab['tab_id']}"
        ana.post(f"{path}/charges", {"mode": "on_session"}).problem(409, "transition_refused")
        shop.staff.post(f"{path}/charges", {"mode": "off_session"}).problem(409, "transition_refused")
        ana.post(f"{path}/accept_bill").problem(409, "transition_refused")
        shop.staff.post(f"{path}/waive", {"reason": "x"}).problem(409, "transition_refused")


class TestPaid:
    @pytest.fixture
    def tab(self, world: World, shop: Shop, ana: Caller) -> dict[str, Any]:
        """80.00, paid on the phone, the receipt sent."""
        made = paid(shop, ana, billed(shop, ana, 8000))
        world.sweep()
        return shop.seen(made)

    @pytest.mark.parametrize(("amount_minor", "code"), [(0, "invalid_input"), (8001, "invalid_input")])
    def test_refunds_that_can_not_be_made(self, shop: Shop, tab: dict[str, Any], amount_minor: int, code: str) -> None:
        """At most what was taken, and something."""
        body = {"amount_minor": amount_minor, "reason": "x"}

        shop.staff.post(f"/v1/tabs/{tab['tab_id']}/refunds", body).problem(422, code)

    @pytest.mark.parametrize(
        ("tip_minor", "code"),
        [(0, "invalid_input"), (49, "amount_below_minimum"), (10**8, "amount_too_large")],
    )
    def test_tips_that_can_not_be_given(self, ana: Caller, tab: dict[str, Any], tip_minor: int, code: str) -> None:
        """A tip of its own is a card payment, and has its bounds."""
        ana.post(f"/v1/tabs/{tab['tab_id']}/tip", {"tip_minor": tip_minor}).problem(422, code)


class TestDisputed:
    @pytest.fixture
    def tab(self, world: World, shop: Shop, ana: Caller) -> dict[str, Any]:
        """80.00, paid, and disputed at once by the customer's bank."""
        made = paid(shop, ana, billed(shop, ana, 8000), "pm_card_createDispute")
        world.sweep()
        found = shop.seen(made)
        assert found["payment_state"] == "disputed"
        return found

    def test_a_disputed_payment_is_not_refunded(self, shop: Shop, tab: dict[str, Any]) -> None:
        """What the bank takes back can't be given back as well."""
        shop.staff.post(f"/v1/tabs/{tab['tab_id']}/refunds", {"reason": "x"}).problem(409, "transition_refused")


class TestInDinars:
    @pytest.fixture
    def shop(self, world: World) -> Shop:
        return world.shop("KWD")

    @pytest.mark.parametrize(
        ("verb", "field"), [("contest", "contested_minor"), ("adjust", "reduction_minor"), ("cash", "amount_minor")]
    )
    def test_amounts_off_the_step(self, shop: Shop, ana: Caller, tab: dict[str, Any], verb: str, field: str) -> None:
        """In dinars the last digit is 0, for every amount there is."""
        send(shop, ana, tab, verb, {**VERBS[verb], field: 1005}).problem(422, "amount_off_step")


class TestPaidInDinars:
    @pytest.fixture
    def shop(self, world: World) -> Shop:
        return world.shop("KWD")

    @pytest.fixture
    def tab(self, world: World, shop: Shop, ana: Caller) -> dict[str, Any]:
        made = paid(shop, ana, billed(shop, ana, 8000))
        world.sweep()
        return shop.seen(made)

    def test_amounts_off_the_step(self, shop: Shop, ana: Caller, tab: dict[str, Any]) -> None:
        """Refunds and tips, too."""
        body = {"amount_minor": 1005, "reason": "x"}
        shop.staff.post(f"/v1/tabs/{tab['tab_id']}/refunds", body).problem(422, "amount_off_step")
        ana.post(f"/v1/tabs/{tab['tab_id']}/tip", {"tip_minor": 1005}).problem(422, "amount_off_step")


# Queries

TIMELINES = {
    "unknown parameter": "?order=desc",
    "limit of zero": "?limit=0",
    "limit too high": "?limit=101",
    "no number": "?limit=ten",
    "empty cursor": "?cursor=",
    "endless cursor": "?cursor=" + "a" * 600,
    "given twice": "?limit=1&limit=2",
}


@pytest.mark.parametrize("kind", TIMELINES)
def test_timelines_that_can_not_be_read(shop: Shop, tab: dict[str, Any], kind: str) -> None:
    """A wrong page of a timeline is a 422."""
    shop.staff.get(f"/v1/tabs/{tab['tab_id']}/timeline{TIMELINES[kind]}").problem(422, "invalid_input")


@pytest.mark.parametrize("path", ["agenda", "reports"])
def test_parameters_that_nobody_knows(shop: Shop, tab: dict[str, Any], path: str) -> None:
    """Agenda and report take none."""
    where = {"agenda": f"/v1/tabs/{tab['tab_id']}/agenda", "reports": "/v1/reports/receivables"}[path]

    shop.owner.get(f"{where}?day=1").problem(422, "invalid_input")


# Policies

DAY_S = 24 * 3600
POLICIES: dict[str, dict[str, Any]] = {
    "a clock that upholds": {"contest_default": "uphold"},
    "negative deadline": {"contest_deadline_s": -1},
    "endless deadline": {"contest_deadline_s": 400 * DAY_S},
    "deadline in words": {"contest_deadline_s": "a week"},
    "reminders out of order": {"reminder_offsets_s": [3 * DAY_S, DAY_S]},
    "the same reminder twice": {"reminder_offsets_s": [DAY_S, DAY_S]},
    "too many reminders": {"reminder_offsets_s": [DAY_S * day for day in range(1, 12)]},
    "a reminder at once": {"reminder_offsets_s": [0]},
    "a reminder in years": {"reminder_offsets_s": [400 * DAY_S]},
    "reminders that are no list": {"reminder_offsets_s": DAY_S},
    "a reminder of another type": {"reminder_offsets_s": ["1d"]},
    "too many tries": {"retry_offsets_s": [DAY_S] * 4},
    "a try at once": {"retry_offsets_s": [0]},
    "unknown time zone": {"time_zone": "Europe/Atlantis"},
    "a folder of time zones": {"time_zone": "Europe"},
    "a path for a time zone": {"time_zone": "../../etc/passwd"},
    "an absolute path": {"time_zone": "/etc/localtime"},
    "no time zone": {"time_zone": ""},
    "a time zone and a line break": {"time_zone": "UTC\n"},
    "hour 24": {"quiet_from_hour": 24},
    "negative hour": {"quiet_until_hour": -1},
    "half an hour": {"quiet_from_hour": 21.5},
    "negative exposure": {"exposure_per_customer_minor": -1},
    "exposure beyond JSON": {"exposure_per_merchant_minor": 2**64},
    "exposure in words": {"exposure_per_merchant_minor": "none"},
}


@pytest.mark.parametrize("kind", POLICIES)
def test_policies_that_can_not_be_kept(world: World, shop: Shop, kind: str) -> None:
    """Follow-up, contests and limits have their bounds, for the owner and at a merchant's creation."""
    shop.owner.put("/v1/merchant/policy", POLICIES[kind]).problem(422, "invalid_input")
    body = {"name": "Salon", "currency": "EUR", "policy": POLICIES[kind]}
    world.operator.post("/v1/merchants", body).problem(422, "invalid_input")
