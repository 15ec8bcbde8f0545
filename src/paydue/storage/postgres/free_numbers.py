"""Which number comes next, where a merchant's own numbers stand in the way of those that are given out."""

from typing import Final

from paydue.storage.postgres import changes as sql
from paydue.storage.postgres.sessions import Session

_LOOKS_IN_A_ROW: Final = 50


async def next_free(session: Session, merchant_id: str, wanted: int) -> int:
    """
    Return `wanted` or the next free number; after many in a row in use, a free one behind one that is in use.

    Then it is searched in growing steps and between the last two: a merchant who brought a million numbers of his own
    must not make everybody wait for a million looks.
    """
    for number in range(wanted, wanted + _LOOKS_IN_A_ROW):
        if not await _is_used(session, merchant_id, number):
            return number
    taken = wanted + _LOOKS_IN_A_ROW - 1
    step = 1
    while await _is_used(session, merchant_id, taken + step):
        taken += step
        step *= 2
    free = taken + step
    while free - taken > 1:
        middle = (taken + free) // 2
        if await _is_used(session, merchant_id, middle):
            taken = middle
        else:
            free = middle
    return free


async def _is_used(session: Session, merchant_id: str, number: int) -> bool:
    return bool(await session.fetch(sql.HAS_NUMBER, merchant_id, str(number)))
