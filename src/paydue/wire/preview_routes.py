"""Links that show a merchant an invoice's payment page as payers would see it; drafts have no other."""

from typing import Final

import msgspec

from paydue.domain.errors import NoSuchInvoice
from paydue.usecases.ports import Answer
from paydue.usecases.previews import PREVIEW, PREVIEW_LASTS, Previews
from paydue.wire.request import Request
from paydue.wire.router import Route
from paydue.wire.write_invoice import payment_link

_LARGEST: Final = 64 * 1024


class _PreviewLink(msgspec.Struct, rename="camel"):
    url: str
    expires_at: str


_encode = msgspec.json.Encoder().encode


class PreviewRoutes:
    """`portal_url` is what payment links begin with."""

    def __init__(self, *, previews: Previews, portal_url: str) -> None:
        self._previews = previews
        self._portal_url = portal_url

    def routes(self) -> tuple[Route, ...]:
        return (Route("POST", "/paydue/v1/invoices/{id}/preview-links", self.make, _LARGEST),)

    async def make(self, request: Request) -> Answer:
        request.check_ignored_body()
        invoice = await request.store.invoice(request.values[0])
        if invoice is None:
            raise NoSuchInvoice(request.values[0])
        ticket = self._previews.ticket(request.store.merchant_id, invoice.number, request.at)
        # The ticket knows whole seconds.
        ends_at = (request.at + PREVIEW_LASTS).replace(microsecond=0).isoformat(timespec="milliseconds")
        link = _PreviewLink(
            url=payment_link(self._portal_url, PREVIEW + ticket), expires_at=ends_at.replace("+00:00", "Z")
        )
        return Answer(201, _encode(link))
