"""
A real server, killed at each step between a payer's first click and the last answer, on both engines.

Its processor is another program, which outlives it and keeps a ledger of its own. Each payer comes back after the
restart, as browsers do, with the very form that was on its way. When the worker has looked at what was left between,
our books say what the processor's ledger says, to the cent, and `paydue verify` finds nothing.
"""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from builders import some_terms
from paydue.bootstrap import make_store, open_store
from paydue.config import Config
from paydue.domain.attempts import AttemptState
from paydue.domain.invoice import Invoice
from paydue.domain.merchant import Merchant
from paying import MovedClock
from postgres_server import PostgresServer
from processing import SECRET, Processing, processing
from running import clean, in_a_thread, paydue
from storing import a_change, a_token

ACME = "acme"
CHARGE = "write POST /pts/v2/payments"
MOST_STEPS = 80
# Until nobody waits for an answer; until what is nowhere is voided; until it is given up.
LATER_MINUTES = (0, 2, 20, 25 * 60)
TOTALS = {"answered": "100", "lost before the charge": "9997", "lost after the charge": "9998"}


class Died(Exception):
    """The server was killed by the step it took; `steps` are those that it took before, and that one."""

    def __init__(self, steps: list[str]) -> None:
        super().__init__(steps)
        self.steps = steps


class TimeAhead(MovedClock):
    """This machine's time, and minutes more."""

    minutes = 0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(minutes=self.minutes)


class Host:
    """A machine that runs our commands, as `mortal_server.py` does: one at a time, each with a death of its own."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, order: Mapping[str, Any]) -> None:
        self._process = process
        self._order = order
        self._ready = folder / "server.ready.json"
        self._log = folder / "server.log"
        self._steps = folder / "server.steps"
        self.url: str | None = None

    def serve(self) -> str:
        """Return where a server answers; it is started if there is none."""
        if self.url is None:
            self._ready.unlink(missing_ok=True)
            self._pid = self._start("serve", "--port", "0", "--ready-file", str(self._ready))
            give_up_at = time.monotonic() + 30
            while not self._ready.exists():
                assert time.monotonic() < give_up_at, self._log.read_text()[-3000:]
                time.sleep(0.003)
            self.url = json.loads(self._ready.read_bytes())["api_url"]
        return self.url

    def died(self) -> Died:
        """Return the death of the server: it is no stop, and no accident."""
        self.url = None
        assert self._end() == {"died": True, "exit_code": None}, self._log.read_text()[-3000:]
        return Died(self.steps)

    @property
    def steps(self) -> list[str]:
        return self._steps.read_text().splitlines()

    def stop(self) -> None:
        """Have nobody serve."""
        if self.url is not None:
            subprocess.run(["kill", str(self._pid)], check=True)
            self.url = None
            assert self._end() == {"died": False, "exit_code": 0}, self._log.read_text()[-3000:]

    def look_at_payments(self, minutes: int) -> None:
        """Let a worker, whose clock is so far ahead, look at every payment that is not done."""
        self._start("worker", minutes=minutes)
        assert self._end() == {"died": False, "exit_code": 0}, self._log.read_text()[-3000:]

    def _start(self, *arguments: str, minutes: int = 0) -> int:
        files = {"log": str(self._log), "steps": str(self._steps)}
        order = {**self._order, **files, "arguments": [*arguments, *self._order["arguments"]], "minutes": minutes}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        pid: int = self._read()["pid"]
        return pid

    def _end(self) -> Any:
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def a_host(folder: Path, config: Config, processor: str) -> Iterator[Host]:
    place = ["--data", str(config.data), *(("--database", config.database) if config.database else ())]
    account = {
        "PAYDUE_GATEWAY": "cybersource",
        "PAYDUE_CYBERSOURCE_URL": processor,
        "PAYDUE_CYBERSOURCE_MERCHANT_ID": ACME,
        "PAYDUE_CYBERSOURCE_KEY_ID": "key-1",
        "PAYDUE_CYBERSOURCE_SECRET": SECRET,
        "PAYDUE_DEVELOPMENT": "true",
    }
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("mortal_server.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=clean({"PYTHONPATH": str(Path(__file__).parents[1])}),
    ) as process:
        host = Host(process, folder, {"environment": account, "arguments": place})
        try:
            yield host
        finally:
            host.stop()
            assert process.stdin is not None
            process.stdin.close()


class Payer:
    """Somebody with a link and one form, who sends it again after whatever happened."""

    def __init__(self, host: Host, processor: Processing, invoice: Invoice) -> None:
        self._host = host
        self._processor = processor
        self._link = f"/ebc2/invoicing/payInvoice/{invoice.payment_token}"
        self._form = {"payer_key": uuid.uuid4().hex, "choice": "balance"}
        self._attempt: Any = None
        self._token = ""

    def begin(self, die_at: int | None = None) -> None:
        """Open the form and type a card into it, at the processor."""
        self._attempt = self._post("/attempts", die_at).json()
        typed = {"number": "4111111111111111", "month": "12", "year": "2039", "code": "123"}
        answer = httpx.post(self._attempt["script_url"] + "/token", content=json.dumps(typed), trust_env=False)
        assert answer.status_code == 200, answer.text
        self._token = answer.json()["token"]

    def charge(self, die_at: int | None = None) -> str:
        """Press the button, and return how the attempt stands."""
        state: str = self._post(f"/attempts/{self._attempt['attempt_id']}/charge", die_at, token=self._token).json()[
            "state"
        ]
        return state

    def _post(self, below: str, die_at: int | None, **more: str) -> httpx.Response:
        headers = {"sec-fetch-site": "same-origin"} | ({"x-die-at": str(die_at)} if die_at is not None else {})
        try:
            answer = httpx.post(
                self._host.serve() + self._link + below,
                data=self._form | more,
                headers=headers,
                timeout=30,
                trust_env=False,
            )
        except httpx.RemoteProtocolError:
            raise self._host.died() from None
        assert answer.status_code in (200, 201), answer.text
        return answer


class Till(NamedTuple):
    host: Host
    processor: Processing
    invoices: Mapping[str, list[Invoice]]

    def next_payer(self, mode: str) -> Payer:
        return Payer(self.host, self.processor, self.invoices[mode].pop())


async def a_store_of(config: Config) -> Mapping[str, list[Invoice]]:
    """Make an installation with more invoices of each kind than payers will come."""
    await make_store(config)
    store = await open_store(config, serves=True)
    await store.add_merchant(Merchant(merchant_id=ACME, name="Acme Ltd"))
    at = datetime.now(UTC)
    made = {
        mode: [
            await store.of(ACME).commit(a_change(None, Invoice.draft(some_terms(total), at).send(at, a_token())))
            for _ in range(MOST_STEPS * (2 if mode == "answered" else 1))
        ]
        for mode, total in TOTALS.items()
    }
    await store.close()
    return made


def kill_each_payment(till: Till) -> None:
    """Let payers come until none of their servers dies any more, in each of the three modes."""
    died_at: list[str] = []
    for die_at in range(1, MOST_STEPS):
        payer = till.next_payer("answered")
        try:
            payer.begin(die_at)
        except Died as death:
            died_at.append("begin: " + death.steps[-1])
            payer.begin()
        else:
            break
        assert payer.charge() == "settled"
    first = 1
    for mode, outcome in (
        ("answered", "settled"),
        ("lost before the charge", "confirming"),
        ("lost after the charge", "confirming"),
    ):
        for die_at in range(first, MOST_STEPS):
            payer = till.next_payer(mode)
            payer.begin()
            try:
                state = payer.charge(die_at)
            except Died as death:
                steps = death.steps
            else:
                assert state == outcome
                break
            died_at.append(f"{mode}: {steps[-1]}")
            # The form was on its way when the server died: a browser sends it again.
            assert payer.charge() in {outcome, "confirming"}, steps
            # Up to there nothing differs between the modes.
            first = steps.index(CHARGE) + 1 if CHARGE in steps else first
        else:
            raise AssertionError(f"a payment has more than {MOST_STEPS} steps")
    for wanted in ("begin: answer", "answered: answer", f"answered: {CHARGE}", "lost before the charge: answer"):
        assert wanted in died_at, "; ".join(died_at)
    assert len(died_at) > 25, died_at


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
async def test_killed_at_each_step_our_books_say_what_the_processors_say(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    database = None
    if engine == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        database = server.new_database()
    config = Config(data=tmp_path / "data", database=database)
    invoices = await a_store_of(config)
    numbers = [each.number for mode in invoices.values() for each in mode]
    clock = TimeAhead()
    with in_a_thread(processing(clock=clock)) as processor, a_host(tmp_path, config, processor.origin) as host:
        kill_each_payment(Till(host, processor, invoices))
        host.stop()
        for minutes in LATER_MINUTES:
            clock.minutes = minutes
            host.look_at_payments(minutes)
        taken = [each for each in processor.ledger.transactions.values() if each.took_money]

    store = await open_store(config, serves=True)
    paid, ours = {}, set()
    for number in numbers:
        invoice = await store.of(ACME).invoice(number)
        assert invoice is not None
        assert invoice.reservations == ()
        for attempt in await store.attempts_of(ACME).attempts_of(number):
            assert attempt.is_final, attempt
            if attempt.state is AttemptState.SETTLED and attempt.transaction_id is not None:
                ours.add(attempt.transaction_id)
            paid[attempt.reference] = invoice.paid
    assert await store.attempts_of(ACME).unapplied_money(resolved=False) == []
    await store.close()
    assert {each.code: each.amount for each in taken} == {code: amount for code, amount in paid.items() if amount}
    assert {each.transaction_id for each in taken} == ours
    assert len(taken) == len(ours) > 0
    assert Decimal(0) in paid.values()
    assert Decimal(9998) in paid.values()
    place = ("--data", str(config.data), *(("--database", database) if database else ()))
    paydue("verify", *place, "--json")
