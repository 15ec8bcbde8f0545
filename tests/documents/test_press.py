"""The press: one document drawn once, nobody waits for ever, and a process that dies is followed by another."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest
from msgspec.structs import replace

from documents.papers import LATER, PAYMENT_URL, a_subject
from paydue.documents import press as press_module
from paydue.documents.document import Document, Template
from paydue.documents.invoice_pdf import invoice_document
from paydue.documents.press import DocumentNotDrawn, Press, PressBusy


@pytest.fixture
async def press():
    press = Press(seconds=60)
    yield press
    await press.aclose()


async def test_equal_documents_are_drawn_once(press):
    first, second = await asyncio.gather(press.pdf(a_document()), press.pdf(a_document()))
    assert first is second
    assert await press.pdf(a_document()) is first


@pytest.mark.parametrize(
    "changed", [{"payment_link": PAYMENT_URL + "x"}, {"values": b"{}"}, {"logo": b"x"}, {"template": Template.RECEIPT}]
)
def test_whatever_differs_makes_another_document(changed):
    document = a_document()
    assert replace(document, **changed).digest != document.digest


def test_what_a_document_says_cannot_move_from_one_part_to_the_next():
    one = replace(a_document(), values=b"ab", payment_link="c")
    assert replace(one, values=b"a", payment_link="bc").digest != one.digest


async def test_a_change_of_the_invoice_is_another_pdf(press):
    subject = a_subject()
    before = await press.pdf(invoice_document(subject, LATER, PAYMENT_URL))
    settings = replace(subject.settings, background_color="#7c2a1c")
    assert await press.pdf(invoice_document(replace(subject, settings=settings), LATER, PAYMENT_URL)) != before


async def test_what_is_kept_stays_within_its_bound_and_the_oldest_goes_first(press):
    documents = [replace(a_document(), payment_link=f"{PAYMENT_URL}&{at}") for at in range(4)]
    size = len(await press.pdf(documents[0]))
    small = Press(memory_bytes=2 * size + size // 2, seconds=60)
    first, second, third = [await small.pdf(document) for document in documents[:3]]
    assert await small.pdf(documents[2]) is third
    assert await small.pdf(documents[1]) is second
    assert await small.pdf(documents[0]) is not first
    await small.aclose()


async def test_a_pdf_larger_than_the_memory_is_answered_and_not_kept():
    press = Press(memory_bytes=1, seconds=60)
    assert (await press.pdf(a_document())).startswith(b"%PDF")
    assert (await press.pdf(a_document())).startswith(b"%PDF")
    await press.aclose()


async def test_a_full_queue_refuses_at_once_and_takes_the_next_one_later():
    press = Press(waiting=1, seconds=60)
    first = asyncio.ensure_future(press.pdf(a_document()))
    await asyncio.sleep(0)
    with pytest.raises(PressBusy):
        await press.pdf(replace(a_document(), payment_link=PAYMENT_URL + "x"))
    assert await press.pdf(a_document()) is await first
    assert (await press.pdf(replace(a_document(), payment_link=PAYMENT_URL + "x"))).startswith(b"%PDF")
    await press.aclose()


async def test_a_document_that_takes_too_long_is_given_up_and_the_next_one_is_drawn(monkeypatch, tmp_path):
    press = Press(seconds=0.2)
    real = press_module._WORKER
    monkeypatch.setattr(press_module, "_WORKER", a_sleeping_worker(tmp_path))
    with pytest.raises(DocumentNotDrawn, match="took more than"):
        await press.pdf(a_document())
    monkeypatch.setattr(press_module, "_WORKER", real)
    press._process._seconds = 60
    assert (await press.pdf(a_document())).startswith(b"%PDF")
    await press.aclose()


async def test_a_process_that_died_is_followed_by_another(press):
    await press.pdf(a_document())
    os.kill(press._process._running.pid, signal.SIGKILL)
    press._process._running.wait()
    assert (await press.pdf(replace(a_document(), payment_link=PAYMENT_URL + "x"))).startswith(b"%PDF")


async def test_after_its_share_of_documents_a_process_is_followed_by_another():
    press = Press(documents_a_process=2, seconds=60)
    pids = []
    for at in range(4):
        await press.pdf(replace(a_document(), payment_link=f"{PAYMENT_URL}&{at}"))
        pids.append(press._process._running.pid)
    assert pids[0] == pids[1] != pids[2] == pids[3]
    await press.aclose()


async def test_a_document_that_cannot_be_drawn_says_so_and_harms_no_other(press):
    with pytest.raises(DocumentNotDrawn, match="TypstError"):
        await press.pdf(replace(a_document(), values=b"{}"))
    assert (await press.pdf(a_document())).startswith(b"%PDF")


async def test_a_logo_that_is_none_is_left_out(press):
    broken = await press.pdf(replace(a_document(), logo=b"GIF89a and then nothing"))
    assert broken == await press.pdf(replace(a_document(), logo=None))


async def test_whoever_goes_away_takes_the_document_from_nobody(press):
    impatient = asyncio.ensure_future(press.pdf(a_document()))
    patient = asyncio.ensure_future(press.pdf(a_document()))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).startswith(b"%PDF")


async def test_the_event_loop_goes_on_while_a_document_is_drawn(press):
    drawing = asyncio.ensure_future(press.pdf(a_document()))
    turns = 0
    while not drawing.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 20


async def test_after_closing_no_process_is_left():
    press = Press(seconds=60)
    await press.pdf(a_document())
    pid = press._process._running.pid
    await press.aclose()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_room_is_entered_without_reading_typst_or_pillow():
    code = (
        "import sys, paydue.documents.invoice_pdf, paydue.documents.receipt_pdf, paydue.documents.press\n"
        "assert not {'typst', 'PIL', 'segno', 'babel'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def a_document() -> Document:
    return invoice_document(a_subject(), LATER, PAYMENT_URL)


def a_sleeping_worker(folder):
    worker = folder / "worker.py"
    worker.write_text("import time\ntime.sleep(600)\n", encoding="utf-8")
    return worker
