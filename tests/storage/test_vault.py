"""The vault: what is encrypted can be read in its own place, with its own key file, and nowhere else."""

import os
import stat
from pathlib import Path

import pytest
from msgspec.structs import replace

from paydue.domain.errors import BrokenFact
from paydue.storage.errors import VaultError
from paydue.storage.vault import KeyFile, Vault, _name_of, create_key_file

HERE = ("invoices", "payment_token", 7, "acme")


@pytest.fixture
def key_file(tmp_path: Path) -> KeyFile:
    create_key_file(tmp_path / "key")
    return KeyFile.read(tmp_path / "key")


@pytest.fixture
def vault(key_file: KeyFile) -> Vault:
    return Vault(key_file, [key_file.new_data_key(1)])


@pytest.mark.parametrize("text", ["", "a", "Zürich ✓", "x" * 64, "x" * 100_000])
def test_a_text_is_read_back_in_its_place(vault: Vault, text: str) -> None:
    assert vault.decrypt(vault.encrypt(text, HERE), HERE) == text


@pytest.mark.parametrize(
    "elsewhere",
    [
        ("invoices", "payment_token", 8, "acme"),
        ("invoices", "payment_token", 7, "zeta"),
        ("invoices", "history", 7, "acme"),
        ("events", "payment_token", 7, "acme"),
    ],
)
def test_a_ciphertext_copied_elsewhere_cannot_be_read(vault: Vault, elsewhere: bytes) -> None:
    with pytest.raises(BrokenFact):
        vault.decrypt(vault.encrypt("secret", HERE), elsewhere)


def test_what_was_opened_before_is_still_bound_to_its_place(vault: Vault) -> None:
    sealed = vault.encrypt("secret", HERE)
    for _ in range(2):
        assert vault.decrypt(sealed, HERE) == "secret"

    with pytest.raises(BrokenFact):
        vault.decrypt(sealed, ("invoices", "payment_token", 8, "acme"))


def test_what_is_remembered_as_opened_never_grows_beyond_its_bound(vault: Vault) -> None:
    for number in range(10_000):
        here = ("invoices", "payment_token", number, "acme")
        assert vault.decrypt(vault.encrypt(str(number), here), here) == str(number)

    assert len(vault._opened) <= 4096


def test_different_places_never_have_the_same_name() -> None:
    assert _name_of(("t", "c", "a|b", "c")) != _name_of(("t", "c", "a", "b|c"))
    assert _name_of(("t", "c", "1|a", "b")) != _name_of(("t", "c", "1", "a|b"))
    assert _name_of(("t", "c", "", "x")) != _name_of(("t", "c", "x", ""))


def test_any_changed_bit_is_noticed(vault: Vault) -> None:
    sealed = vault.encrypt("secret", HERE)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(BrokenFact):
            vault.decrypt(bytes(changed), HERE)
    for cut in (b"", sealed[:4], sealed[:16], sealed[:-1]):
        with pytest.raises(BrokenFact):
            vault.decrypt(cut, HERE)


def test_the_same_text_is_encrypted_differently_each_time(vault: Vault) -> None:
    assert len({vault.encrypt("secret", HERE) for _ in range(100)}) == 100


def test_a_new_data_key_encrypts_and_the_old_one_still_reads(key_file: KeyFile) -> None:
    old_key, new_key = key_file.new_data_key(1), key_file.new_data_key(2)
    written_before = Vault(key_file, [old_key]).encrypt("before", HERE)
    both = Vault(key_file, [old_key, new_key])

    written_after = both.encrypt("after", HERE)

    assert both.decrypt(written_before, HERE) == "before"
    assert both.decrypt(written_after, HERE) == "after"
    with pytest.raises(BrokenFact):
        Vault(key_file, [old_key]).decrypt(written_after, HERE)


def test_another_key_file_opens_nothing_and_is_named(tmp_path: Path, key_file: KeyFile) -> None:
    wrapped = key_file.new_data_key(1)
    create_key_file(tmp_path / "other")
    other = KeyFile.read(tmp_path / "other")

    with pytest.raises(VaultError, match=f"holds key {other.key_id}, this database needs key {key_file.key_id}"):
        Vault(other, [wrapped])


def test_a_data_key_that_was_changed_or_renumbered_is_refused(key_file: KeyFile) -> None:
    wrapped = key_file.new_data_key(1)
    damaged = wrapped.ciphertext[:-1] + bytes([wrapped.ciphertext[-1] ^ 1])

    for spoilt in (replace(wrapped, ciphertext=damaged), replace(wrapped, number=2), replace(wrapped, ciphertext=b"")):
        with pytest.raises(VaultError, match="damaged"):
            Vault(key_file, [spoilt])
    with pytest.raises(VaultError, match="no data key"):
        Vault(key_file, [])


def test_a_new_key_file_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"
    old_mask = os.umask(0)
    try:
        create_key_file(path)
    finally:
        os.umask(old_mask)
    before = path.read_bytes()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(VaultError, match="never overwritten"):
        create_key_file(path)
    assert path.read_bytes() == before
    with pytest.raises(VaultError, match="cannot be made"):
        create_key_file(tmp_path / "missing" / "key")


def test_a_missing_key_file_is_never_made_silently(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="is missing"):
        KeyFile.read(tmp_path / "key")
    assert not (tmp_path / "key").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    create_key_file(tmp_path / "key")
    (tmp_path / "key").chmod(mode)

    with pytest.raises(VaultError, match="chmod 600"):
        KeyFile.read(tmp_path / "key")


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"paydue-key-1", b"paydue-key-1 AAAA\n", b"paydue-key-1 !\n", b"\xff\xfe", b"x" * 100_000]
)
def test_a_file_that_is_no_key_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    (tmp_path / "key").chmod(0o600)

    with pytest.raises(VaultError, match="not a Paydue key file"):
        KeyFile.read(tmp_path / "key")


def test_a_folder_is_no_key_file(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir(mode=0o700)

    with pytest.raises(VaultError, match="cannot be read"):
        KeyFile.read(tmp_path / "key")
