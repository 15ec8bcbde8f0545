"""
Every SQL statement about delivering, each with a name: the outbox as a queue and as a log, webhooks, reminders.

Apart from `statements.py` because nothing here is run where an invoice is created or read.
"""

# ruff: noqa: S608 - the names put into these statements are constants of the row modules and this file.

from typing import Final

from paydue.domain.mail_address import SuppressionReason
from paydue.storage.outbox_rows import JOB_COLUMNS, PLACE_COLUMNS, SUPPRESSION_COLUMNS, TRY_COLUMNS
from paydue.storage.postgres.statements import EVERYBODY, behind_wall
from paydue.storage.rows import READ_COLUMNS
from paydue.storage.webhook_rows import SUBSCRIPTION_COLUMNS, WEBHOOK_KEY_COLUMNS
from paydue.usecases.delivery_ports import JobState


def _columns(names: tuple[str, ...]) -> str:
    return ", ".join(names)


_JOB: Final = _columns(JOB_COLUMNS)
_AT_PLACE: Final = "merchant_id = $1 AND serial = $2 AND position = $3 AND part = $4"
_OF_WALL: Final = "merchant_id = wall.merchant_id"
_STATES: Final = ", ".join(repr(state.value) for state in JobState)

# The queue

# Lanes that something waits in, behind one ($2), each with the earliest time in it. Steps from lane to lane in the
# index: what waits behind the first of a lane is not looked at.
LANES: Final = behind_wall(
    "WITH RECURSIVE lanes (lane) AS ("
    f"(SELECT lane FROM outbox WHERE state = 'pending' AND lane > $2 AND wall.merchant_id = '{EVERYBODY}'"
    " ORDER BY lane LIMIT 1)"
    " UNION ALL"
    " SELECT (SELECT later.lane FROM outbox AS later WHERE later.state = 'pending' AND later.lane > lanes.lane"
    " ORDER BY later.lane LIMIT 1) FROM lanes WHERE lanes.lane IS NOT NULL)"
    " SELECT lane, (SELECT first.due_at FROM outbox AS first WHERE first.state = 'pending' AND first.lane = lanes.lane"
    " ORDER BY first.due_at LIMIT 1)"
    " FROM lanes WHERE lane IS NOT NULL LIMIT $3"
)
# What a row waits for, if anything: the state and time of what is ahead of it, of the same invoice to the same
# recipient. What is held comes first ('held' < 'pending').
_AHEAD: Final = (
    "(SELECT min(ahead.state || ' ' || ahead.due_at) FROM outbox AS ahead"
    " WHERE ahead.merchant_id = outbox.merchant_id AND ahead.serial = outbox.serial"
    " AND (ahead.position, ahead.part) < (outbox.position, outbox.part)"
    " AND ahead.channel = outbox.channel AND ahead.recipient = outbox.recipient"
    " AND ahead.state IN ('pending', 'held'))"
)
_WAITS: Final = f"lane, lease_until, {_AHEAD} AS ahead, {_columns(PLACE_COLUMNS)}, due_at, channel"
# What is due in some lanes ($1), the oldest of each: until when it is taken, what it waits for, and its place.
WAITING: Final = (
    f"SELECT waiting.* FROM unnest($1::text[]) AS wish (lane) CROSS JOIN LATERAL (SELECT {_WAITS}"
    " FROM outbox WHERE lane = wish.lane AND state = 'pending' AND due_at <= $2"
    " ORDER BY due_at, merchant_id, serial, position, part LIMIT $3) AS waiting"
    " ORDER BY due_at, merchant_id, serial, position, part"
)
# What is or will be due in one lane, asked for outside of a transaction.
WAITING_NOW: Final = behind_wall(
    f"SELECT {_WAITS} FROM outbox WHERE lane = $2 AND state = 'pending'"
    f" AND wall.merchant_id = '{EVERYBODY}' ORDER BY due_at, merchant_id, serial, position, part LIMIT $3"
)
# Rows that a worker takes ($3 to $6 are their places); not those that another is taking, or has taken meanwhile.
LEASE: Final = (
    "UPDATE outbox SET lease = $1, lease_until = $2 FROM (SELECT own.merchant_id, own.serial, own.position, own.part"
    " FROM unnest($3::text[], $4::bigint[], $5::integer[], $6::integer[]) AS wish (merchant_id, serial, position, part)"
    " JOIN outbox AS own ON own.merchant_id = wish.merchant_id AND own.serial = wish.serial"
    " AND own.position = wish.position AND own.part = wish.part"
    " WHERE own.state = 'pending' AND (own.lease_until IS NULL OR own.lease_until <= $7)"
    " FOR UPDATE OF own SKIP LOCKED) AS free"
    " WHERE outbox.merchant_id = free.merchant_id AND outbox.serial = free.serial"
    " AND outbox.position = free.position AND outbox.part = free.part"
    f" RETURNING {_columns(tuple(f'outbox.{name}' for name in JOB_COLUMNS))}"
)
# A row that waits for one that is due later, or held.
PUT_OFF: Final = (
    "UPDATE outbox SET state = $5, due_at = $6, lease = NULL, lease_until = NULL"
    f" WHERE {_AT_PLACE} AND state = 'pending'"
)
# A row that is taken no more; no row when another took it.
GIVE_BACK: Final = f"UPDATE outbox SET lease = NULL, lease_until = NULL WHERE {_AT_PLACE} AND lease = $5"
# Where jobs go after a go at each, and the goes, each the next of its message; nothing of a job that another took.
# A job of which nobody was asked anything has no time of a go.
_SETTLED: Final = {
    "merchant_id": "text", "serial": "bigint", "position": "integer", "part": "integer", "lease": "text",
    "state": "text", "due_at": "text", "tries": "integer", "first_failed_at": "text", "last_outcome": "text",
    "message_id": "bytea", "at": "text", "milliseconds": "bigint", "is_taken": "integer", "outcome": "text",
    "status": "integer", "trace_id": "text", "request": "text", "answer": "text",
}  # fmt: skip
SETTLE: Final = (
    "WITH done AS (UPDATE outbox SET state = wish.state, due_at = wish.due_at, tries = wish.tries,"
    " first_failed_at = wish.first_failed_at, last_outcome = wish.last_outcome, lease = NULL, lease_until = NULL"
    f" FROM unnest({_columns(tuple(f'${n}::{kind}[]' for n, kind in enumerate(_SETTLED.values(), 1)))})"
    f" AS wish ({_columns(tuple(_SETTLED))})"
    " WHERE outbox.merchant_id = wish.merchant_id AND outbox.serial = wish.serial"
    " AND outbox.position = wish.position AND outbox.part = wish.part AND outbox.lease = wish.lease"
    " RETURNING wish.*)"
    f" INSERT INTO delivery_tries (merchant_id, message_id, number, {_columns(TRY_COLUMNS)})"
    " SELECT merchant_id, message_id, 1 + (SELECT coalesce(max(number), 0) FROM delivery_tries AS kept"
    " WHERE kept.merchant_id = done.merchant_id AND kept.message_id = done.message_id),"
    f" {_columns(TRY_COLUMNS)} FROM done WHERE at IS NOT NULL"
)
# A go at a message, the next of it.
ADD_TRY: Final = (
    f"INSERT INTO delivery_tries (merchant_id, message_id, number, {_columns(TRY_COLUMNS)})"
    " SELECT $1, $2, 1 + (SELECT coalesce(max(number), 0) FROM delivery_tries"
    f" WHERE merchant_id = $1 AND message_id = $2), {_columns(tuple(f'${n + 3}' for n in range(len(TRY_COLUMNS))))}"
)
# That there is something rendered; no row when another took the job.
MARK_RENDERED: Final = f"UPDATE outbox SET is_rendered = true WHERE {_AT_PLACE} AND lease = $5"
# What was rendered first.
ADD_RENDERING: Final = (
    "INSERT INTO renderings (merchant_id, message_id, rendered) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
)
# What was rendered.
RENDERING: Final = behind_wall(f"SELECT rendered FROM renderings WHERE {_OF_WALL} AND message_id = $2")
# A message because of another of the same event ($1 to $4); no row when there is one of that topic already.
ADD_CONSEQUENCE: Final = (
    "INSERT INTO outbox (merchant_id, serial, position, part, cause_part, message_id, number, channel, topic,"
    " recipient, facts, due_at)"
    " SELECT $1, $2, $3, 1 + max(part), $4, $5, max(number), $6, $7, $8, $9, $10"
    " FROM outbox WHERE merchant_id = $1 AND serial = $2 AND position = $3"
    " HAVING max(part) IS NOT NULL AND count(*) FILTER (WHERE cause_part = $4 AND topic = $7) = 0"
)

# A message about no invoice; no row when there is one of that topic, recipient and facts already.
TELL: Final = (
    "INSERT INTO outbox (merchant_id, serial, position, part, message_id, number, channel, topic, recipient, facts,"
    " due_at) SELECT $1, 0, 1 + coalesce(max(position), 0), 0, $2, '', $3, $4, $5, $6, $7"
    " FROM outbox WHERE merchant_id = $1 AND serial = 0"
    " HAVING count(*) FILTER (WHERE topic = $4 AND recipient = $5 AND facts = $6) = 0"
)
# One message, whosever it is.
FIND: Final = behind_wall(
    f"SELECT {', '.join(f'own.{name}' for name in JOB_COLUMNS)} FROM merchants CROSS JOIN LATERAL (SELECT * FROM outbox"
    f" WHERE outbox.merchant_id = merchants.merchant_id AND state IN ({_STATES}) AND message_id = $2) AS own"
    f" WHERE wall.merchant_id = '{EVERYBODY}'"
)
# What is heard of a message after it was done with.
CAME_BACK: Final = f"UPDATE outbox SET state = $5, last_outcome = $6 WHERE {_AT_PLACE} AND state = 'done'"

# What is held too long

# For whom anything is held.
HELD_RECIPIENTS: Final = behind_wall(
    "SELECT DISTINCT merchant_id, recipient FROM outbox WHERE state = 'held' AND recipient IS NOT NULL"
    f" AND wall.merchant_id = '{EVERYBODY}'"
)
# The newest of what is held beyond so many, for a recipient.
HELD_BEYOND: Final = behind_wall(
    f"SELECT * FROM (SELECT message_id FROM outbox WHERE {_OF_WALL} AND recipient = $2 AND state = 'held'"
    " ORDER BY message_id DESC LIMIT 1 OFFSET $3) AS nth"
)
# Some of what is held for a recipient up to a message.
EXPIRE_HELD: Final = (
    "UPDATE outbox SET state = 'parked', last_outcome = $4 WHERE (merchant_id, serial, position, part) IN ("
    "SELECT merchant_id, serial, position, part FROM outbox WHERE merchant_id = $1 AND recipient = $2"
    " AND state = 'held' AND message_id <= $3 LIMIT $5 FOR UPDATE SKIP LOCKED)"
)

# Making due again

# A row that starts anew, unless a worker has it just now.
MAKE_DUE: Final = (
    "UPDATE outbox SET state = 'pending', due_at = $5, tries = 0, first_failed_at = NULL, lease = NULL,"
    f" lease_until = NULL, is_replayed = $6 WHERE {_AT_PLACE} AND state = $7"
    " AND (lease_until IS NULL OR lease_until <= $8)"
)
# What was put off behind a row that is now due ($7).
BRING_FORWARD: Final = (
    "UPDATE outbox SET due_at = $7 WHERE merchant_id = $1 AND serial = $2 AND (position, part) > ($3, $4)"
    " AND channel = $5 AND recipient = $6 AND state = 'pending' AND tries = 0 AND due_at > $7"
)
# What is held for a recipient from a message on, oldest first.
HELD: Final = behind_wall(
    f"SELECT {_JOB} FROM outbox WHERE {_OF_WALL} AND recipient = $2 AND state = 'held' AND message_id > $3"
    " ORDER BY message_id LIMIT $4"
)
# What is in a state, of the messages made in a stretch of time, oldest first.
IN_STATE: Final = behind_wall(
    f"SELECT {_JOB} FROM outbox WHERE {_OF_WALL} AND state = $2 AND message_id > $3 AND message_id <= $4"
    " AND recipient IS NOT NULL ORDER BY message_id LIMIT $5"
)
# Whether anything replayed is not through.
IS_REPLAYING: Final = "SELECT 1 FROM outbox WHERE merchant_id = $1 AND state = 'pending' AND is_replayed LIMIT 1"
# The message that an attempt belongs to.
TRACED: Final = behind_wall(f"SELECT message_id FROM delivery_tries WHERE {_OF_WALL} AND trace_id = $2")

# The log

# One message.
_BY_MESSAGE: Final = f"state IN ({_STATES}) AND message_id = $2 AND recipient IS NOT NULL"
BY_MESSAGE: Final = behind_wall(f"SELECT {_JOB} FROM outbox WHERE {_OF_WALL} AND {_BY_MESSAGE}")
# The same, within a transaction.
MESSAGE_TO_CHANGE: Final = f"SELECT {_JOB} FROM outbox WHERE merchant_id = $1 AND {_BY_MESSAGE}"
# The tries of a message, oldest first.
TRIES: Final = behind_wall(
    f"SELECT {_columns(TRY_COLUMNS)} FROM delivery_tries WHERE {_OF_WALL} AND message_id = $2 ORDER BY number"
)
# The id that comes before, the lowest and the highest are $2 to $4; then channel, recipient and how many.
_WANTED: Final = (
    f"{_OF_WALL} AND message_id < $2 AND message_id >= $3 AND message_id <= $4"
    " AND ($5::text IS NULL OR channel = $5) AND recipient IS NOT NULL AND ($6::text IS NULL OR recipient = $6)"
)


def newest(states: tuple[JobState, ...]) -> str:
    """Return the query for messages in any of these states, newest first: the states' stretches are merged."""
    stretches = (
        f"(SELECT {_JOB} FROM outbox WHERE {_WANTED} AND state = '{state.value}' ORDER BY message_id DESC LIMIT $7)"
        for state in states
    )
    merged = " UNION ALL ".join(stretches)
    return behind_wall(f"SELECT * FROM ({merged}) AS merged ORDER BY message_id DESC LIMIT $7")


# The messages about one invoice, newest first.
OF_INVOICE: Final = behind_wall(
    f"SELECT {_JOB} FROM outbox WHERE {_WANTED}"
    f" AND serial = (SELECT serial FROM invoices WHERE {_OF_WALL} AND number = $8)"
    " AND ($9::text IS NULL OR state = $9) ORDER BY message_id DESC LIMIT $7"
)
# Who asked for something.
ADD_ACTION: Final = (
    "INSERT INTO actions (merchant_id, action_id, at, actor, correlation_id, what, subject)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7)"
)

# Forgetting

# Requests and answers of some old tries.
FORGET_SAID: Final = (
    "UPDATE delivery_tries AS kept SET request = '', answer = '' FROM (SELECT said.merchant_id, said.message_id,"
    " said.number FROM merchants CROSS JOIN LATERAL (SELECT * FROM delivery_tries AS one"
    " WHERE one.merchant_id = merchants.merchant_id AND one.at < $1 AND (one.request <> '' OR one.answer <> '')"
    " LIMIT $2) AS said LIMIT $2) AS old"
    " WHERE kept.merchant_id = old.merchant_id AND kept.message_id = old.message_id AND kept.number = old.number"
)
# Some of what was rendered for old messages.
FORGET_RENDERED: Final = (
    "DELETE FROM renderings AS kept USING (SELECT one.merchant_id, one.message_id FROM merchants"
    " CROSS JOIN LATERAL (SELECT * FROM renderings AS each WHERE each.merchant_id = merchants.merchant_id"
    " AND each.message_id < $1 LIMIT $2) AS one LIMIT $2) AS old"
    " WHERE kept.merchant_id = old.merchant_id AND kept.message_id = old.message_id"
)

# Subscriptions

# Whether there is such a merchant.
HAS_MERCHANT: Final = "SELECT 1 FROM merchants WHERE merchant_id = $1"
# A merchant's subscriptions that are not deleted, oldest first.
SUBSCRIPTIONS: Final = behind_wall(
    f"SELECT {_columns(SUBSCRIPTION_COLUMNS)} FROM subscriptions WHERE {_OF_WALL} AND deleted_at IS NULL"
    " ORDER BY created_at, webhook_id"
)
# Whether there is a subscription that is not deleted.
HAS_SUBSCRIPTION: Final = behind_wall(
    f"SELECT 1 FROM subscriptions WHERE {_OF_WALL} AND webhook_id = $2 AND deleted_at IS NULL"
)
# How many they are.
SUBSCRIPTION_COUNT: Final = "SELECT count(*) FROM subscriptions WHERE merchant_id = $1 AND deleted_at IS NULL"
# A new subscription.
ADD_SUBSCRIPTION: Final = (
    "INSERT INTO subscriptions (merchant_id, webhook_id, version, status, created_at, document)"
    " VALUES ($1, $2, 1, $3, $4, $5)"
)
# A changed subscription; no row when it was changed or deleted since it was read.
AMEND_SUBSCRIPTION: Final = (
    "UPDATE subscriptions SET version = version + 1, status = $4, document = $5"
    " WHERE merchant_id = $1 AND webhook_id = $2 AND version = $3 AND deleted_at IS NULL"
)
# A subscription that is no more; no row when there is none.
DELETE_SUBSCRIPTION: Final = (
    "UPDATE subscriptions SET version = version + 1, deleted_at = $3"
    " WHERE merchant_id = $1 AND webhook_id = $2 AND deleted_at IS NULL"
)

# Webhook keys

# A merchant's webhook keys.
WEBHOOK_KEYS: Final = behind_wall(
    f"SELECT {_columns(WEBHOOK_KEY_COLUMNS)} FROM webhook_keys WHERE {_OF_WALL} ORDER BY created_at, key_id"
)
# A new webhook key.
ADD_WEBHOOK_KEY: Final = (
    f"INSERT INTO webhook_keys ({_columns(WEBHOOK_KEY_COLUMNS)})"
    f" VALUES ({_columns(tuple(f'${n + 1}' for n in range(len(WEBHOOK_KEY_COLUMNS))))})"
)
# A webhook key that is forgotten.
DROP_WEBHOOK_KEY: Final = "DELETE FROM webhook_keys WHERE merchant_id = $1 AND key_id = $2"

# Whom mails go to, and how many

# Whether a merchant's mails to any address are stopped.
HAS_SUPPRESSIONS: Final = behind_wall(f"SELECT 1 FROM suppressions WHERE {_OF_WALL} LIMIT 1")
# Whether mails to an address are stopped, and why.
SUPPRESSION: Final = behind_wall(
    f"SELECT {_columns(SUPPRESSION_COLUMNS)} FROM suppressions WHERE {_OF_WALL} AND address = $2"
)
# Addresses that mails do not go to, behind one.
SUPPRESSIONS: Final = behind_wall(
    f"SELECT {_columns(SUPPRESSION_COLUMNS)} FROM suppressions WHERE {_OF_WALL} AND address > $2"
    " ORDER BY address LIMIT $3"
)
# An address that mails stop going to; no row when they stopped for that reason before.
SUPPRESS: Final = (
    f"INSERT INTO suppressions AS kept (merchant_id, {_columns(SUPPRESSION_COLUMNS)})"
    f" VALUES ($1, {_columns(tuple(f'${n + 2}' for n in range(len(SUPPRESSION_COLUMNS))))})"
    " ON CONFLICT (merchant_id, address) DO UPDATE SET"
    " reason = excluded.reason, said = excluded.said, message_id = excluded.message_id,"
    f" suppressed_at = excluded.suppressed_at WHERE kept.reason = '{SuppressionReason.COMPLAINED.value}'"
    " AND excluded.reason <> kept.reason"
)
# An address that mails may go to again.
LIFT: Final = "DELETE FROM suppressions WHERE merchant_id = $1 AND address = $2"
# One more mail of a day to a recipient ('': to anybody), and how many that are.
COUNT_MAIL: Final = (
    "INSERT INTO mail_counts AS kept (merchant_id, day, recipient, mails) VALUES ($1, $2, $3, 1)"
    " ON CONFLICT (merchant_id, day, recipient) DO UPDATE SET mails = kept.mails + 1 RETURNING mails"
)
# One less.
UNCOUNT_MAIL: Final = (
    "UPDATE mail_counts SET mails = mails - 1 WHERE merchant_id = $1 AND day = $2 AND recipient = $3 AND mails > 0"
)
# Counts of days that are over.
FORGET_COUNTS: Final = "DELETE FROM mail_counts WHERE day < $1"

# Reminders

# Since when an invoice's payer gets none.
STOPPED_AT: Final = behind_wall(f"SELECT stopped_at FROM reminder_stops WHERE {_OF_WALL} AND serial = $2")
# That an invoice's payer gets none.
STOP_REMINDERS: Final = (
    "INSERT INTO reminder_stops (merchant_id, serial, stopped_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
)
# That an invoice's payer gets them again.
START_REMINDERS: Final = "DELETE FROM reminder_stops WHERE merchant_id = $1 AND serial = $2"
# Whether a payer was reminded.
HAS_REMINDER: Final = behind_wall(
    f"SELECT 1 FROM reminders WHERE {_OF_WALL} AND serial = $2 AND kind = $3 AND due_date = $4"
)
# Open invoices due on a day, from a serial on.
DUE_ON: Final = behind_wall(
    f"SELECT {_columns(READ_COLUMNS)} FROM invoices WHERE {_OF_WALL} AND due_date = $2"
    " AND (status = 'SENT' OR status = 'PARTIAL') AND serial > $3 ORDER BY serial LIMIT $4"
)
# Merchants whose settings for a product ask for reminders.
MERCHANTS_WHO_REMIND: Final = behind_wall(
    "SELECT merchant_id FROM settings WHERE product = $2 AND document::json ->> 'sends_reminders' = 'true'"
    f" AND wall.merchant_id = '{EVERYBODY}' ORDER BY merchant_id"
)
