"""What the store shares between its engines names statements that both have, with as many values."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from paydue.storage.postgres import delivery_statements as postgres
from paydue.storage.sqlite import delivery_statements as sqlite

ROOM = Path(__file__).parents[2] / "src" / "paydue" / "storage"
NAMED = sorted({name for module in ROOM.glob("*.py") for name in re.findall(r"\bsql\.([A-Z_]+)", module.read_text())})


def values_of(module: ModuleType, name: str) -> int:
    """Return how many values a statement takes, however it marks their places."""
    statement = getattr(module, name)
    numbered = [int(number) for number in re.findall(r"[?$](\d+)", statement)]
    return max(numbered, default=0) + len(re.findall(r"\?(?!\d)", statement))


def test_the_search_finds_the_statements() -> None:
    assert len(NAMED) > 30
    assert {"ADD_ACTION", "SUPPRESS", "IN_STATE", "ADD_SUBSCRIPTION", "DUE_ON"} <= set(NAMED)


@pytest.mark.parametrize("name", NAMED)
def test_a_shared_statement_takes_the_same_values_on_each_engine(name: str) -> None:
    # Behind PostgreSQL's wall what is about everybody takes the wall's name besides.
    about_all = "wall.merchant_id = '*'" in getattr(postgres, name)
    assert values_of(sqlite, name) == values_of(postgres, name) - about_all
