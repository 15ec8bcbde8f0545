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


def _invoice(told: Telling) -> Wording:
    say, number = told.words.say, told.number
    if told.facts.is_overdue:
        body = say(
            "Here is invoice {number} for {amount}. It was due on {date}.",
            number=number, amount=told.total, date=told.due,
        )  # fmt: skip
    else:
        body = say(
            "Here is invoice {number} for {amount}, due on {date}.", number=number, amount=told.total, date=told.due
        )
    return Wording(
        subject=told.subject(lambda name: say("Invoice {number} from {merchant}", number=number, merchant=name)),
        heading=say("Your invoice from {merchant}", merchant=told.merchant),
        body=body,
        link=told.pay_link(),
        button=told.pay_button(),
        amount_label=told.owed_label(),
        thank_you=told.thank_you(),
    )


def _resend(told: Telling) -> Wording:
    say, number = told.words.say, told.number
    return Wording(
        subject=told.subject(
            lambda name: say("Copy of invoice {number} from {merchant}", number=number, merchant=name)
        ),
        heading=say("Your invoice from {merchant}, once more", merchant=told.merchant),
        body=told.sentences(say("Here is invoice {number} again.", number=number), told.is_or_was_due()),
        link=told.pay_link(),
        button=told.pay_button(),
        amount_label=told.owed_label(),
        thank_you=told.thank_you(),
    )


def _partial_resend(told: Telling) -> Wording:
    say, number = told.words.say, told.number
    paid = say("{paid} of {total} for invoice {number} is paid.", paid=told.paid, total=told.total, number=number)
    return Wording(
        subject=told.subject(
            lambda name: say("Balance of invoice {number} from {merchant}", number=number, merchant=name)
        ),
        heading=say("The balance of your invoice"),
        body=told.sentences(paid, told.is_or_was_due()),
        link=told.pay_link(),
        button=told.pay_button(),
        amount_label=told.owed_label(),
        thank_you=told.thank_you(),
    )


def _reminder(told: Telling) -> Wording:
    say, number, days = told.words.say, told.number, told.facts.days_until_due
    if days > 0:
        heading = told.words.say_count(
            "Invoice {number} is due in {count} day", "Invoice {number} is due in {count} days", days, number=number
        )
    else:
        heading = say("Invoice {number} is due today", number=number)
    return Wording(
        subject=told.subject(
            lambda name: say("Reminder: invoice {number} from {merchant}", number=number, merchant=name)
        ),
        heading=heading,
        body=told.sentences(told.is_or_was_due(), _unless_just_paid(told)),
        link=told.pay_link(),
        button=told.pay_button(),
        amount_label=told.owed_label(),
        thank_you=told.thank_you(),
    )


def _overdue_reminder(told: Telling) -> Wording:
    say, number, days = told.words.say, told.number, -told.facts.days_until_due
    heading = told.words.say_count(
        "Invoice {number} is {count} day overdue", "Invoice {number} is {count} days overdue", days, number=number
    )
    return Wording(
        subject=told.subject(
            lambda name: say("Overdue: invoice {number} from {merchant}", number=number, merchant=name)
        ),
        heading=heading,
        body=told.sentences(told.is_or_was_due(), _unless_just_paid(told)),
        link=told.pay_link(),
        button=told.pay_button(),
        amount_label=told.owed_label(),
        thank_you=told.thank_you(),
    )


def _unless_just_paid(told: Telling) -> str:
    return told.words.say("If you have just paid, you do not need to do anything.")


def _partial_payment(told: Telling) -> Wording:
    say, number = told.words.say, told.number
    return Wording(
        subject=told.subject(
            lambda name: say("Payment received for invoice {number} from {merchant}", number=number, merchant=name)
        ),
        heading=say("Your payment has arrived"),
        body=told.sentences(_received(told), told.is_or_was_due()),
        link=told.pay_link(),
        button=told.pay_button(),
        amount_label=told.received_label(),
        thank_you=told.thank_you(),
    )


def _paid(told: Telling) -> Wording:
    say, number = told.words.say, told.number
    return Wording(
        subject=told.subject(
            lambda name: say("Receipt for invoice {number} from {merchant}", number=number, merchant=name)
        ),
        heading=say("Invoice {number} is paid", number=number),
        body=told.sentences(_received(told), told.nothing_more()),
        link=say("Open the invoice to see all its payments."),
        button=say("View the invoice"),
        amount_label=told.received_label(),
        thank_you=told.thank_you(),
    )


def _received(told: Telling) -> str:
    return told.words.say(
        "{merchant} received {amount} for invoice {number}.",
        merchant=told.merchant, amount=told.amount, number=told.number,
    )  # fmt: skip


def _cancel(told: Telling) -> Wording:
    say, number = told.words.say, told.number
    return Wording(
        subject=told.subject(
            lambda name: say("Canceled: invoice {number} from {merchant}", number=number, merchant=name)
        ),
        heading=say("Nothing is due"),
        body=say(
            "{merchant} canceled invoice {number} for {amount}. You do not need to pay it.",
            merchant=told.merchant, number=number, amount=told.total,
        ),
    )  # fmt: skip


def _in_review(told: Telling) -> Wording:
    say, number = told.words.say, told.number
    return Wording(
        subject=told.subject(
            lambda name: say("Payment in review: invoice {number} from {merchant}", number=number, merchant=name)
        ),
        heading=say("Your payment is being checked"),
        body=say(
            "Your payment of {amount} for invoice {number} is being checked. Do not pay again. We will write to you "
            "when the result is known.",
            amount=told.amount, number=number,
        ),
        amount_label=say("In review since {date}", date=told.today),
    )  # fmt: skip


def _accepted(told: Telling) -> Wording:
    say, number, is_paid = told.words.say, told.number, told.facts.balance <= ZERO
    accepted = say("Your payment of {amount} for invoice {number} is accepted.", amount=told.amount, number=number)
    return Wording(
        subject=told.subject(
            lambda name: say("Payment accepted: invoice {number} from {merchant}", number=number, merchant=name)
        ),
        heading=say("Your payment is accepted"),
        body=told.sentences(accepted, told.nothing_more() if is_paid else told.is_or_was_due()),
        link=say("Open the invoice to see all its payments.") if is_paid else told.pay_link(),
        button=say("View the invoice") if is_paid else told.pay_button(),
        amount_label=told.received_label(),
        thank_you=told.thank_you(),
    )


def _rejected(told: Telling) -> Wording:
    say, number = told.words.say, told.number
    rejected = say(
        "Your payment of {amount} for invoice {number} was not accepted. You have not been charged.",
        amount=told.amount, number=number,
    )  # fmt: skip
    return Wording(
        subject=told.subject(
            lambda name: say("Payment not accepted: invoice {number} from {merchant}", number=number, merchant=name)
        ),
        heading=say("Your payment was not accepted"),
        body=told.sentences(rejected, told.is_or_was_due()),
        link=say("Open the invoice to pay in another way."),
        button=told.pay_button(),
        amount_label=told.owed_label(),
    )


def _refund(told: Telling) -> Wording:
    say, number = told.words.say, told.number
    return Wording(
        subject=told.subject(
            lambda name: say("Refund for invoice {number} from {merchant}", number=number, merchant=name)
        ),
        heading=say("Your refund is on its way"),
        body=say(
            "{merchant} refunded {amount} for invoice {number}. It can take 5 to 10 days to reach your account.",
            merchant=told.merchant, amount=told.amount, number=number,
        ),
        amount_label=say("Refunded on {date}", date=told.today),
    )  # fmt: skip


def _fresh_link(told: Telling) -> Wording:
    say, number = told.words.say, told.number
    here = say("Here is a new link for invoice {number}. The old one no longer works.", number=number)
    return Wording(
        subject=told.subject(
            lambda name: say("New link for invoice {number} from {merchant}", number=number, merchant=name)
        ),
        heading=say("Your new link"),
        body=told.sentences(here, told.is_or_was_due()),
        link=told.pay_link(),
        button=told.pay_button(),
        amount_label=told.owed_label(),
        thank_you=told.thank_you(),
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
