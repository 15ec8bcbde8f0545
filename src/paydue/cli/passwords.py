"""Passwords that we make for people, who may have to read or type them."""

import secrets
from typing import Final

_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"


def new_password() -> str:
    """Return 20 signs that can be told apart when read aloud: 100 bits."""
    return "".join(secrets.choice(_LETTERS) for _ in range(20))
