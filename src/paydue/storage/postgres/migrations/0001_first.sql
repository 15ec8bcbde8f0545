-- Everything the first release keeps.
--
-- Every key starts with the merchant, so that merchants can be spread over servers later. What has to be found before
-- the merchant is known (a payment link, an access key) has a look-up table of its own. Money is exact text. Times are
-- ISO text in UTC with microseconds, so that they sort. Text is compared byte by byte ("C"), which is what an index
-- does fastest, and stays right when the system's languages are updated under it.

CREATE TABLE schema_migrations (
    number INTEGER PRIMARY KEY,
    title TEXT NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

-- Data keys, wrapped by the key file's key. Values name the data key that encrypted them.
CREATE TABLE data_keys (
    number INTEGER PRIMARY KEY,
    wrapped_by TEXT COLLATE "C" NOT NULL,
    wrapped BYTEA NOT NULL
);

-- A merchant, and its counters: the last serial given to an invoice, the number to try next for an invoice without
-- one, and the last id given to a merchant-defined field. Whoever changes anything of a merchant locks this row first.
-- Room is left on its pages, so that counting up touches no index.
CREATE TABLE merchants (
    merchant_id TEXT COLLATE "C" PRIMARY KEY,
    document TEXT NOT NULL,
    last_serial BIGINT NOT NULL DEFAULT 0 CHECK (last_serial >= 0),
    next_number BIGINT NOT NULL DEFAULT 1 CHECK (next_number >= 1),
    last_definition_id BIGINT NOT NULL DEFAULT 0,
    added_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- Keys that callers sign with. `secret` is encrypted; `merchants` is a JSON array of the merchants it may act for.
CREATE TABLE access_keys (
    key_id TEXT COLLATE "C" PRIMARY KEY,
    merchant_id TEXT COLLATE "C" NOT NULL REFERENCES merchants (merchant_id),
    kind TEXT COLLATE "C" NOT NULL,
    secret BYTEA,
    certificate BYTEA,
    certificate_digest BYTEA UNIQUE,
    portfolio_id TEXT COLLATE "C",
    merchants TEXT NOT NULL,
    created_at TEXT COLLATE "C" NOT NULL,
    revoked_at TEXT COLLATE "C"
);
CREATE INDEX access_keys_of_merchant ON access_keys (merchant_id);

-- Invoices as they stand. `serial` is dense per merchant, 1, 2, 3, ...: a list finds its page by it. `document` holds
-- the terms, `history` a reading copy of the events; other columns repeat what is looked for, listed or verified.
CREATE TABLE invoices (
    merchant_id TEXT COLLATE "C" NOT NULL,
    serial BIGINT NOT NULL,
    number TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL CHECK (version >= 1),
    status TEXT COLLATE "C" NOT NULL
        CHECK (status IN ('DRAFT', 'CREATED', 'SENT', 'PARTIAL', 'PAID', 'CANCELED', 'PENDING')),
    created_at TEXT COLLATE "C" NOT NULL,
    due_date TEXT COLLATE "C" NOT NULL,
    expiration_date TEXT COLLATE "C",
    currency TEXT COLLATE "C" NOT NULL,
    total TEXT COLLATE "C" NOT NULL,
    paid TEXT COLLATE "C" NOT NULL,
    customer_name TEXT COLLATE "C",
    merchant_customer_id TEXT COLLATE "C",
    payment_token BYTEA,
    document TEXT NOT NULL,
    history TEXT NOT NULL,
    PRIMARY KEY (merchant_id, serial)
);
CREATE UNIQUE INDEX invoices_by_number ON invoices (merchant_id, number);
CREATE INDEX invoices_by_status ON invoices (merchant_id, status, serial);

-- How many invoices of a status lie in each block of serials (serial / size = block). The largest size holds all.
CREATE TABLE status_blocks (
    merchant_id TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    block BIGINT NOT NULL,
    count BIGINT NOT NULL CHECK (count >= 0),
    PRIMARY KEY (merchant_id, status, size, block)
) WITH (fillfactor = 50);

-- What happened to an invoice, who asked for it, and under which correlation id. Rows are only ever added.
CREATE TABLE events (
    merchant_id TEXT COLLATE "C" NOT NULL,
    serial BIGINT NOT NULL,
    position INTEGER NOT NULL,
    what TEXT COLLATE "C" NOT NULL,
    at TEXT COLLATE "C" NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    correlation_id TEXT COLLATE "C" NOT NULL,
    data TEXT,
    PRIMARY KEY (merchant_id, serial, position)
);

-- Money received; `position` is that of its event. Rows are only ever added.
CREATE TABLE payments (
    merchant_id TEXT COLLATE "C" NOT NULL,
    serial BIGINT NOT NULL,
    position INTEGER NOT NULL,
    amount TEXT COLLATE "C" NOT NULL,
    currency TEXT COLLATE "C" NOT NULL,
    method TEXT COLLATE "C" NOT NULL,
    reference TEXT COLLATE "C" NOT NULL,
    paid_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant_id, serial, position)
);

-- Messages to deliver: part 0, 1, ... of what an event causes. The key makes announcing an event twice impossible.
-- `message_id` is what a receiver knows a repeat by.
CREATE TABLE outbox (
    merchant_id TEXT COLLATE "C" NOT NULL,
    serial BIGINT NOT NULL,
    position INTEGER NOT NULL,
    part INTEGER NOT NULL,
    message_id BYTEA NOT NULL,
    number TEXT COLLATE "C" NOT NULL,
    channel TEXT COLLATE "C" NOT NULL,
    topic TEXT COLLATE "C" NOT NULL,
    recipient TEXT COLLATE "C",
    facts TEXT NOT NULL,
    state TEXT COLLATE "C" NOT NULL DEFAULT 'pending',
    due_at TEXT COLLATE "C" NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (merchant_id, serial, position, part)
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'pending';

-- Which invoice a payment link opens: the readable start of its token, and the SHA-256 digest of all of it.
CREATE TABLE payment_links (
    token_start TEXT COLLATE "C" NOT NULL,
    token_digest BYTEA NOT NULL,
    merchant_id TEXT COLLATE "C" NOT NULL,
    serial BIGINT NOT NULL,
    PRIMARY KEY (token_start, token_digest)
);

-- Idempotency keys with the first answer.
CREATE TABLE receipts (
    merchant_id TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    fingerprint BYTEA NOT NULL,
    status INTEGER NOT NULL,
    body BYTEA NOT NULL,
    kept_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant_id, key)
);
CREATE INDEX receipts_by_age ON receipts (kept_at);

-- Invoice settings per merchant and product. A logo is read far more rarely than the rest, so it lies apart.
CREATE TABLE settings (
    merchant_id TEXT COLLATE "C" NOT NULL REFERENCES merchants (merchant_id),
    product TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (merchant_id, product)
);
CREATE TABLE logos (
    merchant_id TEXT COLLATE "C" NOT NULL,
    product TEXT COLLATE "C" NOT NULL,
    image BYTEA NOT NULL,
    PRIMARY KEY (merchant_id, product)
);

-- Merchant-defined fields. Invoices keep a copy of the definitions that they carry values for.
CREATE TABLE field_definitions (
    merchant_id TEXT COLLATE "C" NOT NULL REFERENCES merchants (merchant_id),
    definition_id BIGINT NOT NULL,
    reference_type TEXT COLLATE "C" NOT NULL,
    data_index BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (merchant_id, definition_id),
    UNIQUE (merchant_id, reference_type, data_index)
);

-- The second wall between merchants: a transaction sees and writes rows of those merchants alone that it named in
-- `paydue.merchants` (one to a line; * is for what concerns the whole installation). One that named none sees nothing.
-- FORCE binds the owner too, which is who we are. The usual case, one merchant, is asked for first and costs least.

ALTER TABLE merchants ENABLE ROW LEVEL SECURITY;
ALTER TABLE merchants FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON merchants USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE access_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE access_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON access_keys USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE invoices ENABLE ROW LEVEL SECURITY;
ALTER TABLE invoices FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON invoices USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE status_blocks ENABLE ROW LEVEL SECURITY;
ALTER TABLE status_blocks FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON status_blocks USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE events ENABLE ROW LEVEL SECURITY;
ALTER TABLE events FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON events USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE payments ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON payments USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON outbox USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE payment_links ENABLE ROW LEVEL SECURITY;
ALTER TABLE payment_links FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON payment_links USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE receipts ENABLE ROW LEVEL SECURITY;
ALTER TABLE receipts FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON receipts USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE settings FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON settings USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE logos ENABLE ROW LEVEL SECURITY;
ALTER TABLE logos FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON logos USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE field_definitions ENABLE ROW LEVEL SECURITY;
ALTER TABLE field_definitions FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON field_definitions USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);
