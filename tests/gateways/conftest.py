"""A test processor for each test."""

from collections.abc import AsyncIterator

import pytest

from processing import Processing, processing


@pytest.fixture
async def processor() -> AsyncIterator[Processing]:
    async with processing() as served:
        yield served
