"""`paydue serve`: API and payment pages of an installation that `paydue init` made."""

import asyncio
import ipaddress
import logging
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import uvloop

from paydue import bootstrap
from paydue.bootstrap.paying import require_real_gateway
from paydue.cli.http_protocol import Door
from paydue.cli.logs import start_logging
from paydue.cli.options import fail, read_config, told_plainly
from paydue.cli.sandbox_serving import bind_sandbox, place_of, served_at
from paydue.cli.serving import CannotListen, Listener, bind, serve_until_stopped, write_ready_file
from paydue.config import Config

_LOOPBACK: Final = "127.0.0.1"
_TLS_PORT: Final = 8443

_log = logging.getLogger("paydue.server")


def run_server(*, config_file: Path | None, ready_file: Path | None, with_worker: bool, **options: Any) -> None:
    """Serve until told to stop; refuses plain http for other machines unless a proxy in front speaks TLS."""
    config = read_config(config_file, **options)
    start_logging(config.log_level, config.log_format)
    if ready_file is not None:
        ready_file = ready_file.absolute()
        ready_file.unlink(missing_ok=True)
    with told_plainly(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(config, ready_file, with_worker=with_worker))
        except CannotListen as fault:
            fail(str(fault))


async def _serve(config: Config, ready_file: Path | None, *, with_worker: bool) -> None:
    listeners = _listeners(config)
    urls = [_url(config, listener) for listener in listeners]
    portal_url = config.public_url or urls[-1]
    require_real_gateway(config, is_demo=False)
    trial = bind_sandbox(config)
    service = await bootstrap.open_service(
        config,
        portal_url=portal_url,
        tls_host=urlsplit(portal_url).netloc,
        with_worker=with_worker,
        sandbox=place_of(trial, urls[0]),
    )
    try:
        _warn(config)
        if with_worker:
            warn_of_mail(config)

        def ready() -> None:
            _log.info("serving", extra={"urls": urls, "data": str(config.data)})
            if ready_file is not None:
                facts = {"api_url": urls[0], "portal_url": portal_url}
                write_ready_file(ready_file, facts | ({"tls_url": urls[1]} if len(urls) > 1 else {}))
            warming.append(asyncio.ensure_future(service.site.warm_up()))

        def leave() -> None:
            service.site.leave()
            if service.post_office is not None:
                service.post_office.stop()

        warming: list[asyncio.Future[None]] = []
        async with service.post_office.at_work() if service.post_office is not None else nullcontext():
            await serve_until_stopped(
                service.app,
                (*listeners, *served_at(trial, service.sandbox)),
                ready,
                leave,
                door=Door(
                    service.api,
                    service.site,
                    service.trusted_proxies,
                    config.connections_from_one if config.rate_limit else 0,
                ),
                drain_seconds=config.drain_seconds,
            )
    finally:
        await service.close()


def _listeners(config: Config) -> list[Listener]:
    """Return the plain listener and, with a certificate, the one that speaks TLS. Raises CannotListen."""
    has_tls = config.tls_certificate is not None
    is_local = ipaddress.ip_address(config.host).is_loopback
    if not is_local and not has_tls and not config.behind_proxy:
        fail(
            f"{config.host} can be reached from other machines, and plain http can be read and changed on the way: "
            "give --tls-certificate and --tls-key, or say --behind-proxy if a proxy in front speaks TLS"
        )
    # With TLS for the others, plain http stays for this machine: health checks and commands.
    plain = config.host if is_local or config.behind_proxy else _LOOPBACK
    listeners = [Listener(bound=bind(plain, config.port))]
    if has_tls:
        default = _TLS_PORT if config.port else 0
        tls_port = config.tls_port if config.tls_port is not None else default
        listeners.append(
            Listener(bound=bind(config.host, tls_port), certificate=config.tls_certificate, key=config.tls_key)
        )
    return listeners


def _url(config: Config, listener: Listener) -> str:
    scheme = "https" if listener.certificate is not None else "http"
    address = ipaddress.ip_address(listener.bound.getsockname()[0])
    if address.is_unspecified:
        address = ipaddress.ip_address("::1" if address.version == 6 else _LOOPBACK)
    host = f"[{address}]" if address.version == 6 else str(address)
    return f"{scheme}://{host}:{listener.port}"


def warn_of_mail(config: Config) -> None:
    """Say what an operator may not expect of the worker."""
    if config.mailbox_dir is None and config.smtp_host is None:
        _log.warning("no_mail_server", extra={"effect": "mails wait in the outbox", "set": "smtp_host"})


def _warn(config: Config) -> None:
    """Say what an operator may not expect."""
    if config.accept_jwt_v1:
        _log.warning(
            "jwt_v1_accepted", extra={"effect": "captured version 1 tokens can be used again until they are stale"}
        )
    if config.public_url is None:
        _log.warning("no_public_url", extra={"effect": "payment links lead to the address this server listens on"})
    for variable in config.unknown:
        _log.warning("unknown_setting", extra={"variable": variable})
