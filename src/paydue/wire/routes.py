"""Every operation of the API in one table: what the router is built from, and what the tests walk."""

from collections.abc import Callable

from paydue.domain.retry_policy import DefaultPolicy
from paydue.usecases.change_settings import LogoCleaner
from paydue.usecases.delivery_ports import Reminders
from paydue.usecases.payment_desk import PaymentDesk
from paydue.usecases.ports import Secrets
from paydue.usecases.previews import Previews
from paydue.usecases.webhook_ports import Messenger, UrlRules
from paydue.wire.delivery_routes import DeliveriesOf, DeliveryRoutes
from paydue.wire.export_routes import ExportRoutes, ExportsOf
from paydue.wire.invoice_routes import InvoiceRoutes
from paydue.wire.kms_routes import KmsRoutes
from paydue.wire.merchant_field_routes import MerchantFieldRoutes
from paydue.wire.page_settings import PageSettingsRoutes
from paydue.wire.payment_routes import PaymentRoutes
from paydue.wire.preview_routes import PreviewRoutes
from paydue.wire.reminder_routes import ReminderRoutes
from paydue.wire.router import Route
from paydue.wire.settings_routes import SettingsRoutes
from paydue.wire.shown_lately import ShownLately
from paydue.wire.webhook_routes import SubscriptionsOf, WebhookRoutes
from paydue.wire.webhook_secrets_routes import WebhookSecretsRoutes


def api_routes(
    *,
    secrets: Secrets,
    lately: ShownLately,
    logo_cleaner: LogoCleaner,
    portal_url: str,
    subscriptions_of: SubscriptionsOf,
    deliveries_of: DeliveriesOf,
    exports_of: ExportsOf,
    reminders: Reminders,
    rules: UrlRules,
    messenger: Messenger,
    desk: PaymentDesk,
    previews: Previews,
    wake: Callable[[], None] = lambda: None,
    default_policy: DefaultPolicy = DefaultPolicy.COMPATIBLE,
    reviewed_by_person: bool = False,
    accepts_doubles: bool = False,
    resends_a_day: int = 0,
    allows_plain_http: bool = False,
) -> tuple[Route, ...]:
    """
    Return the operations on invoices, payments, settings, fields, webhooks and keys, reminders, deliveries, exports.

    `lately` is what writes invoices for the store. `portal_url` is what payment links begin with, without a slash at
    the end. `wake` is called when messages have become due out of their turn.
    """
    return (
        *InvoiceRoutes(
            secrets=secrets,
            portal_url=portal_url,
            accepts_doubles=accepts_doubles,
            resends_a_day=resends_a_day,
            lately=lately,
        ).routes(),
        *PaymentRoutes(desk=desk, portal_url=portal_url, lately=lately).routes(),
        *SettingsRoutes(cleaner=logo_cleaner, allows_plain_http=allows_plain_http).routes(),
        *PageSettingsRoutes(cleaner=logo_cleaner, allows_plain_http=allows_plain_http).routes(),
        *PreviewRoutes(previews=previews, portal_url=portal_url).routes(),
        *MerchantFieldRoutes().routes(),
        *WebhookRoutes(
            subscriptions_of=subscriptions_of,
            rules=rules,
            messenger=messenger,
            default_policy=default_policy,
            reviewed_by_person=reviewed_by_person,
            wake=wake,
        ).routes(),
        *KmsRoutes(subscriptions_of=subscriptions_of).routes(),
        *WebhookSecretsRoutes(subscriptions_of=subscriptions_of).routes(),
        *ReminderRoutes(reminders=reminders).routes(),
        *DeliveryRoutes(deliveries_of=deliveries_of, wake=wake).routes(),
        *ExportRoutes(exports_of=exports_of).routes(),
    )
