"""Links and tokens of a tab: what each lets a guest do, and until when."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.domain.errors import Forbidden, InvalidInput, NotFound, TooManyLinks, TransitionRefused
from chalicelib.domain.news.message import MessageKind, Recipient
from chalicelib.domain.tab.actions import ROLES, Action, allowed_actions, refusal
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.attempt import Operation
from chalicelib.domain.tab.commands import booking, links, payment
from chalicelib.domain.tab.guests import may_confirm, scope_of
from chalicelib.domain.tab.link import MOST_LINKS, LinkMethod, Scope
from chalicelib.domain.tab.promise import AcceptanceMethod
from chalicelib.domain.token import Token
from tests.unit.till import ADA, CUSTOMER, EVERYTHING, NOON, STAFF, Till

TOKEN = Token(merchant_id="mer_1", number=17, sha256="ab" * 32, made_at=NOON)


def guest(scope: Scope, subject: str = "lnk_1", tab_id: str = "tab_1") -> Actor:
    return Actor(subject=subject, role=Role.GUEST, merchant_id="mer_1", customer_id="cus_1", tab_id=tab_id, scope=scope)


def linked(till: Till, scope: Scope = Scope.FULL, hours: float | None = None) -> str:
    """The id of a new link."""
    till.do(links.make_link, "cd" * 32, scope, till.now + timedelta(hours=hours) if hours else None)
    return till.tab.links[-1].link_id


def test_scopes_of_the_table_grow() -> None:
    """Full is what the customer may do, pay is a part of that, and view none of it. Any guest may say: not my tab."""
    of = {who: {action for action in Action if who in ROLES[action]} for who in (*Scope, Role.CUSTOMER, Role.GUEST)}

    assert of[Scope.FULL] == of[Role.CUSTOMER] | {Action.DISOWN}
    assert of[Scope.PAY] == {Action.PAY_ON_PHONE, Action.TIP, Action.ANNOUNCE_CASH, Action.DISOWN}
    assert of[Scope.VIEW] == {Action.DISOWN}
    assert of[Role.GUEST] == set()


def test_a_refused_guest_is_told_that_it_is_the_link() -> None:
    """Not that a guest may not: another link of the same tab may allow it."""
    refused = refusal(Till().tab, Action.CANCEL, guest(Scope.VIEW), NOON)

    assert isinstance(refused, Forbidden)
    assert refused.detail == "This link does not let you cancel. Ask the business for one that does."


def test_a_link_is_written_on_the_tab_without_its_secret() -> None:
    """The tab has its id, scope and maker, the timeline says that it was made; the hash is with the pointer only."""
    till = Till()
    draft = till.draft(ADA)

    link = links.make_link(draft, "cd" * 32, Scope.PAY, None)

    assert (link.scope, link.method, link.made_by, link.made_at) == (Scope.PAY, LinkMethod.MADE, "ada", NOON)
    assert draft.tab.links == (link,)
    (pointer,) = draft.link_pointers
    assert (pointer.sha256, pointer.tab_id, pointer.subject) == ("cd" * 32, till.tab.tab_id, link.link_id)
    assert [entry.kind for entry in draft.entries] == ["link_made"]
    assert "cd" * 32 not in repr(draft.entries) + repr(draft.tab)


def test_what_opens_the_tab_until_when() -> None:
    """A link until it is revoked, has expired, or its tab was closed thirty days ago."""
    till = Till()
    stays, ends, revoked = linked(till), linked(till, Scope.VIEW, hours=1), linked(till)
    till.do(links.revoke_link, revoked)

    assert [scope_of(till.tab, link, till.now) for link in (stays, ends, revoked)] == [Scope.FULL, Scope.VIEW, None]
    assert scope_of(till.tab, ends, till.now + timedelta(hours=1)) is None
    till.serve(50_00).do(payment.take_cash, 50_00)
    last = till.now + timedelta(days=30)
    assert scope_of(till.tab, stays, last - timedelta(milliseconds=1)) == Scope.FULL
    assert scope_of(till.tab, stays, last) is None
    assert scope_of(till.tab, "lnk_nowhere", till.now) is None


@pytest.mark.parametrize("days", [0, -1, 366.1])
def test_an_end_lies_ahead_by_a_year_at_most(days: float) -> None:
    """Else InvalidInput, for a reissued one as well."""
    till = Till()
    link_id = linked(till)
    ends = till.now + timedelta(days=days)

    with pytest.raises(InvalidInput):
        till.do(links.make_link, "cd" * 32, Scope.FULL, ends)
    with pytest.raises(InvalidInput):
        till.do(links.reissue_link, link_id, "cd" * 32, ends)


def test_twenty_live_links_at_most_dead_ones_make_room() -> None:
    """What is dead is forgotten first, the oldest first; what lives is never forgotten."""
    till = Till()
    made = [linked(till) for _ in range(MOST_LINKS)]
    with pytest.raises(TooManyLinks):
        linked(till)
    for link_id in made[:3]:
        till.do(links.revoke_link, link_id)

    new = linked(till)

    assert [link.link_id for link in till.tab.links] == [*made[1:], new]


def test_revoking_twice_changes_nothing() -> None:
    """No second entry; an unknown link is not found."""
    till = Till()
    link_id = linked(till)

    till.do(links.revoke_link, link_id)
    version = till.tab.version
    till.do(links.revoke_link, link_id)

    assert till.tab.version == version
    with pytest.raises(NotFound):
        till.do(links.revoke_link, "lnk_nowhere")


def test_a_reissued_link_keeps_its_scope() -> None:
    """The old one is revoked; what was revoked on purpose comes back by no reissuing."""
    till = Till()
    link_id = linked(till, Scope.PAY, hours=1)
    till.wait(hours=2)

    till.do(links.reissue_link, link_id, "ef" * 32, None)

    old, new = till.tab.links
    assert (old.revoked_at, new.scope, new.method, new.expires_at) == (till.now, Scope.PAY, LinkMethod.REISSUED, None)
    with pytest.raises(TransitionRefused):
        till.do(links.reissue_link, link_id, "ef" * 32, None)


def asked(till: Till, link_id: str, **after: float) -> int:
    """How often a new link was asked for by now, after one more try."""
    till.wait(**after).do(links.want_link, link_id)
    return till.kinds.count("link_wanted")


def test_an_expired_link_asks_for_a_new_one_once_an_hour_and_three_times_a_day() -> None:
    till = Till()
    link_id, other = linked(till, Scope.VIEW, hours=1), linked(till, hours=1)

    assert asked(till, link_id) == 0, "it is live"
    assert asked(till, link_id, hours=1) == 1
    assert asked(till, other, minutes=59) == 1, "the limits are the tab's"
    assert asked(till, other, minutes=1) == 2
    assert asked(till, link_id, hours=1) == 3
    assert asked(till, link_id, hours=21, minutes=59) == 3
    assert asked(till, link_id, minutes=1) == 4
    assert len(till.tab.links_wanted) == 3, "those of the day before are not kept"
    assert (MessageKind.LINK_WANTED, Recipient.CUSTOMER) in till.told


def test_what_was_revoked_or_ended_with_its_tab_asks_for_nothing() -> None:
    till = Till()
    revoked, ends, stays = linked(till, hours=1), linked(till, hours=1), linked(till)
    till.do(links.revoke_link, revoked).do(links.bind_token, TOKEN).serve(50_00).do(payment.take_cash, 50_00)
    version = till.tab.version

    assert [asked(till, it) for it in (revoked, stays, "lnk_nowhere", "token_17", "nobody")] == [0] * 5
    assert asked(till, revoked, hours=2) == 0
    assert till.tab.version == version
    assert asked(till, ends) == 1
    assert asked(till, ends, days=30) == 1
    assert asked(till, stays) == 1, "it ended with its tab"


def test_nothing_is_asked_for_where_there_can_be_no_new_link() -> None:
    """The customer has twenty that work; a message without one would help nobody."""
    till = Till()
    ended = linked(till, hours=1)
    till.wait(hours=1)
    for _ in range(MOST_LINKS - 1):
        linked(till)
    assert asked(till, ended) == 1
    linked(till)

    assert asked(till, ended, hours=1) == 1


def test_a_token_pays_until_it_is_taken_over_or_the_tab_closes() -> None:
    """Its guest may pay; once they have a link, or the tab is closed or the token taken back, it opens nothing."""
    till = Till().do(links.bind_token, TOKEN)
    holder = guest(Scope.PAY, "token_17")
    assert scope_of(till.tab, "token_17", till.now) == Scope.PAY
    assert scope_of(till.tab, "token_18", till.now) is None
    taken_over = Till().do(links.bind_token, TOKEN).do(links.take_over, "cd" * 32, by=holder)
    taken_back = Till().do(links.bind_token, TOKEN).do(links.unbind_token)
    closed = Till().do(links.bind_token, TOKEN).serve(50_00).do(payment.take_cash, 50_00)

    for other in (taken_over, taken_back, closed):
        assert scope_of(other.tab, "token_17", other.now) is None
    (link,) = taken_over.tab.links
    assert (link.scope, link.method, link.made_by) == (Scope.FULL, LinkMethod.TAKEN_OVER, "token_17")


def test_only_the_tokens_guest_takes_over_and_once() -> None:
    """Neither who has a link, nor the second one with the same token."""
    till = Till().do(links.bind_token, TOKEN)
    link_id = linked(till)

    with pytest.raises(Forbidden):
        till.do(links.take_over, "cd" * 32, by=guest(Scope.FULL, link_id))
    till.do(links.take_over, "cd" * 32, by=guest(Scope.PAY, "token_17"))
    with pytest.raises(Forbidden):
        till.do(links.take_over, "cd" * 32, by=guest(Scope.PAY, "token_17"))


def test_binding_writes_the_token_and_where_it_leads() -> None:
    """The next version of the token, its pointer to this tab, and an entry; the same again changes nothing."""
    till = Till()
    draft = till.draft()

    links.bind_token(draft, TOKEN)

    assert draft.token is not None and (draft.token.tab_id, draft.token.version) == (till.tab.tab_id, 2)
    assert draft.link_pointers == [draft.token.pointer]
    again = till.do(links.bind_token, TOKEN).draft()
    links.bind_token(again, draft.token)
    assert again.is_empty and again.token is None


def test_a_token_that_is_given_back_to_its_guest_works_again() -> None:
    """Bound anew by staff after it was taken over."""
    till = Till().do(links.bind_token, TOKEN).do(links.take_over, "cd" * 32, by=guest(Scope.PAY, "token_17"))

    till.do(links.bind_token, Token(merchant_id="mer_1", number=17, sha256="ab" * 32, made_at=NOON, tab_id="tab_1"))

    assert scope_of(till.tab, "token_17", till.now) == Scope.PAY


def test_a_closed_tab_takes_no_token() -> None:
    """Nor does a revoked one go on any."""
    till = Till().serve(50_00).do(payment.take_cash, 50_00)

    with pytest.raises(TransitionRefused):
        till.do(links.bind_token, TOKEN)
    with pytest.raises(TransitionRefused):
        Till().do(links.bind_token, Token(merchant_id="mer_1", number=1, sha256="", made_at=NOON, revoked_at=NOON))


def test_a_payment_by_link_saves_no_card() -> None:
    """The customer agreed that theirs is kept, not a friend's; theirs is no secret for the friend, either."""
    friend = guest(Scope.PAY)
    mine = Till().accept(*EVERYTHING).serve(50_00).do(payment.pay_on_phone, by=ADA).open(Operation.CHARGE)
    theirs = Till().accept(*EVERYTHING).serve(50_00).do(payment.pay_on_phone, by=friend).open(Operation.CHARGE)
    full = Till().accept(*EVERYTHING).serve(50_00).do(payment.pay_on_phone, by=guest(Scope.FULL)).open(Operation.CHARGE)

    assert (mine.saves_card, theirs.saves_card, full.saves_card) == (True, False, True)
    assert (may_confirm(mine, friend), may_confirm(theirs, friend)) == (False, True)
    assert may_confirm(mine, guest(Scope.FULL)) and may_confirm(theirs, ADA)
    assert not may_confirm(theirs, guest(Scope.VIEW)) and not may_confirm(theirs, STAFF)


def test_how_an_acceptance_counts() -> None:
    """The app, a link, or what staff record."""
    assert booking.method_of(ADA) == AcceptanceMethod.APP
    assert booking.method_of(guest(Scope.FULL)) == AcceptanceMethod.GUEST_LINK
    assert booking.method_of(STAFF) == AcceptanceMethod.IN_PERSON


def test_a_full_link_is_allowed_what_the_customer_is() -> None:
    """Open, in review, being charged, paid."""
    open_ = Till().accept(*EVERYTHING)
    reviewed = Till().accept(*EVERYTHING).serve(50_00)
    charging = Till().accept(*EVERYTHING, customer=CUSTOMER).serve(50_00).wait(days=1)
    paid = Till().serve(50_00).do(payment.pay_on_phone, by=ADA).charged()

    for till in (open_, reviewed, charging, paid):
        theirs, hers = (allowed_actions(till.tab, by, till.now) for by in (guest(Scope.FULL), ADA))
        assert theirs == [*hers, Action.DISOWN]
