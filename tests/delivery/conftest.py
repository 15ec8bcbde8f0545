"""A receiver of calls, and what calls it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from paydue.delivery.egress import Egress
from paydue.delivery.egress_rules import EgressRules
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
