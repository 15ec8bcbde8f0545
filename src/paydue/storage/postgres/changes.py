"""
The SQL that writes changes: what a batch of them has for each table goes to the server as one statement.

A statement is put together from parts, one for each table that the batch touches: every round trip costs a lonely
caller as much as writing his row. The rows of a part travel as one value for each column.
"""

# ruff: noqa: S608 - the names put into these statements are constants of rows.py and this file, never a caller's.

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec

from paydue.storage.rows import INVOICE_COLUMNS, Row


class Part(msgspec.Struct, frozen=True, eq=False):
    """What is done with the rows of one kind: `{rows}` stands for them, `types` are those of their columns."""

    name: str
    sql: str
    types: tuple[str, ...]
    # Whether each row has to meet one that is there; those that met one are counted.
    meets_rows: bool = False


def _columns(names: Sequence[str]) -> str:
    return ", ".join(names)


def _insert(name: str, table: str, columns: Mapping[str, str], more: str = "") -> Part:
    sql = f"INSERT INTO {table} ({_columns(tuple(columns))}) SELECT * FROM {{rows}} AS new{more}"
    return Part(name, sql, tuple(columns.values()))


_INVOICE_TYPES: Final = {
    name: {"serial": "bigint", "version": "bigint", "payment_token": "bytea"}.get(name, "text")
    for name in INVOICE_COLUMNS
}
# What an update of an invoice may change: not whose it is, its serial, its number and when it was made.
AMENDED_COLUMNS: Final = tuple(
    name for name in INVOICE_COLUMNS if name not in {"merchant_id", "serial", "number", "created_at"}
)
_BLOCK_TYPES: Final = {"merchant_id": "text", "status": "text", "size": "bigint", "block": "bigint", "count": "bigint"}

# New invoices; refused by the schema when the merchant has used the number.
ADD_INVOICES: Final = _insert("invoices", "invoices", _INVOICE_TYPES)
# Invoices as they now stand, where they are what they were when the change was decided.
AMEND_INVOICES: Final = Part(
    "amended",
    f"UPDATE invoices AS kept SET {_columns([f'{name} = new.{name}' for name in AMENDED_COLUMNS])}"
    f" FROM {{rows}} AS new (merchant_id, serial, before, {_columns(AMENDED_COLUMNS)})"
    " WHERE kept.merchant_id = new.merchant_id AND kept.serial = new.serial AND kept.version = new.before",
    ("text", "bigint", "bigint", *(_INVOICE_TYPES[name] for name in AMENDED_COLUMNS)),
    meets_rows=True,
)
# What happened.
ADD_EVENTS: Final = _insert(
    "events",
    "events",
    {
        "merchant_id": "text",
        "serial": "bigint",
        "position": "integer",
        "what": "text",
        "at": "text",
        "actor": "text",
        "correlation_id": "text",
        "data": "text",
    },
)
# Money received.
ADD_PAYMENTS: Final = _insert(
    "payments",
    "payments",
    {
        "merchant_id": "text",
        "serial": "bigint",
        "position": "integer",
        "amount": "text",
        "currency": "text",
        "method": "text",
        "reference": "text",
        "paid_at": "text",
    },
)
# Messages to deliver, due at once.
ADD_MESSAGES: Final = _insert(
    "messages",
    "outbox",
    {
        "merchant_id": "text",
        "serial": "bigint",
        "position": "integer",
        "part": "integer",
        "message_id": "bytea",
        "number": "text",
        "channel": "text",
        "topic": "text",
        "recipient": "text",
        "facts": "text",
        "due_at": "text",
    },
)
# The links of new payment tokens.
ADD_LINKS: Final = _insert(
    "links",
    "payment_links",
    {"token_start": "text", "token_digest": "bytea", "merchant_id": "text", "serial": "bigint"},
)
# The links of replaced payment tokens.
DROP_LINKS: Final = Part(
    "dropped_links",
    "DELETE FROM payment_links AS kept USING {rows} AS old (token_start, token_digest)"
    " WHERE kept.token_start = old.token_start AND kept.token_digest = old.token_digest",
    ("text", "bytea"),
    meets_rows=True,
)
# That payers are reminded.
ADD_REMINDERS: Final = _insert(
    "reminders", "reminders", {"merchant_id": "text", "serial": "bigint", "kind": "text", "due_date": "text"}
)
# The first answers given under idempotency keys.
ADD_RECEIPTS: Final = _insert(
    "receipts",
    "receipts",
    {
        "merchant_id": "text",
        "key": "text",
        "fingerprint": "bytea",
        "status": "integer",
        "body": "bytea",
        "kept_at": "text",
    },
)
# The counters after a batch, where they are what they were before it.
SET_COUNTERS: Final = Part(
    "counters",
    "UPDATE merchants AS kept SET last_serial = new.last_serial, next_number = new.next_number"
    " FROM {rows} AS new (merchant_id, last_serial, next_number, serial_before, number_before)"
    " WHERE kept.merchant_id = new.merchant_id AND kept.last_serial = new.serial_before"
    " AND kept.next_number = new.number_before",
    ("text", "bigint", "bigint", "bigint", "bigint"),
    meets_rows=True,
)
# More invoices in blocks.
RAISE_COUNTS: Final = _insert(
    "raised",
    "status_blocks",
    _BLOCK_TYPES,
    " ON CONFLICT (merchant_id, status, size, block) DO UPDATE SET count = status_blocks.count + excluded.count",
)
# Fewer invoices in blocks; the schema refuses less than none.
LOWER_COUNTS: Final = Part(
    "lowered",
    "UPDATE status_blocks AS kept SET count = kept.count + new.count"
    " FROM {rows} AS new (merchant_id, status, size, block, count)"
    " WHERE kept.merchant_id = new.merchant_id AND kept.status = new.status AND kept.size = new.size"
    " AND kept.block = new.block",
    tuple(_BLOCK_TYPES.values()),
    meets_rows=True,
)


# In this order they stand in a statement, so that there are few different ones to prepare. The counters come first: it
# is they that lock a merchant.
PARTS: Final = (
    SET_COUNTERS, ADD_INVOICES, AMEND_INVOICES, ADD_EVENTS, ADD_PAYMENTS, ADD_MESSAGES, DROP_LINKS, ADD_LINKS,
    ADD_REMINDERS, ADD_RECEIPTS, RAISE_COUNTS, LOWER_COUNTS
)  # fmt: skip


# Between the values of a joined column, and in place of one that is not there: signs that are rare in texts.
_BETWEEN: Final = "\x1d"
_NOTHING: Final = "\x1c"
_NUMBERS: Final = "string_to_array(${place}::text, ',')"
_JOINED: Final = {
    "text": "string_to_array(${place}::text, E'\\x1d', E'\\x1c')",
    "bytea": "${place}::bytea[]",
    "bigint": _NUMBERS + "::bigint[]",
    "integer": _NUMBERS + "::integer[]",
}


@cache
def statement(parts: tuple[Part, ...], *, alone: bool = False, joined: bool = False) -> str:
    """
    Return the statement that does all parts at once, and tells how many rows those met that have to meet rows.

    Its values are those of `arrays`, or when they are `joined` what `values_of` makes of them. One that stands `alone`
    is its own transaction: $1 names the merchants behind whose wall it works, its last values are how many rows are to
    be met, and it fails when they are not.
    """
    done, counts = [], []
    position = 2 if alone else 1
    for part in parts:
        arrays = [
            _JOINED[type_].format(place=position + index) if joined else f"${position + index}::{type_}[]"
            for index, type_ in enumerate(part.types)
        ]
        position += len(arrays)
        if alone:
            # So no row is there before the wall is.
            arrays[0] = f"(SELECT {arrays[0]} FROM wall)"
        returning = " RETURNING 1" if part.meets_rows else ""
        done.append(f"{part.name} AS ({part.sql.format(rows=f'unnest({_columns(arrays)})')}{returning})")
        if part.meets_rows:
            counts.append(f"(SELECT count(*) FROM {part.name})")
    if not alone:
        return f"WITH {_columns(done)} SELECT {_columns(counts or ['0'])}"
    wall = "wall AS MATERIALIZED (SELECT set_config('paydue.merchants', $1, true))"
    met = " AND ".join(f"{count} = ${position + index}::bigint" for index, count in enumerate(counts))
    # The plainest way for a statement to fail by its own judgement.
    return f"WITH {_columns([wall, *done])} SELECT 1 / CASE WHEN {met} THEN 1 ELSE 0 END"


def values_of(parts: Sequence[Part], rows_of_parts: Sequence[Sequence[Row]]) -> tuple[bool, list[Any]]:
    """
    Return whether the values are joined, and the values: for each part, one for each column.

    Joined they are one text for a column, which is much cheaper: the driver looks more closely at each element of an
    array than it takes to join them all. Where a value is in the way of that, they are arrays.
    """
    values: list[Any] = []
    for part, rows in zip(parts, rows_of_parts, strict=True):
        for type_, column in zip(part.types, zip(*rows, strict=True), strict=True):
            if type_ == "text":
                text = _BETWEEN.join([_NOTHING if each is None else each for each in column])
                # A separator within a value, or an only value without a sign: they would not be found again.
                if not text or text.count(_BETWEEN) != len(rows) - 1 or text.count(_NOTHING) != column.count(None):
                    return False, arrays(rows_of_parts)
                values.append(text)
            elif type_ == "bytea":
                values.append(column)
            else:
                values.append(",".join(map(str, column)))
    return True, values


def arrays(rows_of_parts: Sequence[Sequence[Row]]) -> list[Any]:
    """Return the values of such a statement: for each part, an array for each column."""
    return [column for rows in rows_of_parts for column in zip(*rows, strict=True)]


# What is read before changes are decided. The merchants are locked first, each transaction in the same order, so that
# nobody else gives numbers meanwhile and nobody waits in a circle. Foreign keys to a merchant may still be checked.
LOCK_COUNTERS: Final = (
    "SELECT locked.* FROM (SELECT set_config('paydue.merchants', $1, true) AS merchants OFFSET 0) AS wall"
    " CROSS JOIN LATERAL (SELECT merchant_id, last_serial, next_number FROM merchants"
    " WHERE merchant_id = ANY (string_to_array(wall.merchants, E'\\n'))"
    " ORDER BY merchant_id FOR NO KEY UPDATE) AS locked"
)
# Which of these numbers are in use, and which of these idempotency keys. Asked behind the lock, so it stays true.
USED_NAMES: Final = (
    "SELECT 'number', wish.merchant_id, wish.name FROM unnest($1::text[], $2::text[]) AS wish (merchant_id, name)"
    " JOIN invoices AS kept ON kept.merchant_id = wish.merchant_id AND kept.number = wish.name"
    " UNION ALL"
    " SELECT 'key', wish.merchant_id, wish.name FROM unnest($3::text[], $4::text[]) AS wish (merchant_id, name)"
    " JOIN receipts AS kept ON kept.merchant_id = wish.merchant_id AND kept.key = wish.name"
)
# Which payers were reminded already.
REMINDED: Final = (
    "SELECT kept.merchant_id, kept.serial, kept.kind, kept.due_date"
    " FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) AS wish (merchant_id, serial, kind, due_date)"
    " JOIN reminders AS kept ON kept.merchant_id = wish.merchant_id AND kept.serial = wish.serial"
    " AND kept.kind = wish.kind AND kept.due_date = wish.due_date"
)
# Whether a number is in use.
HAS_NUMBER: Final = "SELECT 1 FROM invoices WHERE merchant_id = $1 AND number = $2"
# Which versions stand.
VERSIONS: Final = (
    "SELECT kept.merchant_id, kept.serial, kept.version FROM unnest($1::text[], $2::bigint[]) AS wish"
    " (merchant_id, serial) JOIN invoices AS kept"
    " ON kept.merchant_id = wish.merchant_id AND kept.serial = wish.serial"
)
