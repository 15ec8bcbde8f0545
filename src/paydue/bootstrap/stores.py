"""Where an installation's data are, and how its store is made, brought up to date and opened, on either engine."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from paydue.bootstrap.system import SystemClock
from paydue.config import Config
from paydue.domain.invoice import Invoice
from paydue.storage.errors import CannotOpenStore, VaultError
from paydue.storage.migrate import Migration
from paydue.storage.sqlite.schema import migrate_file
from paydue.storage.sqlite.store import SqliteStore
from paydue.storage.vault import KeyFile, create_key_file
from paydue.usecases.ports import Showing
from paydue.wire.write_invoice import SHAPE, show_invoice

if TYPE_CHECKING:
    from paydue.storage.postgres.store import PostgresStore


def database_path(config: Config) -> Path | None:
    """Return the SQLite file; None when the database is PostgreSQL."""
    if config.database is None:
        return config.data / "paydue.db"
    if config.database.startswith("sqlite:///"):
        return Path(config.database.removeprefix("sqlite:///")).absolute()
    return None


def key_file_path(config: Config) -> Path:
    return config.key_file or config.data / "paydue.key"


async def open_store(
    config: Config, *, serves: bool, show: Callable[[Invoice], str] = show_invoice
) -> "SqliteStore | PostgresStore":
    """
    Open the installation's store; `serves` claims a SQLite file for a long-running process.

    Raises CannotOpenStore, whose text says what to do, and StoreUnavailable.
    """
    path, key_path = database_path(config), key_file_path(config)
    showing = Showing(SHAPE, show)
    if not key_path.exists() and not (path is not None and path.exists()):
        raise CannotOpenStore(f"There is no Paydue in {config.data} yet: run `paydue init --data {config.data}` first.")
    if path is None:
        # Imported here because whoever uses SQLite need not pay for the driver.
        from paydue.storage.postgres.store import PostgresStore  # noqa: PLC0415

        return await PostgresStore.open(
            f"{config.database}",
            KeyFile.read(key_path),
            SystemClock(),
            agrees=True,
            replica_url=config.database_replica,
            replica_lag_seconds=config.database_replica_lag_seconds,
            queue_limit=config.max_queue,
            showing=showing,
        )
    return await SqliteStore.open(
        path, KeyFile.read(key_path), SystemClock(), serves=serves, queue_limit=config.max_queue, showing=showing
    )


async def make_store(config: Config, progress: Callable[[str], None] = lambda _: None) -> None:
    """
    Make what is missing of data folder, key file and database, readable by this user alone, at this release's schema.

    `progress` hears of each step. Raises CannotOpenStore: a database without its key file gets no new one, which could
    not read it; StoreUnavailable.
    """
    path, key_path = database_path(config), key_file_path(config)
    # Asked first: a database that does not answer leaves nothing behind here.
    has_data_keys = path.exists() if path is not None else await _has_data_keys(config)
    for folder in (config.data, path.parent if path is not None else config.data, key_path.parent):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True)
            progress(f"made the folder {folder}")
    if not key_path.exists():
        if has_data_keys:
            which = "" if path is None else f" {path}"
            raise VaultError(
                f"The key file {key_path} of the database{which} is missing. Bring it back from its backup."
            )
        create_key_file(key_path)
        progress(f"made the key file {key_path}: back it up apart from the database")
    await migrate_store(config, progress)


async def migrate_store(config: Config, progress: Callable[[str], None] = lambda _: None) -> int:
    """Bring the database to this release's schema and return how many migrations that took. Raises CannotOpenStore."""

    def tell(migration: Migration) -> None:
        progress(f"migration {migration.number}: {migration.title}")

    path = database_path(config)
    if path is None:
        from paydue.storage.postgres.schema import migrate_database  # noqa: PLC0415 - see open_store

        return await migrate_database(f"{config.database}", tell)
    return await migrate_file(path, tell)


async def _has_data_keys(config: Config) -> bool:
    from paydue.storage.postgres.schema import has_data_keys  # noqa: PLC0415 - see open_store

    return await has_data_keys(f"{config.database}")
