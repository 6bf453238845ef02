"""The table of routes and the declarations at the functions say the same."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from chalicelib import handlers
from chalicelib.handlers import routes
from chalicelib.handlers.api.operations import JSON, OPERATIONS


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


@pytest.mark.parametrize("target", sorted({row[2] for row in routes.ROUTES + routes.PUBLIC_ROUTES}))
def test_every_line_leads_to_a_function(target: str) -> None:
    assert callable(routes.serving(target))
