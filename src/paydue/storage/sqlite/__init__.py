"""The embedded engine: one file, one process, every commit durable."""
