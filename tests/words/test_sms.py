"""SMS: what fits into one segment, and which messages do not."""

import pytest

from chalicelib.adapters.words import gsm
from chalicelib.adapters.words.writer import Writer
from chalicelib.domain.contact import Language
from chalicelib.domain.news.message import MessageKind, Recipient
from devstack.words import examples

AT_MOST = {Language.ENGLISH: 1, Language.GERMAN: 1, Language.SPANISH: 1, Language.KOREAN: 2, Language.ARABIC: 3}
"""Segments of a message with ordinary values and a link of 48 characters. Korean and Arabic have 70 places in the first
segment, of which the link and the way out leave 10."""
LONGER = {
    Language.ENGLISH: {"deposit_failed", "no_show_taken_back"},
    Language.GERMAN: {"card_declined", "deposit_failed", "hold_ends"},
    Language.SPANISH: {"hold_ends"},
    Language.KOREAN: set(),
    Language.ARABIC: set(),
}
"""The messages that need one segment more."""


@pytest.mark.parametrize("language", list(Language))
def test_an_sms_is_one_segment_where_the_words_allow(language: Language) -> None:
    """A change that makes another message longer is seen here; so is one that makes a long one short."""
    longer = set()
    for kind in MessageKind:
        if Recipient.CUSTOMER not in examples.recipients_of(kind):
            continue
        for message in examples.messages(kind, Recipient.CUSTOMER):
            sms = Writer().write(message, examples.setting(language, kind)).sms
            count = gsm.segments(sms)
            assert count <= AT_MOST[language] + 1, sms
            if count > AT_MOST[language]:
                longer.add(kind.value)

    assert longer == LONGER[language]


@pytest.mark.parametrize("language", sorted(gsm.LANGUAGES))
def test_our_words_in_these_languages_are_in_the_alphabet_of_sms(language: str) -> None:
    """One character outside of it would halve what a segment holds."""
    for kind in MessageKind:
        if Recipient.CUSTOMER in examples.recipients_of(kind):
            for message in examples.messages(kind, Recipient.CUSTOMER):
                assert gsm.fits(Writer().write(message, examples.setting(Language(language), kind)).sms)


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        # The euro sign takes two places.
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("á" * 70, 1),
        ("á" * 71, 2),
        ("가" * 134, 2),
        ("가" * 135, 3),
        # Outside of Unicode's first plane a character is two.
        ("🙂" * 35, 1),
        ("🙂" * 36, 2),
    ],
)
def test_segments_are_counted_as_networks_do(text: str, segments: int) -> None:
    """3GPP TS 23.038: 160 places or 70 of two octets; with a header 153 or 67."""
    assert gsm.segments(text) == segments


def test_typography_is_made_plain() -> None:
    """No-break spaces and curly quotes are not in the alphabet; Arabic vowel signs are left out."""
    assert gsm.plain("12,50\u00a0€ don’t “x” – y…") == '12,50 € don\'t "x" - y...'
    assert gsm.plain("يُخصم") == "يخصم"
