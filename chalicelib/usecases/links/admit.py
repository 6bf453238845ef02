"""Finds what the secret of a link or a token opens, for the authorizer and for pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.domain.errors import NotFound
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.guests import scope_of
from chalicelib.domain.tab.link import LinkPointer, is_token_subject
from chalicelib.domain.tab.tab import Tab

if TYPE_CHECKING:
    from chalicelib.ports.deps import Deps

_NOWHERE = LinkPointer(sha256="", merchant_id="none", tab_id=None, subject="nobody")
_NO_TAB = "none"


class Visit(Struct, frozen=True, kw_only=True):
    """`guest`: whom the secret lets in, None: nobody. `tab`: the one it leads or led to. `subject`: whose key it is."""

    guest: Actor | None
    tab: Tab | None
    subject: str

    @property
    def is_free_token(self) -> bool:
        """Whether it is the secret of a token that is bound to no open tab now."""
        return self.guest is None and is_token_subject(self.subject)


def admit(deps: Deps, secret: str) -> Visit:
    """Look up a secret of the right form. Changes nothing.

    A wrong one, an expired, a revoked and a good one take the same two reads, so that time does not tell them apart.
    """
    pointer = deps.links.find_pointer(deps.links.digest(secret)) or _NOWHERE
    try:
        tab = deps.store.get_tab(pointer.merchant_id, pointer.tab_id or _NO_TAB)
    except NotFound:
        return Visit(guest=None, tab=None, subject=pointer.subject)
    scope = scope_of(tab, pointer.subject, deps.clock.now())
    if scope is None:
        return Visit(guest=None, tab=tab, subject=pointer.subject)
    guest = Actor(
        subject=pointer.subject,
        role=Role.GUEST,
        merchant_id=tab.merchant_id,
        customer_id=tab.customer_id,
        tab_id=tab.tab_id,
        scope=scope,
    )
    return Visit(guest=guest, tab=tab, subject=pointer.subject)
