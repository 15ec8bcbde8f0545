"""
The one configuration object, read once at the start.

A setting is looked for in this order: command option, environment (`PAYDUE_` and its name in capitals), the file
`paydue.toml`, the default. What each means to an operator stands in `docs/reference/configuration.md`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

from paydue.config import readers
from paydue.config.readers import Setting
from paydue.usecases.access_keys import Secret

FILE_NAME: Final = "paydue.toml"
PREFIX: Final = "PAYDUE_"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Every choice an operator has. Paths are absolute. `unknown` names variables that only look like ours."""

    data: Path
    database: str | None = None
    database_replica: str | None = None
    database_replica_lag_seconds: int = 0
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
    connections_from_one: int = 500
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
    mails_a_day_at_first: int = 100
    mails_a_day_to_one: int = 50
    resends_a_day: int = 10
    bounce_dir: Path | None = None
    attach_pdf: bool = False
    charges_an_hour: int = 10
    charges_an_hour_from_one: int = 30
    worker_priority: Literal["low", "normal"] = "low"
    gateway: Literal["none", "sandbox", "cybersource", "stripe"] = "none"
    development: bool = False
    sandbox_port: int | None = None
    cybersource_url: str | None = None
    cybersource_merchant_id: str | None = None
    cybersource_key_id: str | None = None
    cybersource_secret: Secret | None = None
    cybersource_country: str = "US"
    stripe_secret_key: Secret | None = None
    stripe_webhook_secrets: tuple[Secret, ...] = ()
    stripe_page_origins: tuple[str, ...] = ()
    stripe_url: str | None = None
    webhook_default_policy: Literal["compat", "resilient"] = "compat"
    webhook_review: Literal["automatic", "person"] = "automatic"
    webhook_held_days: int = 30
    webhook_held_most: int = 10_000
    webhook_give_up_days: int = 7
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
            path.parent / value if SETTINGS[name].read is readers.folder_or_file and isinstance(value, str) else value,
            str(path),
        )
        for name, value in table.items()
    }


def _is_relative_path(name: str, value: object) -> bool:
    return SETTINGS[name].read is readers.folder_or_file and isinstance(value, str) and bool(value)


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
    if config.database_replica is not None and not f"{config.database}".startswith("postgres"):
        raise WrongSetting("database is not PostgreSQL: database_replica is a standby of one that is")
    _check_gateway(config)


def _check_gateway(config: Config) -> None:
    """A gateway has all of its settings or none; with all of them its earlier payments are settled in any case."""
    for gateway, names in _OF_GATEWAY.items():
        given = [name for name in names if getattr(config, name) is not None]
        missing = [name for name in names if name not in given]
        if missing and (given or config.gateway == gateway):
            why = f"gateway is {gateway}" if config.gateway == gateway else f"{given[0]} is"
            raise WrongSetting(f"{missing[0]} is not set, and {why}: {', '.join(names)} go together")


# What a gateway cannot do without. What it can do without is not named here.
_OF_GATEWAY: Final[Mapping[str, tuple[str, ...]]] = {
    "cybersource": ("cybersource_url", "cybersource_merchant_id", "cybersource_key_id", "cybersource_secret"),
    "stripe": ("stripe_secret_key",),
}

_PORT: Final = Setting(readers.integer(0, 65535), "a port number from 0 to 65535 (0 takes any free one)")
_FLAG: Final = Setting(readers.flag, "true or false")

SETTINGS: Final[Mapping[str, Setting]] = {
    "data": Setting(readers.folder_or_file, "a folder"),
    "database": Setting(
        readers.database_url, "a URL such as sqlite:///path/to/file.db or postgresql://role@host:5432/name"
    ),
    "database_replica": Setting(
        readers.one_server_url, "a URL of one PostgreSQL server, such as postgresql://role@host:5432/name"
    ),
    "database_replica_lag_seconds": Setting(readers.integer(0, 3600), "seconds from 0 to 3600"),
    "key_file": Setting(readers.folder_or_file, "a file"),
    "host": Setting(readers.listening_address, "an IP address of this machine, such as 127.0.0.1 or 0.0.0.0"),
    "port": _PORT,
    "tls_port": _PORT,
    "tls_certificate": Setting(readers.folder_or_file, "a PEM file"),
    "tls_key": Setting(readers.folder_or_file, "a PEM file"),
    "public_url": Setting(readers.origin, "a scheme and a host, such as https://pay.example.com, without a path"),
    "allowed_hosts": Setting(readers.host_names, "host names, such as api.example.com or api.example.com:8443"),
    "behind_proxy": _FLAG,
    "trusted_proxies": Setting(readers.integer(1, 10), "a number from 1 to 10"),
    "drain_seconds": Setting(readers.integer(0, 300), "seconds from 0 to 300"),
    "rate_limit": Setting(readers.integer(0, 1_000_000), "requests a second from 0 (no limit) to 1000000"),
    "burst": Setting(readers.integer(1, 10_000_000), "a number of requests from 1 to 10000000"),
    "connections_from_one": Setting(readers.integer(0, 1_000_000), "a number from 0 (no limit) to 1000000"),
    "amount_rules": readers.choice("strict", "observed"),
    "accept_jwt_v1": _FLAG,
    "replay": readers.choice("accept", "reject"),
    "mailbox_dir": Setting(readers.folder_or_file, "a folder"),
    "mail_domain": Setting(readers.host_name, "a host name, such as example.com"),
    "smtp_host": Setting(readers.host_name, "a host name, such as smtp.example.com"),
    "smtp_port": Setting(readers.integer(1, 65535), "a port number from 1 to 65535"),
    "smtp_security": readers.choice("starttls", "tls", "none"),
    "smtp_user": Setting(readers.text, "a name"),
    "smtp_password": Setting(readers.secret, "a password without control characters"),
    "mails_a_day": Setting(readers.integer(0, 10_000_000), "a number of mails from 0 (no limit) to 10000000"),
    "mails_a_day_at_first": Setting(readers.integer(0, 10_000_000), "a number of mails from 0 (no limit) to 10000000"),
    "mails_a_day_to_one": Setting(readers.integer(0, 10_000_000), "a number of mails from 0 (no limit) to 10000000"),
    "bounce_dir": Setting(readers.folder_or_file, "a folder"),
    "attach_pdf": _FLAG,
    "worker_priority": readers.choice("low", "normal"),
    "resends_a_day": Setting(readers.integer(0, 10_000), "a number from 0 (no limit) to 10000"),
    "charges_an_hour": Setting(readers.integer(0, 10_000), "a number from 0 (no limit) to 10000"),
    "charges_an_hour_from_one": Setting(readers.integer(0, 100_000), "a number from 0 (no limit) to 100000"),
    "gateway": readers.choice("none", "sandbox", "cybersource", "stripe"),
    "development": _FLAG,
    "sandbox_port": _PORT,
    "cybersource_url": Setting(readers.gateway_url, "a scheme and a host, such as https://api.cybersource.com"),
    "cybersource_merchant_id": Setting(readers.account_name, "the account's name, of letters, digits, _ . and -"),
    "cybersource_key_id": Setting(readers.account_name, "the id of a shared secret key"),
    "cybersource_secret": Setting(readers.shared_secret, "a shared secret in base64, as the processor shows it"),
    "cybersource_country": Setting(readers.country, "a country of two capital letters, such as US"),
    "stripe_secret_key": Setting(readers.stripe_key, "a secret or restricted key, which starts with sk_ or rk_"),
    "stripe_webhook_secrets": Setting(readers.stripe_webhook_secrets, "signing secrets, which start with whsec_"),
    "stripe_page_origins": Setting(readers.https_origins, "origins, such as https://pay.example.com"),
    "stripe_url": Setting(readers.gateway_url, "a scheme and a host, such as https://api.stripe.com"),
    "webhook_default_policy": readers.choice("compat", "resilient"),
    "webhook_review": readers.choice("automatic", "person"),
    "webhook_held_days": Setting(readers.integer(1, 365), "a number of days from 1 to 365"),
    "webhook_held_most": Setting(readers.integer(1, 10_000_000), "a number of notifications from 1 to 10000000"),
    "webhook_give_up_days": Setting(readers.integer(0, 365), "a number of days from 0 (never) to 365"),
    "egress_ports": Setting(readers.ports, "port numbers, such as 443 and 8443"),
    "egress_networks": Setting(readers.networks, "networks, such as 10.1.0.0/16"),
    "egress_ca_file": Setting(readers.folder_or_file, "a PEM file"),
    "log_level": readers.choice("debug", "info", "warning", "error"),
    "log_format": readers.choice("json", "text"),
    "max_queue": Setting(readers.integer(1, 1_000_000), "a number of waiting changes from 1 to 1000000"),
}

_SECRETS: Final = frozenset(("smtp_password", "cybersource_secret", "stripe_secret_key", "stripe_webhook_secrets"))
_FILE_VARIABLE: Final = PREFIX + "CONFIG"
_KNOWN_VARIABLES: Final = frozenset({_FILE_VARIABLE, *map(variable_of, SETTINGS)})
