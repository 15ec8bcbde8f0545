"""The pages that change only with a release: documentation, the OpenAPI document, static files, what is to come."""

from collections.abc import Callable
from functools import cache
from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from paydue.language.locales import SOURCE_LANGUAGE
from paydue.pages.api_reference import Product, render_reference
from paydue.pages.payer_templates import PayerTemplates
from paydue.pages.payment_page import nobody_page
from paydue.pages.rendering import StaticFiles, Templates

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "content-security-policy": _POLICY,
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"


def documents(
    templates: Templates,
    payer_templates: PayerTemplates,
    static: StaticFiles,
    openapi: Callable[[], bytes],
    tls_host: str,
) -> Starlette:
    """
    Return the application that serves them.

    `openapi` is called when somebody asks. `tls_host` is what the documentation tells SDKs to call.
    """

    @cache
    def reference() -> str:
        document = msgspec.json.decode(openapi())
        product = Product(version=document["info"]["version"], api_url=document["servers"][0]["url"], tls_host=tls_host)
        return render_reference(document, product, templates)

    def message(heading: str, text: str, status: int) -> Response:
        return Response(nobody_page(payer_templates, SOURCE_LANGUAGE, heading, text), status, _HEADERS, "text/html")

    async def home(_: Request) -> Response:
        return RedirectResponse("/docs", 307, _HEADERS)

    async def api_reference(_: Request) -> Response:
        return Response(await run_in_threadpool(reference), headers=_HEADERS, media_type="text/html")

    async def openapi_document(_: Request) -> Response:
        return Response(openapi(), headers=_HEADERS, media_type="application/json")

    async def console(_: Request) -> Response:
        return message(
            "The console comes with a later release.",
            "Until then, invoices are written, sent and read through the API; the payment links work.",
            200,
        )

    async def static_file(request: Request) -> Response:
        file = static.find(request.path_params["name"])
        if file is None:
            raise HTTPException(404)
        # A page of the release before may still ask for its version: it gets today's, to be asked for again.
        is_current = request.path_params["version"] == static.version
        headers = {**_HEADERS, "cache-control": _FOR_EVER if is_current else "no-cache"}
        return Response(file.content, headers=headers, media_type=file.media_type)

    async def robots(_: Request) -> Response:
        return Response("User-agent: *\nDisallow: /\n", headers=_HEADERS, media_type="text/plain")

    async def refused(_: Request, refusal: Exception) -> Response:
        assert isinstance(refusal, HTTPException)
        if refusal.status_code == 404:
            return message("There is no page at this address.", "The API is described at /docs.", 404)
        headers = {**_HEADERS, **(refusal.headers or {})}
        return Response(refusal.detail, refusal.status_code, headers, "text/plain")

    return Starlette(
        routes=[
            Route("/", home),
            Route("/docs", api_reference),
            Route("/openapi.json", openapi_document),
            Route("/console", console),
            Route("/console/{rest:path}", console),
            Route("/static/{version}/{name:path}", static_file),
            Route("/robots.txt", robots),
        ],
        exception_handlers={HTTPException: refused},
    )
