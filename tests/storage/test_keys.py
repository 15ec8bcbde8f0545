"""The store's promise about access keys: found by id and by certificate, secret at rest, dead when revoked."""

import hashlib
from typing import Any

import pytest

from builders import NOON
from paydue.storage.short_memory import SECONDS, ShortMemory
from paydue.usecases.access_keys import AccessKey, KeyKind, new_key_id
from paydue.usecases.ports import KeyExists, NoSuchMerchant, Store
from storing import a_secret_key


def a_certificate_key(der: bytes) -> AccessKey:
    return AccessKey(
        key_id=new_key_id(), merchant_id="acme", kind=KeyKind.CERTIFICATE, certificate_der=der, merchants=("acme",)
    )


async def test_keys_are_found_as_they_were_added(installation: Any, store: Store) -> None:
    plain = a_secret_key()
    meta = a_secret_key(portfolio_id="acme_portfolio", merchants=("acme", "zeta"))
    certificate = a_certificate_key(b"der")
    for key in (plain, meta, certificate):
        await store.add_key(key, NOON)

    for reopens in (False, True):
        opened = await installation.reopen() if reopens else store
        for key in (plain, meta, certificate):
            assert await opened.find(key.key_id) == key
        assert await opened.find_certificate(hashlib.sha256(b"der").digest()) == certificate
        assert sorted(key.key_id for key in await opened.keys("acme")) == sorted(
            key.key_id for key in (plain, meta, certificate)
        )
        assert await opened.keys("zeta") == []
        assert await opened.find("unknown") is None
        assert await opened.find_certificate(b"unknown") is None


async def test_a_key_id_and_a_certificate_are_registered_once(store: Store) -> None:
    await store.add_key(a_secret_key("k-1"), NOON)
    await store.add_key(a_certificate_key(b"der"), NOON)

    with pytest.raises(KeyExists):
        await store.add_key(a_secret_key("k-1", "zeta"), NOON)
    with pytest.raises(KeyExists):
        await store.add_key(a_certificate_key(b"der"), NOON)


@pytest.mark.parametrize("merchants", [("nobody",), ("acme", "nobody")])
async def test_a_key_for_an_unknown_merchant_is_refused(store: Store, merchants: tuple[str, ...]) -> None:
    with pytest.raises(NoSuchMerchant):
        await store.add_key(a_secret_key("k-1", merchants[0], merchants=merchants), NOON)
    assert await store.find("k-1") is None


async def test_a_revoked_key_is_known_as_revoked_at_once(installation: Any, store: Store) -> None:
    key, certificate = a_secret_key(), a_certificate_key(b"der")
    for one in (key, certificate):
        await store.add_key(one, NOON)
        assert await store.find(one.key_id) == one
    await store.find_certificate(hashlib.sha256(b"der").digest())

    assert await store.revoke_key(key.key_id, NOON)
    assert await store.revoke_key(certificate.key_id, NOON)

    assert (await store.find(key.key_id)).is_revoked  # type: ignore[union-attr]
    assert (await store.find_certificate(hashlib.sha256(b"der").digest())).is_revoked  # type: ignore[union-attr]
    assert not await store.revoke_key(key.key_id, NOON)
    assert not await store.revoke_key("unknown", NOON)
    assert all(one.is_revoked for one in await (await installation.reopen()).keys("acme"))


async def test_no_secret_lies_readable_in_the_files(sqlite: Any) -> None:
    key = a_secret_key()
    assert key.secret is not None
    await sqlite.store.add_key(key, NOON)
    await sqlite.store.close()

    for file in sqlite.path.parent.glob("paydue.db*"):
        assert key.secret.reveal().encode() not in file.read_bytes()
    await sqlite.open()


def test_what_is_remembered_shortly_is_forgotten_after_five_seconds() -> None:
    now = 100.0
    memory: ShortMemory[str, int] = ShortMemory(lambda: now)
    memory.keep("a", 1)
    memory.keep("b", 2)
    memory.forget("b")

    assert (memory.get("a"), memory.get("b"), memory.get("c")) == (1, None, None)
    now += SECONDS - 0.01
    assert memory.get("a") == 1
    now += 0.01
    assert memory.get("a") is None
    assert SECONDS <= 5


def test_what_is_remembered_shortly_never_grows_beyond_its_bound() -> None:
    memory: ShortMemory[int, int] = ShortMemory()
    for key in range(25_000):
        memory.keep(key, key)

    assert len(memory._entries) <= 10_000
    assert memory.get(24_999) == 24_999
