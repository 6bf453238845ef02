"""docs/deploy-policy.json allows what deploying needs, on what is ours, and nothing by a wildcard of actions."""

from __future__ import annotations

import ast
import fnmatch
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack.deploy import account, rights

ROOT = Path(__file__).resolve().parents[2]
STATEMENTS = rights.policy()["Statement"]
NAMES = {
    "AWS::DynamoDB::Table": ("TableName", "dynamodb", "table/{}"),
    "AWS::Lambda::Function": ("FunctionName", "lambda", "function:{}"),
    "AWS::Logs::LogGroup": ("LogGroupName", "logs", "log-group:{}"),
    "AWS::CloudWatch::Alarm": ("AlarmName", "cloudwatch", "alarm:{}"),
    "AWS::CloudWatch::Dashboard": ("DashboardName", "cloudwatch", "dashboard/{}"),
    "AWS::Events::Rule": ("Name", "events", "rule/{}"),
    "AWS::SQS::Queue": ("QueueName", "sqs", "{}"),
    "AWS::SNS::Topic": ("TopicName", "sns", "{}"),
    "AWS::SES::ConfigurationSet": ("Name", "ses", "configuration-set/{}"),
}
"""Type → the property with its name, and its ARN's service and end."""


def allows(action: str, arn: str) -> bool:
    return any(
        action in statement["Action"]
        and any(fnmatch.fnmatchcase(arn, pattern) for pattern in listed(statement["Resource"]))
        for statement in STATEMENTS
    )


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_the_committed_policy_is_the_one_of_the_code() -> None:
    """`python -m devstack.deploy.rights` writes it; it fits into a role's own policy."""
    assert rights.TARGET.read_text() == rights.text(), "run python -m devstack.deploy.rights"
    assert len(json.dumps(rights.policy(), separators=(",", ":"))) < 10_240


def test_every_type_of_resource_can_be_made_and_no_other(templates: dict[str, dict[str, Any]]) -> None:
    """A new type in the template needs its calls here."""
    made = {resource["Type"] for template in templates.values() for resource in template["Resources"].values()}
    granted = {kind for grant in rights.GRANTS for kind in grant.types}

    assert granted == made


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_every_name_of_the_template_is_covered(templates: dict[str, dict[str, Any]], stage: str) -> None:
    """What the stack makes is within the ARNs of the statements, so that the calls on it are allowed."""
    seen = 0
    for resource in templates[stage]["Resources"].values():
        if resource["Type"] in NAMES:
            field, service, end = NAMES[resource["Type"]]
            name = resource["Properties"][field]["Fn::Sub"].replace("${Stage}", stage)
            region = "" if service == "cloudwatch" and end.startswith("dashboard") else "eu-west-1"
            arn = f"arn:aws:{service}:{region}:123456789012:{end.format(name)}"
            creating = CREATES_OF[resource["Type"]]
            assert allows(creating, arn), (resource["Type"], name)
            assert not allows(creating, arn.replace("aftertab", "other")), "and nothing of others"
            seen += 1
    assert seen > 80


CREATES_OF = {
    "AWS::DynamoDB::Table": "dynamodb:CreateTable",
    "AWS::Lambda::Function": "lambda:CreateFunction",
    "AWS::Logs::LogGroup": "logs:CreateLogGroup",
    "AWS::CloudWatch::Alarm": "cloudwatch:PutMetricAlarm",
    "AWS::CloudWatch::Dashboard": "cloudwatch:PutDashboard",
    "AWS::Events::Rule": "events:PutRule",
    "AWS::SQS::Queue": "sqs:CreateQueue",
    "AWS::SNS::Topic": "sns:CreateTopic",
    "AWS::SES::ConfigurationSet": "ses:CreateConfigurationSet",
}


def test_two_stages_of_one_account_share_no_name(templates: dict[str, dict[str, Any]]) -> None:
    """Every name has the stage in it, so dev and prod can stand side by side in one account and region."""
    names = [
        json.dumps(resource["Properties"][NAMES[resource["Type"]][0]])
        for template in templates.values()
        for resource in template["Resources"].values()
        if resource["Type"] in NAMES
    ]

    assert [name for name in names if "${Stage}" not in name] == []


def test_no_action_is_a_wildcard_and_few_are_on_everything() -> None:
    """Each statement on everything has its reason, and the table can't be deleted with it."""
    actions = [action for statement in STATEMENTS for action in statement["Action"]]

    assert [action for action in actions if "*" in action] == []
    assert {action.split(":")[0] for action in actions} <= {
        *("cloudformation", "s3", "dynamodb", "lambda", "iam", "apigateway", "logs", "cloudwatch", "events"),
        *("sqs", "sns", "ses"),
    }
    for grant in rights.GRANTS:
        assert bool(grant.why) == (grant.resources == ("*",)), grant.sid
    assert "dynamodb:DeleteTable" not in actions
    assert len([grant for grant in rights.GRANTS if grant.why]) == 4


def test_roles_are_handed_to_lambda_and_api_gateway_only() -> None:
    """Whoever may make roles and hand them on could give themselves any right; these go to two services."""
    handing = [statement for statement in STATEMENTS if "iam:PassRole" in statement["Action"]]
    attaching = [statement for statement in STATEMENTS if "iam:AttachRolePolicy" in statement["Action"]]

    assert [statement["Resource"] for statement in handing + attaching] == ["arn:aws:iam::*:role/aftertab-*"] * 2
    assert all("Condition" in statement for statement in handing + attaching)


def calls_of(path: Path) -> Iterator[str]:
    """The calls on clients in make deploy's own code, as IAM names them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            target = ast.unparse(node.func.value)
            if target.endswith(("cloudformation", "s3")) and node.func.attr != "generate_presigned_url":
                name = "".join(part.title() for part in node.func.attr.split("_"))
                yield f"{target.rsplit('.')[-1]}:{name}"


def test_the_calls_of_make_deploy_are_allowed() -> None:
    """What devstack/deploy/change_set.py asks of AWS itself."""
    actions = {action for statement in STATEMENTS for action in statement["Action"]}
    calls = set(calls_of(ROOT / "devstack" / "deploy" / "change_set.py"))

    assert len(calls) >= 8
    assert calls <= actions


# Commands without an account


def run(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**kept, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_an_unknown_stage_is_refused_before_anything_is_done() -> None:
    """The stages of .chalice/config.json are named instead, by every command that takes one."""
    done = run("devstack.deploy.doctor", "--stage", "staging")

    assert done.returncode == 2
    assert "there is no stage 'staging', only dev and prod" in done.stderr
    for command in ("deploy/__main__", "deploy/doctor", "deploy/redrive", "package/__main__", "reconcile/__main__"):
        assert "type=account.stage" in (ROOT / "devstack" / f"{command}.py").read_text(), command


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "No region is chosen"),
        ({"AWS_REGION": "eu-west-1", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}, "There are no credentials"),
        ({"AWS_REGION": "eu-west-1", "AWS_PROFILE": "nobody"}, "AWS cannot be asked"),
    ],
)
def test_what_is_missing_is_said_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str
) -> None:
    """Region, credentials, and a profile that there is not."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", **environment}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(account.NoAccount, match=said):
        account.client_of()


def test_a_command_without_a_region_says_so() -> None:
    done = run("devstack.deploy.doctor", "--stage", "dev")

    assert done.returncode == 2
    assert "No region is chosen" in done.stderr
    assert "Traceback" not in done.stderr
