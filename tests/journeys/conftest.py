"""What the journeys share: merchants of their own on the running demo server, and clients that call for them."""

from collections.abc import Callable, Iterator

import pytest

from client import Account, Client
from running import Server


@pytest.fixture(scope="session")
def new_merchant(demo: Server) -> Callable[[], Account]:
    """Return how to get a merchant with nothing in its books yet, for tests in which numbers or totals count."""
    return lambda: Account.new(demo)


@pytest.fixture(scope="module")
def account(demo: Server) -> Account:
    """Return a merchant that the tests of one module have to themselves."""
    return Account.new(demo)


@pytest.fixture(scope="module")
def client(account: Account) -> Iterator[Client]:
    with Client(account) as client:
        yield client
