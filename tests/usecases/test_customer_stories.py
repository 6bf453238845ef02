"""Stories of customers through the use cases: who is asked, who may tell one, where it is shown, and that it goes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.contact import Channel, Language
from chalicelib.domain.errors import Forbidden, InvalidInput, TransitionRefused
from chalicelib.domain.news.message import Message, MessageKind
from chalicelib.domain.news.rules import Why
from chalicelib.domain.tab.actor import Actor, Role
from chalicelib.domain.tab.link import LinkMethod, Scope
from chalicelib.domain.tab.policy import Policy, Resolution
from chalicelib.domain.tab.status import Status
from chalicelib.domain.tab.story import Place
from chalicelib.domain.trust.figures import StoryCounts
from chalicelib.domain.trust.story import Words
from chalicelib.domain.trust.terms import StoryTerms
from chalicelib.ports.words import Setting, Written
from chalicelib.usecases.links.admit import admit
from chalicelib.usecases.links.story_links import find_teller, make_story_link
from chalicelib.usecases.links.tab_links import make_for_message, make_link
from chalicelib.usecases.parties.contacts import ContactInput, erase_contact, opt_out, put_contact
from chalicelib.usecases.parties.customers import create_customer
from chalicelib.usecases.parties.merchants import set_branding
from chalicelib.usecases.tab.bill import contest_bill, resolve_contest
from chalicelib.usecases.tab.booking import cancel_tab
from chalicelib.usecases.tab.payment import take_cash
from chalicelib.usecases.tab.refund import refund_tab
from chalicelib.usecases.trust import stories
from chalicelib.usecases.trust.figures import get_figures
from chalicelib.usecases.trust.stories import find_published, get_story, tell_story, withdraw_story
from tests.channels import BareWords
from tests.news import Pump
from tests.usecases.shop import EVERYTHING, OLGA, WITHOUT_CARD, Shop

BOTH = (Place.WEBSITE, Place.FEED)


@pytest.fixture
def shop() -> Shop:
    return Shop(Policy(stories=StoryTerms()))


def visited(shop: Shop) -> Shop:
    """Ada came and paid, and is asked two weeks later."""
    shop.open(*EVERYTHING).serve().accept_bill()
    shop.wait(days=14)
    return shop


def words(*places: Place, text: str = "The cut was done in time.", name: str = "Ada") -> Words:
    return Words(text=text, name=name, language=Language.ENGLISH, places=places or BOTH)


def tell(shop: Shop, who: Actor | None = None, told: Words | None = None) -> None:
    tell_story(shop.deps, shop.tab_id, told or words(), request=shop.request(who or shop.ada))


def shown(shop: Shop, place: Place) -> list[str]:
    """What anybody can read."""
    merchant, branding = shop.store.get_merchant_and_branding(shop.merchant_id)
    if not branding.shows_stories:
        set_branding(shop.deps, replace(branding, shows_stories=True), request=shop.request(shop.owner))
    found = find_published(shop.deps, merchant.merchant_id, place)
    assert found is not None
    return [story.text for story in found.stories]


def guest(shop: Shop, link_id: str) -> Actor:
    return Actor(
        subject=link_id,
        role=Role.GUEST,
        merchant_id=shop.merchant_id,
        customer_id=shop.customer_id,
        tab_id=shop.tab_id,
        scope=Scope.FULL,
    )


def is_happy(shop: Shop) -> None:
    shop.open(*EVERYTHING).serve().accept_bill()


def is_unhappy(shop: Shop) -> None:
    """Contested, upheld, paid all the same, and given back a part."""
    shop.open(*EVERYTHING).serve()
    contest_bill(shop.deps, shop.tab_id, "cold", None, request=shop.request(shop.ada))
    resolve_contest(shop.deps, shop.tab_id, Resolution.UPHOLD, None, "warm", request=shop.request(shop.owner))
    shop.wait(hours=25)
    refund_tab(shop.deps, shop.tab_id, 5_00, "sorry", request=shop.request(shop.staff))
    shop.deliver_all()
    assert shop.tab.status == Status.CLOSED


@pytest.mark.parametrize("visit", [is_happy, is_unhappy])
def test_everybody_is_asked_alike_two_weeks_after_the_end(shop: Shop, visit: Any) -> None:
    """Whoever was unhappy at the same time as whoever was not, and nobody earlier."""
    visit(shop)
    closed_at = shop.tab.closed_at
    assert closed_at is not None and shop.tab.next_action_at == closed_at + timedelta(days=14)
    with pytest.raises(TransitionRefused, match="has not been asked"):
        tell(shop)

    shop.clock.instant = closed_at
    shop.wait(days=14)

    assert shop.tab.story is not None and shop.kinds().count("story_asked") == 1
    assert [message.kind for message in shop.messages].count(MessageKind.STORY_ASKED) == 1
    assert shop.tab.next_action_at is None, "nobody is asked twice"


def test_nobody_is_asked_about_what_did_not_happen_or_where_the_business_asks_nobody(shop: Shop) -> None:
    shop.open(*WITHOUT_CARD, starts_in_hours=100)
    cancel_tab(shop.deps, shop.tab_id, "ill", request=shop.request(shop.ada))
    asks_nobody = Shop(Policy())
    is_happy(asks_nobody)

    assert shop.tab.next_action_at is None and asks_nobody.tab.next_action_at is None


def test_a_story_can_be_seen(shop: Shop) -> None:
    """Marks without a shape make no story and no name: an empty card would stand among the others."""
    visited(shop)
    with pytest.raises(InvalidInput, match="10 to 1000"):
        tell(shop, told=words(text="\u200b \u2060" * 5))
    tell(shop, told=words(name="\u200b"))
    _, story = get_story(shop.deps, shop.tab_id, by=shop.ada)
    assert story is not None and story.name == ""


def test_a_story_is_shown_only_where_its_customer_agrees(shop: Shop) -> None:
    """Told anew, it is shown where they agree now."""
    visited(shop)
    with pytest.raises(InvalidInput):
        tell(shop, told=replace(words(), places=()))
    tell(shop, told=words(Place.WEBSITE))
    assert (shown(shop, Place.WEBSITE), shown(shop, Place.FEED)) == (["The cut was done in time."], [])

    tell(shop, told=words(Place.FEED, text="  On second\x00 thoughts:\r\nfine.\x1b  "))

    assert (shown(shop, Place.WEBSITE), shown(shop, Place.FEED)) == ([], ["On second thoughts:\nfine."])
    entries = shop.store.list_entries(shop.merchant_id, shop.tab_id, limit=999, cursor=None).items
    assert "second" not in repr(entries), "the words are in no entry, which nobody could erase"


def test_a_story_taken_back_is_shown_nowhere_and_its_words_are_gone(shop: Shop) -> None:
    tell(visited(shop))
    shown(shop, Place.FEED)

    withdraw_story(shop.deps, shop.tab_id, request=shop.request(shop.ada))

    assert (shown(shop, Place.WEBSITE), shown(shop, Place.FEED)) == ([], [])
    kept = shop.deps.people.find_story(shop.merchant_id, shop.tab_id)
    assert kept is not None and (kept.text, kept.name, kept.places) == ("", "", ())
    assert get_story(shop.deps, shop.tab_id, by=shop.owner)[1] is None
    with pytest.raises(TransitionRefused):
        withdraw_story(shop.deps, shop.tab_id, request=shop.request(shop.ada))


def test_a_story_by_a_staff_member_is_refused(shop: Shop) -> None:
    """As staff, by a link that staff have made, and signed in as the customer whom they have served."""
    visited(shop)
    link = make_link(shop.deps, shop.tab_id, Scope.FULL, None, request=shop.request(shop.staff)).link
    as_customer = Actor(
        subject=shop.staff.subject, role=Role.CUSTOMER, merchant_id=shop.merchant_id, customer_id=shop.customer_id
    )

    for who in (shop.staff, shop.owner, guest(shop, link.link_id), as_customer):
        with pytest.raises(Forbidden):
            tell(shop, who)
    assert shown(shop, Place.FEED) == []


def test_a_link_that_staff_have_made_takes_no_story_back(shop: Shop) -> None:
    """Or the business could pick: an unhappy story would go by the customer's name."""
    tell(visited(shop))
    link = make_link(shop.deps, shop.tab_id, Scope.FULL, None, request=shop.request(shop.staff)).link

    for who in (shop.owner, guest(shop, link.link_id)):
        with pytest.raises(Forbidden):
            withdraw_story(shop.deps, shop.tab_id, request=shop.request(who))
    assert shown(shop, Place.FEED) != []


def test_a_link_to_the_tab_is_no_key_to_its_story(shop: Shop) -> None:
    """Or staff could make one, and speak as the customer on the story's page."""
    visited(shop)
    made = make_link(shop.deps, shop.tab_id, Scope.FULL, None, request=shop.request(shop.staff))

    assert made.secret is not None and find_teller(shop.deps, made.secret) is None


def test_a_guest_tells_by_the_link_that_was_sent_to_them(shop: Shop) -> None:
    """Without an account: it went to the customer's address, and nobody at the business has seen it."""
    visited(shop)
    tab, secret = make_for_message(shop.deps, shop.tab)
    sent = next(link for link in tab.links if link.method == LinkMethod.MESSAGE)

    assert admit(shop.deps, secret).guest == guest(shop, sent.link_id)
    tell(shop, guest(shop, sent.link_id))
    assert shown(shop, Place.FEED) != []


def test_the_storys_own_link_outlives_those_of_the_tab_and_opens_nothing_else(shop: Shop) -> None:
    visited(shop)
    _, secret = make_story_link(shop.deps, shop.tab)
    again, same = make_story_link(shop.deps, shop.tab, secret)
    assert (again, same) == (shop.tab, secret), "made once"
    tell(shop)
    shop.clock.instant += timedelta(days=900)

    assert admit(shop.deps, secret).guest is None
    found = find_teller(shop.deps, secret)
    assert found is not None
    withdraw_story(shop.deps, shop.tab_id, request=shop.request(found[0]))
    assert shown(shop, Place.FEED) == []
    assert find_teller(shop.deps, shop.deps.ids.new_secret()) is None


def test_the_message_leads_to_the_storys_own_link(shop: Shop) -> None:
    shop.give_addresses()

    class Pages(BareWords):
        def write(self, message: Message, setting: Setting) -> Written:
            page = setting.names.get("page", "")
            return Written(subject=message.kind, text=page, html=page, sms=page)

    shop.pump = Pump(replace(shop.deps, words=Pages(), pages_url="https://pages.example"))
    visited(shop)

    (asked,) = [mail for mail in shop.mails.sent if mail.subject == MessageKind.STORY_ASKED]
    found = find_teller(shop.deps, asked.text.removeprefix("https://pages.example/s/"))
    assert found is not None and found[1].tab_id == shop.tab_id


def test_erasing_a_person_erases_what_they_told(shop: Shop) -> None:
    """Of all their visits, and of nobody else's."""
    ada = shop.customer_id
    for text in ("It was good.", "It was good again."):
        tell(visited(shop), told=words(text=text))
    of_ada = shop.tab_id
    shop.customer_id = create_customer(shop.deps, "Eve", request=shop.request(shop.staff)).customer_id
    shop.ada = replace(shop.ada, subject="eve", customer_id=shop.customer_id)
    shop.open(*WITHOUT_CARD).serve()
    take_cash(shop.deps, shop.tab_id, 50_00, request=shop.request(shop.staff))
    shop.wait(days=14)
    tell(shop, told=words(text="So so, all in all."))
    for by in (shop.owner, shop.staff):
        erase_contact(shop.deps, ada, request=shop.request(by))

    assert shown(shop, Place.FEED) == ["So so, all in all."]
    entries = shop.store.list_entries(shop.merchant_id, of_ada, limit=999, cursor=None).items
    assert [entry.details["why"] for entry in entries if entry.kind == "story_withdrawn"] == ["erased_by_business"]


def test_what_is_shown_stands_beside_who_was_asked_and_who_answered(shop: Shop) -> None:
    """One told and took it back, one told, one said nothing."""
    for answer in ("withdrawn", "told", ""):
        visited(shop)
        if answer:
            tell(shop)
        if answer == "withdrawn":
            withdraw_story(shop.deps, shop.tab_id, request=shop.request(shop.ada))
    shop.pump.run()

    counts = get_figures(shop.deps, by=shop.owner).stories
    assert counts == StoryCounts(since=shop.clock.now() - timedelta(days=365), asked=3, told=2, shown=1)
    shown(shop, Place.FEED)
    found = find_published(shop.deps, shop.merchant_id, Place.FEED)
    assert found is not None and found.counts == counts


def test_what_anybody_may_ask_for_has_a_limit(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the newest so many are read; nobody can make us read all that was ever told."""
    for text in ("The first of three.", "The second of three.", "The third of three."):
        tell(visited(shop), told=words(text=text))
    monkeypatch.setattr(stories, "MOST_READ", 2)

    assert len(shown(shop, Place.FEED)) == 2


def test_a_business_shows_all_or_nothing(shop: Shop) -> None:
    tell(visited(shop))

    assert find_published(shop.deps, shop.merchant_id, Place.FEED) is None
    assert find_published(shop.deps, "mer_none", Place.FEED) is None


def test_a_policy_that_changes_later_still_asks_those_who_were_promised_it(shop: Shop) -> None:
    """Nobody stops asking once the first unhappy visits are over."""
    shop.open(*EVERYTHING).serve().accept_bill()
    merchant = shop.store.get_merchant(shop.merchant_id)
    shop.store.update_merchant(replace(merchant, policy=Policy(), version=merchant.version + 1))
    shop.wait(days=14)

    assert shop.tab.story is not None


def readdress(shop: Shop, by: Actor, email: str | None) -> None:
    given = ContactInput(name="Ada", email=email, phone=None, language=None, time_zone=None, sms_consent=False)
    put_contact(shop.deps, shop.customer_id, given, request=shop.request(by))


def asked_by_mail(shop: Shop) -> set[str]:
    """Two weeks later: the addresses that were asked, or why nobody was."""
    shop.wait(days=14)
    asked = next(message for message in shop.messages if message.kind == MessageKind.STORY_ASKED)
    sent = {mail.to for mail in shop.mails.sent if mail.subject == MessageKind.STORY_ASKED}
    return sent or {delivery.reason or "" for delivery in shop.deps.deliveries.find_of(asked)}


@pytest.mark.parametrize(
    ("afterwards", "asked"),
    [
        ([], {"ada@example.com"}),
        ([("staff", "mallory@example.com")], {Why.GIVEN_AFTERWARDS}),
        ([("staff", "mallory@example.com"), ("staff", "ada@example.com")], {Why.GIVEN_AFTERWARDS}),
        ([("staff", "ada@new.example"), ("ada", "ada@new.example")], {"ada@new.example"}),
        ([("ada", "ada@new.example"), ("staff", "ada@new.example")], {"ada@new.example"}),
        ([("staff", None), ("staff", "mallory@example.com")], {Why.GIVEN_AFTERWARDS}),
        ([("staff", None)], {Why.NO_ADDRESS}),
    ],
)
def test_an_address_that_staff_give_after_the_visit_is_not_asked(
    shop: Shop, afterwards: list[tuple[str, str | None]], asked: set[str]
) -> None:
    """They could name their own, and tell the customer's story; the customer's own word counts at any time."""
    readdress(shop, shop.staff, "ada@example.com")
    shop.clock.instant += timedelta(minutes=1)
    shop.open(*EVERYTHING).serve().accept_bill()
    shop.clock.instant += timedelta(minutes=1)
    for by, email in afterwards:
        readdress(shop, shop.ada if by == "ada" else shop.staff, email)

    assert asked_by_mail(shop) == asked


def test_a_first_address_after_the_visit_is_not_asked_and_neither_is_one_after_an_erasure(shop: Shop) -> None:
    """By staff; a customer who gives one is."""
    for by, is_asked in (("staff", False), ("ada", True)):
        shop.open(*EVERYTHING).serve().accept_bill()
        shop.clock.instant += timedelta(minutes=1)
        erase_contact(shop.deps, shop.customer_id, request=shop.request(shop.owner))
        readdress(shop, shop.ada if by == "ada" else shop.staff, "ada@example.com")

        assert asked_by_mail(shop) == ({"ada@example.com"} if is_asked else {Why.GIVEN_AFTERWARDS})
        shop.mails.sent.clear()


def test_a_link_that_was_sent_to_such_an_address_does_not_speak_for_the_customer(shop: Shop) -> None:
    """A refund sends one, for example; the link shows the receipt, and no more of the story than others of staff's."""
    readdress(shop, shop.staff, "ada@example.com")
    visited(shop)
    readdress(shop, shop.staff, "mallory@example.com")
    tab, _ = make_for_message(shop.deps, shop.tab, shop.deps.people.find_contact(shop.merchant_id, shop.customer_id))
    (link,) = [link for link in tab.links if link.method == LinkMethod.NEW_ADDRESS]

    with pytest.raises(Forbidden):
        tell(shop, guest(shop, link.link_id))
    tell(shop)
    with pytest.raises(Forbidden):
        withdraw_story(shop.deps, shop.tab_id, request=shop.request(guest(shop, link.link_id)))


def test_an_opt_out_that_staff_recorded_says_so(shop: Shop) -> None:
    """It keeps the message from the customer; the timeline says whose word it was, and their page asks all the same."""
    readdress(shop, shop.staff, "ada@example.com")
    shop.open(*EVERYTHING).serve().accept_bill()
    opt_out(shop.deps, shop.customer_id, Channel.EMAIL, request=shop.request(shop.staff))

    assert asked_by_mail(shop) == {Why.OPTED_OUT_IN_PERSON}
    tell(shop)
    assert shown(shop, Place.FEED) != []


def test_the_businesss_own_address_is_not_asked(shop: Shop) -> None:
    shop.give_addresses()
    contact = shop.deps.people.find_contact(shop.merchant_id, shop.customer_id)
    assert contact is not None
    shop.deps.people.put_contact(replace(contact, email=OLGA.upper(), version=contact.version + 1), contact)
    visited(shop)

    entry = next(message for message in shop.messages if message.kind == MessageKind.STORY_ASKED)
    assert {delivery.reason for delivery in shop.deps.deliveries.find_of(entry)} == {Why.OWN_ADDRESS}
