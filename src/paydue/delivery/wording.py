"""
What each mail says: subject, heading, sentences and the caption of its button. Mails to the merchant stand next door.

Every text is written out where it is said, in English; `language/catalogues/` holds the others. The same strings go
into the mail and into webhooks.
"""

from collections.abc import Callable, Mapping
from typing import Final

from paydue.delivery.mail_facts import MailFacts, MailKind
from paydue.delivery.merchant_wording import needs_attention, payment_received
from paydue.delivery.telling import Telling, Wording
from paydue.domain.money import ZERO


def wording_of(facts: MailFacts) -> Wording:
    """Return what the mail of these facts says. Raises UnknownLanguage."""
    return _WRITERS[facts.kind](Telling(facts))


# Mails that ask for money: each ends with what is owed, and how to pay it.


def _invoice(told: Telling) -> Wording:
    say, total, due = told.say, told.total, told.due
    if told.facts.is_overdue:
        body = say("Here is invoice {number} for {amount}. It was due on {date}.", amount=total, date=due)
    else:
        body = say("Here is invoice {number} for {amount}, due on {date}.", amount=total, date=due)
    subject, heading = told.subject("Invoice {number} from {merchant}"), say("Your invoice from {merchant}")
    return _asking(told, subject, heading, body)


def _resend(told: Telling) -> Wording:
    subject = told.subject("Copy of invoice {number} from {merchant}")
    heading = told.say("Your invoice from {merchant}, once more")
    return _asking(told, subject, heading, told.say("Here is invoice {number} again."), told.is_or_was_due())


def _partial_resend(told: Telling) -> Wording:
    subject = told.subject("Balance of invoice {number} from {merchant}")
    paid = told.say("{paid} of {total} for invoice {number} is paid.", paid=told.paid, total=told.total)
    return _asking(told, subject, told.say("The balance of your invoice"), paid, told.is_or_was_due())


def _fresh_link(told: Telling) -> Wording:
    subject = told.subject("New link for invoice {number} from {merchant}")
    here = told.say("Here is a new link for invoice {number}. The old one no longer works.")
    return _asking(told, subject, told.say("Your new link"), here, told.is_or_was_due())


def _reminder(told: Telling) -> Wording:
    days = told.facts.days_until_due
    if days > 0:
        heading = told.words.say_count(
            "Invoice {number} is due in {count} day",
            "Invoice {number} is due in {count} days",
            days,
            number=told.number,
        )
    else:
        heading = told.say("Invoice {number} is due today")
    subject = told.subject("Reminder: invoice {number} from {merchant}")
    return _asking(told, subject, heading, told.is_or_was_due(), _unless_just_paid(told))


def _overdue_reminder(told: Telling) -> Wording:
    heading = told.words.say_count(
        "Invoice {number} is {count} day overdue",
        "Invoice {number} is {count} days overdue",
        -told.facts.days_until_due,
        number=told.number,
    )
    subject = told.subject("Overdue: invoice {number} from {merchant}")
    return _asking(told, subject, heading, told.is_or_was_due(), _unless_just_paid(told))


def _unless_just_paid(told: Telling) -> str:
    return told.say("If you have just paid, you do not need to do anything.")


def _asking(told: Telling, subject: str, heading: str, *sentences: str) -> Wording:
    return Wording(
        subject=subject,
        heading=heading,
        body=told.sentences(*sentences),
        link=told.pay_link(),
        button=told.pay_button(),
        amount_label=told.owed_label(),
        thank_you=told.thank_you(),
    )


# Mails about money that has moved.


def _partial_payment(told: Telling) -> Wording:
    subject = told.subject("Payment received for invoice {number} from {merchant}")
    return _having(told, subject, told.say("Your payment has arrived"), _received(told))


def _paid(told: Telling) -> Wording:
    subject = told.subject("Receipt for invoice {number} from {merchant}")
    return _having(told, subject, told.say("Invoice {number} is paid"), _received(told), is_paid=True)


def _accepted(told: Telling) -> Wording:
    subject = told.subject("Payment accepted: invoice {number} from {merchant}")
    accepted = told.say("Your payment of {amount} for invoice {number} is accepted.")
    is_paid = told.facts.balance <= ZERO
    return _having(told, subject, told.say("Your payment is accepted"), accepted, is_paid=is_paid)


def _received(told: Telling) -> str:
    return told.say("{merchant} received {amount} for invoice {number}.")


def _having(told: Telling, subject: str, heading: str, arrived: str, *, is_paid: bool = False) -> Wording:
    """Return what is said of money that arrived: with `is_paid` nothing is left to pay."""
    return Wording(
        subject=subject,
        heading=heading,
        body=told.sentences(arrived, told.nothing_more() if is_paid else told.is_or_was_due()),
        link=told.say("Open the invoice to see all its payments.") if is_paid else told.pay_link(),
        button=told.say("View the invoice") if is_paid else told.pay_button(),
        amount_label=told.received_label(),
        thank_you=told.thank_you(),
    )


def _rejected(told: Telling) -> Wording:
    rejected = told.say("Your payment of {amount} for invoice {number} was not accepted. You have not been charged.")
    return Wording(
        subject=told.subject("Payment not accepted: invoice {number} from {merchant}"),
        heading=told.say("Your payment was not accepted"),
        body=told.sentences(rejected, told.is_or_was_due()),
        link=told.say("Open the invoice to pay in another way."),
        button=told.pay_button(),
        amount_label=told.owed_label(),
    )


# Mails that ask for nothing: there is no button.


def _in_review(told: Telling) -> Wording:
    return Wording(
        subject=told.subject("Payment in review: invoice {number} from {merchant}"),
        heading=told.say("Your payment is being checked"),
        body=told.say(
            "Your payment of {amount} for invoice {number} is being checked. Do not pay again. We will write to you "
            "when the result is known."
        ),
        amount_label=told.say("In review since {date}", date=told.today),
    )


def _cancel(told: Telling) -> Wording:
    canceled = told.say(
        "{merchant} canceled invoice {number} for {amount}. You do not need to pay it.", amount=told.total
    )
    subject = told.subject("Canceled: invoice {number} from {merchant}")
    return Wording(subject=subject, heading=told.say("Nothing is due"), body=canceled)


def _refund(told: Telling) -> Wording:
    return Wording(
        subject=told.subject("Refund for invoice {number} from {merchant}"),
        heading=told.say("Your refund is on its way"),
        body=told.say(
            "{merchant} refunded {amount} for invoice {number}. It can take 5 to 10 days to reach your account."
        ),
        amount_label=told.say("Refunded on {date}", date=told.today),
    )


_WRITERS: Final[Mapping[MailKind, Callable[[Telling], Wording]]] = {
    MailKind.INVOICE: _invoice,
    MailKind.RESEND: _resend,
    MailKind.PARTIAL_RESEND: _partial_resend,
    MailKind.REMINDER: _reminder,
    MailKind.OVERDUE_REMINDER: _overdue_reminder,
    MailKind.PARTIAL_PAYMENT: _partial_payment,
    MailKind.PAID: _paid,
    MailKind.CANCEL: _cancel,
    MailKind.IN_REVIEW: _in_review,
    MailKind.ACCEPTED: _accepted,
    MailKind.REJECTED: _rejected,
    MailKind.REFUND: _refund,
    MailKind.FRESH_LINK: _fresh_link,
    MailKind.PAYMENT_RECEIVED: payment_received,
    MailKind.NEEDS_ATTENTION: needs_attention,
}
