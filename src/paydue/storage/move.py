"""
Moving everything from one database to another, whatever engine either is: tables are found, not listed.

A table that is added later is therefore moved without a word here. What the engines keep differently is named below,
and anything else that differs stops the move before it begins. The copy is compared with the original before it counts:
until then the target holds nothing, so that a move that was cut short is simply begun again.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Final, Protocol

import msgspec

from paydue.storage.errors import CannotOpenStore
from paydue.storage.rows import Row
from paydue.storage.vault import KeyFile, Vault, WrappedDataKey

# What an engine makes for itself: row ids, the order of merchants (kept by the order in which they are moved), and
# columns that are computed.
OWN_COLUMNS: Final = frozenset(
    (("invoices", "id"), ("merchants", "ordinal"), ("merchants", "added_at"), ("outbox", "lane"))
)
# What is true of a database itself, and what is worth nothing after a few minutes.
LEFT_OUT: Final = frozenset(("schema_migrations", "used_values"))
# Made by whoever opens a database first; worth nothing while nothing else is there.
_HARMLESS: Final = frozenset(("data_keys",))

_BITS: Final = 256


class CannotMove(CannotOpenStore):
    """The move cannot begin, or its result is not what it was made from; the text says why and what to do."""


class TableShape(msgspec.Struct, frozen=True):
    """A table as every engine has it: the columns that are moved, in an order of their own."""

    name: str
    columns: tuple[str, ...]


class MovedTable(msgspec.Struct, frozen=True):
    """A table that was moved: its rows, and their checksum on either side."""

    name: str
    rows: int
    checksum: str


class Tables(Protocol):
    """An engine's tables, for whoever goes through all of them. Raises StoreUnavailable."""

    async def shapes(self) -> Sequence[TableShape]:
        """Return the tables with the columns that are moved."""
        ...

    async def references(self) -> Mapping[str, set[str]]:
        """Return which other tables each table's rows refer to."""
        ...

    async def count(self, table: str) -> int: ...

    def rows(self, shape: TableShape) -> AsyncIterator[list[Row]]:
        """Yield all rows, some thousand at a time, in the order of their making where there is one."""
        ...


class Target(Tables, Protocol):
    """Tables to move into. Nothing that is added counts before `keep`, and all of it is forgotten without."""

    async def add(self, shape: TableShape, rows: Sequence[Row]) -> None: ...

    async def keep(self) -> None:
        """Make what was added durable, all at once."""
        ...


Told = Callable[[str, str, int, int], None]


async def move(source: Tables, target: Target, tell: Told = lambda *_: None) -> list[MovedTable]:
    """
    Copy every row of every table, compare, and keep the copy.

    `tell` hears of each batch: what is done ("copy" or "compare"), the table, how many rows of it so far and of how
    many. Raises CannotMove when the databases differ in shape, when the target holds anything, or when what arrived is
    not what was sent.
    """
    shapes = await _common_shapes(source, target)
    await refuse_full(target)
    sent = []
    for shape in shapes:
        total = await source.count(shape.name)
        checksum = _Checksum()
        tell("copy", shape.name, 0, total)
        async for rows in source.rows(shape):
            checksum.add(rows)
            await target.add(shape, rows)
            tell("copy", shape.name, checksum.rows, total)
        sent.append(MovedTable(shape.name, checksum.rows, checksum.text))
    for shape, moved in zip(shapes, sent, strict=True):
        arrived = _Checksum()
        tell("compare", shape.name, 0, moved.rows)
        async for rows in target.rows(shape):
            arrived.add(rows)
            tell("compare", shape.name, arrived.rows, moved.rows)
        if (arrived.rows, arrived.text) != (moved.rows, moved.checksum):
            raise CannotMove(
                f"{shape.name}: {moved.rows} rows with checksum {moved.checksum} were sent, {arrived.rows} with"
                f" {arrived.text} arrived. Nothing was kept; both databases are as they were."
            )
    await target.keep()
    return sent


async def refuse_other_key(source: Tables, key_file: KeyFile) -> None:
    """Raise VaultError when the source's secrets were written with another key file."""
    shape = next(each for each in await source.shapes() if each.name == "data_keys")
    places = [shape.columns.index(name) for name in ("number", "wrapped_by", "wrapped")]
    wrapped = [WrappedDataKey(*(row[place] for place in places)) async for rows in source.rows(shape) for row in rows]
    if wrapped:
        Vault(key_file, wrapped)


def portable(table: str, columns: Sequence[str]) -> TableShape:
    """Return the shape of a table with these columns, in an order that both engines agree on."""
    return TableShape(table, tuple(sorted(name for name in columns if (table, name) not in OWN_COLUMNS)))


async def _common_shapes(source: Tables, target: Tables) -> list[TableShape]:
    """Return the shapes, what is referred to first. Raises CannotMove when the two sides have not the same."""
    ours = {each.name: each for each in await source.shapes() if each.name not in LEFT_OUT}
    theirs = {each.name: each for each in await target.shapes() if each.name not in LEFT_OUT}
    if ours != theirs:
        names = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
        raise CannotMove(f"The two databases differ in the shape of {', '.join(names)}: nothing was moved.")
    references = await source.references()
    order = TopologicalSorter({name: references.get(name, set()) - {name} for name in sorted(ours)})
    return [ours[name] for name in order.static_order()]


async def refuse_full(target: Tables) -> None:
    """Raise CannotMove when there is anything in these tables that could be lost."""
    for shape in await target.shapes():
        if shape.name not in LEFT_OUT | _HARMLESS and await target.count(shape.name):
            raise CannotMove(
                f"The target is not empty: {shape.name} has rows. Name an empty database; nothing was touched."
            )


class _Checksum:
    """
    The sum, modulo 2^256, of the SHA-256 digests of all rows as JSON arrays: the same in whatever order they come.

    Bytes are base64 there, and truth is 1 or 0.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0
        self._encode = msgspec.json.Encoder().encode

    def add(self, rows: Sequence[Row]) -> None:
        encode, sha256 = self._encode, hashlib.sha256
        self._sum += sum(int.from_bytes(sha256(encode(row)).digest(), "big") for row in rows)
        self.rows += len(rows)

    @property
    def text(self) -> str:
        return f"{self._sum % (1 << _BITS):064x}"
