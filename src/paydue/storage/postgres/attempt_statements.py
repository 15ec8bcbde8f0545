"""
Every SQL statement about payment attempts, each with a name.

Apart from `statements.py` because nothing here is run where an invoice is created or read.
"""

# ruff: noqa: S608 - the names put into these statements are constants of attempt_rows.py and of this engine.

from typing import Final

from paydue.storage.attempt_rows import (
    AMENDED_COLUMNS,
    ATTEMPT_COLUMNS,
    READ_COLUMNS,
    STATES_WITH_MONEY,
    UNAPPLIED_COLUMNS,
)
from paydue.storage.postgres.statements import EVERYBODY, behind_wall
from paydue.storage.rows import PAYMENT_COLUMNS


def _columns(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _marks(first: int, count: int) -> str:
    return ", ".join(f"${first + index}" for index in range(count))


_OF_WALL: Final = "merchant_id = wall.merchant_id"
_READ: Final = f"SELECT {_columns(READ_COLUMNS)} FROM attempts WHERE {_OF_WALL}"
_WITH_MONEY: Final = ", ".join(repr(state) for state in STATES_WITH_MONEY)
_OF_INVOICE: Final = f"serial = (SELECT serial FROM invoices WHERE {_OF_WALL} AND number = $2)"

# Writing

# The serial of the invoice that is paid.
SERIAL: Final = "SELECT serial FROM invoices WHERE merchant_id = $1 AND number = $2"
# A new attempt; no row when its id, its payer key or its reference is taken.
ADD_ATTEMPT: Final = (
    f"INSERT INTO attempts ({_columns(ATTEMPT_COLUMNS)}) VALUES ({_marks(1, len(ATTEMPT_COLUMNS))})"
    " ON CONFLICT DO NOTHING"
)
# An attempt as it now stands; no row when it was changed since it was read.
AMEND_ATTEMPT: Final = (
    f"UPDATE attempts SET ({_columns(AMENDED_COLUMNS)}) = ({_marks(4, len(AMENDED_COLUMNS))})"
    " WHERE merchant_id = $1 AND attempt_id = $2 AND version = $3"
)
# Whether an attempt's id or payer key is taken, and by what id.
SAME_ATTEMPT: Final = (
    "SELECT attempt_id FROM attempts WHERE merchant_id = $1 AND (attempt_id = $2 OR (serial = $3 AND payer_key = $4))"
)
# That a transaction belongs to an attempt; no row when it belongs to another.
CLAIM_TRANSACTION: Final = (
    "INSERT INTO gateway_transactions AS kept (merchant_id, gateway, transaction_id, attempt_id)"
    " VALUES ($1, $2, $3, $4) ON CONFLICT (merchant_id, gateway, transaction_id)"
    " DO UPDATE SET attempt_id = excluded.attempt_id WHERE kept.attempt_id = excluded.attempt_id"
)
# Unapplied money, in place of what was known of it.
KEEP_UNAPPLIED: Final = (
    f"INSERT INTO unapplied_money ({_columns(UNAPPLIED_COLUMNS)}) VALUES ({_marks(1, len(UNAPPLIED_COLUMNS))})"
    " ON CONFLICT (merchant_id, gateway, transaction_id)"
    " DO UPDATE SET resolved_at = excluded.resolved_at, document = excluded.document"
)
# That a notification was taken in; no row when it was before.
ADD_NOTIFICATION: Final = (
    "INSERT INTO gateway_notifications (merchant_id, gateway, event_id, attempt_id, taken_at)"
    " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
)
# Forget some old notifications; repeated until none is left, so that no transaction grows long.
FORGET_NOTIFICATIONS: Final = (
    "DELETE FROM gateway_notifications WHERE (merchant_id, gateway, event_id) IN"
    " (SELECT merchant_id, gateway, event_id FROM gateway_notifications WHERE taken_at < $1"
    " ORDER BY taken_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
)
# An invoice's last event, and the first part that is free among its messages.
FREE_PLACE: Final = (
    "SELECT last.position, (SELECT coalesce(max(part) + 1, 0) FROM outbox"
    " WHERE merchant_id = $1 AND serial = $2 AND position = last.position)"
    " FROM (SELECT max(position) AS position FROM events WHERE merchant_id = $1 AND serial = $2) AS last"
)

# Reading

# An attempt by its id, by its payer key, by what the gateway calls it.
ATTEMPT: Final = behind_wall(f"{_READ} AND attempt_id = $2")
ATTEMPT_BY_PAYER_KEY: Final = behind_wall(f"{_READ} AND {_OF_INVOICE} AND payer_key = $3")
ATTEMPT_BY_REFERENCE: Final = behind_wall(f"{_READ} AND gateway = $2 AND reference = $3")
ATTEMPT_BY_SESSION: Final = behind_wall(f"{_READ} AND gateway = $2 AND session = $3 LIMIT 1")
# The attempts at an invoice that a gateway's transaction belongs to.
ATTEMPTS_BY_TRANSACTION: Final = behind_wall(
    f"{_READ} AND {_OF_INVOICE} AND EXISTS (SELECT 1 FROM gateway_transactions AS kept"
    " WHERE kept.merchant_id = attempts.merchant_id AND kept.gateway = attempts.gateway"
    " AND kept.transaction_id = $3 AND kept.attempt_id = attempts.attempt_id)"
)
# An invoice's attempts, newest first.
ATTEMPTS_OF_INVOICE: Final = behind_wall(f"{_READ} AND {_OF_INVOICE} ORDER BY begun_at DESC, attempt_id LIMIT $3")
# An invoice's attempts that are settled or held, newest first.
ATTEMPTS_WITH_MONEY: Final = behind_wall(
    f"{_READ} AND {_OF_INVOICE} AND state IN ({_WITH_MONEY}) ORDER BY begun_at DESC, attempt_id"
)
# Money received for an invoice, oldest first.
PAYMENTS_OF_INVOICE: Final = behind_wall(
    f"SELECT {_columns(PAYMENT_COLUMNS)} FROM payments WHERE {_OF_WALL} AND {_OF_INVOICE} ORDER BY position"
)
# Unapplied money by its transaction.
UNAPPLIED: Final = behind_wall(
    f"SELECT document FROM unapplied_money WHERE {_OF_WALL} AND gateway = $2 AND transaction_id = $3"
)
# Unapplied money that is open, or that is resolved, newest first.
UNAPPLIED_MONEY: Final = behind_wall(
    f"SELECT document FROM unapplied_money WHERE {_OF_WALL} AND (resolved_at IS NOT NULL) = $2"
    " ORDER BY found_at DESC, transaction_id LIMIT $3"
)
# What is due to be looked at, oldest first; what is not done, by name; when the first is due.
DUE: Final = behind_wall(
    "SELECT merchant_id, attempt_id FROM attempts WHERE next_look_at IS NOT NULL AND next_look_at <= $2"
    f" AND wall.merchant_id = '{EVERYBODY}' ORDER BY next_look_at LIMIT $3"
)
UNFINISHED: Final = behind_wall(
    "SELECT merchant_id, attempt_id FROM attempts WHERE next_look_at IS NOT NULL"
    f" AND (merchant_id, attempt_id) > ($2, $3) AND wall.merchant_id = '{EVERYBODY}'"
    " ORDER BY merchant_id, attempt_id LIMIT $4"
)
NEXT_LOOK: Final = behind_wall(
    f"SELECT min(next_look_at) FROM attempts WHERE next_look_at IS NOT NULL AND wall.merchant_id = '{EVERYBODY}'"
)

# Verifying

# The attempts of a stretch of invoices.
ATTEMPT_STRETCH: Final = (
    f"SELECT serial, {_columns(ATTEMPT_COLUMNS)} FROM attempts WHERE merchant_id = $1 AND serial BETWEEN $2 AND $3"
    " ORDER BY serial, begun_at"
)
# All unapplied money.
ALL_UNAPPLIED: Final = f"SELECT {_columns(UNAPPLIED_COLUMNS)} FROM unapplied_money ORDER BY merchant_id, found_at"
# Which attempts transactions belong to.
OWNERS: Final = (
    "SELECT kept.gateway, kept.transaction_id, kept.attempt_id"
    " FROM unnest($2::text[], $3::text[]) AS wish (gateway, transaction_id) JOIN gateway_transactions AS kept"
    " ON kept.merchant_id = $1 AND kept.gateway = wish.gateway AND kept.transaction_id = wish.transaction_id"
)
