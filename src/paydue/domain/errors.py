"""
Every way a rule says no.

    Refusal                     a wish that is refused; nothing has changed
      InvalidFields             one or more fields are missing or wrong
      NoSuchInvoice             the merchant has no invoice of that number
      ActionNotAllowed          the invoice's status does not allow it
      AmountAboveBalance        more money than is due
      PaymentRefusal            what a payer, or whoever looks after payments, cannot have
        PaymentInFlight         somebody is paying: what would change the amounts has to wait
        AmountNotPayable        outside of what may be paid now
        LinkExpired             the payment link has ended
        TooManyTries            too many declined tries: this link pauses
        NoSuchAttempt           the invoice has no attempt of that id
        AttemptNotOpen          the attempt has gone further than that, or ended
        NoSuchPayment           the invoice has no payment of that transaction
        AmountAbovePayment      more than is left of a payment to give or take back
        GatewayRefusal          the gateway cannot do that, or cannot be asked now
      UnreachableAddress        no mail can be delivered to the customer's address
      TooManyResends            the payer has had this invoice often enough today
      DuplicateInvoiceNumber    the merchant has used that number
      InvalidImage              a logo that is no usable picture
      MerchantFieldRefusal      merchant-defined field definitions
        NoSuchMerchantField
        MerchantFieldChanged    updated or deleted by somebody else, or never there
        MerchantFieldIndexTaken
        TooManyMerchantFields
      IdempotencyKeyReused      the same key with another request
      IdempotencyKeyInUse       the first request with this key is still running
    BrokenFact                  a state that must not exist: our bug, never the caller's
    StoreUnavailable            the database cannot answer now; a later try may succeed
      StoreBusy                 more work is waiting than may wait

Errors carry data, not sentences for the wire: `wire/error_json.py` and the pages turn them into words.
"""

from datetime import datetime
from decimal import Decimal

import msgspec

from paydue.domain.lifecycle import Action, Status


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong with one field: its path as the caller wrote it, and why."""

    field: str
    reason: str


class Refusal(Exception):
    """A wish that is refused. Nothing has changed."""


class InvalidFields(Refusal):
    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__(", ".join(f"{fault.field}: {fault.reason}" for fault in faults))
        self.faults = faults


class NoSuchInvoice(Refusal):
    def __init__(self, number: str) -> None:
        super().__init__(number)
        self.number = number


class ActionNotAllowed(Refusal):
    def __init__(self, action: Action, status: Status) -> None:
        super().__init__(f"{action} in {status}")
        self.action = action
        self.status = status


class UnreachableAddress(Refusal):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


class TooManyResends(Refusal):
    """`limit` is how many a day there may be."""

    def __init__(self, limit: int) -> None:
        super().__init__(str(limit))
        self.limit = limit


class AmountAboveBalance(Refusal):
    def __init__(self, amount: Decimal, balance: Decimal, currency: str) -> None:
        super().__init__(f"{amount} of {balance} {currency}")
        self.amount = amount
        self.balance = balance
        self.currency = currency


class PaymentRefusal(Refusal):
    """Something about paying that cannot be had. Nothing was charged by it, and nothing has changed."""


class PaymentInFlight(PaymentRefusal):
    def __init__(self, action: Action) -> None:
        super().__init__(f"{action} while a payment is under way")
        self.action = action


class AmountNotPayable(PaymentRefusal):
    def __init__(self, amount: Decimal, least: Decimal, most: Decimal, currency: str) -> None:
        super().__init__(f"{amount}, not from {least} to {most} {currency}")
        self.amount = amount
        self.least = least
        self.most = most
        self.currency = currency


class LinkExpired(PaymentRefusal):
    def __init__(self, number: str) -> None:
        super().__init__(number)
        self.number = number


class TooManyTries(PaymentRefusal):
    def __init__(self, until: datetime) -> None:
        super().__init__(f"until {until.isoformat()}")
        self.until = until


class NoSuchAttempt(PaymentRefusal):
    def __init__(self, attempt_id: str) -> None:
        super().__init__(attempt_id)
        self.attempt_id = attempt_id


class AttemptNotOpen(PaymentRefusal):
    def __init__(self, attempt_id: str, state: str) -> None:
        super().__init__(f"{attempt_id} is {state}")
        self.attempt_id = attempt_id
        self.state = state


class NoSuchPayment(PaymentRefusal):
    def __init__(self, transaction_id: str) -> None:
        super().__init__(transaction_id)
        self.transaction_id = transaction_id


class PaymentNotCharged(PaymentRefusal):
    """The payment was recorded, and no gateway can do anything about it."""

    def __init__(self, transaction_id: str) -> None:
        super().__init__(transaction_id)
        self.transaction_id = transaction_id


class AmountAbovePayment(PaymentRefusal):
    def __init__(self, amount: Decimal, left: Decimal, currency: str) -> None:
        super().__init__(f"{amount} of {left} {currency}")
        self.amount = amount
        self.left = left
        self.currency = currency


class GatewayRefusal(PaymentRefusal):
    """Said by the gateway, or known of it: `reason` is one of the words of `usecases/gateway_ports.py`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DuplicateInvoiceNumber(Refusal):
    def __init__(self, number: str) -> None:
        super().__init__(number)
        self.number = number


class InvalidImage(Refusal):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class MerchantFieldRefusal(Refusal):
    """A merchant-defined field definition that cannot be had, made or changed."""


class NoSuchMerchantField(MerchantFieldRefusal):
    def __init__(self, definition_id: int) -> None:
        super().__init__(str(definition_id))
        self.definition_id = definition_id


class MerchantFieldChanged(NoSuchMerchantField):
    """The definition to change is not there, or was changed by somebody else meanwhile."""


class MerchantFieldIndexTaken(MerchantFieldRefusal):
    def __init__(self, index: int) -> None:
        super().__init__(str(index))
        self.index = index


class TooManyMerchantFields(MerchantFieldRefusal):
    def __init__(self, reference_type: str, limit: int) -> None:
        super().__init__(f"{reference_type}: {limit}")
        self.reference_type = reference_type
        self.limit = limit


class IdempotencyKeyReused(Refusal):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class IdempotencyKeyInUse(Refusal):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class BrokenFact(Exception):
    """A state that must not exist was about to be kept or was read: our bug. Nothing is kept."""


class StoreUnavailable(Exception):
    """The database cannot answer now. Whether a change was kept is unknown; repeating is safe."""


class StoreBusy(StoreUnavailable):
    """More changes are waiting than may wait. Nothing was kept."""
