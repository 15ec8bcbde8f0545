"""The commands about the gateway, as a person sees them, and what they print."""

import sys
from pathlib import Path
from typing import Any

import click

from paydue.cli.options import Commands, data_options, json_option


@click.group(cls=Commands)
def gateway() -> None:
    """The processor at which payers pay."""


@gateway.command("check")
@data_options
@click.option("--public-url", help="The origin of the payment page, such as https://pay.example.com.")
@json_option
def check(**options: Any) -> None:
    """
    Try the configured gateway without charging anything: settings, credentials, the payment form.

    One line for each thing that was tried. Exit code 0 when all of it works, 1 with what to do about it.

    \b
    Example:
      paydue gateway check --data /srv/paydue --json
    """
    _check(**options)


def _check(*, as_json: bool, config_file: Path | None, **options: Any) -> None:
    import msgspec  # noqa: PLC0415 - `paydue --help` needs none of it

    from paydue.bootstrap.gateway_check import check_gateway  # noqa: PLC0415
    from paydue.cli.options import print_json, read_config, run  # noqa: PLC0415

    config = read_config(config_file, **options)
    origin = config.public_url or f"http://localhost:{config.port}"
    checked = run(check_gateway(config, page_origin=origin))
    works = all(each.is_well for each in checked)
    if as_json:
        print_json(
            {"works": works, "gateway": config.gateway, "checks": [msgspec.to_builtins(each) for each in checked]}
        )
    else:
        for each in checked:
            advice = f" -- {each.advice}" if each.advice else ""
            click.echo(f"{'ok' if each.is_well else 'FAILED':6}  {each.tried}: {each.result}{advice}")
    sys.exit(0 if works else 1)
