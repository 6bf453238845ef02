"""Which stages there are, and the AWS account and region that a command is for; what is missing is said in a line."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError

_CONFIG = Path(__file__).resolve().parents[2] / ".chalice" / "config.json"

STAGES: tuple[str, ...] = tuple(json.loads(_CONFIG.read_text())["stages"])
"""A stage has its settings and the concurrency of its functions there; another one is a line more."""


class NoAccount(Exception):
    """Region or credentials are missing; the text says which, and how to give them."""


def stage(text: str) -> str:
    """For argparse: a stage of .chalice/config.json."""
    if text not in STAGES:
        raise argparse.ArgumentTypeError(
            f"there is no stage {text!r}, only {' and '.join(STAGES)} (.chalice/config.json has them)"
        )
    return text


def use_settings_of(stage: str) -> None:
    """What a deployment's settings are is taken from its names, where the environment says nothing else."""
    defaults = {
        "AFTERTAB_STAGE": stage,
        "AFTERTAB_TABLE": f"aftertab-{stage}",
        "STRIPE_SECRET_KEY": f"ssm:/aftertab/{stage}/stripe-secret-key",
        # For phones only: nothing is handed to one here.
        "STRIPE_PUBLISHABLE_KEY": "none",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def client_of() -> Callable[[str], Any]:
    """Name of a service → its boto3 client, for the region and credentials of the environment. Raises NoAccount."""
    try:
        # The AWS CLI and Lambda know AWS_REGION; boto3 reads AWS_DEFAULT_REGION only.
        session = boto3.Session(region_name=os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION"))
        if session.region_name is None:
            raise NoAccount("No region is chosen. Say which, for example: export AWS_REGION=eu-west-1")
        if session.get_credentials() is None:
            raise NoAccount(
                "There are no credentials for AWS. Sign in (aws sso login, aws configure), or set AWS_PROFILE."
            )
    except BotoCoreError as error:
        # A profile that does not exist, a sign-in that has ended.
        raise NoAccount(f"AWS cannot be asked: {error}") from None
    return session.client  # type: ignore[return-value]
