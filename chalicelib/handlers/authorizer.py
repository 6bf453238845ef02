"""The authorizer: finds out who sends a bearer token. Each route says which roles it allows. It cannot be disabled.

A bearer is a JWT of the issuer, or the secret of a link or of a numbered token, whose holder is a guest of one tab.

A token that is not accepted is denied from here, with a code that API Gateway's answer hands on: 401 `token_expired`
or `token_invalid`. A missing token it refuses by itself (401 `unauthorized`). Token times are compared with the wall
clock, because the issuer uses one.
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from typing import Any

from chalice.app import AuthRequest, AuthResponse, Blueprint

from chalicelib import cold_start, config
from chalicelib.domain.tab.actor import Role
from chalicelib.domain.tab.link import is_secret
from chalicelib.handlers import keys, logs

log = logging.getLogger(__name__)
# Deployed, this module is a function without app.py, which configures logging for all others.
logs.configure()

LEEWAY_S = 30
CACHED_S = 60
"""How long API Gateway may cache an answer. An expired token can still pass for this long."""
MAXIMUM_CHARS = 8 * 1024
"""Of a bearer. API Gateway takes 10 KB of headers; a token of an issuer has a tenth of that."""
_ALGORITHM = "RS256"
_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]
_ROLES = frozenset({Role.CUSTOMER, Role.STAFF, Role.OWNER, Role.OPERATOR})
# Patterns as texts: re compiles each when it is first needed, and the API needs none of them.
_ID = r"[A-Za-z0-9_-]{1,64}"
_SUBJECT = r"[\x20-\x7e]{1,255}"

# Without a prefix: the deployed URI of an authorizer with a prefix would point to no function.
authorizer_routes = Blueprint(__name__)


@authorizer_routes.authorizer(ttl_seconds=CACHED_S, name="authorizer")
def authorizer(request: AuthRequest) -> AuthResponse | dict[str, Any] | None:
    """Allow all routes for the token's caller, or none. If the issuer's keys cannot be fetched, answer None: a 503."""
    try:
        context = read_token(request.token)
    except (keys.KeysUnavailable, LinksUnavailable, config.BadSetting) as unavailable:
        log.error("no token can be checked: %s", unavailable)
        return None
    except Refused as refused:
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


class Refused(Exception):
    """The token is not accepted; the text says why, for our log only."""

    code = "token_invalid"
    detail = "This token or link is not accepted. Sign in again, or ask for a new link."


class Expired(Refused):
    """It was good once."""

    code = "token_expired"
    detail = "This token has expired. Refresh it, and send the request again."


class LinksUnavailable(Exception):
    """The database did not answer, so no link can be checked."""


def read_token(header: str) -> dict[str, str]:
    """sub, role and, by role, merchant_id, customer_id, tab_id and scope.

    Raises Refused, KeysUnavailable, LinksUnavailable, BadSetting.
    """
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > MAXIMUM_CHARS:
        raise Refused("not a bearer token")
    return _guest(token) if is_secret(token) else _claims(token)


def _guest(secret: str) -> dict[str, str]:
    # Imported here: only guests need the database.
    from chalicelib.bootstrap import get_deps
    from chalicelib.ports.store import StoreUnavailable
    from chalicelib.usecases.links.admit import admit

    try:
        guest = admit(get_deps(), secret).guest
    except StoreUnavailable as unavailable:
        raise LinksUnavailable(str(unavailable)) from unavailable
    if guest is None:
        # Nothing more, in the log neither: not whether there was such a link.
        raise Refused("no link that opens anything")
    assert guest.merchant_id and guest.customer_id and guest.tab_id and guest.scope, "a guest is one of a tab"
    return {
        "sub": guest.subject,
        "role": guest.role,
        "merchant_id": guest.merchant_id,
        "customer_id": guest.customer_id,
        "tab_id": guest.tab_id,
        "scope": guest.scope,
    }


def _claims(token: str) -> dict[str, str]:
    # Imported here: every function loads this module for the authorizer's name, but only one reads tokens.
    import jwt

    try:
        head = jwt.get_unverified_header(token)
        # Checked before any key is looked up, because the sender writes the header and could name any algorithm.
        if head.get("alg") != _ALGORITHM:
            raise Refused("not RS256")
        claims = jwt.decode(
            token,
            keys.key(config.jwt_jwks_url(), head.get("kid")),
            algorithms=[_ALGORITHM],
            audience=config.jwt_audience(),
            issuer=config.jwt_issuer(),
            leeway=LEEWAY_S,
            options={"require": _REQUIRED},
        )
    except jwt.ExpiredSignatureError as error:
        raise Expired(str(error)) from None
    except (jwt.PyJWTError, keys.UnknownKey) as error:
        raise Refused(f"{type(error).__name__}: {error}") from None
    return _context(claims)


def _context(claims: dict[str, Any]) -> dict[str, str]:
    """Customer tokens name one customer of one merchant, staff and owner tokens one merchant, operator tokens none."""
    subject, role = claims["sub"], claims.get("role")
    if not isinstance(subject, str) or not re.fullmatch(_SUBJECT, subject):
        raise Refused("sub is not a readable string")
    if not isinstance(role, str) or role not in _ROLES:
        raise Refused("role is missing or unknown")
    wanted = {Role.CUSTOMER: {"merchant_id", "customer_id"}, Role.OPERATOR: set()}.get(Role(role), {"merchant_id"})
    given = {name: claims[name] for name in ("merchant_id", "customer_id") if claims.get(name) is not None}
    if set(given) != wanted:
        raise Refused(f"a {role} token has {', '.join(sorted(wanted)) or 'neither merchant_id nor customer_id'}")
    if not all(isinstance(value, str) and re.fullmatch(_ID, value) for value in given.values()):
        raise Refused("an id is not one")
    return {"sub": subject, "role": role, **given}


def prepare(function: str) -> None:
    """Import what checks the first JWT; this takes longer than everything else here.

    What looks a link up takes longer still. Only guests need it, so it is loaded here for a snapshot alone, where
    nobody waits. If a setting is missing, the first request reports it.
    """
    import urllib.request  # noqa: F401

    import jwt  # noqa: F401

    if config.starts_from_snapshot():
        from chalicelib.bootstrap import get_deps
        from chalicelib.usecases.links import admit  # noqa: F401

        with suppress(config.BadSetting):
            get_deps()


cold_start.ready(__name__, prepare)
