"""The ids of messages are UUIDs of version 7: they carry their time, rise with it, and never repeat."""

import uuid
from datetime import timedelta

from builders import NOON
from paydue.storage.message_ids import MessageIds


def test_an_id_is_a_uuid_of_version_7_that_carries_its_time() -> None:
    for raw in MessageIds().fresh(NOON, 3):
        message_id = uuid.UUID(bytes=raw)
        assert (message_id.version, message_id.variant) == (7, uuid.RFC_4122)
        assert message_id.int >> 80 == int(NOON.timestamp() * 1000)


def test_ids_rise_with_time_and_never_repeat() -> None:
    ids = MessageIds()
    moments = [NOON + timedelta(milliseconds=step) for step in range(50)]
    given = [one for at in moments for one in (min(ids.fresh(at, 20)), max(ids.fresh(at, 20)))]

    assert given[::2] == sorted(given[::2])
    assert len(set(ids.fresh(NOON, 10_000))) == 10_000


def test_counting_up_ends_nowhere() -> None:
    ids = MessageIds()
    ids._chance = (1 << 74) - 2

    for raw in ids.fresh(NOON, 3):
        assert uuid.UUID(bytes=raw).version == 7


def test_two_sources_do_not_meet() -> None:
    given = [one for _ in range(100) for one in MessageIds().fresh(NOON, 100)]

    assert len(set(given)) == 10_000
