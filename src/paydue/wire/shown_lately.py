"""What was written of invoices as they were kept a moment ago: the answer to whoever changed them says the same."""

from typing import Final

from paydue.domain.invoice import Invoice
from paydue.wire.write_invoice import show_invoice

_MOST: Final = 256


class ShownLately:
    """
    Writes invoices to be shown, and keeps each text until it is asked for, which happens when the commit is done.

    Invoices are told apart as objects: the store answers with the one that it wrote.
    """

    def __init__(self) -> None:
        self._texts: dict[int, tuple[Invoice, str]] = {}

    def write(self, invoice: Invoice) -> str:
        """Return the text that is kept beside the invoice."""
        text = show_invoice(invoice)
        if len(self._texts) >= _MOST:
            # Of workers and refused changes, whose texts nobody asks for.
            self._texts.clear()
        self._texts[id(invoice)] = (invoice, text)
        return text

    def of(self, invoice: Invoice) -> str:
        """Return the same text, once without writing it again."""
        kept, text = self._texts.pop(id(invoice), (None, ""))
        return text if kept is invoice else show_invoice(invoice)
