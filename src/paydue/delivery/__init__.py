"""Sending what the outbox holds, and everything that this installation says to the world by itself."""
