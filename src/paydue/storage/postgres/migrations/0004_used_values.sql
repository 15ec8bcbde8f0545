-- The one-time values of tokens, remembered for all nodes until a token with them would be too old anyway.
--
-- The release before this one may go on serving meanwhile; its nodes remember what they see in their own memory.

-- `mark` is a digest of key and value; `use` tells one use from another.
CREATE TABLE used_values (
    merchant_id TEXT COLLATE "C" NOT NULL,
    mark BYTEA NOT NULL,
    use BYTEA NOT NULL,
    matters_until TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant_id, mark)
);
CREATE INDEX used_values_outdated ON used_values (matters_until);

ALTER TABLE used_values ENABLE ROW LEVEL SECURITY;
ALTER TABLE used_values FORCE ROW LEVEL SECURITY;
CREATE POLICY named_merchants ON used_values USING (
    merchant_id = current_setting('paydue.merchants', true)
    OR current_setting('paydue.merchants', true) = '*'
    OR merchant_id = ANY (string_to_array(current_setting('paydue.merchants', true), E'\n'))
);
