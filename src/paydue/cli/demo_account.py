"""
What the demo keeps beside its database: a ready-made merchant with every kind of key, the same at each start.

All of it is written down before it goes into the database, and what the database lacks is put in again: a start that
was cut short is made good by the next one.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from paydue.cli.passwords import new_password
from paydue.cli.private_files import write_private_file
from paydue.domain.merchant import Address, Merchant
from paydue.usecases.access_keys import AccessKey, KeyKind, Secret, new_key_id, new_shared_secret
from paydue.usecases.ports import MerchantExists, Store

_FILE: Final = "demo.json"
_RENEWED_BEFORE: Final = timedelta(days=30)

_MERCHANT: Final = Merchant(
    merchant_id="paydue_demo",
    name="Harbour Lane Provisions",
    phone="+1 207 555 0142",
    email="accounts@harbourlane.example",
    address=Address(address1="14 Harbour Lane", city="Portland", state="ME", country="US", postal_code="04101"),
    time_zone="America/New_York",
)


class DemoAccount(msgspec.Struct, frozen=True, kw_only=True):
    """What a person or a script needs to call the demo. It is a secret only as far as the demo is."""

    merchant_id: str
    key_id: str
    shared_secret: str
    console_user: str
    console_password: str
    p12_key_id: str = ""
    p12_password: str = ""
    p12_certificate: bytes = b""
    tls_expires_at: datetime = datetime.min.replace(tzinfo=UTC)

    def __repr__(self) -> str:
        return f"DemoAccount({self.merchant_id}, ***)"


class Files:
    """The demo's files in its data folder."""

    def __init__(self, data: Path) -> None:
        self.account: Final = data / _FILE
        self.p12: Final = data / "demo.p12"
        self.mailbox: Final = data / "mailbox"
        self.ca: Final = data / "tls" / "ca.pem"
        self.ca_key: Final = data / "tls" / "ca-key.pem"
        self.certificate: Final = data / "tls" / "server.pem"
        self.key: Final = data / "tls" / "server-key.pem"

    def has_tls(self) -> bool:
        return all(path.is_file() for path in (self.ca, self.ca_key, self.certificate, self.key))


def demo_account(data: Path, at: datetime) -> DemoAccount:
    """Return the account of a data folder, that of the last start if there was one; its files are there afterwards."""
    files = Files(data)
    known = msgspec.json.decode(files.account.read_bytes(), type=DemoAccount) if files.account.is_file() else None
    account = known or _new_account()
    if not files.p12.is_file():
        account = _with_p12(account, files, at)
    if not files.has_tls() or account.tls_expires_at - at < _RENEWED_BEFORE:
        account = _with_tls(account, files, at)
    if account is not known:
        # Last, because it says that all the others are there.
        write_private_file(files.account, msgspec.json.encode(account))
    return account


async def put_into(store: Store, account: DemoAccount, at: datetime) -> None:
    """Have the merchant and its keys in the store, whichever of them are there already."""
    with suppress(MerchantExists):
        await store.add_merchant(_MERCHANT)
    known = {key.key_id for key in await store.keys(account.merchant_id)}
    merchant_id = account.merchant_id
    shared = AccessKey(
        key_id=account.key_id,
        merchant_id=merchant_id,
        kind=KeyKind.SHARED_SECRET,
        secret=Secret(account.shared_secret),
        merchants=(merchant_id,),
    )
    certificate = AccessKey(
        key_id=account.p12_key_id,
        merchant_id=merchant_id,
        kind=KeyKind.CERTIFICATE,
        certificate_der=account.p12_certificate,
        merchants=(merchant_id,),
    )
    for key in (shared, certificate):
        if key.key_id not in known:
            await store.add_key(key, at)


def _new_account() -> DemoAccount:
    return DemoAccount(
        merchant_id=_MERCHANT.merchant_id,
        key_id=new_key_id(),
        shared_secret=new_shared_secret().reveal(),
        console_user="owner",
        console_password=new_password(),
    )


# What follows imports certificates only when it makes some: that takes longer than everything else a start does.


def _with_p12(account: DemoAccount, files: Files, at: datetime) -> DemoAccount:
    from paydue.cli.certificates import issue_p12  # noqa: PLC0415 - see above

    password = new_password()
    issued = issue_p12(account.merchant_id, new_key_id(), password, at)
    write_private_file(files.p12, issued.p12)
    return msgspec.structs.replace(
        account, p12_key_id=issued.key_id, p12_password=password, p12_certificate=issued.certificate_der
    )


def _with_tls(account: DemoAccount, files: Files, at: datetime) -> DemoAccount:
    """Make or renew the server's certificate. The authority stays while it is there: programs were told to trust it."""
    from paydue.cli.certificates import (  # noqa: PLC0415 - see above
        LONGEST_LEAF_DAYS,
        KeyAndCertificate,
        create_authority,
        create_leaf,
    )

    files.ca.parent.mkdir(mode=0o700, exist_ok=True)
    if files.ca.is_file() and files.ca_key.is_file():
        authority = KeyAndCertificate(private_key=files.ca_key.read_bytes(), certificate=files.ca.read_bytes())
    else:
        authority = create_authority(at)
        write_private_file(files.ca_key, authority.private_key)
        write_private_file(files.ca, authority.certificate)
    leaf = create_leaf(authority, ("localhost", "127.0.0.1", "::1"), at)
    write_private_file(files.key, leaf.private_key)
    write_private_file(files.certificate, leaf.certificate)
    return msgspec.structs.replace(account, tls_expires_at=at + timedelta(days=LONGEST_LEAF_DAYS - 1))
