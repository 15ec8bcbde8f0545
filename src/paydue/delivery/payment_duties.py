"""
What has to be done about payments again and again: asking gateways what became of attempts, and tidying up.

Apart from `post_office.py`, which runs duties, because an installation may take no payments.
"""

import uuid
from datetime import datetime, timedelta
from typing import Final

from paydue.delivery.scheduler import Duty
from paydue.usecases.payment_desk import PaymentDesk
from paydue.usecases.reconcile_payments import reconcile_payments

RECONCILE: Final = "reconcile payments"
NOTIFICATIONS_KEPT: Final = timedelta(days=7)

_LOOK_SECONDS: Final = 1.0
_FORGET_SECONDS: Final = 3600.0
_FORGOTTEN_AT_ONCE: Final = 500


def payment_duties(desk: PaymentDesk) -> tuple[Duty, ...]:
    """Return the duties of whoever runs them; each needs to be run by one process at least."""
    duties = _Duties(desk)
    return (
        Duty(RECONCILE, _LOOK_SECONDS, duties.reconcile),
        Duty("forget notifications of gateways", _FORGET_SECONDS, duties.forget),
    )


class _Duties:
    def __init__(self, desk: PaymentDesk) -> None:
        self._desk = desk
        self._has_seen_all = False

    async def reconcile(self, _at: datetime) -> None:
        """Look at what is due, and the first time at everything that is not done: a process may have died before."""
        desk = self._desk
        await reconcile_payments(
            desk.looking,
            desk.books_of,
            desk.gateway_of,
            clock=desk.clock,
            correlation_id=str(uuid.uuid4()),
            everything=not self._has_seen_all,
        )
        self._has_seen_all = True

    async def forget(self, at: datetime) -> None:
        """Forget which notifications were taken in long ago; one that came again then would cause one more look."""
        looking = self._desk.looking
        while await looking.forget_notifications(at - NOTIFICATIONS_KEPT, _FORGOTTEN_AT_ONCE) == _FORGOTTEN_AT_ONCE:
            pass
