"""
Every SQL statement about delivering, each with a name: the outbox as a queue and as a log, webhooks, reminders.

Apart from `statements.py` because nothing here is run where an invoice is created or read.
"""

# ruff: noqa: S608 - the names put into these statements are constants of the row modules and this file.

from typing import Final

from paydue.domain.mail_address import SuppressionReason
from paydue.storage.outbox_rows import JOB_COLUMNS, SUPPRESSION_COLUMNS, TRY_COLUMNS
from paydue.storage.rows import READ_COLUMNS
from paydue.storage.sqlite.statements import invoice_id
from paydue.storage.webhook_rows import SUBSCRIPTION_COLUMNS, WEBHOOK_KEY_COLUMNS
from paydue.usecases.delivery_ports import JobState


def _columns(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _marks(count: int) -> str:
    return ", ".join("?" * count)


_JOB: Final = _columns(JOB_COLUMNS)
_AT_PLACE: Final = "merchant_id = ?1 AND serial = ?2 AND position = ?3 AND part = ?4"

# The queue

# Lanes that something waits in, from one on, each with the earliest time in it. Steps from lane to lane in the index:
# what waits behind the first of a lane is not looked at.
LANES: Final = (
    "WITH RECURSIVE lanes (lane) AS ("
    " SELECT min(lane) FROM outbox INDEXED BY outbox_queue WHERE state = 'pending' AND lane > ?"
    " UNION ALL"
    " SELECT (SELECT min(later.lane) FROM outbox AS later INDEXED BY outbox_queue"
    " WHERE later.state = 'pending' AND later.lane > lanes.lane) FROM lanes WHERE lanes.lane IS NOT NULL LIMIT ?)"
    " SELECT lane, (SELECT min(due_at) FROM outbox AS first INDEXED BY outbox_queue"
    " WHERE first.state = 'pending' AND first.lane = lanes.lane) FROM lanes WHERE lane IS NOT NULL"
)
# What a row waits for, if anything: the state and time of what is ahead of it, of the same invoice to the same
# recipient. What is held comes first ('held' < 'pending').
_AHEAD: Final = (
    "(SELECT min(ahead.state || ' ' || ahead.due_at) FROM outbox AS ahead"
    " WHERE ahead.merchant_id = outbox.merchant_id AND ahead.serial = outbox.serial"
    " AND (ahead.position, ahead.part) < (outbox.position, outbox.part)"
    " AND ahead.channel = outbox.channel AND ahead.recipient = outbox.recipient"
    " AND (ahead.state = 'pending' OR ahead.state = 'held'))"
)
# What is due in a lane, oldest first: until when it is taken, what it waits for, and the job.
WAITING: Final = (
    f"SELECT lease_until, {_AHEAD}, {_JOB} FROM outbox INDEXED BY outbox_queue"
    " WHERE lane = ? AND state = 'pending' AND due_at <= ? ORDER BY due_at, merchant_id, serial, position, part LIMIT ?"
)
# A row that a worker takes.
LEASE: Final = f"UPDATE outbox SET lease = ?5, lease_until = ?6 WHERE {_AT_PLACE}"
# A row that waits for one that is due later, or held.
PUT_OFF: Final = (
    "UPDATE outbox SET state = ?5, due_at = ?6, lease = NULL, lease_until = NULL"
    f" WHERE {_AT_PLACE} AND state = 'pending'"
)
# A row that is taken no more; no row when another took it.
GIVE_BACK: Final = f"UPDATE outbox SET lease = NULL, lease_until = NULL WHERE {_AT_PLACE} AND lease = ?5"
# Where a job goes after a go at it; no row when another took it.
SETTLE: Final = (
    "UPDATE outbox SET state = ?6, due_at = ?7, tries = ?8, first_failed_at = ?9, last_outcome = ?10, lease = NULL,"
    f" lease_until = NULL WHERE {_AT_PLACE} AND lease = ?5"
)
# A go at a message, the next of it.
ADD_TRY: Final = (
    f"INSERT INTO delivery_tries (merchant_id, message_id, number, {_columns(TRY_COLUMNS)})"
    " VALUES (?1, ?2,"
    " 1 + (SELECT ifnull(max(number), 0) FROM delivery_tries WHERE merchant_id = ?1 AND message_id = ?2),"
    f" {_marks(len(TRY_COLUMNS))})"
)
# That there is something rendered; no row when another took the job.
MARK_RENDERED: Final = f"UPDATE outbox SET is_rendered = 1 WHERE {_AT_PLACE} AND lease = ?5"
# What was rendered first.
ADD_RENDERING: Final = f"INSERT INTO renderings VALUES ({_marks(3)}) ON CONFLICT DO NOTHING"
# What was rendered.
RENDERING: Final = "SELECT rendered FROM renderings WHERE merchant_id = ? AND message_id = ?"

# A message because of another of the same event; no row when there is one of that topic already.
ADD_CONSEQUENCE: Final = (
    "INSERT INTO outbox (merchant_id, serial, position, part, cause_part, message_id, number, channel, topic,"
    " recipient, facts, due_at)"
    " SELECT merchant_id, serial, position, 1 + max(part), ?4, ?5, number, ?6, ?7, ?8, ?9, ?10"
    " FROM outbox WHERE merchant_id = ?1 AND serial = ?2 AND position = ?3"
    " HAVING ifnull(sum(cause_part = ?4 AND topic = ?7), 0) = 0 AND max(part) IS NOT NULL"
)

# A message about no invoice; no row when there is one of that topic, recipient and facts already.
TELL: Final = (
    "INSERT INTO outbox (merchant_id, serial, position, part, message_id, number, channel, topic, recipient, facts,"
    " due_at) SELECT ?1, 0, 1 + ifnull(max(position), 0), 0, ?2, '', ?3, ?4, ?5, ?6, ?7"
    " FROM outbox WHERE merchant_id = ?1 AND serial = 0"
    " HAVING ifnull(sum(topic = ?4 AND recipient = ?5 AND facts = ?6), 0) = 0"
)
# One message, whosever it is.
FIND: Final = (
    f"SELECT {', '.join(f'outbox.{name}' for name in JOB_COLUMNS)} FROM merchants CROSS JOIN outbox"
    " INDEXED BY outbox_by_message ON outbox.merchant_id = merchants.merchant_id"
    f" AND state IN ({', '.join(repr(state.value) for state in JobState)}) AND message_id = ?"
)
# What is heard of a message after it was done with.
CAME_BACK: Final = f"UPDATE outbox SET state = ?5, last_outcome = ?6 WHERE {_AT_PLACE} AND state = 'done'"

# What is held too long

# For whom anything is held.
HELD_RECIPIENTS: Final = (
    "SELECT DISTINCT merchant_id, recipient FROM outbox INDEXED BY outbox_held"
    " WHERE state = 'held' AND recipient IS NOT NULL"
)
# The newest of what is held beyond so many, for a recipient.
HELD_BEYOND: Final = (
    "SELECT message_id FROM outbox INDEXED BY outbox_held WHERE merchant_id = ? AND recipient = ? AND state = 'held'"
    " ORDER BY message_id DESC LIMIT 1 OFFSET ?"
)
# Some of what is held for a recipient up to a message.
EXPIRE_HELD: Final = (
    "UPDATE outbox SET state = 'parked', last_outcome = ?4 WHERE (merchant_id, serial, position, part) IN ("
    "SELECT merchant_id, serial, position, part FROM outbox INDEXED BY outbox_held"
    " WHERE merchant_id = ?1 AND recipient = ?2 AND state = 'held' AND message_id <= ?3 LIMIT ?5)"
)

# Making due again

# A row that starts anew, unless a worker has it just now.
MAKE_DUE: Final = (
    "UPDATE outbox SET state = 'pending', due_at = ?5, tries = 0, first_failed_at = NULL, lease = NULL,"
    f" lease_until = NULL, is_replayed = ?6 WHERE {_AT_PLACE} AND state = ?7"
    " AND (lease_until IS NULL OR lease_until <= ?8)"
)
# What was put off behind a row that is now due.
BRING_FORWARD: Final = (
    "UPDATE outbox SET due_at = ?7 WHERE merchant_id = ?1 AND serial = ?2 AND (position, part) > (?3, ?4)"
    " AND channel = ?5 AND recipient = ?6 AND state = 'pending' AND tries = 0 AND due_at > ?7"
)
# What is held for a recipient from a message on, oldest first.
HELD: Final = (
    f"SELECT {_JOB} FROM outbox INDEXED BY outbox_held"
    " WHERE merchant_id = ? AND recipient = ? AND state = 'held' AND message_id > ? ORDER BY message_id LIMIT ?"
)
# What is in a state, of the messages made in a stretch of time, oldest first.
IN_STATE: Final = (
    f"SELECT {_JOB} FROM outbox INDEXED BY outbox_by_message WHERE merchant_id = ? AND state = ? AND message_id > ?"
    " AND message_id <= ? AND recipient IS NOT NULL ORDER BY message_id LIMIT ?"
)
# Whether anything replayed is not through.
IS_REPLAYING: Final = (
    "SELECT 1 FROM outbox INDEXED BY outbox_replayed WHERE merchant_id = ? AND state = 'pending' AND is_replayed = 1"
)
# The message that an attempt belongs to.
TRACED: Final = (
    "SELECT message_id FROM delivery_tries INDEXED BY delivery_tries_by_trace WHERE merchant_id = ? AND trace_id = ?"
)

# The log

# One message.
BY_MESSAGE: Final = (
    f"SELECT {_JOB} FROM outbox INDEXED BY outbox_by_message WHERE merchant_id = ?"
    f" AND state IN ({', '.join(repr(state.value) for state in JobState)}) AND message_id = ?"
    " AND recipient IS NOT NULL"
)
# The same, within a transaction.
MESSAGE_TO_CHANGE: Final = BY_MESSAGE
# The tries of a message, oldest first.
TRIES: Final = (
    f"SELECT {_columns(TRY_COLUMNS)} FROM delivery_tries WHERE merchant_id = ? AND message_id = ? ORDER BY number"
)
# The merchant is ?1; the id that comes before, the lowest and the highest are ?2 to ?4; then channel and recipient.
_WANTED: Final = (
    "merchant_id = ?1 AND message_id < ?2 AND message_id >= ?3 AND message_id <= ?4"
    " AND (?5 IS NULL OR channel = ?5) AND recipient IS NOT NULL AND (?6 IS NULL OR recipient = ?6)"
)


def newest(states: tuple[JobState, ...]) -> str:
    """Return the query for messages in any of these states, newest first: the states' stretches are merged."""
    stretches = (
        f"SELECT {_JOB} FROM outbox INDEXED BY outbox_by_message WHERE {_WANTED} AND state = '{state.value}'"
        for state in states
    )
    return f"{' UNION ALL '.join(stretches)} ORDER BY message_id DESC LIMIT ?7"


# The messages about one invoice, newest first.
OF_INVOICE: Final = (
    f"SELECT {_JOB} FROM outbox WHERE {_WANTED}"
    " AND serial = (SELECT serial FROM invoices WHERE merchant_id = ?1 AND number = ?8)"
    " AND (?9 IS NULL OR state = ?9) ORDER BY message_id DESC LIMIT ?7"
)
# Who asked for something.
ADD_ACTION: Final = f"INSERT INTO actions VALUES ({_marks(7)})"

# Forgetting

# Requests and answers of some old tries.
FORGET_SAID: Final = (
    "UPDATE delivery_tries SET request = '', answer = '' WHERE rowid IN (SELECT said.rowid FROM merchants"
    " CROSS JOIN delivery_tries AS said INDEXED BY delivery_tries_to_forget"
    " ON said.merchant_id = merchants.merchant_id AND said.at < ? AND (said.request <> '' OR said.answer <> '')"
    " LIMIT ?)"
)
# Some of what was rendered for old messages.
FORGET_RENDERED: Final = (
    "DELETE FROM renderings WHERE rowid IN (SELECT old.rowid FROM merchants CROSS JOIN renderings AS old"
    " ON old.merchant_id = merchants.merchant_id AND old.message_id < ? LIMIT ?)"
)

# Subscriptions

# Whether there is such a merchant.
HAS_MERCHANT: Final = "SELECT 1 FROM merchants WHERE merchant_id = ?"
# A merchant's subscriptions that are not deleted, oldest first.
SUBSCRIPTIONS: Final = (
    f"SELECT {_columns(SUBSCRIPTION_COLUMNS)} FROM subscriptions WHERE merchant_id = ? AND deleted_at IS NULL"
    " ORDER BY created_at, webhook_id"
)
# Whether there is a subscription that is not deleted.
HAS_SUBSCRIPTION: Final = "SELECT 1 FROM subscriptions WHERE merchant_id = ? AND webhook_id = ? AND deleted_at IS NULL"
# How many they are.
SUBSCRIPTION_COUNT: Final = "SELECT count(*) FROM subscriptions WHERE merchant_id = ? AND deleted_at IS NULL"
# A new subscription.
ADD_SUBSCRIPTION: Final = (
    "INSERT INTO subscriptions (merchant_id, webhook_id, version, status, created_at, document)"
    " VALUES (?, ?, 1, ?, ?, ?)"
)
# A changed subscription; no row when it was changed or deleted since it was read.
AMEND_SUBSCRIPTION: Final = (
    "UPDATE subscriptions SET version = version + 1, status = ?4, document = ?5"
    " WHERE merchant_id = ?1 AND webhook_id = ?2 AND version = ?3 AND deleted_at IS NULL"
)
# A subscription that is no more; no row when there is none.
DELETE_SUBSCRIPTION: Final = (
    "UPDATE subscriptions SET version = version + 1, deleted_at = ?3"
    " WHERE merchant_id = ?1 AND webhook_id = ?2 AND deleted_at IS NULL"
)

# Webhook keys

# A merchant's webhook keys.
WEBHOOK_KEYS: Final = (
    f"SELECT {_columns(WEBHOOK_KEY_COLUMNS)} FROM webhook_keys WHERE merchant_id = ? ORDER BY created_at, key_id"
)
# A new webhook key.
ADD_WEBHOOK_KEY: Final = (
    f"INSERT INTO webhook_keys ({_columns(WEBHOOK_KEY_COLUMNS)}) VALUES ({_marks(len(WEBHOOK_KEY_COLUMNS))})"
)
# A webhook key that is forgotten.
DROP_WEBHOOK_KEY: Final = "DELETE FROM webhook_keys WHERE merchant_id = ? AND key_id = ?"

# Whom mails go to, and how many

# Whether a merchant's mails to any address are stopped.
HAS_SUPPRESSIONS: Final = "SELECT 1 FROM suppressions WHERE merchant_id = ? LIMIT 1"
# Whether mails to an address are stopped, and why.
SUPPRESSION: Final = f"SELECT {_columns(SUPPRESSION_COLUMNS)} FROM suppressions WHERE merchant_id = ? AND address = ?"
# Addresses that mails do not go to, behind one.
SUPPRESSIONS: Final = (
    f"SELECT {_columns(SUPPRESSION_COLUMNS)} FROM suppressions WHERE merchant_id = ? AND address > ?"
    " ORDER BY address LIMIT ?"
)
# An address that mails stop going to; no row when they stopped for that reason before.
SUPPRESS: Final = (
    f"INSERT INTO suppressions (merchant_id, {_columns(SUPPRESSION_COLUMNS)})"
    f" VALUES (?, {_marks(len(SUPPRESSION_COLUMNS))}) ON CONFLICT (merchant_id, address) DO UPDATE SET"
    " reason = excluded.reason, said = excluded.said, message_id = excluded.message_id,"
    f" suppressed_at = excluded.suppressed_at WHERE reason = '{SuppressionReason.COMPLAINED.value}'"
    " AND excluded.reason <> reason"
)
# An address that mails may go to again.
LIFT: Final = "DELETE FROM suppressions WHERE merchant_id = ? AND address = ?"
# One more mail of a day to a recipient ('': to anybody), and how many that are.
COUNT_MAIL: Final = (
    "INSERT INTO mail_counts (merchant_id, day, recipient, mails) VALUES (?, ?, ?, 1)"
    " ON CONFLICT (merchant_id, day, recipient) DO UPDATE SET mails = mails + 1 RETURNING mails"
)
# One less.
UNCOUNT_MAIL: Final = (
    "UPDATE mail_counts SET mails = mails - 1 WHERE merchant_id = ? AND day = ? AND recipient = ? AND mails > 0"
)
# Counts of days that are over.
FORGET_COUNTS: Final = "DELETE FROM mail_counts WHERE day < ?"

# Reminders

# Since when an invoice's payer gets none.
STOPPED_AT: Final = "SELECT stopped_at FROM reminder_stops WHERE merchant_id = ? AND serial = ?"
# That an invoice's payer gets none.
STOP_REMINDERS: Final = (
    "INSERT INTO reminder_stops (merchant_id, serial, stopped_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
)
# That an invoice's payer gets them again.
START_REMINDERS: Final = "DELETE FROM reminder_stops WHERE merchant_id = ? AND serial = ?"
# That a payer is reminded.
ADD_REMINDER: Final = f"INSERT INTO reminders VALUES ({_marks(4)})"
# Whether a payer was reminded.
HAS_REMINDER: Final = "SELECT 1 FROM reminders WHERE merchant_id = ? AND serial = ? AND kind = ? AND due_date = ?"
# Open invoices due on a day, from a serial on.
DUE_ON: Final = (
    f"SELECT {_columns(READ_COLUMNS)} FROM invoices INDEXED BY invoices_due WHERE merchant_id = ?1 AND due_date = ?2"
    " AND (status = 'SENT' OR status = 'PARTIAL')"
    f" AND id > (SELECT ordinal * {invoice_id(1, 0)} + ?3 FROM merchants WHERE merchant_id = ?1) ORDER BY id LIMIT ?4"
)
# Merchants whose settings for a product ask for reminders.
MERCHANTS_WHO_REMIND: Final = (
    "SELECT merchant_id FROM settings WHERE product = ? AND document ->> '$.sends_reminders' ORDER BY merchant_id"
)
