"""`make doctor`: what is missing or wrong with a deployed stage, in plain words, and how to fix it. Changes nothing.

It uses the rights of the person who runs it, who needs read rights and must be allowed to read the stage's secrets. It
never shows them. Exit status 0 if nothing is wrong; findings of the level "look" do not count.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

import stripe
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from devstack.deploy import account
from devstack.deploy.change_set import stack_name
from devstack.deploy.redrive import QUEUES
from devstack.deploy.template import ALIAS
from devstack.dynamodb_table import RESOURCES
from devstack.stack import API_VERSION, EVENTS

SKEW_MAXIMUM_S = 30
"""The clock difference that tokens tolerate; webhooks tolerate five minutes."""
HTTP_TIMEOUT_S = 10
OPTIONAL = (
    *("STRIPE_API_BASE", "AFTERTAB_API_URL", "AFTERTAB_PAGES_URL", "AFTERTAB_CORS_ORIGINS"),
    *("AFTERTAB_SMS_SENDER", "AFTERTAB_MAIL_SENDER"),
)
"""Settings that may be empty, or that a check of its own is about."""
READERS = 4
"""The relay, and the readers of the three queues."""
UNRESERVED_LEAST = 100
"""The concurrency that AWS keeps unreserved."""


class State(StrEnum):
    OK = "ok"
    LOOK = "look"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    state: State
    what: str
    mend: str = ""


Findings = Iterator[Finding]


def ok(what: str) -> Finding:
    return Finding(State.OK, what)


def look(what: str, mend: str) -> Finding:
    return Finding(State.LOOK, what, mend)


def wrong(what: str, mend: str) -> Finding:
    return Finding(State.WRONG, what, mend)


@dataclass
class Patient:
    """A deployed stage. `client`: name of a service → its boto3 client. `api_url`: where the API is, if not at AWS."""

    stage: str
    client: Callable[[str], Any]
    api_url: str | None = None
    _read: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def stack(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0]
        return found

    @property
    def name(self) -> str:
        return stack_name(self.stage)

    @cached_property
    def outputs(self) -> dict[str, str]:
        return {output["OutputKey"]: output["OutputValue"] for output in self.stack["Outputs"]}

    @property
    def url(self) -> str:
        return self.api_url or self.outputs["EndpointURL"]

    @cached_property
    def resources(self) -> list[dict[str, Any]]:
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        return [resource for page in pages for resource in page["StackResourceSummaries"]]

    def names_of(self, kind: str) -> list[str]:
        return sorted(r["PhysicalResourceId"] for r in self.resources if r["ResourceType"] == kind)

    @cached_property
    def functions(self) -> dict[str, dict[str, Any]]:
        """Name → configuration."""
        names = self.names_of("AWS::Lambda::Function")
        return {name: self.client("lambda").get_function_configuration(FunctionName=name) for name in names}

    @cached_property
    def settings(self) -> dict[str, str]:
        """The environment of the API's function."""
        found: dict[str, str] = self.functions[f"{self.name}-api"]["Environment"]["Variables"]
        return found

    @cached_property
    def secrets(self) -> dict[str, dict[str, Any]]:
        """Setting → the parameter it names, with its value."""
        names = {setting: self.settings[setting].removeprefix("ssm:") for setting in SECRETS}
        read = self.client("ssm").get_parameter
        return {setting: read(Name=name, WithDecryption=True)["Parameter"] for setting, name in names.items()}


SECRETS = ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET")


def check_account(patient: Patient) -> Findings:
    answer = patient.client("sts").get_caller_identity()
    yield ok(f"AWS account {answer['Account']}, region {patient.client('cloudformation').meta.region_name}")
    at = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
    skew_s = abs(time.time() - at)
    if skew_s > SKEW_MAXIMUM_S:
        yield wrong(
            f"This machine's clock and AWS's are {skew_s:.0f} s apart",
            "Set the clock (timedatectl set-ntp true). Lambda's is AWS's; the token issuer's must be right, too.",
        )
    else:
        yield ok("The clocks agree")


def check_stack(patient: Patient) -> Findings:
    status = patient.stack["StackStatus"]
    if status.endswith("_COMPLETE") and "ROLLBACK" not in status:
        yield ok(f"The stack {patient.name} is {status}")
    else:
        yield wrong(
            f"The stack {patient.name} is {status}",
            f"Read why: aws cloudformation describe-stack-events --stack-name {patient.name}; then make deploy again.",
        )


def check_table(patient: Patient) -> Findings:
    wanted = json.loads(RESOURCES.read_text())["Resources"]["TabTable"]["Properties"]
    dynamodb, name = patient.client("dynamodb"), patient.outputs["TabTableName"]
    table = dynamodb.describe_table(TableName=name)["Table"]
    # CloudFormation does not notice changes made without it: deploying the same template again would change nothing.
    mend = f"aws dynamodb {{}} --table-name {name} {{}}"
    as_template = f"Make it as {RESOURCES.name} has it: aws dynamodb update-table; the template alone won't."
    if table["TableStatus"] != "ACTIVE" or table["KeySchema"] != wanted["KeySchema"]:
        yield wrong(f"The table {name} is {table['TableStatus']}, or has other keys", "Restore it: see docs/deploy.md.")
    found = {index["IndexName"]: index for index in table.get("GlobalSecondaryIndexes", [])}
    for index in wanted["GlobalSecondaryIndexes"]:
        there = found.get(index["IndexName"])
        if there is None:
            yield wrong(f"The index {index['IndexName']} of {name} is missing", as_template)
        elif there.get("IndexStatus", "ACTIVE") != "ACTIVE":
            yield look(f"The index {index['IndexName']} of {name} is {there['IndexStatus']}", "Wait until it is built.")
        elif there["KeySchema"] != index["KeySchema"]:
            yield wrong(f"The index {index['IndexName']} of {name} has other keys", as_template)
    if not table.get("DeletionProtectionEnabled"):
        yield wrong(f"The table {name} can be deleted", mend.format("update-table", "--deletion-protection-enabled"))
    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if ttl["TimeToLiveStatus"] not in ("ENABLED", "ENABLING") or ttl.get("AttributeName") != "ttl":
        yield wrong(
            f"Nothing expires in {name}: its TTL is {ttl['TimeToLiveStatus']}",
            mend.format("update-time-to-live", "--time-to-live-specification AttributeName=ttl,Enabled=true"),
        )
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    if backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] != "ENABLED":
        on = "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
        yield wrong(f"{name} has no point-in-time backups", mend.format("update-continuous-backups", on))
    yield ok(f"The table {name} was looked at: keys, {len(found)} indexes, expiry, backups, protection")


def check_functions(patient: Patient) -> Findings:
    for name, found in patient.functions.items():
        state = (found.get("State", "Active"), found.get("LastUpdateStatus", "Successful"))
        if state != ("Active", "Successful"):
            yield wrong(f"The function {name} is {' and '.join(state)}", "Deploy again; the stack's events say why.")
        variables = found["Environment"]["Variables"]
        empty = [setting for setting, value in variables.items() if not value and setting not in OPTIONAL]
        if empty:
            yield wrong(
                f"The function {name} has no {', '.join(empty)}", 'make deploy … ARGS="--set …"; see docs/settings.md.'
            )
    yield ok(f"The functions were looked at: {', '.join(patient.functions)}")
    account = patient.client("lambda").get_account_settings()["AccountLimit"]
    if account["UnreservedConcurrentExecutions"] < UNRESERVED_LEAST:
        yield look(
            f"The account runs at most {account['ConcurrentExecutions']} functions at once",
            "A fresh account's limit is small, and prod's reservations need more: ask Service Quotas for 1,000.",
        )


def check_schedules(patient: Patient) -> Findings:
    events = patient.client("events")
    for name in patient.names_of("AWS::Events::Rule"):
        name = name.rsplit("|", 1)[-1]
        rule = events.describe_rule(Name=name)
        if rule["State"] != "ENABLED":
            yield wrong(f"The schedule {name} is {rule['State']}", f"aws events enable-rule --name {name}")
        elif not events.list_targets_by_rule(Rule=name)["Targets"]:
            yield wrong(f"The schedule {name} calls nothing", "Deploy again.")
        else:
            yield ok(f"The schedule {name} runs at {rule['ScheduleExpression']}")


def check_alarms(patient: Patient) -> Findings:
    cloudwatch, wanted = patient.client("cloudwatch"), patient.names_of("AWS::CloudWatch::Alarm")
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{patient.name}-")
    found = {alarm["AlarmName"]: alarm for page in pages for alarm in page["MetricAlarms"]}
    for name in wanted:
        if name not in found:
            yield wrong(
                f"The alarm {name} is missing", "Deploy once without it in devstack/deploy/alarms.py, then with it."
            )
        elif not found[name].get("ActionsEnabled", True):
            yield wrong(f"The alarm {name} tells nobody", f"aws cloudwatch enable-alarm-actions --alarm-names {name}")
        elif found[name]["StateValue"] == "ALARM":
            yield wrong(f"The alarm {name} is on", found[name].get("AlarmDescription", ""))
    yield ok(f"{len(wanted)} alarms were looked at")
    (topic,) = (name for name in patient.names_of("AWS::SNS::Topic") if name.endswith("-alarms"))
    told = patient.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    if not [one for one in told if one["SubscriptionArn"].startswith("arn:")]:
        finding = wrong if patient.stage == "prod" else look
        yield finding(
            "No alarm reaches anybody",
            'Set AlarmEmail (make deploy … ARGS="--set AlarmEmail=…") and confirm the mail, or subscribe your pager to '
            f"{topic}.",
        )


def check_readers(patient: Patient) -> Findings:
    """What reads the stream and the queues."""
    mappings = [
        mapping
        for name in patient.functions
        for mapping in patient.client("lambda").list_event_source_mappings(FunctionName=f"{name}:{ALIAS}")[
            "EventSourceMappings"
        ]
    ]
    for mapping in mappings:
        name = mapping["FunctionArn"].split(":")[6]
        if mapping["State"] not in ("Enabled", "Enabling", "Updating", "Creating"):
            yield wrong(
                f"The function {name} does not read {mapping['EventSourceArn']}: {mapping['State']}",
                f"aws lambda update-event-source-mapping --uuid {mapping['UUID']} --enabled",
            )
    if len(mappings) < READERS:
        yield wrong(f"{len(mappings)} of {READERS} readers of stream and queues are there", "Deploy again.")
    else:
        yield ok(f"{len(mappings)} readers of stream and queues were looked at")


def check_dead_letters(patient: Patient) -> Findings:
    runs = _waiting(patient, patient.outputs["DeadLettersURL"])
    if runs:
        yield wrong(
            f"{runs} failed runs are in the dead letters",
            "Read them and the function's log of that minute; delete them when understood. The next run does the work.",
        )
    of_queues = 0
    for queue in QUEUES:
        url = patient.client("sqs").get_queue_url(QueueName=f"{patient.name}-{queue}-dead-letters")["QueueUrl"]
        if waiting := _waiting(patient, url):
            of_queues += waiting
            yield wrong(
                f"{waiting} dead letters of {queue} wait",
                f"Its function's log says why. Once that is mended: make redrive STAGE={patient.stage} QUEUE={queue}",
            )
    if not runs + of_queues:
        yield ok("No dead letters")


def _waiting(patient: Patient, url: str) -> int:
    name = "ApproximateNumberOfMessages"
    found = patient.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return int(found["Attributes"][name])


def check_api(patient: Patient) -> Findings:
    status, body = _get(f"{patient.url}/v1/health")
    if status != 200 or body.get("stage") != patient.stage:
        yield wrong(f"The API answers {status} at {patient.url}/v1/health", f"Read /aws/lambda/{patient.name}-api.")
    else:
        yield ok(f"The API answers: version {body['version']}")
    status, body = _get(f"{patient.url}/v1/merchant")
    if status != 401:
        yield wrong(f"Without a token a route answers {status}, not 401", "Is the authorizer attached? Deploy again.")
    keys_url = patient.settings["AFTERTAB_JWT_JWKS_URL"]
    status, body = _get(keys_url)
    usable = [key for key in body.get("keys", []) if key.get("kty") == "RSA" and key.get("alg", "RS256") == "RS256"]
    if status != 200 or not usable:
        yield wrong(f"{keys_url} has no key for RS256 ({status})", "Nobody can sign in: see to JwtJwksUrl.")
    else:
        yield ok(f"The token issuer shows {len(usable)} keys")


def check_keys(patient: Patient) -> Findings:
    """Check the keys without calling Stripe. Only their prefixes are shown."""
    mode = "live" if patient.stage == "prod" else "test"
    begins = {"STRIPE_SECRET_KEY": ("sk_", "rk_"), "STRIPE_WEBHOOK_SECRET": ("whsec_",)}
    for setting, parameter in patient.secrets.items():
        name = parameter["Name"]
        store = f"aws ssm put-parameter --name {name} --type SecureString --overwrite --value …"
        if parameter.get("Type") != "SecureString":
            yield wrong(f"{name} is stored in clear", store)
        if not all(part.strip().startswith(begins[setting]) for part in parameter["Value"].split(",")):
            yield wrong(f"{name} does not begin with {' or '.join(begins[setting])}", store)
    kinds = {
        "the secret key": patient.secrets["STRIPE_SECRET_KEY"]["Value"],
        "the publishable key": patient.settings["STRIPE_PUBLISHABLE_KEY"],
    }
    for what, key in kinds.items():
        if f"_{mode}_" not in key[:8]:
            finding = wrong if patient.stage == "prod" or "_live_" in key[:8] else look
            yield finding(f"{patient.stage}: {what} is no key of {mode} mode", f"Store one that begins with …_{mode}_.")
    yield ok("The keys were looked at")


def check_stripe(patient: Patient) -> Findings:
    base = patient.settings["STRIPE_API_BASE"]
    if base and patient.stage == "prod":
        yield wrong(f"prod talks to {base} instead of Stripe", 'make deploy … ARGS="--set StripeApiBase="')
    elif base:
        yield look(f"{patient.stage} talks to {base} instead of Stripe", "On purpose? Else empty StripeApiBase.")
    key = patient.secrets["STRIPE_SECRET_KEY"]["Value"]
    client = stripe.StripeClient(key, base_addresses={"api": base} if base else {}, max_network_retries=1)
    try:
        balance = client.v1.balance.retrieve()
        yield ok(f"Stripe takes the secret key ({'live' if balance.livemode else 'test'} mode)")
    except stripe.PermissionError:
        yield ok("Stripe takes the secret key, a restricted one")
    except stripe.AuthenticationError:
        yield wrong("Stripe refuses the secret key", "It was rolled or deleted: see docs/deploy.md, Replacing keys.")
        return
    try:
        endpoints = list(client.v1.webhook_endpoints.list({"limit": 100}).auto_paging_iter())
    except stripe.PermissionError:
        yield look("This restricted key may not see webhook endpoints", "Look at the endpoint in Stripe's dashboard.")
        return
    yield from _check_endpoint(patient, endpoints)


def _check_endpoint(patient: Patient, endpoints: list[Any]) -> Findings:
    url = f"{patient.url}/v1/webhooks/stripe"
    ours = [endpoint for endpoint in endpoints if endpoint.url == url]
    if not ours:
        yield wrong(
            f"Stripe has no webhook endpoint for {url}",
            f"Make one with API version {API_VERSION} and the events of docs/deploy.md; store its secret.",
        )
    if len(ours) > 1:
        yield wrong(f"Stripe has {len(ours)} endpoints for {url}", "Keep the one whose secret is stored.")
    for endpoint in ours[:1]:
        if endpoint.status != "enabled":
            yield wrong(f"The webhook endpoint is {endpoint.status}", "Enable it in Stripe's dashboard, resend events.")
        if endpoint.api_version != API_VERSION:
            yield wrong(
                f"The webhook endpoint speaks {endpoint.api_version or 'the account’s own version'}, not {API_VERSION}",
                "Make another endpoint, store its secret beside the old one's, then delete the old endpoint.",
            )
        listed = set(endpoint.enabled_events)
        missing = [] if "*" in listed else sorted(set(EVENTS) - listed)
        if missing:
            yield wrong(f"The webhook endpoint is not sent {', '.join(missing)}", "Add them in Stripe's dashboard.")
        if extra := sorted(listed - set(EVENTS)):
            yield look(f"The webhook endpoint is also sent {', '.join(extra)}", "Each costs a call for nothing.")
        yield ok("The webhook endpoint was looked at: address, version, events")


def check_messages(patient: Patient) -> Findings:
    """Whether SES takes mails from the sender, for anybody."""
    sender = patient.settings["AFTERTAB_MAIL_SENDER"]
    if not sender:
        yield wrong("No e-mail can be sent: there is no sender", 'make deploy … ARGS="--set MailSender=…"')
        return
    ses = patient.client("sesv2")
    if not any(_may_send(ses, identity) for identity in (sender, sender.rpartition("@")[2])):
        yield wrong(
            f"SES takes no mail from {sender}",
            "Verify its domain: aws sesv2 create-email-identity --email-identity …, and the DNS records it answers.",
        )
    elif not ses.get_account().get("ProductionAccessEnabled"):
        finding = wrong if patient.stage == "prod" else look
        yield finding("SES is in its sandbox: mails reach verified addresses only", "See docs/deploy.md, messages.")
    else:
        yield ok(f"SES takes mail from {sender}")
    if not patient.settings["AFTERTAB_API_URL"]:
        yield look("Mails have no link by which they can be stopped", 'make deploy … ARGS="--set ApiUrl=https://…"')


def _may_send(ses: Any, identity: str) -> bool:
    try:
        return bool(ses.get_email_identity(EmailIdentity=identity)["VerifiedForSendingStatus"])
    except ses.exceptions.NotFoundException:
        return False


CHECKS: tuple[Callable[[Patient], Findings], ...] = (
    check_account,
    check_stack,
    check_table,
    check_functions,
    check_schedules,
    check_alarms,
    check_readers,
    check_dead_letters,
    check_api,
    check_keys,
    check_stripe,
    check_messages,
)


def examine(patient: Patient) -> list[Finding]:
    """All findings. A check that fails to run is a finding, and the others continue."""
    return [finding for check in CHECKS for finding in _guarded(check, patient)]


def _guarded(check: Callable[[Patient], Findings], patient: Patient) -> Findings:
    what = check.__name__.removeprefix("check_").replace("_", " ")
    try:
        yield from check(patient)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        yield wrong(f"{what}: {error.operation_name} answers {code}", _mend(code, patient))
    except (BotoCoreError, stripe.StripeError, OSError) as error:
        # The text may contain an address, but no key: keys are sent in headers.
        yield wrong(f"{what}: {type(error).__name__}", "Is the region set, are there credentials, is there a network?")
    except (KeyError, ValueError) as error:
        yield wrong(f"{what}: there is no {error}", f"Is {patient.name} deployed in this account and region?")


def _mend(code: str, patient: Patient) -> str:
    if code in ("ValidationError", "ResourceNotFoundException", "ParameterNotFound"):
        return f"It is not there: make deploy STAGE={patient.stage}; the secrets as docs/deploy.md says."
    if "Denied" in code or "Unauthorized" in code:
        return "Whoever runs this lacks the right: ReadOnlyAccess and ssm:GetParameter will do."
    return "Try again; then see AWS's health dashboard."


def _get(url: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON body; an empty body if it is not JSON. Raises OSError."""
    try:
        with urllib.request.urlopen(url, timeout=HTTP_TIMEOUT_S) as answer:  # noqa: S310 - the stack's own, or JWKS
            status, content = answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        status, content = refused.code, refused.read()
    try:
        body = json.loads(content)
    except ValueError:
        body = {}
    return status, body if isinstance(body, dict) else {}


def tell(findings: list[Finding], console: Console) -> int:
    """Print the findings, wrong ones last with their remedy, and return the exit status."""
    colours = {State.OK: "green", State.LOOK: "yellow", State.WRONG: "red"}
    for state in State:
        for finding in findings:
            if finding.state == state:
                console.print(f"[{colours[state]}]{state:>5}[/]  {escape(finding.what)}", soft_wrap=True)
                if finding.mend:
                    console.print(f"         [dim]{escape(finding.mend)}[/dim]", soft_wrap=True)
    counts = {state: sum(finding.state == state for finding in findings) for state in State}
    console.print(f"{counts[State.OK]} ok, {counts[State.LOOK]} to look at, {counts[State.WRONG]} wrong.")
    return 1 if counts[State.WRONG] else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make doctor", description=__doc__)
    parser.add_argument("--stage", required=True, type=account.stage)
    parser.add_argument("--api-url", help="where the API is, if not where the stack says (a domain of your own)")
    given = parser.parse_args()
    try:
        # For an emulator, boto3 itself reads AWS_ENDPOINT_URL.
        patient = Patient(given.stage, account.client_of(), api_url=given.api_url)
    except account.NoAccount as missing:
        print(missing, file=sys.stderr)
        return 2
    return tell(examine(patient), Console(highlight=False, no_color=bool(os.environ.get("NO_COLOR"))))


if __name__ == "__main__":
    sys.exit(main())
