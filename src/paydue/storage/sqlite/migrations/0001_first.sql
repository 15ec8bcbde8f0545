-- Everything the first release keeps.
--
-- Every key starts with the merchant, so that merchants can be spread over servers later. What has to be found before
-- the merchant is known (a payment link, an access key) has a look-up table of its own. Money is exact text. Times are
-- ISO text in UTC with microseconds, so that they sort.

CREATE TABLE schema_migrations (
    number INTEGER PRIMARY KEY,
    title TEXT NOT NULL,
    applied_at TEXT NOT NULL
) STRICT;

-- Data keys, wrapped by the key file's key. Values name the data key that encrypted them.
CREATE TABLE data_keys (
    number INTEGER PRIMARY KEY,
    wrapped_by TEXT NOT NULL,
    wrapped BLOB NOT NULL
) STRICT;

-- A merchant, and its counters: the last serial given to an invoice, the number to try next for an invoice without
-- one, and the last id given to a merchant-defined field. `ordinal` leads the ids of its invoices.
CREATE TABLE merchants (
    ordinal INTEGER PRIMARY KEY,
    merchant_id TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL,
    last_serial INTEGER NOT NULL DEFAULT 0 CHECK (last_serial >= 0),
    next_number INTEGER NOT NULL DEFAULT 1 CHECK (next_number >= 1),
    last_definition_id INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Keys that callers sign with. `secret` is encrypted; `merchants` is a JSON array of the merchants it may act for.
CREATE TABLE access_keys (
    key_id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL REFERENCES merchants (merchant_id),
    kind TEXT NOT NULL,
    secret BLOB,
    certificate BLOB,
    certificate_digest BLOB UNIQUE,
    portfolio_id TEXT,
    merchants TEXT NOT NULL,
    created_at TEXT NOT NULL,
    revoked_at TEXT
) STRICT;
CREATE INDEX access_keys_of_merchant ON access_keys (merchant_id);

-- Invoices as they stand. `serial` is dense per merchant, 1, 2, 3, ...: a list finds its page by it. `id` is the
-- merchant's ordinal * 2^40 + serial, so that a merchant's invoices lie together and in order. `document` holds the
-- terms, `history` a reading copy of the events; other columns repeat what is looked for, listed or verified.
CREATE TABLE invoices (
    id INTEGER PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    serial INTEGER NOT NULL,
    number TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    -- Not IN (...): SQLite would build a table of the words for each row that it checks.
    status TEXT NOT NULL CHECK (
        status = 'SENT' OR status = 'CREATED' OR status = 'DRAFT' OR status = 'PARTIAL' OR status = 'PAID'
        OR status = 'CANCELED' OR status = 'PENDING'
    ),
    created_at TEXT NOT NULL,
    due_date TEXT NOT NULL,
    expiration_date TEXT,
    currency TEXT NOT NULL,
    total TEXT NOT NULL,
    paid TEXT NOT NULL,
    customer_name TEXT,
    merchant_customer_id TEXT,
    payment_token BLOB,
    document TEXT NOT NULL,
    history TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX invoices_by_number ON invoices (merchant_id, number);
-- Within a status the entries stand in the order of id, which is that of the serials.
CREATE INDEX invoices_by_status ON invoices (merchant_id, status);

-- How many invoices of a status lie in each block of serials (serial / size = block). The largest size holds all.
CREATE TABLE status_blocks (
    merchant_id TEXT NOT NULL,
    status TEXT NOT NULL,
    size INTEGER NOT NULL,
    block INTEGER NOT NULL,
    count INTEGER NOT NULL CHECK (count >= 0),
    PRIMARY KEY (merchant_id, status, size, block)
) STRICT, WITHOUT ROWID;

-- What happened to an invoice, who asked for it, and under which correlation id. Rows are only ever added.
CREATE TABLE events (
    merchant_id TEXT NOT NULL,
    serial INTEGER NOT NULL,
    position INTEGER NOT NULL,
    what TEXT NOT NULL,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    data TEXT,
    PRIMARY KEY (merchant_id, serial, position)
) STRICT, WITHOUT ROWID;

-- Money received; `position` is that of its event. Rows are only ever added.
CREATE TABLE payments (
    merchant_id TEXT NOT NULL,
    serial INTEGER NOT NULL,
    position INTEGER NOT NULL,
    amount TEXT NOT NULL,
    currency TEXT NOT NULL,
    method TEXT NOT NULL,
    reference TEXT NOT NULL,
    paid_at TEXT NOT NULL,
    PRIMARY KEY (merchant_id, serial, position)
) STRICT, WITHOUT ROWID;

-- Messages to deliver: part 0, 1, ... of what an event causes. The key makes announcing an event twice impossible.
-- `message_id` is what a receiver knows a repeat by.
CREATE TABLE outbox (
    merchant_id TEXT NOT NULL,
    serial INTEGER NOT NULL,
    position INTEGER NOT NULL,
    part INTEGER NOT NULL,
    message_id BLOB NOT NULL,
    number TEXT NOT NULL,
    channel TEXT NOT NULL,
    topic TEXT NOT NULL,
    recipient TEXT,
    facts TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    due_at TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (merchant_id, serial, position, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'pending';

-- Which invoice a payment link opens: the readable start of its token, and the SHA-256 digest of all of it.
CREATE TABLE payment_links (
    token_start TEXT NOT NULL,
    token_digest BLOB NOT NULL,
    merchant_id TEXT NOT NULL,
    serial INTEGER NOT NULL,
    PRIMARY KEY (token_start, token_digest)
) STRICT, WITHOUT ROWID;

-- Idempotency keys with the first answer.
CREATE TABLE receipts (
    merchant_id TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    kept_at TEXT NOT NULL,
    PRIMARY KEY (merchant_id, key)
) STRICT;
CREATE INDEX receipts_by_age ON receipts (kept_at);

-- Invoice settings per merchant and product. A logo is read far more rarely than the rest, so it lies apart.
CREATE TABLE settings (
    merchant_id TEXT NOT NULL REFERENCES merchants (merchant_id),
    product TEXT NOT NULL,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (merchant_id, product)
) STRICT;
CREATE TABLE logos (
    merchant_id TEXT NOT NULL,
    product TEXT NOT NULL,
    image BLOB NOT NULL,
    PRIMARY KEY (merchant_id, product)
) STRICT;

-- Merchant-defined fields. Invoices keep a copy of the definitions that they carry values for.
CREATE TABLE field_definitions (
    merchant_id TEXT NOT NULL REFERENCES merchants (merchant_id),
    definition_id INTEGER NOT NULL,
    reference_type TEXT NOT NULL,
    data_index INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (merchant_id, definition_id),
    UNIQUE (merchant_id, reference_type, data_index)
) STRICT;
