"""Opens what a rotation of the data keys goes through, on either engine."""

from paydue.bootstrap.stores import database_path, key_file_path
from paydue.bootstrap.system import SystemClock
from paydue.config import Config
from paydue.storage.rotation import Told, rotate
from paydue.storage.sqlite.rotation import sealed_rows_of_file
from paydue.storage.vault import KeyFile


async def rotate_data_key(config: Config, tell: Told) -> tuple[int, int]:
    """
    Bring every secret under a fresh data key, beside whatever serves; return its number and how many were rewritten.

    Raises CannotOpenStore, StoreUnavailable, BrokenFact; run again, it goes on where it was.
    """
    key_file, path, clock = KeyFile.read(key_file_path(config)), database_path(config), SystemClock()
    if path is not None:
        async with sealed_rows_of_file(path) as sealed:
            return await rotate(sealed, key_file, clock, tell)
    # Imported here because whoever uses SQLite need not pay for the driver.
    from paydue.storage.postgres.rotation import sealed_rows_of_database  # noqa: PLC0415

    async with sealed_rows_of_database(f"{config.database}") as sealed:
        return await rotate(sealed, key_file, await sealed.clock(clock), tell)
