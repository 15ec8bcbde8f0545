"""
Logos made harmless: a stranger's picture is decoded and written anew by a process of its own, never by the server.

Apart from the JSON because pictures are where decoders break. A process for each one costs less than a tenth of a
second and takes every crash, bomb and leak with it when it ends; logos change rarely.
"""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from threading import Timer
from typing import Final

from paydue.domain.errors import InvalidImage, StoreBusy
from paydue.domain.settings import Logo, logo_format

MAXIMUM_BYTES: Final = 1024 * 1024
_MAXIMUM_WRITTEN_BYTES: Final = 2 * MAXIMUM_BYTES
_WORKER: Final = Path(__file__).with_name("logo_worker.py")
_REFUSED: Final = 3
_FAILED_TO_START: Final = 1


class LogoCleanerBroken(Exception):
    """The process that cleans logos does not run on this machine: nothing is wrong with the logo."""


class ProcessLogoCleaner:
    """
    Cleans each logo in a fresh process: `at_once` beside each other, none longer than `seconds`, and as many as
    `waiting` may wait for their turn.
    """

    def __init__(self, *, at_once: int = 2, waiting: int = 16, seconds: float = 10.0) -> None:
        # Threads start the processes, for uvloop stops everything while it forks: 10 ms for a server of 200 MB, where
        # Popen takes 1 ms of a thread. They are our own because others wait for the common ones.
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="logo")
        self._places = at_once + waiting
        self._seconds = seconds

    async def clean(self, image: bytes) -> Logo:
        """
        Return the first frame of a PNG, JPEG or GIF, upright, in its own format, without metadata.

        Raises InvalidImage for anything else, for more than 1 MB, 4096 pixels a side or 12 megapixels, and for what
        cannot be decoded with the memory and in the time allowed; StoreBusy when too many are waiting already.
        """
        if len(image) > MAXIMUM_BYTES:
            raise InvalidImage("The logo is larger than 1 MB.")
        sent_format = logo_format(image)
        if sent_format is None:
            raise InvalidImage("The logo is not a PNG, JPEG or GIF image.")
        if not self._places:
            raise StoreBusy("more logos are waiting to be cleaned than may wait")
        self._places -= 1
        try:
            loop = asyncio.get_running_loop()
            code, written = await loop.run_in_executor(self._threads, _run, image, self._seconds)
        finally:
            self._places += 1
        if code == _FAILED_TO_START:
            raise LogoCleanerBroken(f"run `{sys.executable} -I {_WORKER}` to see why")
        if code == _REFUSED:
            raise InvalidImage(written[:200].decode("ascii", "replace"))
        if len(written) > _MAXIMUM_WRITTEN_BYTES:
            raise InvalidImage("The logo is larger than 2 MB once written anew.")
        if code != 0:
            raise InvalidImage("The logo cannot be decoded with the memory and in the time allowed.")
        # The process has met a stranger's bytes: what it says is a stranger's word.
        if logo_format(written) is not sent_format:
            raise InvalidImage("The logo is damaged: it cannot be decoded.")
        return Logo(format=sent_format, image=written)


def _run(image: bytes, seconds: float) -> tuple[int, bytes]:
    """Return a fresh process's exit code (negative: killed) and what it wrote, cut just above the limit."""
    # No environment: it holds secrets of ours. A session of its own: Ctrl-C is meant for the server.
    with Popen(  # noqa: S603 - our own interpreter and file
        [sys.executable, "-I", str(_WORKER)],
        stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}, cwd="/", start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        end = Timer(seconds, process.kill)
        end.start()
        try:
            # A process that dies early does not read to the end.
            with suppress(BrokenPipeError):
                process.stdin.write(image)
            with suppress(BrokenPipeError):
                process.stdin.close()
            written = process.stdout.read(_MAXIMUM_WRITTEN_BYTES + 1)
            if len(written) > _MAXIMUM_WRITTEN_BYTES:
                process.kill()
            return process.wait(), written
        finally:
            end.cancel()
            process.kill()
