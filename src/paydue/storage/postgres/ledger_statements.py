"""The SQL that verifies, each statement with a name: it goes through whole tables, of everybody, as of one moment."""

# ruff: noqa: S608 - the names put into these statements are constants of rows.py and this file, never a caller's.

from typing import Final

from paydue.domain.lifecycle import Status
from paydue.storage.rows import INVOICE_COLUMNS, KEY_COLUMNS
from paydue.storage.webhook_rows import SUBSCRIPTION_COLUMNS, WEBHOOK_KEY_COLUMNS

_OF_INVOICES: Final = ("events", "payments", "payment_links", "reminders", "reminder_stops", "attempts")
_OF_MESSAGES: Final = ("delivery_tries", "renderings")
_OF_ATTEMPTS: Final = ("gateway_transactions", "unapplied_money", "gateway_notifications")
_OF_MERCHANTS: Final = (
    "invoices", "status_blocks", "receipts", "settings", "logos", "field_definitions", "access_keys", "subscriptions",
    "webhook_keys", "actions", "suppressions", "mail_counts"
)  # fmt: skip

# What the database itself finds wrong with its tables: indexes that were never finished, walls that somebody took down.
DAMAGE: Final = (
    "SELECT 'index ' || index.relname || ' is not valid' FROM pg_catalog.pg_index AS state"
    " JOIN pg_catalog.pg_class AS index ON index.oid = state.indexrelid"
    " JOIN pg_catalog.pg_namespace AS space ON space.oid = index.relnamespace"
    " WHERE NOT state.indisvalid AND space.nspname = current_schema()"
    " UNION ALL"
    " SELECT 'row-level security of ' || kept.relname || ' is switched off' FROM pg_catalog.pg_class AS kept"
    " JOIN pg_catalog.pg_namespace AS space ON space.oid = kept.relnamespace"
    " JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = kept.oid"
    " WHERE space.nspname = current_schema() AND kept.relkind = 'r' AND attribute.attname = 'merchant_id'"
    " AND NOT (kept.relrowsecurity AND kept.relforcerowsecurity) ORDER BY 1"
)
# Every merchant's counters, and the highest that its field definitions and its invoices really have.
ALL_COUNTERS: Final = (
    "SELECT merchant_id, last_serial, next_number, last_definition_id,"
    " (SELECT coalesce(max(definition_id), 0) FROM field_definitions AS own"
    " WHERE own.merchant_id = merchants.merchant_id),"
    " (SELECT coalesce(max(serial), 0) FROM invoices AS own WHERE own.merchant_id = merchants.merchant_id)"
    " FROM merchants ORDER BY added_at, merchant_id"
)
# How many rows of each kind there are.
TOTALS: Final = (
    "SELECT (SELECT count(*) FROM invoices), (SELECT count(*) FROM events), (SELECT count(*) FROM payments),"
    " (SELECT count(*) FROM outbox WHERE serial > 0), (SELECT count(*) FROM payment_links)"
)
# A stretch of invoices, whole.
INVOICE_STRETCH: Final = (
    f"SELECT serial, {', '.join(INVOICE_COLUMNS)} FROM invoices"
    " WHERE merchant_id = $1 AND serial BETWEEN $2 AND $3 ORDER BY serial"
)
# The events of a stretch of invoices.
EVENT_STRETCH: Final = (
    "SELECT serial, position, what, at, data FROM events WHERE merchant_id = $1 AND serial BETWEEN $2 AND $3"
    " ORDER BY serial, position"
)
# The payments of a stretch of invoices.
PAYMENT_STRETCH: Final = (
    "SELECT serial, position, amount, currency FROM payments WHERE merchant_id = $1 AND serial BETWEEN $2 AND $3"
    " ORDER BY serial, position"
)
# The messages of a stretch of invoices.
MESSAGE_STRETCH: Final = (
    "SELECT serial, position, part, channel, topic, recipient, state, lease FROM outbox"
    " WHERE merchant_id = $1 AND serial BETWEEN $2 AND $3 ORDER BY serial, position, part"
)
# The reminders of a stretch of invoices.
REMINDER_STRETCH: Final = (
    "SELECT serial, kind, due_date FROM reminders WHERE merchant_id = $1 AND serial BETWEEN $2 AND $3"
)
# A merchant's subscriptions, deleted ones too.
WEBHOOK_IDS: Final = "SELECT webhook_id FROM subscriptions WHERE merchant_id = $1"
# Where payment links lead.
LINKS: Final = (
    "SELECT kept.token_start, kept.token_digest, kept.merchant_id, kept.serial"
    " FROM unnest($1::text[], $2::bytea[]) AS wish (token_start, token_digest) JOIN payment_links AS kept"
    " ON kept.token_start = wish.token_start AND kept.token_digest = wish.token_digest"
)
# The counts of one block. The statuses are few, so each is looked up.
COUNTS_OF_BLOCK: Final = (
    "SELECT status, count FROM status_blocks WHERE merchant_id = $1"
    f" AND status IN ({', '.join(repr(status.value) for status in Status)}) AND size = $2 AND block = $3"
)
# What the blocks of each size hold together.
BLOCK_SUMS: Final = "SELECT size, sum(count)::bigint FROM status_blocks WHERE merchant_id = $1 GROUP BY size"
# Numbers that more than one invoice has, though the schema forbids it.
REPEATED_NUMBERS: Final = (
    "SELECT merchant_id, number, count(*) FROM invoices GROUP BY merchant_id, number HAVING count(*) > 1"
)
# Message ids that more than one message has.
REPEATED_MESSAGES: Final = (
    "SELECT merchant_id, message_id, count(*) FROM outbox GROUP BY merchant_id, message_id HAVING count(*) > 1"
)
# All subscriptions, deleted ones too.
ALL_SUBSCRIPTIONS: Final = (
    f"SELECT merchant_id, {', '.join(SUBSCRIPTION_COLUMNS)}, webhook_id, status FROM subscriptions"
    " ORDER BY merchant_id, webhook_id"
)
# All webhook keys.
ALL_WEBHOOK_KEYS: Final = f"SELECT {', '.join(WEBHOOK_KEY_COLUMNS)} FROM webhook_keys ORDER BY merchant_id, key_id"
# Whether a number is in use.
HAS_NUMBER: Final = "SELECT 1 FROM invoices WHERE merchant_id = $1 AND number = $2"
# All access keys.
ALL_KEYS: Final = f"SELECT {', '.join(KEY_COLUMNS)} FROM access_keys ORDER BY key_id"


def _a_few(query: str) -> str:
    """Return the first rows of a query whose result is empty where all is well: planned for reading to its end."""
    return f"WITH stray AS MATERIALIZED ({query}) SELECT * FROM stray LIMIT 20"


def _strays(table: str, but: str = "") -> str:
    """Return the query for rows of a table whose invoice is not there; `but` says which need none."""
    return _a_few(
        f"SELECT '{table}', 'serial ' || serial || ' of ' || merchant_id FROM {table} AS stray WHERE NOT EXISTS ("
        "SELECT 1 FROM invoices WHERE invoices.merchant_id = stray.merchant_id AND invoices.serial = stray.serial)"
        f"{but}"
    )


def _without_message(table: str) -> str:
    """Return the query for rows of a table whose message is not there."""
    return _a_few(
        f"SELECT '{table}', 'message ' || encode(message_id, 'hex') || ' of ' || merchant_id FROM {table} AS stray"
        " WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.merchant_id = stray.merchant_id"
        " AND outbox.message_id = stray.message_id)"
    )


def _without_attempt(table: str) -> str:
    """Return the query for rows of a table whose attempt is not there."""
    return (
        f"SELECT '{table}', 'attempt ' || attempt_id || ' of ' || merchant_id FROM {table} AS stray WHERE NOT EXISTS ("
        "SELECT 1 FROM attempts WHERE attempts.merchant_id = stray.merchant_id"
        " AND attempts.attempt_id = stray.attempt_id) LIMIT 20"
    )


def _without_merchant(table: str) -> str:
    """Return the query for rows of a table whose merchant is not there."""
    return _a_few(
        f"SELECT '{table}', merchant_id FROM {table} AS stray WHERE NOT EXISTS ("
        "SELECT 1 FROM merchants WHERE merchants.merchant_id = stray.merchant_id)"
    )


# Rows that belong to nothing.
STRAYS: Final = (
    *(_strays(table) for table in _OF_INVOICES),
    # What a merchant is told about no invoice has serial 0.
    _strays("outbox", " AND stray.serial > 0"),
    *(_without_message(table) for table in _OF_MESSAGES),
    *(_without_attempt(table) for table in _OF_ATTEMPTS),
    *(_without_merchant(table) for table in _OF_MERCHANTS),
)
