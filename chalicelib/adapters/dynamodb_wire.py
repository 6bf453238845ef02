"""The five calls that the store makes of DynamoDB, on the wire: methods, answers and errors as of botocore's client.

That client builds and takes apart every call by a description of the service, which costs four times what is done here,
and a quarter of a second to load. The protocol itself is JSON over POST, and items are in it as the store has them
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html). Credentials that are
not in the environment stay botocore's to find and to rotate.
"""

from __future__ import annotations

import hmac
import os
import random
import time
import zlib
from collections.abc import Callable
from hashlib import sha256
from http.client import HTTPMessage
from typing import Any, NamedTuple

import botocore
import msgspec
from botocore.exceptions import ClientError, HTTPClientError, NoCredentialsError, NoRegionError

from chalicelib.adapters.keep_alive import LOST, KeepAlive

TRIES = 2
_PAUSE_MAXIMUM_S = 0.5
_TRANSIENT = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "TransactionInProgressException",
    }
)
_VERSION = "DynamoDB_20120810"


class WireClient:
    """`endpoint_url` None: AWS's own in `region`, which, like the credentials, is as AWS's settings say.

    A call is tried twice where that may help: without an answer, throttled, or failed over there. What we write is
    conditional or the same twice, and a transaction carries its token, so a second try repeats nothing. Raises
    botocore's ClientError, and its HTTPClientError where there was no answer.
    """

    def __init__(
        self,
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        connect_s: float,
        read_s: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._region = region or _region()
        self._url = (endpoint_url or _endpoint(self._region)).rstrip("/") + "/"
        self._http = KeepAlive(self._url, connect_s=connect_s, read_s=read_s, ca_file=_ca_file)
        self._credentials = _credentials()
        self._signing_key: tuple[str, str, bytes] = ("", "", b"")
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder().decode
        self._sleep = sleep

    def get_item(self, **request: Any) -> Any:
        return self._call("GetItem", request)

    def batch_get_item(self, **request: Any) -> Any:
        return self._call("BatchGetItem", request)

    def put_item(self, **request: Any) -> Any:
        return self._call("PutItem", request)

    def query(self, **request: Any) -> Any:
        return self._call("Query", request)

    def transact_write_items(self, **request: Any) -> Any:
        return self._call("TransactWriteItems", request)

    def _call(self, operation: str, request: dict[str, Any]) -> Any:
        body = self._encode(request)
        failure: Exception | None = None
        for number in range(TRIES):
            if number:
                self._sleep(random.uniform(0, _PAUSE_MAXIMUM_S))
            try:
                answer, status, headers = self._http.exchange("POST", "/", body, self._headers(operation, body))
                if status == 200:
                    return self._decode(_whole(answer, headers))
            except (*LOST, msgspec.DecodeError) as error:
                failure = HTTPClientError(error=error)
                continue
            failure = self._error(operation, status, answer)
            if status < 500 and failure.response["Error"]["Code"] not in _TRANSIENT:
                break
        assert failure is not None, "a call ends with an answer or a failure"
        raise failure

    def _headers(self, operation: str, body: bytes) -> dict[str, str]:
        """Signed, for each try anew: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html."""
        credentials = self._credentials()
        at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        # In the order of their names, as they are signed.
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "host": self._http.host,
            "x-amz-date": at,
            "x-amz-security-token": credentials.token or "",
            "x-amz-target": f"{_VERSION}.{operation}",
        }
        if not credentials.token:
            del headers["x-amz-security-token"]
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        canonical = f"POST\n/\n\n{lines}\n{names}\n{sha256(body).hexdigest()}"
        scope = f"{at[:8]}/{self._region}/dynamodb/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = _hmac(self._key(credentials.secret_key, at[:8]), text).hex()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        headers["user-agent"] = "aftertab"
        del headers["host"]
        return headers

    def _key(self, secret_key: str, day: str) -> bytes:
        """What signs on this day; four digests deep, and the same all day."""
        of_secret, of_day, key = self._signing_key
        if (of_secret, of_day) != (secret_key, day):
            key = f"AWS4{secret_key}".encode()
            for part in (day, self._region, "dynamodb", "aws4_request"):
                key = _hmac(key, part)
            self._signing_key = (secret_key, day, key)
        return key

    def _error(self, operation: str, status: int, answer: bytes) -> ClientError:
        """As botocore says it: the code without the service's prefix, and why a transaction was canceled."""
        try:
            said = self._decode(answer)
            code = said["__type"].rpartition("#")[2]
        except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, AttributeError):
            # Not DynamoDB's: something in between answered in its place.
            said, code = {}, str(status)
        response: Any = {
            "Error": {"Code": code, "Message": said.get("message") or said.get("Message") or ""},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }
        if "CancellationReasons" in said:
            response["CancellationReasons"] = said["CancellationReasons"]
        return ClientError(response, operation)


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


class _Damaged(OSError):
    """The answer is not the one that was sent."""


def _whole(answer: bytes, headers: HTTPMessage) -> bytes:
    """The answer, if it has the checksum that DynamoDB gives with it. Raises _Damaged."""
    checksum = headers.get("x-amz-crc32")
    if checksum is not None and int(checksum) != zlib.crc32(answer):
        raise _Damaged("the answer does not have its checksum")
    return answer


def _endpoint(region: str) -> str:
    return f"https://dynamodb.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def _region() -> str:
    """Raises NoRegionError."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region is None:
        import botocore.session

        region = botocore.session.Session().get_config_variable("region")
    if region is None:
        raise NoRegionError
    return region


class _Credentials(NamedTuple):
    """As botocore's, frozen."""

    access_key: str
    secret_key: str
    token: str | None


def _credentials() -> Callable[[], Any]:
    """Hands out what signs now: from the environment, where Lambda puts it, else as botocore finds and rotates it.

    Raises NoCredentialsError.
    """
    access_key, secret_key = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if access_key and secret_key:
        fixed = _Credentials(access_key, secret_key, os.environ.get("AWS_SESSION_TOKEN"))
        return lambda: fixed
    # Knows profiles, roles and single sign-on, and takes its time to load.
    import botocore.session

    found = botocore.session.Session().get_credentials()
    if found is None:
        raise NoCredentialsError
    return found.get_frozen_credentials


def _ca_file() -> str:
    return os.environ.get("AWS_CA_BUNDLE") or os.path.join(os.path.dirname(botocore.__file__), "cacert.pem")
