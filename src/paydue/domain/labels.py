"""What a merchant calls the parts of an invoice, and which of them are not shown: one reading of the custom labels."""

from collections.abc import Iterable

from paydue.domain.settings import Label


class Labels:
    """The custom labels of one merchant. Hiding a label hides its line and never changes a figure."""

    def __init__(self, labels: Iterable[Label]) -> None:
        self._by_key = {label.key: label for label in labels}

    def name(self, key: str, usual: str) -> str:
        """Return the merchant's own word for `key`, or the usual one."""
        label = self._by_key.get(key)
        return label.value if label is not None and label.value else usual

    def hides(self, key: str) -> bool:
        label = self._by_key.get(key)
        return label is not None and bool(label.hidden)

    def hides_on_invoice(self, key: str) -> bool:
        """Say whether `key` is hidden in the totals; a line item may still show it."""
        label = self._by_key.get(key)
        return label is not None and bool(label.hidden or label.hidden_for_invoice)

    def hides_on_items(self, key: str) -> bool:
        """Say whether `key` is hidden at line items; the totals may still show it."""
        label = self._by_key.get(key)
        return label is not None and bool(label.hidden or label.hidden_for_item)
