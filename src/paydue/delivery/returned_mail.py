"""
Mails that come back: each is entered under the mail that it is about, and stops others from going the same way.

They come from a command, or from a folder into which the operator's mail server writes them.
"""

import asyncio
import logging
from datetime import datetime
from pathlib import Path
from typing import Final

from paydue.delivery.bounce_reports import LARGEST_REPORT, Bounce, NotABounce, Report, read_bounce
from paydue.delivery.troubled_mail import TroubledMail
from paydue.domain.mail_address import SuppressionReason
from paydue.usecases.delivery_ports import Job, Outbox, Try
from paydue.usecases.ports import Actor, Channel

_ACTOR: Final = "returned mail"
_REASONS: Final = {Report.DEAD: SuppressionReason.BOUNCED, Report.COMPLAINT: SuppressionReason.COMPLAINED}
_AT_ONCE: Final = 100

_log = logging.getLogger("paydue.bounces")


class ReturnedMail:
    """`key` is that of the envelope senders."""

    def __init__(self, outbox: Outbox, trouble: TroubledMail, key: bytes) -> None:
        self._outbox = outbox
        self._trouble = trouble
        self._key = key

    async def take(self, content: bytes, at: datetime) -> tuple[Job, Bounce]:
        """
        Enter a mail that came back and return what it was about. Entered twice, it is on record twice.

        A dead address is suppressed, a complaint stops reminders, and the merchant hears of what failed. Raises
        NotABounce.
        """
        bounce = await asyncio.to_thread(read_bounce, content, self._key)
        job = await self._outbox.find(bounce.message_id)
        if job is None or job.channel is not Channel.MAIL:
            raise NotABounce(f"there is no mail {bounce.message_id}")
        reason = _REASONS.get(bounce.report)
        if reason is not None:
            await self._trouble.suppress(job, reason, bounce.said, at, Actor(_ACTOR, job.message_id))
        has_failed = bounce.report in (Report.DEAD, Report.FAILED)
        if has_failed:
            await self._trouble.tell_of(job, at)
        outcome = "complained of" if bounce.report is Report.COMPLAINT else f"came back: {bounce.report.value}"
        tried = Try(at=at, milliseconds=0, is_taken=False, outcome=outcome, answer=bounce.said)
        await self._outbox.came_back(job, tried, for_good=has_failed)
        _log.info(
            "mail_came_back",
            extra={"merchant": job.merchant_id, "message_id": job.message_id, "report": bounce.report.value},
        )
        return job, bounce

    async def empty(self, folder: Path, at: datetime) -> int:
        """
        Enter every mail of a folder and return how many there were; each is removed once it is entered.

        What is no bounce is moved into the folder `refused` beside them. Files that begin with a dot are still being
        written.
        """
        entered = 0
        for path in await asyncio.to_thread(_files, folder):
            content = await asyncio.to_thread(_read, path)
            try:
                await self.take(content, at)
            except NotABounce as fault:
                _log.warning("not_a_bounce", extra={"file": path.name, "reason": str(fault)})
                await asyncio.to_thread(_put_aside, path)
            else:
                await asyncio.to_thread(path.unlink, missing_ok=True)
                entered += 1
        return entered


def _files(folder: Path) -> list[Path]:
    """Return some files of the folder and, if it is a maildir, of its `new`; none when there is no folder."""
    found = []
    for place in (folder, folder / "new"):
        if place.is_dir():
            found += [each for each in place.iterdir() if each.is_file() and not each.name.startswith(".")]
    return sorted(found)[:_AT_ONCE]


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        # One byte more shows that it is too large.
        return file.read(LARGEST_REPORT + 1)


def _put_aside(path: Path) -> None:
    refused = path.parent / "refused"
    refused.mkdir(mode=0o700, exist_ok=True)
    path.rename(refused / path.name)
