-- Keys and certificates that are for one subscription alone; where this is NULL, for all of the merchant's.
--
-- The release before this one may go on writing meanwhile: it knows only keys for all.

ALTER TABLE webhook_keys ADD COLUMN webhook_id TEXT;
