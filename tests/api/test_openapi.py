"""The OpenAPI document describes the app, and docs/openapi.json is what the app serves."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from chalicelib.handlers.api import openapi, property_texts, request_examples
from chalicelib.handlers.api.operations import all_operations
from chalicelib.handlers.api.problems import STATUS

from . import answer_examples
from .world import Caller, Shop, World

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def test_the_committed_document_is_the_one_that_is_served(world: World) -> None:
    """docs/openapi.json is byte for byte what /v1/openapi.json answers; `make openapi` writes it."""
    served = world.stranger.get("/v1/openapi.json")

    assert served.status == 200
    assert served.raw == COMMITTED.read_bytes()


def test_the_document_is_valid_openapi() -> None:
    """It passes the validator for OpenAPI 3.1."""
    validate(json.loads(COMMITTED.read_bytes()))


def test_every_operation_is_described() -> None:
    """Each has a summary, its security, an answer and the errors it can give."""
    document = openapi.document()

    for operation in all_operations().values():
        described = document["paths"][operation.path][operation.method.lower()]
        assert described["summary"]
        assert ("security" in described) == (not operation.roles)
        assert str(operation.status) in described["responses"]
        assert "500" in described["responses"]
        if operation.writes:
            assert {"400", "401", "403", "404", "409", "413", "415", "422", "429", "503", "504"} <= set(
                described["responses"]
            )


@pytest.mark.parametrize("name", request_examples.EXAMPLES)
def test_the_examples_are_what_the_operations_read(name: str) -> None:
    """An example that its own schema refuses would be the first thing a reader tries."""
    msgspec.convert(request_examples.EXAMPLES[name], all_operations()[name].body)


def test_every_error_has_a_status() -> None:
    """No refusal of the domain is left to become a 500."""
    from chalicelib.domain.errors import DomainError

    def below(kind: type[DomainError]) -> list[type[DomainError]]:
        return [found for sub in kind.__subclasses__() for found in (sub, *below(sub))]

    ours = [kind for kind in below(DomainError) if kind.__module__.startswith("chalicelib.")]
    assert [kind for kind in ours if not any(base in STATUS for base in kind.__mro__)] == []


def test_error_codes_are_in_the_document() -> None:
    """Every code a caller can meet is listed with the problem's schema."""
    codes = openapi.document()["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]

    assert {"cap_exceeded", "body_not_json", "unavailable", "bad_signature", "forbidden"} <= set(codes)
    assert {"exposure_exceeded", "nothing_to_pay", "payment_in_progress", "transition_refused"} <= set(codes)
    assert "refused" not in codes


# A small fuzz: bodies made from the schemas, and then bent


def sample(rng: random.Random, schema: dict[str, Any], document: dict[str, Any]) -> Any:
    """A value that fits the schema, or nearly."""
    if rng.random() < 0.03:
        return rng.choice([None, True, -1, 0, 1.5, "", "x", [], {}, 2**70, "\x00", "𝄞" * 600])
    if "$ref" in schema:
        return sample(rng, document["components"]["schemas"][schema["$ref"].split("/")[-1]], document)
    if "anyOf" in schema:
        return sample(rng, rng.choice(schema["anyOf"]), document)
    if "enum" in schema:
        return rng.choice(schema["enum"])
    match schema.get("type"):
        case "object":
            return {
                name: sample(rng, kind, document)
                for name, kind in schema.get("properties", {}).items()
                if name in schema.get("required", []) or rng.random() < 0.5
            }
        case "array":
            return [sample(rng, schema["items"], document) for _ in range(rng.randint(0, 3))]
        case "integer":
            top = schema.get("maximum", 10**6)
            return rng.choice([0, 1, 49, 50, 2500, min(top, 10**8), top, rng.randint(0, 10**5)])
        case "string" if schema.get("format") == "date-time":
            return rng.choice(["2026-01-06T09:00:00Z", "2026-01-05T09:00:00+01:00", "9999-12-31T23:59:59-14:00"])
        case "string":
            return rng.choice(["a" * 64, "EUR", "KWD", "Work", "acct_1", "cus_1", "é" * 20])
    return None


@pytest.mark.parametrize("seed", range(3))
def test_no_input_makes_a_500(world: World, shop: Shop, seed: int) -> None:
    """Whatever is sent within or near the schemas, by whomever, the answer is never a server error."""
    rng = random.Random(seed)
    document = openapi.document()
    ana = shop.customer()
    shop.save_card(ana)
    tabs = [shop.open(ana, 4000) for _ in range(4)]
    guest = shop.link(tabs[3])
    endpoint = shop.owner.post("/v1/endpoints", {"url": "https://till.example/"}).ok(201)["endpoint"]
    by_role = {"customer": ana, "guest": guest, "staff": shop.staff, "owner": shop.owner, "operator": world.operator}
    for tab in tabs[1:]:
        shop.agree(ana, tab)
    for tab in tabs[2:]:
        shop.complete(tab, 2000)

    for _ in range(150):
        operation = rng.choice([found for found in all_operations().values() if found.roles])
        caller: Caller = by_role[rng.choice(sorted(operation.roles))]
        tab = rng.choice(tabs)
        path = operation.path.format(
            tab_id=tab["tab_id"],
            item_id="itm_1",
            dispute_id="du_1",
            customer_id=ana.customer_id,
            link_id="lnk_1",
            endpoint_id=endpoint["endpoint_id"],
            notice_id="tab_1-000001",
            number=1,
        )
        body = sample(rng, {"$ref": f"/{operation.body.__name__}"}, document) if operation.writes else None
        if isinstance(body, dict):
            body |= {"customer_id": ana.customer_id} if operation.name == "open_tab" else {}
            body |= {"promise_sha256": tab["promise"]["promise_sha256"]} if operation.name == "accept_promise" else {}
        query = rng.choice(["", "", "?status=open", "?limit=0", "?cursor=x&status=due"])

        answer = caller.send(operation.method, path + query, body)

        assert answer.status < 500, (operation.name, body, answer.raw)


# Answers


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer_examples.TARGET.read_text())
    return found


def test_the_examples_of_answers_are_what_is_answered(world: World) -> None:
    """The story that they are from is played, and answers the same."""
    played = answer_examples.play(world)
    if os.environ.get("AFTERTAB_WRITE_EXAMPLES"):
        answer_examples.TARGET.write_text(answer_examples.text(played))

    assert list(answer_examples.missing(played)) == [], "add a request to tests/api/answer_examples.py"
    assert answer_examples.TARGET.read_text() == answer_examples.text(played), "run: make examples"


def test_every_example_fits_its_schema(committed: dict[str, Any]) -> None:
    """What a reader copies from the document, the document allows."""
    document = openapi.document()
    for name, example in committed.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        Draft202012Validator(schema).validate(example)


def test_every_property_says_what_it_means() -> None:
    """With its unit. A new one needs a text in property_texts.py, unless its ending says it all."""
    schemas = openapi.document()["components"]["schemas"]

    assert [
        f"{struct}.{name}"
        for struct, schema in schemas.items()
        for name, of_property in schema.get("properties", {}).items()
        if not of_property.get("description")
    ] == []


def test_every_instant_is_a_date_time() -> None:
    """In answers as in requests, so that clients read an instant and no text."""
    schemas = openapi.document()["components"]["schemas"]
    instants = [
        (f"{struct}.{name}", of_property)
        for struct, schema in schemas.items()
        for name, of_property in schema.get("properties", {}).items()
        if name == "at" or name.endswith(("_at", "until", "capture_before"))
    ]

    assert len(instants) > 50
    assert [name for name, of_property in instants if '"format": "date-time"' not in json.dumps(of_property)] == []


def test_every_text_is_of_a_property() -> None:
    """None is left over from a property that is gone."""
    schemas = openapi.document()["components"]["schemas"]
    names = {name for schema in schemas.values() for name in schema.get("properties", {})}
    full = {f"{struct}.{name}" for struct, schema in schemas.items() for name in schema.get("properties", {})}
    in_paths = {name for operation in all_operations().values() for name in re.findall(r"{(\w+)}", operation.path)}

    assert set(property_texts.TEXTS) - names - full - in_paths == set()


def test_what_has_a_default_may_be_left_out() -> None:
    """Generators of clients make a property with a `default` required, so that the text says it instead."""
    new_tab = openapi.document()["components"]["schemas"]["NewTab"]

    assert '"default":' not in json.dumps(openapi.document()["components"]["schemas"])
    assert new_tab["required"] == ["title", "expected_outcome", "estimate_minor"]
    assert new_tab["properties"]["deposit_minor"]["description"].endswith("By default 0.")


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_page_that_leads_nowhere_is_a_page(method: str) -> None:
    """Or a problem, where the address is none that we make."""
    path = openapi.document()["paths"]["/v1/unsubscribe/{merchant_id}/{customer_id}/{key}"]

    assert set(path[method]["responses"]["404"]["content"]) == {"text/html", "application/problem+json"}


def test_every_id_in_a_path_is_linked_to_what_makes_it() -> None:
    """Whoever reads the document, and whatever walks it, comes from an answer to the requests that need its ids."""
    document = openapi.document()
    linked = set()
    for item in document["paths"].values():
        for described in item.values():
            for response in described["responses"].values():
                for name, link in response.get("links", {}).items():
                    assert set(link["parameters"]) == set(re.findall(r"{(\w+)}", all_operations()[name].path))
                    linked.add(name)

    # The addresses of these are in mails only, and on the website of the business.
    wanted = {operation.name for operation in all_operations().values() if "{" in operation.path}
    assert wanted - linked == {"show_unsubscribe", "unsubscribe", "list_stories"}
