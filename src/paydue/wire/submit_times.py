"""The time of handling a request, as every answer of the API bears it."""

from datetime import UTC, datetime


class SubmitTimes:
    """Writes `submitTimeUtc`, the time of handling a request: an ISO instant in UTC with nine fraction digits."""

    __slots__ = ("_prefix", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._prefix = ""

    def write(self, nanoseconds: int) -> str:
        """Return the instant `nanoseconds` after 1970; the part up to the second is kept from the last call."""
        second, fraction = divmod(nanoseconds, 1_000_000_000)
        if second != self._second:
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
            self._second = second
        return f"{self._prefix}{fraction:09d}Z"
