"""Clients of AWS services: without what other services need, and otherwise what the SDK makes."""

from typing import Any

import boto3
import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.httpsession import URLLib3Session
from botocore.regions import EndpointResolver
from botocore.session import Session

from chalicelib.adapters.aws import client as aws

KINDS = (
    "provide-client-params",
    "before-parameter-build",
    "before-call",
    "request-created",
    "choose-signer",
    "before-sign",
    "before-send",
    "response-received",
    "needs-retry",
    "before-parse",
    "after-call",
    "after-call-error",
    "getattr",
)


@pytest.fixture(autouse=True)
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


def handlers(client: Any, event: str) -> list[str]:
    """The names of the functions that hear of an event of the client's, in order."""
    found = client.meta.events._emitter._handlers.prefix_search(event)
    return [getattr(handler, "__qualname__", type(handler).__qualname__) for handler in found]


@pytest.mark.parametrize(
    ("service", "operation"), [("ssm", "GetParameter"), ("dynamodb", "GetItem"), ("sqs", "SendMessage")]
)
def test_a_client_hears_of_the_same_events_as_boto3s(service: str, operation: str) -> None:
    """Leaving out other services' handlers leaves none of this one's out."""
    ours, theirs = aws.client(service), boto3.client(service)  # type: ignore[call-overload]

    heard = {kind: handlers(ours, f"{kind}.{service}.{operation}") for kind in KINDS}

    heard["choose-signer"].remove("_choose_signer")
    assert heard == {kind: handlers(theirs, f"{kind}.{service}.{operation}") for kind in KINDS}
    assert heard["before-call"], "the emitter is asked for its handlers in a way it does not know"


def test_a_client_leaves_most_handlers_out() -> None:
    """What is registered is a small part of all there is: that is the point."""
    everything = Session().create_client("dynamodb")

    assert handlers(everything, "before-sign.s3.PutObject") != []
    assert handlers(aws.client("dynamodb"), "before-sign.s3.PutObject") == []


@pytest.mark.parametrize("service", ["dynamodb", "ssm"])
def test_every_region_has_the_endpoint_that_botocores_rules_give(service: str) -> None:
    """Found once, without the rules: it is the one that every call would find by them."""
    session = Session()
    loader = session.get_component("data_loader")
    rules = EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), loader.load_data("partitions"))
    once = EndpointResolver(loader.load_data("endpoints"))
    regions = [
        region
        for partition in once.get_available_partitions()
        for region in once.get_available_endpoints(service, partition)
    ]
    assert len(regions) > 30

    for region in regions:
        expected = rules.resolve_endpoint(Region=region, UseFIPS=False, UseDualStack=False)
        assert f"https://{once.construct_endpoint(service, region)['hostname']}" == expected.url
        # Neither a header for the request nor another signature.
        assert (expected.headers, expected.properties) == ({}, {})


@pytest.mark.parametrize(("service", "region"), [("dynamodb", "eu-west-1"), ("ssm", "cn-north-1")])
def test_a_call_goes_to_the_endpoint_that_botocores_own_client_has(service: str, region: str) -> None:
    """And it is signed for the same region and service, as which botocore signs it."""
    ours = aws.client(service, region=region)
    theirs = Session().create_client(service, region)  # type: ignore[call-overload]

    assert ours.meta.endpoint_url == theirs.meta.endpoint_url
    for about in ("region_name", "signing_name"):
        assert getattr(ours._request_signer, about) == getattr(theirs._request_signer, about)


@pytest.mark.parametrize("setting", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "HTTPS_PROXY"])
def test_whoever_reaches_aws_in_another_way_gets_botocores_own(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoints for FIPS and IPv6 are found by the rules, and proxies are gone through by urllib3."""
    monkeypatch.setenv(setting, "true")

    made = aws.client("dynamodb", region="us-gov-west-1")

    assert isinstance(made._endpoint.http_session, URLLib3Session)
    assert made._ruleset_resolver is not None
    assert "_choose_signer" not in handlers(made, "choose-signer.dynamodb.GetItem")


def test_a_client_is_of_a_service_that_speaks_json() -> None:
    """What we sign and how we find an endpoint is not enough for S3, whose buckets are in the address."""
    with pytest.raises(AssertionError, match="s3"):
        aws.client("s3")
