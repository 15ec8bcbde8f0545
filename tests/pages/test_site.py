"""Health, documentation, static files, and what is said of addresses that lead nowhere."""

import pytest

from reading import Page


async def test_a_server_is_alive_and_ready(books):
    live, ready = await books.open("/health/live"), await books.open("/health/ready")

    assert (live.status_code, live.json()) == (200, {"status": "live"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


async def test_a_server_without_its_database_is_alive_but_not_ready(books, monkeypatch):
    async def is_ready() -> bool:
        return False

    monkeypatch.setattr(books.store, "is_ready", is_ready)

    assert (await books.open("/health/live")).status_code == 200
    answer = await books.open("/health/ready")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


async def test_the_openapi_document_is_handed_on(books):
    answer = await books.open("/openapi.json")

    assert answer.headers["content-type"] == "application/json"
    assert answer.content == b"{}"


async def test_the_console_says_honestly_that_it_is_still_to_come(books):
    answer = await books.open("/console")

    assert answer.status_code == 200
    assert "The console comes with a later release" in Page(answer.text).words


async def test_an_address_that_leads_nowhere_gets_a_page_that_says_so(books):
    answer = await books.open("/nowhere")

    assert answer.status_code == 404
    assert "There is no page at this address." in Page(answer.text).words


async def test_static_files_may_be_kept_for_ever_under_their_version_and_not_under_another(books):
    page = Page((await books.open("/console")).text)
    address = next(href for href in page.attributes("link", "href") if href)
    current, older = await books.open(address), await books.open("/static/000000000000/tokens.css")

    assert current.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert current.headers["content-type"] == "text/css; charset=utf-8"
    assert older.headers["cache-control"] == "no-cache"
    assert older.content == current.content


async def test_the_fonts_that_the_style_sheet_names_are_there_with_their_licence(books):
    for name in ("geist-latin-wght-normal.woff2", "geist-cyrillic-wght-normal.woff2", "OFL.txt"):
        assert (await books.open(f"/static/x/fonts/{name}")).status_code == 200


@pytest.mark.parametrize(
    "name", ["../templates/invoice.html", "%2e%2e/templates/invoice.html", "..%2f..%2fsite.py", "/etc/passwd", ""]
)
async def test_nothing_but_static_files_can_be_had_as_one(books, name):
    answer = await books.open(f"/static/x/{name}")

    assert answer.status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/", "/health/live", "/health/nothing", "/openapi.json", "/console", "/robots.txt", "/nowhere", "/static/x/y"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_every_answer_has_the_common_headers_and_none_is_a_failure_of_ours(books, path, method):
    answer = await books.open(path, method)

    assert answer.status_code < 500
    assert answer.headers["v-c-correlation-id"] == "the-correlation-id"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-security-policy" in answer.headers
    assert "server" not in answer.headers
