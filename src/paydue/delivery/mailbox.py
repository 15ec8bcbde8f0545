"""A folder instead of a mail server, for demonstrations and tests: each mail is one `.eml` file, whole or not there."""

import asyncio
import os
from pathlib import Path

from paydue.delivery.mail_transport import Fate, Handed, Posting


class Mailbox:
    """Writes mails into `folder`, which is made when the first one comes. A mail that comes again replaces itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def hand_over(self, posting: Posting) -> Handed:
        try:
            await asyncio.to_thread(self._write, posting)
        except OSError as fault:
            return Handed(fate=Fate.LATER, outcome=f"the mailbox folder cannot be written: {fault.strerror}")
        return Handed(fate=Fate.TAKEN, outcome="written to the mailbox folder")

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _write(self, posting: Posting) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self._folder / f".{posting.message_id}.part"
        # A mail holds a payment link: for this user alone.
        with open(beside, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(posting.content)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(self._folder / f"{posting.message_id}.eml")
