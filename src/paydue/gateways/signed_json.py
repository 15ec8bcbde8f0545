"""
JSON Web Tokens with RS256, as the processor signs checkout sessions and transient tokens, verified before any use.

The key is named by the token and fetched from the processor, so the name is looked at first; everything else in a
token is believed only when the signature holds.
"""

import base64
import binascii
import re
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

_LONGEST: Final = 16 * 1024
_KEY_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SMALLEST_KEY: Final = 2048
_LARGEST_KEY: Final = 4096


class InvalidToken(Exception):
    """What was handed over is not the processor's word."""


class Unverified(msgspec.Struct, frozen=True):
    """A token that has the right form, before anybody has looked at its signature. Only `key_name` may be used."""

    key_name: str
    signed: bytes
    signature: bytes
    payload: bytes

    def verified(self, key: RSAPublicKey) -> dict[str, Any]:
        """Return the claims, once the key has signed them. Raises InvalidToken."""
        try:
            key.verify(self.signature, self.signed, PKCS1v15(), SHA256())
            return _members(self.payload)
        except InvalidSignature:
            raise InvalidToken("the signature is wrong") from None


def read(token: str) -> Unverified:
    """Return the parts of a token. Raises InvalidToken for any other form than RS256 with a key name."""
    parts = token.split(".")
    if len(token) > _LONGEST or len(parts) != 3 or not token.isascii():
        raise InvalidToken("not three parts of ASCII")
    header, payload, signature = map(_decoded, parts)
    claims = _members(header)
    name = claims.get("kid")
    if claims.get("alg") != "RS256" or not isinstance(name, str) or not _KEY_NAME.fullmatch(name):
        raise InvalidToken("not RS256 with a key name")
    return Unverified(name, f"{parts[0]}.{parts[1]}".encode(), signature, payload)


def public_key(jwk: dict[str, Any]) -> RSAPublicKey:
    """Return the key that a JSON Web Key describes. Raises InvalidToken."""
    try:
        modulus, exponent = (int.from_bytes(_decoded(str(jwk[name]))) for name in ("n", "e"))
        if not _SMALLEST_KEY <= modulus.bit_length() <= _LARGEST_KEY:
            raise InvalidToken("the key has an unusual size")
        return RSAPublicNumbers(exponent, modulus).public_key()
    except (KeyError, ValueError) as fault:
        raise InvalidToken(f"not an RSA key: {fault!r}") from None


def write(claims: dict[str, Any], key_name: str, key: RSAPrivateKey) -> str:
    """Return a token that says so: for the sandbox, which plays the processor."""
    header = msgspec.json.encode({"alg": "RS256", "kid": key_name, "typ": "JWT"})
    signed = f"{_encoded(header)}.{_encoded(msgspec.json.encode(claims))}"
    return f"{signed}.{_encoded(key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def jwk_of(key: RSAPublicKey, key_name: str) -> dict[str, str]:
    """Return the JSON Web Key of a public key."""
    numbers = key.public_numbers()
    texts = {
        name: _encoded(number.to_bytes((number.bit_length() + 7) // 8))
        for name, number in (("n", numbers.n), ("e", numbers.e))
    }
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": key_name, **texts}


def _members(text: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise InvalidToken("a part is no JSON object")
    return found


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidToken("a part is not base64") from None


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
