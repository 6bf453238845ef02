"""Links and tokens in memory, for fast tests; it fulfils the contract of Links. Its data is the memory store's."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.adapters.dynamodb.links import digest
from chalicelib.adapters.dynamodb.table import token_position
from chalicelib.adapters.memory_store import MemoryStore, page
from chalicelib.domain.tab.link import LinkPointer
from chalicelib.domain.token import Token
from chalicelib.ports.store import IdempotencyRecord, Page


class MemoryLinks:
    """`store`: where the changes of tabs write pointers and tokens."""

    def __init__(self, store: MemoryStore, stage: str = "dev") -> None:
        self._store = store
        self._stage = stage

    def digest(self, secret: str) -> str:
        return digest(self._stage, secret)

    def find_pointer(self, sha256: str) -> LinkPointer | None:
        return self._store.link_pointers.get(sha256)

    def find_token(self, merchant_id: str, number: int) -> Token | None:
        return self._store.tokens.get((merchant_id, number))

    def list_tokens(self, merchant_id: str, *, limit: int, cursor: str | None) -> Page[Token]:
        rows = {
            token_position(number): token
            for (owner, number), token in dict(self._store.tokens).items()
            if owner == merchant_id
        }
        return page(rows, f"tokens#{merchant_id}", limit, cursor)

    def add_tokens(self, tokens: Sequence[Token], *, record: IdempotencyRecord) -> None:
        self._store.add_tokens(tokens, record)

    def put_token(self, token: Token, before: Token, *, record: IdempotencyRecord) -> None:
        self._store.replace_token(token, before, record)
