"""Secrets: a setting holds either the secret itself or `ssm:/name`, where Parameter Store keeps it."""

from __future__ import annotations

from typing import Protocol

_PREFIX = "ssm:"


class Parameters(Protocol):
    """The one call that is made of the SSM client."""

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> dict[str, dict[str, str]]: ...  # noqa: N803


def resolve_secret(value: str, ssm: Parameters | None = None) -> str:
    """The secret that the setting's value is, or names. Not cached: whoever builds adapters with it does that once."""
    if not value.startswith(_PREFIX):
        return value
    if ssm is None:
        import boto3

        ssm = boto3.client("ssm")
    return ssm.get_parameter(Name=value.removeprefix(_PREFIX), WithDecryption=True)["Parameter"]["Value"]
