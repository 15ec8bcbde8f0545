"""The SQL of small writes, each statement with a name: merchants, keys, settings, fields, and what is forgotten."""

from typing import Final

# Merchants and keys

# A new merchant, with fresh counters.
ADD_MERCHANT: Final = "INSERT INTO merchants (merchant_id, document) VALUES ($1, $2) ON CONFLICT DO NOTHING"
# Whether a merchant is there.
HAS_MERCHANT: Final = "SELECT 1 FROM merchants WHERE merchant_id = $1"
# A new key; no row when the key id or the certificate is registered.
ADD_KEY: Final = (
    "INSERT INTO access_keys (key_id, merchant_id, kind, secret, certificate, certificate_digest, portfolio_id,"
    " merchants, created_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING"
)
# A key that stops working now.
REVOKE_KEY: Final = "UPDATE access_keys SET revoked_at = $1 WHERE key_id = $2 AND revoked_at IS NULL"

# Receipts

# Whether an idempotency key was used.
HAS_RECEIPT: Final = "SELECT 1 FROM receipts WHERE merchant_id = $1 AND key = $2"
# The first answer given under an idempotency key.
ADD_RECEIPT: Final = (
    "INSERT INTO receipts (merchant_id, key, fingerprint, status, body, kept_at) VALUES ($1, $2, $3, $4, $5, $6)"
)
# Forget some old answers; repeated until none is left, so that no transaction grows long.
FORGET_RECEIPTS: Final = (
    "DELETE FROM receipts WHERE (merchant_id, key) IN"
    " (SELECT merchant_id, key FROM receipts WHERE kept_at < $1 ORDER BY kept_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
)

# Settings

# The first settings for a product; no row when somebody else was first.
ADD_SETTINGS: Final = (
    "INSERT INTO settings (merchant_id, product, version, document) VALUES ($1, $2, 1, $3) ON CONFLICT DO NOTHING"
)
# Changed settings; no row when they were changed since they were read.
AMEND_SETTINGS: Final = (
    "UPDATE settings SET document = $3, version = version + 1 WHERE merchant_id = $1 AND product = $2 AND version = $4"
)
# A new logo in place of any other.
SET_LOGO: Final = (
    "INSERT INTO logos (merchant_id, product, image) VALUES ($1, $2, $3)"
    " ON CONFLICT (merchant_id, product) DO UPDATE SET image = excluded.image"
)
# No logo any more.
DROP_LOGO: Final = "DELETE FROM logos WHERE merchant_id = $1 AND product = $2"

# Merchant-defined fields

# How many definitions a reference type has.
DEFINITION_COUNT: Final = "SELECT count(*) FROM field_definitions WHERE merchant_id = $1 AND reference_type = $2"
# The next id of a definition.
NEXT_DEFINITION_ID: Final = (
    "UPDATE merchants SET last_definition_id = last_definition_id + 1 WHERE merchant_id = $1"
    " RETURNING last_definition_id"
)
# A new definition; no row when its index is taken.
ADD_DEFINITION: Final = (
    "INSERT INTO field_definitions (merchant_id, definition_id, reference_type, data_index, document)"
    " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
)
# A changed definition; no row when it is not there or another one has its index.
AMEND_DEFINITION: Final = (
    "UPDATE field_definitions AS kept SET data_index = $4, document = $5"
    " WHERE merchant_id = $1 AND reference_type = $2 AND definition_id = $3 AND NOT EXISTS ("
    "SELECT 1 FROM field_definitions AS other WHERE other.merchant_id = $1 AND other.reference_type = $2"
    " AND other.data_index = $4 AND other.definition_id <> $3)"
)
# Whether a definition is there.
HAS_DEFINITION: Final = (
    "SELECT 1 FROM field_definitions WHERE merchant_id = $1 AND reference_type = $2 AND definition_id = $3"
)
# No definition any more; invoices keep their copies.
DROP_DEFINITION: Final = (
    "DELETE FROM field_definitions WHERE merchant_id = $1 AND reference_type = $2 AND definition_id = $3"
)

# One-time values

# Values that are used now, behind the wall that $1 names; returned are the uses that are the first of their value. It
# need not be on the disk before the answer: a crash that forgets some of the last second lets those be used again.
USE_ONCE: Final = (
    "WITH wall AS MATERIALIZED (SELECT set_config('paydue.merchants', $1, true),"
    " set_config('synchronous_commit', 'off', true)),"
    " used AS (INSERT INTO used_values AS kept (merchant_id, mark, matters_until, use)"
    " SELECT * FROM unnest((SELECT $2::text[] FROM wall), $3::bytea[], $4::text[], $5::bytea[])"
    " ON CONFLICT (merchant_id, mark) DO UPDATE SET matters_until = excluded.matters_until"
    " WHERE kept.use = excluded.use RETURNING use) SELECT use FROM used"
)
# Forget some values that matter no more.
FORGET_USED: Final = (
    "DELETE FROM used_values WHERE (merchant_id, mark) IN (SELECT merchant_id, mark FROM used_values"
    " WHERE matters_until < $1 ORDER BY matters_until LIMIT $2 FOR UPDATE SKIP LOCKED)"
)
