"""`paydue mail bounce`: mails that came back, handed in by whoever has them."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from paydue.cli.options import fail, print_json, read_config, run


def enter_bounces(*, files: Sequence[Path], config_file: Path | None, as_json: bool, **options: Any) -> None:
    """Enter each file, or what comes by standard input, and say what it was about."""
    config = read_config(config_file, **options)
    try:
        contents = {str(path): path.read_bytes() for path in files} or {"-": sys.stdin.buffer.read()}
    except OSError as fault:
        fail(f"{fault.filename}: {fault.strerror}")

    async def entered() -> list[dict[str, str]]:
        from paydue.bootstrap import key_file_path, open_store  # noqa: PLC0415
        from paydue.bootstrap.post import join_returned_mail  # noqa: PLC0415
        from paydue.delivery.bounce_reports import NotABounce  # noqa: PLC0415

        store = await open_store(config, serves=False)
        try:
            returned = join_returned_mail(store, key_file_path(config).read_bytes())
            found = []
            for name, content in contents.items():
                try:
                    job, bounce = await returned.take(content, datetime.now(UTC))
                except NotABounce as fault:
                    fail(f"{name} is not entered: {fault}")
                found.append(
                    {
                        "file": name,
                        "merchant": job.merchant_id,
                        "delivery": job.message_id,
                        "recipient": job.recipient or "",
                        "report": bounce.report.value,
                        "said": bounce.said,
                    }
                )
            return found
        finally:
            await store.close()

    bounces = run(entered())
    if as_json:
        print_json({"bounces": bounces})
        return
    for each in bounces:
        print(f"{each['recipient']}  {each['report']:9}  {each['said']}  (delivery {each['delivery']})")
