"""`paydue key`: make, register, list and revoke the keys that merchants' programs sign their calls with."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from paydue.cli.administration import refuse_odd_id
from paydue.cli.options import fail, print_json, read_config, say, with_store
from paydue.cli.passwords import new_password
from paydue.cli.private_files import write_private_file
from paydue.usecases.access_keys import AccessKey, KeyKind, new_key_id, new_shared_secret
from paydue.usecases.ports import KeyExists, NoSuchMerchant, Store


class Ownership(msgspec.Struct, frozen=True, kw_only=True):
    """Whose key it is, and whom it may act for."""

    merchant_id: str
    merchants: tuple[str, ...]
    portfolio_id: str | None

    @property
    def signer(self) -> str:
        """The name that clients sign with."""
        return self.portfolio_id or self.merchant_id


class NewKey(msgspec.Struct, frozen=True):
    """A key on its way into the store, what its owner is told, and the file that was written for it."""

    key: AccessKey
    told: Mapping[str, str]
    file: Path | None = None


def add_key(
    *,
    as_json: bool,
    config_file: Path | None,
    merchant_id: str | None,
    p12: Path | None,
    certificate: Path | None,
    portfolio: str | None,
    covers: Sequence[str],
    **options: Any,
) -> None:
    """Make or register a key and print what its owner needs to know of it."""
    config = read_config(config_file, **options)
    owner = _ownership(merchant_id, portfolio, covers)
    if p12 is not None and certificate is not None:
        raise click.UsageError("--p12 issues a certificate, --certificate registers one: give one of the two.")
    at = datetime.now(UTC)
    if p12 is not None:
        new = _issued(p12, owner, at)
    elif certificate is not None:
        new = _registered(certificate, owner)
    else:
        new = _shared(owner)
    try:
        with_store(config, lambda store: _keep(store, new.key, at))
    except BaseException:
        # A file for a key that nobody knows would only puzzle its owner.
        if new.file is not None:
            new.file.unlink(missing_ok=True)
        raise
    facts = {"key_id": new.key.key_id, **new.told}
    if owner.portfolio_id is not None:
        facts["portfolio_id"] = owner.portfolio_id
    if as_json:
        print_json({**facts, "merchants": list(owner.merchants)})
        return
    for name, value in facts.items():
        click.echo(f"{name}: {value}")
    click.echo(f"merchants: {', '.join(owner.merchants)}")
    if "shared_secret" in new.told:
        say("Keep the shared secret now: it is not shown again.")


def list_keys(*, as_json: bool, config_file: Path | None, merchant_id: str, **options: Any) -> None:
    """Print a merchant's keys, never a secret."""
    keys = with_store(read_config(config_file, **options), lambda store: store.keys(merchant_id))
    if as_json:
        print_json([_public_facts(key) for key in keys])
        return
    for key in keys:
        portfolio = f"\tportfolio {key.portfolio_id} for {', '.join(key.merchants)}" if key.portfolio_id else ""
        revoked = "\trevoked" if key.is_revoked else ""
        click.echo(f"{key.key_id}\t{key.kind.value}{portfolio}{revoked}")


def revoke_key(*, as_json: bool, config_file: Path | None, key_id: str, **options: Any) -> None:
    """Make a key stop working; one that is unknown or was revoked before is refused."""
    config = read_config(config_file, **options)
    if not with_store(config, lambda store: store.revoke_key(key_id, datetime.now(UTC))):
        fail(f"there is no working key {key_id}: `paydue key list` names a merchant's keys")
    if as_json:
        print_json({"key_id": key_id, "is_revoked": True})
    else:
        click.echo(f"Key {key_id} is revoked; running servers refuse it within five seconds.")


def _ownership(merchant_id: str | None, portfolio: str | None, covers: Sequence[str]) -> Ownership:
    if (portfolio is None) != (not covers):
        raise click.UsageError("A meta key needs both --portfolio and, once or more, --covers.")
    merchants = tuple(dict.fromkeys([*([merchant_id] if merchant_id else []), *covers]))
    if not merchants:
        raise click.UsageError("Whose key? Give --merchant, or --portfolio and --covers.")
    if portfolio is not None:
        refuse_odd_id("--portfolio", portfolio)
    return Ownership(merchant_id=merchants[0], merchants=merchants, portfolio_id=portfolio)


def _shared(owner: Ownership) -> NewKey:
    secret = new_shared_secret()
    key = AccessKey(
        key_id=new_key_id(),
        merchant_id=owner.merchant_id,
        kind=KeyKind.SHARED_SECRET,
        secret=secret,
        portfolio_id=owner.portfolio_id,
        merchants=owner.merchants,
    )
    return NewKey(key, {"shared_secret": secret.reveal()})


def _issued(path: Path, owner: Ownership, at: datetime) -> NewKey:
    from paydue.cli.certificates import UnusableCertificate, issue_p12  # noqa: PLC0415 - slow, and only for these keys

    if path.exists():
        fail(f"{path} is there already; it is not overwritten")
    password = new_password()
    try:
        issued = issue_p12(owner.signer, new_key_id(), password, at)
        write_private_file(path, issued.p12)
    except UnusableCertificate as fault:
        fail(str(fault))
    except OSError as fault:
        fail(f"{path}: {fault.strerror}")
    key = _certificate_key(issued.key_id, issued.certificate_der, owner)
    told = {"p12_file": str(path), "p12_password": password, "expires_at": issued.expires_at.isoformat()}
    return NewKey(key, told, path)


def _registered(path: Path, owner: Ownership) -> NewKey:
    from paydue.cli.certificates import UnusableCertificate, read_certificate  # noqa: PLC0415

    try:
        given = read_certificate(path.read_bytes())
    except OSError as fault:
        fail(f"{path}: {fault.strerror}")
    except UnusableCertificate as fault:
        fail(f"{path}: {fault}")
    key = _certificate_key(given.key_id, given.certificate_der, owner)
    return NewKey(key, {"common_name": given.common_name, "expires_at": given.expires_at.isoformat()})


def _certificate_key(key_id: str, certificate_der: bytes, owner: Ownership) -> AccessKey:
    return AccessKey(
        key_id=key_id,
        merchant_id=owner.merchant_id,
        kind=KeyKind.CERTIFICATE,
        certificate_der=certificate_der,
        portfolio_id=owner.portfolio_id,
        merchants=owner.merchants,
    )


async def _keep(store: Store, key: AccessKey, at: datetime) -> None:
    try:
        await store.add_key(key, at)
    except NoSuchMerchant as unknown:
        fail(f"there is no merchant {unknown}: `paydue merchant list` names those that there are")
    except KeyExists:
        fail(f"the key {key.key_id}, or its certificate, is registered already")


def _public_facts(key: AccessKey) -> dict[str, Any]:
    facts = {
        "key_id": key.key_id,
        "kind": key.kind.value,
        "is_revoked": key.is_revoked,
        "merchants": list(key.merchants),
    }
    return {**facts, "portfolio_id": key.portfolio_id} if key.portfolio_id else facts
