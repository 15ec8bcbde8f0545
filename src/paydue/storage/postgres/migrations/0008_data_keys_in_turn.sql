-- From when on a data key encrypts: every process has heard of it by then. The first one always did.

ALTER TABLE data_keys ADD COLUMN used_from TEXT COLLATE "C" NOT NULL DEFAULT '';
