"""Mails about payments, from the payment to the finished mail: who hears of it, what it says, and which link it has."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from decimal import Decimal
from email.message import EmailMessage
from pathlib import Path

import pytest
from msgspec.structs import replace

from builders import some_terms
from paydue.delivery import mail_facts
from paydue.domain.attempts import AttemptState
from paydue.domain.invoice import Invoice
from paydue.usecases.attempt_ports import AttemptChange
from paydue.usecases.payment_announcements import Trouble, told_of
from paydue.usecases.ports import Change
from paydue.usecases.refund_payment import RefundWish, refund_payment
from paydue.usecases.review_payment import review_payment
from storing import ACTOR, a_token
from taking_payments import PAYER, Shop, a_shop

TYPED = "payer@elsewhere.example"
BILLED = "tanya.lee@my-email.world"
OWNER = "owner@acme.example"


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_shop(tmp_path, mailbox_dir=tmp_path / "mailbox") as shop:
        (tmp_path / "mailbox").mkdir()
        yield shop


async def mails(shop: Shop, tmp_path: Path, count: int) -> list[EmailMessage]:
    """Deliver until so many mails have come, and return all that have."""
    assert shop.service.post_office is not None
    folder = tmp_path / "mailbox"
    async with shop.service.post_office.at_work(), asyncio.timeout(30):
        while len(list(folder.glob("*.eml"))) < count:  # noqa: ASYNC110 - a folder tells nobody
            await asyncio.sleep(0.02)
    read = [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in folder.glob("*.eml")]
    return sorted(read, key=lambda each: (each["to"], each["subject"]))


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    text: str = body.get_content()
    return text


async def test_the_receipt_goes_to_the_typed_address_too_and_says_what_it_was_paid_with(
    shop: Shop, tmp_path: Path
) -> None:
    invoice = await shop.bill("100")
    await shop.pay(invoice, email=TYPED)

    found = await mails(shop, tmp_path, 3)

    to_payer = next(mail for mail in found if mail["to"] == TYPED)
    to_billed = next(mail for mail in found if mail["to"] == BILLED and "Receipt" in mail["subject"])
    for mail in (to_payer, to_billed):
        assert mail["subject"].startswith("Receipt for invoice")
        assert "Visa ending 1111" in text_of(mail)
        assert "Test payment: No money has moved." in text_of(mail)
        assert f"{invoice.payment_token}" in text_of(mail)
    assert ("Tanya Lee" in text_of(to_billed), "Tanya Lee" in text_of(to_payer)) == (True, False)


async def test_an_address_that_was_typed_never_gets_a_link_that_came_later(shop: Shop, tmp_path: Path) -> None:
    invoice = await shop.bill("100", allows_partial_payments=True)
    attempt = await shop.pay(invoice, "40", email=TYPED)
    store = shop.books.store
    # All of it back, and then another address: the link is another one.
    paid = await shop.invoice(invoice.number)
    at = shop.desk.clock.now()
    back = await store.commit(
        Change(before=paid, after=paid.take_back(f"{attempt.transaction_id}", Decimal(40), at), actor=ACTOR)
    )
    moved = back.amend(some_terms("100", email="new@example.com"), at, a_token())
    await store.commit(Change(before=back, after=moved, actor=ACTOR))

    assert shop.service.post_office is not None
    async with shop.service.post_office.at_work():
        await asyncio.sleep(1)

    assert moved.payment_token != invoice.payment_token
    for path in (tmp_path / "mailbox").glob("*.eml"):
        mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        assert mail["to"] != TYPED or f"{moved.payment_token}" not in text_of(mail)


@pytest.mark.parametrize("is_due_again", [False, True])
async def test_a_refund_is_told_to_both_addresses(shop: Shop, tmp_path: Path, is_due_again: bool) -> None:
    invoice = await shop.bill("100")
    attempt = await shop.pay(invoice, email=TYPED)
    wish = RefundWish(attempt_id=attempt.attempt_id, refund_id="r-1", amount=Decimal(30), is_due_again=is_due_again)
    await refund_payment(shop.books, shop.gateway, wish, clock=shop.desk.clock, actor=PAYER)

    found = [mail for mail in await mails(shop, tmp_path, 5) if mail["subject"].startswith("Refund")]

    assert [mail["to"] for mail in found] == [TYPED, BILLED]
    for mail in found:
        assert "Acme refunded USD\u00a030.00" in text_of(mail)


@pytest.mark.parametrize(("accepts", "told"), [(True, "Payment accepted"), (False, "Payment not accepted")])
async def test_a_review_is_told_at_its_beginning_and_its_end(
    shop: Shop, tmp_path: Path, accepts: bool, told: str
) -> None:
    invoice = await shop.bill("9995")
    attempt = await shop.pay(invoice, email=TYPED)
    assert attempt.state is AttemptState.HELD
    await review_payment(
        shop.books, shop.gateway, attempt.attempt_id, accepts=accepts, clock=shop.desk.clock, actor=PAYER
    )

    found = await mails(shop, tmp_path, 6)

    for address in (TYPED, BILLED):
        subjects = [mail["subject"] for mail in found if mail["to"] == address]
        assert any(subject.startswith("Payment in review") for subject in subjects), subjects
        assert any(subject.startswith(told) for subject in subjects), subjects
    to_owner = [mail for mail in found if mail["to"] == OWNER]
    assert any("waits for your decision" in text_of(mail) for mail in to_owner)


def test_every_trouble_of_paying_is_one_that_mails_know() -> None:
    assert {each.value for each in Trouble} <= {each.value for each in mail_facts.Trouble}


@pytest.mark.parametrize("trouble", Trouble)
async def test_the_merchant_is_told_of_every_trouble(shop: Shop, tmp_path: Path, trouble: Trouble) -> None:
    invoice = await shop.bill("100")
    attempt = (await shop.begin(invoice)).attempt
    messages = await told_of(shop.books.store, invoice, attempt, trouble)
    await shop.books.attempts.keep(AttemptChange(before=attempt, after=attempt, messages=messages))

    found = await mails(shop, tmp_path, 2)

    (to_owner,) = [mail for mail in found if mail["to"] == OWNER]
    assert f"invoice {invoice.number}" in to_owner["subject"]
    assert invoice.number in text_of(to_owner)


async def test_money_that_no_invoice_holds_is_told_to_the_merchant(shop: Shop, tmp_path: Path) -> None:
    invoice: Invoice = await shop.bill("100")
    begun = await shop.begin(invoice)
    tokens = [await shop.typed(begun) for _ in range(2)]
    attempt = await shop.charge(begun, tokens[0])
    await shop.gateway.charge(attempt, tokens[1])
    # The processor has charged twice: the next look finds it.
    due = await shop.books.attempts.attempt(attempt.attempt_id)
    assert due is not None
    await shop.books.attempts.keep(AttemptChange(before=due, after=replace(due, next_look_at=shop.desk.clock.now())))

    found = await mails(shop, tmp_path, 3)

    assert any("cannot be counted" in text_of(mail) for mail in found if mail["to"] == OWNER)
