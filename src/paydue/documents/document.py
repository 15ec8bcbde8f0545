"""A document before it is drawn: the template's name and every value that it may show."""

from datetime import datetime
from enum import StrEnum
from hashlib import sha256

import msgspec


class Template(StrEnum):
    """The documents there are; the values are the names of the files below `templates/`."""

    INVOICE = "invoice"
    RECEIPT = "receipt"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """
    Everything that a PDF is made from: two equal documents are the same PDF.

    `values` is JSON, which the template takes as values and never as markup. `payment_link` is what the QR code
    leads to, empty for none; `logo` is a picture as it is stored. `made_at` is the date that the file bears.
    """

    template: Template
    values: bytes
    payment_link: str
    logo: bytes | None
    made_at: datetime

    @property
    def digest(self) -> bytes:
        """What tells this document from every other one."""
        parts = (self.template.encode(), self.values, self.payment_link.encode(), self.made_at.isoformat().encode())
        hashed = sha256()
        for part in (*parts, self.logo or b""):
            hashed.update(len(part).to_bytes(8, "big") + part)
        return hashed.digest()
