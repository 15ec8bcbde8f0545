"""
Connecting to the one of several servers that can be written: the primary, also after another one has become it.

The driver can do that too, but asks one after the other: a machine that is gone, and does not even refuse, would use up
the time there is.
"""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

_CHOICE = "target_session_attrs"


async def connect_to_any(url: str, **options: Any) -> Any:
    """
    Return a connection to the server that `url` names, or to the first of several that answers and can be written.

    Raises what asyncpg raises; of several failures that of the server named first.
    """
    urls = each_host(url)
    if len(urls) == 1:
        return await asyncpg.connect(url, **options)
    if _CHOICE not in parse_qs(urlsplit(url).query):
        options[_CHOICE] = "read-write"
    asked = [asyncio.ensure_future(asyncpg.connect(each, **options)) for each in urls]
    waiting = set(asked)
    taken: asyncio.Future[Any] | None = None
    try:
        while waiting and taken is None:
            answered, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            taken = next((each for each in answered if each.exception() is None), None)
        return (taken or asked[0]).result()
    finally:
        for each in asked:
            if each is not taken:
                each.cancel()
                each.add_done_callback(_hang_up)


def each_host(url: str) -> list[str]:
    """Return addresses of one host each, for `postgresql://role@one:5432,two:5432/name` two."""
    parts = urlsplit(url)
    role, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return [url]
    return [parts._replace(netloc=role + at + host).geturl() for host in hosts.split(",")]


def _hang_up(asked: "asyncio.Future[Any]") -> None:
    if not asked.cancelled() and asked.exception() is None:
        asked.result().terminate()
