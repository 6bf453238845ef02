"""Creates the table in an emulator or in moto, as `.chalice/resources.json` defines it for the deployment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import StreamSpecificationTypeDef

RESOURCES = Path(__file__).resolve().parents[1] / ".chalice" / "resources.json"

# The properties that CreateTable accepts as CloudFormation writes them. Local data needs no backups or protection.
_SAME = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")


def create(endpoint_url: str, table_name: str, *, region: str = "us-east-1") -> None:
    """Create the table in the emulator at `endpoint_url`, unless it is there already."""
    client = boto3.client(
        "dynamodb",
        endpoint_url=endpoint_url,
        region_name=region,
        # boto3 insists on credentials, emulators ignore them; the developer's own must not be sent.
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    if table_name not in client.list_tables()["TableNames"]:
        create_with(client, table_name)


def create_with(client: DynamoDBClient, table_name: str) -> None:
    """Create the table through this client, and switch its TTL on."""
    properties: dict[str, Any] = json.loads(RESOURCES.read_text())["Resources"]["TabTable"]["Properties"]
    stream: StreamSpecificationTypeDef = {
        "StreamEnabled": True,
        "StreamViewType": properties["StreamSpecification"]["StreamViewType"],
    }
    client.create_table(TableName=table_name, StreamSpecification=stream, **{name: properties[name] for name in _SAME})
    client.update_time_to_live(TableName=table_name, TimeToLiveSpecification=properties["TimeToLiveSpecification"])
