"""The deployed app (template, functions, policies) on the AWS emulator, as a stack on which stories can be played.

Nobody can move a deployed app's clock. So an hour of a story takes half a second here, the merchant's time windows are
shortened accordingly, and moving the clock means waiting.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3

from devstack import dynamodb_emulators, ministack
from devstack.deploy import change_set, emulator, rights
from devstack.deploy.artifacts import Artifacts
from devstack.deploy.change_set import Clients
from devstack.deploy.template import ALIAS
from devstack.http import JsonClient
from devstack.issuer import AUDIENCE, ISSUER
from devstack.stack import PUBLISHABLE_KEY, REGION, SECRET_KEY, Stack, wait_for

STAGE = "dev"
STACK = change_set.stack_name(STAGE)
BUCKET = "aftertab-code"
PACE = 1 / 7200
"""An hour in half a second."""
_WINDOWS = ("free_cancel_s", "no_show_grace_s", "review_window_s", "hold_window_s", "hold_ahead_s", "deposit_lapse_s")
"""The policy's fields that are shortened.

A hold's margin is in the bank's time; a reminder is at least a minute later.
"""
LEAST = timedelta(seconds=2)
WAIT_MAXIMUM = timedelta(minutes=1)
SCHEDULE_S = 60
"""How often the sweep runs here; the emulator's rules, like EventBridge's, allow nothing shorter."""


QUEUES_S = 60
"""How long the queues may take to be emptied."""
MAIL_SENDER = "hello@aftertab.example"
READ_QUEUES = ("due", "post", "notices")


class TooLong(Exception):
    """A story wants to wait for longer than a minute, so it needs the movable clock of the local server."""


class DeployedStack(Stack):
    """A Stack whose app is a CloudFormation stack. `artifacts`: what `make package` has written.

    The emulator checks the permission of every call, so the functions can do what their policies allow and nothing
    else.
    """

    def __init__(self, artifacts: Artifacts, *, logs: Path | None = None) -> None:
        super().__init__(start=None, real_time=True, logs=logs)
        self.artifacts = artifacts
        self._moved_at = datetime.now(UTC)
        self.waits_for_schedule = False
        """Whether a sweep is awaited from the schedule, or invoked."""

    def _start_aws(self) -> AbstractContextManager[dynamodb_emulators.Emulator]:
        return ministack.start(guarded=True)

    def _serve(self) -> None:
        self.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self._store_secret("stripe-secret-key", SECRET_KEY)
        self._deployer = self._add_deployer()
        self.app = JsonClient("http://127.0.0.1")
        self.deploy(self.artifacts)
        # Stored after the deployment, because the endpoint needs its address; read when the first event arrives.
        self._store_secret("stripe-webhook-secret", self._add_webhook())
        self._exits.callback(self._hang_up)
        wait_for(self.app, "/v1/health", "the deployed app")

    def _hang_up(self) -> None:
        self.app.close()

    def deploy(self, artifacts: Artifacts) -> str:
        """Create or update the stack and return what was done. Raises DeployFailed."""
        done = change_set.deploy(
            self.clients,
            artifacts,
            bucket=BUCKET,
            parameters={
                "JwtIssuer": ISSUER,
                "JwtAudience": AUDIENCE,
                "JwtJwksUrl": self.issuer.jwks_url,
                "StripePublishableKey": PUBLISHABLE_KEY,
                "StripeApiBase": self.standin.base_url,
                "MailSender": MAIL_SENDER,
                "CorsOrigins": "*",
                "SweepRate": "rate(1 minute)",
            },
        )
        self.outputs = change_set.outputs(self.clients, STACK)
        emulator.complete(artifacts.template, self.outputs, self.client)
        self.app.close()
        self.app = JsonClient(self.app_url)
        return done

    def tear_down(self) -> None:
        """Delete the stack; the table stays. Raises DeployFailed."""
        change_set.delete(self.clients, STACK)

    @property
    def clients(self) -> Clients:
        """With the rights of docs/deploy-policy.json and no others."""
        return Clients(self.as_deployer("cloudformation"), self.as_deployer("s3"))

    def as_deployer(self, service: str) -> Any:
        """A boto3 client of whoever deploys."""
        return self._client(service, *self._deployer)

    def client(self, service: str) -> Any:
        """A boto3 client of the emulator, with every right."""
        return self._client(service, "test", "test")

    def _client(self, service: str, key_id: str, secret: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.aws_url,
            region_name=REGION,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
        )

    def _add_deployer(self) -> tuple[str, str]:
        """The access key of a user who may deploy, and nothing else."""
        iam, policy = self.client("iam"), rights.text().replace(rights.BUCKET, BUCKET)
        iam.create_user(UserName="deployer")
        iam.put_user_policy(UserName="deployer", PolicyName="deploy", PolicyDocument=policy)
        key = iam.create_access_key(UserName="deployer")["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    @property
    def app_url(self) -> str:
        return f"{self.aws_url}/restapis/{self.outputs['RestAPIId']}/{STAGE}/_user_request_"

    def _store_secret(self, name: str, value: str) -> None:
        self.client("ssm").put_parameter(
            Name=f"/aftertab/{STAGE}/{name}", Value=value, Type="SecureString", Overwrite=True
        )

    # Time

    def now(self) -> datetime:
        return datetime.now(UTC)

    def span(self, **parts: float) -> timedelta:
        return max(LEAST, timedelta(**parts) * PACE)

    def paced(self, policy: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The policy at this stack's pace and without quiet hours, because the test may run at night."""
        return {
            **policy,
            **{name: max(1, round(policy[name] * PACE)) for name in _WINDOWS},
            "quiet_from_hour": 0,
            "quiet_until_hour": 0,
        }

    def move_clock(self, to: datetime) -> None:
        """Wait until `to`. Raises TooLong."""
        wait = to - datetime.now(UTC)
        if wait > WAIT_MAXIMUM:
            raise TooLong(f"the story waits for {wait}")
        if wait > timedelta():
            self._moved_at = to
            time.sleep(wait.total_seconds())

    def sweep(self) -> dict[str, int]:
        """Call the schedule's function, or wait until the schedule has called it after the clock was last moved."""
        self.drain()
        swept = self._await_schedule() if self.waits_for_schedule else self._call_schedule()
        self.await_queues()
        self.drain()
        return swept

    telling_s = 30.0
    """Nobody can be asked how far the relay is."""

    def await_receipts(self) -> bool:
        """Five minutes of real time are not waited for: the receipt is on its queue, with a delay."""
        deadline = time.monotonic() + self.telling_s
        url = self.client("sqs").get_queue_url(QueueName=f"{STACK}-post")["QueueUrl"]
        name = "ApproximateNumberOfMessagesDelayed"
        while not int(self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]):
            if time.monotonic() > deadline:
                raise RuntimeError("no receipt waits on its queue")
            time.sleep(0.1)
        return False

    def pump(self) -> dict[str, int]:
        """Wait for the functions that read stream and queues, which nobody has to call."""
        self.await_queues()
        return {}

    def await_queues(self) -> None:
        """Wait until the functions that read the queues have emptied them, delayed messages aside.

        Raises RuntimeError.
        """
        sqs = self.client("sqs")
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        deadline = time.monotonic() + QUEUES_S
        for queue in READ_QUEUES:
            url = sqs.get_queue_url(QueueName=f"{STACK}-{queue}")["QueueUrl"]
            while any(
                int(number)
                for number in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()
            ):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"the queue {queue} has not been emptied in {QUEUES_S} s")
                time.sleep(0.1)

    def _call_schedule(self) -> dict[str, int]:
        event = {"version": "0", "id": "story", "detail-type": "Scheduled Event", "source": "aws.events"}
        event |= {"account": "123456789012", "time": "2026-01-05T09:00:00Z", "region": REGION}
        payload = json.dumps({**event, "resources": [], "detail": {}})
        answer = self.client("lambda").invoke(FunctionName=f"{STACK}-sweep", Qualifier=ALIAS, Payload=payload)
        swept: dict[str, int] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise RuntimeError(f"the sweep failed: {swept}")
        return swept

    def _await_schedule(self) -> dict[str, int]:
        deadline = time.monotonic() + 2 * SCHEDULE_S
        while time.monotonic() < deadline:
            for line in self.log_lines("sweep"):
                if line["message"] == "swept" and datetime.fromisoformat(line["at"]) > self._moved_at:
                    return {"due": line["TabsDue"]}
            time.sleep(0.5)
        raise RuntimeError(f"the schedule has not fired in {2 * SCHEDULE_S} s")

    # Logs

    def log_lines(self, *functions: str) -> Iterator[dict[str, Any]]:
        """The app's own log lines of these functions (by default all), in order for each function."""
        logs = self.client("logs")
        groups = [f"/aws/lambda/{STACK}-{function}" for function in functions or ("api", "webhook", "worker")]
        for group in groups:
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group):
                for event in page["events"]:
                    if event["message"].startswith('{"at"'):
                        yield json.loads(event["message"])
