"""What the server says about itself: one event a line on standard error, as JSON for machines or as text for people."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, Literal

from paydue.domain.card_numbers import masked

# What every record has; all else on it was given with `extra`, and is what the event is about.
_USUAL: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def start_logging(level: str, form: Literal["json", "text"]) -> None:
    """Send all events of that level and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # What uvicorn tells of its own start and end is told better by the commands.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, event, and what the event is about."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
            **_facts(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # ASCII only: no sign of a stranger's can then end a line, or be one that cannot be written.
        return json.dumps(_without_cards(line), default=lambda value: masked(repr(value)))


class TextLines(logging.Formatter):
    """Time, level, event and facts in words, no control character unescaped: a terminal obeys those."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone()
        facts = "".join(f" {name}={_shown(value)}" for name, value in _facts(record).items())
        line = f"{at:%H:%M:%S} {record.levelname.lower():7} {_shown(record.getMessage())}{facts}"
        if record.exc_info:
            line += "".join(f"\n  {_shown(each)}" for each in self.formatException(record.exc_info).splitlines())
        return line


def _without_cards(value: Any) -> Any:
    """Return what JSON is made of, with card numbers masked: as text they are not numbers any more."""
    if isinstance(value, dict):
        return {name: _without_cards(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_cards(each) for each in value]
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, int) and (shown := masked(str(value))) != str(value):
        return shown
    return value


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _USUAL}


def _shown(value: object) -> str:
    text = masked(str(_without_cards(value)))
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
