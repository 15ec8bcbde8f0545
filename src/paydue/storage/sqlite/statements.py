"""
Every SQL statement that the SQLite engine runs, each with a name.

Invoices are reached by `id` = ordinal of the merchant * 2^40 + serial (see `invoice_id`) or by merchant and number.
"""

# ruff: noqa: S608 - the names put into these statements are constants of rows.py and this file, never a caller's.

from typing import Final

from paydue.domain.lifecycle import Status
from paydue.storage.rows import INVOICE_COLUMNS, KEY_COLUMNS, READ_COLUMNS, SHOWN_COLUMNS, SUMMARY_COLUMNS
from paydue.storage.webhook_rows import SUBSCRIPTION_COLUMNS, WEBHOOK_KEY_COLUMNS
from paydue.usecases.delivery_ports import JobState

_SERIAL_BITS: Final = 40


def invoice_id(ordinal: int, serial: int) -> int:
    """Return the row id of a merchant's invoice."""
    return (ordinal << _SERIAL_BITS) | serial


def serial_of(invoice_id: int) -> int:
    """Return the serial in a row id of an invoice."""
    return invoice_id & ((1 << _SERIAL_BITS) - 1)


def _columns(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _marks(count: int) -> str:
    return ", ".join("?" * count)


_MESSAGE_STATES: Final = ", ".join(repr(state.value) for state in JobState)

# What an update of an invoice may change: not whose it is, its serial, its number and when it was made.
AMENDED_COLUMNS: Final = tuple(
    name for name in INVOICE_COLUMNS if name not in {"merchant_id", "serial", "number", "created_at"}
)

# Merchants

# A new merchant, with fresh counters.
ADD_MERCHANT: Final = "INSERT INTO merchants (merchant_id, document) VALUES (?, ?) ON CONFLICT DO NOTHING"
# What is known of a merchant.
MERCHANT: Final = "SELECT document FROM merchants WHERE merchant_id = ?"
# All merchants, in the order of their making.
MERCHANTS: Final = "SELECT document FROM merchants ORDER BY ordinal"
# A merchant's counters, read at its first change of a batch.
COUNTERS: Final = "SELECT ordinal, last_serial, next_number FROM merchants WHERE merchant_id = ?"
# The counters after a batch.
SET_COUNTERS: Final = "UPDATE merchants SET last_serial = ?, next_number = ? WHERE ordinal = ?"

# Writing invoices

# A new invoice; refused by the schema when the merchant has used the number.
ADD_INVOICE: Final = (
    f"INSERT INTO invoices (id, {_columns(INVOICE_COLUMNS)}) VALUES ({_marks(1 + len(INVOICE_COLUMNS))})"
)
# An invoice as it now stands; no row when it was changed since it was read.
AMEND_INVOICE: Final = (
    f"UPDATE invoices SET {', '.join(f'{name} = ?' for name in AMENDED_COLUMNS)} WHERE id = ? AND version = ?"
)
# Whether a number is in use.
HAS_NUMBER: Final = "SELECT 1 FROM invoices WHERE merchant_id = ? AND number = ?"
# What happened.
ADD_EVENT: Final = f"INSERT INTO events VALUES ({_marks(8)})"
# Money received.
ADD_PAYMENT: Final = f"INSERT INTO payments VALUES ({_marks(8)})"
# A message to deliver, due at once.
ADD_MESSAGE: Final = (
    "INSERT INTO outbox (merchant_id, serial, position, part, message_id, number, channel, topic, recipient, facts,"
    f" due_at) VALUES ({_marks(11)})"
)
# The link of a new payment token.
ADD_LINK: Final = f"INSERT INTO payment_links VALUES ({_marks(4)})"
# The link of a replaced payment token.
DROP_LINK: Final = "DELETE FROM payment_links WHERE token_start = ? AND token_digest = ?"
# More invoices in a block.
RAISE_COUNT: Final = (
    f"INSERT INTO status_blocks (merchant_id, status, size, block, count) VALUES ({_marks(5)})"
    " ON CONFLICT DO UPDATE SET count = count + excluded.count"
)
# Fewer invoices in a block; the schema refuses less than none.
LOWER_COUNT: Final = (
    "UPDATE status_blocks SET count = count + ? WHERE merchant_id = ? AND status = ? AND size = ? AND block = ?"
)

# Receipts

# Whether an idempotency key was used.
HAS_RECEIPT: Final = "SELECT 1 FROM receipts WHERE merchant_id = ? AND key = ?"
# The first answer given under an idempotency key.
ADD_RECEIPT: Final = f"INSERT INTO receipts VALUES ({_marks(6)})"
# What was answered under an idempotency key.
RECEIPT: Final = "SELECT fingerprint, status, body FROM receipts WHERE merchant_id = ? AND key = ?"
# Forget some old answers; repeated until none is left, so that no transaction grows long.
FORGET_RECEIPTS: Final = (
    "DELETE FROM receipts WHERE rowid IN (SELECT rowid FROM receipts WHERE kept_at < ? ORDER BY kept_at LIMIT ?)"
)

# Reading invoices

# One invoice by its number.
INVOICE: Final = f"SELECT {_columns(READ_COLUMNS)} FROM invoices WHERE merchant_id = ? AND number = ?"
# What is shown of one invoice, by its number.
SHOWN: Final = f"SELECT {_columns(SHOWN_COLUMNS)} FROM invoices WHERE merchant_id = ? AND number = ?"
# Where a payment link leads. Joined to the invoice it would cost three times both look-ups.
LINK: Final = "SELECT merchant_id, serial FROM payment_links WHERE token_start = ? AND token_digest = ?"
# One invoice by its serial.
INVOICE_BY_SERIAL: Final = (
    f"SELECT {_columns(READ_COLUMNS)} FROM invoices"
    f" WHERE id = ((SELECT ordinal FROM merchants WHERE merchant_id = ?) << {_SERIAL_BITS}) | ?"
)
# How many invoices a merchant has (serials are dense), and where they lie.
SERIALS: Final = "SELECT ordinal, last_serial FROM merchants WHERE merchant_id = ?"
# A stretch of a merchant's invoices, newest first: which they are, and what a list shows of them.
_STRETCH: Final = "FROM invoices WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT ?"
VERSIONS: Final = f"SELECT id, version {_STRETCH}"
SUMMARIES: Final = f"SELECT id, version, {_columns(SUMMARY_COLUMNS)} {_STRETCH}"
# How many invoices have a status: the count of the block that holds all.
STATUS_COUNT: Final = "SELECT count FROM status_blocks WHERE merchant_id = ? AND status = ? AND size = ? AND block = 0"
# The counts of a stretch of blocks, newest first.
BLOCK_COUNTS: Final = (
    "SELECT block, count FROM status_blocks WHERE merchant_id = ? AND status = ? AND size = ?"
    " AND block BETWEEN ? AND ? ORDER BY block DESC"
)
# Invoices of a status from a place on, newest first, after skipping a few.
_OF_STATUS: Final = (
    "FROM invoices INDEXED BY invoices_by_status"
    " WHERE merchant_id = ? AND status = ? AND id <= ? ORDER BY id DESC LIMIT ? OFFSET ?"
)
VERSIONS_OF_STATUS: Final = f"SELECT id, version {_OF_STATUS}"
SUMMARIES_OF_STATUS: Final = f"SELECT id, version, {_columns(SUMMARY_COLUMNS)} {_OF_STATUS}"

# Settings

# A merchant's settings for a product.
SETTINGS: Final = "SELECT document, version FROM settings WHERE merchant_id = ? AND product = ?"
# The first settings for a product; no row when somebody else was first.
ADD_SETTINGS: Final = (
    "INSERT INTO settings (merchant_id, product, version, document) VALUES (?, ?, 1, ?) ON CONFLICT DO NOTHING"
)
# Changed settings; no row when they were changed since they were read.
AMEND_SETTINGS: Final = (
    "UPDATE settings SET document = ?, version = version + 1 WHERE merchant_id = ? AND product = ? AND version = ?"
)
# A logo's bytes.
LOGO: Final = "SELECT image FROM logos WHERE merchant_id = ? AND product = ?"
# A new logo in place of any other.
SET_LOGO: Final = (
    "INSERT INTO logos (merchant_id, product, image) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET image = excluded.image"
)
# No logo any more.
DROP_LOGO: Final = "DELETE FROM logos WHERE merchant_id = ? AND product = ?"

# Merchant-defined fields

# The definitions of a reference type, oldest first.
DEFINITIONS: Final = (
    "SELECT document, definition_id FROM field_definitions WHERE merchant_id = ? AND reference_type = ?"
    " ORDER BY definition_id"
)
# How many definitions a reference type has.
DEFINITION_COUNT: Final = "SELECT count(*) FROM field_definitions WHERE merchant_id = ? AND reference_type = ?"
# The next id of a definition.
NEXT_DEFINITION_ID: Final = (
    "UPDATE merchants SET last_definition_id = last_definition_id + 1 WHERE merchant_id = ?"
    " RETURNING last_definition_id"
)
# A new definition; no row when its index is taken.
ADD_DEFINITION: Final = (
    "INSERT INTO field_definitions (merchant_id, definition_id, reference_type, data_index, document)"
    " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
# A changed definition; refused by the schema when its index is taken.
AMEND_DEFINITION: Final = (
    "UPDATE OR IGNORE field_definitions SET data_index = ?, document = ?"
    " WHERE merchant_id = ? AND reference_type = ? AND definition_id = ?"
)
# Whether a definition is there.
HAS_DEFINITION: Final = (
    "SELECT 1 FROM field_definitions WHERE merchant_id = ? AND reference_type = ? AND definition_id = ?"
)
# No definition any more; invoices keep their copies.
DROP_DEFINITION: Final = (
    "DELETE FROM field_definitions WHERE merchant_id = ? AND reference_type = ? AND definition_id = ?"
)

# Keys

# A new key; no row when the key id or the certificate is registered.
ADD_KEY: Final = (
    "INSERT INTO access_keys (key_id, merchant_id, kind, secret, certificate, certificate_digest, portfolio_id,"
    f" merchants, created_at, revoked_at) VALUES ({_marks(10)}) ON CONFLICT DO NOTHING"
)
# A key by its id.
KEY: Final = f"SELECT {_columns(KEY_COLUMNS)} FROM access_keys WHERE key_id = ?"
# A key by its certificate.
KEY_BY_CERTIFICATE: Final = f"SELECT {_columns(KEY_COLUMNS)} FROM access_keys WHERE certificate_digest = ?"
# The keys that belong to a merchant.
KEYS_OF_MERCHANT: Final = (
    f"SELECT {_columns(KEY_COLUMNS)} FROM access_keys WHERE merchant_id = ? ORDER BY created_at, key_id"
)
# A key that stops working now.
REVOKE_KEY: Final = "UPDATE access_keys SET revoked_at = ? WHERE key_id = ? AND revoked_at IS NULL"
# The data keys, wrapped.
DATA_KEYS: Final = "SELECT number, wrapped_by, wrapped, used_from FROM data_keys ORDER BY number"
# A data key.
ADD_DATA_KEY: Final = "INSERT INTO data_keys (number, wrapped_by, wrapped, used_from) VALUES (?, ?, ?, ?)"
# A data key, unless there is one of its number.
ADD_DATA_KEY_IF_NEW: Final = f"{ADD_DATA_KEY} ON CONFLICT DO NOTHING"

# Schema

# Whether any migration was ever applied.
HAS_SCHEMA: Final = "SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations'"
# The last migration applied.
SCHEMA_NUMBER: Final = "SELECT max(number) FROM schema_migrations"
# A migration that is now applied.
ADD_SCHEMA_NUMBER: Final = (
    "INSERT INTO schema_migrations (number, title, applied_at) VALUES (?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"
)

# Verifying

# What SQLite itself finds wrong with the file, or "ok".
INTEGRITY: Final = "PRAGMA integrity_check(20)"
# Every merchant's counters, and the highest id that its field definitions really have.
ALL_COUNTERS: Final = (
    "SELECT ordinal, merchant_id, last_serial, next_number, last_definition_id,"
    " (SELECT ifnull(max(definition_id), 0) FROM field_definitions AS own"
    " WHERE own.merchant_id = merchants.merchant_id) FROM merchants ORDER BY ordinal"
)
# The last row of a merchant's stretch of invoice ids.
HIGHEST_ID: Final = "SELECT max(id) FROM invoices WHERE id BETWEEN ? AND ?"
# How many rows of each kind there are.
TOTALS: Final = (
    "SELECT (SELECT count(*) FROM invoices), (SELECT count(*) FROM events), (SELECT count(*) FROM payments),"
    " (SELECT count(*) FROM outbox WHERE serial > 0), (SELECT count(*) FROM payment_links)"
)
# A stretch of invoices, whole.
INVOICE_STRETCH: Final = (
    f"SELECT id - ?, {_columns(INVOICE_COLUMNS)} FROM invoices WHERE id BETWEEN ? AND ? ORDER BY id"
)
# The events of a stretch of invoices.
EVENT_STRETCH: Final = (
    "SELECT serial, position, what, at, data FROM events WHERE merchant_id = ? AND serial BETWEEN ? AND ?"
    " ORDER BY serial, position"
)
# The payments of a stretch of invoices.
PAYMENT_STRETCH: Final = (
    "SELECT serial, position, amount, currency FROM payments WHERE merchant_id = ? AND serial BETWEEN ? AND ?"
    " ORDER BY serial, position"
)
# The messages of a stretch of invoices.
MESSAGE_STRETCH: Final = (
    "SELECT serial, position, part, channel, topic, recipient, state, lease FROM outbox"
    " WHERE merchant_id = ? AND serial BETWEEN ? AND ? ORDER BY serial, position, part"
)
# The reminders of a stretch of invoices.
REMINDER_STRETCH: Final = (
    "SELECT serial, kind, due_date FROM reminders WHERE merchant_id = ? AND serial BETWEEN ? AND ?"
)
# A merchant's subscriptions, deleted ones too.
WEBHOOK_IDS: Final = "SELECT webhook_id FROM subscriptions WHERE merchant_id = ?"
# The counts of one block. The statuses are few, so each is looked up.
COUNTS_OF_BLOCK: Final = (
    "SELECT status, count FROM status_blocks WHERE merchant_id = ?"
    f" AND status IN ({', '.join(repr(status.value) for status in Status)}) AND size = ? AND block = ?"
)
# What the blocks of each size hold together.
BLOCK_SUMS: Final = "SELECT size, sum(count) FROM status_blocks WHERE merchant_id = ? GROUP BY size"
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
    f"SELECT merchant_id, {_columns(SUBSCRIPTION_COLUMNS)}, webhook_id, status FROM subscriptions"
    " ORDER BY merchant_id, webhook_id"
)
# All webhook keys.
ALL_WEBHOOK_KEYS: Final = f"SELECT {_columns(WEBHOOK_KEY_COLUMNS)} FROM webhook_keys ORDER BY merchant_id, key_id"
# All access keys.
ALL_KEYS: Final = f"SELECT {_columns(KEY_COLUMNS)} FROM access_keys ORDER BY key_id"


def _strays(table: str, but: str = "") -> str:
    """Return the query for rows of a table whose invoice is not there; `but` says which need none."""
    return (
        f"SELECT '{table}', 'serial ' || stray.serial || ' of ' || stray.merchant_id FROM {table} AS stray"
        " LEFT JOIN merchants AS merchant ON merchant.merchant_id = stray.merchant_id"
        f" LEFT JOIN invoices AS invoice ON invoice.id = (merchant.ordinal << {_SERIAL_BITS}) | stray.serial"
        f" WHERE invoice.id IS NULL{but} LIMIT 20"
    )


def _without_message(table: str) -> str:
    """Return the query for rows of a table whose message is not there."""
    return (
        f"SELECT '{table}', 'message ' || hex(message_id) || ' of ' || merchant_id FROM {table} AS stray"
        " WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.merchant_id = stray.merchant_id"
        f" AND outbox.state IN ({_MESSAGE_STATES}) AND outbox.message_id = stray.message_id) LIMIT 20"
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
    return (
        f"SELECT '{table}', merchant_id FROM {table} WHERE merchant_id NOT IN (SELECT merchant_id FROM merchants)"
        " LIMIT 20"
    )


# Rows that belong to nothing.
STRAYS: Final = (
    *(_strays(table) for table in ("events", "payments", "payment_links", "reminders", "reminder_stops", "attempts")),
    # What a merchant is told about no invoice has serial 0.
    _strays("outbox", " AND stray.serial > 0"),
    *(_without_message(table) for table in ("delivery_tries", "renderings")),
    *(_without_attempt(table) for table in ("gateway_transactions", "unapplied_money", "gateway_notifications")),
    *(
        _without_merchant(table)
        for table in (
            "invoices",
            "status_blocks",
            "receipts",
            "settings",
            "logos",
            "field_definitions",
            "access_keys",
            "subscriptions",
            "webhook_keys",
            "actions",
            "suppressions",
            "mail_counts",
        )
    ),
)
