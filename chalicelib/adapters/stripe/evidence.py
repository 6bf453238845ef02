"""What an attempt that answers a bank sends to Stripe. Pure; loaded when a dispute is answered, which is rare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.adapters.stripe.params import metadata_of_attempt
from chalicelib.domain.tab.attempt import Attempt, Operation
from chalicelib.domain.trust.evidence.compelling import PROGRAM
from chalicelib.domain.trust.evidence.fields import SHORT, TextField

if TYPE_CHECKING:
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.domain.trust.evidence.pack import Pack


def params_of_evidence(tab: Tab, attempt: Attempt, pack: Pack, stage: str) -> dict[str, Any]:
    """Evidence for a dispute: staged, or submitted, which is final. https://docs.stripe.com/api/disputes/update

    `submit` is always sent, because Stripe submits where it is left out.
    """
    evidence: dict[str, Any] = {one.name.value: one.text for one in pack.fields}
    evidence |= {name.value: file_id for name, file_id in pack.files.items()}
    if pack.used and len(pack.charges) == len(pack.used):
        evidence["enhanced_evidence"] = {PROGRAM: _compelling(pack)}
    return {
        "evidence": evidence,
        "submit": attempt.operation == Operation.SUBMIT_EVIDENCE,
        "metadata": metadata_of_attempt(tab, attempt, stage),
    }


def _compelling(pack: Pack) -> dict[str, Any]:
    """https://docs.stripe.com/disputes/api/visa-ce3"""
    same = {"customer_purchase_ip": pack.text(TextField.CUSTOMER_PURCHASE_IP)}
    same["customer_email_address"] = pack.text(TextField.CUSTOMER_EMAIL_ADDRESS)
    same = {name: text for name, text in same.items() if text}
    product = (pack.text(TextField.PRODUCT_DESCRIPTION) or "")[:SHORT]
    return {
        "disputed_transaction": {**same, "merchandise_or_services": "services", "product_description": product},
        "prior_undisputed_transactions": [
            {**same, "charge": pack.charges[one.payment_id], "product_description": one.description}
            for one in pack.used
        ],
    }
