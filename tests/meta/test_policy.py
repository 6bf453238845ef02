"""What the deployed functions may do, against what the code does: too little fails in production only."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STORE = sorted((ROOT / "chalicelib" / "adapters").glob("dynamodb_*.py"))

NEEDED_FOR = {
    "get_item": {"dynamodb:GetItem"},
    "batch_get_item": {"dynamodb:BatchGetItem"},
    "put_item": {"dynamodb:PutItem"},
    "query": {"dynamodb:Query"},
    # A transaction needs the rights of what is in it; ours only puts.
    "transact_write_items": {"dynamodb:PutItem"},
}


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_policy_allows_what_the_store_does_and_nothing_more(stage: str) -> None:
    """Each DynamoDB call of the store is allowed on the stage's one table, and no other call is."""
    calls = {call for path in STORE for call in re.findall(r"client\.([a-z_]+)\(", path.read_text())}
    policy = json.loads((ROOT / ".chalice" / f"policy-{stage}.json").read_text())
    statements = {statement["Sid"]: statement for statement in policy["Statement"]}

    assert calls, "the store calls the database by a name this test does not find"
    assert set(statements["OneTable"]["Action"]) == {right for call in calls for right in NEEDED_FOR[call]}
    assert statements["OneTable"]["Resource"] == [f"arn:aws:dynamodb:*:*:table/aftertab-{stage}"]
    assert statements["ItsIndexes"]["Action"] == ["dynamodb:Query"]
