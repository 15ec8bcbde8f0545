"""Files that only their owner may read, and that are there whole or not at all."""

import os
import secrets
from pathlib import Path


def write_private_file(path: Path, data: bytes) -> None:
    """Put the bytes there whole, readable by the owner alone; what was there before is replaced in one step."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    # Created with its mode: chmod afterwards would leave a moment in which others can open it.
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
