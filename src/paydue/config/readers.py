"""
How each kind of setting is read, from whatever TOML, the environment or an option gives.

Readers refuse what they cannot read by raising ValueError, TypeError or KeyError.
"""

import base64
import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from paydue.usecases.access_keys import Secret

_LEAST_SECRET_BYTES: Final = 16


class Setting(NamedTuple):
    """How a setting is read, and what to say when it cannot be."""

    read: Callable[[Any], object]
    expected: str


def folder_or_file(value: Any) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError
    return Path(value).expanduser().absolute()


def integer(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,12}", str(value), re.ASCII):
            raise ValueError
        if not least <= (number := int(value)) <= most:
            raise ValueError
        return number

    return read


def flag(value: Any) -> bool:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[str(value).lower()]


def choice(*choices: str) -> Setting:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return Setting(read, " or ".join(choices) if len(choices) == 2 else "one of " + ", ".join(choices))


def text(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError
    return value


def listening_address(value: Any) -> str:
    if value == "localhost":
        return "127.0.0.1"
    return str(ipaddress.ip_address(text(value)))


def origin(value: Any) -> str:
    parts = urlsplit(text(value).rstrip("/"))
    # `port` raises ValueError for what is no port.
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.port == 0:
        raise ValueError
    if parts.path or parts.query or parts.fragment or not re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", parts.netloc):
        raise ValueError
    return f"{parts.scheme}://{parts.netloc.lower()}"


def host_names(value: Any) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    stripped = tuple(name.strip().lower() for name in names)
    if not all(re.fullmatch(r"[a-z0-9._-]+(:[0-9]{1,5})?|\[[0-9a-f:]+\](:[0-9]{1,5})?", name) for name in stripped):
        raise ValueError
    return stripped


def host_name(value: Any) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:]+", name := text(value)):
        raise ValueError
    return name


def secret(value: Any) -> Secret:
    return Secret(text(value))


def shared_secret(value: Any) -> Secret:
    # binascii.Error is a ValueError.
    if len(base64.b64decode(text(value), validate=True)) < _LEAST_SECRET_BYTES:
        raise ValueError
    return Secret(value)


def gateway_url(value: Any) -> str:
    url = origin(value)
    if not url.startswith("https://") and urlsplit(url).hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError
    return url


def account_name(value: Any) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name := text(value)):
        raise ValueError
    return name


def stripe_key(value: Any) -> Secret:
    if not re.fullmatch(r"[sr]k_(test|live)_[A-Za-z0-9_]{8,240}", key := text(value)):
        raise ValueError
    return Secret(key)


def stripe_webhook_secrets(value: Any) -> tuple[Secret, ...]:
    secrets = [text(each).strip() for each in _listed(value)]
    if not all(re.fullmatch(r"whsec_[A-Za-z0-9+/=_-]{8,240}", each) for each in secrets):
        raise ValueError
    return tuple(Secret(each) for each in secrets)


def https_origins(value: Any) -> tuple[str, ...]:
    origins = tuple(origin(text(each).strip()) for each in _listed(value))
    if not all(each.startswith("https://") for each in origins):
        raise ValueError
    return origins


def country(value: Any) -> str:
    if not re.fullmatch(r"[A-Z]{2}", name := text(value)):
        raise ValueError
    return name


def ports(value: Any) -> tuple[int, ...]:
    read = integer(1, 65535)
    found = tuple(read(each.strip() if isinstance(each, str) else each) for each in _listed(value))
    if not found:
        raise ValueError
    return found


def networks(value: Any) -> tuple[str, ...]:
    return tuple(str(ipaddress.ip_network(text(each).strip())) for each in _listed(value))


def database_url(value: Any) -> str:
    if not re.fullmatch(r"(sqlite:///|postgresql://|postgres://).+", url := text(value)):
        raise ValueError
    return url


def one_server_url(value: Any) -> str:
    url = database_url(value)
    if url.startswith("sqlite:") or "," in urlsplit(url).netloc:
        raise ValueError
    return url


def _listed(value: Any) -> list[Any]:
    return value.split(",") if isinstance(value, str) else list(value)
