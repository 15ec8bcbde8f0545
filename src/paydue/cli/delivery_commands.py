"""
The commands about delivering, as a person sees them: the worker, what was delivered, and how mails look.

Apart from `commands.py`, which has everything that one needs first.
"""

from pathlib import Path
from typing import Any

import click

from paydue.cli.options import Commands, data_options, json_option

_PATH = click.Path(path_type=Path)


@click.command()
@data_options
@click.option("--public-url", help="What payment links in mails begin with, such as https://pay.example.com.")
@click.option("--ready-file", type=_PATH, help="Write the process id there as JSON, once working.")
def worker(**options: Any) -> None:
    """
    Deliver mails, reminders and webhooks, beside `paydue serve`.

    Any number of workers may share an installation. Stops on SIGTERM within 20 seconds: what was begun is finished,
    the rest is left for the next. A worker that is killed loses nothing. A server on the same machine goes first: the
    worker lowers its own priority, unless the setting worker_priority is "normal".

    \b
    Example:
      paydue worker --data /srv/paydue --public-url https://pay.example.com
    """
    from paydue.cli.working import run_worker  # noqa: PLC0415

    run_worker(**options)


@click.group(cls=Commands)
def deliveries() -> None:
    """Mails and notifications: what was sent to whom, what was answered, and once more."""


@deliveries.command("list")
@data_options
@click.option("--merchant", "merchant_id", required=True, help="Whose deliveries.")
@click.option("--state", type=click.Choice(["pending", "held", "done", "parked"]), help="Only those in that state.")
@click.option("--channel", type=click.Choice(["mail", "webhook"]), help="Only those of that kind.")
@click.option("--invoice", "number", help="Only those about that invoice.")
@click.option("--recipient", help="Only those to that address, or to that subscription's id.")
@click.option("--since", type=click.DateTime(), help="Only those made at that time (UTC) or later.")
@click.option("--until", type=click.DateTime(), help="Only those made before that time (UTC).")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many at most.")
@json_option
def deliveries_list(**options: Any) -> None:
    """
    List deliveries, the newest first.

    \b
    Examples:
      paydue deliveries list --data /srv/paydue --merchant acme_shop --state parked
      paydue deliveries list --data /srv/paydue --merchant acme_shop --invoice 4711 --json
    """
    from paydue.cli.deliveries import list_deliveries  # noqa: PLC0415

    list_deliveries(**options)


@deliveries.command("show")
@data_options
@click.option("--merchant", "merchant_id", required=True, help="Whose delivery it is.")
@click.argument("message_id")
@json_option
def deliveries_show(**options: Any) -> None:
    """
    Show one delivery with every try: what was asked, and what was answered.

    \b
    Example:
      paydue deliveries show --data /srv/paydue --merchant acme_shop 019ab3d2-7c41-7e0b-9f6a-2b8c4d1e5f60
    """
    from paydue.cli.deliveries import show_delivery  # noqa: PLC0415

    show_delivery(**options)


@deliveries.command("resend")
@data_options
@click.option("--merchant", "merchant_id", required=True, help="Whose delivery it is.")
@click.argument("message_id")
@json_option
def deliveries_resend(**options: Any) -> None:
    """
    Have one delivery sent again, under the same id, whatever became of it.

    \b
    Example:
      paydue deliveries resend --data /srv/paydue --merchant acme_shop 019ab3d2-7c41-7e0b-9f6a-2b8c4d1e5f60
    """
    from paydue.cli.deliveries import resend_delivery  # noqa: PLC0415

    resend_delivery(**options)


@deliveries.command("recover")
@data_options
@click.option("--merchant", "merchant_id", required=True, help="Whose deliveries.")
@click.option("--since", type=click.DateTime(), required=True, help="From when on (UTC), such as 2026-11-21T08:00:00.")
@click.option("--until", type=click.DateTime(), help="Until when (UTC).  [default: now]")
@json_option
def deliveries_recover(**options: Any) -> None:
    """
    Have everything sent that was made in a window of time and is parked or held.

    \b
    Example:
      paydue deliveries recover --data /srv/paydue --merchant acme_shop --since 2026-11-21T08:00:00
    """
    from paydue.cli.deliveries import recover_deliveries  # noqa: PLC0415

    recover_deliveries(**options)


@click.group(cls=Commands)
def webhook() -> None:
    """The addresses that notifications go to, and the review of new ones."""


@webhook.command("list")
@data_options
@json_option
def webhook_list(**options: Any) -> None:
    """
    List every merchant's subscriptions.

    \b
    Example:
      paydue webhook list --data /srv/paydue
    """
    from paydue.cli.webhooks import list_webhooks  # noqa: PLC0415

    list_webhooks(**options)


@webhook.command("approve")
@data_options
@click.option("--merchant", "merchant_id", required=True, help="Whose subscription it is.")
@click.argument("webhook_id")
@json_option
def webhook_approve(**options: Any) -> None:
    """
    Say that a subscription's addresses may be called, where a person reviews them.

    \b
    Example:
      paydue webhook approve --data /srv/paydue --merchant acme_shop 0fa698ae-7419-78c4-e063-9c588e0a497e
    """
    from paydue.cli.webhooks import review_webhook  # noqa: PLC0415

    review_webhook(approves=True, **options)


@webhook.command("reject")
@data_options
@click.option("--merchant", "merchant_id", required=True, help="Whose subscription it is.")
@click.argument("webhook_id")
@json_option
def webhook_reject(**options: Any) -> None:
    """
    Say that a subscription's addresses may not be called: it is blocked until it has others.

    \b
    Example:
      paydue webhook reject --data /srv/paydue --merchant acme_shop 0fa698ae-7419-78c4-e063-9c588e0a497e
    """
    from paydue.cli.webhooks import review_webhook  # noqa: PLC0415

    review_webhook(approves=False, **options)


@click.group(cls=Commands)
def mail() -> None:
    """The mails that payers and merchants get."""


@mail.command("preview")
@click.option("--to", "folder", type=_PATH, required=True, help="The folder to write into.")
@click.option("--mail", "kinds", multiple=True, help="Only that mail, such as reminder; as often as there are.")
@click.option(
    "--language", "languages", multiple=True, help="Only that language, such as de-DE; as often as there are."
)
@json_option
def mail_preview(**options: Any) -> None:
    """
    Write every mail in every language, from made-up facts, as .eml for mail programs and .html for browsers.

    \b
    Example:
      paydue mail preview --to /tmp/mails --language en-US --mail invoice
    """
    from paydue.cli.deliveries import preview_mails  # noqa: PLC0415

    preview_mails(**options)


@mail.command("suppressed")
@data_options
@click.option("--merchant", "merchant_id", required=True, help="Whose mails.")
@json_option
def mail_suppressed(**options: Any) -> None:
    """
    List the addresses that no mail of a merchant goes to, and what their mail servers said.

    \b
    Example:
      paydue mail suppressed --data /srv/paydue --merchant acme_shop
    """
    from paydue.cli.suppressions import list_suppressions  # noqa: PLC0415

    list_suppressions(**options)


@mail.command("lift")
@data_options
@click.option("--merchant", "merchant_id", required=True, help="Whose mails.")
@click.argument("address")
@json_option
def mail_lift(**options: Any) -> None:
    """
    Let mails go to an address again.

    \b
    Example:
      paydue mail lift --data /srv/paydue --merchant acme_shop tanya.lee@my-email.world
    """
    from paydue.cli.suppressions import lift_suppression  # noqa: PLC0415

    lift_suppression(**options)


@mail.command("bounce")
@data_options
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
def mail_bounce(**options: Any) -> None:
    """
    Enter mails that came back to a bounce+... address: files, or one by standard input.

    A dead address is suppressed, the mail is parked, and its merchant is told. A report that came to no address that
    this installation gave out is refused.

    \b
    Example, for a mail server that pipes what comes to bounce+...@example.com:
      paydue mail bounce --data /srv/paydue < message.eml
    """
    from paydue.cli.bounces import enter_bounces  # noqa: PLC0415

    enter_bounces(**options)
