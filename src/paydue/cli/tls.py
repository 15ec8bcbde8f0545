"""`paydue tls create`: https for one's own names and addresses, signed by an authority of this installation alone."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from paydue.cli.certificates import KeyAndCertificate, UnusableCertificate, create_authority, create_leaf
from paydue.cli.client_settings import node_host, python_host
from paydue.cli.options import fail, print_json, read_config, told_plainly
from paydue.cli.private_files import write_private_file


def create_tls(
    *,
    as_json: bool,
    config_file: Path | None,
    names: Sequence[str],
    addresses: Sequence[str],
    days: int,
    **options: Any,
) -> None:
    """Make the authority, unless there is one, and a certificate signed by it; print how both are used."""
    config = read_config(config_file, **options)
    if not names and not addresses:
        raise click.UsageError("For which names? Give --name or --address, each as often as needed.")
    if not config.data.is_dir():
        fail(f"there is no folder {config.data}: run `paydue init --data {config.data}` first")
    folder = config.data / "tls"
    ca_file, ca_key_file = folder / "ca.pem", folder / "ca-key.pem"
    certificate_file, key_file = folder / "server.pem", folder / "server-key.pem"
    at = datetime.now(UTC)
    with told_plainly():
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            if ca_file.is_file() and ca_key_file.is_file():
                authority = KeyAndCertificate(private_key=ca_key_file.read_bytes(), certificate=ca_file.read_bytes())
            else:
                authority = create_authority(at)
            leaf = create_leaf(authority, [*names, *addresses], at, days)
        except UnusableCertificate as fault:
            fail(str(fault))
        write_private_file(ca_key_file, authority.private_key)
        write_private_file(ca_file, authority.certificate)
        write_private_file(key_file, leaf.private_key)
        write_private_file(certificate_file, leaf.certificate)
    facts = {"ca_file": str(ca_file), "tls_certificate": str(certificate_file), "tls_key": str(key_file)}
    if as_json:
        print_json(facts)
        return
    url = f"https://{_host(names, addresses)}:{config.tls_port or 8443}"
    click.echo(
        f"""\
Certificate made, good for {days} days. Serve with it:
  paydue serve --data {config.data} --tls-certificate {certificate_file} --tls-key {key_file}

Python, in the client's configuration:
{python_host(url, str(ca_file))}

Node, in the client's configuration:
{node_host(url, str(ca_file))}

Others: trust {ca_file}."""
    )


def _host(names: Sequence[str], addresses: Sequence[str]) -> str:
    first = names[0] if names else addresses[0]
    return f"[{first}]" if ":" in first and not first.startswith("[") else first
