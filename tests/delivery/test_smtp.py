"""Submission to a real mail server: what is taken, what comes again, what never will be, and over what connection."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from mail_server import MailServer, Mode, mail_server
from paydue.delivery.bounces import bounce_address, bounced_message
from paydue.delivery.mail_transport import Fate, Posting
from paydue.delivery.mailbox import Mailbox
from paydue.delivery.smtp import Smtp, SmtpServer
from paydue.usecases.access_keys import Secret
from receiver import authority_file

CONTENT = b"From: a@pay.example\r\nMessage-ID: <1@pay.example>\r\n\r\nHello.\r\n.\r\nA dot alone.\r\n"


def a_posting(number: int = 1, recipient: str = "tanya@customer.example") -> Posting:
    return Posting(
        message_id=f"019ab3d2-7c41-7e0b-9f6a-{number:012}",
        sender="bounce+1@pay.example",
        recipient=recipient,
        content=CONTENT,
    )


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server() as served:
        yield served


@pytest.fixture
async def an_smtp() -> AsyncIterator[Callable[..., Smtp]]:
    made: list[Smtp] = []

    def make(server: MailServer, tls: ssl.SSLContext | None = None, **values: object) -> Smtp:
        place = SmtpServer(**{"host": "localhost", "port": server.port, "security": "none", **values})  # type: ignore[arg-type]
        made.append(Smtp(place, domain="pay.example", tls=tls, connect_seconds=5, command_seconds=1.5))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def test_a_mail_arrives_as_it_was_written(server: MailServer, an_smtp: Callable[..., Smtp]) -> None:
    handed = await an_smtp(server).hand_over(a_posting())

    assert (handed.fate, handed.status) == (Fate.TAKEN, 250)
    (taken,) = server.taken
    assert (taken.sender, taken.recipient) == ("bounce+1@pay.example", "tanya@customer.example")
    assert taken.content == CONTENT


async def test_one_connection_carries_many_mails(server: MailServer, an_smtp: Callable[..., Smtp]) -> None:
    smtp = an_smtp(server)
    for number in range(5):
        assert (await smtp.hand_over(a_posting(number))).fate is Fate.TAKEN

    assert (len(server.taken), server.connections) == (5, 1)


async def test_a_connection_that_the_server_has_closed_is_noticed_before_a_mail_is_risked_on_it(
    server: MailServer, an_smtp: Callable[..., Smtp]
) -> None:
    smtp = an_smtp(server)
    await smtp.hand_over(a_posting(1))
    server.mode = Mode.DROP_AFTER_ACCEPT
    assert (await smtp.hand_over(a_posting(2))).fate is Fate.LATER
    server.mode = Mode.WELL
    assert (await smtp.hand_over(a_posting(3))).fate is Fate.TAKEN
    assert len(server.taken) == 3


async def test_one_domain_gets_two_mails_at_once_and_others_are_not_kept_waiting(
    server: MailServer, an_smtp: Callable[..., Smtp]
) -> None:
    smtp, server.mode = an_smtp(server), Mode.SLOW
    await asyncio.gather(*(smtp.hand_over(a_posting(number)) for number in range(6)))
    assert server.most_at_once == 2

    await asyncio.gather(*(smtp.hand_over(a_posting(number, f"a@customer-{number}.example")) for number in range(6)))
    assert server.most_at_once == 6


@pytest.mark.parametrize(
    "mode, fate, outcome",
    [
        (Mode.REFUSE, Fate.LATER, "connecting: dropped"),
        (Mode.HANG, Fate.LATER, "mail: timed out"),
        (Mode.LATER, Fate.LATER, "mail refused, 451"),
        (Mode.NEVER, Fate.NEVER, "mail refused, 554"),
        (Mode.LATER_FOR_RECIPIENT, Fate.LATER, "recipient refused, 450"),
        (Mode.NEVER_FOR_RECIPIENT, Fate.NEVER, "recipient refused, 550"),
        (Mode.DROP_MIDWAY, Fate.LATER, "recipient: dropped"),
        (Mode.DROP_AFTER_ACCEPT, Fate.LATER, "mail: dropped"),
        (Mode.GOING_AWAY, Fate.LATER, "mail refused, 421"),
        (Mode.DRIPPING, Fate.LATER, "mail: timed out"),
        (Mode.ENDLESS, Fate.LATER, "mail: not understood"),
        (Mode.MOVED, Fate.NEVER, "recipient refused, 551"),
    ],
)
async def test_what_fails_is_told_apart_and_the_next_mail_gets_through(
    server: MailServer, an_smtp: Callable[..., Smtp], mode: Mode, fate: Fate, outcome: str
) -> None:
    smtp, server.mode = an_smtp(server), mode
    handed = await smtp.hand_over(a_posting(1))
    assert (handed.fate, handed.outcome) == (fate, outcome)

    server.mode = Mode.WELL
    assert (await smtp.hand_over(a_posting(2))).fate is Fate.TAKEN


async def test_nobody_there_is_a_trouble_of_the_moment(an_smtp: Callable[..., Smtp]) -> None:
    async with mail_server() as gone:
        pass
    handed = await an_smtp(gone).hand_over(a_posting())
    assert handed.fate is Fate.LATER


@pytest.mark.parametrize("implicit", [False, True])
async def test_over_tls_it_logs_in(tmp_path: Path, an_smtp: Callable[..., Smtp], implicit: bool) -> None:
    tls = ssl.create_default_context(cafile=authority_file(tmp_path))
    async with mail_server(tmp_path, implicit_tls=implicit) as server:
        right = {"security": "tls" if implicit else "starttls", "user": "paydue", "password": Secret("right")}
        smtp = an_smtp(server, tls, **right)
        assert (await smtp.hand_over(a_posting())).fate is Fate.TAKEN
        await smtp.close()
        assert (len(server.taken), server.logins) == (1, ["paydue"])

        wrong = await an_smtp(server, tls, **right | {"password": Secret("wrong")}).hand_over(a_posting())
        # A password that was changed must not cost a single mail.
        assert (wrong.fate, wrong.status) == (Fate.LATER, 535)
        assert "wrong" not in repr(wrong)


async def test_a_certificate_that_cannot_be_checked_gets_no_password(
    tmp_path: Path, an_smtp: Callable[..., Smtp]
) -> None:
    async with mail_server(tmp_path) as server:
        smtp = an_smtp(server, security="starttls", user="paydue", password=Secret("right"))
        handed = await smtp.hand_over(a_posting())
    assert (handed.fate, server.logins, server.taken) == (Fate.LATER, [], [])


async def test_a_mailbox_folder_shows_whole_mails_only(tmp_path: Path) -> None:
    box = tmp_path / "made" / "when-needed"
    mailbox = Mailbox(box)
    for _ in range(2):
        assert (await mailbox.hand_over(a_posting())).fate is Fate.TAKEN

    (file,) = box.iterdir()
    assert (file.suffix, file.read_bytes()) == (".eml", CONTENT)


async def test_a_mailbox_that_cannot_be_written_keeps_the_mail_for_later(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    handed = await Mailbox(in_the_way / "box").hand_over(a_posting())
    assert handed.fate is Fate.LATER


def test_a_bounce_names_the_mail_and_nobody_else_can_make_one() -> None:
    message_id = "019ab3d2-7c41-7e0b-9f6a-2b8c4d1e5f60"
    address = bounce_address(message_id, "pay.example", b"key")

    assert len(address.partition("@")[0]) <= 64
    assert bounced_message(address, b"key") == bounced_message(address.upper(), b"key") == message_id
    for forged in (address.replace(".", ".a", 1), address.replace("019", "018", 1), "bounce@pay.example", ""):
        assert bounced_message(forged, b"key") is None
    assert bounced_message(address, b"another") is None
