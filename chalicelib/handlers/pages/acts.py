"""The forms of a page: each is read, and handed to the same use case as in the API."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from msgspec import Struct

from chalicelib.domain.errors import AmountTooSmall, InvalidInput
from chalicelib.domain.tab import deposit
from chalicelib.domain.tab.actions import Action, allowed_actions
from chalicelib.domain.tab.attempt import Attempt, AttemptState
from chalicelib.domain.tab.bill import Feedback
from chalicelib.domain.tab.commands.sharing import Parts
from chalicelib.domain.tab.link import derived_secret, is_token_subject
from chalicelib.domain.tab.promise import Consent
from chalicelib.domain.tab.share import USUAL_TIME
from chalicelib.domain.tab.tab import Tab
from chalicelib.handlers.api.operations import is_replay
from chalicelib.handlers.pages.form import Form
from chalicelib.ports.deps import Deps
from chalicelib.ports.pages import Scene
from chalicelib.usecases.links import tab_links
from chalicelib.usecases.links.story_links import make_story_link
from chalicelib.usecases.parties import customers
from chalicelib.usecases.tab import bill, booking, payment, split
from chalicelib.usecases.tab.requests import Answer, Request
from chalicelib.usecases.trust.standing import object_to_standing

CARD_TERMS: Final = (
    "The card is kept at Stripe for this business. It is charged only what the agreement of this tab allows, and can "
    "be removed at any time."
)
"""The card-on-file terms. Their hash is sealed with the consent; each language says the same."""


class Again(Exception):
    """The form is not complete. `code`: what to say about it; nothing was done."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Sent(Struct, frozen=True, kw_only=True):
    """A form that was sent, for the tab as it was read then."""

    deps: Deps
    tab: Tab
    form: Form
    scene: Scene
    request: Request
    secret: str
    """The one that the page was opened with."""
    own_secret: str
    """That of the link of a guest who takes a token's tab over, or pays with the token."""
    ip: str
    user_agent: str

    def amount(self, name: str) -> int:
        """Raises Again."""
        return self.read_amount(self.form.text(name))

    def read_amount(self, text: str) -> int:
        """Raises Again."""
        from chalicelib.bootstrap import get_pages

        minor = get_pages().read_amount(text, self.scene)
        if minor is None:
            raise Again("amount")
        return minor


class Done(Struct, frozen=True, kw_only=True):
    """`code`: what to say on the page, "" for nothing. `leave_for`: another page to go to first.

    `secret`: a new key to the tab. `story_secret`: the key to its story, whose page comes next.
    """

    code: str
    leave_for: str | None = None
    secret: str | None = None
    story_secret: str | None = None


def _agree(sent: Sent) -> Done:
    known = {consent.value: consent for consent in Consent}
    consents = tuple(sorted({known[name] for name in sent.form.all("consent") if name in known}))
    agreement = booking.Agreement(
        promise_sha256=sent.form.text("promise"),
        consents=consents,
        card_terms_sha256=hashlib.sha256(CARD_TERMS.encode()).hexdigest() if Consent.CARD_ON_FILE in consents else None,
        ip=sent.ip,
        user_agent=sent.user_agent,
    )
    try:
        answer = booking.accept_promise(sent.deps, sent.tab.tab_id, agreement, request=sent.request)
    except InvalidInput:
        raise Again("consent") from None
    return Done(code="agreed", leave_for=_page_of(answer.attempt))


def _choose(sent: Sent) -> Done:
    chosen = sent.form.text("tier")
    if chosen not in {str(tier.percent) for tier in sent.tab.promise.tiers}:
        raise Again("choose")
    bill.choose_tier(sent.deps, sent.tab.tab_id, int(chosen), request=sent.request)
    return Done(code="chosen")


def _accept(sent: Sent) -> Done:
    answer = bill.accept_bill(sent.deps, sent.tab.tab_id, _tip(sent), credit_minor=_credit(sent), request=sent.request)
    return Done(code="accepted", leave_for=_page_of(answer.attempt))


def _pay(sent: Sent) -> Done:
    tip_minor = 0 if sent.tab.fee is not None else _tip(sent)
    credit_minor = _credit(sent)
    done = _paid(partial(payment.pay_on_phone, sent.deps, sent.tab.tab_id, tip_minor, credit_minor=credit_minor), sent)
    # Nothing is left for a page of Stripe's where credit has paid it all.
    return Done(code="accepted") if credit_minor and done.leave_for is None else done


def _give_tip(sent: Sent) -> Done:
    return _paid(partial(payment.give_tip, sent.deps, sent.tab.tab_id, sent.amount("tip_other")), sent)


def _paid(pay: Callable[..., Answer], sent: Sent) -> Done:
    try:
        attempt = pay(request=sent.request).attempt
    except AmountTooSmall:
        raise Again("too_small") from None
    except InvalidInput:
        raise Again("amount") from None
    if attempt is not None and attempt.state == AttemptState.FAILED:
        raise Again("unavailable")
    if attempt is not None and attempt.state in (AttemptState.CLOSED, AttemptState.ABANDONED):
        raise Again("page_ended")
    page = _page_of(attempt)
    return Done(code="", leave_for=page, secret=_own_link(sent) if page is not None else None)


def _own_link(sent: Sent) -> str | None:
    """A guest who pays with a token comes back to a link of their own: the token is free then, and shows nothing."""
    if not is_token_subject(sent.request.by.subject):
        return None
    made = tab_links.make_for_payer(sent.deps, sent.tab.tab_id, sent.own_secret, request=sent.request)
    return sent.own_secret if made else None


def _tip(sent: Sent) -> int:
    """The chosen tip. Raises Again where none was chosen: "no tip" is a choice, too."""
    chosen = sent.form.text("tip")
    if chosen == "other":
        return sent.amount("tip_other")
    if not (chosen.isascii() and chosen.isdecimal() and len(chosen) <= 12):
        raise Again("choose")
    return int(chosen)


def _credit(sent: Sent) -> int | None:
    """What was ticked; nothing was ticked: none. None where nobody was asked."""
    if sent.form.text("asked") != "credit":
        return None
    chosen = sent.form.text("credit")
    if not chosen:
        return 0
    if not (chosen.isascii() and chosen.isdecimal() and len(chosen) <= 12):
        raise Again("choose")
    return int(chosen)


def _contest(sent: Sent) -> Done:
    reason, what = sent.form.text("reason"), sent.form.text("what")
    if not reason:
        raise Again("reason")
    contested_minor: int | None = None
    tier_percent: int | None = None
    if what == "items":
        chosen = set(sent.form.all("item"))
        amounts = [item.amount_minor for item in sent.tab.items if item.item_id in chosen and item.voided_at is None]
        if not amounts:
            raise Again("choose")
        contested_minor = min(sum(amounts), sent.tab.amount_due_minor)
    elif what == "amount":
        contested_minor = sent.amount("amount")
    elif what in {f"tier{tier.percent}" for tier in sent.tab.promise.tiers}:
        tier_percent = int(what.removeprefix("tier"))
    elif what != "all":
        raise Again("choose")
    try:
        bill.contest_bill(sent.deps, sent.tab.tab_id, reason, contested_minor, tier_percent, request=sent.request)
    except InvalidInput:
        raise Again("amount") from None
    return Done(code="contested")


def _object(sent: Sent) -> Done:
    reason = sent.form.text("objection")
    if not reason:
        raise Again("reason")
    tab = sent.tab
    object_to_standing(sent.deps, tab.customer_id, tab.tab_id, reason, request=sent.request)
    return Done(code="objected")


def _cancel(sent: Sent) -> Done:
    """Only at the price that the page has shown."""
    _, fee_minor = deposit.fee_of_canceling(sent.tab, sent.deps.clock.now())
    if sent.form.text("fee") != str(fee_minor) and not is_replay(sent.deps, sent.request):
        raise Again("fee_changed")
    booking.cancel_tab(sent.deps, sent.tab.tab_id, sent.form.text("why"), request=sent.request)
    return Done(code="canceled")


def _save_card(sent: Sent) -> Done:
    terms = customers.CardTerms(
        terms_sha256=hashlib.sha256(CARD_TERMS.encode()).hexdigest(),
        tab_id=sent.tab.tab_id,
        ip=sent.ip,
        user_agent=sent.user_agent,
    )
    prepared = customers.prepare_card(sent.deps, sent.tab.customer_id, terms, request=sent.request)
    return Done(code="agreed", leave_for=prepared.setup.page_url)


def _rate(sent: Sent) -> Done:
    rating = sent.form.text("rating")
    if rating not in {"1", "2", "3", "4", "5"}:
        raise Again("choose")
    feedback = Feedback(rating=int(rating), comment=sent.form.text("comment")[:1000])
    bill.rate(sent.deps, sent.tab.tab_id, feedback, request=sent.request)
    return Done(code="rated")


def _counter(sent: Sent) -> Done:
    payment.announce_cash(sent.deps, sent.tab.tab_id, request=sent.request)
    return Done(code="counter")


def _split(sent: Sent) -> Done:
    deps, parts = sent.deps, _parts(sent)
    try:
        split.split_bill(deps, sent.tab.tab_id, parts, USUAL_TIME, credential=sent.secret, request=sent.request)
    except AmountTooSmall:
        raise Again("share_too_small") from None
    except InvalidInput:
        raise Again("split_wrong") from None
    return Done(code="split")


def _parts(sent: Sent) -> Parts:
    """Raises Again."""
    form, how = sent.form, sent.form.text("how")
    if how == "equally":
        number = form.text("parts")
        if not (number.isascii() and number.isdecimal() and len(number) <= 2):
            raise Again("choose")
        return Parts(equally=int(number))
    if how == "amounts":
        lines = [line.strip() for line in form.text("amounts").splitlines()]
        return Parts(amounts_minor=tuple(sent.read_amount(line) for line in lines if line))
    if how == "items":
        shares: dict[str, list[str]] = {}
        for item_id, number in form.shares_of_items.items():
            shares.setdefault(number, []).append(item_id)
        shares.pop("0", None)
        return Parts(items=tuple(map(tuple, shares.values())))
    raise Again("choose")


def _unsplit(sent: Sent) -> Done:
    split.unsplit_bill(sent.deps, sent.tab.tab_id, request=sent.request)
    return Done(code="unsplit")


def _take_over(sent: Sent) -> Done:
    tab_links.take_over(sent.deps, request=sent.request, secret=sent.own_secret)
    return Done(code="taken_over", secret=sent.own_secret)


def _disown(sent: Sent) -> Done:
    tab_links.disown(sent.deps, sent.tab.tab_id, request=sent.request)
    return Done(code="disowned")


def _story(sent: Sent) -> Done:
    """To the page of the story, by a link of its own, which is the same each time."""
    if Action.TELL_STORY not in allowed_actions(sent.tab, sent.request.by, sent.deps.clock.now()):
        raise Again("forbidden")
    _, secret = make_story_link(sent.deps, sent.tab, derived_secret(sent.secret, "story"))
    return Done(code="", story_secret=secret)


def _page_of(attempt: Attempt | None) -> str | None:
    """The page of a payment that waits for the customer. One that has ended is a dead end."""
    waits = attempt is not None and attempt.state == AttemptState.AWAITING_CUSTOMER
    return attempt.page_url if attempt is not None and waits else None


ACTS: Final[Mapping[str, Callable[[Sent], Done]]] = {
    "agree": _agree,
    "choose": _choose,
    "accept": _accept,
    "pay": _pay,
    "tip": _give_tip,
    "contest": _contest,
    "object": _object,
    "cancel": _cancel,
    "card": _save_card,
    "rate": _rate,
    "counter": _counter,
    "split": _split,
    "unsplit": _unsplit,
    "take_over": _take_over,
    "disown": _disown,
    "story": _story,
}
"""What a form's address ends with → what is done."""
