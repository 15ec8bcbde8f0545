"""
The SQL that the PostgreSQL engine reads and verifies with, each statement with a name; `changes.py` has what writes.

What is read for a caller names first whose rows it may see: see `behind_wall`.
"""

# ruff: noqa: S608 - the names put into these statements are constants of rows.py and this file, never a caller's.

from typing import Final

from paydue.storage.rows import KEY_COLUMNS, READ_COLUMNS, SHOWN_COLUMNS, SUMMARY_COLUMNS
from paydue.storage.status_blocks import WHOLE

# Names all merchants: for what is looked for before the merchant is known, and for what concerns the installation.
EVERYBODY: Final = "*"


def _columns(names: tuple[str, ...], table: str = "") -> str:
    return ", ".join(f"{table}.{name}" if table else name for name in names)


def behind_wall(rest: str) -> str:
    """
    Return the statement `rest` behind the wall that $1 names: a merchant, or EVERYBODY.

    What is selected from has to hang by LATERAL on `wall.merchant_id`, and to be closed against the planner by OFFSET
    0. Only then is it certain that the wall stands before the first row is looked at. It ends with the statement.
    """
    return (
        "SELECT found.* FROM (SELECT set_config('paydue.merchants', $1, true) AS merchant_id OFFSET 0) AS wall"
        f" CROSS JOIN LATERAL ({rest} OFFSET 0) AS found"
    )


# Merchants

# What is known of a merchant.
MERCHANT: Final = behind_wall("SELECT document FROM merchants WHERE merchant_id = wall.merchant_id")
# All merchants, in the order of their making.
MERCHANTS: Final = behind_wall(
    f"SELECT document FROM merchants WHERE wall.merchant_id = '{EVERYBODY}' ORDER BY added_at, merchant_id"
)

# Invoices


def _one(columns: tuple[str, ...]) -> str:
    return behind_wall(f"SELECT {_columns(columns)} FROM invoices WHERE merchant_id = wall.merchant_id AND number = $2")


def _many(columns: tuple[str, ...]) -> str:
    return behind_wall(
        f"SELECT wish.place, {_columns(columns, 'kept')} FROM unnest($2::text[], $3::text[]) WITH ORDINALITY"
        " AS wish (merchant_id, number, place) JOIN invoices AS kept ON kept.merchant_id = wish.merchant_id"
        " AND kept.number = wish.number WHERE wall.merchant_id <> ''"
    )


# One invoice by its number, and what is shown of one.
INVOICE: Final = _one(READ_COLUMNS)
SHOWN: Final = _one(SHOWN_COLUMNS)
# Many invoices by merchant ($2) and number ($3), each with the place of its wish; $1 names the merchants, one a line.
INVOICES: Final = _many(READ_COLUMNS)
SHOWN_MANY: Final = _many(SHOWN_COLUMNS)
# The invoice that a payment link opens: once the link is found, the wall closes round its merchant.
INVOICE_BY_LINK: Final = (
    f"SELECT link.merchant_id, {_columns(READ_COLUMNS, 'found')}"
    f" FROM (SELECT set_config('paydue.merchants', '{EVERYBODY}', true) AS merchant_id OFFSET 0) AS gate"
    " CROSS JOIN LATERAL (SELECT merchant_id, serial FROM payment_links"
    f" WHERE token_start = $1 AND token_digest = $2 AND gate.merchant_id = '{EVERYBODY}' OFFSET 0) AS link"
    " CROSS JOIN LATERAL (SELECT set_config('paydue.merchants', link.merchant_id, true) AS merchant_id OFFSET 0)"
    f" AS wall CROSS JOIN LATERAL (SELECT {_columns(READ_COLUMNS)} FROM invoices"
    " WHERE merchant_id = wall.merchant_id AND serial = link.serial OFFSET 0) AS found"
)


def _page(counted: str, found: str) -> str:
    """Return the statement for a total and a page: one row at least, once the merchant or the status is counted."""
    return (
        f"SELECT counted.total, {_columns(SUMMARY_COLUMNS, 'found')}"
        " FROM (SELECT set_config('paydue.merchants', $1, true) AS merchant_id OFFSET 0) AS wall"
        f" CROSS JOIN LATERAL ({counted} OFFSET 0) AS counted"
        f" LEFT JOIN LATERAL ({found}) AS found ON true"
    )


def _block(name: str, size: str, skip: str, within: str) -> str:
    """Return the join that finds the block of a size in which the page begins, and what is left to skip in it."""
    return (
        f" CROSS JOIN LATERAL (SELECT block, {skip} - before AS skip FROM ("
        "SELECT block, count, (sum(count) OVER (ORDER BY block DESC))::bigint - count AS before FROM status_blocks"
        f" WHERE merchant_id = wall.merchant_id AND status = $4 AND size = {size}{within}) AS counts"
        f" WHERE before <= {skip} AND {skip} < before + count OFFSET 0) AS {name}"
    )


_STATUS_TOTAL: Final = (
    "SELECT count AS total FROM status_blocks WHERE merchant_id = wall.merchant_id AND status = $4"
    f" AND size = {WHOLE} AND block = 0"
)
# A page of all invoices from an offset ($2) on. Serials are dense, so it is a stretch of them.
PAGE: Final = _page(
    "SELECT last_serial AS total FROM merchants WHERE merchant_id = wall.merchant_id",
    f"SELECT {_columns(SUMMARY_COLUMNS)} FROM invoices WHERE merchant_id = wall.merchant_id"
    " AND serial BETWEEN counted.total - $2::bigint - $3::bigint + 1 AND counted.total - $2::bigint"
    " ORDER BY serial DESC OFFSET 0",
)
# A page of a status near the newest: what is skipped is stepped over in the index.
PAGE_OF_STATUS: Final = _page(
    _STATUS_TOTAL,
    f"SELECT {_columns(SUMMARY_COLUMNS)} FROM invoices WHERE merchant_id = wall.merchant_id AND status = $4"
    " ORDER BY serial DESC LIMIT $3 OFFSET $2",
)
# A page of a status anywhere: the counts lead to the large block ($5 is their size) and the small one ($6) in which it
# begins.
DEEP_PAGE_OF_STATUS: Final = _page(
    _STATUS_TOTAL,
    f"SELECT {_columns(SUMMARY_COLUMNS, 'invoice')} FROM (SELECT 1) AS one"
    + _block("large", "$5::bigint", "$2::bigint", "")
    + _block(
        "small",
        "$6::bigint",
        "large.skip",
        " AND block BETWEEN large.block * ($5::bigint / $6::bigint)"
        " AND (large.block + 1) * ($5::bigint / $6::bigint) - 1",
    )
    + f" CROSS JOIN LATERAL (SELECT {_columns(SUMMARY_COLUMNS)} FROM invoices"
    " WHERE merchant_id = wall.merchant_id AND status = $4 AND serial < (small.block + 1) * $6::bigint"
    " ORDER BY serial DESC LIMIT $3 OFFSET small.skip) AS invoice",
)

# Receipts, settings, fields

# What was answered under an idempotency key.
RECEIPT: Final = behind_wall(
    "SELECT fingerprint, status, body FROM receipts WHERE merchant_id = wall.merchant_id AND key = $2"
)
# A merchant's settings for a product.
SETTINGS: Final = behind_wall(
    "SELECT document, version FROM settings WHERE merchant_id = wall.merchant_id AND product = $2"
)
# A logo's bytes.
LOGO: Final = behind_wall("SELECT image FROM logos WHERE merchant_id = wall.merchant_id AND product = $2")
# The definitions of a reference type, oldest first.
DEFINITIONS: Final = behind_wall(
    "SELECT document, definition_id FROM field_definitions"
    " WHERE merchant_id = wall.merchant_id AND reference_type = $2 ORDER BY definition_id"
)

# Keys

# A key by its id.
KEY: Final = behind_wall(
    f"SELECT {_columns(KEY_COLUMNS)} FROM access_keys WHERE key_id = $2 AND wall.merchant_id = '{EVERYBODY}'"
)
# A key by its certificate.
KEY_BY_CERTIFICATE: Final = behind_wall(
    f"SELECT {_columns(KEY_COLUMNS)} FROM access_keys"
    f" WHERE certificate_digest = $2 AND wall.merchant_id = '{EVERYBODY}'"
)
# The keys that belong to a merchant.
KEYS_OF_MERCHANT: Final = behind_wall(
    f"SELECT {_columns(KEY_COLUMNS)} FROM access_keys WHERE merchant_id = wall.merchant_id ORDER BY created_at, key_id"
)
# The data keys, wrapped.
DATA_KEYS: Final = "SELECT number, wrapped_by, wrapped, used_from FROM data_keys ORDER BY number"
# A data key; nothing when another process was a moment earlier, for then its key counts.
ADD_DATA_KEY: Final = (
    "INSERT INTO data_keys (number, wrapped_by, wrapped, used_from) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
)
# Whether there is any data key, on a database of whatever schema.
HAS_DATA_KEYS: Final = "SELECT 1 FROM data_keys LIMIT 1"

# Schema

# Whether any migration was ever applied.
HAS_SCHEMA: Final = "SELECT to_regclass('schema_migrations') IS NOT NULL"
# The last migration applied.
SCHEMA_NUMBER: Final = "SELECT coalesce(max(number), 0) FROM schema_migrations"
# A migration that is now applied.
ADD_SCHEMA_NUMBER: Final = "INSERT INTO schema_migrations (number, title) VALUES ($1, $2)"
# What time it is, in microseconds since 1970.
PRESENT: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
# How far the primary has written, and how far a standby has followed (nothing when it is none), in bytes of the log.
WRITTEN_UP_TO: Final = "SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint"
FOLLOWED_UP_TO: Final = (
    "SELECT CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint END"
)
# Which installation of PostgreSQL and which database it is: a standby has its primary's.
SYSTEM: Final = "SELECT system_identifier, current_database()::text FROM pg_control_system()"
# Which PostgreSQL it is, and whether it lets the role see what row-level security hides.
SERVER: Final = "SELECT current_setting('server_version_num')::integer, current_setting('server_version')"
WALL_BINDS: Final = "SELECT NOT (rolsuper OR rolbypassrls) FROM pg_catalog.pg_roles WHERE rolname = current_user"
