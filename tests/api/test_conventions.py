"""What all operations have in common for those who write an app: versions, mistakes, actions, listings, instants."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
import pytest

from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tab.actions import ROLES, Action
from chalicelib.domain.tab.status import PaymentState
from chalicelib.handlers.api import openapi, validation
from chalicelib.handlers.api.action_requests import REQUESTS
from chalicelib.handlers.api.operations import all_operations
from chalicelib.handlers.api.validation import EXPECTED, MOST_ERRORS

from .world import Caller, Shop, World, disputed


@pytest.fixture
def ana(shop: Shop) -> Caller:
    return shop.customer()


@pytest.fixture
def tab(shop: Shop, ana: Caller) -> dict[str, Any]:
    return shop.open(ana, 4000)


# Versions


def test_what_a_caller_has_is_not_sent_again(shop: Shop, ana: Caller, tab: dict[str, Any]) -> None:
    """A GET with the ETag of the last answer is a 304 without a body, in a list of tags and as a weak one too."""
    link = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/links", {"scope": "pay"}).ok(201)
    shop.staff.put(f"/v1/customers/{ana.customer_id}/contact", {"name": "Ana"}).ok()
    endpoint = shop.owner.post("/v1/endpoints", {"url": "https://till.example/"}).ok(201)["endpoint"]
    ids = {"tab_id": tab["tab_id"], "customer_id": ana.customer_id, "link_id": link["link"]["link_id"]}
    ids["endpoint_id"] = endpoint["endpoint_id"]
    ids["dispute_id"] = disputed(shop.world, tab["tab_id"], shop.merchant_id)

    tagged = [operation for operation in all_operations().values() if operation.method == "GET" and operation.tagged]
    assert len(tagged) >= 4
    for operation in tagged:
        path = operation.path.format_map(ids)
        first = shop.owner.get(path)
        tag = str(first.header("ETag"))
        assert first.status == 200
        for given in (tag, f'"1-00000000", W/{tag}', "*"):
            again = shop.owner.get(path, if_none_match=given)
            assert (again.status, again.raw, again.header("ETag")) == (304, b"", tag), operation.name
        assert shop.owner.get(path, if_none_match='"1-00000000"').status == 200


def test_another_caller_or_another_hour_has_another_tag(world: World, shop: Shop, ana: Caller) -> None:
    """The version is the same, and what may be done is not: an app that asks must learn of it."""
    tab = shop.open(ana, 4000, starts_at=world.in_(hours=1), no_show_fee_minor=1000)
    shop.agree(ana, tab)
    path = f"/v1/tabs/{tab['tab_id']}"
    before = shop.staff.get(path)

    assert ana.get(path).header("ETag") != before.header("ETag")
    world.control("clock", {"advance_seconds": 2 * 3600})
    after = shop.staff.get(path, if_none_match=str(before.header("ETag")))
    assert after.ok()["version"] == before.json["version"]
    assert "no_show" in after.json["allowed_actions"]
    assert "no_show" not in before.json["allowed_actions"]


# Mistakes


def test_all_mistakes_are_told_at_once(shop: Shop, tab: dict[str, Any]) -> None:
    """Each with its place as a JSON Pointer; the first is also the problem's `field`."""
    body = {
        "items": [
            {"description": "", "unit_price_minor": -1},
            {"description": "Cut", "quantity": 0, "unit_price_minor": 100},
            {"unit_price_minor": "x"},
            7,
        ],
        "no/such": 1,
    }

    found = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/items", body).problem(422, "invalid_input")

    assert [error["pointer"] for error in found["errors"]] == [
        "#/items/0/description",
        "#/items/0/unit_price_minor",
        "#/items/1/quantity",
        "#/items/2/description",
        "#/items/2/unit_price_minor",
        "#/items/3",
        "#/no~1such",
    ]
    assert all(error["detail"] for error in found["errors"])
    assert found["field"] == "items[0].description"
    assert "6 more" in found["detail"]


def test_a_text_of_another_form_is_told_what_is_expected_and_no_regular_expression() -> None:
    """Every pattern that a request has, in words with an example that it takes."""
    document = openapi.document()
    bodies = [
        document["paths"][operation.path][operation.method.lower()].get("requestBody")
        for operation in all_operations().values()
    ]
    assert patterns_of(bodies, document) == set(EXPECTED)
    for pattern, words in EXPECTED.items():
        wanted = msgspec.defstruct("Wanted", [("it", Annotated[str, msgspec.Meta(pattern=pattern)])])
        with pytest.raises(InvalidInput) as refused:
            validation.read(wanted, b'{"it": "\\u0000"}')
        assert (str(refused.value), "regex" in words, "^" in words) == (f"it: {words}", False, False)
        if " such as " in words:
            example = words.partition(" such as ")[2].removesuffix(".")
            assert re.search(pattern, example), (pattern, example)


def patterns_of(part: Any, document: Any) -> set[str]:
    """Every pattern in this part of the document, and in the schemas that it refers to."""
    if isinstance(part, list):
        return set().union(*(patterns_of(one, document) for one in part))
    if not isinstance(part, dict):
        return set()
    found = {part["pattern"]} if isinstance(part.get("pattern"), str) else set()
    if "$ref" in part:
        *_, kind, name = part["$ref"].split("/")
        found |= patterns_of(document["components"][kind][name], document)
    return found.union(*(patterns_of(inner, document) for inner in part.values()))


def test_there_is_an_end_to_mistakes(shop: Shop, tab: dict[str, Any]) -> None:
    """A body that is wrong everywhere gets a short answer."""
    body = {"items": [{}] * 50, **{f"field{n}": n for n in range(500)}}

    found = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/items", body).problem(422, "invalid_input")

    assert len(found["errors"]) == MOST_ERRORS


def test_mistakes_in_the_address_name_the_parameter(shop: Shop) -> None:
    """All of them, too."""
    found = shop.staff.get("/v1/tabs?status=lost&limit=0&colour=red&opened_since=monday").problem(422, "invalid_input")

    assert [error["parameter"] for error in found["errors"]] == ["colour", "limit", "opened_since", "status"]


def test_what_a_rule_refuses_has_a_place_too(shop: Shop, ana: Caller) -> None:
    """A single field that the domain refuses is told in the same shape."""
    tab = shop.complete(shop.open(ana, 4000), 4000)
    found = ana.post(f"/v1/tabs/{tab['tab_id']}/accept_bill", {"comment": "Nice."}).problem(422, "invalid_input")

    assert [error["pointer"] for error in found["errors"]] == ["#/rating"]


def test_a_whole_number_may_have_a_point(shop: Shop, ana: Caller, tab: dict[str, Any]) -> None:
    """JSON Schema calls 100.0 an integer, and so do we; 100.5 is none."""
    path = f"/v1/tabs/{tab['tab_id']}/items"

    added = shop.staff.send(
        "POST", path, b'{"items": [{"description": "Cut", "unit_price_minor": 100.0, "quantity": 2e0}]}'
    ).ok()
    assert (added["items"][0]["unit_price_minor"], added["items"][0]["quantity"]) == (100, 2)
    wrong = shop.staff.send("POST", path, b'{"items": [{"description": "Cut", "unit_price_minor": 100.5}]}')
    assert wrong.problem(422, "invalid_input")["errors"][0]["pointer"] == "#/items/0/unit_price_minor"


# Actions


def test_every_action_names_a_request_that_there_is() -> None:
    """Method and path are those of an operation, for no fewer roles than the action; its body is the operation's."""
    operations = {(operation.method, operation.path): operation for operation in all_operations().values()}

    assert set(REQUESTS) == set(Action)
    for action, request in REQUESTS.items():
        operation = operations[request.method, request.path]
        assert {role.value for role in ROLES[action]} & {"customer", "staff", "owner"} <= {
            role.value for role in operation.roles
        }
        assert set(request.body) <= set(operation.body.__struct_fields__)


def test_an_app_needs_no_map(shop: Shop, ana: Caller, tab: dict[str, Any]) -> None:
    """What a tab says that its caller may do can be sent as it stands there."""
    shop.agree(ana, tab)
    shop.complete(tab, 4000)
    found = ana.get(f"/v1/tabs/{tab['tab_id']}").ok()

    assert [action["action"] for action in found["actions"]] == found["allowed_actions"]
    (pay,) = (action for action in found["actions"] if action["action"] == "pay_on_phone")
    paid = ana.send(pay["method"], pay["path"], pay["body"]).ok()
    assert paid["payment"]["client_secret"]
    assert found["next_action"]["code"] in {"end_review", "remind"}


# Listings


def test_tabs_by_date_order_and_state_of_the_money(world: World, shop: Shop, ana: Caller) -> None:
    """Filters narrow the listing, the order can be turned, and a page goes on with the same filters only."""
    tabs = []
    for _ in range(3):
        tabs.append(shop.open(ana, 4000)["tab_id"])
        world.control("clock", {"advance_seconds": 60})
    since, path = world.in_(minutes=-2.5).replace("+00:00", "Z"), f"/v1/tabs?customer_id={ana.customer_id}"

    def ids(query: str) -> list[str]:
        return [line["tab_id"] for line in shop.staff.get(path + query).ok()["tabs"]]

    assert ids("") == tabs[::-1]
    assert ids("&order=oldest_first") == tabs
    assert ids(f"&opened_since={since}") == tabs[:0:-1]
    assert ids(f"&opened_until={since}") == tabs[:1]
    assert ids("&payment_state=none") == tabs[::-1]
    assert ids("&payment_state=paid") == []
    cursor = shop.staff.get(f"{path}&limit=1&order=oldest_first").ok()["next_cursor"]
    assert ids(f"&limit=1&order=oldest_first&cursor={cursor}") == [tabs[1]]
    for other in ("", "&order=newest_first", "&order=oldest_first&payment_state=none"):
        shop.staff.get(f"{path}&limit=1{other}&cursor={cursor}").problem(400, "bad_cursor")


@pytest.mark.parametrize("state", [None, *PaymentState])
def test_totals_are_the_sums_of_the_listing(shop: Shop, ana: Caller, state: PaymentState | None) -> None:
    """Count and sums of what the same filters list."""
    for price in (1000, 2000):
        shop.add(shop.open(ana, 4000), price)
    shop.complete(shop.open(ana, 4000), 3000)
    query = f"?customer_id={ana.customer_id}" + (f"&payment_state={state}" if state else "")

    lines = shop.staff.get(f"/v1/tabs{query}").ok()["tabs"]
    totals = shop.staff.get(f"/v1/reports/totals{query}").ok()

    assert totals.pop("count") == len(lines)
    assert totals.pop("is_complete")
    assert totals == {name: sum(line[name] for line in lines) for name in totals}


def test_tabs_by_who_opened_them(shop: Shop, ana: Caller) -> None:
    """Listed, counted and summed; customers neither ask nor are told."""
    theirs = {"customer_id": ana.customer_id, "title": "Cut", "expected_outcome": "Hair cut.", "estimate_minor": 4000}
    tabs = [shop.owner.post("/v1/tabs", theirs).ok(201)["tab_id"] for _ in range(2)]
    shop.add(shop.open(ana, 4000), 1000)
    shop.add({"tab_id": tabs[0]}, 2500)
    subject = shop.staff.get(f"/v1/tabs?customer_id={ana.customer_id}&order=oldest_first").ok()["tabs"][0]["opened_by"]
    path = f"?customer_id={ana.customer_id}&staff={subject}"

    listed = shop.owner.get(f"/v1/tabs{path}&order=oldest_first").ok()["tabs"]
    totals = shop.owner.get(f"/v1/reports/totals{path}").ok()

    assert [line["tab_id"] for line in listed] == tabs
    assert (totals["count"], totals["total_minor"]) == (2, 2500)
    assert shop.staff.get("/v1/tabs?status=open&staff=nobody").ok()["tabs"] == []
    ana.get(f"/v1/tabs?staff={subject}").problem(422, "invalid_input")
    assert {line["opened_by"] for line in ana.get("/v1/tabs").ok()["tabs"]} == {None}


# Instants


def test_instants_have_one_spelling(world: World, shop: Shop, ana: Caller) -> None:
    """UTC with Z, also in the details of the timeline and in refusals."""
    tab = shop.open(ana, 4000, starts_at=world.in_(hours=30), deposit_minor=1000, no_show_fee_minor=1000)
    shop.agree(ana, tab)
    shop.staff.post(f"/v1/tabs/{tab['tab_id']}/links", {"scope": "pay", "expires_at": world.in_(days=2)}).ok(201)
    too_early = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/no_show")
    too_early.problem(409, "transition_refused")
    texts = [shop.staff.get(f"/v1/tabs/{tab['tab_id']}{of}").raw.decode() for of in ("", "/timeline", "/agenda")]

    for text in (*texts, too_early.raw.decode()):
        assert re.search(r"T\d\d:\d\d:\d\d(\.\d+)?Z", text)
        # But for the words that were sealed, which are told as they were hashed.
        assert '+00:00"' not in text
