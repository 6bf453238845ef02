"""An example of each operation's request, for the OpenAPI document and for the tests that try every operation."""

from __future__ import annotations

from typing import Any

_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

EXAMPLES: dict[str, dict[str, Any]] = {
    "choose_tier": {"percent": 80},
    "create_merchant": {"name": "Salon Lisboa", "currency": "EUR", "settlement_currency": "EUR"},
    "set_policy": {"free_cancel_s": 172800, "review_window_s": 86400},
    "set_credits": {"spends_by_itself": True},
    "take_invitation": {"code": "7KQ2M9XH4T"},
    "create_customer": {"reference": "Ana, card 1207"},
    "create_endpoint": {
        "url": "https://example.com/hooks/aftertab",
        "event_types": ["tab.bill_presented", "tab.closed"],
        "description": "Till",
        "ordered": True,
    },
    "update_endpoint": {"url": "https://example.com/hooks/aftertab"},
    "replay_since": {"since": "2026-05-01T09:00:00Z"},
    "prepare_card": {"card_terms_sha256": _SHA256},
    "set_branding": {"colour": "#7a1f5c", "email": "hello@example.com", "terms_url": "https://example.com/terms"},
    "make_link": {"scope": "pay"},
    "make_tokens": {"first": 1, "count": 24, "sheet": "a4"},
    "bind_token": {"token": 17},
    "open_tab": {
        "customer_id": "cus_01KE6JGWG00000000000000000",
        "title": "Cut and colour",
        "expected_outcome": "Hair cut to the shoulder and coloured auburn.",
        "estimate_minor": 8000,
        "cap_minor": 10000,
        "deposit_minor": 2000,
        "no_show_fee_minor": 2000,
        "late_cancel_fee_minor": 2000,
        "starts_at": "2026-05-01T09:00:00Z",
    },
    "accept_promise": {
        "promise_sha256": _SHA256,
        "consents": ["cap", "deposit_and_fees", "automatic_charge", "card_on_file"],
        "card_terms_sha256": _SHA256,
    },
    "propose_promise": {"estimate_minor": 9500, "cap_minor": 12000},
    "add_items": {"items": [{"description": "Colour", "unit_price_minor": 5500, "tax_basis_points": 2300}]},
    "accept_bill": {"tip_minor": 500, "rating": 5, "comment": "Just what I wanted."},
    "object_to_standing": {"tab_id": "tab_01J8ZQ4Y7N5W2K6T3R9X1V0C4M", "reason": "I was there; the door was locked."},
    "decide_objection": {"decision": "uphold", "reason": "You are right, we were closed that morning. Sorry."},
    "tell_story": {
        "text": "They listened, and the cut was done in time.",
        "places": ["website"],
        "name": "Ana",
        "language": "en",
    },
    "contest": {"reason": "The treatment was not done.", "contested_minor": 2000},
    "resolve": {"resolution": "adjust", "reduction_minor": 2000, "reason": "Charged by mistake."},
    "adjust": {"reduction_minor": 1000, "reason": "The colour was a little off."},
    "refund": {"amount_minor": 1500, "reason": "The sauna was closed."},
    "take_cash": {"amount_minor": 2500},
    "return_cash": {"amount_minor": 500},
    "tip": {"tip_minor": 500},
    "write_off": {"reason": "Moved away, no answer since May."},
    "pause_followup": {"reason": "Pays after the holidays.", "until": "2026-09-01T07:00:00Z"},
    "charge": {"mode": "on_session"},
    "cancel": {"reason": "The colourist is ill."},
    "waive": {"reason": "The tram did not run."},
    "put_evidence": {
        "texts": [{"field": "uncategorized_text", "text": "Ana showed us a photo, and was content when she left."}],
        "files": [{"field": "receipt", "file_id": "file_1PqKc2ab"}],
    },
    "stage_evidence": {"sha256": _SHA256},
    "submit_evidence": {"sha256": _SHA256},
}
"""Operation → its example. A test checks that the operation accepts it."""
