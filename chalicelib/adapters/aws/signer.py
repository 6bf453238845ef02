"""Signature Version 4 for services that take POSTs at one address: as botocore's, without its detours.

https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from hashlib import sha256
from typing import Any

from botocore.auth import AUTH_TYPE_MAPS, SIGNED_HEADERS_BLACKLIST, SigV4Auth

from chalicelib.adapters.aws.keep_alive import host_of

VERSION = "v4-of-posts"
"""The name that botocore knows it by, to be the answer to its event `choose-signer`."""

_UNSIGNED = frozenset(SIGNED_HEADERS_BLACKLIST)


class PostSigner(SigV4Auth):
    """Signs what botocore signs, which takes headers for an e-mail's, looks for a query, and derives each key anew.

    What is not overridden here, credentials and dates above all, is botocore's.
    """

    def canonical_request(self, request: Any) -> str:
        assert request.method == "POST" and not request.params, "only what is sent as a body is signed here"
        headers = {name.lower(): " ".join(value.split()) for name, value in request.headers.items()}
        headers["host"] = host_of(request.url)
        names = sorted(headers.keys() - _UNSIGNED)
        self._signed = ";".join(names)
        lines = "".join([f"{name}:{headers[name]}\n" for name in names])
        return f"POST\n/\n\n{lines}\n{self._signed}\n{sha256(request.data).hexdigest()}"

    def signature(self, string_to_sign: str, request: Any) -> str:
        key = _key(self.credentials.secret_key, self.credential_scope(request))
        return hmac.digest(key, string_to_sign.encode(), "sha256").hex()

    def _inject_signature_to_request(self, request: Any, signature: str) -> Any:
        request.headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.scope(request)}, SignedHeaders={self._signed}, Signature={signature}"
        )
        return request


@lru_cache(maxsize=4)
def _key(secret: str, scope: str) -> bytes:
    """What signs for `day/region/service/aws4_request`: four digests deep, and the same until the day ends."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


AUTH_TYPE_MAPS[VERSION] = PostSigner
