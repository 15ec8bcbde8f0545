"""
Certificates that the commands make and read: a local authority for TLS, P12 files for client libraries, registration.

Everything here turns values into bytes, so that no private key is on disk before a command puts it there.
"""

import ipaddress
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from paydue.usecases.access_keys import new_key_id
from paydue.wire.allowed_hosts import VENDOR_HOSTS

AUTHORITY_DAYS: Final = 3650
LONGEST_LEAF_DAYS: Final = 397
P12_DAYS: Final = 1095

# Clocks of clients on other machines are not exact.
_BEFORE_NOW: Final = timedelta(hours=1)
_HOST_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_READABLE_KEY_ID: Final = re.compile(r"[!-~]{1,128}")
# A serialNumber is a PrintableString of at most 64; commas and equals signs would split the friendly name.
_ISSUED_KEY_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_ISSUED_MERCHANT_ID: Final = re.compile(r"[^\x00-\x1f\x7f,=+]{1,64}")

# The client libraries look for this name in a P12 file, for the key that message-level encryption would use.
_ENCRYPTION_NAME: Final = "CyberSource_SJC_US"

# As many as the tools of the trade use by default for files that a random password protects.
_KDF_ROUNDS: Final = 20_000

_PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class UnusableCertificate(ValueError):
    """A certificate, or what one was asked for, cannot be used; the text says why, for a person at a terminal."""


class KeyType(StrEnum):
    ECDSA_P256 = "ecdsa-p256"
    RSA_2048 = "rsa-2048"


class KeyAndCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A private key and its certificate, both PEM. Its `repr` shows neither."""

    private_key: bytes
    certificate: bytes

    def __repr__(self) -> str:
        return "KeyAndCertificate(***)"


class IssuedP12(msgspec.Struct, frozen=True, kw_only=True):
    """A P12 file for a merchant's programs, and the certificate to register for it."""

    p12: bytes
    key_id: str
    certificate_der: bytes
    expires_at: datetime

    def __repr__(self) -> str:
        return f"IssuedP12({self.key_id}, ***)"


class GivenCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """What a certificate given by a person says: `key_id` is what tokens will carry as `kid`."""

    key_id: str
    common_name: str
    certificate_der: bytes
    expires_at: datetime


def create_authority(at: datetime) -> KeyAndCertificate:
    """Make a certificate authority for this installation alone, to be trusted by those who call it by TLS."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _pem(key, _authority_certificate(key, f"Paydue local authority {secrets.token_hex(4)}", at))


def create_leaf(
    authority: KeyAndCertificate,
    names: Sequence[str],
    at: datetime,
    days: int = LONGEST_LEAF_DAYS,
    key_type: KeyType = KeyType.ECDSA_P256,
) -> KeyAndCertificate:
    """
    Make a server's key and certificate for these host names and addresses, signed by the authority.

    To renew, call it again with the same authority: whoever trusts that trusts the new one. Raises UnusableCertificate
    for a name that is none, a vendor's name, more than 397 days, or an authority that is over.
    """
    if not names:
        raise UnusableCertificate("A server certificate needs at least one name or address.")
    if not 1 <= days <= LONGEST_LEAF_DAYS:
        raise UnusableCertificate(f"A server certificate is good for 1 to {LONGEST_LEAF_DAYS} days, not {days}.")
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    issuer_key = load_pem_private_key(authority.private_key, password=None)
    if not isinstance(issuer_key, _PrivateKey):
        raise UnusableCertificate("The authority's key is neither ECDSA nor RSA.")
    if issuer.not_valid_after_utc <= at:
        raise UnusableCertificate(f"The authority ended on {issuer.not_valid_after_utc:%Y-%m-%d}; make a new one.")
    alternative_names = dict.fromkeys(_alternative_name(name) for name in names)
    key = _new_key(key_type)
    builder = (
        _builder(_name(names[0] if len(names[0]) <= 64 else "Paydue"), issuer.subject, key, at)
        # The last second counts as well: a day of 397 would be a second too many.
        .not_valid_after(min(at - _BEFORE_NOW + timedelta(days=days, seconds=-1), issuer.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName(alternative_names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_authority_key_identifier(issuer), critical=False)
    )
    return _pem(key, builder.sign(issuer_key, SHA256()))


def issue_p12(merchant_id: str, key_id: str, password: str, at: datetime, days: int = P12_DAYS) -> IssuedP12:
    """
    Make a P12 file that the client libraries load: key, certificate, and the two certificates they expect beside it.

    What proves the caller is the registered certificate itself, so the issuing authority is made for this file and
    its key forgotten. Raises UnusableCertificate for an id that no certificate can carry.
    """
    if not _ISSUED_KEY_ID.fullmatch(key_id):
        raise UnusableCertificate("The key id in a P12 file is of 1 to 64 letters, digits and hyphens.")
    if not _ISSUED_MERCHANT_ID.fullmatch(merchant_id):
        raise UnusableCertificate("The merchant id in a P12 file is of 1 to 64 characters, none of them , = or +.")
    # RSA throughout: Node's library takes a certificate with any other key or signature for none.
    issuer_key = _new_rsa_key()
    issuer = _authority_certificate(issuer_key, "Paydue API keys", at)

    def certify(name: x509.Name, key: rsa.RSAPrivateKey) -> x509.Certificate:
        return (
            _builder(name, issuer.subject, key, at)
            .not_valid_after(at + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_authority_key_identifier(issuer), critical=False)
            .sign(issuer_key, SHA256())
        )

    key = _new_rsa_key()
    leaf = certify(_name(merchant_id, key_id), key)
    encryption = certify(_name(_ENCRYPTION_NAME, new_key_id()), _new_rsa_key())
    protection = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_KDF_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(SHA256())
        .build(password.encode())
    )
    # Node finds the key by `cn=` inside the friendly name, not by the certificate.
    friendly_name = f"serialNumber={key_id},CN={merchant_id}".encode()
    p12 = pkcs12.serialize_key_and_certificates(friendly_name, key, leaf, [encryption, issuer], protection)
    return IssuedP12(
        p12=p12, key_id=key_id, certificate_der=leaf.public_bytes(Encoding.DER), expires_at=leaf.not_valid_after_utc
    )


def read_certificate(data: bytes) -> GivenCertificate:
    """
    Read a certificate, PEM or DER, that a person wants to register for a merchant.

    Raises UnusableCertificate when it is none or several, comes with its private key, has no RSA key of 2048 to 8192
    bits, or names no key id (the serialNumber of its subject).
    """
    if b"PRIVATE KEY" in data:
        raise UnusableCertificate("The file holds a private key. Give the certificate alone: the key stays with you.")
    try:
        if b"-----BEGIN" in data:
            certificates = x509.load_pem_x509_certificates(data)
        else:
            certificates = [x509.load_der_x509_certificate(data)]
        public_key = certificates[0].public_key()
    except ValueError:
        raise UnusableCertificate("The file holds no certificate in PEM or DER form.") from None
    if len(certificates) > 1:
        raise UnusableCertificate(f"The file holds {len(certificates)} certificates; give the one that signs.")
    if not isinstance(public_key, rsa.RSAPublicKey) or not 2048 <= public_key.key_size <= 8192:
        raise UnusableCertificate("The certificate needs an RSA key of 2048 to 8192 bits.")
    certificate = certificates[0]
    key_id = _only_value(certificate.subject, NameOID.SERIAL_NUMBER)
    if key_id is None or not _READABLE_KEY_ID.fullmatch(key_id):
        raise UnusableCertificate("The subject of the certificate has no serialNumber, which is the key id in tokens.")
    return GivenCertificate(
        key_id=key_id,
        common_name=_only_value(certificate.subject, NameOID.COMMON_NAME) or "",
        certificate_der=certificate.public_bytes(Encoding.DER),
        expires_at=certificate.not_valid_after_utc,
    )


def _authority_certificate(key: _PrivateKey, common_name: str, at: datetime) -> x509.Certificate:
    name = _name(common_name)
    return (
        _builder(name, name, key, at)
        .not_valid_after(at + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, SHA256())
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: _PrivateKey, at: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _BEFORE_NOW)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _authority_key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        pass
    host = name.lower()
    if not _HOST_NAME.fullmatch(host):
        raise UnusableCertificate(f"{name!r} is neither a host name nor an address (without scheme, port and path).")
    if host in VENDOR_HOSTS:
        # Whoever trusts the authority would then trust it to stand in for the vendor.
        raise UnusableCertificate(f"{name} belongs to the vendor; a certificate for it is not made.")
    return x509.DNSName(host)


def _name(common_name: str, key_id: str | None = None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if key_id is not None:
        attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, key_id))
    return x509.Name(attributes)


def _only_value(name: x509.Name, oid: x509.ObjectIdentifier) -> str | None:
    attributes = name.get_attributes_for_oid(oid)
    return str(attributes[0].value) if len(attributes) == 1 else None


def _new_key(key_type: KeyType) -> _PrivateKey:
    return ec.generate_private_key(ec.SECP256R1()) if key_type is KeyType.ECDSA_P256 else _new_rsa_key()


def _new_rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem(key: _PrivateKey, certificate: x509.Certificate) -> KeyAndCertificate:
    return KeyAndCertificate(
        private_key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        certificate=certificate.public_bytes(Encoding.PEM),
    )
