"""
Every SQL statement about payment attempts, each with a name.

Apart from `statements.py` because nothing here is run where an invoice is created or read.
"""

# ruff: noqa: S608 - the names put into these statements are constants of attempt_rows.py, never a caller's.

from typing import Final

from paydue.storage.attempt_rows import (
    AMENDED_COLUMNS,
    ATTEMPT_COLUMNS,
    READ_COLUMNS,
    STATES_WITH_MONEY,
    UNAPPLIED_COLUMNS,
)
from paydue.storage.rows import PAYMENT_COLUMNS


def _columns(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _marks(count: int) -> str:
    return ", ".join("?" * count)


_READ: Final = f"SELECT {_columns(READ_COLUMNS)} FROM attempts"
_WITH_MONEY: Final = ", ".join(repr(state) for state in STATES_WITH_MONEY)
_OF_INVOICE: Final = "merchant_id = ? AND serial = (SELECT serial FROM invoices WHERE merchant_id = ? AND number = ?)"

# Writing

# The serial of the invoice that is paid.
SERIAL: Final = "SELECT serial FROM invoices WHERE merchant_id = ? AND number = ?"
# A new attempt; no row when its id, its payer key or its reference is taken.
ADD_ATTEMPT: Final = (
    f"INSERT INTO attempts ({_columns(ATTEMPT_COLUMNS)}) VALUES ({_marks(len(ATTEMPT_COLUMNS))}) ON CONFLICT DO NOTHING"
)
# An attempt as it now stands; no row when it was changed since it was read.
AMEND_ATTEMPT: Final = (
    f"UPDATE attempts SET {', '.join(f'{name} = ?' for name in AMENDED_COLUMNS)}"
    " WHERE merchant_id = ? AND attempt_id = ? AND version = ?"
)
# Whether an attempt's id or payer key is taken, and by what id.
SAME_ATTEMPT: Final = (
    "SELECT attempt_id FROM attempts WHERE merchant_id = ? AND (attempt_id = ? OR (serial = ? AND payer_key = ?))"
)
# That a transaction belongs to an attempt; no row when it belongs to another.
CLAIM_TRANSACTION: Final = (
    "INSERT INTO gateway_transactions VALUES (?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET attempt_id = excluded.attempt_id WHERE attempt_id = excluded.attempt_id"
)
# Unapplied money, in place of what was known of it.
KEEP_UNAPPLIED: Final = (
    f"INSERT INTO unapplied_money ({_columns(UNAPPLIED_COLUMNS)}) VALUES ({_marks(len(UNAPPLIED_COLUMNS))})"
    " ON CONFLICT DO UPDATE SET resolved_at = excluded.resolved_at, document = excluded.document"
)
# That a notification was taken in; no row when it was before.
ADD_NOTIFICATION: Final = "INSERT INTO gateway_notifications VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
# Forget some old notifications; repeated until none is left, so that no transaction grows long.
FORGET_NOTIFICATIONS: Final = (
    "DELETE FROM gateway_notifications WHERE (merchant_id, gateway, event_id) IN"
    " (SELECT merchant_id, gateway, event_id FROM gateway_notifications WHERE taken_at < ? ORDER BY taken_at LIMIT ?)"
)
# An invoice's last event, and the first part that is free among its messages.
FREE_PLACE: Final = (
    "SELECT last.position, (SELECT ifnull(max(part) + 1, 0) FROM outbox"
    " WHERE merchant_id = ? AND serial = ? AND position = last.position)"
    " FROM (SELECT max(position) AS position FROM events WHERE merchant_id = ? AND serial = ?) AS last"
)

# Reading

# An attempt by its id, by its payer key, by what the gateway calls it.
ATTEMPT: Final = f"{_READ} WHERE merchant_id = ? AND attempt_id = ?"
ATTEMPT_BY_PAYER_KEY: Final = f"{_READ} WHERE {_OF_INVOICE} AND payer_key = ?"
ATTEMPT_BY_REFERENCE: Final = f"{_READ} WHERE merchant_id = ? AND gateway = ? AND reference = ?"
ATTEMPT_BY_SESSION: Final = f"{_READ} WHERE merchant_id = ? AND gateway = ? AND session = ? LIMIT 1"
# The attempts at an invoice that a gateway's transaction belongs to.
ATTEMPTS_BY_TRANSACTION: Final = (
    f"{_READ} WHERE {_OF_INVOICE} AND EXISTS (SELECT 1 FROM gateway_transactions AS kept"
    " WHERE kept.merchant_id = attempts.merchant_id AND kept.gateway = attempts.gateway"
    " AND kept.transaction_id = ? AND kept.attempt_id = attempts.attempt_id)"
)
# An invoice's attempts, newest first.
ATTEMPTS_OF_INVOICE: Final = f"{_READ} WHERE {_OF_INVOICE} ORDER BY begun_at DESC, attempt_id LIMIT ?"
# An invoice's attempts that are settled or held, newest first.
ATTEMPTS_WITH_MONEY: Final = (
    f"{_READ} WHERE {_OF_INVOICE} AND state IN ({_WITH_MONEY}) ORDER BY begun_at DESC, attempt_id"
)
# Money received for an invoice, oldest first.
PAYMENTS_OF_INVOICE: Final = f"SELECT {_columns(PAYMENT_COLUMNS)} FROM payments WHERE {_OF_INVOICE} ORDER BY position"
# Unapplied money by its transaction.
UNAPPLIED: Final = "SELECT document FROM unapplied_money WHERE merchant_id = ? AND gateway = ? AND transaction_id = ?"
# Unapplied money that is open, or that is resolved, newest first.
UNAPPLIED_MONEY: Final = (
    "SELECT document FROM unapplied_money WHERE merchant_id = ? AND (resolved_at IS NOT NULL) = ?"
    " ORDER BY found_at DESC, transaction_id LIMIT ?"
)
# What is due to be looked at, oldest first; what is not done, by name; when the first is due.
DUE: Final = (
    "SELECT merchant_id, attempt_id FROM attempts INDEXED BY attempts_to_look_at"
    " WHERE next_look_at IS NOT NULL AND next_look_at <= ? ORDER BY next_look_at LIMIT ?"
)
UNFINISHED: Final = (
    "SELECT merchant_id, attempt_id FROM attempts INDEXED BY attempts_unfinished"
    " WHERE next_look_at IS NOT NULL AND (merchant_id, attempt_id) > (?, ?) ORDER BY merchant_id, attempt_id LIMIT ?"
)
NEXT_LOOK: Final = "SELECT min(next_look_at) FROM attempts WHERE next_look_at IS NOT NULL"

# Verifying

# The attempts of a stretch of invoices.
ATTEMPT_STRETCH: Final = (
    f"SELECT serial, {_columns(ATTEMPT_COLUMNS)} FROM attempts WHERE merchant_id = ? AND serial BETWEEN ? AND ?"
    " ORDER BY serial, begun_at"
)
# All unapplied money.
ALL_UNAPPLIED: Final = f"SELECT {_columns(UNAPPLIED_COLUMNS)} FROM unapplied_money ORDER BY merchant_id, found_at"
# Which attempt a transaction belongs to.
OWNER: Final = (
    "SELECT attempt_id FROM gateway_transactions WHERE merchant_id = ? AND gateway = ? AND transaction_id = ?"
)
