"""A receiver of calls, and what calls it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from paydue.delivery.egress import Egress
from paydue.delivery.egress_rules import EgressRules
from posting import Installation, Recorder
from receiver import DEVELOPMENT, PATIENT, Receiver, answering, authority_file, receiving


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    async with receiving(tmp_path) as served:
        yield served


@pytest.fixture
def an_egress(tmp_path: Path) -> Callable[..., Egress]:
    """Return a maker of egresses that trust the receiver; every name leads to `addresses`, or this machine."""

    def make(*addresses: str, rules: EgressRules = DEVELOPMENT, **options) -> Egress:
        resolver = answering(addresses or ("127.0.0.1",))
        return Egress(rules, extra_ca=authority_file(tmp_path), **{"resolver": resolver, "limits": PATIENT, **options})

    return make


@pytest.fixture
def recorder() -> Recorder:
    """Return a transport that takes every mail."""
    return Recorder()


@pytest.fixture
async def acme(tmp_path: Path, an_egress: Callable[..., Egress], recorder: Recorder) -> AsyncIterator[Installation]:
    """Return an installation that delivers for one merchant, its mails to `recorder`."""
    installation = Installation(tmp_path, an_egress(), recorder)
    await installation.make()
    yield installation
    await installation.store.close()
