"""What AWS's errors say about a message: whether the channel may have taken it nevertheless."""

from __future__ import annotations

from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, NoCredentialsError

from chalicelib.ports.channels import ChannelUnavailable

_NEVER_SENT = (ConnectTimeoutError, EndpointConnectionError, NoCredentialsError)


def unavailable(error: Exception, *, may_have_taken: bool | None = None) -> ChannelUnavailable:
    """AWS refused with a 4xx (throttled, paused, not allowed), or was not reached: then it has not taken it.

    After a 5xx or a broken connection nobody knows. `may_have_taken`: where the caller knows better. It says the kind
    of the error only, and has to be raised `from None`: AWS's own text may name the address, and goes to the log.
    """
    if may_have_taken is None:
        if isinstance(error, ClientError):
            may_have_taken = error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
        else:
            may_have_taken = not isinstance(error, _NEVER_SENT)
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    return ChannelUnavailable(code, may_have_taken=may_have_taken)
