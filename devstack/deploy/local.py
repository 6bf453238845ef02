"""`make deploy-local`: deploys the package on the emulator, plays stories on it, updates it in place, tears it down.

Exit status 0 only if every story and every check comes out.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from rich.markup import escape

from devstack import log_search
from devstack.deploy import doctor, news
from devstack.deploy.alarms import ALARMS
from devstack.deploy.artifacts import AUTHORIZER, CODE, Artifacts, write_template
from devstack.deploy.doctor import Finding, Patient, State
from devstack.deploy.template import ALIAS
from devstack.deployed_stack import STACK, STAGE, DeployedStack
from devstack.http import Reply
from devstack.stack import EVENTS, ROOT, SECRET_KEY, stop_on_signals
from devstack.stories.business import StoryFailed
from devstack.stories.problems import asked_by_the_bank
from devstack.stories.usual import NEED_THE_LOCAL_SERVER, STORIES, Story

FUNCTIONS = ("api", "webhook", "pages", "authorizer", "sweep", "worker", "relay", "post", "notices", "feedback")
"""Those that the stories call."""
ON_SCHEDULE = asked_by_the_bank
"""The stories that are played a second time, with only the schedule sweeping."""
UPDATED = "updated"
COUNTED = {"PaymentsTaken", "EventsHandled", "TabsAdvanced", "SweepLagSeconds"}
METRICS = {alarm.metric for alarm in ALARMS} | COUNTED
PROBLEM = "application/problem+json"


class CheckFailed(Exception):
    """The deployment does not work as required; the text says how."""


class Show:
    """Prints what happens, and counts the failures."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.passed: list[str] = []
        self.failed: list[str] = []

    def run(self, title: str, act: Callable[[], object]) -> None:
        self._console.print(f"[bold]{escape(title)}[/bold]", soft_wrap=True)
        try:
            act()
        except (StoryFailed, CheckFailed) as failure:
            self.failed.append(title)
            self._console.print(f"  [red]✗ {escape(str(failure))}[/red]\n", soft_wrap=True)
        else:
            self.passed.append(title)
            self._console.print("  [green]✓[/green]\n")

    def say(self, text: str) -> None:
        self._console.print(f"  {escape(text)}", soft_wrap=True)


def play(stack: DeployedStack, show: Show) -> None:
    """The stories, the edge, the schedule."""
    show.run("The zip holds what is deployed, and nothing else", lambda: check_zip(stack.artifacts))
    show.run("It was deployed with the rights of docs/deploy-policy.json alone", lambda: check_deployer(stack))
    show.run("API Gateway's own answers are problems like ours", lambda: check_edge(stack))
    show.run("Guides and reference are served", lambda: check_docs(stack))
    for story in STORIES:
        if story not in NEED_THE_LOCAL_SERVER:
            show.run(title_of(story), lambda story=story: story(stack, show.say))  # type: ignore[misc]
    news.may_send(stack)
    show.run(title_of(news.told), lambda: news.told(stack, show.say))  # type: ignore[arg-type]
    stack.waits_for_schedule = True
    show.run(f"{title_of(ON_SCHEDULE)}: by the schedule alone", lambda: ON_SCHEDULE(stack, show.say))
    stack.waits_for_schedule = False
    show.run("A tab can be followed from request to webhook to sweep", lambda: check_logs(stack, show))


def check_logs(stack: DeployedStack, show: Show) -> None:
    """Check that log lines of request, worker and webhook name the same attempt, and the call that caused an event."""
    lines = {function: list(stack.log_lines(function)) for function in ("api", "webhook", "worker")}

    def ids(function: str, name: str, tab_id: str) -> set[str]:
        return {line[name] for line in lines[function] if line.get("tab_id") == tab_id and line.get(name)}

    tabs = {str(line["tab_id"]) for line in lines["webhook"] if "tab_id" in line}
    followed = [
        tab_id
        for tab_id in sorted(tabs)
        if (ids("api", "attempt_id", tab_id) | ids("worker", "attempt_id", tab_id))
        & ids("webhook", "attempt_id", tab_id)
        and ids("webhook", "stripe_request_id", tab_id)
        & (ids("api", "stripe_request_id", tab_id) | ids("worker", "stripe_request_id", tab_id))
    ]
    expect(bool(followed), True, f"one of {len(tabs)} tabs can be followed")
    expect(any("tab_id" in line for line in lines["worker"]), True, "the worker names its tabs")
    counted = {name for of_it in lines.values() for line in of_it if "_aws" in line for name in METRICS & set(line)}
    expect(counted >= COUNTED, True, f"{sorted(COUNTED)} are counted")
    every = [json.dumps(line) for function in FUNCTIONS for line in stack.log_lines(function)]
    expect([found.kind for line in every for found in log_search.search(line)], [], "secrets and people in the logs")
    show.say(f"{len(every)} log lines of {len(FUNCTIONS)} functions were searched for secrets, cards and people: none")
    show.say(f"{len(followed)} of {len(tabs)} tabs, {followed[0]} for one; {len(counted)} metrics are in the log")


def title_of(story: Story) -> str:
    return (story.__doc__ or story.__name__).strip()


def check_zip(artifacts: Artifacts) -> None:
    """Check that the stand-in, the movable clock and the token issuer are not in the package."""
    names = []
    for path in artifacts.zips.values():
        with zipfile.ZipFile(path) as archive:
            names += archive.namelist()
    top = {name.split("/")[0] for name in names}
    expect({"app.py", "chalicelib"} <= top, True, "the app is in the zip")
    ours = {path.name for path in ROOT.iterdir()} - {"app.py", "chalicelib", "__pycache__"}
    expect(sorted(top & ours), [], "other parts of this repository in the zip")
    expect([name for name in names if "devstack" in name or "stripe_standin" in name], [], "files of the local stack")


def check_deployer(stack: DeployedStack) -> None:
    """Check that whoever deploys can't read the table, delete it, or make a role of another name."""
    refused: Mapping[str, Callable[[Any], object]] = {
        "dynamodb": lambda client: client.scan(TableName=stack.outputs["TabTableName"]),
        "iam": lambda client: client.create_role(RoleName="admin", AssumeRolePolicyDocument="{}"),
        "ssm": lambda client: client.get_parameter(Name=f"/aftertab/{STAGE}/stripe-secret-key"),
    }
    for service, call in refused.items():
        try:
            call(stack.as_deployer(service))
        except ClientError as error:
            expect("AccessDenied" in error.response["Error"]["Code"], True, f"{service}: {error}")
        else:
            raise CheckFailed(f"whoever deploys may use {service} for more")


def check_edge(stack: DeployedStack) -> None:
    """Check the answers without a token, with a wrong one, on an unknown path, to a wrong method, to a preflight."""
    nonsense = {"Authorization": "Bearer nonsense"}
    asked = {
        (401, "unauthorized"): stack.app.request("GET", "/v1/merchant"),
        (401, "token_invalid"): stack.app.request("GET", "/v1/merchant", headers=nonsense),
        (404, "not_found"): stack.app.request("GET", "/v1/nothing"),
        (405, "method_not_allowed"): stack.app.request("PATCH", "/v1/merchant"),
    }
    for (status, code), reply in asked.items():
        expect((reply.status, reply.headers.get("content-type")), (status, PROBLEM), "the edge")
        expect((reply.body.get("status"), reply.body.get("code")), (status, code), "the body's own status and code")
        expect(reply.headers.get("access-control-allow-origin"), "*", "CORS")
    preflight = stack.app.request("OPTIONS", "/v1/merchant", headers={"Origin": "https://app.example"})
    allowed = (
        preflight.headers.get("access-control-allow-origin"),
        preflight.headers.get("access-control-allow-methods"),
    )
    expect((preflight.status, *allowed), (204, "*", "GET"), "a preflight")


def check_docs(stack: DeployedStack) -> None:
    """Check that /docs, a guide and the renderer are served, and ask no other server."""
    for path, part in {"/docs": "API reference", "/docs/walk-in": "A walk-in", "/docs/docs.css": ".swagger-ui"}.items():
        reply = stack.app.request("GET", path)
        expect((reply.status, part in str(reply.body)), (200, True), path)
        policy = reply.headers.get("content-security-policy", "")
        expect(policy.startswith("default-src 'self';"), True, f"the policy of {path}")


def update(stack: DeployedStack, artifacts: Artifacts, folder: Path, show: Show) -> None:
    """Update the stack in place: the new code answers, and no stored item is lost."""
    before = stored(stack)
    expect(len(before) > 0, True, "there is something to keep")
    expect(stack.deploy(artifacts), "unchanged", "the same package again")
    expect(stack.deploy(changed(artifacts, folder)), "updated", "a package with other code")
    health: Reply = stack.app.request("GET", "/v1/health")
    expect((health.status, str(health.body["version"]).endswith(UPDATED)), (200, True), "the new code answers")
    expect_kept(stack, before)
    show.say(f"the new code answers with {health.body['version']}; all {len(before)} items are as they were")


def changed(artifacts: Artifacts, folder: Path) -> Artifacts:
    """A copy of the package with another version."""
    folder.mkdir()
    shutil.copyfile(artifacts.folder / "sam.json", folder / "sam.json")
    shutil.copyfile(artifacts.folder / AUTHORIZER, folder / AUTHORIZER)
    with zipfile.ZipFile(artifacts.code_path) as old, zipfile.ZipFile(folder / CODE, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "chalicelib/config.py":
                content = re.sub(rb'(VERSION = "[^"]+)"', rb'\1+updated"', content)
            # Remove the bytecode of the old source.
            if not name.startswith("chalicelib/__pycache__/config."):
                new.writestr(name, content)
    return write_template(artifacts.stage, folder)


def check_doctor(stack: DeployedStack, show: Show) -> None:
    """Check that the doctor finds nothing wrong, then names everything broken on purpose, and never shows a secret."""

    def examined() -> list[Finding]:
        return doctor.examine(Patient(STAGE, stack.client, api_url=stack.app_url))

    healthy = examined()
    expect([finding for finding in healthy if finding.state == State.WRONG], [], "what is wrong with a sound stack")
    broken = break_things(stack)
    ill = examined()
    complaints = [finding.what for finding in ill if finding.state == State.WRONG]
    for what in broken:
        expect(sum(what in complaint for complaint in complaints), 1, f"complaints that say: {what}")
    expect(len(complaints), len(broken), f"complaints, of {complaints}")
    told = "".join(finding.what + finding.mend for finding in (*healthy, *ill))
    expect([secret for secret in (SECRET_KEY, "whsec_1", "whsec_2") if secret in told], [], "secrets told")
    show.say(f"nothing wrong at first; then {len(broken)} things are broken, and named: {'; '.join(broken)}")


def break_things(stack: DeployedStack) -> list[str]:
    """Break the deployment in several ways; returns what the doctor must report."""
    table, alarm = stack.outputs["TabTableName"], f"{STACK}-flagged"
    stack.client("cloudwatch").delete_alarms(AlarmNames=[alarm])
    stack.client("events").disable_rule(Name=f"{STACK}-sweep")
    stack.client("sqs").send_message(QueueUrl=stack.outputs["DeadLettersURL"], MessageBody="{}")
    post = stack.client("sqs").get_queue_url(QueueName=f"{STACK}-post-dead-letters")["QueueUrl"]
    stack.client("sqs").send_message(QueueUrl=post, MessageBody="{}")
    (reader,) = stack.client("lambda").list_event_source_mappings(FunctionName=f"{STACK}-notices:{ALIAS}")[
        "EventSourceMappings"
    ]
    stack.client("lambda").update_event_source_mapping(UUID=reader["UUID"], Enabled=False)
    stack.client("dynamodb").update_table(TableName=table, DeletionProtectionEnabled=False)
    stack.client("dynamodb").update_time_to_live(
        TableName=table, TimeToLiveSpecification={"AttributeName": "ttl", "Enabled": False}
    )
    stack.client("ssm").delete_parameter(Name=f"/aftertab/{STAGE}/stripe-webhook-secret")
    stack.client("ssm").put_parameter(Name=f"/aftertab/{STAGE}/stripe-webhook-secret", Value="whsec_1", Type="String")
    stack.change_webhook({"enabled_events[0]": "payment_intent.succeeded"})
    return [
        f"The alarm {alarm} is missing",
        f"The schedule {STACK}-sweep is DISABLED",
        "1 failed runs are in the dead letters",
        "1 dead letters of post wait",
        f"The function {STACK}-notices does not read",
        f"The table {table} can be deleted",
        f"Nothing expires in {table}",
        "stripe-webhook-secret is stored in clear",
        f"The webhook endpoint is not sent {min(EVENTS)}",
    ]


def tear_down(stack: DeployedStack, show: Show) -> None:
    """Delete the stack, and check that the table stays."""
    before = stored(stack)
    stack.tear_down()
    expect(stack.client("lambda").list_functions()["Functions"], [], "functions left behind")
    expect_kept(stack, before)
    show.say(f"the functions are gone, the table stays with its {len(before)} items")


def stored(stack: DeployedStack) -> dict[str, object]:
    """All items of the table, by key."""
    pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.outputs["TabTableName"])
    items = [item for page in pages for item in page["Items"]]
    return {f"{item['pk']['S']} {item['sk']['S']}": item for item in items}


def expect_kept(stack: DeployedStack, before: dict[str, object]) -> None:
    """Check that every item is as it was. A receipt may have gone out meanwhile, whose delivery is a new one."""
    after = stored(stack)
    expect({key: after.get(key) for key in before}, before, "what is stored")


def expect(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise CheckFailed(f"{what}: {found!r:.300}, not {wanted!r:.300}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make deploy-local", description=__doc__)
    parser.add_argument("--package", type=Path, required=True, help="the folder that make package wrote")
    artifacts = Artifacts(parser.parse_args().package)
    console = Console(highlight=False)
    stop_on_signals()
    show, began = Show(console), time.monotonic()
    with tempfile.TemporaryDirectory() as folder, DeployedStack(artifacts) as stack:
        deployed_s = time.monotonic() - began
        console.print(f"deployed after {deployed_s:.0f} s: {stack.app_url}\n", soft_wrap=True)
        play(stack, show)
        show.run("An update in place", lambda: update(stack, artifacts, Path(folder) / "changed", show))
        show.run("The doctor", lambda: check_doctor(stack, show))
        show.run("Teardown", lambda: tear_down(stack, show))
    for story, why in NEED_THE_LOCAL_SERVER.items():
        console.print(f"  local server only: {title_of(story)} ({why})", soft_wrap=True)
    console.print(
        f"{len(show.passed)} passed, {len(show.failed)} failed on the deployed stack, "
        f"{len(NEED_THE_LOCAL_SERVER)} stories need the local server, in {time.monotonic() - began:.0f} s."
    )
    if show.failed:
        console.print(f"The servers' logs are in {stack.logs}.")
    return 1 if show.failed else 0


if __name__ == "__main__":
    sys.exit(main())
