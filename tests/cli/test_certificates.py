"""Certificates: a handshake with what was made, P12 files used as a client library uses them, and files on disk."""

import ipaddress
import ssl
import stat
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, SignatureAlgorithmOID

from access import HOST, caller_of, refusal_of, request_with, some_callers
from paydue.cli.certificates import (
    GivenCertificate,
    IssuedP12,
    KeyAndCertificate,
    KeyType,
    UnusableCertificate,
    create_authority,
    create_leaf,
    issue_p12,
    read_certificate,
)
from paydue.cli.private_files import write_private_file
from paydue.usecases.access_keys import AccessKey, KeyKind
from paydue.wire.caller import Caller
from signing import sign_jwt_p12, sign_jwt_v1

AT = datetime.now(UTC).replace(microsecond=0)
LIST = "/invoicing/v2/invoices?offset=0&limit=10"
MERCHANT = "acme_test"
KEY_ID = "9c2d3e4f-5a6b-4e6b-8a90-f3b7a9c25d14"
PASSWORD = "made up"


@cache
def an_authority() -> KeyAndCertificate:
    return create_authority(AT)


@cache
def a_p12() -> IssuedP12:
    return issue_p12(MERCHANT, KEY_ID, PASSWORD, AT)


def certificate_of(pair: KeyAndCertificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate)


def shake_hands(leaf: KeyAndCertificate, trusted: KeyAndCertificate, name: str, folder: Path) -> None:
    """Run a TLS handshake in memory under the strict checks that Python 3.13 makes. Raises ssl.SSLError."""
    chain = folder / "leaf.pem"
    write_private_file(chain, leaf.private_key + leaf.certificate)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(chain)
    client_context = ssl.create_default_context(cadata=trusted.certificate.decode())
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    finished: set[ssl.SSLObject] = set()
    for _ in range(10):
        for side in (client, server):
            try:
                side.do_handshake()
                finished.add(side)
            except ssl.SSLWantReadError:
                continue
    assert len(finished) == 2


@pytest.mark.parametrize("key_type", KeyType)
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "pay.example.com"])
def test_a_client_that_trusts_the_authority_trusts_each_name(key_type: KeyType, name: str, tmp_path: Path) -> None:
    names = ["localhost", "127.0.0.1", "::1", "pay.example.com"]
    shake_hands(create_leaf(an_authority(), names, AT, key_type=key_type), an_authority(), name, tmp_path)


def test_a_name_that_was_not_asked_for_is_not_trusted(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLError):
        shake_hands(create_leaf(an_authority(), ["localhost"], AT), an_authority(), "127.0.0.1", tmp_path)


def test_another_authority_is_not_trusted(tmp_path: Path) -> None:
    leaf = create_leaf(an_authority(), ["localhost"], AT)
    with pytest.raises(ssl.SSLError):
        shake_hands(leaf, create_authority(AT), "localhost", tmp_path)


def test_a_renewed_certificate_is_trusted_by_those_who_trust_the_authority(tmp_path: Path) -> None:
    for at in (AT, AT + timedelta(minutes=1)):
        shake_hands(create_leaf(an_authority(), ["localhost"], at), an_authority(), "localhost", tmp_path)


def test_the_authority_has_the_extensions_that_strict_clients_want() -> None:
    extensions = certificate_of(an_authority()).extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert extensions.get_extension_for_class(x509.SubjectKeyIdentifier)


def test_the_server_certificate_has_the_extensions_that_strict_clients_want() -> None:
    leaf = certificate_of(
        create_leaf(an_authority(), ["Localhost", "127.0.0.1", "localhost", "[::1]", "127.0.0.1"], AT)
    )
    extensions = leaf.extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    addresses = [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    assert names.get_values_for_type(x509.IPAddress) == addresses
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    issuer = certificate_of(an_authority()).extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == issuer.digest


def test_a_server_certificate_is_good_for_397_days_at_most() -> None:
    leaf = certificate_of(create_leaf(an_authority(), ["localhost"], AT))
    # Both ends count.
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc + timedelta(seconds=1) == timedelta(days=397)
    assert leaf.not_valid_before_utc < AT
    for days in (0, 398, -1):
        with pytest.raises(UnusableCertificate, match="397"):
            create_leaf(an_authority(), ["localhost"], AT, days=days)


def test_a_server_certificate_does_not_outlive_its_authority() -> None:
    end = certificate_of(an_authority()).not_valid_after_utc
    leaf = certificate_of(create_leaf(an_authority(), ["localhost"], end - timedelta(days=10)))
    assert leaf.not_valid_after_utc == end
    with pytest.raises(UnusableCertificate, match="authority ended"):
        create_leaf(an_authority(), ["localhost"], end)


@pytest.mark.parametrize(
    ("key_type", "kind", "bits"),
    [(KeyType.ECDSA_P256, ec.EllipticCurvePublicKey, 256), (KeyType.RSA_2048, rsa.RSAPublicKey, 2048)],
)
def test_the_key_is_of_the_wanted_type(key_type: KeyType, kind: type, bits: int) -> None:
    key = certificate_of(create_leaf(an_authority(), ["localhost"], AT, key_type=key_type)).public_key()
    assert isinstance(key, kind)
    assert key.key_size == bits


@pytest.mark.parametrize(
    "name",
    [
        "",
        "https://localhost",
        "localhost:8443",
        "a b",
        "a..b",
        "-a",
        "a_b",
        "localhost\n",
        "bücher.example",
        "x" * 64,
        "api.cybersource.com",
        "APITEST.cybersource.com",
    ],
)
def test_a_name_that_cannot_be_certified_is_refused(name: str) -> None:
    with pytest.raises(UnusableCertificate):
        create_leaf(an_authority(), ["localhost", name], AT)


def test_a_long_name_and_a_wildcard_are_certified() -> None:
    long_name = ".".join(["a" * 60] * 4)
    names = certificate_of(create_leaf(an_authority(), [long_name, "*.example.com"], AT)).extensions
    found = names.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert found == [long_name, "*.example.com"]


def test_no_name_at_all_is_refused() -> None:
    with pytest.raises(UnusableCertificate):
        create_leaf(an_authority(), [], AT)


def test_a_p12_file_holds_what_the_client_libraries_look_for() -> None:
    loaded = pkcs12.load_pkcs12(a_p12().p12, PASSWORD.encode())
    assert isinstance(loaded.key, rsa.RSAPrivateKey)
    assert loaded.key.key_size == 2048
    assert loaded.cert is not None
    assert loaded.cert.friendly_name == f"serialNumber={KEY_ID},CN={MERCHANT}".encode()
    leaf = loaded.cert.certificate
    assert leaf.public_bytes(Encoding.DER) == a_p12().certificate_der
    assert [(each.oid, each.value) for each in leaf.subject] == [
        (NameOID.COMMON_NAME, MERCHANT),
        (NameOID.SERIAL_NUMBER, KEY_ID),
    ]
    encryption, issuer = (each.certificate for each in loaded.additional_certs)
    assert encryption.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "CyberSource_SJC_US"
    assert encryption.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)[0].value != KEY_ID
    for certificate in (leaf, encryption, issuer):
        certificate.verify_directly_issued_by(issuer)
        # What Node's library cannot read it takes for no certificate at all.
        assert certificate.signature_algorithm_oid == SignatureAlgorithmOID.RSA_WITH_SHA256
        assert isinstance(certificate.public_key(), rsa.RSAPublicKey)
    assert leaf.not_valid_after_utc == a_p12().expires_at == AT + timedelta(days=1095)


def test_a_p12_file_is_encrypted_with_aes_256() -> None:
    aes_256_cbc, sha1_3des = bytes.fromhex("60864801650304012a"), bytes.fromhex("2a864886f70d010c0103")
    assert a_p12().p12.count(aes_256_cbc) == 2
    assert sha1_3des not in a_p12().p12
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_pkcs12(a_p12().p12, b"another")


def test_a_registered_p12_file_signs_requests_that_are_accepted() -> None:
    given = read_certificate(a_p12().certificate_der)
    key = AccessKey(
        key_id=given.key_id,
        merchant_id=MERCHANT,
        kind=KeyKind.CERTIFICATE,
        certificate_der=given.certificate_der,
        merchants=(MERCHANT,),
    )
    callers = some_callers(key, accept_jwt_v1=True)
    at = callers._clock.now().timestamp()
    for headers in (
        sign_jwt_p12("GET", LIST, HOST, MERCHANT, a_p12().p12, PASSWORD, at=at),
        sign_jwt_v1(HOST, MERCHANT, a_p12().p12, PASSWORD, iat=at),
    ):
        assert caller_of(callers, request_with(headers)) == Caller(MERCHANT, KEY_ID)
        refusal_of(some_callers(accept_jwt_v1=True), request_with(headers))


@pytest.mark.parametrize(
    ("merchant_id", "key_id"),
    [
        ("", KEY_ID),
        ("m" * 65, KEY_ID),
        ("a,CN=b", KEY_ID),
        ("a\n", KEY_ID),
        (MERCHANT, ""),
        (MERCHANT, "k_1"),
        (MERCHANT, "k" * 65),
        (MERCHANT, "a,CN=b"),
    ],
)
def test_ids_that_a_p12_file_cannot_carry_are_refused(merchant_id: str, key_id: str) -> None:
    with pytest.raises(UnusableCertificate):
        issue_p12(merchant_id, key_id, PASSWORD, AT)


def test_a_given_certificate_is_read_from_pem_and_der() -> None:
    der = a_p12().certificate_der
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    wanted = GivenCertificate(
        key_id=KEY_ID, common_name=MERCHANT, certificate_der=der, expires_at=AT + timedelta(days=1095)
    )
    for data in (der, pem, b"Bag Attributes: x\n" + pem, pem.replace(b"\n", b"\r\n")):
        assert read_certificate(data) == wanted


def a_certificate(subject: list[x509.NameAttribute[str]], bits: int = 2048) -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    name = x509.Name(subject)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(AT).not_valid_after(AT + timedelta(days=1))
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def test_a_certificate_that_cannot_be_used_is_refused_with_the_reason() -> None:
    serial = x509.NameAttribute(NameOID.SERIAL_NUMBER, KEY_ID)
    common_name = x509.NameAttribute(NameOID.COMMON_NAME, MERCHANT)
    good = a_certificate([common_name, serial])
    private = create_authority(AT)
    for data, reason in (
        (b"", "no certificate"),
        (b"\x30\x82", "no certificate"),
        (b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "no certificate"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no certificate"),
        (good + good, "2 certificates"),
        (private.certificate, "RSA"),
        (private.certificate + private.private_key, "private key"),
        (a_certificate([common_name]), "serialNumber"),
        (a_certificate([serial, serial]), "serialNumber"),
        (a_certificate([common_name, serial], bits=1024), "2048"),
    ):
        with pytest.raises(UnusableCertificate, match=reason):
            read_certificate(data)
    assert read_certificate(good).key_id == KEY_ID


def test_a_private_file_is_for_its_owner_alone_and_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(b"old, and longer than the new one")
    path.chmod(0o644)
    with path.open("rb") as reader:
        write_private_file(path, b"new")
        assert reader.read() == b"old, and longer than the new one"
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_private_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "key.pem").mkdir()
    with pytest.raises(OSError, match=r"key\.pem"):
        write_private_file(tmp_path / "key.pem", b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["key.pem"]


def test_private_keys_do_not_show_in_a_log() -> None:
    assert "PRIVATE" not in repr(an_authority())
    assert repr(a_p12()) == f"IssuedP12({KEY_ID}, ***)"
