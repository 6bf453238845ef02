"""Deploying: the zip into a bucket, the template through a change set, on AWS as on the emulator."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack.deploy.artifacts import Artifacts

RELEASE = "Release"
"""The parameter that is worked out here."""
POLL_S = 0.5
TIMEOUT_S = 1800.0
_NOTHING = ("didn't contain changes", "No updates are to be performed")
"""CloudFormation's failure reasons that mean that nothing has changed."""


class DeployFailed(Exception):
    """CloudFormation refused or rolled back; the text has its reasons."""


@dataclass(frozen=True, slots=True)
class Clients:
    """boto3 clients for one account and region. Untyped: only DynamoDB's stubs are installed."""

    cloudformation: Any
    s3: Any


def deploy(clients: Clients, artifacts: Artifacts, *, bucket: str, parameters: Mapping[str, str]) -> str:
    """Apply the template to the stack; returns `created`, `updated` or `unchanged`. Raises DeployFailed.

    Parameters that are not given keep the values they have, or get the template's defaults.
    """
    stack = stack_name(artifacts.stage)
    for key, path in artifacts.zips.items():
        _upload(clients.s3, bucket, key, path)
    _upload(clients.s3, bucket, artifacts.template_key, artifacts.template_path)
    cloudformation = clients.cloudformation
    url = _url(clients.s3, bucket, artifacts.template_key)
    known = _find(cloudformation, stack)
    # A stack whose first change set was never executed is listed, but does not exist yet.
    known = None if known is not None and known["StackStatus"] == "REVIEW_IN_PROGRESS" else known
    change_set = cloudformation.create_change_set(
        StackName=stack,
        ChangeSetName=f"aftertab-{uuid.uuid4().hex}",
        ChangeSetType="UPDATE" if known else "CREATE",
        TemplateURL=url,
        Parameters=_parameters(
            cloudformation, url, known, {"CodeBucket": bucket, **parameters}, code=artifacts.template_key
        ),
        Capabilities=["CAPABILITY_IAM"],
    )["Id"]
    planned = _wait(lambda: cloudformation.describe_change_set(StackName=stack, ChangeSetName=change_set), "Status")
    if planned["Status"] == "FAILED":
        reason = planned.get("StatusReason", "")
        if any(text in reason for text in _NOTHING):
            cloudformation.delete_change_set(StackName=stack, ChangeSetName=change_set)
            return "unchanged"
        raise DeployFailed(reason)
    cloudformation.execute_change_set(StackName=stack, ChangeSetName=change_set)
    _wait(lambda: cloudformation.describe_change_set(StackName=stack, ChangeSetName=change_set), "ExecutionStatus")
    done = _wait(lambda: _find(cloudformation, stack) or {}, "StackStatus")
    if done["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise DeployFailed(f"{done['StackStatus']}: {_reasons(cloudformation, stack)}")
    return "updated" if known else "created"


def delete(clients: Clients, stack: str) -> None:
    """Delete the stack. What the template retains (the table) stays. Raises DeployFailed."""
    clients.cloudformation.delete_stack(StackName=stack)
    gone = {"StackStatus": "DELETE_COMPLETE"}
    last = _wait(lambda: _find(clients.cloudformation, stack) or gone, "StackStatus")
    if last["StackStatus"] != "DELETE_COMPLETE":
        raise DeployFailed(f"{last['StackStatus']}: {_reasons(clients.cloudformation, stack)}")


def outputs(clients: Clients, stack: str) -> dict[str, str]:
    """Raises DeployFailed if there is no such stack."""
    found = _find(clients.cloudformation, stack)
    if found is None:
        raise DeployFailed(f"There is no stack {stack}.")
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}


def stack_name(stage: str) -> str:
    return f"aftertab-{stage}"


def _upload(s3: Any, bucket: str, key: str, path: Path) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())


def _url(s3: Any, bucket: str, key: str) -> str:
    """The object's address, as boto3 itself would use it."""
    signed: str = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
    return signed.split("?")[0]


def _parameters(
    cloudformation: Any, template_url: str, known: dict[str, Any] | None, given: Mapping[str, str], *, code: str
) -> list[dict[str, Any]]:
    """`code` stands for template and zip: with the values of all parameters it makes the release."""
    declared = {
        parameter["ParameterKey"]: parameter.get("DefaultValue")
        for parameter in cloudformation.get_template_summary(TemplateURL=template_url)["Parameters"]
    }
    if unknown := sorted(set(given) - set(declared)):
        raise DeployFailed(f"The template has no parameter {', '.join(unknown)}.")
    kept = {found["ParameterKey"]: found["ParameterValue"] for found in (known or {}).get("Parameters", [])}
    valued = set(given) | set(kept)
    if missing := [name for name, default in declared.items() if default is None and name not in valued]:
        raise DeployFailed(f"Give a value for {', '.join(missing)}.")
    values = {name: value for name, value in {**declared, **kept, **given}.items() if name in declared}
    given = {**given, RELEASE: _release(code, values)}
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()] + [
        {"ParameterKey": name, "UsePreviousValue": True} for name in declared if name in kept and name not in given
    ]


def _release(code: str, values: Mapping[str, str | None]) -> str:
    """Twelve digits that change with the code and with every parameter, and with nothing else."""
    others = sorted((name, value) for name, value in values.items() if name != RELEASE)
    return hashlib.sha256(json.dumps([code, others]).encode()).hexdigest()[:12]


def _find(cloudformation: Any, stack: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except cloudformation.exceptions.ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return found


def _wait(ask: Callable[[], dict[str, Any]], field: str) -> dict[str, Any]:
    """Wait until `field` of the answer no longer says that something is in progress. Raises DeployFailed."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        answer = ask()
        status = str(answer.get(field, ""))
        if not status.endswith(("IN_PROGRESS", "PENDING")):
            return answer
        time.sleep(POLL_S)
    raise DeployFailed(f"CloudFormation has not come to an end in {TIMEOUT_S / 60:.0f} minutes.")


def _reasons(cloudformation: Any, stack: str) -> str:
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
    return "; ".join(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}" for event in failed[-5:])
