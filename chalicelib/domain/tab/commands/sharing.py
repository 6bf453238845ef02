"""Commands that split a bill into shares, and take that back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.books.ledger import Account, transfer
from chalicelib.domain.errors import AmountTooSmall, InvalidInput, PaymentInProgress, TransitionRefused
from chalicelib.domain.money import check_amount, currency_of, format_amount
from chalicelib.domain.parties import anonymous
from chalicelib.domain.tab import settlement, sharing
from chalicelib.domain.tab.actions import Action
from chalicelib.domain.tab.adjust import keep_lowered
from chalicelib.domain.tab.bill import Item
from chalicelib.domain.tab.commands.links import make_link
from chalicelib.domain.tab.commands.require import require
from chalicelib.domain.tab.draft import Draft
from chalicelib.domain.tab.link import Scope
from chalicelib.domain.tab.share import FEWEST_SHARES, LONGEST_TIME, MOST_SHARES, SHORTEST_TIME, Parent, Share
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.tab import Tab


class Parts(Struct, frozen=True, kw_only=True):
    """How a bill is split: into so many equal shares, or by amounts, or by items. One of the three is given."""

    equally: int | None = None
    amounts_minor: tuple[int, ...] | None = None
    items: tuple[tuple[str, ...], ...] | None = None

    @property
    def count(self) -> int:
        """Raises InvalidInput if there are too few or too many shares, or if none or several of the ways are given."""
        given = [self.equally, self.amounts_minor, self.items]
        if sum(way is not None for way in given) != 1:
            raise InvalidInput("Give one of equally, amounts_minor and items.")
        count = self.equally if self.equally is not None else len(self.amounts_minor or self.items or ())
        if not FEWEST_SHARES <= count <= MOST_SHARES:
            raise InvalidInput(
                f"A bill is split into {FEWEST_SHARES} to {MOST_SHARES} shares.", least=FEWEST_SHARES, most=MOST_SHARES
            )
        return count


def split(draft: Draft, parts: Parts, time: timedelta, digest_for: Callable[[str], str]) -> None:
    """Move what is owed to shares, each a tab of its own with a link; what is not shared stays on the tab.

    `time`: for how long a share waits for its payer. `digest_for`: the digest of the secret of a share's link, by the
    share's id. Raises InvalidInput and its kinds.
    """
    require(draft, Action.SPLIT)
    if not SHORTEST_TIME <= time <= LONGEST_TIME:
        raise InvalidInput(
            f"return_after_s must be from {SHORTEST_TIME.total_seconds():.0f} (a quarter of an hour) to "
            f"{LONGEST_TIME.total_seconds():.0f} (a week).",
            field="return_after_s",
        )
    tab, count = draft.tab, parts.count
    kept = tuple(share for share in tab.shares if share.out_minor)
    if len(kept) + count > MOST_SHARES:
        raise TransitionRefused(
            f"{len(kept)} shares of this bill are paid. It can have {MOST_SHARES} in all, so make at most "
            f"{MOST_SHARES - len(kept)} more.",
            status=tab.status,
        )
    lines = _by_items(draft, parts.items) if parts.items is not None else _by_amounts(draft, parts)
    amounts = [sum(item.amount_minor for item in items) for items in lines]
    _check(tab, amounts)
    shares = [_open_share(draft, items, time, digest_for) for items in lines]
    known = [
        Share(
            tab_id=share.tab.tab_id,
            amount_minor=share.tab.total_minor,
            tax_minor=share.tab.tax_minor,
            made_by=draft.by.subject,
        )
        for share in shares
    ]
    draft.also += shares
    keep_lowered(draft)
    draft.update(shares=(*kept, *known))
    draft.record(
        "split",
        shares=[{"share_id": share.tab_id, "amount_minor": share.amount_minor} for share in known],
        amount_minor=sum(amounts),
        balance_minor=draft.tab.balance_minor,
        postings=transfer(sum(amounts), debit=Account.SHARES, credit=Account.CUSTOMER_RECEIVABLE),
    )
    settlement.replan(draft)


def unsplit(draft: Draft, shares: Sequence[Draft]) -> None:
    """Take the open shares back: what they owe is owed on the tab again. Those that are paid stay so.

    `shares`: those that are not over. Raises TransitionRefused (one is paid in part, or contested), PaymentInProgress.
    """
    require(draft, Action.UNSPLIT)
    for share in shares:
        if share.tab.legs:
            raise _part_is_paid(share.tab)
        if share.tab.attempts:
            raise PaymentInProgress(
                "Somebody is paying their share right now. Load the tab again in a moment; a payment that is not "
                "finished ends after half an hour.",
                share_id=share.tab.tab_id,
            )
        if share.tab.status != Status.DUE:
            raise TransitionRefused(
                "A share is contested, or was changed after a contest. Wait until that is settled; what is not paid "
                "then comes back automatically.",
                status=draft.tab.status,
                share_id=share.tab.tab_id,
            )
        if share.tab.balance_minor:
            sharing.give_back(share, sharing.Back.UNSPLIT)
        sharing.tell(share, draft, sharing.Back.UNSPLIT)
    draft.also += shares
    draft.record("unsplit", balance_minor=draft.tab.balance_minor)


def _part_is_paid(share: Tab) -> TransitionRefused:
    return TransitionRefused(
        "Part of an open share is paid, so the share stays with its payer. What they do not pay in time comes back "
        "automatically.",
        status=share.status,
        share_id=share.tab_id,
    )


def _by_items(draft: Draft, wanted: tuple[tuple[str, ...], ...]) -> list[tuple[Item, ...]]:
    tab = draft.tab
    if not sharing.can_split_by_items(tab):
        raise InvalidInput(
            "The bill has one item, or its items are not what is owed any more: something was paid, taken off, or "
            "split before. Split it equally or by amounts.",
            field="items",
        )
    ids = [item_id for part in wanted for item_id in part]
    of_bill = {item.item_id: item for item in tab.items if not item.voided_at}
    if not all(wanted) or len(set(ids)) != len(ids) or not set(ids) <= of_bill.keys():
        raise InvalidInput(
            "Each share needs an item at least, and each item can be in one share only. Take their ids from the bill.",
            field="items",
        )
    return [tuple(of_bill[item_id] for item_id in part) for part in wanted]


def _by_amounts(draft: Draft, parts: Parts) -> list[tuple[Item, ...]]:
    """Each share has one line, with its part of the bill's tax: they add up to the cent."""
    tab, currency = draft.tab, currency_of(draft.tab.currency)
    amounts = list(parts.amounts_minor or ())
    if parts.equally is not None:
        each_minor = tab.balance_minor // parts.equally // currency.step_minor * currency.step_minor
        # What can't be divided goes to the first.
        amounts = [tab.balance_minor - each_minor * (parts.equally - 1), *[each_minor] * (parts.equally - 1)]
    for number, amount_minor in enumerate(amounts):
        check_amount(amount_minor, currency, f"amounts_minor[{number}]")
    taxes = sharing.taxes_of(tab, amounts)
    return [
        (
            Item(
                item_id=draft.new_id("itm"),
                description=tab.title,
                unit_price_minor=amount_minor,
                quantity=1,
                tax_minor=tax_minor,
                added_at=draft.now,
            ),
        )
        for amount_minor, tax_minor in zip(amounts, taxes, strict=True)
    ]


def _check(tab: Tab, amounts: Sequence[int]) -> None:
    """Every share can be paid by card, and so can what stays."""
    minimum, stays_minor = tab.minimum_charge_minor, tab.balance_minor - sum(amounts)
    least = format_amount(minimum, tab.currency)
    if min(amounts) < minimum:
        raise AmountTooSmall(
            f"A share must be {least} at least, because a card can't be charged less. Make fewer shares, or larger "
            "ones.",
            minimum_minor=minimum,
        )
    if stays_minor < 0:
        raise InvalidInput(
            f"The shares are more than what is owed, {format_amount(tab.balance_minor, tab.currency)}. Make them "
            "smaller.",
            balance_minor=tab.balance_minor,
        )
    if 0 < stays_minor < minimum:
        raise AmountTooSmall(
            f"{format_amount(stays_minor, tab.currency)} would stay on the tab, and a card can't be charged less than "
            f"{least}. Add it to a share, or leave more on the tab.",
            minimum_minor=minimum,
        )


def _open_share(draft: Draft, items: tuple[Item, ...], time: timedelta, digest_for: Callable[[str], str]) -> Draft:
    """A tab for whoever gets its link: due at once, with nothing agreed on, so nothing is taken without its payer."""
    parent, now = draft.tab, draft.now
    amount_minor = sum(item.amount_minor for item in items)
    customer = anonymous(draft.new_id("cus"), parent.merchant_id, now)
    tab = Tab(
        tab_id=draft.new_id("tab"),
        merchant_id=parent.merchant_id,
        customer_id=customer.customer_id,
        customer_ref=customer.customer_ref,
        account=parent.account,
        currency=parent.currency,
        minimum_charge_minor=parent.minimum_charge_minor,
        statement_suffix=parent.statement_suffix,
        # Nobody is reminded of a share: it goes back to its parent, who is.
        policy=replace(parent.policy, reminder_offsets_s=(), credits=None),
        promise=replace(
            parent.promise,
            estimate_minor=amount_minor,
            cap_minor=amount_minor,
            deposit_minor=0,
            no_show_fee_minor=0,
            late_cancel_fee_minor=0,
            starts_at=None,
            free_cancel_until=None,
            deposit_needs_card=False,
            standing=None,
            # The outcome was said before the bill was split, and its price is what the shares are of.
            tiers=(),
            silence_percent=None,
            fixed_price=False,
            accepted=None,
            added=(),
        ),
        title=parent.title,
        status=Status.DUE,
        opened_at=now,
        opened_by=parent.opened_by,
        updated_at=now,
        presented_at=now,
        due_at=now,
        items=items,
        parent=Parent(tab_id=parent.tab_id, amount_minor=amount_minor, time_s=int(time.total_seconds())),
    )
    share = Draft(tab, now=now, by=draft.by, new_id=draft.new_id)
    share.customer = customer
    share.record(
        "opened",
        status=tab.status,
        promise_sha256=tab.promise.sha256,
        currency=tab.currency,
        parent_id=parent.tab_id,
        postings=transfer(amount_minor, debit=Account.CUSTOMER_RECEIVABLE, credit=Account.SHARES),
    )
    make_link(share, digest_for(tab.tab_id), Scope.FULL, None)
    return share
