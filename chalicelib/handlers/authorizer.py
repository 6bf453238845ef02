"""The authorizer: who a bearer token speaks for. What each role may do is said at the routes. It can't be switched off.

A token that is missing or not a header at all is refused by API Gateway itself (401), a wrong one gets no permission
from here (403). Token times are wall time: they come from another machine's wall (design §9).
"""

from __future__ import annotations

import logging
import re
from typing import Any

from chalice.app import AuthRequest, AuthResponse, Blueprint

from chalicelib import cold_start, config
from chalicelib.domain.tab.actor import Role
from chalicelib.handlers import keys, logs

log = logging.getLogger(__name__)
# This module is a function of its own when deployed, without app.py, which does it for all the others.
logs.configure()

LEEWAY_S = 30
CACHED_S = 60
"""How long API Gateway may go by an answer: for so long an expired token can still pass."""
_ALGORITHM = "RS256"
_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]
_ROLES = frozenset({Role.CUSTOMER, Role.STAFF, Role.OWNER, Role.OPERATOR})
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SUBJECT = re.compile(r"[\x20-\x7e]{1,255}")

# Unprefixed, whatever the other blueprints do: the deployed URI of a prefixed authorizer dangles.
authorizer_routes = Blueprint(__name__)


@authorizer_routes.authorizer(ttl_seconds=CACHED_S, name="authorizer")
def authorizer(request: AuthRequest) -> AuthResponse | None:
    """Every route, for whom the token names, or none. None, which is a 500 everywhere, where the keys can't be had."""
    try:
        context = read_token(request.token)
    except (keys.KeysUnavailable, config.BadSetting) as unavailable:
        log.error("no token can be checked: %s", unavailable)
        return None
    except Refused as refused:
        log.info("token refused: %s", refused)
        return AuthResponse(routes=[], principal_id="nobody")
    # All routes: API Gateway keeps the answer for the token, whichever route it is used on next.
    return AuthResponse(routes=["*"], principal_id=context.pop("sub"), context=context)


class Refused(Exception):
    """The token is not good; the text says why, for our log only."""


def read_token(header: str) -> dict[str, str]:
    """sub, role and, by role, merchant_id and customer_id. Raises Refused, KeysUnavailable, BadSetting."""
    # Here, because every function loads this module, for the name of its authorizer, and only one reads tokens.
    import jwt

    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused("not a bearer token")
    try:
        head = jwt.get_unverified_header(token)
        # Checked before any key is looked up: the header is the sender's, and so is every algorithm in it but this.
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
    except (jwt.PyJWTError, keys.UnknownKey) as error:
        raise Refused(f"{type(error).__name__}: {error}") from None
    return _context(claims)


def _context(claims: dict[str, Any]) -> dict[str, str]:
    """Customers speak for one customer of one merchant, staff and owners for one merchant, operators for none."""
    subject, role = claims["sub"], claims.get("role")
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise Refused("sub is not a readable string")
    if not isinstance(role, str) or role not in _ROLES:
        raise Refused("role is missing or unknown")
    wanted = {Role.CUSTOMER: {"merchant_id", "customer_id"}, Role.OPERATOR: set()}.get(Role(role), {"merchant_id"})
    given = {name: claims[name] for name in ("merchant_id", "customer_id") if claims.get(name) is not None}
    if set(given) != wanted:
        raise Refused(f"a {role} token has {', '.join(sorted(wanted)) or 'neither merchant_id nor customer_id'}")
    if not all(isinstance(value, str) and _ID.fullmatch(value) for value in given.values()):
        raise Refused("an id is not one")
    return {"sub": subject, "role": role, **given}


def prepare() -> None:
    """Load what the first token is checked with, which takes longer than all else here."""
    import urllib.request  # noqa: F401

    import jwt  # noqa: F401


cold_start.ready(__name__, prepare)
