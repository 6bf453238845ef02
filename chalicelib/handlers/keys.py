"""The issuer's public keys: fetched by URL and cached. An unknown key id causes another fetch, but not too often.

How many fetches strangers can cause, whatever they send, is therefore bounded: one process makes at most one in
AGAIN_AFTER_S while it has keys, and one in FAILED_AFTER_S while the issuer does not answer.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import Any

from msgspec import Struct, field

from chalicelib import snapshots

KEPT_S = 600.0
AGAIN_AFTER_S = 30.0
"""The least time between two fetches, so that made-up key ids cannot cause a call to the issuer each."""
FAILED_AFTER_S = 1.0
"""The same while there are no keys at all: short, because nobody can be let in until then."""
TIMEOUT_S = 4.0
_MAXIMUM_BYTES = 256 * 1024


class KeysUnavailable(Exception):
    """The issuer did not answer, and no keys are cached."""


class UnknownKey(Exception):
    """The issuer has no such key for RS256."""


class _Cached(Struct):
    keys: dict[str | None, Any] = field(default_factory=dict)
    fetched_at: float = float("-inf")
    tried_at: float = float("-inf")


_cache: dict[str, _Cached] = {}
_lock = Lock()


def key(url: str, kid: str | None) -> Any:
    """The RSA public key with this id; without an id, the only one there is. Raises UnknownKey, KeysUnavailable."""
    with _lock:
        cached = _cache.setdefault(url, _Cached())
        now = time.monotonic()
        is_old = now - cached.fetched_at > KEPT_S
        apart_s = AGAIN_AFTER_S if cached.keys else FAILED_AFTER_S
        if (is_old or _find(cached, kid) is None) and now - cached.tried_at > apart_s:
            cached.tried_at = now
            try:
                cached.keys, cached.fetched_at = _fetch(url), now
            except Exception as error:
                # Keys that were valid ten minutes ago are better than refusing every caller.
                if not cached.keys:
                    # Counted from now: what was waited for is not tried again by the requests that waited meanwhile.
                    cached.tried_at = time.monotonic()
                    raise KeysUnavailable(f"{url}: {error!r}") from error
        elif not cached.keys:
            raise KeysUnavailable(f"{url} has just failed")
        found = _find(cached, kid)
    if found is None:
        raise UnknownKey(f"no key {str(kid)[:40]!r}")
    return found


def forget() -> None:
    """Drop the cached keys: a snapshot's may be too old, and tests start issuers of their own."""
    with _lock:
        _cache.clear()


snapshots.after_restore(forget)


def _find(cached: _Cached, kid: str | None) -> Any | None:
    if kid is None:
        return next(iter(cached.keys.values())) if len(cached.keys) == 1 else None
    return cached.keys.get(kid)


def _fetch(url: str) -> dict[str | None, Any]:
    # Imported here: the bundle of the other functions has this module, but not PyJWT.
    import urllib.request

    import jwt

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        """Refuse redirects: only the URL itself was checked to be https or loopback."""

        def redirect_request(self, *args: Any, **kwargs: Any) -> None:
            return None

    opener = urllib.request.build_opener(NoRedirect())
    with opener.open(url, timeout=TIMEOUT_S) as answer:
        key_set = jwt.PyJWKSet.from_json(answer.read(_MAXIMUM_BYTES).decode())
    return {
        found.key_id: found.key
        for found in key_set.keys
        if found.key_type == "RSA" and found.public_key_use in (None, "sig") and found.algorithm_name == "RS256"
    }
