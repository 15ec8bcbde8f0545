"""
Certificates and private keys as the key API is given them: base64 of DER, on one line or several.

Apart from the rest of the request because a hostile one reaches deep into a library: everything that it may raise is
met here.
"""

import binascii
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_private_key

_FEWEST_BITS: Final = 2048
_MOST_BITS: Final = 8192
_UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


def decoded(text: str) -> bytes | None:
    """Return what a base64 text stands for; lines and missing padding are tolerated: a published sample lacks it."""
    compact = "".join(text.split()).rstrip("=")
    try:
        return binascii.a2b_base64(compact + "=" * (-len(compact) % 4), strict_mode=True) or None
    except ValueError:
        return None


def read_certificate(der: bytes) -> tuple[x509.Certificate, CertificatePublicKeyTypes] | None:
    """Return the certificate and its public key, or None when it is none."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        return certificate, certificate.public_key()
    except _UNREADABLE:
        return None


def fault_in_private_key(der: bytes, public_key: CertificatePublicKeyTypes) -> str | None:
    """Return why that private key cannot sign for that public key, or None."""
    try:
        private_key = load_der_private_key(der, password=None)
    except _UNREADABLE:
        return "the base64 of an RSA private key (PKCS #8, DER, without a password) is needed"
    if not isinstance(private_key, RSAPrivateKey) or not isinstance(public_key, RSAPublicKey):
        return "it and the certificate's have to be RSA keys"
    if not _FEWEST_BITS <= private_key.key_size <= _MOST_BITS:
        return f"it has to have {_FEWEST_BITS} to {_MOST_BITS} bits"
    if private_key.public_key() != public_key:
        return "it does not belong to the certificate"
    return None
