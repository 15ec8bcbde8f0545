-- What is shown of an invoice, written beside it when it is kept, for the version that it begins with.
--
-- The release before this one may go on writing meanwhile: what it writes has nothing here, or something too old.

ALTER TABLE invoices ADD COLUMN shown TEXT;
