"""`make deploy`: deploys what `make package` has written to a stage of an AWS account, through a change set."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from devstack.deploy import account, change_set
from devstack.deploy.artifacts import Artifacts
from devstack.deploy.change_set import Clients, DeployFailed


def main() -> int:
    parser = argparse.ArgumentParser(prog="make deploy", description=__doc__)
    parser.add_argument("--stage", required=True, type=account.stage)
    parser.add_argument("--package", type=Path, required=True, help="the folder that make package wrote")
    parser.add_argument("--bucket", required=True, help="where zip and template go; in the stack's own region")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter; what is not set stays as it is"
    )
    given = parser.parse_args()
    artifacts = Artifacts(given.package)
    try:
        if not artifacts.template_path.exists():
            raise DeployFailed(f"There is no package in {given.package}: make package STAGE={given.stage} first.")
        if wrong := [pair for pair in given.set if "=" not in pair]:
            raise DeployFailed(f"--set takes NAME=VALUE, not {wrong[0]!r}.")
        parameters = dict(pair.split("=", 1) for pair in given.set)
        if artifacts.stage != given.stage:
            raise DeployFailed(f"{given.package} is a package of {artifacts.stage}.")
        client = account.client_of()
        clients = Clients(client("cloudformation"), client("s3"))
        done = change_set.deploy(clients, artifacts, bucket=given.bucket, parameters=parameters)
        outputs = change_set.outputs(clients, change_set.stack_name(given.stage))
    except (DeployFailed, account.NoAccount) as failed:
        print(failed, file=sys.stderr)
        return 1
    except (ClientError, BotoCoreError) as refused:
        print(f"AWS refused: {refused}", file=sys.stderr)
        return 1
    print(f"{change_set.stack_name(given.stage)} {done}: {outputs['EndpointURL']}, code {artifacts.code_key}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
