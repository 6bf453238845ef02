"""Applies the parts of a template that the emulator ignores, or reads in another way. AWS needs none of this."""

from __future__ import annotations

import json
from typing import Any

from devstack.deploy.template import API, GATEWAY_RESPONSES


def complete(template: dict[str, Any], outputs: dict[str, str], client: Any) -> None:
    """TTL and backups of the table, API Gateway's own answers, two rights. `client`: name of a service → its client."""
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
    _let_send(client)


def _let_send(client: Any) -> None:
    """At AWS the right to send messages is one to send batches of them, and mail is sent by an identity.

    The emulator wants a right with another name, and one on everything.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonses.html
    """
    iam = client("iam")
    for role in iam.list_roles()["Roles"]:
        for name in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
            policy = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"]
            for statement in policy["Statement"]:
                if statement["Action"] == ["sqs:SendMessage"]:
                    statement["Action"] = ["sqs:SendMessage", "sqs:SendMessageBatch"]
                if statement["Action"] == ["ses:SendEmail"]:
                    statement["Resource"] = "*"
                    statement.pop("Condition", None)
            iam.put_role_policy(RoleName=role["RoleName"], PolicyName=name, PolicyDocument=json.dumps(policy))
