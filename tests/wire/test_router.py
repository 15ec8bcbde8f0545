"""Paths to handlers: literals before placeholders, nothing by accident."""

from typing import Any

import pytest

from paydue.wire.router import Route, Router


async def _nothing(request: Any) -> None: ...


ROUTER = Router(
    tuple(
        Route(method, template, _nothing, 1)
        for method, template in (
            ("GET", "/invoicing/v2/invoices"),
            ("GET", "/invoicing/v2/invoices/{id}"),
            ("POST", "/invoicing/v2/invoices/{id}/delivery"),
            ("GET", "/invoicing/v2/{referenceType}/merchantDefinedFields"),
        )
    )
)


@pytest.mark.parametrize(
    ("path", "template", "values"),
    [
        ("/invoicing/v2/invoices", "/invoicing/v2/invoices", ()),
        ("/invoicing/v2/invoices/", "/invoicing/v2/invoices", ()),
        ("/invoicing/v2/invoices/7", "/invoicing/v2/invoices/{id}", ("7",)),
        ("/invoicing/v2/invoices/merchantDefinedFields", "/invoicing/v2/invoices/{id}", ("merchantDefinedFields",)),
        ("/invoicing/v2/invoices/7/delivery", "/invoicing/v2/invoices/{id}/delivery", ("7",)),
        (
            "/invoicing/v2/Invoice/merchantDefinedFields",
            "/invoicing/v2/{referenceType}/merchantDefinedFields",
            ("Invoice",),
        ),
    ],
)
def test_a_path_finds_its_operations(path: str, template: str, values: tuple[str, ...]) -> None:
    match = ROUTER.match(path.encode())
    assert match is not None
    assert {route.template for route in match.routes.values()} == {template}
    assert match.values == values


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/invoicing/v2",
        "/invoicing/v2/",
        "/invoicing/v2/invoices//",
        "/invoicing/v2/invoices//delivery",
        "/invoicing/v2/invoices/7/delivery/x",
        "/invoicing/v2/Invoices",
        "//invoicing/v2/invoices",
        "/invoicing/v2//merchantDefinedFields",
        "/invoicing/v2/invoices%2F7",
        "/invoicing/v2/invoices/7%2Fdelivery/x",
        "/invoicing%2Fv2/invoices",
    ],
)
def test_anything_else_finds_nothing(path: str) -> None:
    assert ROUTER.match(path.encode()) is None
