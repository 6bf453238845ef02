"""Bad input, kind by kind: a stable code, the right 4xx, and nothing changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.adapters.memory_store import MemoryStore
from chalicelib.handlers.api.operations import MAXIMUM_BODY_BYTES, all_operations
from chalicelib.ports.store import TabStore

from .world import EVERYTHING, Caller, Shop, World, booking, sign


@pytest.fixture
def ana(shop: Shop) -> Caller:
    return shop.customer()


@pytest.fixture
def tab(shop: Shop, ana: Caller) -> dict[str, Any]:
    """Open, accepted up to a cap of 40.00, with one line of 10.00."""
    opened = shop.open(ana, 4000)
    shop.agree(ana, opened, ["cap"])
    return shop.add(opened, 1000)


@pytest.fixture
def guest(shop: Shop) -> Caller:
    return shop.link(shop.open(shop.customer("Bob"), 4000))


@pytest.fixture
def at_the_table(world: World, shop: Shop) -> Caller:
    """A guest with a numbered token."""
    (token,) = shop.owner.post("/v1/tokens", {"first": 1, "count": 1}).ok(201)["tokens"]
    shop.open(shop.customer("Carl"), 4000, token=1)
    return world.guest(token["secret"])


@pytest.fixture(autouse=True)
def nothing_changed(store: TabStore, tab: dict[str, Any], guest: Caller, at_the_table: Caller) -> Iterator[None]:
    """Whatever a test of this file sends, the store is the same afterwards: tabs, records, everything in it."""
    assert isinstance(store, MemoryStore)
    before = everything(store)
    yield
    assert everything(store) == before


def everything(store: MemoryStore) -> dict[str, Any]:
    return {name: value.copy() for name, value in vars(store).items() if hasattr(value, "copy")}


def new_tab(ana: Caller, **changed: Any) -> dict[str, Any]:
    body = {
        "customer_id": ana.customer_id,
        "title": "Cut",
        "expected_outcome": "Hair cut.",
        "estimate_minor": 4000,
        **changed,
    }
    return {name: value for name, value in body.items() if value is not ...}


NEW_TABS: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "unknown field": ({"discount": 1}, "invalid_input", "discount"),
    "missing field": ({"title": ...}, "invalid_input", "title"),
    "null for a string": ({"title": None}, "invalid_input", "title"),
    "number for a string": ({"title": 5}, "invalid_input", "title"),
    "empty string": ({"title": ""}, "invalid_input", "title"),
    "nothing to read": ({"title": " \n "}, "invalid_input", "title"),
    "control character": ({"title": "Cut\x00"}, "invalid_input", "title"),
    "too long": ({"title": "x" * 121}, "invalid_input", "title"),
    "string for an amount": ({"estimate_minor": "4000"}, "invalid_input", "estimate_minor"),
    "float for an amount": ({"estimate_minor": 4000.5}, "invalid_input", "estimate_minor"),
    "bool for an amount": ({"estimate_minor": True}, "invalid_input", "estimate_minor"),
    "null for an amount": ({"estimate_minor": None}, "invalid_input", "estimate_minor"),
    "negative amount": ({"estimate_minor": -1}, "invalid_input", "estimate_minor"),
    "amount above what JSON can say": ({"estimate_minor": 2**64}, "invalid_input", "estimate_minor"),
    "amount above what a card can pay": ({"estimate_minor": 10**8}, "amount_too_large", None),
    "estimate above the cap": ({"cap_minor": 3999}, "invalid_input", None),
    "deposit below the minimum": ({"deposit_minor": 49}, "amount_below_minimum", None),
    "fee below the minimum": (
        {"no_show_fee_minor": 49, "starts_at": "2026-01-06T09:00:00Z"},
        "amount_below_minimum",
        None,
    ),
    "fee without a booking": ({"no_show_fee_minor": 500}, "invalid_input", None),
    "another currency": ({"currency": "USD"}, "currency_mismatch", None),
    "no currency": ({"currency": "EURO"}, "invalid_input", "currency"),
    "no instant": ({"starts_at": "tomorrow"}, "invalid_input", "starts_at"),
    "instant without a zone": ({"starts_at": "2026-01-06T09:00:00"}, "invalid_input", "starts_at"),
    "start in the past": ({"starts_at": "2026-01-05T08:59:59Z"}, "invalid_input", None),
    "start too far ahead": ({"starts_at": "2036-01-05T09:00:00Z"}, "invalid_input", None),
    "start before time began": ({"starts_at": "0001-01-01T00:00:00+14:00"}, "invalid_input", "starts_at"),
    "too many limits": ({"limits": ["no bleach"] * 21}, "invalid_input", "limits"),
    "a limit of another type": ({"limits": ["no bleach", 3]}, "invalid_input", "limits[1]"),
    "an id that is none": ({"customer_id": "cus/1"}, "invalid_input", "customer_id"),
}


@pytest.mark.parametrize("kind", NEW_TABS)
def test_a_tab_that_can_not_be_opened(shop: Shop, ana: Caller, kind: str) -> None:
    """Each kind of wrong value is a 422 with its code, and names the field where the request itself is wrong."""
    changed, code, field = NEW_TABS[kind]

    found = shop.staff.post("/v1/tabs", new_tab(ana, **changed)).problem(422, code)

    assert field is None or found["field"] == field
    assert field is None or field in found["detail"]


def test_an_unknown_customer_is_not_found(shop: Shop, ana: Caller) -> None:
    """A tab for a customer nobody knows is a 404."""
    shop.staff.post("/v1/tabs", new_tab(ana, customer_id="cus_nobody")).problem(404, "not_found")


LINES: dict[str, tuple[Any, int, str, str | None]] = {
    "no lines": ([], 422, "invalid_input", "items"),
    "51 lines": ([{"description": "x", "unit_price_minor": 1}] * 51, 422, "invalid_input", "items"),
    "no list": ({"description": "x", "unit_price_minor": 1}, 422, "invalid_input", "items"),
    "unknown field": (
        [{"description": "x", "unit_price_minor": 1, "vat": 1}],
        422,
        "invalid_input",
        "items[0].vat",
    ),
    "negative price": (
        [{"description": "x", "unit_price_minor": -1}],
        422,
        "invalid_input",
        "items[0].unit_price_minor",
    ),
    "quantity of zero": (
        [{"description": "x", "unit_price_minor": 1, "quantity": 0}],
        422,
        "invalid_input",
        "items[0].quantity",
    ),
    "quantity too high": (
        [{"description": "x", "unit_price_minor": 0, "quantity": 1001}],
        422,
        "invalid_input",
        "items[0].quantity",
    ),
    "tax above 100 %": (
        [{"description": "x", "unit_price_minor": 1, "tax_basis_points": 10001}],
        422,
        "invalid_input",
        "items[0].tax_basis_points",
    ),
    "the second of two is wrong": (
        [{"description": "x", "unit_price_minor": 1}, {"description": "", "unit_price_minor": 1}],
        422,
        "invalid_input",
        "items[1].description",
    ),
    "over the cap": ([{"description": "x", "unit_price_minor": 3001}], 409, "cap_exceeded", None),
    "over the cap by quantity": (
        [{"description": "x", "unit_price_minor": 1001, "quantity": 3}],
        409,
        "cap_exceeded",
        None,
    ),
}


@pytest.mark.parametrize("kind", LINES)
def test_lines_that_can_not_be_added(shop: Shop, tab: dict[str, Any], kind: str) -> None:
    """Wrong lines, or lines over the cap, are refused whole: none of them is on the bill."""
    lines, status, code, field = LINES[kind]

    found = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/items", {"items": lines}).problem(status, code)

    assert field is None or found["field"] == field


BODIES: dict[str, bytes] = {
    "no body": b"",
    "spaces": b"  ",
    "text": b"title=Cut",
    "half": b'{"title": "Cut"',
    "two values": b'{"title": "Cut"}{}',
    "trailing comma": b'{"title": "Cut",}',
    "NaN": b'{"estimate_minor": NaN}',
    "no UTF-8": b'{"title": "\xff"}',
    "lone surrogate": b'{"title": "\\ud800"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "wrong before broken": b'{"title": 5, "estimate_minor": }',
    "nested without end": b'{"title": ' + b"[" * 60_000,
}


@pytest.mark.parametrize("kind", BODIES)
def test_bodies_that_are_not_json(shop: Shop, kind: str) -> None:
    """What is not JSON is a 400, also where a wrong value comes before the point at which it breaks."""
    shop.staff.send("POST", "/v1/tabs", BODIES[kind]).problem(400, "body_not_json")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"tab"', b"7", b"true"])
def test_json_that_is_no_object(shop: Shop, body: bytes) -> None:
    """JSON of another kind than an object is a 422."""
    shop.staff.send("POST", "/v1/tabs", body).problem(422, "invalid_input")


def test_a_body_that_is_too_large(shop: Shop) -> None:
    """One byte above the limit is a 413, whatever is in it."""
    shop.staff.send("POST", "/v1/tabs", b" " * (MAXIMUM_BODY_BYTES + 1)).problem(413, "body_too_large")


def test_another_content_type(shop: Shop, ana: Caller) -> None:
    """A body that calls itself a form is a 415, as problem+json like all the others."""
    answer = shop.staff.post("/v1/tabs", new_tab(ana), content_type="application/x-www-form-urlencoded")

    answer.problem(415, "unsupported_media_type")


def test_a_method_that_the_route_does_not_have(shop: Shop, tab: dict[str, Any]) -> None:
    """DELETE on a tab is a 405 that says what is allowed."""
    answer = shop.staff.send("DELETE", f"/v1/tabs/{tab['tab_id']}")

    answer.problem(405, "method_not_allowed")
    assert answer.header("Allow") == "GET"


def test_a_route_that_does_not_exist(shop: Shop) -> None:
    """Unknown routes are answered by the gateway, before us: a 404 of the usual shape, with a token and without."""
    shop.staff.get("/v1/nothing").problem(404, "not_found")
    shop.world.stranger.get("/v1/nothing").problem(404, "not_found")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "HEAD", "PATCH", "PUT"])
def test_every_method_is_answered(shop: Shop, tab: dict[str, Any], method: str) -> None:
    """Whatever HTTP knows and the path does not have is a 405, with a token or without."""
    shop.staff.send(method, f"/v1/tabs/{tab['tab_id']}").problem(405, "method_not_allowed")
    shop.world.stranger.send(method, f"/v1/tabs/{tab['tab_id']}").problem(405, "method_not_allowed")


def test_a_body_that_the_gateway_does_not_take(shop: Shop) -> None:
    """Ten megabytes are refused before anybody has read them, with the same code."""
    shop.staff.send("POST", "/v1/tabs", b" " * 10_000_001).problem(413, "body_too_large")


WRITES = [operation for operation in all_operations().values() if operation.writes]


def test_every_write_wants_an_idempotency_key(
    world: World, shop: Shop, ana: Caller, guest: Caller, at_the_table: Caller, tab: dict[str, Any]
) -> None:
    """Without the header every write is a 400; with one that is no key, too."""
    for operation in WRITES:
        ids = {
            "tab_id": tab["tab_id"],
            "item_id": "itm_1",
            "dispute_id": "du_1",
            "customer_id": ana.customer_id,
            "link_id": "lnk_1",
            "endpoint_id": "end_1",
            "notice_id": "not_1",
            "number": 1,
        }
        path = operation.path.format(**ids)
        role = sorted(operation.roles)[0]
        callers = {"customer": ana, "guest": guest, "owner": shop.owner, "operator": world.operator}
        caller = at_the_table if operation.for_token else callers[role]
        caller.send(operation.method, path, {}, headers={"idempotency_key": ""}).problem(400, "idempotency_key_missing")
        for wrong in ("k" * 256, "two words", "schlüssel"):
            caller.send(operation.method, path, {}, key=wrong).problem(400, "bad_request")


QUERIES = {
    "neither": "",
    "both": "?status=open&customer_id=cus_1",
    "unknown parameter": "?status=open&page=2",
    "unknown status": "?status=happy",
    "given twice": "?status=open&status=due",
    "limit of zero": "?status=open&limit=0",
    "limit too high": "?status=open&limit=101",
    "no number": "?status=open&limit=ten",
    "negative limit": "?status=open&limit=-1",
    "limit in other digits": "?status=open&limit=%D9%A1",
    "empty limit": "?status=open&limit=",
    "a customer_id that is none": "?customer_id=cus%23STATE",
    "an endless customer_id": "?customer_id=" + "c" * 65,
    "a span that ends too early": "?status=open&opened_since=2026-05-02T00:00:00Z&opened_until=2000-01-01T00:00:00Z",
    "a span of no time": "?status=open&opened_since=2026-05-02T00:00:00Z&opened_until=2026-05-02T00:00:00Z",
    "empty cursor": "?status=open&cursor=",
    "endless cursor": "?status=open&cursor=" + "a" * 600,
}


@pytest.mark.parametrize("kind", QUERIES)
def test_queries_that_can_not_be_answered(shop: Shop, kind: str) -> None:
    """A wrong listing is a 422."""
    shop.staff.get(f"/v1/tabs{QUERIES[kind]}").problem(422, "invalid_input")


def test_unknown_query_parameters_are_refused_everywhere(shop: Shop, tab: dict[str, Any]) -> None:
    """A parameter that an operation does not know is a 422, reading or writing."""
    shop.staff.get(f"/v1/tabs/{tab['tab_id']}?expand=all").problem(422, "invalid_input")
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/complete?force=1").problem(422, "invalid_input")


STALE: dict[str, Any] = {
    "propose_promise": {"cap_minor": 5000},
    "items": {"items": [{"description": "x", "unit_price_minor": 1}]},
    "complete": {},
    "cancel": {},
    "check_in": {},
}


@pytest.mark.parametrize("verb", STALE)
def test_a_stale_version_is_refused(shop: Shop, tab: dict[str, Any], verb: str) -> None:
    """If-Match with an older version is a 412 that says which one stands, whatever the command."""
    stale = f'"{tab["version"] - 1}"'

    found = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/{verb}", STALE[verb], if_match=stale)

    assert found.problem(412, "stale_version")["version"] == tab["version"]


@pytest.mark.parametrize("header", ["3", '"x"', 'W/"3"', '"3", "4"', '""', '"-1"', '"03"'])
def test_an_if_match_that_is_no_version(shop: Shop, tab: dict[str, Any], header: str) -> None:
    """What is not an ETag of ours is a 400: better than to pass over what the caller relies on."""
    answer = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/complete", if_match=header)

    answer.problem(400, "bad_request")


def test_an_id_that_leads_nowhere(shop: Shop) -> None:
    """An unknown id is a 404, for reading and writing."""
    shop.staff.get("/v1/tabs/tab_nowhere").problem(404, "not_found")
    shop.staff.post("/v1/tabs/tab_nowhere/complete").problem(404, "not_found")


@pytest.mark.parametrize("tab_id", ["%20", "a" * 65, "tab_1%00", "..", "tab%23STATE", "ü", "a" * 3000])
def test_what_can_be_no_id_never_becomes_a_key(world: World, shop: Shop, tab_id: str) -> None:
    """What has not the shape of an id is a 404 before the store is asked."""
    staff = shop.staff
    bootstrap.use(replace(world.deps, store=cast(TabStore, None)))

    staff.get(f"/v1/tabs/{tab_id}").problem(404, "not_found")
    staff.post(f"/v1/tabs/{tab_id}/complete").problem(404, "not_found")


def test_an_unknown_item(shop: Shop, tab: dict[str, Any]) -> None:
    """Voiding a line that is not on the tab is a 404."""
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/items/itm_nowhere/void").problem(404, "not_found")


AGREEMENTS: dict[str, tuple[dict[str, Any], int, str]] = {
    "other words": ({"promise_sha256": "a" * 64}, 409, "promise_changed"),
    "upper case": ({"promise_sha256": "A" * 64}, 422, "invalid_input"),
    "no hash": ({"promise_sha256": "yes"}, 422, "invalid_input"),
    "hash and a line break": ({"promise_sha256": "a" * 63 + "\n"}, 422, "invalid_input"),
    "unknown consent": ({"consents": ["cap", "everything"]}, 422, "invalid_input"),
    "cap not consented": ({"consents": ["deposit_and_fees"]}, 422, "invalid_input"),
    "deposit not consented": ({"consents": ["cap"]}, 422, "invalid_input"),
    "card without its words": ({"consents": EVERYTHING}, 422, "invalid_input"),
}


class TestAgreements:
    @pytest.fixture
    def tab(self, shop: Shop, ana: Caller) -> dict[str, Any]:
        """A booking with a deposit that nobody has agreed to."""
        return booking(shop, ana, hours=24)

    @pytest.mark.parametrize("kind", AGREEMENTS)
    def test_what_is_no_agreement(self, ana: Caller, tab: dict[str, Any], kind: str) -> None:
        """A wrong hash or a missing consent seals nothing."""
        changed, status, code = AGREEMENTS[kind]
        body = {
            "promise_sha256": tab["promise"]["promise_sha256"],
            "consents": ["cap", "deposit_and_fees"],
            **changed,
        }

        ana.post(f"/v1/tabs/{tab['tab_id']}/accept_promise", body).problem(status, code)

    def test_staff_can_not_consent_for_the_card(self, shop: Shop, tab: dict[str, Any]) -> None:
        """In person, consent to charges without the customer can't be recorded by staff."""
        body = {
            "promise_sha256": tab["promise"]["promise_sha256"],
            "consents": EVERYTHING,
            "card_terms_sha256": "a" * 64,
        }

        shop.staff.post(f"/v1/tabs/{tab['tab_id']}/accept_promise", body).problem(422, "invalid_input")

    @pytest.mark.parametrize(
        ("verb", "body"),
        [
            ("items", {"items": [{"description": "x", "unit_price_minor": 1}]}),
            ("complete", {}),
            ("accept_bill", {}),
            ("charges", {"mode": "on_session"}),
            ("no_show", {}),
            ("waive", {"reason": "No."}),
        ],
    )
    def test_what_a_booking_does_not_have(
        self, shop: Shop, ana: Caller, tab: dict[str, Any], verb: str, body: dict[str, Any]
    ) -> None:
        """Transitions that the table does not have are a 409, for a booking …"""
        caller = ana if verb in ("accept_bill", "charges") else shop.staff

        found = caller.post(f"/v1/tabs/{tab['tab_id']}/{verb}", body).problem(409, "transition_refused")

        assert found["tab_status"] == "booked"


@pytest.mark.parametrize(
    ("verb", "body", "by_customer"),
    [
        ("check_in", {}, False),
        ("no_show", {}, False),
        ("cancel", {}, False),
        ("waive", {"reason": "No."}, False),
        ("accept_promise", {"promise_sha256": "a" * 64, "consents": ["cap"]}, False),
        ("accept_bill", {}, True),
        ("charges", {"mode": "on_session"}, True),
        ("charges", {"mode": "off_session"}, False),
    ],
)
def test_what_an_open_tab_does_not_have(
    shop: Shop, ana: Caller, tab: dict[str, Any], verb: str, body: dict[str, Any], by_customer: bool
) -> None:
    """… and for an open tab with a line on it."""
    caller = ana if by_customer else shop.staff

    found = caller.post(f"/v1/tabs/{tab['tab_id']}/{verb}", body).problem(409, "transition_refused")

    assert found["tab_status"] == "open"


class TestInReview:
    @pytest.fixture
    def tab(self, shop: Shop, ana: Caller) -> dict[str, Any]:
        """A bill of 40.00 under review; nothing agreed, no card."""
        return shop.complete(shop.open(ana, 4000), 4000)

    @pytest.mark.parametrize(
        ("tip_minor", "code"), [(-1, "invalid_input"), (10**8, "amount_too_large"), ("1", "invalid_input")]
    )
    def test_tips_that_can_not_be_given(self, ana: Caller, tab: dict[str, Any], tip_minor: object, code: str) -> None:
        """A tip is an amount like any other."""
        ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill", {"tip_minor": tip_minor}).problem(422, code)

    def test_only_the_customer_pays_on_the_phone(self, shop: Shop, tab: dict[str, Any]) -> None:
        """Staff can't start a payment that is the customer's to confirm."""
        answer = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "on_session"})

        answer.problem(403, "forbidden")

    def test_no_card_no_charge(self, shop: Shop, ana: Caller, tab: dict[str, Any]) -> None:
        """Off-session there must be a saved card, whoever asks."""
        for caller in (ana, shop.staff):
            answer = caller.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": "off_session"})
            answer.problem(409, "no_saved_card")

    @pytest.mark.parametrize("mode", ["cash", "", None, 1])
    def test_other_ways_to_pay(self, ana: Caller, tab: dict[str, Any], mode: object) -> None:
        """A mode that is none is a 422."""
        found = ana.post(f"/v1/tabs/{tab['tab_id']}/charges", {"mode": mode}).problem(422, "invalid_input")

        assert found["field"] == "mode"


class TestInDinars:
    @pytest.fixture
    def shop(self, world: World) -> Shop:
        return world.shop("KWD")

    @pytest.mark.parametrize("name", ["estimate_minor", "cap_minor", "deposit_minor"])
    def test_terms_off_the_step(self, shop: Shop, ana: Caller, name: str) -> None:
        """In dinars the last digit is 0, for every amount that is promised …"""
        shop.staff.post("/v1/tabs", new_tab(ana, **{name: 4005})).problem(422, "amount_off_step")

    def test_prices_off_the_step(self, shop: Shop, tab: dict[str, Any]) -> None:
        """… and for every price."""
        body = {"items": [{"description": "x", "unit_price_minor": 105}]}

        shop.staff.post(f"/v1/tabs/{tab['tab_id']}/items", body).problem(422, "amount_off_step")


MERCHANTS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown currency": ({"currency": "XXX"}, "unknown_currency"),
    "currency in lower case": ({"currency": "eur"}, "unknown_currency"),
    "unknown payout currency": ({"settlement_currency": "XXX"}, "unknown_currency"),
    "unknown policy": ({"policy": {"surge": 2}}, "invalid_input"),
    "margin below a day": ({"policy": {"hold_margin_s": 3600}}, "invalid_input"),
    "hold window too long": ({"policy": {"hold_window_s": 30 * 24 * 3600}}, "invalid_input"),
    "negative window": ({"policy": {"review_window_s": -1}}, "invalid_input"),
    "unknown action": ({"policy": {"hold_expiry_action": "keep"}}, "invalid_input"),
    "an account that is none": ({"account": "acct 1"}, "invalid_input"),
    "no name": ({"name": ""}, "invalid_input"),
}


@pytest.mark.parametrize("kind", MERCHANTS)
def test_merchants_that_can_not_be_created(world: World, kind: str) -> None:
    """A merchant in a currency nobody can pay, or with rules that can't be kept, is a 422."""
    changed, code = MERCHANTS[kind]

    world.operator.post("/v1/merchants", {"name": "Salon", "currency": "EUR", **changed}).problem(422, code)


def test_a_policy_that_can_not_be_kept(shop: Shop) -> None:
    """The owner's policy has the same bounds."""
    shop.owner.put("/v1/merchant/policy", {"hold_margin_s": 3600}).problem(422, "invalid_input")


SIGNATURES = {
    "none": "",
    "empty": "t=,v1=",
    "rubbish": "rubbish",
    "another secret": sign(b"{}", secret="whsec_other"),
    "another body": sign(b'{"id": "evt_1"}'),
    "too old": sign(b"{}", at=0),
}


@pytest.mark.parametrize("kind", SIGNATURES)
def test_bad_signatures(world: World, kind: str) -> None:
    """A webhook without a good, recent signature over its very bytes is a 400."""
    world.webhook(b"{}", stripe_signature=SIGNATURES[kind]).problem(400, "bad_signature")


@pytest.mark.parametrize("payload", [b"", b"not json", b"\xff\xfe", b"[]", b"{}", b"null", b'{"id": 5, "type": []}'])
def test_signed_rubbish(world: World, payload: bytes) -> None:
    """What is signed but no event is a 400 as well, never a 500."""
    world.webhook(payload).problem(400, "bad_signature")
