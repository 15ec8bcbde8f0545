"""
Finding a page of a merchant's invoices at any depth, in a number of steps that does not grow with the invoices.

Serials are dense, so without a filter a page is a stretch of serials. With one, the counts of blocks lead to the
block in which the page begins.
"""

from typing import Final

from paydue.domain.lifecycle import Status
from paydue.storage import rows
from paydue.storage.rows import Row
from paydue.storage.sqlite import statements as sql
from paydue.storage.sqlite.engine import Engine
from paydue.storage.status_blocks import LARGE, SMALL, WHOLE
from paydue.storage.vault import Vault
from paydue.usecases.ports import InvoiceSummary, Page

# So few entries are stepped over faster in the index than by the counts.
_FEW: Final = SMALL


# What a list of a thousand shows fits in; some hundred bytes each.
_REMEMBERED: Final = 4096


class Pages:
    """
    The pages of one file. What lists showed lately is remembered and not read again: only which invoices they are.

    An invoice that changes gets another version, so what is remembered of a version stays true.
    """

    def __init__(self, engine: Engine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault
        self._remembered: dict[int, tuple[int, InvoiceSummary]] = {}
        self._ordinals: dict[str, int] = {}

    def find(self, merchant_id: str, offset: int, limit: int, status: Status | None) -> Page:
        """Return how many invoices match in all, and a page of them, newest first."""
        engine = self._engine
        ordinal = self._ordinals.get(merchant_id)
        if ordinal is not None and status is None and not offset:
            # The newest serial is the total, so that one look tells both.
            place = (sql.invoice_id(ordinal, 1), sql.invoice_id(ordinal + 1, 0), limit)
            newest, page = self._read(merchant_id, sql.VERSIONS, sql.SUMMARIES, place)
            return Page(newest, page)
        found = engine.read(sql.SERIALS, (merchant_id,))
        if not found:
            return Page(0, [])
        ordinal, last_serial = found[0]
        if len(self._ordinals) >= _REMEMBERED:
            self._ordinals.clear()
        self._ordinals[merchant_id] = ordinal
        if status is None:
            newest = last_serial - offset
            if newest < 1:
                return Page(last_serial, [])
            place = (sql.invoice_id(ordinal, max(newest - limit + 1, 1)), sql.invoice_id(ordinal, newest), limit)
            return Page(last_serial, self._read(merchant_id, sql.VERSIONS, sql.SUMMARIES, place)[1])
        # Counts and invoices have to be of one moment, or a page would begin beside its place.
        with engine.moment:
            return self._page_of_status(merchant_id, ordinal, offset, limit, status)

    def _page_of_status(self, merchant_id: str, ordinal: int, offset: int, limit: int, status: Status) -> Page:
        total = _count(self._engine, merchant_id, status)
        if offset >= total:
            return Page(total, [])
        newest, skip = sql.invoice_id(ordinal + 1, 0), offset
        if offset > _FEW:
            serial, skip = _start(self._engine, merchant_id, status, offset)
            newest = sql.invoice_id(ordinal, serial)
        place = (merchant_id, status.value, newest, limit, skip)
        return Page(total, self._read(merchant_id, sql.VERSIONS_OF_STATUS, sql.SUMMARIES_OF_STATUS, place)[1])

    def _read(self, merchant_id: str, versions: str, summaries: str, place: Row) -> tuple[int, list[InvoiceSummary]]:
        """
        Return the newest serial at a place (0 for none), and what a list shows of the invoices there.

        They are read again, as a whole, where any is not remembered.
        """
        remembered, page = self._remembered, []
        found = self._engine.read(versions, place)
        for invoice_id, version in found:
            known = remembered.get(invoice_id)
            if known is None or known[0] != version:
                break
            page.append(known[1])
        else:
            return _newest(found), page
        found = self._engine.read(summaries, place)
        page = rows.read_summaries(merchant_id, [row[2:] for row in found], self._vault)
        if len(remembered) + len(page) > _REMEMBERED:
            remembered.clear()
        for (invoice_id, version, *_), summary in zip(found, page, strict=True):
            remembered[invoice_id] = (version, summary)
        return _newest(found), page


def _newest(found: list[Row]) -> int:
    return sql.serial_of(found[0][0]) if found else 0


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
