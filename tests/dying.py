"""
Steps that a process takes, counted, and its death at one of them: for tests that kill real processes.

A step is whatever reaches beyond the process: beginning and ending a transaction, writing a row on PostgreSQL, speaking
to a mail server and hearing from it, connecting to somebody, sending and reading, writing a file to disk and renaming
it. They are counted here, around what makes them: the program that dies knows nothing of it.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiosmtplib.protocol

from paydue.storage.postgres import sessions
from paydue.storage.sqlite import engine

# What is waited for, and what is not.
AWAITED = (
    (engine.Engine, "begin"),
    (engine.Engine, "commit"),
    (sessions.Session, "run"),
    (sessions.Session, "fetch"),
    (aiosmtplib.protocol.SMTPProtocol, "read_response"),
    (asyncio, "open_connection"),
    (asyncio.StreamReader, "read"),
)
CALLED = (
    (aiosmtplib.protocol.SMTPProtocol, "write"),
    (asyncio.StreamWriter, "write"),
    (os, "fsync"),
    (Path, "rename"),
)


class Steps:
    """The steps of this process; each is named in a file before it is taken."""

    def __init__(self, file: str) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self._left: int | None = None
        self._last = ""

    def begin(self, die_at: int | None) -> None:
        """Count from here; die at that step, or never."""
        os.ftruncate(self._file, 0)
        self._left = die_at
        self._last = ""

    def rest(self) -> None:
        """Live on, whatever steps are taken."""
        self._left = None

    def count(self) -> None:
        """Have every step counted from now on."""
        for place, name in AWAITED:
            self._wrap(place, name, awaits=True)
        for place, name in CALLED:
            self._wrap(place, name, awaits=False)

    def take(self, step: str) -> None:
        """Name a step that is about to be taken, or die instead."""
        # An answer comes in as many packets as it likes: hearing it is one step.
        if (self._last, step) == ("read", "read"):
            return
        self._last = step
        os.write(self._file, step.encode() + b"\n")
        if self._left is not None:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)

    def _wrap(self, place: Any, name: str, *, awaits: bool) -> None:
        call: Callable[..., Any] = getattr(place, name)

        async def awaited(*values: Any, **more: Any) -> Any:
            if step := step_of(name, values):
                self.take(step)
            return await call(*values, **more)

        def called(*values: Any, **more: Any) -> Any:
            if step := step_of(name, values):
                self.take(step)
            return call(*values, **more)

        setattr(place, name, awaited if awaits else called)


def step_of(name: str, values: tuple[Any, ...]) -> str | None:
    """Return the step's name with its first words, or None for what only reads from the database."""
    if name == "rename" and not str(values[0]).endswith(".part"):
        return None
    said = values[1] if len(values) > 1 else ""
    words = (said.decode("latin-1") if isinstance(said, bytes) else str(said)).split()
    if name == "fetch" and words[0] not in ("INSERT", "UPDATE", "DELETE"):
        return None
    return " ".join((name, *words[:2])) if name in ("run", "fetch", "write") else name
