"""The operations on invoices: read, use case, write; nothing else."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from paydue.domain.errors import NoSuchInvoice
from paydue.domain.invoice import Invoice
from paydue.domain.merchant_fields import FieldDefinition, ReferenceType
from paydue.domain.payments import Payment
from paydue.domain.settings import Label, ProductType
from paydue.domain.terms import Terms
from paydue.usecases.cancel_invoice import cancel_invoice
from paydue.usecases.create_invoice import CreateInvoice, create_invoice, stayed_draft
from paydue.usecases.ports import Answer, Secrets
from paydue.usecases.publish_invoice import publish_invoice
from paydue.usecases.record_payment import record_payment
from paydue.usecases.send_invoice import send_invoice
from paydue.usecases.update_invoice import update_invoice
from paydue.wire.error_json import write_not_mailed
from paydue.wire.plain_invoice import read_plain_invoice
from paydue.wire.query import read_list_query
from paydue.wire.read_invoice import read_changed_terms, read_new_invoice, read_payment
from paydue.wire.request import Request
from paydue.wire.router import Route
from paydue.wire.shown_lately import ShownLately
from paydue.wire.strict_json import MalformedJson
from paydue.wire.write_invoice import payment_link, write_shown
from paydue.wire.write_list import write_list

_LARGEST_INVOICE: Final = 256 * 1024
_LARGEST_OTHER: Final = 64 * 1024


class InvoiceRoutes:
    """
    `portal_url` is what payment links begin with; `accepts_doubles` is `amount_rules = "observed"`; `lately` writes
    invoices for the store.
    """

    def __init__(
        self, *, secrets: Secrets, portal_url: str, accepts_doubles: bool, resends_a_day: int, lately: ShownLately
    ) -> None:
        self._lately = lately
        self._resends_a_day = resends_a_day
        self._secrets = secrets
        self._portal_url = portal_url
        self._accepts_doubles = accepts_doubles

    def routes(self) -> tuple[Route, ...]:
        invoices = "/invoicing/v2/invoices"
        one = invoices + "/{id}"
        return (
            Route("POST", invoices, self.create, _LARGEST_INVOICE, is_prompt=True),
            Route("GET", invoices, self.list_all, _LARGEST_OTHER, is_prompt=True),
            Route("GET", one, self.get, _LARGEST_OTHER, is_prompt=True),
            Route("PUT", one, self.update, _LARGEST_INVOICE, is_prompt=True),
            Route("POST", one + "/delivery", self.send, _LARGEST_OTHER, is_prompt=True),
            Route("POST", one + "/publication", self.publish, _LARGEST_OTHER, is_prompt=True),
            Route("POST", one + "/cancelation", self.cancel, _LARGEST_OTHER, is_prompt=True),
            Route("POST", "/paydue/v1/invoices/{id}/payments", self.record_payment, _LARGEST_OTHER, is_prompt=True),
        )

    async def create(self, request: Request) -> Answer:
        at = request.at
        wish = read_plain_invoice(request.body, at.date(), accepts_doubles=self._accepts_doubles)
        if wish is None:
            wish = await self._read_with_care(request, at.date())
        labels = await self._labels(request)

        def written(invoice: Invoice) -> Answer:
            if stayed_draft(wish, invoice):
                return Answer(202, write_not_mailed(invoice.number, invoice.terms.email, request.submit_time))
            return Answer(201, self._write(request, invoice, labels))

        invoice = await create_invoice(
            request.store,
            wish,
            at=at,
            secrets=self._secrets,
            actor=request.actor,
            receipt=request.receipt(written),
        )
        return written(invoice)

    async def list_all(self, request: Request) -> Answer:
        offset, limit, status, written = read_list_query(request.query)
        page = await request.store.page(offset, limit, status)
        return Answer(
            200,
            write_list(
                page,
                offset=offset,
                limit=limit,
                status=written,
                submit_time=request.submit_time,
                portal_url=self._portal_url,
            ),
        )

    async def get(self, request: Request) -> Answer:
        number = request.values[0]
        found = await request.store.shown(number)
        if found is None:
            raise NoSuchInvoice(number)
        labels = await self._labels(request)
        if not found.text:
            # Another release kept it.
            return Answer(200, self._write(request, await self._existing(request), labels, with_history=True))
        link = self._link(found.payment_token)
        return Answer(200, write_shown(found.text, request.submit_time, link, labels, with_history=True))

    async def update(self, request: Request) -> Answer:
        try:
            document = request.document()
        except MalformedJson:
            # Whether the invoice exists comes before whether the body can be read.
            await self._existing(request)
            raise
        at = request.at
        definitions = await self._definitions(request, document)

        def terms_for(stored: Invoice) -> Terms:
            return read_changed_terms(
                document, stored, at.date(), definitions=definitions, accepts_doubles=self._accepts_doubles
            )

        invoice = await update_invoice(
            request.store, request.values[0], terms_for, at=at, secrets=self._secrets, actor=request.actor
        )
        return Answer(200, self._write(request, invoice, await self._labels(request)))

    async def send(self, request: Request) -> Answer:
        return await self._act(request, send_invoice, secrets=self._secrets, resends_a_day=self._resends_a_day)

    async def publish(self, request: Request) -> Answer:
        return await self._act(request, publish_invoice, secrets=self._secrets)

    async def cancel(self, request: Request) -> Answer:
        return await self._act(request, cancel_invoice)

    async def record_payment(self, request: Request) -> Answer:
        try:
            document = request.document()
        except MalformedJson:
            await self._existing(request)
            raise
        labels = await self._labels(request)
        at = request.at

        def payment_for(invoice: Invoice) -> Payment:
            return read_payment(document, invoice.terms.currency, at)

        def written(invoice: Invoice) -> Answer:
            return Answer(201, self._write(request, invoice, labels, with_history=True))

        return written(
            await record_payment(
                request.store,
                request.values[0],
                payment_for,
                at=at,
                actor=request.actor,
                receipt=request.receipt(written),
            )
        )

    async def _act(self, request: Request, use_case: Any, **more: Any) -> Answer:
        """Do what needs no body. `use_case` is any of those that take a store and a number."""
        try:
            request.check_ignored_body()
        except MalformedJson:
            await self._existing(request)
            raise
        labels = await self._labels(request)

        def written(invoice: Invoice) -> Answer:
            return Answer(200, self._write(request, invoice, labels))

        return written(
            await use_case(
                request.store,
                request.values[0],
                at=request.at,
                actor=request.actor,
                receipt=request.receipt(written),
                **more,
            )
        )

    async def _existing(self, request: Request) -> Invoice:
        number = request.values[0]
        invoice = await request.store.invoice(number)
        if invoice is None:
            raise NoSuchInvoice(number)
        return invoice

    async def _read_with_care(self, request: Request, today: date) -> CreateInvoice:
        document = request.document()
        definitions = await self._definitions(request, document)
        return read_new_invoice(document, today, definitions=definitions, accepts_doubles=self._accepts_doubles)

    async def _labels(self, request: Request) -> tuple[Label, ...]:
        return (await request.store.settings(ProductType.INVOICING)).labels

    async def _definitions(self, request: Request, document: dict[str, Any]) -> Mapping[int, FieldDefinition]:
        """The merchant's field definitions by id, looked up only for a body that has values for them."""
        if not document.get("merchantDefinedFieldValues"):
            return {}
        definitions = await request.store.field_definitions(ReferenceType.INVOICE)
        return {definition.definition_id: definition for definition in definitions}

    def _write(
        self, request: Request, invoice: Invoice, labels: tuple[Label, ...], *, with_history: bool = False
    ) -> bytes:
        token = invoice.payment_token if invoice.has_payment_link else None
        return write_shown(
            self._lately.of(invoice), request.submit_time, self._link(token), labels, with_history=with_history
        )

    def _link(self, token: str | None) -> str | None:
        return payment_link(self._portal_url, token) if token is not None else None
