"""The link in a reminder: opening it changes nothing, one click stops reminders, and another one brings them back."""

from builders import some_terms
from paydue.domain.settings import LANGUAGES
from paydue.usecases.reminder_links import RemindedInvoice, ReminderLinks
from storing import create

LINKS = ReminderLinks(b"a secret of the tests")
STOPPED, SENT = "Reminders are stopped.", "Stop reminders for this invoice?"


async def a_link(books, number="7") -> str:
    invoice = await create(books.store.of("acme"), number, sent=True, terms=some_terms())
    return "/reminders/" + LINKS.ticket(RemindedInvoice("acme", invoice.serial, invoice.number))


async def is_stopped(books, serial=1) -> bool:
    return await books.store.reminders.stopped_at("acme", serial) is not None


async def test_opening_the_link_changes_nothing(open_books):
    books = await open_books()
    link = await a_link(books)
    for _ in range(2):
        page = await books.client.get(link)
        assert page.status_code == 200
        assert SENT in page.text
        assert "invoice 7" in page.text
    assert (await books.client.head(link)).status_code == 200
    assert not await is_stopped(books)


async def test_the_button_stops_reminders_and_brings_them_back(open_books):
    books = await open_books()
    link = await a_link(books)
    assert STOPPED in (await books.client.post(link, data={"stop": "1"})).text
    assert await is_stopped(books)
    page = await books.client.get(link)
    assert STOPPED in page.text
    assert 'name="start"' in page.text
    assert SENT in (await books.client.post(link, data={"start": "1"})).text
    assert not await is_stopped(books)


async def test_a_mail_program_stops_them_by_one_request(open_books):
    books = await open_books()
    link = await a_link(books)
    answer = await books.client.post(link, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert await is_stopped(books)
    await books.client.post(link, data={"start": "1"})
    # Some send it as a form of another kind.
    assert (await books.client.post(link, files={"List-Unsubscribe": (None, "One-Click")})).status_code == 200
    assert await is_stopped(books)


async def test_other_links_open_nothing_and_stop_nothing(open_books):
    books = await open_books()
    link = await a_link(books)
    forged = ReminderLinks(b"another secret").ticket(RemindedInvoice("acme", 1, "7"))
    nowhere = LINKS.ticket(RemindedInvoice("acme", 2, "8"))
    bad = ["", "x", link.removeprefix("/reminders/")[:-1], forged, "A" * 600, "%C3%A4", "..%2F"]
    for ticket in bad:
        for method in ("GET", "POST"):
            assert (await books.client.request(method, f"/reminders/{ticket}")).status_code == 404
    assert (await books.client.get(f"/reminders/{nowhere}")).status_code == 404
    assert not await is_stopped(books)


async def test_only_reading_and_posting_are_allowed(open_books):
    books = await open_books()
    answer = await books.client.put(await a_link(books))
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


async def test_too_large_a_form_is_refused(open_books):
    books = await open_books()
    answer = await books.client.post(await a_link(books), data={"x": "y" * 20_000})
    assert answer.status_code == 413
    assert not await is_stopped(books)


async def test_the_page_speaks_nine_languages_and_is_private(open_books):
    books = await open_books()
    link = await a_link(books)
    pages = {language: await books.client.get(f"{link}?lang={language}") for language in LANGUAGES}
    assert len({page.text for page in pages.values()}) == len(LANGUAGES)
    for language, page in pages.items():
        assert f'<html lang="{language}">' in page.text
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert (SENT in page.text) is (language == "en-US")
