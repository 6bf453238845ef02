"""Owns disputes and early fraud warnings: opened by the test cards that promise them, answered, won, lost, or left
to expire.

https://docs.stripe.com/testing#disputes and https://docs.stripe.com/api/disputes.
"""

from __future__ import annotations

from typing import Any

from . import balance, cards, files, lists, refunds
from .context import Call
from .errors import invalid, refused
from .objects import Charge, Dispute, DisputeEvidenceDetails, EarlyFraudWarning
from .params import (
    EXPAND,
    PAGE,
    TIME_RANGE,
    UNSET,
    Fields,
    Required,
    array,
    boolean,
    enum,
    hash_of,
    merge_metadata,
    metadata,
    nullable,
    string,
)

EVIDENCE = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)


# Texts of up to 20,000 characters; the other fields take 5,000.
LONG = frozenset(
    {
        *("access_activity_log", "cancellation_policy_disclosure", "cancellation_rebuttal"),
        *("duplicate_charge_explanation", "product_description", "refund_policy_disclosure"),
        *("refund_refusal_explanation", "uncategorized_text"),
    }
)
MAX_LONG = 20_000


def text(value: Any, name: str) -> Any:
    """One of the long texts; how much is too much in all is counted over all evidence."""
    if not isinstance(value, str):
        raise invalid(f"Invalid string: {value}", param=name)
    if len(value) > MAX_LONG:
        raise invalid(
            f"Invalid {name}: must be at most {MAX_LONG} characters",
            code="parameter_invalid_string_too_long",
            param=name,
        )
    return value


CE3 = "visa_compelling_evidence_3"
_ADDRESS: Fields = {name: nullable(string) for name in ("city", "country", "line1", "line2", "postal_code", "state")}
_TRANSACTION: Fields = {
    **{
        name: nullable(string)
        for name in (
            *("customer_account_id", "customer_device_fingerprint", "customer_device_id"),
            *("customer_email_address", "customer_purchase_ip", "product_description"),
        )
    },
    "shipping_address": hash_of(_ADDRESS),
}
_COMPELLING: Fields = {
    "disputed_transaction": hash_of({**_TRANSACTION, "merchandise_or_services": enum("merchandise", "services")}),
    "prior_undisputed_transactions": array(hash_of({**_TRANSACTION, "charge": Required(string)})),
}
UPDATE: Fields = {
    "evidence": hash_of(
        {
            **{name: nullable(text if name in LONG else string) for name in EVIDENCE},
            "enhanced_evidence": nullable(
                hash_of({CE3: hash_of(_COMPELLING), "visa_compliance": hash_of({"fee_acknowledged": boolean})})
            ),
        }
    ),
    "metadata": metadata,
    "submit": boolean,
    **EXPAND,
}
# Evidence that is a file, not a text.
FILES = frozenset(
    {
        "cancellation_policy", "customer_communication", "customer_signature", "duplicate_charge_documentation",
        "receipt", "refund_policy", "service_documentation", "shipping_documentation", "uncategorized_file",
    }
)  # fmt: skip
MAX_EVIDENCE = 150_000  # characters in all texts together
LIST: Fields = {**PAGE, "charge": string, "payment_intent": string, "created": TIME_RANGE}
ANSWER_WITHIN_SECONDS = 9 * 86400
FEE = {"usd": 1500, "eur": 2000, "gbp": 2000}
# A dispute that has ended, one way or another.
ENDED = ("won", "lost", "warning_closed", "prevented")
_NETWORK_REASON = {"fraudulent": "10.4", "product_not_received": "13.1"}


def follow(call: Call, charge: Charge) -> None:
    """Open whatever this charge's card promises. Called once its money was taken."""
    fate = cards.BY_FINGERPRINT[charge.payment_method_details.card.fingerprint].dispute
    if fate == "warning":
        warn(call, charge)
    elif fate == "inquiry":
        open_dispute(call, charge, "fraudulent", inquiry=True)
    elif fate == "multiple":
        # Two parts of one charge: together no more than was taken.
        half = charge.amount_captured // 2
        open_dispute(call, charge, "fraudulent", amount=half)
        open_dispute(call, charge, "product_not_received", amount=charge.amount_captured - half)
    elif fate == "visa_compelling_evidence_3":
        open_dispute(call, charge, "fraudulent", eligible=fate)
    elif fate == "visa_compliance":
        open_dispute(call, charge, "noncompliant", eligible=fate)
    elif fate:
        open_dispute(call, charge, fate)


def warn(call: Call, charge: Charge) -> EarlyFraudWarning:
    """The issuer suspects fraud; whether a dispute follows is not known yet."""
    warning = EarlyFraudWarning(
        id=call.new_id("issfr"), charge=charge.id, created=call.now, payment_intent=charge.payment_intent
    )
    call.put(warning)
    call.emit("radar.early_fraud_warning.created", warning)
    return warning


def open_dispute(
    call: Call, charge: Charge, reason: str, *, inquiry: bool = False, amount: int | None = None, eligible: str = ""
) -> Dispute:
    """The bank takes the money back (an inquiry only asks) and the merchant has nine days to answer. `amount`: a part
    of the charge; `eligible`: for which of Visa's programmes.
    """
    due, code = call.now + ANSWER_WITHIN_SECONDS, _NETWORK_REASON.get(reason, "13.7")
    dispute = Dispute(
        id=call.new_id("du"),
        amount=charge.amount_captured if amount is None else amount,
        balance_transactions=[],
        charge=charge.id,
        created=call.now,
        currency=charge.currency,
        enhanced_eligibility_types=[eligible] if eligible else [],
        is_charge_refundable=inquiry,
        metadata={},
        network_reason_code=code,
        evidence={**dict.fromkeys(EVIDENCE), "enhanced_evidence": {}},
        payment_intent=charge.payment_intent,
        reason=reason,
        evidence_details=DisputeEvidenceDetails(due_by=due, enhanced_eligibility=_eligibility(eligible, {})),
        payment_method_details={
            "card": {
                "brand": charge.payment_method_details.card.brand,
                "case_type": "inquiry" if inquiry else "compliance" if eligible == "visa_compliance" else "chargeback",
                "network_reason_code": code,
            },
            "type": "card",
        },
        status="warning_needs_response" if inquiry else "needs_response",
    )
    charge.disputed = True
    if not inquiry:
        _withdraw(call, dispute)
    call.put(dispute)
    call.put(charge)
    call.schedule(due, "dispute_due", dispute.id)
    call.emit("charge.dispute.created", dispute)
    if not inquiry:
        call.emit("charge.dispute.funds_withdrawn", dispute)
        refunds.overtaken(call, charge.id)
    return dispute


def _eligibility(programme: str, given: dict[str, Any]) -> dict[str, Any]:
    """What Visa's programme still wants of the evidence. https://docs.stripe.com/disputes/api/visa-ce3"""
    if programme != CE3:
        return {}
    disputed, prior = given.get("disputed_transaction") or {}, given.get("prior_undisputed_transactions") or []
    each = [disputed, *prior]
    lacks = {
        "missing_customer_identifiers": not all(
            one.get("customer_purchase_ip") and one.get("customer_email_address") for one in each
        ),
        "missing_disputed_transaction_description": not disputed.get("product_description"),
        "missing_merchandise_or_services": not disputed.get("merchandise_or_services"),
        "missing_prior_undisputed_transaction_description": not all(one.get("product_description") for one in prior),
        "missing_prior_undisputed_transactions": len(prior) != 2,
    }
    actions = [name for name, missing in lacks.items() if missing]
    return {CE3: {"required_actions": actions, "status": "requires_action" if actions else "qualified"}}


def _compelling(call: Call, dispute: Dispute, given: dict[str, Any]) -> dict[str, Any]:
    """The earlier payments that Visa's programme asks for. Refuses it for a dispute that is not in the programme."""
    param = f"evidence[enhanced_evidence][{CE3}]"
    if CE3 not in dispute.enhanced_eligibility_types:
        raise refused("This dispute is not eligible for Visa Compelling Evidence 3.0.", param=param)
    for one in given.get("prior_undisputed_transactions") or ():
        call.account.get("charge", one["charge"])
    shaped = {
        "disputed_transaction": given.get("disputed_transaction"),
        "prior_undisputed_transactions": given.get("prior_undisputed_transactions") or [],
    }
    return {CE3: shaped}


def _withdraw(call: Call, dispute: Dispute) -> None:
    fee = FEE.get(dispute.currency, 1500)
    _move(call, dispute, -dispute.amount, fee, f"Chargeback withdrawal for {dispute.charge}")


def escalate(call: Call, dispute: Dispute) -> None:
    """The bank was not content with the answer to its inquiry: now it takes the money and asks anew."""
    dispute.status, dispute.is_charge_refundable = "needs_response", False
    dispute.payment_method_details = {
        **dispute.payment_method_details,
        "card": {**dispute.payment_method_details["card"], "case_type": "chargeback"},
    }
    dispute.evidence_details.due_by = call.now + ANSWER_WITHIN_SECONDS
    _withdraw(call, dispute)
    call.put(dispute)
    call.schedule(call.now + ANSWER_WITHIN_SECONDS, "dispute_due", dispute.id)
    call.emit("charge.dispute.updated", dispute)
    call.emit("charge.dispute.funds_withdrawn", dispute)
    refunds.overtaken(call, str(dispute.charge))


def _move(call: Call, dispute: Dispute, amount: int, fee: int, description: str) -> None:
    moved = balance.record(
        call,
        amount=amount,
        currency=dispute.currency,
        source=dispute.id,
        type="adjustment",
        fee=fee,
        description=description,
        at_once=True,
    )
    dispute.balance_transactions = [*dispute.balance_transactions, moved]


def update(call: Call, params: dict[str, Any], id: str) -> Dispute:
    dispute: Dispute = call.account.get("dispute", id)
    metadata_now = dispute.metadata
    if "metadata" in params:
        metadata_now = merge_metadata(dispute.metadata, params["metadata"])
    evidence = params.get("evidence")
    if evidence is None and not params.get("submit"):
        dispute.metadata = metadata_now
        call.put(dispute)
        call.emit("charge.dispute.updated", dispute)
        return dispute
    if dispute.status not in ("needs_response", "warning_needs_response"):
        raise refused(
            f"This dispute is already {dispute.status.replace('_', ' ')} and takes no more evidence.",
            code="dispute_unexpected_state",
        )
    evidence = dict(evidence or {})
    enhanced = evidence.pop("enhanced_evidence", None) or {}
    given = {name: None if text is UNSET else text for name, text in evidence.items()}
    for name in FILES & set(given):
        if (file := given[name]) is not None:
            files.check_evidence(call, file, f"evidence[{name}]")
    all_of_it = {**dispute.evidence, **given}
    if sum(len(all_of_it[name] or "") for name in EVIDENCE if name not in FILES) > MAX_EVIDENCE:
        raise refused(f"The evidence may have at most {MAX_EVIDENCE} characters in all.", param="evidence")
    if CE3 in enhanced:
        all_of_it["enhanced_evidence"] = _compelling(call, dispute, enhanced[CE3])
        dispute.evidence_details.enhanced_eligibility = _eligibility(CE3, enhanced[CE3])
    dispute.evidence, dispute.metadata = all_of_it, metadata_now
    details = dispute.evidence_details
    details.has_evidence = any(dispute.evidence[name] for name in EVIDENCE)
    if params.get("submit", True):
        details.submission_count += 1
        told = dispute.evidence["uncategorized_text"]
        inquiry = dispute.status.startswith("warning")
        dispute.status = "warning_under_review" if inquiry else "under_review"
        call.put(dispute)
        call.emit("charge.dispute.updated", dispute)
        if told == "winning_evidence":
            close(call, dispute, "warning_closed" if inquiry else "won")
        elif told == "losing_evidence":
            close(call, dispute, "warning_closed" if inquiry else "lost")
        return dispute
    call.put(dispute)
    call.emit("charge.dispute.updated", dispute)
    return dispute


def close(call: Call, dispute: Dispute, outcome: str) -> None:
    """The end: `won`, `lost`, `warning_closed`, or `prevented` (settled before it counted as a chargeback)."""
    given_back = outcome == "won" or (outcome == "prevented" and not dispute.status.startswith("warning"))
    dispute.status = outcome
    if given_back:
        _move(call, dispute, dispute.amount, 0, "Chargeback reversal for " + str(dispute.charge))
        charge: Charge = call.account.get("charge", dispute.charge)
        charge.disputed = True  # it stays so; that the merchant won is told by the dispute
    call.put(dispute)
    call.emit("charge.dispute.closed", dispute)
    if given_back:
        call.emit("charge.dispute.funds_reinstated", dispute)


def concede(call: Call, params: dict[str, Any], id: str) -> Dispute:
    """`POST /close`: the merchant gives up."""
    dispute: Dispute = call.account.get("dispute", id)
    if dispute.status not in ("needs_response", "warning_needs_response"):
        raise refused("This dispute is already closed.", code="dispute_unexpected_state")
    # An inquiry took no money, so none is lost.
    close(call, dispute, "warning_closed" if dispute.status.startswith("warning") else "lost")
    return dispute


def fall_due(call: Call, id: str) -> None:
    """Nobody answered in time, or the bank has now decided what was under review."""
    dispute: Dispute | None = call.account.find("dispute", id)
    if dispute is None or dispute.status in ENDED or call.now < (dispute.evidence_details.due_by or 0):
        return
    dispute.evidence_details.past_due = not dispute.evidence_details.submission_count
    close(call, dispute, "warning_closed" if dispute.status.startswith("warning") else "lost")


def retrieve(call: Call, params: dict[str, Any], id: str) -> Dispute:
    row: Dispute = call.account.get("dispute", id)
    return row


def list_all(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    return _listed(call, params, "dispute", "/v1/disputes")


def retrieve_warning(call: Call, params: dict[str, Any], id: str) -> EarlyFraudWarning:
    row: EarlyFraudWarning = call.account.get("radar.early_fraud_warning", id)
    return row


def list_warnings(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    return _listed(call, params, "radar.early_fraud_warning", "/v1/radar/early_fraud_warnings")


def _listed(call: Call, params: dict[str, Any], kind: str, url: str) -> dict[str, Any]:
    by = "charge" if "charge" in params else "payment_intent" if "payment_intent" in params else None
    return lists.page(call, kind, params, url, by=by, value=params.get(by or ""))
