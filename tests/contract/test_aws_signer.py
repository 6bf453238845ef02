"""Our signature against botocore's, which is AWS's own: the same headers, for whatever is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.aws.signer import PostSigner

letters = st.characters(min_codepoint=33, max_codepoint=126)
words = st.text(letters, min_size=1, max_size=40)
# With spaces at the ends and in rows, which are not signed.
values = st.lists(st.sampled_from([" ", "  ", "a", "B", "=", "ü"]), max_size=8).map("".join)
names = st.sampled_from(
    ["X-Amz-Target", "Content-Type", "User-Agent", "x-amz-zz", "X-AMZ-AA", "Connection", "X-Amzn-Trace-Id", "Expect"]
)
urls = st.sampled_from(
    [
        "https://dynamodb.eu-west-1.amazonaws.com/",
        "https://dynamodb.eu-west-1.amazonaws.com:443/",
        "https://DynamoDB.example:8443/",
        "http://127.0.0.1:8000/",
        "http://localhost:80/",
        "http://[::1]:8000/",
    ]
)


def signed(signer: Any, request: dict[str, Any], *given: Any) -> list[tuple[str, str]]:
    made = AWSRequest(method="POST", **request)
    made.context = {}
    signer(*given).add_auth(made)
    return sorted(made.headers.items())


@given(
    body=st.binary(max_size=100),
    headers=st.dictionaries(names, values),
    url=urls,
    secret=words,
    token=st.none() | words,
    region=st.sampled_from(["eu-west-1", "cn-north-1"]),
    at=st.integers(0, 2**31).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
)
def test_a_request_is_signed_as_botocore_signs_it(
    body: bytes, headers: dict[str, str], url: str, secret: str, token: str | None, region: str, at: datetime
) -> None:
    """Every header that goes out is the same, the signature among them, on this day and on the next."""
    credentials = Credentials("AKIDEXAMPLE", secret, token).get_frozen_credentials()
    request = {"url": url, "headers": headers, "data": body}

    for now in (at, at + timedelta(days=1)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(auth, "get_current_datetime", lambda now=now: now)
            ours, theirs = (
                signed(signer, request, credentials, "dynamodb", region) for signer in (PostSigner, auth.SigV4Auth)
            )

        assert ours == theirs
        assert "Authorization" in dict(ours)


def test_without_credentials_nothing_is_signed() -> None:
    """As botocore says it."""
    with pytest.raises(NoCredentialsError):
        signed(PostSigner, {"url": "https://dynamodb.example/", "data": b""}, None, "dynamodb", "eu-west-1")


@pytest.mark.parametrize(("method", "params"), [("GET", {}), ("POST", {"a": "b"})])
def test_what_would_be_signed_wrongly_is_not_signed(method: str, params: dict[str, str]) -> None:
    """A query would have to be signed, too; no service that we call has one."""
    request = AWSRequest(method=method, url="https://dynamodb.example/", data=b"", params=params)
    request.context = {}

    with pytest.raises(AssertionError):
        PostSigner(Credentials("x", "y").get_frozen_credentials(), "dynamodb", "eu-west-1").add_auth(request)
