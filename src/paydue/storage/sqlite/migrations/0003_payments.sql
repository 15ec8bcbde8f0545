-- Payments through a gateway: attempts, the transactions they brought about, and money that no invoice holds.
--
-- The release before this one may go on writing meanwhile: what is new in an invoice's row may be missing.

-- What was given back without being due again, and as JSON what attempts whose outcome is open hold of the balance.
-- Missing: nothing.
ALTER TABLE invoices ADD COLUMN refunded TEXT;
ALTER TABLE invoices ADD COLUMN reservations TEXT;

-- Tries to pay. `document` holds the attempt, other columns repeat what is looked for or kept unique. `payer_key` came
-- with the payer's form: an invoice has one attempt of each.
CREATE TABLE attempts (
    merchant_id TEXT NOT NULL,
    attempt_id TEXT NOT NULL,
    serial INTEGER NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    payer_key TEXT NOT NULL,
    gateway TEXT NOT NULL,
    reference TEXT NOT NULL,
    session TEXT,
    state TEXT NOT NULL,
    begun_at TEXT NOT NULL,
    next_look_at TEXT,
    document TEXT NOT NULL,
    PRIMARY KEY (merchant_id, attempt_id),
    UNIQUE (merchant_id, serial, payer_key),
    UNIQUE (merchant_id, gateway, reference)
) STRICT;
CREATE INDEX attempts_of_invoice ON attempts (merchant_id, serial, begun_at);
CREATE INDEX attempts_by_session ON attempts (merchant_id, gateway, session) WHERE session IS NOT NULL;
-- Two ways through what is not done: by time for the reconciler, by name for its start.
CREATE INDEX attempts_to_look_at ON attempts (next_look_at) WHERE next_look_at IS NOT NULL;
CREATE INDEX attempts_unfinished ON attempts (merchant_id, attempt_id) WHERE next_look_at IS NOT NULL;

-- Which attempt a gateway's transaction belongs to: the key makes counting one twice impossible. Only ever added.
CREATE TABLE gateway_transactions (
    merchant_id TEXT NOT NULL,
    gateway TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    attempt_id TEXT NOT NULL,
    PRIMARY KEY (merchant_id, gateway, transaction_id)
) STRICT, WITHOUT ROWID;

-- Money that a gateway took and no invoice holds. `resolved_at` is set once it was given back.
CREATE TABLE unapplied_money (
    merchant_id TEXT NOT NULL,
    gateway TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    attempt_id TEXT NOT NULL,
    found_at TEXT NOT NULL,
    resolved_at TEXT,
    document TEXT NOT NULL,
    PRIMARY KEY (merchant_id, gateway, transaction_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX unapplied_money_by_age ON unapplied_money (merchant_id, found_at);

-- Notifications of gateways that were taken in, so that a repeat is known; forgotten after a while.
CREATE TABLE gateway_notifications (
    merchant_id TEXT NOT NULL,
    gateway TEXT NOT NULL,
    event_id TEXT NOT NULL,
    attempt_id TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    PRIMARY KEY (merchant_id, gateway, event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX gateway_notifications_by_age ON gateway_notifications (taken_at);
