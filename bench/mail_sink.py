"""A mail server that takes everything and keeps nothing but the time, for mails that are timed."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_READ = 256 * 1024
_END = b"\r\n.\r\n"


class MailSink:
    """`taken_at` are the moments (of `time.perf_counter`) at which a mail was taken, in order."""

    def __init__(self) -> None:
        self.port = 0
        self.taken_at: list[float] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak as much SMTP as a submission takes."""
        try:
            writer.write(b"220 sink.example ESMTP\r\n")
            while line := await reader.readline():
                verb = line[:4].upper().strip()
                if verb == b"DATA":
                    writer.write(b"354 go on\r\n")
                    await self._take(reader)
                    self.taken_at.append(time.perf_counter())
                    writer.write(b"250 2.0.0 taken\r\n")
                elif verb == b"QUIT":
                    writer.write(b"221 bye\r\n")
                    return
                else:
                    writer.write(b"250 sink.example\r\n")
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _take(self, reader: asyncio.StreamReader) -> None:
        # Nothing follows the end of a mail before it was answered.
        end = b""
        while not end.endswith(_END):
            part = await reader.read(_READ)
            if not part:
                raise ConnectionResetError
            end = (end + part)[-len(_END) :]


@contextmanager
def mail_sink() -> Iterator[MailSink]:
    """Take mails on a free loopback port for the length of a `with` block, in a thread of this process."""
    loop = asyncio.new_event_loop()
    sink = MailSink()

    async def start() -> asyncio.Server:
        server = await asyncio.start_server(sink.serve, "127.0.0.1", 0)
        sink.port = server.sockets[0].getsockname()[1]
        return server

    server = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield sink
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
