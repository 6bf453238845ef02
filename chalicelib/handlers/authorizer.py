"""The authorizer: finds out who sends a bearer token. Each route says which roles it allows. It cannot be disabled.

A token that is not accepted is denied from here, with a code that API Gateway's answer hands on: 401 `token_expired`
or `token_invalid`. A missing token it refuses by itself (401 `unauthorized`).

Every function loads this module for the authorizer's name, but only the authorizer's own reads tokens: `bearers` is
imported where that is done.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from chalice.app import AuthRequest, AuthResponse, Blueprint

from chalicelib import cold_start, config
from chalicelib.handlers import logs

if TYPE_CHECKING:
    from chalicelib.handlers.bearers import Refused

log = logging.getLogger(__name__)
# Deployed, this module is a function without app.py, which configures logging for all others.
logs.configure()

CACHED_S = 60
"""How long API Gateway may cache an answer. An expired token can still pass for this long."""

# Without a prefix: the deployed URI of an authorizer with a prefix would point to no function.
authorizer_routes = Blueprint(__name__)


@authorizer_routes.authorizer(ttl_seconds=CACHED_S, name="authorizer")
def authorizer(request: AuthRequest) -> AuthResponse | dict[str, Any] | None:
    """Allow all routes for the token's caller, or none. If the issuer's keys cannot be fetched, answer None: a 503."""
    from chalicelib.handlers import bearers, keys

    try:
        context = bearers.read_token(request.token)
    except (keys.KeysUnavailable, bearers.LinksUnavailable, config.BadSetting) as unavailable:
        log.error("no token can be checked: %s", unavailable)
        return None
    except bearers.Refused as refused:
        log.info("token refused: %s", refused)
        return _deny(refused)
    # All routes, because API Gateway caches the answer for the token and uses it for the next route as well.
    return AuthResponse(routes=["*"], principal_id=context.pop("sub"), context=context)


def _deny(refused: Refused) -> dict[str, Any]:
    """No permission, and why. Not Chalice's AuthResponse, which can only leave permissions out.

    Denied with a context, and not by raising "Unauthorized": so the answer is cached as all others are, has a code, and
    counts as no failure of the function.
    """
    statement = {"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": ["*"]}
    return {
        "principalId": "nobody",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"code": refused.code, "detail": refused.detail},
    }


def prepare(function: str) -> None:
    """Import what checks the first JWT; this takes longer than everything else here.

    What looks a link up takes longer still. Only guests need it, so it is loaded here for a snapshot alone, where
    nobody waits. If a setting is missing, the first request reports it.
    """
    import urllib.request  # noqa: F401

    import jwt  # noqa: F401

    from chalicelib.handlers import bearers  # noqa: F401

    if config.starts_from_snapshot():
        from chalicelib.bootstrap import get_deps
        from chalicelib.usecases.links import admit  # noqa: F401

        with suppress(config.BadSetting):
            get_deps()


cold_start.ready(__name__, prepare)
