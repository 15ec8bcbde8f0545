"""
The command line: what is said to a person about each command, and which function does it.

Only words and options stand here. What a command does is imported when it runs, so that `paydue --help`, and a start of
the server, load nothing that they do not need.
"""

from pathlib import Path
from typing import Any

import click

from paydue.cli import bench_commands, book_commands, delivery_commands, gateway_commands
from paydue.cli.options import Commands, data_options, json_option

_PATH = click.Path(path_type=Path)


def _print_version(context: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if not is_asked or context.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        click.echo(f"paydue {version('paydue')}")
    except PackageNotFoundError:
        click.echo("paydue, run from a source tree that was never installed")
    context.exit()


def main() -> None:
    """Run the command that was asked for; what `paydue` on the command line is."""
    program(prog_name="paydue")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show it.")
def program() -> None:
    """
    Invoices with a payment link, on your own machine, compatible with the Cybersource Invoicing REST API v2.

    \b
    Start here:
      paydue demo                          a server with a ready-made merchant
    In production:
      paydue init --data /srv/paydue
      paydue merchant add --data /srv/paydue --id acme --name "Acme Ltd"
      paydue key add --data /srv/paydue --merchant acme
      paydue serve --data /srv/paydue --public-url https://pay.example.com --behind-proxy
    """


@program.command()
@click.option("--port", type=int, help="The http port; https is on the next one. 0 takes free ones.  [default: 8080]")
@click.option("--data", type=_PATH, help="The folder that keeps everything.  [default: ~/.local/share/paydue/demo]")
@click.option("--database", metavar="URL", help="Another database than the SQLite file in the data folder.")
@click.option("--config", "config_file", type=_PATH, help="Another configuration file than paydue.toml in it.")
@click.option("--ready-file", type=_PATH, help="Write addresses and credentials there as JSON, once serving.")
def demo(**options: Any) -> None:
    """
    Serve a ready-made merchant on this machine, for trying out and for tests.

    The first start makes the merchant, its keys and a local certificate authority; later starts with the same --data
    bring back the same. Limits are off, and a refused signature says in a header which part of it differs.

    \b
    Examples:
      paydue demo
      paydue demo --port 0 --data /tmp/paydue --ready-file /tmp/ready.json
    """
    from paydue.cli.demo import run_demo  # noqa: PLC0415

    run_demo(**options)


@program.command()
@data_options
@json_option
def init(**options: Any) -> None:
    """
    Make the data folder, its key file and an empty database.

    What is there already is left alone, so it does no harm to run it again. Back the key file up apart from the
    database: without it payment links and shared secrets cannot be read, with it and the database they can.

    \b
    Example:
      paydue init --data /srv/paydue
    """
    from paydue.cli.administration import init_data  # noqa: PLC0415

    init_data(**options)


@program.command()
@data_options
@click.option("--host", help="The address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="The http port; 0 takes a free one.  [default: 8080]")
@click.option("--tls-port", type=int, help="The https port, with --tls-certificate and --tls-key.  [default: 8443]")
@click.option("--tls-certificate", type=_PATH, help="The certificate and its chain, PEM.")
@click.option("--tls-key", type=_PATH, help="The certificate's private key, PEM.")
@click.option("--public-url", help="What payers and clients reach this server by, such as https://pay.example.com.")
@click.option("--behind-proxy", is_flag=True, default=None, help="A proxy in front speaks TLS: plain http is meant.")
@click.option("--with-worker", is_flag=True, help="Deliver mails and webhooks in this process too.")
@click.option("--ready-file", type=_PATH, help="Write the address and the process id there as JSON, once serving.")
def serve(**options: Any) -> None:
    """
    Answer API calls and payment links.

    Stops on SIGTERM within 20 seconds, after finishing what it accepted. Plain http is for this machine alone, or for a
    proxy in front that speaks TLS.

    \b
    Examples:
      paydue serve --data /srv/paydue --public-url https://pay.example.com --behind-proxy
      paydue serve --data /srv/paydue --host 0.0.0.0 --tls-certificate server.pem --tls-key server-key.pem
    """
    from paydue.cli.production import run_server  # noqa: PLC0415

    run_server(**options)


@program.command()
@data_options
@json_option
def migrate(**options: Any) -> None:
    """
    Bring the database to the schema of this release. Back it up first.

    \b
    Example:
      paydue migrate --data /srv/paydue
    """
    from paydue.cli.administration import migrate_data  # noqa: PLC0415

    migrate_data(**options)


@program.command()
@click.option("--data", type=_PATH, help="The data folder: its configuration and its key file.")
@click.option("--config", "config_file", type=_PATH, help="Another configuration file than paydue.toml in it.")
@click.option("--from", "source", metavar="URL", help="What to read.  [default: the database of the data folder]")
@click.option("--to", "target", metavar="URL", required=True, help="What to fill: a database with nothing in it.")
@json_option
def move(**options: Any) -> None:
    """
    Move everything into another database, SQLite or PostgreSQL.

    Stop every server and worker first. All rows are copied and compared by checksums, then the new database is
    verified as a whole. The old one is only read, and the new one holds nothing until all has arrived: a move that
    was cut short is begun again. Secrets stay encrypted, by the same key file.

    \b
    Examples:
      paydue move --data /srv/paydue --to postgresql://paydue@db/paydue
      paydue move --data /srv/paydue --from postgresql://paydue@db/paydue --to sqlite:////srv/paydue/paydue.db
    """
    from paydue.cli.moving import move_data  # noqa: PLC0415

    move_data(**options)


@program.group(cls=Commands)
def merchant() -> None:
    """The tenants of this installation: whoever writes invoices."""


@merchant.command("add")
@data_options
@click.option("--id", "merchant_id", required=True, help="What clients sign with, such as acme_shop.")
@click.option("--name", required=True, help="The name on invoices, mails and payment pages.")
@click.option("--email", help="An address for payers' questions.")
@click.option("--phone", help="A telephone number for payers' questions.")
@click.option("--address1", help="Street and number.")
@click.option("--address2", help="The second line of the address.")
@click.option("--city", help="City or town.")
@click.option("--state", help="State or province.")
@click.option("--postal-code", help="Postal code.")
@click.option("--country", help="Two letters, such as US.")
@click.option("--time-zone", default="UTC", show_default=True, help="Decides when a due date is over: Europe/Berlin.")
@json_option
def merchant_add(**options: Any) -> None:
    """
    Add a merchant.

    \b
    Example:
      paydue merchant add --data /srv/paydue --id acme_shop --name "Acme Ltd" --time-zone Europe/London
    """
    from paydue.cli.administration import add_merchant  # noqa: PLC0415

    add_merchant(**options)


@merchant.command("list")
@data_options
@json_option
def merchant_list(**options: Any) -> None:
    """
    List the merchants.

    \b
    Example:
      paydue merchant list --data /srv/paydue --json
    """
    from paydue.cli.administration import list_merchants  # noqa: PLC0415

    list_merchants(**options)


@program.group(cls=Commands)
def key() -> None:
    """The keys that merchants' programs sign their calls with."""


@key.command("add")
@data_options
@click.option("--merchant", "merchant_id", help="Whose key it is.")
@click.option("--p12", type=_PATH, help="Issue a P12 file, with a password of its own, instead of a shared secret.")
@click.option("--certificate", type=_PATH, help="Register this certificate (PEM or DER) instead of a shared secret.")
@click.option("--portfolio", metavar="ID", help="Make a meta key: what clients sign with instead of a merchant.")
@click.option("--covers", multiple=True, metavar="MERCHANT", help="A merchant that the meta key may act for.")
@json_option
def key_add(**options: Any) -> None:
    """
    Add a key and print it. A shared secret is shown this once and never again.

    \b
    Examples:
      paydue key add --data /srv/paydue --merchant acme_shop
      paydue key add --data /srv/paydue --merchant acme_shop --p12 acme.p12
      paydue key add --data /srv/paydue --portfolio acme_group --covers acme_shop --covers acme_rent
    """
    from paydue.cli.keys import add_key  # noqa: PLC0415

    add_key(**options)


@key.command("list")
@data_options
@click.option("--merchant", "merchant_id", required=True, help="Whose keys.")
@json_option
def key_list(**options: Any) -> None:
    """
    List a merchant's keys, without their secrets.

    \b
    Example:
      paydue key list --data /srv/paydue --merchant acme_shop
    """
    from paydue.cli.keys import list_keys  # noqa: PLC0415

    list_keys(**options)


@key.command("revoke")
@data_options
@click.argument("key_id")
@json_option
def key_revoke(**options: Any) -> None:
    """
    Make a key stop working, in running servers within five seconds.

    \b
    Example:
      paydue key revoke --data /srv/paydue f3b7a9c2-5d14-4e6b-8a90-1c2d3e4f5a6b
    """
    from paydue.cli.keys import revoke_key  # noqa: PLC0415

    revoke_key(**options)


@program.group(cls=Commands)
def tls() -> None:
    """Certificates for https on your own network."""


@tls.command("create")
@data_options
@click.option("--name", "names", multiple=True, help="A host name of this server; as many as there are.")
@click.option("--address", "addresses", multiple=True, help="An IP address of this server; as many as there are.")
@click.option("--days", type=int, default=397, show_default=True, help="How long the certificate is good.")
@json_option
def tls_create(**options: Any) -> None:
    """
    Make a server certificate, signed by an authority of this installation alone.

    Run it again to renew: whoever trusts the authority trusts the new certificate too. It prints how `paydue serve`
    uses it, and the two settings by which each client library does.

    \b
    Example:
      paydue tls create --data /srv/paydue --name localhost --address 127.0.0.1
    """
    from paydue.cli.tls import create_tls  # noqa: PLC0415

    create_tls(**options)


@program.command()
@data_options
@json_option
def verify(**options: Any) -> None:
    """
    Go through everything kept and check that it agrees: balances, statuses, counters, history, links.

    Changes nothing, and may run beside a serving process. Exit code 0 when all holds, 1 with what does not.

    \b
    Example:
      paydue verify --data /srv/paydue --json
    """
    from paydue.cli.verification import verify_data  # noqa: PLC0415

    verify_data(**options)


for command in (
    delivery_commands.worker,
    delivery_commands.deliveries,
    delivery_commands.webhook,
    delivery_commands.mail,
    gateway_commands.gateway,
    book_commands.export,
    book_commands.backup,
    book_commands.rotate_data_key,
    bench_commands.bench,
):
    program.add_command(command)
