"""The store's promise about idempotency keys: the first answer is kept with what it tells of, or neither is."""

import asyncio
from typing import Any

import pytest

from builders import NOON
from paydue.domain.errors import DuplicateInvoiceNumber
from paydue.domain.invoice import Invoice
from paydue.usecases.ports import Answer, MerchantStore, Receipt, ReceiptExists, Store
from storing import assert_all_holds, create, send


def a_receipt(key: str = "key-1", fingerprint: bytes = b"f" * 32) -> Receipt:
    def answer(stored: Any) -> Answer:
        return Answer(201, f"{stored.number} {stored.status} v{stored.version}".encode())

    return Receipt(key, fingerprint, answer)


async def test_the_first_answer_is_kept_with_the_change_it_tells_of(acme: MerchantStore) -> None:
    await create(acme, receipt=a_receipt())

    recorded = await acme.recorded_answer("key-1")

    assert recorded is not None
    assert (recorded.fingerprint, recorded.answer) == (b"f" * 32, Answer(201, b"1 DRAFT v1"))
    assert await acme.recorded_answer("key-2") is None


async def test_a_repeated_key_changes_nothing(store: Store, acme: MerchantStore, zeta: MerchantStore) -> None:
    outcomes = await asyncio.gather(*(create(acme, receipt=a_receipt()) for _ in range(5)), return_exceptions=True)
    with pytest.raises(ReceiptExists):
        await send(acme, outcomes[0], a_receipt())  # type: ignore[arg-type]

    assert [type(outcome) for outcome in outcomes] == [Invoice, *[ReceiptExists] * 4]
    assert (await acme.page(0, 9, None)).total == 1
    assert (await create(zeta, receipt=a_receipt())).serial == 1
    await assert_all_holds(store)


async def test_a_refused_change_leaves_no_receipt(acme: MerchantStore) -> None:
    await create(acme, "INV-1")
    with pytest.raises(DuplicateInvoiceNumber):
        await create(acme, "INV-1", receipt=a_receipt())

    assert await acme.recorded_answer("key-1") is None
    assert (await create(acme, "INV-2", receipt=a_receipt())).number == "INV-2"


async def test_an_answer_that_cannot_be_written_undoes_its_change_alone(store: Store, acme: MerchantStore) -> None:
    def fail(_: Any) -> Answer:
        raise RuntimeError("no answer")

    outcomes = await asyncio.gather(
        create(acme), create(acme, sent=True, receipt=Receipt("k", b"", fail)), create(acme), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [Invoice, RuntimeError, Invoice]
    assert await acme.recorded_answer("k") is None
    assert (await acme.page(0, 9, None)).total == 2
    await assert_all_holds(store)


async def test_answers_are_forgotten_by_age(installation: Any, store: Store, acme: MerchantStore) -> None:
    for key in range(3):
        await create(acme, receipt=a_receipt(f"key-{key}"))
        installation.clock.advance(hours=1)

    forgotten = await store.forget_answers(NOON.replace(hour=14))

    assert forgotten == 2
    assert await acme.recorded_answer("key-1") is None
    assert await acme.recorded_answer("key-2") is not None
