"""What a person or pipeline must be allowed to deploy a stage, and nothing else: `docs/deploy-policy.json`.

`python -m devstack.deploy.rights` writes it. CloudFormation makes every resource with the rights of whoever deploys, so
each type in the template has its calls here: https://docs.aws.amazon.com/service-authorization/latest/reference/.
A test compares the types, the names and the calls of `make deploy` with the template and the code. It fits into a
role's own policy (10,240 characters), not into a managed one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

TARGET = Path(__file__).resolve().parents[2] / "docs" / "deploy-policy.json"
BUCKET = "YOUR-BUCKET"
"""The one thing in the policy that is to be replaced."""
_ANY = "arn:aws:{}:*:*:{}"


class Grant(Struct, frozen=True):
    """A statement, for these types of resources. `why`: the reason of one that is on everything."""

    sid: str
    types: tuple[str, ...]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Mapping[str, Any] | None = None
    why: str = ""


def _named(service: str, *names: str) -> tuple[str, ...]:
    return tuple(_ANY.format(service, name) for name in names)


def _calls(service: str, names: str) -> tuple[str, ...]:
    return tuple(f"{service}:{name}" for name in names.split())


_ROLES = ("arn:aws:iam::*:role/aftertab-*",)
_FUNCTIONS = _named("lambda", "function:aftertab-*")

GRANTS: Sequence[Grant] = (
    Grant(
        "Stack",
        (),
        _calls(
            "cloudformation",
            "CreateChangeSet DescribeChangeSet ExecuteChangeSet DeleteChangeSet DescribeStacks DescribeStackEvents "
            "DescribeStackResources ListStackResources DeleteStack",
        ),
        _named("cloudformation", "stack/aftertab-*/*", "changeSet/aftertab-*/*"),
    ),
    Grant(
        "TemplateSummary",
        (),
        ("cloudformation:GetTemplateSummary",),
        ("*",),
        why="It is asked about an address, not about a stack.",
    ),
    Grant("Package", (), _calls("s3", "PutObject GetObject"), (f"arn:aws:s3:::{BUCKET}/aftertab-*",)),
    Grant(
        "Table",
        ("AWS::DynamoDB::Table",),
        _calls(
            "dynamodb",
            "CreateTable DescribeTable UpdateTable DescribeTimeToLive UpdateTimeToLive DescribeContinuousBackups "
            "UpdateContinuousBackups DescribeContributorInsights DescribeKinesisStreamingDestination GetResourcePolicy "
            "ListTagsOfResource TagResource UntagResource",
        ),
        _named("dynamodb", "table/aftertab-*"),
    ),
    Grant(
        "Functions",
        (
            "AWS::Lambda::Function",
            "AWS::Lambda::Version",
            "AWS::Lambda::Alias",
            "AWS::Lambda::Permission",
            "AWS::Lambda::EventInvokeConfig",
        ),
        _calls(
            "lambda",
            "CreateFunction GetFunction GetFunctionConfiguration UpdateFunctionCode UpdateFunctionConfiguration "
            "DeleteFunction PutFunctionConcurrency DeleteFunctionConcurrency GetFunctionCodeSigningConfig "
            "GetRuntimeManagementConfig GetFunctionRecursionConfig GetProvisionedConcurrencyConfig PublishVersion "
            "ListVersionsByFunction CreateAlias GetAlias UpdateAlias DeleteAlias AddPermission RemovePermission "
            "GetPolicy PutFunctionEventInvokeConfig GetFunctionEventInvokeConfig UpdateFunctionEventInvokeConfig "
            "DeleteFunctionEventInvokeConfig ListTags TagResource UntagResource",
        ),
        _FUNCTIONS,
    ),
    Grant(
        "Readers",
        ("AWS::Lambda::EventSourceMapping",),
        _calls("lambda", "CreateEventSourceMapping UpdateEventSourceMapping DeleteEventSourceMapping"),
        ("*",),
        {"ArnLike": {"lambda:FunctionArn": "arn:aws:lambda:*:*:function:aftertab-*"}},
        "A mapping has a random id; the condition keeps to our functions.",
    ),
    Grant(
        "LookAtReaders",
        ("AWS::Lambda::EventSourceMapping",),
        _calls("lambda", "GetEventSourceMapping ListTags TagResource UntagResource"),
        _named("lambda", "event-source-mapping:*") + _FUNCTIONS,
    ),
    Grant(
        "ListReaders",
        ("AWS::Lambda::EventSourceMapping",),
        ("lambda:ListEventSourceMappings",),
        ("*",),
        why="Lists cannot be restricted by name.",
    ),
    Grant(
        "Roles",
        ("AWS::IAM::Role",),
        _calls(
            "iam",
            "CreateRole GetRole DeleteRole UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy PutRolePolicy "
            "GetRolePolicy DeleteRolePolicy ListRolePolicies ListAttachedRolePolicies TagRole UntagRole",
        ),
        _ROLES,
    ),
    Grant(
        "LogsOfApiGateway",
        ("AWS::IAM::Role",),
        _calls("iam", "AttachRolePolicy DetachRolePolicy"),
        _ROLES,
        {"ArnEquals": {"iam:PolicyARN": "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"}},
    ),
    Grant(
        "HandRolesOn",
        ("AWS::Lambda::Function", "AWS::ApiGateway::Account"),
        ("iam:PassRole",),
        _ROLES,
        {"StringEquals": {"iam:PassedToService": ["lambda.amazonaws.com", "apigateway.amazonaws.com"]}},
    ),
    Grant(
        "Api",
        ("AWS::ApiGateway::RestApi", "AWS::ApiGateway::Deployment", "AWS::ApiGateway::Stage"),
        _calls("apigateway", "GET POST PUT PATCH DELETE"),
        ("arn:aws:apigateway:*::/restapis", "arn:aws:apigateway:*::/restapis/*", "arn:aws:apigateway:*::/tags/*"),
    ),
    Grant(
        "ApiAccount",
        ("AWS::ApiGateway::Account",),
        _calls("apigateway", "GET PATCH"),
        ("arn:aws:apigateway:*::/account",),
    ),
    Grant(
        "LogGroups",
        ("AWS::Logs::LogGroup",),
        _calls(
            "logs",
            "CreateLogGroup DeleteLogGroup PutRetentionPolicy DeleteRetentionPolicy DescribeIndexPolicies "
            "GetDataProtectionPolicy ListTagsForResource TagResource UntagResource",
        ),
        _named("logs", "log-group:/aws/lambda/aftertab-*", "log-group:/aws/apigateway/aftertab-*"),
    ),
    Grant(
        "AccessLog",
        ("AWS::Logs::LogGroup", "AWS::ApiGateway::Stage"),
        _calls(
            "logs",
            "DescribeLogGroups CreateLogDelivery GetLogDelivery UpdateLogDelivery DeleteLogDelivery ListLogDeliveries "
            "PutResourcePolicy DescribeResourcePolicies",
        ),
        ("*",),
        why="API Gateway's access log is set up by calls that name no log group.",
    ),
    Grant(
        "Alarms",
        ("AWS::CloudWatch::Alarm",),
        _calls(
            "cloudwatch", "PutMetricAlarm DeleteAlarms DescribeAlarms ListTagsForResource TagResource UntagResource"
        ),
        _named("cloudwatch", "alarm:aftertab-*"),
    ),
    Grant(
        "Dashboard",
        ("AWS::CloudWatch::Dashboard",),
        _calls("cloudwatch", "PutDashboard GetDashboard DeleteDashboards"),
        ("arn:aws:cloudwatch::*:dashboard/aftertab-*",),
    ),
    Grant(
        "Schedules",
        ("AWS::Events::Rule",),
        _calls(
            "events",
            "PutRule DescribeRule DeleteRule EnableRule DisableRule PutTargets RemoveTargets ListTargetsByRule "
            "ListTagsForResource TagResource UntagResource",
        ),
        _named("events", "rule/aftertab-*"),
    ),
    Grant(
        "Queues",
        ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy"),
        _calls(
            "sqs",
            "CreateQueue DeleteQueue GetQueueAttributes SetQueueAttributes GetQueueUrl "
            "ListQueueTags TagQueue UntagQueue",
        ),
        _named("sqs", "aftertab-*"),
    ),
    Grant(
        "Topics",
        ("AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "AWS::SNS::Subscription"),
        _calls(
            "sns",
            "CreateTopic DeleteTopic GetTopicAttributes SetTopicAttributes GetDataProtectionPolicy Subscribe "
            "Unsubscribe ListSubscriptionsByTopic GetSubscriptionAttributes SetSubscriptionAttributes "
            "ListTagsForResource TagResource UntagResource",
        ),
        _named("sns", "aftertab-*"),
    ),
    Grant(
        "MailReports",
        ("AWS::SES::ConfigurationSet", "AWS::SES::ConfigurationSetEventDestination"),
        _calls(
            "ses",
            "CreateConfigurationSet GetConfigurationSet DeleteConfigurationSet PutConfigurationSetDeliveryOptions "
            "CreateConfigurationSetEventDestination GetConfigurationSetEventDestinations "
            "UpdateConfigurationSetEventDestination DeleteConfigurationSetEventDestination "
            "ListTagsForResource TagResource UntagResource",
        ),
        _named("ses", "configuration-set/aftertab-*"),
    ),
)


def policy() -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": grant.sid,
                "Effect": "Allow",
                "Action": list(grant.actions),
                "Resource": list(grant.resources) if len(grant.resources) > 1 else grant.resources[0],
                **({"Condition": grant.condition} if grant.condition else {}),
            }
            for grant in GRANTS
        ],
    }


def text() -> str:
    return json.dumps(policy(), indent=2) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text())
    print(f"wrote {TARGET}")
