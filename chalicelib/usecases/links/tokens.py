"""Numbered tokens: the owner makes, replaces and revokes them, staff bind them to tabs and take them back."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.errors import Contention, InvalidInput, NotFound, TransitionRefused
from chalicelib.domain.tab.actor import Actor
from chalicelib.domain.tab.commands import links
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.guests import has_token
from chalicelib.domain.tab.tab import Tab
from chalicelib.domain.token import MAXIMUM_NUMBER, Token
from chalicelib.ports.deps import Deps
from chalicelib.ports.store import Page, RecordExists, VersionConflict
from chalicelib.usecases.tab.carry_out import carry_out
from chalicelib.usecases.tab.requests import Answer, Request, merchant_of
from chalicelib.usecases.tab.token_binding import get_free_token


class NewToken(Struct, frozen=True, kw_only=True):
    """A token with a new secret. `secret`: None in a repetition of the request, because it is kept nowhere."""

    token: Token
    secret: str | None


class Listed(Struct, frozen=True, kw_only=True):
    """A token, and the tab that has it now."""

    token: Token
    tab: Tab | None


def make_tokens(deps: Deps, first: int, count: int, *, request: Request) -> list[NewToken]:
    """Tokens with the numbers from `first` on. Raises InvalidInput, TokenExists, IdempotencyMismatch."""
    if first + count - 1 > MAXIMUM_NUMBER:
        raise InvalidInput(f"Tokens have numbers from 1 to {MAXIMUM_NUMBER}.", field="count")
    merchant_id = merchant_of(request.by)
    numbers = range(first, first + count)
    record = deps.store.find_record(request.record_id, deps.clock.now())
    if record is None:
        secrets = [deps.ids.new_secret() for _ in numbers]
        tokens = [
            Token(
                merchant_id=merchant_id,
                number=number,
                sha256=deps.links.digest(secret),
                made_at=deps.clock.now(),
            )
            for number, secret in zip(numbers, secrets, strict=True)
        ]
        try:
            deps.links.add_tokens(tokens, record=request.new_record(deps))
        except RecordExists as exists:
            record = exists.record
        else:
            return [NewToken(token=token, secret=secret) for token, secret in zip(tokens, secrets, strict=True)]
    request.check_same(record)
    found = [deps.links.find_token(merchant_id, number) for number in numbers]
    return [NewToken(token=token, secret=None) for token in found if token is not None]


def list_tokens(deps: Deps, *, limit: int, cursor: str | None, by: Actor) -> Page[Listed]:
    """By number, with the tabs that have them now. Raises InvalidInput (cursor)."""
    merchant_id = merchant_of(by)
    page = deps.links.list_tokens(merchant_id, limit=limit, cursor=cursor)
    tabs = deps.store.find_tabs({(merchant_id, token.tab_id) for token in page.items if token.tab_id is not None})

    def listed(token: Token) -> Listed:
        tab = tabs.get((merchant_id, token.tab_id or ""))
        return Listed(token=token, tab=tab if tab is not None and has_token(tab, token.number) else None)

    return Page(items=tuple(map(listed, page.items)), next_cursor=page.next_cursor)


def replace_token(deps: Deps, number: int, *, request: Request) -> NewToken:
    """Give the token a new secret: the old QR code opens nothing more. A tab that has the token keeps it.

    Raises NotFound, IdempotencyMismatch, Contention.
    """
    secret = deps.ids.new_secret()
    token, replayed = _change(deps, number, request, sha256=deps.links.digest(secret), revoked_at=None)
    return NewToken(token=token, secret=None if replayed else secret)


def revoke_token(deps: Deps, number: int, *, request: Request) -> tuple[Token, bool]:
    """The token's QR code opens nothing more, until it is replaced. Returns it, and whether this is a repetition.

    Raises NotFound, TransitionRefused (revoked already), IdempotencyMismatch, Contention.
    """
    return _change(deps, number, request, revoked_at=deps.clock.now())


def bind_token(deps: Deps, tab_id: str, number: int, *, request: Request) -> Answer:
    """Bind a token to the tab, in place of its former one. Raises NotFound, TokenInUse, TransitionRefused."""

    def command(draft: Draft) -> None:
        links.bind_token(draft, get_free_token(deps, draft.tab.merchant_id, number, for_tab=tab_id))

    return carry_out(deps, tab_id, request, command)


def unbind_token(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """Take the token back from the tab: it opens the tab no more. Raises NotFound."""
    return carry_out(deps, tab_id, request, links.unbind_token)


def _change(deps: Deps, number: int, request: Request, **fields: object) -> tuple[Token, bool]:
    token = deps.links.find_token(merchant_of(request.by), number)
    if token is None:
        raise NotFound(f"There is no token {number}.")
    record = deps.store.find_record(request.record_id, deps.clock.now())
    if record is None:
        if token.revoked_at is not None and fields.get("revoked_at") is not None:
            raise TransitionRefused(f"Token {number} is revoked already. Replacing it makes it work again.")
        changed: Token = replace(token, version=token.version + 1, **fields)
        try:
            deps.links.put_token(changed, token, record=request.new_record(deps))
        except RecordExists as exists:
            record = exists.record
        except VersionConflict:
            raise Contention("Other requests are changing this token. Nothing was done; try again.") from None
        else:
            return changed, False
    request.check_same(record)
    return token, True
