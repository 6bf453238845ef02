"""Commands about who else may open the tab: links for guests, and the token that a guest holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain import instants
from chalicelib.domain.errors import Forbidden, InvalidInput, NotFound, TooManyLinks, TransitionRefused
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.commands.require import require
from chalicelib.domain.tab.guests import holds_token
from chalicelib.domain.tab.link import (
    LONGEST_LIFE,
    MOST_LINKS,
    OUTLIVES_TAB,
    WANTED_A_DAY,
    WANTED_APART,
    BoundToken,
    Link,
    LinkMethod,
    LinkPointer,
    Scope,
    token_subject,
)
from chalicelib.domain.tab.status import Status

if TYPE_CHECKING:
    from chalicelib.domain.tab.draft import Draft
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.domain.token import Token


def make_link(draft: Draft, secret_sha256: str, scope: Scope, expires_at: datetime | None) -> Link:
    """Make a key to the tab. Raises TooManyLinks, InvalidInput, TransitionRefused (closed long ago)."""
    return _add(draft, secret_sha256, scope, LinkMethod.MADE, expires_at)


def revoke_link(draft: Draft, link_id: str) -> None:
    """The link opens nothing from now on. Twice changes nothing. Raises NotFound."""
    link = _get(draft, link_id)
    if link.revoked_at is None:
        _update(draft, replace(link, revoked_at=draft.now))
        draft.record("link_revoked", link_id=link_id)


def make_for_message(draft: Draft, secret_sha256: str, method: LinkMethod = LinkMethod.MESSAGE) -> Link:
    """A key for the address that stands in the contact. Raises TooManyLinks, TransitionRefused (closed long ago)."""
    return _add(draft, secret_sha256, Scope.FULL, method, None)


def make_for_payer(draft: Draft, secret_sha256: str) -> Link:
    """A key for the guest who pays with the tab's token: that opens nothing once the tab is closed, this the receipt.

    Raises TooManyLinks.
    """
    return _add(draft, secret_sha256, Scope.PAY, LinkMethod.MADE, None)


def can_want_link(tab: Tab, link_id: str, now: datetime) -> bool:
    """Whether this link may ask for a new one: it has expired and was not revoked, and one could be made and is due.

    A tab with MOST_LINKS live links has forgotten its dead ones, so an expired one leaves room for a new one.
    """
    link = tab.link(link_id)
    if link is None or link.revoked_at is not None or not link.has_ended(now, tab.closed_at):
        return False
    if _closed_long_ago(tab, now):
        return False
    wanted = _wanted(tab, now)
    return not wanted or (len(wanted) < WANTED_A_DAY and now >= wanted[-1] + WANTED_APART)


def want_link(draft: Draft, link_id: str) -> None:
    """The customer is sent a new link, at the request of whoever opened an expired one. Else nothing changes."""
    if can_want_link(draft.tab, link_id, draft.now):
        draft.update(links_wanted=(*_wanted(draft.tab, draft.now), draft.now))
        draft.record("link_wanted", link_id=link_id)


def disown(draft: Draft) -> None:
    """The guest says that this is not their tab: their key opens nothing from now on, and the business is told."""
    require(draft, Action.DISOWN)
    subject = draft.by.subject
    draft.record("disowned", subject=subject)
    if draft.tab.link(subject) is not None:
        revoke_link(draft, subject)
    else:
        unbind_token(draft)


def reissue_link(draft: Draft, link_id: str, secret_sha256: str, expires_at: datetime | None) -> Link:
    """Put a new link of the same scope in the place of this one, which opens nothing from now on.

    Raises NotFound, TransitionRefused (it was revoked), and what make_link raises.
    """
    link = _get(draft, link_id)
    if link.revoked_at is not None:
        raise TransitionRefused(
            "This link was revoked, so it is not reissued. Make a new one if its holder may come back.",
            link_id=link_id,
        )
    revoke_link(draft, link_id)
    return _add(draft, secret_sha256, link.scope, LinkMethod.REISSUED, expires_at)


def take_over(draft: Draft, secret_sha256: str) -> Link:
    """Give the guest who holds the tab's token a link of their own; the token is no key to this tab any more.

    Raises Forbidden (a guest with a link, or whose token is not the tab's), and what make_link raises.
    """
    tab = draft.tab
    if tab.token is None or not holds_token(tab, draft.by.subject):
        raise Forbidden("Only the guest who holds the tab's token can take the tab over.", role=draft.by.role)
    draft.update(token=replace(tab.token, taken_over_at=draft.now))
    draft.record("taken_over", token=tab.token.number)
    return _add(draft, secret_sha256, Scope.FULL, LinkMethod.TAKEN_OVER, None)


def bind_token(draft: Draft, token: Token) -> None:
    """Bind a token that no other tab has; it replaces the tab's former one. Raises TransitionRefused (closed)."""
    tab = draft.tab
    if tab.status == Status.CLOSED:
        raise TransitionRefused("The tab is closed, so there is nothing for a guest to do on it.", status=tab.status)
    if token.revoked_at is not None:
        raise TransitionRefused(f"Token {token.number} is revoked. Replace it, or use another one.", token=token.number)
    if token.tab_id == tab.tab_id and holds_token(tab, token_subject(token.number)):
        return
    draft.update(token=BoundToken(number=token.number, bound_at=draft.now))
    draft.record("token_bound", token=token.number)
    draft.token = replace(token, tab_id=tab.tab_id, version=token.version + 1)
    draft.link_pointers.append(draft.token.pointer)


def unbind_token(draft: Draft) -> None:
    """Take the token back from the tab. Twice changes nothing."""
    if draft.tab.token is not None:
        number = draft.tab.token.number
        draft.update(token=None)
        draft.record("token_unbound", token=number)


def _add(draft: Draft, secret_sha256: str, scope: Scope, method: LinkMethod, expires_at: datetime | None) -> Link:
    tab = draft.tab
    if expires_at is not None and not draft.now < expires_at <= draft.now + LONGEST_LIFE:
        raise InvalidInput(
            f"expires_at must lie ahead, by {LONGEST_LIFE.days} days at most; without it the link ends with its tab.",
            field="expires_at",
        )
    if _closed_long_ago(tab, draft.now):
        raise TransitionRefused(
            f"The tab was closed more than {OUTLIVES_TAB.days} days ago, so a link would open nothing.",
            status=tab.status,
        )
    link = Link(
        link_id=draft.new_id("lnk"),
        scope=scope,
        method=method,
        made_by=draft.by.subject,
        made_at=draft.now,
        expires_at=expires_at,
    )
    live = [old for old in tab.links if old.is_live(draft.now, tab.closed_at)]
    if len(live) >= MOST_LINKS:
        raise TooManyLinks(
            f"The tab has {MOST_LINKS} links that work, and can have no more. Revoke those that nobody needs.",
            maximum=MOST_LINKS,
        )
    # Of the dead ones only the latest are kept here, so that the tab stays small; the timeline has them all.
    dead = [old for old in tab.links if old not in live]
    draft.update(links=(*dead[max(0, len(dead) + len(live) + 1 - MOST_LINKS) :], *live, link))
    draft.record(
        "link_made",
        link_id=link.link_id,
        scope=scope,
        method=method,
        expires_at=instants.text(expires_at) if expires_at else None,
    )
    draft.link_pointers.append(
        LinkPointer(sha256=secret_sha256, merchant_id=tab.merchant_id, tab_id=tab.tab_id, subject=link.link_id)
    )
    return link


def _closed_long_ago(tab: Tab, now: datetime) -> bool:
    return tab.closed_at is not None and now >= tab.closed_at + OUTLIVES_TAB


def _wanted(tab: Tab, now: datetime) -> list[datetime]:
    """When a new link was asked for, in the last 24 hours."""
    return [at for at in tab.links_wanted if now < at + timedelta(days=1)]


def _get(draft: Draft, link_id: str) -> Link:
    link = draft.tab.link(link_id)
    if link is None:
        raise NotFound("There is no such link.")
    return link


def _update(draft: Draft, link: Link) -> None:
    draft.update(links=tuple(link if old.link_id == link.link_id else old for old in draft.tab.links))
