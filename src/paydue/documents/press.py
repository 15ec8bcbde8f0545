"""
Where documents become PDFs: one process that draws them, a short queue before it, and a memory of what it drew.

Apart from what a document says because this is about time and memory: the event loop never waits, nobody waits for
ever, and a payer who opens the same invoice twice has it drawn once.
"""

import asyncio
import sys
from base64 import b64encode
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Timer
from typing import IO, Final

import msgspec

from paydue.documents.document import Document

_WORKER: Final = Path(__file__).with_name("typst_worker.py")
_DRAWN: Final = b"P"


class PressBusy(Exception):
    """More documents are waiting to be drawn than may wait: the same document can be had in a moment."""


class DocumentNotDrawn(Exception):
    """The process did not draw the document, or took too long. The text says what it said."""


class Press:
    """
    Draws documents in a process that starts with the first one: none longer than `seconds`, no more than `waiting`
    in the queue. PDFs are kept, those longest unused go first, up to `memory_bytes` of them.

    After `documents_a_process` a new process takes over, for typst keeps what it might use again. Without `warms_up`
    there is none before the first document.
    """

    def __init__(
        self,
        *,
        waiting: int = 64,
        seconds: float = 15.0,
        memory_bytes: int = 16 * 1024 * 1024,
        documents_a_process: int = 1000,
        warms_up: bool = True,
    ) -> None:
        self._is_warm = not warms_up
        # A thread of our own: a process is started and waited for without the event loop, which uvloop stops to fork.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="press")
        self._process = _Process(seconds, documents_a_process)
        self._places = waiting
        self._kept = _Kept(memory_bytes)
        self._under_way: dict[bytes, asyncio.Task[bytes]] = {}

    async def pdf(self, document: Document) -> bytes:
        """
        Return the document as PDF.

        Raises PressBusy when too many others wait already, DocumentNotDrawn when it cannot be drawn in time.
        """
        digest = document.digest
        if (kept := self._kept.get(digest)) is not None:
            return kept
        drawing = self._under_way.get(digest)
        if drawing is None:
            if not self._places:
                raise PressBusy
            self._places -= 1
            drawing = asyncio.ensure_future(self._draw(digest, document))
            # Looked at, so that a failure which nobody waits for any more is no complaint of the event loop.
            drawing.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._under_way[digest] = drawing
        # Whoever goes away leaves the drawing to the others who wait for it, and to the next one who asks.
        return await asyncio.shield(drawing)

    def warm_up(self) -> None:
        """Have the process started and its fonts read before the first document is asked for; returns at once."""
        if not self._is_warm:
            self._is_warm = True
            self._thread.submit(self._process.start)

    async def aclose(self) -> None:
        """End the process; documents that are waiting are not drawn any more."""
        for drawing in tuple(self._under_way.values()):
            drawing.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._process.kill()
        # The thread may have been about to start a process when it was told to stop.
        await asyncio.to_thread(self._thread.shutdown)
        self._process.kill()

    async def _draw(self, digest: bytes, document: Document) -> bytes:
        try:
            loop = asyncio.get_running_loop()
            drawn = await loop.run_in_executor(self._thread, self._process.draw, document)
            self._kept.keep(digest, drawn)
            return drawn
        finally:
            self._places += 1
            del self._under_way[digest]


class _Kept:
    """The PDFs that were asked for last."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._pdfs: OrderedDict[bytes, bytes] = OrderedDict()

    def get(self, digest: bytes) -> bytes | None:
        pdf = self._pdfs.get(digest)
        if pdf is not None:
            self._pdfs.move_to_end(digest)
        return pdf

    def keep(self, digest: bytes, pdf: bytes) -> None:
        self._pdfs[digest] = pdf
        self._bytes += len(pdf)
        while self._bytes > self._most_bytes:
            self._bytes -= len(self._pdfs.popitem(last=False)[1])


class _Process:
    """The process and its two pipes, used by one thread at a time."""

    def __init__(self, seconds: float, documents: int) -> None:
        self._seconds = seconds
        self._documents = documents
        self._running: Popen[bytes] | None = None
        self._drawn = 0

    def draw(self, document: Document) -> bytes:
        job = msgspec.json.encode(
            {
                "template": document.template,
                "values": document.values.decode(),
                "payment_link": document.payment_link,
                "logo": b64encode(document.logo).decode() if document.logo else "",
                "made_at": int(document.made_at.timestamp()),
            }
        )
        running = self._started()
        # Killed, it ends its output; whoever reads there then sees the end.
        overtime = Timer(self._seconds, running.kill)
        overtime.start()
        try:
            return self._ask(running, job)
        except (OSError, EOFError) as ended:
            self.kill()
            raise DocumentNotDrawn(f"the process has ended, or took more than {self._seconds} s") from ended
        finally:
            overtime.cancel()

    def start(self) -> None:
        """Start the process if it does not run."""
        self._started()

    def kill(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.kill()
            running.wait()
            for pipe in (running.stdin, running.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()

    def _started(self) -> Popen[bytes]:
        if self._running is not None and (self._drawn >= self._documents or self._running.poll() is not None):
            self.kill()
        if self._running is None:
            # "-I" keeps modules of the current folder and of PYTHONPATH out.
            command = [sys.executable, "-I", str(_WORKER)]
            # What goes wrong there is told where the server tells its own troubles: on standard error.
            self._running = Popen(command, stdin=PIPE, stdout=PIPE)  # noqa: S603 - our own file
            self._drawn = 0
        self._drawn += 1
        return self._running

    @staticmethod
    def _ask(running: Popen[bytes], job: bytes) -> bytes:
        assert running.stdin is not None, "opened as a pipe"
        assert running.stdout is not None, "opened as a pipe"
        running.stdin.write(len(job).to_bytes(4, "big") + job)
        running.stdin.flush()
        kind, size = _read(running.stdout, 1), int.from_bytes(_read(running.stdout, 4), "big")
        answer = _read(running.stdout, size)
        if kind != _DRAWN:
            raise DocumentNotDrawn(answer.decode(errors="replace"))
        return answer


def _read(pipe: IO[bytes], size: int) -> bytes:
    read = pipe.read(size)
    if len(read) < size:
        raise EOFError
    return read
