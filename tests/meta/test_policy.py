"""The policy of each deployed function, compared with what its code does: a missing right fails only in production."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.dynamodb.table import answer_key, contact_key, secrets_key

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = ROOT / "chalicelib" / "adapters" / "dynamodb"
USECASES = ROOT / "chalicelib" / "usecases"

RIGHTS = {
    "get_item": "dynamodb:GetItem",
    "batch_get_item": "dynamodb:BatchGetItem",
    "put_item": "dynamodb:PutItem",
    "query": "dynamodb:Query",
    "update_item": "dynamodb:UpdateItem",
    # A transaction needs the rights of what is in it.
    "write with checks": "dynamodb:ConditionCheckItem",
    "write": "dynamodb:PutItem",
    "try_together": "dynamodb:PutItem",
    "write with deletes": "dynamodb:DeleteItem",
    "_write": "dynamodb:PutItem",
    "_write with deletes": "dynamodb:DeleteItem",
    "_put_alone": "dynamodb:PutItem",
    # The methods of Reads, each of which makes one kind of call.
    "find": "dynamodb:GetItem",
    "find_all": "dynamodb:BatchGetItem",
    "find_listed": "dynamodb:BatchGetItem",
    "page": "dynamodb:Query",
    "newest": "dynamodb:Query",
    "partition": "dynamodb:Query",
    "partition_pages": "dynamodb:Query",
    "others": "dynamodb:Query",
    "range": "dynamodb:Query",
}
"""By the client's method. `write` and `try_together` are those of Transactions, which makes TransactWriteItems;
`_write` and `_put_alone` are what all stores share (OnTable)."""
TRANSACTIONS = frozenset({"write", "_write"})
"""If the answer to one is lost, the item is read (GetItem) to know whether it was written."""

Function = tuple[str, str]
"""Module and name of a function in usecases/."""

# The rights of a store method that are for an index, not for the table itself.
INDEX_OF = {
    "list_by_status": "by_merchant",
    "list_by_customer": "by_customer",
    "iter_due": "due",
    "list_customers": "by_merchant",
    "list_sendings": "by_merchant",
    "list_visits_by_merchant": "by_merchant",
}


def statements(function: str) -> dict[str, dict[str, Any]]:
    policy = json.loads((ROOT / ".chalice" / f"policy-{function}.json").read_text())
    return {statement["Sid"]: statement for statement in policy["Statement"]}


@cache
def imported(tree: ast.AST) -> dict[str, Function]:
    """Name in this file → the use case it is."""
    prefix = "chalicelib.usecases."
    return {
        alias.asname or alias.name: (node.module.removeprefix(prefix), alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").removeprefix(prefix) in TREES
        for alias in node.names
    }


TREES = {
    ".".join(path.relative_to(USECASES).with_suffix("").parts): ast.parse(path.read_text())
    for path in USECASES.rglob("*.py")
}


BEGINS: dict[str, Function] = {
    "webhook": ("news.take_event", "take_event"),
    "sweep": ("tab.advance_tab", "sweep"),
    "worker": ("tab.advance_tab", "work"),
    "relay": ("news.relay", "relay"),
    "post": ("news.post", "deliver_each"),
    "notices": ("news.notices", "work"),
    "feedback": ("news.feedback", "note_feedback"),
    "reconcile": ("books.reconcile", "reconcile"),
    "figures": ("trust.figures", "refresh_all"),
}
"""The one use case of a deployed function that has only one."""


def begins(function: str) -> list[Function]:
    """The use cases that a deployed function calls: the API's are those of its handlers."""
    if function in BEGINS:
        return [BEGINS[function]]
    handlers = ROOT / "chalicelib" / "handlers"
    files = {
        "authorizer": [handlers / "authorizer.py"],
        "pages": sorted((handlers / "pages").glob("*.py")),
        "api": sorted({*handlers.glob("*.py"), *(handlers / "api").glob("*.py")}),
    }[function]
    trees = [ast.parse(path.read_text()) for path in files]
    whole = [module for tree in trees for module in _modules(tree)]
    return [found for tree in trees for found in imported(tree).values()] + [
        (module, node.name) for module in whole for node in TREES[module].body if isinstance(node, ast.FunctionDef)
    ]


def _modules(tree: ast.AST) -> list[str]:
    """Use cases that are imported as modules: all that is in them counts."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    prefix = "chalicelib.usecases."
    dotted = [f"{node.module}.{alias.name}".removeprefix(prefix) for node in found for alias in node.names]
    return [name for name in dotted if name in TREES]


def _named(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Functions, classes and constants of a module."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((target.id, node) for target in targets if isinstance(target, ast.Name))


@cache
def reached(function: str) -> tuple[ast.AST, ...]:
    """The code of all that the deployed function comes to in usecases/."""
    return tuple(_reached(function))


def _reached(function: str) -> Iterator[ast.AST]:
    waiting, seen = begins(function), set()
    while waiting:
        module, name = waiting.pop()
        if (module, name) in seen:
            continue
        seen.add((module, name))
        tree = TREES[module]
        own = dict(_named(tree))
        if name not in own:
            continue
        yield own[name]
        known = {name: (module, name) for name in own} | imported(tree)
        waiting += [known[node.id] for node in ast.walk(own[name]) if isinstance(node, ast.Name) and node.id in known]


def store_methods(function: str) -> set[str]:
    """Methods of the stores, `….store.get_tab(…)` and the like, that the deployed function can come to.

    A draft that is given `accounts=deps.store` asks it for credit accounts.
    """
    nodes = [node for code in reached(function) for node in ast.walk(code)]
    of_drafts = {
        node.name
        for parent in ast.walk(ast.parse((ROOT / "chalicelib" / "domain" / "tab" / "draft.py").read_text()))
        if isinstance(parent, ast.ClassDef) and parent.name == "CreditAccounts"
        for node in parent.body
        if isinstance(node, ast.FunctionDef)
    }
    touch_credit = any(isinstance(node, ast.keyword) and node.arg == "accounts" for node in nodes)
    return (of_drafts if touch_credit else set()) | {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr in ("store", "people", "deliveries", "links", "notices", "visits")
    }


def _calls(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
            yield inner.func.attr
            for more in ("deletes", "checks"):
                if any(keyword.arg == more for keyword in inner.keywords):
                    yield f"{inner.func.attr} with {more}"
        # partial(self._page, …) and the like
        if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id == "self":
            yield inner.attr


CLASSES = frozenset(f"DynamoDb{name}" for name in ("Store", "People", "Deliveries", "Links", "Notices", "Visits"))
METHODS = {
    node.name: set(_calls(node))
    for name in ("store.py", "people.py", "deliveries.py", "links.py", "notices.py", "visits.py")
    for parent in ast.walk(ast.parse((ADAPTERS / name).read_text()))
    if isinstance(parent, ast.ClassDef) and parent.name in CLASSES
    for node in parent.body
    if isinstance(node, ast.FunctionDef)
}


def rights(method: str, seen: frozenset[str] = frozenset()) -> set[str]:
    """What a method of the store needs, the private ones it calls included."""
    if method in seen:
        return set()
    own = {RIGHTS[call] for call in METHODS[method] if call in RIGHTS}
    if METHODS[method] & TRANSACTIONS:
        own.add("dynamodb:GetItem")
    return own.union(*(rights(call, seen | {method}) for call in METHODS[method] & set(METHODS)))


def test_every_call_to_the_database_is_known() -> None:
    """The client's calls in the adapters are the ones this test knows the rights of."""
    texts = "".join(path.read_text() for path in ADAPTERS.glob("*.py"))

    known = {"get_item", "batch_get_item", "put_item", "query", "update_item", "transact_write_items"}
    assert set(re.findall(r"client\.([a-z_]+)\(", texts)) == known


@pytest.mark.parametrize("function", ["api", "pages", "authorizer", *BEGINS])
def test_a_function_may_do_what_it_does_and_nothing_more(function: str) -> None:
    """The table's and the indexes' rights are exactly those of the store methods that the function can reach."""
    methods = store_methods(function)
    found = statements(function)

    of_table = {right for method in methods - set(INDEX_OF) for right in rights(method)}
    # An index is queried; what it leads to is read from the table.
    of_table |= {right for method in methods & set(INDEX_OF) for right in rights(method)} - {"dynamodb:Query"}
    indexes = {INDEX_OF[method] for method in methods & set(INDEX_OF)}

    assert set(found.get("OneTable", {}).get("Action", [])) == of_table
    assert {r["Fn::Sub"] for r in found.get("ItsIndexes", {}).get("Resource", [])} == {
        f"${{TabTable.Arn}}/index/{index}" for index in indexes
    }
    assert found.get("ItsIndexes", {}).get("Action", ["dynamodb:Query"]) == ["dynamodb:Query"]


@pytest.mark.parametrize(
    ("function", "secrets"),
    [
        ("api", ["stripe-secret-key"]),
        ("pages", ["stripe-secret-key"]),
        ("webhook", ["stripe-secret-key", "stripe-webhook-secret"]),
        ("sweep", []),
        ("worker", ["stripe-secret-key"]),
        ("relay", []),
        ("post", []),
        ("notices", []),
        ("feedback", []),
        ("reconcile", ["stripe-secret-key"]),
        ("authorizer", []),
    ],
)
def test_a_function_reads_the_secrets_it_needs(function: str, secrets: list[str]) -> None:
    """Who makes no call to Stripe has no key, and the webhook's secret is the webhook's."""
    resources = statements(function).get("ItsSecrets", {}).get("Resource", [])

    assert [resource["Fn::Sub"].rsplit("/", 1)[1] for resource in resources] == secrets


APART = {
    "NoContacts": ("CONTACT#*", {"find_contact", "find_contacts", "put_contact"}),
    "NoEvidence": (
        "EVIDENCE#*",
        {"find_dispute_answer", "list_dispute_answers", "put_dispute_answer"},
    ),
    "NoSecrets": ("SECRETS#*", {"find_secrets", "put_endpoint", "delete_endpoint"}),
}
"""Statement → the partitions that it denies, and the methods that need them."""


@pytest.mark.parametrize("sid", APART)
@pytest.mark.parametrize("function", ["api", "pages", "authorizer", *BEGINS])
def test_what_is_kept_apart_is_denied_to_who_does_not_need_it(function: str, sid: str) -> None:
    """Even if its code were changed to: they lie in partitions of their own, which its policy denies."""
    partitions, needed_by = APART[sid]
    found = statements(function)
    table = found.get("OneTable")

    if table is None:
        assert not store_methods(function) & needed_by
        return
    denied = found.get(sid)
    assert (denied is None) == bool(store_methods(function) & needed_by)
    if denied is not None:
        assert denied["Effect"] == "Deny"
        assert set(denied["Action"]) == set(table["Action"])
        assert denied["Resource"] == table["Resource"]
        assert denied["Condition"] == {"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": [partitions]}}


def test_contacts_evidence_and_secrets_are_where_the_policies_say() -> None:
    """A key that is made otherwise would escape them."""
    assert contact_key("mer_1", "cus_1")["pk"] == {"S": "CONTACT#mer_1#cus_1"}
    assert answer_key("mer_1", "cus_1", "tab_1", "du_1")["pk"] == {"S": "EVIDENCE#mer_1#cus_1"}
    assert secrets_key("mer_1", "end_1")["pk"] == {"S": "SECRETS#mer_1#end_1"}


SENDS = {
    "DUE": "DueQueue",
    "POST": "PostQueue",
    "NOTICES": "NoticesQueue",
    "UNRELAYED": "RelayDeadLetters",
}
"""Queue → the resource."""
READS = {"worker": "DueQueue", "post": "PostQueue", "notices": "NoticesQueue"}
"""Function → the queue that it reads."""


def queues_sent_to(function: str) -> set[str]:
    """`QueueName.DUE` and the like in the code that the function can come to, its handler's included."""
    handlers = {"relay": ROOT / "chalicelib" / "handlers" / "events" / "stream.py"}
    own = [ast.parse(handlers[function].read_text())] if function in handlers else []
    nodes = [node for code in (*reached(function), *own) for node in ast.walk(code) if isinstance(node, ast.Attribute)]
    return {SENDS[node.attr] for node in nodes if isinstance(node.value, ast.Name) and node.value.id == "QueueName"}


@pytest.mark.parametrize("function", ["api", "pages", "authorizer", *BEGINS])
def test_a_function_sends_to_the_queues_it_fills_and_reads_its_own(function: str) -> None:
    """One that could read another's queue could make its jobs disappear."""
    found = statements(function)
    sent = {right["Fn::GetAtt"][0] for right in found.get("SendsJobs", {}).get("Resource", [])}
    read = found.get("ItsJobs", {}).get("Resource", {}).get("Fn::GetAtt", [None])[0]

    assert sent == queues_sent_to(function)
    assert read == READS.get(function)
    assert found.get("SendsJobs", {}).get("Action", ["sqs:SendMessage"]) == ["sqs:SendMessage"]


def test_no_policy_has_a_wildcard_but_for_log_streams() -> None:
    """Every resource is one of this deployment's own; no right is a family of rights.

    To list a table's streams is a right on all of them: each has the time in its name. Phones are no resources of AWS;
    mails are sent from one address, whichever identity it is verified by.
    """
    for path in sorted((ROOT / ".chalice").glob("policy-*.json")):
        for statement in json.loads(path.read_text())["Statement"]:
            assert "*" not in "".join(statement["Action"]), path.name
            if statement["Sid"] not in ("OwnLogs", "StreamsOfTheTable", "Mails", "Texts", "AsksForStop"):
                assert "*" not in json.dumps(statement["Resource"]), path.name
