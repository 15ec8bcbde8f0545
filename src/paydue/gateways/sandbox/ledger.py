"""
What the test processor knows: sessions, tokens, and its transactions, which a file can keep over a restart.

It charges whatever it is told to, as often as it is told: keeping payers from being charged twice is not its duty.
"""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import apsw
import msgspec
from msgspec.structs import replace

from paydue.gateways.sandbox.scenarios import AMOUNTS, Scenario, Trigger, TypedCard
from paydue.language.locales import SOURCE_LANGUAGE

_SESSION_LASTS: Final = timedelta(minutes=15)
_MOST_SESSIONS: Final = 10_000
_HELD: Final = "AUTHORIZED_PENDING_REVIEW"
_CHALLENGED: Final = "PENDING_AUTHENTICATION"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    session_id: str
    merchant_id: str
    origin: str
    code: str
    amount: Decimal
    currency: str
    ends_at: datetime
    language: str = SOURCE_LANGUAGE


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What a payer typed, as far as it is kept; good once."""

    session: Session
    card: TypedCard


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """A payment, or a refund of `refunded_id`. `own_id` is what the merchant called it, unique to each request."""

    transaction_id: str
    code: str
    own_id: str
    amount: Decimal
    currency: str
    status: str
    submitted_at: datetime
    reason: str = ""
    authorized: Decimal | None = None
    card: TypedCard | None = None
    origin: str = ""
    language: str = SOURCE_LANGUAGE
    merchant_id: str = ""
    refunded_id: str | None = None

    @property
    def took_money(self) -> bool:
        return self.refunded_id is None and self.status in ("AUTHORIZED", "PARTIAL_AUTHORIZED")


class Ledger:
    """One test processor's state. With a file, transactions are there again after a restart."""

    def __init__(self, file: Path | None = None) -> None:
        self.sessions: dict[str, Session] = {}
        self.tokens: dict[str, Token] = {}
        self.transactions: dict[str, Transaction] = {}
        self._db = apsw.Connection(str(file)) if file is not None else None
        if self._db is not None:
            self._db.execute("CREATE TABLE IF NOT EXISTS transactions (id TEXT PRIMARY KEY, document BLOB NOT NULL)")
            for _, document in self._db.execute("SELECT id, document FROM transactions ORDER BY rowid"):
                self._remember(msgspec.json.decode(document, type=Transaction))

    def open_session(
        self,
        *,
        merchant_id: str,
        origin: str,
        code: str,
        amount: Decimal,
        currency: str,
        at: datetime,
        language: str = SOURCE_LANGUAGE,
    ) -> Session:
        """Return a new session; the oldest ones go when there are too many."""
        session = Session(
            session_id=_name(),
            merchant_id=merchant_id,
            origin=origin,
            code=code,
            amount=amount,
            currency=currency,
            ends_at=at + _SESSION_LASTS,
            language=language,
        )
        while len(self.sessions) >= _MOST_SESSIONS:
            self.sessions.pop(next(iter(self.sessions)))
        self.sessions[session.session_id] = session
        return session

    def make_token(self, session: Session, card: TypedCard) -> str:
        """Return the name of a token for what was typed into that session's form."""
        while len(self.tokens) >= _MOST_SESSIONS:
            self.tokens.pop(next(iter(self.tokens)))
        name = _name()
        self.tokens[name] = Token(session=session, card=card)
        return name

    def charge(
        self, token: Token, *, code: str, own_id: str, amount: Decimal, currency: str, at: datetime
    ) -> Transaction:
        """Keep a payment as the card and the amount have it, and return it."""
        payment = Transaction(
            transaction_id=_number(),
            code=code,
            own_id=own_id,
            amount=amount,
            currency=currency,
            status="AUTHORIZED",
            submitted_at=at,
            card=token.card,
            origin=token.session.origin,
            language=token.session.language,
            merchant_id=token.session.merchant_id,
        )
        return self._keep(_before_challenge(payment, token.card))

    def finish_challenge(self, payment: Transaction, *, succeeds: bool) -> Transaction:
        """Go on with a payment whose payer was asked for proof; decided before, it stays as it is."""
        if payment.status != _CHALLENGED or payment.card is None:
            return payment
        if not succeeds:
            failed = replace(payment, status="AUTHENTICATION_FAILED", reason="CONSUMER_AUTHENTICATION_FAILED")
            return self._keep(failed)
        return self._keep(_decided(replace(payment, status="AUTHORIZED"), payment.card))

    def decide(self, payment: Transaction, *, accepts: bool) -> Transaction:
        """Decide a held payment; decided before, it stays as it is."""
        if payment.status != _HELD:
            return payment
        status, reason = ("AUTHORIZED", "") if accepts else ("DECLINED", "DECISION_PROFILE_REJECT")
        return self._keep(replace(payment, status=status, reason=reason))

    def refund(
        self, payment: Transaction, *, code: str, own_id: str, amount: Decimal, currency: str, at: datetime
    ) -> Transaction | None:
        """Keep a refund and return it, None when the payment has not so much left to give back."""
        charged = payment.amount if payment.authorized is None else payment.authorized
        left = charged - sum((each.amount for each in self.refunds_of(payment)), Decimal(0))
        if not payment.took_money or amount > left or currency != payment.currency:
            return None
        scenario = payment.card.card.scenario if payment.card is not None else None
        status = {Scenario.REFUND_FAILS: "DECLINED", Scenario.REFUND_TAKES_TIME: "PENDING_SETTLEMENT"}
        return self._keep(
            Transaction(
                transaction_id=_number(),
                code=code,
                own_id=own_id,
                amount=amount,
                currency=currency,
                status=status.get(scenario, "PENDING") if scenario is not None else "PENDING",
                submitted_at=at,
                refunded_id=payment.transaction_id,
            )
        )

    def settle_refund(self, refund: Transaction) -> Transaction:
        """Let a refund that takes its time arrive."""
        if refund.status != "PENDING_SETTLEMENT":
            return refund
        return self._keep(replace(refund, status="TRANSMITTED"))

    def refunds_of(self, payment: Transaction) -> Iterable[Transaction]:
        return (
            each
            for each in self.transactions.values()
            if each.refunded_id == payment.transaction_id and each.status != "DECLINED"
        )

    def void(self, payment: Transaction) -> Transaction | None:
        """Undo a payment and return it, None when it cannot be undone any more."""
        if payment.status in ("DECLINED", "AUTHENTICATION_FAILED", "VOIDED") or any(self.refunds_of(payment)):
            return None
        return self._keep(replace(payment, status="VOIDED"))

    def by_own_id(self, own_id: str) -> list[Transaction]:
        return [each for each in self.transactions.values() if each.own_id == own_id]

    def by_code(self, code: str) -> list[Transaction]:
        return [each for each in reversed(self.transactions.values()) if each.code == code]

    def close(self) -> None:
        if self._db is not None:
            self._db.close()

    def _keep(self, transaction: Transaction) -> Transaction:
        if self._db is not None:
            self._db.execute(
                "INSERT INTO transactions VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET document = excluded.document",
                (transaction.transaction_id, msgspec.json.encode(transaction)),
            )
        return self._remember(transaction)

    def _remember(self, transaction: Transaction) -> Transaction:
        self.transactions[transaction.transaction_id] = transaction
        return transaction


def _before_challenge(payment: Transaction, card: TypedCard) -> Transaction:
    if card.card.scenario in (Scenario.CHALLENGE, Scenario.CHALLENGE_THEN_DECLINE) and not card.is_past:
        return replace(payment, status=_CHALLENGED)
    return _decided(payment, card)


def _decided(payment: Transaction, card: TypedCard) -> Transaction:
    """Return the payment as card and amount decide it, in this order."""
    if card.is_past:
        return replace(payment, status="DECLINED", reason="EXPIRED_CARD")
    match card.card.scenario:
        case Scenario.DECLINE | Scenario.CHALLENGE_THEN_DECLINE:
            return replace(payment, status="DECLINED", reason=card.card.reason)
        case Scenario.AUTHENTICATION_FAILS:
            return replace(payment, status="AUTHENTICATION_FAILED", reason=card.card.reason)
        case Scenario.PROCESSING_ERROR:
            return replace(payment, status="INVALID_REQUEST", reason=card.card.reason)
    found = AMOUNTS.get(payment.amount)
    match found.trigger if found is not None else None:
        case Trigger.DECLINE:
            return replace(payment, status="DECLINED", reason=found.reason if found is not None else "")
        case Trigger.REVIEW:
            return replace(payment, status=_HELD)
        case Trigger.HALF:
            return replace(payment, status="PARTIAL_AUTHORIZED", authorized=payment.amount / 2)
    return payment


def _name() -> str:
    return secrets.token_hex(32).upper()


def _number() -> str:
    return "7" + "".join(secrets.choice("0123456789") for _ in range(21))
