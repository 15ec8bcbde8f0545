"""
Keeping the write-ahead log short while commits go on: a thread with a connection of its own copies its pages.

Left alone, SQLite copies them within the commit that makes the log too long, and a whole batch of callers waits.
"""

import logging
from queue import SimpleQueue
from threading import Thread
from typing import Final

import apsw

# The log is copied whenever it has grown by so much, 8 MB.
GROWN_PAGES: Final = 1000
# Commits that never pause can keep a copy from catching up, so that the log begins anew no more: then one has to wait.
_LONGEST_PAGES: Final = 8 * GROWN_PAGES
# What was written during the first round is little, and during the second hardly anything.
_ROUNDS: Final = 3

_log = logging.getLogger("paydue.storage")


class Checkpoints:
    """Copies the log of what `writer` commits, on `connection`, which is closed at the end."""

    def __init__(self, writer: apsw.Connection, connection: apsw.Connection) -> None:
        self._connection = connection
        self._asked: SimpleQueue[bool] = SimpleQueue()
        self._is_at_work = False
        self._copied_at = 0
        self._thread = Thread(target=self._run, name="paydue-checkpoint", daemon=True)
        self._thread.start()
        writer.set_wal_hook(self._committed)

    def close(self) -> None:
        """Finish a copy that is under way, and end the thread."""
        self._asked.put(False)
        self._thread.join()
        self._connection.close()

    def _committed(self, writer: apsw.Connection, database: str, pages: int) -> int:
        """Hear of a commit, in the thread that runs it: so many pages has the log now."""
        if pages < self._copied_at:
            # All of it had been copied, so it was begun anew.
            self._copied_at = 0
        if pages >= _LONGEST_PAGES:
            self._copy(writer)
        elif pages >= self._copied_at + GROWN_PAGES and not self._is_at_work:
            self._is_at_work = True
            self._asked.put(True)
        return apsw.SQLITE_OK

    def _run(self) -> None:
        while self._asked.get():
            for _ in range(_ROUNDS):
                if self._copy(self._connection):
                    break
            self._is_at_work = False

    def _copy(self, connection: apsw.Connection) -> bool:
        """Copy what can be copied without keeping anybody waiting, and tell whether that was all."""
        try:
            pages, copied = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:
            # Nothing is lost: the log holds it, and the next commit asks again.
            if not isinstance(error, apsw.BusyError):
                _log.warning("checkpoint_failed", extra={"reason": str(error)})
            return False
        self._copied_at = pages
        return copied >= pages
