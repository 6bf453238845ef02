"""Signatures of notices, by Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks.

Receivers verify them with its libraries. We sign ourselves: the Python library, 1.1.0, signs wrongly for a clock
outside UTC (findings/webhook_signature_ignores_the_zone.sh), and here the timestamp is a number that has no zone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

SECRET_BYTES = 32
"""Standard Webhooks wants 24 to 64."""
_PREFIX = "whsec_"


def secret_of(drawn: bytes) -> str:
    """The secret as its owner sees it: `whsec_` and Base64. `drawn`: SECRET_BYTES random bytes."""
    assert len(drawn) == SECRET_BYTES, f"{len(drawn)} bytes"
    return _PREFIX + base64.b64encode(drawn).decode()


def headers_of(secrets: Sequence[str], notice_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The headers that identify and sign one try. `timestamp_s`: the Unix time of the try, in whole seconds.

    Signed with each secret, so that a receiver that knows one of them accepts it while they are rotated.
    """
    assert "." not in notice_id, "a full stop separates the parts of what is signed"
    assert secrets, "an unsigned notice proves nothing"
    content = f"{notice_id}.{timestamp_s}.".encode() + body
    return {
        "webhook-id": notice_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(_signature(secret, content) for secret in secrets),
    }


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
