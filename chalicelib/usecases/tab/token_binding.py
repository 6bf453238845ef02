"""Finds the token that is to be bound to a tab; opening a tab and binding one later share this."""

from __future__ import annotations

from chalicelib.domain.errors import NotFound, TokenInUse
from chalicelib.domain.tab.guests import has_token
from chalicelib.domain.token import Token
from chalicelib.ports.deps import Deps


def get_free_token(deps: Deps, merchant_id: str, number: int, *, for_tab: str | None = None) -> Token:
    """The token, if no other tab has it. Raises NotFound, TokenInUse.

    It is also bound on condition of its version, so that of two tabs that ask at once only one gets it.
    """
    token = deps.links.find_token(merchant_id, number)
    if token is None:
        raise NotFound(f"There is no token {number}. The owner makes tokens: POST /v1/tokens.")
    if token.tab_id not in (None, for_tab):
        tab = deps.store.get_tab(merchant_id, token.tab_id)
        if has_token(tab, number):
            raise TokenInUse(
                f"Token {number} is still on the tab {tab.title!r} ({tab.tab_id}). Take it back from there "
                "(unbind_token) if you have it in your hand, or use another one. Closing that tab frees it, too.",
                tab_id=tab.tab_id,
            )
    return token
