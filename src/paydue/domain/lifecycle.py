"""
The life of an invoice: its statuses, what may be done in each, and where that leads.

`TABLE` is the only place that says so. The links of an answer, the documentation and the tests are read from it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    DRAFT = "DRAFT"
    CREATED = "CREATED"
    SENT = "SENT"
    PARTIAL = "PARTIAL"
    PAID = "PAID"
    CANCELED = "CANCELED"
    PENDING = "PENDING"


class Action(StrEnum):
    UPDATE = "update"
    SEND_BY_MAIL = "send by mail"
    SEND_WITHOUT_MAIL = "send without mail"
    PUBLISH = "publish"
    CANCEL = "cancel"
    PAY_IN_FULL = "pay in full"
    PAY_IN_PART = "pay in part"


_OPEN: Final = (Status.CREATED, Status.SENT, Status.PARTIAL)

# What is not in the table is refused.
TABLE: Final[Mapping[Action, Mapping[Status, Status]]] = {
    Action.UPDATE: {status: status for status in (Status.DRAFT, Status.CREATED, Status.SENT)},
    Action.SEND_BY_MAIL: {
        Status.DRAFT: Status.SENT,
        Status.CREATED: Status.SENT,
        Status.SENT: Status.SENT,
        Status.PARTIAL: Status.PARTIAL,
    },
    Action.SEND_WITHOUT_MAIL: {
        Status.DRAFT: Status.CREATED,
        Status.CREATED: Status.CREATED,
        Status.SENT: Status.SENT,
        Status.PARTIAL: Status.PARTIAL,
    },
    Action.PUBLISH: {Status.DRAFT: Status.CREATED},
    Action.CANCEL: dict.fromkeys((Status.DRAFT, Status.CREATED, Status.SENT), Status.CANCELED),
    Action.PAY_IN_FULL: dict.fromkeys(_OPEN, Status.PAID),
    Action.PAY_IN_PART: dict.fromkeys(_OPEN, Status.PARTIAL),
}

# A draft has no link even for its owner; a canceled invoice has lost it; while a payment is under review it is hidden.
WITH_PAYMENT_LINK: Final = frozenset((*_OPEN, Status.PAID))


def allows(status: Status, action: Action) -> bool:
    """Tell whether `action` is allowed in `status`."""
    return status in TABLE[action]
