"""Cursors as callers see them: what the store gave, signed, and bound to the listing that was asked for.

The signature is by a key of the merchant's own, over the operation, what its path names, the customer who asks, the
filters and the position. So a cursor that was altered, made up, or is another's leads nowhere.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from chalicelib.bootstrap import get_deps
from chalicelib.domain.tab.link import SECRET_LENGTH, derived_secret
from chalicelib.handlers.api.bad_requests import BadCursor
from chalicelib.usecases.tab.requests import merchant_of

if TYPE_CHECKING:
    from chalicelib.handlers.api.operations import Call, Reply

_NO_FILTERS = ("cursor", "limit")


def serve(call: Call[Any], view: Callable[[Call[Any]], Reply]) -> Reply:
    """Call the function of a listing with the store's cursor, and sign the next one. Raises BadCursor."""
    deps, merchant_id = get_deps(), merchant_of(call.by)
    key: str | None = None
    if (given := call.query["cursor"]) is not None:
        key = deps.store.find_cursor_key(merchant_id)
        signature, position = given[:SECRET_LENGTH], given[SECRET_LENGTH:]
        # Text of other letters can be neither signed nor compared.
        is_ours = key is not None and given.isascii()
        if not is_ours or not hmac.compare_digest(signature, _signature(call, str(key), position)):
            raise BadCursor(
                "This cursor was changed, or was made for another list, other filters or another business. "
                "Start again without it.",
                parameter="cursor",
            )
        call = replace(call, query={**call.query, "cursor": position})
    reply = view(call)
    body: Any = reply.body
    if body.next_cursor is None:
        return reply
    key = key or deps.store.find_cursor_key(merchant_id)
    key = key or deps.store.add_cursor_key(merchant_id, deps.ids.new_secret())
    return replace(reply, body=replace(body, next_cursor=_signature(call, key, body.next_cursor) + body.next_cursor))


def _signature(call: Call[Any], key: str, position: str) -> str:
    filters = {name: value for name, value in call.query.items() if name not in _NO_FILTERS}
    about = [call.operation.name, call.path, call.by.customer_id, filters, position]
    return derived_secret(key, msgspec.json.encode(about, order="sorted").decode())
