"""What the payment pages are told by whoever composes the installation: light, for it is read at every start."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from paydue.language.words import Words
from paydue.pages.slip import NO_GATEWAY, GatewayFace


class PaidBy(msgspec.Struct, frozen=True, kw_only=True):
    """How a payment was made: a card, or else a word of the merchant's. `email` is where its receipt was sent."""

    method: str = ""
    brand: str = ""
    last4: str = ""
    email: str | None = None

    def words(self, words: Words) -> str:
        """Return it as a payer reads it: "Visa ending 1111"."""
        if self.last4:
            return words.say("{card} ending {digits}", card=self.brand or words.say("Card"), digits=self.last4)
        return self.method


async def no_gateway(_merchant_id: str) -> GatewayFace:
    """Return that a merchant cannot be paid here."""
    return NO_GATEWAY


async def nothing_known(_merchant_id: str, _number: str) -> Mapping[str, PaidBy]:
    """Return that nothing is known of how an invoice was paid."""
    return {}


FaceOf = Callable[[str], Awaitable[GatewayFace]]
PaymentsOf = Callable[[str, str], Awaitable[Mapping[str, PaidBy]]]


class PageOptions(msgspec.Struct, frozen=True, kw_only=True):
    """
    What pages are told by whoever composes the installation.

    `count_miss` counts a link that opens nothing against an address, and returns 0 or, above the limit, the seconds
    to wait. A link that does open is never refused: many payers may share an address with one who guesses.
    `link_of` makes the absolute link of a token, `face_of` says what a payer sees of a merchant's gateway,
    `payments_of` how an invoice was paid.
    """

    count_miss: Callable[[str], float]
    link_of: Callable[[str], str]
    secret: bytes
    face_of: FaceOf = no_gateway
    payments_of: PaymentsOf = nothing_known
