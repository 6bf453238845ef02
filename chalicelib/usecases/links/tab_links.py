"""A tab's links: make, list, revoke and reissue them, and let the guest with the token take the tab over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.contact import Channel, Contact
from chalicelib.domain.errors import NotFound, TooManyLinks, TransitionRefused
from chalicelib.domain.tab.actor import Actor
from chalicelib.domain.tab.commands import links
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.link import Link, LinkMethod, Scope
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.deps import Deps
from chalicelib.usecases.tab.attempts import record_outcome
from chalicelib.usecases.tab.carry_out import carry_out
from chalicelib.usecases.tab.requests import Answer, Request, check_visible, merchant_of


class NewLink(Struct, frozen=True, kw_only=True):
    """A link that was made. `secret`: None in a repetition of the request, because it is kept nowhere."""

    link: Link
    tab: Tab
    secret: str | None


def make_link(deps: Deps, tab_id: str, scope: Scope, expires_at: datetime | None, *, request: Request) -> NewLink:
    """Raises NotFound, TooManyLinks, TransitionRefused, InvalidInput, and what carry_out raises."""
    return _made(deps, tab_id, lambda draft, sha256: links.make_link(draft, sha256, scope, expires_at), request)


def reissue_link(deps: Deps, tab_id: str, link_id: str, expires_at: datetime | None, *, request: Request) -> NewLink:
    """The new link; the old one opens nothing from now on. Raises NotFound, TransitionRefused (it was revoked)."""
    return _made(deps, tab_id, lambda draft, sha256: links.reissue_link(draft, link_id, sha256, expires_at), request)


def take_over(deps: Deps, *, request: Request, secret: str | None = None) -> NewLink:
    """A link of their own for the guest who holds the tab's token; `secret` None: a new one is drawn.

    Raises NotFound, Forbidden.
    """
    if request.by.tab_id is None:
        raise NotFound("There is no such tab.")
    return _made(deps, request.by.tab_id, links.take_over, request, secret)


def make_for_payer(deps: Deps, tab_id: str, secret: str, *, request: Request) -> bool:
    """A link to pay for the guest who is paying by this request with a token; False where the tab can have no more.

    Done once, however often the request is repeated. Raises NotFound, Contention.
    """
    beside = replace(request, record_id=f"{request.record_id}/link", expected_version=None)
    try:
        _made(deps, tab_id, links.make_for_payer, beside, secret)
    except TooManyLinks:
        return False
    return True


def make_for_message(deps: Deps, tab: Tab, contact: Contact | None = None) -> tuple[Tab, str]:
    """The tab with a link for a message to its customer, and the secret; "" where it can have no more links."""
    closed_at = tab.closed_at or deps.clock.now()
    is_customers = contact is None or all(contact.is_own_or_since(channel, closed_at) for channel in Channel)
    method = LinkMethod.MESSAGE if is_customers else LinkMethod.NEW_ADDRESS
    secret = deps.ids.new_secret()
    sha256 = deps.links.digest(secret)
    made = []

    def write(draft: Draft) -> None:
        with suppress(TooManyLinks, TransitionRefused):
            made.append(links.make_for_message(draft, sha256, method))

    # What has become due on the tab meanwhile is the worker's: whoever delivers messages has no key to the gateway.
    tab, _ = record_outcome(deps, tab, write)
    return tab, secret if made else ""


def want_link(deps: Deps, tab: Tab, link_id: str) -> None:
    """A guest with an expired link asks for a new one: it goes to the customer's address. Else nothing changes.

    `tab`: as it was just read; it is not read again. `link_id`: of any key that leads to it. Raises Contention.
    """
    if links.can_want_link(tab, link_id, deps.clock.now()):
        record_outcome(deps, tab, lambda draft: links.want_link(draft, link_id))


def revoke_link(deps: Deps, tab_id: str, link_id: str, *, request: Request) -> Answer:
    """The link opens nothing from now on. Raises NotFound."""
    return carry_out(deps, tab_id, request, lambda draft: links.revoke_link(draft, link_id))


def disown(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """The guest's own key opens nothing from now on: it is not their tab. Raises Forbidden (no guest)."""
    return carry_out(deps, tab_id, request, links.disown)


def get_tab_with_links(deps: Deps, tab_id: str, *, by: Actor) -> Tab:
    """Raises NotFound."""
    tab = deps.store.get_tab(merchant_of(by), tab_id)
    check_visible(deps, tab, by)
    return tab


def _made(
    deps: Deps, tab_id: str, command: Callable[[Draft, str], Link], request: Request, secret: str | None = None
) -> NewLink:
    secret = secret or deps.ids.new_secret()
    sha256 = deps.links.digest(secret)

    def write(draft: Draft) -> None:
        command(draft, sha256)

    answer = carry_out(deps, tab_id, request, write)
    link = answer.tab.link(answer.link_id or "")
    if link is None:
        raise NotFound("The link that this request made has ended and is no longer on record. Make another one.")
    return NewLink(link=link, tab=answer.tab, secret=None if answer.replayed else secret)
