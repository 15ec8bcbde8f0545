"""Mail limits and mails that come back where several workers share a PostgreSQL: they count and remember together."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from delivery.bounce_letters import a_complaint, a_delivery_report
from paydue.delivery.egress import Egress
from paydue.delivery.mail_limits import MailsADay
from paydue.delivery.mail_transport import Fate, Handed
from paydue.delivery.notices import Notices
from paydue.delivery.post_office import bounce_key
from paydue.delivery.returned_mail import ReturnedMail
from paydue.delivery.troubled_mail import TroubledMail
from paydue.domain.mail_address import SuppressionReason
from paydue.usecases.delivery_ports import JobState
from paydue.usecases.ports import Channel
from postgres_server import PostgresServer
from posting import ACME, PAYER, Installation, Recorder
from storing import assert_all_holds

OWNER = "owner@acme.example"


@pytest.fixture
async def acme(
    postgres_server: PostgresServer, tmp_path: Path, an_egress: Callable[..., Egress], recorder: Recorder
) -> AsyncIterator[Installation]:
    """Return an installation on PostgreSQL, where the SQLite one usually is."""
    installation = Installation(tmp_path, an_egress(), recorder, postgres_server.new_database())
    await installation.make()
    yield installation
    await installation.store.close()


@pytest.fixture
async def beside(acme: Installation, recorder: Recorder) -> AsyncIterator[Installation]:
    """Return another worker on the same database."""
    other = Installation(acme.folder, acme.egress, recorder, acme.database)
    other.clock = acme.clock
    await other.open()
    yield other
    await other.store.close()


async def test_workers_count_the_mails_of_a_day_together(
    acme: Installation, beside: Installation, recorder: Recorder
) -> None:
    for worker in (acme, beside):
        await worker.reopen(mails_a_day=MailsADay(in_all=5))
    for number in range(9):
        await acme.send(email=f"payer{number}@customer.example")
    await asyncio.gather(acme.work(), beside.work())

    payers = [posted.recipient for posted in recorder.posted if posted.recipient != OWNER]
    assert len(payers) == len(set(payers)) == 5
    assert len(await acme.jobs(recipient=OWNER)) == 1
    await acme.until_next()
    await asyncio.gather(acme.work(), beside.work())
    payers = [posted.recipient for posted in recorder.posted if posted.recipient != OWNER]
    assert len(payers) == len(set(payers)) == 9
    await assert_all_holds(acme.store)


async def test_a_mail_that_is_not_taken_leaves_its_room_to_another(acme: Installation, recorder: Recorder) -> None:
    await acme.reopen(mails_a_day=MailsADay(in_all=1, to_one=1))
    recorder.answers = [Handed(fate=Fate.LATER, outcome="mail refused, 451", status=451)]
    await acme.send()
    await acme.work()
    await acme.until_next()
    await acme.work()
    assert {job.state for job in await acme.jobs(channel=Channel.MAIL)} == {JobState.DONE}


@pytest.mark.parametrize(
    ("letter", "reason"),
    [(a_delivery_report, SuppressionReason.BOUNCED), (a_complaint, SuppressionReason.COMPLAINED)],
)
async def test_what_one_worker_hears_of_an_address_all_go_by(
    acme: Installation,
    beside: Installation,
    recorder: Recorder,
    letter: Callable[[str], bytes],
    reason: SuppressionReason,
) -> None:
    await acme.send("7")
    await acme.work()
    store = acme.store
    trouble = TroubledMail(store.outbox, Notices(store, store.outbox), store.suppressions_of)
    returned = ReturnedMail(store.outbox, trouble, bounce_key(acme.options.secret))
    folder = acme.folder / "came-back"
    folder.mkdir()
    for name in ("one.eml", "again.eml"):
        (folder / name).write_bytes(letter(recorder.posted[-1].sender))
    assert await returned.empty(folder, acme.clock.now())

    kept = await beside.store.suppressions_of(ACME).suppression(PAYER)
    assert kept is not None
    assert kept.reason is reason
    recorder.posted.clear()
    await beside.send("8")
    await beside.work()
    # A complaint stops reminders; an address that is dead gets nothing at all.
    assert recorder.to(PAYER) == (0 if reason is SuppressionReason.BOUNCED else 1)
    assert len([job for job in await acme.jobs(recipient=OWNER) if job.number == "7"]) <= 1
    await assert_all_holds(store)
