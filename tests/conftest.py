"""What tests of several rooms share."""

from collections.abc import Iterator

import pytest

from postgres_server import PostgresServer, running_postgres
from running import Server, running_demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a demo server for everybody: leave its merchant's books as they come, for others write in them too."""
    with running_demo(tmp_path_factory.mktemp("shared") / "demo") as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Return a PostgreSQL server for everybody: take a database of your own, and leave the server running."""
    with running_postgres() as server:
        yield server
