"""The compatible API as it travels: its JSON, its signatures and tokens, its error bodies."""
