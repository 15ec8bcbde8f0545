"""Joins what delivers: mails over the operator's server or into a folder, webhooks by the operator's rules."""

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from paydue.config import Config, WrongSetting
from paydue.delivery.egress import EGRESS_LIMITS, Egress, EgressLimits
from paydue.delivery.egress_rules import EgressRules, read_networks
from paydue.delivery.webhook_messenger import WebhookMessenger
from paydue.documents.press import Press
from paydue.domain.retry_policy import DefaultPolicy
from paydue.usecases.payment_desk import PaymentDesk
from paydue.usecases.ports import Clock
from paydue.usecases.receipt_links import ReceiptLinks
from paydue.usecases.reminder_links import REMINDERS_PATH
from paydue.wire.notification_json import write_notification, write_snapshot
from paydue.wire.write_invoice import payment_link, receipt_link

if TYPE_CHECKING:
    from paydue.delivery.mail_transport import MailTransport
    from paydue.delivery.post_office import PostOffice
    from paydue.delivery.returned_mail import ReturnedMail
    from paydue.storage.postgres.store import PostgresStore
    from paydue.storage.sqlite.store import SqliteStore


def open_egress(config: Config, *, is_development: bool = False, limits: EgressLimits = EGRESS_LIMITS) -> Egress:
    """Return what calls others by the operator's rules. Raises WrongSetting for a file of certificates that is none."""
    rules = EgressRules(
        ports=frozenset(config.egress_ports),
        allowed_networks=read_networks(config.egress_networks),
        is_development=is_development,
    )
    try:
        return Egress(rules, extra_ca=config.egress_ca_file, limits=limits)
    except ValueError as fault:
        raise WrongSetting(f"egress_ca_file: {fault}") from None


def join_messenger(store: "SqliteStore | PostgresStore", egress: Egress, clock: Clock) -> WebhookMessenger:
    """Return what sends single notifications."""
    return WebhookMessenger(
        subscriptions_of=store.subscriptions_of,
        egress=egress,
        write=write_notification,
        write_snapshot=write_snapshot,
        clock=clock,
    )


def join_post_office(
    config: Config,
    store: "SqliteStore | PostgresStore",
    egress: Egress,
    messenger: WebhookMessenger,
    clock: Clock,
    desk: PaymentDesk,
    *,
    portal_url: str,
    secret: bytes,
    press: Press,
    shares_loop: bool = False,
) -> "PostOffice":
    """
    Return everything that delivers.

    Payment links begin with `portal_url`; `secret` is what the key file holds; `press` draws what is attached.
    `shares_loop` says that requests are answered on the same event loop: they go first.
    """
    # Imported here because a server whose worker runs elsewhere delivers nothing.
    from paydue.delivery.mail_documents import MailDocuments  # noqa: PLC0415
    from paydue.delivery.mail_limits import MailsADay  # noqa: PLC0415
    from paydue.delivery.pace import GivingWay  # noqa: PLC0415
    from paydue.delivery.payment_duties import payment_duties  # noqa: PLC0415
    from paydue.delivery.post_office import Books, PostOffice, PostOptions  # noqa: PLC0415
    from paydue.usecases.park_held import HoldLimits  # noqa: PLC0415

    books = Books(
        store=store,
        outbox=store.outbox,
        reminders=store.reminders,
        subscriptions_of=store.subscriptions_of,
        deliveries_of=store.deliveries_of,
        suppressions_of=store.suppressions_of,
        mail_counts=store.mail_counts,
    )
    receipts = ReceiptLinks(secret)
    options = PostOptions(
        mail_domain=mail_domain(config, portal_url),
        link_of=lambda token: payment_link(portal_url, token),
        reminders_url=portal_url + REMINDERS_PATH,
        receipt_of=lambda merchant_id, invoice, transaction_id: receipt_link(
            portal_url, f"{invoice.payment_token}", receipts.code(merchant_id, invoice.number, transaction_id)
        ),
        console_url=f"{portal_url}/console",
        secret=secret,
        mails_a_day=MailsADay(
            in_all=config.mails_a_day,
            in_all_at_first=config.mails_a_day_at_first,
            to_one=config.mails_a_day_to_one,
        )
        if config.rate_limit
        else MailsADay(),
        hold_limits=HoldLimits(longest=timedelta(days=config.webhook_held_days), most=config.webhook_held_most),
        bounce_dir=config.bounce_dir,
        give_up_after=timedelta(days=config.webhook_give_up_days) if config.webhook_give_up_days else None,
        default_policy=DefaultPolicy(config.webhook_default_policy),
    )

    def is_test_of(merchant_id: str) -> bool:
        gateway = desk.current_gateway(merchant_id)
        return gateway is not None and gateway.capabilities.is_test

    transport = _transport(config, options.mail_domain)
    return PostOffice(
        books,
        transport=transport,
        egress=egress,
        messenger=messenger,
        clock=clock,
        options=options,
        duties=payment_duties(desk),
        documents=MailDocuments(store, press, is_test_of) if config.attach_pdf else None,
        pace=GivingWay() if shares_loop else None,
    )


def join_returned_mail(store: "SqliteStore | PostgresStore", secret: bytes) -> "ReturnedMail":
    """Return what enters mails that came back."""
    from paydue.delivery.notices import Notices  # noqa: PLC0415 - see above
    from paydue.delivery.post_office import bounce_key  # noqa: PLC0415
    from paydue.delivery.returned_mail import ReturnedMail  # noqa: PLC0415
    from paydue.delivery.troubled_mail import TroubledMail  # noqa: PLC0415

    trouble = TroubledMail(store.outbox, Notices(store, store.outbox), store.suppressions_of)
    return ReturnedMail(store.outbox, trouble, bounce_key(secret))


def mail_domain(config: Config, portal_url: str) -> str:
    """Return the domain that mails come from: the operator's choice, or the host of payment links."""
    host = config.mail_domain or urlsplit(portal_url).hostname or ""
    # An address literal is no domain, and would be taken by no server.
    return host if any(sign.isalpha() for sign in host) and ":" not in host else "localhost"


def _transport(config: Config, domain: str) -> "MailTransport | None":
    if config.mailbox_dir is not None:
        from paydue.delivery.mailbox import Mailbox  # noqa: PLC0415

        return Mailbox(config.mailbox_dir)
    if config.smtp_host is None:
        return None
    from paydue.delivery.smtp import DEFAULT_PORTS, Smtp, SmtpServer  # noqa: PLC0415

    server = SmtpServer(
        host=config.smtp_host,
        port=config.smtp_port or DEFAULT_PORTS[config.smtp_security],
        security=config.smtp_security,
        user=config.smtp_user,
        password=config.smtp_password,
    )
    return Smtp(server, domain=domain)
