"""Owns customers: create, update, delete, list, and the list of their PaymentMethods."""

from __future__ import annotations

from typing import Any

from . import lists, payment_methods
from .context import Call
from .errors import invalid
from .objects import Customer, CustomerInvoiceSettings, Deleted
from .params import (
    ADDRESS,
    CUSTOMER_SHIPPING,
    EXPAND,
    PAGE,
    TIME_RANGE,
    UNSET,
    Fields,
    array,
    enum,
    hash_of,
    integer,
    merge_metadata,
    metadata,
    nullable,
    string,
)

WRITE: Fields = {
    "address": nullable(ADDRESS), "balance": integer, "description": nullable(string), "email": nullable(string),
    "invoice_prefix": string, "invoice_settings": hash_of({"default_payment_method": nullable(string)}),
    "metadata": metadata, "name": nullable(string), "phone": nullable(string), "preferred_locales": array(string),
    "shipping": nullable(CUSTOMER_SHIPPING), "tax_exempt": enum("", "exempt", "none", "reverse"), **EXPAND,
}  # fmt: skip
CREATE: Fields = {**WRITE, "payment_method": string}
LIST: Fields = {**PAGE, "email": string, "created": TIME_RANGE}
LIST_METHODS: Fields = {**PAGE, "type": string, "allow_redisplay": string}
_PLAIN = ("balance", "description", "email", "invoice_prefix", "name", "phone", "preferred_locales", "shipping")


def create(call: Call, params: dict[str, Any]) -> Customer:
    customer = Customer(
        id=call.new_id("cus", 14),
        created=call.now,
        invoice_prefix=call.new_id("", 8)[1:].upper(),
        invoice_settings=CustomerInvoiceSettings(),
        metadata={},
        preferred_locales=[],
    )
    _write(call, customer, params)
    method = None
    if "payment_method" in params:
        method = payment_methods.usable(call, params["payment_method"])
    call.put(customer)
    call.emit("customer.created", customer)
    if method is not None:
        payment_methods.attach_to(call, method, customer.id)
    return customer


def _write(call: Call, customer: Customer, params: dict[str, Any]) -> None:
    # All that can be wrong comes first: what is refused has changed nothing.
    default = params.get("invoice_settings", {}).get("default_payment_method")
    if default:
        method = call.account.get("payment_method", default, "invoice_settings[default_payment_method]")
        if method.customer != customer.id:
            raise invalid(
                f"The customer does not have a payment method with the ID {default}. The payment method must be "
                "attached to the customer.",
                code="resource_missing",
                param="invoice_settings[default_payment_method]",
            )
    if "metadata" in params:
        customer.metadata = merge_metadata(customer.metadata, params["metadata"])
    for name in _PLAIN:
        if name in params:
            value = params[name]
            setattr(customer, name, None if value is UNSET else value)
    if "address" in params:
        address = params["address"]
        customer.address = (
            None
            if address is UNSET
            else {
                key: address.get(key) or None for key in ("city", "country", "line1", "line2", "postal_code", "state")
            }
        )
    if "tax_exempt" in params:
        customer.tax_exempt = params["tax_exempt"] or "none"
    if default is UNSET:
        customer.invoice_settings = CustomerInvoiceSettings()
    elif default is not None:
        customer.invoice_settings = CustomerInvoiceSettings(default_payment_method=default)


def retrieve(call: Call, params: dict[str, Any], id: str) -> Customer | Deleted:
    gone = call.account.deleted_customers.get(id)
    return gone if gone is not None else call.account.get("customer", id)


def update(call: Call, params: dict[str, Any], id: str) -> Customer:
    customer: Customer = call.account.get("customer", id)
    before = {name: getattr(customer, name) for name in (*_PLAIN, "address", "metadata", "tax_exempt")}
    _write(call, customer, params)
    call.put(customer)
    changed = {name: value for name, value in before.items() if getattr(customer, name) != value}
    call.emit("customer.updated", customer, changed)
    return customer


def delete(call: Call, params: dict[str, Any], id: str) -> Deleted:
    customer: Customer = call.account.get("customer", id)
    for method in list(call.account.of["payment_method"].newest_first("customer", id)):
        payment_methods.release(call, call.account.get("payment_method", method.id))
    call.world.remove(call.account, "customer", id)
    gone = call.account.deleted_customers[id] = Deleted(id=id, object="customer")
    call.emit("customer.deleted", customer)
    return gone


def list_all(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    email = params.get("email")
    return lists.page(
        call, "customer", params, "/v1/customers", keep=None if email is None else lambda row: row.email == email
    )


def list_methods(call: Call, params: dict[str, Any], id: str) -> dict[str, Any]:
    call.account.get("customer", id)
    return lists.page(
        call,
        "payment_method",
        params,
        f"/v1/customers/{id}/payment_methods",
        by="customer",
        value=id,
        keep=lambda row: payment_methods.wanted(row, params),
    )


def retrieve_method(call: Call, params: dict[str, Any], id: str, method: str) -> Any:
    call.account.get("customer", id)
    row = call.account.get("payment_method", method)
    if row.customer != id:
        raise invalid(f"No such PaymentMethod: '{method}'", code="resource_missing", param="payment_method")
    return row
