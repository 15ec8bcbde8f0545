"""Card numbers are found wherever they hide; other long numbers are left alone."""

import random
from uuid import UUID

import pytest

from paydue.domain.card_numbers import holds_card_number, masked


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111",
        "card 4111 1111 1111 1111, thanks",
        "5555-5555-5555-4444",
        "378282246310005",
        "2223003122003222",
        "3530111333300000",
        "6011111111111117",
        "Visa:4000056655665556.",
        "4111.1111.1111.1111",
        "4111\u00a01111\u20111111\u202f1111",
        "\uff14\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11",
    ],
)
def test_a_card_number_is_found(text: str) -> None:
    assert holds_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",
        "4006381333931",
        "96385074",
        "DE89370400440532013000",
        "GB33BUKB20201555555555",
        "+49 30 901820 12345",
        "1111111111111117",
        "41111111111111111111111",
        "2026-11-21 10:00:00 2026-11-21",
        "",
    ],
)
def test_other_digits_pass(text: str) -> None:
    assert not holds_card_number(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("card 4111 1111 1111 1111, thanks", "card XXXX XXXX XXXX 1111, thanks"),
        ("378282246310005 and 5555-5555-5555-4444", "XXXXXXXXXXX0005 and XXXX-XXXX-XXXX-4444"),
        ("\u00fc 4111\u00a01111\u00a01111\u00a01111", "\u00fc XXXX\u00a0XXXX\u00a0XXXX\u00a01111"),
        ("4111111111111112", "4111111111111112"),
    ],
)
def test_a_card_number_is_masked_but_for_its_end(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_no_uuid_is_taken_for_a_card_number() -> None:
    chance = random.Random(7)
    uuids = [str(UUID(int=chance.getrandbits(128), version=4)) for _ in range(30_000)]

    assert [each for each in uuids if holds_card_number(each) or holds_card_number(f"order {each.upper()}")] == []
    assert holds_card_number(f"{uuids[0]}: 4111 1111 1111 1111")
