-- Who is not written to, how much is written, and messages that are about no invoice.
--
-- Messages about no invoice (to a merchant, about a receiver or a limit) are rows of the outbox with serial 0 and
-- positions of their own. The release before this one delivers none of them: it finds no invoice, and parks them.

-- Addresses that a merchant's mails do not go to any more, in small letters, until somebody lifts it.
CREATE TABLE suppressions (
    merchant_id TEXT COLLATE "C" NOT NULL REFERENCES merchants (merchant_id),
    address TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    said TEXT NOT NULL,
    message_id BYTEA,
    suppressed_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant_id, address)
);

-- Mails handed over on a day (UTC), by recipient in small letters; the empty one counts them all.
CREATE TABLE mail_counts (
    merchant_id TEXT COLLATE "C" NOT NULL,
    day TEXT COLLATE "C" NOT NULL,
    recipient TEXT COLLATE "C" NOT NULL,
    mails BIGINT NOT NULL CHECK (mails >= 0),
    PRIMARY KEY (merchant_id, day, recipient)
);

-- Invoices whose payers get no reminders.
CREATE TABLE reminder_stops (
    merchant_id TEXT COLLATE "C" NOT NULL,
    serial BIGINT NOT NULL,
    stopped_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant_id, serial)
);

-- The second wall, as for the other tables.

ALTER TABLE suppressions ENABLE ROW LEVEL SECURITY;
ALTER TABLE suppressions FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON suppressions USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE mail_counts ENABLE ROW LEVEL SECURITY;
ALTER TABLE mail_counts FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON mail_counts USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE reminder_stops ENABLE ROW LEVEL SECURITY;
ALTER TABLE reminder_stops FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON reminder_stops USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);
