"""The engine for many nodes: one PostgreSQL, written by a dedicated connection of each process, read through a pool."""
