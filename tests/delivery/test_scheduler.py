"""Reminders through the database and the clock: each once, on its day, and none that surprises; and other duties."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy

import pytest

from builders import some_terms
from paydue.delivery.scheduler import Duty, Scheduler
from paydue.domain.errors import StoreUnavailable
from paydue.domain.events import What
from paydue.usecases.delivery_ports import JobState
from paydue.usecases.forget_old import forget_old
from paydue.usecases.ports import Change, Channel, Reminded
from paydue.usecases.remind_payers import Rounds, remind_payers
from paydue.usecases.reminder_links import RemindedInvoice, ReminderLinks
from posting import ACME, DAY, Installation, Recorder
from receiver import Receiver
from storing import ACTOR, FixedClock, assert_all_holds

DUE = date(2026, 6, 30)
HOUR = timedelta(hours=1)
EARLY = datetime(2026, 6, 25, 9, tzinfo=UTC)
LATE = datetime(2026, 7, 1, 9, tzinfo=UTC)


@pytest.fixture
async def reminding(acme: Installation) -> Installation:
    """Return an installation whose merchant asks for reminders."""
    await acme.set(sends_reminders=True)
    return acme


async def remind(acme: Installation) -> int:
    return await remind_payers(
        acme.store, acme.store.reminders, at=acme.clock.now(), correlation_id="0123456789abcdef01234567"
    )


async def reminded_topics(acme: Installation) -> list[tuple[str, str]]:
    return sorted({(job.number, job.topic) for job in await acme.jobs() if "reminder" in job.topic})


async def test_two_months_of_hours_remind_twice_by_mail_and_webhook(
    reminding: Installation, recorder: Recorder, receiver: Receiver
) -> None:
    await reminding.subscribe(receiver.url("/ok"))
    await reminding.send("7", due_date=DUE)
    sent_at: dict[str, list[datetime]] = {}
    reminding.clock.at = EARLY - 3 * DAY + timedelta(minutes=13)
    while reminding.clock.at < LATE + 3 * DAY:
        before = {job.message_id for job in await reminding.jobs()}
        await remind(reminding)
        for job in await reminding.jobs():
            if job.message_id not in before:
                sent_at.setdefault(job.topic, []).append(reminding.clock.at)
        await reminding.work()
        reminding.clock.at += HOUR

    first = timedelta(minutes=13)
    assert sent_at == {
        "reminder": [EARLY + first],
        "invoicing.customer.invoice.reminder": [EARLY + first],
        "overdue-reminder": [LATE + first],
        "invoicing.customer.invoice.overdue-reminder": [LATE + first],
    }
    invoice = await reminding.store.of(ACME).invoice("7")
    assert invoice is not None
    assert [event.what for event in invoice.history][-2:] == [What.PAYER_REMINDED] * 2
    assert len(recorder.posted) == 3
    assert len(receiver.received) == 3
    await assert_all_holds(reminding.store)


async def test_two_workers_at_once_remind_once(reminding: Installation) -> None:
    for number in range(20):
        await reminding.send(str(number + 1), due_date=DUE)
    reminding.clock.at = EARLY
    counts = await asyncio.gather(*(remind(reminding) for _ in range(4)))
    assert sum(counts) == 20
    assert len(await reminded_topics(reminding)) == 20


async def test_what_is_kept_of_a_reminder_stops_another_even_without_its_history(reminding: Installation) -> None:
    sent = await reminding.send("7", due_date=DUE)
    store = reminding.store.of(ACME)
    kept = Reminded("reminder", DUE)
    # As if it had been kept by somebody whose clock was behind.
    reminded = sent.remind(EARLY - 9 * DAY)
    await store.commit(Change(before=sent, after=reminded, reminded=kept, actor=ACTOR))
    reminding.clock.at = EARLY
    assert await remind(reminding) == 0


async def test_after_downtime_only_what_is_less_than_a_day_late_goes_out(reminding: Installation) -> None:
    await reminding.send("7", due_date=DUE)
    await reminding.send("8", due_date=DUE + DAY)
    reminding.clock.at = EARLY + 25 * HOUR
    assert await remind(reminding) == 1
    assert await reminded_topics(reminding) == [("8", "reminder")]


async def test_a_mail_that_is_held_up_for_a_day_is_not_sent_at_all(reminding: Installation, recorder: Recorder) -> None:
    await reminding.send("7", due_date=DUE)
    await reminding.work()
    reminding.clock.at = EARLY
    await remind(reminding)
    reminding.clock.at = EARLY + 25 * HOUR
    await reminding.work()
    assert len(recorder.posted) == 1


async def test_a_payment_that_came_first_stops_the_reminder_and_the_mail(
    reminding: Installation, recorder: Recorder
) -> None:
    await reminding.send("7", due_date=DUE)
    await reminding.send("8", due_date=DUE)
    await reminding.work()
    reminding.clock.at = EARLY
    await reminding.pay("7", "293.5")
    assert await remind(reminding) == 1
    # Between the reminder and its mail.
    await reminding.pay("8", "293.5")
    await reminding.work()
    assert "Reminder" not in "".join(posted.content.decode() for posted in recorder.posted)


async def test_a_due_date_that_moved_is_reminded_of_again_but_never_twice_of_the_same(reminding: Installation) -> None:
    await reminding.send("7", due_date=DUE)
    reminding.clock.at = EARLY
    assert await remind(reminding) == 1

    async def move(due: date) -> None:
        await reminding.change("7", lambda each: each.amend(some_terms(due_date=due), reminding.clock.now(), "b" * 64))

    await move(DUE + 10 * DAY)
    await move(DUE)
    assert await remind(reminding) == 0
    await move(DUE + 10 * DAY)
    reminding.clock.at = EARLY + 10 * DAY
    assert await remind(reminding) == 1


@pytest.mark.parametrize("zone, hour", [("America/Los_Angeles", 16), ("Pacific/Kiritimati", 19), ("Asia/Kolkata", 3)])
async def test_nine_in_the_morning_is_the_merchants(
    tmp_path_factory: pytest.TempPathFactory,
    an_egress: Callable[..., object],
    recorder: Recorder,
    zone: str,
    hour: int,
) -> None:
    acme = Installation(tmp_path_factory.mktemp("zone"), an_egress(), recorder)  # type: ignore[arg-type]
    await acme.make(time_zone=zone)
    await acme.set(sends_reminders=True)
    await acme.send("7", due_date=DUE)
    acme.clock.at = EARLY - 2 * DAY
    while not await remind(acme):
        acme.clock.at += timedelta(minutes=30)
    assert acme.clock.at.hour == hour
    await acme.store.close()


async def test_a_time_zone_that_nobody_knows_is_utc(
    tmp_path_factory: pytest.TempPathFactory, an_egress: Callable[..., object], recorder: Recorder
) -> None:
    acme = Installation(tmp_path_factory.mktemp("zone"), an_egress(), recorder)  # type: ignore[arg-type]
    await acme.make(time_zone="Moon/Tranquility")
    await acme.set(sends_reminders=True)
    await acme.send("7", due_date=DUE)
    acme.clock.at = EARLY
    assert await remind(acme) == 1
    await acme.store.close()


async def test_without_the_setting_nobody_is_reminded(acme: Installation) -> None:
    await acme.send("7", due_date=DUE)
    acme.clock.at = EARLY
    assert await remind(acme) == 0


async def test_switching_on_later_reminds_of_nothing_past(acme: Installation) -> None:
    await acme.send("7", due_date=DUE)
    acme.clock.at = EARLY + HOUR
    await acme.set(sends_reminders=True, reminders_since=acme.clock.at)
    assert await remind(acme) == 0
    acme.clock.at = LATE
    assert await remind(acme) == 1


async def test_many_invoices_of_one_day_are_gone_through_page_by_page(
    reminding: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paydue.usecases.remind_payers._PAGE", 7)
    for _ in range(30):
        await reminding.send(due_date=DUE)
    reminding.clock.at = EARLY
    assert await remind(reminding) == 30


async def test_a_due_date_that_was_gone_through_is_not_read_again_within_the_hour(reminding: Installation) -> None:
    rounds = Rounds()
    at = reminding.clock.at = EARLY

    async def go() -> int:
        return await remind_payers(
            reminding.store, reminding.store.reminders, at=reminding.clock.now(), correlation_id="c" * 24, rounds=rounds
        )

    assert await go() == 0
    reminding.clock.at = EARLY - DAY
    await reminding.send("7", due_date=DUE)
    reminding.clock.at = at + timedelta(minutes=59)
    assert await go() == 0
    reminding.clock.at = at + HOUR
    assert await go() == 1


async def test_a_reminder_can_be_unsubscribed_from_by_one_click_and_no_other_mail(
    reminding: Installation, recorder: Recorder
) -> None:
    sent = await reminding.send("7", due_date=DUE)
    reminding.clock.at = EARLY
    await remind(reminding)
    await reminding.work()
    invoice, reminder = (message_from_bytes(each.content, policy=policy.default) for each in recorder.posted)
    assert invoice["List-Unsubscribe"] is None
    assert reminder["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = str(reminder["List-Unsubscribe"]).strip("<>")
    assert link.startswith("https://pay.example/reminders/")
    ticket = link.removeprefix("https://pay.example/reminders/")
    assert ReminderLinks(reminding.options.secret).read(ticket) == RemindedInvoice(ACME, sent.serial, "7")
    for part in ("plain", "html"):
        body = reminder.get_body((part,))
        assert body is not None
        assert link in body.get_content()


async def test_stopped_reminders_are_neither_kept_nor_sent(reminding: Installation, recorder: Recorder) -> None:
    await reminding.send("7", due_date=DUE)
    await reminding.send("8", due_date=DUE)
    await reminding.work()
    kept = await reminding.store.of(ACME).invoice("7")
    assert kept is not None
    await reminding.store.reminders.stop(ACME, kept.serial, reminding.clock.now(), ACTOR)
    reminding.clock.at = EARLY
    assert await remind(reminding) == 1

    # Stopped between its keeping and its sending.
    other = await reminding.store.of(ACME).invoice("8")
    assert other is not None
    await reminding.store.reminders.stop(ACME, other.serial, reminding.clock.now(), ACTOR)
    sent = len(recorder.posted)
    await reminding.work()
    assert len(recorder.posted) == sent
    (job,) = [job for job in await reminding.jobs(channel=Channel.MAIL) if job.topic == "reminder"]
    assert (job.state, job.last_outcome) == (JobState.DONE, "not sent: the reminders of this invoice are stopped")


async def test_what_was_said_in_deliveries_is_forgotten_after_thirty_days(
    acme: Installation, recorder: Recorder
) -> None:
    await acme.send("7")
    await acme.work()
    acme.clock.advance(days=31)
    await forget_old(acme.store, acme.store.outbox, acme.store.mail_counts, at=acme.clock.now())
    (job,) = await acme.jobs()
    (tried,) = await acme.tries(job)
    assert (tried.request, tried.answer, tried.outcome) == ("", "", "accepted, 250")


async def test_a_duty_that_does_not_end_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paydue.delivery.scheduler._FINISH_SECONDS", 0.05)
    began, broken_off = asyncio.Event(), asyncio.Event()

    async def endless(at: datetime) -> None:
        began.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            broken_off.set()
            raise

    scheduler = Scheduler((Duty("endless", 1, endless),), FixedClock())
    running = asyncio.create_task(scheduler.run())
    await began.wait()
    scheduler.stop()
    await running
    assert broken_off.is_set()


async def test_a_duty_that_fails_is_tried_again_and_hinders_no_other(caplog: pytest.LogCaptureFixture) -> None:
    runs = {"good": 0, "bad": 0, "busy": 0}
    enough = asyncio.Event()

    def counting(name: str, fault: Exception | None = None) -> Callable[[datetime], Awaitable[None]]:
        async def run(at: datetime) -> None:
            runs[name] += 1
            if all(count >= 2 for count in runs.values()):
                enough.set()
            if fault is not None:
                raise fault

        return run

    scheduler = Scheduler(
        (
            Duty("good", 0.01, counting("good")),
            Duty("bad", 0.01, counting("bad", RuntimeError("a fault of ours"))),
            Duty("busy", 0.01, counting("busy", StoreUnavailable("gone"))),
        ),
        FixedClock(),
    )
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(5):
        await enough.wait()
    scheduler.stop()
    await running
    assert {"duty_failed", "duty_put_off"} <= {record.message for record in caplog.records}
