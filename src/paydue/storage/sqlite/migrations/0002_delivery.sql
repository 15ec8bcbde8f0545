-- Delivery: the outbox becomes a queue with leases, tries are logged, merchants subscribe, payers are reminded once.
--
-- The release before this one may go on writing meanwhile: it names the columns that it fills, and what is new has a
-- default. It also writes webhook rows without a recipient, for then nobody could subscribe; they are never due.

-- `lane` is what a row waits in: webhooks in one of their subscription, mails in one of their merchant. A lease takes
-- a few of each lane, so that no receiver has to wait until another's backlog is through.
ALTER TABLE outbox ADD COLUMN lane TEXT GENERATED ALWAYS AS (
    CASE channel WHEN 'mail' THEN merchant_id ELSE recipient END
) VIRTUAL;
-- A lease names one taking of the row by one worker. Once it has run out, another may take it.
ALTER TABLE outbox ADD COLUMN lease TEXT;
ALTER TABLE outbox ADD COLUMN lease_until TEXT;
ALTER TABLE outbox ADD COLUMN first_failed_at TEXT;
ALTER TABLE outbox ADD COLUMN last_outcome TEXT;
ALTER TABLE outbox ADD COLUMN is_rendered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN is_replayed INTEGER NOT NULL DEFAULT 0;
-- Of a message that came about because of another of the same event: the part of that one.
ALTER TABLE outbox ADD COLUMN cause_part INTEGER;
DROP INDEX outbox_due;
CREATE INDEX outbox_queue ON outbox (lane, due_at) WHERE state = 'pending' AND lane IS NOT NULL;
CREATE INDEX outbox_held ON outbox (merchant_id, recipient, message_id) WHERE state = 'held';
CREATE INDEX outbox_replayed ON outbox (merchant_id) WHERE state = 'pending' AND is_replayed = 1;
-- A message id begins with the time at which the message was made: this finds a message, and lists the newest.
CREATE INDEX outbox_by_message ON outbox (merchant_id, state, message_id);

-- What was written for a message at its first try, so that every later one says the same. Apart from the outbox,
-- whose rows are small.
CREATE TABLE renderings (
    merchant_id TEXT NOT NULL,
    message_id BLOB NOT NULL,
    rendered BLOB NOT NULL,
    PRIMARY KEY (merchant_id, message_id)
) STRICT;

-- Every go at a message. `request` and `answer` are forgotten after a while, the rest stays.
CREATE TABLE delivery_tries (
    merchant_id TEXT NOT NULL,
    message_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    at TEXT NOT NULL,
    milliseconds INTEGER NOT NULL,
    is_taken INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER,
    trace_id TEXT,
    request TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (merchant_id, message_id, number)
) STRICT;
CREATE INDEX delivery_tries_by_trace ON delivery_tries (merchant_id, trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX delivery_tries_to_forget ON delivery_tries (merchant_id, at) WHERE request <> '' OR answer <> '';

-- Webhook subscriptions. A deleted one stays, because the outbox names it.
CREATE TABLE subscriptions (
    merchant_id TEXT NOT NULL REFERENCES merchants (merchant_id),
    webhook_id TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    status TEXT NOT NULL,
    created_at TEXT NOT NULL,
    deleted_at TEXT,
    document TEXT NOT NULL,
    PRIMARY KEY (merchant_id, webhook_id)
) STRICT;

-- The keys that webhooks are sent with. `secret` is encrypted.
CREATE TABLE webhook_keys (
    merchant_id TEXT NOT NULL REFERENCES merchants (merchant_id),
    key_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    secret BLOB,
    client_id TEXT,
    certificate BLOB,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    PRIMARY KEY (merchant_id, key_id)
) STRICT;

-- Who asked for what, besides the changes of invoices, which `events` tells. Rows are only ever added.
CREATE TABLE actions (
    merchant_id TEXT NOT NULL,
    action_id BLOB NOT NULL,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    PRIMARY KEY (merchant_id, action_id)
) STRICT, WITHOUT ROWID;

-- That a payer was reminded of a due date: the key makes a second reminder impossible.
CREATE TABLE reminders (
    merchant_id TEXT NOT NULL,
    serial INTEGER NOT NULL,
    kind TEXT NOT NULL,
    due_date TEXT NOT NULL,
    PRIMARY KEY (merchant_id, serial, kind, due_date)
) STRICT, WITHOUT ROWID;
-- Open invoices by the day they are due; within a day in the order of id, which is that of the serials.
CREATE INDEX invoices_due ON invoices (merchant_id, due_date) WHERE status = 'SENT' OR status = 'PARTIAL';
