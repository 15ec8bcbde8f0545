"""
Finding a page of a merchant's invoices at any depth: one statement, whose steps do not grow with the invoices.

One statement sees one moment, so the total and the page always belong together.
"""

from operator import itemgetter
from typing import Final

from paydue.domain.lifecycle import Status
from paydue.storage.postgres import statements as sql
from paydue.storage.postgres.replica import Reads
from paydue.storage.rows import Row
from paydue.storage.status_blocks import LARGE, SMALL, WHOLE

# So few entries are stepped over faster in the index than by the counts.
_FEW: Final = SMALL


async def find_page(
    readers: Reads, merchant_id: str, offset: int, limit: int, status: Status | None
) -> tuple[int, list[Row]]:
    """Return how many invoices match in all, and the summary rows of a page of them, newest first."""
    place = (merchant_id, min(offset, WHOLE), limit)
    if status is None:
        found = await readers.read(sql.PAGE, *place)
    elif offset <= _FEW:
        found = await readers.read(sql.PAGE_OF_STATUS, *place, status.value)
    else:
        found = await readers.read(sql.DEEP_PAGE_OF_STATUS, *place, status.value, LARGE, SMALL)
    if not found:
        return 0, []
    page = [row[1:] for row in found if row[1] is not None]
    # They come in this order, but no standard promises it; asking the server to sort them again would cost more.
    page.sort(key=itemgetter(0), reverse=True)
    return found[0][0], page
