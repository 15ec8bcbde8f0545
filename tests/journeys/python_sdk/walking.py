"""A walk with the client, which its stories share: the APIs set up as its users do, and what a refusal says."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Every step is one story and begins with nothing but what it makes itself.
STEPS: list[Callable[["Walk"], None]] = []

# As long as a right one: the client itself refuses shorter ones for tokens.
ANOTHER_SECRET = base64.b64encode(b"not the secret, but just as long").decode()


class Walk:
    """The client's five APIs. `position` tells walks apart where they share a merchant."""

    def __init__(self, order: dict[str, Any], settings: dict[str, Any], position: int) -> None:
        from CyberSource import (
            CreateNewWebhooksApi,
            InvoicesApi,
            InvoiceSettingsApi,
            ManageWebhooksApi,
            MerchantDefinedFieldsApi,
        )

        self.order = order
        self.settings = settings
        self.position = position
        self.invoices = InvoicesApi(settings)
        self.invoice_settings = InvoiceSettingsApi(settings)
        self.fields = MerchantDefinedFieldsApi(settings)
        self.new_webhooks = CreateNewWebhooksApi(settings)
        self.webhooks = ManageWebhooksApi(settings)

    @property
    def merchant_id(self) -> str:
        merchant_id: str = self.settings["merchantid"]
        return merchant_id

    def with_settings(self, **changed: Any) -> "Walk":
        return Walk(self.order, {**self.settings, **changed}, self.position)

    def create(self, *, send: bool = False, mode: str = "none", number: str | None = None) -> Any:
        invoice, status, _ = self.invoices.create_invoice(a_create(send=send, mode=mode, number=number))
        assert status == 201, status
        return invoice


def step(story: Callable[[Walk], None]) -> Callable[[Walk], None]:
    STEPS.append(story)
    return story


@contextmanager
def refused(status: int) -> Iterator[dict[str, Any]]:
    """Expect the client to raise its exception with that status; what it says is filled in afterwards."""
    from CyberSource.rest import ApiException

    told: dict[str, Any] = {}
    try:
        yield told
    except ApiException as raised:
        refusal = raised
    else:
        raise AssertionError(f"nothing was refused with {status}")
    assert refusal.status == status, f"{refusal.status} instead of {status}: {refusal.body}"
    assert refusal.headers["v-c-correlation-id"]
    told.update(json.loads(refusal.body))


def a_create(*, send: bool = False, mode: str = "none", number: str | None = None) -> str:
    """Return the body of a create, built and written the way the vendor's samples do."""
    from CyberSource import (
        CreateInvoiceRequest,
        Invoicingv2invoicesCustomerInformation,
        Invoicingv2invoicesInvoiceInformation,
    )

    customer = Invoicingv2invoicesCustomerInformation(name="Tanya Lee", email="tanya.lee@my-email.world")
    information = Invoicingv2invoicesInvoiceInformation(
        invoice_number=number,
        description="This is a test invoice",
        due_date="2019-07-11",
        send_immediately=send,
        allow_partial_payments=True,
        delivery_mode=mode,
    )
    request = CreateInvoiceRequest(
        customer_information=customer.__dict__,
        invoice_information=information.__dict__,
        order_information=an_order().__dict__,
    )
    return json.dumps(without_none(request.__dict__))


def an_order() -> Any:
    from CyberSource import (
        Invoicingv2invoicesOrderInformation,
        Invoicingv2invoicesOrderInformationAmountDetails,
        Invoicingv2invoicesOrderInformationAmountDetailsFreight,
        Invoicingv2invoicesOrderInformationAmountDetailsTaxDetails,
        Invoicingv2invoicesOrderInformationLineItems,
    )

    tax = Invoicingv2invoicesOrderInformationAmountDetailsTaxDetails(type="State Tax", amount="208.00", rate="8.25")
    freight = Invoicingv2invoicesOrderInformationAmountDetailsFreight(amount="20.00", taxable=True)
    amounts = Invoicingv2invoicesOrderInformationAmountDetails(
        total_amount="2623.64",
        currency="USD",
        discount_amount="126.08",
        discount_percent="5.00",
        sub_amount="2749.72",
        minimum_partial_amount="20.00",
        tax_details=tax.__dict__,
        freight=freight.__dict__,
    )
    item = Invoicingv2invoicesOrderInformationLineItems(
        product_sku="P653727383", product_name="First line item's name", quantity=21, unit_price="120.08"
    )
    return Invoicingv2invoicesOrderInformation(amount_details=amounts.__dict__, line_items=[item.__dict__])


def without_none(value: dict[str, Any]) -> dict[str, Any]:
    """Drop what is None in objects, but not in objects of a list: the samples do so."""
    return {
        name: without_none(member) if isinstance(member, dict) else member
        for name, member in value.items()
        if member is not None
    }


def as_sent(walk: Walk, model: Any) -> str:
    return json.dumps(walk.fields.api_client.sanitize_for_serialization(model))
