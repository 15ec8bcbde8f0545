"""The facts of a mail as they stand in sentences, and the sentences that several mails share."""

from typing import Final

import msgspec

from paydue.delivery.mail_facts import MailFacts
from paydue.delivery.plain_text import name_to_greet, one_line
from paydue.domain.money import ZERO
from paydue.language.amounts import format_amount
from paydue.language.dates import format_long_date
from paydue.language.words import Words, words_of

LONGEST_SUBJECT: Final = 78
_SHORTEST_NAME: Final = 6


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """The sentences of one mail, each on one line; empty: this mail has none of that kind."""

    subject: str
    heading: str
    body: str
    link: str = ""
    button: str = ""
    amount_label: str = ""
    thank_you: str = ""


def merchant_name(facts: MailFacts) -> str:
    """Return the name to show as the sender's; one that advertises gives way to the name the operator gave."""
    merchant = facts.merchant
    shown = facts.settings.display_name(merchant.name)
    return name_to_greet(shown) or name_to_greet(merchant.name) or one_line(merchant.merchant_id)


class Telling:
    """One mail's facts in its language. Methods return whole sentences or labels."""

    def __init__(self, facts: MailFacts) -> None:
        language, currency = facts.language, facts.currency
        self.facts = facts
        self.words: Words = words_of(language)
        self.number = one_line(facts.number)
        self.merchant = merchant_name(facts)
        self.total = format_amount(facts.total, currency, language)
        self.balance = format_amount(facts.balance, currency, language)
        self.paid = format_amount(facts.paid, currency, language)
        self.amount = format_amount(facts.amount, currency, language)
        self.due = format_long_date(facts.due_date, language)
        self.today = format_long_date(facts.today, language)
        self._known = {"number": self.number, "merchant": self.merchant, "amount": self.amount}

    def say(self, text: str, /, **values: str) -> str:
        """
        Return `text` in the reader's language. Write it out where you call this.

        Number, merchant and the amount that moved take their places by themselves, other values when they are given.
        """
        return self.words.translation(text).format_map(self._known | values)

    def from_table(self, text: str, /) -> str:
        """Return a text of a table in the reader's language, with number, merchant and amount in their places."""
        return self.words.translation(text).format_map(self._known)

    def subject(self, text: str, /) -> str:
        """
        Return a subject that fits, of a text with `{number}` and `{merchant}`. Write it out where you call this.

        A long merchant name is cut or left out, the invoice number never.
        """
        sentence = self.words.translation(text)
        subject = sentence.format(number=self.number, merchant=self.merchant)
        room = LONGEST_SUBJECT - len(subject) + len(self.merchant)
        if room >= len(self.merchant):
            return subject
        if room < _SHORTEST_NAME:
            return self.short_subject()
        return sentence.format(number=self.number, merchant=self.merchant[: room - 1].rstrip() + "…")

    def short_subject(self) -> str:
        return self.words.say("Invoice {number}", number=self.number)

    def thank_you(self) -> str:
        return self.words.say("Thank you for your business.")

    def owed_label(self) -> str:
        say, is_rest = self.words.say, self.facts.paid > ZERO
        if self.facts.is_overdue and is_rest:
            return say("Balance was due on {date}", date=self.due)
        if self.facts.is_overdue:
            return say("Was due on {date}", date=self.due)
        if is_rest:
            return say("Balance due on {date}", date=self.due)
        return say("Due on {date}", date=self.due)

    def received_label(self) -> str:
        return self.words.say("Received on {date}", date=self.today)

    def pay_button(self) -> str:
        if self.facts.paid > ZERO:
            return self.words.say("Pay the rest")
        return self.words.say("View and pay")

    def pay_link(self) -> str:
        if self.facts.paid > ZERO:
            return self.words.say("Open the invoice to see what is paid and to pay the rest.")
        return self.words.say("Open the invoice to see every detail and to pay online.")

    def is_or_was_due(self) -> str:
        if self.facts.is_overdue:
            return self.words.say("{balance} was due on {date}.", balance=self.balance, date=self.due)
        return self.words.say("{balance} is due on {date}.", balance=self.balance, date=self.due)

    def nothing_more(self) -> str:
        return self.words.say("Nothing more is due.")

    def sentences(self, *sentences: str) -> str:
        """Return whole sentences one after the other, set apart as this language does."""
        return ("" if self.words.language.startswith(("ja", "zh")) else " ").join(filter(None, sentences))
