"""The worker on a real outbox: limits, order, leases, an end that loses nothing, accidents that stay one job's own."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from paydue.delivery.worker import LEASE, Settlement, Worker
from paydue.domain.errors import StoreUnavailable
from paydue.usecases.delivery_ports import Job, JobState, Outbox, Try
from paydue.usecases.ports import Channel, Clock
from posting import Installation


class Deliveries:
    """Takes what it is given, when `gate` is open; `behave` may do otherwise first."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun: list[Job] = []
        self.taken: list[Job] = []
        self.at_once: Counter[str | None] = Counter()
        self.most_at_once: Counter[str | None] = Counter()
        self.behave: Callable[[Job], None] = lambda job: None

    async def deliver(self, job: Job) -> Settlement:
        self.begun.append(job)
        for name in (job.recipient, "all"):
            self.at_once[name] += 1
            self.most_at_once[name] = max(self.most_at_once[name], self.at_once[name])
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
            self.behave(job)
        finally:
            for name in (job.recipient, "all"):
                self.at_once[name] -= 1
        self.taken.append(job)
        return Settlement(state=JobState.DONE, due_at=self.clock.now(), tried=a_try(self.clock))


def a_try(clock: Clock) -> Try:
    return Try(at=clock.now(), milliseconds=1, is_taken=True, outcome="taken")


def a_worker(acme: Installation, deliveries: Deliveries, name: str = "w", **options: object) -> Worker:
    outbox: Outbox = options.pop("outbox", acme.store.outbox)  # type: ignore[assignment]
    channels = dict.fromkeys(Channel, deliveries)
    return Worker(outbox, channels, acme.clock, name=name, **{"idle_seconds": 0.02, **options})  # type: ignore[arg-type]


@asynccontextmanager
async def working(*workers: Worker) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()
        await asyncio.gather(*tasks)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.005)


@pytest.fixture
def deliveries(acme: Installation) -> Deliveries:
    return Deliveries(acme.clock)


async def test_everything_that_is_due_is_delivered_once_by_many_workers(
    acme: Installation, deliveries: Deliveries
) -> None:
    for number in range(60):
        await acme.send(email=f"payer{number}@customer.example")
    async with working(*(a_worker(acme, deliveries, f"w{number}") for number in range(3))):
        await until(lambda: len(deliveries.taken) == 60)
    assert len({job.message_id for job in deliveries.begun}) == len(deliveries.begun) == 60
    assert {job.state for job in await acme.jobs()} == {JobState.DONE}


async def test_a_recipient_gets_four_at_once_and_all_together_no_more_than_allowed(
    acme: Installation, deliveries: Deliveries
) -> None:
    deliveries.gate.clear()
    for number in range(30):
        await acme.send(email="one@customer.example" if number % 2 else f"payer{number}@customer.example")
    async with working(a_worker(acme, deliveries, concurrency=10)):
        await until(lambda: len(deliveries.begun) >= 8)
        deliveries.gate.set()
        await until(lambda: len(deliveries.taken) == 30)
    assert deliveries.most_at_once["one@customer.example"] <= 4
    assert deliveries.most_at_once["all"] <= 10


async def test_messages_of_one_invoice_come_in_order(acme: Installation, deliveries: Deliveries) -> None:
    for number in ("7", "8", "9"):
        await acme.send(number)
        await acme.pay(number, "100")
        await acme.pay(number, "193.5")
    async with working(a_worker(acme, deliveries)):
        await until(lambda: len(deliveries.taken) == 9)
    for number in ("7", "8", "9"):
        topics = [job.topic for job in deliveries.taken if job.number == number]
        assert topics == ["invoice", "partial-payment", "paid"]


async def test_a_job_that_is_put_off_holds_back_what_comes_after_it(acme: Installation, deliveries: Deliveries) -> None:
    await acme.send("7")
    await acme.pay("7", "100")
    (job,) = await acme.store.outbox.lease("w", acme.clock.now(), acme.clock.now() + LEASE, 10)
    later = acme.clock.now() + timedelta(minutes=1)
    await acme.store.outbox.settle(job, JobState.PENDING, later, a_try(acme.clock))
    async with working(a_worker(acme, deliveries)):
        await asyncio.sleep(0.1)
        assert deliveries.begun == []
        acme.clock.at = later
        await until(lambda: len(deliveries.taken) == 2)
    assert [job.topic for job in deliveries.taken] == ["invoice", "partial-payment"]


async def test_a_worker_that_died_leaves_its_jobs_to_others_under_the_same_id(
    acme: Installation, deliveries: Deliveries
) -> None:
    await acme.send()
    (taken,) = await acme.store.outbox.lease("dead", acme.clock.now(), acme.clock.now() + LEASE, 10)
    async with working(a_worker(acme, deliveries)):
        await asyncio.sleep(0.1)
        assert deliveries.begun == []
        acme.clock.at += LEASE
        await until(lambda: len(deliveries.taken) == 1)
    assert deliveries.taken[0].message_id == taken.message_id
    # Should the dead one come back, its word counts no more.
    await acme.store.outbox.settle(taken, JobState.PARKED, acme.clock.now(), None)
    assert [job.state for job in await acme.jobs()] == [JobState.DONE]


async def test_what_was_begun_is_finished_and_the_rest_given_back(acme: Installation, deliveries: Deliveries) -> None:
    deliveries.gate.clear()
    for _ in range(12):
        await acme.send(email="one@customer.example")
    worker = a_worker(acme, deliveries)
    running = asyncio.create_task(worker.run())
    await until(lambda: len(deliveries.begun) == 4)
    worker.stop()
    await asyncio.sleep(0.05)
    assert not running.done()
    deliveries.gate.set()
    await running

    assert len(deliveries.taken) == 4
    # Due at once for whoever comes next, as if they had never been taken.
    again = await acme.store.outbox.lease("next", acme.clock.now(), acme.clock.now() + LEASE, 100)
    assert len(again) == 8


async def test_what_does_not_end_in_time_is_broken_off_and_comes_again(
    acme: Installation, deliveries: Deliveries
) -> None:
    deliveries.gate.clear()
    await acme.send()
    worker = a_worker(acme, deliveries, finish_seconds=0.05)
    running = asyncio.create_task(worker.run())
    await until(lambda: len(deliveries.begun) == 1)
    worker.stop()
    await running
    (again,) = await acme.store.outbox.lease("next", acme.clock.now(), acme.clock.now() + LEASE, 100)
    assert again.message_id == deliveries.begun[0].message_id


async def test_a_waking_call_is_heard_at_once(acme: Installation, deliveries: Deliveries) -> None:
    worker = a_worker(acme, deliveries, idle_seconds=60)
    acme.store.on_messages(worker.wake)
    async with working(worker):
        await asyncio.sleep(0.05)
        await acme.send()
        await until(lambda: len(deliveries.taken) == 1)


async def test_an_accident_with_one_job_is_nobody_elses_and_is_tried_again(
    acme: Installation, deliveries: Deliveries, caplog: pytest.LogCaptureFixture
) -> None:
    def behave(job: Job) -> None:
        if job.number == "7" and len(deliveries.begun) <= 3:
            raise RuntimeError("a fault of ours")

    deliveries.behave = behave
    for number in ("7", "8", "9"):
        await acme.send(number)
    async with working(a_worker(acme, deliveries)):
        await until(lambda: len(deliveries.taken) == 2)
        await asyncio.sleep(0.05)
        failed = (await acme.jobs(number="7"))[0]
        assert (failed.state, failed.tries) == (JobState.PENDING, 1)
        acme.clock.at = failed.due_at
        await until(lambda: len(deliveries.taken) == 3)
    assert "delivery_broke" in [record.message for record in caplog.records]


class Failing:
    """An outbox whose database is not there for some calls."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.fails = {"lease": 0, "settle": 0, "next_due": 0}

    def __getattr__(self, name: str) -> object:
        call = getattr(self._outbox, name)

        async def tried(*values: object) -> object:
            if self.fails.get(name, 0):
                self.fails[name] -= 1
                raise StoreUnavailable("gone")
            return await call(*values)

        return tried


async def test_a_database_that_is_gone_for_a_moment_loses_nothing(
    acme: Installation, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paydue.delivery.worker._AFTER_A_FAILURE", 0.01)
    outbox = Failing(acme.store.outbox)
    outbox.fails = {"lease": 1, "settle": 2, "next_due": 1}
    await acme.send()
    async with working(a_worker(acme, deliveries, outbox=outbox)):
        await until(lambda: len(deliveries.taken) == 1)
        await until(lambda: not any(outbox.fails.values()))
        await asyncio.sleep(0.5)
    assert [job.state for job in await acme.jobs()] == [JobState.DONE]
    assert len(deliveries.taken) == 1


async def test_the_log_names_the_message_and_no_secret(acme: Installation, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    invoice = await acme.send()
    async with acme.office.at_work():
        async with asyncio.timeout(5):
            while not any(record.message == "delivered" for record in caplog.records):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    (job,) = await acme.jobs()
    told = "\n".join(str(vars(record)) for record in caplog.records if record.name.startswith("paydue"))
    assert job.message_id in told
    assert invoice.payment_token is not None
    assert invoice.payment_token not in told
    assert job.recipient is not None
    assert job.recipient not in told


async def test_recipients_who_do_not_answer_keep_no_other_waiting(acme: Installation, deliveries: Deliveries) -> None:
    quick = Deliveries(acme.clock)

    class Both:
        async def deliver(self, job: Job) -> Settlement:
            return await (deliveries if "slow" in str(job.recipient) else quick).deliver(job)

    deliveries.gate.clear()
    for number in range(12):
        await acme.send(email=f"slow{number % 2}@customer.example")
    worker = Worker(acme.store.outbox, dict.fromkeys(Channel, Both()), acme.clock, name="w", concurrency=10)
    running = asyncio.create_task(worker.run())
    await until(lambda: len(deliveries.begun) == 8)
    for number in range(4):
        await acme.send(email=f"quick{number}@customer.example")
    worker.wake()
    await until(lambda: len(quick.taken) == 4)
    assert deliveries.taken == []
    deliveries.gate.set()
    await until(lambda: len(deliveries.taken) == 12)
    worker.stop()
    await running


class Gate:
    """A pace that gives as much room as it is told, and remembers nothing."""

    def __init__(self) -> None:
        self.left = 0

    def room(self) -> int:
        return self.left

    def rest(self) -> float:
        return 0.01

    def counted(self, job: Awaitable[None]) -> Awaitable[None]:
        self.left -= 1
        return job


async def test_a_worker_leases_and_begins_no_more_than_there_is_room_for(
    acme: Installation, deliveries: Deliveries
) -> None:
    gate = Gate()
    for number in range(6):
        await acme.send(email=f"payer{number}@customer.example")
    async with working(a_worker(acme, deliveries, pace=gate)):
        await asyncio.sleep(0.1)
        assert deliveries.begun == []
        gate.left = 2
        await until(lambda: len(deliveries.taken) == 2)
        await asyncio.sleep(0.1)
        assert len(deliveries.begun) == 2
        others = await acme.store.outbox.lease("other", acme.clock.now(), acme.clock.now(), 10)
        assert len(others) == 4
        gate.left = 100
        acme.clock.at = acme.clock.at.replace(year=acme.clock.at.year + 1)
        await until(lambda: len(deliveries.taken) == 6)
    assert {job.state for job in await acme.jobs()} == {JobState.DONE}


async def test_a_worker_without_room_still_ends_at_once(acme: Installation, deliveries: Deliveries) -> None:
    await acme.send()
    async with working(a_worker(acme, deliveries, pace=Gate())):
        await asyncio.sleep(0.02)
