"""The fields of a dispute's evidence at Stripe, their limits, and which of them a reason calls for.

https://docs.stripe.com/api/disputes/update and, for what helps against which reason,
https://docs.stripe.com/disputes/categories.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class TextField(StrEnum):
    """Shipping is left out: what is sold here is a service."""

    ACCESS_ACTIVITY_LOG = "access_activity_log"
    BILLING_ADDRESS = "billing_address"
    CANCELLATION_POLICY_DISCLOSURE = "cancellation_policy_disclosure"
    CANCELLATION_REBUTTAL = "cancellation_rebuttal"
    CUSTOMER_EMAIL_ADDRESS = "customer_email_address"
    CUSTOMER_NAME = "customer_name"
    CUSTOMER_PURCHASE_IP = "customer_purchase_ip"
    DUPLICATE_CHARGE_EXPLANATION = "duplicate_charge_explanation"
    DUPLICATE_CHARGE_ID = "duplicate_charge_id"
    PRODUCT_DESCRIPTION = "product_description"
    REFUND_POLICY_DISCLOSURE = "refund_policy_disclosure"
    REFUND_REFUSAL_EXPLANATION = "refund_refusal_explanation"
    SERVICE_DATE = "service_date"
    UNCATEGORIZED_TEXT = "uncategorized_text"


class FileField(StrEnum):
    """Each takes one file that was uploaded to Stripe for `dispute_evidence`: PDF, JPEG or PNG, 5 MB at the most.

    https://docs.stripe.com/file-upload
    """

    CANCELLATION_POLICY = "cancellation_policy"
    CUSTOMER_COMMUNICATION = "customer_communication"
    CUSTOMER_SIGNATURE = "customer_signature"
    DUPLICATE_CHARGE_DOCUMENTATION = "duplicate_charge_documentation"
    RECEIPT = "receipt"
    REFUND_POLICY = "refund_policy"
    SERVICE_DOCUMENTATION = "service_documentation"
    UNCATEGORIZED_FILE = "uncategorized_file"


SHORT, LONG = 5_000, 20_000
LIMITS: Mapping[TextField, int] = {
    field: SHORT
    if field
    in (
        TextField.BILLING_ADDRESS,
        TextField.CUSTOMER_EMAIL_ADDRESS,
        TextField.CUSTOMER_NAME,
        TextField.CUSTOMER_PURCHASE_IP,
        TextField.DUPLICATE_CHARGE_ID,
        TextField.SERVICE_DATE,
    )
    else LONG
    for field in TextField
}
"""The most characters that Stripe takes in each field."""
MOST_CHARACTERS = 150_000
"""The most that it takes in all texts together."""
MOST_DRAFTED = 5_000
"""The most that a draft writes into one field: a bank's clerk reads one page. So a whole draft is always within
MOST_CHARACTERS, and leaves an owner as much room as one request has (64 KB)."""
FILE_ID_PATTERN = r"^file_[0-9A-Za-z]{1,60}$"

_ALWAYS = frozenset(
    {
        TextField.CUSTOMER_NAME,
        TextField.CUSTOMER_EMAIL_ADDRESS,
        TextField.CUSTOMER_PURCHASE_IP,
        TextField.PRODUCT_DESCRIPTION,
        TextField.SERVICE_DATE,
        TextField.UNCATEGORIZED_TEXT,
    }
)
_WHO_PAID = frozenset({TextField.ACCESS_ACTIVITY_LOG})
_WHAT_WAS_DONE = frozenset({TextField.ACCESS_ACTIVITY_LOG, TextField.REFUND_POLICY_DISCLOSURE})
_REFUNDS = frozenset({TextField.REFUND_POLICY_DISCLOSURE, TextField.REFUND_REFUSAL_EXPLANATION})
_CANCELING = frozenset({TextField.CANCELLATION_POLICY_DISCLOSURE, TextField.CANCELLATION_REBUTTAL})
_BY_REASON: Mapping[str, frozenset[TextField]] = {
    "fraudulent": _WHO_PAID,
    "unrecognized": _WHO_PAID,
    "product_not_received": _WHAT_WAS_DONE,
    "product_unacceptable": _WHAT_WAS_DONE | _REFUNDS,
    "credit_not_processed": _REFUNDS | _CANCELING,
    "subscription_canceled": _CANCELING,
    "duplicate": frozenset({TextField.DUPLICATE_CHARGE_EXPLANATION}),
}
_OTHERWISE = _WHO_PAID | _REFUNDS
"""For `general` and reasons that networks may add: who paid, and why nothing is given back."""


def fields_for(reason: str, *, is_fee: bool) -> frozenset[TextField]:
    """Those that a dispute for this reason calls for. `is_fee`: the payment is a no-show or late-cancel fee, which its
    disclosure explains whatever the bank says.
    """
    return _ALWAYS | _BY_REASON.get(reason, _OTHERWISE) | (_CANCELING if is_fee else frozenset())
