"""Bodies of answers with keys to tabs: links, tokens, and the shares of a bill."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from chalicelib.domain.tab.link import LinkMethod, Scope
from chalicelib.handlers.api.views import Answer, TabView


class LinkState(StrEnum):
    LIVE = "live"
    EXPIRED = "expired"
    REVOKED = "revoked"


class LinkView(Answer):
    """A key to a tab, without its secret. `expires_at` null: it ends 30 days after its tab is closed."""

    link_id: str
    scope: Scope
    state: LinkState
    method: LinkMethod
    made_by: str | None
    made_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class LinkList(Answer):
    """The newest last. Of dead links only the latest are here; the timeline has all of them."""

    links: list[LinkView]


class NewLinkView(Answer):
    """`secret` and `url`, the address with the secret in it, are shown this once and stored nowhere.

    If the request is repeated, both are null: reissue the link if the first answer was lost.
    """

    link: LinkView
    secret: str | None
    url: str | None


class NewTokenView(Answer):
    """`secret`, `url`: shown this once and stored nowhere; null in a repetition."""

    number: int
    secret: str | None
    url: str | None


class NewTokensView(Answer):
    """`sheet`: a page of HTML to be printed, where one was asked for. It is shown this once, too: keep it.

    If the request is repeated, it is null with the secrets: replace the tokens if the first answer was lost.
    """

    tokens: list[NewTokenView]
    sheet: str | None


class TokenView(Answer):
    """`tab_id`: the tab that has it now. `taken_over`: its guest has a link by now, and it is no key any more."""

    number: int
    state: Literal["free", "bound", "revoked"]
    tab_id: str | None
    taken_over: bool
    made_at: datetime
    revoked_at: datetime | None


class TokenList(Answer):
    tokens: list[TokenView]
    next_cursor: str | None


class VisitView(Answer):
    """What the caller's link or token opens. `token`: its number, null for a link."""

    tab_id: str
    customer_id: str
    scope: Scope
    link_id: str | None
    token: int | None
    expires_at: datetime | None


class NewShareView(Answer):
    """`secret` and `url`, the address for its payer, are shown this once; in a repetition of the request null."""

    tab_id: str
    amount_minor: int
    secret: str | None
    url: str | None


class SplitView(Answer):
    """The split tab and the shares that were made. If the answer is lost, send the request again with its key."""

    tab: TabView
    shares: list[NewShareView]
