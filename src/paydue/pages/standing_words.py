"""What is the matter with an invoice, in one line above the sheet and one below its heading."""

from datetime import date
from typing import Final, NamedTuple

from paydue.domain.events import What
from paydue.domain.expiry import link_ends_on
from paydue.domain.money import ZERO
from paydue.domain.standing import Standing
from paydue.language.dates import format_long_date
from paydue.language.words import Words
from paydue.pages.invoice_view import InvoiceWriter
from paydue.pages.payer_templates import Rendered, icon


class Strip(NamedTuple):
    """The line above the sheet: its colour, a picture that adds nothing, and what it says."""

    tone: str
    icon: Rendered
    text: str


class Lead(NamedTuple):
    """The line below the heading, with the amount that is set apart in it."""

    before: str
    amount: str = ""
    after: str = ""


def strip_of(writer: InvoiceWriter, standing: Standing, today: date) -> Strip:
    """Return the line above the sheet; `today` is the merchant's."""
    say, invoice = writer.look.words.say, writer.invoice
    match standing:
        case Standing.PAYABLE | Standing.OVERDUE:
            is_late = standing is Standing.OVERDUE
            text = _open(writer.look.words, (invoice.terms.due_date - today).days, is_partly_paid=bool(invoice.paid))
            return Strip("bad" if is_late else "", icon("alert" if is_late else "clock"), text)
        case Standing.PAID if ZERO < invoice.refunded == invoice.paid:
            day = _day_of(writer, What.PAYMENT_REFUNDED)
            return Strip("good", icon("undo"), say("Refunded on {date}", date=day) if day else say("Refunded"))
        case Standing.PAID:
            day = _day_of(writer, What.PAYMENT_RECEIVED)
            return Strip("good", icon("check-circle"), say("Paid on {date}", date=day) if day else say("Paid"))
        case Standing.CANCELED:
            day = _day_of(writer, What.INVOICE_CANCELED)
            return Strip("", icon("slash"), say("Canceled on {date}", date=day) if day else say("Canceled"))
        case Standing.EXPIRED:
            return Strip("wait", icon("clock"), _expired(writer))
        case Standing.IN_REVIEW:
            return Strip("wait", icon("clock"), say("In review"))
        case Standing.DRAFT:
            return Strip("", icon("eye"), say("Draft. Only you can see this page"))


def busy_strip(writer: InvoiceWriter) -> Strip:
    """Return the line above the sheet while somebody else pays all of it."""
    return Strip("wait", icon("clock"), writer.look.words.say("A payment is in progress"))


def lead_of(writer: InvoiceWriter, standing: Standing, today: date) -> Lead:
    """Return the line below the heading; `today` is the merchant's."""
    words, invoice = writer.look.words, writer.invoice
    if standing is Standing.PAID:
        if ZERO < invoice.refunded == invoice.paid:
            sentence = words.say(
                "{amount} goes back to you. It can take 5 to 10 days to reach your account.", amount=_HERE
            )
            return _around(sentence, writer.money.amount(invoice.refunded))
        sentence = words.say("{total} paid in full. Nothing is due.", total=_HERE)
        return _around(sentence, writer.money.amount(invoice.terms.total))
    ahead = (invoice.terms.due_date - today).days
    if ahead < 0:
        sentence = words.say("{balance} was due {date}", balance=_HERE, date=writer.due)
    elif ahead == 0:
        sentence = words.say("{balance} due {date}, today", balance=_HERE, date=writer.due)
    elif ahead == 1:
        sentence = words.say("{balance} due {date}, tomorrow", balance=_HERE, date=writer.due)
    else:
        sentence = words.say_count(
            "{balance} due {date}, in {count} day", "{balance} due {date}, in {count} days", ahead,
            balance=_HERE, date=writer.due,
        )  # fmt: skip
    return _around(sentence, writer.money.amount(invoice.balance))


# Stands for the amount while its sentence is made; what people wrote is in none of these sentences.
_HERE: Final = "\x00"


def _around(sentence: str, amount: str) -> Lead:
    before, _, after = sentence.partition(_HERE)
    return Lead(before, amount, after)


def _open(words: Words, ahead: int, *, is_partly_paid: bool) -> str:
    """Say until when to pay, or since when it is late; `ahead` are the days until then."""
    if is_partly_paid:
        if ahead < 0:
            return words.say_count("Partly paid. {count} day overdue", "Partly paid. {count} days overdue", -ahead)
        if ahead == 0:
            return words.say("Partly paid. Due today")
        if ahead == 1:
            return words.say("Partly paid. Due tomorrow")
        return words.say_count("Partly paid. Due in {count} day", "Partly paid. Due in {count} days", ahead)
    if ahead < 0:
        return words.say_count(
            "{count} day overdue. You can still pay", "{count} days overdue. You can still pay", -ahead
        )
    if ahead == 0:
        return words.say("Open. Due today")
    if ahead == 1:
        return words.say("Open. Due tomorrow")
    return words.say_count("Open. Due in {count} day", "Open. Due in {count} days", ahead)


def _expired(writer: InvoiceWriter) -> str:
    say, ended_on = writer.look.words.say, link_ends_on(writer.invoice)
    if ended_on is None:
        return say("Expired")
    return say("Expired on {date}, 00:00 UTC", date=format_long_date(ended_on, writer.look.language))


def _day_of(writer: InvoiceWriter, what: What) -> str:
    at = next((event.at for event in reversed(writer.invoice.history) if event.what is what), None)
    return writer.day_of(at) if at is not None else ""
