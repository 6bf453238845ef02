"""Owns the shape of every object on the wire, as msgspec structs whose fields are Stripe's, in Stripe's words.

A struct is the stored state and the answer at once: nothing is kept twice, and rendering is one encode. Fields that
Stripe leaves out (instead of answering null) default to UNSET. What may happen to an object is decided in its own
module.
"""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import UNSET, Struct, UnsetType, field

Expandable = Any  # an id, or the object itself in a copy made for one answer
Maybe = Any  # a value, or UNSET for a field that Stripe leaves out


class Shape(Struct, gc=False):
    """References between objects are ids, so no cycles exist and the collector need not walk 100,000 of these."""


class Address(Shape, kw_only=True):
    city: str | None = None
    country: str | None = None
    line1: str | None = None
    line2: str | None = None
    postal_code: str | None = None
    state: str | None = None


class BillingDetails(Shape, kw_only=True):
    address: Any = None
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    tax_id: str | None = None


class CustomerInvoiceSettings(Shape, kw_only=True):
    custom_fields: Any = None
    default_payment_method: Expandable = None
    footer: str | None = None
    rendering_options: Any = None


class Customer(Shape, kw_only=True):
    id: str
    object: str = "customer"
    address: Any = None
    balance: int = 0
    created: int
    currency: str | None = None
    customer_account: str | None = None
    default_source: str | None = None
    delinquent: bool = False
    description: str | None = None
    discount: Any = None
    email: str | None = None
    invoice_prefix: str
    invoice_settings: CustomerInvoiceSettings
    livemode: bool = False
    metadata: dict[str, str]
    name: str | None = None
    next_invoice_sequence: int = 1
    phone: str | None = None
    preferred_locales: list[str]
    shipping: Any = None
    tax_exempt: str | None = "none"
    test_clock: str | None = None


class Deleted(Shape, kw_only=True):
    id: str
    object: str
    deleted: bool = True


class CardChecks(Shape, kw_only=True):
    address_line1_check: str | None = None
    address_postal_code_check: str | None = None
    cvc_check: str | None = None


class Networks(Shape, kw_only=True):
    available: list[str]
    preferred: str | None = None


class ThreeDSecureUsage(Shape, kw_only=True):
    supported: bool = True


class PaymentMethodCard(Shape, kw_only=True):
    brand: str
    checks: CardChecks | None
    country: str
    display_brand: str
    exp_month: int
    exp_year: int
    fingerprint: str
    funding: str
    generated_from: Any = None
    last4: str
    networks: Networks
    regulated_status: str = "unregulated"
    three_d_secure_usage: ThreeDSecureUsage
    wallet: Any = None


class PaymentMethod(Shape, kw_only=True):
    id: str
    object: str = "payment_method"
    allow_redisplay: str = "unspecified"
    billing_details: BillingDetails
    card: PaymentMethodCard
    created: int
    customer: Expandable = None
    customer_account: str | None = None
    livemode: bool = False
    metadata: dict[str, str]
    type: str = "card"


class SetupIntent(Shape, kw_only=True):
    id: str
    object: str = "setup_intent"
    allowed_payment_method_types: Any = None
    application: str | None = None
    automatic_payment_methods: Any = None
    cancellation_reason: str | None = None
    client_secret: str
    created: int
    customer: Expandable = None
    customer_account: str | None = None
    description: str | None = None
    excluded_payment_method_types: Any = None
    flow_directions: Any = None
    last_setup_error: Any = None
    latest_attempt: str | None = None
    livemode: bool = False
    mandate: str | None = None
    metadata: dict[str, str]
    next_action: Any = None
    on_behalf_of: str | None = None
    payment_method: Expandable = None
    payment_method_configuration_details: Any = None
    payment_method_options: Any
    payment_method_types: list[str]
    single_use_mandate: str | None = None
    status: str
    usage: str = "off_session"


class PaymentIntent(Shape, kw_only=True):
    id: str
    object: str = "payment_intent"
    allowed_payment_method_types: Any = None
    amount: int
    amount_capturable: int = 0
    amount_details: Any
    amount_received: int = 0
    application: str | None = None
    application_fee_amount: int | None = None
    automatic_payment_methods: Any = None
    canceled_at: int | None = None
    cancellation_reason: str | None = None
    capture_method: str = "automatic_async"
    client_secret: str
    confirmation_method: str = "automatic"
    created: int
    currency: str
    customer: Expandable = None
    customer_account: str | None = None
    description: str | None = None
    excluded_payment_method_types: Any = None
    last_payment_error: Any = None
    latest_charge: Expandable = None
    livemode: bool = False
    metadata: dict[str, str]
    next_action: Any = None
    on_behalf_of: str | None = None
    payment_method: Expandable = None
    payment_method_configuration_details: Any = None
    payment_method_options: Any
    payment_method_types: list[str]
    processing: Any = None
    receipt_email: str | None = None
    review: str | None = None
    setup_future_usage: str | None = None
    shipping: Any = None
    statement_descriptor: str | None = None
    statement_descriptor_suffix: str | None = None
    status: str
    transfer_data: Any = None
    transfer_group: str | None = None


class CardOnCharge(Shape, kw_only=True):
    amount_authorized: int | None
    authorization_code: str | None
    brand: str
    capture_before: int | UnsetType = UNSET
    checks: CardChecks | None
    country: str
    exp_month: int
    exp_year: int
    extended_authorization: Any
    fingerprint: str
    funding: str
    incremental_authorization: Any
    installments: Any = None
    last4: str
    mandate: str | None = None
    multicapture: Any
    network: str
    network_token: Any
    network_transaction_id: str | None
    overcapture: Any
    regulated_status: str = "unregulated"
    three_d_secure: Any = None
    wallet: Any = None


class PaymentMethodDetails(Shape, kw_only=True):
    card: CardOnCharge
    type: str = "card"


class Outcome(Shape, kw_only=True):
    advice_code: str | None = None
    network_advice_code: str | None = None
    network_decline_code: str | None = None
    network_status: str | None = "approved_by_network"
    reason: str | None = None
    risk_level: str = "normal"
    risk_score: int = 20
    seller_message: str | None = "Payment complete."
    type: str = "authorized"


class Charge(Shape, kw_only=True):
    id: str
    object: str = "charge"
    amount: int
    amount_captured: int = 0
    amount_refunded: int = 0
    application: str | None = None
    application_fee: str | None = None
    application_fee_amount: int | None = None
    balance_transaction: Expandable = None
    billing_details: BillingDetails
    calculated_statement_descriptor: str | None = None
    captured: bool = False
    created: int
    currency: str
    customer: Expandable = None
    description: str | None = None
    disputed: bool = False
    failure_balance_transaction: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    fraud_details: dict[str, str]
    livemode: bool = False
    metadata: dict[str, str]
    on_behalf_of: str | None = None
    outcome: Outcome | None
    paid: bool
    payment_intent: Expandable
    payment_method: str | None
    payment_method_details: PaymentMethodDetails
    radar_options: dict[str, str]
    receipt_email: str | None = None
    receipt_number: str | None = None
    receipt_url: str | None = None
    refunded: bool = False
    refunds: Maybe = UNSET
    review: str | None = None
    shipping: Any = None
    source_transfer: str | None = None
    statement_descriptor: str | None = None
    statement_descriptor_suffix: str | None = None
    status: str
    transfer_data: Any = None
    transfer_group: str | None = None


class Refund(Shape, kw_only=True):
    id: str
    object: str = "refund"
    amount: int
    balance_transaction: Expandable = None
    charge: Expandable
    created: int
    currency: str
    customer: Expandable = None
    destination_details: Any
    failure_balance_transaction: Maybe = UNSET
    failure_reason: Maybe = UNSET
    metadata: dict[str, str]
    payment_intent: Expandable = None
    payment_method: Expandable = None
    pending_reason: Maybe = UNSET
    reason: str | None = None
    receipt_number: str | None = None
    source_transfer_reversal: str | None = None
    status: str = "succeeded"
    transfer_reversal: str | None = None


class FeeDetail(Shape, kw_only=True):
    amount: int
    application: str | None = None
    currency: str
    description: str
    type: str


class BalanceTransaction(Shape, kw_only=True):
    id: str
    object: str = "balance_transaction"
    amount: int
    available_on: int
    balance_type: str = "payments"
    created: int
    currency: str
    description: str | None = None
    exchange_rate: float | None = None
    fee: int = 0
    fee_details: list[FeeDetail]
    net: int
    reporting_category: str
    source: Expandable
    status: str = "pending"
    type: str


class Balance(Shape, kw_only=True):
    object: str = "balance"
    available: list[dict[str, Any]]
    livemode: bool = False
    pending: list[dict[str, Any]]


class WebhookEndpoint(Shape, kw_only=True):
    id: str
    object: str = "webhook_endpoint"
    api_version: str | None = None
    application: str | None = None
    created: int
    description: str | None = None
    enabled_events: list[str]
    livemode: bool = False
    metadata: dict[str, str]
    secret: Maybe = UNSET  # answered on creation only
    status: str = "enabled"
    url: str


class Account(Shape, kw_only=True):
    id: str
    object: str = "account"
    business_profile: Any = None
    business_type: str | None = None
    capabilities: dict[str, str]
    charges_enabled: bool = True
    controller: Any
    country: str
    created: int
    default_currency: str
    details_submitted: bool = True
    email: str | None = None
    metadata: dict[str, str]
    payouts_enabled: bool = True
    settings: Any = None
    type: str = "standard"


class Application(Shape, kw_only=True):
    id: str
    object: str = "application"
    name: str | None = None


class ApplicationFee(Shape, kw_only=True):
    id: str
    object: str = "application_fee"
    account: str
    amount: int
    amount_refunded: int = 0
    application: str
    balance_transaction: Expandable = None
    charge: Expandable
    created: int
    currency: str
    fee_source: Any = None
    livemode: bool = False
    originating_transaction: Expandable = None
    refunded: bool = False
    refunds: dict[str, Any]


class DisputeEvidenceDetails(Shape, kw_only=True):
    due_by: int | None
    enhanced_eligibility: dict[str, Any]
    has_evidence: bool = False
    past_due: bool = False
    submission_count: int = 0


class Dispute(Shape, kw_only=True):
    id: str
    object: str = "dispute"
    amount: int
    balance_transactions: list[BalanceTransaction]
    charge: Expandable
    created: int
    currency: str
    enhanced_eligibility_types: list[str]
    evidence: dict[str, Any]
    evidence_details: DisputeEvidenceDetails
    is_charge_refundable: bool
    livemode: bool = False
    metadata: dict[str, str]
    network_reason_code: str | None = None
    payment_intent: Expandable
    payment_method_details: dict[str, Any]
    reason: str
    status: str


class EarlyFraudWarning(Shape, kw_only=True):
    id: str
    object: str = "radar.early_fraud_warning"
    actionable: bool = True
    charge: Expandable
    created: int
    fraud_type: str = "made_with_stolen_card"
    livemode: bool = False
    payment_intent: Expandable


class CheckoutSession(Shape, kw_only=True):
    id: str
    object: str = "checkout.session"
    adaptive_pricing: Any
    after_expiration: Any = None
    allowed_payment_method_types: list[str] | None = None
    allow_promotion_codes: bool | None = None
    amount_subtotal: int | None
    amount_total: int | None
    automatic_tax: dict[str, Any]
    billing_address_collection: str | None = None
    cancel_url: str | None = None
    client_reference_id: str | None = None
    client_secret: str | None = None
    collected_information: Any = None
    consent: Any = None
    consent_collection: Any = None
    created: int
    currency: str | None
    currency_conversion: Any = None
    custom_fields: list[Any]
    custom_text: dict[str, Any]
    customer: Expandable = None
    customer_account: str | None = None
    customer_creation: str | None = None
    customer_details: Any = None
    customer_email: str | None = None
    discounts: Any = None
    excluded_payment_method_types: Any
    expires_at: int
    invoice: str | None = None
    invoice_creation: Any = None
    line_items: Maybe = UNSET  # answered on expansion only
    livemode: bool = False
    locale: str | None = None
    metadata: dict[str, str]
    mode: str
    origin_context: str | None = None
    payment_intent: Expandable = None
    payment_link: str | None = None
    payment_method_collection: str | None = "if_required"
    payment_method_configuration_details: Any = None
    payment_method_options: Any = None
    payment_method_types: list[str]
    payment_status: str
    permissions: Any = None
    phone_number_collection: Any
    recovered_from: str | None = None
    redirect_on_completion: Maybe = UNSET
    return_url: Maybe = UNSET
    saved_payment_method_options: Any = None
    setup_intent: Expandable = None
    shipping_address_collection: Any = None
    shipping_cost: Any = None
    shipping_options: list[Any]
    status: str = "open"
    submit_type: str | None = None
    subscription: str | None = None
    success_url: str | None = None
    total_details: Any = None
    ui_mode: str = "hosted_page"
    url: str | None = None
    wallet_options: Any = None


class SessionPlan(Shape, kw_only=True):
    """What a session will do when it is paid: never answered, kept beside it."""

    id: str
    object: str = "checkout.plan"
    items: list[dict[str, Any]]
    intent: dict[str, Any]  # parameters for the intent's create


class Product(Shape, kw_only=True):
    id: str
    object: str = "product"
    active: bool = True
    created: int
    default_price: Expandable = None
    description: str | None = None
    images: list[str]
    livemode: bool = False
    marketing_features: list[dict[str, str]]
    metadata: dict[str, str]
    name: str
    package_dimensions: Any = None
    shippable: bool | None = None
    statement_descriptor: str | None = None
    tax_code: str | None = None
    unit_label: str | None = None
    updated: int
    url: str | None = None


class Price(Shape, kw_only=True):
    id: str
    object: str = "price"
    active: bool = True
    billing_scheme: str = "per_unit"
    created: int
    currency: str
    custom_unit_amount: Any = None
    livemode: bool = False
    lookup_key: str | None = None
    metadata: dict[str, str]
    nickname: str | None = None
    product: Expandable
    recurring: Any = None
    tax_behavior: str | None = "unspecified"
    tiers_mode: str | None = None
    transform_quantity: Any = None
    type: str = "one_time"
    unit_amount: int | None
    unit_amount_decimal: str | None


class CardToken(Shape, kw_only=True):
    """A card as it was before there were PaymentMethods."""

    id: str
    object: str = "card"
    address_city: str | None = None
    address_country: str | None = None
    address_line1: str | None = None
    address_line1_check: str | None = None
    address_line2: str | None = None
    address_state: str | None = None
    address_zip: str | None = None
    address_zip_check: str | None = None
    brand: str
    country: str | None
    cvc_check: str | None
    dynamic_last4: str | None = None
    exp_month: int
    exp_year: int
    fingerprint: str
    funding: str
    last4: str
    metadata: dict[str, str] = {}
    name: str | None = None
    tokenization_method: str | None = None


def _disabled() -> dict[str, Any]:
    return {"enabled": False, "features": None}


class CustomerSessionComponents(Shape, kw_only=True):
    buy_button: dict[str, Any] = field(default_factory=lambda: {"enabled": False})
    customer_sheet: dict[str, Any] = field(default_factory=_disabled)
    mobile_payment_element: dict[str, Any] = field(default_factory=_disabled)
    payment_element: dict[str, Any] = field(default_factory=_disabled)
    pricing_table: dict[str, Any] = field(default_factory=lambda: {"enabled": False})


class CustomerSession(Shape, kw_only=True):
    """Without an id: it is answered once and never asked for."""

    object: str = "customer_session"
    client_secret: str
    components: CustomerSessionComponents
    created: int
    customer: Expandable
    customer_account: str | None = None
    expires_at: int
    livemode: bool = False


class Token(Shape, kw_only=True):
    id: str
    object: str = "token"
    card: CardToken
    client_ip: str | None = None
    created: int
    livemode: bool = False
    type: str = "card"
    used: bool = False


class File(Shape, kw_only=True):
    id: str
    object: str = "file"
    created: int
    expires_at: int | None = None
    filename: str | None
    links: Any
    purpose: str
    size: int
    title: str | None = None
    type: str | None
    url: str | None


class FileContent(Shape, kw_only=True):
    """What was uploaded: never answered as an object, kept beside its File."""

    id: str
    object: str = "file.content"
    content: bytes


class Request(Shape, kw_only=True):
    """The request that an event tells of. Events of one call share it."""

    id: str | None = None
    idempotency_key: str | None = None


class EventRow(Shape, kw_only=True):
    """An event at rest. `pending` counts the endpoints that have not yet acknowledged it."""

    object: ClassVar[str] = "event"
    id: str
    type: str
    created: int
    of: str  # the kind of the object it tells of
    snapshot: bytes  # that object as it was then, packed
    request: Request
    api_version: str
    shown: bytes | None = None  # the object in the words of that version, packed, where they are not the newest's
    previous: Any = None
    pending: int = 0
    livemode: bool = False
