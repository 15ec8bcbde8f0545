"""
The raw ASGI floor: the least that a Python HTTP server can do, under the product's own server settings.

Every speed of the product is reported as a share of what this application reaches in the same minute on the same
core, so that figures from different machines, and from busy and quiet hours of one machine, can be compared.
"""

import os
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import click
import msgspec
import uvicorn

from bench.processes import Ready

# ASGI's messages are open dictionaries by their specification.
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


@click.command()
@click.option("--get-bytes", default=1200, show_default=True, help="Size of the body that answers a GET.")
@click.option("--create-bytes", default=1200, show_default=True, help="Size of the body that answers a POST.")
@click.option("--date/--no-date", default=True, show_default=True, help="Send a Date header, as the product does.")
@click.option("--port", default=0, help="Port on loopback; 0 picks a free one.")
@click.option("--ready-file", type=click.Path(path_type=Path), required=True, help="Written once the floor serves.")
def serve(get_bytes: int, create_bytes: int, date: bool, port: int, ready_file: Path) -> None:
    """Serve the raw ASGI floor on loopback until SIGTERM."""
    listener = _listening_socket(port)
    config = uvicorn.Config(
        floor_application(get_body=_json_of_size(get_bytes), create_body=_json_of_size(create_bytes)),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        date_header=date,
        access_log=False,
        log_level="warning",
    )
    _AnnouncedServer(config, listener, ready_file).run(sockets=[listener])


def floor_application(*, get_body: bytes, create_body: bytes) -> Application:
    """Answer an application that gives 200 with `get_body` to a GET and, the body read, 201 with `create_body`."""
    get_start = _response_start(200, get_body)
    get_end = {"type": "http.response.body", "body": get_body}
    create_start = _response_start(201, create_body)
    create_end = {"type": "http.response.body", "body": create_body}

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["method"] == "GET":
            await send(get_start)
            await send(get_end)
            return
        received = bytearray()
        more = True
        while more:
            message = await receive()
            received += message["body"]
            more = message["more_body"]
        await send(create_start)
        await send(create_end)

    return application


class _AnnouncedServer(uvicorn.Server):
    """A uvicorn that writes the ready file when it has begun to accept, not before."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket, ready_file: Path) -> None:
        super().__init__(config)
        self._listener = listener
        self._ready_file = ready_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self._listener.getsockname()
        half_written = self._ready_file.with_suffix(".part")
        half_written.write_bytes(msgspec.json.encode(Ready(api_url=f"http://{host}:{port}", pid=os.getpid())))
        half_written.rename(self._ready_file)


def _listening_socket(port: int) -> socket.socket:
    # Without IPPROTO_TCP in its making the event loop sets no TCP_NODELAY on what it accepts, and Nagle's algorithm
    # against delayed acknowledgement then makes 44 ms of every answer that is written in two parts.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def _response_start(status: int, body: bytes) -> Message:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return {"type": "http.response.start", "status": status, "headers": headers}


def _json_of_size(size: int) -> bytes:
    frame = len(b'{"filler":""}')
    return b'{"filler":"%s"}' % (b"x" * max(0, size - frame))


if __name__ == "__main__":
    serve()
