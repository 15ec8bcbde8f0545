"""`paydue demo`: a whole installation with a ready-made merchant, on this machine, in one process."""

import asyncio
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from paydue import bootstrap
from paydue.cli.demo_account import DemoAccount, Files, demo_account, put_into
from paydue.cli.http_protocol import Door
from paydue.cli.logs import start_logging
from paydue.cli.options import fail, read_config, told_plainly
from paydue.cli.sandbox_serving import bind_sandbox, place_of, served_at
from paydue.cli.serving import CannotListen, Listener, bind, serve_until_stopped, write_ready_file
from paydue.config import Config

_HOST: Final = "127.0.0.1"
DEFAULTS: Final[Mapping[str, object]] = {
    "rate_limit": 0,
    "gateway": "sandbox",
    "accept_jwt_v1": True,
    "log_format": "text",
    "log_level": "warning",
}


def run_demo(*, config_file: Path | None, ready_file: Path | None, **options: Any) -> None:
    """Serve the demo until told to stop."""
    config = read_config(config_file, kind="demo", defaults=DEFAULTS, **options)
    start_logging(config.log_level, config.log_format)
    if ready_file is not None:
        # A script may wait for it: that of an earlier start would tell it of a server that is gone.
        ready_file = ready_file.absolute()
        ready_file.unlink(missing_ok=True)
    with told_plainly(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(config, ready_file))
        except CannotListen as fault:
            fail(str(fault))


async def _serve(config: Config, ready_file: Path | None) -> None:
    files = Files(config.data)
    if not files.account.exists() and bootstrap.key_file_path(config).exists():
        fail(f"{config.data} was made by `paydue init`, not by the demo: give the demo a folder of its own with --data")
    plain = Listener(bound=bind(_HOST, config.port))
    tls_port = config.tls_port if config.tls_port is not None else config.port and config.port + 1
    await bootstrap.make_store(config)
    now = datetime.now(UTC)
    account = demo_account(config.data, now)
    files.mailbox.mkdir(mode=0o700, exist_ok=True)
    secure = Listener(bound=bind(_HOST, tls_port), certificate=files.certificate, key=files.key)
    trial = bind_sandbox(config)
    api_url, tls_host = f"http://{_HOST}:{plain.port}", f"localhost:{secure.port}"
    service = await bootstrap.open_service(
        msgspec.structs.replace(config, mailbox_dir=config.mailbox_dir or files.mailbox),
        portal_url=config.public_url or api_url,
        tls_host=tls_host,
        is_demo=True,
        with_worker=True,
        sandbox=place_of(trial, api_url),
    )
    assert service.post_office is not None
    try:
        await put_into(service.store, account, now)
        facts = _facts(account, files, config, api_url, f"https://{tls_host}")
        if trial is not None:
            facts["sandbox_url"] = f"http://{_HOST}:{trial.port}"

        def ready() -> None:
            _introduce(facts, config.data)
            # Whoever waits for the file finds everything printed.
            if ready_file is not None:
                write_ready_file(ready_file, facts)
            warming.append(asyncio.ensure_future(service.site.warm_up()))

        warming: list[asyncio.Future[None]] = []
        async with service.post_office.at_work():
            await serve_until_stopped(
                service.app,
                (plain, secure, *served_at(trial, service.sandbox)),
                ready,
                service.post_office.stop,
                door=Door(service.api, service.site, service.trusted_proxies),
            )
    finally:
        await service.close()


def _facts(account: DemoAccount, files: Files, config: Config, api_url: str, tls_url: str) -> dict[str, str]:
    """Return what the ready file says; the names are a contract with other people's scripts."""
    return {
        "api_url": api_url,
        "tls_url": tls_url,
        "ca_file": str(files.ca),
        "merchant_id": account.merchant_id,
        "key_id": account.key_id,
        "shared_secret": account.shared_secret,
        "p12_file": str(files.p12),
        "p12_password": account.p12_password,
        "console_url": f"{api_url}/console",
        "console_user": account.console_user,
        "console_password": account.console_password,
        "mailbox_dir": str(config.mailbox_dir or files.mailbox),
    }


def _introduce(facts: Mapping[str, str], data: Path) -> None:
    """Tell a person how to reach the demo, and how to point a client library at it."""
    from paydue.cli.client_settings import client_settings  # noqa: PLC0415 - when the server is up already

    rows = [*facts.items(), ("data", str(data)), ("documentation", f"{facts['api_url']}/docs")]
    settings = client_settings(facts)
    if not sys.stdout.isatty():
        for name, value in rows:
            print(f"{name}: {value}")
        print("\n" + settings + "\n\nCtrl+C stops.", flush=True)
        return
    from rich.console import Console  # noqa: PLC0415 - slow, and for terminals only
    from rich.text import Text  # noqa: PLC0415

    # Never wrapped: what is printed here is copied from here.
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text.assemble(("Paydue demo", "bold"), " is serving. It is for trying out, on this machine alone.\n"))
    for name, value in rows:
        console.print(Text.assemble((f"{name:18}", "bold"), value))
    console.print("\n" + settings, markup=False)
    console.print(Text("\nCtrl+C stops.", "bold"))
