"""What a customer's page says of entries, steps and refusals: each has words of its own, or is left out on purpose."""

import re
from itertools import chain
from pathlib import Path

import pytest

from chalicelib.adapters.words.environments import environment
from chalicelib.domain.contact import Language
from chalicelib.domain.errors import DomainError
from chalicelib.domain.news.notice import KINDS
from chalicelib.domain.tab.step import StepKind
from chalicelib.handlers.api import bad_requests
from chalicelib.handlers.api.agenda import FOR_BUSINESS_ONLY
from chalicelib.handlers.pages import acts, view

OF_THE_BUSINESS = {
    *("flagged", "flag_resolved", "fraud_warned", "processing_fee", "pointer_restored", "card_refused", "call_refused"),
    *("collection_ended", "followup_paused", "followup_resumed", "reminder_requested", "contest_overdue"),
    *("evidence_sealed", "evidence_staged", "evidence_submitted", "evidence_not_sent", "evidence_due", "recovered"),
}
OF_THE_WORKS = {
    # What they lead to is told.
    *("settlement_planned", "attempt_begun", "attempt_ended", "awaiting_customer", "outcome_unknown", "charge_refused"),
    *("hold_expiring", "hold_renewal", "hold_not_renewed", "placement_refused", "deposit_card_saved", "deposit_failed"),
    *("refund_granted", "refund_announced", "refund_obligation", "refund_pending", "refund_failed", "refund_retried"),
    *("refund_waits_for_bank", "refunded_elsewhere", "cash_to_return", "tip_returned", "bill_told", "bill_seen"),
    *("customer_gone", "customer_made_anew", "card_updated", "consents_added", "rated"),
    *("inquiry_opened", "inquiry_closed", "dispute_appealed", "dispute_withdrawn", "dispute_reinstated"),
    *("dispute_won", "dispute_lost", "dispute_prevented"),
}
SAID_ELSEWHERE = {
    # In the customer's account of credits, on the story's page, among the keys to the tab.
    *("credit_earned", "credit_active", "credit_reversed", "credit_expired", "referral_refused"),
    *("story_asked", "story_link_made", "link_made", "link_revoked", "link_wanted", "disowned", "taken_over"),
    *("token_bound", "token_unbound"),
}
IN_GENERAL_WORDS = {
    # No form of a page can lead to these, or there is nothing more to say than that it is not possible any more.
    *("account_lost", "amount_below_minimum", "amount_off_step", "amount_too_large", "bad_cursor", "bad_request"),
    *("body_not_json", "body_too_large", "cap_exceeded", "consent_missing", "currency_mismatch"),
    *("customer_exists", "endpoint_disabled", "evidence_changed", "evidence_submitted", "exposure_exceeded"),
    *("fixed_price", "idempotency_key_missing", "idempotency_key_reused", "invalid_input", "no_saved_card"),
    *("not_found", "referral_refused", "token_exists", "token_in_use", "too_many_endpoints", "too_many_links"),
    *("transition_refused", "unauthorized", "unknown_currency"),
}


def said(macro: str, *given: object) -> str:
    """What the page says, in English."""
    arguments = ", ".join(repr(one) for one in given)
    source = f'{{% from "page/phrases.html" import {macro} with context %}}{{{{ {macro}({arguments}) }}}}'
    return environment(Language.ENGLISH).from_string(source).render(money=str, most_shares=20).strip()


def test_every_kind_of_entry_is_told_or_left_out_on_purpose() -> None:
    left_out = [OF_THE_BUSINESS, OF_THE_WORKS, SAID_ELSEWHERE]

    assert sorted(chain(view.TOLD, *left_out)) == sorted(KINDS)


@pytest.mark.parametrize("kind", sorted(view.TOLD - {"closed"}))
def test_an_entry_that_is_told_has_words_of_its_own(kind: str) -> None:
    """The last words are those of a tab that was closed, and of nothing else."""
    assert said("happened_words", kind, 500) != said("happened_words", "closed", 500) == "the tab was closed"


@pytest.mark.parametrize("kind", sorted(set(StepKind) - FOR_BUSINESS_ONLY - {StepKind.RESOLVE}))
def test_a_step_that_customers_see_has_words_of_its_own(kind: StepKind) -> None:
    """The last words are those of a payment whose outcome is not known, and of nothing else."""
    assert said("next_words", kind.name.lower()) != said("next_words", "resolve") == "a payment is looked up"


def test_a_refusal_has_words_of_its_own_or_the_general_ones_on_purpose() -> None:
    codes = {error.code for error in _below(DomainError)}
    assert bad_requests.BadCursor.code in codes

    assert sorted(chain(view.SAID, IN_GENERAL_WORDS)) == sorted(codes)
    of_forms = set(re.findall(r'Again\("(\w+)"', Path(acts.__file__).read_text()))
    assert len(of_forms) > 5
    for code in view.SAID | view.DONE | of_forms:
        assert said("problem", code) != said("problem", "refused"), code


def _below(kind: type[DomainError]) -> set[type[DomainError]]:
    return {kind for below in kind.__subclasses__() for kind in (below, *_below(below))}
