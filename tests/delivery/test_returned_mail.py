"""Mails that come back: what they are about is proved, what they say is entered, and what is none enters nothing."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.bounce_letters import a_complaint, a_delivery_report
from paydue.delivery.bounce_reports import LARGEST_REPORT, NotABounce, Report, read_bounce
from paydue.delivery.bounces import bounce_address
from paydue.delivery.notices import Notices
from paydue.delivery.post_office import bounce_key
from paydue.delivery.returned_mail import ReturnedMail
from paydue.delivery.troubled_mail import TroubledMail
from paydue.domain.mail_address import SuppressionReason
from paydue.usecases.delivery_ports import JobState
from posting import ACME, PAYER, Installation, Recorder
from storing import assert_all_holds

KEY = b"key"
ID = "019df802-667b-794c-8394-cfb614f8abb8"
SENDER = bounce_address(ID, "pay.example", KEY)
OWNER = "owner@acme.example"


@pytest.fixture
def returned(acme: Installation) -> ReturnedMail:
    trouble = TroubledMail(acme.store.outbox, Notices(acme.store, acme.store.outbox), acme.store.suppressions_of)
    return ReturnedMail(acme.store.outbox, trouble, bounce_key(acme.options.secret))


async def sent(acme: Installation, recorder: Recorder) -> str:
    """Send an invoice, have its mail taken, and return the envelope sender that it had."""
    await acme.send("7")
    await acme.work()
    return recorder.posted[-1].sender


@pytest.mark.parametrize(
    ("content", "report"),
    [
        (a_delivery_report(SENDER), Report.DEAD),
        (a_delivery_report(SENDER.upper()), Report.DEAD),
        (a_delivery_report(f"<{SENDER}>", status="5.2.2", said="smtp; 552 5.2.2 full"), Report.FAILED),
        (a_delivery_report(SENDER, status="4.4.7", said="smtp; 4.4.7 expired"), Report.FAILED),
        (a_delivery_report(SENDER, action="delayed", status="4.4.1"), Report.DELAYED),
        (a_complaint(SENDER), Report.COMPLAINT),
        (b"Delivered-To: " + SENDER.encode() + b"\r\n" + a_delivery_report("a@b.example"), Report.DEAD),
    ],
)
def test_a_report_says_one_of_four_things(content: bytes, report: Report) -> None:
    bounce = read_bounce(content, KEY)
    assert (bounce.message_id, bounce.report) == (ID, report)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Hello",
        a_delivery_report("postmaster@pay.example"),
        a_delivery_report(bounce_address(ID, "pay.example", b"another key")),
        a_delivery_report(SENDER, action="delivered", status="2.0.0"),
        a_delivery_report(SENDER, action="relayed"),
        b"To: " + SENDER.encode() + b"\r\nSubject: I am away\r\n\r\nUntil Monday.",
        b"x" * (LARGEST_REPORT + 1),
    ],
    ids=["nothing", "text", "elsewhere", "forged", "delivered", "relayed", "absence", "endless"],
)
def test_what_is_no_failure_of_a_mail_of_ours_is_refused(content: bytes) -> None:
    with pytest.raises(NotABounce):
        read_bounce(content, KEY)


@given(st.binary(max_size=2000))
def test_nothing_that_comes_breaks_the_reading(content: bytes) -> None:
    with pytest.raises(NotABounce):
        read_bounce(content, KEY)


@given(st.integers(0, 900), st.binary(max_size=30))
def test_a_damaged_report_is_read_or_refused(place: int, damage: bytes) -> None:
    content = a_delivery_report(SENDER)
    with suppress(NotABounce):
        read_bounce(content[:place] + damage + content[place + len(damage) :], KEY)


async def test_a_mail_that_came_back_is_parked_suppressed_and_told_of(
    acme: Installation, recorder: Recorder, returned: ReturnedMail
) -> None:
    sender = await sent(acme, recorder)
    for _ in range(2):
        job, bounce = await returned.take(a_delivery_report(sender), acme.clock.now())
        assert (job.number, job.recipient, bounce.report) == ("7", PAYER, Report.DEAD)
    await acme.work()

    (kept,) = await acme.jobs(recipient=PAYER)
    assert (kept.state, kept.last_outcome) == (JobState.PARKED, "came back: dead")
    assert [tried.outcome for tried in await acme.tries(kept)] == [
        "accepted, 250",
        "came back: dead",
        "came back: dead",
    ]
    suppression = await acme.store.suppressions_of(ACME).suppression(PAYER)
    assert suppression is not None
    assert (suppression.reason, suppression.message_id) == (SuppressionReason.BOUNCED, kept.message_id)
    assert suppression.said == "5.1.1 smtp; 550 5.1.1 no such user"
    assert recorder.to(OWNER) == 1
    await assert_all_holds(acme.store)


async def test_a_mail_that_was_given_up_suppresses_nothing(
    acme: Installation, recorder: Recorder, returned: ReturnedMail
) -> None:
    sender = await sent(acme, recorder)
    await returned.take(a_delivery_report(sender, status="5.2.2"), acme.clock.now())
    await acme.work()
    assert [job.state for job in await acme.jobs(recipient=PAYER)] == [JobState.PARKED]
    assert await acme.store.suppressions_of(ACME).suppressions("", 1) == []
    assert recorder.to(OWNER) == 1


async def test_a_delay_is_only_noted(acme: Installation, recorder: Recorder, returned: ReturnedMail) -> None:
    sender = await sent(acme, recorder)
    await returned.take(a_delivery_report(sender, action="delayed", status="4.4.1"), acme.clock.now())
    await acme.work()
    (job,) = await acme.jobs()
    assert job.state is JobState.DONE
    assert [tried.outcome for tried in await acme.tries(job)] == ["accepted, 250", "came back: delayed"]


async def test_whoever_complains_gets_no_reminders_but_invoices(
    acme: Installation, recorder: Recorder, returned: ReturnedMail
) -> None:
    sender = await sent(acme, recorder)
    await returned.take(a_complaint(sender), acme.clock.now())
    await acme.send("8")
    await acme.work()
    assert recorder.to(PAYER) == 2
    suppression = await acme.store.of(ACME).suppression(PAYER)
    assert suppression is not None
    assert suppression.stops(is_reminder=True)


async def test_a_report_about_a_mail_of_nobody_is_refused(acme: Installation, returned: ReturnedMail) -> None:
    sender = bounce_address(ID, "pay.example", bounce_key(acme.options.secret))
    with pytest.raises(NotABounce):
        await returned.take(a_delivery_report(sender), acme.clock.now())


async def test_a_folder_is_emptied_and_what_is_none_is_put_aside(
    acme: Installation, recorder: Recorder, returned: ReturnedMail, tmp_path: Path
) -> None:
    folder = tmp_path / "bounces"
    assert await returned.empty(folder, acme.clock.now()) == 0
    (folder / "new").mkdir(parents=True)
    sender = await sent(acme, recorder)
    (folder / "1.eml").write_bytes(a_delivery_report(sender))
    (folder / "new" / "2.host").write_bytes(a_delivery_report(sender, action="delayed"))
    (folder / "3.eml").write_bytes(b"Buy now")
    (folder / ".4.part").write_bytes(b"half")
    assert await returned.empty(folder, acme.clock.now()) == 2
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [".4.part", "3.eml"]
    assert (folder / "refused" / "3.eml").read_bytes() == b"Buy now"
    assert await returned.empty(folder, acme.clock.now()) == 0
