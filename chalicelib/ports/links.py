"""The store of links and tokens: where a secret leads, and the numbered tokens of a merchant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chalicelib.domain.tab.link import LinkPointer
from chalicelib.domain.token import Token
from chalicelib.ports.store import IdempotencyRecord, Page


class Links(Protocol):
    """Reads are strongly consistent. Everything may raise StoreUnavailable.

    Pointers of links, and of tokens that are bound to a tab, are written with the tab's change (TabStore.commit).
    """

    def digest(self, secret: str) -> str:
        """What the secret is found by: SHA-256 over the stage and the secret, so that no stage opens another's."""
        ...

    def find_pointer(self, sha256: str) -> LinkPointer | None:
        """Where the secret with this digest leads."""
        ...

    def find_token(self, merchant_id: str, number: int) -> Token | None: ...

    def list_tokens(self, merchant_id: str, *, limit: int, cursor: str | None) -> Page[Token]:
        """By number. Raises InvalidInput for a cursor that is not ours."""
        ...

    def add_tokens(self, tokens: Sequence[Token], *, record: IdempotencyRecord) -> None:
        """All of them with their pointers, or none. Raises TokenExists (domain), RecordExists."""
        ...

    def put_token(self, token: Token, before: Token, *, record: IdempotencyRecord) -> None:
        """Put the next version in place of `before`. Only the secret of `token` leads on, and none if it is revoked.

        Raises VersionConflict, RecordExists.
        """
        ...
