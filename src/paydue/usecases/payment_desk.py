"""
Where payers' money is taken: everything that the use cases of paying want, as one value for pages and API.

Apart from those use cases because it is composed once, at the start, and they are given what they need of it.
"""

from collections.abc import Callable

import msgspec

from paydue.domain.payable import TRY_LIMITS, TryLimits
from paydue.usecases.attempt_ports import AttemptsToLookAt
from paydue.usecases.change_attempt import Books
from paydue.usecases.gateway_ports import Gateway
from paydue.usecases.pay_invoice import Ids
from paydue.usecases.ports import Clock


class PaymentDesk(msgspec.Struct, frozen=True, kw_only=True):
    """
    `gateway_of` takes merchant id and gateway name: an attempt is asked about at the gateway that it was begun with,
    whatever new ones are begun with (`current`; None: nobody can pay here). `limits` of None let anybody try on.
    """

    books_of: Callable[[str], Books]
    gateway_of: Callable[[str, str], Gateway | None]
    looking: AttemptsToLookAt
    current: str | None
    clock: Clock
    ids: Ids
    limits: TryLimits | None = TRY_LIMITS

    def current_gateway(self, merchant_id: str) -> Gateway | None:
        """Return the gateway that a new attempt of that merchant's payers is begun with."""
        return self.gateway_of(merchant_id, self.current) if self.current is not None else None
