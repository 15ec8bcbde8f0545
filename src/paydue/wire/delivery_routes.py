"""The operations on deliveries, ours beside the compatible API: what was sent, what was answered, and once more."""

from collections.abc import Callable
from typing import Final

from paydue.usecases.delivery_ports import Deliveries
from paydue.usecases.ports import Answer
from paydue.wire.delivery_json import (
    is_message_id,
    read_delivery_list,
    read_window,
    write_deliveries,
    write_delivery,
)
from paydue.wire.request import Request
from paydue.wire.router import Route
from paydue.wire.webhook_errors import NoSuchDelivery, with_webhook_errors

_LARGEST: Final = 64 * 1024

DeliveriesOf = Callable[[str], Deliveries]


class DeliveryRoutes:
    """`deliveries_of` opens one merchant's messages; `wake` has the worker of this process look at the outbox now."""

    def __init__(self, *, deliveries_of: DeliveriesOf, wake: Callable[[], None] = lambda: None) -> None:
        self._deliveries_of = deliveries_of
        self._wake = wake

    def routes(self) -> tuple[Route, ...]:
        deliveries = "/paydue/v1/deliveries"
        one = deliveries + "/{id}"
        return (
            Route("GET", deliveries, self.list_all, _LARGEST),
            Route("GET", one, with_webhook_errors(self.get), _LARGEST),
            Route("POST", one + "/resend", with_webhook_errors(self.resend), _LARGEST),
            Route("POST", deliveries + "/recover", self.recover, _LARGEST),
        )

    async def list_all(self, request: Request) -> Answer:
        asked = read_delivery_list(request.query)
        jobs = await self._of(request).deliveries(asked.wanted, asked.after, asked.limit)
        return Answer(200, write_deliveries(jobs, asked.limit))

    async def get(self, request: Request) -> Answer:
        found = await self._of(request).delivery(_message_id(request))
        if found is None:
            raise NoSuchDelivery
        return Answer(200, write_delivery(*found))

    async def resend(self, request: Request) -> Answer:
        request.check_ignored_body()
        job = await self._of(request).resend(_message_id(request), request.at, request.actor)
        if job is None:
            raise NoSuchDelivery
        self._wake()
        return Answer(202, write_delivery(job))

    async def recover(self, request: Request) -> Answer:
        since, until = read_window(request.document())
        count = await self._of(request).recover(since, until, request.at, request.actor)
        self._wake()
        return Answer(202, b'{"recovered":%d}' % count)

    def _of(self, request: Request) -> Deliveries:
        return self._deliveries_of(request.store.merchant_id)


def _message_id(request: Request) -> str:
    text = request.values[0].lower()
    if not is_message_id(text):
        raise NoSuchDelivery
    return text
