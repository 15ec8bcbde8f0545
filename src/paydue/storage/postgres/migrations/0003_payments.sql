-- Payments through a gateway: attempts, the transactions they brought about, and money that no invoice holds.
--
-- The release before this one may go on writing meanwhile: what is new in an invoice's row may be missing.

-- What was given back without being due again, and as JSON what attempts whose outcome is open hold of the balance.
-- Missing: nothing.
ALTER TABLE invoices ADD COLUMN refunded TEXT COLLATE "C";
ALTER TABLE invoices ADD COLUMN reservations TEXT;

-- Tries to pay. `document` holds the attempt, other columns repeat what is looked for or kept unique. `payer_key` came
-- with the payer's form: an invoice has one attempt of each.
CREATE TABLE attempts (
    merchant_id TEXT COLLATE "C" NOT NULL,
    attempt_id TEXT COLLATE "C" NOT NULL,
    serial BIGINT NOT NULL,
    version BIGINT NOT NULL CHECK (version >= 1),
    payer_key TEXT COLLATE "C" NOT NULL,
    gateway TEXT COLLATE "C" NOT NULL,
    reference TEXT COLLATE "C" NOT NULL,
    session TEXT COLLATE "C",
    state TEXT COLLATE "C" NOT NULL,
    begun_at TEXT COLLATE "C" NOT NULL,
    next_look_at TEXT COLLATE "C",
    document TEXT NOT NULL,
    PRIMARY KEY (merchant_id, attempt_id),
    UNIQUE (merchant_id, serial, payer_key),
    UNIQUE (merchant_id, gateway, reference)
);
CREATE INDEX attempts_of_invoice ON attempts (merchant_id, serial, begun_at);
CREATE INDEX attempts_by_session ON attempts (merchant_id, gateway, session) WHERE session IS NOT NULL;
-- Two ways through what is not done: by time for the reconciler, by name for its start.
CREATE INDEX attempts_to_look_at ON attempts (next_look_at) WHERE next_look_at IS NOT NULL;
CREATE INDEX attempts_unfinished ON attempts (merchant_id, attempt_id) WHERE next_look_at IS NOT NULL;

-- Which attempt a gateway's transaction belongs to: the key makes counting one twice impossible. Only ever added.
CREATE TABLE gateway_transactions (
    merchant_id TEXT COLLATE "C" NOT NULL,
    gateway TEXT COLLATE "C" NOT NULL,
    transaction_id TEXT COLLATE "C" NOT NULL,
    attempt_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant_id, gateway, transaction_id)
);

-- Money that a gateway took and no invoice holds. `resolved_at` is set once it was given back.
CREATE TABLE unapplied_money (
    merchant_id TEXT COLLATE "C" NOT NULL,
    gateway TEXT COLLATE "C" NOT NULL,
    transaction_id TEXT COLLATE "C" NOT NULL,
    attempt_id TEXT COLLATE "C" NOT NULL,
    found_at TEXT COLLATE "C" NOT NULL,
    resolved_at TEXT COLLATE "C",
    document TEXT NOT NULL,
    PRIMARY KEY (merchant_id, gateway, transaction_id)
);
CREATE INDEX unapplied_money_by_age ON unapplied_money (merchant_id, found_at);

-- Notifications of gateways that were taken in, so that a repeat is known; forgotten after a while.
CREATE TABLE gateway_notifications (
    merchant_id TEXT COLLATE "C" NOT NULL,
    gateway TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    attempt_id TEXT COLLATE "C" NOT NULL,
    taken_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant_id, gateway, event_id)
);
CREATE INDEX gateway_notifications_by_age ON gateway_notifications (taken_at);

-- The second wall, as for the other tables.

ALTER TABLE attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON attempts USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE gateway_transactions ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway_transactions FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON gateway_transactions USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE unapplied_money ENABLE ROW LEVEL SECURITY;
ALTER TABLE unapplied_money FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON unapplied_money USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);

ALTER TABLE gateway_notifications ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway_notifications FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON gateway_notifications USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);
