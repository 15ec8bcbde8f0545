"""
Small readers (text, amount, date, flag) that collect every fault of a request with its field path.

A `Reader` stands on one JSON object of the body. A reader that finds a fault notes it and returns None, so that one
answer names everything that is wrong, in the order of reading.
"""

import re
from datetime import date
from decimal import Decimal
from typing import Any, Final

from paydue.domain.card_numbers import holds_card_number
from paydue.domain.email_addresses import is_email
from paydue.domain.errors import Fault, InvalidFields
from paydue.domain.money import CURRENCIES, read_digits, shortest, truncated
from paydue.wire.strict_json import NumberText

MISSING: Final = "MISSING_FIELD"
CARD_NUMBER: Final = "Invalid: looks like a card number, which must not be stored"
MAXIMUM_FAULTS: Final = 100

_AMOUNT = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+", re.ASCII)
_EXPONENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)[eE]([+-]?[0-9]{1,3})", re.ASCII)
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:T[0-9:.,+\-Zz]{1,30})?", re.ASCII)
_DATE_DAY_FIRST = re.compile(r"([0-9]{2})-([0-9]{2})-([0-9]{4})", re.ASCII)
_ONE_LINE_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_MULTI_LINE_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]|\r(?!\n)")
_FLAGS: Final = {"true": True, "false": False}


class Faults:
    """The faults of one request, in the order found; at most 100 are kept."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: list[Fault] = []

    def add(self, field: str, reason: str) -> None:
        if len(self._found) < MAXIMUM_FAULTS:
            self._found.append(Fault(field, reason))

    def is_noted(self, field: str) -> bool:
        """Whether that field, or a group it stands in, has a fault already."""
        return any(field == fault.field or field.startswith(fault.field + ".") for fault in self._found)

    def raise_if_any(self) -> None:
        """Raise InvalidFields with everything found so far, if anything was."""
        if self._found:
            raise InvalidFields(tuple(self._found))


class Reader:
    """One JSON object of a request body: `path` is its own, `faults` where to note what is wrong in it."""

    __slots__ = ("_prefix", "_values", "faults")

    def __init__(self, values: dict[str, Any], path: str, faults: Faults) -> None:
        self._values = values
        self._prefix = path + "." if path else ""
        self.faults = faults

    def has(self, name: str) -> bool:
        """Whether the member is there and not null: null counts as not sent."""
        return self._values.get(name) is not None

    def has_items(self, name: str) -> bool:
        """Whether the member is an array with something in it."""
        value = self._values.get(name)
        return type(value) is list and bool(value)

    def is_above_zero(self, name: str) -> bool:
        """Whether the member is a well-formed number above zero; nothing is noted."""
        value = Reader(self._values, "", Faults())._decimal(name, 60)
        return value is not None and value > 0

    def known_currency(self, name: str) -> str | None:
        """Return the currency if it is one; nothing is noted. Amounts need it before its turn."""
        value = self._values.get(name)
        return value if type(value) is str and value in CURRENCIES else None

    def fault(self, name: str, reason: str) -> None:
        self.faults.add(self._prefix + name, reason)

    def missing_unless_noted(self, name: str) -> None:
        """Note the member as missing, unless it or its group is known to be faulty."""
        if not self.faults.is_noted(self._prefix + name):
            self.fault(name, MISSING)

    def group(self, name: str, *, required: bool = False) -> "Reader | None":
        """Read an object. An absent one is None, and a fault when required."""
        value = self._values.get(name)
        if type(value) is dict:
            return Reader(value, self._prefix + name, self.faults)
        if value is not None:
            self.fault(name, "Invalid: has to be an object")
        elif required:
            self.fault(name, MISSING)
        return None

    def items(self, name: str, maximum: int) -> "list[Reader]":
        """Read an array of objects; an absent, empty or wrong one is an empty list."""
        value = self._values.get(name)
        if value is None:
            return []
        if type(value) is not list:
            self.fault(name, "Invalid: has to be an array")
            return []
        if len(value) > maximum:
            self.fault(name, f"Too many: at most {maximum}")
            return []
        readers = []
        for position, item in enumerate(value):
            if type(item) is dict:
                readers.append(Reader(item, f"{self._prefix}{name}[{position}]", self.faults))
            else:
                self.fault(f"{name}[{position}]", "Invalid: has to be an object")
        return readers

    def text(
        self,
        name: str,
        maximum: int,
        *,
        required: bool = False,
        lines: bool = False,
        pattern: re.Pattern[str] | None = None,
        form: str = "",
    ) -> str | None:
        """
        Read text of at most `maximum` characters without control characters, kept character for character.

        Blank text counts as absent. `lines` allows TAB and line breaks. Digits that look like a card number are
        refused, for card numbers must never be kept.
        """
        value = self._values.get(name)
        if value is None or value == "":
            if required:
                self.fault(name, MISSING)
            return None
        if type(value) is not str:
            self.fault(name, "Invalid: has to be text")
            return None
        if len(value) > maximum:
            self.fault(name, f"Too long: at most {maximum} characters")
            return None
        if not value.isprintable() and (_MULTI_LINE_CONTROL if lines else _ONE_LINE_CONTROL).search(value):
            self.fault(name, "Invalid: control characters are not allowed")
            return None
        if value.isspace():
            if required:
                self.fault(name, MISSING)
            return None
        if pattern is not None and not pattern.fullmatch(value):
            self.fault(name, f"Invalid: {form}")
            return None
        if len(value) >= 15 and holds_card_number(value):
            self.fault(name, CARD_NUMBER)
            return None
        return value

    def flag(self, name: str, default: bool | None = None) -> bool | None:
        """Read true or false, also as text in any letter case."""
        value = self._values.get(name)
        if value is None:
            return default
        if type(value) is bool:
            return value
        found = _FLAGS.get(value.lower()) if type(value) is str else None
        if found is None:
            self.fault(name, "Invalid: has to be true or false")
            return default
        return found

    def choice(self, name: str, choices: dict[str, Any]) -> Any:
        """Read one of the words of `choices` (lower case), in any letter case; return what it stands for."""
        value = self._values.get(name)
        if value is None:
            return None
        found = choices.get(value.lower()) if type(value) is str else None
        if found is None:
            self.fault(name, f"Invalid: has to be one of {', '.join(choices)}")
        return found

    def integer(self, name: str, least: int, most: int, *, required: bool = False) -> int | None:
        """Read a whole number, also as text of digits."""
        value = self._values.get(name)
        if value is None:
            if required:
                self.fault(name, MISSING)
            return None
        if type(value) is str and 1 <= len(value) <= 20 and value.isascii() and value.isdigit():
            value = int(value)
        elif (
            type(value) is NumberText
            and (number := _number(value)) is not None
            and number == number.to_integral_value()
        ):
            value = int(number)
        if type(value) is not int or not least <= value <= most:
            self.fault(name, f"Invalid: has to be a whole number from {least} to {most}")
            return None
        return value

    def amount(self, name: str, currency: str | None, maximum: int, *, required: bool = False) -> Decimal | None:
        """
        Read money of at most `maximum` characters, cut to the decimals of `currency`.

        Where the currency itself is faulty there is nothing to cut to: the amount is read for its faults only. One that
        is a card number was typed into the wrong field.
        """
        value = self._values.get(name)
        if isinstance(value, (str, int)) and len(digits := str(value)) >= 15 and holds_card_number(digits):
            self.fault(name, CARD_NUMBER)
            return None
        # NumberText is a str as well, and its plain form the same.
        if isinstance(value, str) and currency is not None and len(value) <= maximum and _AMOUNT.fullmatch(value):
            return read_digits(value, currency)
        if value is None and not required:
            return None
        number = self._decimal(name, maximum, required=required)
        return number if number is None or currency is None else truncated(number, currency)

    def rate(self, name: str, maximum: int) -> Decimal | None:
        """Read a percentage or rate, 0 to 100, of at most `maximum` characters."""
        if self._values.get(name) is None:
            return None
        value = self._decimal(name, maximum)
        if value is None:
            return None
        if value > 100:
            self.fault(name, "Invalid: has to be from 0 to 100")
            return None
        return shortest(value)

    def currency(self, name: str) -> str | None:
        """Read the ISO 4217 code of a currency in force; it is required."""
        value = self._values.get(name)
        if value is None or value == "":
            self.fault(name, MISSING)
        elif type(value) is str and value in CURRENCIES:
            return value
        else:
            self.fault(name, "Invalid currency: an ISO 4217 code in capital letters is needed, for example USD")
        return None

    def date(self, name: str, *, required: bool = False, day_first: bool = False) -> date | None:
        """Read a calendar date, `YYYY-MM-DD`; a time after it is dropped. `day_first` also takes `DD-MM-YYYY`."""
        value = self._values.get(name)
        if value is None or value == "":
            if required:
                self.fault(name, MISSING)
            return None
        if type(value) is str:
            try:
                if match := _DATE.fullmatch(value):
                    return date(int(match[1]), int(match[2]), int(match[3]))
                if day_first and (match := _DATE_DAY_FIRST.fullmatch(value)):
                    return date(int(match[3]), int(match[2]), int(match[1]))
            except ValueError:
                pass
        self.fault(name, "Invalid date: a calendar date in the form YYYY-MM-DD is needed")
        return None

    def email(self, name: str) -> str | None:
        """Read one plain address of at most 254 characters."""
        value = self._values.get(name)
        if value is None or value == "":
            return None
        if type(value) is not str or not is_email(value):
            self.fault(name, "Invalid email")
            return None
        if holds_card_number(value):
            self.fault(name, CARD_NUMBER)
            return None
        return value

    def _decimal(self, name: str, maximum: int, *, required: bool = False) -> Decimal | None:
        value = self._values.get(name)
        if value is None or value == "":
            if required:
                self.fault(name, MISSING)
            return None
        number = None
        kind = type(value)
        if kind is str:
            if len(value) <= maximum and _AMOUNT.fullmatch(value):
                number = Decimal(value)
        elif kind is NumberText:
            number = _number(value)
        elif kind is int and value >= 0:
            number = Decimal(value)
        if number is None:
            self.fault(name, "Invalid: digits and at most one point are needed, for example 293.50")
        elif len(format(number, "f") if kind is not str else value) > maximum:
            self.fault(name, f"Too long: at most {maximum} characters")
        else:
            return number
        return None


def _number(text: str) -> Decimal | None:
    """Return a JSON number's exact value, or None when it is negative or its exponent is out of all proportion."""
    if _AMOUNT.fullmatch(text):
        return Decimal(text) if len(text) <= 60 else None
    match = _EXPONENT.fullmatch(text)
    if match is None or len(text) > 60 or abs(int(match[2])) > 30:
        return None
    return Decimal(text)
