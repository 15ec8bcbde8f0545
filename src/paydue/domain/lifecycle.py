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
    REMIND = "remind"
    RENEW_LINK = "renew link"
    CANCEL = "cancel"
    PAY_IN_FULL = "pay in full"
    PAY_IN_PART = "pay in part"
    HOLD = "hold"
    ACCEPT_IN_FULL = "accept in full"
    ACCEPT_IN_PART = "accept in part"
    DECIDE_ONE_OF_SEVERAL = "decide one of several"
    REJECT_PARTLY_PAID = "reject, partly paid"
    REJECT_MAILED = "reject, mailed"
    REJECT_NOT_MAILED = "reject, not mailed"
    REFUND = "refund"
    TAKE_BACK_PART = "take back a part"
    TAKE_BACK_ALL_MAILED = "take back all, mailed"
    TAKE_BACK_ALL_NOT_MAILED = "take back all, not mailed"


_OPEN: Final = (Status.CREATED, Status.SENT, Status.PARTIAL)
_WITH_MONEY: Final = (Status.PARTIAL, Status.PAID)
_REVIEW_GOES_ON: Final = {Status.PENDING: Status.PENDING}

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
    Action.REMIND: {status: status for status in (Status.SENT, Status.PARTIAL)},
    Action.RENEW_LINK: {status: status for status in _OPEN},
    Action.CANCEL: dict.fromkeys((Status.DRAFT, Status.CREATED, Status.SENT), Status.CANCELED),
    Action.PAY_IN_FULL: dict.fromkeys(_OPEN, Status.PAID),
    Action.PAY_IN_PART: dict.fromkeys(_OPEN, Status.PARTIAL),
    # A payment is held for review. What was paid or held beside it is decided without ending the review.
    Action.HOLD: dict.fromkeys(_OPEN, Status.PENDING),
    Action.ACCEPT_IN_FULL: {Status.PENDING: Status.PAID},
    Action.ACCEPT_IN_PART: {Status.PENDING: Status.PARTIAL},
    Action.DECIDE_ONE_OF_SEVERAL: _REVIEW_GOES_ON,
    # Back to the status before, which money and mails tell.
    Action.REJECT_PARTLY_PAID: {Status.PENDING: Status.PARTIAL},
    Action.REJECT_MAILED: {Status.PENDING: Status.SENT},
    Action.REJECT_NOT_MAILED: {Status.PENDING: Status.CREATED},
    # A refund gives money back for a debt that stays settled; taken back, money is due again.
    Action.REFUND: {status: status for status in (*_WITH_MONEY, Status.PENDING)},
    Action.TAKE_BACK_PART: {**dict.fromkeys(_WITH_MONEY, Status.PARTIAL), **_REVIEW_GOES_ON},
    Action.TAKE_BACK_ALL_MAILED: {**dict.fromkeys(_WITH_MONEY, Status.SENT), **_REVIEW_GOES_ON},
    Action.TAKE_BACK_ALL_NOT_MAILED: {**dict.fromkeys(_WITH_MONEY, Status.CREATED), **_REVIEW_GOES_ON},
}

# A draft has no link even for its owner; a canceled invoice has lost it; while a payment is under review it is hidden.
WITH_PAYMENT_LINK: Final = frozenset((*_OPEN, Status.PAID))


def allows(status: Status, action: Action) -> bool:
    """Tell whether `action` is allowed in `status`."""
    return status in TABLE[action]
