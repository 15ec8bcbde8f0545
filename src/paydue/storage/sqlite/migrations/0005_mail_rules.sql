-- Who is not written to, how much is written, and messages that are about no invoice.
--
-- Messages about no invoice (to a merchant, about a receiver or a limit) are rows of the outbox with serial 0 and
-- positions of their own. The release before this one delivers none of them: it finds no invoice, and parks them.

-- Addresses that a merchant's mails do not go to any more, in small letters, until somebody lifts it.
CREATE TABLE suppressions (
    merchant_id TEXT NOT NULL REFERENCES merchants (merchant_id),
    address TEXT NOT NULL,
    reason TEXT NOT NULL,
    said TEXT NOT NULL,
    message_id BLOB,
    suppressed_at TEXT NOT NULL,
    PRIMARY KEY (merchant_id, address)
) STRICT, WITHOUT ROWID;

-- Mails handed over on a day (UTC), by recipient in small letters; the empty one counts them all.
CREATE TABLE mail_counts (
    merchant_id TEXT NOT NULL,
    day TEXT NOT NULL,
    recipient TEXT NOT NULL,
    mails INTEGER NOT NULL CHECK (mails >= 0),
    PRIMARY KEY (merchant_id, day, recipient)
) STRICT, WITHOUT ROWID;

-- Invoices whose payers get no reminders.
CREATE TABLE reminder_stops (
    merchant_id TEXT NOT NULL,
    serial INTEGER NOT NULL,
    stopped_at TEXT NOT NULL,
    PRIMARY KEY (merchant_id, serial)
) STRICT, WITHOUT ROWID;
