"""One press for all tests of a run: the process that draws starts once."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from paydue.documents.document import Document
from paydue.documents.press import Press


@pytest.fixture(scope="session")
def drawn() -> Iterator[Callable[[Document], bytes]]:
    """Return who draws a document."""
    press = Press(seconds=60)
    yield lambda document: asyncio.run(press.pdf(document))
    asyncio.run(press.aclose())
