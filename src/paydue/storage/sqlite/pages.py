"""
Finding a page of a merchant's invoices at any depth, in a number of steps that does not grow with the invoices.

Serials are dense, so without a filter a page is a stretch of serials. With one, the counts of blocks lead to the
block in which the page begins.
"""

from typing import Final

from paydue.domain.lifecycle import Status
from paydue.storage.rows import Row
from paydue.storage.sqlite import statements as sql
from paydue.storage.sqlite.engine import Engine
from paydue.storage.status_blocks import LARGE, SMALL, WHOLE

# So few entries are stepped over faster in the index than by the counts.
_FEW: Final = SMALL


def find_page(
    engine: Engine, merchant_id: str, offset: int, limit: int, status: Status | None
) -> tuple[int, list[Row]]:
    """Return how many invoices match in all, and the summary rows of a page of them, newest first."""
    found = engine.read(sql.SERIALS, (merchant_id,))
    if not found:
        return 0, []
    ordinal, last_serial = found[0]
    if status is None:
        return last_serial, _stretch(engine, ordinal, last_serial - offset, limit)
    # Counts and invoices have to be of one moment, or a page would begin beside its place.
    with engine.moment:
        return _page_of_status(engine, merchant_id, ordinal, offset, limit, status)


def _page_of_status(
    engine: Engine, merchant_id: str, ordinal: int, offset: int, limit: int, status: Status
) -> tuple[int, list[Row]]:
    total = _count(engine, merchant_id, status)
    if offset >= total:
        return total, []
    newest, skip = sql.invoice_id(ordinal + 1, 0), offset
    if offset > _FEW:
        serial, skip = _start(engine, merchant_id, status, offset)
        newest = sql.invoice_id(ordinal, serial)
    return total, engine.read(sql.SUMMARIES_OF_STATUS, (merchant_id, status.value, newest, limit, skip))


def _stretch(engine: Engine, ordinal: int, newest: int, limit: int) -> list[Row]:
    if newest < 1:
        return []
    oldest = max(newest - limit + 1, 1)
    return engine.read(sql.SUMMARIES, (sql.invoice_id(ordinal, oldest), sql.invoice_id(ordinal, newest)))


def _count(engine: Engine, merchant_id: str, status: Status) -> int:
    found = engine.read(sql.STATUS_COUNT, (merchant_id, status.value, WHOLE))
    return found[0][0] if found else 0


def _start(engine: Engine, merchant_id: str, status: Status, offset: int) -> tuple[int, int]:
    """Return the last serial of the small block that the offset falls into, and what is left to skip in it."""
    key = (merchant_id, status.value)
    large, skip = _descend(engine.read(sql.BLOCK_COUNTS, (*key, LARGE, 0, WHOLE // LARGE)), offset)
    first = large * LARGE // SMALL
    small, skip = _descend(engine.read(sql.BLOCK_COUNTS, (*key, SMALL, first, first + LARGE // SMALL - 1)), skip)
    return small * SMALL + SMALL - 1, skip


def _descend(counts: list[Row], skip: int) -> tuple[int, int]:
    """Walk down from the newest block; return the one that holds the invoice after `skip`, and what remains to skip."""
    for block, count in counts:
        if skip < count:
            return block, skip
        skip -= count
    # Only when the counts of different sizes disagree, which `verify` reports: the oldest block is the best guess.
    return (counts[-1][0], 0) if counts else (0, 0)
