"""Whether an invoice's payer is reminded: ours beside the compatible API, which has one switch for all invoices."""

from typing import Any, Final

import msgspec

from paydue.domain.errors import Fault, InvalidFields, NoSuchInvoice
from paydue.domain.invoice import Invoice
from paydue.usecases.delivery_ports import Reminders
from paydue.usecases.ports import Answer
from paydue.wire.fields import MISSING
from paydue.wire.request import Request
from paydue.wire.router import Route
from paydue.wire.strict_json import MalformedJson

_LARGEST: Final = 64 * 1024


class _Reminders(msgspec.Struct, rename="camel", omit_defaults=True):
    invoice_id: str
    is_stopped: bool = msgspec.field()
    stopped_at: str | None = None


_encode = msgspec.json.Encoder().encode


class ReminderRoutes:
    def __init__(self, *, reminders: Reminders) -> None:
        self._reminders = reminders

    def routes(self) -> tuple[Route, ...]:
        reminders = "/paydue/v1/invoices/{id}/reminders"
        return (
            Route("GET", reminders, self.get, _LARGEST),
            Route("PUT", reminders, self.switch, _LARGEST),
        )

    async def get(self, request: Request) -> Answer:
        return await self._shown(request, await _existing(request))

    async def switch(self, request: Request) -> Answer:
        try:
            document = request.document()
        except MalformedJson:
            # Whether the invoice exists comes before whether the body can be read.
            await _existing(request)
            raise
        invoice = await _existing(request)
        change = self._reminders.stop if _is_stopped(document) else self._reminders.start
        await change(request.store.merchant_id, invoice.serial, request.at, request.actor)
        return await self._shown(request, invoice)

    async def _shown(self, request: Request, invoice: Invoice) -> Answer:
        at = await self._reminders.stopped_at(request.store.merchant_id, invoice.serial)
        stopped_at = at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at is not None else None
        return Answer(
            200, _encode(_Reminders(invoice_id=invoice.number, is_stopped=at is not None, stopped_at=stopped_at))
        )


async def _existing(request: Request) -> Invoice:
    number = request.values[0]
    invoice = await request.store.invoice(number)
    if invoice is None:
        raise NoSuchInvoice(number)
    return invoice


def _is_stopped(document: dict[str, Any]) -> bool:
    value = document.get("isStopped")
    if value is None:
        raise InvalidFields((Fault("isStopped", MISSING),))
    if not isinstance(value, bool):
        raise InvalidFields((Fault("isStopped", "Invalid: true or false is needed"),))
    return value
