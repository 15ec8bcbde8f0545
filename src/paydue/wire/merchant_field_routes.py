"""The operations on definitions of merchant-defined fields, whose errors have a shape of their own."""

from collections.abc import Awaitable, Callable
from typing import Final

from paydue.domain.errors import InvalidFields, MerchantFieldRefusal
from paydue.domain.merchant_fields import FieldDefinition, ReferenceType
from paydue.usecases.define_merchant_fields import (
    add_field_definition,
    delete_field_definition,
    list_field_definitions,
    replace_field_definition,
)
from paydue.usecases.ports import Answer
from paydue.wire.merchant_fields_json import (
    read_definition,
    read_definition_id,
    read_reference_type,
    write_definitions,
    write_error,
    write_refusal,
)
from paydue.wire.request import Request
from paydue.wire.router import Route
from paydue.wire.strict_json import MalformedJson

_LARGEST: Final = 64 * 1024
_Handler = Callable[[Request], Awaitable[Answer]]


class MerchantFieldRoutes:
    def routes(self) -> tuple[Route, ...]:
        definitions = "/invoicing/v2/{referenceType}/merchantDefinedFields"
        one = definitions + "/{id}"
        return (
            Route("GET", definitions, _with_own_errors(self.list_all), _LARGEST),
            Route("POST", definitions, _with_own_errors(self.add), _LARGEST),
            Route("PUT", one, _with_own_errors(self.replace), _LARGEST),
            Route("DELETE", one, _with_own_errors(self.delete), _LARGEST),
        )

    async def list_all(self, request: Request) -> Answer:
        reference_type = read_reference_type(request.values[0])
        definitions = await list_field_definitions(request.store, reference_type)
        return Answer(200, write_definitions(definitions, request.store.merchant_id, reference_type))

    async def add(self, request: Request) -> Answer:
        reference_type = read_reference_type(request.values[0])
        wanted = read_definition(request.document())

        def written(definition: FieldDefinition) -> Answer:
            return Answer(201, _write_one(definition, request, reference_type))

        definition = await add_field_definition(
            request.store, reference_type, wanted, at=request.at, receipt=request.receipt(written)
        )
        return written(definition)

    async def replace(self, request: Request) -> Answer:
        reference_type = read_reference_type(request.values[0])
        wanted = read_definition(request.document())
        definition = await replace_field_definition(
            request.store, reference_type, read_definition_id(request.values[1]), wanted, at=request.at
        )
        return Answer(200, _write_one(definition, request, reference_type))

    async def delete(self, request: Request) -> Answer:
        reference_type = read_reference_type(request.values[0])
        await delete_field_definition(request.store, reference_type, read_definition_id(request.values[1]))
        return Answer(204, b"")


def _write_one(definition: FieldDefinition, request: Request, reference_type: ReferenceType) -> bytes:
    return write_definitions([definition], request.store.merchant_id, reference_type)


def _with_own_errors(handler: _Handler) -> _Handler:
    """Return the handler with its refusals answered in the shape of these calls."""

    async def answer(request: Request) -> Answer:
        try:
            return await handler(request)
        except (MerchantFieldRefusal, InvalidFields) as refusal:
            return write_refusal(refusal, request.submit_time)
        except MalformedJson as fault:
            return write_error(400, "VALIDATION_ERROR", str(fault), request.submit_time)

    return answer
