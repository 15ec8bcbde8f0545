"""
Books as a busy merchant's would look after two years: invoices with items, discounts, payments and reminders.

Every life goes through the domain, as it would over the API, so that nothing stands here that could not have happened.
The same seed on the same day gives the same invoices; payment tokens are secrets and differ each time.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from paydue.domain.attempts import AttemptState, MaskedAccount, PaymentAttempt
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.line_items import LineItem, line_total
from paydue.domain.money import ZERO, shortest, smallest_unit, truncated
from paydue.domain.payments import Payment
from paydue.domain.reminders import ReminderKind
from paydue.domain.reservations import Hold
from paydue.domain.terms import Customer, DeliveryMode, Freight, Tax, Terms
from paydue.storage.bulk import Life
from paydue.usecases.announcements import announcements
from paydue.usecases.ports import Actor, Change, Reminded, Secrets

SPAN: Final = timedelta(days=730)

_ACTOR: Final = "sample books"
# Of a hundred invoices, how many have come where.
_SHARES: Final = {
    Status.PAID: 56, Status.SENT: 16, Status.PARTIAL: 7, Status.CANCELED: 7, Status.CREATED: 6, Status.DRAFT: 6,
    Status.PENDING: 2
}  # fmt: skip
_CURRENCIES: Final = ("USD",) * 16 + ("EUR",) * 2 + ("GBP", "JPY")
_GOODS: Final = (
    ("CONSULT-1", "Consulting, per hour", "120.00"),
    ("TRAVEL-7", "Travel, per zone", "5.25"),
    ("DESIGN-2", "Page design", "480.00"),
    ("HOST-12", "Hosting, per month", "29.90"),
    ("COFFEE-5", "Coffee beans, 5 kg", "86.50"),
    ("TEA-1", "Green tea, 1 kg", "41.20"),
    ("CHAIR-3", "Oak chair", "215.00"),
    ("LAMP-8", "Desk lamp", "64.75"),
    ("REPAIR-4", "Repair, per half hour", "37.50"),
    ("COURSE-9", "One-day course, per person", "349.00"),
    ("PAPER-6", "Paper, 500 sheets", "7.95"),
    ("RENT-10", "Meeting room, per day", "180.00"),
)
_REASONS: Final = ("Work in the last month", "Order of the season", "Second part of the project", "Refill and service")
_GIVEN: Final = "Ada Ben Chiara Dmitri Elif Fatou Goran Hana Ines Jun Kofi Lena Mateo Noor Olga Paulo".split()
_FAMILY: Final = "Adeyemi Brandt Costa Duval Eriksen Fischer Garcia Haddad Ito Jansen Kowalski Lindqvist".split()
_COMPANIES: Final = ("Northwind Bakery", "Blue Door Studio", "Field & Sons", "Lighthouse Clinic", "Quarry Works")
_METHODS: Final = ("bank transfer", "card", "cash", "check")
_GATEWAY: Final = "sample"
_ACCOUNT: Final = MaskedAccount(brand="visa", last4="1111", expires="12/2031")
_UNSEEN: Final = timedelta(days=36_500)
_TEMPLATES: Final = 2000


class SampleBooks:
    """A merchant's invoices, made one after the other."""

    def __init__(self, count: int, *, seed: int, now: datetime, secrets: Secrets) -> None:
        """`count` invoices over the `SPAN` before `now`."""
        self._random = Random(seed)  # noqa: S311 - what must not be guessed comes from `secrets`
        self._count = count
        # The day, not the moment: a second run on it makes the same.
        self._end = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._secrets = secrets
        self._templates = [self._terms() for _ in range(min(count, _TEMPLATES))]

    def lives(self) -> Iterator[Life]:
        """Yield the life of each invoice, oldest first."""
        begin, step = self._end - SPAN, SPAN / max(self._count, 1)
        statuses = self._statuses()
        for number in range(self._count):
            at = begin + (number + self._random.random()) * step
            yield self._life(next(statuses), number, at)

    def _statuses(self) -> Iterator[Status]:
        """Yield statuses for ever: first each once, then hundred after hundred in exactly their shares."""
        deck = list(_SHARES)
        while True:
            self._random.shuffle(deck)
            yield from deck
            deck = [status for status, share in _SHARES.items() for _ in range(share)]

    def _life(self, status: Status, number: int, at: datetime) -> Life:
        chance = self._random
        terms = self._billed(status, number, at)
        diary = _Diary(Actor(_ACTOR, f"{chance.getrandbits(96):024x}"))
        draft = Invoice.draft(terms, at)
        if status is Status.DRAFT:
            return diary.kept(draft)
        token = self._secrets.payment_token()
        if status is Status.CREATED:
            return diary.kept(draft.publish(at, token))
        invoice = diary.write(draft.send(at, token))
        # What follows happens within a month, and before the end.
        room = min(timedelta(days=30), self._end - at)

        def later(share: float) -> datetime:
            return at + room * share

        if status is Status.CANCELED:
            return diary.kept(invoice.cancel(later(chance.uniform(0.1, 0.5))))
        if status is Status.PENDING:
            return self._held(diary, invoice, later(0.3))
        if chance.random() < 0.12:
            reminded_at = later(0.4)
            invoice = diary.write(
                invoice.remind(reminded_at), reminded=Reminded(ReminderKind.DUE_SOON.value, terms.due_date)
            )
        if status is Status.PARTIAL or (status is Status.PAID and chance.random() < 0.2):
            part = truncated(invoice.balance * Decimal(chance.randrange(20, 80)) / 100, terms.currency)
            invoice = self._pay(diary, invoice, max(part, smallest_unit(terms.currency)), later(0.6))
        if status is Status.PAID:
            self._pay(diary, invoice, invoice.balance, later(chance.uniform(0.7, 1)))
        return diary.life()

    def _pay(self, diary: "_Diary", invoice: Invoice, amount: Decimal, at: datetime) -> Invoice:
        method = self._random.choice(_METHODS)
        payment = Payment(amount=amount, method=method, reference=self._reference(), paid_at=at)
        if method == "card":
            attempt = self._attempt(invoice, amount, at).moved(
                AttemptState.SETTLED, at, transaction_id=payment.reference, charged=amount, account=_ACCOUNT
            )
            diary.try_to_pay(replace(attempt, version=len(attempt.log) + 1))
        return diary.write(invoice.receive(payment, at), payment)

    def _held(self, diary: "_Diary", invoice: Invoice, at: datetime) -> Life:
        """Return a life that waits for a review, at which nobody looks for a long time: there is no such gateway."""
        attempt = self._attempt(invoice, invoice.balance, at)
        reference, name = self._reference(), attempt.attempt_id
        attempt = attempt.moved(AttemptState.HELD, at, transaction_id=reference).looked(at, at + _UNSEEN)
        diary.try_to_pay(replace(attempt, version=len(attempt.log) + 2))
        reserved = invoice.reserve(name, invoice.balance, Hold.IN_FLIGHT)
        return diary.kept(reserved.hold(name, reference, at))

    def _attempt(self, invoice: Invoice, amount: Decimal, at: datetime) -> PaymentAttempt:
        """Return an attempt whose gateway was just told to charge."""
        name = str(UUID(int=self._random.getrandbits(128), version=4))
        begun = PaymentAttempt(
            attempt_id=name,
            number="",
            payer_key=name[:18],
            gateway=_GATEWAY,
            reference=name[-12:],
            amount=amount,
            least=amount,
            currency=invoice.terms.currency,
            begun_at=at,
            expires_at=at + timedelta(minutes=15),
        )
        return begun.moved(AttemptState.OPEN, at).moved(AttemptState.SUBMITTED, at, submitted_at=at)

    def _reference(self) -> str:
        return f"{self._random.randrange(10**15, 10**16)}"

    def _billed(self, status: Status, number: int, at: datetime) -> Terms:
        """Return a template's terms with the day and the customer of this invoice."""
        chance = self._random
        given, family = chance.choice(_GIVEN), chance.choice(_FAMILY)
        # A customer comes back now and then.
        who = chance.randrange(number // 4 + 1)
        customer = Customer(
            name=f"{given} {family}",
            email=f"{given}.{family}{who}@customer.example".lower(),
            merchant_customer_id=f"C-{who}" if chance.random() < 0.5 else None,
            company_name=chance.choice(_COMPANIES) if chance.random() < 0.3 else None,
        )
        by_mail = status is not Status.CREATED
        return replace(
            self._templates[number % len(self._templates)],
            due_date=(at + timedelta(days=chance.choice((14, 30, 30, 60)))).date(),
            delivery_mode=DeliveryMode.EMAIL if by_mail else DeliveryMode.NONE,
            customer=customer,
        )

    def _terms(self) -> Terms:
        """Return terms whose sums add up, without a customer."""
        chance = self._random
        currency = chance.choice(_CURRENCIES)
        items = tuple(self._item(currency) for _ in range(chance.choice((1, 1, 2, 2, 2, 3, 4, 6))))
        sub_amount = sum((item.total for item in items), ZERO)
        percent = Decimal(chance.choice((5, 10, 15))) if chance.random() < 0.15 else None
        discounted = any(item.discount_amount for item in items)
        discount = _share_of(sub_amount, percent, currency) if percent is not None and not discounted else None
        rate = Decimal(chance.choice(("7", "8.25", "19", "20"))) if chance.random() < 0.4 else None
        tax = _share_of(sub_amount - (discount or ZERO), rate, currency) if rate is not None else None
        freight = truncated(Decimal(chance.randrange(300, 2500)) / 100, currency) if chance.random() < 0.2 else None
        return Terms(
            due_date=self._end.date(),
            currency=currency,
            total=shortest(sub_amount - (discount or ZERO) + (tax or ZERO) + (freight or ZERO)),
            delivery_mode=DeliveryMode.EMAIL,
            description=chance.choice(_REASONS),
            allows_partial_payments=chance.random() < 0.6,
            sub_amount=shortest(sub_amount),
            discount_amount=discount,
            discount_percent=percent if discount is not None else None,
            tax=Tax(type="Sales tax", amount=tax, rate=rate) if tax is not None else None,
            freight=Freight(amount=freight) if freight is not None else None,
            line_items=items,
        )

    def _item(self, currency: str) -> LineItem:
        chance = self._random
        sku, name, price = chance.choice(_GOODS)
        unit_price = truncated(Decimal(price), currency)
        quantity = chance.choice((1, 1, 1, 2, 3, 5, 8, 20))
        discount = _share_of(unit_price * quantity, Decimal(10), currency) if chance.random() < 0.1 else None
        return LineItem(
            product_sku=sku,
            product_name=name,
            unit_price=unit_price,
            quantity=quantity,
            discount_amount=discount,
            total=line_total(unit_price, quantity, discount, None, currency),
        )


class _Diary:
    """The changes of one invoice as they are made, each with the messages that were owed for it."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._changes: list[Change] = []
        self._attempts: list[PaymentAttempt] = []

    def write(self, after: Invoice, payment: Payment | None = None, reminded: Reminded | None = None) -> Invoice:
        before = self._changes[-1].after if self._changes else None
        messages = announcements(before, after, payment=payment, reminded=reminded)
        self._changes.append(
            Change(before=before, after=after, messages=messages, payment=payment, reminded=reminded, actor=self._actor)
        )
        return after

    def life(self) -> Life:
        return Life(tuple(self._changes), tuple(self._attempts))

    def try_to_pay(self, attempt: PaymentAttempt) -> None:
        """Add an attempt as it stands in the end."""
        self._attempts.append(attempt)

    def kept(self, after: Invoice) -> Life:
        """Write the last change, and return the life."""
        self.write(after)
        return self.life()


def _share_of(amount: Decimal, percent: Decimal | None, currency: str) -> Decimal:
    share = amount * (percent or ZERO) / 100
    return shortest(share.quantize(smallest_unit(currency), ROUND_HALF_UP))
