"""A payer who comes too late gets a fresh link by mail: to the address on file, and nowhere else."""

from datetime import date, timedelta

import pytest
from msgspec.structs import replace

from builders import NOON, TOKEN, an_invoice, some_terms
from paydue.domain.errors import ActionNotAllowed, PaymentInFlight
from paydue.domain.events import What
from paydue.domain.expiry import is_link_expired, link_ends_on
from paydue.domain.lifecycle import Status
from paydue.domain.reservations import Hold
from paydue.domain.settings import Settings
from paydue.usecases.renew_link import renew_link
from paying import PAYER, MemoryBooks

NEW = "n" * 64
ENDED = some_terms(expiration_date=date(2026, 5, 5))


class OneToken:
    def payment_token(self) -> str:
        return NEW


@pytest.fixture
def books() -> MemoryBooks:
    return MemoryBooks()


async def asked(books: MemoryBooks):
    return await renew_link(books, "7", at=NOON, secrets=OneToken(), actor=PAYER)


@pytest.mark.parametrize("status", [Status.CREATED, Status.SENT, Status.PARTIAL])
async def test_the_address_on_file_gets_a_new_link_and_the_old_one_is_gone(books: MemoryBooks, status: Status) -> None:
    books.put(an_invoice(status, ENDED))
    after = await asked(books)
    assert (after.payment_token, after.status) == (NEW, status)
    assert after.history[-1].what is What.LINK_RENEWED
    assert [(each.topic, each.recipient) for each in books.messages] == [("fresh-link", "tanya.lee@my-email.world")]


async def test_the_new_link_works_for_thirty_days(books: MemoryBooks) -> None:
    books.put(an_invoice(Status.SENT, ENDED))
    after = await asked(books)
    assert not is_link_expired(after, NOON + timedelta(days=30))
    assert is_link_expired(after, NOON + timedelta(days=31))


def test_a_renewal_never_shortens_the_life_of_a_link() -> None:
    invoice = an_invoice(Status.SENT, some_terms(expiration_date=date(2026, 5, 6)))
    renewed = invoice.renew_link(NOON, NEW)
    later = replace(renewed, terms=some_terms(expiration_date=date(2027, 1, 1)))
    assert link_ends_on(later) == date(2027, 1, 1)


async def test_asked_again_a_link_that_works_is_left_alone(books: MemoryBooks) -> None:
    books.put(an_invoice(Status.SENT, ENDED))
    first = await asked(books)
    assert await asked(books) == first
    assert len(books.messages) == 1


@pytest.mark.parametrize(
    "invoice",
    [
        an_invoice(Status.SENT, some_terms(expiration_date=date(2026, 5, 6))),
        an_invoice(Status.CREATED, some_terms(email=None, expiration_date=date(2026, 5, 5))),
        an_invoice(Status.PAID, ENDED),
    ],
    ids=["not expired", "no address", "nothing to pay"],
)
async def test_otherwise_nothing_changes_and_nobody_is_written_to(books: MemoryBooks, invoice) -> None:
    books.put(invoice)
    after = await asked(books)
    assert (after.payment_token, books.messages) == (TOKEN, [])


async def test_a_merchant_may_not_want_it(books: MemoryBooks) -> None:
    async def settings(_: object) -> Settings:
        return Settings(offers_fresh_links=False)

    books.settings = settings
    books.put(an_invoice(Status.SENT, ENDED))
    assert ((await asked(books)).payment_token, books.messages) == (TOKEN, [])


async def test_a_payment_under_review_keeps_its_link(books: MemoryBooks) -> None:
    books.put(an_invoice(Status.PENDING, ENDED))
    with pytest.raises(ActionNotAllowed):
        await asked(books)


async def test_who_is_paying_through_the_old_link_keeps_it(books: MemoryBooks) -> None:
    invoice = an_invoice(Status.SENT, ENDED)
    books.put(invoice.reserve("a", invoice.balance, Hold.OFFERED))
    with pytest.raises(PaymentInFlight):
        await asked(books)
