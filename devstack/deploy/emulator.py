"""Applies the parts of a template that the emulator ignores. AWS needs none of this."""

from __future__ import annotations

from typing import Any

from devstack.deploy.template import API, GATEWAY_RESPONSES


def complete(template: dict[str, Any], outputs: dict[str, str], client: Any) -> None:
    """TTL and backups of the table, and API Gateway's own answers. `client`: name of a service → its client."""
    table = template["Resources"]["TabTable"]["Properties"]
    name = outputs["TabTableName"]
    dynamodb = client("dynamodb")
    if dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED":
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=table["TimeToLiveSpecification"])
    dynamodb.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification=table["PointInTimeRecoverySpecification"]
    )
    gateway, api = client("apigateway"), outputs["RestAPIId"]
    for kind, answer in template["Resources"][API]["Properties"]["Body"][GATEWAY_RESPONSES].items():
        gateway.put_gateway_response(
            restApiId=api,
            responseType=kind,
            responseParameters=answer["responseParameters"],
            responseTemplates=answer["responseTemplates"],
            **({"statusCode": str(answer["statusCode"])} if "statusCode" in answer else {}),
        )
    gateway.create_deployment(restApiId=api, stageName=template["Parameters"]["Stage"]["Default"])
