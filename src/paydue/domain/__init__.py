"""Money and the life of an invoice: pure rules that know no clock, no disk and no network."""
