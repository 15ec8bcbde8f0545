-- Delivery: the outbox becomes a queue with leases, tries are logged, merchants subscribe, payers are reminded once.
--
-- The release before this one may go on writing meanwhile: it names the columns that it fills, and what is new has a
-- default. It also writes webhook rows without a recipient, for then nobody could subscribe; they are never due.

-- `lane` is what a row waits in: webhooks in one of their subscription, mails in one of their merchant. A lease takes
-- a few of each lane, so that no receiver has to wait until another's backlog is through. A lease names one taking of
-- the row by one worker; once it has run out, another may take it. `cause_part` is, of a message that came about
-- because of another of the same event, the part of that one.
ALTER TABLE outbox
    ADD COLUMN lane TEXT COLLATE "C" GENERATED ALWAYS AS (
        CASE channel WHEN 'mail' THEN merchant_id ELSE recipient END
    ) STORED,
    ADD COLUMN lease TEXT COLLATE "C",
    ADD COLUMN lease_until TEXT COLLATE "C",
    ADD COLUMN first_failed_at TEXT COLLATE "C",
    ADD COLUMN last_outcome TEXT,
    ADD COLUMN is_rendered BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN is_replayed BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN cause_part INTEGER;
DROP INDEX outbox_due;
CREATE INDEX outbox_queue ON outbox (lane, due_at) WHERE state = 'pending' AND lane IS NOT NULL;
CREATE INDEX outbox_held ON outbox (merchant_id, recipient, message_id) WHERE state = 'held';
CREATE INDEX outbox_replayed ON outbox (merchant_id) WHERE state = 'pending' AND is_replayed;
-- A message id begins with the time at which the message was made: this finds a message, and lists the newest.
CREATE INDEX outbox_by_message ON outbox (merchant_id, state, message_id);

-- What was written for a message at its first try, so that every later one says the same. Apart from the outbox,
-- whose rows are small.
CREATE TABLE renderings (
    merchant_id TEXT COLLATE "C" NOT NULL,
    message_id BYTEA NOT NULL,
    rendered BYTEA NOT NULL,
    PRIMARY KEY (merchant_id, message_id)
);

-- Every go at a message. `request` and `answer` are forgotten after a while, the rest stays.
CREATE TABLE delivery_tries (
    merchant_id TEXT COLLATE "C" NOT NULL,
    message_id BYTEA NOT NULL,
    number INTEGER NOT NULL,
    at TEXT COLLATE "C" NOT NULL,
    milliseconds BIGINT NOT NULL,
    is_taken INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER,
    trace_id TEXT COLLATE "C",
    request TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (merchant_id, message_id, number)
);
CREATE INDEX delivery_tries_by_trace ON delivery_tries (merchant_id, trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX delivery_tries_to_forget ON delivery_tries (merchant_id, at) WHERE request <> '' OR answer <> '';

-- Webhook subscriptions. A deleted one stays, because the outbox names it.
CREATE TABLE subscriptions (
    merchant_id TEXT COLLATE "C" NOT NULL REFERENCES merchants (merchant_id),
    webhook_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL CHECK (version >= 1),
    status TEXT COLLATE "C" NOT NULL,
    created_at TEXT COLLATE "C" NOT NULL,
    deleted_at TEXT COLLATE "C",
    document TEXT NOT NULL,
    PRIMARY KEY (merchant_id, webhook_id)
);

-- The keys that webhooks are sent with. `secret` is encrypted.
CREATE TABLE webhook_keys (
    merchant_id TEXT COLLATE "C" NOT NULL REFERENCES merchants (merchant_id),
    key_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    secret BYTEA,
    client_id TEXT,
    certificate BYTEA,
    created_at TEXT COLLATE "C" NOT NULL,
    expires_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant_id, key_id)
);

-- Who asked for what, besides the changes of invoices, which `events` tells. Rows are only ever added.
CREATE TABLE actions (
    merchant_id TEXT COLLATE "C" NOT NULL,
    action_id BYTEA NOT NULL,
    at TEXT COLLATE "C" NOT NULL,
    actor TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    PRIMARY KEY (merchant_id, action_id)
);

-- That a payer was reminded of a due date: the key makes a second reminder impossible.
CREATE TABLE reminders (
    merchant_id TEXT COLLATE "C" NOT NULL,
    serial BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    due_date TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant_id, serial, kind, due_date)
);
-- Open invoices by the day they are due; within a day in the order of their serials.
CREATE INDEX invoices_due ON invoices (merchant_id, due_date, serial) WHERE status = 'SENT' OR status = 'PARTIAL';

-- The second wall, as for the other tables.

ALTER TABLE renderings ENABLE ROW LEVEL SECURITY;
ALTER TABLE renderings FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON renderings USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE delivery_tries ENABLE ROW LEVEL SECURITY;
ALTER TABLE delivery_tries FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON delivery_tries USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE subscriptions FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON subscriptions USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE webhook_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON webhook_keys USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE actions ENABLE ROW LEVEL SECURITY;
ALTER TABLE actions FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON actions USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE reminders ENABLE ROW LEVEL SECURITY;
ALTER TABLE reminders FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON reminders USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);
