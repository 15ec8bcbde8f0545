"""What is written beside an invoice to be shown is there for its version and in its shape, or counts as missing."""

from typing import Any

from paydue.domain.invoice import Invoice
from paydue.usecases.ports import Showing
from storing import cancel, create, everything, send


def shown(invoice: Invoice) -> str:
    return f"{invoice.number} is {invoice.status}, of {invoice.terms.total}"


FIRST = Showing("first", shown)
SECOND = Showing("second", lambda invoice: shown(invoice).upper())


async def opened(installation: Any, showing: Showing) -> Any:
    installation.showing = showing
    return (await installation.reopen()).of("acme")


async def test_what_is_shown_follows_each_change(installation: Any) -> None:
    acme = await opened(installation, FIRST)
    draft = await create(acme, "A-1")
    drafted = await acme.shown("A-1")
    sent = await send(acme, draft)
    after = await acme.shown("A-1")
    await cancel(acme, sent)

    assert (drafted.text, drafted.payment_token) == (shown(draft), None)
    assert (after.text, after.payment_token) == (shown(sent), sent.payment_token)
    assert (await acme.shown("A-1")).text.startswith("A-1 is CANCELED")
    assert await acme.shown("A-2") is None


async def test_another_merchants_invoice_is_not_shown(installation: Any) -> None:
    acme = await opened(installation, FIRST)
    await create(acme, "A-1")
    assert await installation.store.of("zeta").shown("A-1") is None


async def test_another_shape_counts_as_missing_until_the_next_change(installation: Any) -> None:
    sent = await create(await opened(installation, FIRST), "A-1", sent=True)
    acme = await opened(installation, SECOND)

    assert (await acme.shown("A-1")).text == ""
    assert (await acme.shown("A-1")).payment_token == sent.payment_token
    canceled = await cancel(acme, sent)
    assert (await acme.shown("A-1")).text == SECOND.write(canceled)


async def test_what_a_release_wrote_that_knows_nothing_of_it_counts_as_missing(sqlite: Any) -> None:
    acme = await opened(sqlite, FIRST)
    await create(acme, "A-1")
    # It changes the row and its version, and leaves this column as it was.
    await sqlite.store._write_small(lambda batch: batch.write("UPDATE invoices SET version = version + 1", ()))

    assert (await acme.shown("A-1")).text == ""


async def test_verify_finds_what_is_shown_wrongly(sqlite: Any) -> None:
    acme = await opened(sqlite, FIRST)
    await create(acme, "A-1")
    assert await everything(sqlite.store.verify()) == []
    await sqlite.store._write_small(
        lambda batch: batch.write("UPDATE invoices SET shown = replace(shown, 'DRAFT', 'PAID')", ())
    )

    assert [found.rule for found in await everything(sqlite.store.verify())] == ["shown"]
