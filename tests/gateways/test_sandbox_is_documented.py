"""The page on the test processor says what its cards and amounts do."""

from decimal import Decimal

from documented import ROOT, table
from paydue.gateways.sandbox.scenarios import AMOUNTS, CARDS

PAGE = ROOT / "docs" / "reference" / "test-processor.md"


def test_every_test_card_is_documented_as_it_behaves() -> None:
    documented = {row["number"]: (row["what happens"], row["reason"]) for row in table(PAGE, "test cards")}
    assert documented == {number: (card.scenario.value, card.reason or "-") for number, card in CARDS.items()}


def test_every_amount_that_makes_trouble_is_documented() -> None:
    documented = {Decimal(row["amount"]): (row["what happens"], row["reason"]) for row in table(PAGE, "test amounts")}
    assert documented == {amount: (found.trigger.value, found.reason or "-") for amount, found in AMOUNTS.items()}
