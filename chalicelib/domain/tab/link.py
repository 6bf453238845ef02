"""Links: addresses that are keys to one tab, for guests without an account, and the token that is bound to a tab.

A guest is known by a subject: the id of the link that they hold, or the number of the token. What a guest may do now is
read from the tab itself, so that a link which is revoked, or a token which is taken back, opens nothing at once.
"""

import hmac
import re
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

OUTLIVES_TAB = timedelta(days=30)
"""How long a link still shows its tab after that is closed: time to read the receipt, to give a tip, to object."""
LONGEST_LIFE = timedelta(days=366)
"""The latest `expires_at` that can be asked for."""
MOST_LINKS = 20
"""The maximum number of live links of one tab."""
WANTED_APART = timedelta(hours=1)
"""A new link is sent at an expired one's request only so long after the last such request."""
WANTED_A_DAY = 3
"""The most such requests of one tab in 24 hours: nobody's inbox can be filled with an old link."""


class Scope(StrEnum):
    """What a link allows: to look; to pay and tip as well; or everything that the customer may do."""

    VIEW = "view"
    PAY = "pay"
    FULL = "full"


class LinkMethod(StrEnum):
    """How a link came about: asked for, in place of another one, by taking over a token's tab, or for a message.

    `new_address`: for a message to an address that the business has given after the tab was closed.
    """

    MADE = "made"
    REISSUED = "reissued"
    TAKEN_OVER = "taken_over"
    MESSAGE = "message"
    NEW_ADDRESS = "new_address"


class Link(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key to one tab. Its secret is not here: only a hash of it is stored, in the LinkPointer.

    `made_by`: the subject of the caller. `expires_at` None: it ends with its tab, OUTLIVES_TAB after that is closed.
    """

    link_id: str
    scope: Scope
    method: LinkMethod
    made_by: str
    made_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_live(self, now: datetime, closed_at: datetime | None) -> bool:
        """Whether it opens its tab. `closed_at`: when that was closed, None while it is not."""
        return self.revoked_at is None and not self.has_ended(now, closed_at)

    def has_ended(self, now: datetime, closed_at: datetime | None) -> bool:
        """Whether its time is over, revoked or not."""
        ends_at = self.ends_at(closed_at)
        return ends_at is not None and now >= ends_at

    def ends_at(self, closed_at: datetime | None) -> datetime | None:
        """When it expires, as far as that is known."""
        with_tab = closed_at + OUTLIVES_TAB if closed_at is not None else None
        return min((end for end in (self.expires_at, with_tab) if end is not None), default=None)


class BoundToken(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The token that a tab's guest holds. `taken_over_at`: since when the guest has a link, and the token no key."""

    number: int
    bound_at: datetime
    taken_over_at: datetime | None = None


class LinkPointer(Struct, frozen=True, kw_only=True):
    """Where a secret leads, found by its hash: to the tab, as this guest. A token without a tab leads to none."""

    sha256: str
    merchant_id: str
    tab_id: str | None
    subject: str


_TOKEN = "token_"
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SECRET_LENGTH = 26
_SECRET = rf"[{_ALPHABET}]{{{SECRET_LENGTH}}}"


def derived_secret(credential: str, about: str) -> str:
    """The secret of a link that whoever has `credential` can find again, and nobody else; it is stored nowhere.

    A guest who takes a token's tab over gets theirs from the token and the key of the form, which others with the token
    don't know: the same form, sent twice by a double click, leads to the same link, and the browser shows the second
    answer only. The links of shares are derived from what their host came in with and the share's id, so that a lost
    answer can be asked for again.
    """
    number = int.from_bytes(hmac.digest(credential.encode(), about.encode(), "sha256"))
    return "".join(_ALPHABET[(number >> 5 * place) & 31] for place in range(SECRET_LENGTH))


def token_subject(number: int) -> str:
    return f"{_TOKEN}{number}"


def is_token_subject(subject: str) -> bool:
    return subject.startswith(_TOKEN)


def is_secret(text: str) -> bool:
    """Whether this can be a link's or a token's secret. Whatever else is refused before anything is read."""
    return re.fullmatch(_SECRET, text) is not None
