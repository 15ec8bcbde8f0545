"""What a store answers to one caller and to nobody else in his batch, whichever engine writes it."""

from typing import Final

from paydue.domain.errors import Refusal
from paydue.usecases.attempt_ports import AttemptExists, NotificationSeen, TransactionTaken
from paydue.usecases.ports import (
    AlreadyReminded,
    KeyExists,
    MerchantExists,
    NoSuchMerchant,
    ReceiptExists,
    StaleVersion,
)

# They are raised before anything of his is written, or it is undone then.
REFUSALS: Final = (
    Refusal,
    StaleVersion,
    ReceiptExists,
    AlreadyReminded,
    MerchantExists,
    NoSuchMerchant,
    KeyExists,
    AttemptExists,
    TransactionTaken,
    NotificationSeen,
)
