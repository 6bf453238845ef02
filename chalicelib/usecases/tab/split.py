"""Splits a bill into shares, each a tab of its own with a link, and takes a split back."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct

from chalicelib.domain.tab.commands import sharing
from chalicelib.domain.tab.commands.sharing import Parts
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.link import derived_secret
from chalicelib.domain.tab.share import Share
from chalicelib.domain.tab.tab import Tab
from chalicelib.ports.deps import Deps
from chalicelib.usecases.tab.carry_out import carry_out
from chalicelib.usecases.tab.requests import Answer, Request


class NewShare(Struct, frozen=True, kw_only=True):
    """A share that was made. `secret`: of its link, which is kept nowhere; None where a repetition can't derive it."""

    tab_id: str
    amount_minor: int
    secret: str | None


class Split(Struct, frozen=True, kw_only=True):
    tab: Tab
    shares: tuple[NewShare, ...]
    replayed: bool


def split_bill(deps: Deps, tab_id: str, parts: Parts, time: timedelta, *, credential: str, request: Request) -> Split:
    """Move what is owed to shares. The split is one transaction: all shares are made, or none.

    `credential`: what the caller has proven who they are with. The secrets are derived from it, so a repetition with
    the same one answers them again. Raises TransitionRefused, NothingToPay, PaymentInProgress, InvalidInput and its
    kinds.
    """

    def digest_for(share_id: str) -> str:
        return deps.links.digest(derived_secret(credential, share_id))

    def command(draft: Draft) -> None:
        sharing.split(draft, parts, time, digest_for)

    answer = carry_out(deps, tab_id, request, command, closes_payment=True)
    # The newest are last. A repetition is answered from the tab as the first request left it.
    made = answer.tab.shares[-parts.count :]

    def secret_of(share: Share) -> str | None:
        # A caller who has signed in anew meanwhile comes with another credential.
        is_same = not answer.replayed or deps.links.find_pointer(digest_for(share.tab_id)) is not None
        return derived_secret(credential, share.tab_id) if is_same else None

    return Split(
        tab=answer.tab,
        shares=tuple(
            NewShare(tab_id=share.tab_id, amount_minor=share.amount_minor, secret=secret_of(share)) for share in made
        ),
        replayed=answer.replayed,
    )


def unsplit_bill(deps: Deps, tab_id: str, *, request: Request) -> Answer:
    """Everything is owed on the tab again. Raises TransitionRefused (something was paid), PaymentInProgress."""

    def command(draft: Draft) -> None:
        tab = draft.tab
        owners = [(tab.merchant_id, share.tab_id) for share in tab.open_shares]
        found = deps.store.find_tabs(owners)
        shares = [
            Draft(found[owner], now=draft.now, by=draft.by, new_id=draft.new_id, accounts=deps.store)
            for owner in owners
        ]
        sharing.unsplit(draft, shares)

    return carry_out(deps, tab_id, request, command, closes_payment=True)
