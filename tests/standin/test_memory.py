"""How the stand-in holds what it knows: small between calls, one object for all within a call, nothing lost."""

from __future__ import annotations

import ast
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stripe

from devstack import stripe_standin
from devstack.stripe_standin import index, store
from devstack.stripe_standin.clock import Clock
from devstack.stripe_standin.index import Index
from devstack.stripe_standin.journal import HEAD, Journal
from devstack.stripe_standin.objects import Customer, CustomerInvoiceSettings, PaymentMethod
from devstack.stripe_standin.packing import Packer
from devstack.stripe_standin.store import PLATFORM, World

from .conftest import CARD_ONLY, Standin

Pay = Callable[..., Any]
FOLDER = Path(stripe_standin.__file__).parent


def customer(id: str) -> Customer:
    return Customer(
        id=id,
        created=1,
        invoice_prefix="A",
        invoice_settings=CustomerInvoiceSettings(),
        metadata={},
        preferred_locales=[],
    )


def test_an_index_answers_the_rows_of_a_text_newest_first() -> None:
    """Within bounds; a text that is not there has none; an entry is there once, and can be taken out."""
    found = Index()
    for at, text in enumerate(["a", "b", "a", "a", "b", "a"]):
        found.add(text, at)
        found.add(text, at)

    assert found.newest_first("a") == [5, 3, 2, 0]
    assert found.newest_first("a", below=5, above=0) == [3, 2]
    assert found.newest_first("c") == []
    found.discard("a", 3)
    found.discard("a", 4)
    assert found.newest_first("a") == [5, 2, 0]
    filled = Index()
    filled.fill(["a", "b", None, "a"])
    assert (filled.newest_first("a"), filled.newest_first("b")) == ([3, 0], [1])


def test_two_ids_that_share_a_hash_are_two_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds a position compares the row."""
    monkeypatch.setattr(index, "hash", lambda text: 7, raising=False)
    monkeypatch.setattr(store, "AT_HAND", 0)
    world = World(Clock(0))
    ids = ["cus_a", "cus_b", "cus_c"]
    for id in ids:
        world.put(world.platform, customer(id))
        world.settle()

    assert [world.platform.get("customer", id).id for id in ids] == ids
    assert "cus_d" not in world.platform.of["customer"]


def test_within_a_call_everybody_sees_the_same_object_and_afterwards_it_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one function changes another sees, put or not yet put; the change is there after the object has rested."""
    monkeypatch.setattr(store, "AT_HAND", 0)
    world = World(Clock(0))
    world.put(world.platform, customer("cus_a"))
    world.settle()

    first = world.platform.get("customer", "cus_a")
    first.name = "Ada"
    assert world.platform.get("customer", "cus_a") is first
    assert [row is first for row in world.platform.of["customer"].newest_first()] == [True]
    world.put(world.platform, first)
    world.settle()

    again = world.platform.get("customer", "cus_a")
    assert (again is first, again.name) == (False, "Ada")


def test_an_indexed_field_that_changed_is_found_by_its_new_value_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A PaymentMethod that is attached, then detached; and what was removed is gone from every list."""
    monkeypatch.setattr(store, "AT_HAND", 0)
    standin = World(Clock(0))
    rows = standin.platform.of["payment_method"]
    method = stored_method("pm_a")
    for holder in (None, "cus_a", "cus_b"):
        method.customer = holder
        standin.put(standin.platform, method)
        standin.settle()

    assert [row.id for row in rows.newest_first("customer", "cus_b")] == ["pm_a"]
    assert list(rows.newest_first("customer", "cus_a")) == []
    standin.remove(standin.platform, "payment_method", "pm_a")
    assert (len(rows), list(rows.newest_first()), "pm_a" in rows) == (0, [], False)


def stored_method(id: str) -> PaymentMethod:
    from devstack.stripe_standin.payment_methods import _NO_BILLING, _shared_card

    card = _shared_card("4242424242424242", 8, 2030, False, False, False)
    return PaymentMethod(id=id, billing_details=_NO_BILLING, card=card, created=1, metadata={})


def test_equal_bodies_share_one_copy_and_come_back_whole() -> None:
    """Each body is what it was, however it differs from the first of its kind."""
    packer = Packer()
    bodies = [b'{"id": "a"}', b'{"id": "b"}' * 1000, b"", bytes(range(256)) * 40]

    packed = [packer.pack("x", body) for body in bodies]

    assert [packer.unpack("x", body) for body in packed] == bodies
    assert packer.pack("x", bytes(bodies[-1])) is packed[-1]


def test_an_object_its_event_and_its_stored_answer_are_kept_once(standin: Standin) -> None:
    """A payment's create: the object at rest, the snapshot in its event and the answer under its key are one."""
    form = "amount=1000&currency=eur&allowed_payment_method_types[0]=card"
    _, made, _ = standin.raw("POST", "/v1/payment_intents", form, {"Idempotency-Key": "k"})

    account, keys = standin.app.standin.world.platform, standin.app.standin.keys
    row = next(account.of["payment_intent"].at_rest(account.of["payment_intent"].positions()))
    event = next(account.of["event"].oldest_first())
    assert row.id == made["id"]
    assert row.resting is event.snapshot
    assert row.resting is next(keys.all()).body


def test_more_objects_than_are_at_hand_are_listed_found_and_paged(
    standin: Standin, client: stripe.StripeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every one is listed once, by customer, too, and the oldest is looked up."""
    monkeypatch.setattr(store, "AT_HAND", 5)
    holders = [client.v1.customers.create({}).id for _ in range(3)]
    made: dict[str, list[str]] = {holder: [] for holder in holders}
    for number in range(60):
        holder = holders[number % 3]
        given: Any = {"amount": 1000, "currency": "eur", "customer": holder, **CARD_ONLY}
        made[holder].append(client.v1.payment_intents.create(given).id)

    listed = [row.id for row in client.v1.payment_intents.list({"limit": 7}).auto_paging_iter()]
    of_one = client.v1.payment_intents.list({"limit": 7, "customer": holders[1]}).auto_paging_iter()

    assert sorted(listed) == sorted(id for ids in made.values() for id in ids)
    assert [row.id for row in of_one] == made[holders[1]][::-1]
    assert client.v1.payment_intents.retrieve(made[holders[0]][0]).customer == holders[0]
    assert standin.control("health")["payment_intents"] == 60


def test_what_is_changed_long_after_it_was_made_stays_changed(
    client: stripe.StripeClient, standin: Standin, pay: Pay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hold that rested between the calls: captured, refunded and disputed, its charge tells it all."""
    monkeypatch.setattr(store, "AT_HAND", 0)
    hold = pay(5000, capture_method="manual")
    client.v1.payment_intents.capture(hold.id, {"amount_to_capture": 3000})
    client.v1.refunds.create({"payment_intent": hold.id, "amount": 1000})
    standin.control("disputes", {"payment_intent": hold.id, "amount": 500})

    charge = client.v1.payment_intents.retrieve(
        hold.id, {"expand": ["latest_charge.balance_transaction"]}
    ).latest_charge

    assert (charge.amount_captured, charge.amount_refunded, charge.disputed) == (3000, 1000, True)
    assert charge.balance_transaction.amount == 3000


def test_keys_are_forgotten_and_found_among_many(client: stripe.StripeClient, standin: Standin) -> None:
    """A key whose request was refused is free again; the others answer as before; a day later none does."""
    for number in range(20):
        client.v1.customers.create({"name": str(number)}, {"idempotency_key": f"k{number}"})
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.payment_intents.create(
                {"amount": 1, "currency": "eur", **CARD_ONLY}, {"idempotency_key": f"p{number}"}
            )

    assert standin.control("health")["idempotency_keys"] == 20
    assert client.v1.customers.create({"name": "7"}, {"idempotency_key": "k7"}).name == "7"
    standin.advance(hours=12)
    client.v1.customers.create({"name": "late"}, {"idempotency_key": "late"})
    standin.advance(hours=12)
    client.v1.customers.create({"name": "new"}, {"idempotency_key": "k7"})
    assert standin.control("health")["idempotency_keys"] == 2
    assert len(client.v1.customers.list({"limit": 100}).data) == 22


def test_a_journal_knows_frames_and_nothing_else(tmp_path: Path) -> None:
    """Frames come back as they went in, until the first that is broken; a file without one is left alone."""
    path = tmp_path / "x.state"
    journal = Journal(path)
    for frame in (b"one", b"", b"three"):
        journal.append(frame)
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole + HEAD.pack(4, zlib.crc32(b"four") ^ 1) + b"four")

    journal = Journal(path)
    assert [bytes(frame) for frame in journal.frames()] == [b"one", b"", b"three"]
    journal.close()
    assert path.read_bytes() == whole
    path.write_bytes(b"a diary")
    other = Journal(path)
    with pytest.raises(OSError, match="holds no state"):
        list(other.frames())
    other.close()
    assert path.read_bytes() == b"a diary"


def _imports(path: Path) -> set[str]:
    """The stand-in's own modules that a module names anywhere, under TYPE_CHECKING and inside functions, too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            found |= {node.module} if node.module else {alias.name for alias in node.names}
    return found


def test_no_module_needs_one_that_needs_it() -> None:
    """The modules can be read in an order: no circle of imports, however it is hidden."""
    needs = {path.stem: _imports(path) for path in FOLDER.glob("*.py")}
    while ready := {name for name, others in needs.items() if not others & set(needs)}:
        needs = {name: others for name, others in needs.items() if name not in ready}

    assert needs == {}


def test_a_reset_world_is_as_empty_as_a_new_one(standin: Standin, pay: Pay) -> None:
    """No object, key, change or mark is left, and what a bank was told to say is forgotten."""
    pay(1000)

    standin.control("reset", {"start": "2026-01-05T09:00:00Z"})

    world = standin.app.standin.world
    assert set(world.accounts) == {PLATFORM}
    assert not any(len(rows) for rows in world.platform.of.values())
    assert not world.settle()
    assert not any(world.platform.marks.values())
