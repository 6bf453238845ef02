"""Reads bearers, and says who sends them: a JWT of the issuer, or the secret of a link or of a numbered token, whose
holder is a guest of one tab.

Token times are compared with the wall clock, because the issuer uses one.
"""

from __future__ import annotations

import re
from typing import Any

from chalicelib import config
from chalicelib.domain.tab.actor import Role
from chalicelib.domain.tab.link import is_secret
from chalicelib.handlers import keys

LEEWAY_S = 30
MAXIMUM_CHARS = 8 * 1024
"""Of a bearer. API Gateway takes 10 KB of headers; a token of an issuer has a tenth of that."""
_ALGORITHM = "RS256"
_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]
_ROLES = frozenset({Role.CUSTOMER, Role.STAFF, Role.OWNER, Role.OPERATOR})
_ID = r"[A-Za-z0-9_-]{1,64}"
_SUBJECT = r"[\x20-\x7e]{1,255}"


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
    # Imported here: the bundle of the other functions has this module, but not PyJWT.
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
