"""What a payer is asked for besides money."""

import pytest

from builders import some_terms
from paydue.domain.merchant_fields import FieldDefinition, FieldType, FieldValue
from paydue.domain.payer_details import asked_of_payer, is_phone
from paydue.domain.settings import Settings


@pytest.mark.parametrize(
    ("invoice", "settings", "asked"),
    [
        (None, False, False),
        (None, True, True),
        (False, True, False),
        (True, False, True),
    ],
)
def test_the_invoice_decides_and_where_it_says_nothing_the_settings(
    invoice: bool | None, settings: bool, asked: bool
) -> None:
    found = asked_of_payer(
        some_terms(requests_phone=invoice, requests_shipping=invoice),
        Settings(asks_for_phone=settings, asks_for_shipping=settings),
    )
    assert (found.phone, found.shipping) == (asked, asked)


def test_an_address_is_needed_where_none_is_known() -> None:
    assert asked_of_payer(some_terms(email=None), Settings()).needs_email
    assert not asked_of_payer(some_terms(), Settings()).needs_email


def a_field(definition_id: int, **changed) -> FieldDefinition:
    values = {"definition_id": definition_id, "field_type": FieldType.TEXT, "label": f"Field {definition_id}"}
    return FieldDefinition(**{**values, "data_index": definition_id, "is_customer_visible": True, **changed})


def test_payers_fill_in_what_they_may_see_and_change() -> None:
    on_invoice = [
        FieldValue(definition=a_field(1), value="A"),
        FieldValue(definition=a_field(2, is_read_only=True), value="B"),
        FieldValue(definition=a_field(3, is_customer_visible=False), value="C"),
    ]
    definitions = [a_field(1, label="renamed since"), a_field(4, text_default_value="D"), a_field(5, is_read_only=True)]
    asked = asked_of_payer(some_terms(field_values=tuple(on_invoice)), Settings(), definitions)
    assert [(each.definition.label, each.value) for each in asked.fields] == [("Field 1", "A"), ("Field 4", "D")]


@pytest.mark.parametrize("text", ["+1 207 555 0198", "(0)40 12 34-56", "123456", "+49.30/1234567"])
def test_telephone_numbers_are_taken_as_people_write_them(text: str) -> None:
    assert is_phone(text)


@pytest.mark.parametrize(
    "text", ["12345", "1234567890123456", "call me", "+", "١٢٣٤٥٦", "1\n23456", "++123456", "1" * 40]
)
def test_what_cannot_be_dialled_is_no_telephone_number(text: str) -> None:
    assert not is_phone(text)
