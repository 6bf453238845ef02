"""Every message is written on every channel in every language, with its values in the right places."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from jinja2 import Environment, meta
from msgspec.structs import replace

from chalicelib.adapters.words.environments import TEMPLATES
from chalicelib.adapters.words.writer import Writer
from chalicelib.domain.contact import Language
from chalicelib.domain.news.message import Message, MessageKind, Recipient
from chalicelib.domain.news.table import NEWS, VALUES
from chalicelib.domain.news.values import STANDARD
from chalicelib.ports.words import MissingValue, Setting, Written
from devstack.words import catalogues, examples

KINDS = [(kind, to) for kind in MessageKind for to in examples.recipients_of(kind)]
GIVEN = {
    *("merchant", "title", "customer", "page", "unsubscribe", "to", "money", "day", "moment", "isolated"),
    # What the translation tags make of themselves, and what a template sets under a condition.
    *("_", "_trans", "gettext", "ngettext", "figure", "caption"),
}


def every(language: Language, **changed: str) -> Iterator[tuple[Message, Written]]:
    for kind, to in KINDS:
        for message in examples.messages(kind, to):
            yield message, Writer().write(message, examples.setting(language, kind, **changed))


def written(kind: MessageKind, to: Recipient, language: Language = Language.ENGLISH, **changed: str) -> Written:
    return Writer().write(next(examples.messages(kind, to)), examples.setting(language, kind, **changed))


def shown(html: str) -> str:
    """The words of a page, as a person reads them."""
    parser = Page()
    parser.feed(html)
    parser.close()
    assert parser.open == [], "every element ends"
    return " ".join(" ".join(parser.words).split())


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


@pytest.mark.parametrize("language", list(Language))
def test_every_message_is_written_on_every_channel(language: Language) -> None:
    """Mail and SMS name the business and the amount, say what for, and nothing of the machinery shows through."""
    for message, told in every(language):
        texts = [told.text, shown(told.html), *([told.sms] if message.to == Recipient.CUSTOMER else [])]

        assert told.subject
        assert "\n" not in told.subject + told.sms
        for text in texts:
            assert "Salon Müller" in text
            assert message.tab_id is None or examples.TITLES[language] in text
            assert not re.search(r"%\(|\{\{|\{%|None|Undefined|_minor", text), text
        assert bool(told.sms) == (message.to == Recipient.CUSTOMER)


def test_every_rule_of_the_table_has_its_words_and_its_examples() -> None:
    """A template stands for each message that the table of news makes, and for no other."""
    told = {(rule.kind, to) for rules in NEWS.values() for rule in rules for to in rule.to}

    assert set(KINDS) == told
    assert {path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.glob("*/*.jinja")} == {
        f"{to}/{kind}.jinja" for kind, to in told
    }


def names_used(kind: MessageKind, to: Recipient) -> set[str]:
    parser = Environment(extensions=["jinja2.ext.i18n"])
    template = (TEMPLATES / to / f"{kind}.jinja").read_text()
    used = meta.find_undeclared_variables(parser.parse(template))
    if "import left" in template:
        used |= {"balance_minor", "back_minor"}
    return used - GIVEN


@pytest.mark.parametrize("kind", list(MessageKind))
def test_words_use_the_values_of_the_message_and_all_of_them(kind: MessageKind) -> None:
    """A value that no template shows is carried for nothing; one that is not carried would fail at the customer's."""
    used = {to: names_used(kind, to) for to in examples.recipients_of(kind)}

    assert set().union(*used.values()) - STANDARD == VALUES[kind] - STANDARD
    for message in (message for to in used for message in examples.messages(kind, to)):
        carried = VALUES[kind] | (STANDARD if message.tab_id else set())
        assert set(message.values) == carried, "examples carry what the table and the tab give"


@pytest.mark.parametrize(("kind", "to"), KINDS)
def test_a_message_that_lacks_a_value_is_not_written(kind: MessageKind, to: Recipient) -> None:
    """Nobody gets half a message: the value that is missing is named."""
    for name in names_used(kind, to):
        failed = 0
        for message in examples.messages(kind, to):
            values = {key: value for key, value in message.values.items() if key != name}
            try:
                Writer().write(replace(message, values=values), examples.setting(Language.ENGLISH, kind))
            except MissingValue as missing:
                failed += name in str(missing)
        assert failed, name


def test_an_amount_or_a_time_without_a_value_is_missing() -> None:
    """None is no amount: it is said that it is missing instead of being shown."""
    for kind, name in ((MessageKind.REFUND, "amount_minor"), (MessageKind.HOLD_ENDS, "capture_before")):
        message = next(examples.messages(kind, Recipient.CUSTOMER))

        with pytest.raises(MissingValue):
            Writer().write(
                replace(message, values={**message.values, name: None}), examples.setting(Language.ENGLISH, kind)
            )


def test_a_setting_without_the_business_is_missing_it() -> None:
    """Who writes must be said."""
    message = next(examples.messages(MessageKind.RECEIPT, Recipient.CUSTOMER))
    setting = Setting(language=Language.ENGLISH, time_zone="UTC", currency="EUR", names={"title": "Haircut"})

    with pytest.raises(MissingValue, match="business"):
        Writer().write(message, setting)


def test_a_message_without_words_is_a_missing_value() -> None:
    """A receipt goes to customers: for an owner there are no words, and that is said."""
    message = next(examples.messages(MessageKind.RECEIPT, Recipient.CUSTOMER))

    with pytest.raises(MissingValue, match="no words for a receipt to the owner"):
        Writer().write(replace(message, to=Recipient.OWNER), examples.setting(Language.ENGLISH, message.kind))


ENGLISH_WORDS = re.compile(r"[A-Za-z]{2,}")
NOT_TRANSLATED = {"Stripe", "Aftertab", "STOP", "Salon", "ller", "Ada", "Lovelace", "acct", "end", "Example"}
CODES = {"expired_card", "payment_in_progress"}


@pytest.mark.parametrize("language", catalogues.TRANSLATED)
def test_no_message_mixes_two_languages(language: Language) -> None:
    """Nothing of the English text is left in a translated message, and no Latin word in a Korean or Arabic one."""
    texts = [message.id for message in catalogues.extracted() if isinstance(message.id, str) and len(message.id) > 12]
    parts = {
        part.strip(): english for english in texts for part in re.split(r"%\(\w+\)s", english) if len(part.strip()) > 12
    }
    for message, told in every(language):
        for text in (told.subject, told.text, shown(told.html), told.sms):
            plain = re.sub(r"https?://\S+", "", text)
            for code in CODES:
                plain = plain.replace(code, "")
            assert not [english for part, english in parts.items() if part in plain], message.kind
            if language in (Language.KOREAN, Language.ARABIC):
                assert set(ENGLISH_WORDS.findall(plain)) <= NOT_TRANSLATED, (message.kind, plain)


def test_paying_is_never_offered_without_contesting() -> None:
    """Wherever a message has a button for paying, the button for saying what is wrong is beside it, as large."""
    paying = 0
    for _, told in every(Language.ENGLISH):
        buttons = re.findall(r'<a class="button (\w+)" href="([^"]+)" style="([^"]+)">([^<]+)</a>', told.html)
        if "See the bill and pay" in told.html:
            paying += 1
            (_, pay, pay_style, pay_label), (_, contest, contest_style, contest_label) = buttons
            assert (pay_label, contest_label) == ("See the bill and pay", "Tell us what is wrong")
            assert contest == f"{pay}#contest"
            size = re.compile(r"(?:display|padding|font-size|font-weight|border):[^;]+")
            assert size.findall(pay_style) == size.findall(contest_style)
            assert told.text.index(pay_label) < told.text.index(contest_label)
    assert paying > 10


def test_a_hold_is_held_not_charged() -> None:
    """Where an amount is held, it is said that it is not charged; nothing else is called charged."""
    for kind in (MessageKind.HOLD_ENDS, MessageKind.WALKED_OUT, MessageKind.DEPOSIT_FAILED):
        assert "held, not charged" in written(kind, Recipient.CUSTOMER).text.lower()
    confirm = list(examples.messages(MessageKind.CONFIRMATION_NEEDED, Recipient.CUSTOMER))[1]
    assert "to be held, not charged" in Writer().write(confirm, examples.setting(Language.ENGLISH, confirm.kind)).text


def test_how_to_stop_stands_at_the_end_of_what_customers_get() -> None:
    """The mail's last link unsubscribes, the SMS ends with the word to answer; an owner has settings for it."""
    for message, told in every(Language.ENGLISH):
        stops = examples.NAMES["unsubscribe"]
        is_to_customer = message.to == Recipient.CUSTOMER
        assert told.text.endswith(f"{stops}\n") == is_to_customer
        assert (f'href="{stops}"' in told.html) == is_to_customer
        assert not is_to_customer or told.sms.endswith("STOP")


def test_without_a_page_a_message_says_where_to_go() -> None:
    """A business without pages: no button leads nowhere, and the customer is sent to the app or the counter."""
    setting = Setting(
        language=Language.ENGLISH,
        time_zone="Europe/Berlin",
        currency="EUR",
        names={"merchant": "Salon Müller", "title": "Haircut"},
    )
    for message in examples.messages(MessageKind.BILL_PRESENTED, Recipient.CUSTOMER):
        told = Writer().write(message, setting)

        assert "You can do this in the app of Salon Müller, or at the counter." in told.text
        assert "href" not in told.html
        assert "http" not in told.text + told.sms


@pytest.mark.parametrize("language", list(Language))
def test_an_sms_without_a_page_does_not_end_in_the_air(language: Language) -> None:
    """What an address would have followed is followed by words."""
    for message in (
        message for kind, to in KINDS if to == Recipient.CUSTOMER for message in examples.messages(kind, to)
    ):
        setting = examples.setting(language, message.kind)
        names = {name: text for name, text in setting.names.items() if name != "page"}
        sms = Writer().write(message, replace(setting, names=names)).sms

        assert "http" not in sms
        assert re.search(r"(?<!:) (Opt out|Abmelden|Baja|수신거부|للإيقاف): STOP$", sms), sms


def test_markup_in_a_name_is_text() -> None:
    """A title or a name is never part of the page."""
    evil = '<img src=x onerror=alert(1)>"&'
    for message, told in every(Language.ENGLISH, title=evil, customer=evil, merchant=evil):
        assert "<img" not in told.html
        assert evil in told.text or message.tab_id is None
        assert evil in shown(told.html) or message.tab_id is None


def test_a_name_stays_on_its_line_and_turns_no_other_words() -> None:
    """Line ends would make headers of a mail; a mark of direction would turn the amount behind it."""
    told = written(
        MessageKind.RECEIPT, Recipient.CUSTOMER, title="Cut\r\nBcc: everybody@example.com", merchant="A\u202eB\u2069C"
    )

    assert "\n" not in told.subject + told.sms
    assert "\r" not in told.subject + told.text + told.html + told.sms
    assert "Cut Bcc: everybody@example.com" in told.subject
    assert "A B C" in told.text
    assert "\u202e" not in told.text + told.html + told.sms


@pytest.mark.parametrize("language", list(Language))
def test_a_long_title_is_cut_in_subject_and_sms_only(language: Language) -> None:
    """The mail shows all of it."""
    title = "Balayage and trim, then a very long treatment that goes on " * 4
    told = written(MessageKind.BILL_PRESENTED, Recipient.CUSTOMER, language, title=title)

    assert title.strip() in shown(told.html)
    assert title.strip() in told.text
    assert len(told.subject) < 130
    assert "..." in told.subject
    assert "..." in told.sms


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("currency", ["KWD", "JPY", "ISK", "HUF", "INR"])
def test_every_message_is_written_in_currencies_of_other_decimals(language: Language, currency: str) -> None:
    """The largest amounts: whole, in mail and text."""
    for kind, to in KINDS:
        message = next(examples.messages(kind, to))
        values = {
            name: 99_999_990 if name.endswith("_minor") and value else value for name, value in message.values.items()
        }
        told = Writer().write(replace(message, values=values), examples.setting(language, kind, currency=currency))

        has_figure = re.search(r'figure" style=[^>]+>([^<]+)<', told.html)
        figure = re.sub(r"\D", "", has_figure[1]) if has_figure else ""
        assert figure in ("", "0" * len(figure), "99999990"), told.text
        assert figure in re.sub(r"\D", "", told.text)


def test_right_to_left_text_keeps_names_and_amounts_apart() -> None:
    """In Arabic each value stands between isolates, so a Latin name or a number does not turn the sentence."""
    told = written(MessageKind.CARD_DECLINED, Recipient.CUSTOMER, Language.ARABIC)

    assert "\u2068Salon Müller\u2069" in told.text
    assert re.search("\u2068\u200f12\\.50\u00a0€\u2069", told.text)
    assert told.text.count("\u2068") == told.text.count("\u2069")
    assert '<html lang="ar" dir="rtl">' in told.html
    assert '<div lang="ar" dir="rtl"' in told.html


def test_an_arabic_name_in_an_english_message_is_isolated() -> None:
    """A business may have an Arabic name and English guests."""
    told = written(MessageKind.RECEIPT, Recipient.CUSTOMER, merchant="صالون")

    assert "\u2068صالون\u2069" in told.text
    assert "\u2068" not in written(MessageKind.RECEIPT, Recipient.CUSTOMER).text
