"""What the client's users do with invoices, their settings and their own fields."""

import base64
import io
import json
import random
import re
import struct
import zlib

from walking import ANOTHER_SECRET, Walk, a_create, an_order, as_sent, refused, step, without_none


@step
def a_draft_is_created_with_all_that_the_samples_send(walk: Walk) -> None:
    sent = json.loads(a_create())
    assert None in sent["_order_information"]["_line_items"][0].values(), "the samples send nulls"
    invoice, status, body = walk.invoices.create_invoice(json.dumps(sent))
    assert status == 201
    assert json.loads(body)["id"] == invoice.id
    assert (invoice.status, invoice.invoice_information.delivery_mode) == ("DRAFT", "None")
    assert invoice.invoice_information.allow_partial_payments is True
    assert str(invoice.invoice_information.due_date) == "2019-07-11"
    assert invoice.customer_information.email == "tanya.lee@my-email.world"
    amounts = invoice.order_information.amount_details
    assert (amounts.total_amount, amounts.discount_percent, amounts.minimum_partial_amount) == ("2623.64", "5", "20")
    assert (amounts.tax_details.amount, amounts.freight.amount, amounts.freight.taxable) == ("208", "20", True)
    (item,) = invoice.order_information.line_items
    assert (item.product_sku, item.quantity, item.unit_price, item.total_amount) == (
        "P653727383",
        21,
        "120.08",
        "2521.68",
    )
    assert invoice.links._self.href == f"/v2/invoices/{invoice.id}"


@step
def a_model_is_sent_as_well_as_its_dictionary(walk: Walk) -> None:
    from CyberSource import (
        CreateInvoiceRequest,
        Invoicingv2invoicesInvoiceInformation,
        Invoicingv2invoicesOrderInformation,
        Invoicingv2invoicesOrderInformationAmountDetails,
    )

    request = CreateInvoiceRequest(
        invoice_information=Invoicingv2invoicesInvoiceInformation(description="Food", due_date="2019-07-11"),
        order_information=Invoicingv2invoicesOrderInformation(
            amount_details=Invoicingv2invoicesOrderInformationAmountDetails(total_amount="7.00", currency="USD")
        ),
    )
    body = json.dumps(walk.invoices.api_client.sanitize_for_serialization(request))
    invoice, status, _ = walk.invoices.create_invoice(body)
    assert (status, invoice.status, invoice.order_information.amount_details.total_amount) == (201, "DRAFT", "7")


@step
def an_invoice_is_created_and_sent_at_once(walk: Walk) -> None:
    invoice = walk.create(send=True, mode="email")
    assert (invoice.status, invoice.invoice_information.delivery_mode) == ("SENT", "Email")
    assert "/ebc2/invoicing/payInvoice/" in invoice.invoice_information.payment_link


@step
def an_invoice_is_created_without_sending_it(walk: Walk) -> None:
    invoice = walk.create(send=True)
    assert invoice.status == "CREATED"
    assert invoice.invoice_information.payment_link


@step
def an_own_number_can_be_given_once(walk: Walk) -> None:
    number = f"A123-{walk.position}"
    assert walk.create(number=number).id == number
    with refused(400) as refusal:
        walk.create(number=number)
    assert refusal["reason"] == "DUPLICATE_RECORD"


@step
def details_tell_the_history(walk: Walk) -> None:
    created = walk.create(send=True, mode="email")
    invoice, status, _ = walk.invoices.get_invoice(created.id)
    assert (status, invoice.id, invoice.status) == (200, created.id, "SENT")
    assert [entry.event for entry in invoice.invoice_history] == ["SEND", "DRAFT"]
    assert all(re.fullmatch(r"20[0-9-]{8}T[0-9:]{8}\.[0-9]{3}Z", str(entry._date)) for entry in invoice.invoice_history)


@step
def an_update_replaces_the_terms(walk: Walk) -> None:
    created = walk.create()
    invoice, status, _ = walk.invoices.update_invoice(created.id, an_update())
    assert (status, invoice.status) == (200, "DRAFT")
    assert invoice.customer_information.name == "New Customer Name"
    assert invoice.invoice_information.description == "This is after updating invoice"
    fetched, _, _ = walk.invoices.get_invoice(created.id)
    assert [entry.event for entry in fetched.invoice_history] == ["UPDATE", "DRAFT"]


@step
def sending_follows_the_delivery_mode(walk: Walk) -> None:
    invoice, status, _ = walk.invoices.perform_send_action(walk.create(mode="none").id)
    assert (status, invoice.status) == (200, "CREATED")
    invoice, status, _ = walk.invoices.perform_send_action(walk.create(mode="email").id)
    assert (status, invoice.status) == (200, "SENT")


@step
def publishing_makes_a_draft_payable_once(walk: Walk) -> None:
    created = walk.create(mode="email")
    invoice, status, _ = walk.invoices.perform_publish_action(created.id)
    assert (status, invoice.status) == (200, "CREATED")
    with refused(400) as refusal:
        walk.invoices.perform_publish_action(created.id)
    assert refusal["reason"] == "ACTION_NOT_ALLOWED"


@step
def canceling_ends_it(walk: Walk) -> None:
    created = walk.create(send=True)
    invoice, status, _ = walk.invoices.perform_cancel_action(created.id)
    assert (status, invoice.status, invoice.invoice_information.payment_link) == (200, "CANCELED", None)
    for call in (walk.invoices.perform_cancel_action, walk.invoices.perform_send_action):
        with refused(400) as refusal:
            call(created.id)
        assert refusal["reason"] == "ACTION_NOT_ALLOWED"
    with refused(400):
        walk.invoices.update_invoice(created.id, an_update())


@step
def a_list_is_paged_and_filtered(walk: Walk) -> None:
    created = [walk.create().id for _ in range(3)]
    # The sample passes status=None, which the client sends as the four letters.
    page, status, _ = walk.invoices.get_all_invoices(0, 2, status=None)
    assert status == 200
    assert [invoice.id for invoice in page.invoices] == created[:0:-1]
    assert page.total_invoices >= 3
    assert page.invoices[0].order_information.amount_details.total_amount == "2623.64"
    page, _, _ = walk.invoices.get_all_invoices(2, 1)
    assert [invoice.id for invoice in page.invoices] == created[:1]
    page, _, _ = walk.invoices.get_all_invoices(0, 1000, status="DRAFT")
    assert set(created) <= {invoice.id for invoice in page.invoices}
    assert {invoice.status for invoice in page.invoices} == {"DRAFT"}
    with refused(400) as refusal:
        walk.invoices.get_all_invoices(0, 1001)
    assert [detail["field"] for detail in refusal["details"]] == ["limit"]


@step
def settings_of_27_kilobytes_are_kept_and_read_back(walk: Walk) -> None:
    from CyberSource import (
        InvoiceSettingsRequest,
        InvoicingV2InvoiceSettingsGet200ResponseInvoiceSettingsInformationHeaderStyle,
        Invoicingv2invoiceSettingsInvoiceSettingsInformation,
    )

    style = InvoicingV2InvoiceSettingsGet200ResponseInvoiceSettingsInformationHeaderStyle(
        font_color="#000001", background_color="#FFFFFF"
    )
    information = Invoicingv2invoiceSettingsInvoiceSettingsInformation(
        merchant_logo=walk_logo(),
        merchant_display_name="Custom Merchant Display Name",
        custom_email_message="Custom merchant email message",
        enable_reminders=True,
        header_style=style.__dict__,
        delivery_language="en-US",
        default_currency_code="USD",
        payer_authentication_in_invoicing="enable",
        show_vat_number=False,
        vat_registration_number="Inv1234",
    )
    body = json.dumps(without_none(InvoiceSettingsRequest(invoice_settings_information=information.__dict__).__dict__))
    assert len(body) > 25_000
    for answer, status, _ in (
        walk.invoice_settings.update_invoice_settings(body),
        walk.invoice_settings.get_invoice_settings(),
        walk.invoice_settings.get_invoice_settings(product_type="INVOICING"),
    ):
        kept = answer.invoice_settings_information
        assert (status, kept.merchant_display_name) == (200, "Custom Merchant Display Name")
        assert kept.merchant_logo.startswith("data:image/png;base64,")
        assert kept.header_style.font_color == "#000001"
        assert (kept.enable_reminders, kept.payer_authentication3_ds_version, kept.email) == (True, True, True)
        assert answer.merchant_information.name
    other, status, _ = walk.invoice_settings.get_invoice_settings(product_type="PAYBYLINK")
    assert (status, other.invoice_settings_information.merchant_logo) == (200, None)
    other, status, _ = walk.invoice_settings.update_invoice_settings(
        json.dumps({"invoiceSettingsInformation": {"customEmailMessage": "Link"}}), product_type="PAYBYLINK"
    )
    assert (status, other.invoice_settings_information.custom_email_message) == (200, "Link")


@step
def a_wrong_setting_is_named(walk: Walk) -> None:
    body = json.dumps({"invoiceSettingsInformation": {"headerStyle": {"fontColor": "red"}, "deliveryLanguage": "xx"}})
    with refused(400) as refusal:
        walk.invoice_settings.update_invoice_settings(body)
    assert [detail["field"] for detail in refusal["details"]] == [
        "invoiceSettingsInformation.headerStyle.fontColor",
        "invoiceSettingsInformation.deliveryLanguage",
    ]


@step
def own_fields_are_defined_used_replaced_and_deleted(walk: Walk) -> None:
    from CyberSource import MerchantDefinedFieldCore, MerchantDefinedFieldDefinitionRequest

    first, second = walk.position * 2 + 1, walk.position * 2 + 2
    text = MerchantDefinedFieldDefinitionRequest(
        field_type="Text",
        label="Order reference",
        customer_visible=True,
        text_max_length=12,
        merchant_defined_data_index=first,
    )
    (defined,), status, _ = walk.fields.create_merchant_defined_field_definition("Invoice", as_sent(walk, text))
    assert (status, defined.label, defined.text_max_length, defined.reference_type) == (
        201,
        "Order reference",
        12,
        "Invoice",
    )
    select = MerchantDefinedFieldDefinitionRequest(
        field_type="Select",
        label="Branch",
        customer_visible=True,
        possible_values="North,South",
        merchant_defined_data_index=second,
    )
    (chosen,), _, _ = walk.fields.create_merchant_defined_field_definition("Invoice", as_sent(walk, select))
    with refused(409) as refusal:
        walk.fields.create_merchant_defined_field_definition("Invoice", as_sent(walk, select))
    assert refusal["status"] == 409
    listed, status, _ = walk.fields.get_merchant_defined_fields_definitions("Invoice")
    assert status == 200
    assert {defined.id, chosen.id} <= {each.id for each in listed}

    body = json.loads(a_create())
    body["merchantDefinedFieldValues"] = [
        {"definitionId": defined.id, "value": "PO-1"},
        {"definitionId": chosen.id, "value": "South"},
    ]
    invoice, _, _ = walk.invoices.create_invoice(json.dumps(body))
    values = invoice.merchant_defined_field_values_with_definition
    assert [(each.label, each.value, each.position) for each in values] == [
        ("Order reference", "PO-1", 0),
        ("Branch", "South", 1),
    ]
    body["merchantDefinedFieldValues"] = [{"definitionId": chosen.id, "value": "West"}]
    with refused(400) as refusal:
        walk.invoices.create_invoice(json.dumps(body))
    assert [detail["field"] for detail in refusal["details"]] == ["merchantDefinedFieldValues[0].value"]

    core = MerchantDefinedFieldCore(
        field_type="Text", label="Purchase order", text_max_length=20, merchant_defined_data_index=first
    )
    (replaced,), status, _ = walk.fields.put_merchant_defined_fields_definitions(
        "Invoice", defined.id, as_sent(walk, core)
    )
    assert (status, replaced.id, replaced.label) == (200, defined.id, "Purchase order")
    for each in (defined, chosen):
        _, status, body = walk.fields.delete_merchant_defined_fields_definitions("Invoice", each.id)
        assert (status, body) in {(204, ""), (204, None), (204, b"")}
    with refused(404):
        walk.fields.delete_merchant_defined_fields_definitions("Invoice", defined.id)
    with refused(400) as refusal:
        walk.fields.get_merchant_defined_fields_definitions("invoice")
    assert refusal["status"] == 400


@step
def an_unknown_invoice_is_404_everywhere(walk: Walk) -> None:
    for call in (
        walk.invoices.get_invoice,
        walk.invoices.perform_send_action,
        walk.invoices.perform_publish_action,
        walk.invoices.perform_cancel_action,
        lambda number: walk.invoices.update_invoice(number, an_update()),
    ):
        with refused(404) as refusal:
            call("none-of-that-number")
        assert (refusal["status"], refusal["reason"]) == ("NOTFOUND", "NOT_FOUND")


@step
def every_wrong_field_is_named(walk: Walk) -> None:
    body = json.loads(a_create(mode="email"))
    body["_customer_information"]["_email"] = "not an address"
    body["_invoice_information"]["_due_date"] = "11/07/2019"
    body["_order_information"]["_amount_details"]["_total_amount"] = "-1"
    body["_order_information"]["_line_items"][0]["_quantity"] = 0
    with refused(400) as refusal:
        walk.invoices.create_invoice(json.dumps(body))
    assert refusal["reason"] == "VALIDATION_ERROR"
    assert [detail["field"] for detail in refusal["details"]] == [
        "customerInformation.email",
        "invoiceInformation.dueDate",
        "orderInformation.amountDetails.totalAmount",
        "orderInformation.lineItems[0].quantity",
    ]


@step
def a_wrong_secret_is_401_and_says_no_more(walk: Walk) -> None:
    if "merchant_secretkey" not in walk.settings:
        # A P12 file has no secret to be wrong about: another password does not even open it.
        return
    wrong = walk.with_settings(merchant_secretkey=ANOTHER_SECRET)
    for call in (
        wrong.create,
        lambda: wrong.invoices.get_all_invoices(0, 10),
        wrong.invoice_settings.get_invoice_settings,
        lambda: wrong.fields.get_merchant_defined_fields_definitions("Invoice"),
    ):
        with refused(401) as refusal:
            call()
        assert refusal == {"response": {"rmsg": "Authentication Failed"}}


def an_update() -> str:
    from CyberSource import (
        Invoicingv2invoicesCustomerInformation,
        Invoicingv2invoicesidInvoiceInformation,
        UpdateInvoiceRequest,
    )

    customer = Invoicingv2invoicesCustomerInformation(name="New Customer Name", email="new_email@my-email.world")
    information = Invoicingv2invoicesidInvoiceInformation(
        description="This is after updating invoice",
        due_date="2019-07-11",
        allow_partial_payments=True,
        delivery_mode="none",
    )
    request = UpdateInvoiceRequest(
        customer_information=customer.__dict__,
        invoice_information=information.__dict__,
        order_information=an_order().__dict__,
    )
    return json.dumps(without_none(request.__dict__))


def walk_logo() -> str:
    """Return a PNG of about 20 kB in base64."""
    side = 80
    noise = random.Random(7)
    rows = b"".join(b"\0" + noise.randbytes(side * 3) for _ in range(side))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    file = io.BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n")
    file.write(chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)))
    file.write(chunk(b"IDAT", zlib.compress(rows)))
    file.write(chunk(b"IEND", b""))
    return base64.b64encode(file.getvalue()).decode()
