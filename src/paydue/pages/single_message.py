"""The states in which one message stands for the invoice: nothing to pay, or nothing to pay just now."""

from datetime import date
from typing import Any, Final

from paydue.domain.standing import Standing
from paydue.pages.invoice_view import Fact, InvoiceWriter
from paydue.pages.payer_templates import Rendered, icon
from paydue.pages.slip import Headline, Slip, masked
from paydue.pages.standing_words import strip_of

Values = dict[str, Any]

_NOTHING: Final = Rendered("")


def message_of(writer: InvoiceWriter, standing: Standing, slip: Slip, today: date) -> Values | None:
    """Return the values of the message, or None where the invoice is shown."""
    match slip.headline:
        case Headline.CONFIRMING:
            return _confirming(writer, slip)
        case Headline.CHALLENGE:
            return _challenge(writer, slip)
    match standing:
        case Standing.CANCELED:
            return _canceled(writer, today)
        case Standing.EXPIRED:
            return _expired(writer, slip, today)
        case Standing.IN_REVIEW:
            return _in_review(writer, slip, today)
    return None


def _confirming(writer: InvoiceWriter, slip: Slip) -> Values:
    say = writer.look.words.say
    email = _email(writer, slip)
    return _message(
        strip=("wait", icon("refresh"), say("Waiting for the bank")),
        heading=say("We are confirming your payment."),
        text=say("Do not pay again. This page updates by itself, and we will write to {email}.", email=email)
        if email
        else say("Do not pay again. This page updates by itself."),
        facts=_facts(writer, say("Amount"), slip),
        action=(icon("refresh"), say("Check again")),
        is_waiting=True,
    )


def _challenge(writer: InvoiceWriter, slip: Slip) -> Values:
    say = writer.look.words.say
    message = _message(
        strip=("wait", icon("lock"), say("One more step")),
        heading=say("Your bank wants to know that it is you."),
        text=say("Nothing is charged before you have confirmed it there."),
        facts=_facts(writer, say("Amount"), slip),
        action=(icon("external"), say("Go to your bank")),
    )
    return message | ({"check_url": slip.challenge_url, "is_challenge": True} if slip.challenge_url else {})


def _canceled(writer: InvoiceWriter, today: date) -> Values:
    say = writer.look.words.say
    return _message(
        strip=strip_of(writer, Standing.CANCELED, today),
        heading=say("Nothing is due."),
        text=say("{merchant} canceled this invoice. You do not need to pay it.", merchant=writer.look.name),
        facts=[*_number(writer), Fact(say("Total"), writer.money.amount(writer.invoice.terms.total), is_wide=True)],
    )


def _expired(writer: InvoiceWriter, slip: Slip, today: date) -> Values:
    say = writer.look.words.say
    offers = writer.look.settings.offers_fresh_links and not slip.new_link_asked
    if slip.new_link_asked:
        text = say("If we have an address for this invoice, a new link is on its way.")
    elif offers:
        text = say(
            "Invoice {number} is still open. We can send a new link to the address we have on file.",
            number=writer.invoice.number,
        )
    else:
        text = say("Ask {merchant} for a new one.", merchant=writer.look.name)
    message = _message(
        strip=strip_of(writer, Standing.EXPIRED, today), heading=say("This link has expired."), text=text
    )
    return message | {"new_link": offers}


def _in_review(writer: InvoiceWriter, slip: Slip, today: date) -> Values:
    say, invoice = writer.look.words.say, writer.invoice
    email = _email(writer, slip)
    return _message(
        strip=strip_of(writer, Standing.IN_REVIEW, today),
        heading=say("Your payment is being checked."),
        text=say("We will write to {email}. Do not pay again.", email=email) if email else say("Do not pay again."),
        facts=[*_number(writer), Fact(say("Total"), writer.money.amount(invoice.terms.total))],
        action=(icon("refresh"), say("Check again")),
        is_waiting=True,
    )


def _message(
    *,
    strip: tuple[str, Rendered, str],
    heading: str,
    text: str,
    facts: list[Fact] | None = None,
    action: tuple[Rendered, str] = (_NOTHING, ""),
    is_waiting: bool = False,
) -> Values:
    return {
        "tone": strip[0],
        "glyph": strip[1],
        "strip": strip[2],
        "heading": heading,
        "text": text,
        "facts": facts or [],
        "new_link": False,
        "action_glyph": action[0],
        "action": action[1],
        "is_waiting": is_waiting,
        "is_challenge": False,
    }


def _facts(writer: InvoiceWriter, label: str, slip: Slip) -> list[Fact]:
    amount = slip.attempt_amount
    facts = _number(writer)
    if amount is not None:
        facts.append(Fact(label, writer.money.amount(amount)))
    return facts


def _number(writer: InvoiceWriter) -> list[Fact]:
    number = writer.shown_number
    label = writer.look.labels.name("invoiceNumber", writer.look.words.say("Invoice number"))
    return [Fact(label, number)] if number else []


def _email(writer: InvoiceWriter, slip: Slip) -> str:
    email = slip.attempt_email or writer.invoice.terms.email
    return masked(email) if email else ""
