"""Definitions of merchant-defined fields on the wire: what may be defined, how it is answered, and how refused."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paydue.domain.errors import (
    Fault,
    InvalidFields,
    MerchantFieldChanged,
    MerchantFieldIndexTaken,
    MerchantFieldRefusal,
    NoSuchMerchantField,
    TooManyMerchantFields,
)
from paydue.domain.merchant_fields import FieldDefinition, FieldType, ReferenceType
from paydue.usecases.define_merchant_fields import MerchantFieldTypeFixed
from paydue.wire.merchant_fields_json import (
    read_definition,
    read_definition_id,
    read_reference_type,
    write_definitions,
    write_error,
    write_refusal,
)
from paydue.wire.strict_json import MalformedJson, parse_object

TIME = "2026-02-03T20:48:27.917947446Z"
TEXT = {
    "fieldType": "Text",
    "label": "Cup",
    "customerVisible": "true",
    "readOnly": "false",
    "textMinLength": 1,
    "textMaxLength": 100,
    "textDefaultValue": "default text",
    "merchantDefinedDataIndex": 15,
}
SELECT = {
    "fieldType": "Select",
    "label": "Size",
    "customerVisible": True,
    "possibleValues": "small,large",
    "merchantDefinedDataIndex": 16,
}


def read(example: dict[str, Any], **changed: Any) -> FieldDefinition:
    """Return the definition that the example means with some members changed; `...` removes one."""
    body = {name: value for name, value in {**example, **changed}.items() if value is not ...}
    return read_definition(parse_object(json.dumps(body).encode()))


def faults_of(example: dict[str, Any], **changed: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidFields) as refused:
        read(example, **changed)
    return [(fault.field, fault.reason) for fault in refused.value.faults]


def written(definition: FieldDefinition) -> dict[str, Any]:
    (only,) = json.loads(write_definitions([definition], "apirefsandbox", ReferenceType.INVOICE))
    return only


def test_the_references_example_is_read():
    assert read(TEXT) == FieldDefinition(
        field_type=FieldType.TEXT,
        label="Cup",
        is_customer_visible=True,
        is_read_only=False,
        text_minimum_length=1,
        text_maximum_length=100,
        text_default_value="default text",
        data_index=15,
    )


def test_a_text_field_is_answered_with_its_limits():
    definition = msgspec.structs.replace(read(TEXT), definition_id=7)

    assert write_definitions([definition], "apirefsandbox", ReferenceType.INVOICE).decode() == (
        '[{"id":7,"fieldType":"Text","label":"Cup","customerVisible":true,"readOnly":false,"textMinLength":1,'
        '"textMaxLength":100,"textDefaultValue":"default text","merchantDefinedDataIndex":15,'
        '"merchantId":"apirefsandbox","referenceType":"Invoice"}]'
    )


def test_a_select_field_is_answered_with_its_values():
    definition = msgspec.structs.replace(read(SELECT), definition_id=8)

    assert write_definitions([definition], "apirefsandbox", ReferenceType.DONATION).decode() == (
        '[{"id":8,"fieldType":"Select","label":"Size","customerVisible":true,"readOnly":false,'
        '"possibleValues":"small,large","merchantDefinedDataIndex":16,'
        '"merchantId":"apirefsandbox","referenceType":"Donation"}]'
    )


def test_no_definitions_are_an_empty_array():
    assert write_definitions([], "apirefsandbox", ReferenceType.INVOICE) == b"[]"


def test_what_is_not_sent_of_a_text_field_has_its_default():
    answer = written(read({"fieldType": "text", "label": "Cup", "merchantDefinedDataIndex": 1}))

    assert (answer["customerVisible"], answer["readOnly"]) == (False, False)
    assert (answer["textMinLength"], answer["textMaxLength"]) == (0, 100)
    assert "textDefaultValue" not in answer


@pytest.mark.parametrize("spelling", ["text", "Text", "TEXT"])
def test_the_type_is_read_in_any_letter_case_and_answered_in_one(spelling):
    assert written(read(TEXT, fieldType=spelling))["fieldType"] == "Text"


def test_spaces_around_the_values_of_a_select_field_are_trimmed():
    assert read(SELECT, possibleValues="small, very large ,x").possible_values == ("small", "very large", "x")


def test_null_counts_as_not_sent():
    assert read(SELECT, textMinLength=None, textDefaultValue=None).text_minimum_length is None
    assert read(TEXT, possibleValues=None).possible_values == ()


@pytest.mark.parametrize("name", ["id", "merchantId", "referenceType", "unheard"])
def test_members_that_are_only_answered_are_not_looked_at(name):
    assert read(TEXT, **{name: ["anything"]}) == read(TEXT)


@given(
    st.sampled_from([TEXT, SELECT]),
    st.dictionaries(
        st.sampled_from(sorted({*TEXT, *SELECT})),
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
        | st.lists(st.integers(), max_size=1),
    ),
)  # fmt: skip
def test_whatever_is_sent_is_either_refused_or_can_be_answered(example, changed):
    try:
        definition = read_definition(parse_object(json.dumps({**example, **changed}).encode()))
    except (InvalidFields, MalformedJson):
        return
    assert written(definition)["label"] == definition.label


def test_everything_missing_is_named_in_order():
    assert faults_of({}) == [
        ("fieldType", "MISSING_FIELD"),
        ("label", "MISSING_FIELD"),
        ("merchantDefinedDataIndex", "MISSING_FIELD"),
    ]


@pytest.mark.parametrize(
    "example, name, value",
    [
        (TEXT, "fieldType", "number"),
        (TEXT, "fieldType", 1),
        (TEXT, "label", "l" * 101),
        (TEXT, "label", "two\nlines"),
        (TEXT, "label", 5),
        (TEXT, "customerVisible", "perhaps"),
        (TEXT, "readOnly", 1),
        (TEXT, "textMinLength", -1),
        (TEXT, "textMinLength", 256),
        (TEXT, "textMinLength", 101),
        (TEXT, "textMaxLength", 0),
        (TEXT, "textMaxLength", 256),
        (TEXT, "textMaxLength", 1.5),
        (TEXT, "textDefaultValue", "d" * 101),
        (TEXT, "textDefaultValue", 5),
        (TEXT, "possibleValues", "a,b"),
        (TEXT, "merchantDefinedDataIndex", 0),
        (TEXT, "merchantDefinedDataIndex", 101),
        (TEXT, "merchantDefinedDataIndex", "fifteen"),
        (SELECT, "textMinLength", 0),
        (SELECT, "textMaxLength", 100),
        (SELECT, "textDefaultValue", "small"),
        (SELECT, "possibleValues", ...),
        (SELECT, "possibleValues", ""),
        (SELECT, "possibleValues", 5),
        (SELECT, "possibleValues", ["a", "b"]),
        (SELECT, "possibleValues", "only one"),
        (SELECT, "possibleValues", "a,,b"),
        (SELECT, "possibleValues", "a,b,"),
        (SELECT, "possibleValues", "a,b,a"),
        (SELECT, "possibleValues", "a," + "b" * 21),
        (SELECT, "possibleValues", ",".join(f"{number:019}" for number in range(31))),
    ],
)
def test_a_definition_that_cannot_be_is_refused_by_the_field_at_fault(example, name, value):
    assert {field for field, _ in faults_of(example, **{name: value})} == {name}


@pytest.mark.parametrize(
    "example, name, value",
    [
        (TEXT, "textMinLength", "12"),
        (TEXT, "textMinLength", 12.0),
        (TEXT, "textMaxLength", 255),
        (TEXT, "merchantDefinedDataIndex", 1),
        (TEXT, "merchantDefinedDataIndex", 100),
        (TEXT, "label", "l" * 100),
        (SELECT, "possibleValues", "a," + "b" * 20),
        (SELECT, "possibleValues", ",".join(f"{number:019}" for number in range(30))),
    ],
)
def test_a_definition_at_its_limits_is_taken(example, name, value):
    assert read(example, **{name: value}).label


def test_a_default_has_to_keep_to_the_limits_of_its_field():
    assert read(TEXT, textMinLength=12).text_default_value == "default text"
    assert read(TEXT, textMaxLength=12).text_default_value == "default text"
    for limits in ({"textMinLength": 13}, {"textMaxLength": 11}):
        assert [field for field, _ in faults_of(TEXT, **limits)] == ["textDefaultValue"]


def test_the_longest_value_is_a_hundred_characters_unless_sent():
    assert faults_of(TEXT, textMinLength=101, textMaxLength=..., textDefaultValue=...) == [
        ("textMinLength", "Invalid: must not be above textMaxLength, which is 100")
    ]


@pytest.mark.parametrize("flags", [{"customerVisible": False}, {"customerVisible": ...}, {"readOnly": True}])
def test_a_select_field_is_always_visible_and_never_read_only(flags):
    assert faults_of(SELECT, **flags) == [
        ("customerVisible readOnly", "Invalid: a Select field has to be visible and must not be read-only")
    ]


def test_all_that_is_wrong_with_the_values_of_a_select_field_is_told():
    assert faults_of(SELECT, possibleValues="Best Dad in the world,,") == [
        ("possibleValues", "Invalid: a value must not be empty"),
        ("possibleValues", "Too long: Best Dad in the world: at most 20 characters each"),
        ("possibleValues", "Invalid: a value must not stand there twice"),
    ]


@pytest.mark.parametrize("segment", ["Invoice", "Purchase", "Donation"])
def test_a_reference_type_is_read_as_written(segment):
    assert read_reference_type(segment).value == segment


@pytest.mark.parametrize("segment", ["invoice", "invoices", "INVOICE", "", "Invoice "])
def test_a_reference_type_that_is_none_is_named(segment):
    with pytest.raises(InvalidFields) as refused:
        read_reference_type(segment)

    assert refused.value.faults == (Fault("referenceType", "Invalid: has to be one of Invoice, Purchase, Donation"),)


@pytest.mark.parametrize(
    "segment, definition_id",
    [("1", 1), ("1515", 1515), ("0", 0), ("01", 0), ("-1", 0), ("+1", 0), ("x", 0), ("", 0), ("٣", 0), ("9" * 40, 0)],
)
def test_an_id_that_cannot_be_one_is_nobodys(segment, definition_id):
    assert read_definition_id(segment) == definition_id


@pytest.mark.parametrize(
    "refusal, status, reason, fields",
    [
        (InvalidFields((Fault("label", "MISSING_FIELD"),)), 400, "VALIDATION_ERROR", ["label"]),
        (MerchantFieldTypeFixed(7, FieldType.TEXT), 400, "VALIDATION_ERROR", ["fieldType"]),
        (NoSuchMerchantField(7), 404, "NOT_FOUND", None),
        (MerchantFieldChanged(7), 409, "MERCHANT_DEFINED_FIELD_ALREADY_UPDATED", None),
        (
            MerchantFieldIndexTaken(15),
            409,
            "MERCHANT_DEFINED_DATA_INDEX_ALREADY_ASSIGNED",
            ["merchantDefinedDataIndex"],
        ),
        (TooManyMerchantFields("Invoice", 20), 412, "MERCHANT_DEFINED_FIELD_LIMIT_EXCEEDED", None),
    ],
)
def test_a_refusal_is_answered_flat_with_its_status_as_a_number(refusal, status, reason, fields):
    answer = write_refusal(refusal, TIME)

    body = json.loads(answer.body)
    assert answer.status == status
    assert list(body)[:4] == ["submitTimeUtc", "status", "reason", "message"]
    assert (body["submitTimeUtc"], body["status"], body["reason"]) == (TIME, status, reason)
    assert body["message"]
    details = body.get("details")
    assert (details and [detail["field"] for detail in details]) == fields


def test_every_refusal_of_a_merchant_defined_field_has_an_answer():
    def kinds(kind: type[MerchantFieldRefusal]) -> set[type[MerchantFieldRefusal]]:
        return {kind}.union(*(kinds(below) for below in kind.__subclasses__()))

    answered = {
        NoSuchMerchantField, MerchantFieldChanged, MerchantFieldIndexTaken, TooManyMerchantFields,
        MerchantFieldTypeFixed,
    }  # fmt: skip
    assert kinds(MerchantFieldRefusal) - {MerchantFieldRefusal} == answered


def test_an_error_without_faults_has_no_details():
    assert write_error(400, "VALIDATION_ERROR", "The body is not JSON.", TIME).body.decode() == (
        f'{{"submitTimeUtc":"{TIME}","status":400,"reason":"VALIDATION_ERROR","message":"The body is not JSON."}}'
    )
