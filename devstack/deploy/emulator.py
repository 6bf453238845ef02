"""Applies the parts of a template that the emulator ignores, or reads in another way. AWS needs none of this."""

from __future__ import annotations

import json
from typing import Any

from devstack.deploy.template import ANY, API, GATEWAY_RESPONSES


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
    document = template["Resources"][API]["Properties"]["Body"]
    for kind, answer in document[GATEWAY_RESPONSES].items():
        # The emulator throttles nobody, and hands on nothing of what the authorizer has said.
        parameters = {name: value for name, value in answer["responseParameters"].items() if isinstance(value, str)}
        said = {
            "$context.authorizer.code": "token_invalid",
            "$context.authorizer.detail": "This token is not accepted.",
        }
        text = answer["responseTemplates"]["application/json"]
        for variable, value in said.items():
            text = text.replace(variable, value)
        gateway.put_gateway_response(
            restApiId=api,
            responseType=kind,
            statusCode=str(answer["statusCode"]),
            responseParameters=parameters,
            responseTemplates={"application/json": text},
        )
    _let_any(gateway, api, document["paths"])
    gateway.create_deployment(restApiId=api, stageName=template["Parameters"]["Stage"]["Default"])
    _let_send(client)


def _let_any(gateway: Any, api: str, paths: dict[str, Any]) -> None:
    """The `ANY` of each path, which the emulator does not read from the document."""
    resources = {item["path"]: item for item in gateway.get_resources(restApiId=api, limit=500)["items"]}
    health = {"restApiId": api, "resourceId": resources["/v1/health"]["id"], "httpMethod": "GET"}
    uri = gateway.get_integration(**health)["uri"]
    for path, item in paths.items():
        found = resources[path]
        if ANY not in item or "ANY" in found["resourceMethods"]:
            continue
        where = {"restApiId": api, "resourceId": found["id"], "httpMethod": "ANY"}
        gateway.put_method(**where, authorizationType="NONE")
        gateway.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)


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
