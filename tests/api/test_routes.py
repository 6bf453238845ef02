"""The table of routes and the declarations at the functions say the same."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

from chalicelib import handlers
from chalicelib.handlers import routes
from chalicelib.handlers.api.operations import JSON, OPERATIONS

from .world import Shop, World


def declared() -> set[tuple[str, str, str]]:
    """Of every module below handlers/, in the table or not."""
    for module in pkgutil.walk_packages(handlers.__path__, "chalicelib.handlers."):
        importlib.import_module(module.name)
    return {
        (operation.method, operation.path, f"{operation.module}:{operation.name}".removeprefix("chalicelib.handlers."))
        for operation in OPERATIONS.values()
    }


def test_each_operation_has_its_line_and_each_line_its_operation() -> None:
    """Pages are no operations: their functions are only in the table."""
    of_operations = {(method, path, target) for method, path, target in routes.ROUTES}
    of_operations |= {row[:3] for row in routes.PUBLIC_ROUTES if not row[2].startswith("pages.")}

    assert of_operations == declared()


def test_what_needs_no_token_is_declared_so() -> None:
    """`roles` is what a request is checked by; the table says which requests pass the authorizer before."""
    routes.load()

    assert {target.partition(":")[2] for _, _, target in routes.ROUTES} == {
        operation.name for operation in OPERATIONS.values() if operation.roles
    }


def test_a_browsers_form_may_be_sent_where_a_page_is_answered() -> None:
    """A body of the type that the operation does not take is a 415 from Chalice, which knows the table only."""
    routes.load()

    for method, _, target, content_type in routes.PUBLIC_ROUTES:
        operation = OPERATIONS.get(target.partition(":")[2])
        if method == "POST" and operation is not None:
            assert content_type == (routes.JSON if operation.media == JSON else routes.ANYTHING), target


def test_head_is_get_without_a_body_wherever_no_token_is_needed(world: World, shop: Shop) -> None:
    """Browsers, crawlers and uptime checks ask so (RFC 9110, section 9.3.2)."""
    guest = shop.link(shop.open(shop.customer(), 4000))
    values = {"secret": guest.token, "name": "docs.css", "merchant_id": shop.merchant_id}
    answered = set()
    for method, path, *_ in routes.PUBLIC_ROUTES:
        if method == "GET":
            address = re.sub(r"{(\w+)}", lambda name: str(values.get(name[1], "1")), path)
            got, head = (world.client.http.request(verb, address, headers={"host": "x"}) for verb in ("GET", "HEAD"))
            assert (head.status_code, head.body) == (got.status_code, b""), path
            assert {**head.headers, "ETag": ""} == {**got.headers, "ETag": ""}, path
            answered |= {path} if got.status_code == 200 else set()
    assert {"/docs", "/docs/{name}", "/t/{secret}", "/v1/health", "/v1/openapi.json"} <= answered


@pytest.mark.parametrize("target", sorted({row[2] for row in routes.ROUTES + routes.PUBLIC_ROUTES}))
def test_every_line_leads_to_a_function(target: str) -> None:
    assert callable(routes.serving(target))
