"""Every operation of the API in one table: what the router is built from, and what the tests walk."""

from paydue.usecases.change_settings import LogoCleaner
from paydue.usecases.ports import Secrets
from paydue.wire.invoice_routes import InvoiceRoutes
from paydue.wire.merchant_field_routes import MerchantFieldRoutes
from paydue.wire.router import Route
from paydue.wire.settings_routes import SettingsRoutes


def api_routes(
    *,
    secrets: Secrets,
    logo_cleaner: LogoCleaner,
    portal_url: str,
    accepts_doubles: bool = False,
    allows_plain_http: bool = False,
) -> tuple[Route, ...]:
    """
    Return the operations below `/invoicing/v2/` and `/paydue/v1/`.

    `portal_url` is what payment links begin with, without a slash at the end.
    """
    return (
        *InvoiceRoutes(secrets=secrets, portal_url=portal_url, accepts_doubles=accepts_doubles).routes(),
        *SettingsRoutes(cleaner=logo_cleaner, allows_plain_http=allows_plain_http).routes(),
        *MerchantFieldRoutes().routes(),
    )
