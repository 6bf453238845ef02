"""Owns Products and Prices: what a Checkout Session can name instead of spelling it out. Prices of a fixed amount only;
a recurring one can be kept, and nothing here is paid with it. https://docs.stripe.com/api/products and https://docs.stripe.com/api/prices
"""

from __future__ import annotations

from typing import Any

from . import lists
from .context import Call
from .currencies import known
from .errors import invalid, refused
from .objects import Deleted, Price, Product
from .params import (
    EXPAND,
    PAGE,
    TIME_RANGE,
    Fields,
    Required,
    array,
    boolean,
    enum,
    hash_of,
    integer,
    merge_metadata,
    metadata,
    nullable,
    string,
)

_FEATURES = array(hash_of({"name": Required(string)}))
_TAX = enum("exclusive", "inclusive", "unspecified")
_SHARED: Fields = {
    "active": boolean, "images": nullable(array(string)), "marketing_features": nullable(_FEATURES),
    "metadata": metadata, "shippable": boolean, **EXPAND,
}  # fmt: skip
CREATE_PRODUCT: Fields = {
    "name": Required(string), "id": string, "description": string, "statement_descriptor": string,
    "unit_label": string, "url": string, **_SHARED,
    "default_price_data": hash_of({"currency": Required(string), "unit_amount": integer, "metadata": metadata}),
}  # fmt: skip
UPDATE_PRODUCT: Fields = {
    "name": string, "description": nullable(string), "statement_descriptor": string, "unit_label": nullable(string),
    "url": nullable(string), "default_price": string, **_SHARED,
}  # fmt: skip
LIST_PRODUCTS: Fields = {**PAGE, "active": boolean, "created": TIME_RANGE, "ids": array(string), "url": string}
_PRODUCT = hash_of({
    "name": Required(string), "id": string, "active": boolean, "metadata": metadata, "statement_descriptor": string,
    "unit_label": string,
})  # fmt: skip
CREATE_PRICE: Fields = {
    "currency": Required(string), "unit_amount": integer, "product": string, "product_data": _PRODUCT,
    "active": boolean, "nickname": string, "metadata": metadata, "lookup_key": string, "transfer_lookup_key": boolean,
    "tax_behavior": _TAX, **EXPAND,
    "recurring": hash_of({
        "interval": Required(enum("day", "month", "week", "year")), "interval_count": integer,
        "usage_type": enum("licensed"),
    }),
}  # fmt: skip
UPDATE_PRICE: Fields = {
    "active": boolean, "nickname": nullable(string), "metadata": metadata, "lookup_key": nullable(string),
    "transfer_lookup_key": boolean, "tax_behavior": _TAX, **EXPAND,
}  # fmt: skip
LIST_PRICES: Fields = {
    **PAGE, "active": boolean, "created": TIME_RANGE, "currency": string, "product": string,
    "lookup_keys": array(string), "type": enum("one_time", "recurring"),
}  # fmt: skip


def create_product(call: Call, params: dict[str, Any]) -> Product:
    if params.get("id", "") in call.account.of["product"]:
        raise refused(f"Product already exists: {params['id']}", code="resource_already_exists", param="id")
    product = Product(
        id=params.get("id") or call.new_id("prod", 14),
        created=call.now,
        updated=call.now,
        name=params["name"],
        images=[],
        marketing_features=[],
        metadata={},
    )
    _write(product, params)
    call.put(product)
    call.emit("product.created", product)
    if "default_price_data" in params:
        price = create_price(call, {**params["default_price_data"], "product": product.id})
        product.default_price = price.id
        call.put(product)
    return product


def _write(row: Any, params: dict[str, Any]) -> None:
    if "metadata" in params:
        row.metadata = merge_metadata(row.metadata, params["metadata"])
    for name in ("name", "description", "statement_descriptor", "unit_label", "url", "nickname", "lookup_key"):
        if name in params:
            setattr(row, name, params[name] or None)
    for name in ("images", "marketing_features"):
        if name in params:
            setattr(row, name, params[name] or [])
    for name in ("active", "shippable", "tax_behavior", "default_price"):
        if name in params:
            setattr(row, name, params[name])


def retrieve_product(call: Call, params: dict[str, Any], id: str) -> Product:
    product: Product = call.account.get("product", id)
    return product


def update_product(call: Call, params: dict[str, Any], id: str) -> Product:
    product: Product = call.account.get("product", id)
    if "default_price" in params and call.account.get("price", params["default_price"], "default_price").product != id:
        raise refused("The price must belong to this product.", param="default_price")
    _write(product, params)
    product.updated = call.now
    call.put(product)
    call.emit("product.updated", product)
    return product


def delete_product(call: Call, params: dict[str, Any], id: str) -> Deleted:
    product: Product = call.account.get("product", id)
    if any(call.account.of["price"].newest_first("product", id)):
        raise refused("This product cannot be deleted because it has one or more user-created prices.")
    call.world.remove(call.account, "product", id)
    call.emit("product.deleted", product)
    return Deleted(id=id, object="product")


def list_products(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    def keep(row: Product) -> bool:
        return params.get("active", row.active) == row.active and row.id in params.get("ids", (row.id,))

    return lists.page(call, "product", params, "/v1/products", keep=keep)


def check_price(call: Call, params: dict[str, Any]) -> None:
    if ("product" in params) == ("product_data" in params):
        raise invalid(
            "You must specify either `product` or `product_data` when creating a price.",
            code="parameter_missing",
            param="product",
        )
    if "unit_amount" not in params:
        raise invalid("Missing required param: unit_amount.", code="parameter_missing", param="unit_amount")
    if params["unit_amount"] < 0:
        raise invalid("Invalid non-negative integer", code="parameter_invalid_integer", param="unit_amount")
    params["currency"] = known(params["currency"])


def create_price(call: Call, params: dict[str, Any]) -> Price:
    if "product_data" in params:
        product = create_product(call, params["product_data"]).id
    else:
        product = call.account.get("product", params["product"], "product").id
    _free_lookup_key(call, params, "")
    price = Price(
        id=call.new_id("price"),
        created=call.now,
        currency=params["currency"].lower(),
        metadata={},
        product=product,
        unit_amount=params["unit_amount"],
        unit_amount_decimal=str(params["unit_amount"]),
    )
    if "recurring" in params:
        price.type = "recurring"
        price.recurring = {"interval_count": 1, "meter": None, "usage_type": "licensed", **params["recurring"]}
    _write(price, params)
    call.put(price)
    call.emit("price.created", price)
    return price


def _free_lookup_key(call: Call, params: dict[str, Any], id: str) -> None:
    """A lookup key is one price's: it is refused, or taken from the other where that was asked for."""
    key = params.get("lookup_key")
    for other in list(call.account.of["price"].newest_first("lookup_key", key)) if key else ():
        if other.id != id:
            if not params.get("transfer_lookup_key"):
                raise refused(
                    f"A price (`{other.id}`) already uses that lookup key.",
                    code="resource_already_exists",
                    param="lookup_key",
                )
            before = call.account.get("price", other.id)
            before.lookup_key = None
            call.put(before)


def retrieve_price(call: Call, params: dict[str, Any], id: str) -> Price:
    price: Price = call.account.get("price", id)
    return price


def update_price(call: Call, params: dict[str, Any], id: str) -> Price:
    price: Price = call.account.get("price", id)
    _free_lookup_key(call, params, id)
    _write(price, params)
    call.put(price)
    call.emit("price.updated", price)
    return price


def list_prices(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    def keep(row: Price) -> bool:
        exact = ("active", "currency", "type", "product")
        return all(name not in params or getattr(row, name) == params[name] for name in exact) and (
            "lookup_keys" not in params or row.lookup_key in params["lookup_keys"]
        )

    by = "product" if "product" in params else None
    return lists.page(call, "price", params, "/v1/prices", by=by, value=params.get("product"), keep=keep)
