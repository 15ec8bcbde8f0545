"""`paydue bench seed`: books like those of two years' business, in which everything agrees."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from client import Account, Client
from paydue.bootstrap import SystemSecrets
from paydue.cli.sample_books import SampleBooks
from paydue.domain.lifecycle import Status
from paydue.storage.bulk import Life
from postgres_server import PostgresServer
from running import paydue, run_paydue, running_demo

NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)


def lives(count: int, seed: int = 1) -> list[Life]:
    return list(SampleBooks(count, seed=seed, now=NOW, secrets=SystemSecrets()).lives())


def told(life: Life) -> list[Any]:
    """Return what a life is but for its payment token."""
    return [(change.after.terms, change.after.history, change.after.status, change.actor) for change in life.changes]


def test_the_same_seed_makes_the_same_invoices_and_another_makes_others() -> None:
    first, again, other = lives(150), lives(150), lives(150, seed=2)

    assert [told(life) for life in first] == [told(life) for life in again]
    assert [told(life) for life in first] != [told(life) for life in other]
    assert {life.changes[-1].after.payment_token for life in first}.isdisjoint(
        token for life in again if (token := life.changes[-1].after.payment_token) is not None
    )


def test_the_books_hold_every_status_and_are_as_mixed_as_a_merchants() -> None:
    made = [life.changes[-1].after for life in lives(1000)]

    statuses = [invoice.status for invoice in made]
    assert set(statuses) == set(Status)
    assert 0.05 <= statuses.count(Status.SENT) / 1000 <= 0.3
    assert any(invoice.terms.discount_amount for invoice in made)
    assert any(item.discount_amount for invoice in made for item in invoice.terms.line_items)
    assert {len(invoice.terms.line_items) for invoice in made} >= {1, 2, 3, 4}
    assert {invoice.terms.currency for invoice in made} >= {"USD", "EUR", "JPY"}
    assert not any(invoice.terms.discounts_twice or invoice.terms.taxes_twice for invoice in made)
    assert all(event.at < NOW for invoice in made for event in invoice.history)
    assert made[0].created_at < made[-1].created_at


def test_a_fresh_folder_becomes_a_demo_that_lists_every_status(tmp_path: Path) -> None:
    data = tmp_path / "demo"

    done = paydue("bench", "seed", "--data", str(data), "--count", "120", "--json")

    assert (done["merchant_id"], done["count"]) == ("paydue_demo", 120)
    assert sum(done["statuses"].values()) == 120
    assert paydue("verify", "--data", str(data), "--json")["holds"]
    with running_demo(data) as demo, Client(Account.demo(demo)) as client:
        assert client.list("?limit=1")["totalInvoices"] == 120
        for status, count in done["statuses"].items():
            assert client.list(f"?status={status}")["totalInvoices"] == count
        for number in range(1, 121):
            client.get(str(number))
        again = paydue("bench", "seed", "--data", str(data), "--count", "5", "--json")
        assert again["count"] == 5
        assert client.list("?limit=1")["totalInvoices"] == 125
        assert client.get("125")["status"] in done["statuses"]


def test_it_fills_postgresql_too(tmp_path: Path, postgres_server: PostgresServer) -> None:
    where = ["--data", str(tmp_path / "demo"), "--database", postgres_server.new_database()]

    done = paydue("bench", "seed", *where, "--count", "60", "--json")

    assert done["count"] == 60
    assert paydue("verify", *where, "--json")["holds"]


def test_the_merchant_is_asked_for_where_there_is_a_choice_and_has_to_be_there(tmp_path: Path) -> None:
    where = ["--data", str(tmp_path / "data")]
    paydue("init", *where)
    refused = run_paydue("bench", "seed", *where, "--count", "1")
    assert (refused.returncode, "paydue merchant add" in refused.stderr) == (1, True)
    for merchant_id in ("acme", "zeta"):
        paydue("merchant", "add", *where, "--id", merchant_id, "--name", merchant_id)

    refused = run_paydue("bench", "seed", *where, "--count", "1")
    assert (refused.returncode, "--merchant" in refused.stderr) == (1, True)
    refused = run_paydue("bench", "seed", *where, "--count", "1", "--merchant", "nobody")
    assert (refused.returncode, "'nobody'" in refused.stderr) == (1, True)
    done = run_paydue("bench", "seed", *where, "--count", "20", "--merchant", "zeta")
    assert done.stdout.startswith("20 invoices of zeta in ")
    assert len(done.stdout.splitlines()) == 1
