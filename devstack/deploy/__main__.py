"""`make deploy`: deploys what `make package` has written to a stage of an AWS account, through a change set."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import boto3

from devstack.deploy import change_set
from devstack.deploy.artifacts import Artifacts
from devstack.deploy.change_set import Clients, DeployFailed


def main() -> int:
    parser = argparse.ArgumentParser(prog="make deploy", description=__doc__)
    parser.add_argument("--stage", required=True)
    parser.add_argument("--package", type=Path, required=True, help="the folder that make package wrote")
    parser.add_argument("--bucket", required=True, help="where zip and template go; in the stack's own region")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter; what is not set stays as it is"
    )
    given = parser.parse_args()
    artifacts = Artifacts(given.package)
    parameters = dict(pair.split("=", 1) for pair in given.set)
    clients = Clients(boto3.client("cloudformation"), boto3.client("s3"))
    try:
        if artifacts.stage != given.stage:
            raise DeployFailed(f"{given.package} is a package of {artifacts.stage}.")
        done = change_set.deploy(clients, artifacts, bucket=given.bucket, parameters=parameters)
        outputs = change_set.outputs(clients, change_set.stack_name(given.stage))
    except DeployFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    print(f"{change_set.stack_name(given.stage)} {done}: {outputs['EndpointURL']}, code {artifacts.code_key}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
