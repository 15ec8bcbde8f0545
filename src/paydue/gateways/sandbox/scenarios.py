"""
Which test card, and which amount, makes what happen: the two tables that the documentation and the tests read.

The numbers are published for testing and belong to nobody. Any other number is refused, and neither kept nor logged.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec


class Scenario(StrEnum):
    APPROVE = "approve"
    FRICTIONLESS = "3-D Secure without a question, then approve"
    CHALLENGE = "3-D Secure challenge"
    CHALLENGE_THEN_DECLINE = "challenge succeeds, then declined"
    AUTHENTICATION_FAILS = "3-D Secure fails"
    DECLINE = "decline"
    PROCESSING_ERROR = "processing error, not charged"
    REFUND_FAILS = "approve; a later refund fails"
    REFUND_TAKES_TIME = "approve; a later refund takes its time"


class TestCard(msgspec.Struct, frozen=True):
    """What a test number does; `reason` is the processor's word for a decline."""

    __test__ = False

    scenario: Scenario
    type_code: str
    reason: str = ""


_VISA, _MASTERCARD, _AMEX, _DISCOVER, _JCB = "001", "002", "003", "004", "007"
_S = Scenario

CARDS: Final[Mapping[str, TestCard]] = {
    "4111111111111111": TestCard(_S.APPROVE, _VISA),
    "4242424242424242": TestCard(_S.APPROVE, _VISA),
    "5555555555554444": TestCard(_S.APPROVE, _MASTERCARD),
    "378282246310005": TestCard(_S.APPROVE, _AMEX),
    "6011111111111117": TestCard(_S.APPROVE, _DISCOVER),
    "3566111111111113": TestCard(_S.APPROVE, _JCB),
    "4000000000002701": TestCard(_S.FRICTIONLESS, _VISA),
    "5200000000002235": TestCard(_S.FRICTIONLESS, _MASTERCARD),
    "4000000000002503": TestCard(_S.CHALLENGE, _VISA),
    "5200000000002151": TestCard(_S.CHALLENGE, _MASTERCARD),
    "4000000000003220": TestCard(_S.CHALLENGE, _VISA),
    "4000008400001629": TestCard(_S.CHALLENGE_THEN_DECLINE, _VISA, "GENERAL_DECLINE"),
    "4000000000002925": TestCard(_S.AUTHENTICATION_FAILS, _VISA, "CONSUMER_AUTHENTICATION_FAILED"),
    "4000000000000002": TestCard(_S.DECLINE, _VISA, "GENERAL_DECLINE"),
    "4000000000009995": TestCard(_S.DECLINE, _VISA, "INSUFFICIENT_FUND"),
    "4000000000009987": TestCard(_S.DECLINE, _VISA, "STOLEN_LOST_CARD"),
    "4000000000009979": TestCard(_S.DECLINE, _VISA, "STOLEN_LOST_CARD"),
    "4000000000000069": TestCard(_S.DECLINE, _VISA, "EXPIRED_CARD"),
    "4000000000000127": TestCard(_S.DECLINE, _VISA, "CVN_NOT_MATCH"),
    "4000000000000119": TestCard(_S.PROCESSING_ERROR, _VISA, "PROCESSOR_UNAVAILABLE"),
    "4000000000005126": TestCard(_S.REFUND_FAILS, _VISA),
    "4000000000007726": TestCard(_S.REFUND_TAKES_TIME, _VISA),
}


class Trigger(StrEnum):
    DECLINE = "declined"
    SYSTEM_ERROR = "system error, not charged"
    LOST_AFTER = "charged, then the connection drops"
    LOST_BEFORE = "the connection drops, not charged"
    SLOW = "charged, and the answer takes 40 seconds"
    REVIEW = "held until somebody decides in the console"
    HALF = "half of it is approved"
    NOTIFY_THRICE = "charged, and notified of three times, out of order"


class AmountTrigger(msgspec.Struct, frozen=True):
    trigger: Trigger
    reason: str = ""


# On any card that would approve.
AMOUNTS: Final[Mapping[Decimal, AmountTrigger]] = {
    Decimal(2501): AmountTrigger(Trigger.DECLINE, "CONTACT_PROCESSOR"),
    Decimal(2502): AmountTrigger(Trigger.DECLINE, "PROCESSOR_DECLINED"),
    Decimal(9993): AmountTrigger(Trigger.NOTIFY_THRICE),
    Decimal(9994): AmountTrigger(Trigger.HALF),
    Decimal(9995): AmountTrigger(Trigger.REVIEW),
    Decimal(9996): AmountTrigger(Trigger.SLOW),
    Decimal(9997): AmountTrigger(Trigger.LOST_BEFORE),
    Decimal(9998): AmountTrigger(Trigger.LOST_AFTER),
    Decimal(9999): AmountTrigger(Trigger.SYSTEM_ERROR, "SYSTEM_ERROR"),
}


class CardFault(StrEnum):
    """Why what was typed is refused: not a test number, no end that can be, no code of that card's length."""

    NUMBER = "number"
    EXPIRY = "expiry"
    CODE = "code"


class CardRefused(Exception):
    """What was typed is no test card; nothing of it is repeated."""

    def __init__(self, fault: CardFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class TypedCard(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a card: what it does, its kind, its last four digits and when it ends. Never the number."""

    card: TestCard
    suffix: str
    month: str
    year: str
    is_past: bool


def read_card(number: str, month: str, year: str, code: str, today: date) -> TypedCard:
    """Return what may be kept of what was typed. Raises CardRefused."""
    digits = "".join(character for character in number if character not in " -")
    card = CARDS.get(digits)
    if card is None:
        raise CardRefused(CardFault.NUMBER)
    if not (month.isascii() and month.isdigit() and year.isascii() and year.isdigit()) or not 1 <= int(month[:4]) <= 12:
        raise CardRefused(CardFault.EXPIRY)
    if len(year) not in (2, 4):
        raise CardRefused(CardFault.EXPIRY)
    ends = int(year) + (2000 if len(year) == 2 else 0)
    if not (code.isascii() and code.isdigit()) or len(code) != (4 if card.type_code == _AMEX else 3):
        raise CardRefused(CardFault.CODE)
    return TypedCard(
        card=card,
        suffix=digits[-4:],
        month=f"{int(month):02}",
        year=str(ends),
        is_past=(ends, int(month)) < (today.year, today.month),
    )
