"""The walk over docs/access.md: a request for every cell, so that no operation goes without an answer to "who may?"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

import app as application
from chalicelib.domain.tab.actions import ROLES, Action
from chalicelib.handlers.api import openapi
from chalicelib.handlers.api.operations import Operation, all_operations

from . import access
from .access import Cell, Verdict, Who, Whose
from .world import CARD_TERMS, Caller, Reply, Shop, World, disputed

OPERATIONS = all_operations()
DOCUMENT = openapi.document()
CELLS = list(access.cells())
ENDING = ("delete_endpoint", "disown", "take_over")
"""After these the thing, or the guest's own key, is gone: each gets a town of its own."""
QUERIES = {"list_tabs": "?status=open", "get_totals": "?status=open"}
"""What a list of everything that is the business's must say."""


@dataclass(frozen=True)
class Things:
    """What a path can name, of one tab and its customer and merchant."""

    tab: dict[str, Any]
    ids: Mapping[str, str | int]


@dataclass(frozen=True)
class Town:
    """Two merchants; the first has two customers, one of whom has two tabs."""

    callers: Mapping[Who, Caller]
    things: Mapping[Whose, Things]

    def send(self, cell: Cell) -> Reply:
        things, operation = self.things[cell.whose], cell.operation
        path = operation.path.format(**things.ids)
        if cell.who in (Who.STAFF, Who.OWNER):
            path += QUERIES.get(operation.name, "")
        body = body_of(operation, things)
        if body and "mode" in body:
            # A phone's payment is the customer's; the saved card is what both may charge.
            body["mode"] = "off_session" if cell.who in (Who.STAFF, Who.OWNER) else "on_session"
        return self.callers[cell.who].send(operation.method, path, body)

    def snapshot(self) -> list[Any]:
        """Everything that a refused request could have changed, as its business sees it."""
        seen = []
        for whose, staff in ((Whose.OTHER_CUSTOMER, self.callers[Who.STAFF]), (Whose.OTHER_MERCHANT, self.stranger)):
            for path in ("/v1/merchant", "/v1/customers?reference=Ana", "/v1/tokens"):
                seen.append(staff.get(path).ok())
            seen += [staff.get(f"/v1/tabs?status={status}").ok() for status in ("open", "in_review", "canceled")]
            seen.append(staff.get(f"/v1/tabs/{self.things[whose].ids['tab_id']}/timeline?limit=100").ok())
        for whose in (Whose.OWN, Whose.OTHER_TAB):
            seen.append(self.callers[Who.STAFF].get(f"/v1/tabs/{self.things[whose].ids['tab_id']}/links").ok())
        return seen

    @property
    def stranger(self) -> Caller:
        """The other merchant's staff."""
        world = self.callers[Who.STAFF].world
        merchant_id = self.things[Whose.OTHER_MERCHANT].ids["merchant_id"]
        return world.caller("staff", merchant_id=str(merchant_id))


def build(world: World) -> Town:
    shop, other = world.shop(), world.shop()
    ana, bob, carl = shop.customer(), shop.customer("Bob"), other.customer("Carl")
    shop.owner.post("/v1/tokens", {"first": 1, "count": 24}).ok(201)
    secret = shop.owner.post("/v1/tokens/7/replace").ok(201)["tokens"][0]["secret"]
    tab = shop.open(ana, 4000, token=7)
    things = {
        Whose.OWN: things_of(shop, ana, tab),
        Whose.OTHER_TAB: things_of(shop, ana, shop.open(ana, 4000)),
        Whose.OTHER_CUSTOMER: things_of(shop, bob, shop.open(bob, 4000)),
        Whose.OTHER_MERCHANT: things_of(other, carl, other.open(carl, 4000)),
    }
    links = {who: shop.link(tab, str(who.right)) for who in Who if who.is_guest and who != Who.TOKEN}
    callers = {
        **links,
        Who.NOBODY: world.stranger,
        Who.CUSTOMER: ana,
        Who.TOKEN: world.guest(secret, ana.customer_id),
        Who.STAFF: shop.staff,
        Who.OWNER: shop.owner,
        Who.OPERATOR: world.operator,
    }
    return Town(callers, things)


def things_of(shop: Shop, customer: Caller, tab: dict[str, Any]) -> Things:
    endpoint = shop.owner.post("/v1/endpoints", {"url": "https://till.example/"}).ok(201)["endpoint"]
    notice = shop.owner.post(f"/v1/endpoints/{endpoint['endpoint_id']}/test").ok(202)
    tab = shop.add(tab, 100)
    link = shop.staff.post(f"/v1/tabs/{tab['tab_id']}/links", {"scope": "view"}).ok(201)["link"]
    ids: dict[str, str | int] = {
        "merchant_id": shop.merchant_id,
        "customer_id": str(customer.customer_id),
        "tab_id": tab["tab_id"],
        "item_id": tab["items"][0]["item_id"],
        "dispute_id": disputed(shop.world, tab["tab_id"], shop.merchant_id),
        "link_id": link["link_id"],
        "endpoint_id": endpoint["endpoint_id"],
        "notice_id": notice["notice_id"],
        "number": 9,
        "key": "a" * 32,
    }
    return Things(tab, ids)


BODIES: Mapping[str, Mapping[str, Any]] = {
    "accept_promise": {"consents": ["cap"]},
    "opt_in": {"channel": "email"},
    "opt_out": {"channel": "email"},
    "prepare_card": {"tab_id": "…"},
    "put_contact": {"email": "ana@example.com"},
    "rate": {"rating": 4},
    "refund_elsewhere": {"amount_minor": 100, "how": "cash", "reference": "Receipt 7"},
    "replay_since": {"since": "2026-01-01T00:00:00Z"},
    "reschedule": {"starts_at": "2026-01-06T09:00:00Z"},
    "resolve_flag": {"flag_id": "flg_1", "note": "Seen to."},
    "set_merchant_contact": {"notify_email": "owner@example.com"},
    "split": {"equally": 2},
}
"""Of operations without an example in the document, or whose example is for another day."""


def body_of(operation: Operation, things: Things) -> dict[str, Any] | None:
    """A body that the operation reads, about these things: the document's example with our ids."""
    if not operation.writes:
        return None
    described = DOCUMENT["paths"][operation.path][operation.method.lower()]
    content = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    given = (
        [content["example"]] if "example" in content else [one["value"] for one in content.get("examples", {}).values()]
    )
    body = {**(given[0] if given else {}), **BODIES.get(operation.name, {})}
    ours = {
        **{name: things.ids[name] for name in ("customer_id", "tab_id")},
        "promise_sha256": things.tab["promise"]["promise_sha256"],
        "card_terms_sha256": CARD_TERMS,
    }
    return {name: ours.get(name, value) for name, value in body.items()}


@pytest.fixture
def town(world: World) -> Town:
    return build(world)


def judged(reply: Reply, cell: Cell) -> str:
    """The verdict that this answer is; a cell that should pass may still be refused by the tab's state (409)."""
    match reply.status:
        case 401 if reply.json["code"] == "unauthorized":
            return Verdict.UNAUTHORIZED
        case 403 if reply.json.get("code") == "forbidden":
            return Verdict.FORBIDDEN
        case 404 if reply.header("Content-Type") == "application/problem+json" and reply.json["code"] == "not_found":
            return Verdict.NOT_FOUND
        case status if status < 400 or status == 409:
            return Verdict.PASSES
    return f"{reply.status} {reply.raw.decode()[:200]}"


@pytest.mark.parametrize("who", list(Who))
def test_what_a_caller_may_not_do_is_refused_and_changes_nothing(town: Town, who: Who) -> None:
    """Every cell that does not pass: the right refusal, and afterwards both merchants are as they were."""
    before = town.snapshot()

    refused = [cell for cell in CELLS if cell.who == who and cell.verdict != Verdict.PASSES]
    wrong = [(cell, found) for cell in refused if (found := judged(town.send(cell), cell)) != cell.verdict]

    assert [f"{cell.operation.name} {cell.whose}: {found}, not {cell.verdict}" for cell, found in wrong] == []
    assert town.snapshot() == before


@pytest.mark.parametrize("who", list(Who))
def test_what_a_caller_may_do_is_not_refused(world: World, town: Town, who: Who) -> None:
    """Every cell that passes: the caller is let in, and the thing is found."""
    passing = [cell for cell in CELLS if cell.who == who and cell.verdict == Verdict.PASSES and cell.operation.rights]

    towns = {cell: build(world) if cell.operation.name in ENDING else town for cell in passing}
    wrong = [(cell, found) for cell in passing if (found := judged(towns[cell].send(cell), cell)) != cell.verdict]

    assert [f"{cell.operation.name} {cell.whose}: {found}" for cell, found in wrong] == []


def test_every_operation_has_its_row_and_the_cells_are_counted() -> None:
    """docs/access.md is what `make access` writes: a new operation without its row fails here."""
    assert access.page() == access.TARGET.read_text(), "run make access, and read what has changed"


def test_every_route_is_an_operation_or_a_page() -> None:
    """No route goes without its row, and none but the public ones without the authorizer."""
    routes = {
        (method, path): entry.authorizer
        for path, methods in application.app.routes.items()
        for method, entry in methods.items()
    }
    # The secret in a page's path is its key; the pages' own tests say who comes in with it. Others are public.
    of_pages = ("/t/", "/back/", "/r/", "/s/", "/stories/", "/docs")
    pages = {(method, path) for method, path in routes if path.startswith(of_pages)}

    assert len(pages) == 16
    # HEAD of what is public is its GET without a body.
    public = {(method, path) for (method, path), guard in routes.items() if guard is None and method == "HEAD"}
    assert routes.keys() - pages - public == {(operation.method, operation.path) for operation in OPERATIONS.values()}
    unlocked = {path for (method, path), guard in routes.items() if guard is None and (method, path) not in pages}
    assert unlocked == {operation.path for operation in OPERATIONS.values() if not operation.rights}


def test_what_an_action_needs_is_said_once() -> None:
    """An operation that is an action on a tab is for exactly those whom the domain's table names."""
    named = {name: operation for name, operation in OPERATIONS.items() if name in set(Action)}

    assert len(named) >= 30
    assert {name: operation.rights for name, operation in named.items()} == {
        name: ROLES[Action(name)] for name in named
    }


def test_what_is_public_is_written_down() -> None:
    """The operations that need no token, once more by hand: one more is a decision, not a slip."""
    assert {name for name, operation in OPERATIONS.items() if not operation.rights} == {
        "health",
        "openapi",
        "stripe_webhook",
        "show_unsubscribe",
        "unsubscribe",
        "list_stories",
    }


def test_foreign_and_missing_things_are_told_apart_by_nothing(town: Town) -> None:
    """What belongs to somebody else is answered byte for byte as what does not exist."""
    nowhere = {
        **dict.fromkeys(("tab_id", "item_id", "customer_id", "link_id", "endpoint_id", "dispute_id"), "x_nowhere"),
        "notice_id": "tab_nowhere-000001",
        "number": 9,
    }
    compared = 0
    for cell in CELLS:
        if cell.verdict == Verdict.NOT_FOUND and cell.who in (Who.CUSTOMER, Who.OWNER):
            operation, things = cell.operation, town.things[cell.whose]
            foreign = town.send(cell)
            missing = town.callers[cell.who].send(
                operation.method, operation.path.format(**nowhere), body_of(operation, things)
            )
            assert without_ids(foreign) == without_ids(missing), operation.name
            compared += 1
    assert compared > 100


def without_ids(reply: Reply) -> tuple[int, bytes]:
    return reply.status, re.sub(rb'"request_id":"[^"]*"', b"", reply.raw)


def test_lists_hold_nothing_of_another_merchant(town: Town) -> None:
    """What a caller may read names no id of the other merchant, nor of a tab or customer that is not theirs."""
    for cell in CELLS:
        if cell.operation.method == "GET" and cell.verdict == Verdict.PASSES and cell.operation.rights:
            raw = town.send(cell).raw.decode()
            foreign = [Whose.OTHER_MERCHANT]
            if cell.who == Who.CUSTOMER or cell.who.is_guest:
                foreign.append(Whose.OTHER_CUSTOMER)
            for whose in foreign:
                ids = town.things[whose].ids
                theirs = {ids["tab_id"], ids["item_id"], ids["link_id"]} | (
                    {ids["merchant_id"], ids["endpoint_id"], ids["notice_id"]}
                    if whose == Whose.OTHER_MERCHANT
                    else set()
                )
                assert [one for one in theirs if str(one) in raw] == [], (cell.operation.name, cell.who)
