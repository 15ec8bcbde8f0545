"""Mails from the outbox to a mail server: nothing lost, and a second copy only where the server left us in doubt."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from builders import some_terms
from mail_server import Mode, mail_server
from paydue.delivery.bounces import bounced_message
from paydue.delivery.egress import Egress
from paydue.delivery.mail_limits import MailsADay
from paydue.delivery.mail_transport import Fate, Handed
from paydue.delivery.smtp import Smtp, SmtpServer
from paydue.delivery.tries import MAIL_RETRIES
from paydue.domain.mail_address import SuppressionReason
from paydue.usecases.delivery_ports import JobState
from paydue.usecases.ports import Channel
from posting import ACME, PAYER, PORTAL, Installation, Recorder
from storing import ACTOR, assert_all_holds

LATER = Handed(fate=Fate.LATER, outcome="mail refused, 451", status=451)
NEVER = Handed(fate=Fate.NEVER, outcome="recipient refused, 550", status=550, answer="no such user")
DEAD = Handed(
    fate=Fate.NEVER, outcome="recipient refused, 550", status=550, answer="5.1.1 no such user", is_dead_address=True
)
FULL = Handed(fate=Fate.NEVER, outcome="recipient refused, 552", status=552, answer="5.2.2 mailbox full")


def parsed(content: bytes) -> EmailMessage:
    return message_from_bytes(content, policy=policy.default)


async def states(acme: Installation) -> list[JobState]:
    return [job.state for job in await acme.jobs(channel=Channel.MAIL)]


async def test_an_invoice_that_is_sent_is_mailed_with_its_link(acme: Installation, recorder: Recorder) -> None:
    invoice = await acme.send()
    await acme.work()

    (posted,) = recorder.posted
    mail = parsed(posted.content)
    assert (posted.recipient, mail["To"]) == (PAYER, PAYER)
    assert mail["Message-ID"] == f"<{posted.message_id}@pay.example>"
    text = mail.get_body(("plain",))
    assert text is not None
    assert f"{PORTAL}/ebc2/invoicing/payInvoice/{invoice.payment_token}?version=v2.1" in text.get_content()
    (job,) = await acme.jobs()
    assert (job.state, job.last_outcome) == (JobState.DONE, "accepted, 250")


async def test_the_envelope_sender_names_the_mail(acme: Installation, recorder: Recorder) -> None:
    await acme.send()
    await acme.work()
    sender = recorder.posted[0].sender
    assert sender.endswith("@pay.example")
    # Whoever does not know the secret cannot make one.
    assert bounced_message(sender, b"not the key") is None


async def test_later_mails_of_an_invoice_refer_to_its_first(acme: Installation, recorder: Recorder) -> None:
    await acme.send("7")
    await acme.pay("7", "100")
    await acme.pay("7", "193.5")
    await acme.work()

    first, part, paid = (parsed(posted.content) for posted in recorder.posted)
    assert first["References"] is None
    assert part["References"] == part["In-Reply-To"] == paid["References"] == first["Message-ID"]
    assert len({mail["Message-ID"] for mail in (first, part, paid)}) == 3


async def test_a_late_mail_tells_what_was_true_when_it_happened(acme: Installation, recorder: Recorder) -> None:
    await acme.send("7")
    await acme.pay("7", "100")
    await acme.pay("7", "193.5")
    await acme.work()
    part = parsed(recorder.posted[1].content).get_body(("plain",))
    assert part is not None
    assert "193.50" in part.get_content()
    assert "bank transfer" in part.get_content()


async def test_the_merchant_hears_of_a_payment_when_the_settings_ask_for_it(
    acme: Installation, recorder: Recorder
) -> None:
    await acme.send("7")
    await acme.pay("7", "100")
    await acme.set(notifies_merchant=True)
    await acme.pay("7", "10")
    await acme.set(notifies_merchant=True, merchant_email="books@acme.example")
    await acme.pay("7", "10")
    await acme.work()
    told = [posted.recipient for posted in recorder.posted if posted.recipient != PAYER]
    assert told == ["owner@acme.example", "books@acme.example"]


async def test_every_try_sends_the_same_bytes_at_growing_intervals_and_then_the_mail_is_parked(
    acme: Installation, recorder: Recorder
) -> None:
    recorder.usual = LATER
    await acme.send("7", email="nobody@customer.example")
    began = acme.clock.at
    waits = []
    for _ in MAIL_RETRIES:
        assert await acme.work() == 1
        # What was written is kept, so nothing that changes meanwhile changes the mail.
        await acme.set(merchant_display_name="Another name")
        before = acme.clock.at
        await acme.until_next()
        waits.append(acme.clock.at - before)
    assert await acme.work() >= 1

    for wait, least in zip(waits, MAIL_RETRIES, strict=True):
        assert least <= wait <= least * 1.1 + timedelta(seconds=1)
    tried = [posted for posted in recorder.posted if posted.recipient == "nobody@customer.example"]
    assert len(tried) == 1 + len(MAIL_RETRIES)
    assert len({posted.content for posted in tried}) == 1
    job = (await acme.jobs(recipient="nobody@customer.example"))[0]
    assert (job.state, job.tries) == (JobState.PARKED, 7)
    assert acme.clock.at - began > timedelta(hours=32)
    # Each is on record, without the link.
    tries = await acme.tries(job)
    assert [each.outcome for each in tries] == [LATER.outcome] * 7
    assert "payInvoice" not in "".join(each.request for each in tries)


async def test_what_is_refused_for_good_is_parked_and_the_merchant_is_told_once(
    acme: Installation, recorder: Recorder
) -> None:
    recorder.answers = [NEVER]
    await acme.send("7")
    await acme.work()
    await acme.work()

    payer, owner = recorder.posted
    assert (payer.recipient, owner.recipient) == (PAYER, "owner@acme.example")
    of = {job.topic: job for job in await acme.jobs()}
    assert {topic: job.state for topic, job in of.items()} == {
        "invoice": JobState.PARKED,
        "needs-attention": JobState.DONE,
    }
    job = of["invoice"]
    (tried,) = await acme.tries(job)
    assert (tried.status, tried.answer, tried.is_taken) == (550, "no such user", False)
    await assert_all_holds(acme.store)


async def test_a_mail_to_the_merchant_that_fails_tells_nobody_about_itself(
    acme: Installation, recorder: Recorder
) -> None:
    recorder.usual = NEVER
    await acme.send("7")
    await acme.work()
    await acme.work()
    assert [job.state for job in await acme.jobs()] == [JobState.PARKED] * 2


async def test_an_address_that_cannot_be_mailed_costs_that_mail_alone(acme: Installation, recorder: Recorder) -> None:
    # That a host has no ASCII form is found out no earlier than when it is mailed.
    await acme.send("7", email="tanya@tä_ter.example")
    await acme.send("8")
    await acme.work()
    assert [posted.recipient for posted in recorder.posted if "acme" not in posted.recipient] == [PAYER]
    assert [job.topic for job in await acme.jobs(state=JobState.PARKED)] == ["invoice"]


async def test_a_link_never_goes_to_an_address_that_was_taken_back(acme: Installation, recorder: Recorder) -> None:
    await acme.send("7")
    await acme.change(
        "7", lambda each: each.amend(some_terms(email="right@customer.example"), acme.clock.now(), "b" * 64)
    )
    await acme.work()
    assert [posted for posted in recorder.posted if posted.recipient == PAYER] == []
    assert (await acme.jobs(recipient=PAYER))[0].state is JobState.PARKED


async def test_a_parked_mail_can_be_sent_again_under_the_same_id(acme: Installation, recorder: Recorder) -> None:
    recorder.answers = [NEVER]
    await acme.send("7")
    await acme.work()
    parked = (await acme.jobs(state=JobState.PARKED))[0]
    assert await acme.store.deliveries_of(ACME).resend(parked.message_id, acme.clock.now(), ACTOR) is not None
    await acme.work()
    payer = [posted for posted in recorder.posted if posted.recipient == PAYER]
    assert len(payer) == 2
    assert payer[0].message_id == payer[1].message_id
    assert payer[0].content == payer[1].content


async def test_more_mails_than_a_day_may_have_wait_for_the_next(acme: Installation, recorder: Recorder) -> None:
    await acme.reopen(mails_a_day=MailsADay(in_all=3))
    for _ in range(5):
        await acme.send()
    await acme.work()
    assert recorder.to(PAYER) == 3
    assert (await states(acme)).count(JobState.PENDING) == 2

    # Neither a restart nor another worker begins anew.
    await acme.reopen()
    await acme.send()
    await acme.work()
    assert recorder.to(PAYER) == 3
    # The merchant hears of it once.
    assert [job.topic for job in await acme.jobs(recipient="owner@acme.example")] == ["mail-limit"]

    await acme.until_next()
    assert acme.clock.at.hour == acme.clock.at.minute == 0
    await acme.work()
    assert recorder.to(PAYER) == 6
    await assert_all_holds(acme.store)


@pytest.mark.parametrize(
    "limits, days, sent",
    [
        (MailsADay(in_all=3, in_all_at_first=1), 0, 1),
        (MailsADay(in_all=3, in_all_at_first=1), 29, 1),
        (MailsADay(in_all=3, in_all_at_first=1), 30, 3),
        (MailsADay(in_all=3, in_all_at_first=1), None, 3),
        (MailsADay(in_all=1, in_all_at_first=3), 0, 1),
        (MailsADay(in_all_at_first=2), 0, 2),
        (MailsADay(in_all_at_first=2), 31, 5),
        (MailsADay(in_all=3), 0, 3),
    ],
)
async def test_a_new_merchant_starts_low(
    tmp_path: Path, an_egress: Callable[..., Egress], recorder: Recorder, limits: MailsADay, days: int, sent: int
) -> None:
    new = Installation(tmp_path, an_egress(), recorder)
    made_at = new.clock.now() - timedelta(days=days) if days is not None else None
    await new.make(created_at=made_at)
    await new.reopen(mails_a_day=limits)
    for _ in range(5):
        await new.send()
    await new.work()

    assert recorder.to(PAYER) == sent
    told = await new.jobs(recipient="owner@acme.example")
    assert [job.facts["limit"] for job in told] == ([str(sent)] if sent < 5 else [])
    await new.store.close()


async def test_one_address_gets_no_more_mails_a_day_than_it_may_have(acme: Installation, recorder: Recorder) -> None:
    await acme.reopen(mails_a_day=MailsADay(to_one=2))
    for payer in (PAYER, PAYER.upper(), PAYER, "other@customer.example"):
        await acme.send(email=payer)
    await acme.work()
    assert len(recorder.posted) == 3
    assert [job.topic for job in await acme.jobs(recipient="owner@acme.example")] == []


async def test_a_mail_that_is_not_taken_does_not_count(acme: Installation, recorder: Recorder) -> None:
    await acme.reopen(mails_a_day=MailsADay(in_all=1))
    recorder.answers = [LATER, LATER]
    await acme.send()
    for _ in range(3):
        await acme.work()
        if await acme.jobs(state=JobState.PENDING):
            await acme.until_next()
    assert [job.state for job in await acme.jobs()] == [JobState.DONE]


async def test_an_address_that_is_refused_for_good_is_not_written_to_again(
    acme: Installation, recorder: Recorder
) -> None:
    recorder.answers = [DEAD]
    await acme.send("7")
    await acme.work()
    suppressions = acme.store.suppressions_of(ACME)
    (kept,) = await suppressions.suppressions("", 10)
    assert (kept.address, kept.reason, kept.said) == (PAYER, SuppressionReason.REFUSED, "550 5.1.1 no such user")

    # One that was owed before the server said so.
    await acme.change("7", lambda each: each.send(acme.clock.now(), "b" * 64))
    await acme.work()
    assert recorder.to(PAYER) == 1
    stopped = max(await acme.jobs(recipient=PAYER), key=lambda job: job.position)
    assert stopped.last_outcome is not None
    assert stopped.last_outcome.startswith("not sent: the address is suppressed since 2026-")

    # Lifted, a person may send it again.
    assert await suppressions.lift(PAYER, acme.clock.now(), ACTOR)
    await acme.store.deliveries_of(ACME).resend(stopped.message_id, acme.clock.now(), ACTOR)
    await acme.work()
    assert recorder.to(PAYER) == 2


@pytest.mark.parametrize("answer", [NEVER, FULL], ids=["the mail", "the mailbox"])
async def test_what_says_nothing_about_the_address_suppresses_nothing(
    acme: Installation, recorder: Recorder, answer: Handed
) -> None:
    recorder.answers = [answer]
    await acme.send("7")
    await acme.work()
    assert await acme.store.suppressions_of(ACME).suppressions("", 10) == []


async def test_without_a_mail_server_mails_wait_and_count_no_try(acme: Installation, recorder: Recorder) -> None:
    acme.transport = None  # type: ignore[assignment]
    await acme.reopen()
    await acme.send()
    for _ in range(50):
        await acme.work()
        await acme.until_next()
    (job,) = await acme.jobs()
    assert (job.state, job.tries) == (JobState.PENDING, 0)
    acme.transport = recorder
    await acme.reopen()
    await acme.work()
    assert len(recorder.posted) == 1


async def test_what_is_kept_of_a_mail_shows_no_link_in_the_database(acme: Installation, recorder: Recorder) -> None:
    recorder.usual = LATER
    invoice = await acme.send()
    await acme.work()
    assert invoice.payment_token is not None
    await acme.store.close()
    kept = b"".join(path.read_bytes() for path in acme.folder.glob("paydue.db*"))
    assert invoice.payment_token[8:].encode() not in kept
    assert b"View and pay" not in kept
    await acme.open()


async def test_a_key_file_that_was_replaced_costs_no_mail(acme: Installation, recorder: Recorder) -> None:
    recorder.answers = [LATER]
    await acme.send()
    await acme.work()
    await acme.reopen(secret=b"another")
    await acme.until_next()
    await acme.work()
    assert len(recorder.posted) == 2
    assert recorder.posted[0].message_id == recorder.posted[1].message_id


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.WELL])
async def test_no_fault_of_a_mail_server_loses_a_mail_or_doubles_it_needlessly(
    tmp_path: Path, acme: Installation, mode: Mode
) -> None:
    async with mail_server() as server:
        place = SmtpServer(host="127.0.0.1", port=server.port, security="none")
        acme.transport = Smtp(place, domain="pay.example", command_seconds=0.7)
        await acme.reopen()
        server.mode = mode
        await acme.send("7")
        await acme.work()
        server.mode = Mode.WELL
        job = (await acme.jobs(recipient=PAYER))[0]
        if job.state is JobState.PARKED:
            # Refused for good: nothing was taken, and a person has the last word.
            assert mode in (Mode.NEVER, Mode.NEVER_FOR_RECIPIENT, Mode.MOVED)
            await acme.store.suppressions_of(ACME).lift(PAYER, acme.clock.now(), ACTOR)
            await acme.store.deliveries_of(ACME).resend(job.message_id, acme.clock.now(), ACTOR)
        elif job.state is JobState.PENDING:
            await acme.until_next()
        await acme.work()
        await acme.transport.close()

        copies = [mail for mail in server.taken if mail.recipient == PAYER]
        # Only there the server had taken what it never said it took.
        assert len(copies) == (2 if mode is Mode.DROP_AFTER_ACCEPT else 1)
        assert len({mail.message_id for mail in copies}) == len({mail.content for mail in copies}) == 1
        assert (await acme.jobs(recipient=PAYER))[0].state is JobState.DONE


async def test_a_hundred_mails_go_out_while_the_server_comes_and_goes(acme: Installation) -> None:
    async with mail_server() as server:
        place = SmtpServer(host="127.0.0.1", port=server.port, security="none")
        acme.transport = Smtp(place, domain="pay.example", command_seconds=2)
        await acme.reopen()
        for number in range(100):
            await acme.send(email=f"payer{number}@customer-{number % 7}.example")
        async with acme.office.at_work():
            for mode in (Mode.LATER, Mode.DROP_MIDWAY, Mode.WELL):
                server.mode = mode
                await asyncio.sleep(0.1)
            for _ in range(200):
                if not await acme.jobs(state=JobState.PENDING):
                    break
                acme.clock.advance(seconds=30)
                acme.office.wake()
                await asyncio.sleep(0.02)
        assert len({mail.recipient for mail in server.taken}) == 100
        assert len(server.taken) == 100


# Deaths after which nobody can know whether the mail was handed over.
IN_DOUBT = {("hand_over", True), ("add", False), ("add", True), ("settle", False)}


class Died(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["keep_rendered", "hand_over", "add", "settle"])
@pytest.mark.parametrize("is_refused", [False, True], ids=["taken", "refused"])
async def test_a_death_between_any_two_steps_sends_the_same_mail_again(
    acme: Installation,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    after: bool,
    is_refused: bool,
) -> None:
    if step == "add" and not is_refused:
        return
    place = recorder if step == "hand_over" else acme.store.outbox
    if is_refused:
        recorder.refused.add(PAYER)
    call = getattr(place, step)

    async def die(*values: object) -> None:
        if after:
            await call(*values)
        raise Died

    await acme.send("7")
    with monkeypatch.context() as patch:
        patch.setattr(place, step, die)
        with pytest.raises(Died):
            await acme.work()
    await acme.reopen()
    before = len([posted for posted in recorder.posted if posted.recipient == PAYER])
    await acme.work()
    # Nobody else may take it while it might still be under way.
    assert len([posted for posted in recorder.posted if posted.recipient == PAYER]) == before
    acme.clock.advance(minutes=5)
    await acme.work()
    await acme.work()

    job = (await acme.jobs(recipient=PAYER))[0]
    assert job.state is (JobState.PARKED if is_refused else JobState.DONE)
    copies = [posted for posted in recorder.posted if posted.recipient == PAYER]
    assert len(copies) == (2 if (step, after) in IN_DOUBT else 1)
    assert {posted.message_id for posted in copies} == {job.message_id}
    assert len({posted.content for posted in copies}) == 1
    told = [posted for posted in recorder.posted if posted.recipient == "owner@acme.example"]
    assert len({posted.message_id for posted in told}) == is_refused
    await assert_all_holds(acme.store)
