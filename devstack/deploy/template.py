"""Turns the output of `chalice package` into the plain CloudFormation that is checked, tried locally and deployed.

Chalice writes AWS::Serverless resources, which a macro of AWS would expand. They are expanded here, so that the checks
see exactly what is deployed. Every function also gets its name, log group, alarms, and destination of failed
asynchronous calls here. Shared resources (table, queue, topic, parameters) are in `.chalice/resources.json`.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from devstack.deploy import alarms, dashboard, gateway_answers, mappings

Resource = dict[str, Any]
Resources = dict[str, Resource]

API = "RestAPI"
ALIAS = "live"
"""What everybody calls a function by. It points at a published version, the last release's or an earlier one's."""
SNAPSTART_FROM = (3, 12)
"""The first Python whose functions Lambda can start from a snapshot."""
_CALLERS = frozenset(
    {
        "AWS::ApiGateway::RestApi",
        "AWS::Events::Rule",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Permission",
        "AWS::SNS::Subscription",
        "AWS::Scheduler::Schedule",
    }
)
"""The kinds of resources that call functions, or may."""
WEBHOOK_PATH = "/v1/webhooks/stripe"
GATEWAY_RESPONSES = "x-amazon-apigateway-gateway-responses"
_NAMES = {"APIHandler": "api"}
"""Logical id → the last part of the function's name, if it is not the id in lower case."""


def native(sam: dict[str, Any], stage: str, code_key: str, own_keys: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The template without a transform. `code_key`: the zip's name in the bucket that CodeBucket names.

    `own_keys`: the same for handlers that have a zip of their own.
    """
    template = copy.deepcopy(sam)
    template.pop("Transform")
    template["Parameters"]["Stage"] |= {"Default": stage, "AllowedValues": [stage]}
    template["Parameters"]["CodeBucket"] = {"Type": "String", "Description": f"The bucket that holds {code_key}."}
    resources: Resources = {}
    functions: list[str] = []
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            functions.append(logical_id)
            own_key = (own_keys or {}).get(resource["Properties"]["Handler"], code_key)
            resources |= _function(logical_id, resource["Properties"], own_key, stage)
        elif resource["Type"] == "AWS::Serverless::Api":
            resources |= _api(resource["Properties"])
        else:
            resources[logical_id] = resource
    for logical_id, resource in resources.items():
        if resource["Type"] in _CALLERS:
            resources[logical_id] = _by_alias(resource, functions)
    template["Conditions"] = template.get("Conditions", {}) | _SNAPSTART_CONDITION
    if functions:
        first = template["Resources"][functions[0]]["Properties"]
        template["Parameters"] |= _release_parameters(stage, first["Runtime"], first["Architectures"][0])
    resources |= alarms.resources({_name(logical_id): logical_id for logical_id in functions})
    resources["Dashboard"] = dashboard.resource([_name(logical_id) for logical_id in functions])
    template["Resources"] = resources
    template["Outputs"] = _outputs(template["Outputs"])
    return template


def _name(logical_id: str) -> str:
    return _NAMES.get(logical_id, logical_id.lower())


def _function(logical_id: str, properties: dict[str, Any], code_key: str, stage: str) -> Resources:
    given = dict(properties)
    full_name = {"Fn::Sub": f"aftertab-${{Stage}}-{_name(logical_id)}"}
    events: dict[str, Any] = given.pop("Events", {})
    given.pop("CodeUri")
    log = f"{logical_id}Log"
    given |= {
        "FunctionName": full_name,
        "Code": {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": code_key},
        "TracingConfig": {"Mode": given.pop("Tracing")},
        "Environment": {"Variables": _settings(given["Environment"]["Variables"])},
        "LoggingConfig": {"LogGroup": {"Ref": log}},
        # Of every release another: Lambda publishes no version of a function that has not changed.
        "Description": {"Fn::Sub": f"Aftertab ${{Stage}} {_name(logical_id)}, release ${{Release}}"},
        "Architectures": [{"Ref": "Architecture"}],
        # For what somebody waits for: schedule, stream and queues do not care, and every snapshot costs.
        "SnapStart": {"ApplyOn": "None" if events else {"Fn::If": ["HasSnapStart", "PublishedVersions", "None"]}},
        "Tags": [{"Key": key, "Value": value} for key, value in given["Tags"].items()],
    }
    made: Resources = {
        logical_id: {"Type": "AWS::Lambda::Function", "Properties": given},
        **_published(logical_id),
        log: {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {
                "LogGroupName": {"Fn::Sub": f"/aws/lambda/aftertab-${{Stage}}-{_name(logical_id)}"},
                "RetentionInDays": {"Ref": "LogDays"},
            },
        },
    }
    for event in events.values():
        match event["Type"]:
            case "Schedule":
                made |= _schedule(logical_id, full_name, event["Properties"])
            case "SQS":
                made |= mappings.of_queue(logical_id, event["Properties"], stage)
            case "DynamoDB":
                made |= mappings.of_stream(logical_id, event["Properties"])
            case "SNS":
                made |= _subscription(logical_id)
            case other:
                raise AssertionError(f"nobody knows how {other} calls a function")
    return made


_SNAPSTART_CONDITION = {"HasSnapStart": {"Fn::Equals": [{"Ref": "SnapStart"}, "on"]}}


def _published(logical_id: str) -> Resources:
    """A version of the function for each release, which stays when the next one comes, and the alias for callers."""
    return {
        f"{logical_id}Version": {
            "Type": "AWS::Lambda::Version",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {"FunctionName": {"Ref": logical_id}, "Description": {"Fn::Sub": "release ${Release}"}},
        },
        f"{logical_id}Live": {
            "Type": "AWS::Lambda::Alias",
            "Properties": {
                "FunctionName": {"Ref": logical_id},
                "FunctionVersion": {"Fn::GetAtt": [f"{logical_id}Version", "Version"]},
                "Name": ALIAS,
            },
        },
    }


def _by_alias(node: Any, functions: Sequence[str]) -> Any:
    """The same with each mention of a function turned into one of its alias."""
    if isinstance(node, list):
        return [_by_alias(inner, functions) for inner in node]
    if isinstance(node, str):
        for name in functions:
            node = node.replace(f"${{{name}.Arn}}", f"${{{name}Live}}").replace(f"${{{name}}}", f"${{{name}Live}}")
        return node
    if not isinstance(node, dict):
        return node
    for name in functions:
        if node in ({"Ref": name}, {"Fn::GetAtt": [name, "Arn"]}):
            return {"Ref": f"{name}Live"}
    return {key: _by_alias(inner, functions) for key, inner in node.items()}


def _release_parameters(stage: str, runtime: str, architecture: str) -> dict[str, Any]:
    """What each deployment says of itself, and what its functions run on."""
    can_snap = tuple(int(part) for part in runtime.removeprefix("python").split(".")) >= SNAPSTART_FROM
    return {
        "Release": {
            "Type": "String",
            "Default": "none",
            "Description": "Set by make deploy: other code or other parameters make another release.",
        },
        "Architecture": {
            "Type": "String",
            "Default": architecture,
            "AllowedValues": [architecture],
            "ConstraintDescription": f"The zip holds code for {architecture}; make package ARCH=… makes another.",
            "Description": "The processors that functions run on. arm64 costs a fifth less.",
        },
        "SnapStart": {
            "Type": "String",
            "Default": "on" if stage == "prod" and can_snap else "off",
            "AllowedValues": ["on", "off"] if can_snap else ["off"],
            "ConstraintDescription": f"on or off; {runtime} can't start from snapshots, python3.12 and newer can.",
            "Description": "Whether functions start from a snapshot of their memory, which costs a little.",
        },
    }


def _settings(variables: dict[str, str]) -> dict[str, Any]:
    """`${Stage}` and the like in config.json are the template's parameters and resources."""
    return {name: {"Fn::Sub": value} if "${" in value else value for name, value in variables.items()}


def _schedule(logical_id: str, full_name: dict[str, Any], schedule: dict[str, Any]) -> Resources:
    """The rule that calls the function. A call that is impossible or fails twice goes to the dead-letter queue."""
    letters = {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    rule, function = f"{logical_id}Schedule", {"Fn::GetAtt": [logical_id, "Arn"]}
    target = {
        "Id": logical_id,
        "Arn": function,
        "DeadLetterConfig": {"Arn": letters},
        "RetryPolicy": {"MaximumEventAgeInSeconds": 300, "MaximumRetryAttempts": 2},
    }
    return {
        rule: {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Name": full_name,
                "Description": schedule.get("Description") or f"Calls {_name(logical_id)}.",
                "ScheduleExpression": schedule["Schedule"],
                "State": "ENABLED",
                "Targets": [target],
            },
        },
        f"{rule}Permission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": {"Ref": logical_id},
                "Action": "lambda:InvokeFunction",
                "Principal": "events.amazonaws.com",
                "SourceArn": {"Fn::GetAtt": [rule, "Arn"]},
            },
        },
        # No retry: the next scheduled run does what this one has left.
        **_failures(logical_id, retries=1, age_s=300),
    }


def _subscription(logical_id: str) -> Resources:
    """The function hears of its topic. What it can't take is kept, because nobody sends it again."""
    topic = {"Ref": f"{logical_id}Topic"}
    return {
        f"{logical_id}Subscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {"TopicArn": topic, "Protocol": "lambda", "Endpoint": {"Ref": logical_id}},
        },
        f"{logical_id}SubscriptionPermission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": {"Ref": logical_id},
                "Action": "lambda:InvokeFunction",
                "Principal": "sns.amazonaws.com",
                "SourceArn": topic,
            },
        },
        **_failures(logical_id, retries=2, age_s=21600),
    }


def _failures(logical_id: str, *, retries: int, age_s: int) -> Resources:
    """What becomes of a call that nobody waits for: so many retries, and then the dead letters."""
    return {
        f"{logical_id}Failures": {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "DependsOn": [f"{logical_id}Live"],
            "Properties": {
                "FunctionName": {"Ref": logical_id},
                "Qualifier": ALIAS,
                "MaximumRetryAttempts": retries,
                "MaximumEventAgeInSeconds": age_s,
                "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}},
            },
        },
    }


def _api(properties: dict[str, Any]) -> Resources:
    # In the document, not as separate resources, because an update overwrites the API with the document.
    given = properties["DefinitionBody"]
    body = given | {
        GATEWAY_RESPONSES: {kind: gateway_answers.of_template(kind) for kind in gateway_answers.GATEWAY_ANSWERS},
        "paths": {path: _with_any(given["paths"], path) for path in given["paths"]},
    }
    # A deployment is a snapshot of the API, so each change of the document needs one with a new name.
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:10]
    deployment = f"ApiDeployment{digest}"
    return {
        API: {
            "Type": "AWS::ApiGateway::RestApi",
            "Properties": {
                "Name": {"Fn::Sub": "aftertab-${Stage}"},
                "EndpointConfiguration": {"Types": [properties["EndpointConfiguration"]]},
                "MinimumCompressionSize": properties["MinimumCompressionSize"],
                "Body": body,
            },
        },
        deployment: {"Type": "AWS::ApiGateway::Deployment", "Properties": {"RestApiId": {"Ref": API}}},
        "ApiStage": {
            "Type": "AWS::ApiGateway::Stage",
            "DependsOn": ["ApiLogAccount"],
            "Properties": {
                "RestApiId": {"Ref": API},
                "DeploymentId": {"Ref": deployment},
                "StageName": {"Ref": "Stage"},
                "MethodSettings": [
                    _throttle("/*", "*"),
                    # A separate throttle, so that many customers at once do not delay Stripe's events.
                    _throttle("/" + WEBHOOK_PATH.replace("/", "~1"), "POST"),
                ],
                "AccessLogSetting": {
                    "DestinationArn": {"Fn::GetAtt": ["AccessLog", "Arn"]},
                    "Format": json.dumps(_ACCESS_LINE),
                },
            },
        },
    }


ANY = "x-amazon-apigateway-any-method"
_INTEGRATION = "x-amazon-apigateway-integration"


def _with_any(paths: dict[str, Any], path: str) -> dict[str, Any]:
    """The path, on which the app also gets methods that it does not have: for preflights, and to say which it has.

    Only the API's paths: of pages nobody asks that. Always the API's function, whoever has the methods that there are.
    """
    item: dict[str, Any] = paths[path]
    if not path.startswith("/v1/"):
        return item
    integration = paths["/v1/health"]["get"][_INTEGRATION]
    names = re.findall(r"{(\w+)}", path)
    parameters = [{"name": name, "in": "path", "required": True, "type": "string"} for name in names]
    # Without security: a browser sends no token with a preflight.
    return item | {ANY: {"parameters": parameters, "responses": {}, _INTEGRATION: integration}}


_ACCESS_LINE = {
    "request_id": "$context.requestId",
    "at": "$context.requestTime",
    "method": "$context.httpMethod",
    "route": "$context.resourcePath",
    "status": "$context.status",
    "ms": "$context.responseLatency",
    "integration_ms": "$context.integrationLatency",
    "ip": "$context.identity.sourceIp",
    "error": "$context.error.responseType",
}
"""The access log's format, without path (it contains ids) and principal; the functions log both where needed."""


def _throttle(path: str, method: str) -> dict[str, Any]:
    return {
        "ResourcePath": path,
        "HttpMethod": method,
        "ThrottlingRateLimit": {"Ref": "ThrottleRate"},
        "ThrottlingBurstLimit": {"Ref": "ThrottleBurst"},
        "LoggingLevel": "ERROR",
        # Off, because it would log bodies and tokens.
        "DataTraceEnabled": False,
    }


def _outputs(given: dict[str, Any]) -> dict[str, Any]:
    url = "https://${RestAPI}.execute-api.${AWS::Region}.${AWS::URLSuffix}/${Stage}"
    return {
        "RestAPIId": given["RestAPIId"],
        "TabTableName": given["TabTableName"],
        "EndpointURL": {"Description": "Where the API is.", "Value": {"Fn::Sub": url}},
        "WebhookURL": {"Description": "What Stripe is told.", "Value": {"Fn::Sub": f"{url}{WEBHOOK_PATH}"}},
        "DeadLettersURL": {"Description": "What failed for good.", "Value": {"Ref": "DeadLetters"}},
    }
