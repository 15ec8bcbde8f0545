"""
The one configuration object, read once at the start.

A setting is looked for in this order: command option, environment (`PAYDUE_` and its name in capitals), the file
`paydue.toml`, the default. What each means to an operator stands in `docs/reference/configuration.md`.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from paydue.usecases.access_keys import Secret

FILE_NAME: Final = "paydue.toml"
PREFIX: Final = "PAYDUE_"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Every choice an operator has. Paths are absolute. `unknown` names variables that only look like ours."""

    data: Path
    database: str | None = None
    key_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    tls_port: int | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    public_url: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    behind_proxy: bool = False
    trusted_proxies: int = 1
    drain_seconds: int = 0
    rate_limit: int = 100
    burst: int = 500
    amount_rules: Literal["strict", "observed"] = "strict"
    accept_jwt_v1: bool = False
    replay: Literal["accept", "reject"] = "accept"
    mailbox_dir: Path | None = None
    mail_domain: str | None = None
    smtp_host: str | None = None
    smtp_port: int | None = None
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str | None = None
    smtp_password: Secret | None = None
    mails_a_day: int = 1000
    webhook_default_policy: Literal["compat", "resilient"] = "compat"
    webhook_review: Literal["automatic", "person"] = "automatic"
    egress_ports: tuple[int, ...] = (443, 8443)
    egress_networks: tuple[str, ...] = ()
    egress_ca_file: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"
    max_queue: int = 4096
    unknown: tuple[str, ...] = ()


class WrongSetting(Exception):
    """A setting cannot be used. The message names it, where it came from, and what was expected."""


def load_config(
    options: Mapping[str, object],
    environment: Mapping[str, str],
    *,
    default_data: Path,
    file: Path | None = None,
    defaults: Mapping[str, object] | None = None,
) -> Config:
    """
    Return the configuration; options of None were not given, and variables that are empty are not set.

    `file` has to exist when it is named (here, or as PAYDUE_CONFIG); otherwise the data folder's `paydue.toml` is
    read if there is one. `defaults` are those of a command where they differ. Raises WrongSetting.
    """
    from_options = {name: Found(value, _option(name)) for name, value in options.items() if value is not None}
    from_environment = {
        name: Found(environment[variable], variable)
        for name in SETTINGS
        if environment.get(variable := variable_of(name))
    }
    named_file = file or (Path(environment[_FILE_VARIABLE]) if environment.get(_FILE_VARIABLE) else None)
    from_file = _read_file(named_file) if named_file is not None else {}
    found = {name: Found(value, "default") for name, value in (defaults or {}).items()}
    found |= {"data": Found(default_data, "default")} | from_file | from_environment | from_options
    if named_file is None:
        own_file = _read("data", found["data"]) / FILE_NAME
        if own_file.is_file():
            in_data = _read_file(own_file)
            if "data" in in_data:
                raise WrongSetting(f"data in {own_file} cannot move the folder that the file itself is in: remove it")
            found = found | in_data | from_environment | from_options
    unknown = tuple(sorted(name for name in environment if name.startswith(PREFIX) and name not in _KNOWN_VARIABLES))
    config = Config(unknown=unknown, **{name: _read(name, each) for name, each in found.items()})
    _check_together(config)
    return config


def variable_of(name: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + name.upper()


class Found(NamedTuple):
    """A value as it was given, and where: an option, a variable, a file."""

    value: object
    source: str


class Setting(NamedTuple):
    """How a setting is read from text or from TOML, and what to say when it cannot be. `read` raises ValueError."""

    read: Callable[[Any], object]
    expected: str


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _read(name: str, found: Found) -> Any:
    setting = SETTINGS[name]
    try:
        return setting.read(found.value)
    except (ValueError, TypeError, KeyError):
        where = f"{name} ({found.source})" if found.source.startswith(("--", PREFIX)) else f"{name} in {found.source}"
        # A database URL may hold a password.
        shown = re.sub(r"//[^/@]*@", "//***@", repr(found.value)) if name not in _SECRETS else "not shown"
        raise WrongSetting(f"{where} is {shown}: expected {setting.expected}") from None


def _read_file(path: Path) -> dict[str, Found]:
    import tomllib  # noqa: PLC0415 - most starts have no file

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise WrongSetting(f"the configuration file {path} cannot be read: {fault.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise WrongSetting(f"the configuration file {path} is not TOML: {fault}") from None
    for name in table:
        if name not in SETTINGS:
            import difflib  # noqa: PLC0415 - for those who mistype

            near = difflib.get_close_matches(name, SETTINGS, n=1)
            meant = f", perhaps {near[0]} is meant" if near else ""
            raise WrongSetting(f"{name} in {path} is not a setting{meant}")
    # A path in a file is meant from where the file is, wherever the command is started.
    return {
        name: Found(
            path.parent / value if SETTINGS[name].read is _path and isinstance(value, str) else value, str(path)
        )
        for name, value in table.items()
    }


def _is_relative_path(name: str, value: object) -> bool:
    return SETTINGS[name].read is _path and isinstance(value, str) and bool(value)


def _check_together(config: Config) -> None:
    if (config.tls_certificate is None) != (config.tls_key is None):
        missing = "tls_key" if config.tls_key is None else "tls_certificate"
        raise WrongSetting(f"{missing} is not set: tls_certificate and tls_key go together")
    if config.tls_port is not None and config.tls_port == config.port != 0:
        raise WrongSetting(f"tls_port is {config.tls_port}, as port is: expected two different ports")
    if config.smtp_password is not None and config.smtp_user is None:
        raise WrongSetting("smtp_user is not set: smtp_user and smtp_password go together")
    if config.smtp_user is not None and config.smtp_password is None:
        raise WrongSetting("smtp_password is not set: smtp_user and smtp_password go together")
    if config.smtp_user is not None and config.smtp_security == "none":
        raise WrongSetting("smtp_security is none, and smtp_user is set: a password is sent over TLS only")


# What readers take is whatever TOML, the environment or an option gives: they refuse what they cannot read.


def _path(value: Any) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError
    return Path(value).expanduser().absolute()


def _integer(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,12}", str(value), re.ASCII):
            raise ValueError
        if not least <= (number := int(value)) <= most:
            raise ValueError
        return number

    return read


def _flag(value: Any) -> bool:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[str(value).lower()]


def _choice(*choices: str) -> Setting:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return Setting(read, " or ".join(choices) if len(choices) == 2 else "one of " + ", ".join(choices))


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError
    return value


def _listening_address(value: Any) -> str:
    if value == "localhost":
        return "127.0.0.1"
    return str(ipaddress.ip_address(_text(value)))


def _origin(value: Any) -> str:
    parts = urlsplit(_text(value).rstrip("/"))
    # `port` raises ValueError for what is no port.
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.port == 0:
        raise ValueError
    if parts.path or parts.query or parts.fragment or not re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", parts.netloc):
        raise ValueError
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _host_names(value: Any) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    stripped = tuple(name.strip().lower() for name in names)
    if not all(re.fullmatch(r"[a-z0-9._-]+(:[0-9]{1,5})?|\[[0-9a-f:]+\](:[0-9]{1,5})?", name) for name in stripped):
        raise ValueError
    return stripped


def _host_name(value: Any) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:]+", text := _text(value)):
        raise ValueError
    return text


def _secret(value: Any) -> Secret:
    return Secret(_text(value))


def _ports(value: Any) -> tuple[int, ...]:
    read = _integer(1, 65535)
    ports = tuple(read(each.strip() if isinstance(each, str) else each) for each in _listed(value))
    if not ports:
        raise ValueError
    return ports


def _networks(value: Any) -> tuple[str, ...]:
    return tuple(str(ipaddress.ip_network(_text(each).strip())) for each in _listed(value))


def _listed(value: Any) -> list[Any]:
    return value.split(",") if isinstance(value, str) else list(value)


def _database_url(value: Any) -> str:
    if not re.fullmatch(r"(sqlite:///|postgresql://|postgres://).+", url := _text(value)):
        raise ValueError
    return url


_PORT: Final = Setting(_integer(0, 65535), "a port number from 0 to 65535 (0 takes any free one)")
_FLAG: Final = Setting(_flag, "true or false")

SETTINGS: Final[Mapping[str, Setting]] = {
    "data": Setting(_path, "a folder"),
    "database": Setting(_database_url, "a URL such as sqlite:///path/to/file.db or postgresql://role@host:5432/name"),
    "key_file": Setting(_path, "a file"),
    "host": Setting(_listening_address, "an IP address of this machine, such as 127.0.0.1 or 0.0.0.0"),
    "port": _PORT,
    "tls_port": _PORT,
    "tls_certificate": Setting(_path, "a PEM file"),
    "tls_key": Setting(_path, "a PEM file"),
    "public_url": Setting(_origin, "a scheme and a host, such as https://pay.example.com, without a path"),
    "allowed_hosts": Setting(_host_names, "host names, such as api.example.com or api.example.com:8443"),
    "behind_proxy": _FLAG,
    "trusted_proxies": Setting(_integer(1, 10), "a number from 1 to 10"),
    "drain_seconds": Setting(_integer(0, 300), "seconds from 0 to 300"),
    "rate_limit": Setting(_integer(0, 1_000_000), "requests a second from 0 (no limit) to 1000000"),
    "burst": Setting(_integer(1, 10_000_000), "a number of requests from 1 to 10000000"),
    "amount_rules": _choice("strict", "observed"),
    "accept_jwt_v1": _FLAG,
    "replay": _choice("accept", "reject"),
    "mailbox_dir": Setting(_path, "a folder"),
    "mail_domain": Setting(_host_name, "a host name, such as example.com"),
    "smtp_host": Setting(_host_name, "a host name, such as smtp.example.com"),
    "smtp_port": Setting(_integer(1, 65535), "a port number from 1 to 65535"),
    "smtp_security": _choice("starttls", "tls", "none"),
    "smtp_user": Setting(_text, "a name"),
    "smtp_password": Setting(_secret, "a password without control characters"),
    "mails_a_day": Setting(_integer(0, 10_000_000), "a number of mails from 0 (no limit) to 10000000"),
    "webhook_default_policy": _choice("compat", "resilient"),
    "webhook_review": _choice("automatic", "person"),
    "egress_ports": Setting(_ports, "port numbers, such as 443 and 8443"),
    "egress_networks": Setting(_networks, "networks, such as 10.1.0.0/16"),
    "egress_ca_file": Setting(_path, "a PEM file"),
    "log_level": _choice("debug", "info", "warning", "error"),
    "log_format": _choice("json", "text"),
    "max_queue": Setting(_integer(1, 1_000_000), "a number of waiting changes from 1 to 1000000"),
}

_SECRETS: Final = frozenset(("smtp_password",))
_FILE_VARIABLE: Final = PREFIX + "CONFIG"
_KNOWN_VARIABLES: Final = frozenset({_FILE_VARIABLE, *map(variable_of, SETTINGS)})
