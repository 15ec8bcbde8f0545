"""
Definitions of merchant-defined fields as the API's JSON has them, and the errors of these calls, which have a shape of
their own: flat, with the HTTP status as a number.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

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
from paydue.usecases.ports import Answer
from paydue.wire.fields import MISSING, Faults, Reader

_FIELD_TYPES: Final = {"text": FieldType.TEXT, "select": FieldType.SELECT}
_TEXT_ONLY: Final = ("textMinLength", "textMaxLength", "textDefaultValue")
_DEFAULT_MAXIMUM_LENGTH: Final = 100
# No source limits the length of a value; the payment message that carries it to the processor has room for this much.
_LONGEST_VALUE: Final = 255
_LONGEST_CHOICE: Final = 20
_LARGEST_INDEX: Final = 100
_ID: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def read_reference_type(segment: str) -> ReferenceType:
    """Read the path's reference type, written exactly so. Raises InvalidFields."""
    try:
        return ReferenceType(segment)
    except ValueError:
        reason = f"Invalid: has to be one of {', '.join(ReferenceType)}"
        raise InvalidFields((Fault("referenceType", reason),)) from None


def read_definition_id(segment: str) -> int:
    """Read the path's id; what cannot be one is 0, which no definition has."""
    return int(segment) if _ID.fullmatch(segment) else 0


def read_definition(document: dict[str, Any]) -> FieldDefinition:
    """Read the body of an add or a replacement, which are the same. Raises InvalidFields."""
    faults = Faults()
    body = Reader(document, "", faults)
    field_type = body.choice("fieldType", _FIELD_TYPES)
    if field_type is None and not body.has("fieldType"):
        body.fault("fieldType", MISSING)
    label = body.text("label", 100, required=True)
    is_customer_visible = bool(body.flag("customerVisible"))
    is_read_only = bool(body.flag("readOnly"))
    if field_type is FieldType.SELECT and (is_read_only or not is_customer_visible):
        # Both in one, as the reference names them.
        body.fault("customerVisible readOnly", "Invalid: a Select field has to be visible and must not be read-only")
    least, most, default = _read_text_limits(body, field_type)
    possible_values = _read_possible_values(body, field_type)
    data_index = body.integer("merchantDefinedDataIndex", 1, _LARGEST_INDEX, required=True)
    faults.raise_if_any()
    assert field_type is not None and label is not None and data_index is not None
    return FieldDefinition(
        field_type=field_type,
        label=label,
        is_customer_visible=is_customer_visible,
        is_read_only=is_read_only,
        text_minimum_length=least,
        text_maximum_length=most,
        text_default_value=default,
        possible_values=possible_values,
        data_index=data_index,
    )


def write_definitions(definitions: Sequence[FieldDefinition], merchant_id: str, reference_type: ReferenceType) -> bytes:
    """Return the array that all of these calls answer, whether it has one definition or many."""
    return _encode([_write_definition(each, merchant_id, reference_type) for each in definitions])


def write_refusal(refusal: MerchantFieldRefusal | InvalidFields, submit_time: str) -> Answer:
    """Return status and body that tell why nothing was done."""
    match refusal:
        case InvalidFields(faults=faults):
            return write_error(400, "VALIDATION_ERROR", "Fields are missing or wrong.", submit_time, faults)
        case MerchantFieldTypeFixed(field_type=field_type):
            fault = Fault("fieldType", f"Invalid: this field is a {field_type} field and stays one")
            return write_error(400, "VALIDATION_ERROR", "Fields are missing or wrong.", submit_time, (fault,))
        case MerchantFieldIndexTaken(index=index):
            fault = Fault("merchantDefinedDataIndex", f"Invalid: {index} belongs to another field")
            message = "The index is assigned to another merchant-defined field."
            return write_error(409, "MERCHANT_DEFINED_DATA_INDEX_ALREADY_ASSIGNED", message, submit_time, (fault,))
        case MerchantFieldChanged():
            message = "The merchant-defined field was changed by somebody else, or there is none of that id."
            return write_error(409, "MERCHANT_DEFINED_FIELD_ALREADY_UPDATED", message, submit_time)
        case NoSuchMerchantField():
            return write_error(404, "NOT_FOUND", "There is no merchant-defined field of that id.", submit_time)
        case TooManyMerchantFields(reference_type=reference_type, limit=limit):
            message = f"A merchant may have {limit} fields of type {reference_type}."
            return write_error(412, "MERCHANT_DEFINED_FIELD_LIMIT_EXCEEDED", message, submit_time)
        case _:
            raise AssertionError(f"no answer is written for {refusal!r}")


def write_error(status: int, reason: str, message: str, submit_time: str, faults: Sequence[Fault] = ()) -> Answer:
    """Return an error in the shape of these calls."""
    error = _Error(
        submit_time_utc=submit_time,
        status=status,
        reason=reason,
        message=message,
        details=[_Detail(field=fault.field, reason=fault.reason) for fault in faults] or None,
    )
    return Answer(status, _encode(error))


def _read_text_limits(body: Reader, field_type: FieldType | None) -> tuple[int | None, int | None, str | None]:
    """Read shortest, longest and default value of a text field; a select field has none of them."""
    if field_type is FieldType.SELECT:
        for name in _TEXT_ONLY:
            if body.has(name):
                body.fault(name, "Invalid: not possible for a Select field")
        return None, None, None
    least = body.integer("textMinLength", 0, _LONGEST_VALUE)
    most = body.integer("textMaxLength", 1, _LONGEST_VALUE)
    default = body.text("textDefaultValue", 100)
    least = 0 if least is None else least
    most = _DEFAULT_MAXIMUM_LENGTH if most is None else most
    if least > most:
        body.fault("textMinLength", f"Invalid: must not be above textMaxLength, which is {most}")
    elif default is not None and not least <= len(default) <= most:
        body.fault("textDefaultValue", f"Invalid: must have {least} to {most} characters")
    return least, most, default


def _read_possible_values(body: Reader, field_type: FieldType | None) -> tuple[str, ...]:
    """Read a select field's values, separated by commas; a text field has none."""
    name = "possibleValues"
    if field_type is FieldType.TEXT:
        if body.has(name):
            body.fault(name, "Invalid: not possible for a Text field")
        return ()
    text = body.text(name, 600, required=field_type is FieldType.SELECT)
    if text is None:
        return ()
    values = tuple(value.strip(" ") for value in text.split(","))
    if len(values) < 2:
        body.fault(name, "Invalid: at least two values are needed, separated by commas")
    if "" in values:
        body.fault(name, "Invalid: a value must not be empty")
    for value in values:
        if len(value) > _LONGEST_CHOICE:
            body.fault(name, f"Too long: {value}: at most {_LONGEST_CHOICE} characters each")
    if len(set(values)) < len(values):
        body.fault(name, "Invalid: a value must not stand there twice")
    return values


class _Definition(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """Members in the order of the wire."""

    id: int
    field_type: str
    label: str
    customer_visible: bool
    read_only: bool
    text_min_length: int | None = None
    text_max_length: int | None = None
    text_default_value: str | None = None
    possible_values: str | None = None
    merchant_defined_data_index: int
    merchant_id: str
    reference_type: str


class _Detail(msgspec.Struct, kw_only=True):
    field: str
    reason: str


class _Error(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    submit_time_utc: str
    status: int
    reason: str
    message: str
    details: list[_Detail] | None = None


_encode = msgspec.json.Encoder().encode


def _write_definition(definition: FieldDefinition, merchant_id: str, reference_type: ReferenceType) -> _Definition:
    return _Definition(
        id=definition.definition_id,
        field_type=definition.field_type.value,
        label=definition.label,
        customer_visible=definition.is_customer_visible,
        read_only=definition.is_read_only,
        text_min_length=definition.text_minimum_length,
        text_max_length=definition.text_maximum_length,
        text_default_value=definition.text_default_value,
        possible_values=",".join(definition.possible_values) or None,
        merchant_defined_data_index=definition.data_index,
        merchant_id=merchant_id,
        reference_type=reference_type.value,
    )
