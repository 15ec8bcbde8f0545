"""The operations on payments, ours beside the compatible API: what came in, giving it back, and deciding a review."""

import uuid
from collections.abc import Callable
from typing import Any, Final

from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.domain.errors import (
    AttemptNotOpen,
    GatewayRefusal,
    IdempotencyKeyReused,
    NoSuchInvoice,
    NoSuchPayment,
    PaymentNotCharged,
)
from paydue.domain.invoice import Invoice
from paydue.domain.refunds import Refund, RefundState
from paydue.domain.settings import ProductType
from paydue.usecases.change_attempt import Books
from paydue.usecases.find_payments import find_payments
from paydue.usecases.gateway_ports import Gateway
from paydue.usecases.payment_desk import PaymentDesk
from paydue.usecases.ports import Answer
from paydue.usecases.refund_payment import RefundWish, refund_payment
from paydue.usecases.reverse_payment import reverse_payment
from paydue.usecases.review_payment import review_payment
from paydue.wire.payment_json import (
    RefundBody,
    read_refund,
    read_resolved,
    read_reversal,
    write_attempts,
    write_payments,
    write_refund,
    write_unapplied,
)
from paydue.wire.request import Request
from paydue.wire.router import Route
from paydue.wire.shown_lately import ShownLately
from paydue.wire.strict_json import MalformedJson
from paydue.wire.write_invoice import payment_link, write_shown

_LARGEST: Final = 64 * 1024
_MOST_ATTEMPTS: Final = 100
# Whose names come of an Idempotency-Key, so that a repeat is the same refund wherever it arrives.
_REFUNDS: Final = uuid.UUID("6f4a3c52-0f0e-5d6b-9c7a-3f1f2f4c8b11")


class PaymentRoutes:
    """`desk` is where payers' money is taken, `portal_url` what payment links begin with; `lately` writes invoices."""

    def __init__(self, *, desk: PaymentDesk, portal_url: str, lately: ShownLately) -> None:
        self._lately = lately
        self._desk = desk
        self._portal_url = portal_url

    def routes(self) -> tuple[Route, ...]:
        payments = "/paydue/v1/invoices/{id}/payments"
        one = payments + "/{transactionId}"
        unapplied = "/paydue/v1/unapplied-money"
        return (
            Route("GET", payments, self.list_payments, _LARGEST),
            Route("GET", "/paydue/v1/invoices/{id}/attempts", self.list_attempts, _LARGEST),
            Route("POST", one + "/refunds", self.refund, _LARGEST),
            Route("POST", one + "/reversal", self.reverse, _LARGEST),
            Route("POST", one + "/acceptance", self.accept, _LARGEST),
            Route("POST", one + "/rejection", self.reject, _LARGEST),
            Route("GET", unapplied, self.list_unapplied, _LARGEST),
            Route("POST", unapplied + "/{gateway}/{transactionId}/refunds", self.refund_unapplied, _LARGEST),
        )

    async def list_payments(self, request: Request) -> Answer:
        return Answer(200, write_payments(await find_payments(self._books(request), request.values[0])))

    async def list_attempts(self, request: Request) -> Answer:
        invoice = await self._existing(request)
        attempts = await self._books(request).attempts.attempts_of(invoice.number, _MOST_ATTEMPTS)
        return Answer(200, write_attempts(attempts))

    async def refund(self, request: Request) -> Answer:
        body = await self._read(request, read_refund)
        books, attempt = self._books(request), await self._attempt(request)
        wish = RefundWish(
            attempt_id=attempt.attempt_id,
            refund_id=_refund_id(request),
            amount=body.amount,
            is_due_again=body.is_due_again,
        )
        _check_same(request, attempt.refund(wish.refund_id), body)
        return await self._refunded(request, books, self._gateway(request, attempt), wish)

    async def reverse(self, request: Request) -> Answer:
        amount = await self._read(request, read_reversal)
        write = await self._invoice_writer(request)

        def written(invoice: Invoice) -> Answer:
            return Answer(201, write(invoice))

        return written(
            await reverse_payment(
                self._books(request),
                request.values[0],
                request.values[1],
                amount,
                at=request.at,
                actor=request.actor,
                receipt=request.receipt(written),
            )
        )

    async def accept(self, request: Request) -> Answer:
        return await self._decide(request, accepts=True)

    async def reject(self, request: Request) -> Answer:
        return await self._decide(request, accepts=False)

    async def list_unapplied(self, request: Request) -> Answer:
        attempts = self._books(request).attempts
        money = await attempts.unapplied_money(resolved=read_resolved(request.query))
        return Answer(200, write_unapplied(money))

    async def refund_unapplied(self, request: Request) -> Answer:
        request.check_ignored_body()
        books = self._books(request)
        gateway_name, transaction_id = request.values
        money = await books.attempts.unapplied(transaction_id, gateway_name)
        attempt = await books.attempts.attempt(money.attempt_id) if money is not None else None
        if attempt is None:
            raise NoSuchPayment(transaction_id)
        wish = RefundWish(attempt_id=attempt.attempt_id, refund_id=_refund_id(request), unapplied=transaction_id)
        return await self._refunded(request, books, self._gateway(request, attempt), wish)

    async def _refunded(self, request: Request, books: Books, gateway: Gateway, wish: RefundWish) -> Answer:
        attempt = await refund_payment(books, gateway, wish, clock=self._desk.clock, actor=request.actor)
        refund = attempt.refund(wish.refund_id)
        assert refund is not None
        if refund.state is RefundState.FAILED:
            raise GatewayRefusal(refund.reason or "refund failed")
        # Accepted is what nobody knows the end of yet.
        return Answer(201 if refund.state is RefundState.DONE else 202, write_refund(refund))

    async def _decide(self, request: Request, *, accepts: bool) -> Answer:
        try:
            request.check_ignored_body()
        except MalformedJson:
            await self._existing(request)
            raise
        attempt = await self._attempt(request)
        wanted = AttemptState.SETTLED if accepts else AttemptState.FAILED
        if attempt.state is not wanted:
            gateway = self._gateway(request, attempt)
            attempt = await review_payment(
                self._books(request),
                gateway,
                attempt.attempt_id,
                accepts=accepts,
                clock=self._desk.clock,
                actor=request.actor,
            )
        elif not any(entry.state is AttemptState.HELD for entry in attempt.log):
            raise AttemptNotOpen(attempt.attempt_id, attempt.state.value)
        return Answer(200, (await self._invoice_writer(request))(await self._existing(request)))

    async def _invoice_writer(self, request: Request) -> Callable[[Invoice], bytes]:
        labels = (await request.store.settings(ProductType.INVOICING)).labels

        def write(invoice: Invoice) -> bytes:
            token = invoice.payment_token if invoice.has_payment_link else None
            link = payment_link(self._portal_url, token) if token is not None else None
            return write_shown(self._lately.of(invoice), request.submit_time, link, labels, with_history=True)

        return write

    def _books(self, request: Request) -> Books:
        return self._desk.books_of(request.store.merchant_id)

    def _gateway(self, request: Request, attempt: PaymentAttempt) -> Gateway:
        """Return the gateway that the attempt was begun with. Raises GatewayRefusal when it is not there any more."""
        gateway = self._desk.gateway_of(request.store.merchant_id, attempt.gateway)
        if gateway is None:
            raise GatewayRefusal("not configured")
        return gateway

    async def _read(self, request: Request, read: Callable[[dict[str, Any], str], Any]) -> Any:
        """Return what `read` makes of the body; whether the invoice exists comes before whether it can be read."""
        try:
            document = request.document() if request.body else {}
        except MalformedJson:
            await self._existing(request)
            raise
        return read(document, (await self._existing(request)).terms.currency)

    async def _attempt(self, request: Request) -> PaymentAttempt:
        """
        Return the attempt that was charged by the transaction in the path.

        Raises NoSuchInvoice, NoSuchPayment; PaymentNotCharged for one that was recorded.
        """
        number, transaction_id = request.values
        invoice = await self._existing(request)
        attempt = await self._books(request).attempts.attempt_by_transaction(number, transaction_id)
        if attempt is None:
            invoice.left_of(transaction_id)
            raise PaymentNotCharged(transaction_id)
        return attempt

    async def _existing(self, request: Request) -> Invoice:
        number = request.values[0]
        invoice = await request.store.invoice(number)
        if invoice is None:
            raise NoSuchInvoice(number)
        return invoice


def _refund_id(request: Request) -> str:
    """Return the refund's name: with an `Idempotency-Key` the same each time, for the same payment."""
    key = request.idempotency_key
    if key is None:
        return str(uuid.uuid4())
    return str(uuid.uuid5(_REFUNDS, "\n".join((request.store.merchant_id, key, *request.values))))


def _check_same(request: Request, earlier: Refund | None, body: RefundBody) -> None:
    """Raise IdempotencyKeyReused when the key's refund was another one."""
    if earlier is not None and (earlier.is_due_again != body.is_due_again or body.amount not in (None, earlier.amount)):
        raise IdempotencyKeyReused(request.idempotency_key or "")
