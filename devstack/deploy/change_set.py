"""Deploying: the zip into a bucket, the template through a change set, on AWS as on the emulator."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLL_S = 0.5
TIMEOUT_S = 1800.0
_NOTHING = ("didn't contain changes", "No updates are to be performed")
_NEVER_MADE = ("REVIEW_IN_PROGRESS",)


class DeployFailed(Exception):
    """CloudFormation refused or rolled back; the text has its reasons."""


@dataclass(frozen=True, slots=True)
class Clients:
    """boto3 clients for one account and region. Untyped: only DynamoDB's stubs are installed."""

    cloudformation: Any
    s3: Any


def deploy(
    clients: Clients, *, stack: str, template: Path, zip_file: Path, bucket: str, parameters: Mapping[str, str]
) -> str:
    """Bring the stack to the template; `created`, `updated` or `unchanged`. Raises DeployFailed.

    Parameters that are not given keep the values they have, or get the template's defaults.
    """
    _upload(clients.s3, bucket, zip_file, "application/zip")
    _upload(clients.s3, bucket, template, "application/json")
    cloudformation = clients.cloudformation
    known = _find(cloudformation, stack)
    is_new = known is None or known["StackStatus"] in _NEVER_MADE
    url = clients.s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": template.name})
    template_url = url.split("?")[0]
    change_set = cloudformation.create_change_set(
        StackName=stack,
        ChangeSetName=f"aftertab-{uuid.uuid4().hex}",
        ChangeSetType="CREATE" if is_new else "UPDATE",
        TemplateURL=template_url,
        Parameters=_parameters(cloudformation, template_url, known if not is_new else None, bucket, parameters),
        Capabilities=["CAPABILITY_IAM"],
    )["Id"]
    planned = _wait(lambda: cloudformation.describe_change_set(ChangeSetName=change_set), "Status", "CREATE")
    if planned["Status"] == "FAILED":
        reason = planned.get("StatusReason", "")
        if any(text in reason for text in _NOTHING):
            cloudformation.delete_change_set(ChangeSetName=change_set)
            return "unchanged"
        raise DeployFailed(reason)
    cloudformation.execute_change_set(ChangeSetName=change_set)
    done = _wait(lambda: _find(cloudformation, stack) or {}, "StackStatus", "CREATE", "UPDATE", "ROLLBACK")
    if done["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise DeployFailed(f"{done['StackStatus']}: {_reasons(cloudformation, stack)}")
    return "created" if is_new else "updated"


def delete(clients: Clients, stack: str) -> None:
    """Tear the stack down; what the template retains (the table) stays. Raises DeployFailed."""
    clients.cloudformation.delete_stack(StackName=stack)
    gone = {"StackStatus": "DELETE_COMPLETE"}
    last = _wait(lambda: _find(clients.cloudformation, stack) or gone, "StackStatus", "DELETE_IN")
    if last["StackStatus"] != "DELETE_COMPLETE":
        raise DeployFailed(f"{last['StackStatus']}: {_reasons(clients.cloudformation, stack)}")


def outputs(clients: Clients, stack: str) -> dict[str, str]:
    """Raises DeployFailed where there is no such stack."""
    found = _find(clients.cloudformation, stack)
    if found is None:
        raise DeployFailed(f"There is no stack {stack}.")
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}


def _upload(s3: Any, bucket: str, path: Path, content_type: str) -> None:
    s3.put_object(Bucket=bucket, Key=path.name, Body=path.read_bytes(), ContentType=content_type)


def _parameters(
    cloudformation: Any, template_url: str, known: dict[str, Any] | None, bucket: str, given: Mapping[str, str]
) -> list[dict[str, Any]]:
    declared = {
        parameter["ParameterKey"]: parameter.get("DefaultValue")
        for parameter in cloudformation.get_template_summary(TemplateURL=template_url)["Parameters"]
    }
    values = {"CodeBucket": bucket, **given}
    if unknown := sorted(set(values) - set(declared)):
        raise DeployFailed(f"The template has no parameter {', '.join(unknown)}.")
    kept = {parameter["ParameterKey"] for parameter in (known or {}).get("Parameters", [])}
    missing = [
        name for name, default in declared.items() if name not in values and name not in kept and default is None
    ]
    if missing:
        raise DeployFailed(f"Give a value for {', '.join(missing)}.")
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()] + [
        {"ParameterKey": name, "UsePreviousValue": True} for name in declared if name in kept and name not in values
    ]


def _find(cloudformation: Any, stack: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except cloudformation.exceptions.ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return found


def _wait(ask: Any, field: str, *verbs: str) -> dict[str, Any]:
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        answer: dict[str, Any] = ask()
        status = answer.get(field, "")
        if not ("IN_PROGRESS" in status or status.endswith("PENDING")):
            return answer
        time.sleep(POLL_S)
    raise DeployFailed(f"CloudFormation has not come to an end in {TIMEOUT_S / 60:.0f} minutes.")


def _reasons(cloudformation: Any, stack: str) -> str:
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
    return "; ".join(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}" for event in failed[-5:])
